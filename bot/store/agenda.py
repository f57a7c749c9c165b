"""The agenda: what is due when, shared by all processes; how often the same was refused; who opened Home; the load.

A sorted set of items by when they are due. A taken item moves to the end of its lease, so that it comes back if its
holder dies, and stands in a hash of leases, so that an item rescheduled meanwhile waits until its holder is done.
There it has its end, and after a point its token: who renews or settles it must know that.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from redis.asyncio import Redis

from bot import trouble
from bot.domain.audit import Event
from bot.domain.keys import RequestId, SlackUserId
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Lease
from bot.store.codec import REFUSAL
from bot.store.connection import Commands, translated
from bot.store.keyspace import HOMES_KEPT, LEASES_TTL_MS, REFUSAL_KEPT, REQUEST_KEPT, Keyspace
from bot.store.moments import ceil_ms, floor_ms, from_ms, lifetime_ms
from bot.store.scripts import Argument, Healer, load
from bot.store.sealing import Purpose, SealContext, Sealer

TOKENS = 10**9
MOST_VISITORS = 1000
"""How many visitors of Home are remembered: what everybody's Home costs is bounded."""


class RedisAgenda:
    """Port `Agenda`. The caller brings the time.

    Items that are of none of these kinds are put aside, and taken by a process that knows theirs.
    """

    def __init__(self, redis: Redis, keys: Keyspace, kinds: Sequence[str] = tuple(filter(None, ItemKind))) -> None:
        self._redis: Commands = redis
        self._key = keys.agenda
        self._keys = [keys.agenda, keys.leases]
        self._aside = keys.aside
        self._request = keys.request
        self._kinds = kinds
        self._lease = load(redis, "lease")
        self._renew = load(redis, "renew")
        self._settle = load(redis, "settle")
        self._newest_first = True

    async def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Lease]:
        """Take up to `limit` items that are due: the oldest and the newest in turn, so that no backlog stops work."""
        until, token = from_ms(floor_ms(now + lease)), str(secrets.randbelow(TOKENS))
        self._newest_first = not self._newest_first  # so that both have their turn where there is room for one
        with translated():
            ttls = (LEASES_TTL_MS, lifetime_ms(REQUEST_KEPT))
            args: list[Argument] = [floor_ms(now), floor_ms(until), token, limit, int(self._newest_first), *ttls]
            aside, *items = cast(
                "list[Any]", await self._lease(keys=[*self._keys, self._aside], args=[*args, *self._kinds])
            )
        if aside:
            about = {"items": aside, "cause": "kind"}
            trouble.log.warning("left items to a newer version", extra=about)
        # Others can write here too: what is no text must not stop the worker. It names nothing that is known.
        return [Lease(Item.parse(item.decode(errors="replace")), until, token) for item in items]

    async def renew(self, leases: Sequence[Lease], now: datetime, lease: timedelta) -> Sequence[Lease]:
        """The same leases, from now on, without those that were settled or that someone else took."""
        until = from_ms(floor_ms(now + lease))
        args: list[Argument] = [floor_ms(until), LEASES_TTL_MS]
        args += [part for each in leases for part in (str(each.item), each.token)]
        with translated():
            kept = cast("list[int]", await self._renew(keys=self._keys, args=args))
        return [replace(each, until=until) for each, is_kept in zip(leases, kept, strict=True) if is_kept]

    async def settle(self, lease: Lease, due: datetime | None) -> None:
        """End a lease: due again at `due`, or never. Does nothing when someone rescheduled the item meanwhile."""
        args: list[Argument] = [str(lease.item), lease.token, ceil_ms(due) if due else ""]
        with translated():
            await self._settle(keys=self._keys, args=args)

    async def drop(self, lease: Lease, due: datetime) -> None:
        """End the lease of an item whose request is not there: never due again, or at `due` where the store has it."""
        args: list[Argument] = [str(lease.item), lease.token, "", ceil_ms(due)]
        with translated():
            await self._settle(keys=[*self._keys, self._request(RequestId(lease.item.id))], args=args)

    async def put(self, item: Item, due: datetime) -> None:
        """Make an item due at `due`, unless it is due earlier already."""
        with translated():
            await self._redis.zadd(self._key, {str(item): ceil_ms(due)}, lt=True)


