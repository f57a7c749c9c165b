"""Where the audit log begins in Redis: the base, in place of all lines that were moved to a file.

The base is a list of sealed entries. The first has number and hash of the last line that was moved, and a digest of the
others. These, the parts, hold what the moved lines say as long as it matters: of each request its newest revision, how
it ended and its state, of each key its state, and the beginning of each line's hash. So what an attacker puts back is
compared as if the lines were still there, and so is a line that was noted elsewhere.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis

from bot.domain.audit import Action, History
from bot.domain.reports.census import Census
from bot.store.audit.chain import START, Head, canonical, said
from bot.store.connection import Commands, translated, unconfirmed
from bot.store.keyspace import Keyspace
from bot.store.sealing import Purpose, SealContext, Sealer, not_ours

FORMAT = 2
"""What this version reads; it writes 1 where there is nothing that only 2 has: uses of break-glass without a review."""
DIGITS = 14
"""Hexadecimal digits of a line's hash that a base keeps: at least as many as metrics tell and `--head` takes."""
_PART = 2_000
"""Rows of a part: some 100 kB before it is compressed."""
_PRINTS = 10_000
"""Lines whose hashes are in one row: 140 kB."""
_PARTS = 16
"""Parts that are read together."""
_TRIES = 100
"""How often a base may change while it is read: once for each archive or reseal at that moment."""


@dataclass(frozen=True, slots=True)
class Base:
    """Number and hash of the last line that was moved, and how the store holds that; without any, the log is whole."""

    seq: int = 0
    hash: str = START
    parts: int = 0
    digest: str = ""
    stored: bytes = b""

    def is_same(self, other: "Base") -> bool:
        """Whether both say the same, whichever master key sealed them."""
        return (self.seq, self.hash, self.digest) == (other.seq, other.hash, other.digest)

    @property
    def end(self) -> Head:
        """The line behind which the log goes on."""
        return Head(self.seq, self.hash)


@dataclass(slots=True)
class Summary:
    """What lines say, as far as it still matters once they were moved."""

    history: History = field(default_factory=History)
    census: Census = field(default_factory=Census)
    prints: bytearray = field(default_factory=bytearray)
    """The first `DIGITS` of the hash of each line, one after the other."""

    def take(self, seq: int, found: str, line: Mapping[str, object]) -> None:
        """Learn from the next line, whose hash is known to be `found`."""
        action, request, details = said(line)
        rev = line.get("rev")
        if request is not None:
            self.history.add(request, action, rev if isinstance(rev, int) else None, details)
        self.census.take(seq, action, request, details)
        self.prints += found[:DIGITS].encode()

    def has(self, seq: int, found: str) -> bool:
        """Whether line `seq` has this hash, or a hash that begins so."""
        return self.prints[(seq - 1) * DIGITS : seq * DIGITS].startswith(found[:DIGITS].encode())

    def parts(self) -> Iterator[bytes]:
        """Everything in parts of bounded size, as `learn` takes them."""
        states = self.census.requests_known()
        ended = ((id_, rev, end, *states.get(id_, ("", False))) for id_, end, rev in self.history.items())
        for name, rows in (("requests", ended), ("keys", self.census.keys_known().items())):
            yield from (_packed({name: some}) for some in _some(rows, _PART))
        for first in range(0, len(self.prints), _PRINTS * DIGITS):
            yield _packed({"prints": [self.prints[first : first + _PRINTS * DIGITS].decode()]})
        if uses := self.history.open_uses:
            yield _packed({"uses": list(uses.items())})
        yield _packed({"deleted": [self.census.deleted]})

    def learn(self, seq: int, parts: Iterable[bytes]) -> None:
        """Know what these parts tell, which stand for all lines up to `seq`."""
        told: dict[str, list[Any]] = {"requests": [], "keys": [], "prints": [], "deleted": [], "uses": []}
        for part in parts:
            for name, some in cast("dict[str, list[Any]]", json.loads(zlib.decompress(part))).items():
                told[name] += some
        for id_, user in told["uses"]:
            self.history.add(id_, Action.GLASS_USED, None, {"principal": user})
        states = dict[str, tuple[str, bool]]()
        for id_, rev, end, state, is_deletion in told["requests"]:
            self.history.add(id_, end, rev)
            if state:
                states[id_] = (state, is_deletion)
        self.census.begin(seq, states, dict(told["keys"]), sum(told["deleted"]))
        self.prints += "".join(told["prints"]).encode()


