"""Socket Mode when Slack sends our connections away, and when it takes them again."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from unittest import mock

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api import socket_mode
from bot.slack.api.client import routed
from bot.slack.api.socket_mode import Sockets
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.faults import Links
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN
from tests.support.processes import until


@asynccontextmanager
async def connected(slack: Slack) -> AsyncGenerator[Sockets]:
    """A connected client; `slack` is what it is connected to."""
    async with running(slack) as url, aiohttp.ClientSession() as session:
        client = routed(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/", session=session))
        logger = logging.getLogger("slack_bolt")
        socket = Sockets(AsyncApp(client=client, signing_secret="made-up"), APP_TOKEN, client, logger)
        try:
            await socket.connect()
            yield socket
        finally:
            await socket.close()


@pytest.mark.parametrize("reason", ["too_many_websockets", "link_disabled"])
async def test_a_connection_that_is_sent_away_waits_and_says_why(
    reason: Links, caplog: pytest.LogCaptureFixture
) -> None:
    slack = Slack(lambda: datetime.now(UTC))
    slack.faults.links = reason
    with mock.patch.object(socket_mode, "FIRST_WAIT", 0.2):
        async with connected(slack) as socket:
            await until(lambda: slack.sockets.sent_away >= 3, "three tries")
            said = await socket.problem()
            assert said is not None
            assert reason in said
            assert socket_mode.ADVICE[reason] in said
            assert any(reason in str(getattr(record, "why", "")) for record in caplog.records)
            # 0.2, 0.4 and 0.8 seconds, give or take a half: the SDK alone makes hundreds a second.
            assert _opened(slack) <= 5
            slack.faults.links = "work"
            await slack.sockets.wait_connected()
            await _ready(socket)


@pytest.mark.parametrize(
    "how", ["greeted, then too_many_websockets", "greeted, then refresh_requested", "greeted, then closed"]
)
async def test_a_connection_that_ends_soon_after_its_greeting_waits_ever_longer(how: Links) -> None:
    slack = Slack(lambda: datetime.now(UTC))
    slack.faults.links = how
    loop = asyncio.get_running_loop()
    with mock.patch.object(socket_mode, "FIRST_WAIT", 0.2), mock.patch.object(socket_mode, "GAP", 0.0):
        started = loop.time()
        async with connected(slack) as socket:
            await until(lambda: slack.sockets.sent_away >= 4, "four tries")
            # 0.2, 0.4 and 0.8 seconds, or half of each.
            assert loop.time() - started >= 0.7
            said = await socket.problem()
            assert said is not None
            assert "too_many" not in how or socket_mode.ADVICE["too_many_websockets"] in said
            slack.faults.links = "work"
            await _ready(socket)


async def test_an_answer_whose_connection_has_ended_is_one_line_without_a_stack_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slack = Slack(lambda: datetime.now(UTC))
    async with connected(slack) as socket:
        await slack.sockets.wait_connected()

        @socket.app.command("/apikey")
        async def listener(ack: AsyncAck) -> None:
            session = socket.client.current_session
            assert session is not None
            await session.close()
            await ack()

        await slack.interactions.command("U0ERIN", APPROVALS_CHANNEL, "/apikey help")
        await until(lambda: _lines(caplog, "couldn't answer Slack: the connection had ended"), "the line")

    assert [record for record in caplog.records if record.exc_info] == []


def _lines(caplog: pytest.LogCaptureFixture, message: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == message]


async def test_no_two_tries_follow_each_other_at_once_whatever_ended_the_first() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    slack.faults.links = "greeted, then closed"
    loop = asyncio.get_running_loop()
    with mock.patch.object(socket_mode, "FIRST_WAIT", 0.0), mock.patch.object(socket_mode, "GAP", 0.4):
        started = loop.time()
        async with connected(slack):
            await until(lambda: slack.sockets.sent_away >= 4, "four tries")
            assert loop.time() - started >= 1.2


async def test_a_refresh_of_a_connection_that_had_worked_is_made_at_once_and_too_many_of_them_is_not() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    with mock.patch.multiple(socket_mode, LIVED=0.0, GAP=0.0, FIRST_WAIT=600.0):
        async with connected(slack) as socket:
            await _ready(socket)
            await slack.sockets.disconnect("refresh_requested")
            await until(lambda: _opened(slack) == 2, "a new connection")
            await _ready(socket)
            await slack.sockets.disconnect("warning")
            await until(lambda: _opened(slack) == 3, "a new connection")
            await _ready(socket)
            await slack.sockets.disconnect("too_many_websockets")
            async with asyncio.timeout(30):
                while (said := await socket.problem()) is None:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
            assert socket_mode.ADVICE["too_many_websockets"] in said
            assert _opened(slack) == 3


async def test_a_process_is_ready_once_slack_greets_it_and_after_each_refresh() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    async with connected(slack) as socket:
        await _ready(socket)
        await slack.sockets.disconnect()
        await slack.sockets.wait_connected()
        await _ready(socket)
        assert slack.sockets.sent_away == 0


async def test_after_a_handshake_that_failed_a_new_address_is_tried() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    with mock.patch.object(socket_mode, "FIRST_WAIT", 0.1), mock.patch.object(socket_mode, "PING_SECONDS", 0.5):
        async with connected(slack) as socket:
            await _ready(socket)
            slack.faults.links = "handshake fails"
            await slack.sockets.disconnect()
            await until(lambda: slack.sockets.sent_away >= 2, "two tries")
            said = await socket.problem()
            assert said is not None
            assert "the connection to Slack failed (WSServerHandshakeError)" in said
            slack.faults.links = "work"
            await slack.sockets.wait_connected()
            await _ready(socket)
        assert slack.sockets.refused_tickets == 0


def _opened(slack: Slack) -> int:
    return sum(sent.kind == "apps.connections.open" for sent in slack.workspace.outgoing)


async def _ready(socket: Sockets) -> None:
    async with asyncio.timeout(30):
        while await socket.problem() is not None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
