"""A secret is shown once, to the person who asked for it; and what they can do with it then."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.audit import SYSTEM
from bot.domain.errors import Conflict, Refused
from bot.domain.keys import KeyId, Person, Principal, RequestId, Secret
from bot.domain.policy import Mint
from bot.domain.requests import Confirmed, Ready, Request, Revealing, Shown, Undelivered
from bot.services.commands import Click, Deed, Replace, ReplyTo, Saved, Show
from bot.services.keys.reveal import Delivery
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, NOW
from tests.support.faults import Fault, Killed

R1 = RequestId("R1")
FIRST, SECOND = KeyId("KEY0000000000001"), KeyId("KEY0000000000002")
HERE = ReplyTo(response_url=Secret("https://hooks.slack.example/1"), channel="D01")
MOMENT = timedelta(seconds=1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Dana's key was made, and its secret waits."""
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        assert isinstance(await world.state(), Ready)
        yield world


@pytest.fixture
def delivery(world: World) -> Delivery:
    return world.start().delivery


def a_click(world: World, deed: Deed, by: Person = DANA, **fields: Any) -> Click:
    return build.a_click(deed, by, **{"at": world.clock(), "reply": HERE, **fields})


async def show(world: World, delivery: Delivery, attempt: int = 1, **fields: Any) -> str | None:
    deed = Show(R1, attempt)
    return await delivery.show(deed, a_click(world, deed, **fields))


async def actions(world: World) -> list[str]:
    return [str(line["action"]) for line in await world.audit()]


async def test_the_secret_goes_to_the_click_that_asked_for_it_and_once(world: World, delivery: Delivery) -> None:
    assert await show(world, delivery) is None
    again = await show(world, delivery)

    ((reply, handover),) = world.slack.handed
    assert (reply, handover.key.id, handover.owner) == (HERE, FIRST, build.ACCOUNT)
    assert handover.secret.reveal() == world.cloud.minted[FIRST].secret
    assert again is not None
    assert "It can't be shown again" in again
    assert isinstance(await world.state(), Shown)
    assert [each for each in await actions(world) if "show" in each] == ["secret:show-intended", "secret:shown"]


async def test_of_two_clicks_at_once_one_is_shown_the_secret(world: World, delivery: Delivery) -> None:
    other = world.start().delivery

    said = await asyncio.gather(show(world, delivery), show(world, other), return_exceptions=True)

    assert world.shown() == [FIRST]
    assert said.count(None) == 1
    assert all(isinstance(each, Conflict | str | None) for each in said)


async def test_nobody_else_is_shown_it_and_the_try_is_on_record(world: World, delivery: Delivery) -> None:
    with pytest.raises(Refused, match="Only the person who requested this key"):
        await show(world, delivery, by=ERIN)

    assert world.shown() == []
    assert isinstance(await world.state(), Ready)
    (line,) = [line for line in await world.audit() if line["action"] == "secret:show-refused"]
    why = "Only the person who requested this key can see its secret."
    assert (line["actor"], line["details"]) == (ERIN.slack, {"tried": "show", "reason": why})


@pytest.mark.parametrize(("by", "principal"), [(DANA, ERIN.principal), (ERIN, DANA.principal)])
async def test_another_confluent_user_by_now_and_another_slack_account_are_not_shown_it(
    world: World, delivery: Delivery, by: Person, principal: Principal
) -> None:
    world.policy = replace(world.policy, people={by.slack: principal})

    with pytest.raises(Refused, match="Only the person who requested this key"):
        await show(world, delivery, by=by)
    assert world.shown() == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"attempt": 2}, "is for an earlier key"),
        ({"at": NOW - timedelta(minutes=2) - MOMENT}, "Latchkey was restarting when you clicked"),
        ({"reply": ReplyTo(channel="D01")}, "Slack can't show it here"),
    ],
)
async def test_a_click_that_cannot_be_answered_with_a_secret_leaves_it_there(
    world: World, delivery: Delivery, fields: dict[str, Any], said: str
) -> None:
    assert said in str(await show(world, delivery, **fields))

    assert isinstance(await world.state(), Ready)
    assert await show(world, delivery, at=NOW - timedelta(minutes=2)) is None, "the next click has it"


async def test_it_can_be_taken_until_the_claim_is_over(world: World, delivery: Delivery) -> None:
    world.clock.now = NOW + DAY
    assert "has passed, and no key is left" in str(await show(world, delivery))

    world.clock.now -= MOMENT
    assert await show(world, delivery) is None


async def test_of_two_secrets_a_click_without_an_answer_is_told_of_both() -> None:
    async with a_world() as world:
        await world.seed(build.ready(ask=build.an_ask(also=build.REGISTRY)))
        delivery = world.start().delivery
        late = await show(world, delivery, at=NOW - timedelta(minutes=2) - MOMENT)
        elsewhere = await show(world, delivery, reply=ReplyTo(channel="D01"))
        world.clock.now = NOW + DAY
        over = await show(world, delivery)

    assert late == "Latchkey was restarting when you clicked. Select `Show secrets` again."
    assert elsewhere == "Slack can't show them here. Run `/apikey requests` and select `Show secrets`."
    assert str(over).startswith("The time to view these secrets has passed, and no key is left.")


