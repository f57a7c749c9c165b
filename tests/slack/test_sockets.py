"""Socket Mode when Slack sends our connections away, and when it takes them again."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from unittest import mock

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import sockets
from bot.slack.proxies import routed
from bot.slack.sockets import Sockets
from sandbox.slack.faults import Links
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN
from tests.support.processes import until


@asynccontextmanager
async def socket_mode(slack: Slack) -> AsyncGenerator[Sockets]:
    """A connected client; `slack` is what it is connected to."""
    async with running(slack) as url, aiohttp.ClientSession() as session:
        client = routed(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/", session=session))
        logger = logging.getLogger("slack_bolt")
        socket = Sockets(AsyncApp(token=BOT_TOKEN, signing_secret="made-up"), APP_TOKEN, client, logger)
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
    with mock.patch.object(sockets, "FIRST_WAIT", 0.2):
        async with socket_mode(slack) as socket:
            await until(lambda: slack.sockets.sent_away >= 3, "three tries")
            said = await socket.problem()
            assert said is not None
            assert reason in said
            assert sockets.ADVICE[reason] in said
            assert any(reason in str(getattr(record, "why", "")) for record in caplog.records)
            # 0.2, 0.4 and 0.8 seconds, give or take a half: the SDK alone makes hundreds a second.
            opened = sum(sent.kind == "apps.connections.open" for sent in slack.workspace.outgoing)
            assert opened <= 5
            slack.faults.links = "work"
            await slack.sockets.wait_connected()
            await _ready(socket)


async def test_a_process_is_ready_once_slack_greets_it_and_after_each_refresh() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    async with socket_mode(slack) as socket:
        await _ready(socket)
        await slack.sockets.disconnect()
        await slack.sockets.wait_connected()
        await _ready(socket)
        assert slack.sockets.sent_away == 0


async def test_after_a_handshake_that_failed_a_new_address_is_tried() -> None:
    slack = Slack(lambda: datetime.now(UTC))
    with mock.patch.object(sockets, "FIRST_WAIT", 0.1), mock.patch.object(sockets, "PING_SECONDS", 0.5):
        async with socket_mode(slack) as socket:
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


async def _ready(socket: Sockets) -> None:
    async with asyncio.timeout(30):
        while await socket.problem() is not None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
