"""What a start says of the store that it is given, and how Slack is called."""

import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import connector
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot import metrics
from bot.connections import _checked_redis, opened_slack
from bot.domain.keys import TeamId
from bot.settings import Settings
from bot.store.keyspace import Keyspace
from bot.store.sealing import new_master_key
from sandbox.serving import serve
from tests.support.listening import app_of
from tests.support.play import settings_from


@pytest.mark.parametrize(
    ("slack", "warned"), [("https://slack.com/api/", ["REDIS_URL"]), ("http://127.0.0.1:8090/api/", [])]
)
async def test_an_embedded_store_with_a_real_slack_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, slack: str, warned: list[str]
) -> None:
    settings = a_setup(tmp_path, slack)
    caplog.set_level(logging.WARNING, "latchkey")
    async with AsyncExitStack() as stack:
        await _checked_redis(stack, settings, Keyspace(TeamId("T01")))

    said = [each.getMessage() for each in caplog.records if "embedded server is for trying" in each.getMessage()]
    assert [name for name in warned for each in said if name in each] == warned
    assert len(said) == len(warned)


def a_setup(folder: Path, slack: str) -> Settings:
    return settings_from(
        {
            "SLACK_API_URL": slack,
            "SLACK_BOT_TOKEN": "xoxb-made-up",
            "SLACK_APP_TOKEN": "xapp-made-up",
            "CONFLUENT_CLOUD_API_KEY": "AAAABBBBCCCCDDDD",
            "CONFLUENT_CLOUD_API_SECRET": "made-up-secret",
            "LATCHKEY_MASTER_KEYS": new_master_key(),
            "LATCHKEY_CHANNEL": "C02ABC",
            "LATCHKEY_DATA_DIR": str(folder / "data"),
            "LATCHKEY_SECRETS_DIR": str(folder),
        }
    )


async def test_a_call_to_slack_takes_no_connection_that_the_server_may_just_be_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, passed = list[int](), 0.0

    async def answer(request: Request) -> Response:
        assert request.client is not None
        ports.append(request.client.port)
        return JSONResponse({"ok": True})

    monkeypatch.setattr(connector, "monotonic", lambda: time.monotonic() + passed)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(app_of(answer)))
        settings = a_setup(tmp_path, f"{url}/api/")
        _, slack = await opened_slack(stack, settings, metrics.Calls(CollectorRegistry()))
        await slack.api_call("api.test")
        await slack.api_call("api.test")
        passed = 3.0
        await slack.api_call("api.test")

    first, second, later = ports
    assert first == second != later
