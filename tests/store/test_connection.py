import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection
from redis.exceptions import ReadOnlyError

from bot.domain.errors import Unavailable
from bot.store.connection import (
    ANSWER_SECONDS,
    CONNECTIONS,
    Commands,
    clock_problem,
    connect,
    following,
    must_take_writes,
)
from bot.store.keyspace import Keyspace
from tests.support.build import TEAM
from tests.support.processes import Tls
from tests.support.sentinels import Watched

PASSWORD = "marker0password"
KEYS = Keyspace(TEAM)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://127.0.0.1:6380/2", {"host": "127.0.0.1", "port": 6380, "db": 2}),
        (f"rediss://user:{PASSWORD}@redis.example", {"host": "redis.example", "password": PASSWORD}),
        ("unix:///run/latchkey%20data/valkey.sock", {"path": "/run/latchkey data/valkey.sock"}),
    ],
)
def test_a_url_becomes_a_client(url: str, expected: dict[str, Any]) -> None:
    client: Any = connect(url)
    options = client.get_connection_kwargs()

    assert {name: options[name] for name in expected} == expected
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 2
    assert options["retry"].get_retries() == 0


def test_sentinels_are_asked_for_the_master() -> None:
    client = connect(f"redis+sentinel://user:{PASSWORD}%21@127.0.0.1:26380,[::1]/main/3")

    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "main"
    sentinels = [each.get_connection_kwargs() for each in pool.sentinel_manager.manager.sentinels]
    assert [(each["host"], each["port"]) for each in sentinels] == [("127.0.0.1", 26380), ("::1", 26379)]
    options: Any = pool.connection_kwargs
    assert (options["db"], options.get("username"), options["password"]) == (3, "user", f"{PASSWORD}!")


def test_r1_sentinels_have_a_password_of_their_own_and_tls_is_for_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    named = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/us.pem", "ssl_keyfile": "/us.key"}
    own = {"sentinel_username": "watch", "sentinel_password": f"{PASSWORD}%2"}
    url = f"rediss+sentinel://:{PASSWORD}@a:1,b/main/2?" + urlencode(named | own)

    pool: Any = connect(url).connection_pool

    assert issubclass(pool.connection_class, SentinelManagedSSLConnection)
    options = pool.connection_kwargs
    assert {name: options[name] for name in named} == named
    assert (options["db"], options.get("username"), options["password"]) == (2, None, PASSWORD)
    for each in pool.sentinel_manager.manager.sentinels:
        theirs = each.get_connection_kwargs()
        assert {name: theirs[name] for name in named} == named
        assert (theirs["username"], theirs["password"], theirs["socket_timeout"]) == ("watch", f"{PASSWORD}%2", 2)
        assert issubclass(each.connection_pool.connection_class, SSLConnection)
    assert caplog.messages == []
    with pytest.raises(ValueError, match="LATCHKEY_REDIS_INSECURE=1"):
        connect("rediss+sentinel://a/main?ssl_cert_reqs=none")


async def test_connections_that_are_made_at_once_share_what_takes_long(
    tmp_path: Path, redis_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An SSL context reads all certificates of the system, and while it does, nobody's click is answered.
    asked, make_context = list[str](), ssl.create_default_context

    def counted() -> ssl.SSLContext:
        asked.append("context")
        return make_context()

    here = Watched(tmp_path / "redis", redis_program, Tls.made(tmp_path))
    async with AsyncExitStack() as stack:
        await here.add(stack)
        await here.watch(stack)
        assert await here.named(here.ports[0]) == here.servers[0].port
        before = await here.visits(here.ports[0])
        monkeypatch.setattr(ssl, "create_default_context", counted)

        async with connect(here.url) as redis, following(redis):
            commands: Commands = redis
            await asyncio.gather(*(commands.get(KEYS.probe) for _ in range(20)))

        monkeypatch.undo()
        assert asked == ["context"] * 2  # the sentinel's and the master's
        assert await here.visits(here.ports[0]) - before == 2  # one for all, and the one that counts


async def test_r1_more_commands_at_once_than_connections_wait_for_one_with_sentinels_too() -> None:
    pool: Any = connect("redis+sentinel://127.0.0.1:1/main").connection_pool

    assert isinstance(pool, BlockingConnectionPool)
    assert (pool.max_connections, pool.timeout) == (CONNECTIONS, ANSWER_SECONDS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        PASSWORD,
        f"http://:{PASSWORD}@redis.example",
        f"redis://:{PASSWORD}@redis.example:port",
        f"redis://:{PASSWORD}@redis.example?socket_timeout=soon",
        f"redis://:{PASSWORD}@redis.example?db=soon",
        f"redis+sentinel://:{PASSWORD}@127.0.0.1",
        f"redis+sentinel://:{PASSWORD}@127.0.0.1/main/db",
        f"redis+sentinel://:{PASSWORD}@:1/main",
        f"redis+cluster://:{PASSWORD}@",
        f"redis+cluster://:{PASSWORD}@a:1,b:port",
    ],
)
def test_a_malformed_url_is_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="Redis URL") as raised:
        connect(url)

    assert "marker0" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "asked",
    [
        "redis://redis.example?retry_on_timeout=1",
        "redis://redis.example?socket_timeout=900",
        "redis://redis.example?health_check_interval=0",
        "redis://redis.example?protocol=3",
        "redis://redis.example?max_connections=1",
        "redis://redis.example?marker0=",
        "redis://redis.example?marker0",
        "redis://redis.example?connection_class=marker0",
        "redis://redis.example?ssl_cert_reqs=none",
        "redis://redis.example/marker0",
        "redis://redis.example/1/2",
        "redis://redis.example/0#marker0",
        "rediss://redis.example?ssl=false",
        "rediss://redis.example?ssl_ciphers=NULL",
        "rediss://redis.example?ssl_min_version=768",
        "unix:///redis.sock?ssl_cert_reqs=none",
        "redis+sentinel://127.0.0.1/main?ssl=true",
        "redis+sentinel://127.0.0.1/main?ssl_ca_certs=marker0",
        "redis://127.0.0.1/0?sentinel_password=marker0",
        "redis+sentinel://127.0.0.1/main/0#marker0",
        "redis+cluster://127.0.0.1/marker0",
        "redis+cluster://127.0.0.1/1",
        "redis+cluster://127.0.0.1?ssl_ca_certs=marker0",
    ],
)
def test_t22_what_latchkey_does_not_know_in_a_url_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="Redis URL") as raised:
        connect(asked, insecure=True)

    assert "marker0" not in str(raised.value)


