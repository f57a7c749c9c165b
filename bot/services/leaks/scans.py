"""Reports from secret scanners: stored before the scanner gets its answer, and carried out like people's reports.

A report contains no time, so anyone who has one could send it again. Its digest is remembered for `REMEMBERED`: during
that time, it gets the same answer and has no other effect.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.domain.errors import LatchkeyError, Throttled
from bot.domain.keys import KeyId, TeamId
from bot.domain.leaks.report import COUNTS_FOR, MOST_SCANNED
from bot.domain.leaks.scanned import Label, Report
from bot.services.commands import NO_ONE, Click, FoundLeak
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Cache, Clock, Inbox

REMEMBERED = timedelta(days=7)
LOOK_SECONDS = 8.0
"""For looking up keys before answering. GitHub waits 30 s for an answer that labels false positives, otherwise less."""
_Labels: TypeAlias = tuple[Label | None, ...]
log = logging.getLogger("latchkey.leaks")


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many keys scanners have reported since a moment."""

    since: datetime
    number: int = 0


@dataclass(frozen=True, slots=True)
class Scans:
    """Accepts scanners' reports whose signature was checked."""

    inbox: Inbox
    cache: Cache
    cloud: Cloud
    clock: Clock
    team: TeamId
    wake: Callable[[], None]

    async def take(self, digest: str, source: str, report: Report) -> tuple[_Labels, bool]:
        """Store the keys of a report.

        Returns a label for each match (None if there's nothing to say), and whether the report is new.

        `digest` is the hexadecimal digest of the report's bytes. `source` is the scanner's name for people. Raises
        `Unavailable`, and `Throttled` if scanners have reported the most keys allowed in a day.
        """
        name = f"scan:{digest}"
        if known := await self.cache.get(name, _Labels):
            return known[0], False
        is_new = await self._write_down(digest, source, report.keys)
        self.wake()
        for url in report.alone if is_new else ():
            log.warning("a scanner found an API secret without the ID of its key", extra={"url": url or "unknown"})
        labels = tuple(report.labels(await self._exists(report.keys)))
        await self.cache.put(name, labels, _Labels, now=self.clock(), keep=REMEMBERED)
        return labels, is_new

    async def _write_down(self, digest: str, source: str, keys: Mapping[KeyId, str]) -> bool:
        """Put each key in the inbox, once per digest. Returns whether all of them are new there."""
        now = self.clock()
        await self._count(len(keys), now)
        deeds = [FoundLeak(key, source, url) for key, url in keys.items()]
        clicks = [Click(f"{digest}-{number}", NO_ONE, self.team, now, deed) for number, deed in enumerate(deeds)]
        stored = await asyncio.gather(*(self.inbox.put(click, now) for click in clicks))
        return all(stored)

    async def _count(self, keys: int, now: datetime) -> None:
        """Add to the number of keys in the last `COUNTS_FOR`. Raises `Throttled` if that is too many."""
        begun = now

        def with_these(counted: _Counted | None) -> _Counted | None:
            nonlocal begun
            former = counted if counted and now - counted.since < COUNTS_FOR else _Counted(now)
            begun = former.since
            number = former.number + keys
            return _Counted(begun, number) if number <= MOST_SCANNED else None

        if not await self.cache.change("scanned", _Counted, with_these, now=now, keep=COUNTS_FOR):
            log.error("scanners report more keys than Latchkey takes in a day", extra={"more": keys})
            raise Throttled("Too many keys were reported.", wait=begun + COUNTS_FOR - now)

    async def _exists(self, keys: Mapping[KeyId, str]) -> Mapping[KeyId, bool]:
        """Whether each key exists at Confluent; without those that couldn't be looked up in time."""
        exists = dict[KeyId, bool]()
        with suppress(TimeoutError, LatchkeyError):
            async with asyncio.timeout(LOOK_SECONDS):
                for key in keys:
                    found = await self.cloud.key(key)
                    if found is None:
                        await self.cloud.must_see_all()
                    exists[key] = found is not None
        return exists
