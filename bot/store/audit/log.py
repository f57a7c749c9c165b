"""The audit log: a hash chain that only grows, written by the same scripts that change requests.

Lines (`bot.store.audit.chain`) are stored sealed. The last number and hash are sealed beside the log (the head), so a
log whose end was cut off neither verifies nor accepts another line. If older lines were moved to a file, the base
(`bot.store.audit.base`) says where the log starts.

Each process follows the log, and so knows what it says about each request. It writes no line and changes no record that
contradicts the log.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis

from bot.domain.audit import TOLD, Event, History, Recent
from bot.domain.errors import Archived, Contradicted, Tampered, counted
from bot.domain.keys import RequestId
from bot.domain.reports.census import Census
from bot.store.audit.base import Base, Bases
from bot.store.audit.chain import Chain, Entry, Head, Linked, canonical, line_of
from bot.store.audit.doubts import Doubts
from bot.store.audit.surety import FEED, Mark, Surety, Told, Walk
from bot.store.codec import revision
from bot.store.connection import Commands, translated, twice, unconfirmed
from bot.store.disk import Disk
from bot.store.keyspace import Keyspace
from bot.store.scripts import Argument, load
from bot.store.sealing import Purpose, SealContext, Sealer, not_ours

TURN_SECONDS = 5
"""How many seconds a writer waits for its turn in this process, and then competes with other processes."""
_PAGE = 500
log = logging.getLogger("latchkey.audit")


class Extent(NamedTuple):
    """Where the log starts and ends in Redis. If two extents are equal, so are the lines."""

    length: int
    base: bytes
    head: bytes


class Page(NamedTuple):
    """The log at one moment: some of its lines, how many there are, and the head, all as stored."""

    base: Base
    head: bytes | None
    length: int
    raw: Sequence[bytes]


class RedisAudit:
    """Implements the port `Audit`. Raises `Tampered`, and writes nothing, if head and log don't match."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, disk: Disk) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._append = load(redis, "audit", "append")
        self.place = SealContext(Purpose.AUDIT_HEAD, keys.audit_head)
        self.bases = Bases(redis, keys, sealer)
        self._turn, self._following = asyncio.Lock(), asyncio.Lock()
        self._disk = disk
        # What this process saw last, which saves a read: the scripts compare it with the store.
        self._head, self._base, self._noted = Head(), Base(), Head()
        self._history = History()
        self._surety = Surety(waits=disk.waits_for_replicas)
        self._beginning = asyncio.Lock()
        self.census = Census()
        self._recent = Recent()
        self.doubts = Doubts()
        self.trouble: str | None = None
        """Why the log couldn't be followed the last time; None if it could."""

    @property
    def head(self) -> Head:
        """The end of the log when this process last saw it."""
        return self._head

    @property
    def counted(self) -> Head:
        """The last line that outlives a failover, for copies outside Redis; the end of the log if none is known."""
        return self._surety.head if self._surety.head.seq else self._head

    @property
    def mark(self) -> Mark:
        """The last line that this process wrote, to be passed to `sure`."""
        return self._surety.mark

    def expect(self, seq: int, hash_: str) -> None:
        """Reject any log without this line, noted outside Redis. Call it before the log is first followed."""
        self._noted = Head(seq, hash_)

    def newest(self, request: str) -> int | None:
        """A request's newest revision in the log, as far as this process has followed it; None without a line."""
        return self._history.newest(request)

    async def append(self, *events: Event) -> None:
        """Write events that belong to no change of a request. Durable when this returns.

        Raises `Contradicted` if the record of one doesn't match the log, `Tampered`, and `Unavailable`.
        """
        if not events:
            return
        await self._disk.must_reach_replicas(self._redis)
        with translated():
            async with AsyncExitStack() as stack:
                async with self.turn():
                    connection = await stack.enter_async_context(self._redis.client())
                    await self._append_to(connection, events)
                    mark = self.mark
                await self._disk.wait_everywhere(connection)  # for the writes of its own connection
        self.sure(mark)

    async def _append_to(self, connection: Redis, events: Sequence[Event]) -> None:
        for _ in tries():
            entries = await self._entries(events)
            wrong = self._contradiction(entries)
            if wrong is None:
                if await self._tried(self.link(entries), connection):
                    return
            elif entries == await self._entries(events):  # otherwise the record changed meanwhile
                raise wrong
        raise unconfirmed("the audit log kept changing")

    async def read(self, after: int | None = None) -> AsyncIterator[Mapping[str, object]]:
        """Yield every line after line `after`, or all that are in Redis, oldest first and unverified.

        Lines from before lines were sealed may be forged. Raises `Tampered` for a line that isn't JSON, and at the end
        if lines are missing; `Archived` if lines after `after` were moved to a file.
        """
        at = after
        while True:
            page = await self._page(at, _PAGE)
            at = page.base.seq if at is None else at
            if page.base.seq > at:
                raise Archived(at + 1, page.base.seq)
            if not page.raw:
                break
            for line in self._parsed(page.raw, at):
                at += 1
                yield line
        head = self._head_of(page)
        if head.seq < at:
            raise not_ours(self.place, f"says {counted(head.seq, 'line')}, but there were {at}: an older copy")

    async def begins(self) -> Base:
        """The current base: where the log starts in Redis. Raises `Tampered`."""
        return (await self._page(None, 1)).base

    async def ends_of(self, base: Base, end: Head) -> tuple[Base, bytes, bytes] | None:
        """The base as stored now, the first line after it, and line `end`; None if the base has been replaced.

        Raises `Tampered` if line `end` has another hash.
        """
        now, _, raw = await self._tail(base.seq, most=1)
        if not now.is_same(base):
            return None
        again, _, last = await self._tail(end.seq - 1, most=1)
        if not again.is_same(base):
            return None
        if not (raw and last) or self._opened(last[0], end.seq).get("hash") != end.hash:
            raise not_ours(self.place, f"doesn't match line {end.seq}: another log has taken its place")
        return again, raw[0], last[0]

    async def archived(self, requests: Collection[RequestId]) -> Collection[RequestId]:
        """Those of these requests that have lines in archive files, so that the lines in Redis aren't all of them."""
        _, told = await self.bases.read()
        return {request for request in requests if told.history.newest(request) is not None}

    async def proven(self) -> AsyncIterator[Mapping[str, object]]:
        """Yield the lines that this process has followed.

        Raises `Tampered`, perhaps only at the end, if they differ now; `Unavailable` if an archive moves lines
        meanwhile. A line from before they were sealed opens no matter who wrote it. Only the chain up to a head that we
        know proves it.
        """
        await self.follow()
        seen, chain = self._head, Chain(self._base.end)
        if seen.seq == chain.seq:
            return
        try:
            async for line in self.read(chain.seq):
                if chain.seq == seen.seq:
                    break
                if wrong := chain.next(line):
                    raise not_ours(self.place, f"doesn't match line {chain.seq}: {wrong}")
                yield line
        except Archived as error:
            raise unconfirmed("lines are being moved to a file right now") from error
        if (chain.seq, chain.hash) != (seen.seq, seen.hash):
            raise not_ours(self.place, f"doesn't match line {chain.seq}: another log has taken its place")

    async def older(self) -> AsyncIterator[list[tuple[int, bytes, bytes]]]:
        """Yield pages of lines not sealed with the newest master key: their indexes, as they are, and sealed with it.

        Hashes don't change, and only a line that verifies with its own key gets a new MAC. Raises `Tampered` at the
        first line that doesn't verify.
        """
        await self.follow()
        chain = Chain(self._base.end, self._sealer)
        while True:
            base, _, raw = await self._tail(chain.seq)
            if base.seq > chain.seq:  # moved to a file meanwhile
                chain = Chain(base.end, self._sealer)
                continue
            if not raw:
                return
            page = list[tuple[int, bytes, bytes]]()
            for stored, line in zip(raw, self._parsed(raw, chain.seq), strict=True):
                if wrong := chain.next(line):
                    raise not_ours(self._place_of(chain.seq), f"can't be trusted: {wrong}")
                if not self._sealer.is_newest(stored):
                    line["mac"] = self._sealer.mac(chain.hash.encode())
                    page.append((chain.seq - base.seq - 1, stored, self._sealed(line)))
            yield page

    async def older_base(self) -> list[tuple[int, bytes, bytes]]:
        """The same for the entries of the base. Raises `Tampered` for an entry that doesn't open."""
        return await self.bases.older()

    async def follow(self) -> None:
        """Read the lines that are new to this process; in a new process, all of them.

        Raises `Tampered` if head and log don't match, or don't continue what this process has seen. Lines that a
        failover may lose don't count as seen.
        """
        try:
            try:
                await self._follow()
            except Tampered:
                if self._surety.head.seq >= self._head.seq:
                    raise
                await self._follow_anew()
        except Tampered as error:
            self.trouble = str(error)
            raise
        self.trouble = None
        self._tell(self._surety.followed(self._head))

    async def _follow(self) -> None:
        walk = Walk(Chain(self._head), self.census, ((self._noted, FEED),))
        base, head = await self._walked(walk)
        self._history.learn(walk.chain.history)  # some may be known already; learning twice is harmless
        self._base = base
        if head.seq >= self._head.seq:
            self._head = head

    async def _follow_anew(self) -> None:
        """Forget lines that a failover lost, if that's what happened: the lines that count must still exist."""
        async with self._beginning:
            with suppress(Tampered):  # another task did it meanwhile
                await self._follow()
                return
            was = self._head
            needs = ((self._noted, FEED), (self._surety.head, "this process"))
            walk = Walk(Chain(Head()), Census(), needs, is_anew=True)
            self._base, self._head = await self._walked(walk)
            self._history = walk.chain.history
            self.census.become(walk.census)
            self._surety.restarted(walk.hashes)
            log.warning("audit lines were lost in a failover", extra={"from": self._head.seq, "to": was.seq})

    async def _walked(self, walk: Walk) -> tuple[Base, Head]:
        """Walk to the end of the log. Returns where it starts and ends. Raises `Tampered`."""
        seen = walk.chain.seq
        while True:
            base, head, raw = await self._tail(walk.chain.seq)
            if head.seq < seen:
                raise not_ours(self.place, f"says {counted(head.seq, 'line')}, but there were {seen}: an older copy")
            if base.seq > walk.chain.seq:
                await self._begun(walk)
                continue
            for line in self._parsed(raw, walk.chain.seq):
                if wrong := walk.take(line):
                    raise not_ours(self.place, wrong)
                self._recent.note(line["request"], str(line["at"]))
            if walk.chain.seq >= head.seq:
                break
        if wrong := walk.end(head):
            raise not_ours(self.place, wrong)
        return base, head

    async def _begun(self, walk: Walk) -> None:
        """Continue after lines that were moved to a file before this walk reached them, using their base.

        Raises `Tampered` if the base has another hash for a line that was seen here or noted outside Redis.
        """
        base, told = await self.bases.read()
        chain = walk.chain
        for seen, where in ((Head(chain.seq, chain.hash), "this process"), *walk.needs):
            if 0 < seen.seq <= base.seq and not told.has(seen.seq, seen.hash):
                why = f"lacks line {seen.seq} of {where}: another log has taken its place"
                raise not_ours(self.bases.place, why)
        walk.begin(base, told)

    @property
    def seen(self) -> Extent:
        """Where the log starts and ends, as this process last saw it."""
        return Extent(self._head.seq - self._base.seq, self._base.stored, self._head.stored)

    def ask_extent(self, pipeline: Commands) -> None:
        """Add the reads for `followed` to a pipeline, as its last ones."""
        pipeline.llen(self._keys.audit)
        pipeline.lindex(self._keys.audit_base, 0)
        pipeline.get(self._keys.audit_head)

    async def followed(self, length: int, base: bytes | None, head: bytes | None, seen: Extent) -> None:
        """Follow the log if what `ask_extent` found isn't what was `seen` before; one reader at a time."""
        found = Extent(length, base or b"", head or b"")
        if found == seen:
            return
        async with self._following:
            now = self.seen
            is_behind = found.base == now.base == seen.base and seen.length < length < now.length
            if not is_behind and found != now:
                await self.follow()

    def expected(self, linked: Linked) -> list[Argument]:
        """What the scripts compare: the head before these lines, the number of lines in Redis, and the base."""
        return [linked.before.stored, linked.before.seq - self._base.seq, self._base.stored]

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Admit one writer of this process at a time. Raises `Unavailable` after `TURN_SECONDS` without a turn."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise unconfirmed("couldn't get a turn at the audit log") from None
        try:
            yield
        finally:
            self._turn.release()

    def contradiction(self, request: str, was: int, events: Sequence[Event] = ()) -> str | None:
        """Why this revision, or a change of it with these events, contradicts the log; None if it doesn't."""
        actions = (*(event.action for event in events), None)
        wrong = (self._history.contradiction(request, was, action) for action in actions)
        return next(filter(None, wrong), None)

    def use_in_the_way(self, events: Sequence[Event]) -> str | None:
        """The request whose use of break-glass has to be reviewed before these events; None if there is none."""
        return next(filter(None, map(self._history.use_in_the_way, events)), None)

    @property
    def open_uses(self) -> Collection[str]:
        """The requests whose use of break-glass nobody has reviewed, as far as this process has followed the log."""
        return self._history.open_uses

    def link(self, entries: Sequence[Entry], before: Head | None = None) -> Linked:
        """Continue the chain from `before`, or else from where this process saw it end."""
        before = before or self._head
        seq, prev, hashes, lines = before.seq, before.hash, list[str](), list[bytes]()
        for entry in entries:
            seq += 1
            line = line_of(seq, prev, entry, self._sealer)
            prev = str(line["hash"])
            hashes.append(prev)
            lines.append(self._sealed(line))
        stored = self._sealer.seal(canonical({"seq": seq, "hash": prev}), self.place) if lines else before.stored
        return Linked(before, Head(seq, prev, stored), tuple(entries), tuple(hashes), tuple(lines))

    def written(self, linked: Linked) -> None:
        """Remember that the store has these lines. They go to the feed once they count."""
        if linked.after.seq > self._head.seq:
            self._head = linked.after
        lines = list[Told]()
        for seq, (entry, found) in enumerate(zip(linked.entries, linked.hashes, strict=True), linked.before.seq + 1):
            event = entry.event
            if event.request is not None:
                self._history.add(event.request, event.action, entry.rev, event.details)
            self.census.take(seq, event.action, event.request, event.details)
            known = {name: event.details[name] for name in TOLD if name in event.details}
            about = {"action": event.action, "actor": event.actor, "request": event.request, "rev": entry.rev}
            when = {"at": event.at.isoformat(), "seconds": self._recent.seconds(event.request, event.at)}
            lines.append(Told(seq, found, {**about, **when, **known}))
        if lines:
            self._tell(self._surety.wrote(linked.after, lines))

    def sure(self, mark: Mark) -> None:
        """Count the lines up to this mark, after a wait confirmed that they outlive a failover."""
        self._tell(self._surety.sure(mark))

    def _tell(self, lines: Sequence[Told]) -> None:
        for line in lines:
            log.info("audit", extra={"seq": line.seq, "hash": line.hash, **line.says})

    async def _entries(self, events: Sequence[Event]) -> tuple[Entry, ...]:
        """The events, with the current revisions of their records. Follows the log to the same moment."""
        seen = self.seen
        with translated():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for event in events:
                    pipeline.hmget(self._keys.request(event.request or RequestId("")), ["rev", "body"])
                self.ask_extent(pipeline)
                *found, length, base, head = cast("list[Any]", await pipeline.execute())
        await self.followed(length, base, head, seen)
        revisions = [self._proven(event, *fields) for event, fields in zip(events, found, strict=True)]
        return tuple(Entry(event, rev, rev) for event, rev in zip(events, revisions, strict=True))

    def _proven(self, event: Event, rev: bytes | None, body: bytes | None) -> int | None:
        """The revision, if the sealed body confirms it: anyone can change the one in the clear."""
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
        args: list[Argument] = [*self.expected(linked), linked.after.stored, *linked.lines]
        keys = [self._keys.audit, self._keys.audit_head, self._keys.audit_base]
        reply = await twice(lambda: self._append(keys=keys, args=args, client=connection))
        match cast("list[Any]", reply):
            case [b"ok"]:
                self.written(linked)
                return True
            case [b"moved"]:
                await self.follow()
                return False
            case _:
                raise not_ours(self.place, "or the log isn't of the type that Latchkey writes")

    async def _tail(self, after: int, most: int = _PAGE) -> tuple[Base, Head, list[bytes]]:
        """The base, the head, and lines after `after` (none if that line was moved to a file), all of the same moment.

        Raises `Tampered` if base, length and head don't match.
        """
        page = await self._page(after, most)
        return page.base, self._head_of(page), list(page.raw)

    async def _page(self, after: int | None, most: int) -> Page:
        base = self._base
        while True:
            first = max(0, (base.seq if after is None else after) - base.seq)
            with translated():
                async with self._redis.pipeline() as together:
                    together.lindex(self._keys.audit_base, 0)
                    together.get(self._keys.audit_head)
                    together.llen(self._keys.audit)
                    together.lrange(self._keys.audit, first, first + most - 1)
                    begins, head, length, raw = await together.execute()
            if (begins or b"") == base.stored:
                return Page(base, head, length, [] if after is not None and after < base.seq else raw)
            base = self.bases.opened(begins)

    def _head_of(self, page: Page) -> Head:
        head = Head()
        if page.head:
            content = json.loads(self._sealer.open(page.head, self.place))
            head = Head(content["seq"], content["hash"], page.head)
        if head.seq - page.base.seq != page.length:
            behind = f" behind line {page.base.seq}" if page.base.seq else ""
            raise not_ours(self.place, f"says {counted(head.seq, 'line')}, but the log has {page.length}{behind}")
        return head

    def _parsed(self, raw: Sequence[bytes], after: int) -> Iterator[dict[str, object]]:
        return (self._opened(stored, seq) for seq, stored in enumerate(raw, after + 1))

    def _sealed(self, line: Mapping[str, object]) -> bytes:
        return self._sealer.seal(canonical(line), self._place_of(cast("int", line["seq"])))

    def _opened(self, stored: bytes, seq: int) -> dict[str, object]:
        """A line as it was written. Lines from before they were sealed are plain JSON with the same hashes and MACs."""
        place = self._place_of(seq)
        plain = stored if stored.startswith(b"{") else self._sealer.open(stored, place)
        try:
            return dict(cast("Mapping[str, object]", json.loads(plain)))
        except (ValueError, TypeError, RecursionError):
            raise not_ours(place, "isn't JSON") from None

    def _place_of(self, seq: int) -> SealContext:
        return SealContext(Purpose.AUDIT_BODY, self._keys.audit, seq)


def tries() -> Iterator[None]:
    """Yield once for each attempt against other writers, for `TURN_SECONDS`: a few lost races are normal.

    Measured with three processes that write without pause: the unluckiest line of 1,500 needed 146 attempts, in 0.2 s.
    """
    end = time.monotonic() + TURN_SECONDS
    while time.monotonic() < end:
        yield
