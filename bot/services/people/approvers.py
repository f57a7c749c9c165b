"""Who could approve: everyone else with authority over a key, by role bindings and by the policy."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.domain.authority import (
    RESOURCE_OWNER,
    HeldRoles,
    Target,
    bases,
    describe,
    distance,
    in_brief,
    lacks_only_the_account,
)
from bot.domain.catalog import User
from bot.domain.conditions import Condition, Conditions, Member, groups_of
from bot.domain.decision import unfit
from bot.domain.errors import Refused
from bot.domain.keys import MyAccount, NewServiceAccount, Path, Person, Principal, ServiceAccount, SlackUserId
from bot.domain.policy import Policy, RoleMapping, joined
from bot.domain.roles import Binding, Scope
from bot.services.people.directory import Tenant, admitted, in_slack, matched
from bot.services.ports.cloud import Inventory
from bot.services.ports.slack import People, Profile

AT_ONCE = 5
"""Look-ups in Slack, or at Confluent, at the same time."""
MOST_HALVES = 20
"""How many people who lack only the right to create service accounts are checked for it one by one."""
NOT_IN_SLACK = "No one in this Slack workspace has this Confluent user's email address."
NO_LINE = "Only people listed under `people:` in the policy can approve, and this person isn't listed."
_ANYBODY = Principal("?")
"""Not a real principal: stands for someone who doesn't own the key, to see what a binding would give them."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person; `refusal` says why Latchkey would refuse them ("" if it wouldn't).

    A refused person may have a placeholder for an ID: `?` and what was looked for.
    """

    person: Person
    refusal: str = ""

    @property
    def slack(self) -> SlackUserId | None:
        """The Slack ID, if there is one."""
        return None if self.person.slack.startswith("?") else self.person.slack

    @property
    def principal(self) -> Principal | None:
        """The Confluent user, if there is exactly one."""
        return None if self.person.principal.startswith("?") else self.person.principal


@dataclass(frozen=True, slots=True)
class Approver:
    """Someone else's authority over the key. `someone.refusal` says what keeps this person from using it."""

    someone: Someone
    basis: Binding
    via: str = ""
    """The Slack id that the policy maps to the role; "" for a role binding at Confluent."""
    account: Binding | None = None
    """The role that allows creating the key's new service account, if `basis` doesn't."""
    account_via: str = ""
    """As `via`, for `account`."""
    distance: int = 0
    """How far the basis of the authority is from the key: see `authority.distance`."""
    more: tuple[Binding, ...] = ()
    """The other roles that it takes for the second key of a pair."""
    groups: tuple[str, ...] = ()
    """The user groups that this person is in, among those that the conditions name."""

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All that gives the authority: what `authority.bases` found."""
        return (self.basis, *([self.account] if self.account else []), *self.more)

    @property
    def member(self) -> Member:
        """This person, as conditions see them."""
        return Member(self.someone.person.slack, frozenset(self.groups))


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Someone to whom the policy gives roles, and the Slack id by which it names them."""

    someone: Someone
    roles: dict[Binding, str] = field(default_factory=dict[Binding, str])


