"""Keys that Confluent itself ends: capped, reminded of, and ended without blaming anybody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Literal

import pytest

from bot.domain.deadlines import end_of_life
from bot.domain.keys import ApiKey, KeyId, Marker, RequestId
from bot.domain.kinds import Kind
from bot.domain.requests import LOOK_EVERY, Done, Failed, Keyed, Offered, Ready, Retired, Shown
from bot.services.commands import Approve, Delete, Edit, Extend, Rotate, Show, fingerprint
from bot.services.keys.expiry import Backstop
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.faults import Fault, Plan

OLD = KeyId("KEY0000000000099")


async def a_key(world: World, lasts: timedelta | None, expires: timedelta | None, *, recorded: bool = True) -> ApiKey:
    """Dana's key, of which Confluent says when it ends; `recorded`: the record knows."""
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA, expires_at=build.NOW + expires if expires else None))
    known = key if recorded else replace(key, expires_at=None)
    await world.seed(build.shown(terms=build.terms(lifetime=lasts), key=known))
    await world.work_now()
    return key


async def test_a_key_that_confluent_ends_first_is_reminded_of_and_ends_as_expired() -> None:
    async with a_world() as world:
        await a_key(world, 90 * DAY, 30 * DAY)

        await world.settle(30 * DAY + HOUR)

        ended = await world.state()
        assert isinstance(ended, Retired)
        assert (ended.why, ended.by) == ("It expired in Confluent Cloud.", None)
        assert ended.deleted_at is not None
        surfaces = [versions[0][0] for versions in world.slack.messages.values()]
        assert [each.rpartition(":")[2] for each in surfaces if each.startswith("reminder")] == ["1", "2", "3"]
        await check_audit(world)


async def test_what_confluent_says_of_its_end_is_taken_into_the_record() -> None:
    async with a_world() as world:
        await a_key(world, None, 90 * DAY, recorded=False)

        await world.settle(LOOK_EVERY + HOUR)

        state = await world.state()
        assert isinstance(state, Shown)
        assert state.key.expires_at == build.NOW + 90 * DAY


async def test_a_key_that_expired_unseen_is_not_said_to_be_deleted_by_anybody() -> None:
    async with a_world() as world:
        await a_key(world, None, 3 * DAY)
        world.clock.now += 3 * DAY

        request = RequestId(await world.click(Delete(OLD, "CONFIRM", "It is no longer used")))
        await world.work_now()

        assert await world.store.requests.get(request) is None
        await world.settle()
        ended = await world.state()
        assert isinstance(ended, Retired)
        assert ended.why == "It expired in Confluent Cloud."


async def test_a_change_that_comes_after_the_expiry_says_so() -> None:
    """Asked for before, carried out after: the key is gone, and nobody deleted it."""
    async with a_world() as world:
        key = await a_key(world, None, 10 * HOUR)
        (minted,) = world.cloud.minted.values()
        deed = Edit(OLD, "another", "reads orders", fingerprint(key.name, "reads orders"), "Because")
        request = RequestId(await world.click(deed))
        await world.work_now()
        world.clock.now += 9 * HOUR + HOUR / 2
        minted.deleted_at = world.clock()  # Confluent's clock is ahead of ours

        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        assert isinstance(await world.state(request), Failed)
        ended = await world.state()
        assert isinstance(ended, Retired)
        assert ended.why == "It expired in Confluent Cloud."


@pytest.mark.parametrize(("after", "how"), [(9 * HOUR + HOUR / 2, "has expired"), (HOUR, "was deleted")])
async def test_a_rotation_that_comes_after_the_end_of_its_key_says_which_end_it_was(after: timedelta, how: str) -> None:
    async with a_world() as world:
        await a_key(world, None, 10 * HOUR)
        (minted,) = world.cloud.minted.values()
        request = RequestId(await world.click(Rotate(OLD, "orders 2", "", "It leaked", 0, "")))
        await world.work_now()
        world.clock.now += after
        minted.deleted_at = world.clock()

        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        failed = await world.state(request)
        assert isinstance(failed, Failed)
        assert f"{how} in the meantime, so it wasn't replaced." in failed.happened


