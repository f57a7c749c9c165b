"""A key that is made at its requester's own click: permitted then, shown once, its secret never stored."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import Conflict, Unavailable
from bot.domain.keys import ApiKey, RequestId, Secret
from bot.domain.requests import Failed, Offered, Revealing, Working
from bot.services.keys.create import NOTHING_CHANGED
from bot.services.ports.cloud import NewKey
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, ERIN, NOW
from tests.support.fakes import FakeCloud, TestClock
from tests.support.faults import Fault

R1 = RequestId("R1")
MADE: tuple[Any, ...] = (build.an_ask(), build.terms(mint="on_claim"), build.a_grant(), 1)
OFFERED = Offered(*MADE, claim_by=NOW + build.DAY)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A key is offered to Dana."""
    async with a_world() as world:
        await world.seed(OFFERED)
        yield world


async def mint(world: World) -> Any:
    creation = world.start().delivery.creation
    stored = await creation.transitions.get(R1)
    offered = stored.value
    assert isinstance(offered, Offered)
    return await creation.mint(stored, offered, DANA.slack)


async def test_the_secret_is_in_the_hands_of_whoever_called_and_nowhere_else(world: World) -> None:
    stored, ready, secret = await mint(world)

    (minted,) = world.cloud.minted.values()
    assert isinstance(secret, Secret)
    assert (secret.reveal(), ready.key.id) == (minted.secret, minted.key.id)
    assert minted.key.description.endswith("[lk:R1/1]")
    assert isinstance(stored.value, Revealing)
    assert await world.state() == stored.value
    now = await world.store.requests.get(R1)
    assert now is not None
    assert await world.store.requests.secret(now) is None
    actions = [str(line["action"]) for line in await world.audit()]
    assert actions[1:] == ["key:create-intended", "key:created", "secret:show-intended"]


async def test_of_two_clicks_at_once_one_makes_a_key(world: World) -> None:
    made = await asyncio.gather(mint(world), mint(world), return_exceptions=True)

    assert len(world.cloud.live()) == 1
    assert [isinstance(each, Conflict) for each in made].count(True) == 1


async def test_what_is_no_longer_permitted_ends_the_request_without_a_key(world: World) -> None:
    world.cloud.bindings[ERIN.principal] = []

    said = await mint(world)

    assert NOTHING_CHANGED in said
    state = await world.state()
    assert isinstance(state, Failed)
    assert not state.offer_account, "a key of a service account would be refused as well"
    assert world.cloud.minted == {}


async def test_the_offer_stays_where_nothing_was_tried(world: World) -> None:
    world.plan.faults, world.plan.calls = {("cloud.role_bindings", 0): Fault.ERROR_BEFORE}, []

    with pytest.raises(Unavailable):
        await mint(world)
    assert await world.state() == OFFERED
    assert world.cloud.minted == {}


@pytest.mark.parametrize(
    ("fault", "state"), [(Fault.REFUSED_BEFORE, Failed), (Fault.ERROR_BEFORE, Working), (Fault.ERROR_AFTER, Working)]
)
async def test_a_create_that_fails_shows_nothing_and_leaves_no_key(world: World, fault: Fault, state: type) -> None:
    world.plan.faults, world.plan.calls = {("cloud.create_key", 0): fault}, []

    said = await mint(world)

    assert said == "The key couldn't be created. See the message about it for details."
    assert isinstance(await world.state(), state)
    world.plan.faults = {}
    await world.settle()
    assert world.cloud.live() == []


class Slow(FakeCloud):
    """A Confluent that takes so long that the attempt is taken for dead meanwhile."""

    world: World

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        made = await super().create_key(new)
        assert isinstance(self.clock, TestClock)
        state = await self.world.state()
        stored = await self.world.store.requests.get(R1)
        assert stored is not None
        assert isinstance(state, Working)
        lost = replace(state, clean=state.clean + 1)
        other = self.world.start().delivery.transitions
        await other.commit(await other.get(R1), lost)
        return made


async def test_a_key_of_an_attempt_that_was_taken_for_dead_is_deleted_at_once() -> None:
    async with a_world(cloud=Slow) as world:
        assert isinstance(world.cloud, Slow)
        world.cloud.world = world
        await world.seed(OFFERED)

        with pytest.raises(Conflict):
            await mint(world)

        assert world.cloud.live() == []
        assert [each.what for each in world.effects] == ["create", "delete"]
        assert world.shown() == []
