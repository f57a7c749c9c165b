"""Whatever is written, archived, followed, restarted and put back, in any order.

Nothing is taken for newer than it is, and nothing true is refused.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bot.domain.audit import Action, History
from bot.domain.errors import Contradicted, Tampered
from bot.domain.reports.census import Census
from bot.domain.requests import Request
from bot.services.ports.store import Change, Stored
from bot.store import Store
from bot.store.audit.chain import Head, said, verify_lines
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.conftest import everything_ends
from tests.store.given import NOW, added, event, pending, states
from tests.support.build import HOUR, TEAM

T = TypeVar("T")
PROCESSES = st.integers(0, 1)
REQUESTS = st.sampled_from(["R1", "R2", "R3"])
SEALER = Sealer([bytes(32)])
KEYS = Keyspace(TEAM)
Log = tuple[list[bytes], bytes | None, list[bytes]]
"""What stands at the keys of the audit log: lines, head, base."""


class Archives(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.server = FakeServer()
        self.redis: Any = FakeAsyncRedis(server=self.server)
        self.stores = [self.process(), self.process()]
        self.now: dict[str, Stored[Request]] = {}
        self.records: dict[str, list[Mapping[bytes, bytes]]] = {}
        self.logs: list[Log] = []
        self.files: list[Mapping[str, object]] = []
        self.lines: list[Mapping[str, object]] = []

    def process(self) -> Store:
        return Store.open(FakeAsyncRedis(server=self.server), SEALER, TEAM)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    # --- what Latchkey does, which always works ---------------------------------------------------------------------

    @rule(process=PROCESSES, request=REQUESTS)
    def change(self, process: int, request: str) -> None:
        self.run(self._change(self.stores[process], request))

    @rule(process=PROCESSES, request=st.none() | REQUESTS, times=st.integers(1, 3))
    def append(self, process: int, request: str | None, times: int) -> None:
        self.run(self.stores[process].audit.append(*[event(request, Action.APPROVAL_REFUSED)] * times))
        self.run(self._note())

    @rule(process=PROCESSES, share=st.floats(0, 1))
    def archive(self, process: int, share: float) -> None:
        self.run(self._archive(self.stores[process], round(share * len(self.lines))))

    @rule(process=PROCESSES)
    def follow(self, process: int) -> None:
        self.run(self.stores[process].audit.follow())

    @rule(process=PROCESSES)
    def restart(self, process: int) -> None:
        self.stores[process] = self.process()

    @rule(process=PROCESSES, request=REQUESTS)
    def read(self, process: int, request: str) -> None:
        found = self.run(self.stores[process].requests.get(pending(request).ask.id))
        assert found == self.now.get(request)

    # --- what someone else does to Redis - ---------------------------------------------------------------------------

    @precondition(lambda self: any(len(each) > 1 for each in self.records.values()))
    @rule(data=st.data(), process=PROCESSES)
    def put_a_record_back(self, data: st.DataObject, process: int) -> None:
        request = data.draw(st.sampled_from([id_ for id_, each in self.records.items() if len(each) > 1]))
        *older, now = self.records[request]
        self.run(self._put_a_record_back(request, data.draw(st.sampled_from(older)), now, self.stores[process]))

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), process=PROCESSES)
    def put_the_log_back(self, data: st.DataObject, process: int) -> None:
        lines, head, base = (data.draw(st.sampled_from(self.logs)) for _ in range(3))
        self.run(self._put_the_log_back((lines[0], head[1], base[2]), self.stores[process]))

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), process=PROCESSES)
    def put_the_whole_log_back(self, data: st.DataObject, process: int) -> None:
        self.run(self._put_the_log_back(data.draw(st.sampled_from(self.logs)), self.stores[process]))

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.run(self._proven())
        self.run(everything_ends(self.redis))
        self.loop.close()

    # --- how ----------------------------------------------------------------------------------------------------------

    async def _change(self, store: Store, request: str) -> None:
        before = self.now.get(request)
        if before is None:
            change = added(pending(request))
        else:
            told = event(request, Action.APPROVAL_REFUSED)
            change = Change(before, replace(states()["denied"], ask=before.value.ask), NOW + HOUR, (told,))
        self.now[request], _ = await store.requests.commit(change)
        self.records.setdefault(request, []).append(await self.redis.hgetall(KEYS.request(pending(request).ask.id)))
        await self._note()

    async def _archive(self, store: Store, until: int) -> None:
        move = await store.archive.begin()
        moved = [line async for line in store.archive.lines(move, until=until)]
        assert len(moved) == max(0, until - len(self.files))
        if moved:
            await store.archive.finish(move)
            self.files += moved
        await self._note()

    async def _note(self) -> None:
        """Keep how the log stands, and what it says, as an attacker who reads Redis and has the files might."""
        self.logs.append(await self._log())
        last = len(self.lines)
        self.lines += [line async for line in self.process().audit.read(last)] if last >= len(self.files) else []

    async def _log(self) -> Log:
        redis = self.redis
        return await redis.lrange(KEYS.audit, 0, -1), await redis.get(KEYS.audit_head), await self._base()

    async def _base(self) -> list[bytes]:
        found: list[bytes] = await self.redis.lrange(KEYS.audit_base, 0, -1)
        return found

    async def _stand(self, log: Log) -> None:
        lines, head, base = log
        await self.redis.delete(KEYS.audit, KEYS.audit_head, KEYS.audit_base)
        if lines:
            await self.redis.rpush(KEYS.audit, *lines)
        if head:
            await self.redis.set(KEYS.audit_head, head)
        if base:
            await self.redis.rpush(KEYS.audit_base, *base)

    async def _put_a_record_back(
        self, request: str, older: Mapping[bytes, bytes], now: Mapping[bytes, bytes], running: Store
    ) -> None:
        key = KEYS.request(pending(request).ask.id)
        await self.redis.hset(key, mapping=dict(older))
        for store in (running, self.process()):
            with pytest.raises(Contradicted):
                await store.requests.get(pending(request).ask.id)
        await self.redis.hset(key, mapping=dict(now))
        assert await running.requests.get(pending(request).ask.id) == self.now[request]

    async def _put_the_log_back(self, log: Log, running: Store) -> None:
        now, seen = await self._log(), running.audit.head
        await self._stand(log)
        for store in (running, self.process()):
            try:
                await store.audit.follow()
            except Tampered:
                assert log != now, "that is the log as it is"
            else:
                self._must_be_true(store, seen if store is running else Head())
        await self._stand(now)
        await running.audit.follow()

    def _must_be_true(self, store: Store, seen: Head) -> None:
        """It knows what all lines up to some line say, none of it less than it did."""
        head, whole = store.audit.head, History()
        assert head.seq >= seen.seq
        assert head.seq == 0 or head.hash == self.lines[head.seq - 1]["hash"]
        for line in self.lines[: head.seq]:
            action, request, _ = said(line)
            if request:
                whole.add(request, action, line["rev"])  # type: ignore[arg-type]
        assert dict(_known(store.audit._history)) == dict(_known(whole))

    async def _proven(self) -> None:
        """Files and log are one chain; each process knows the same, and a verification finds nothing."""
        begun, census = self.process(), Census()
        live = [line async for line in begun.audit.read()]
        assert verify_lines([*self.files, *live], SEALER) is None
        assert [*self.files, *live] == self.lines
        for seq, line in enumerate(self.lines, 1):
            census.take(seq, *said(line))
        for store in (*self.stores, begun):
            await store.audit.follow()
            self._must_be_true(store, Head())
            assert _counted(store.audit.census) == _counted(census)
            await store.requests.survey()
            assert store.audit.doubts.problem is None


def _known(history: History) -> list[tuple[str, tuple[str, int]]]:
    return [(request, (end, rev)) for request, end, rev in history.items()]


def _counted(census: Census) -> tuple[Counter[str], Counter[str]]:
    return Counter({k: n for k, n in census.requests.items() if k and n}), Counter(
        {k: n for k, n in census.keys.items() if k and n}
    )


TestArchives = pytest.mark.search(Archives.TestCase)
TestArchives.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
