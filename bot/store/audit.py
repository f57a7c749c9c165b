"""The audit log: a hash chain that only grows, written by the same scripts that change requests.

A line is canonical JSON, stored sealed: `hash` is SHA-256 of `prev` and the body, `mac` is an HMAC of `hash`. It names
the revisions of its request before (`was`) and after it (`rev`); lines from before Latchkey did so have neither. The
last number and hash are sealed beside the log (the head), so a log whose end was cut off does not pass, nor take
another line.

Each process follows the log, and so knows what it says of each request: no line is written, and no record is touched,
that contradicts it.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from bot.domain.audit import TOLD, Event, History, Recent
from bot.domain.census import Census
from bot.domain.errors import Contradicted, Tampered
from bot.domain.keys import RequestId
from bot.store.codec import revision
from bot.store.connection import Commands, translated, twice, unconfirmed
from bot.store.disk import Disk
from bot.store.doubts import Doubts
from bot.store.keyspace import Keyspace
from bot.store.scripts import Argument, load
from bot.store.sealing import Purpose, SealContext, Sealer, not_ours

TURN_SECONDS = 5
"""How long a writer waits for its turn in this process, and then tries to be faster than other processes."""
_PAGE = 500
_OLD_BODY = frozenset({"seq", "at", "actor", "action", "request", "details"})
_BODY = _OLD_BODY | {"was", "rev"}
_CHAIN = frozenset({"prev", "hash", "mac"})
_START = "0" * 64
_ENCODED = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
log = logging.getLogger("latchkey.audit")


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
    hash: str = _START
    stored: bytes = b""


@dataclass(frozen=True, slots=True)
class Linked:
    """Lines that continue the chain from `before` to `after`."""

    before: Head
    after: Head
    entries: tuple[Entry, ...]
    hashes: tuple[str, ...]
    lines: tuple[bytes, ...]


class RedisAudit:
    """Port `Audit`. `Tampered` is raised, and nothing written, when head and log do not fit together."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, disk: Disk) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._append = load(redis, "audit", "append")
        self._place = SealContext(Purpose.AUDIT_HEAD, keys.audit_head)
        self._turn, self._following = asyncio.Lock(), asyncio.Lock()
        self._disk = disk
        # What we saw last, to save a read: the scripts compare it with what is there.
        self._head, self._noted = Head(), Head()
        self._history = History()
        self.census = Census()
        self._recent = Recent()
        self.doubts = Doubts()
        self.trouble: str | None = None
        """Why the log could not be followed the last time; None when it could."""

    @property
    def head(self) -> Head:
        """Where the log ended when this process last saw it."""
        return self._head

    def expect(self, seq: int, hash_: str) -> None:
        """Trust no log without this line, which was noted outside of Redis, before the log is first followed."""
        self._noted = Head(seq, hash_)

    def newest(self, request: str) -> int | None:
        """The newest revision of a request, as far as this process has followed the log; None without a line."""
        return self._history.newest(request)

    async def append(self, *events: Event) -> None:
        """Write events that go with no change of a request; durable when this returns.

        Raises `Contradicted` when the record of one is not what the log says.
        """
        if not events:
            return
        await self._disk.must_reach_replicas(self._redis)
        with translated():
            async with AsyncExitStack() as stack:
                async with self.turn():
                    connection = await stack.enter_async_context(self._redis.client())
                    await self._append_to(connection, events)
                await self._disk.wait_everywhere(connection)  # for the writes of its own connection

    async def _append_to(self, connection: Redis, events: Sequence[Event]) -> None:
        for _ in tries():
            entries = await self._entries(events)
            wrong = self._contradiction(entries)
            if wrong is None:
                if await self._tried(self.link(entries), connection):
                    return
            elif entries == await self._entries(events):  # else the record has moved on meanwhile
                raise wrong
        raise unconfirmed("the audit log moved on too often")

    async def read(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """Every line behind line `after`, oldest first, to be verified: those that are not sealed may be anybody's.

        Raises `Tampered` for one that is not JSON, and at the end if lines are missing, `after` among them.
        """
        start = after
        while page := await self._lines(start, start + _PAGE - 1):
            start += len(page)
            for line in page:
                yield line
        head, _ = await self._tail(1, 0)
        if head.seq < after:
            raise not_ours(self._place, f"says {head.seq} lines, but there were {after}: an older copy")

    async def proven(self) -> AsyncIterator[Mapping[str, object]]:
        """The lines that this process has followed. Raises `Tampered`, perhaps at the end, where they are others now.

        A line from before they were sealed opens, no matter who wrote it: only the chain up to a head that we know
        proves it.
        """
        await self.follow()
        seen, chain = self._head, _Chain(Head())
        async for line in self.read():
            if chain.seq == seen.seq:
                break
            if wrong := chain.next(line):
                raise not_ours(self._place, f"does not fit line {chain.seq}: {wrong}")
            yield line
        if (chain.seq, chain.hash) != (seen.seq, seen.hash):
            raise not_ours(self._place, f"does not fit line {chain.seq}: another log stands in its place")

    async def older(self) -> AsyncIterator[list[tuple[int, bytes, bytes]]]:
        """Pages of lines that the newest master key did not seal: their places, as they are, and as it writes them.

        Hashes stay, and only what verifies with its own key gets a new MAC. Raises `Tampered` at the first other line.
        """
        await self.follow()
        chain = _Chain(Head(), self._sealer)
        while raw := await self._raw(chain.seq, chain.seq + _PAGE - 1):
            page = list[tuple[int, bytes, bytes]]()
            for stored, line in zip(raw, self._parsed(raw, chain.seq), strict=True):
                if wrong := chain.next(line):
                    raise not_ours(self._place_of(chain.seq), f"is not to be trusted: {wrong}")
                if not self._sealer.is_newest(stored):
                    line["mac"] = self._sealer.mac(chain.hash.encode())
                    page.append((chain.seq - 1, stored, self._sealed(line)))
            yield page

    async def follow(self) -> None:
        """Read what was written since, from the first line on in a process that begins.

        Raises `Tampered` when head and log do not fit, or do not continue what this process has seen of them.
        """
        try:
            await self._follow()
        except Tampered as error:
            self.trouble = str(error)
            raise
        self.trouble = None

    async def _follow(self) -> None:
        seen = self._head
        chain = _Chain(seen)
        while True:
            head, page = await self._tail(chain.seq, chain.seq + _PAGE - 1)
            if head.seq < seen.seq:
                raise not_ours(self._place, f"says {head.seq} lines, but there were {seen.seq}: an older copy")
            for line in page:
                if wrong := chain.next(line):
                    raise not_ours(self._place, f"does not fit line {chain.seq}: {wrong}")
                self._must_be_as_noted(chain.seq, chain.hash)
                self.census.take(chain.seq, *_said(line))
                self._recent.note(line["request"], str(line["at"]))
            if chain.seq >= head.seq:
                break
        self._must_be_as_noted(head.seq, head.hash, is_end=True)
        if chain.hash != head.hash:
            raise not_ours(
                self._place, f"does not fit line {head.seq} as it is or was: another log stands in its place"
            )
        for each in chain.history.items():  # some may have come here meanwhile: to learn twice does no harm
            self._history.add(*each)
        if head.seq >= self._head.seq:
            self._head = head

    def _must_be_as_noted(self, seq: int, found: str, *, is_end: bool = False) -> None:
        if (is_end and seq < self._noted.seq) or (seq == self._noted.seq and found != self._noted.hash):
            raise not_ours(self._place, f"lacks line {self._noted.seq} of LATCHKEY_AUDIT_LOG: an older copy")

    async def followed(self, length: int, seen: int) -> None:
        """Follow the log as far as `length`, if that is another one than was `seen`; one reader at a time."""
        if length == seen:
            return
        async with self._following:
            if not seen <= length <= self._head.seq:
                await self.follow()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """One writer of this process at a time. Raises `Unavailable` when the turn does not come."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise unconfirmed("no turn at the audit log") from None
        try:
            yield
        finally:
            self._turn.release()

    def contradiction(self, request: str, was: int, events: Sequence[Event] = ()) -> str | None:
        """Why this revision, and a change of it with these events, is not what the log says; None when it is."""
        actions = (*(event.action for event in events), None)
        wrong = (self._history.contradiction(request, was, action) for action in actions)
        return next(filter(None, wrong), None)

    def link(self, entries: Sequence[Entry], before: Head | None = None) -> Linked:
        """Continue the chain, from where we think that it ends or will end by then."""
        before = before or self._head
        seq, prev, hashes, lines = before.seq, before.hash, list[str](), list[bytes]()
        for entry in entries:
            seq += 1
            line = _line(seq, prev, entry, self._sealer)
            prev = str(line["hash"])
            hashes.append(prev)
            lines.append(self._sealed(line))
        stored = self._sealer.seal(_canonical({"seq": seq, "hash": prev}), self._place) if lines else before.stored
        return Linked(before, Head(seq, prev, stored), tuple(entries), tuple(hashes), tuple(lines))

    def written(self, linked: Linked) -> None:
        """Remember that the store took these lines, and tell them to the log of this process."""
        if linked.after.seq > self._head.seq:
            self._head = linked.after
        for seq, (entry, found) in enumerate(zip(linked.entries, linked.hashes, strict=True), linked.before.seq + 1):
            event = entry.event
            if event.request is not None:
                self._history.add(event.request, event.action, entry.rev)
            self.census.take(seq, event.action, event.request, event.details)
            known = {name: event.details[name] for name in TOLD if name in event.details}
            about = {"action": event.action, "actor": event.actor, "request": event.request, "rev": entry.rev}
            when = {"at": event.at.isoformat(), "seconds": self._recent.seconds(event.request, event.at)}
            log.info("audit", extra={"seq": seq, "hash": found, **about, **when, **known})

    async def _entries(self, events: Sequence[Event]) -> tuple[Entry, ...]:
        """The events, with the revisions that their records have now; the log is followed as far as these."""
        seen = self._head.seq
        with translated():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for event in events:
                    pipeline.hmget(self._keys.request(event.request or RequestId("")), ["rev", "body"])
                pipeline.llen(self._keys.audit)
                *found, length = cast("list[Any]", await pipeline.execute())
        await self.followed(length, seen)
        revisions = [self._proven(event, *fields) for event, fields in zip(events, found, strict=True)]
        return tuple(Entry(event, rev, rev) for event, rev in zip(events, revisions, strict=True))

    def _proven(self, event: Event, rev: bytes | None, body: bytes | None) -> int | None:
        """The revision, if the record has it: in the clear it may be any, and a line of it would outdate the record."""
        if body is None or revision(rev) is None:
            return None
        place = SealContext(Purpose.REQUEST, self._keys.request(event.request or RequestId("")), revision(rev) or 0)
        try:
            self._sealer.open(body, place)
        except Tampered:
            return None
        return revision(rev)

    def _contradiction(self, entries: Sequence[Entry]) -> Contradicted | None:
        for entry in entries:
            event = entry.event
            if event.request and (wrong := self._history.contradiction(event.request, entry.was, event.action)):
                return self.doubts.about(event.request, wrong)
        return None

    async def _tried(self, linked: Linked, connection: Redis) -> bool:
        args: list[Argument] = [linked.before.stored, linked.before.seq, linked.after.stored, *linked.lines]
        keys = [self._keys.audit, self._keys.audit_head]
        reply = await twice(lambda: self._append(keys=keys, args=args, client=connection))
        match cast("list[Any]", reply):
            case [b"ok"]:
                self.written(linked)
                return True
            case [b"moved"]:
                await self.follow()
                return False
            case _:
                raise not_ours(self._place, "or the log is not of the kind that we write")

    async def _tail(self, first: int, last: int) -> tuple[Head, list[dict[str, object]]]:
        """The head, and lines of the log as it is at the same moment. Raises `Tampered` when the two do not fit."""
        with translated():
            async with self._redis.pipeline() as together:
                together.get(self._keys.audit_head)
                together.llen(self._keys.audit)
                together.lrange(self._keys.audit, first, last)
                stored, length, raw = await together.execute()
        head = Head()
        if stored:
            content = json.loads(self._sealer.open(stored, self._place))
            head = Head(content["seq"], content["hash"], stored)
        if head.seq != length:
            raise not_ours(self._place, f"says {head.seq} lines, but the log has {length}")
        return head, self._parsed(raw, first)

    async def _lines(self, first: int, last: int) -> list[dict[str, object]]:
        return self._parsed(await self._raw(first, last), first)

    async def _raw(self, first: int, last: int) -> list[bytes]:
        with translated():
            return cast("list[bytes]", await self._redis.lrange(self._keys.audit, first, last))

    def _parsed(self, raw: Sequence[bytes], first: int) -> list[dict[str, object]]:
        return [self._opened(stored, seq) for seq, stored in enumerate(raw, first + 1)]

    def _sealed(self, line: Mapping[str, object]) -> bytes:
        return self._sealer.seal(_canonical(line), self._place_of(cast("int", line["seq"])))

    def _opened(self, stored: bytes, seq: int) -> dict[str, object]:
        """A line as it was written. Lines from before they were sealed are JSON; their hashes and MACs hold, too."""
        place = self._place_of(seq)
        plain = stored if stored.startswith(b"{") else self._sealer.open(stored, place)
        try:
            return dict(cast("Mapping[str, object]", json.loads(plain)))
        except (ValueError, TypeError, RecursionError):
            raise not_ours(place, "is no JSON") from None

    def _place_of(self, seq: int) -> SealContext:
        return SealContext(Purpose.AUDIT_BODY, self._keys.audit, seq)


def tries() -> Iterator[None]:
    """One for each time that another process may be faster; it ends after a time, because a few lost races are normal.

    Measured with three processes that write without pause: the unluckiest line of 1,500 needed 146 tries, in 0.2 s.
    """
    end = time.monotonic() + TURN_SECONDS
    while time.monotonic() < end:
        yield


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
        self._chain, self._known = _Chain(Head(*(after or (0, _START))), sealer), known
        self._is_part = after is not None
        self.lines = 0

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
            return f"line {chain.seq}: its hash is not the one that was noted, so the log was cut or replaced"
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


class _Chain:
    """A walk along the chain, from a line on that was seen."""

    def __init__(self, seen: Head, sealer: Sealer | None = None) -> None:
        self.seq, self.hash = seen.seq, seen.hash
        self.history = History()
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
        if line["hash"] != _hash(self.hash, line):
            return "its content was changed"
        self.hash = str(line["hash"])
        return self._learn(line) or self._wrong_mac(str(line["mac"]))

    def _learn(self, line: Mapping[str, object]) -> str | None:
        request, action, was, rev = line["request"], line["action"], line.get("was"), line.get("rev")
        if not (isinstance(was, int | None) and isinstance(rev, int | None) and isinstance(action, str)):
            return "its revisions are no numbers"
        if isinstance(request, str):
            self.contradiction = self.history.contradiction(request, was, action)
            self.history.add(request, action, rev)
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


def _line(seq: int, prev: str, entry: Entry, sealer: Sealer) -> dict[str, object]:
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
    line["hash"] = found = _hash(prev, line)
    line["mac"] = sealer.mac(found.encode())
    return line


def _said(line: Mapping[str, object]) -> tuple[str, str | None, Mapping[str, object]]:
    """Action, request and details of a line that is one of the chain."""
    request, details = line["request"], line["details"]
    said: Mapping[str, object] = cast("Mapping[str, object]", details) if isinstance(details, dict) else {}
    return str(line["action"]), request if isinstance(request, str) else None, said


def _hash(prev: str, line: Mapping[str, object]) -> str:
    return hashlib.sha256(prev.encode() + _canonical({name: line[name] for name in line.keys() & _BODY})).hexdigest()


def _canonical(value: Mapping[str, object]) -> bytes:
    return _ENCODED(value).encode()
