"""Reports of leaked keys: who may report, what they read, how many, and that no crash makes two of one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.audit import Action
from bot.domain.errors import Refused
from bot.domain.keys import ApiKey, KeyId, Person, Principal, TeamId
from bot.domain.kinds import Kind
from bot.domain.leaks.report import COUNTS_FOR, MOST_AT_ONCE, MOST_REPORTS
from bot.services.commands import ReplyTo, ReportLeak
from bot.services.ports.slack import Profile
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, DANA, ERIN, FEMI, HOUR, OTTO
from tests.support.faults import KILLS, PAUSES, Fault, Plan

KEY = KeyId("ABCD1234EFGH5678")


def a_leak(key: str = KEY, owner: Principal = ACCOUNT.id) -> ApiKey:
    return build.a_key(key, marker="", kind=Kind.KAFKA, owner=owner)


@asynccontextmanager
async def with_a_key(*keys: str, plan: Plan | None = None) -> AsyncGenerator[World]:
    """A world with a key that was not created by Latchkey."""
    async with a_world(plan) as world:
        for key in keys or (KEY,):
            world.cloud.add(a_leak(key))
        yield world


def _shown_as(world: World, profile: Profile) -> None:
    """Slack shows one person like this."""
    world.slack.profiles[profile.id] = profile


async def report(world: World, *keys: str, by: Person = DANA) -> str:
    """Someone reports keys; returns what they read."""
    before = len(world.slack.said)
    await world.click(ReportLeak(tuple(map(KeyId, keys or (KEY,)))), by)
    await world.work_now()
    (said,) = world.slack.said[before:]
    assert said[0] == by.slack
    return said[1]


async def reports(world: World) -> list[tuple[str, str]]:
    """Who reported which key, by the audit log."""
    return [
        (line["actor"], line["details"]["key"])
        for line in await world.audit()
        if line["action"] == Action.LEAK_REPORTED
    ]


async def test_a_report_is_audited_answered_and_told() -> None:
    async with with_a_key() as world:
        said = await report(world, by=OTTO)

        assert said.startswith(f"Thanks for reporting `{KEY}`. Latchkey is notifying")
        assert await reports(world) == [(OTTO.slack, KEY)]
        assert world.slack.leaks


@pytest.mark.parametrize("role", ["guest", "no Confluent user"])
async def test_people_who_cannot_use_latchkey_can_report(role: str) -> None:
    stranger = build.a_person("Gus")
    async with with_a_key() as world:
        world.slack.people.append(stranger)
        guest = await world.slack.profile(stranger.slack)
        assert guest is not None
        _shown_as(world, replace(guest, is_guest=role == "guest"))

        assert "Thanks for reporting" in await report(world, by=stranger)


@pytest.mark.parametrize("change", [{"is_bot": True}, {"deleted": True}, {"team": TeamId("T99")}])
async def test_bots_and_people_of_other_workspaces_cannot(change: dict[str, object]) -> None:
    async with with_a_key() as world:
        profile = await world.slack.profile(OTTO.slack)
        assert profile is not None
        _shown_as(world, replace(profile, **change))  # type: ignore[arg-type]  # one field of any type

        assert "Thanks for reporting" not in await report(world, by=OTTO)
        assert (await reports(world), world.slack.leaks) == ([], [])


async def test_a_click_from_another_workspace_is_refused() -> None:
    async with with_a_key() as world:
        process = world.start()
        deed = ReportLeak((KEY,))
        click = build.a_click(deed, replace(OTTO, team=TeamId("T99")), world.clock())
        with pytest.raises(Refused):
            await process.services.leak_reports.report(deed, click)


async def test_an_unknown_key_has_a_clear_answer_and_tells_no_one() -> None:
    async with with_a_key() as world:
        said = await report(world, "WXYZ1234WXYZ1234")

        assert "has no API key `WXYZ1234WXYZ1234` in this organization" in said
        assert "No one was notified." in said
        assert (await reports(world), world.slack.leaks) == ([], [])


async def test_while_confluent_shows_a_part_no_key_is_unknown() -> None:
    async with with_a_key() as world:
        world.cloud.is_partial = True
        assert "Latchkey will keep trying" in await report(world)
        world.cloud.is_partial = False
        await world.settle(HOUR)

        assert "Thanks for reporting" in world.slack.said[-1][1]


async def test_a_second_reporter_is_told_and_no_one_is_notified_twice() -> None:
    async with with_a_key() as world:
        await report(world, by=DANA)
        messages = len(world.slack.leaks)
        said = await report(world, by=OTTO)

        assert "already reported" in said
        assert "First reported" in said
        assert len(world.slack.leaks) == messages
        assert await reports(world) == [(DANA.slack, KEY)]


async def test_two_clicks_at_once_make_one_set_of_messages() -> None:
    async with with_a_key() as world:
        deed = ReportLeak((KEY,))
        await world.click(deed, DANA)
        await world.click(deed, DANA)
        await world.click(deed, OTTO)
        await world.work_now()

        readers = [place.channel for place, _ in world.slack.leaks]
        assert len(readers) == len(set(readers)) > 1


async def test_after_a_day_the_same_key_is_told_again() -> None:
    async with with_a_key() as world:
        await report(world)
        first = len(world.slack.leaks)
        world.clock.advance(COUNTS_FOR)

        assert "Thanks for reporting" in await report(world, by=OTTO)
        assert len(world.slack.leaks) == 2 * first


async def test_reports_of_one_person_are_limited_and_those_of_others_count() -> None:
    keys = [f"KEY{number:013}" for number in range(MOST_REPORTS + 1)]
    async with with_a_key(*keys) as world:
        for at in range(0, MOST_REPORTS, MOST_AT_ONCE):
            await report(world, *keys[at : at + MOST_AT_ONCE], by=OTTO)
        refused = await report(world, keys[-1], by=OTTO)

        assert refused.startswith(f"You've reported {MOST_REPORTS} keys within 24 hours")
        assert len(await reports(world)) == MOST_REPORTS
        assert "Thanks for reporting" in await report(world, keys[-1], by=DANA)
        world.clock.advance(COUNTS_FOR)
        assert "Thanks for reporting" in await report(world, keys[0], by=OTTO)


async def test_reports_that_come_at_once_are_limited_just_as_those_one_after_the_other() -> None:
    keys = [f"KEY{number:013}" for number in range(MOST_REPORTS + 10)]
    async with with_a_key(*keys) as world:
        for key in keys:
            await world.click(ReportLeak((KeyId(key),)), OTTO)
        await world.settle(HOUR)

        assert len(await reports(world)) == MOST_REPORTS
        assert sum("the most for one person" in said for _, said in world.slack.said) == 10


async def test_unknown_keys_count_toward_the_limit_so_that_no_one_tries_them_out() -> None:
    async with with_a_key() as world:
        for number in range(MOST_REPORTS):
            await report(world, f"NOKEY{number:011}", by=OTTO)

        assert "the most for one person" in await report(world, by=OTTO)


WRITING = {"audit.append", "cache.change", "cache.put", "agenda.put", "inbox.done", "notifier.leak", "notifier.say"}
"""Calls that are tried each time; any other one, the first time."""
UNSURE_AT = {
    ("notifier.leak", each) for each in (Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.PAUSE_AFTER, Fault.PAUSE_BEFORE)
}
UNSURE_AFTER = {("notifier.leak", each) for each in (Fault.KILL_BEFORE, Fault.ERROR_BEFORE, Fault.PAUSE_BEFORE)}
"""Between sending a message and remembering it: at the call that sends it, or at the next one."""


@pytest.mark.search
@pytest.mark.parametrize("fault", sorted(KILLS | PAUSES | {Fault.ERROR_BEFORE, Fault.ERROR_AFTER}, key=str))
async def test_whatever_happens_at_any_call_a_report_is_told_once_and_answered(fault: Fault) -> None:
    calls = Plan()
    async with with_a_key(plan=calls) as world:
        await report(world, by=OTTO)
    for number, call in enumerate(calls.calls):
        if call in calls.calls[:number] and call not in WRITING:
            continue
        async with with_a_key(plan=Plan({number: fault})) as world:
            await world.click(ReportLeak((KEY,)), OTTO)
            await world.settle(2 * HOUR)

            readers = [place.channel for place, _ in world.slack.leaks]
            before = calls.calls[number - 1] if number else ""
            unsure = (before, fault) in UNSURE_AFTER or (call, fault) in UNSURE_AT
            assert set(readers) == {"C01", ERIN.slack, FEMI.slack}, call
            assert len(readers) - len(set(readers)) <= (1 if unsure else 0), call
            assert 1 <= len(await reports(world)) <= 2, call
            assert any("eport" in text for _, text in world.slack.said), call


async def test_a_report_that_is_submitted_twice_at_once_is_recorded_once_and_both_are_answered() -> None:
    plan = Plan({("cloud.key", 0): Fault.PAUSE_BEFORE})
    async with a_world(plan, pause=timedelta(seconds=3)) as world:
        world.cloud.add(a_leak())
        for waiting in ("submit", "submit-0a1b2c3d"):  # as the listener names a second delivery
            click = build.a_click(
                ReportLeak((KEY,)), DANA, world.clock(), id="submit", reply=ReplyTo(None, None, "V1", waiting)
            )
            await world.store.inbox.put(click, world.clock())
        world.start()
        await world.settle(HOUR)

        assert await reports(world) == [(DANA.slack, KEY)]
        assert len(world.slack.pages) == 2


async def test_a_second_submit_does_not_wait_for_one_whose_place_a_failover_lost() -> None:
    async with with_a_key() as world:
        reply, click = ReplyTo(None, None, "V1", "submit-0a1b2c3d"), build.a_click(ReportLeak((KEY,)), id="submit")
        for each in (replace(click, reply=replace(reply, waiting="submit")), replace(click, reply=reply)):
            await world.store.inbox.put(each, world.clock())
        await world.connections[0].zrem(world.store.keys.agenda, "click:submit")
        world.start()
        await world.settle(timedelta(minutes=2))

        assert await reports(world) == [(DANA.slack, KEY)]
