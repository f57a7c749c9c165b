"""T10: a click that failed for a reason that passes is tried again until its request's deadline, once in effect."""

from datetime import timedelta

import pytest

from bot.domain.keys import RequestId
from bot.domain.requests import Cancelled, Denied, Expired, Pending, Ready, Undelivered, approvals_of
from bot.services.commands import Approve, Cancel, Deny, Replace
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.faults import Fault

R1 = RequestId("R1")
AWAY = range(100)


def told(world: World) -> list[str]:
    return [text for who, text in world.slack.said if who == ERIN.slack]


def breaks(world: World, *calls: str) -> None:
    """These calls fail from now on."""
    world.plan.faults = {(call, number): Fault.ERROR_BEFORE for call in calls for number in AWAY}
    world.plan.calls = []


@pytest.mark.parametrize("call", ["people.profile", "cloud.users", "cloud.role_bindings", "requests.commit"])
async def test_t10_an_approval_is_carried_out_once_what_failed_is_back_and_its_approver_learns_it(call: str) -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        await world.work_now()
        breaks(world, call, "notifier.say")
        await world.click(Approve(R1), by=ERIN)
        await world.settle(timedelta(hours=2))
        assert isinstance(await world.state(), Pending)
        assert told(world) == []

        world.plan.faults = {}
        await world.settle(timedelta(minutes=5))

        assert isinstance(await world.state(), Ready)
        assert len(world.cloud.live(R1)) == 1
        (said,) = told(world)
        assert said.startswith("Approved “orders producer”.")
        assert [line["action"] for line in await world.audit()].count("request:approved") == 1


async def test_t10_who_clicked_reads_at_once_that_latchkey_keeps_trying() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        breaks(world, "cloud.role_bindings")
        await world.click(Approve(R1), by=ERIN)
        await world.settle(timedelta(minutes=10))

        (said,) = told(world)
        assert "Latchkey will keep trying to approve “orders producer” until" in said
        world.plan.faults = {}
        await world.settle(timedelta(minutes=5))
        assert [text[:9] for text in told(world)[1:]] == ["Approved "]


async def test_t10_at_the_deadline_it_ends_and_is_said_to_have_ended() -> None:
    async with a_world() as world:
        await world.seed(build.pending(expires_at=world.clock() + HOUR))
        breaks(world, "people.profile")
        await world.click(Approve(R1), by=ERIN)
        await world.settle(DAY)

        assert isinstance(await world.state(), Expired)
        assert "Latchkey has stopped trying." in told(world)[-1]
        assert len(told(world)) == 2
        assert world.cloud.live() == []


async def test_t10_of_two_decisions_that_wait_the_newer_one_counts() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        breaks(world, "cloud.role_bindings")
        await world.click(Approve(R1), by=ERIN)
        await world.settle(timedelta(seconds=30))
        await world.click(Deny(R1, "on second thought"), by=ERIN)
        await world.settle(timedelta(minutes=1))
        world.plan.faults = {}
        await world.settle(timedelta(minutes=5))

        assert isinstance(await world.state(), Denied)
        assert world.cloud.live() == []
        assert "You decided on this request again after that click. Your later decision counts." in told(world)


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize("call", ["inbox.keep", "requests.commit", "notifier.say", "inbox.done"])
async def test_t10_killed_between_two_tries_it_is_still_carried_out_once_and_told(call: str, fault: Fault) -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        await world.work_now()
        world.plan.faults = {("people.profile", 0): Fault.ERROR_BEFORE, (call, 0): fault}
        world.plan.calls = []
        await world.click(Approve(R1), by=ERIN)
        await world.settle(timedelta(minutes=10))

        assert isinstance(await world.state(), Ready)
        assert len(world.cloud.live(R1)) == 1
        if any("Latchkey will keep trying" in text for text in told(world)):
            end = told(world)[-1]
            assert end.startswith("Approved “orders producer”.") or end.endswith("Your click changed nothing more.")
        assert [line["action"] for line in await world.audit()].count("request:approved") == 1


async def test_t10_a_newer_decision_that_succeeds_outranks_an_older_one_that_waits() -> None:
    async with a_world() as world:
        await world.seed(build.pending(terms=build.terms(approvals=2)))
        breaks(world, "cloud.role_bindings")
        await world.click(Deny(R1, "too early"), by=ERIN)
        await world.work_now()
        world.plan.faults = {}
        world.clock.advance(timedelta(seconds=1))
        await world.click(Approve(R1), by=ERIN)
        await world.work_now()
        await world.settle(timedelta(minutes=5))

        assert [each.by for each in approvals_of(await world.state())] == [ERIN]
        assert told(world)[1:] == ["You decided on this request again after that click. Your later decision counts."]


async def test_t10_a_cancel_whose_answer_was_lost_reads_that_it_happened() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        world.plan.faults = {("requests.commit", 0): Fault.ERROR_AFTER}
        world.plan.calls = []
        await world.click(Cancel(R1), by=DANA)
        await world.settle(timedelta(minutes=5))

        assert isinstance(await world.state(), Cancelled)
        assert [text for who, text in world.slack.said if who == DANA.slack][
            -1
        ] == "Cancelled “orders producer”. Nothing was created."


async def test_t10_a_replacement_whose_answer_was_lost_is_not_said_to_have_changed_nothing() -> None:
    async with a_world() as world:
        made = (build.an_ask(), build.terms(), build.a_grant(), 1, build.a_key())
        await world.seed(Undelivered(*made, why="Slack did not take it.", at=build.NOW, deleted_at=build.NOW))
        world.plan.faults = {("requests.commit", 0): Fault.ERROR_AFTER}
        world.plan.calls = []
        await world.click(Replace(R1, 1), by=DANA)
        await world.settle(timedelta(minutes=5))

        state = await world.state()
        assert isinstance(state, Ready)
        assert state.attempt == 2
        said = [text for who, text in world.slack.said if who == DANA.slack]
        assert not any("Nothing changed" in text for text in said), said
