"""Waiting until a write is on disk, where the server can tell."""

import logging
from datetime import datetime, timedelta

from redis.exceptions import ResponseError

from bot.services.ports.store import Clock
from bot.store.connection import LOST_ANSWER, Commands, translated, unconfirmed

DISK_MS = 1_800
"""How long a write may wait for the disk. Less than the socket's 2 s; more than a flush each second needs."""
ASKED_AGAIN = timedelta(minutes=1)
"""How long a refusal counts: somebody may turn the append-only file off for a moment, or forget it in an ACL."""
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
