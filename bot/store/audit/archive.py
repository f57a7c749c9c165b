"""Moves the oldest audit lines out of Redis: once a file has them on disk, one script replaces them by a base."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from redis.asyncio import Redis

from bot.domain.errors import Archived, Conflict
from bot.store.audit.base import Base, Summary
from bot.store.audit.chain import Head, Verification
from bot.store.audit.log import RedisAudit, tries
from bot.store.connection import translated, twice, unconfirmed
from bot.store.disk import Disk
from bot.store.keyspace import Keyspace
from bot.store.scripts import Argument, load
from bot.store.sealing import Sealer, not_ours


@dataclass(slots=True)
class Move:
    """Lines that are being moved to a file: those after `base`, up to and including `end`."""

    base: Base
    summary: Summary
    end: Head = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.base.end

    @property
    def number(self) -> int:
        """How many lines."""
        return self.end.seq - self.base.seq


class RedisArchive:
    """Moves lines of one workspace's audit log. Bots can keep running: they only append."""

    def __init__(self, redis: Redis, keys: Keyspace, sealer: Sealer, audit: RedisAudit, disk: Disk) -> None:
        self._redis = redis
        self._keys = keys
        self._sealer = sealer
        self._audit = audit
        self._disk = disk
        self._script = load(redis, "audit", "archive")

    async def begin(self) -> Move:
        """Follow the whole log, and start to move the lines that Redis has. Raises `Tampered`."""
        await self._audit.follow()
        return Move(*await self._audit.bases.read())

    async def lines(
        self, move: Move, *, before: datetime | None = None, until: int | None = None
    ) -> AsyncIterator[Mapping[str, object]]:
        """Yield the oldest lines for a file: up to line `until`, and before the first one not older than `before`.

        Raises `Tampered` for a line that doesn't verify, and `Conflict` if another archive moves them meanwhile.
        """
        last, walk = self._audit.head.seq, Verification(self._sealer)
        last = last if until is None else min(last, until)
        if wrong := walk.begin(move.base.end, move.summary.history, move.summary.has):
            raise not_ours(self._audit.place, f"can't be trusted: {wrong}")
        try:
            async for line in self._audit.read(move.base.seq):
                if move.end.seq >= last or _is_younger(line, before):
                    return
                if wrong := walk.take(line):
                    raise not_ours(self._audit.place, f"can't be trusted: {wrong}")
                move.end = Head(move.end.seq + 1, str(line["hash"]))
                move.summary.take(move.end.seq, move.end.hash, line)
                yield line
        except Archived as error:
            raise _outrun(error.last) from None

    def written(self, move: Move, lines: Iterable[Mapping[str, object]]) -> str | None:
        """Why the lines read back from a file aren't all of those to be moved; None if they are."""
        base, end = move.base.end, move.end
        walk = Verification(self._sealer, (end.seq, end.hash), (base.seq, base.hash))
        wrong = next(filter(None, map(walk.take, lines)), None) or walk.end()
        return wrong or (None if walk.lines == move.number else f"it has {walk.lines} lines, not {move.number}")

    async def finish(self, move: Move) -> None:
        """Replace these lines, all of which a file has, by a base. Durable when this returns.

        Raises `Conflict` if another archive moved lines meanwhile, and `Unavailable` also if the answer was lost.
        """
        entries = self._audit.bases.sealed(move.end, move.summary)
        keys = [self._keys.audit, self._keys.audit_head, self._keys.audit_base]
        await self._disk.must_reach_replicas(self._redis)
        with translated():
            async with self._redis.client() as connection:  # WAITAOF waits for the writes of its own connection
                for _ in tries():
                    ends = await self._audit.ends_of(move.base, move.end)
                    if ends is None:
                        raise _outrun((await self._audit.begins()).seq)
                    base, first, last = ends
                    if await self._put(connection, keys, [base.stored, move.number, first, last, *entries]):
                        break
                else:
                    raise unconfirmed("the audit log kept changing")
                await self._disk.wait_everywhere(connection)

    async def _put(self, connection: Redis, keys: list[str], args: list[Argument]) -> bool:
        reply = await twice(lambda: self._script(keys=keys, args=args, client=connection))
        match cast("list[Any]", reply):
            case [b"ok"]:
                return True
            case [b"moved"]:  # by a reseal, perhaps
                return False
            case _:
                raise not_ours(self._audit.place, "or the log isn't of the type that Latchkey writes")


def _is_younger(line: Mapping[str, object], than: datetime | None) -> bool:
    return than is not None and datetime.fromisoformat(str(line["at"])) >= than


def _outrun(last: int) -> Conflict:
    says = f"another archive moved the lines up to {last} meanwhile; this one moved none"
    return Conflict("Another archive moved them first.", log=says)
