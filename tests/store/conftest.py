"""Every test of the store runs on fakeredis and on the real embedded server, and leaves no key that lives for ever."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bot.store import Store
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import NOW
from tests.support.build import TEAM


@dataclass
class StoppedClock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def server_url(data_dir: Path) -> Generator[str]:
    with asyncio.Runner() as runner:
        server = embedded(data_dir)
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
async def real(server_url: str) -> AsyncGenerator[Any]:
    async with connect(server_url) as client:
        yield client
        await everything_ends(client)
        await client.flushall()


@pytest.fixture(params=["fakeredis", "valkey"])
def server(request: pytest.FixtureRequest) -> str | None:
    """The URL of the real server; None is a new fake one."""
    return request.getfixturevalue("server_url") if request.param == "valkey" else None


@pytest.fixture
async def redis(server: str | None) -> AsyncGenerator[Any]:
    async with connect(server) if server else FakeAsyncRedis(server=FakeServer()) as client:
        yield client
        await everything_ends(client)
        await client.flushall()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([bytes(range(32))])


@pytest.fixture
def keys() -> Keyspace:
    return Keyspace(TEAM)


@pytest.fixture
def store(redis: Any, sealer: Sealer, clock: StoppedClock) -> Store:
    return Store.open(redis, sealer, TEAM, clock)


@pytest.fixture
def other(redis: Any, sealer: Sealer, clock: StoppedClock) -> Store:
    """The same store, as another process sees it."""
    return Store.open(redis, sealer, TEAM, clock)


@pytest.fixture
def stored_here(real: Any, sealer: Sealer, clock: StoppedClock) -> Store:
    """A store on the real server only."""
    return Store.open(real, sealer, TEAM, clock)


async def everything_ends(redis: Any) -> None:
    """Every key has a TTL, except the audit log with its base, and the agenda, which would forget deadlines."""
    keys = Keyspace(TEAM)
    permanent = {key.encode() for key in (keys.agenda, keys.audit, keys.audit_head, keys.audit_base)}
    async for key in redis.scan_iter():
        assert key in permanent or await redis.pttl(key) > 0, key
        assert key.startswith(b"lk:{T01}:"), key
