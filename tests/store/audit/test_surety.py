"""R1: a failover loses lines that no replica had. Nobody relied on them, so all go on; what counted must be there."""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from bot.domain.audit import Action
from bot.domain.errors import Tampered, Unavailable
from bot.domain.keys import RequestId
from bot.store import Store, disk
from bot.store.audit import surety
from bot.store.audit.chain import Head
from bot.store.audit.surety import Surety, Told
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import added, event, pending
from tests.support.build import TEAM
from tests.support.processes import MovingName, OwnRedis, moving_name
from tests.support.sentinels import is_followed, replicated

KEYS = Keyspace(TEAM)
R1 = RequestId("R1")


@pytest.fixture
async def servers(tmp_path: Path, server_program: Path) -> AsyncGenerator[list[OwnRedis]]:
    """A master and its replica."""
    async with replicated(tmp_path, server_program) as here:
        yield here.servers


@pytest.fixture
async def name(servers: list[OwnRedis]) -> AsyncGenerator[MovingName]:
    """What leads to the master."""
    async with moving_name(servers[0]) as found:
        yield found


@pytest.fixture
async def stores(name: MovingName, sealer: Sealer) -> AsyncGenerator[list[Store]]:
    """Two processes, each step of which a replica has to have."""
    async with connect(name.url) as one, connect(name.url) as two:
        yield [Store.open(each, sealer, TEAM, replicas=1) for each in (one, two)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that hangs is waited for once."""
    monkeypatch.setattr(disk, "ASKS", 1)


async def lose_a_line(store: Store, servers: list[OwnRedis], name: MovingName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the replica promoted in the moment in which the master takes one more line, which is about R1."""
    replica_is_there = store.disk.must_reach_replicas

    async def at_first(redis: Commands) -> None:
        await replica_is_there(redis)
        async with connect(servers[1].url) as client:
            commands: Commands = client
            await commands.replicaof("NO", "ONE")

    with monkeypatch.context() as patched:
        patched.setattr(store.disk, "must_reach_replicas", at_first)
        with pytest.raises(Unavailable, match="0 of 1 replicas have the write"):
            await store.requests.commit(added(pending(), event(action=Action.SUBMITTED)))


async def fail_over(servers: list[OwnRedis], name: MovingName) -> None:
    """Let the name lead to the promoted one, and the former master be its replica."""
    await servers[0].kill()
    name.to = servers[1]
    await servers[0].start()
    async with connect(servers[0].url) as client:
        commands: Commands = client
        await commands.replicaof("127.0.0.1", servers[1].port)
    await is_followed(servers[1])


async def patiently(store: Store) -> None:
    """Write a line: connections to the former master end with the first try."""
    for _ in range(3):
        with suppress(Unavailable, RedisError):
            await store.audit.append(event(None, Action.REFUSED))
            return
    await store.audit.append(event(None, Action.REFUSED))


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    lines: list[Any] = [each for each in caplog.records if each.message == "audit"]
    return [(each.seq, each.hash) for each in lines]


async def in_the_log(store: Store) -> list[tuple[int, str]]:
    return [(int(str(line["seq"])), str(line["hash"])) async for line in store.audit.read()]


async def test_r1_processes_go_on_after_a_failover_that_lost_a_line_which_no_replica_had(
    stores: list[Store],
    servers: list[OwnRedis],
    name: MovingName,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "latchkey.audit")
    writer, reader = stores
    await writer.audit.append(event(None))
    await lose_a_line(writer, servers, name, monkeypatch)
    assert await reader.requests.get(R1)
    assert (writer.audit.head.seq, reader.audit.head.seq) == (2, 2)
    await fail_over(servers, name)

    for store in (writer, reader):
        await patiently(store)

    assert await reader.requests.get(R1) is None
    assert (writer.audit.trouble, reader.audit.trouble) == (None, None)
    assert writer.audit.newest(R1) is reader.audit.newest(R1) is None
    assert told(caplog) == await in_the_log(reader)
    assert writer.audit.census.requests.total() == 0
    await writer.requests.commit(added(pending(), event(action=Action.SUBMITTED)))
    assert told(caplog) == await in_the_log(reader)
    assert writer.audit.newest(R1) == 1


async def test_t3_a_line_that_counted_is_still_needed_after_a_failover(
    stores: list[Store], servers: list[OwnRedis], name: MovingName, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, _ = stores
    await writer.audit.append(event(None))
    async with connect(servers[0].url) as client:
        commands: Commands = client
        head = await commands.get(KEYS.audit_head)
    await writer.audit.append(event(None))
    await lose_a_line(writer, servers, name, monkeypatch)
    async with connect(servers[1].url) as client:
        commands = client
        await commands.rpop(KEYS.audit)
        await commands.set(KEYS.audit_head, head)
    await fail_over(servers, name)

    with pytest.raises(Tampered, match="lacks line 2 of this process"):
        await patiently(writer)

    assert "lacks line 2 of this process" in str(writer.audit.trouble)


# --- which lines count -----------------------------------------------------------------------------------------------


def line(seq: int, of: str = "a") -> Told:
    return Told(seq, f"{of}{seq}", {})


def head(seq: int, of: str = "a") -> Head:
    return Head(seq, f"{of}{seq}")


def test_where_nobody_waits_for_replicas_each_line_counts_at_once() -> None:
    surety = Surety(waits=False)

    assert surety.wrote(head(1), [line(1)]) == [line(1)]
    assert surety.followed(head(3)) == []
    assert surety.head == head(3)


def test_a_line_that_nobody_confirmed_is_told_with_the_next_one() -> None:
    surety = Surety(waits=True)
    assert surety.wrote(head(1), [line(1)]) == ()
    assert surety.wrote(head(2), [line(2)]) == ()

    assert surety.sure(surety.mark) == [line(1), line(2)]
    assert surety.sure(surety.mark) == []
    assert surety.head == head(2)


def test_what_was_waited_for_before_the_log_was_followed_anew_counts_no_more() -> None:
    surety = Surety(waits=True)
    surety.wrote(head(1), [line(1)])
    surety.sure(surety.mark)
    surety.wrote(head(3), [line(2), line(3)])
    mark = surety.mark

    surety.restarted({2: "a2", 3: "b3"})

    assert surety.sure(mark) == ()
    assert surety.head == head(1)
    surety.wrote(head(4, "b"), [line(4, "b")])
    assert surety.sure(surety.mark) == [line(2), line(4, "b")]


def test_what_others_wrote_counts_once_it_has_stood_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Surety(waits=True)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    found.followed(head(5))
    now += surety.STANDS_SECONDS - 1
    found.followed(head(7))
    assert found.head == Head()

    now += 1
    found.followed(head(7))
    assert found.head == head(5)
    now += surety.STANDS_SECONDS
    found.followed(head(7))
    assert found.head == head(7)
