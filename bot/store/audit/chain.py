"""The chain of audit lines: how one is written, and how a walk along them finds what was changed, moved or left out.

A line is canonical JSON: `hash` is SHA-256 of `prev` and the body, `mac` is an HMAC of `hash`. It names the revisions
of its request before (`was`) and after it (`rev`); lines from before Latchkey did so have neither.
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
    """Each line as an object; one that is none as an empty object, which no chain has and no check lets pass."""
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield cast("dict[str, object]", value) if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, and the revisions of its record before and after it; None where there is no record."""

    event: Event
    was: int | None = None
    rev: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: number and hash of its last line, and how the store holds that."""

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
    """A walk along an export, line by line: nothing of a line is kept but 150 bytes for each request.

    Without keys it shows that no line was changed, moved or left out, that no request's revision goes back and that
    nothing happens to one that has ended; unless the whole chain was written anew. With `sealer`, MACs are checked too.
    Lines missing at the very end show in the store, where the head is (`RedisAudit.read`), or by `known`: number and
    hash, or the beginning of the hash, of a line that was there. `after` is the line before the first, of a part.
    """

    def __init__(
        self, sealer: Sealer | None = None, known: tuple[int, str] | None = None, after: tuple[int, str] | None = None
    ) -> None:
        self._chain, self._known = Chain(Head(*(after or (0, START))), sealer), known
        self._sealer, self._is_part = sealer, after is not None
        self.lines = 0
        self.archived = 0
        """The last line that was moved to a file, of a log that begins after it."""

    def begin(self, after: Head, history: History, has: Callable[[int, str], bool]) -> str | None:
        """Begin behind a line of which it is proven what it and those before it say, and which hashes they have.

        Returns why `known` is none of them.
        """
        self._chain, self.lines, self.archived = Chain(after, self._sealer, history), 0, after.seq
        if self._known is None or not 0 < self._known[0] <= after.seq or has(*self._known):
            return None
        return f"line {self._known[0]}: {_CUT}"

    @property
    def last(self) -> str:
        """Number and hash of the last line, as `known` takes them."""
        return f"{self._chain.seq}:{self._chain.hash}"

    def take(self, line: Mapping[str, object]) -> str | None:
        """Go on to the next line; returns why it is not to be believed."""
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
        """What is missing, once all lines were taken."""
        at = self._chain.seq
        if self._known and self._known[0] > at:
            return f"the log ends with line {at}: lines {at + 1} to {self._known[0]} are missing"
        return None


def verify_lines(
    lines: Iterable[Mapping[str, object]], sealer: Sealer | None = None, known: tuple[int, str] | None = None
) -> str | None:
    """The first bad line of an export and why; None when the chain holds. See `Verification`."""
    walk = Verification(sealer, known)
    return next(filter(None, map(walk.take, lines)), None) or walk.end()


class Chain:
    """A walk along the chain, from a line on that was seen."""

    def __init__(self, seen: Head, sealer: Sealer | None = None, history: History | None = None) -> None:
        self.seq, self.hash = seen.seq, seen.hash
        self.history = history or History()
        """What the lines say, with those before them, as far as these are known."""
        self.contradiction: str | None = None
        """Why the line before contradicts those before it, as far as this walk knows them."""
        self._sealer = sealer

    def next(self, line: Mapping[str, object]) -> str | None:
        """Go on to this line; returns why it is none that follows."""
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
    """The line that says so, as the next one of the chain."""
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
    """Action, request and details of a line that is one of the chain."""
    request, details = line["request"], line["details"]
    known: Mapping[str, object] = cast("Mapping[str, object]", details) if isinstance(details, dict) else {}
    return str(line["action"]), request if isinstance(request, str) else None, known


def hash_of(prev: str, line: Mapping[str, object]) -> str:
    """The hash of a line, which the next one names."""
    return hashlib.sha256(prev.encode() + canonical({name: line[name] for name in line.keys() & _BODY})).hexdigest()


def canonical(value: Mapping[str, object]) -> bytes:
    """The one way to write it as JSON."""
    return _ENCODED(value).encode()
