"""Owned work: drained on exit, and no job or report takes another one down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from bot import background as module
from bot.background import background, beside
from bot.domain.errors import Unavailable


async def ignore(error: Exception) -> None:
    raise AssertionError from error


def appending(seen: list[Exception]) -> Callable[[Exception], Awaitable[None]]:
    async def report(error: Exception) -> None:
        seen.append(error)

    return report


async def fail() -> None:
    raise LookupError


async def forever() -> None:
    await asyncio.Event().wait()


async def one_turn_of_the_loop() -> None:
    """Afterwards every task that existed before has run up to its first await."""
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


async def test_leaving_waits_for_running_work() -> None:
    leaving, done = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        await leaving.wait()
        done.set()

    async with background(grace=5) as work:
        work.start(job(), name="job", report=ignore)
        leaving.set()

    assert done.is_set()


async def test_work_may_start_work_while_it_drains() -> None:
    done = asyncio.Event()

    async def second() -> None:
        done.set()

    async with background(grace=5) as work:

        async def first() -> None:
            work.start(second(), name="second", report=ignore)

        work.start(first(), name="first", report=ignore)

    assert done.is_set()


async def test_a_failing_job_is_reported_and_its_siblings_go_on() -> None:
    failed, done = asyncio.Event(), asyncio.Event()
    seen: list[Exception] = []

    async def sibling() -> None:
        await failed.wait()
        done.set()

    async def report(error: Exception) -> None:
        seen.append(error)
        failed.set()

    async with background(grace=5) as work:
        work.start(sibling(), name="sibling", report=ignore)
        work.start(fail(), name="failing", report=report)

    assert done.is_set()
    assert [type(error) for error in seen] == [LookupError]


async def test_a_failing_report_is_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    reported, done = asyncio.Event(), asyncio.Event()

    async def sibling() -> None:
        await reported.wait()
        done.set()

    async def report(error: Exception) -> None:
        reported.set()
        raise OSError

    async with background(grace=5) as work:
        work.start(sibling(), name="sibling", report=ignore)
        work.start(fail(), name="failing", report=report)

    assert done.is_set()
    assert "couldn't tell anyone that failing failed with LookupError" in caplog.text


async def test_a_report_that_slack_does_not_take_is_one_line_without_a_stack_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def report(error: Exception) -> None:
        raise Unavailable("Slack did not answer.")

    async with background(grace=5) as work:
        work.start(fail(), name="show Home", report=report)

    (said,) = (record for record in caplog.records if record.name == "bot.background")
    assert said.getMessage() == "couldn't tell anyone that show Home failed with LookupError: Slack did not answer."
    assert (said.levelname, said.exc_info) == ("WARNING", None)


async def test_stragglers_are_cancelled_and_named(caplog: pytest.LogCaptureFixture) -> None:
    cleaned_up = asyncio.Event()

    async def straggler() -> None:
        try:
            await forever()
        finally:
            cleaned_up.set()

    with caplog.at_level(logging.WARNING):
        async with background(grace=0) as work:
            work.start(straggler(), name="approve R1", report=ignore)
            await one_turn_of_the_loop()

    assert cleaned_up.is_set()
    assert "cancelled before it finished: approve R1" in caplog.text


async def test_what_the_body_raises_comes_out_as_it_is_and_the_work_is_done_first() -> None:
    leaving, done = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        await leaving.wait()
        done.set()

    async def body() -> None:
        async with background(grace=5) as work:
            work.start(job(), name="job", report=ignore)
            leaving.set()
            raise TimeoutError("of the body")

    with pytest.raises(TimeoutError, match="of the body"):
        await body()

    assert done.is_set()


async def test_a_cancelled_body_cancels_its_work_at_once() -> None:
    entered = asyncio.Event()

    async def body() -> None:
        async with background(grace=3600) as work:
            work.start(forever(), name="job", report=ignore)
            entered.set()
            await forever()

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)


async def test_nothing_starts_once_all_is_drained() -> None:
    async with background(grace=5) as work:
        pass

    with pytest.raises(RuntimeError):
        work.start(fail(), name="late", report=ignore)


async def test_a_group_of_errors_is_one_failure() -> None:
    seen: list[Exception] = []

    async def job() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async with background(grace=5) as work:
        work.start(job(), name="job", report=appending(seen))

    assert isinstance(seen[0], ExceptionGroup)


async def test_a_job_goes_on_until_we_leave_and_has_ended_then() -> None:
    said = list[str]()

    async def job() -> None:
        try:
            said.append("began")
            await asyncio.Event().wait()
        finally:
            said.append("ended")

    async with beside(job(), name="job"):
        await asyncio.sleep(0)
        assert said == ["began"]
    assert said == ["began", "ended"]


@pytest.mark.parametrize("swallowed", [0, 1, 3])
async def test_a_job_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch, swallowed: int
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.001)
    cancellations = list[asyncio.CancelledError]()

    async def job() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                cancellations.append(error)
                if len(cancellations) > swallowed:
                    raise

    async with beside(job(), name="job"):
        await asyncio.sleep(0)

    assert len(cancellations) == swallowed + 1
