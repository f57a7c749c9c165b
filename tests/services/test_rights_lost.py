"""Confluent shows Latchkey only a part of what there is, without a sign: nothing counts as gone until that is over."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.domain.catalog import User
from bot.domain.errors import Throttled
from bot.domain.keys import KeyId, RequestId
from bot.domain.kinds import Kind
from bot.domain.requests import Approved, Done, Pending, Ready, Retired, Shown, Working
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Approve, Delete
from tests.services.world import World, a_world, check_at_rest, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault, Plan
from tests.support.stored import next_due

KEY = KeyId("KEY0000000000001")


async def with_a_key(world: World, lifetime: timedelta | None = None) -> None:
    """Dana has a key, and administers its environment."""
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(build.a_key(KEY, kind=Kind.KAFKA))
    await world.seed(build.shown(terms=build.terms(lifetime=lifetime), key=key))
    await world.work_now()


async def test_a_key_whose_answer_was_lost_is_looked_for_until_all_keys_are_shown_again() -> None:
    async with a_world(Plan({("cloud.create_key", 0): Fault.ERROR_AFTER})) as world:
        await world.seed(build.approved())
        await world.work_now()
        world.cloud.is_partial = True
        await world.settle(HOUR)

        assert isinstance(await world.state(), Working)
        assert len(world.cloud.minted) == 1

        world.cloud.is_partial = False
        await world.settle()

        await check_at_rest(world)


async def test_a_key_whose_life_is_over_is_not_said_to_be_deleted() -> None:
    async with a_world() as world:
        await with_a_key(world, DAY)
        await world.settle(DAY - HOUR)
        world.cloud.is_partial = True
        await world.settle(4 * HOUR)

        state = await world.state()
        assert isinstance(state, Retired)
        assert state.deleted_at is None
        assert world.cloud.minted[KEY].deleted_at is None

        world.cloud.is_partial = False
        await world.settle(HOUR)

        assert world.cloud.minted[KEY].deleted_at is not None
        await check_audit(world)


async def test_a_deletion_that_was_asked_for_waits() -> None:
    async with a_world(Plan({("cloud.delete_key", 0): Fault.ERROR_BEFORE})) as world:
        await with_a_key(world)
        request = RequestId(await world.click(Delete(KEY, "CONFIRM", "It is no longer used")))
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        await world.work_now()
        world.cloud.is_partial = True
        await world.settle(HOUR)

        waiting = await world.state(request)
        assert isinstance(waiting, Working)
        assert waiting.trouble
        assert isinstance(await world.state(), Shown)

        world.cloud.is_partial = False
        await world.settle(HOUR)

        done = await world.state(request)
        assert isinstance(done, Done)
        assert done.note == ""
        assert world.cloud.minted[KEY].deleted_at is not None


async def test_nobody_misses_a_key_that_is_not_shown_and_looks_again_in_minutes() -> None:
    async with a_world() as world:
        await with_a_key(world)
        world.clock.advance(HOUR)
        world.cloud.is_partial = True
        await world.store.agenda.put(Item(ItemKind.GONE, "R1"), world.clock())
        await world.work_now()

        assert isinstance(await world.state(), Shown)
        assert await next_due(world.store) == world.clock() + timedelta(minutes=5)

        world.cloud.is_partial = False
        await world.settle(HOUR)

        assert isinstance(await world.state(), Shown)


async def test_who_asked_for_a_key_that_is_not_shown_does_not_read_that_it_was_deleted() -> None:
    async with a_world() as world:
        await with_a_key(world)
        world.cloud.is_partial = True
        services = world.start().services

        with pytest.raises(Throttled):
            await services.key_views.key_view(KEY, await services.directory.held_roles(DANA))


class Blind(FakeCloud):
    """A Confluent that shows users, but no roles: a Latchkey without rights may still be told some of it."""

    async def users(self) -> Sequence[User]:
        return [User(person.principal, person.email, person.name) for person in self.people]


@pytest.mark.parametrize("cloud", [FakeCloud, Blind])
async def test_an_approval_outlives_the_rights_of_latchkey(cloud: type[FakeCloud]) -> None:
    async with a_world(cloud=cloud) as world:
        world.cloud.is_partial = True
        await world.seed(build.approved())
        await world.settle(HOUR)
        assert isinstance(await world.state(), Approved)

        world.cloud.is_partial = False
        await world.settle(HOUR)

        assert isinstance(await world.state(), Ready)


@pytest.mark.parametrize("cloud", [FakeCloud, Blind])
async def test_nobody_reads_that_they_may_not_decide_while_nobody_can_tell(cloud: type[FakeCloud]) -> None:
    async with a_world(cloud=cloud) as world:
        await world.seed(build.pending())
        world.cloud.is_partial = True

        await world.click(Approve(RequestId("R1")), by=ERIN)
        await world.work_now()

        assert isinstance(await world.state(), Pending)
        ((who, said),) = world.slack.said
        assert who == ERIN.slack
        assert said.startswith("Confluent shows a part. Latchkey will keep trying")
        assert [line["action"] for line in await world.audit()] == ["request:submitted"]
