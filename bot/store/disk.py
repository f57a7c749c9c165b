"""Waiting until a write is on disk, where the server can tell; and group commit, so that many wait together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from redis.exceptions import ResponseError

from bot.services.ports.store import Clock
from bot.store.connection import LOST_ANSWER, Commands, translated, unconfirmed

DISK_MS = 1_800
"""How long a write may wait for the disk. Less than the socket's 2 s; more than a flush each second needs."""
ASKED_AGAIN = timedelta(minutes=1)
"""How long a refusal counts: somebody may turn the append-only file off for a moment, or forget it in an ACL."""
MOST = 250
"""Items of a batch: a script that writes them takes some milliseconds, in which the store answers nobody."""
FREE, GATHERED = 4, 0.01
"""So many batches may be under way without a pause; for each one more, the next gathers so many seconds. With a flush
each second there are some twenty at once, each with a connection of its own."""
T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


class Disk:
    """`WAITAOF`, which a server may refuse for a while. Only one that does not know it is never asked again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused = ""
        self._ask_at: datetime | None = clock()  # None is never

    async def wait(self, connection: Commands) -> None:
        """Return when what this connection wrote is on disk. Raises `Unavailable`: it may not be."""
        if self._ask_at is None or self._clock() < self._ask_at:
            return
        try:
            written: list[int] = await connection.execute_command("WAITAOF", 1, 0, DISK_MS)
        except LOST_ANSWER as error:
            raise unconfirmed("it did not say whether the write is on disk") from error
        except ResponseError as error:
            await self._go_on_without(connection, str(error))
            return
        self._refused = ""
        if written[0] < 1:
            raise unconfirmed(f"the write was not on disk within {DISK_MS} ms")

    async def problem(self, redis: Commands) -> str | None:
        """Why effects do not wait for the disk; None when they do. Asks at once. Raises `Unavailable`."""
        if self._ask_at is not None:
            self._ask_at = self._clock()
        with translated():
            async with redis.client() as connection:
                await self.wait(connection)
        return f"effects do not wait for the disk: {self._refused}" if self._refused else None

    async def _go_on_without(self, connection: Commands, why: str) -> None:
        if why.startswith("unknown command"):
            self._ask_at, self._refused = None, "this Redis has no WAITAOF, which came with 7.2"
            log.info(self._refused)
        elif (await connection.info("replication"))["role"] != "master":
            raise unconfirmed("it became a replica, which forgets what was written to it")
        else:
            self._ask_at, self._refused = self._clock() + ASKED_AGAIN, why
            log.warning("effects do not wait for the disk", extra={"why": why})


class Batches(Generic[T, R]):
    """Group commit: hands items to `send` in the order in which they came, and gives each one its own result.

    What comes at once, or while others are under way, shares one write and one wait. A batch that fails is the end of
    its items, and of no others.
    """

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """`send` returns the result of each item, in their order."""
        self._send = send
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._next: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> R:
        """Hand it over, and wait for its result. Cancelled before its batch is sent, it is in none."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._begin()
        return await done

    def _begin(self) -> None:
        if self._next is None:
            # A task of its own: who waits may be cancelled, and others wait for the same.
            self._next = asyncio.create_task(self._gather(), name="batch")
            self._under_way.add(self._next)
            self._next.add_done_callback(self._under_way.discard)

    async def _gather(self) -> None:
        if (others := len(self._under_way) - FREE) > 0:
            await asyncio.sleep(GATHERED * others)
        there, self._waiting, self._next = self._waiting[:MOST], self._waiting[MOST:], None
        if self._waiting:
            self._begin()
        if batch := [(item, done) for item, done in there if not done.done()]:
            await self._flush(batch)

    async def _flush(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._send([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 -- each of them raises it to who waits
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for (_, done), result in zip(batch, results, strict=True):
                if not done.done():
                    done.set_result(result)
        finally:
            for _, done in batch:
                done.cancel()  # does nothing to one that is done
