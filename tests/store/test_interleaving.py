"""Whatever two processes do, and whenever: of each revision there is one successor, and the audit log holds."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.domain.audit import Action
from bot.domain.errors import Conflict
from bot.domain.requests import Request
from bot.services.ports.store import Change, Stored
from bot.store import Store
from bot.store.sealing import Sealer
from tests.store.conftest import everything_ends
from tests.store.given import added, changed, event, pending, states
from tests.support.build import TEAM
from tests.support.stored import audit_problem

PROCESSES = st.integers(0, 1)
REQUESTS = st.sampled_from(["R1", "R2"])


class TwoProcesses(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        server = FakeServer()
        self.redis = [FakeAsyncRedis(server=server) for _ in range(2)]
        self.stores = [Store.open(redis, Sealer([bytes(32)]), TEAM) for redis in self.redis]
        self.seen: list[Stored[Request]] = []
        self.wins: Counter[tuple[str, int]] = Counter()
        self.lines = 0

    @rule(process=PROCESSES, request=REQUESTS)
    def add(self, process: int, request: str) -> None:
        self.together([(process, added(pending(request)))])

    @rule(data=st.data(), processes=st.lists(PROCESSES, min_size=1, max_size=4))
    def change_what_was_seen_once(self, data: st.DataObject, processes: list[int]) -> None:
        if self.seen:
            draws = [(process, data.draw(st.sampled_from(self.seen))) for process in processes]
            self.together([(process, changed(before, states()["denied"])) for process, before in draws])

    @rule(process=PROCESSES)
    def append(self, process: int) -> None:
        self.loop.run(self.stores[process].audit.append(event(None)))
        self.lines += 1

    def together(self, changes: list[tuple[int, Change]]) -> None:
        async def all_of_them() -> list[Any]:
            commits = (self.stores[process].requests.commit(same_ask(change)) for process, change in changes)
            return await asyncio.gather(*commits, return_exceptions=True)

        for outcome in self.loop.run(all_of_them()):
            if isinstance(outcome, Conflict):
                continue
            stored, _ = outcome
            self.seen.append(stored)
            self.wins[stored.value.ask.id, stored.rev] += 1
            self.lines += 1

    @invariant()
    def each_revision_was_won_once(self) -> None:
        assert set(self.wins.values()) <= {1}

    @invariant()
    def the_audit_log_holds(self) -> None:
        async def lines() -> int:
            return len([line async for line in self.stores[0].audit.read()])

        assert self.loop.run(audit_problem(self.stores[0])) is None
        assert self.loop.run(lines()) == self.lines

    def teardown(self) -> None:
        self.loop.run(everything_ends(self.redis[0]))
        for redis in self.redis:
            self.loop.run(redis.aclose())
        self.loop.close()


def same_ask(change: Change) -> Change:
    """A change keeps what was asked."""
    if change.before is None:
        return change
    ask = change.before.value.ask
    return replace(change, after=replace(change.after, ask=ask), events=(event(ask.id, Action.APPROVED),))


TestTwoProcesses = pytest.mark.search(TwoProcesses.TestCase)
TestTwoProcesses.settings = settings(max_examples=25, stateful_step_count=12)
