from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.domain.errors import LatchkeyError
from bot.domain.keys import Secret
from bot.slack.api.calls import KINDS, OUTCOMES, CountedClient, TimedApp, kind_of
from bot.slack.api.client import Replies, call
from sandbox.serving import serve
from tests.support.listening import app_of


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (JSONResponse({"ok": True}), "ok"),
        (JSONResponse({"ok": False, "error": "channel_not_found"}), "refused"),
        (JSONResponse({"ok": False, "error": "token_revoked"}), "unauthorized"),
        (JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "3"}), "rate_limited"),
        (JSONResponse({"ok": False, "error": "internal_error"}), "error"),
        (Response("<html>", 502), "error"),
        (JSONResponse([]), "error"),
    ],
)
async def test_a_call_is_counted_by_its_method_and_how_it_ended(answer: Response, outcome: str) -> None:
    told: list[tuple[str, str]] = []

    async def answers(_: Request) -> Response:
        return answer

    async with serve(app_of(answers)) as url, aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        client.answered = lambda method, outcome, _: told.append((method, outcome))
        for method in ("chat.update", "admin.made.up"):
            try:
                await call(client, method, {})
            except LatchkeyError:
                continue

    assert told == [("chat.update", outcome), ("other", outcome)]
    assert outcome in OUTCOMES


async def test_a_slack_that_is_not_there_is_no_answer() -> None:
    told: list[tuple[str, str]] = []
    async with aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url="http://127.0.0.1:1/api/", session=session, retry_handlers=[])
        client.answered = lambda method, outcome, _: told.append((method, outcome))
        with pytest.raises(LatchkeyError):
            await call(client, "auth.test", {})

    assert told == [("auth.test", "no_answer")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Response("ok"), "ok"),
        (Response("used_url", 404), "refused"),
        (Response("<html>", media_type="text/html"), "refused"),
        (Response("", 429), "rate_limited"),
        (Response("", 503), "error"),
    ],
)
async def test_an_answer_to_a_click_is_counted_too(answer: Response, outcome: str) -> None:
    told: list[tuple[str, str]] = []

    async def answers(_: Request) -> Response:
        return answer

    async with serve(app_of(answers)) as url, aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url=f"{url}/api/", session=session)
        hosts = frozenset({url.removeprefix("http://")})
        replies = Replies(client, session, hosts, lambda method, outcome, _: told.append((method, outcome)))
        try:
            await replies.post(Secret(f"{url}/hooks/1"), {"text": "hello"})
        except LatchkeyError:
            assert outcome != "ok"

    assert told == [("response_url", outcome)]


# ----------------------------------------------------------------------------------------------------- what Slack sends


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"command": "/apikey", "text": "help"}, "command"),
        ({"type": "block_actions"}, "button"),
        ({"type": "view_submission"}, "submit"),
        ({"type": "view_closed"}, "submit"),
        ({"type": "block_suggestion"}, "options"),
        ({"type": "shortcut"}, "shortcut"),
        ({"type": "event_callback"}, "event"),
        ({"type": "U01 was here"}, "other"),
        ({"type": ["block_actions"]}, "other"),
        ({}, "other"),
        (None, "other"),
    ],
)
def test_whatever_slack_sends_is_one_of_a_few_kinds(body: object, kind: str) -> None:
    assert kind_of(body) == kind
    assert kind in KINDS


async def test_what_slack_sends_is_timed_and_what_nobody_signed_is_not() -> None:
    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T01", bot_token="xoxb-0", bot_id="B01", bot_user_id="U0B")

    told: list[tuple[str, bool]] = []
    app = TimedApp(signing_secret="made-up", authorize=authorize, process_before_response=True)
    app.acked = lambda kind, _, is_answer: told.append((kind, is_answer))

    @app.command("/apikey")
    async def apikey(ack: AsyncAck) -> None:
        await ack("hello")

    @app.command("/broken")
    async def broken() -> None:
        raise RuntimeError

    @app.error
    async def failed() -> None:
        return None

    for mode, command in (("socket_mode", "/apikey"), ("socket_mode", "/broken"), ("http", "/apikey")):
        body = {"command": command, "team_id": "T01", "user_id": "U01"}
        await app.async_dispatch(AsyncBoltRequest(mode=mode, body=body if mode == "socket_mode" else "command=x"))

    assert told == [("command", True), ("command", False)]
