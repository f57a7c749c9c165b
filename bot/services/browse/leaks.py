"""Remembers which keys were reported as leaked, until the reports lapse."""

from dataclasses import dataclass

from bot.domain.keys import KeyId
from bot.domain.leaks.report import Leak
from bot.services.ports.store import Cache, Clock


@dataclass(frozen=True, slots=True)
class Leaks:
    """The reports that haven't lapsed. Both methods may raise `Unavailable`."""

    cache: Cache
    clock: Clock

    async def of(self, key: KeyId) -> Leak | None:
        """The report of this key; None if there is none, or it has lapsed."""
        found = await self.cache.get(f"leak:{key}", Leak)
        return found[0] if found else None

    async def put(self, leak: Leak) -> None:
        """Remember a report until `leak.until`, unless that has passed."""
        now = self.clock()
        if now < leak.until:
            await self.cache.put(f"leak:{leak.key.id}", leak, Leak, now=now, keep=leak.until - now)
