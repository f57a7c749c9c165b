"""`latchkey rehearse` as a program: what it reads from its terminal, its exit codes, and Ctrl-C."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.gate import Gate
from sandbox.stage import Stage, stage
from tests.support.rehearsal import CLUSTER

SECONDS = 60.0


@asynccontextmanager
async def rehearsal(here: Stage, *options: str) -> AsyncGenerator[Process]:
    """The program, reading lines of ours; ended when a test fails before it ends."""
    environment = {**os.environ, **here.environment()}
    command = (sys.executable, "-m", "bot", "rehearse", "--report", str(here.folder / "report.json"), *options)
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd=Path(__file__).parents[2]
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: Process, text: str) -> str:
    """Read on until a line with this text; returns it."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


async def test_ctrl_c_takes_the_window_back_and_writes_the_report(tmp_path: Path) -> None:
    async with stage(tmp_path) as here, rehearsal(here) as process:
        dana = here.slack.person("U0DANA")
        found = re.search(r"/apikey \d{4}", await said(process, "/apikey"))
        assert found is not None
        await dana.command(found[0])
        await said(process, "First field")
        process.send_signal(signal.SIGINT)
        await said(process, "Report: ")
        assert await process.wait() == 1
        assert [each for each in dana.front()["blocks"] if each["type"] == "input"] == []
        assert json.loads((tmp_path / "report.json").read_text())["interrupted"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_terminal_that_is_closed_takes_the_window_back_too(tmp_path: Path, number: signal.Signals) -> None:
    async with stage(tmp_path) as here, rehearsal(here) as process:
        dana = here.slack.person("U0DANA")
        found = re.search(r"/apikey \d{4}", await said(process, "/apikey"))
        assert found is not None
        await dana.command(found[0])
        await said(process, "First field")
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined] # the stubs do not know it
        process.send_signal(number)
        await process.wait()
        assert [each for each in dana.front()["blocks"] if each["type"] == "input"] == []
        assert json.loads((tmp_path / "report.json").read_text())["interrupted"] is True
        assert not (tmp_path / "data" / "valkey.sock").exists()


async def test_after_a_kill_the_next_run_deletes_the_key(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        gate = here.faults.hold_after["create"] = Gate()
        async with rehearsal(here, "--confluent", CLUSTER) as process:
            dana = here.slack.person("U0DANA")
            found = re.search(r"/apikey \d{4}", await said(process, "/apikey"))
            assert found is not None
            assert process.stdin is not None
            await dana.command(found[0])
            process.stdin.write(b"s\n")
            for _ in range(4):
                await said(process, "type s and Enter")
                process.stdin.write(b"s\n")
            await said(process, "Create an API key")
            process.stdin.write(b"y\n")
            await gate.reached.wait()
            process.kill()
            await process.wait()
        gate.opened.set()
        assert [each for each in here.organization.api_keys.values() if "lk-rehearsal" in each.description] != []
        async with rehearsal(here) as process:
            assert process.stdin is not None
            await said(process, "is left over from a rehearsal")
            process.stdin.write(b"y\n")
            await said(process, "is deleted")
            await said(process, "/apikey")
            process.send_signal(signal.SIGINT)
            await said(process, "Report: ")
            assert await process.wait() == 1
        assert [each for each in here.organization.api_keys.values() if "lk-rehearsal" in each.description] == []


async def test_steps_can_be_skipped_from_the_keyboard_to_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as here, rehearsal(here) as process:
        assert process.stdin is not None
        for _ in range(6):
            await said(process, "type s and Enter")
            process.stdin.write(b"s\n")
        await said(process, "Report: ")
        assert await process.wait() == 0


async def test_a_cluster_that_is_not_there_ends_it_before_the_first_step(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        for option in ("env-dev001/lkc-none00", "nonsense"):
            async with rehearsal(here, "--confluent", option) as process:
                await said(process, "--confluent")
                assert await process.wait() == 2
