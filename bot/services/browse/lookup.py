"""From a key as Confluent reports it to what the decision needs: whose it is, what it opens, and which request made it.

An `ApiKey` holds ids alone, and one for a Kafka cluster does not even say in which environment that is: the catalog
tells. What the catalog does not know keeps its id for a name and, without an environment, is covered by nobody's role
but those bound at the whole organisation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.authority import Target
from bot.domain.catalog import Catalog
from bot.domain.keys import (
    ApiKey,
    Marker,
    MyAccount,
    OrganizationScope,
    Owner,
    Principal,
    Resource,
    ServiceAccount,
    unnamed,
)
from bot.domain.kinds import Kind
from bot.domain.requests import Keyed, Request
from bot.services.catalog.cache import CatalogCache
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Requests, Stored

NO_SUCH_KEY = (
    "There is no such key, or it is not yours to see. Nothing was changed. "
    "`/apikey list` shows the keys that you can see."
)
"""One sentence for both, so that nobody learns here which keys there are."""


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """A catalog, to be looked up by id: for a list of keys it is indexed once."""

    accounts: Mapping[str, ServiceAccount]
    resources: Mapping[tuple[Kind, str], Resource]
    environments: Mapping[str, str]
    """What environments are called."""

    @classmethod
    def of(cls, catalog: Catalog) -> "CatalogIndex":
        """Index a catalog."""
        return cls(
            {each.id: each for each in catalog.service_accounts},
            {(each.kind, each.id): each for each in catalog.clusters()},
            {each.id: each.name for each in catalog.environments},
        )

    def target(self, key: ApiKey) -> Target | None:
        """Whose key it is and what it opens; None for Confluent's own.

        What opens something that we do not know counts as opening everything: only who manages all keys sees it.
        """
        resource = self.resource(key) or OrganizationScope(Kind.GLOBAL)
        return None if key.owner is None else Target(self.owner(key.owner), resource)

    def owner(self, principal: Principal) -> Owner:
        """Who owns a key. Ids are opaque, but what the catalog does not know has nothing else to be known by."""
        unknown = ServiceAccount(principal, "") if principal.startswith("sa-") else MyAccount(principal)
        return self.accounts.get(principal, unknown)

    def resource(self, key: ApiKey) -> Resource | None:
        """What a key opens; None where Confluent does not say, or says something new."""
        if key.kind is None:
            return None
        name = self.environments.get(key.environment, key.environment)
        found = self.resources.get((key.kind, key.resource))
        return found or unnamed(key.kind, key.resource, key.environment, name)


async def known(catalog: CatalogCache) -> CatalogIndex:
    """The catalog's index; where there is no catalog yet, it is read first. Raises `Unavailable`, `CloudRefused`."""
    return catalog.indexed(await catalog.current() or await catalog.refresh(), CatalogIndex.of)


async def present(key: ApiKey, target: Target, cloud: Cloud) -> ApiKey | None:
    """The key as it is now. That Confluent does not show it means little: the list of its owner's keys decides.

    Raises `Throttled` where a list may leave out what is there.
    """
    found = await cloud.key(key.id)
    if found is not None:
        return found
    for each in await cloud.keys(key.owner or target.owner.id, target.resource):
        if each.id == key.id:
            return each
    await cloud.must_see_all()
    return None


async def managed(key: ApiKey, requests: Requests) -> Stored[Request] | None:
    """The request that made this key; None when Latchkey did not. Raises `Tampered`.

    A marker is text that anybody may copy into another key: the record has to name this very key.
    """
    marker = Marker.find(key.description)
    stored = await requests.get(marker.request) if marker else None
    is_ours = stored is not None and isinstance(stored.value, Keyed) and stored.value.key.id == key.id
    return stored if is_ours else None
