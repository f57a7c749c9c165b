"""Which audit lines count: those that outlive a failover. The others may be lost, and nothing relies on them.

If writes have to reach replicas (`LATCHKEY_REDIS_REPLICAS`), a line that only the master has is lost when a replica is
promoted. So until a wait confirms that the replicas have it, the line isn't reported outside Redis, and a log without
it is trusted.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bot.domain.reports.census import Census
from bot.store.audit.base import Base, Summary
from bot.store.audit.chain import Chain, Head, said

FEED = "LATCHKEY_AUDIT_LOG"
STANDS_SECONDS = 30.0
"""After this many seconds, a line that another process wrote counts, too. A failover takes less."""


class Told(NamedTuple):
    """What this process's log and the feed say about a line."""

    seq: int
    hash: str
    says: Mapping[str, Any]


class Mark(NamedTuple):
    """The last line that this process wrote, kept until the wait for it is over. Void once the log is followed anew."""

    epoch: int
    head: Head


class Surety:
    """Which lines count, as far as this process knows.

    `waits`: whether writes wait for replicas; otherwise all count.
    """

    def __init__(self, *, waits: bool) -> None:
        self.head = Head()
        """The last line that counts. A log without it isn't trusted."""
        self._waits, self._epoch, self._wrote = waits, 0, Head()
        self._untold = dict[int, Told]()
        self._stood = deque[tuple[float, Head]]()
        """The log's ends that others wrote, and since when (in monotonic seconds) they are known."""

    @property
    def mark(self) -> Mark:
        """The last line that this process wrote."""
        return Mark(self._epoch, self._wrote)

    def wrote(self, last: Head, lines: Sequence[Told]) -> Sequence[Told]:
        """Add lines that the master has. Returns those that can be reported now."""
        self._untold |= {line.seq: line for line in lines}
        self._wrote = last
        return () if self._waits else self._count(last)

    def sure(self, mark: Mark) -> Sequence[Told]:
        """Count the lines up to this mark: they outlive a failover. Returns those that can be reported now."""
        return self._count(mark.head) if mark.epoch == self._epoch else ()

    def followed(self, head: Head) -> Sequence[Told]:
        """Note that the log still continues the known lines, up to this one.

        Returns the lines that can be reported now.
        """
        if not self._waits:
            return self._count(head)
        now, stood = time.monotonic(), self.head
        if head.seq > (self._stood[-1][1] if self._stood else stood).seq:
            self._stood.append((now, head))
        while self._stood and self._stood[0][0] <= now - STANDS_SECONDS:
            _, stood = self._stood.popleft()
        return self._count(stood)

    def restarted(self, hashes: Mapping[int, str]) -> None:
        """Start over after the log was followed anew.

        `hashes` are those of the lines after the last one that counts.
        """
        self._epoch, self._wrote = self._epoch + 1, self.head
        self._stood.clear()
        self._untold = {seq: line for seq, line in self._untold.items() if hashes.get(seq) == line.hash}

    def _count(self, last: Head) -> Sequence[Told]:
        if last.seq > self.head.seq:
            self.head = last
        return [self._untold.pop(seq) for seq in sorted(self._untold) if seq <= self.head.seq]


class Walk:
    """Walks along the log in Redis. `needs` are the lines it must have, each with the name of where it's known from."""

    def __init__(
        self, chain: Chain, census: Census, needs: Sequence[tuple[Head, str]], *, is_anew: bool = False
    ) -> None:
        self.chain, self.census, self.needs = chain, census, needs
        self.hashes = dict[int, str]()
        """The hashes of lines after those it must have, which are few; only if the log is followed anew."""
        self._is_anew = is_anew
        self._after = max(need.seq for need, _ in needs)

    def begin(self, base: Base, told: Summary) -> None:
        """Continue after a base, which says what the lines before it said."""
        self.census.begin(base.seq, told.census.requests_known(), told.census.keys_known(), told.census.deleted)
        told.history.learn(self.chain.history)
        if base.seq > self.chain.seq:
            self.chain = Chain(base.end, history=told.history)

    def take(self, line: Mapping[str, object]) -> str | None:
        """Verify the next line. Returns why it can't be trusted, or None."""
        if wrong := self.chain.next(line):
            return f"doesn't match line {self.chain.seq}: {wrong}"
        seq, found = self.chain.seq, self.chain.hash
        self.census.take(seq, *said(line))
        if self._is_anew and seq > self._after:
            self.hashes[seq] = found
        return next((_lacks(need, of) for need, of in self.needs if need.seq == seq and need.hash != found), None)

    def end(self, head: Head) -> str | None:
        """Why this isn't the end of the log, or None if it is."""
        for need, of in self.needs:
            if head.seq < need.seq or (head.seq == need.seq and head.hash != need.hash):
                return _lacks(need, of)
        if self.chain.hash != head.hash:
            return f"doesn't match line {head.seq} as it is or was: another log has taken its place"
        return None


def _lacks(need: Head, of: str) -> str:
    return f"lacks line {need.seq} of {of}: an older copy"
