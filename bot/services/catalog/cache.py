"""The catalog as it was last read: kept in the store for all processes, and for moments in this one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, cast

from bot.domain.catalog import Catalog
from bot.services.catalog.index import NOTHING
from bot.services.catalog.refresh import Cataloguing
from bot.services.ports.clock import Clock
from bot.services.ports.store import Cache

KEPT = timedelta(days=1)
STALE = timedelta(minutes=1)
"""Older than this, opening the form starts a refresh; what is there is offered meanwhile."""
A_LIST_EACH = timedelta(seconds=1)
"""By how much each environment puts that off: a reading asks Confluent for several lists of every one."""
MEMO = timedelta(seconds=15)
"""How long a process uses its own decoded catalog before it looks into the store again."""
T = TypeVar("T")


@dataclass(slots=True)
class CatalogCache:
    """What there is to choose from, without waiting for Confluent where that is possible."""

    reading: Cataloguing
    cache: Cache
    clock: Clock
    _memo: tuple[Catalog, datetime, datetime] | None = field(default=None, init=False)
    """The decoded catalog, when it was read at Confluent, and when this process fetched it."""
    _index: tuple[Catalog, object] | None = field(default=None, init=False)

    async def current(self) -> Catalog | None:
        """The last reading, never waiting for Confluent; None when there was none yet."""
        now = self.clock()
        if self._memo is None or not timedelta(0) <= now - self._memo[2] < MEMO:
            cached = await self.cache.get("catalog", Catalog)
            self._memo = (*cached, now) if cached else None
        return self._memo[0] if self._memo else None

    def indexed(self, catalog: Catalog, index: Callable[[Catalog], T]) -> T:
        """What the one `index` there is makes of a catalog: once for each, for 20,000 clusters take a while."""
        if self._index is None or self._index[0] is not catalog:
            self._index = (catalog, index(catalog))
        return cast("T", self._index[1])

    async def names(self) -> Mapping[str, str]:
        """What ids stand for, as far as the catalog knows."""
        catalog = await self.current() or NOTHING
        named = (*catalog.environments, *catalog.clusters(), *catalog.service_accounts)
        return {each.id: each.name for each in named}

    def is_stale(self) -> bool:
        """Whether the catalog that this process last saw should be read again."""
        if self._memo is None:
            return True
        catalog, read_at, _ = self._memo
        return self.clock() - read_at > max(STALE, len(catalog.environments) * A_LIST_EACH)

    async def refresh(self) -> Catalog:
        """Read everything that the form offers from Confluent and keep it; what fails stays as it was known."""
        catalog = await self.reading.read(await self.current())
        now = self.clock()
        await self.cache.put("catalog", catalog, Catalog, now=now, keep=KEPT)
        self._memo = (catalog, now, now)
        return catalog
