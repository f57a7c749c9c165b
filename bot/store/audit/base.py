"""Where the audit log starts in Redis: the base, which replaces all lines that were moved to a file.

The base is a list of sealed entries. The first has the number and hash of the last line that was moved, and a digest of
the others, the parts. These keep what still matters of the moved lines: each request's newest revision, state, and how
it ended; each key's state; and the start of each line's hash. So a record that an attacker puts back is checked as if
the lines were still there, and so is a line that was noted elsewhere.
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
"""The newest format this version reads. It writes 1 unless there are break-glass uses without a review."""
DIGITS = 14
"""How many hexadecimal digits of each line's hash a base keeps: at least as many as metrics show and `--head` takes."""
_PART = 2_000
"""Rows in a part: about 100 kB before compression."""
_PRINTS = 10_000
"""How many lines' hashes are in one row: 140 kB."""
_PARTS = 16
"""Parts that are read at once."""
_TRIES = 100
"""How often the base may change while it's being read: once for each archive or reseal during that time."""


@dataclass(frozen=True, slots=True)
class Base:
    """Number and hash of the last line that was moved, and the entry as stored. The default: nothing was moved."""

    seq: int = 0
    hash: str = START
    parts: int = 0
    digest: str = ""
    stored: bytes = b""

    def is_same(self, other: "Base") -> bool:
        """Whether both say the same, no matter which master key sealed them."""
        return (self.seq, self.hash, self.digest) == (other.seq, other.hash, other.digest)

    @property
    def end(self) -> Head:
        """The last line before the log continues in Redis."""
        return Head(self.seq, self.hash)


@dataclass(slots=True)
class Summary:
    """What moved lines say, as far as it still matters."""

    history: History = field(default_factory=History)
    census: Census = field(default_factory=Census)
    prints: bytearray = field(default_factory=bytearray)
    """The first `DIGITS` digits of each line's hash, joined."""

    def take(self, seq: int, found: str, line: Mapping[str, object]) -> None:
        """Learn from the next line, whose hash was verified to be `found`."""
        action, request, details = said(line)
        rev = line.get("rev")
        if request is not None:
            self.history.add(request, action, rev if isinstance(rev, int) else None, details)
        self.census.take(seq, action, request, details)
        self.prints += found[:DIGITS].encode()

    def has(self, seq: int, found: str) -> bool:
        """Whether the hash of line `seq` starts with `found`; digits after the first `DIGITS` aren't compared."""
        return self.prints[(seq - 1) * DIGITS : seq * DIGITS].startswith(found[:DIGITS].encode())

    def parts(self) -> Iterator[bytes]:
        """The whole summary, in compressed parts of limited size, as `learn` takes them."""
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
        """Learn from these parts, which replace all lines up to `seq`."""
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
        """The base that this first entry describes. Raises `Tampered`, and also if a newer version wrote it."""
        if not stored:
            return Base()
        content = json.loads(self._sealer.open(stored, self.place))
        if content["format"] > FORMAT:
            raise not_ours(self.place, "was written by a newer version of Latchkey: finish the upgrade")
        return Base(content["seq"], content["hash"], content["parts"], content["digest"], stored)

    def sealed(self, end: Head, summary: Summary) -> list[bytes]:
        """All entries of the base that replaces the lines up to `end`."""
        parts = list(summary.parts())
        format_ = FORMAT if summary.history.open_uses else 1
        first = {"format": format_, "seq": end.seq, "hash": end.hash, "parts": len(parts), "digest": _digest(parts)}
        sealed = (self._sealer.seal(part, self._place_of(end.seq, nth)) for nth, part in enumerate(parts, 1))
        return [self._sealer.seal(canonical(first), self.place), *sealed]

    async def read(self) -> tuple[Base, Summary]:
        """The current base and its summary.

        Raises `Tampered` if a part is missing or belongs to another base, and `Unavailable` if it kept changing.
        """
        for _ in range(_TRIES):
            base = self.opened((await self._entries(0, 0))[0])
            parts = list[bytes]()
            for first in range(1, base.parts + 1, _PARTS):
                stored, *some = await self._entries(first, min(first + _PARTS, base.parts + 1) - 1)
                if stored != base.stored:
                    break  # it was replaced, or sealed again
                nths = enumerate(some, first)
                parts += [self._sealer.open(each or b"", self._place_of(base.seq, nth)) for nth, each in nths]
            else:
                return base, self._learned(base, parts)
        raise unconfirmed("the base of the audit log kept changing")

    async def older(self) -> list[tuple[int, bytes, bytes]]:
        """Entries not sealed with the newest master key: their indexes, as they are, and sealed with it."""
        found = list[tuple[int, bytes, bytes]]()
        base = self.opened((await self._entries(0, 0))[0])
        for nth in range(base.parts + 1 if base.stored else 0):
            stored, *some = await self._entries(nth, nth)
            if stored != base.stored:
                break  # it changed meanwhile: the next pass gets the rest
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
        """The first entry, and those from index `first` to `last`, read at the same moment."""
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
    """The rows in lists of `most`."""
    page = list[Any]()
    for row in rows:
        page.append(row)
        if len(page) == most:
            yield page
            page = []
    if page:
        yield page
