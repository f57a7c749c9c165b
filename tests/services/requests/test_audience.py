"""The people who are told of a new request, on its card or in a message of their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.approvals import NOBODY
from bot.domain.authority import Target
from bot.domain.errors import Unavailable
from bot.domain.keys import Person, Principal, RequestId, SlackUserId
from bot.domain.policy import Policy, RoleMapping
from bot.domain.requests import Pending
from bot.services.browse.rights import rights
from bot.services.commands import Check, Draft, Send
from bot.services.pages import ReviewPage
from bot.services.people.candidates import MOST_TOLD, Candidate, closest
from bot.services.people.remembered import KEPT
from bot.services.requests import audience
from bot.store.codec import REQUEST_JSON
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, HOUR, NOW, OTTO
from tests.support.composed import may_approve
from tests.support.faults import Fault, Plan

CHANNEL = "C01"
DRAFT = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders", "", "for tests", account=ACCOUNT.id)
ORGANIZATION = build.crn()
AT = {
    "account": f"{ORGANIZATION}/service-account={ACCOUNT.id}",
    "cluster": f"{build.DEV}/cloud-cluster={CLUSTER.id}",
    "environment": build.DEV,
    "every environment": f"{ORGANIZATION}/environment=*",
    "organization": ORGANIZATION,
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def sent(world: World, form: str = "D1") -> Pending:
    """Dana sends a request; returns it as it is stored."""
    await world.store.drafts.put(form, DANA.slack, DRAFT)
    await world.start().forms.send(sending := Send(form), build.a_click(sending, at=world.clock(), anyway=True))
    state = await world.state(form)
    assert isinstance(state, Pending)
    return state


def messaged(pending: Pending) -> list[SlackUserId]:
    return [user for user, number in pending.asked if number == 0]


def hold(world: World, person: Person, role: str, place: str) -> None:
    world.cloud.bindings[person.principal] = [build.a_binding(person, role, AT[place])]


async def test_members_of_the_channel_are_mentioned_and_others_get_a_message(world: World) -> None:
    world.slack.joined_by[CHANNEL] = [DANA.slack, FEMI.slack, OTTO.slack]
    request = await sent(world)

    assert (request.mentioned, messaged(request)) == ((FEMI.slack,), [ERIN.slack])
    assert (request.rounds, request.next_round) == (1, NOW + 4 * HOUR)


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_everyone_gets_a_message_while_slack_does_not_say_who_is_in_the_channel(
    world: World, fault: Fault
) -> None:
    world.slack.joined_by[CHANNEL] = [ERIN.slack, FEMI.slack]
    world.plan.faults = {("people.joined", 0): fault}
    request = await sent(world)

    assert (request.mentioned, messaged(request)) == ((), [ERIN.slack, FEMI.slack])


async def test_the_members_of_a_channel_are_read_once_in_a_while(world: World) -> None:
    for number in range(3):
        await sent(world, f"D{number}")
    assert world.plan.calls.count("people.joined") == 1

    world.clock.now += KEPT
    await sent(world, "D3")
    assert world.plan.calls.count("people.joined") == 2


async def test_those_closest_to_the_key_are_told_and_never_the_requester(world: World) -> None:
    people = {
        "account": [DANA, OTTO],
        "cluster": [ERIN],
        "environment": [FEMI],
        "organization": [build.a_person(f"Ada{number}") for number in range(9)],
    }
    others = people["organization"]
    world.cloud.people += others
    world.slack.people += others
    roles = {"account": "ResourceOwner", "cluster": "CloudClusterAdmin", "environment": "EnvironmentAdmin"}
    for place, holders in people.items():
        for each in holders:
            hold(world, each, roles.get(place, "OrganizationAdmin"), place)

    told = messaged(await sent(world))
    assert told[:3] == [OTTO.slack, ERIN.slack, FEMI.slack]
    assert len(told) == MOST_TOLD
    assert set(told[3:]) <= {each.slack for each in others}

    world.clock.now += HOUR
    another = messaged(await sent(world, "D2"))
    assert another[:3] == told[:3]
    assert another[3:] != told[3:], "another request tells others of those who are equally close"


async def test_the_review_page_names_those_who_are_told_and_counts_the_others(world: World) -> None:
    others = [build.a_person(f"Ada{number}") for number in range(9)]
    world.cloud.people += others
    world.slack.people += others
    for each in others:
        hold(world, each, "OrganizationAdmin", "organization")
    page = await world.start().services.forms.check(Check(DRAFT), build.a_click(Check(DRAFT), id="D1"))

    told = {*messaged(await sent(world))}
    assert isinstance(page, ReviewPage)
    named = {name for right in page.approvers for name in right.names}
    assert named == {each.name for each in (ERIN, FEMI, *others) if each.slack in told}
    assert sum(right.more for right in page.approvers) == len(others) + 2 - MOST_TOLD


def test_rights_of_people_who_are_told_come_first_because_a_page_lists_only_some() -> None:
    people = [Candidate(SlackUserId(f"U{n}"), Principal(f"u-{n}"), f"role {n}", f"Ada{n}") for n in range(12)]

    found = rights(people, RequestId("D1"))

    assert [len(each.names) for each in found] == [1] * MOST_TOLD + [0] * (12 - MOST_TOLD)


async def test_people_with_several_roles_count_by_the_closest_one(world: World) -> None:
    roles = [
        ("OrganizationAdmin", "organization"),
        ("CloudClusterAdmin", "cluster"),
        ("EnvironmentAdmin", "environment"),
    ]
    world.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, role, AT[place]) for role, place in roles]

    assert messaged(await sent(world)) == [FEMI.slack, ERIN.slack]


async def test_people_who_cannot_approve_are_not_told(world: World) -> None:
    world.policy = replace(
        world.policy,
        mappings=(RoleMapping(OTTO.slack, "OrganizationAdmin"), RoleMapping("U0GONE", "OrganizationAdmin")),
    )
    stranger = build.a_person("Nora")
    world.cloud.people.append(stranger)  # at Confluent, and not in Slack
    may_approve(world.cloud, ERIN, FEMI, stranger)

    assert messaged(await sent(world)) == [ERIN.slack, FEMI.slack, OTTO.slack]


@pytest.mark.parametrize(("notify", "rounds"), [(NOBODY, 1), ((FEMI.slack,), 0)])
async def test_a_rule_that_says_whom_to_tell_has_no_one_else_told(
    world: World, notify: tuple[str, ...], rounds: int
) -> None:
    world.policy = Policy((build.a_rule(notify=notify),))
    request = await sent(world)

    assert (request.mentioned, request.told, request.rounds) == ((), (), rounds)
    assert "people.joined" not in world.plan.calls


async def test_a_request_whose_search_fails_is_sent_and_tells_people_once_they_are_known(world: World) -> None:
    world.slack.joined_by[CHANNEL] = [ERIN.slack, FEMI.slack]
    world.plan.faults = {("people.by_email", 0): Fault.ERROR_BEFORE}
    request = await sent(world)
    assert (request.mentioned, request.told, request.rounds, request.next_round) == ((), (), 0, NOW)

    await world.work_now()
    after = await world.state("D1")
    assert isinstance(after, Pending)
    assert (after.mentioned, messaged(after), after.rounds) == ((), [ERIN.slack, FEMI.slack], 1)
    copies = [versions[0][0] for versions in world.slack.messages.values() if versions[0][0].startswith("copy")]
    assert sorted(copies) == [f"copy:{ERIN.slack}:0", f"copy:{FEMI.slack}:0"]


async def test_a_search_that_takes_too_long_holds_up_no_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forever = asyncio.Event()

    async def slow(_: str) -> None:
        await forever.wait()

    monkeypatch.setattr(type(world.slack), "by_email", lambda _, email: slow(email))
    monkeypatch.setattr(audience, "SEARCHED_WITHIN", 0.01)
    request = await sent(world)

    assert (request.told, request.rounds) == ((), 0)


async def test_slack_is_asked_once_in_a_while_for_people_who_are_looked_for_again_and_again(world: World) -> None:
    for number in range(3):
        await sent(world, f"D{number}")
        world.clock.now += 2 * HOUR / 60  # what was found is kept for a minute
    assert world.plan.calls.count("people.by_email") == 2


async def test_what_slack_does_not_say_is_not_remembered(world: World) -> None:
    world.plan.faults = {("people.by_email", 0): Fault.ERROR_BEFORE}
    service = world.start().services.forms.candidates

    with pytest.raises(Unavailable):
        await service.of(Target(ACCOUNT, CLUSTER), DANA)
    assert len(await service.of(Target(ACCOUNT, CLUSTER), DANA)) == 2


# --- whatever fails ---------------------------------------------------------------------------------------------------


async def told_whatever_fails(faults: Mapping[int | tuple[str, int], Fault]) -> None:
    """Dana sends a request while something fails; everyone is told, and by one message each but for lost answers."""
    plan = Plan(faults)
    async with a_world(plan) as world:
        world.slack.joined_by[CHANNEL] = [FEMI.slack]
        await world.store.drafts.put("D1", DANA.slack, DRAFT)
        world.start()
        await world.click(Send("D1"))
        await world.settle(HOUR)

        state = await world.state("D1")
        assert isinstance(state, Pending)
        told = [*state.mentioned, *messaged(state)]
        assert sorted(told) == sorted({ERIN.slack, FEMI.slack}), "each once, and in one way"
        posted = [versions[0][0] for versions in world.slack.messages.values()]
        expected = {"card", "asked", *(f"copy:{user}:0" for user in messaged(state))}
        assert set(posted) == expected
        # A fault around a post may have it posted twice, for Slack has no way to post one once; a process that was
        # paused before them all posts all of them again.
        assert all(posted.count(surface) <= 1 + len(faults) for surface in expected)


@pytest.mark.search
@given(st.dictionaries(st.integers(0, 70), st.sampled_from(Fault), max_size=3))
@settings(max_examples=40)
def test_everyone_is_told_once_whatever_fails(faults: dict[int | tuple[str, int], Fault]) -> None:
    asyncio.run(told_whatever_fails(faults))


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize(
    "where", [("requests.commit", 0), ("notifier.publish", 0), ("notifier.publish", 2), ("posts.put", 2)]
)
async def test_a_killed_process_has_nobody_told_anew(where: tuple[str, int], fault: Fault) -> None:
    await told_whatever_fails({where: fault})


async def test_a_request_of_the_version_before_has_nobody_told_anew(world: World) -> None:
    before = json.loads(REQUEST_JSON.dump_json(build.pending(rounds=1)))
    for later in ("mentioned", "said", "forget_at"):
        del before[later]
    old = REQUEST_JSON.validate_python(before)
    assert old == build.pending(rounds=1)

    await world.seed(old)
    world.start()
    await world.settle(20 * HOUR)
    assert [versions[0][0] for versions in world.slack.messages.values()] == ["card", "asked"]


# --- the choice -------------------------------------------------------------------------------------------------------

candidates = st.lists(
    st.builds(
        Candidate,
        slack=st.none() | st.integers(0, 99).map(lambda number: SlackUserId(f"U{number}")),
        principal=st.integers(0, 10**6).map(lambda number: Principal(f"u-{number}")),
        basis=st.just(""),
        distance=st.integers(0, 4),
    ),
    max_size=40,
    unique_by=lambda each: each.principal,
)


@given(candidates, st.text(max_size=8), st.integers(1, 8))
def test_nobody_is_told_while_someone_closer_is_not(found: Sequence[Candidate], request: str, most: int) -> None:
    told = closest(found, RequestId(request), most)
    others = [each for each in found if each not in told and each.slack is not None]

    assert len(told) == min(most, sum(each.slack is not None for each in found))
    assert all(each.slack is not None for each in told)
    assert all(one.distance <= other.distance for one in told for other in others)
    assert [each for each in found if each in told] == list(told), "in the order of the people who could approve"
    assert closest(list(reversed(found)), RequestId(request), most) == list(reversed(told)), "whatever their order"
