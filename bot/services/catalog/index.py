"""Finds what the form offers at a place, and what the IDs and names mean that engineers type on the command line.

The form's functions are pure, and use a catalog that may have 20,000 clusters. The others ask Confluent or a snapshot.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.authority import Target
from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.errors import NotFound, plain
from bot.domain.keys import (
    ApiKey,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Person,
    Placed,
    Principal,
    Resource,
    ServiceAccount,
    unnamed,
)
from bot.domain.kinds import CLOUDS, PLACED, Kind
from bot.services.ports.cloud import Inventory

NOTHING = Catalog("", (), ())
_REGION = re.compile(rf"({'|'.join(CLOUDS)})\.[a-z0-9-]+")
AT_ONCE = 5
"""How many environments are searched at the same time."""


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """A catalog, indexed once to look up many keys.

    An `ApiKey` has only IDs, and one for a Kafka cluster doesn't even name the environment; the catalog knows it. A
    resource that isn't in the catalog has its ID as name. Without an environment, only roles at the organization cover
    it.
    """

    accounts: Mapping[str, ServiceAccount]
    resources: Mapping[tuple[Kind, str], Resource]
    environments: Mapping[str, str]
    """The names of environments, by ID."""
    unread: frozenset[Kind] = frozenset()
    """See `Catalog.unread`."""

    @classmethod
    def of(cls, catalog: Catalog) -> "CatalogIndex":
        """Index a catalog."""
        return cls(
            {each.id: each for each in catalog.service_accounts},
            {(each.kind, each.id): each for each in catalog.clusters()},
            {each.id: each.name for each in catalog.environments},
            catalog.unread,
        )

    def target(self, key: ApiKey) -> Target | None:
        """The owner of a key and what it opens; None for Confluent's own keys.

        A key for something unknown counts as opening everything, so only people who manage all keys see it.
        """
        resource = self.resource(key) or OrganizationScope(Kind.GLOBAL)
        return None if key.owner is None else Target(self.owner(key.owner), resource)

    def owner(self, principal: Principal) -> Owner:
        """The owner of a key. The prefix of the ID matters only if the catalog doesn't have it."""
        unknown = ServiceAccount(principal, "") if principal.startswith("sa-") else MyAccount(principal)
        return self.accounts.get(principal, unknown)

    def resource(self, key: ApiKey) -> Resource | None:
        """What a key opens; None if Confluent doesn't say, or if the kind is unknown."""
        if key.kind is None:
            return None
        name = self.environments.get(key.environment, key.environment)
        found = self.resources.get((key.kind, key.resource))
        return found or unnamed(key.kind, key.resource, key.environment, name)


def placed(catalog: Catalog, kind: Kind, environment: str) -> Iterator[Placed]:
    """The resources of one environment, sorted by name."""
    return (each for each in catalog.resources.get(kind, ()) if each.environment == environment)


def regions(catalog: Catalog, environment: str, cloud: str) -> tuple[Sequence[Region], Sequence[Region]]:
    """The regions of one cloud (`aws`): those in use in the environment, and all others, each sorted by ID."""
    offered = {each.id: each for each in catalog.regions if each.cloud.lower() == cloud}
    used = sorted(id_ for id_ in _in_use(catalog, environment) if cloud_of(id_) == cloud)
    known = [offered.get(id_, Region(id_, cloud.upper(), "")) for id_ in used]
    return known, [offered[id_] for id_ in sorted(offered.keys() - set(used))]


def region_called(catalog: Catalog, id_: str) -> Region:
    """A region by its ID; without a name if the catalog doesn't have it."""
    return next((each for each in catalog.regions if each.id == id_), Region(id_, cloud_of(id_).upper(), ""))


def clouds(catalog: Catalog, environment: str) -> tuple[tuple[str, ...], int]:
    """The clouds that Flink runs in, those in use in the environment first, and how many those are."""
    used = sorted({cloud_of(id_) for id_ in _in_use(catalog, environment)})
    offered = sorted({each.cloud.lower() for each in catalog.regions}) or CLOUDS
    return (*used, *(each for each in offered if each not in used)), len(used)