class Bases:
    """Opens and seals the base of one workspace."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer) -> None:
        self._redis: Commands = redis
        self._key = keys.audit_base
        self._sealer = sealer
        self.place = SealContext(Purpose.AUDIT_BASE, self._key)

    def opened(self, stored: bytes | None) -> Base:
        """What the first entry says. Raises `Tampered`."""
        if not stored:
            return Base()
        content = json.loads(self._sealer.open(stored, self.place))
        if content["format"] > FORMAT:
            raise not_ours(self.place, "was written by a newer version of Latchkey: finish the upgrade")
        return Base(content["seq"], content["hash"], content["parts"], content["digest"], stored)

    def sealed(self, end: Head, summary: Summary) -> list[bytes]:
        """All entries of the base that stands for the lines up to `end`."""
        parts = list(summary.parts())
        format_ = FORMAT if summary.history.open_uses else 1
        first = {"format": format_, "seq": end.seq, "hash": end.hash, "parts": len(parts), "digest": _digest(parts)}
        sealed = (self._sealer.seal(part, self._place_of(end.seq, nth)) for nth, part in enumerate(parts, 1))
        return [self._sealer.seal(canonical(first), self.place), *sealed]

    async def read(self) -> tuple[Base, Summary]:
        """The base as it is, with all that it tells. Raises `Tampered` where a part of it is missing or another's."""
        for _ in range(_TRIES):
            base = self.opened((await self._entries(0, 0))[0])
            parts = list[bytes]()
            for first in range(1, base.parts + 1, _PARTS):
                stored, *some = await self._entries(first, min(first + _PARTS, base.parts + 1) - 1)
                if stored != base.stored:
                    break  # another one took its place, or it was sealed again
                nths = enumerate(some, first)
                parts += [self._sealer.open(each or b"", self._place_of(base.seq, nth)) for nth, each in nths]
            else:
                return base, self._learned(base, parts)
        raise unconfirmed("the base of the audit log kept changing")

    async def older(self) -> list[tuple[int, bytes, bytes]]:
        """Entries that the newest master key did not seal: their places, as they are, and as it seals them."""
        found = list[tuple[int, bytes, bytes]]()
        base = self.opened((await self._entries(0, 0))[0])
        for nth in range(base.parts + 1 if base.stored else 0):
            stored, *some = await self._entries(nth, nth)
            if stored != base.stored:
                break  # it changed meanwhile: the next pass has the rest
            for each in some:
                if each is not None and not self._sealer.is_newest(each):
                    place = self._place_of(base.seq, nth) if nth else self.place
                    found.append((nth, each, self._sealer.seal(self._sealer.open(each, place), place)))
        return found

    def _learned(self, base: Base, parts: Sequence[bytes]) -> Summary:
        summary = Summary()
        if base.stored:
            if (len(parts), _digest(parts)) != (base.parts, base.digest):
                raise not_ours(self.place, "lacks a part, or has one of another base")
            summary.learn(base.seq, parts)
        return summary

    async def _entries(self, first: int, last: int) -> list[bytes | None]:
        """The first entry, and with it these, as they are at the same moment."""
        with translated():
            async with self._redis.pipeline() as together:
                together.lindex(self._key, 0)
                together.lrange(self._key, first, last)
                stored, some = await together.execute()
        return [stored, *some]

    def _place_of(self, seq: int, nth: int) -> SealContext:
        return SealContext(Purpose.AUDIT_BASE, self._key, f"{seq}/{nth}")


def _packed(content: Mapping[str, object]) -> bytes:
    return zlib.compress(canonical(content))


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()


def _some(rows: Iterable[Any], most: int) -> Iterator[list[Any]]:
    """The rows, so many at a time."""
    page = list[Any]()
    for row in rows:
        page.append(row)
        if len(page) == most:
            yield page
            page = []
    if page:
        yield page
