"""The Slack messages that show a request."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from redis.asyncio import Redis

from bot.domain.errors import Tampered
from bot.domain.keys import RequestId
from bot.services.ports.store import Post
from bot.store.codec import POST, PostRecord
from bot.store.connection import Commands, translated
from bot.store.keyspace import REQUEST_KEPT, Keyspace
from bot.store.scripts import Healer
from bot.store.sealing import Purpose, SealContext, Sealer

log = logging.getLogger(__name__)


class RedisPosts:
    """Implements the port `Posts`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._healer = Healer(redis)

    async def get(self, request: RequestId) -> Sequence[Post]:
        """All stored messages of a request. Those that don't open are left out and logged.

        Reading renews their TTL: if they were forgotten while the request is in use, they'd all be posted again.
        """
        key = self._keys.posts(request)

        async def read() -> dict[bytes, bytes]:
            async with self._redis.pipeline() as both:
                both.hgetall(key)
                both.pexpire(key, REQUEST_KEPT)
                found, _ = await both.execute()
                return cast("dict[bytes, bytes]", found)

        with translated():
            found = await self._healer.read(key, "hash", read)
        posts: list[Post] = []
        for field, sealed in sorted(found.items()):
            try:
                (record,) = POST.open(self._sealer, sealed, self._place(request, field.decode(errors="replace")))
            except Tampered as error:
                # A lost card is posted again; a request that can't be advanced would be worse.
                log.warning("forgot a message of a request: %s", error)
            else:
                posts.append(Post(**vars(record)))
        return posts

    async def put(self, request: RequestId, post: Post) -> None:
        """Store a message and what it shows now; one record for each channel and ts."""
        field = f"{post.channel}|{post.ts}"
        sealed = POST.seal(self._sealer, (PostRecord(**asdict(post)),), self._place(request, field))
        key = self._keys.posts(request)
        with translated():
            async with self._redis.pipeline() as both:
                both.hset(key, field, sealed)
                both.pexpire(key, REQUEST_KEPT)
                await both.execute()

    def _place(self, request: RequestId, field: str) -> SealContext:
        return SealContext(Purpose.POST, self._keys.posts(request), field)
