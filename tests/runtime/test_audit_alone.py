"""The audit log of a store, read by a process that knows neither Slack nor Confluent Cloud."""

import asyncio
import tracemalloc
from typing import Any

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from pydantic import SecretStr

from bot import app, connections
from bot.app import audit_lines, records_problem
from bot.cli.audit import _verified
from bot.connections import opened_store
from bot.domain.errors import Tampered
from bot.domain.keys import TeamId
from bot.settings import StartupError, StoreSettings, TryAgain
from bot.store.audit import log
from bot.store.audit.chain import Verification
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer, new_master_key, parse_master_keys
from tests.store.given import event

KEY = new_master_key()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    found = FakeServer()

    def connect(_url: str, **_: Any) -> Any:
        return FakeRedis(server=found)

    monkeypatch.setattr(connections, "connect", connect)
    return found


def settings(url: str = "redis://cache:6379/0") -> StoreSettings:
    return StoreSettings(redis_url=SecretStr(url), latchkey_master_keys=SecretStr(KEY))


async def write(team: str, lines: int = 1) -> None:
    async with opened_store(settings(), team) as store:
        await store.audit.append(*[event()] * lines)


async def test_the_workspace_is_the_only_one_that_is_there(server: FakeServer) -> None:
    with pytest.raises(StartupError, match="has no Latchkey data"):
        await anext(audit_lines(settings()))
    await write("T01", 3)

    assert [line["seq"] async for line in audit_lines(settings())] == [1, 2, 3]
    assert await records_problem(settings()) is None

    await write("T02")
    with pytest.raises(StartupError, match=r"the audit logs of T01, T02\. Choose one with --team"):
        await anext(audit_lines(settings()))
    assert [line["seq"] async for line in audit_lines(settings(), "T02")] == [1]
    with pytest.raises(StartupError, match="--team"):
        await anext(audit_lines(settings(), "no team"))


@pytest.mark.usefixtures("server")
async def test_a_log_of_any_length_is_verified_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_PAGE", 20)
    monkeypatch.setattr(log.RedisAudit._tail, "__defaults__", (20,))
    peaks = list[int]()
    for more in (600, 1800):  # a shorter log doesn't fill what a walk keeps while it reads on
        await write("T01", more)
        walk = Verification(Sealer(parse_master_keys(KEY)))
        tracemalloc.start()
        assert await _verified(settings(), "T01", walk) is None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert walk.lines == (2400 if len(peaks) > 1 else 600)

    assert peaks[1] < 1.2 * peaks[0], "of four times as many lines"


async def test_a_store_that_is_away_is_told_by_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for team in ("", "T01"):
        with pytest.raises(TryAgain, match="nothing is listening at this address"):
            await anext(audit_lines(settings("redis://127.0.0.1:1/0"), team))


async def test_a_log_that_was_removed_is_missed_in_its_own_workspace(server: FakeServer) -> None:
    redis = FakeRedis(server=server)
    keys = Keyspace(TeamId("T01"))
    await redis.set(keys.cache("format"), b"1", px=100_000)
    await redis.set("lk:{no team at all}:audit", b"")

    async with opened_store(settings()) as store:
        assert store.keys == keys


async def test_following_goes_on_with_what_is_written_and_waits_for_a_store_that_is_away(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "FOLLOW_SECONDS", 0.0)
    await write("T01", 2)
    until = asyncio.Event()
    lines = audit_lines(settings(), after=1, until=until)

    assert (await anext(lines))["seq"] == 2
    server.connected = False
    waiting = asyncio.ensure_future(anext(lines))
    while "couldn't read the audit log" not in caplog.text:  # noqa: ASYNC110 - the log tells nobody when it grows
        await asyncio.sleep(0)
    server.connected = True
    await write("T01")

    assert (await waiting)["seq"] == 3
    until.set()
    assert [line async for line in lines] == []


async def test_following_a_log_that_became_shorter_ends(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FOLLOW_SECONDS", 0.0)
    await write("T01", 3)
    lines = audit_lines(settings(), until=asyncio.Event())
    assert [(await anext(lines))["seq"] for _ in range(3)] == [1, 2, 3]

    await FakeRedis(server=server).flushall()
    await write("T01")

    with pytest.raises(Tampered, match="says 1 line, but there were 3: an older copy"):
        await anext(lines)
