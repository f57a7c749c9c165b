"""Group commit: what fails, is late, or is given up takes nobody along who does not share its batch."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.errors import Conflict, Occupied, Tampered, Unavailable
from bot.domain.keys import RequestId
from bot.services.ports.store import Room, Stored
from bot.store import Store, disk
from bot.store.disk import Batches
from bot.store.keyspace import Keyspace
from tests.store.given import added, changed, pending, states
from tests.support.stored import audit_problem


class DiskFull(Exception):
    pass


@dataclass
class Slow:
    """A store that answers each batch when it is told to."""

    sent: list[tuple[list[str], "asyncio.Future[list[str]]"]] = field(default_factory=list[Any])

    async def send(self, items: Sequence[str]) -> list[str]:
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.sent.append((list(items), answer))
        return await answer

    def answer(self, batch: int) -> None:
        items, answer = self.sent[batch]
        answer.set_result([item.upper() for item in items])

    @property
    def items(self) -> list[list[str]]:
        return [items for items, _ in self.sent]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch gathers for no time but the turn in which it began."""
    monkeypatch.setattr(disk, "GATHERED", 0)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def group(slow: Slow) -> Batches[str, str]:
    return Batches(slow.send)


async def settled() -> None:
    """Everybody has done what can be done already."""
    for _ in range(5):
        await asyncio.sleep(0)


def begun(group: Batches[str, str], *items: str) -> list["asyncio.Task[str]"]:
    return [asyncio.create_task(group.put(item)) for item in items]


async def test_what_comes_together_is_one_batch_and_each_gets_its_own_result(
    group: Batches[str, str], slow: Slow
) -> None:
    tasks = begun(group, "a", "b", "c")
    await settled()
    slow.answer(0)

    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    assert slow.items == [["a", "b", "c"]]


async def test_what_came_after_a_wait_began_is_not_covered_by_it(group: Batches[str, str], slow: Slow) -> None:
    (early,) = begun(group, "early")
    await settled()
    (late,) = begun(group, "late")
    await settled()
    slow.answer(0)

    assert await early == "EARLY"
    await settled()
    assert not late.done()

    slow.answer(1)
    assert await late == "LATE"


async def test_a_batch_does_not_wait_for_the_one_before_it(group: Batches[str, str], slow: Slow) -> None:
    (stuck,) = begun(group, "stuck")
    await settled()
    (after,) = begun(group, "after")
    await settled()
    slow.answer(1)

    assert await after == "AFTER"
    assert not stuck.done()
    stuck.cancel()


async def test_a_failed_wait_fails_all_who_share_it_and_nobody_else(group: Batches[str, str], slow: Slow) -> None:
    shared = begun(group, "a", "b")
    await settled()
    (other,) = begun(group, "c")
    await settled()
    slow.sent[0][1].set_exception(DiskFull())
    slow.answer(1)

    failed = await asyncio.gather(*shared, return_exceptions=True)

    assert [type(each) for each in failed] == [DiskFull, DiskFull]
    assert await other == "C"


async def test_who_gives_up_takes_nobody_along(group: Batches[str, str], slow: Slow) -> None:
    first, second = begun(group, "a", "b")
    await settled()
    first.cancel()
    await settled()
    slow.answer(0)

    assert await second == "B"
    assert first.cancelled()


async def test_what_was_given_up_before_it_was_sent_is_not_sent(group: Batches[str, str], slow: Slow) -> None:
    first, second = begun(group, "a", "b")
    await asyncio.sleep(0)
    first.cancel()
    await settled()

    assert slow.items == [["b"]]
    slow.answer(0)
    assert await second == "B"


