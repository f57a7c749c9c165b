"""The agenda: what is due when, shared by all processes. Also counts refusals, visitors of Home, and the load.

The agenda is a sorted set of items, scored by when they are due. Taking an item moves its score to the end of its
lease, so the item comes back if its holder dies. A hash of leases also has it, so an item that is rescheduled meanwhile
waits until its holder is done. An entry there is the lease's end, a dot, and a token, which renewing and settling need.
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
"""How many visitors of Home are remembered. This limits the cost of redrawing Home for everyone."""


class RedisAgenda:
    """Implements the port `Agenda`. The caller passes the time.

    Items of a kind not in `kinds` are put aside for a process that knows it.
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
        """Lease up to `limit` due items: the oldest and the newest by turns, so that no backlog blocks new work."""
        until, token = from_ms(floor_ms(now + lease)), str(secrets.randbelow(TOKENS))
        self._newest_first = not self._newest_first  # so that both get their turn when `limit` is 1
        with translated():
            ttls = (LEASES_TTL_MS, lifetime_ms(REQUEST_KEPT))
            args: list[Argument] = [floor_ms(now), floor_ms(until), token, limit, int(self._newest_first), *ttls]
            aside, *items = cast(
                "list[Any]", await self._lease(keys=[*self._keys, self._aside], args=[*args, *self._kinds])
            )
        if aside:
            about = {"items": aside, "cause": "kind"}
            trouble.log.warning("left items to a newer version", extra=about)
        # Others can write to Redis, too: bytes that aren't text must not stop the worker. They name nothing known.
        return [Lease(Item.parse(item.decode(errors="replace")), until, token) for item in items]

    async def renew(self, leases: Sequence[Lease], now: datetime, lease: timedelta) -> Sequence[Lease]:
        """Extend these leases to `now + lease`.

        Returns them without those that were settled or that someone else took.
        """
        until = from_ms(floor_ms(now + lease))
        args: list[Argument] = [floor_ms(until), LEASES_TTL_MS]
        args += [part for each in leases for part in (str(each.item), each.token)]
        with translated():
            kept = cast("list[int]", await self._renew(keys=self._keys, args=args))
        return [replace(each, until=until) for each, is_kept in zip(leases, kept, strict=True) if is_kept]

    async def settle(self, lease: Lease, due: datetime | None) -> None:
        """End a lease: due again at `due`, or never. Does nothing if someone rescheduled the item meanwhile."""
        args: list[Argument] = [str(lease.item), lease.token, ceil_ms(due) if due else ""]
        with translated():
            await self._settle(keys=self._keys, args=args)

    async def drop(self, lease: Lease, due: datetime) -> None:
        """End the lease of an item whose request wasn't found.

        Never due again, or due at `due` if the store does have it.
        """
        args: list[Argument] = [str(lease.item), lease.token, "", ceil_ms(due)]
        with translated():
            await self._settle(keys=[*self._keys, self._request(RequestId(lease.item.id))], args=args)

    async def put(self, item: Item, due: datetime) -> None:
        """Make an item due at `due`, unless it's already due earlier."""
        with translated():
            await self._redis.zadd(self._key, {str(item): ceil_ms(due)}, lt=True)


class RedisRefusals:
    """Implements the port `Tally`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._told = load(redis, "tally")
        self._healer = Healer(redis)

    async def count(self, item: Item, event: Event, due: datetime) -> int:
        """Count a refusal, and make the item due at `due` unless it's due earlier. Returns how many there are now."""
        key = self._keys.refusal(item.id)
        sealed = REFUSAL.seal(self._sealer, (event,), self._place(item))

        async def counting() -> int:
            async with self._redis.pipeline(transaction=True) as together:
                together.hincrby(key, "n", 1)
                together.hsetnx(key, "event", sealed)
                together.pexpire(key, lifetime_ms(REFUSAL_KEPT))
                together.zadd(self._keys.agenda, {str(item): floor_ms(due)}, lt=True)
                number, *_ = await together.execute()
                return int(number)

        with translated():
            return await self._healer.read(key, "hash", counting)

    async def counted(self, item: Item, now: datetime) -> tuple[Event, int] | None:
        """The first refusal, and how many came after it without an audit line; None if there is no count.

        Raises `Tampered`. Anyone who can write to Redis can put a count back after its TTL, but the sealed time still
        ends it.
        """
        key = self._keys.refusal(item.id)
        with translated():
            found = await self._healer.read(key, "hash", lambda: self._redis.hmget(key, ["event", "n"]))
        sealed, number = found
        if sealed is None:
            return None
        (event,) = REFUSAL.open(self._sealer, sealed, self._place(item))
        if now - event.at > 2 * REFUSAL_KEPT:
            with translated():
                await self._redis.delete(key)
            return None
        return event, max(int(number or 1) - 1, 0)

    async def told(self, item: Item, number: int, event: Event) -> bool:
        """Subtract the `number` of refusals that got an audit line, `event`.

        Returns whether counting continues: it ends once a minute passes without a refusal.
        """
        sealed = REFUSAL.seal(self._sealer, (event,), self._place(item))
        with translated():
            return await self._told(keys=[self._keys.refusal(item.id)], args=[number, sealed]) == 1

    def _place(self, item: Item) -> SealContext:
        return SealContext(Purpose.REFUSAL, self._keys.refusal(item.id))


class RedisHomes:
    """Implements the port `Visitors`: who opened Home lately. Latchkey redraws Home for them."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._key = keys.homes
        self._healer = Healer(redis)

    async def came(self, user: SlackUserId, at: datetime) -> None:
        """Remember that someone opened Home, and forget visits older than `HOMES_KEPT`."""

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
        """Everyone who opened Home at this moment or later."""
        with translated():
            found: list[bytes] = await self._healer.read(
                self._key, "zset", lambda: self._redis.zrangebyscore(self._key, floor_ms(moment), "+inf")
            )
        return frozenset(SlackUserId(each.decode(errors="replace")) for each in found)


@dataclass(frozen=True, slots=True)
class Load:
    """How much work there is. Times are in seconds; `lag` and `oldest` are 0 if nothing waits."""

    items: int = 0
    due: int = 0
    """Due items that no process is working on. An item that is being worked on is due at the end of its lease."""
    lag: float = 0.0
    aside: int = 0
    pending: int = 0
    oldest: float = 0.0
    catalog_at: float = 0.0
    """When the catalog was read, in seconds since 1970; 0 if it isn't stored."""
    seconds: float = 0.0
    """How long the store took to answer."""


class RedisLoad:
    """Reads the load in one round trip, from indexes and TTLs alone, which anyone with access to Redis can change."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._keys = keys

    async def read(self, now: datetime, catalog_kept: timedelta) -> Load:
        """The load now. `catalog_kept` is how long a catalog is stored after it was read."""
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
    """Seconds since the first item of a sorted set was due or sent; 0 if there is none, or it isn't due yet."""
    return max(now.timestamp() - first[0][1] / 1000, 0.0) if first else 0.0
