"""A snapshot of an organization and its Slack workspace: what a decision is made from, in one JSON file.

It holds names, e-mail addresses and who may do what; no key and no secret. `SnapshotCloud` and `SnapshotPeople` answer
from it what Confluent Cloud and Slack answered when it was taken.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from bot.domain.catalog import Environment, User
from bot.domain.errors import Throttled, Unavailable, plain
from bot.domain.keys import Placed, Principal, ServiceAccount, SlackUserId, TeamId, normal_email
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import Policy
from bot.domain.roles import Binding, Scope
from bot.services.people.directory import Tenant
from bot.services.ports.cloud import Inventory
from bot.services.ports.slack import People, Profile

T = TypeVar("T")


class SnapshotError(Exception):
    """A file that is no snapshot, or not of a version that we read. Its text is one line."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The Slack side: who is there, as far as it matters, and who is in the user groups that the policy names."""

    team: TeamId
    people: tuple[Profile, ...]
    groups: Mapping[str, tuple[SlackUserId, ...]]
    enterprise: str = ""
    """The organization in an Enterprise Grid; "" without one, and in snapshots from before this was kept."""
    asked: tuple[str, ...] | None = None
    """The ids and addresses that Slack was asked about, also where it has nobody; None in snapshots from before."""

    @property
    def tenant(self) -> Tenant:
        """Whose members Latchkey deals with."""
        return Tenant(self.team, self.enterprise)


_UNKNOWN = Principal("")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole file. A field that we do not know is ignored; where that would be wrong, `version` is another."""

    version: Literal[1]
    taken_at: datetime
    organization: str
    environments: tuple[Environment, ...]
    resources: Mapping[Kind, tuple[Placed, ...]]
    """In the file, each kind is a list by its row's `plural`; a kind that is newer than the file has none."""
    service_accounts: tuple[ServiceAccount, ...]
    users: tuple[User, ...]
    role_bindings: tuple[Binding, ...]
    slack: Workspace
    own_account: Principal = _UNKNOWN
    """Whose key Latchkey itself uses; "" in snapshots from before this was asked."""

    def dump(self) -> str:
        """As JSON, for a file."""
        content: dict[str, Any] = _FORMAT.dump_python(self, mode="json")
        resources = content.pop("resources")
        content |= {kind.row.plural: resources.get(kind, []) for kind in PLACED}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _gathered(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "resources": {kind: content.get(kind.row.plural, ()) for kind in PLACED}}


_FORMAT = TypeAdapter(Annotated[Snapshot, BeforeValidator(_gathered, dict[str, Any])])


def parse(text: str | bytes) -> Snapshot:
    """The snapshot in a file. Raises `SnapshotError`."""
    try:
        return _FORMAT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SnapshotError(f"not a snapshot from `latchkey policy snapshot`: {place}: {first['msg']}") from None


