"""Sealed copies of what other systems said."""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar, cast

from redis.asyncio import Redis

from bot.domain.errors import Tampered
from bot.services.ports.store import Clock
from bot.store.codec import copy_of
from bot.store.connection import Commands, translated
from bot.store.keyspace import Keyspace
from bot.store.moments import lifetime_ms
from bot.store.scripts import Healer
from bot.store.sealing import Purpose, SealContext, Sealer

LARGE = 64_000
"""Bytes from which on a copy is opened in a thread."""
REMEMBERED = 32
"""How many opened copies a process keeps."""
Record: TypeAlias = tuple[str, str, object]
"""When the copy was put, until when it holds, and the value."""
T = TypeVar("T")


class RedisCache:
    """Port `Cache`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, clock: Clock) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._clock = clock
        self._healer = Healer(redis)
        # What was opened last, by its sealed bytes: to open a catalog of 20,000 clusters takes a tenth of a second.
        self._opened: OrderedDict[tuple[str, object], tuple[bytes, Record]] = OrderedDict()

    async def get(self, name: str, of: type[T]) -> tuple[T, datetime] | None:
        """A copy and when it was put; None when absent, expired, or not readable."""
        key = self._keys.cache(name)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        if sealed is None:
            return None
        try:
            put, until, value = await self._open(name, of, sealed)
        except Tampered:
            return None
        # Anyone who writes to Redis can keep a key beyond its TTL, but not beyond what is sealed inside.
        if self._clock() >= datetime.fromisoformat(until):
            return None
        return cast("T", value), datetime.fromisoformat(put)

    async def put(self, name: str, value: object, of: type[object], *, now: datetime, keep: timedelta) -> None:
        """Keep a copy for `keep`."""
        record = (now.isoformat(), (now + keep).isoformat(), value)
        # In a thread, for clicks must not wait until a large copy is written.
        sealed = await asyncio.to_thread(copy_of(of).seal, self._sealer, record, self._place(name))
        with translated():
            await self._redis.set(self._keys.cache(name), sealed, px=lifetime_ms(keep))
        self._remember((name, of), sealed, record)

    async def _open(self, name: str, of: type[object], sealed: bytes) -> Record:
        known = self._opened.get((name, of))
        if known is not None and known[0] == sealed:
            return known[1]
        if len(sealed) < LARGE:
            record: Record = copy_of(of).open(self._sealer, sealed, self._place(name))
        else:
            record = await asyncio.to_thread(copy_of(of).open, self._sealer, sealed, self._place(name))
        self._remember((name, of), sealed, record)
        return record

    def _remember(self, name: tuple[str, object], sealed: bytes, record: Record) -> None:
        self._opened[name] = (sealed, record)
        self._opened.move_to_end(name)
        if len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)

    def _place(self, name: str) -> SealContext:
        return SealContext(Purpose.CACHE, self._keys.cache(name))
