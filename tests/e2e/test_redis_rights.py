"""Users of Redis with the rights that docs/redis.md names, and with the commands that a start tries, do the job."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.fitness import COMMANDS
from bot.store.connection import Commands, connect
from tests.support.processes import audit_of, creates, crew, latchkey, own_redis, take_secret

ROOT = Path(__file__).parents[2]
PASSWORD = "made-up"


def documented() -> Sequence[str]:
    """The rights in docs/redis.md."""
    line = re.search(r"^ +user latchkey on >PASSWORD (.*)$", (ROOT / "docs" / "redis.md").read_text(), re.MULTILINE)
    assert line is not None
    return line[1].split()


def least() -> Sequence[str]:
    """The commands that a start tries, and no others."""
    return ("~lk:*", *(f"+{name.lower()}" for name in COMMANDS))


@pytest.mark.parametrize("rights", [documented(), least()], ids=["documented", "least"])
async def test_a_user_with_no_more_rights_than_documented_serves_the_main_job(
    tmp_path: Path, rights: Sequence[str]
) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        async with connect(redis.url) as store:
            commands: Commands = store
            await commands.execute_command("ACL", "SETUSER", "latchkey", "on", f">{PASSWORD}", *rights)
        url = f"redis://latchkey:{PASSWORD}@127.0.0.1:{redis.port}/0"
        bot = await bots.start(REDIS_URL=url)
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)
        await it.dana.click("I saved it")
        await it.dana.see("saved")
        assert await bot.stop() == 0
        environment = it.stage.environment(redis_url=url)
        resealed = await latchkey("reseal", **environment)
        doctor = await latchkey("doctor", **environment)
        lines = await audit_of(it.stage, REDIS_URL=url)

    assert creates(it.stage) == 1
    assert lines[-1]["action"] != "key:deleted"
    assert (resealed.code, doctor.code) == (0, 0), resealed.err + doctor.out
    assert "the store refused a command" not in bot.log.read_text() + resealed.err + doctor.err


async def test_a_start_without_a_right_is_one_line_that_names_it(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, _), own_redis(it.stage) as redis:
        async with connect(redis.url) as store:
            commands: Commands = store
            rights = (*documented(), "-hvals", "-zadd")
            await commands.execute_command("ACL", "SETUSER", "latchkey", "on", f">{PASSWORD}", *rights)
        url = f"redis://latchkey:{PASSWORD}@127.0.0.1:{redis.port}/0"
        ended = await latchkey("run", **it.stage.environment(redis_url=url))

    said = [line for line in ended.err.splitlines() if not line.startswith("{")]
    assert ended.code == 2
    assert said == ["The user in REDIS_URL isn't allowed to run HVALS, ZADD. Give it what docs/redis.md lists."]