@dataclass(frozen=True, slots=True)
class Approvers:
    """Finds the approvers under one policy, in one organization and one workspace."""

    cloud: Inventory
    people: People
    tenant: Tenant
    policy: Policy

    async def of(
        self,
        target: Target,
        requester: Person,
        conditions: Conditions = (),
        *,
        thorough: bool = False,
        most: int | None = None,
    ) -> Sequence[Approver]:
        """Everyone except the requester who has authority over the key, each once; those who can use it come first.

        People who don't meet the conditions have a refusal. Raises `Unavailable` for a user group that can't be read.

        Only the `most` people who are closest to the key are looked up in Slack, which allows 50 such calls a minute;
        the others count as people who can approve, without a Slack ID.

        `thorough` reads all role bindings of the organization. Otherwise, people with a role on a pattern such as
        `environment=*` aren't found, although they can approve.
        """
        organization, users = await asyncio.gather(self.cloud.organization(), self.cloud.users())
        held = defaultdict[Principal, list[Binding]](list)
        for binding in await self._bindings(target, organization, thorough=thorough):
            held[binding.principal].append(binding)
        mapped = await self._mapped(target, organization, users, conditions)
        groups = {group: frozenset(await self.people.members(group)) for group in sorted(groups_of(conditions))}
        if isinstance(target.owner, NewServiceAccount) and not thorough:
            await self._complete(held, target, organization)
        found = [
            *self._given(mapped, held, target, organization),
            *await self._bound(held, {each.someone.person.principal for each in mapped}, target, users, most),
        ]
        given = {each.someone.person.principal: tuple(each.roles) for each in mapped}

        def judged(each: Approver) -> Approver:
            principal = each.someone.person.principal
            roles = (*held.get(principal, ()), *given.get(principal, ()))
            someone = HeldRoles(each.someone.person, roles, organization, self.policy.table)
            return _fitting(self._pinned(each), someone, target, conditions, groups)

        once: dict[str, Approver] = {}
        for each in sorted(map(judged, found), key=_usable_first):
            if not each.someone.person.is_same_as(requester):
                once.setdefault(each.someone.person.principal, each)
        return tuple(once.values())

    def _pinned(self, approver: Approver) -> Approver:
        """The same approver, refused if the policy requires a line in `people` and has none for them."""
        someone = approver.someone
        if someone.refusal or someone.person.named or not self.policy.table.people_only:
            return approver
        return replace(approver, someone=replace(someone, refusal=NO_LINE))

    async def meet(self, user: User, users: Sequence[User]) -> Someone:
        """The person behind a Confluent user; refused if Slack has nobody, or someone who can't use Latchkey."""
        stand_in = Someone(self._unmet(user), NOT_IN_SLACK)
        profile = await in_slack(user, self.people, self.policy.people)
        if profile is None:
            return stand_in
        known = Person(profile.id, self.tenant.team, profile.name, user.email, user.id)
        found = self.someone(profile, users, known)
        if found.person.principal != user.id:
            return Someone(known, f"The policy matches this Slack account to {found.person.principal}.")
        return found

    def someone(self, profile: Profile | None, users: Sequence[User], stand_in: Person) -> Someone:
        """The person with a Slack account; `stand_in` if Latchkey would refuse them, with the reason."""
        try:
            return Someone(matched(admitted(profile, self.tenant), users, self.policy.people))
        except Refused as refused:
            return Someone(stand_in, refused.tell)

    async def subjects(self, mapping: RoleMapping) -> Sequence[SlackUserId]:
        """The people whom a mapping of the policy names now."""
        return await self.people.members(mapping.subject) if mapping.is_group else (SlackUserId(mapping.subject),)

    async def _bindings(self, target: Target, organization: str, *, thorough: bool) -> Sequence[Binding]:
        here = f"crn://confluent.cloud/organization={organization}"
        if thorough:
            places = [here]
            found = [await self.cloud.bindings_under(here)]
        else:
            places = [_crn(here, path) for path in _places(target)]
            found = []
        found += await asyncio.gather(*map(self.cloud.bindings_at, places))
        if isinstance(target.owner, MyAccount):
            found.append(await self.cloud.role_bindings(target.owner.id))  # people may decide about keys of their own
        return list(dict.fromkeys(binding for each in found for binding in each))

    async def _complete(self, held: dict[Principal, list[Binding]], target: Target, organization: str) -> None:
        """Read all bindings of people who lack only a role that creates accounts, as that may be bound elsewhere."""
        lacking = [
            holder
            for holder, roles in held.items()
            if lacks_only_the_account(self._holding(holder, roles, organization), target)
        ]
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(holder: Principal) -> None:
            async with slots:
                held[holder] = list(dict.fromkeys([*held[holder], *await self.cloud.role_bindings(holder)]))

        await asyncio.gather(*map(one, lacking[:MOST_HALVES]))

    async def _bound(
        self,
        held: Mapping[Principal, Sequence[Binding]],
        known: Collection[Principal],
        target: Target,
        users: Sequence[User],
        most: int | None,
    ) -> list[Approver]:
        """The people who have authority from Confluent alone, except for those in `known`."""
        organization = await self.cloud.organization()
        holders: list[tuple[User, Sequence[Binding]]] = []
        for user in users:
            if user.id in held and user.id not in known:
                roles = self._bases(user.id, held[user.id], target, organization)
                holders += [(user, roles)] if roles else []
        holders.sort(key=lambda each: _distance(each[1], target))
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(user: User, roles: Sequence[Binding]) -> Approver:
            async with slots:
                return _approver(await self.meet(user, users), roles, {}, target)

        met = await asyncio.gather(*(one(*each) for each in holders[:most]))
        unmet = [] if most is None else holders[most:]
        return [*met, *(_approver(Someone(self._unmet(user)), roles, {}, target) for user, roles in unmet)]

    def _unmet(self, user: User) -> Person:
        """A Confluent user who wasn't looked up in Slack, or wasn't found there."""
        named = user.id in self.policy.people.values()
        return Person(SlackUserId(f"?{user.id}"), self.tenant.team, user.name, user.email, user.id, named=named)

    async def _mapped(
        self, target: Target, organization: str, users: Sequence[User], conditions: Conditions
    ) -> Sequence[_Mapped]:
        """The people to whom the policy gives roles that matter here, each with all of these roles."""
        found, bars_owners = dict[SlackUserId, _Mapped](), any("owner" in each.barred for each in conditions)
        for mapping in self.policy.mappings:
            owns = bars_owners and mapping.role == RESOURCE_OWNER
            if not owns and not self._matters(mapping, target, organization):
                continue  # which saves asking Slack who is in the group
            for slack in await self.subjects(mapping):
                if slack not in found:
                    found[slack] = _Mapped(await self._member(slack, users))
                each = found[slack]
                binding = mapping.binding(each.someone.person.principal, organization)
                each.roles.setdefault(binding, mapping.subject)
        return tuple(found.values())

    def _matters(self, mapping: RoleMapping, target: Target, organization: str) -> bool:
        """Whether the role gives anyone authority over the target, or over a part of it."""
        for holder in filter(None, (_ANYBODY, target.owner.id)):
            binding = mapping.binding(holder, organization)
            held_roles = self._holding(holder, [binding], organization)
            if any(bases(held_roles, part) or lacks_only_the_account(held_roles, part) for part in target.parts):
                return True
        place = Scope.parse(mapping.binding(_ANYBODY, organization).crn).path
        return isinstance(target.owner, NewServiceAccount) and self.policy.table.makes_accounts(mapping.role, place)

    def _given(
        self,
        mapped: Iterable[_Mapped],
        held: Mapping[Principal, Sequence[Binding]],
        target: Target,
        organization: str,
    ) -> Iterator[Approver]:
        """The people who have authority from the policy, alone or together with their roles at Confluent."""
        for each in mapped:
            principal = each.someone.person.principal
            all_roles = [*held.get(principal, ()), *each.roles]
            if roles := self._bases(principal, all_roles, target, organization):
                yield _approver(each.someone, roles, each.roles, target)

    def _bases(
        self, holder: Principal, bindings: Iterable[Binding], target: Target, organization: str
    ) -> Sequence[Binding]:
        """What gives someone the authority; of several roles that do, the one that is closest to the key."""
        closest_first = sorted(bindings, key=lambda each: distance(each, target))
        return bases(self._holding(holder, closest_first, organization), target)

    def _holding(self, holder: Principal, bindings: Sequence[Binding], organization: str) -> HeldRoles:
        """A person about whom only these bindings are known."""
        person = Person(SlackUserId(f"?{holder}"), self.tenant.team, "", "", holder)
        return HeldRoles(person, tuple(bindings), organization, self.policy.table)

    async def _member(self, slack: SlackUserId, users: Sequence[User]) -> Someone:
        profile = await self.people.profile(slack)
        name, email = (profile.name, profile.email) if profile else (str(slack), "")
        return self.someone(profile, users, Person(slack, self.tenant.team, name, email, Principal(f"?{slack}")))


