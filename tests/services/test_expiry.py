"""Keys that Confluent itself ends: capped, reminded of, and ended without blaming anybody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.keys import ApiKey, KeyId, Kind, RequestId
from bot.domain.life import LOOK_EVERY
from bot.domain.requests import Done, Failed, Retired, Shown
from bot.services.clicks import Approve, Delete, Edit, Extend, Rotate, Show, fingerprint
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR

OLD = KeyId("KEY0000000000099")


async def a_key(world: World, lasts: timedelta | None, expires: timedelta | None, *, recorded: bool = True) -> ApiKey:
    """Dana's key, of which Confluent says when it ends; `recorded`: the record knows."""
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA, expires_at=build.NOW + expires if expires else None))
    known = key if recorded else replace(key, expires_at=None)
    await world.seed(Shown(build.an_ask(), build.terms(lifetime=lasts), build.a_grant(), 1, known, build.NOW))
    await world.work_now()
    return key


async def test_a_key_that_confluent_ends_first_is_reminded_of_and_ends_as_expired() -> None:
    async with a_world() as world:
        await a_key(world, 90 * DAY, 30 * DAY)

        await world.settle(30 * DAY + HOUR)

        ended = await world.state()
        assert isinstance(ended, Retired)
        assert (ended.why, ended.by) == ("It expired at Confluent Cloud.", None)
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

        request = RequestId(await world.click(Delete(OLD, "CONFIRM", "")))
        await world.work_now()

        assert await world.store.requests.get(request) is None
        await world.settle()
        ended = await world.state()
        assert isinstance(ended, Retired)
        assert ended.why == "It expired at Confluent Cloud."


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
        assert ended.why == "It expired at Confluent Cloud."


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
        assert "Confluent Cloud ends this key" in world.slack.said[-1][1]
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