def read(path: Path) -> Snapshot:
    """The snapshot at this path. Raises `SnapshotError`."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise SnapshotError(f"{path}: can't be read: {error.strerror}") from None
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from None


async def take(
    cloud: Inventory, people: People, policy: Policy, tenant: Tenant, now: datetime, include: Sequence[str] = ()
) -> Snapshot:
    """Read everything that a decision can depend on. Takes its time where Slack or Confluent ask for patience.

    `include` are addresses of people who may be no Confluent users.
    """
    found = await observe(cloud, now)
    addresses = {each.email for each in found.users} | set(map(normal_email, include))
    return replace(found, slack=await _workspace(people, policy, tenant, addresses - {""}))


async def observe(cloud: Inventory, now: datetime) -> Snapshot:
    """The side of Confluent Cloud alone, with nobody in Slack."""
    organization = await cloud.organization()
    here = f"crn://confluent.cloud/organization={organization}"
    environments = tuple(await cloud.environments())
    return Snapshot(
        version=1,
        taken_at=now,
        organization=organization,
        environments=environments,
        resources={
            kind: tuple([each for environment in environments for each in await cloud.resources(kind, environment)])
            for kind in PLACED
        },
        service_accounts=tuple(await cloud.service_accounts()),
        users=tuple(await cloud.users()),
        role_bindings=tuple(dict.fromkeys([*await cloud.bindings_at(here), *await cloud.bindings_under(here)])),
        slack=Workspace(TeamId(""), (), {}),
        own_account=await cloud.own_account(),
    )


@dataclass(frozen=True, slots=True)
class SnapshotCloud:
    """`Inventory`, answered from a snapshot."""

    snapshot: Snapshot

    async def organization(self) -> str:
        """The organization's id, as CRNs carry it."""
        return self.snapshot.organization

    async def own_account(self) -> Principal:
        """Whose key Latchkey itself uses."""
        return self.snapshot.own_account

    async def environments(self) -> Sequence[Environment]:
        """Environments."""
        return self.snapshot.environments

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        """The resources of one kind in one environment."""
        return [each for each in self.snapshot.resources.get(kind, ()) if each.environment == environment.id]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts."""
        return self.snapshot.service_accounts

    async def users(self) -> Sequence[User]:
        """All users."""
        return self.snapshot.users

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """Everything bound to this principal."""
        return [each for each in self.snapshot.role_bindings if each.principal == principal]

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings at exactly this place."""
        here = Scope.parse(crn)
        return [each for each in self.snapshot.role_bindings if Scope.parse(each.crn) == here]

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings anywhere below this place."""
        here = Scope.parse(crn)
        return [each for each in self.snapshot.role_bindings if Scope.parse(each.crn).is_inside(here)]


@dataclass(frozen=True, slots=True)
class SnapshotPeople:
    """`People`, answered from a snapshot."""

    workspace: Workspace

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user; None when Slack has nobody of this id. Raises `Unavailable` when it wasn't asked."""
        found = next((each for each in self.workspace.people if each.id == user), None)
        if found is None:
            self._must_know(user, "Take one with this policy.")
        return found

    async def by_email(self, email: str) -> Profile | None:
        """Who has this address; Slack's own search finds no deactivated people either. Raises as `profile`."""
        address = normal_email(email)
        found = next((each for each in self.workspace.people if each.email == address and not each.deleted), None)
        if found is None:
            self._must_know(address, f"Take one with `--include {plain(address)}`.")
        return found

    def _must_know(self, who: str, advice: str) -> None:
        if self.workspace.asked is not None and who not in self.workspace.asked:
            raise Unavailable(f"The snapshot doesn't say who {plain(who)} is in Slack.", advice=advice)

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """Who is in a user group. Raises `Unavailable` when the policy of the snapshot did not name it."""
        if group not in self.workspace.groups:
            raise Unavailable(f"The snapshot doesn't say who is in the user group {group}. Take one with this policy.")
        return self.workspace.groups[group]


@dataclass(frozen=True, slots=True)
class AskedOnce:
    """`People`, each of whom Slack is asked about once."""

    people: People
    profiles: dict[str, Profile | None] = field(default_factory=dict[str, Profile | None])
    groups: dict[str, Sequence[SlackUserId]] = field(default_factory=dict[str, Sequence[SlackUserId]])

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user."""
        if user not in self.profiles:
            self.profiles[user] = await self.people.profile(user)
        return self.profiles[user]

    async def by_email(self, email: str) -> Profile | None:
        """The user with this address."""
        if email not in self.profiles:
            self.profiles[email] = await self.people.by_email(email)
        return self.profiles[email]

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """The members of a user group."""
        if group not in self.groups:
            self.groups[group] = await self.people.members(group)
        return self.groups[group]


async def _workspace(people: People, policy: Policy, tenant: Tenant, addresses: Collection[str]) -> Workspace:
    """Those with these addresses, and those whom the policy names, directly or in a group."""
    named = {mapping.subject for mapping in policy.mappings if not mapping.is_group}
    wanted = {mapping.subject for mapping in policy.mappings if mapping.is_group}
    for selector in policy.selectors:
        named |= selector.users
        wanted |= selector.groups
    groups: dict[str, tuple[SlackUserId, ...]] = {}
    for group in sorted(wanted):
        groups[group] = tuple(await _patiently(people.members, group))
    ids = {*map(SlackUserId, named), *policy.people, *(user for members in groups.values() for user in members)}
    found = [await _patiently(people.by_email, email) for email in sorted(addresses)]
    found += [await _patiently(people.profile, user) for user in sorted(ids - {each.id for each in found if each})]
    profiles = tuple(dict.fromkeys(each for each in found if each is not None))
    return Workspace(tenant.team, profiles, groups, tenant.enterprise, asked=(*sorted(addresses), *sorted(ids)))


async def _patiently(ask: Callable[[str], Awaitable[T]] | Callable[[SlackUserId], Awaitable[T]], what: str) -> T:
    """Ask, as often as Slack says to come back later: an organization has more users than a minute has calls."""
    while True:
        try:
            return await ask(SlackUserId(what))
        except Throttled as throttled:
            await asyncio.sleep(throttled.wait.total_seconds())
