from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.domain.errors import LatchkeyError, Undeliverable
from bot.domain.keys import Secret
from bot.slack.api.calls import KINDS, OUTCOMES, CountedClient, TimedApp, kind_of
from bot.slack.api.client import Replies, call
from bot.slack.blocks import newer
from bot.slack.blocks.kit import as_message, modal, overflow
from bot.slack.payloads import read
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


# -------------------------------------------------------------------------------------------------------- newer blocks


TABLE = as_message(newer.table(["Key", "Age"], [["orders", "9 days"]], on="message"), "one key")
VIEW = {"view": modal("Delete", [newer.alert("warning", "This is permanent.", on="modal")], callback="page")}


@pytest.mark.parametrize("body", [TABLE, VIEW], ids=["table", "alert"])
@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_arguments"])
async def test_a_slack_that_takes_no_newer_blocks_gets_plain_ones(
    body: Mapping[str, Any], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once it is known, nothing is tried in vain; it is logged once."""
    sent: list[bool] = []

    async def answers(request: Request) -> Response:
        sent.append(newer.has_newer(await request.json()))
        return JSONResponse({"ok": False, "error": code} if sent[-1] else {"ok": True})

    async with serve(app_of(answers)) as url, aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        for _ in range(2):
            await call(client, "chat.postMessage", body)

    assert sent == [True, False, False]
    assert caplog.messages == ["this workspace doesn't accept Slack's newer blocks; using plain ones"]


async def test_what_slack_refuses_in_its_plain_form_too_says_nothing_of_newer_blocks() -> None:
    sent: list[bool] = []

    async def answers(request: Request) -> Response:
        sent.append(newer.has_newer(await request.json()))
        return JSONResponse({"ok": False, "error": "invalid_blocks"})

    async with serve(app_of(answers)) as url, aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        for _ in range(2):
            with pytest.raises(Undeliverable):
                await call(client, "chat.postMessage", TABLE)

    assert sent == [True, False, True, False]


async def test_another_refusal_of_a_message_with_newer_blocks_is_no_reason_to_send_it_again() -> None:
    sent: list[bool] = []

    async def answers(request: Request) -> Response:
        sent.append(newer.has_newer(await request.json()))
        return JSONResponse({"ok": False, "error": "channel_not_found"})

    async with serve(app_of(answers)) as url, aiohttp.ClientSession() as session:
        client = CountedClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        with pytest.raises(Undeliverable):
            await call(client, "chat.postMessage", TABLE)

    assert sent == [True]


# ----------------------------------------------------------------------------------------------------- what Slack sends


async def test_a_choice_from_an_overflow_menu_is_a_press_of_the_button_that_it_stands_for() -> None:
    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T01", bot_token="xoxb-0", bot_id="B01", bot_user_id="U0B")

    pressed: list[str] = []
    app = TimedApp(signing_secret="made-up", authorize=authorize, process_before_response=True)

    @app.action("key:edit")
    async def edit(ack: AsyncAck, body: dict[str, Any]) -> None:
        pressed.append(read.pressed_value(body))
        await ack()

    menu = overflow(("Rotate", "key:rotate", "KEY1"), ("Edit", "key:edit", "KEY1"))
    chosen = {"type": "overflow", "action_id": menu["action_id"], "selected_option": menu["options"][1]}
    body = {"type": "block_actions", "user": {"id": "U01"}, "team": {"id": "T01"}, "actions": [chosen]}
    response = await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=body))

    assert (response.status, pressed) == (200, ["KEY1"])


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
