"""T33: a request that lost its place on the agenda gets it back, and its deadlines are kept."""

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.deadlines import due
from bot.domain.keys import RequestId
from bot.domain.requests import Pending, Ready, Unclaimed
from bot.services.commands import Approve, Deny
from bot.services.ports.store import Change
from bot.services.requests.repair import LATE
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DAY, ERIN

R1, AGENDA, ITEM = RequestId("R1"), "lk:{T01}:agenda", "request:R1"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        await world.seed(build.pending())
        yield world


@pytest.fixture
async def attacker(world: World) -> AsyncIterator[Any]:
    async with FakeAsyncRedis(server=world.redis) as redis:
        yield redis


async def repaired(world: World) -> int:
    return await world.start().services.repair.look()


async def test_t33_a_key_that_nobody_took_is_deleted_though_the_agenda_was(
    world: World, attacker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await world.click(Approve(R1), ERIN)
    await world.work_now()
    assert isinstance(await world.state(), Ready)
    await attacker.delete(AGENDA)
    await world.settle(3 * DAY)
    assert world.cloud.live(R1)

    assert await repaired(world) == 1
    await world.settle(DAY)

    state = await world.state()
    assert isinstance(state, Unclaimed)
    assert (world.cloud.live(R1), bool(state.deleted_at)) == ([], True)
    assert "put requests back on the agenda" in caplog.messages


async def test_t33_a_click_whose_place_on_the_agenda_was_deleted_is_carried_out(
    world: World, attacker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await world.work_now()
    await world.click(Approve(R1), ERIN)
    await attacker.delete(AGENDA)
    await world.work_now()
    assert isinstance(await world.state(), Pending)

    assert await repaired(world) == 2, "the click, and the request"
    await world.work_now()

    assert isinstance(await world.state(), Ready)
    assert "put clicks back on the agenda" in caplog.messages
    assert await repaired(world) == 0


@pytest.mark.parametrize("score", ["+inf", 4e12, (build.NOW + DAY + LATE + timedelta(minutes=1)).timestamp() * 1000])
async def test_t33_t35_an_item_that_was_moved_beyond_its_deadline_is_moved_back(
    world: World, attacker: Any, score: str | float
) -> None:
    await attacker.zadd(AGENDA, {ITEM: score})

    assert await repaired(world) == 1
    await world.work_now()

    pending = await world.state()
    assert isinstance(pending, Pending)
    deadline = due(pending)
    assert deadline is not None
    assert await attacker.zscore(AGENDA, ITEM) == deadline.timestamp() * 1000


async def test_t33_what_has_its_place_or_nothing_due_is_left_alone(world: World, attacker: Any) -> None:
    before = await attacker.zscore(AGENDA, ITEM)
    assert (await repaired(world), await attacker.zscore(AGENDA, ITEM)) == (0, before)

    await world.click(Deny(R1, "no"), ERIN)
    await world.work_now()

    assert (await repaired(world), await attacker.zscore(AGENDA, ITEM)) == (0, None)


async def test_t33_a_far_deadline_is_no_loss(world: World, attacker: Any) -> None:
    stored = await world.store.requests.get(R1)
    assert stored is not None
    assert isinstance(stored.value, Pending)
    later = build.pending(expires_at=build.NOW + timedelta(days=300))
    await world.store.requests.commit(Change(stored, later, later.expires_at))

    assert await repaired(world) == 0
    await attacker.delete(AGENDA)
    assert await repaired(world) == 1
    await world.work_now()
    assert await attacker.zscore(AGENDA, ITEM) == later.expires_at.timestamp() * 1000


async def test_t33_one_that_does_not_open_keeps_no_other_from_its_place(world: World, attacker: Any) -> None:
    await world.seed(build.pending(ask=build.an_ask(id=RequestId("R2"), name="second")))
    await attacker.hset("lk:{T01}:request:R1", "body", b"planted")
    await attacker.delete(AGENDA)

    assert await repaired(world) == 1

    assert await attacker.zscore(AGENDA, "request:R2") is not None


async def test_t35_a_key_that_nobody_took_is_deleted_though_its_item_was_moved_by_days(
    world: World, attacker: Any
) -> None:
    await world.click(Approve(R1), ERIN)
    await world.work_now()
    process = world.start()
    assert await process.services.repair.look() == 0
    await attacker.zadd(AGENDA, {ITEM: (world.clock() + 30 * DAY).timestamp() * 1000})

    assert await process.services.repair.look() == 1
    await world.settle(2 * DAY)

    assert world.cloud.live(R1) == []


async def test_t35_what_moves_on_during_the_look_has_lost_nothing(world: World, attacker: Any) -> None:
    repair: Any = world.start().services.repair
    planned = repair.requests.planned

    async def and_then() -> Any:
        found = await planned()
        await world.click(Deny(R1, "no"), ERIN)
        await world.work_now()
        return {request: (rev, None) for request, (rev, _) in found.items()}

    repair.requests = SimpleNamespace(planned=and_then, get=world.store.requests.get)

    assert await repair.look() == 0
    assert await attacker.zscore(AGENDA, ITEM) is None


async def test_t35_a_request_that_stays_due_because_somebody_holds_it_is_told(
    world: World, attacker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    repair = world.start().services.repair
    await world.work_now()
    assert (await repair.look(), told(caplog)) == (0, [])
    world.clock.advance(DAY + LATE / 60)
    await attacker.hset("lk:{T01}:leases", ITEM, f"{world.clock().timestamp() * 1000 + 7_200_000:.0f}.1")
    await world.work_now()
    assert (await repair.look(), told(caplog)) == (0, []), "it may have become due just now"

    world.clock.advance(LATE)
    await world.work_now()

    assert (await repair.look(), told(caplog)) == (0, [R1])


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    says = "requests have been due for an hour, and no process has picked them up"
    return [vars(record)["request"] for record in caplog.records if record.message == says]
