"""Which keys were reported as leaked, for as long as a report counts."""

from dataclasses import dataclass

from bot.domain.keys import KeyId
from bot.domain.leaks.report import Leak
from bot.services.ports.store import Cache, Clock


@dataclass(frozen=True, slots=True)
class Leaks:
    """The reports that count. Both methods may raise `Unavailable`."""

    cache: Cache
    clock: Clock

    async def of(self, key: KeyId) -> Leak | None:
        """The report of this key; None when there is none, or it counts no more."""
        found = await self.cache.get(f"leak:{key}", Leak)
        return found[0] if found else None

    async def put(self, leak: Leak) -> None:
        """Remember a report, unless it counts no more."""
        now = self.clock()
        if now < leak.until:
            await self.cache.put(f"leak:{leak.key.id}", leak, Leak, now=now, keep=leak.until - now)
