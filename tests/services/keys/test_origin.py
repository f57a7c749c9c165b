"""A key deleted outside Latchkey is missed by anyone who looks, and its requester is told once that is sure."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import NotFound
from bot.domain.keys import RequestId
from bot.domain.kinds import Kind
from bot.domain.requests import LOOK_EVERY, Retired, Shown
from bot.services.agenda import Item, ItemKind
from tests.services.world import World, a_world
from tests.support import build


async def looked(world: World, *, after: timedelta = timedelta(hours=1)) -> None:
    """As when someone's Home missed the key of the request R1."""
    world.clock.advance(after)
    await world.start().services.origin.look(Item(ItemKind.GONE, "R1"))
    await world.work_now()


async def with_a_key(world: World) -> None:
    key = world.cloud.add(build.a_key(kind=Kind.KAFKA))
    await world.seed(build.shown(key=key))
    await world.work_now()


async def test_a_key_deleted_elsewhere_is_said_to_be_gone_in_a_message_of_its_own() -> None:
    async with a_world() as world:
        await with_a_key(world)
        (minted,) = world.cloud.minted.values()
        minted.deleted_at = world.clock()

        await looked(world)

        state = await world.state()
        assert isinstance(state, Retired)
        assert state.why == "Someone deleted it outside Latchkey."
        assert "end" in {versions[0][0] for versions in world.slack.messages.values()}
        assert [line["action"] for line in await world.audit()][-2:] == ["key:found-gone", "key:retired"]


async def test_a_key_without_an_end_is_looked_for_each_month_though_nobody_misses_it() -> None:
    """Confluent tells nobody of a key that is deleted; and a record must not be forgotten while its key lives."""
    async with a_world() as world:
        await with_a_key(world)
        posted = len(world.slack.messages)

        await world.settle(13 * LOOK_EVERY)

        state = await world.state()
        assert isinstance(state, Shown)
        assert state.life.looked_at is not None
        assert world.clock() - state.life.looked_at < LOOK_EVERY
        assert len(world.slack.messages) == posted

        (minted,) = world.cloud.minted.values()
        minted.deleted_at = world.clock()
        await world.settle(LOOK_EVERY)

        gone = await world.state()
        assert isinstance(gone, Retired)
        assert gone.why == "Someone deleted it outside Latchkey."
        assert len(world.slack.messages) == posted + 1


async def test_a_key_that_is_there_stays_as_it_is() -> None:
    async with a_world() as world:
        await with_a_key(world)

        await looked(world)

        assert isinstance(await world.state(), Shown)


async def test_a_key_so_new_that_a_list_may_not_have_it_is_not_given_up() -> None:
    async with a_world() as world:
        await with_a_key(world)
        (minted,) = world.cloud.minted.values()
        minted.lands_at = world.clock() + timedelta(minutes=30)

        await looked(world, after=timedelta(minutes=1))

        assert isinstance(await world.state(), Shown)


async def test_a_request_extends_a_key_once_and_a_key_that_is_not_ours_not_at_all() -> None:
    async with a_world() as world:
        key = world.cloud.add(build.a_key(kind=Kind.KAFKA))
        await world.seed(build.shown(key=key, terms=build.terms(lifetime=timedelta(days=7))))
        await world.work_now()
        origin, other = world.start().services.origin, build.a_key("KEYOTHER00000001", "")
        first, second = RequestId("R8"), RequestId("R9")

        async def extended(by: RequestId, days: int) -> timedelta:
            assert await origin.extended(key, build.NOW + timedelta(days=days), by)
            state = await world.state()
            assert isinstance(state, Shown)
            assert state.life.ends_at is not None
            return state.life.ends_at - build.NOW

        assert not await origin.was_extended(key, first)
        assert await extended(first, 30) == timedelta(days=30)
        assert await extended(first, 90) == timedelta(days=30), "it was done already"
        assert await origin.was_extended(key, first)
        assert await extended(second, 90) == timedelta(days=90)
        assert not await origin.was_extended(key, first)
        assert await origin.extended(key, None, first)
        moved = [line["details"]["ends_at"] for line in await world.audit() if line["action"] == "key:end-moved"]
        assert moved == [str(build.NOW + timedelta(days=days)) for days in (30, 90)] + ["never"]

        assert not await origin.extended(other, build.NOW + timedelta(days=30), first)
        assert not await origin.was_extended(other, first)


async def test_a_key_that_the_request_no_longer_has_is_nobodys_to_miss() -> None:
    async with a_world() as world:
        await with_a_key(world)
        (minted,) = world.cloud.minted.values()
        minted.key = replace(minted.key, description="another mark")

        await looked(world)

        assert isinstance(await world.state(), Shown)


async def test_who_asked_for_a_key_that_is_gone_reads_that_and_nobody_else_does() -> None:
    async with a_world() as world:
        await with_a_key(world)
        (minted,) = world.cloud.minted.values()
        minted.deleted_at = world.clock()
        services = world.start().services
        directory, key_views = services.directory, services.key_views

        with pytest.raises(NotFound, match="no longer exists in Confluent Cloud: it was deleted"):
            await key_views.key_view(minted.key.id, await directory.held_roles(build.DANA))
        with pytest.raises(NotFound, match="No key with that ID, or you don't have access to it"):
            await key_views.key_view(minted.key.id, await directory.held_roles(build.OTTO))


@pytest.mark.parametrize(("gone_on", "how"), [(3, "expired"), (1, "was deleted")])
async def test_who_asked_for_a_key_reads_whether_it_expired_or_was_deleted_before(gone_on: int, how: str) -> None:
    async with a_world() as world:
        await with_a_key(world)
        (minted,) = world.cloud.minted.values()
        expires = world.clock() + timedelta(days=3)
        minted.key = replace(minted.key, expires_at=expires)
        await looked(world)  # the record learns of it
        world.clock.now += timedelta(days=gone_on)
        minted.deleted_at = world.clock()
        services = world.start().services
        directory, key_views = services.directory, services.key_views
        if how == "was deleted":
            await looked(world)
            assert isinstance(await world.state(), Retired)
            world.clock.now = expires + timedelta(days=1)

        with pytest.raises(NotFound, match=f"no longer exists in Confluent Cloud: it {how}"):
            await key_views.key_view(minted.key.id, await directory.held_roles(build.DANA))