async def test_a_batch_is_cut_and_what_is_left_is_the_next_one(
    group: Batches[str, str], slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MOST", 2)
    tasks = begun(group, *"abcde")
    await settled()
    await settled()
    for batch in range(3):
        slow.answer(batch)

    assert slow.items == [["a", "b"], ["c", "d"], ["e"]]
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D", "E"]


async def test_a_batch_that_is_cancelled_leaves_nobody_waiting(group: Batches[str, str], slow: Slow) -> None:
    (waiting,) = begun(group, "a")
    await settled()
    for task in set(group._under_way):
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


CHANGES = [f"R{number}" for number in range(8)]


@dataclass
class Counted:
    """A script, how often it was sent, and how many of its answers are lost."""

    script: Any
    losses: int = 0
    sent: int = 0

    async def __call__(self, **words: Any) -> object:
        self.sent += 1
        reply = await self.script(**words)
        if self.losses:
            self.losses -= 1
            raise ConnectionFailed
        return reply


@pytest.fixture
def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counted:
    it = Counted(store.requests._script)
    monkeypatch.setattr(store.requests, "_script", it)
    return it


async def test_changes_that_come_together_are_one_script(store: Store, counted: Counted) -> None:
    written = await asyncio.gather(*(store.requests.commit(added(pending(name))) for name in CHANGES))

    assert [stored.value.ask.id for stored, _ in written] == CHANGES
    assert counted.sent == 1
    assert [line["request"] async for line in store.audit.read()] == CHANGES
    assert await audit_problem(store) is None


async def test_a_change_that_is_refused_takes_no_other_along(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    stored, _ = await other.requests.commit(added(pending("R2")))
    await other.requests.commit(changed(stored, replace(pending("R2"), changed="by another process")))
    await redis.set(keys.request(RequestId("R4")), "of another kind", px=1000)
    full = replace(added(pending("R6")), room=Room(1, anyway=True))

    changes = {name: added(pending(name)) for name in CHANGES}
    changes |= {"R2": changed(stored, states()["denied"]), "R6": full}
    made = (store.requests.commit(each) for each in changes.values())
    outcomes = dict(zip(changes, await asyncio.gather(*made, return_exceptions=True), strict=True))

    refused = {name: type(each) for name, each in outcomes.items() if isinstance(each, Exception)}
    assert refused == {"R2": Conflict, "R4": Tampered, "R6": Occupied}
    for name in set(CHANGES) - set(refused):
        assert await store.requests.get(RequestId(name)) == Stored(pending(name), 1)
    assert await audit_problem(store) is None


async def test_an_answer_for_several_changes_that_is_lost_is_no_conflict(store: Store, counted: Counted) -> None:
    counted.losses = 1

    await asyncio.gather(*(store.requests.commit(added(pending(name))) for name in CHANGES))

    assert counted.sent == 2
    assert [line["request"] async for line in store.audit.read()] == CHANGES
    assert await audit_problem(store) is None


async def test_of_changes_of_one_request_that_come_together_the_first_counts(store: Store) -> None:
    stored, _ = await store.requests.commit(added(pending()))
    approved, denied = changed(stored, states()["approved"]), changed(stored, states()["denied"])

    first, second = await asyncio.gather(
        store.requests.commit(approved), store.requests.commit(denied), return_exceptions=True
    )

    assert isinstance(second, Conflict)
    assert not isinstance(first, BaseException)
    assert first[0].value == states()["approved"]
    assert await store.requests.get(RequestId("R1")) == first[0]
    assert await audit_problem(store) is None


async def test_a_change_that_need_not_be_on_disk_waits_for_none_that_must(
    stored_here: Store, real: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "DISK_MS", 10)
    commit = stored_here.requests.commit
    await real.config_set("appendfsync", "no")
    try:
        made = (commit(replace(added(pending(name)), durable=number % 2 == 0)) for number, name in enumerate(CHANGES))
        outcomes = await asyncio.gather(*made, return_exceptions=True)
    finally:
        await real.config_set("appendfsync", "always")

    assert [isinstance(each, Unavailable) for each in outcomes] == [number % 2 == 0 for number in range(8)]
    assert await audit_problem(stored_here) is None


class InAnyOrder(RuleBasedStateMachine):
    """Whatever comes, fails and is given up, in any order: each item is sent once at most, and in its order.

    An item has a result only from a batch that was sent after it came, and of which it is a part.
    """

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.slow = Slow()
        self.group = Batches(self.slow.send)
        self.tasks = dict[str, asyncio.Task[str]]()
        self.came = dict[str, int]()
        self.failed, self.answered = set[int](), set[int]()

    @rule(many=st.integers(1, 4))
    def come(self, many: int) -> None:
        async def put() -> None:
            for _ in range(many):
                name = f"i{len(self.tasks)}"
                self.came[name] = len(self.slow.sent)
                (self.tasks[name],) = begun(self.group, name)
            await asyncio.sleep(0)

        self.loop.run(put())

    @rule()
    def go_on(self) -> None:
        self.loop.run(settled())

    @rule(data=st.data(), fails=st.booleans())
    def answer(self, data: st.DataObject, *, fails: bool) -> None:
        left = [batch for batch, (_, answer) in enumerate(self.slow.sent) if not answer.done()]
        if not left:
            return
        batch = data.draw(st.sampled_from(left))

        async def do() -> None:
            if fails:
                self.failed.add(batch)
                self.slow.sent[batch][1].set_exception(DiskFull())
            else:
                self.answered.add(batch)
                self.slow.answer(batch)
            await settled()

        self.loop.run(do())

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        if self.tasks:
            task = self.tasks[data.draw(st.sampled_from(sorted(self.tasks)))]
            task.cancel()
            self.loop.run(settled())

    @invariant()
    def each_has_what_its_batch_has(self) -> None:
        sent = [item for items in self.slow.items for item in items]
        assert len(sent) == len(set(sent))
        assert sent == sorted(sent, key=lambda item: int(item[1:]))
        batch_of = {item: batch for batch, items in enumerate(self.slow.items) for item in items}
        for name, task in self.tasks.items():
            batch = batch_of.get(name)
            assert batch is None or batch >= self.came[name]
            if not task.done() or task.cancelled():
                assert task.done() or batch not in self.failed | self.answered
            elif task.exception():
                assert batch in self.failed
            else:
                assert batch in self.answered
                assert task.result() == name.upper()

    def teardown(self) -> None:
        for task in (*self.tasks.values(), *self.group._under_way):
            task.cancel()
        self.loop.run(settled())
        for task in self.tasks.values():
            if not task.cancelled():
                task.exception()
        self.loop.close()


TestInAnyOrder = pytest.mark.search(InAnyOrder.TestCase)
TestInAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
