"""Processes that are replaced one by one in HTTP mode, and how one stops."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.gate import Gate
from sandbox.serving import free_port
from sandbox.slack import payloads
from sandbox.slack.delivery import Envelope, NoAnswer
from sandbox.stage import Stage
from tests.support.balancer import balancer
from tests.support.processes import PRODUCT, SECONDS, creates, crew, has_read, own_redis, reached, readiness, until

A_SECOND = 20
"""Commands, where the machine keeps up with them."""
AT_ONCE = 5
"""Commands on their way at most: more of them would wait for a busy machine, not for a process that stops."""


@dataclass(slots=True)
class Traffic:
    """Commands that someone sends all the time, and what became of them."""

    sent: int = 0
    answered: int = 0
    lost: int = 0


@asynccontextmanager
async def traffic(here: Stage) -> AsyncGenerator[Traffic]:
    """Dana asks for help, twenty times a second."""
    slack, seen, room = here.slack, Traffic(), asyncio.Semaphore(AT_ONCE)

    async def ask() -> None:
        person, channel = slack.workspace.people["U0DANA"], slack.workspace.channels[APPROVALS_CHANNEL]
        trigger, url = slack.views.new_trigger("U0DANA"), slack.response_urls.new("U0DANA", channel.id)
        payload = payloads.slash_command(person, channel, "/apikey", "help", trigger=trigger, url=url)
        seen.sent += 1
        try:
            answer = await slack.delivery.send(Envelope("slash_commands", payload, takes_answer=True), "U0DANA")
        except NoAnswer:
            seen.lost += 1
        else:
            seen.answered += "Latchkey" in str(answer)
        finally:
            room.release()

    async def keep_asking() -> None:
        async with asyncio.TaskGroup() as group:
            while not over.is_set():
                await room.acquire()
                group.create_task(ask())
                await asyncio.sleep(1 / A_SECOND)

    over = asyncio.Event()
    task = asyncio.create_task(keep_asking())
    try:
        yield seen
    finally:
        over.set()
        await task


async def test_a_rolling_restart_behind_a_proxy_loses_no_command(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        ports = (free_port(), free_port())
        running = [
            await bots.start(SLACK_MODE="http", REDIS_URL=redis.url, PORT=str(port), LATCHKEY_DRAIN="3")
            for port in ports
        ]
        async with balancer(*ports) as front:
            await front.until(*ports)
            await it.stage.deliver_by_http(front.port)
            async with traffic(it.stage) as seen:
                for nth, (bot, other) in enumerate(zip(running, reversed(ports), strict=True), 1):
                    await until(lambda nth=nth: seen.answered > nth * A_SECOND, "some traffic")  # type: ignore[misc]
                    stopping = asyncio.create_task(bot.stop())
                    await front.until(other)
                    assert not stopping.done(), "unready, it still answers"
                    assert await stopping == 0
                    await bot.start()
                    await front.until(*ports)

    assert (seen.lost, seen.answered) == (0, seen.sent)
    assert min(front.answered.values()) > A_SECOND
    assert "Traceback" not in "".join(bot.log.read_text() for bot in running)


async def test_asked_to_stop_it_is_not_ready_first_and_goes_on_answering_and_working(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        port = free_port()
        bot = await bots.start(SLACK_MODE="http", PORT=str(port), LATCHKEY_DRAIN="8")
        await it.ask()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert "connection" not in (await client.get("/healthz")).headers
            stopping = asyncio.create_task(bot.stop())
            unready = await readiness(port, lambda answer: "stopping" in answer.json()["checks"])
            alive = await client.get("/healthz")
            await it.approve()
            await it.dana.see("is ready.")  # what the worker makes and says
            assert not stopping.done()
        assert await stopping == 0

    assert not unready.is_success
    assert unready.json()["checks"]["stopping"] == "this process was asked to stop"
    assert (alive.status_code, alive.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, mode: str) -> None:
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_before_create = Gate()
        settings = {"SLACK_MODE": mode, "PORT": str(free_port()), "LATCHKEY_DRAIN": "300"}
        bot = await bots.start(program=PRODUCT, **settings)
        await has_read(bot)
        await it.ask()
        await it.approve()
        await reached(gate)
        assert bot._process is not None
        bot._process.send_signal(signal.SIGTERM)
        await until(lambda: '"event": "stopping"' in bot.log.read_text(), "the first signal's effect")
        bot._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            code = await bot.wait()
        gate.opened.set()

    assert code == -signal.SIGTERM
    assert creates(it.stage) <= 1


async def test_without_a_drain_it_stops_as_soon_as_its_work_is_done(tmp_path: Path) -> None:
    async with crew(tmp_path) as (_, bots):
        bot = await bots.start(SLACK_MODE="http", PORT=str(free_port()), LATCHKEY_DRAIN="0")
        async with asyncio.timeout(SECONDS):
            assert await bot.stop() == 0
