"""Two processes, one store: anyone who clicks wherever, there is one effect, and every loser is told."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.store.connection import Commands, connect
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.person import PersonAtClient
from tests.support.processes import (
    actions,
    audit_of,
    creates,
    crew,
    held,
    own_redis,
    payloads_with,
    reached,
    take_secret,
    until,
)


def told(person: PersonAtClient) -> list[str]:
    """What the bot said to this person alone."""
    return [json.dumps(each, ensure_ascii=False) for each in person.ephemerals]


async def test_three_clicks_on_approve_from_two_people_on_two_processes_make_one_key(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        await asyncio.gather(bots.start(), bots.start())
        olga = it.person("U0OLGA")
        await it.ask()

        await asyncio.gather(
            *(each.click("Approve", in_channel=APPROVALS_CHANNEL) for each in (it.erin, olga, it.erin))
        )
        await it.dana.see("is ready.")
        await it.erin.wait_for(lambda: len(told(it.erin) + told(olga)) == 2, "answers to the two late clicks")
        lines = await audit_of(it.stage)

    lost = told(it.erin) + told(olga)
    (approver,) = [line["actor"] for line in lines if line["action"] == "request:approved"]
    # Erin's first click, where her second one was taken up before it.
    overtaken = [each for each in told(it.erin) if "Your later decision counts." in each]
    assert len(overtaken) <= 1
    late = [each for each in lost if each not in overtaken]
    assert all(f"<@{approver}> approved this request <!date^" in each for each in late)
    for person in (it.erin, olga):
        ending = "Your click changed nothing more." if person.user == approver else "Your click changed nothing."
        assert all(ending in each for each in told(person) if each in late)
    assert (creates(it.stage), len(it.our_keys())) == (1, 1)
    assert actions(lines).count("key:create-intended") == 1


async def test_a_double_click_on_show_secret_on_two_processes_shows_it_once(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        await asyncio.gather(bots.start(), bots.start())
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        (key,) = it.our_keys()
        secret = it.stage.organization.secrets_issued[key]

        await asyncio.gather(it.dana.click("Show secret"), it.dana.click("Show secret"))
        await it.dana.wait_for(lambda: len(told(it.dana)) == 2, "an answer to each click")
        lines = await audit_of(it.stage)

    assert payloads_with(it.stage, secret) == 1
    assert sum(secret in each for each in told(it.dana)) == 1
    assert sum("this secret" in each and secret not in each for each in told(it.dana)) == 1
    assert it.our_keys() == [key]
    assert actions(lines).count("secret:show-intended") == 1


async def test_when_one_of_two_processes_is_killed_the_other_carries_on(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        first, _ = await asyncio.gather(bots.start(), bots.start())
        await it.ask()

        await bots.kill(first)
        it.advance(seconds=15)  # whatever the dead one held, the other may take now
        await it.approve()

        await it.dana.see("is ready.")
        await take_secret(it)


async def test_t17_what_a_killed_process_had_begun_another_one_does_after_fifteen_seconds(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        victim = await bots.start()
        await it.ask()
        async with held(it.stage.slack.faults.hold_before, "users.info") as gate:
            await it.approve()
            await reached(gate)
            await bots.start()
            await bots.kill(victim)

        it.advance(seconds=15)
        await it.dana.see("is ready.")
        await it.card_says("Approved by")
        lines = await audit_of(it.stage)

    assert (creates(it.stage), actions(lines).count("request:approved")) == (1, 1)


@pytest.mark.parametrize("days", [0, 30])
async def test_t33_t35_after_a_restart_with_its_item_gone_or_moved_a_key_is_still_deleted_in_time(
    tmp_path: Path, days: int
) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        bot = await bots.start(REDIS_URL=redis.url)
        await it.ask()
        await it.approve()
        await it.key_is_there()
        assert await bot.stop() == 0
        async with connect(redis.url) as store:
            commands: Commands = store
            (name,) = [each async for each in commands.scan_iter("lk:{T0ACME}:request:*")]
            item = name.removeprefix(b"lk:{T0ACME}:")
            if days:
                late = it.stage.clock.now() + timedelta(days=days)
                await commands.zadd("lk:{T0ACME}:agenda", {item: late.timestamp() * 1000})
            else:
                await commands.delete("lk:{T0ACME}:agenda")

        again = await bots.start(REDIS_URL=redis.url)
        await until(lambda: "put requests back on the agenda" in again.log.read_text(), "the repair")
        it.advance(hours=25)
        await it.until(lambda: it.our_keys() == [], "the end of the key")
