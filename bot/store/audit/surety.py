"""Which audit lines count: those that outlive a failover. Others may be lost in one, and nobody relied on them.

Where replicas have to have what is written (`LATCHKEY_REDIS_REPLICAS`), a line that a master took may be gone once its
replica is promoted. So it is told to nobody outside of Redis, and a log without it is trusted, until a wait for the
replicas said that they have it.
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
"""After so long, a line that another process wrote counts, too. A failover is over sooner."""


class Told(NamedTuple):
    """What the log of this process and the feed are told of a line."""

    seq: int
    hash: str
    says: Mapping[str, Any]


class Mark(NamedTuple):
    """A line that this process wrote, for when the wait for it is over; of no use once the log was followed anew."""

    epoch: int
    head: Head


class Surety:
    """Which lines count, as far as this process knows. `waits` says whether writes wait for replicas: else all do."""

    def __init__(self, *, waits: bool) -> None:
        self.head = Head()
        """The last line that counts: no log without it is trusted."""
        self._waits, self._epoch, self._wrote = waits, 0, Head()
        self._untold = dict[int, Told]()
        self._stood = deque[tuple[float, Head]]()
        """Lines that others wrote, and since when they are known."""

    @property
    def mark(self) -> Mark:
        """The last line that this process wrote."""
        return Mark(self._epoch, self._wrote)

    def wrote(self, last: Head, lines: Sequence[Told]) -> Sequence[Told]:
        """Take lines that the master has; returns those that may be told now."""
        self._untold |= {line.seq: line for line in lines}
        self._wrote = last
        return () if self._waits else self._count(last)

    def sure(self, mark: Mark) -> Sequence[Told]:
        """The lines up to this one outlive a failover; returns those that may be told now."""
        return self._count(mark.head) if mark.epoch == self._epoch else ()

    def followed(self, head: Head) -> Sequence[Told]:
        """The log still goes on from the lines known, up to this one; returns those that may be told now."""
        if not self._waits:
            return self._count(head)
        now, stood = time.monotonic(), self.head
        if head.seq > (self._stood[-1][1] if self._stood else stood).seq:
            self._stood.append((now, head))
        while self._stood and self._stood[0][0] <= now - STANDS_SECONDS:
            _, stood = self._stood.popleft()
        return self._count(stood)

    def restarted(self, hashes: Mapping[int, str]) -> None:
        """The log was followed anew: lines behind the last one that counts now have these hashes."""
        self._epoch, self._wrote = self._epoch + 1, self.head
        self._stood.clear()
        self._untold = {seq: line for seq, line in self._untold.items() if hashes.get(seq) == line.hash}

    def _count(self, last: Head) -> Sequence[Told]:
        if last.seq > self.head.seq:
            self.head = last
        return [self._untold.pop(seq) for seq in sorted(self._untold) if seq <= self.head.seq]


class Walk:
    """A walk along the log as it is in Redis. `needs` are lines that it has to have, each with who knows of it."""

    def __init__(
        self, chain: Chain, census: Census, needs: Sequence[tuple[Head, str]], *, is_anew: bool = False
    ) -> None:
        self.chain, self.census, self.needs = chain, census, needs
        self.hashes = dict[int, str]()
        """Of lines behind those that it has to have, of which there are few, on a walk along lines seen before."""
        self._is_anew = is_anew
        self._after = max(need.seq for need, _ in needs)

    def begin(self, base: Base, told: Summary) -> None:
        """Go on behind a base, which says what the lines before it said."""
        self.census.begin(base.seq, told.census.requests_known(), told.census.keys_known(), told.census.deleted)
        told.history.learn(self.chain.history)
        if base.seq > self.chain.seq:
            self.chain = Chain(base.end, history=told.history)

    def take(self, line: Mapping[str, object]) -> str | None:
        """Go on to the next line; returns why it is not to be trusted."""
        if wrong := self.chain.next(line):
            return f"doesn't match line {self.chain.seq}: {wrong}"
        seq, found = self.chain.seq, self.chain.hash
        self.census.take(seq, *said(line))
        if self._is_anew and seq > self._after:
            self.hashes[seq] = found
        return next((_lacks(need, of) for need, of in self.needs if need.seq == seq and need.hash != found), None)

    def end(self, head: Head) -> str | None:
        """Why this is not the end of the log; None when it is."""
        for need, of in self.needs:
            if head.seq < need.seq or (head.seq == need.seq and head.hash != need.hash):
                return _lacks(need, of)
        if self.chain.hash != head.hash:
            return f"doesn't match line {head.seq} as it is or was: another log has taken its place"
        return None


def _lacks(need: Head, of: str) -> str:
    return f"lacks line {need.seq} of {of}: an older copy"
