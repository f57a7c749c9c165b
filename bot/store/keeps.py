"""Results of the key review: the keys that people keep, and the messages that asked about keys."""

import logging
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from bot.domain.errors import Tampered
from bot.domain.keys import KeyId, Principal
from bot.domain.review import Attestation
from bot.services.ports.store import Clock, Reviewed, ReviewPass
from bot.store.codec import DIGEST, KEEP, PASS
from bot.store.connection import Commands, translated
from bot.store.keyspace import DIGEST_KEPT, Keyspace
from bot.store.moments import lifetime_ms
from bot.store.scripts import Healer
from bot.store.sealing import Purpose, SealContext, Sealer

log = logging.getLogger(__name__)


class RedisKeeps:
    """Implements the port `Keeps`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, clock: Clock) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._clock = clock
        self._healer = Healer(redis)

    async def keep(self, kept: Attestation) -> None:
        """Remember until `kept.until` that someone keeps a key. Raises ValueError if that is in the past."""
        lifetime = lifetime_ms(kept.until - self._clock())
        sealed = KEEP.seal(self._sealer, (kept,), self._keep_place(kept.key))
        with translated():
            await self._redis.set(self._keys.keep(kept.key), sealed, px=lifetime)

    async def kept(self, keys: Sequence[KeyId]) -> Mapping[KeyId, Attestation]:
        """Those of these keys that someone keeps now. A record that doesn't open is left out and logged."""
        if not keys:
            return {}
        with translated():
            found: list[bytes | None] = await self._redis.mget([self._keys.keep(key) for key in keys])
        opened: dict[KeyId, Attestation] = {}
        for key, sealed in zip(keys, found, strict=True):
            if sealed is None:
                continue
            try:
                (kept,) = KEEP.open(self._sealer, sealed, self._keep_place(key))
            except Tampered as error:
                # Asking again costs someone a click; a review that stops at one bad record would ask nobody.
                log.warning("skipped an unreadable answer to a review: %s", error)
                continue
            # Anyone who can write to Redis can keep a record beyond its TTL, but not beyond the time sealed inside.
            if self._clock() < kept.until:
                opened[key] = kept
        return opened

    async def reviewed(self, owner: Principal) -> Reviewed | None:
        """The last review of this owner's keys, or None. A record that doesn't open counts as none and is logged."""
        key = self._keys.digest(owner)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        return self._opened(owner, sealed)

    async def all_reviewed(self, owners: Sequence[Principal]) -> Mapping[Principal, Reviewed]:
        """The last reviews of these owners, by owner. A record that doesn't open is left out and logged."""
        if not owners:
            return {}
        with translated():
            found: list[bytes | None] = await self._redis.mget([self._keys.digest(owner) for owner in owners])
        opened = ((owner, self._opened(owner, sealed)) for owner, sealed in zip(owners, found, strict=True))
        return {owner: reviewed for owner, reviewed in opened if reviewed}

    async def remember(self, owner: Principal, reviewed: Reviewed) -> None:
        """Store an owner's last review."""
        sealed = DIGEST.seal(self._sealer, (reviewed,), self._digest_place(owner))
        with translated():
            await self._redis.set(self._keys.digest(owner), sealed, px=lifetime_ms(DIGEST_KEPT))

    async def review_pass(self) -> ReviewPass | None:
        """The last pass of the review, or None. A record that doesn't open counts as none and is logged."""
        key = self._keys.review_pass
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        if sealed is None:
            return None
        try:
            (passed,) = PASS.open(self._sealer, sealed, SealContext(Purpose.DIGEST, key))
        except Tampered as error:
            log.warning("couldn't read a pass of the review, so it counts as not begun: %s", error)
            return None
        return passed

    async def remember_pass(self, passed: ReviewPass) -> None:
        """Store how far a pass got."""
        key = self._keys.review_pass
        sealed = PASS.seal(self._sealer, (passed,), SealContext(Purpose.DIGEST, key))
        with translated():
            await self._redis.set(key, sealed, px=lifetime_ms(DIGEST_KEPT))

    def _opened(self, owner: Principal, sealed: bytes | None) -> Reviewed | None:
        if sealed is None:
            return None
        try:
            (reviewed,) = DIGEST.open(self._sealer, sealed, self._digest_place(owner))
        except Tampered as error:
            log.warning("couldn't read an owner's last review, so it counts as not done: %s", error)
            return None
        return reviewed

    def _keep_place(self, key: KeyId) -> SealContext:
        return SealContext(Purpose.KEEP, self._keys.keep(key))

    def _digest_place(self, owner: Principal) -> SealContext:
        return SealContext(Purpose.DIGEST, self._keys.digest(owner))
