"""Counts what each master key seals, and seals everything again with the newest, so that old keys can be removed."""

from collections import Counter
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from redis.asyncio import Redis

from bot.domain.errors import Tampered
from bot.domain.keys import RequestId
from bot.store.audit.log import RedisAudit
from bot.store.connection import Commands, translated
from bot.store.disk import Disk
from bot.store.keyspace import Keyspace
from bot.store.requests import RedisRequests
from bot.store.scripts import Argument, load
from bot.store.sealing import Purpose, SealContext, Sealer

PAGE = 500
"""Keys or audit lines that are read at once."""
LINES = 50
"""Audit lines that are replaced at once. Redis walks through the log to each of them, while others wait."""
PARTS = 16
"""The same for entries of a base, which are larger."""
PASSES = 3
Swap: TypeAlias = tuple[bytes | str | int, bytes, bytes]
"""Where in a key, the value as it is, and the same sealed with the newest master key."""


_HASHES = frozenset({"request", "posts", "refusal"})
_COPIES = frozenset({Purpose.CACHE, Purpose.DRAFT})
"""Purposes of values that expire soon, and that are read or entered again if they don't open."""
_ELSEWHERE = frozenset({Purpose.POST, Purpose.AUDIT_LINE, Purpose.AUDIT_BODY, Purpose.AUDIT_BASE})
_STRINGS = frozenset(Purpose) - _HASHES - _COPIES - _ELSEWHERE
_NAMED = 2


