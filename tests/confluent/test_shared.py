"""What is shared is never older than the question, and nobody's failure or end but its own."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.confluent import shared
from bot.confluent.shared import SharedReads
from bot.domain.errors import Unavailable


@dataclass
class World:
    """Something that changes, and reads of it that take as long as it is told."""

    state: int = 0
    reads: list["asyncio.Future[None]"] = field(default_factory=list[Any])
    shared: SharedReads = field(default_factory=SharedReads)

    async def ask(self) -> int:
        seen = self.state
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reads.append(gate)
        await gate
        return seen

    def asked(self, what: str = "users") -> "asyncio.Task[int]":
        return asyncio.create_task(self.shared.read(what, self.ask))


async def settled() -> None:
    """Everybody has done what can be done already."""
    for _ in range(6):
        await asyncio.sleep(0)


async def test_who_asks_together_shares_one_read() -> None:
    world = World()
    asked = [world.asked() for _ in range(9)]
    await settled()
    world.reads[0].set_result(None)

    assert await asyncio.gather(*asked) == [0] * 9
    assert len(world.reads) == 1


async def test_who_comes_while_an_answer_is_on_its_way_gets_the_next_one() -> None:
    world = World()
    early = world.asked()
    await settled()
    world.state = 1
    late = [world.asked() for _ in range(3)]
    await settled()
    assert len(world.reads) == 1

    world.reads[0].set_result(None)
    await settled()
    world.reads[1].set_result(None)

    assert await early == 0
    assert await asyncio.gather(*late) == [1, 1, 1]
    assert len(world.reads) == 2


async def test_other_things_are_asked_for_by_themselves() -> None:
    world = World()
    asked = [world.asked(what) for what in ("users", "roles of u-1", "roles of u-2")]
    await settled()
    for read in world.reads:
        read.set_result(None)

    await asyncio.gather(*asked)
    assert len(world.reads) == 3


async def test_a_read_that_fails_fails_for_all_who_share_it_and_for_nobody_else() -> None:
    world = World()
    asked = [world.asked() for _ in range(2)]
    await settled()
    later = world.asked()
    await settled()
    world.reads[0].set_exception(Unavailable("Confluent Cloud didn't answer."))
    await settled()
    world.reads[1].set_result(None)

    failed = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(each) for each in failed] == [Unavailable, Unavailable]
    assert await later == 0


async def test_who_gives_up_takes_nobody_along() -> None:
    world = World()
    first, second = world.asked(), world.asked()
    await settled()
    first.cancel()
    await settled()
    world.reads[0].set_result(None)

    assert await second == 0
    assert first.cancelled()


async def test_a_read_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "SECONDS", 0)
    world = World()
    hanging = world.asked()
    await settled()
    other = world.asked()
    await settled()
    world.reads[1].set_result(None)

    assert await other == 0
    assert not hanging.done()
    world.reads[0].set_result(None)
    assert await hanging == 0, "its answer comes late, and is one"
    assert world.shared._running == world.shared._planned == {}


STEPS = st.sampled_from(["ask", "change", "answer", "answer the last", "fail", "give up", "wait", "wait"])


@pytest.mark.parametrize("seconds", [0, shared.SECONDS])
@given(steps=st.lists(STEPS, min_size=10, max_size=40))
async def test_no_answer_is_older_than_its_question(seconds: float, steps: list[str]) -> None:
    with mock.patch.object(shared, "SECONDS", seconds):
        await plays(steps)


async def plays(steps: list[str]) -> None:
    """All who wait have an answer that is not older than their question, or the failure of Confluent."""
    world, asked = World(), list[tuple[int, asyncio.Task[int]]]()
    for step in (*steps, *["wait", "answer"] * (len(steps) + 1), "wait"):
        open_reads = [read for read in world.reads if not read.done()]
        match step:
            case "ask":
                asked.append((world.state, world.asked()))
            case "change":
                world.state += 1
            case "answer" if open_reads:
                open_reads[0].set_result(None)
            case "answer the last" if open_reads:
                open_reads[-1].set_result(None)
            case "fail" if open_reads:
                open_reads[0].set_exception(Unavailable("Confluent Cloud didn't answer."))
            case "give up" if asked:
                asked[-1][1].cancel()
            case _:
                await settled()

    for state, task in asked:
        assert task.done()
        if not task.cancelled():
            assert isinstance(task.exception(), Unavailable | None)
            assert task.exception() or task.result() >= state
    assert world.shared._running == world.shared._planned == {}