@pytest.mark.parametrize(("lifetime", "end"), [("30", 12 * DAY), ("7", 7 * DAY + 5 * DAY), ("", 12 * DAY)])
async def test_an_extension_promises_no_more_than_confluent_does(lifetime: str, end: timedelta) -> None:
    async with a_world() as world:
        await a_key(world, 7 * DAY, 12 * DAY)
        world.clock.now += 5 * DAY

        request = RequestId(await world.click(Extend(OLD, "Still needed", lifetime)))
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        assert isinstance(await world.state(request), Done), world.slack.said
        state = await world.state()
        assert isinstance(state, Shown)
        assert state.life.ends_at == build.NOW + end


async def test_a_key_whose_end_confluent_keeps_cannot_be_extended_and_is_to_be_rotated() -> None:
    async with a_world() as world:
        await a_key(world, 7 * DAY, 7 * DAY)

        request = RequestId(await world.click(Extend(OLD, "Still needed", "30")))
        await world.work_now()

        assert await world.store.requests.get(request) is None
        assert "Confluent Cloud deletes this key" in world.slack.said[-1][1]
        assert "Rotate it instead" in world.slack.said[-1][1]


async def test_a_rotated_key_is_promised_no_longer_than_it_lasts_at_confluent() -> None:
    async with a_world() as world:
        await a_key(world, None, 2 * DAY)

        request = RequestId(await world.click(Rotate(OLD, "orders 2", "", "It leaked", 5, "")))
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        await world.work_now()
        await world.click(Show(request, 1))
        await world.work_now()

        state = await world.state(request)
        assert isinstance(state, Shown), world.slack.said
        assert state.life.former is not None
        assert state.life.former.until == build.NOW + 2 * DAY


LIMITED = build.terms(lifetime=7 * DAY)


async def created(world: World, *, mint: str = "on_approval") -> Keyed:
    """A key with a lifetime, from its approval by it is there."""
    world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
    terms = replace(LIMITED, mint="on_claim" if mint == "on_claim" else "on_approval")
    await world.seed(build.approved(terms=terms))
    await world.work_now()
    if mint == "on_claim":
        await world.click(Show(RequestId("R1"), 1))
        await world.work_now()
    state = await world.state()
    assert isinstance(state, Keyed), (state, world.slack.said)
    return state


async def known(world: World) -> str:
    return await Backstop(world.store.cache, world.clock).known()


@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
@pytest.mark.parametrize("answer", ["honored", "ignored", "refused"])
async def test_a_key_with_a_lifetime_is_created_whatever_the_api_does_with_an_expiry(
    answer: Literal["honored", "ignored", "refused"], mint: str
) -> None:
    async with a_world() as world:
        world.cloud.expiry = answer

        state = await created(world, mint=mint)

        expires = build.NOW + 14 * DAY if answer == "honored" else None
        assert state.key.expires_at == expires
        assert len(world.cloud.minted) == 1
        assert end_of_life(state) == build.NOW + 7 * DAY
        assert await known(world) == answer
        await check_audit(world)


async def test_a_refused_create_is_repeated_once_under_a_marker_of_its_own_and_not_provoked_again() -> None:
    async with a_world() as world:
        world.cloud.expiry = "refused"

        state = await created(world)

        assert state.attempt == 2
        assert Marker.find(state.key.description) == Marker(RequestId("R1"), 2)
        markers = [
            (line["action"], line["details"]["marker"]) for line in await world.audit() if "marker" in line["details"]
        ]
        assert markers == [
            ("key:create-intended", "[lk:R1/1]"),
            ("key:create-refused", "[lk:R1/1]"),
            ("key:create-intended", "[lk:R1/2]"),
            ("key:created", "[lk:R1/2]"),
        ]

        another = build.an_ask(id=RequestId("R2"))
        await world.seed(build.approved(ask=another, terms=LIMITED))
        await world.work_now()
        second = await world.state("R2")
        assert isinstance(second, Ready)
        assert second.attempt == 1


async def test_a_refusal_is_tried_again_after_a_day_and_told_of_for_a_month() -> None:
    async with a_world() as world:
        world.cloud.expiry = "refused"
        await created(world)
        approved = build.approved(terms=LIMITED)
        backstop = Backstop(world.store.cache, world.clock)
        assert await backstop.wanted(approved) is None

        world.clock.now += 2 * DAY
        assert await backstop.wanted(approved) is not None
        assert await backstop.known() == "refused"
        world.clock.now += 29 * DAY
        assert await backstop.known() == ""


async def test_a_create_that_is_refused_for_something_else_blames_nothing_on_the_expiry() -> None:
    refused: dict[int | tuple[str, int], Fault] = {("cloud.create_key", nth): Fault.REFUSED_BEFORE for nth in (0, 1)}
    async with a_world(Plan(refused)) as world:
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
        await world.seed(build.approved(terms=LIMITED))
        await world.work_now()

        assert isinstance(await world.state(), Failed)
        assert await known(world) == ""


