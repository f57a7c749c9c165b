"""Waiting until a write is on disk, where the server can tell."""

import logging

from redis.exceptions import ResponseError

from bot.store.connection import LOST_ANSWER, Commands, unconfirmed

DISK_MS = 1_800
"""How long a write may wait for the disk. Less than the socket's 2 s; more than a flush each second needs."""
log = logging.getLogger(__name__)


class Disk:
    """`WAITAOF`, until a server turns out to lack it or to keep no append-only file."""

    def __init__(self) -> None:
        self._tells = True

    async def wait(self, connection: Commands) -> None:
        """Return when what this connection wrote is on disk. Raises `Unavailable`: it may not be."""
        if not self._tells:
            return
        try:
            written: list[int] = await connection.execute_command("WAITAOF", 1, 0, DISK_MS)
        except LOST_ANSWER as error:
            raise unconfirmed("it did not say whether the write is on disk") from error
        except ResponseError:
            self._tells = False
            log.info("this Redis cannot tell when a write is on disk: no WAITAOF, or no append-only file")
            return
        if written[0] < 1:
            raise unconfirmed(f"the write was not on disk within {DISK_MS} ms")
