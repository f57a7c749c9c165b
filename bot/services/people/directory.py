"""Finds the Confluent user behind a Slack user, and the roles that they hold. Some reads are cached.

Slack, Confluent and the policy say at that moment who someone is. A person who can't be matched is refused.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.approvals import Approval
from bot.domain.authority import HeldRoles, Target
from bot.domain.catalog import Environment, User, called
from bot.domain.conditions import Conditions, groups_of
from bot.domain.errors import NotFound, Refused, Throttled, plain
from bot.domain.keys import Operation, Owner, Person, Principal, SlackUserId, TeamId
from bot.domain.policy import EnvironmentNames, Policy
from bot.domain.roles import Binding
from bot.services.people.groups import looked_up
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import People, Profile
from bot.services.ports.store import Cache, Clock

T = TypeVar("T")
DISPLAY = timedelta(seconds=60)
"""How old data about a person may be that is only shown."""
MOST_REREADS = 60
"""How often a minute a refusal from the cache is checked again for one person: each check takes several calls."""
ORGANIZATION_KEPT = timedelta(days=1)
OWN_KEPT = timedelta(minutes=10)
"""How long Latchkey's own account is remembered: an operator may change it, and the new one must be protected soon."""
ELSEWHERE = "Your Slack account belongs to another workspace. Only members of this workspace can use Latchkey."


@dataclass(frozen=True, slots=True)
class Tenant:
    """The workspace of the app, and the Enterprise Grid organization around it; "" if there is none."""

    team: TeamId
    enterprise: str = ""


def belongs(tenant: Tenant, team: str, enterprise: str = "", teams: Collection[str] = ()) -> bool | None:
    """Whether someone is a member of our workspace; None if what Slack says about them doesn't settle it.

    `team` is their own `team_id`: a workspace, or the organization (`E…`). In a Grid it names any one of a person's
    workspaces, wherever they click, and may be missing. `enterprise` and `teams` are their organization and all of
    their workspaces there, which `users.info` tells and no click does. Evidence against them is checked first.
    """
    if teams and tenant.team not in teams:
        return False
    if team == tenant.team and teams and not tenant.enterprise:
        return True  # our workspace has joined an organization since we asked
    if enterprise not in {"", tenant.enterprise} or (team.startswith("E") and team != tenant.enterprise):
        return False
    if team == tenant.team or (enterprise and teams):
        return True
    if enterprise or not team or tenant.enterprise:
        return None
    return False


def seat(tenant: Tenant, claimed: TeamId) -> TeamId:
    """The workspace that a click is stored with: ours, unless the click itself rules out that its user belongs there.

    That decides nothing yet: `identify` asks `users.info`.
    """
    return claimed if belongs(tenant, claimed) is False else tenant.team


def admitted(profile: Profile | None, tenant: Tenant, *, with_guests: bool = False) -> Profile:
    """The profile of someone who can use Latchkey, as a member of our workspace. Raises `Refused` for everyone else."""
    if profile is None:
        raise Refused("Slack doesn't show your account to Latchkey.")
    if not belongs(tenant, profile.team, profile.enterprise, profile.teams):
        raise Refused(ELSEWHERE)
    if profile.deleted:
        raise Refused("Your Slack account is deactivated.")
    if profile.is_bot:
        raise Refused("Bots can't request or approve keys.")
    if profile.is_guest and not with_guests:
        raise Refused("Guests can't request or approve keys. Ask a member of this workspace to request one for you.")
    return replace(profile, team=tenant.team)


async def in_slack(user: User, people: People, named: Mapping[SlackUserId, Principal]) -> Profile | None:
    """The Slack account of a Confluent user: the one that the policy names, else the one with the same address."""
    slack = next((slack for slack, principal in named.items() if principal == user.id), None)
    if slack is not None:
        return await people.profile(slack)
    return await people.by_email(user.email) if user.email else None


def matched(profile: Profile, users: Sequence[User], people: Mapping[SlackUserId, Principal]) -> Person:
    """The person that an admitted profile belongs to. Raises `Refused` unless there is exactly one Confluent user.

    `people` is what the policy says about who is who. It takes precedence over the email address.
    """
    if (named := people.get(profile.id)) is not None:
        if not any(each.id == named for each in users):
            raise Refused(f"The policy matches you to the Confluent user {plain(named)}, which doesn't exist.")
        return Person(profile.id, profile.team, profile.name, profile.email, named, named=True)
    if not profile.email or not profile.email_confirmed:
        raise Refused(
            "Slack has no confirmed email address for you, so Latchkey can't find your Confluent Cloud user. "
            "Confirm your email address in Slack, or ask your Latchkey administrator to add you to the policy file "
            "(under `people:`). "
            f"Your Slack ID is `{plain(profile.id)}`."
        )
    matches = [each for each in users if each.email == profile.email]
    if not matches:
        raise Refused(
            f"No Confluent Cloud user has your Slack email ({plain(profile.email)}). "
            "Ask an OrganizationAdmin to invite you to Confluent Cloud."
        )
    if len(matches) > 1:
        ids = ", ".join(sorted(each.id for each in matches))
        many, others = {2: ("Two", "other one")}.get(len(matches), ("Several", "others"))
        raise Refused(
            f"{many} Confluent Cloud users ({ids}) have the email {plain(profile.email)}, so Latchkey can't tell "
            f"which one is you. Ask an OrganizationAdmin to remove the {others}."
        )
    return Person(profile.id, profile.team, profile.name, profile.email, matches[0].id)


