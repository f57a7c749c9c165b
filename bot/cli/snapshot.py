"""A snapshot of an organization and its Slack workspace: everything that decisions depend on, in one JSON file.

It contains names, email addresses and roles, but no keys or secrets. `SnapshotCloud` and `SnapshotPeople` answer from
it what Confluent Cloud and Slack would have answered at that time.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

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
    """A file that isn't a snapshot, or has an unknown version. The text is one line."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The Slack side: the people who matter, and the members of user groups that the policy names."""

    team: TeamId
    people: tuple[Profile, ...]
    groups: Mapping[str, tuple[SlackUserId, ...]]
    enterprise: str = ""
    """The organization's ID in an Enterprise Grid; "" without one, and in older snapshots."""
    asked: tuple[str, ...] | None = None
    """The user IDs and addresses that Slack was asked about, even if it found no one; None in older snapshots."""

    @property
    def tenant(self) -> Tenant:
        """The workspace whose members can use Latchkey."""
        return Tenant(self.team, self.enterprise)


_UNKNOWN = Principal("")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole file. Unknown fields are ignored; a change for which that would be wrong gets a new `version`."""

    version: Literal[1]
    taken_at: datetime
    organization: str
    environments: tuple[Environment, ...]
    resources: Mapping[Kind, tuple[Placed, ...]]
    """In the file, each kind has its own list, named by its row's `plural`. A kind newer than the file has none."""
    service_accounts: tuple[ServiceAccount, ...]
    users: tuple[User, ...]
    role_bindings: tuple[Binding, ...]
    slack: Workspace
    own_account: Principal = _UNKNOWN
    """The owner of the key that Latchkey itself uses; "" in older snapshots."""

    def dump(self) -> str:
        """The file's content, as indented JSON."""
        content: dict[str, Any] = _FORMAT.dump_python(self, mode="json")
        resources = content.pop("resources")
        content |= {kind.row.plural: resources.get(kind, []) for kind in PLACED}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _gathered(content: object) -> object:
    if not isinstance(content, dict):
        return content  # which is then refused
    found = cast("dict[str, object]", content)
    return {**found, "resources": {kind: found.get(kind.row.plural, ()) for kind in PLACED}}


_FORMAT = TypeAdapter(Annotated[Snapshot, BeforeValidator(_gathered, dict[str, Any])])


def parse(text: str | bytes) -> Snapshot:
    """Parse a file's content. Raises `SnapshotError`."""
    try:
        return _FORMAT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SnapshotError(f"not a snapshot from `latchkey policy snapshot`: {place}: {first['msg']}") from None


def read(path: Path) -> Snapshot:
    """Read the file at this path. Raises `SnapshotError`, which names it."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise SnapshotError(f"{path}: can't be read: {error.strerror}") from None
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from None


async def take(
    cloud: Inventory, people: People, policy: Policy, tenant: Tenant, now: datetime, include: Sequence[str] = ()
) -> Snapshot:
    """Read everything that a decision can depend on. Waits as long as Slack's and Confluent's rate limits require.

    `include` has addresses of people who may have no Confluent Cloud user. Raises `LatchkeyError` if there is no
    answer.
    """
    found = await observe(cloud, now)
    addresses = {each.email for each in found.users} | set(map(normal_email, include))
    return replace(found, slack=await _workspace(people, policy, tenant, addresses - {""}))


async def observe(cloud: Inventory, now: datetime) -> Snapshot:
    """Read only Confluent Cloud; the snapshot has no one in Slack. Raises `LatchkeyError` if there is no answer."""
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
    """Implements the port `Inventory` from a snapshot."""

    snapshot: Snapshot

    async def organization(self) -> str:
        """The organization's ID, as in CRNs."""
        return self.snapshot.organization

    async def own_account(self) -> Principal:
        """The owner of the key that Latchkey itself uses."""
        return self.snapshot.own_account

    async def environments(self) -> Sequence[Environment]:
        """All environments."""
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
        """This principal's role bindings."""
        return [each for each in self.snapshot.role_bindings if each.principal == principal]

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everyone's role bindings at exactly this place."""
        here = Scope.parse(crn)
        return [each for each in self.snapshot.role_bindings if Scope.parse(each.crn) == here]

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everyone's role bindings below this place."""
        here = Scope.parse(crn)
        return [each for each in self.snapshot.role_bindings if Scope.parse(each.crn).is_inside(here)]


@dataclass(frozen=True, slots=True)
class SnapshotPeople:
    """Implements the port `People` from a snapshot."""

    workspace: Workspace

    async def profile(self, user: SlackUserId) -> Profile | None:
        """The user, or None if Slack has no such ID. Raises `Unavailable` if Slack wasn't asked about it."""
        found = next((each for each in self.workspace.people if each.id == user), None)
        if found is None:
            self._must_know(user, "Take one with this policy.")
        return found

    async def by_email(self, email: str) -> Profile | None:
        """The user with this address, unless deactivated: Slack doesn't find those either.

        Raises what `profile` does.
        """
        address = normal_email(email)
        found = next((each for each in self.workspace.people if each.email == address and not each.deleted), None)
        if found is None:
            self._must_know(address, f"Take one with `--include {plain(address)}`.")
        return found

    def _must_know(self, who: str, advice: str) -> None:
        if self.workspace.asked is not None and who not in self.workspace.asked:
            raise Unavailable(f"The snapshot doesn't say who {plain(who)} is in Slack.", advice=advice)

    async def members(self, group: str) -> Sequence[SlackUserId]:
        """The members of a user group.

        Raises `Unavailable` if the snapshot was taken with a policy that didn't name it.
        """
        if group not in self.workspace.groups:
            raise Unavailable(f"The snapshot doesn't say who is in the user group {group}. Take one with this policy.")
        return self.workspace.groups[group]


@dataclass(frozen=True, slots=True)
class AskedOnce:
    """Implements the port `People` with another one, which it asks only once about each user, address and group."""

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
    """The people with these addresses, and those whom the policy names directly or by a group."""
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
    """Ask until Slack answers, waiting as it says.

    An organization can have more users than Slack allows calls a minute.
    """
    while True:
        try:
            return await ask(SlackUserId(what))
        except Throttled as throttled:
            await asyncio.sleep(throttled.wait.total_seconds())
