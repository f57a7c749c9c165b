"""Debian's Redis 7.0, which has no WAITAOF: what `doctor` says of it, and a start on it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.store.connection import Commands, connect
from sandbox.serving import free_port
from sandbox.stage import Stage
from tests.support.processes import OwnRedis, crew, latchkey, take_secret

LOSES = "appendfsync is everysec, and this Redis has no WAITAOF, so no step waits for the disk"
ADVICE = "Set appendfsync to always, or use Redis 7.2 or newer."


@asynccontextmanager
async def redis_70(here: Stage, program: Path, appendfsync: str) -> AsyncGenerator[OwnRedis]:
    """A server without WAITAOF that flushes its file this often; skipped where the machine's Redis has it."""
    folder = here.folder / "redis"
    folder.mkdir()
    redis = OwnRedis(folder, free_port(), program=program)
    await redis.start()
    try:
        async with connect(redis.url) as client:
            commands: Commands = client
            version = (await commands.info("server"))["redis_version"]
            if tuple(map(int, version.split(".")[:2])) >= (7, 2):
                pytest.skip(f"redis-server is {version}, which has WAITAOF; Debian 12 has 7.0")
            await commands.config_set("appendfsync", appendfsync)
        yield redis
    finally:
        await redis.kill()


@pytest.mark.parametrize(
    ("appendfsync", "state", "says", "do", "code"),
    [("everysec", "failed", LOSES, ADVICE, 1), ("always", "ok", "", "", 0)],
    ids=["everysec", "always"],
)
async def test_doctor_says_of_a_redis_without_waitaof_whether_steps_are_on_disk(
    tmp_path: Path, redis_program: Path, appendfsync: str, state: str, says: str, do: str, code: int
) -> None:
    async with crew(tmp_path) as (it, _), redis_70(it.stage, redis_program, appendfsync) as redis:
        environment = it.stage.environment(redis_url=redis.url)
        told, listed = await asyncio.gather(
            latchkey("doctor", **environment), latchkey("doctor", "--json", **environment)
        )

    found: Mapping[str, Mapping[str, str]] = {each["check"]: each for each in json.loads(listed.out)}
    assert (told.code, listed.code) == (code, code)
    assert (found["appendfsync"]["state"], found["appendfsync"]["do"]) == (state, do)
    assert found["appendfsync"]["says"].startswith(says)
    assert "each step waits" not in told.out
    assert found["disk"]["state"] == "warning"
    assert "no WAITAOF, which came with 7.2" in found["disk"]["says"]


@pytest.mark.parametrize("appendfsync", ["everysec", "always"])
async def test_a_start_on_a_redis_without_waitaof_works_and_warns_where_a_crash_would_lose_steps(
    tmp_path: Path, redis_program: Path, appendfsync: str
) -> None:
    async with crew(tmp_path) as (it, bots), redis_70(it.stage, redis_program, appendfsync) as redis:
        bot = await bots.start(REDIS_URL=redis.url)
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)

    log = bot.log.read_text()
    assert (LOSES in log, ADVICE in log) == ((True, True) if appendfsync == "everysec" else (False, False))
    assert "this Redis has no WAITAOF, which came with 7.2" in log
    assert "Traceback" not in log