WEAKER = ["ssl_cert_reqs=none", "ssl_cert_reqs=optional", "ssl_check_hostname=false", "ssl_check_hostname=0"]


@pytest.mark.parametrize("asked", WEAKER)
def test_t22_weaker_tls_needs_to_be_meant_and_warns(asked: str, caplog: pytest.LogCaptureFixture) -> None:
    url = f"rediss://:{PASSWORD}@redis.example/0?{asked}"

    with pytest.raises(ValueError, match="LATCHKEY_REDIS_INSECURE=1") as raised:
        connect(url)
    assert (caplog.messages, PASSWORD in str(raised.value)) == ([], False)

    connect(url, insecure=True)
    assert len(caplog.messages) == 1


def test_t22_the_authority_and_our_own_certificate_may_be_named(caplog: pytest.LogCaptureFixture) -> None:
    named = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/us.pem", "ssl_keyfile": "/us.key"}
    client: Any = connect("rediss://redis.example/2?" + urlencode(named | {"ssl_cert_reqs": "required"}))

    options = client.get_connection_kwargs()
    assert {name: options[name] for name in named} == named
    assert (options["db"], options["socket_timeout"]) == (2, 2)
    assert caplog.messages == []


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with connect("unix:///nowhere.sock") as client:
        with pytest.raises(Unavailable):
            await must_take_writes(client, KEYS)


async def test_r3_a_store_that_takes_no_write_is_not_well(real: Any) -> None:
    await real.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(Unavailable, match="ReadOnlyError"):
            await must_take_writes(real, KEYS)
    finally:
        await real.replicaof("NO", "ONE")
    await real.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="OutOfMemoryError"):
            await must_take_writes(real, KEYS)
    finally:
        await real.config_set("maxmemory", 0)

    await must_take_writes(real, KEYS)
    assert await real.keys() == []


WRITES: list[Callable[[Any], Awaitable[object]]] = [
    lambda client: client.set("key", b""),
    lambda client: client.register_script("return redis.call('SET', KEYS[1], '')")(keys=["key"]),
    lambda client: must_take_writes(client, KEYS),
]


@pytest.mark.parametrize("write", WRITES, ids=["command", "script", "transaction"])
async def test_r3_one_write_that_a_replica_refuses_ends_all_connections_that_are_idle(
    server_url: str, real: Any, write: Callable[[Any], Awaitable[object]]
) -> None:
    others = {each["id"] for each in await real.client_list()}
    async with connect(server_url) as client:
        commands: Any = client
        await asyncio.gather(*(commands.ping() for _ in range(5)))
        before = {each["id"] for each in await real.client_list()} - others
        await real.replicaof("127.0.0.1", 1)
        try:
            with pytest.raises((ReadOnlyError, Unavailable)):
                await write(commands)
        finally:
            await real.replicaof("NO", "ONE")

        await asyncio.gather(*(commands.ping() for _ in range(5)))
        assert len(before) == 5
        assert before & {each["id"] for each in await real.client_list()} == set()


async def test_a_command_is_sent_on_no_connection_that_is_just_being_closed(real: Any) -> None:
    for _ in range(3):
        await asyncio.gather(*(real.ping() for _ in range(5)))
        closing = real.connection_pool.disconnect(inuse_connections=False)

        _, *answers = await asyncio.gather(closing, *(real.ping() for _ in range(5)))

        assert answers == [True] * 5


async def test_a_clock_that_is_far_from_that_of_redis_is_told(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await clock_problem(real) is None

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31)

    assert "31 s apart" in str(await clock_problem(real))
