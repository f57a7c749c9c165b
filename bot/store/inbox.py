"""Clicks that wait to be carried out, and forms that are on the review page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from redis.asyncio import Redis

from bot.domain.keys import SlackUserId
from bot.services.agenda import Item, ItemKind
from bot.services.commands import HELD, Click, Draft
from bot.store.codec import CLICK, DRAFT, with_url, without_url
from bot.store.connection import Commands, translated, twice
from bot.store.disk import Batches, Disk
from bot.store.keyspace import CLICK_KEPT, DRAFT_KEPT, SCANNED, Keyspace
from bot.store.moments import ceil_ms, floor_ms, lifetime_ms
from bot.store.scripts import Argument, Healer, load
from bot.store.sealing import Purpose, SealContext, Sealer, not_ours


@dataclass(frozen=True, slots=True)
class _Received:
    """A click that is being stored."""

    key: str
    body: bytes
    item: str
    now: int


class RedisInbox:
    """Implements the port `Inbox`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, disk: Disk) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._disk = disk
        self._receive, self._keep = load(redis, "receive"), load(redis, "keep")
        self._done, self._replan = load(redis, "done"), load(redis, "replan")
        self._healer = Healer(redis)
        self._batches = Batches(self._store)

    async def put(self, click: Click, now: datetime) -> bool:
        """Store a click and make it due. Returns False if the same click is or was stored already.

        It's on disk when this returns, if the server can tell. Clicks that come together wait for that together. Raises
        `Tampered` if the key holds something else, and `Unavailable`.
        """
        key, item = self._keys.click(click.name), str(Item(ItemKind.CLICK, click.name))
        body = CLICK.seal(self._sealer, without_url(click), self._place(click.name))
        stored = await self._batches.put(_Received(key, body, item, floor_ms(now)))
        if stored < 0:
            raise not_ours(self._place(click.name), "isn't a click")
        return stored == 1

    async def _store(self, clicks: Sequence[_Received]) -> Sequence[int]:
        keys = [self._keys.agenda, *(each.key for each in clicks)]
        args: list[Argument] = [lifetime_ms(CLICK_KEPT)]
        for each in clicks:
            args += (each.body, each.item, each.now)
        with translated():
            async with self._redis.client() as connection:  # WAITAOF waits for the writes of its own connection
                stored = await twice(lambda: self._receive(keys=keys, args=args, client=connection))
                await self._disk.wait(connection)
        return cast("list[int]", stored)

    async def get(self, click: str) -> Click | None:
        """A click that hasn't been carried out yet, or None. Raises `Tampered`."""
        key = self._keys.click(click)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        return with_url(CLICK.open(self._sealer, sealed, self._place(click))) if sealed else None

    async def keep(self, click: Click, left: timedelta, due: datetime | None = None) -> None:
        """Store a click again for `left`. With `due`, it's tried once more, even if it was lost meanwhile.

        Does nothing if the click is done: a slow process must not bring back what another one has carried out.
        """
        body = CLICK.seal(self._sealer, without_url(click), self._place(click.name))
        item = str(Item(ItemKind.CLICK, click.name))
        args: list[Argument] = [body, lifetime_ms(left + CLICK_KEPT), item, ceil_ms(due) if due else ""]
        with translated():
            await self._keep(keys=[self._keys.click(click.name), self._keys.agenda], args=args)

    async def done(self, click: str) -> None:
        """Forget the click's content and its place on the agenda. That it was here is remembered for `CLICK_KEPT`."""
        await self._off_the_agenda(click, lifetime_ms(CLICK_KEPT))

    async def drop(self, click: str) -> None:
        """Remove a click that is done or has expired from the agenda. One that is stored keeps its place."""
        await self._off_the_agenda(click, "")

    async def put_back(self, now: datetime) -> int:
        """Make every click due that hasn't been carried out and isn't on the agenda. Returns how many."""
        number, prefix = 0, self._keys.click("")
        with translated():
            keys = [key.decode(errors="replace") async for key in self._redis.scan_iter(f"{prefix}*", count=SCANNED)]
            clicks = [each for key in keys if not (each := key.removeprefix(prefix)).startswith(HELD)]
            for first in range(0, len(clicks), SCANNED):
                some = clicks[first : first + SCANNED]
                items = [str(Item(ItemKind.CLICK, click)) for click in some]
                places = [self._keys.agenda, *map(self._keys.click, some)]
                number += cast("int", await self._replan(keys=places, args=[floor_ms(now), *items]))
        return number

    async def _off_the_agenda(self, click: str, lifetime: Argument) -> None:
        keys = [self._keys.click(click), self._keys.agenda, self._keys.leases]
        with translated():
            await self._done(keys=keys, args=[str(Item(ItemKind.CLICK, click)), lifetime])

    def _place(self, click: str) -> SealContext:
        return SealContext(Purpose.CLICK, self._keys.click(click))


class RedisDrafts:
    """Implements the port `Drafts`."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._healer = Healer(redis)

    async def put(self, draft: str, by: SlackUserId, form: Draft) -> None:
        """Store a form under an ID."""
        sealed = DRAFT.seal(self._sealer, (by, form), self._place(draft))
        with translated():
            await self._redis.set(self._keys.draft(draft), sealed, px=lifetime_ms(DRAFT_KEPT))

    async def get(self, draft: str, by: SlackUserId) -> Draft | None:
        """The form, if it's this person's and hasn't expired. Raises `Tampered`."""
        key = self._keys.draft(draft)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        if sealed is None:
            return None
        owner, form = DRAFT.open(self._sealer, sealed, self._place(draft))
        return form if owner == by else None

    def _place(self, draft: str) -> SealContext:
        return SealContext(Purpose.DRAFT, self._keys.draft(draft))