class RedisRefusals:
    """Port `Tally`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._told = load(redis, "tally")

    async def count(self, item: Item, event: Event, due: datetime) -> int:
        """Count it, and have the item due at the end of the first one's minute; returns how many there are now."""
        key = self._keys.refusal(item.id)
        sealed = REFUSAL.seal(self._sealer, (event,), self._place(item))
        with translated():
            async with self._redis.pipeline(transaction=True) as together:
                together.hincrby(key, "n", 1)
                together.hsetnx(key, "event", sealed)
                together.pexpire(key, lifetime_ms(REFUSAL_KEPT))
                together.zadd(self._keys.agenda, {str(item): floor_ms(due)}, lt=True)
                number, *_ = await together.execute()
        return int(number)

    async def counted(self, item: Item, now: datetime) -> tuple[Event, int] | None:
        """The first one, and how many came after it that nobody wrote down; None when it is over. Raises `Tampered`.

        Anyone who writes to Redis can put one back after its TTL, but not beyond the time that is sealed inside.
        """
        with translated():
            sealed, number = await self._redis.hmget(self._keys.refusal(item.id), ["event", "n"])
        if sealed is None:
            return None
        (event,) = REFUSAL.open(self._sealer, sealed, self._place(item))
        if now - event.at > 2 * REFUSAL_KEPT:
            with translated():
                await self._redis.delete(self._keys.refusal(item.id))
            return None
        return event, max(int(number or 1) - 1, 0)

    async def told(self, item: Item, number: int, event: Event) -> bool:
        """So many were written down, as `event`; returns whether it goes on: it is over once none come for a minute."""
        sealed = REFUSAL.seal(self._sealer, (event,), self._place(item))
        with translated():
            return await self._told(keys=[self._keys.refusal(item.id)], args=[number, sealed]) == 1

    def _place(self, item: Item) -> SealContext:
        return SealContext(Purpose.REFUSAL, self._keys.refusal(item.id))


class RedisHomes:
    """Port `Visitors`: who opened Home lately. A person who is added has their Home drawn."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._key = keys.homes
        self._healer = Healer(redis)

    async def came(self, user: SlackUserId, at: datetime) -> None:
        """Someone opened Home; who came long ago is forgotten."""

        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as together:
                together.zadd(self._key, {user: floor_ms(at)})
                together.zremrangebyscore(self._key, "-inf", floor_ms(at - HOMES_KEPT))
                together.zremrangebyrank(self._key, 0, -MOST_VISITORS - 1)
                together.pexpire(self._key, lifetime_ms(HOMES_KEPT))
                await together.execute()

        with translated():
            await self._healer.read(self._key, "zset", write)

    async def since(self, moment: datetime) -> frozenset[SlackUserId]:
        """Everybody who opened it at this moment or later."""
        with translated():
            found: list[bytes] = await self._healer.read(
                self._key, "zset", lambda: self._redis.zrangebyscore(self._key, floor_ms(moment), "+inf")
            )
        return frozenset(SlackUserId(each.decode(errors="replace")) for each in found)


@dataclass(frozen=True, slots=True)
class Load:
    """How much work there is. Times are in seconds; `lag` and `oldest` are 0 where nothing waits."""

    items: int = 0
    due: int = 0
    """Items that no process works on: those are due at the end of their lease."""
    lag: float = 0.0
    aside: int = 0
    pending: int = 0
    oldest: float = 0.0
    catalog_at: float = 0.0
    """When the catalog was read, in seconds since 1970; 0 for never."""
    seconds: float = 0.0
    """How long the store took to tell."""


class RedisLoad:
    """Reads the load, in one round trip. Indexes and lifetimes alone, which anyone at the store can change."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._keys = keys

    async def read(self, now: datetime, catalog_kept: timedelta) -> Load:
        """The load now. `catalog_kept`: how long a catalog is kept once it was read."""
        keys, begun = self._keys, time.monotonic()
        with translated():
            async with self._redis.pipeline(transaction=False) as together:
                together.zcard(keys.agenda)
                together.zcount(keys.agenda, "-inf", floor_ms(now))
                together.zrange(keys.agenda, 0, 0, withscores=True)
                together.zcard(keys.aside)
                together.zcard(keys.pending)
                together.zrange(keys.pending, 0, 0, withscores=True)
                together.pttl(keys.cache("catalog"))
                items, due, first, aside, pending, oldest, left = await together.execute()
        took = time.monotonic() - begun
        read_at = (now - catalog_kept).timestamp() + left / 1000 if left > 0 else 0.0
        return Load(items, due, _since(first, now), aside, pending, _since(oldest, now), read_at, took)


def _since(first: Sequence[tuple[bytes, float]], now: datetime) -> float:
    """Seconds since the first item of a sorted set was due, or sent; 0 where there is none, or not yet."""
    return max(now.timestamp() - first[0][1] / 1000, 0.0) if first else 0.0
