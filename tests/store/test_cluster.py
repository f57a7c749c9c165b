"""A Redis Cluster of real processes: the node with our keys is found, also after they have moved."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import RedisCluster

from bot.app import audit_lines
from bot.connections import opened_store
from bot.domain.errors import Unavailable
from bot.domain.keys import RequestId, TeamId
from bot.fitness import cause_of, server_problems
from bot.settings import StartupError, StoreSettings
from bot.store import Store, connection
from bot.store.connection import Commands, connect, following, must_take_writes
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer, new_master_key
from sandbox.serving import free_port
from tests.store.given import added, event, pending
from tests.support.build import TEAM
from tests.support.clusters import Cluster, begin_move, cluster, end_move, has_refused, move_keys, move_slot
from tests.support.processes import OwnRedis, Tls

KEYS = Keyspace(TEAM)


@pytest.fixture
async def here(tmp_path: Path, server_program: Path) -> AsyncGenerator[Cluster]:
    async with cluster(tmp_path, KEYS.probe, server_program) as found:
        yield found


@pytest.fixture
async def encrypted(tmp_path: Path, redis_program: Path) -> AsyncGenerator[Cluster]:
    """A cluster that speaks nothing but TLS, which the server in our wheel does not."""
    async with cluster(tmp_path, KEYS.probe, redis_program, Tls.made(tmp_path)) as found:
        yield found


async def test_a_plain_url_of_a_node_is_told_from_one_of_the_cluster(here: Cluster) -> None:
    home = here.home_of(KEYS.probe)
    others = [each for each in here.masters if each is not home]

    async with connect(home.url) as redis:
        assert [each for each in await server_problems(redis) if "redis+cluster://" in each.do]
    async with connect(others[0].url) as redis:
        with pytest.raises(Unavailable, match=r"redis\+cluster://"):
            await must_take_writes(redis, KEYS)
    async with connect(here.url, key=KEYS.probe) as redis:
        assert not [each for each in await server_problems(redis) if "luster" in each.says]


async def test_one_store_is_on_the_node_that_has_its_slot_also_after_it_moved(here: Cluster, sealer: Sealer) -> None:
    home = here.home_of(KEYS.probe)
    other = next(each for each in here.masters if each is not home)
    first, second = pending(), pending("R2")

    async with connect(here.url, key=KEYS.probe) as redis, following(redis):
        store = Store.open(redis, sealer, TEAM)
        await store.requests.commit(added(first))
        await move_slot(KEYS.probe, home, other)
        await store.requests.commit(added(second))
        for each in (first, second):
            found = await store.requests.get(each.ask.id)
            assert found is not None
            assert found.value == each


async def test_what_is_asked_for_while_the_slot_moves_waits_for_it_and_is_done_once(
    here: Cluster, sealer: Sealer, keys: Keyspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOVING_SECONDS", (0.05,) * 500)  # however slow this machine is
    home = here.home_of(KEYS.probe)
    other = next(each for each in here.masters if each is not home)
    tally = keys.cache("tally")

    async def both() -> None:
        async with commands.pipeline(transaction=True) as together:
            together.hincrby(tally, "b", 1)
            together.pexpire(tally, 100_000)
            await together.execute()

    async with connect(here.url, key=KEYS.probe) as redis:
        commands: Commands = redis
        store = Store.open(redis, sealer, TEAM)
        await store.requests.commit(added(pending()))
        await begin_move(KEYS.probe, home, other)
        await move_keys(KEYS.probe, home, other)  # ask there, says the former node; moved, says it at the end
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(store.requests.get(RequestId("R1")))
            group.create_task(store.requests.commit(added(pending("R2"))))
            for _ in range(10):
                group.create_task(commands.hincrby(tally, "a", 1))
            group.create_task(both())
            await has_refused(home)
            await end_move(KEYS.probe, home, other)
        found = reading.result()
        assert found is not None
        assert await store.requests.get(RequestId("R2"))
        assert await commands.hgetall(tally) == {b"a": b"10", b"b": b"1"}


async def test_a_slot_that_moves_for_long_is_no_answer_in_the_end(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOVING_SECONDS", (0.0,))
    home = here.home_of(KEYS.probe)
    other = next(each for each in here.masters if each is not home)

    async with connect(here.url, key=KEYS.probe) as redis:
        await begin_move(KEYS.probe, home, other)
        with pytest.raises(Unavailable, match="SlotMoving"):
            await must_take_writes(redis, KEYS)
        await end_move(KEYS.probe, home, other)
        await must_take_writes(redis, KEYS)


async def test_one_node_that_answers_is_enough_to_find_the_keys(here: Cluster) -> None:
    other = next(each for each in here.masters if each is not here.home_of(KEYS.probe))

    async with connect(here.url_of(free_port(), other.port), key=KEYS.probe) as redis:
        await must_take_writes(redis, KEYS)


async def test_the_workspaces_of_a_cluster_are_found_on_all_nodes(here: Cluster) -> None:
    settings = StoreSettings(redis_url=SecretStr(here.url), latchkey_master_keys=SecretStr(new_master_key()))
    elsewhere = (TeamId(f"T{number}") for number in range(100, 200))
    other = next(each for each in elsewhere if here.home_of(Keyspace(each).probe) is not here.home_of(KEYS.probe))
    with pytest.raises(StartupError, match="has no Latchkey data"):
        await anext(audit_lines(settings))

    async with opened_store(settings, TEAM) as store:
        await store.audit.append(event(), event())
    assert [line["seq"] async for line in audit_lines(settings)] == [1, 2]

    async with opened_store(settings, other) as store:
        await store.audit.append(event())
    with pytest.raises(StartupError, match=rf"{TEAM}, {other}\. Choose one with --team"):
        await anext(audit_lines(settings))
    assert [line["seq"] async for line in audit_lines(settings, other)] == [1]


async def test_a_cluster_that_is_away_is_unavailable(here: Cluster) -> None:
    for each in (*here.masters, *here.replicas):
        await each.kill()

    async with connect(here.url, key=KEYS.probe) as redis:
        with pytest.raises(Unavailable, match="ConnectionError"):
            await must_take_writes(redis, KEYS)


async def test_a_server_that_is_no_cluster_is_told_from_a_cluster_that_is_away(tmp_path: Path) -> None:
    server = OwnRedis(tmp_path, free_port())
    await server.start()
    try:
        async with connect(f"redis+cluster://127.0.0.1:{server.port}", key=KEYS.probe) as redis:
            with pytest.raises(Unavailable, match="no node of a Redis Cluster") as raised:
                await must_take_writes(redis, KEYS)
            assert cause_of(raised.value).do.startswith("Start REDIS_URL with redis://")
    finally:
        await server.kill()


async def test_all_of_a_cluster_is_reached_over_tls(encrypted: Cluster) -> None:
    home = encrypted.home_of(KEYS.probe)
    other = next(each for each in encrypted.masters if each is not home)

    async with connect(encrypted.url_of(other.port), key=KEYS.probe) as redis:
        await must_take_writes(redis, KEYS)
        await move_slot(KEYS.probe, home, other)
        await must_take_writes(redis, KEYS)
    async with connect(encrypted.url_of(other.port).partition("?")[0], key=KEYS.probe) as stranger:
        with pytest.raises(Unavailable):  # whose authority nobody named
            await must_take_writes(stranger, KEYS)


async def test_connections_that_are_made_at_once_ask_once_for_the_node(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def counted(**options: Any) -> RedisCluster:
        nonlocal asked
        asked += 1
        return RedisCluster(**options)

    monkeypatch.setattr(connection, "RedisCluster", counted)
    async with connect(here.url, key=KEYS.probe) as redis:
        commands: Commands = redis
        await asyncio.gather(*(commands.get(KEYS.probe) for _ in range(20)))

    assert asked == 1
