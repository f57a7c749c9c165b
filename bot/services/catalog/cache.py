"""The catalog: read list by list, so that one failure doesn't lose the other lists, and stored for all processes."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.authority import Target
from bot.domain.catalog import Catalog, Environment, by_name
from bot.domain.errors import CloudRefused, Unavailable
from bot.domain.keys import ApiKey, Placed, has_place
from bot.domain.kinds import PLACED, Kind
from bot.services.catalog.index import NOTHING, CatalogIndex
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Cache, Clock

KEPT = timedelta(days=1)
STALE = timedelta(minutes=1)
"""If the catalog is older than this, opening the form starts a refresh, and meanwhile shows the old one."""
A_LIST_EACH = timedelta(seconds=1)
"""By how much `STALE` grows with each environment: a refresh asks Confluent for several lists of each one."""
NEW = timedelta(minutes=5)
"""How long after the creation of a key Confluent's lists may lack its resource, including differences between clocks.
Confluent doesn't document how soon its lists have a new cluster."""
MEMO = timedelta(seconds=15)
"""How long a process uses its own decoded catalog before it reads the store again."""
READ_FOR = 35.0
"""Seconds for reading the lists: less than an item of the agenda may take. Lists that a refresh doesn't get to stay as
they were, and come first the next time."""
AT_ONCE = 5
"""How many lists are read at the same time. Confluent limits the calls of each account."""
T = TypeVar("T")
Known = TypeVar("Known")
_UNPLACED = "Confluent Cloud didn't tell Latchkey which environment this key belongs to."
log = logging.getLogger("latchkey.catalog")


