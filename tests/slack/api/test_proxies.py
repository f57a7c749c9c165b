"""Slack behind a forward proxy, by the rule of the environment: each of our ways out goes through it."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Unavailable, Undeliverable
from bot.domain.keys import Secret
from bot.slack.api.client import Replies, proxy_for, routed, unreachable
from bot.slack.api.socket_mode import Sockets
from bot.slack.api.workspace import app_token_problem, introduce
from sandbox.serving import serve
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN
from tests.slack.api.test_client import PLAIN, Answering
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.listening import app_of

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@asynccontextmanager
async def behind(environment: pytest.MonkeyPatch, port: int) -> AsyncGenerator[ForwardProxy]:
    async with forward_proxy(port) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("HTTPS_PROXY", proxy.url)
        yield proxy


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", "http://tls:1"),
        ("https://hooks.slack.com/actions/T/1/x", "http://tls:1"),
        ("wss://wss-primary.slack.com/link/?ticket=x", "http://tls:1"),
        ("http://slack.test/api/", "http://plain:1"),
        ("ws://slack.test/link/", "http://plain:1"),
        ("https://inside.example/api/", None),
        ("https://slack.inside.example/api/", None),
        ("http://127.0.0.1:8080/api/", None),
        ("http://127.9.9.9/api/", None),
        ("http://localhost:1/api/", None),
        ("https://latchkey.localhost/", None),
        ("ws://[::1]:80/link/", None),
    ],
)
def test_one_rule_says_which_way_out(environment: pytest.MonkeyPatch, url: str, proxy: str | None) -> None:
    environment.setenv("HTTPS_PROXY", "http://tls:1")
    environment.setenv("HTTP_PROXY", "http://plain:1")
    environment.setenv("NO_PROXY", "inside.example,10.0.0.1")
    assert proxy_for(url) == proxy


def test_a_proxy_for_all_is_the_last_choice_and_may_lack_its_scheme(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "tls:1")
    environment.setenv("ALL_PROXY", "all:1")
    assert proxy_for("https://slack.com/api/") == "http://tls:1"
    assert proxy_for("http://slack.test/api/") == "http://all:1"
    assert proxy_for("http://127.0.0.1/api/") is None


def test_without_a_proxy_everything_is_direct() -> None:
    assert proxy_for("https://slack.com/api/") is None
    assert routed(AsyncWebClient("xoxb-0")).proxy is None


async def test_the_web_api_a_secret_and_socket_mode_all_go_through_the_proxy(environment: pytest.MonkeyPatch) -> None:
    slack = Slack(lambda: datetime.now(UTC))
    async with running(slack) as url, behind(environment, urlsplit(url).port or 0) as proxy:
        host = f"slack.test:{urlsplit(url).port}"
        slack.workspace.base_url = f"http://{host}"
        async with aiohttp.ClientSession() as session:
            client = routed(AsyncWebClient(BOT_TOKEN, base_url=f"http://{host}/api/", session=session))
            assert (await introduce(client)).bot_user
            assert await app_token_problem(client, APP_TOKEN) is None
            assert proxy.asked == [f"POST {host}"] * 2

            answer = Secret(slack.response_urls.new("U0DANA", next(iter(slack.workspace.channels))))
            await Replies(client, session, frozenset({host})).post(answer, {"text": "a secret"})
            assert len(proxy.asked) == 3
            assert await unreachable(session, [f"http://{host}/"]) is None
            assert proxy.asked[3:] == [f"GET {host}"]

            socket = Sockets(
                AsyncApp(token=BOT_TOKEN, signing_secret="made-up"), APP_TOKEN, client, logging.getLogger()
            )
            try:
                await socket.connect()
                await slack.sockets.wait_connected()
                assert proxy.asked[4:] == [f"POST {host}", f"GET {host}"]
            finally:
                await socket.close()


async def test_what_is_encrypted_is_asked_for_with_connect(environment: pytest.MonkeyPatch) -> None:
    async with behind(environment, 0) as proxy, aiohttp.ClientSession() as session:
        client = routed(
            AsyncWebClient(BOT_TOKEN, base_url="https://slack.test/api/", session=session, retry_handlers=[])
        )
        with pytest.raises(Unavailable):
            await introduce(client)
        with pytest.raises(Undeliverable):
            await Replies(client, session, frozenset({"hooks.slack.test"})).post(
                Secret("https://hooks.slack.test/actions/T/1/x"), {"text": "a secret"}
            )
        problem = await unreachable(session, ["https://hooks.slack.test/"])
        assert problem is not None
        assert "hooks.slack.test doesn't answer through the proxy" in problem
        assert proxy.asked == ["CONNECT slack.test:443", *["CONNECT hooks.slack.test:443"] * 2]


async def test_loopback_is_never_asked_of_a_proxy(environment: pytest.MonkeyPatch) -> None:
    async with serve(app_of(Answering(200, b"ok", PLAIN))) as url, behind(environment, 0) as proxy:
        async with aiohttp.ClientSession() as session:
            client = routed(AsyncWebClient(BOT_TOKEN, base_url=f"{url}/api/", session=session))
            await Replies(client, session, frozenset({urlsplit(url).netloc})).post(Secret(f"{url}/x"), {"text": "a"})
        assert proxy.asked == []