async def test_a_key_without_a_lifetime_asks_confluent_for_no_end() -> None:
    async with a_world() as world:
        world.cloud.expiry = "honored"
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
        await world.seed(build.approved())
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Ready)
        assert state.key.expires_at is None
        assert await known(world) == ""


@pytest.mark.search
@pytest.mark.parametrize(
    ("answer", "call", "nth"),
    [
        each
        for each in product(
            ["honored", "ignored", "refused"], ["cloud.create_key", "requests.commit", "cache.put"], [0, 1]
        )
        if each[0] == "refused" or each[1:] != ("cloud.create_key", 1)  # only a refused one is followed by a second one
    ],
)
@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_one_key_at_most_comes_of_it_whatever_crashes(
    answer: Literal["honored", "ignored", "refused"], nth: int, call: str, fault: Fault
) -> None:
    async with a_world(Plan({(call, nth): fault})) as world:
        world.cloud.expiry = answer
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
        await world.seed(build.approved(terms=LIMITED))

        await world.settle(2 * HOUR)

        assert world.plan.calls.count(call) > nth
        state = await world.state()
        assert isinstance(state, Ready), state
        assert world.cloud.live() == [state.key.id]
        await check_audit(world)


NO_ENDS = [datetime.min.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), build.NOW]
"""What may be told in place of "never", and an end that is over."""


@pytest.mark.parametrize("told", [*NO_ENDS, datetime.max.replace(tzinfo=UTC)])
async def test_an_end_that_is_over_deletes_no_key_that_is_there(told: datetime) -> None:
    async with a_world() as world:
        key = await a_key(world, None, None)
        world.cloud.told = told
        world.cloud.minted[OLD].key = replace(key, expires_at=told)

        await world.settle(2 * LOOK_EVERY + DAY)

        assert isinstance(await world.state(), Shown)
        assert world.cloud.live() == [OLD]


@pytest.mark.parametrize("told", NO_ENDS)
async def test_a_recorded_end_that_did_not_come_is_forgotten_and_ends_nothing(told: datetime) -> None:
    async with a_world() as world:
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        key = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))
        world.cloud.told = told
        recorded = replace(key, expires_at=told if told < build.NOW else build.NOW + 3 * DAY)
        await world.seed(build.shown(key=recorded))

        await world.settle(LOOK_EVERY + DAY)

        state = await world.state()
        assert isinstance(state, Shown)
        assert state.key.expires_at is None
        assert world.cloud.live() == [OLD]


@pytest.mark.parametrize("told", NO_ENDS)
async def test_a_create_that_tells_an_end_that_is_over_makes_a_key_that_can_be_shown(told: datetime) -> None:
    async with a_world() as world:
        world.cloud.told = told
        state = await created(world)
        await world.click(Show(RequestId("R1"), 1))
        await world.work_now()

        await world.settle(DAY)

        assert isinstance(await world.state(), Shown)
        assert world.cloud.live() == [state.key.id]


@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_a_request_asks_once_for_an_end_that_is_refused_whatever_its_next_create_meets(
    fault: Fault, mint: Literal["on_approval", "on_claim"]
) -> None:
    async with a_world(Plan({("cloud.create_key", 1): fault})) as world:
        world.cloud.expiry = "refused"
        world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN)]
        await world.seed(build.approved(terms=replace(LIMITED, mint=mint)))
        await world.work_now()
        if mint == "on_claim":
            await world.click(Show(RequestId("R1"), 1))
        await world.settle(HOUR)
        state = await world.state()
        if isinstance(state, Offered):
            await world.click(Show(RequestId("R1"), state.attempt))
            await world.settle(HOUR)

        state = await world.state()
        assert isinstance(state, Keyed), state
        assert world.cloud.live() == [state.key.id]
        assert [line["action"] for line in await world.audit()].count("key:create-refused") == 1
        assert await known(world) == "refused"


@pytest.mark.parametrize("lands_after", [timedelta(), timedelta(minutes=2)])
async def test_a_refusal_that_had_its_effect_leaves_no_second_key(lands_after: timedelta) -> None:
    async with a_world() as world:
        world.cloud.expiry = "refused too late"
        world.cloud.landing = [lands_after]
        state = await created(world)

        await world.settle(HOUR)

        assert world.cloud.live() == [state.key.id]
