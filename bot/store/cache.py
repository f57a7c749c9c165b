"""Sealed copies of what other systems said."""

from datetime import datetime, timedelta
from typing import TypeVar, cast

from redis.asyncio import Redis

from bot.domain.errors import Tampered
from bot.services.ports import Clock
from bot.store.codec import copy_of
from bot.store.connection import Commands, translated
from bot.store.keyspace import Keyspace
from bot.store.moments import lifetime_ms
from bot.store.sealing import Place, Purpose, Sealer

T = TypeVar("T")


class RedisCache:
    """Port `Cache`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, clock: Clock) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._clock = clock

    async def get(self, name: str, of: type[T]) -> tuple[T, datetime] | None:
        """A copy and when it was put; None when absent, expired, or not readable."""
        with translated():
            sealed: bytes | None = await self._redis.get(self._keys.cache(name))
        if sealed is None:
            return None
        try:
            put, until, value = copy_of(of).open(self._sealer, sealed, self._place(name))
        except Tampered:
            return None
        # Whoever writes to Redis can keep a key beyond its TTL, but not beyond what is sealed inside.
        if self._clock() >= datetime.fromisoformat(until):
            return None
        return cast("T", value), datetime.fromisoformat(put)

    async def put(self, name: str, value: object, of: type[object], *, now: datetime, keep: timedelta) -> None:
        """Keep a copy for `keep`."""
        record = (now.isoformat(), (now + keep).isoformat(), value)
        sealed = copy_of(of).seal(self._sealer, record, self._place(name))
        with translated():
            await self._redis.set(self._keys.cache(name), sealed, px=lifetime_ms(keep))

    def _place(self, name: str) -> Place:
        return Place(Purpose.CACHE, self._keys.cache(name))
