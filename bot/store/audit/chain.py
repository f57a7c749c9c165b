"""The chain of audit lines: how to write one, and how to verify that none was changed, moved or left out.

A line is canonical JSON: `hash` is the SHA-256 of `prev` and the body, `mac` is an HMAC of `hash`. `was` and `rev` are
the revisions of its request before and after it; lines written by old versions have neither.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from bot.domain.audit import Event, History
from bot.store.sealing import Sealer

_OLD_BODY = frozenset({"seq", "at", "actor", "action", "request", "details"})
_BODY = _OLD_BODY | {"was", "rev"}
_CHAIN = frozenset({"prev", "hash", "mac"})
START = "0" * 64
_CUT = "its hash is not the one that was noted, so the log was cut or replaced"
_ENCODED = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def parsed(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """Parse each line as an object. What isn't one becomes an empty object, which every check rejects."""
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield cast("dict[str, object]", value) if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, and the revisions of its record before and after it; None if there is no record."""

    event: Event
    was: int | None = None
    rev: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: number and hash of its last line, and the head as stored."""

    seq: int = 0
    hash: str = START
    stored: bytes = b""


@dataclass(frozen=True, slots=True)
class Linked:
    """Lines that continue the chain from `before` to `after`."""

    before: Head
    after: Head
    entries: tuple[Entry, ...]
    hashes: tuple[str, ...]
    lines: tuple[bytes, ...]


class Verification:
    """Verifies an export line by line. Keeps only 150 bytes for each request.

    Without `sealer` it shows that no line was changed, moved or left out, that no request's revision goes back, and
    that nothing happens to a request after its end; but not that the whole chain wasn't rewritten. With it, MACs are
    checked, too. Lines missing at the very end show only by the store's head (`RedisAudit.read`), or by `known`: the
    number and hash, or the start of the hash, of a line that existed. For an export that starts later, `after` is the
    line before it.
    """

    def __init__(
        self, sealer: Sealer | None = None, known: tuple[int, str] | None = None, after: tuple[int, str] | None = None
    ) -> None:
        self._chain, self._known = Chain(Head(*(after or (0, START))), sealer), known
        self._sealer, self._is_part = sealer, after is not None
        self.lines = 0
        self.archived = 0
        """The number of the last line that was moved to a file; 0 for a log that starts with line 1."""

    def begin(self, after: Head, history: History, has: Callable[[int, str], bool]) -> str | None:
        """Start after a line that a verified base ends with. `history` and `has` say what the lines up to it said.

        Returns why `known` isn't one of them, or None.
        """
        self._chain, self.lines, self.archived = Chain(after, self._sealer, history), 0, after.seq
        if self._known is None or not 0 < self._known[0] <= after.seq or has(*self._known):
            return None
        return f"line {self._known[0]}: {_CUT}"

    @property
    def last(self) -> str:
        """Number and hash of the last line, as `--head` takes them."""
        return f"{self._chain.seq}:{self._chain.hash}"

    def take(self, line: Mapping[str, object]) -> str | None:
        """Verify the next line. Returns why it can't be trusted, or None."""
        chain, request = self._chain, line.get("request")
        is_begun = isinstance(request, str) and chain.history.newest(request) is not None
        wrong = chain.next(line) or (None if self._is_part and not is_begun else chain.contradiction)
        self.lines += 1
        if wrong:
            return f"line {chain.seq}: {wrong}"
        if self._known and self._known[0] == chain.seq and not chain.hash.startswith(self._known[1]):
            return f"line {chain.seq}: {_CUT}"
        return None

    def end(self) -> str | None:
        """Which lines are missing after the last one, or None."""
        at = self._chain.seq
        if self._known and self._known[0] > at:
            return f"the log ends with line {at}: lines {at + 1} to {self._known[0]} are missing"
        return None


def verify_lines(
    lines: Iterable[Mapping[str, object]], sealer: Sealer | None = None, known: tuple[int, str] | None = None
) -> str | None:
    """Which line of an export is the first bad one and why, or None if all are good. See `Verification`."""
    walk = Verification(sealer, known)
    return next(filter(None, map(walk.take, lines)), None) or walk.end()


class Chain:
    """Walks along the chain, starting after the line `seen`."""

    def __init__(self, seen: Head, sealer: Sealer | None = None, history: History | None = None) -> None:
        self.seq, self.hash = seen.seq, seen.hash
        self.history = history or History()
        """What the lines so far say, including those before `seen` as far as they are known."""
        self.contradiction: str | None = None
        """Why the last line contradicts those before it, as far as this walk knows them."""
        self._sealer = sealer

    def next(self, line: Mapping[str, object]) -> str | None:
        """Move on to this line. Returns why it isn't the next one of the chain, or None."""
        self.seq, self.contradiction = self.seq + 1, None
        fields = frozenset(line.keys() - _CHAIN)
        if fields not in (_OLD_BODY, _BODY) or not line.keys() >= _CHAIN:
            return "it does not have the fields of an audit line"
        if line["seq"] != self.seq:
            return f"its number is not {self.seq}"
        if line["prev"] != self.hash:
            return "it does not follow the line before it"
        if line["hash"] != hash_of(self.hash, line):
            return "its content was changed"
        self.hash = str(line["hash"])
        return self._learn(line) or self._wrong_mac(str(line["mac"]))

    def _learn(self, line: Mapping[str, object]) -> str | None:
        request, action, was, rev = line["request"], line["action"], line.get("was"), line.get("rev")
        if not (isinstance(was, int | None) and isinstance(rev, int | None) and isinstance(action, str)):
            return "its revisions aren't numbers"
        if isinstance(request, str):
            self.contradiction = self.history.contradiction(request, was, action)
            self.history.add(request, action, rev, said(line)[2])
        return None

    def _wrong_mac(self, mac: str) -> str | None:
        if self._sealer is None:
            return None
        match self._sealer.mac_is_ours(self.hash.encode(), mac):
            case True:
                return None
            case False:
                return "it was not written with this master key"
            case None:
                return "the master key that it was written with is not configured"


def line_of(seq: int, prev: str, entry: Entry, sealer: Sealer) -> dict[str, object]:
    """The next line of the chain, with its hash and MAC."""
    event = entry.event
    line: dict[str, object] = {
        "seq": seq,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "request": event.request,
        "was": entry.was,
        "rev": entry.rev,
        "details": dict(event.details),
        "prev": prev,
    }
    line["hash"] = found = hash_of(prev, line)
    line["mac"] = sealer.mac(found.encode())
    return line


def said(line: Mapping[str, object]) -> tuple[str, str | None, Mapping[str, object]]:
    """Action, request and details of a line that has been verified."""
    request, details = line["request"], line["details"]
    known: Mapping[str, object] = cast("Mapping[str, object]", details) if isinstance(details, dict) else {}
    return str(line["action"]), request if isinstance(request, str) else None, known


def hash_of(prev: str, line: Mapping[str, object]) -> str:
    """The hash of a line, in hexadecimal; the next line's `prev`."""
    return hashlib.sha256(prev.encode() + canonical({name: line[name] for name in line.keys() & _BODY})).hexdigest()


def canonical(value: Mapping[str, object]) -> bytes:
    """The value as JSON with sorted keys and no spaces, so that equal values give equal bytes."""
    return _ENCODED(value).encode()
