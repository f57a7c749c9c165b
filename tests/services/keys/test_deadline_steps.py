"""What a deadline does to a request, its secret and its key."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.requests import (
    Approved,
    Expired,
    Life,
    Ready,
    ReplacedKey,
    Request,
    Retired,
    Unclaimed,
    Undelivered,
    Withdrawn,
)
from bot.services.keys.expiry import EXPIRED, Expiry
from bot.services.ports.store import Stored
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DAY, HOUR, NOW
from tests.support.faults import Fault

UNDELIVERED = build.states()["undelivered"]
SHOWN = build.states()["shown"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


@pytest.fixture
def expiry(world: World) -> Expiry:
    return world.start().delivery.expiry


async def seeded(world: World, expiry: Expiry, request: Request) -> Stored[Request]:
    await world.seed(request)
    return await now(expiry)


async def now(expiry: Expiry) -> Stored[Request]:
    """The request, read by the process that takes the step."""
    return await expiry.transitions.get(build.an_ask().id)


async def a_ready(world: World, expiry: Expiry) -> tuple[Stored[Request], Ready]:
    """A request whose key was made, and whose secret waits."""
    await world.seed(build.approved())
    await world.work_now()
    stored = await now(expiry)
    assert isinstance(stored.value, Ready)
    assert await world.store.requests.secret(stored) is not None
    return stored, stored.value


async def last_line(world: World) -> tuple[str, object]:
    line = (await world.audit())[-1]
    return str(line["action"]), line["details"]


async def test_a_secret_that_nobody_took_is_gone_at_once_and_its_key_with_the_next_step(
    world: World, expiry: Expiry
) -> None:
    stored, ready = await a_ready(world, expiry)

    await expiry.unclaimed(stored, ready)

    late = await now(expiry)
    assert isinstance(late.value, Unclaimed)
    assert await world.store.requests.secret(late) is None
    assert await last_line(world) == ("secret:unclaimed", {"key": ready.key.id})
    await expiry.withdraw(late, late.value)
    assert world.cloud.live() == []
    gone = await world.state()
    assert isinstance(gone, Unclaimed)
    assert gone.deleted_at == NOW


async def test_a_key_that_is_given_up_before_its_secret_was_shown_loses_it(world: World, expiry: Expiry) -> None:
    stored, ready = await a_ready(world, expiry)

    await expiry.undeliver(stored, ready, "It is gone.", reissue=True)

    lost = await now(expiry)
    assert isinstance(lost.value, Undelivered)
    assert (lost.value.why, lost.value.reissue) == ("It is gone.", True)
    assert await world.store.requests.secret(lost) is None
    assert await last_line(world) == ("secret:undelivered", {"key": ready.key.id, "why": "It is gone."})


@pytest.mark.parametrize("deleted_at", [None, NOW - HOUR])
async def test_a_key_that_is_given_up_remembers_whether_the_one_that_it_replaced_is_gone(
    world: World, expiry: Expiry, deleted_at: object
) -> None:
    gone_at = NOW - HOUR if deleted_at else None
    living = build.rotated()
    life = replace(living.life, former=ReplacedKey(NOW + DAY, deleted_at=gone_at))
    state = replace(living, ask=replace(living.ask, id=build.an_ask().id), life=life)

    await expiry.undeliver(await seeded(world, expiry, state), state, "It leaked.")

    lost = await world.state()
    assert isinstance(lost, Undelivered)
    assert lost.grant.replaced_at == gone_at


async def test_nobody_decided_in_time(world: World, expiry: Expiry) -> None:
    pending = build.pending()

    await expiry.expire(await seeded(world, expiry, pending), pending)

    assert isinstance(await world.state(), Expired)
    assert await last_line(world) == ("request:expired", {})


@pytest.mark.parametrize(
    ("lifetime", "expires_at", "why"),
    [(30 * DAY, None, ""), (30 * DAY, NOW + 30 * DAY, EXPIRED), (30 * DAY, NOW + 31 * DAY, ""), (None, NOW, EXPIRED)],
)
async def test_a_life_that_is_over_says_whose_end_it_was(
    world: World, expiry: Expiry, lifetime: timedelta | None, expires_at: object, why: str
) -> None:
    key = replace(build.a_key(), expires_at=expires_at)  # type: ignore[arg-type]
    living = replace(build.rotated(), terms=build.terms(lifetime=lifetime), key=key, ask=build.an_ask())
    living = replace(living, life=replace(living.life, ends_at=None, endless=False))

    await expiry.retire(await seeded(world, expiry, living), living)

    over = await world.state()
    assert isinstance(over, Retired)
    assert (over.why, over.deleted_at, over.life) == (why, None, Life(former=living.life.former))
    assert await last_line(world) == ("key:retired", {"key": key.id})


@pytest.mark.parametrize("late", [timedelta(), DAY - timedelta(seconds=1), DAY])
@pytest.mark.parametrize("reissue", [True, False])
async def test_a_withdrawn_key_is_deleted_and_another_made_where_one_was_asked_for_and_may_be(
    world: World, expiry: Expiry, late: timedelta, *, reissue: bool
) -> None:
    assert isinstance(UNDELIVERED, Undelivered)
    state = replace(UNDELIVERED, reissue=reissue)
    world.cloud.add(state.key)
    world.clock.now += late

    await expiry.withdraw(await seeded(world, expiry, state), state)

    after = await world.state()
    assert world.cloud.live() == []
    if reissue and late < DAY:
        assert isinstance(after, Approved)
        assert after.attempt == 2
    else:
        assert isinstance(after, Undelivered)
        assert after.deleted_at == world.clock()


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_a_deletion_that_fails_is_tried_again_later_under_the_same_intent(
    world: World, expiry: Expiry, fault: Fault
) -> None:
    state = UNDELIVERED
    assert isinstance(state, Undelivered)
    world.cloud.add(state.key)
    stored = await seeded(world, expiry, state)
    world.plan.faults, world.plan.calls = {("cloud.delete_key", 0): fault}, []

    await expiry.withdraw(stored, state)

    again = (await now(expiry)).value
    assert isinstance(again, Withdrawn)
    assert again.tries == 1
    assert again.retry_at is not None
    assert again.retry_at > NOW
    assert again.deleted_at is None
    begun = [str(line["action"]) for line in await world.audit()][-2:]
    assert begun == ["key:delete-intended", "key:delete-failed"], "the intent was written before the first try"
    await expiry.withdraw(await now(expiry), again)
    assert world.cloud.live() == []
    actions = [str(line["action"]) for line in await world.audit()]
    assert [each for each in actions if each.startswith("key:delete")] == [*begun, "key:deleted"]
