"""Waits until a write survives a crash: on disk, if the server can tell, and on as many replicas as required.

Also groups writes, so that many wait together.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from redis.exceptions import ResponseError

from bot import trouble
from bot.domain.errors import ASK_ADMINISTRATOR, NOTHING_MORE, Unavailable
from bot.services.ports.store import Clock
from bot.store.connection import LOST_ANSWER, Commands, translated, unconfirmed

DISK_MS = 1_800
"""Milliseconds to wait for the disk. Less than the socket's 2 s, and more than a server that flushes each second
needs."""
ASKS = 3
"""How many times in a row to wait for replicas. One that flushes each second reports it up to a second later."""
LAG_SECONDS = 3
"""How far behind a replica may be. Replicas report their position each second."""
PROBE_MS = 1_000
ASKED_AGAIN = timedelta(minutes=1)
"""How long a refusal counts. Someone may turn the append-only file off briefly, or forget WAITAOF in an ACL."""
MOST = 250
"""How many items a batch may have. The script that writes them takes milliseconds, during which Redis answers no
one."""
FREE, GATHERED = 4, 0.01
"""This many batches may run without a pause; for each additional one, the next batch waits so many seconds to fill.
With a flush each second about twenty run at once, each on its own connection."""
T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


class Disk:
    """Waits with `WAITAOF`. A server may refuse that for a while; only one that doesn't know it isn't asked again.

    Without it, `WAIT` waits for replicas. They have the write then, but maybe not on disk.
    """

    def __init__(self, clock: Clock, probe: str, replicas: int = 0) -> None:
        self._clock = clock
        self._probe = probe
        self._replicas = replicas
        self._refused = ""
        self._ask_at: datetime | None = clock()  # None: never again
        self._reached = False
        """Whether the last write that waited for replicas reached them."""

    @property
    def waits_for_replicas(self) -> bool:
        """Whether writes have to reach replicas. Otherwise a failover may lose even lines that count."""
        return self._replicas > 0

    async def wait(self, connection: Commands) -> None:
        """Wait until what this connection wrote is on this server's disk.

        Raises `Unavailable` if that isn't certain.
        """
        await self._waited(connection, 0)

    async def wait_everywhere(self, connection: Commands) -> None:
        """Wait until what this connection wrote is on this server's disk and on the replicas. Raises `Unavailable`."""
        self._note(await self._waited(connection, self._replicas, ASKS))

    async def wait_for_replicas(self, connection: Commands) -> None:
        """Wait until the replicas have what this connection wrote, maybe not on disk. Raises `Unavailable`."""
        if self._replicas:
            self._note(await _on_replicas(connection, self._replicas, 1))

    async def must_reach_replicas(self, redis: Commands) -> None:
        """Raise `Unavailable` before anything is written, if too few replicas would get it."""
        if why := await self.replicas_problem(redis):
            raise _too_few(why)

    async def replicas_problem(self, redis: Commands) -> str | None:
        """Why nothing can be written now; None if there are enough replicas. Raises `Unavailable`."""
        if not self._replicas:
            return None
        with translated():
            if self._reached:
                return _short(_online(await redis.info("replication")), self._replicas, "are connected and keep up")
            # What the server says about its replicas doesn't include whether they write to disk.
            async with redis.client() as connection:
                await connection.set(self._probe, b"", px=PROBE_MS)
                why = await self._waited(connection, self._replicas)
        self._reached = why is None
        return why

    async def problem(self, redis: Commands) -> str | None:
        """Why steps don't wait for the disk; None if they do. Asks the server right away. Raises `Unavailable`."""
        if self._ask_at is not None:
            self._ask_at = self._clock()
        with translated():
            async with redis.client() as connection:
                await self.wait(connection)
        return f"steps don't wait for the disk: {self._refused}" if self._refused else None

    def _note(self, why: str | None) -> None:
        self._reached = why is None
        if why:
            raise _too_few(why)

    async def _waited(self, connection: Commands, replicas: int, asks: int = 1) -> str | None:
        """Wait for this disk and for replicas. Returns why too few replicas have the write. Raises `Unavailable`."""
        if self._ask_at is not None and self._clock() >= self._ask_at:
            try:
                here, there = await _counted(connection, asks, replicas, "WAITAOF", 1, replicas)
            except ResponseError as error:
                await self._go_on_without(connection, error)
            else:
                self._refused = ""
                if here < 1:
                    raise unconfirmed(f"the write was not on disk within {DISK_MS} ms")
                return _short(there, replicas, "have the write on disk (each needs appendonly yes)")
        return await _on_replicas(connection, replicas, asks) if replicas else None

    async def _go_on_without(self, connection: Commands, error: ResponseError) -> None:
        if is_unknown(error):
            self._ask_at, self._refused = None, "this Redis has no WAITAOF, which came with 7.2"
            log.info(self._refused)
        elif (await connection.info("replication"))["role"] != "master":
            raise unconfirmed("it became a replica, and loses what was written to it")
        else:
            self._ask_at, self._refused = self._clock() + ASKED_AGAIN, str(error)
            log.warning("steps don't wait for the disk", extra={"why": str(error)})


def is_unknown(error: ResponseError) -> bool:
    """Whether the server doesn't know the command. Redis has no error code for that, so only the wording shows it."""
    return str(error).startswith("unknown command")


async def _on_replicas(connection: Commands, replicas: int, asks: int) -> str | None:
    (found,) = await _counted(connection, asks, replicas, "WAIT", replicas)
    return _short(found, replicas, "have the write")


async def _counted(connection: Commands, asks: int, replicas: int, *command: str | int) -> Sequence[int]:
    """Send the command, again while too few replicas have the write. Returns the server's counts, replicas last."""
    found: Sequence[int] = ()
    for _ in range(asks):
        try:
            reply: int | list[int] = await connection.execute_command(*command, DISK_MS)
        except LOST_ANSWER as error:
            raise unconfirmed("it didn't say whether the write is on disk") from error
        found = reply if isinstance(reply, list) else [reply]
        if found[-1] >= replicas:
            break
    return found


def _online(replication: Mapping[str, Any]) -> int:
    """How many replicas keep up, according to the server."""
    found: list[Any] = [each for name, each in replication.items() if re.fullmatch(r"slave\d+", name)]
    return sum(each["state"] == "online" and each["lag"] <= LAG_SECONDS for each in found)


def _short(found: int, wanted: int, what: str) -> str | None:
    return None if found >= wanted else f"{found} of {wanted} replicas {what}"


def _too_few(why: str) -> Unavailable:
    """The error if an effect must wait until an operator, who gets a log line, adds replicas."""
    trouble.log.error("too few replicas", extra={"cause": "replicas", "why": why})
    return Unavailable(
        "Latchkey's store has too few replicas right now.",
        changed=NOTHING_MORE,
        advice=ASK_ADMINISTRATOR,
        log=f"store: {why}",
    )


class Batches(Generic[T, R]):
    """Group commit: passes items to `send` in the order in which they came, and returns each one's own result.

    Items that come at once, or while other batches run, share one write and one wait. If a batch fails, only its own
    items fail.
    """

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """`send` returns the result of each item, in the same order."""
        self._send = send
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._next: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> R:
        """Add an item and wait for its result. If it's cancelled before its batch is sent, it isn't sent."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._begin()
        return await done

    def _begin(self) -> None:
        if self._next is None:
            # In a task of its own, because the caller may be cancelled while others wait for the same batch.
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
        except Exception as error:  # noqa: BLE001 -- raised to each caller
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
