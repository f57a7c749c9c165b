"""T1 to T4, T28: what was true once and is put back into Redis makes, shows, changes and deletes nothing."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.keys import RequestId
from bot.services.commands import Approve, Cancel, Deed, Delete, Deny, Draft, Extend, Saved, Send, Show
from bot.services.ports.store import Change
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, HOUR
from tests.support.stored import audit_problem

R1 = RequestId("R1")
RECORD, SECRET = "lk:{T01}:request:R1", "lk:{T01}:secret:R1"
AUDIT, HEAD, AGENDA = "lk:{T01}:audit", "lk:{T01}:audit-head", "lk:{T01}:agenda"
Copy = Mapping[bytes, bytes]


@asynccontextmanager
async def attacked(world: World) -> AsyncGenerator[Any]:
    """Someone who reads and writes Redis, and holds no master key."""
    async with FakeAsyncRedis(server=world.redis) as redis:
        yield redis


async def put_back(redis: Any, copies: Mapping[str, bytes]) -> None:
    """Put keys back as they were; those whose copy is empty are deleted."""
    for key, copy in copies.items():
        await redis.delete(key)
        if copy:
            await redis.restore(key, 0, copy)


async def copied(redis: Any, *keys: str) -> dict[str, bytes]:
    return {key: await redis.dump(key) or b"" for key in keys}


async def everything(redis: Any) -> dict[str, bytes]:
    return await copied(redis, *[key.decode() async for key in redis.scan_iter()])


async def actions(world: World) -> list[str]:
    return [str(line["action"]) for line in await world.audit()]


async def pass_time(world: World, hours: int, step: int = 1) -> None:
    await world.work_now()
    for _ in range(0, hours, step):
        world.clock.advance(step * HOUR)
        await world.work_now()


def restarted(world: World) -> None:
    """The processes of this world end; others take their place, and know what is stored."""
    world.processes.clear()


# --- T1: an approval of a request that was decided -------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("end", [Deny(R1, "not now"), Cancel(R1)])
async def test_t1_a_pending_record_put_back_with_a_sealed_approval_makes_no_key(end: Deed, *, restart: bool) -> None:
    async with a_world() as world, attacked(world) as redis:
        await world.seed(build.pending())
        await world.work_now()
        before = await copied(redis, RECORD)
        await world.click(end, by=DANA if isinstance(end, Cancel) else ERIN)
        await world.work_now()
        late = await world.click(Approve(R1), by=FEMI)
        approval = await copied(redis, f"lk:{{T01}}:click:{late}")
        await world.work_now()
        assert any("changed nothing" in said for _, said in world.slack.said)
        ended = await actions(world)

        if restart:
            restarted(world)
        await put_back(redis, before | approval)
        await redis.zadd(AGENDA, {f"click:{late}": 0, "request:R1": 0})
        await pass_time(world, 25)

        assert world.cloud.minted == {}
        assert await actions(world) == ended
        assert await audit_problem(world.store) is None
        assert "administrator" in world.slack.said[-1][1], "the person who clicked reads that the operator has to act"


async def test_t1_a_request_that_is_deleted_and_sent_once_more_makes_no_second_key() -> None:
    async with a_world(approvals=0) as world, attacked(world) as redis:
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        draft = Draft(build.ACCOUNT.id, build.CLUSTER.environment, build.CLUSTER.id, "orders", "", "It is needed")
        await world.store.drafts.put("D1", DANA.slack, draft)
        sent = await world.click(Send("D1"))
        click = await copied(redis, f"lk:{{T01}}:click:{sent}")
        await world.work_now()
        assert len(world.cloud.minted) == 1

        await put_back(redis, click | {"lk:{T01}:request:D1": b""})
        await redis.zadd(AGENDA, {f"click:{sent}": 0})
        await world.work_now()

        assert len(world.cloud.minted) == 1


# --- T2: a record from before the key was in use ---------------------------------------------------------------------


async def shown_and_saved(world: World) -> None:
    await world.click(Show(R1, 1))
    await world.work_now()
    await world.click(Saved(R1, 1))
    await world.work_now()
    assert (await world.state()).kind == "confirmed"


@pytest.mark.parametrize("restart", [False, True])
async def test_t2_a_ready_record_put_back_deletes_no_key_in_use_and_shows_no_secret_again(*, restart: bool) -> None:
    async with a_world() as world, attacked(world) as redis:
        await world.seed(build.approved())
        await world.work_now()
        before = await copied(redis, RECORD, SECRET)
        await shown_and_saved(world)
        written = await actions(world)

        if restart:
            restarted(world)
        await put_back(redis, before)
        await redis.zadd(AGENDA, {"request:R1": 0})
        await pass_time(world, 25)
        assert len(world.cloud.live(R1)) == 1, "the key in use is deleted"
        await world.click(Show(R1, 1))
        await world.work_now()

        assert len(world.shown()) == 1, "the secret is shown a second time"
        assert await actions(world) == written
        assert "administrator" in world.slack.said[-1][1], "the person who clicked reads that the operator has to act"


async def test_t2_a_key_whose_life_was_extended_does_not_lose_it_with_its_record() -> None:
    async with a_world() as world, attacked(world) as redis:
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        key = world.cloud.add(build.a_key(kind=build.CLUSTER.kind))
        ask = build.an_ask(lifetime=10 * DAY)
        await world.seed(build.shown(ask=ask, key=key))
        await world.work_now()
        before = await copied(redis, RECORD)
        extension = RequestId(await world.click(Extend(key.id, "Needed", "30")))
        await world.work_now()
        await world.click(Approve(extension), by=ERIN)
        await world.work_now()
        assert (await world.state(extension)).kind == "done"

        await put_back(redis, before)
        await redis.zadd(AGENDA, {"request:R1": 0})
        await pass_time(world, 11 * 24, step=12)

        assert world.cloud.live(R1) == [key.id], "the key is deleted at its former end"


# --- T3: the whole store is older, under a running bot ---------------------------------------------------------------


async def test_t3_an_older_copy_under_a_running_bot_deletes_no_key_in_use() -> None:
    async with a_world() as world, attacked(world) as redis:
        await world.seed(build.approved())
        await world.work_now()
        before = await everything(redis)
        await shown_and_saved(world)

        await put_back(redis, before)
        await redis.zadd(AGENDA, {"request:R1": 0})
        await pass_time(world, 25)
        assert len(world.cloud.live(R1)) == 1, "the key in use is deleted"
        await world.click(Show(R1, 1))
        await world.work_now()

        assert len(world.shown()) == 1
        assert "administrator" in world.slack.said[-1][1], "the person who clicked reads that the operator has to act"


# --- T4: records without their lines ---------------------------------------------------------------------------------


async def test_t4_records_whose_lines_were_deleted_are_touched_no_more() -> None:
    async with a_world() as world, attacked(world) as redis:
        await world.seed(build.pending())
        await world.work_now()

        await redis.delete(AUDIT, HEAD)
        restarted(world)
        await world.click(Approve(R1), by=ERIN)
        await pass_time(world, 25)

        assert world.cloud.minted == {}
        assert await actions(world) == []
        assert "administrator" in world.slack.said[-1][1]


# --- T28: what followed without lines, kept, and put back over what followed with lines ------------------------------


async def kept_aside(world: World, redis: Any) -> dict[str, bytes]:
    """A key that is not accepted yet: its record after many looks, kept. The record from before them is put back."""
    world.prober.status = 401
    await world.seed(build.approved())
    await world.work_now()
    before = await copied(redis, RECORD, SECRET)
    for _ in range(12):
        world.clock.advance(timedelta(seconds=30))
        await world.work_now()
    later = await copied(redis, RECORD, SECRET)
    assert later[RECORD] != before[RECORD]
    await put_back(redis, before)
    return later


@pytest.mark.parametrize("restart", [False, True])
async def test_t28_a_record_of_many_looks_put_back_shows_no_secret_again(*, restart: bool) -> None:
    async with a_world() as world, attacked(world) as redis:
        later = await kept_aside(world, redis)
        await shown_and_saved(world)
        written = await actions(world)

        if restart:
            restarted(world)
        await put_back(redis, later)
        await world.click(Show(R1, 1))
        await world.work_now()

        assert len(world.shown()) == 1, "the secret is shown a second time"
        assert await actions(world) == written
        assert "administrator" in world.slack.said[-1][1], "the person who clicked reads that the operator has to act"


async def test_t28_a_record_of_many_looks_put_back_deletes_no_key_in_use() -> None:
    async with a_world() as world, attacked(world) as redis:
        later = await kept_aside(world, redis)
        await shown_and_saved(world)

        await put_back(redis, later)
        await redis.zadd(AGENDA, {"request:R1": 0})
        await pass_time(world, 25)

        assert len(world.cloud.live(R1)) == 1, "the key in use is deleted"


async def test_t28_a_pending_record_written_anew_many_times_makes_no_second_key_with_an_approval_put_back() -> None:
    async with a_world() as world, attacked(world) as redis:
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        await world.seed(build.pending())
        await world.work_now()
        before = await copied(redis, RECORD)
        for _ in range(8):  # as by clicks on its card after its messages were deleted
            stored = await world.store.requests.get(R1)
            assert stored is not None
            await world.store.requests.commit(Change(stored, stored.value, world.clock()))
        later = await copied(redis, RECORD)
        await put_back(redis, before)
        approved = await world.click(Approve(R1), by=ERIN)
        approval = await copied(redis, f"lk:{{T01}}:click:{approved}")
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        (key,) = world.cloud.live(R1)
        deletion = RequestId(await world.click(Delete(key, "CONFIRM", "No longer needed")))
        await world.work_now()
        await world.click(Approve(deletion), by=ERIN)
        await world.work_now()
        assert world.cloud.live(R1) == []

        await put_back(redis, later | approval)
        await redis.zadd(AGENDA, {f"click:{approved}": 0, "request:R1": 0})
        await world.work_now()

        assert list(world.cloud.minted) == [key], "one approval makes a second key"