def cloud_of(region: str) -> str:
    """The cloud in a region's ID: `aws` for `aws.us-east-1`; "" for anything else."""
    cloud, dot, _ = region.partition(".")
    return cloud if dot else ""


def _in_use(catalog: Catalog, environment: str) -> set[str]:
    return {each.id for kind in Kind if kind.row.is_regional for each in placed(catalog, kind, environment)}


async def find_resource(cloud: Inventory, kind: Kind, word: str, environment: str = "") -> Resource:
    """The resource with this ID or name, in one environment or in any. Raises `NotFound` unless there is exactly one.

    Cloud, Tableflow and Global keys aren't for a single resource: `word` may be "" for them. A Flink region in which
    nothing runs yet is found only if its environment is given.
    """
    if kind.row.is_wide:
        if word not in {"", kind.value}:
            raise NotFound(f"A {kind} key isn't for a single resource: leave {plain(word)} out.")
        return OrganizationScope(kind)
    if not word:
        raise NotFound(f"Say which resource the {kind} key is for.")
    environments = await _environments(cloud, environment)
    found = [each for each in await _all(cloud, [kind], environments) if word in {each.id, each.name}]
    if not found and kind.row.is_regional and environment and _REGION.fullmatch(word):
        return unnamed(kind, word, environments[0].id, environments[0].name)
    if not found:
        places = ", ".join(each.id for each in environments) or "no environment that Latchkey can see"
        raise NotFound(f"There is no {kind} resource {plain(word)} in {places}.")
    if len(found) > 1:
        places = ", ".join(f"{each.id} in {each.environment}" for each in found)
        raise NotFound(f"{plain(word)} matches several things ({places}). Name one by its ID and environment.")
    return found[0]


async def find_owner(cloud: Inventory, word: str, requester: Person, operation: Operation = Operation.CREATE) -> Owner:
    """`me`, `new`, a service account by ID or name, or another person's `u-…`. Raises `NotFound`.

    Only `create` can have an owner that doesn't exist yet.
    """
    if word in {"me", requester.principal}:
        return MyAccount(requester.principal)
    if word == "new":
        if operation is not Operation.CREATE:
            raise NotFound(f"A new service account has no key to {operation} yet. Say whose key it is.")
        return NewServiceAccount("new", "")
    accounts = await cloud.service_accounts()
    account = next((each for each in accounts if each.id == word), None)
    account = account or next((each for each in accounts if each.name == word), None)
    if account is not None:
        return account
    if any(each.id == word for each in await cloud.users()):
        return MyAccount(Principal(word))
    raise NotFound(f"There's no service account {plain(word)}. Use me, new, or the ID or name of a service account.")


async def all_names(cloud: Inventory) -> dict[str, str]:
    """The names of environments, clusters of every kind and service accounts, by ID."""
    environments = await cloud.environments()
    clusters = await _all(cloud, PLACED, environments)
    return {each.id: each.name for each in (*environments, *clusters, *await cloud.service_accounts())}


async def _environments(cloud: Inventory, wanted: str) -> Sequence[Environment]:
    found = await cloud.environments()
    if not wanted:
        return found
    chosen = [each for each in found if wanted in {each.id, each.name}]
    if not chosen:
        raise NotFound(f"There's no environment {plain(wanted)}, or Latchkey can't see it.")
    return chosen


async def _all(cloud: Inventory, kinds: Iterable[Kind], environments: Sequence[Environment]) -> list[Placed]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(kind: Kind, environment: Environment) -> Sequence[Placed]:
        async with slots:
            return await cloud.resources(kind, environment)

    jobs = [one(kind, environment) for kind in kinds for environment in environments]
    return [each for found in await asyncio.gather(*jobs) for each in found]
