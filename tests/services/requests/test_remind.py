"""Who is told that a request waits, in which round, and when the next one is."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.approvals import NOBODY
from bot.domain.errors import Conflict, Unavailable
from bot.domain.keys import Person, RequestId, SlackUserId
from bot.domain.requests import Pending
from bot.services.people.candidates import MOST_TOLD
from bot.services.requests.remind import MOST_NAMED, Reminders, first_round, next_round
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, ERIN, FEMI, HOUR, NOW, OTTO
from tests.support.composed import may_approve
from tests.support.faults import Fault

R1 = RequestId("R1")
TERMS = build.terms(remind=(HOUR, 2 * HOUR, 4 * HOUR))
NAMING = replace(TERMS, notify=("S01", ERIN.slack, OTTO.slack))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def waiting(rounds: int = 1, *approvers: Person, **fields: object) -> Pending:
    given = tuple(build.an_approval(each) for each in approvers)
    return build.pending(**{"terms": TERMS, "rounds": rounds, "approvals": given, **fields})


async def tell(world: World, pending: Pending) -> Pending:
    """Send the round that is due, and return what is on record then."""
    services = world.start().services
    reminders = Reminders(services.transitions, services.directory, services.forms.candidates)
    if await services.transitions.find(R1) is None:
        await world.seed(pending)
    await reminders.tell(await services.transitions.get(R1), pending)
    state = await world.state()
    assert isinstance(state, Pending)
    return state


async def test_a_round_reminds_all_who_can_decide_and_not_the_requester(world: World) -> None:
    may_approve(world.cloud, DANA)

    assert (await tell(world, waiting())).told == (f"{ERIN.slack}:1", f"{FEMI.slack}:1")


async def test_who_approved_is_not_reminded_whatever_the_slack_account(world: World) -> None:
    double = replace(ERIN, slack=SlackUserId("U0ERIN2"))

    assert (await tell(world, waiting(1, double))).told == (f"{FEMI.slack}:1",)


async def test_each_round_is_added_to_those_before_it(world: World) -> None:
    first = await tell(world, waiting(told=("U0ERIN:0",)))
    world.clock.now = NOW + 2 * HOUR

    assert (await tell(world, first)).told == ("U0ERIN:0", "U0ERIN:1", "U0FEMI:1", "U0ERIN:2", "U0FEMI:2")


async def test_of_those_whom_the_rule_names_each_who_can_decide_is_told_once(world: World) -> None:
    world.slack.groups["S01"] = [FEMI.slack, ERIN.slack, DANA.slack, SlackUserId("U0GONE")]

    assert (await tell(world, waiting(0, terms=NAMING))).told == (f"{FEMI.slack}:0", f"{ERIN.slack}:0")


async def test_whom_the_rule_names_is_not_told_after_an_approval_from_another_slack_account(world: World) -> None:
    double = replace(ERIN, slack=SlackUserId("U0ERIN2"))

    assert (await tell(world, waiting(0, double, terms=NAMING))).told == ()


async def test_the_round_of_those_named_tells_nobody_else(world: World) -> None:
    named = replace(TERMS, notify=(OTTO.slack,))

    state = await tell(world, waiting(0, terms=named))
    assert (state.told, state.rounds, state.next_round) == ((), 1, NOW + HOUR)


async def test_a_round_tells_so_many_at_most(world: World) -> None:
    many = [build.a_person(f"Ada{number}") for number in range(MOST_NAMED + 1)]
    world.cloud.people += many
    world.slack.people += many
    may_approve(world.cloud, *many)
    world.slack.groups["S01"] = [each.slack for each in many]

    assert (await tell(world, waiting(0, terms=NAMING))).told == tuple(f"{each.slack}:0" for each in many[:MOST_NAMED])


async def test_the_people_closest_to_the_key_are_told_when_the_search_took_too_long_for_the_card(world: World) -> None:
    state = await tell(world, waiting(0))

    assert (state.told, state.rounds) == ((f"{ERIN.slack}:0", f"{FEMI.slack}:0"), 1)


async def test_each_reminder_reaches_more_people_and_none_reaches_all_of_very_many(world: World) -> None:
    many = [build.a_person(f"Ada{number}") for number in range(4 * MOST_TOLD)]
    world.cloud.people += many
    world.slack.people += many
    may_approve(world.cloud, *many)

    first = await tell(world, waiting())
    world.clock.now = NOW + 2 * HOUR
    second = await tell(world, first)
    reached = [{each.partition(":")[0] for each in second.told if each.endswith(f":{number}")} for number in (1, 2)]
    assert [len(each) for each in reached] == [2 * MOST_TOLD, 3 * MOST_TOLD]
    assert reached[0] < reached[1]


async def test_nobody_is_told_under_a_policy_that_has_become_silent(world: World) -> None:
    assert (await tell(world, waiting(0, terms=replace(TERMS, notify=NOBODY)))).told == ()


@pytest.mark.parametrize(
    ("after", "rounds", "due"),
    [
        (HOUR, 2, 2 * HOUR),
        (2 * HOUR - timedelta(seconds=1), 2, 2 * HOUR),
        (2 * HOUR, 3, 4 * HOUR),  # the second round is due at this moment: one message is enough
        (3 * HOUR, 3, 4 * HOUR),
        (9 * HOUR, 4, None),
    ],
)
async def test_rounds_that_were_slept_through_are_one(
    world: World, after: timedelta, rounds: int, due: timedelta | None
) -> None:
    world.clock.now = NOW + after

    state = await tell(world, waiting())
    assert (state.rounds, state.next_round) == (rounds, due and NOW + due)
    assert {each.partition(":")[2] for each in state.told} == {"1"}


async def test_a_group_that_cannot_be_read_leaves_the_round_to_be_sent(world: World) -> None:
    pending = waiting(0, terms=NAMING)
    await world.seed(pending)
    world.plan.faults, world.plan.calls = {("people.members", 0): Fault.ERROR_BEFORE}, []

    with pytest.raises(Unavailable):
        await tell(world, pending)
    assert await world.state() == pending


async def test_nobody_is_told_of_what_somebody_else_changed_at_that_moment(world: World) -> None:
    await world.seed(waiting())
    services = world.start().services
    seen = await services.transitions.get(R1)
    approved = replace(waiting(), approvals=(build.an_approval(FEMI),))
    await services.transitions.commit(seen, approved)

    reminders = Reminders(services.transitions, services.directory, services.forms.candidates)
    with pytest.raises(Conflict):
        await reminders.tell(seen, waiting())
    assert await world.state() == approved


def test_the_first_round_is_for_those_named_and_the_last_is_the_last_of_the_rule() -> None:
    silent = replace(TERMS, notify=NOBODY)
    told = [first_round(each, is_told=True) for each in (NAMING, TERMS, silent)]
    untold = [first_round(each, is_told=False) for each in (NAMING, TERMS, silent)]
    assert (told, untold) == ([0, 1, 1], [0, 0, 1])
    assert [next_round(NAMING, NOW, number) for number in range(5)] == [
        NOW,
        *(NOW + each for each in TERMS.remind),
        None,
    ]
    assert next_round(build.terms(remind=()), NOW, 1) is None
