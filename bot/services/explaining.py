"""Why a decision is as it is, and who could approve: the same domain functions that decide, with their reasons kept.

It only reads, so that it works on a snapshot too. What it says is for people; every decision is made again, from
fresh reads, where something happens.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.domain.asks import Ask
from bot.domain.authority import Standing, Target, Weighed, authority, weigh_all
from bot.domain.catalog import User
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide
from bot.domain.errors import NotFound, Refused, plain
from bot.domain.keys import (
    Operation,
    Path,
    Person,
    Principal,
    RequestId,
    ServiceAccount,
    SlackUserId,
    TeamId,
    normal_email,
)
from bot.domain.policy import Policy, Rule
from bot.domain.roles import Binding
from bot.services.identity import admitted, matched
from bot.services.inventory import Inventory
from bot.services.ports import People

AT_ONCE = 5
"""Look-ups in Slack at the same time."""
OWN_ACCOUNT = "Nobody gets keys of the account of Latchkey itself."
NOT_IN_SLACK = "Nobody in the Slack workspace has the e-mail address of this Confluent user."
_ANYBODY = Principal("?")
"""No real principal: weighs what a binding gives to somebody who does not own the key."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person; `refusal` says why Latchkey would not deal with them ("" when it would).

    Whoever is refused may have a stand-in for an id: `?`, and what was looked for.
    """

    person: Person
    refusal: str = ""

    @property
    def slack(self) -> SlackUserId | None:
        """The Slack id, where there is one."""
        return None if self.person.slack.startswith("?") else self.person.slack

    @property
    def principal(self) -> Principal | None:
        """The Confluent user, where there is just one."""
        return None if self.person.principal.startswith("?") else self.person.principal


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody else's authority over the key. `someone.refusal` says what keeps this person from using it."""

    someone: Someone
    basis: Binding
    via: str = ""
    """The Slack id that the policy maps to the role; "" for a role binding at Confluent."""


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
class Explaining:
    """Explains one policy over one organisation and one workspace."""

    cloud: Inventory
    people: People
    team: TeamId
    policy: Policy

    async def find(self, word: str) -> Someone:
        """The person with this e-mail address or Confluent id. Raises `NotFound` when neither side knows it."""
        users, email = await self.cloud.users(), normal_email(word)
        found = [each for each in users if each.id == word or (each.email and each.email == email)]
        if len(found) == 1:
            return await self._meet(found[0], users)
        profile = await self.people.by_email(email) if "@" in email else None
        stand_in = Principal(f"?{word}")
        if profile is not None:
            person = Person(profile.id, profile.team, profile.name, profile.email, stand_in)
            try:
                return Someone(matched(admitted(profile, self.team), users, self.policy.people))
            except Refused as refused:
                return Someone(person, refused.tell)
        if not found:
            raise NotFound(f"There is nobody with the e-mail address or the id {plain(word)}.")
        person = Person(SlackUserId(f"?{word}"), self.team, found[0].name, email, stand_in)
        return Someone(person, f"Several Confluent Cloud users ({', '.join(each.id for each in found)}) have it.")

    async def explain(self, requester: Someone, operation: Operation, target: Target) -> Explanation:
        """What would be decided if this person asked for this now, and why."""
        person = requester.person
        ask = Ask(RequestId(""), person, operation, target.owner, target.resource, "", "", "", _NO_TIME)
        standing, via = await self._standing(requester)
        never = OWN_ACCOUNT if target.owner.id == (await self.cloud.own_account() or None) else requester.refusal
        verdict = Forbidden("", never) if never else decide(self.policy, ask, standing)
        approvers = () if isinstance(verdict, Forbidden) else await self.approvers(target, person, thorough=True)
        return Explanation(
            ask,
            requester,
            self.policy.rule(operation, target),
            verdict,
            self.policy.table.name,
            tuple(Looked(each, via.get(each.binding, "")) for each in weigh_all(standing, target)),
            tuple(approvers),
        )

    async def approvers(
        self, target: Target, requester: Person, *, thorough: bool = False, most: int | None = None
    ) -> Sequence[Approver]:
        """Everybody but the requester who has authority over the key, those first who can use it; each once.

        Only the first `most` holders of a role are looked up in Slack, which takes 50 such questions a minute; the
        rest count as people who can approve, with no Slack id.

        Unless `thorough`, which reads all bindings of the organisation, roles bound by a pattern such as
        `environment=*` are not found: these people can approve all the same.
        """
        organization, users = await asyncio.gather(self.cloud.organization(), self.cloud.users())
        held = await self._bindings(target, organization, thorough=thorough)
        found = [
            *await self._bound(target, organization, users, held, most),
            *await self._mapped(target, organization, users),
        ]
        once: dict[str, Approver] = {}
        for each in sorted(found, key=_usable_first):
            if not each.someone.person.is_same_as(requester):
                once.setdefault(each.someone.person.principal, each)
        return tuple(once.values())

    async def _meet(self, user: User, users: Sequence[User]) -> Someone:
        """The Slack side of a Confluent user."""
        stand_in = Someone(self._unmet(user), NOT_IN_SLACK)
        named = next((slack for slack, principal in self.policy.people.items() if principal == user.id), None)
        if named is not None:
            profile = await self.people.profile(named)
        else:
            profile = await self.people.by_email(user.email) if user.email else None
        if profile is None:
            return stand_in
        known = Person(profile.id, self.team, profile.name, user.email, user.id)
        try:
            person = matched(admitted(profile, self.team), users, self.policy.people)
        except Refused as refused:
            return Someone(known, refused.tell)
        if person.principal != user.id:
            return Someone(known, f"The policy says that this Slack account is {person.principal}.")
        return Someone(person)

    async def _standing(self, someone: Someone) -> tuple[Standing, Mapping[Binding, str]]:
        """What somebody holds, and whom the policy names where it gives a role."""
        person, organization = someone.person, await self.cloud.organization()
        bindings = await self.cloud.role_bindings(person.principal) if someone.principal else ()
        via: dict[Binding, str] = {}
        for mapping in self.policy.mappings:
            if person.slack in await self._subjects(mapping.subject, is_group=mapping.is_group):
                via.setdefault(mapping.binding(person.principal, organization), mapping.subject)
        return Standing(person, (*bindings, *via), organization, self.policy.table), via

    async def _subjects(self, subject: str, *, is_group: bool) -> Sequence[SlackUserId]:
        return await self.people.members(subject) if is_group else (SlackUserId(subject),)

    async def _bindings(self, target: Target, organization: str, *, thorough: bool) -> Sequence[Binding]:
        here = f"crn://confluent.cloud/organization={organization}"
        if thorough:
            places = [here]
            found = [await self.cloud.bindings_under(here)]
        else:
            places = [_crn(here, path) for path in _places(target)]
            found = []
        found += await asyncio.gather(*map(self.cloud.bindings_at, places))
        if not isinstance(target.owner, ServiceAccount) and target.owner.id:
            found.append(await self.cloud.role_bindings(target.owner.id))  # a person may decide about the own key
        return list(dict.fromkeys(binding for each in found for binding in each))

    async def _bound(
        self,
        target: Target,
        organization: str,
        users: Sequence[User],
        bindings: Iterable[Binding],
        most: int | None,
    ) -> list[Approver]:
        held = defaultdict[Principal, list[Binding]](list)
        for binding in bindings:
            held[binding.principal].append(binding)
        able = {user.id: self._basis(user.id, held[user.id], target, organization) for user in users if user.id in held}
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(user: User, basis: Binding) -> Approver:
            async with slots:
                return Approver(await self._meet(user, users), basis)

        holders = [(user, basis) for user in users if (basis := able.get(user.id)) is not None]
        met = await asyncio.gather(*(one(*each) for each in holders[:most]))
        unmet = [] if most is None else [Approver(Someone(self._unmet(user)), basis) for user, basis in holders[most:]]
        return [*met, *unmet]

    def _unmet(self, user: User) -> Person:
        """A Confluent user whom nobody looked for in Slack, or found there."""
        return Person(SlackUserId(f"?{user.id}"), self.team, user.name, user.email, user.id)

    async def _mapped(self, target: Target, organization: str, users: Sequence[User]) -> list[Approver]:
        found: list[Approver] = []
        for mapping in self.policy.mappings:
            holders = (holder for holder in (_ANYBODY, target.owner.id) if holder)
            given = (self._basis(each, [mapping.binding(each, organization)], target, organization) for each in holders)
            if not any(given):  # spares Slack the question who is in a group
                continue
            for slack in await self._subjects(mapping.subject, is_group=mapping.is_group):
                someone = await self._member(slack, users)
                principal = someone.person.principal
                basis = self._basis(principal, [mapping.binding(principal, organization)], target, organization)
                if basis is not None:
                    found.append(Approver(someone, basis, mapping.subject))
        return found

    def _basis(
        self, holder: Principal, bindings: Sequence[Binding], target: Target, organization: str
    ) -> Binding | None:
        """Which of these bindings gives their holder authority over the target."""
        person = Person(SlackUserId(f"?{holder}"), self.team, "", "", holder)
        return authority(Standing(person, tuple(bindings), organization, self.policy.table), target)

    async def _member(self, slack: SlackUserId, users: Sequence[User]) -> Someone:
        profile = await self.people.profile(slack)
        name, email = (profile.name, profile.email) if profile else (str(slack), "")
        try:
            return Someone(matched(admitted(profile, self.team), users, self.policy.people))
        except Refused as refused:
            return Someone(Person(slack, self.team, name, email, Principal(f"?{slack}")), refused.tell)


_NO_TIME = datetime.min.replace(tzinfo=UTC)


def _usable_first(approver: Approver) -> tuple[bool, bool, str]:
    return bool(approver.someone.refusal), bool(approver.via), approver.someone.person.name.casefold()


def _places(target: Target) -> Sequence[Path]:
    """Every place that a binding may name to reach the target from above, the organisation first."""
    paths = [*target.resource.paths()]
    if isinstance(target.owner, ServiceAccount):
        paths.append((("service-account", target.owner.id),))
    return list(dict.fromkeys(path[:depth] for path in paths for depth in range(len(path) + 1)))


def _crn(here: str, path: Path) -> str:
    return "/".join([here, *(f"{key}={value}" for key, value in path)])
