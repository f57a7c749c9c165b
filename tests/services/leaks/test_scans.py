"""Reports of scanners: written down before the answer, carried out once whatever happens, and not sent again."""

import json

import pytest

from bot.domain.audit import SYSTEM, Action
from bot.domain.errors import Throttled
from bot.domain.keys import KeyId
from bot.domain.kinds import Kind
from bot.domain.leaks.report import COUNTS_FOR, MOST_SCANNED
from bot.domain.leaks.scanned import Label, read
from bot.services.leaks.scans import REMEMBERED
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import ACCOUNT, DAY, ERIN, FEMI, HOUR
from tests.support.faults import KILLS, Fault, Killed, Plan
from tests.support.stored import next_due

KEY, OTHER = KeyId("ABCD1234EFGH5678"), KeyId("WXYZ1234WXYZ1234")
AT = "https://github.com/octocat/Hello-World/blob/main/foo.txt"
SOURCE = "GitHub secret scanning"


def a_leak(world: World, key: KeyId = KEY) -> None:
    world.cloud.add(build.a_key(key, marker="", kind=Kind.KAFKA, owner=ACCOUNT.id))


async def take(world: World, *tokens: str, digest: str = "d1") -> tuple[list[Label | None], bool]:
    """A scanner reports these tokens; returns what it is answered, and whether that is new."""
    body = json.dumps([{"token": each, "type": "t", "url": AT} for each in tokens]).encode()
    process = next((each for each in world.processes if each.life.is_alive), None) or world.start()
    labels, is_new = await process.services.scans.take(digest, SOURCE, read(body))
    return list(labels), is_new


def told(world: World) -> list[str]:
    return [place.channel for place, _ in world.slack.leaks]


async def reported(world: World) -> list[tuple[str, str]]:
    """By whom, and what is said of who found it."""
    lines = [line for line in await world.audit() if line["action"] == Action.LEAK_REPORTED]
    return [(line["actor"], line["details"].get("source")) for line in lines]


async def test_it_is_told_like_a_report_of_a_person_and_no_one_is_answered() -> None:
    async with a_world() as world:
        a_leak(world)
        assert await take(world, KEY) == (["true_positive"], True)
        assert world.slack.leaks == [], "people are told by the worker"
        await world.settle(HOUR)

        assert set(told(world)) == {"C01", ERIN.slack, FEMI.slack}
        assert world.slack.said == []
        assert await reported(world) == [(SYSTEM, SOURCE)]
        await check_audit(world)


async def test_the_same_report_again_gets_the_same_answer_and_does_nothing() -> None:
    async with a_world() as world:
        a_leak(world)
        await take(world, KEY)
        await world.settle(COUNTS_FOR + HOUR)
        first = len(world.slack.leaks)
        world.clock.advance(REMEMBERED - COUNTS_FOR - 2 * HOUR)
        await world.cloud.delete_key(KEY, ACCOUNT.id, build.CLUSTER)

        assert await take(world, KEY) == (["true_positive"], False)
        await world.settle(HOUR)
        assert len(world.slack.leaks) == first
        assert len(await reported(world)) == 1


async def test_another_report_of_a_key_that_is_known_tells_no_one_again() -> None:
    async with a_world() as world:
        a_leak(world)
        await take(world, KEY)
        await world.work_now()
        first = len(world.slack.leaks)

        assert await take(world, KEY, digest="d2") == (["true_positive"], True)
        await world.settle(HOUR)
        assert len(world.slack.leaks) == first
        assert len(await reported(world)) == 1


async def test_while_confluent_is_away_it_is_written_down_and_nothing_is_said_of_it() -> None:
    async with a_world(Plan({("cloud.key", number): Fault.ERROR_BEFORE for number in range(3)})) as world:
        a_leak(world)
        assert await take(world, KEY) == ([None], True)
        await world.settle(HOUR)

        assert "C01" in told(world)


async def test_while_confluent_shows_a_part_no_key_is_a_false_positive() -> None:
    async with a_world() as world:
        world.cloud.is_partial = True

        assert await take(world, OTHER) == ([None], True)


async def test_a_report_waits_for_processes_longer_than_a_click_of_a_person() -> None:
    async with a_world() as world:
        a_leak(world)
        await take(world, KEY)
        world.clock.advance(DAY - HOUR)
        await world.settle(HOUR / 2)

        assert "C01" in told(world)


async def test_one_that_confluent_was_away_for_too_long_for_ends_without_an_answer_to_anyone() -> None:
    async with a_world(Plan({("cloud.key", number): Fault.ERROR_BEFORE for number in range(9)})) as world:
        a_leak(world)
        await take(world, KEY)
        await world.work_now()
        world.clock.advance(2 * DAY)
        await world.settle(HOUR)

        assert (world.slack.leaks, world.slack.said, await next_due(world.store)) == ([], [], None)


async def test_scanners_report_so_many_keys_a_day_and_people_are_not_held_back_by_them() -> None:
    async with a_world() as world:
        keys = [f"KEY{number:013}" for number in range(MOST_SCANNED)]
        for at in range(0, MOST_SCANNED, 250):
            await take(world, *keys[at : at + 250], digest=f"d{at}")
        with pytest.raises(Throttled) as raised:
            await take(world, KEY, digest="one more")
        assert raised.value.wait == COUNTS_FOR

        world.clock.advance(COUNTS_FOR)
        assert (await take(world, KEY, digest="one more"))[1]


WRITING = {"audit.append", "cache.put", "agenda.put", "inbox.done", "notifier.leak"}
"""Calls that are tried each time; any other one, the first time."""


@pytest.mark.search
@pytest.mark.parametrize("fault", sorted(KILLS | {Fault.ERROR_BEFORE, Fault.ERROR_AFTER}, key=str))
async def test_what_was_answered_is_carried_out_once_wherever_a_process_dies(fault: Fault) -> None:
    calls = Plan()
    async with a_world(calls) as world:
        a_leak(world)
        await take(world, f"{KEY} {OTHER}")
        before = len(calls.calls)
        await world.settle(2 * HOUR)
    for number in range(before, len(calls.calls)):
        call = calls.calls[number]
        if call in calls.calls[before:number] and call not in WRITING:
            continue
        async with a_world(Plan({number: fault})) as world:
            a_leak(world)
            await take(world, f"{KEY} {OTHER}")
            await world.settle(2 * HOUR)

            assert set(told(world)) == {"C01", ERIN.slack, FEMI.slack}, call
            assert 1 <= len(await reported(world)) <= 2, call
            assert len(told(world)) <= 4, call


async def test_a_report_whose_process_died_before_its_answer_can_be_sent_again() -> None:
    calls = Plan()
    async with a_world(calls) as world:
        a_leak(world)
        await take(world, KEY)
    for number in range(len(calls.calls)):
        for fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            async with a_world(Plan({number: fault})) as world:
                a_leak(world)
                with pytest.raises(Killed):
                    await take(world, KEY)
                world._bury()
                await take(world, KEY)
                await world.settle(2 * HOUR)

                assert set(told(world)) == {"C01", ERIN.slack, FEMI.slack}
                assert len(await reported(world)) == 1
