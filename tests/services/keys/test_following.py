"""The request that made a key follows what becomes of the key: ended, edited, extended; once, and no other key's."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.deadlines import CLOCKS_APART, end_of_life
from bot.domain.errors import Refused
from bot.domain.keys import ApiKey, RequestId
from bot.domain.requests import Ready, Request, Retired, Shown
from bot.services.commands import Show
from bot.services.keys.origin import Origin
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR, NOW

KEY = build.a_key()
FOREIGN = [
    replace(KEY, description="reads orders"),
    replace(KEY, description="reads orders [lk:R9/1]"),
    build.a_key("KEY0000000000002"),
]
"""Keys without a marker, with one of no request, and with one that was copied from the key that the request made."""
R9 = RequestId("R9")
SHOWN = build.shown(terms=build.terms(lifetime=30 * DAY), key=KEY)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def origin_of(world: World, request: Request = SHOWN) -> Origin:
    """The service, once this request is there."""
    await world.seed(request)
    return world.start().delivery.lifecycle.origin


@pytest.mark.parametrize("key", FOREIGN)
async def test_a_key_that_latchkey_did_not_make_moves_no_request(world: World, key: ApiKey) -> None:
    origin = await origin_of(world)

    await origin.ended(key, "It is gone.")
    await origin.edited(replace(key, name="other"))
    await origin.expires(replace(key, expires_at=NOW + DAY))
    assert not await origin.extended(key, NOW + 90 * DAY, R9)
    assert await origin.maker(key) is None
    assert await world.state() == SHOWN


@pytest.mark.parametrize("state", ["ready", "revealing", "shown", "confirmed"])
async def test_a_key_that_ended_ends_its_request_once(world: World, state: str) -> None:
    origin = await origin_of(world, build.states()[state])

    for why, by in (("It is gone.", DANA), ("It is gone again.", ERIN)):
        await origin.ended(KEY, why, by)

    ended = await world.state()
    assert isinstance(ended, Retired)
    assert (ended.why, ended.by, ended.deleted_at) == ("It is gone.", DANA, NOW)
    (line,) = [line for line in await world.audit() if line["action"] == "key:retired"]
    assert (line["actor"], line["details"]) == (DANA.slack, {"key": KEY.id, "why": "It is gone."})


async def test_the_secret_of_a_key_that_ended_is_gone(world: World) -> None:
    await world.seed(build.approved())
    await world.work_now()
    state = await world.state()
    assert isinstance(state, Ready)
    origin = world.start().delivery.lifecycle.origin

    await origin.ended(state.key, "It is gone.")

    stored = await world.store.requests.get(state.ask.id)
    assert stored is not None
    assert await world.store.requests.secret(stored) is None


@pytest.mark.parametrize("state", ["approved", "working", "undelivered", "retired", "failed"])
async def test_a_request_that_is_not_about_a_living_key_stays_as_it_is(world: World, state: str) -> None:
    before = build.states()[state]
    origin = await origin_of(world, before)

    await origin.ended(KEY, "It is gone.")
    await origin.edited(replace(KEY, name="other"))
    assert not await origin.extended(KEY, None, R9)
    assert await world.state() == before


async def test_an_edit_changes_the_texts_and_nothing_else(world: World) -> None:
    origin = await origin_of(world)
    edited = replace(KEY, name="orders v2", description="new [lk:R1/1]")

    await origin.edited(replace(edited, expires_at=NOW + HOUR, created_at=None))

    assert await world.state() == replace(SHOWN, key=edited)


async def test_an_edit_before_the_secret_is_viewed_is_on_record_and_the_secret_still_waits(world: World) -> None:
    await world.seed(build.approved())
    await world.work_now()
    state = await world.state()
    assert isinstance(state, Ready)
    origin = world.start().delivery.lifecycle.origin
    edited = replace(state.key, name="orders v2")

    await origin.edited(edited)

    assert await world.state() == replace(state, key=edited)
    await world.click(Show(state.ask.id, state.attempt))
    await world.work_now()
    assert world.shown() == [state.key.id]


async def test_the_end_that_confluent_tells_is_learned_where_it_is_yet_to_come(world: World) -> None:
    origin = await origin_of(world)

    for told, known in (
        (NOW - HOUR, None),
        (NOW + 9 * DAY, NOW + 9 * DAY),
        (NOW + 12 * DAY, NOW + 9 * DAY),
        (NOW + 6 * DAY, NOW + 6 * DAY),
    ):
        await origin.expires(replace(KEY, expires_at=told))
        state = await world.state()
        assert isinstance(state, Shown)
        assert state.key.expires_at == known


async def test_an_end_that_is_over_by_any_clock_is_forgotten(world: World) -> None:
    over = replace(SHOWN, key=replace(KEY, expires_at=NOW - CLOCKS_APART))
    origin = await origin_of(world, over)

    await origin.expires(KEY)

    assert await world.state() == SHOWN


@pytest.mark.parametrize("end", [NOW + 60 * DAY, None])
async def test_an_extension_moves_the_end_once_for_each_request(world: World, end: object) -> None:
    origin = await origin_of(world)
    until = NOW + 60 * DAY if end else None
    assert not await origin.was_extended(KEY, R9)

    assert await origin.extended(KEY, until, R9)
    assert await origin.extended(KEY, NOW + 90 * DAY, R9), "the same step once more, after a crash"

    state = await world.state()
    assert isinstance(state, Shown)
    assert end_of_life(state) == until
    assert await origin.was_extended(KEY, R9)
    assert not await origin.was_extended(KEY, RequestId("R8"))


async def test_an_extension_ends_no_key_earlier(world: World) -> None:
    origin = await origin_of(world)

    with pytest.raises(Refused):
        await origin.extended(KEY, NOW + 30 * DAY - HOUR, R9)
    assert await world.state() == SHOWN
    assert await origin.extended(KEY, NOW + 30 * DAY, R9)
