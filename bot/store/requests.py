"""Requests in Redis. A script makes each change, all or nothing, and compares the revision first."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.domain.audit import LEAP, Action
from bot.domain.deadlines import last_due
from bot.domain.errors import Conflict, LatchkeyError, Occupied, Tampered, Unreviewed
from bot.domain.keys import RequestId, Secret, SlackUserId
from bot.domain.requests import Approved, Keyed, Open, Pending, Ready, Request, Working
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Change, Clock, Stored
from bot.store.audit.chain import Entry, Linked
from bot.store.audit.log import RedisAudit, tries
from bot.store.codec import REQUEST, revision
from bot.store.connection import Commands, translated, twice, unconfirmed
from bot.store.disk import Batches, Disk
from bot.store.keyspace import MOST_OF_ONE, REQUEST_KEPT, SCANNED, SECRET_KEPT_AFTER_DEADLINE, Keyspace
from bot.store.moments import ceil_ms, floor_ms, from_ms, lifetime_ms
from bot.store.scripts import Argument, Healer, Type, load
from bot.store.sealing import Purpose, SealContext, Sealer, not_ours

_FOR_EVER = ceil_ms(datetime(9999, 1, 1, tzinfo=UTC))
log = logging.getLogger(__name__)


@dataclass(eq=False, frozen=True, slots=True)
class _Write:
    """A change that is being stored, with everything the script takes except the audit lines."""

    change: Change
    was: int
    keys: Sequence[str]
    args: Sequence[Argument]
    entries: Sequence[Entry]


_Outcome: TypeAlias = bytes | LatchkeyError
"""The sealed secret that was taken (b"" for none), or why nothing was written."""


class RedisRequests:
    """Implements the port `Requests`."""

    def __init__(
        self, redis: Redis, keys: Keyspace, sealer: Sealer, audit: RedisAudit, disk: Disk, clock: Clock
    ) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._audit = audit
        self._clock = clock
        self._disk = disk
        self._script = load(redis, "audit", "commit")
        self._healer = Healer(redis)
        self._codec = REQUEST
        # Changes that come together share a turn at the audit log, one script and, if they wait for it, one flush to
        # disk.
        self._durable = Batches(partial(self._written, durable=True))
        self._others = Batches(partial(self._written, durable=False))

    async def get(self, request: RequestId) -> Stored[Request] | None:
        """The request, or None if there is none. Raises `Tampered`, also if the audit log contradicts the record."""
        while True:
            newest, (found,) = self._audit.newest(request), await self._read([request])
            stored = self._opened(request, found)
            wrong = self._audit.contradiction(request, stored.rev) if stored else None
            if wrong is None:
                self._audit.doubts.none_about(request)
                return stored
            if newest == self._audit.newest(request):  # otherwise it was written after we read the record
                raise self._audit.doubts.about(request, wrong)

    async def commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        """Write all of `change` or nothing. With `take_secret`, also remove the sealed secret and return it.

        Raises `Conflict` if the record has another revision, `Occupied` or `Unreviewed` if the request isn't allowed
        now, and `Tampered` if the audit log can't be continued. Raises `Unavailable` also if a durable write was made
        but may not be on disk, or if the answer was lost twice. Then the change may be stored, and the caller must not
        carry out its effect; the next process to read the record finds it as it is.
        """
        try:
            return await self._commit(change)
        except Occupied as error:
            if not await self._forgotten(change.after.ask.requester.slack, error.requests):
                raise
        return await self._commit(change)

    async def _forgotten(self, requester: SlackUserId, ids: Sequence[RequestId]) -> bool:
        """Remove requests from the index that are no longer open, or lost. Returns whether there were any.

        The index is in the clear: a request of another person that someone planted there takes no room and isn't shown.
        A record that doesn't open counts as open: a newer version may have written it.
        """
        found = await self._each(ids)
        closed = [each for each, one in found.items() if one is None or not _is_open_of(requester, one.value)]
        if closed:
            with translated():
                await self._redis.hdel(self._keys.open_of(requester), *closed)
        return bool(closed)

    async def _commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        was = change.before.rev if change.before else 0
        rev = _after(was, change)
        entries = [Entry(event, rev if nth else was, rev) for nth, event in enumerate(change.events)]
        if change.durable or entries:
            await self._disk.must_reach_replicas(self._redis)
        write = _Write(change, was, self._keys_of(change), self._arguments(change, was, rev), entries)
        taken = await (self._durable if change.durable else self._others).put(write)
        if isinstance(taken, Exception):
            raise taken
        secret = self._opened_at(taken, change.before.value) if change.take_secret and change.before else None
        return Stored(change.after, rev), secret

    async def secret(self, stored: Stored[Request]) -> Secret | None:
        """The secret of a Ready request, which stays stored.

        None for other states, or if it's missing or doesn't open.
        """
        if not isinstance(stored.value, Ready):
            return None
        key = self._keys.secret(stored.value.ask.id)
        with translated():
            sealed: bytes | None = await self._healer.read(key, "string", lambda: self._redis.get(key))
        return self._opened_at(sealed or b"", stored.value)

    def secret_place(self, request: Request) -> SealContext:
        """The place that this request's secret is sealed to."""
        attempt = request.attempt if isinstance(request, Approved | Working | Keyed) else 0
        return SealContext(Purpose.SECRET, self._keys.secret(request.ask.id), attempt)

    async def of_requester(self, requester: SlackUserId, limit: int) -> Sequence[Stored[Request]]:
        """One person's newest requests, newest first. Those that don't open are left out and logged."""
        key = self._keys.requests_of(requester)
        with translated():
            found: list[bytes] = await self._healer.read(key, "zset", lambda: self._redis.zrevrange(key, 0, limit - 1))
        # The index is in the clear: anyone who can write to Redis can plant another person's request there.
        return [one for one in await self._many(found) if one.value.ask.requester.slack == requester]

    async def pending(self, limit: int) -> Sequence[Stored[Request]]:
        """Requests that wait for a decision, oldest first. Those that don't open are left out and logged."""
        key = self._keys.pending
        with translated():
            found: list[bytes] = await self._healer.read(key, "zset", lambda: self._redis.zrange(key, 0, limit - 1))
        return [one for one in await self._many(found) if isinstance(one.value, Pending)]

    async def unreviewed(self, limit: int) -> Sequence[Stored[Request]]:
        """Uses of break-glass that no one has reviewed, oldest first. Those that don't open are left out and logged.

        They are listed by the audit log, because someone could empty an index.
        """
        await self._read([])  # this follows the log
        uses = [RequestId(each) for each in self._audit.open_uses][:limit]
        return [one for one in (await self._each(uses)).values() if one]

    def _opened(self, request: RequestId, found: Sequence[bytes | None]) -> Stored[Request] | None:
        stands, body = found
        if stands is None and body is None:
            return None
        rev = revision(stands)
        place = SealContext(Purpose.REQUEST, self._keys.request(request), (stands or b"")[:20].decode(errors="replace"))
        if body is None or rev is None:
            raise not_ours(place, "is not a record")
        return Stored(self._codec.open(self._sealer, body, place), rev)

    async def survey(self) -> None:
        """Compare every record's revision with the audit log, and remember those that it contradicts."""
        for some in await self._pages():
            for request, found in zip(some, await self._read(some, "rev"), strict=True):
                rev = revision(found[0])
                if rev is not None and self._audit.contradiction(request, rev):
                    with suppress(Tampered):
                        await self.get(request)

    async def every(self) -> AsyncIterator[tuple[RequestId, Stored[Request] | None]]:
        """Every record by its ID; None, with a log line, if it can't be trusted or doesn't open."""
        for some in await self._pages():
            opened = await self._each(some)
            for request in some:
                if request not in opened or opened[request]:  # otherwise it was deleted meanwhile
                    yield request, opened.get(request)

    async def planned(self) -> Mapping[RequestId, tuple[int, datetime | None]]:
        """For each request, its revision and when its item is due; None if it isn't on the agenda.

        Reads no bodies. If the record still has this revision later, the item belonged to it.
        """
        found = dict[RequestId, tuple[int, datetime | None]]()
        for some in await self._pages():
            items = [str(Item(ItemKind.REQUEST, request)) for request in some]
            revisions = [revision(rev) or 0 for (rev,) in await self._read(some, "rev")]
            with translated():
                scores: list[float | None] = await self._redis.zmscore(self._keys.agenda, items)
            due = [None if score is None else from_ms(max(0, min(score, _FOR_EVER))) for score in scores]
            found |= dict(zip(some, zip(revisions, due, strict=True), strict=True))
        return found

    async def _pages(self) -> Sequence[Sequence[RequestId]]:
        """The IDs of all records, in pages of `SCANNED`."""
        ids = list[RequestId]()
        prefix = self._keys.request(RequestId(""))
        with translated():
            async for key in self._redis.scan_iter(match=f"{prefix}*", count=SCANNED):
                ids.append(RequestId(key.decode(errors="replace").removeprefix(prefix)))
        ids.sort()
        return [ids[first : first + SCANNED] for first in range(0, len(ids), SCANNED)]

    async def problem(self) -> str | None:
        """How many records contradict the audit log, as far as this process knows, and the first; None if none does.

        Rereads some of them, because an operator may have repaired or deleted them.
        """
        for request in self._audit.doubts.first:
            with suppress(Tampered):
                await self.get(RequestId(request))
        return self._audit.doubts.problem

    async def _read(
        self, requests: Sequence[RequestId], *fields: Literal["rev", "body"]
    ) -> list[Sequence[bytes | None]]:
        """These fields of each request, or both.

        Then follows the audit log, so that it covers everything that was read.
        """
        seen = self._audit.seen
        with translated():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for request in requests:
                    pipeline.hmget(self._keys.request(request), fields or ("rev", "body"))
                self._audit.ask_extent(pipeline)
                answers = cast("list[Any]", await pipeline.execute(raise_on_error=False))
            *answers, length, base, head = answers
            found = [_not_failed(answer) for answer in answers]
            for each in (length, base, head):
                if isinstance(each, Exception):
                    raise each
        await self._audit.followed(length, base, head, seen)
        return found

    async def _must_follow(self, change: Change, was: int) -> None:
        """Raise an error if this change can't follow what the audit log says.

        `Contradicted` if the record contradicts the log, `Conflict` if the change is outdated, and `Unreviewed` for a
        second use of break-glass.
        """
        request = change.after.ask.id
        # This is the log as we know it. If it has grown since, the script writes nothing, and this is checked again.
        if use := self._audit.use_in_the_way(change.events):
            raise Unreviewed(RequestId(use))
        if self._audit.contradiction(request, was, change.events) is None:
            return
        await self._audit.follow()
        wrong = self._audit.contradiction(request, was, change.events)
        if wrong is None:
            return
        with translated():
            now: bytes | None = await self._redis.hget(self._keys.request(request), "rev")
        if (revision(now) or 0) != was:
            raise _outrun()
        raise self._audit.doubts.about(request, wrong)

    async def _many(self, ids: Sequence[bytes]) -> list[Stored[Request]]:
        each = await self._each([RequestId(raw.decode(errors="replace")) for raw in ids])
        return [one for one in each.values() if one]

    async def _each(self, requests: Sequence[RequestId]) -> dict[RequestId, Stored[Request] | None]:
        """Each record, or None if there is none. Those that don't open are left out and logged."""
        opened = dict[RequestId, Stored[Request] | None]()
        for request, raw in zip(requests, await self._read(requests), strict=True):
            try:
                one = self._opened(request, raw)
                if one and self._audit.contradiction(request, one.rev):
                    one = await self.get(request)
            except Tampered as error:
                # One bad record must not hide the others from a list.
                log.warning("left a request out of a list: %s", error)
            else:
                opened[request] = one
        return opened

    def _keys_of(self, change: Change) -> list[str]:
        ask = change.after.ask
        ours = self._keys
        mine = ask.requester.slack
        indexes = [ours.requests_of(mine), ours.pending]
        log_of_all = [ours.audit, ours.audit_head]
        records = [ours.request(ask.id), ours.secret(ask.id), ours.agenda]
        return [*records, *indexes, *log_of_all, ours.open_of(mine), ours.audit_base]

    def _arguments(self, change: Change, was: int, rev: int) -> list[Argument]:
        ask = change.after.ask
        body = self._codec.seal(
            self._sealer, change.after, SealContext(Purpose.REQUEST, self._keys.request(ask.id), rev)
        )
        secret, secret_ttl = self._sealed_secret(change)
        return [
            was,
            rev,
            body,
            lifetime_ms(REQUEST_KEPT + self._planned_for(change.after)),
            str(Item(ItemKind.REQUEST, ask.id)),
            ceil_ms(change.due) if change.due else b"",
            secret,
            secret_ttl,
            int(change.take_secret),
            ask.id,
            floor_ms(ask.asked_at),
            MOST_OF_ONE,
            int(isinstance(change.after, Pending)),
            int(_is_open(change.after)),
            ask.likeness(),
            change.room.most if change.room else 0,
            int(change.room.anyway) if change.room else 0,
        ]

    def _planned_for(self, request: Request) -> timedelta:
        """How long until the last planned step. A key may have years, and its record has to outlive it."""
        return max((last_due(request) or self._clock()) - self._clock(), timedelta())

    def _sealed_secret(self, change: Change) -> tuple[bytes, int]:
        if change.secret is None:
            return b"", 0
        if change.secret_until is None:
            raise ValueError("a secret is kept until a time")
        sealed = self._sealer.seal(change.secret.reveal().encode(), self.secret_place(change.after))
        left = max(change.secret_until - self._clock(), timedelta())
        return sealed, lifetime_ms(left + SECRET_KEPT_AFTER_DEADLINE)

    def _opened_at(self, sealed: bytes, request: Request) -> Secret | None:
        if not sealed:
            return None
        try:
            plain = self._sealer.open(sealed, self.secret_place(request))
        except Tampered as error:
            log.error("couldn't open a sealed secret: %s", error)  # noqa: TRY400 -- the traceback says nothing more
            return None
        return Secret(plain.decode())

    def _healed(self, change: Change) -> dict[str, Type]:
        """Keys that may be deleted: a secret, which is lost anyway, and indexes, which each write fills again."""
        ours, ask = self._keys, change.after.ask
        return {
            ours.secret(ask.id): "string",
            ours.requests_of(ask.requester.slack): "zset",
            ours.pending: "zset",
        }

    async def _written(self, writes: Sequence[_Write], *, durable: bool) -> list[_Outcome]:
        """Write these in order, in one turn at the audit log. Returns the outcome of each."""
        outcomes = dict[_Write, _Outcome]()
        with translated():
            async with self._redis.client() as connection:  # WAITAOF waits for the writes of its own connection
                async with self._audit.turn():
                    for _ in tries():
                        left = [write for write in writes if write not in outcomes]
                        if not left:
                            break
                        outcomes |= await self._tried(left, connection)
                    mark = self._audit.mark
                # After the turn, so that others can write meanwhile and wait for the same flush.
                written = [write for write, outcome in outcomes.items() if isinstance(outcome, bytes)]
                if durable and written:
                    await self._disk.wait_everywhere(connection)
                    self._audit.sure(mark)
                elif any(write.entries for write in written):
                    await self._disk.wait_for_replicas(connection)
                    self._audit.sure(mark)
        return [outcomes.get(write, unconfirmed("the audit log kept changing")) for write in writes]

    async def _tried(self, writes: Sequence[_Write], connection: Redis) -> dict[_Write, _Outcome]:
        """The outcomes of these writes, without those that have to be tried again."""
        outcomes, links, head = dict[_Write, _Outcome](), dict[_Write, Linked](), self._audit.head
        for write in writes:
            if _is_use(write) and any(map(_is_use, links)):
                continue  # the log doesn't have the other use yet
            try:
                await self._must_follow(write.change, write.was)
            except LatchkeyError as error:
                outcomes[write] = error
            else:
                links[write] = self._audit.link(write.entries, head)
                head = links[write].after
        if not links:
            return outcomes
        keys = [key for write in links for key in write.keys]
        args = [each for write, linked in links.items() for each in self._counted(write, linked)]
        replies = await twice(lambda: self._script(keys=keys, args=args, client=connection))
        for (write, linked), reply in zip(links.items(), cast("list[Any]", replies), strict=True):
            if (outcome := await self._outcome(write, linked, reply)) is not None:
                outcomes[write] = outcome
        if [b"moved"] in cast("list[Any]", replies):
            await self._audit.follow()
        return outcomes

    def _counted(self, write: _Write, linked: Linked) -> list[Argument]:
        """The script's arguments for one change, preceded by how many there are."""
        chain: list[Argument] = [*self._audit.expected(linked), linked.after.stored, len(linked.lines)]
        args = [*write.args, *chain, *linked.lines, *_also(write.change)]
        return [len(args), *args]

    async def _outcome(self, write: _Write, linked: Linked, reply: list[Any]) -> _Outcome | None:
        """What the script's reply means; None if the change has to be tried again."""
        match reply:
            case [b"ok", bytes(taken)]:
                self._audit.written(linked)
                return taken
            case [b"moved"]:
                return None
            case [b"alike" | b"full" as why, *found]:
                ids = [RequestId(raw.decode(errors="replace")) for raw in cast("list[bytes]", found)]
                return Occupied(ids, is_alike=why == b"alike")
            case [b"conflict"]:
                return _outrun()
            case [b"planted", bytes(key)] if of := self._healed(write.change).get(key.decode()):
                await self._healer.remove(key.decode(), of)
                return None
            case _:
                return not_ours(SealContext(Purpose.REQUEST, write.keys[0]), "or a key next to it is of another type")


