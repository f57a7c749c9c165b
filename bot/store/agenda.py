"""The agenda: what is due when, shared by all processes.

A sorted set of items by when they are due. A taken item moves to the end of its lease, so that it comes back if its
holder dies, and stands in a hash of leases, so that an item rescheduled meanwhile waits until its holder is done.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from redis.asyncio import Redis

from bot.services.agenda import Item
from bot.services.ports.store import Lease
from bot.store.connection import Commands, translated
from bot.store.keyspace import LEASES_TTL_MS, Keyspace
from bot.store.moments import ceil_ms, floor_ms, from_ms
from bot.store.scripts import load


class RedisAgenda:
    """Port `Agenda`. The caller brings the time."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._key = keys.agenda
        self._keys = [keys.agenda, keys.leases]
        self._lease = load(redis, "lease")
        self._settle = load(redis, "settle")
        self._newest_first = True

    async def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Lease]:
        """Take up to `limit` items that are due: the oldest and the newest in turn, so that no backlog stops work."""
        until = from_ms(floor_ms(now + lease))
        self._newest_first = not self._newest_first  # so that both have their turn where there is room for one
        with translated():
            args = [floor_ms(now), floor_ms(until), limit, LEASES_TTL_MS, int(self._newest_first)]
            items = await self._lease(keys=self._keys, args=args)
        # Others can write here too: what is no text must not stop the worker. It names nothing that is known.
        return [Lease(Item.parse(item.decode(errors="replace")), until) for item in cast("list[bytes]", items)]

    async def settle(self, lease: Lease, due: datetime | None) -> None:
        """End a lease: due again at `due`, or never. Does nothing when somebody rescheduled the item meanwhile."""
        args: list[str | int] = [str(lease.item), floor_ms(lease.until), ceil_ms(due) if due else ""]
        with translated():
            await self._settle(keys=self._keys, args=args)

    async def put(self, item: Item, due: datetime) -> None:
        """Make an item due at `due`, unless it is due earlier already."""
        with translated():
            await self._redis.zadd(self._key, {str(item): ceil_ms(due)}, lt=True)
