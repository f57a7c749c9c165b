"""The sandbox's clock: real time plus an offset, which several processes share through a small file."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SandboxClock:
    """A clock with time zone UTC that can be moved forward. All instances with the same file show the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        """The sandbox's time, with time zone UTC."""
        return datetime.now(UTC) + self._read_offset()

    def advance(self, by: timedelta) -> None:
        """Move the time forward for every process.

        Raises ValueError for a negative step, because deadlines stay passed.
        """
        if by < timedelta():
            message = f"the sandbox clock only goes forward, not by {by}"
            raise ValueError(message)
        offset = self._read_offset() + by
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(f"{offset.total_seconds()}\n")
        draft.replace(self._path)

    def advance_to(self, moment: datetime) -> None:
        """Move the time forward to this moment (with time zone). Raises ValueError if it has passed."""
        self.advance(moment - self.now())

    def offset(self) -> timedelta:
        """How far the sandbox is ahead of real time."""
        return self._read_offset()

    def _read_offset(self) -> timedelta:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._offset = None, timedelta()
            return self._offset
        # The inode counts because a replaced file can have the same size and, on coarse clocks, the same mtime.
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._offset = timedelta(seconds=float(self._path.read_text()))
            self._seen = seen
        return self._offset