async def test_a_secret_that_slack_did_not_take_is_given_up_with_its_key(world: World, delivery: Delivery) -> None:
    world.plan.faults, world.plan.calls = {("notifier.hand_over", 0): Fault.ERROR_BEFORE}, []
    assert await show(world, delivery) is None

    state = await world.state()
    assert isinstance(state, Undelivered)
    assert "Slack didn't accept" in state.why
    await world.work_now()
    assert world.cloud.live() == []
    assert "This secret can't be shown anymore" in str(await show(world, delivery))


@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
async def test_a_secret_that_nobody_knows_to_have_arrived_has_half_a_minute_to_do_so(mint: Mint) -> None:
    async with a_world() as world:
        await world.seed(replace(build.approved(), terms=build.terms(mint=mint)))
        await world.work_now()
        world.plan.faults, world.plan.calls = {("notifier.hand_over", 0): Fault.KILL_AFTER}, []
        with pytest.raises(Killed):
            await show(world, world.start().delivery)

        world.clock.advance(timedelta(seconds=30) - MOMENT)
        await world.work_now()
        assert (world.cloud.live(), type(await world.state())) == ([FIRST], Revealing)

        world.clock.advance(MOMENT)
        await world.work_now()
        assert (world.cloud.live(), type(await world.state())) == ([], Undelivered)


async def test_saved_removes_the_message_and_confirms_the_present_key_alone(world: World, delivery: Delivery) -> None:
    await show(world, delivery)

    for attempt, state in ((2, Shown), (1, Confirmed)):
        deed = Saved(R1, attempt)
        await delivery.saved(deed, a_click(world, deed))
        assert isinstance(await world.state(), state)
    assert world.slack.cleared == [HERE, HERE]


async def test_each_step_is_on_record_with_who_took_it_and_with_which_key(world: World, delivery: Delivery) -> None:
    before = len(await world.audit())
    await show(world, delivery)
    await delivery.saved(Saved(R1, 1), a_click(world, Saved(R1, 1)))
    await replaced(world, delivery)

    lines = [(str(line["action"]), line["actor"], dict(line["details"])) for line in (await world.audit())[before:]]
    assert lines[:5] == [
        ("secret:show-intended", DANA.slack, {"key": FIRST}),
        ("secret:shown", DANA.slack, {"key": FIRST}),
        ("secret:confirmed", DANA.slack, {"key": FIRST}),
        ("key:replacement-asked", DANA.slack, {"key": FIRST}),
        ("secret:undelivered", SYSTEM, {"key": FIRST, "why": "You requested another key in its place."}),
    ]


async def test_nobody_else_says_that_it_is_saved(world: World, delivery: Delivery) -> None:
    await show(world, delivery)
    deed = Saved(R1, 1)

    with pytest.raises(Refused, match="Only the person who requested this key"):
        await delivery.saved(deed, a_click(world, deed, by=ERIN))
    assert isinstance(await world.state(), Shown)
    assert world.slack.cleared == []


async def replaced(world: World, delivery: Delivery, attempt: int = 1, **fields: Any) -> Request:
    deed = Replace(R1, attempt)
    await delivery.replace(deed, a_click(world, deed, **fields))
    await world.work_now()
    return await world.state()


async def test_a_replaced_key_is_deleted_and_another_made_under_the_same_approval(
    world: World, delivery: Delivery
) -> None:
    await show(world, delivery)
    world.clock.now = NOW + DAY - MOMENT

    state = await replaced(world, delivery)

    assert isinstance(state, Ready)
    assert (state.attempt, state.key.id, world.cloud.live()) == (2, SECOND, [SECOND])
    assert world.slack.cleared == [HERE], "the first secret is of no use any more"


@pytest.mark.parametrize(
    ("after", "fields", "said"),
    [
        (DAY, {}, "nothing changed"),
        (MOMENT, {"attempt": 2}, "is for an earlier key"),
        (MOMENT, {"by": ERIN}, "Only the person who requested this key"),
    ],
)
async def test_a_key_stays_where_no_other_may_be_made(
    world: World, delivery: Delivery, after: timedelta, fields: dict[str, Any], said: str
) -> None:
    await show(world, delivery)
    world.clock.now = NOW + after

    with pytest.raises(Refused, match=said):
        await replaced(world, delivery, **fields)
    assert world.cloud.live() == [FIRST]
    assert isinstance(await world.state(), Shown)


async def test_a_key_whose_secret_waits_is_not_replaced(world: World, delivery: Delivery) -> None:
    with pytest.raises(Refused, match="Nothing changed"):
        await replaced(world, delivery)
    assert world.cloud.live() == [FIRST]