def _fitting(
    approver: Approver,
    held_roles: HeldRoles,
    target: Target,
    conditions: Conditions,
    groups: Mapping[str, frozenset[SlackUserId]],
) -> Approver:
    """The same approver, refused if they don't meet the conditions.

    Someone who wasn't looked up in Slack is assumed to meet those about user groups.
    """
    someone = approver.someone
    if someone.refusal or not conditions:
        return approver
    if someone.slack is None:
        conditions, theirs = tuple(Condition(barred=each.barred) for each in conditions), frozenset(groups)
    else:
        for group, members in groups.items():
            held_roles = joined(held_roles, group, members)
        theirs = held_roles.groups
    why = unfit(target.owner, held_roles, conditions) or ""
    return replace(approver, someone=replace(someone, refusal=why), groups=tuple(sorted(theirs)))


def _approver(someone: Someone, roles: Sequence[Binding], via: Mapping[Binding, str], target: Target) -> Approver:
    basis, account = roles[0], roles[1] if len(roles) > 1 else None
    account_via, far = via.get(account, "") if account else "", _distance(roles, target)
    return Approver(someone, basis, via.get(basis, ""), account, account_via, far, more=tuple(roles[2:]))


def _distance(roles: Sequence[Binding], target: Target) -> int:
    return distance(roles[0], target)  # the other one only creates the account


def _usable_first(approver: Approver) -> tuple[bool, bool, str]:
    return bool(approver.someone.refusal), bool(approver.via), approver.someone.person.name.casefold()


def _places(target: Target) -> Sequence[Path]:
    """Every place where a role binding covers the target, the organization first."""
    paths = [path for each in target.resources for path in each.paths()]
    if isinstance(target.owner, ServiceAccount):
        paths.append((("service-account", target.owner.id),))
    return list(dict.fromkeys(path[:depth] for path in paths for depth in range(len(path) + 1)))


def _crn(here: str, path: Path) -> str:
    return "/".join([here, *(f"{key}={value}" for key, value in path)])


def right(bindings: Sequence[Binding], names: Mapping[str, str]) -> str:
    """Bindings from `authority.bases` in words: "EnvironmentAdmin on dev (env-dev001) and AccountAdmin on the …"."""
    return " and ".join(describe(each, names) for each in bindings)


def in_short(bindings: Sequence[Binding], names: Mapping[str, str]) -> str:
    """Like `right`, but without the IDs of what has a name: "EnvironmentAdmin on dev and AccountAdmin on the …"."""
    return " and ".join(in_brief(each, names) for each in bindings)


def names_of(target: Target) -> dict[str, str]:
    """The names of the target's resources, environment and service account, by ID."""
    owner: dict[str, str] = {target.owner.id: target.owner.name} if isinstance(target.owner, ServiceAccount) else {}
    names = {each.id: each.name for each in target.resources}
    return {**names, target.resource.environment: target.resource.environment_name} | owner
