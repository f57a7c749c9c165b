"""The store goes away while the bot runs: people are told to try again, nothing is half done, work goes on after."""

import asyncio
import signal
from pathlib import Path

import pytest

from bot.services import worker
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.gate import Gate
from tests.support.play import Play, bot_of
from tests.support.processes import (
    LEASE,
    actions,
    audit_of,
    creates,
    crew,
    in_time,
    own_redis,
    reached,
    take_secret,
    until,
)

TRY_AGAIN = "Latchkey's store didn't answer"


async def click_all_around(it: Play) -> None:
    """Erin approves and asks for her requests, Dana sends a form: each is answered in time, and told to try again."""
    await asyncio.gather(it.approve(), it.dana.submit(), it.erin.command("/apikey requests", channel=APPROVALS_CHANNEL))
    await it.erin.wait_for(lambda: sum(TRY_AGAIN in str(each) for each in it.erin.ephemerals) == 2, "two answers")
    await it.dana.see(TRY_AGAIN)
    assert "Try again in a minute." in str(it.erin.ephemerals)
    assert it.erin.notices + it.dana.notices == []  # Slack complains of what is not answered in three seconds


async def test_a_store_that_is_down_for_half_a_minute_costs_nobody_a_request(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        bot = await bots.start(REDIS_URL=redis.url)
        await it.ask()
        await it.fill_in("second")

        await redis.kill()
        await click_all_around(it)
        it.advance(seconds=30)
        await redis.start()

        # The form is still open under the notice, with everything typed into it.
        await it.dana.close()
        await it.dana.submit()
        await it.dana.see("Review your request")
        await it.dana.close()
        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)
        lines = await audit_of(it.stage, REDIS_URL=redis.url)
        assert await bot.stop() == 0

    assert creates(it.stage) == 1
    assert actions(lines)[:2] == ["request:submitted", "request:approved"]
    assert actions(lines)[-1] == "secret:shown"


async def test_a_store_that_hangs_keeps_no_click_waiting_and_makes_one_key(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        await bots.start(REDIS_URL=redis.url)
        await it.ask()
        await it.fill_in("second")

        redis.signal(signal.SIGSTOP)
        await click_all_around(it)
        it.advance(seconds=30)
        redis.signal(signal.SIGCONT)

        # What was sent to the store before it hung may be carried out now: clicking again must not do it twice.
        await it.erin.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.dana.see("is ready.")
        await it.dana.close(everything=True)
        await take_secret(it)
        lines = await audit_of(it.stage, REDIS_URL=redis.url)

    assert creates(it.stage) == 1
    assert actions(lines).count("request:approved") == 1


async def test_a_key_that_could_not_be_recorded_is_deleted_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "POLL", 0.05)  # its clock runs fast
    async with crew(tmp_path) as (it, _), own_redis(it.stage) as redis, bot_of(it.stage, redis_url=redis.url):
        gate = it.stage.faults.hold_after_create = Gate()
        await it.ask()
        await it.approve()
        await reached(gate)
        (orphan,) = it.our_keys()
        await redis.kill()
        it.stage.faults.hold_after_create = None
        gate.opened.set()
        await until(
            lambda: "couldn't settle an item; its lease will expire" in caplog.messages,
            "the record that cannot be written",
        )
        await redis.start()
        it.advance(seconds=LEASE)  # until what was sent is looked for

        await in_time(it, it.dana, "is ready.")
        (key,) = it.our_keys()
        await take_secret(it)
        lines = await audit_of(it.stage, REDIS_URL=redis.url)

    assert key != orphan
    assert [line["details"]["key"] for line in lines if line["action"] == "key:deleted"] == [orphan]
    assert [line["details"]["key"] for line in lines if line["action"] == "key:created"] == [key]