@dataclass(slots=True)
class CatalogCache:
    """What can be chosen in the form, if possible without waiting for Confluent. Each process keeps it for `MEMO`."""

    cloud: Cloud
    cache: Cache
    clock: Clock
    _begin: int = field(default=0, init=False)
    """The index of the list that the next refresh begins with."""
    _memo: tuple[Catalog, datetime, datetime] | None = field(default=None, init=False)
    """The decoded catalog, when its refresh from Confluent began, and when this process fetched it."""
    _index: tuple[Catalog, CatalogIndex] | None = field(default=None, init=False)

    async def current(self) -> Catalog | None:
        """The last refresh, without waiting for Confluent; None if there was none. May raise `Unavailable`."""
        now = self.clock()
        if self._memo is None or not timedelta(0) <= now - self._memo[2] < MEMO:
            cached = await self.cache.get("catalog", Catalog)
            self._memo = (*cached, now) if cached else None
        return self._memo[0] if self._memo else None

    async def index(self) -> CatalogIndex:
        """The catalog by ID, read first if there is none yet. Indexed only once, since 20,000 clusters take a while.

        Raises `Unavailable`, `CloudRefused`.
        """
        catalog = await self.current() or await self.refresh()
        if self._index is None or self._index[0] is not catalog:
            self._index = (catalog, CatalogIndex.of(catalog))
        return self._index[1]

    async def names(self) -> Mapping[str, str]:
        """The names of all environments, clusters and service accounts in the catalog, by ID.

        May raise `Unavailable`.
        """
        catalog = await self.current() or NOTHING
        named = (*catalog.environments, *catalog.clusters(), *catalog.service_accounts)
        return {each.id: each.name for each in named}

    async def find(self, key: ApiKey) -> Target | None:
        """The owner and resource of a key. Refreshes the catalog if it doesn't know the resource's environment.

        Doesn't refresh a recent catalog that was read long after the key's creation: then the resource is gone, and
        clicks on such keys would have everything read again and again. Raises `Unavailable`, `CloudRefused`.
        """
        target = (await self.index()).target(key)
        if not _lacks_place(target) or not (self.is_stale() or self._may_precede(key)):
            return target
        await self.refresh()
        return (await self.index()).target(key)

    async def must_place(self, key: ApiKey) -> None:
        """Raises `Unavailable` if the key's environment may be known later: the key is new, or a list couldn't be read.

        The policy may have a rule for that environment, and Latchkey can't apply it without knowing the environment.
        Raises `CloudRefused`, too.
        """
        if not _lacks_place(await self.find(key)):
            return
        is_new = key.created_at is not None and self.clock() - key.created_at < NEW
        if is_new or key.kind in (await self.index()).unread:
            raise Unavailable(_UNPLACED)

    def is_stale(self) -> bool:
        """Whether the catalog that this process last saw should be refreshed."""
        if self._memo is None:
            return True
        catalog, read_at, _ = self._memo
        return self.clock() - read_at > max(STALE, len(catalog.environments) * A_LIST_EACH)

    def _may_precede(self, key: ApiKey) -> bool:
        """Whether the catalog that this process last saw may be older than the key's resource."""
        return self._memo is None or key.created_at is None or self._memo[1] < key.created_at + NEW

    async def refresh(self) -> Catalog:
        """Read everything that the form offers from Confluent and store it. Lists that fail stay as they were.

        Raises what `read` raises.
        """
        began = self.clock()  # what is created during the refresh may be missing
        catalog = await self.read(await self.current())
        await self.cache.put("catalog", catalog, Catalog, now=began, keep=KEPT)
        self._memo = (catalog, began, self.clock())
        log.info("catalog loaded", extra={"environments": len(catalog.environments)})
        return catalog

    async def read(self, known: Catalog | None) -> Catalog:
        """Everything that the form offers, read from Confluent. Lists that fail are as in `known`.

        Raises `Unavailable` and `CloudRefused` if the organization or its environments can't be read.
        """
        former = known or NOTHING
        organization, environments = await asyncio.gather(self.cloud.organization(), self.cloud.environments())
        ends = asyncio.get_running_loop().time() + READ_FOR
        unread = set[Kind]()
        accounts, regions, found = await asyncio.gather(
            _told(self.cloud.service_accounts, "service accounts", former.service_accounts, ends),
            _told(self.cloud.regions, "regions", former.regions, ends),
            self._lists(environments, former, ends, unread),
        )
        return Catalog(
            organization,
            by_name(environments),
            by_name(accounts),
            {kind: by_name([each for each in found if each.kind is kind]) for kind in PLACED},
            tuple(sorted(regions, key=lambda each: each.id)),
            frozenset(unread),
        )

    async def _lists(
        self, environments: Sequence[Environment], known: Catalog, ends: float, unread: set[Kind]
    ) -> list[Placed]:
        """Every list of every environment, a few at a time, starting with those that the last refresh didn't get to."""
        former = _by_place(known)
        jobs = [(kind, environment) for kind in PLACED for environment in environments]
        begin = self._begin % max(len(jobs), 1)
        room, clock, late = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time, 0

        async def read(kind: Kind, environment: Environment) -> Sequence[Placed]:
            nonlocal late
            kept = former.get((kind, environment.id), ())
            async with room:
                if clock() >= ends:
                    late += 1
                    unread.add(kind)
                    return kept
                what = f"{kind} in {environment.id}"
                told = await _told(lambda: self.cloud.resources(kind, environment), what, None, ends)
            if told is None:
                unread.add(kind)
            return kept if told is None else told

        found = await asyncio.gather(*(read(*job) for job in (*jobs[begin:], *jobs[:begin])))
        self._begin = begin + len(jobs) - late
        if late:
            log.warning(
                "loading the catalog took too long, so part of it may be old", extra={"left": late, "of": len(jobs)}
            )
        return [each for items in found for each in items]


def _lacks_place(target: Target | None) -> bool:
    return target is not None and not has_place(target.resource)


async def _told(ask: Callable[[], Awaitable[Sequence[T]]], what: str, known: Known, ends: float) -> Sequence[T] | Known:
    """What `ask` returns, or `known` if Confluent refuses, fails or takes too long."""
    try:
        async with asyncio.timeout_at(ends):
            return await ask()
    except (Unavailable, CloudRefused, TimeoutError) as error:
        log.warning("couldn't load part of the catalog", extra={"part": what, "why": str(error)})
        return known


def _by_place(catalog: Catalog) -> Mapping[tuple[Kind, str], Sequence[Placed]]:
    found: defaultdict[tuple[Kind, str], list[Placed]] = defaultdict(list)
    for items in catalog.resources.values():
        for each in items:
            found[each.kind, each.environment].append(each)
    return found
