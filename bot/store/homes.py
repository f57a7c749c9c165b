"""Who opened Home lately: ids and times alone, so nothing is sealed. Whoever adds one has that person's Home drawn."""

from datetime import datetime

from redis.asyncio import Redis

from bot.domain.keys import SlackUserId
from bot.store.connection import Commands, translated
from bot.store.keyspace import HOMES_KEPT, Keyspace
from bot.store.moments import floor_ms, lifetime_ms
from bot.store.scripts import Healing

MOST = 1000
"""How many visitors are remembered: what everybody's Home costs is bounded."""


class RedisHomes:
    """Port `Visitors`."""

    def __init__(self, redis: Redis, keys: Keyspace) -> None:
        self._redis: Commands = redis
        self._key = keys.homes
        self._healing = Healing(redis)

    async def came(self, user: SlackUserId, at: datetime) -> None:
        """Somebody opened Home; who came long ago is forgotten."""

        async def write() -> None:
            async with self._redis.pipeline(transaction=True) as together:
                together.zadd(self._key, {user: floor_ms(at)})
                together.zremrangebyscore(self._key, "-inf", floor_ms(at - HOMES_KEPT))
                together.zremrangebyrank(self._key, 0, -MOST - 1)
                together.pexpire(self._key, lifetime_ms(HOMES_KEPT))
                await together.execute()

        with translated():
            await self._healing.read(self._key, "zset", write)

    async def since(self, moment: datetime) -> frozenset[SlackUserId]:
        """Everybody who opened it at this moment or later."""
        with translated():
            found: list[bytes] = await self._healing.read(
                self._key, "zset", lambda: self._redis.zrangebyscore(self._key, floor_ms(moment), "+inf")
            )
        return frozenset(SlackUserId(each.decode(errors="replace")) for each in found)
