"""A Redis Cluster of real processes: the node with our keys is found, also after they have moved."""

import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.domain.errors import Unavailable
from bot.fitness import server_problems
from bot.store import Store
from bot.store.connection import connect, following, must_take_writes
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import added, pending
from tests.support.build import TEAM
from tests.support.clusters import PASSWORD, Cluster, cluster, move_slot
from tests.support.processes import OwnRedis

KEYS = Keyspace(TEAM)


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Cluster]:
    async with cluster(tmp_path, a_port, KEYS.probe) as found:
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
        with pytest.raises(Unavailable):  # the one that finds out
            await store.requests.get(first.ask.id)
        await store.requests.commit(added(second))
        for each in (first, second):
            found = await store.requests.get(each.ask.id)
            assert found is not None
            assert found.value == each


async def test_one_node_that_answers_is_enough_to_find_the_keys(here: Cluster) -> None:
    other = next(each for each in here.masters if each is not here.home_of(KEYS.probe))

    async with connect(
        f"redis+cluster://:{PASSWORD}@127.0.0.1:{a_port()},127.0.0.1:{other.port}", key=KEYS.probe
    ) as redis:
        await must_take_writes(redis, KEYS)


async def test_a_cluster_that_is_away_is_unavailable(here: Cluster) -> None:
    for each in (*here.masters, *here.replicas):
        await each.kill()

    async with connect(here.url, key=KEYS.probe) as redis:
        with pytest.raises(Unavailable, match="ConnectionError"):
            await must_take_writes(redis, KEYS)


async def test_a_server_that_is_no_cluster_is_told_from_a_cluster_that_is_away(tmp_path: Path) -> None:
    server = OwnRedis(tmp_path, a_port())
    await server.start()
    try:
        async with connect(f"redis+cluster://127.0.0.1:{server.port}", key=KEYS.probe) as redis:
            with pytest.raises(Unavailable, match="no node of a Redis Cluster"):
                await must_take_writes(redis, KEYS)
    finally:
        await server.kill()
