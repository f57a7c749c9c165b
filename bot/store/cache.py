"""Sealed copies of what other systems said, and small records that are changed together."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar, cast

from redis.asyncio import Redis

from bot.domain.errors import Tampered, Unavailable
from bot.services.ports.store import Clock
from bot.store.codec import copy_of
from bot.store.connection import Commands, translated, twice
from bot.store.keyspace import Keyspace
from bot.store.moments import lifetime_ms
from bot.store.scripts import Argument, Healer, load
from bot.store.sealing import Purpose, SealContext, Sealer

LARGE = 64_000
"""Copies of this many bytes or more are opened in a thread."""
REMEMBERED = 32
"""How many opened copies a process remembers."""
ROUNDS = 32
"""How often a change of a copy is retried if someone else was faster."""
Record: TypeAlias = tuple[str, str, object]
"""When the copy was stored, when it expires, and the value."""
T = TypeVar("T")


class RedisCache:
    """Implements the port `Cache`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, clock: Clock) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._clock = clock
        self._healer = Healer(redis)
        self._swap = load(redis, "swap")
        # The copies opened last, by name and type, with their sealed bytes: opening a catalog of 20,000 clusters takes
        # 0.1 s.
        self._opened: OrderedDict[tuple[str, object], tuple[bytes, Record]] = OrderedDict()

    async def get(self, name: str, of: type[T]) -> tuple[T, datetime] | None:
        """A copy and when it was stored; None if it's absent, expired, or can't be read."""
        return await self._opened_now(name, of, await self._sealed(name))

    async def _sealed(self, name: str) -> bytes | None:
        key = self._keys.cache(name)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        return sealed

    async def _opened_now(self, name: str, of: type[T], sealed: bytes | None) -> tuple[T, datetime] | None:
        if sealed is None:
            return None
        try:
            put, until, value = await self._open(name, of, sealed)
        except Tampered:
            return None
        # Anyone who can write to Redis can keep a key beyond its TTL, but not beyond the time sealed inside.
        if self._clock() >= datetime.fromisoformat(until):
            return None
        return cast("T", value), datetime.fromisoformat(put)

    async def put(self, name: str, value: object, of: type[object], *, now: datetime, keep: timedelta) -> None:
        """Store a copy for `keep`."""
        sealed, record = await self._seal(name, value, of, now, keep)
        with translated():
            await self._redis.set(self._keys.cache(name), sealed, px=lifetime_ms(keep))
        self._remember((name, of), sealed, record)

    async def change(
        self, name: str, of: type[T], step: Callable[[T | None], T | None], *, now: datetime, keep: timedelta
    ) -> bool:
        """Store for `keep` what `step` returns for the current copy, or for None if there is none.

        Returns False if `step` returns None, and then stores nothing. Of concurrent changes, each builds on the one
        before, so `step` may be called again. Raises `Unavailable` if others were faster `ROUNDS` times.
        """
        for _ in range(ROUNDS):
            seen = await self._sealed(name)
            found = await self._opened_now(name, of, seen)
            value = step(found[0] if found else None)
            if value is None:
                return False
            sealed, record = await self._seal(name, value, of, now, keep)
            args: list[Argument] = [seen or b"", sealed, lifetime_ms(keep)]
            with translated():
                is_ours = await twice(lambda: self._swap(keys=[self._keys.cache(name)], args=args))  # noqa: B023 - awaited here
            if is_ours:
                self._remember((name, of), sealed, record)
                return True
        raise Unavailable("Too many people did the same at once.", changed="Nothing changed.")

    async def _seal(
        self, name: str, value: object, of: type[object], now: datetime, keep: timedelta
    ) -> tuple[bytes, Record]:
        record = (now.isoformat(), (now + keep).isoformat(), value)
        # In a thread: clicks must not wait while a large copy is written.
        return await asyncio.to_thread(copy_of(of).seal, self._sealer, record, self._place(name)), record

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