def _not_failed(answer: object) -> Sequence[bytes | None]:
    """The fields of a record. A key of another type isn't a record, and must not hide the others."""
    # The first word of an error reply is its code, says RESP; redis-py has no class for this one.
    if isinstance(answer, ResponseError) and str(answer).partition(" ")[0] == "WRONGTYPE":
        return (b"", None)
    if isinstance(answer, Exception):
        raise answer
    return cast("Sequence[bytes | None]", answer)


def _after(was: int, change: Change) -> int:
    """The next revision: with an audit line, the next multiple of `LEAP`.

    That is newer than anything reached by changes without a line. Someone may have kept such a newer record, and put an
    older one back before this line was written.
    """
    return (was // LEAP + 1) * LEAP if was and change.events else was + 1


def _is_open_of(requester: SlackUserId, request: Request) -> bool:
    return _is_open(request) and request.ask.requester.slack == requester


def _is_open(request: Request) -> bool:
    """Whether it takes room among the open requests.

    A pair's second key doesn't: the pair was counted when it was sent.
    """
    return isinstance(request, Open) and request.ask.beside is None


def _is_use(write: _Write) -> bool:
    """Whether this change is a use of break-glass."""
    return any(event.action == Action.GLASS_USED for event in write.change.events)


def _outrun() -> Conflict:
    return Conflict("Someone else was faster, so nothing changed. Check the request again.")


def _also(change: Change) -> list[Argument]:
    return [argument for item, due in change.also.items() for argument in (str(item), ceil_ms(due))]
