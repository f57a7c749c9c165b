"""Why a decision is as it is, and who could approve: the same domain functions that decide, with their reasons kept.

It only reads, so that it works on a snapshot too. What it says is for people; every decision is made again, from
fresh reads, where something happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.domain.authority import HeldRoles, Target, Weighed, weigh_all
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide
from bot.domain.errors import NotFound, plain
from bot.domain.keys import MyAccount, Operation, Person, Principal, RequestId, SlackUserId, normal_email
from bot.domain.policy import CHANGES, Policy, Rule
from bot.domain.requests import Ask
from bot.domain.roles import Binding
from bot.services.people.approvers import Approver, Approvers, Someone
from bot.services.people.directory import Tenant
from bot.services.people.groups import looked_up
from bot.services.ports.cloud import Inventory
from bot.services.ports.slack import People

OWN_ACCOUNT = "Keys for Latchkey's own account can't be requested."


@dataclass(frozen=True, slots=True)
class Looked:
    """A role of the requester and what it gives here; `via` is as in `Approver`."""

    weighed: Weighed
    via: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all that led to it."""

    ask: Ask
    requester: Someone
    rule: Rule | None
    verdict: Verdict
    table: str
    roles: tuple[Looked, ...]
    approvers: tuple[Approver, ...]
    """Everybody with authority, those first who can use it; nobody where no approval would help."""
    offers: tuple[str, ...] = ()
    """The access that can be requested with it, by its names in the policy."""

    @property
    def target(self) -> Target:
        """The key."""
        return Target.of(self.ask)

    @property
    def is_by_ownership(self) -> bool:
        """Whether it is allowed to the key's owner, whatever their roles are."""
        is_own = isinstance(self.ask.owner, MyAccount) and self.ask.owner.id == self.requester.principal
        return isinstance(self.verdict, Allowed) and is_own and self.ask.operation in CHANGES

    @property
    def approvals(self) -> int:
        """How many people have to approve, as decided; as the rule says, where it is forbidden."""
        match self.verdict:
            case Forbidden():
                return self.rule.approvals if self.rule else 0
            case Allowed(terms) | NeedsApproval(terms, _):
                return terms.approvals

    @property
    def able(self) -> tuple[Approver, ...]:
        """Those who can approve."""
        return tuple(each for each in self.approvers if not each.someone.refusal)

    @property
    def is_possible(self) -> bool:
        """Whether it is allowed, or enough people could approve it."""
        match self.verdict:
            case Allowed():
                return True
            case NeedsApproval(missing=missing):
                return len(self.able) >= missing
            case Forbidden():
                return False


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains one policy over one organization and one workspace."""

    cloud: Inventory
    people: People
    tenant: Tenant
    policy: Policy
    who: Approvers

    async def find(self, word: str) -> Someone:
        """The person with this e-mail address or Confluent id. Raises `NotFound` when neither side knows it."""
        users, email = await self.cloud.users(), normal_email(word)
        found = [each for each in users if each.id == word or (each.email and each.email == email)]
        if len(found) == 1:
            return await self.who.meet(found[0], users)
        profile = await self.people.by_email(email) if "@" in email else None
        stand_in = Principal(f"?{word}")
        if profile is not None:
            person = Person(profile.id, profile.team, profile.name, profile.email, stand_in)
            return self.who.someone(profile, users, person)
        if not found:
            raise NotFound(f"No one has the email address or ID {plain(word)}.")
        person = Person(SlackUserId(f"?{word}"), self.tenant.team, found[0].name, email, stand_in)
        return Someone(person, f"Several Confluent Cloud users match: {', '.join(each.id for each in found)}.")

    async def explain(self, requester: Someone, operation: Operation, target: Target) -> Explanation:
        """What would be decided if this person asked for this now, and why."""
        person = requester.person
        ask = Ask(RequestId(""), person, operation, target.owner, target.resource, "", "", "", _NO_TIME)
        ask = replace(ask, bindings=target.bindings)
        held_roles, via = await self.held_roles(requester)
        held_roles = await looked_up(
            held_roles, lambda known: self.policy.unread(operation, target, known), self.people.members
        )
        never = OWN_ACCOUNT if target.owner.id == (await self.cloud.own_account() or None) else requester.refusal
        verdict = Forbidden("", never) if never else decide(self.policy, ask, held_roles, is_sketch=True)
        approvers = () if isinstance(verdict, Forbidden) else await self.who.of(target, person, thorough=True)
        return Explanation(
            ask,
            requester,
            self.policy.rule(operation, target, held_roles),
            verdict,
            self.policy.table.name,
            tuple(Looked(each, via.get(each.binding, "")) for each in weigh_all(held_roles, target)),
            tuple(approvers),
            self._offers(ask),
        )

    async def asker(self, someone: Someone) -> HeldRoles:
        """What someone holds, with every user group that tells which rule decides about a request of theirs."""
        held_roles, groups = (await self.held_roles(someone))[0], frozenset[str]()
        groups = groups.union(*(each.groups for each in self.policy.selectors))
        return await looked_up(
            held_roles, lambda known: min(groups - known.looked_up, default=None), self.people.members
        )

    def _offers(self, ask: Ask) -> tuple[str, ...]:
        """The names of the access that can be requested with a new key: none for one of a person's own account."""
        if ask.operation is not Operation.CREATE or isinstance(ask.owner, MyAccount):
            return ()
        return tuple(each.name for each in self.policy.offers if each.kind is ask.resource.kind)

    async def held_roles(self, someone: Someone) -> tuple[HeldRoles, Mapping[Binding, str]]:
        """What someone holds, and whom the policy names where it gives a role."""
        person, organization = someone.person, await self.cloud.organization()
        bindings = await self.cloud.role_bindings(person.principal) if someone.principal else ()
        via: dict[Binding, str] = {}
        for mapping in self.policy.mappings:
            if person.slack in await self.who.subjects(mapping):
                via.setdefault(mapping.binding(person.principal, organization), mapping.subject)
        return HeldRoles(person, (*bindings, *via), organization, self.policy.table), via


_NO_TIME = datetime.min.replace(tzinfo=UTC)
