"""Who somebody is at Confluent, and what they hold there: reads, some of them cached."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from bot.domain.asks import Approval
from bot.domain.authority import HeldRoles
from bot.domain.catalog import User
from bot.domain.errors import Refused
from bot.domain.keys import Owner, Person, Principal, SlackUserId, TeamId
from bot.domain.policy import Policy
from bot.domain.roles import Binding
from bot.services.people.identity import ELSEWHERE, Tenant, admitted, matched, seat
from bot.services.ports.clock import Clock
from bot.services.ports.cloud import Cloud
from bot.services.ports.slack import People
from bot.services.ports.store import Cache

T = TypeVar("T")
DISPLAY = timedelta(seconds=60)
"""How old what we read about a person may be when it is only shown."""
ORGANIZATION_KEPT = timedelta(days=1)
OWN_KEPT = timedelta(minutes=10)
"""Whoever runs Latchkey may give it another account, and that one is protected soon."""


@dataclass(slots=True)
class Directory:
    """People and roles, for the members of one workspace."""

    cloud: Cloud
    people: People
    cache: Cache
    clock: Clock
    tenant: Tenant
    policy: Callable[[], Policy]
    """The policy as it is now: who people are, which roles it adds, and the role table that it chose."""
    is_one_decision: bool = False
    _everybody: tuple[User, ...] | None = field(default=None, init=False)
    _groups: dict[str, tuple[SlackUserId, ...]] = field(default_factory=dict[str, tuple[SlackUserId, ...]], init=False)
    """What this very decision has read."""

    @property
    def team(self) -> TeamId:
        """The one workspace that this Latchkey serves."""
        return self.tenant.team

    def for_one_decision(self) -> "Directory":
        """The same for a decision about several people: each list is read afresh, and once; the policy stays as it is.

        Else an organisation of thousands has its users read for every approver, and Slack lets nobody ask for the
        members of groups more than 20 times a minute.
        """
        now = self.policy()
        return replace(self, policy=lambda: now, is_one_decision=True)

    async def identify(self, user: SlackUserId, team: TeamId, *, shown: bool = False) -> Person:
        """The Confluent user behind a Slack user. Raises `Refused` with the reason when there is not exactly one.

        Raises `Throttled` instead while Confluent may show us a part of its users only.
        `team` is what a click or a record says, which only a refusal believes: `users.info` decides who belongs.
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

    async def held_roles(self, person: Person) -> HeldRoles:
        """What a person holds right now, at Confluent and by the policy: read afresh, for a decision."""
        bindings = tuple(await self.cloud.role_bindings(person.principal))
        return await self._with_mappings(person, bindings, shown=False)

    async def held_by_approvers(self, approvals: Sequence[Approval]) -> list[tuple[Approval, HeldRoles]]:
        """What those who approved hold right now; who can no longer be matched is left out, and does not count."""
        found: list[tuple[Approval, HeldRoles]] = []
        for approval in approvals:
            try:
                person = await self.identify(approval.by.slack, approval.by.team)
            except Refused:
                continue
            found.append((approval, await self.held_roles(person)))
        return found

    async def glance(self, person: Person) -> HeldRoles:
        """What a person held within the last minute: for showing only."""

        async def ask() -> tuple[Binding, ...]:
            return tuple(await self.cloud.role_bindings(person.principal))

        bindings = await self._remembered(f"bindings:{person.principal}", tuple[Binding, ...], ask)
        return await self._with_mappings(person, bindings, shown=True)

    async def members(self, group: str, *, shown: bool) -> Sequence[SlackUserId]:
        """Who is in a Slack user group; a group that does not exist has nobody. `shown` accepts a minute-old list."""
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
        """What people call a user, as far as the list that was read within the last minute tells."""
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
        """Whether this is the account of Latchkey itself, whose rights nobody gets by asking for a key of it."""
        return owner.id == await self._remembered("own-account", str, self.cloud.own_account, OWN_KEPT)

    async def organization(self) -> str:
        """The id of the organisation; it never changes, so it is kept for a day."""
        return await self._remembered("organization", str, self.cloud.organization, ORGANIZATION_KEPT)

    async def _remembered(
        self, name: str, of: type[T], ask: Callable[[], Awaitable[T]], keep: timedelta = DISPLAY, *, fresh: bool = False
    ) -> T:
        """What was read last, while it is kept; else, and always for `fresh`, what is read now."""
        cached = None if fresh else await self.cache.get(name, of)
        if cached is not None:
            return cached[0]
        value = await ask()
        await self.cache.put(name, value, of, now=self.clock(), keep=keep)
        return value