@dataclass(frozen=True, slots=True)
class Seals:
    """How many values each master key seals, by the key's ID. Values that Latchkey didn't write don't count."""

    records: Counter[bytes] = field(default_factory=Counter[bytes])
    copies: Counter[bytes] = field(default_factory=Counter[bytes])
    lines: Counter[bytes] = field(default_factory=Counter[bytes])
    examples: dict[bytes, list[str]] = field(default_factory=dict[bytes, list[str]])
    """For each master key, a few Redis keys with records or lines that it seals."""

    @property
    def keys(self) -> set[bytes]:
        """IDs of all master keys that seal something."""
        return {*self.records, *self.copies, *self.lines}

    def number(self, keys: Iterable[bytes]) -> int:
        """How many values these master keys seal."""
        return sum(self.records[key] + self.copies[key] + self.lines[key] for key in keys)

    def missing(self, known: Iterable[bytes]) -> tuple[int, list[bytes], list[str]]:
        """How many values need master keys other than these, the IDs of those, and some Redis keys that they seal.

        Copies don't count: they can be replaced.
        """
        needed = self.records + self.lines
        unknown = sorted(needed.keys() - set(known))
        places = [place for key in unknown for place in self.examples[key]]
        return sum(needed[key] for key in unknown), unknown, places[:_NAMED]

    def add(self, to: Counter[bytes], found: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Add counts for a part of the store: (master key ID, how many values, Redis key of the first)."""
        for key, number, place in found:
            to[key] += number
            if to is not self.copies and len(examples := self.examples.setdefault(key, [])) < _NAMED:
                name = place.decode(errors="replace")
                examples.extend([name] if name not in examples else [])


class RedisSeals:
    """Counts and renews the seals of one workspace. Bots can keep running: nothing that they write is overwritten."""

    def __init__(
        self, redis: Redis, keys: Keyspace, sealer: Sealer, audit: RedisAudit, requests: RedisRequests, disk: Disk
    ) -> None:
        self._redis: Commands = redis
        self._keys = keys
        self._sealer = sealer
        self._audit = audit
        self._requests = requests
        self._disk = disk
        self._count = load(redis, "seals")
        self._put = load(redis, "reseal")
        self.unreadable: list[str] = []
        """Redis keys with a value that should have been sealed again but didn't open."""
        self.left = 0
        """How many values weren't sealed with the newest master key at the end of the last `renew`."""

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """IDs of the configured master keys; the one that seals is first."""
        return self._sealer.key_ids

    async def count(self) -> Seals:
        """Count the seals of everything that is stored. Raises `Unavailable`."""
        seals = Seals()
        async for page in self._pages():
            seals.add(seals.records, await self._counted(self._of(page, _HASHES), "hash"))
            seals.add(seals.records, await self._counted(self._of(page, _STRINGS), "string"))
            seals.add(seals.copies, await self._counted(self._of(page, _COPIES), "string"))
        for to, key, size in ((seals.records, self._keys.audit_base, PARTS), (seals.lines, self._keys.audit, PAGE)):
            with translated():
                length: int = await self._redis.llen(key)
            for first in range(0, length, size):
                seals.add(to, await self._counted([key.encode()], "list", first, first + size - 1))
        return seals

    async def older(self) -> int:
        """How many values aren't sealed with the newest master key."""
        seals = await self.count()
        return seals.number(seals.keys - {self.key_ids[0]})

    async def renew(self) -> AsyncIterator[tuple[int, int]]:
        """Seal again what an older master key seals. Yields how many values are done, and how many there are.

        It can be stopped at any point and started again. Raises `Tampered` if the audit log doesn't verify: a line that
        someone else wrote must not get our MAC. What is `left` afterward is `unreadable`, or was just sealed with an
        older key.
        """
        done, total = 0, await self.older()
        for _ in range(PASSES):
            self.unreadable = []
            with translated():
                async with self._redis.client() as connection:  # WAITAOF waits for the writes of its own connection
                    async for put in self._renewed(connection):
                        done += put
                        if put:
                            yield done, max(done, total)
                    await self._disk.wait_everywhere(connection)
            self.left = await self.older()
            if self.left <= len(self.unreadable):
                return

    async def _renewed(self, connection: Redis) -> AsyncIterator[int]:
        async for lines in self._audit.older():
            yield await self._replace_some(connection, self._keys.audit, lines)
        yield await self._replace_some(connection, self._keys.audit_base, await self._audit.older_base())
        async for page in self._pages():
            put = 0
            for key, found in await self._read(page):
                put += await self._replace(connection, key, await self._resealed(key, found))
            yield put

    async def _replace_some(self, connection: Redis, key: str, changes: Sequence[Swap]) -> int:
        some = (changes[first : first + LINES] for first in range(0, len(changes), LINES))
        return sum([await self._replace(connection, key, each) for each in some])

    async def _replace(self, connection: Redis, key: bytes | str, changes: Sequence[Swap]) -> int:
        if not changes:
            return 0
        args: list[Argument] = [argument for change in changes for argument in change]
        return cast("int", await self._put(keys=[key], args=args, client=connection))

    async def _read(self, page: Sequence[bytes]) -> list[tuple[bytes, object]]:
        """The values of these keys, if they're of a kind that we seal; an error for a key of another type."""
        hashes, strings = self._of(page, _HASHES), self._of(page, _STRINGS | _COPIES)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in hashes:
                pipeline.hgetall(key)
            for key in strings:
                pipeline.get(key)
            found: list[Any] = await pipeline.execute(raise_on_error=False)
        return list(zip([*hashes, *strings], found, strict=True))

    async def _resealed(self, key: bytes, found: object) -> list[Swap]:
        name = key.decode(errors="replace")
        kind = self._keys.kind(name)
        changes = list[Swap]()
        values = cast("dict[bytes, object]", found) if isinstance(found, dict) else {b"": found}
        for part_of, sealed in values.items():
            if not isinstance(sealed, bytes) or not self._sealer.is_sealed(sealed) or self._sealer.is_newest(sealed):
                continue
            try:
                part = values.get(b"rev") if kind == "request" else part_of
                place = await self._place(kind, name, part if isinstance(part, bytes) else b"")
                changes.append((part_of, sealed, self._sealer.seal(self._sealer.open(sealed, place), place)))
            except Tampered:
                self.unreadable.append(name)
        return changes

    async def _place(self, kind: str, name: str, part: bytes) -> SealContext:
        match kind:
            case "request":
                return SealContext(Purpose.REQUEST, name, part.decode(errors="replace"))
            case "posts":
                return SealContext(Purpose.POST, name, part.decode(errors="replace"))
            case "secret":
                request = await self._requests.get(RequestId(name.removeprefix(self._keys.secret(RequestId("")))))
                return self._requests.secret_place(request.value) if request else SealContext(Purpose.SECRET, name)
            case _:
                return SealContext(Purpose(kind), name)

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        cursor = 0
        while True:
            with translated():
                cursor, page = await self._redis.scan(cursor, match=self._keys.every, count=PAGE)
            yield page
            if not cursor:
                return

    def _of(self, page: Sequence[bytes], kinds: Container[str]) -> list[bytes]:
        return [key for key in page if self._keys.kind(key.decode(errors="replace")) in kinds]

    async def _counted(self, keys: Sequence[bytes], *of: str | int) -> Iterable[tuple[bytes, int, bytes]]:
        with translated():
            reply = cast("list[Any]", await self._count(keys=keys, args=of) if keys else [])
        return zip(reply[::3], reply[1::3], reply[2::3], strict=True)
