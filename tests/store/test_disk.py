"""Group commit: what fails, is late, or is given up takes nobody along who does not share its batch."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.store import disk
from bot.store.disk import Batches


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
    """Everybody has done what can be done by now."""
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
    def answer(self, data: st.DataObject, fails: bool) -> None:  # noqa: FBT001
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


TestInAnyOrder = InAnyOrder.TestCase
TestInAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
