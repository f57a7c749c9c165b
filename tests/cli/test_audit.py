"""`latchkey audit` as a process of its own, over a real server, with nothing of Slack and Confluent Cloud around it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.store import Store
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.sealing import Sealer, new_master_key, parse_master_keys
from tests.store.given import event
from tests.support.build import TEAM

SECONDS = 60.0


@asynccontextmanager
async def export(folder: Path, key: str, *words: str, stdout: int = PIPE) -> AsyncGenerator[Process]:
    """`latchkey audit export` in an environment that has the store and the master key, and nothing else."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"LATCHKEY_DATA_DIR": str(folder), "LATCHKEY_MASTER_KEYS": key}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "audit", "export", *words),
        env=kept | own,
        stdin=DEVNULL,
        stdout=stdout,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_of(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_export_follows_what_is_written_until_it_is_interrupted(
    tmp_path: Path, number: signal.Signals
) -> None:
    key = new_master_key()
    async with embedded(tmp_path) as url, connect(url) as redis:
        store = Store.open(redis, Sealer(parse_master_keys(key)), TEAM)
        await store.audit.append(event(), event())
        async with export(tmp_path, key, "--since", "1", "--follow") as process:
            assert (await line_of(process))["seq"] == 2
            await store.audit.append(event())
            assert (await line_of(process))["seq"] == 3

            process.send_signal(number)
            out, err = await process.communicate()

    assert (process.returncode, out, err) == (0, b"", b"")


async def test_an_export_with_another_master_key_ends_with_one_line(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url, connect(url) as redis:
        await Store.open(redis, Sealer(parse_master_keys(new_master_key())), TEAM).audit.append(event())
        async with export(tmp_path, new_master_key()) as process:
            out, err = await process.communicate()

    assert (process.returncode, out) == (1, b"")
    assert b"was sealed with a master key that is not configured" in err.splitlines()[-1]


async def test_an_export_that_nobody_reads_any_further_ends_without_a_word(tmp_path: Path) -> None:
    """As in `latchkey audit export | head -1`."""
    key = new_master_key()
    read, write = os.pipe()
    os.close(read)
    async with embedded(tmp_path) as url, connect(url) as redis:
        await Store.open(redis, Sealer(parse_master_keys(key)), TEAM).audit.append(event())
        async with export(tmp_path, key, stdout=write) as process:
            os.close(write)
            _, err = await process.communicate()

    assert (process.returncode, err) == (1, b"")