@dataclass(slots=True)
class Directory:
    """People and roles, for the members of one workspace."""

    cloud: Cloud
    people: People
    cache: Cache
    clock: Clock
    tenant: Tenant
    policy: Callable[[], Policy]
    """Returns the present policy: who people are, which roles it adds, and its role table."""
    is_one_decision: bool = False
    is_afresh: bool = False
    """Whether nothing is taken from the cache."""
    _everybody: tuple[User, ...] | None = field(default=None, init=False)
    _groups: dict[str, tuple[SlackUserId, ...]] = field(default_factory=dict[str, tuple[SlackUserId, ...]], init=False)
    """What this one decision has read."""
    _environments: EnvironmentNames | None = field(default=None, init=False)

    @property
    def team(self) -> TeamId:
        """The only workspace that this Latchkey serves."""
        return self.tenant.team

    def for_one_decision(self) -> "Directory":
        """A copy for one decision, also about several people: it reads each list once, afresh, and keeps its policy.

        Otherwise, thousands of users would be read again for each approver, and Slack allows only about 20 reads of
        the members of user groups a minute.
        """
        now = self.policy()
        return replace(self, policy=lambda: now, is_one_decision=True)

    async def before_no(self, user: SlackUserId, look: Callable[["Directory"], Awaitable[T]]) -> T:
        """What `look` returns from data up to a minute old; if it refuses that, what it returns from fresh reads.

        Raises `Throttled` instead of a refusal if this person had `MOST_REREADS` fresh looks within a minute, and while
        Confluent may be hiding things from us.
        """
        try:
            return await look(self)
        except (Refused, NotFound):
            await self._count_reread(user)
        try:
            return await look(replace(self.for_one_decision(), is_afresh=True))
        except (Refused, NotFound):
            await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding it from us
            raise

    async def _count_reread(self, user: SlackUserId) -> None:
        now, name = self.clock(), f"rereads:{user}"
        cached = await self.cache.get(name, tuple[datetime, ...])
        recent = [each for each in (cached[0] if cached else ()) if now - each < DISPLAY]
        if len(recent) >= MOST_REREADS:
            raise Throttled(
                "Latchkey checked your roles several times in the last minute and has to wait before it checks again.",
                wait=recent[0] + DISPLAY - now,
                changed="Nothing changed.",
                again="Try again in a minute.",
            )
        await self.cache.put(name, (*recent, now), tuple[datetime, ...], now=now, keep=DISPLAY)

    async def identify(self, user: SlackUserId, team: TeamId, *, shown: bool = False) -> Person:
        """The Confluent user behind a Slack user. Raises `Refused` with the reason unless there is exactly one.

        Raises `Throttled` instead while Confluent may show us only some of its users.

        `team` is what a click or a record says. It's only a reason to refuse: `users.info` decides who belongs.
        `shown` accepts a list of users up to `DISPLAY` old: for pages, never for decisions.
        """
        if seat(self.tenant, team) != self.team:
            raise Refused(ELSEWHERE)
        profile = admitted(await self.people.profile(user), self.tenant)
        users = await self.users(shown=shown)
        try:
            return matched(profile, users, self.policy().people)
        except Refused:
            await self.cloud.must_see_all()
            raise

    async def must_belong(self, user: SlackUserId, team: TeamId) -> None:
        """Return for members and guests of our workspace, with or without a Confluent user; else raise `Refused`."""
        if seat(self.tenant, team) != self.team:
            raise Refused(ELSEWHERE)
        admitted(await self.people.profile(user), self.tenant, with_guests=True)

    async def held_roles(self, person: Person) -> HeldRoles:
        """The roles that a person holds now, at Confluent and by the policy: read afresh, for a decision."""
        bindings = tuple(await self.cloud.role_bindings(person.principal))
        return await self._with_mappings(person, bindings, shown=False)

    async def held_by_approvers(
        self, approvals: Sequence[Approval], conditions: Conditions = ()
    ) -> list[tuple[Approval, HeldRoles]]:
        """The roles that approvers hold now. An approver who can't be matched anymore is left out, and doesn't count.

        Raises `Unavailable` as `fitting` does.
        """
        found: list[tuple[Approval, HeldRoles]] = []
        for approval in approvals:
            try:
                person = await self.identify(approval.by.slack, approval.by.team)
            except Refused:
                continue
            found.append((approval, await self.fitting(await self.held_roles(person), conditions)))
        return found

    async def fitting(self, held_roles: HeldRoles, conditions: Conditions, *, shown: bool = False) -> HeldRoles:
        """The roles of an approver, and whether they are in each user group that the conditions name.

        Raises `Unavailable` if Slack doesn't say who is in a group. `shown` is as for `members`: for pages.
        """
        groups = groups_of(conditions)
        return await looked_up(
            held_roles,
            lambda known: min(groups - known.looked_up, default=None),
            lambda group: self.members(group, shown=shown),
        )

    async def glance(self, person: Person) -> HeldRoles:
        """The roles that a person held within the last minute: only to be shown."""

        async def ask() -> tuple[Binding, ...]:
            return tuple(await self.cloud.role_bindings(person.principal))

        bindings = await self._remembered(f"bindings:{person.principal}", tuple[Binding, ...], ask)
        return await self._with_mappings(person, bindings, shown=True)

    async def asking(
        self,
        held_roles: HeldRoles,
        operation: Operation,
        target: Target,
        *,
        shown: bool = False,
        break_glass: bool = False,
    ) -> HeldRoles:
        """The roles of a requester, with the user groups and environment names that tell which rule decides.

        See `Policy.unread` and `environments`. Raises `Unavailable` if Slack doesn't say who is in a group, or if a
        rule about people with a role is passed over while Confluent may be hiding roles from us. `shown` is as for
        `members`: for pages.
        """
        policy = self.policy()
        asker = await looked_up(
            replace(held_roles, environments=await self.environments(target, shown=shown)),
            lambda known: policy.unread(operation, target, known, break_glass=break_glass),
            lambda group: self.members(group, shown=shown),
        )
        if not shown and policy.lacks_roles(operation, target, asker):
            await self.cloud.must_see_all()
        return asker

    async def environments(self, target: Target, *, shown: bool = False) -> EnvironmentNames:
        """The names of environments by ID, for a decision about this target; empty if no rule depends on a name.

        `shown` accepts a minute-old list if the target's environment is on it.
        """
        wanted = target.resource.environment
        if not wanted or not self.policy().names_environments:
            return {}
        if self._environments is not None:
            return self._environments

        async def ask() -> tuple[Environment, ...]:
            return tuple(await self.cloud.environments())

        names = called(await self._remembered("environments", tuple[Environment, ...], ask, fresh=not shown))
        if shown and wanted not in names:
            return await self.environments(target)
        if self.is_one_decision:
            self._environments = names
        return names

    async def members(self, group: str, *, shown: bool) -> Sequence[SlackUserId]:
        """The members of a Slack user group; empty for one that doesn't exist. `shown` accepts a minute-old list."""
        if group in self._groups:
            return self._groups[group]

        async def ask() -> tuple[SlackUserId, ...]:
            return tuple(await self.people.members(group))

        members = await self._remembered(f"group:{group}", tuple[SlackUserId, ...], ask, fresh=not shown)
        if self.is_one_decision:
            self._groups[group] = members
        return members

    async def _with_mappings(self, person: Person, bindings: tuple[Binding, ...], *, shown: bool) -> HeldRoles:
        policy, organization = self.policy(), await self.organization()
        mapped: list[Binding] = []
        for mapping in policy.mappings:
            if mapping.is_group:
                holds = person.slack in await self.members(mapping.subject, shown=shown)
            else:
                holds = person.slack == mapping.subject
            if holds:
                mapped.append(mapping.binding(person.principal, organization))
        return HeldRoles(person, (*bindings, *mapped), organization, policy.table)

    async def name_of(self, principal: Principal) -> str:
        """A user's name, from a list that was read within the last minute; "" if there's none, or no such user."""
        cached = await self.cache.get("users", tuple[User, ...])
        return next((each.name for each in cached[0] if each.id == principal), "") if cached else ""

    async def users(self, *, shown: bool) -> Sequence[User]:
        """All users of the organization; `shown` accepts a minute-old list."""
        if self._everybody is not None:
            return self._everybody

        async def ask() -> tuple[User, ...]:
            return tuple(await self.cloud.users())

        users = await self._remembered("users", tuple[User, ...], ask, fresh=not shown)
        if self.is_one_decision:
            self._everybody = users
        return users

    async def is_own(self, owner: Owner) -> bool:
        """Whether this is Latchkey's own account, as read within `OWN_KEPT`. A key of it would give its rights away."""
        return owner.id == await self._remembered("own-account", str, self.cloud.own_account, OWN_KEPT)

    async def own_known(self) -> str:
        """The ID of Latchkey's own account, without waiting for Confluent; "" if it wasn't read within `OWN_KEPT`."""
        cached = await self.cache.get("own-account", str)
        return cached[0] if cached else ""

    async def organization(self) -> str:
        """The id of the organization. It never changes, so it's kept for a day."""
        return await self._remembered("organization", str, self.cloud.organization, ORGANIZATION_KEPT)

    async def _remembered(
        self, name: str, of: type[T], ask: Callable[[], Awaitable[T]], keep: timedelta = DISPLAY, *, fresh: bool = False
    ) -> T:
        """The cached value, or else what `ask` reads now. With `fresh`, always the latter."""
        cached = None if fresh or self.is_afresh else await self.cache.get(name, of)
        if cached is not None:
            return cached[0]
        value = await ask()
        await self.cache.put(name, value, of, now=self.clock(), keep=keep)
        return value
