"""Whether a server is fit for Latchkey, and what its errors mean to those who run it."""

import re
import socket
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import ResponseError

from bot.domain.errors import Unavailable
from bot.fitness import COMMANDS, appendfsync, cause_of, missing_rights, must_answer, server_problems
from bot.store.connection import connect, translated
from bot.store.keyspace import Keyspace
from tests.support.build import TEAM
from tests.support.stored import write_to_disk_again

KEYS = Keyspace(TEAM)
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def guest(real: Any, server_url: str) -> AsyncGenerator[Any]:
    """A user who may do what `docs/redis.md` says is enough."""
    rules = ("~lk:*", "+@all", "-@dangerous", "-@admin", "+info")
    await real.execute_command("ACL", "SETUSER", "guest", "reset", "on", "nopass", *rules)
    async with connect(server_url) as client:
        client.connection_pool.connection_kwargs |= {"username": "guest", "password": "any"}
        yield client
    await real.execute_command("ACL", "DELUSER", "guest")


async def test_our_own_server_is_fit(real: Any) -> None:
    assert await server_problems(real) == []
    assert await missing_rights(real, KEYS) is None
    assert await appendfsync(real) == "always"
    assert await real.keys() == []


async def test_an_unfit_server_is_told_of(real: Any) -> None:
    await real.config_set("maxmemory-policy", "allkeys-lru")
    await real.config_set("appendonly", "no")
    try:
        problems = await server_problems(real)
    finally:
        await real.config_set("maxmemory-policy", "noeviction")
        await write_to_disk_again(real)

    assert [(each.says.split(" ")[0], each.do) for each in problems] == [
        ("maxmemory-policy", "Set it to noeviction."),
        ("The", "Set appendonly to yes."),
    ]


async def test_the_documented_rights_are_enough_and_each_missing_one_is_named(real: Any, guest: Any) -> None:
    assert await missing_rights(guest, KEYS) is None
    assert await appendfsync(guest) is None, "it may not read the configuration"

    for command in ("hvals", "zmscore", "scan", "info", "time", "wait", "waitaof", "multi", "evalsha", "ping"):
        await real.execute_command("ACL", "SETUSER", "guest", f"-{command}")
        missing = await missing_rights(guest, KEYS)
        await real.execute_command("ACL", "SETUSER", "guest", f"+{command}")
        assert missing is not None
        assert missing.says == f"The user in REDIS_URL isn't allowed to run {command.upper()}."

    await real.execute_command("ACL", "SETUSER", "guest", "resetkeys", "~other:*")
    missing = await missing_rights(guest, KEYS)
    assert missing is not None
    assert missing.says == "The user in REDIS_URL isn't allowed to use keys such as lk:{T01}:*."
    await real.execute_command("ACL", "SETUSER", "guest", "~lk:*")
    assert await missing_rights(guest, KEYS) is None, "no transaction is left open"


def test_every_command_of_a_script_is_among_those_tried() -> None:
    scripts = "".join(path.read_text("utf-8") for path in (ROOT / "bot" / "store").glob("*.lua"))
    used = set(re.findall(r"redis\.p?call\('([A-Z]+)'", scripts))

    assert len(used) > 20
    assert used - set(COMMANDS) == set()


async def test_a_look_at_rights_changes_nothing(real: Any) -> None:
    await real.set(KEYS.probe, b"somebody's", px=100_000)

    await missing_rights(real, KEYS)

    assert await real.keys() == []


async def test_what_lets_us_in_needs_no_right(real: Any, guest: Any) -> None:
    await real.execute_command("ACL", "SETUSER", "guest", "-@all")
    await must_answer(guest)
    await real.execute_command("ACL", "SETUSER", "guest", "off")
    await guest.connection_pool.disconnect()

    with pytest.raises(Unavailable) as raised:
        await must_answer(guest)

    assert cause_of(raised.value).says.startswith("Redis rejects the user name or password")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ssl.SSLCertVerificationError("self-signed"), "Redis's certificate isn't trusted"),
        (ssl.SSLError("WRONG_VERSION_NUMBER"), "The TLS handshake with Redis failed."),
        (socket.gaierror("no such name"), "The host name in REDIS_URL doesn't resolve."),
        (ResponseError("MISCONF Errors writing to the AOF file"), "Redis accepts no writes, because it can't write"),
        (ResponseError("NOREPLICAS Not enough good replicas"), "Redis accepts no writes, because it has too few"),
        (ResponseError("STRANGE secret words"), "Redis refused a command (STRANGE)."),
        (ResponseError("strange words"), "Redis didn't answer (ResponseError)."),
        (ConnectionFailed("Connection closed by server."), "Redis didn't answer (ConnectionError)."),
    ],
)
def test_an_error_is_told_by_its_class_or_code(error: Exception, says: str) -> None:
    with pytest.raises(Unavailable) as raised, translated():
        raised_by_redis(error)

    assert cause_of(raised.value).says.startswith(says)


def raised_by_redis(error: Exception) -> None:
    """Raise it as the client does, which has an error of its own for those of the system."""
    try:
        raise error
    except OSError as found:
        raise ConnectionFailed("a text") from found
