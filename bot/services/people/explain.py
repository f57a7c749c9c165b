"""Explains a decision, and who could approve: it calls the functions that decide, and keeps their reasons.

It only reads, so it also works on a snapshot. Explanations are for people: Latchkey itself decides anew, from fresh
reads, before it does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import reduce

from bot.domain.authority import HeldRoles, Target, Weighed, weigh_all
from bot.domain.catalog import called
from bot.domain.conditions import most
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide
from bot.domain.errors import NotFound, plain
from bot.domain.keys import MyAccount, Operation, Person, Principal, RequestId, SlackUserId, normal_email
from bot.domain.policy import CHANGES, Policy, Rule
from bot.domain.requests import Ask
from bot.domain.roles import Binding, Table
from bot.services.people.approvers import Approver, Approvers, Someone
from bot.services.people.directory import Tenant
from bot.services.people.groups import looked_up
from bot.services.ports.cloud import Inventory
from bot.services.ports.slack import People

OWN_ACCOUNT = "Keys for Latchkey's own account can't be requested."


@dataclass(frozen=True, slots=True)
class Looked:
    """One of the requester's roles, and what it gives them for one key; `via` is as in `Approver`."""

    weighed: Weighed
    via: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and everything that led to it."""

    ask: Ask
    requester: Someone
    rules: tuple[Rule, ...]
    """The rule for each of its keys; () unless there is one for each."""
    verdict: Verdict
    table: Table
    roles: tuple[Looked, ...]
    approvers: tuple[Approver, ...]
    """Everyone else with authority over the key, those who can use it first; empty if the request is forbidden."""
    offers: tuple[str, ...] = ()
    """The access that can be requested with it, by the names that the policy gives it."""
    also_roles: tuple[Looked, ...] = ()
    """As `roles`, for the second key of a pair."""

    @property
    def rule(self) -> Rule | None:
        """The rule that decides, None without one; for a pair, both rules as one, with the stricter of their terms."""
        return reduce(lambda one, other: _together(one, other, self.table), self.rules) if self.rules else None

    @property
    def roles_of_keys(self) -> tuple[tuple[Looked, ...], ...]:
        """`roles`, and for a pair also `also_roles`."""
        return (self.roles, self.also_roles) if self.ask.also else (self.roles,)

    @property
    def target(self) -> Target:
        """The key."""
        return Target.of(self.ask)

    @property
    def is_by_ownership(self) -> bool:
        """Whether it's a change to a key of the requester's own account, allowed whatever roles they hold."""
        is_own = isinstance(self.ask.owner, MyAccount) and self.ask.owner.id == self.requester.principal
        return isinstance(self.verdict, Allowed) and is_own and self.ask.operation in CHANGES

    @property
    def approvals(self) -> int:
        """How many people have to approve; for a forbidden request, as many as its rule says (0 without one)."""
        match self.verdict:
            case Forbidden():
                return self.rule.approvals if self.rule else 0
            case Allowed(terms) | NeedsApproval(terms, _):
                return terms.approvals

    @property
    def able(self) -> tuple[Approver, ...]:
        """The approvers whom Latchkey wouldn't refuse."""
        return tuple(each for each in self.approvers if not each.someone.refusal)

    @property
    def most(self) -> int:
        """How many approvals these people could give together, at most."""
        conditions = () if isinstance(self.verdict, Forbidden) else self.verdict.terms.approvers
        return most(conditions, [each.member for each in self.able])

    @property
    def is_possible(self) -> bool:
        """Whether it's allowed, or enough people could approve it; by break-glass, if someone could also review it."""
        match self.verdict:
            case Allowed():
                return bool(self.able) or not self.ask.break_glass
            case NeedsApproval(missing=missing):
                return self.most >= missing
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
        """The person with this email address or Confluent ID; refused unless both Slack and Confluent know one person.

        Raises `NotFound` if neither knows them, and `Unavailable`.
        """
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

    async def explain(
        self, requester: Someone, operation: Operation, target: Target, *, break_glass: bool = False
    ) -> Explanation:
        """What Latchkey would decide if this person requested this now, and why; with `break_glass`, if they used that.

        Raises `Unavailable` if something can't be read.
        """
        person = requester.person
        ask = Ask(RequestId(""), person, operation, target.owner, target.resource, "", "", "", _NO_TIME)
        ask = replace(ask, bindings=target.bindings, also=target.also, break_glass=break_glass)
        held_roles, via = await self.held_roles(requester)
        held_roles = await looked_up(
            held_roles,
            lambda known: self.policy.unread(operation, target, known, break_glass=break_glass),
            self.people.members,
        )
        never = OWN_ACCOUNT if target.owner.id == (await self.cloud.own_account() or None) else requester.refusal
        verdict = Forbidden("", never) if never else decide(self.policy, ask, held_roles, is_sketch=True)
        approvers: Sequence[Approver] = ()
        if not isinstance(verdict, Forbidden):
            approvers = await self.who.of(target, person, verdict.terms.approvers, thorough=True)
        rules = [self.policy.rule(operation, part, held_roles) for part in target.parts]
        roles = [
            tuple(Looked(each, via.get(each.binding, "")) for each in weigh_all(held_roles, part))
            for part in target.parts
        ]
        return Explanation(
            ask,
            requester,
            tuple(rule for rule in rules if rule) if all(rules) else (),
            verdict,
            self.policy.table,
            roles[0],
            tuple(approvers),
            self._offers(ask),
            *roles[1:],
        )

    async def asker(self, someone: Someone) -> HeldRoles:
        """A person's roles, with every user group by which the policy selects people."""
        held_roles, groups = (await self.held_roles(someone))[0], frozenset[str]()
        groups = groups.union(*(each.groups for each in self.policy.selectors))
        return await looked_up(
            held_roles, lambda known: min(groups - known.looked_up, default=None), self.people.members
        )

    def _offers(self, ask: Ask) -> tuple[str, ...]:
        """The names of the access that can be requested with it: none for a person's own account, or by break-glass."""
        if ask.operation is not Operation.CREATE or isinstance(ask.owner, MyAccount) or ask.break_glass:
            return ()
        kinds = {each.kind for each in Target.of(ask).resources}
        return tuple(each.name for each in self.policy.offers if each.kind in kinds)

    async def held_roles(self, someone: Someone) -> tuple[HeldRoles, Mapping[Binding, str]]:
        """A person's roles; and for each one from the policy, the Slack ID of the person or group that is given it."""
        person, organization = someone.person, await self.cloud.organization()
        bindings = await self.cloud.role_bindings(person.principal) if someone.principal else ()
        via: dict[Binding, str] = {}
        for mapping in self.policy.mappings:
            if person.slack in await self.who.subjects(mapping):
                via.setdefault(mapping.binding(person.principal, organization), mapping.subject)
        names = called(await self.cloud.environments())
        return HeldRoles(person, (*bindings, *via), organization, self.policy.table, environments=names), via


def _together(one: Rule, other: Rule, table: Table) -> Rule:
    """Two rules as one, for a request that is under both: see `Terms.with_those_of`."""
    terms = one.terms(table).with_those_of(other.terms(table))
    said = {each.name: getattr(terms, each.name) for each in fields(terms) if each.name not in {"rule", "table"}}
    others = [each.otherwise for each in (one, other) if not each.approvals]
    return replace(
        one,
        name=terms.rule,
        **said,
        otherwise=None if None in others else max([terms.approvals, *filter(None, others)]),
        user_keys=one.user_keys and other.user_keys,
        break_glass=None,
    )


_NO_TIME = datetime.min.replace(tzinfo=UTC)
