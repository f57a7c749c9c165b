"""What has to be on replicas before it counts, with a real master and a real replica."""

import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.errors import ASK_ADMINISTRATOR, Unavailable
from bot.domain.keys import RequestId
from bot.fitness import server_problems
from bot.store import Store, disk
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import added, event, pending
from tests.support.build import TEAM
from tests.support.processes import OwnRedis
from tests.support.sentinels import is_followed, replicated

KEYS = Keyspace(TEAM)
DURABLE = replace(added(pending()), durable=True)


@pytest.fixture
async def servers(tmp_path: Path, server_program: Path) -> AsyncGenerator[list[OwnRedis]]:
    """A master and its replica."""
    async with replicated(tmp_path, server_program) as here:
        yield here.servers


@pytest.fixture
async def master(servers: list[OwnRedis]) -> AsyncGenerator[Any]:
    async with connect(servers[0].url) as client:
        yield client


@pytest.fixture
async def replica(servers: list[OwnRedis]) -> AsyncGenerator[Any]:
    async with connect(servers[1].url) as client:
        yield client


@pytest.fixture
def copied(master: Any, sealer: Sealer) -> Store:
    """A store each of whose intents has to be on one replica."""
    return Store.open(master, sealer, TEAM, replicas=1)


async def test_t3_what_is_durable_is_on_the_replica_when_it_counts(copied: Store, master: Any, replica: Any) -> None:
    await copied.requests.commit(DURABLE)

    assert await replica.hget(KEYS.request(RequestId("R1")), "rev") == b"1"
    asked = await master.info("commandstats")
    assert (asked.get("cmdstat_waitaof") or asked["cmdstat_wait"])["calls"] >= 1
    assert await copied.disk.replicas_problem(master) is None


async def test_t3_without_a_replica_nothing_is_written_until_it_is_back_and_the_operator_is_told_once(
    copied: Store, master: Any, servers: list[OwnRedis], caplog: pytest.LogCaptureFixture
) -> None:
    await copied.audit.append(event())
    await servers[1].kill()

    for durable in (True, False):
        with pytest.raises(Unavailable, match="0 of 1 replicas") as raised:
            await copied.requests.commit(replace(DURABLE, events=(event(),), durable=durable))
        assert raised.value.advice == ASK_ADMINISTRATOR
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        await copied.audit.append(event())
    assert "0 of 1 replicas" in str(await copied.disk.replicas_problem(master))
    assert caplog.messages.count("too few replicas") == 1
    assert await copied.requests.get(RequestId("R1")) is None

    await servers[1].start()
    await is_followed(servers[0])
    await copied.requests.commit(DURABLE)
    assert await copied.disk.replicas_problem(master) is None


async def test_t3_a_replica_that_hangs_is_told_and_then_nothing_more_is_written(
    copied: Store, servers: list[OwnRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    await copied.audit.append(event())
    monkeypatch.setattr(disk, "ASKS", 1)
    servers[1].signal(signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match="0 of 1 replicas have the write"):
            await copied.requests.commit(DURABLE)
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            await copied.requests.commit(replace(added(pending("R2")), durable=True))
    finally:
        servers[1].signal(signal.SIGCONT)

    assert await copied.requests.get(RequestId("R2")) is None


async def test_t3_a_line_of_the_log_that_no_replica_has_is_told(copied: Store, servers: list[OwnRedis]) -> None:
    await copied.audit.append(event())
    servers[1].signal(signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match="0 of 1 replicas have the write"):
            await copied.requests.commit(added(pending(), event()))
    finally:
        servers[1].signal(signal.SIGCONT)


@pytest.mark.parametrize("server_program", ["valkey"], indirect=True)  # before 7.2 nobody could tell
async def test_t3_a_replica_that_writes_nothing_to_disk_is_none(copied: Store, replica: Any) -> None:
    await replica.config_set("appendonly", "no")

    with pytest.raises(Unavailable, match="each needs appendonly yes"):
        await copied.requests.commit(DURABLE)

    assert await copied.requests.get(RequestId("R1")) is None


@pytest.mark.parametrize("is_known", [True, False])
async def test_t3_where_waitaof_is_refused_or_unknown_replicas_have_the_write_in_memory(
    copied: Store, master: Any, replica: Any, *, is_known: bool
) -> None:
    if is_known:
        await master.config_set("appendonly", "no")
    else:
        copied.disk._ask_at = None
    await copied.requests.commit(DURABLE)

    assert await replica.hget(KEYS.request(RequestId("R1")), "rev") == b"1"
    assert (await master.info("commandstats"))["cmdstat_wait"]["calls"] >= 1


async def test_t3_a_server_whose_replicas_nobody_waits_for_is_told_of(master: Any) -> None:
    (problem,) = [each for each in await server_problems(master) if "LATCHKEY_REDIS_REPLICAS" in each.do]

    assert problem.says.startswith("Replicas: 1, but nothing waits for them")
    assert not [each for each in await server_problems(master, 1) if "LATCHKEY_REDIS_REPLICAS" in each.do]


async def test_r1_a_master_that_takes_clicks_without_any_replica_is_told_of(master: Any) -> None:
    assert [each for each in await server_problems(master, 1) if "min-replicas-to-write" in each.says]

    await master.config_set("min-replicas-to-write", 1)

    assert await server_problems(master, 1) == []


async def test_lines_whose_answer_was_lost_are_waited_for_all_the_same(
    stored_here: Store, real: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent once more on another connection, they are written once more: else there was nothing to wait for."""
    send: Callable[..., Awaitable[object]] = stored_here.audit._append
    sets = list[int]()

    async def loses_an_answer(**words: Any) -> object:
        reply = await send(**words)
        sets.append((await real.info("commandstats"))["cmdstat_set"]["calls"])
        if len(sets) == 1:
            raise ConnectionFailed
        return reply

    monkeypatch.setattr(stored_here.audit, "_append", loses_an_answer)
    with suppress(Unavailable):
        await stored_here.audit.append(event())

    assert sets[1] == sets[0] + 1
    assert [line["seq"] async for line in stored_here.audit.read()] == [1]
