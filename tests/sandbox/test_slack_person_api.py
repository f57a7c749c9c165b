"""The JSON API of the sandbox's page, over real HTTP."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import httpx
import pytest

from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.slack.installed_app import InstalledApp
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import BOT_TOKEN
from tests.sandbox.slack_bot import Bot, listening

SIGN = {"X-Sandbox": "1"}


@pytest.fixture
def slack() -> Slack:
    return Slack(lambda: datetime.now(UTC))


@pytest.fixture
async def url(slack: Slack) -> AsyncGenerator[str]:
    async with running(slack) as base_url:
        yield base_url


@pytest.fixture
async def http(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, headers=SIGN, trust_env=False) as client:
        yield client


@pytest.fixture
async def bot(slack: Slack, url: str) -> AsyncGenerator[Bot]:
    async with listening(slack, url) as bot:
        yield bot


class Page:
    """The events one page load reads."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, kind: str) -> dict[str, Any]:
        async for line in self._lines:
            if line.startswith("data: "):
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if event["type"] == kind:
                    return event
        raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def page(http: httpx.AsyncClient, user: str, session: str = "one") -> AsyncGenerator[Page]:
    async with http.stream("GET", f"/person/{user}/events", params={"session": session}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": connected"
        yield Page(lines)


async def act(http: httpx.AsyncClient, user: str, deed: str, **body: Any) -> dict[str, Any]:
    answer = await http.post(f"/person/{user}/{deed}", json=body)
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


async def test_the_page_goes_from_command_to_secret(http: httpx.AsyncClient, bot: Bot) -> None:
    async with page(http, "U0DANA") as dana, page(http, "U0ERIN") as erin:
        await act(http, "U0DANA", "command", channel=GENERAL_CHANNEL, text="/apikey create", session="one")
        view = (await dana.next("view_opened"))["view"]
        ids = {"view_id": view["id"], "block_id": "environment", "action_id": "environment"}
        offered = await act(http, "U0DANA", "suggest", **ids, value="dev", state={"values": {}})
        chosen = {"type": "external_select", "selected_option": offered["options"][0]}
        state: dict[str, Any] = {"values": {"environment": {"environment": chosen}}}
        await act(
            http,
            "U0DANA",
            "action",
            container={"type": "view", "view_id": view["id"]},
            action={**chosen, "block_id": "environment", "action_id": "environment"},
            state=state,
        )
        view = (await dana.next("view_updated"))["view"]
        gone = {**ids, "block_id": "drawn-away"}
        assert await act(http, "U0DANA", "suggest", **gone, value="dev", state={"values": {}}) == {"options": []}
        refused = await act(http, "U0DANA", "submit", view_id=view["id"], state=state)
        assert refused == {"errors": {"name": "Please complete this required field."}}
        state["values"]["name"] = {"name": {"type": "plain_text_input", "value": "orders"}}
        assert await act(http, "U0DANA", "submit", view_id=view["id"], state=state) == {}
        assert (await dana.next("view_closed"))["view_id"] == view["id"]

        card = await erin.next("message")
        await act(http, "U0ERIN", "action", **click(card, "approve"))
        assert (await erin.next("message_changed"))["message"]["text"] == "Approved"
        ready = await dana.next("message")
        await act(http, "U0DANA", "action", **click(ready, "show"))
        secret = await dana.next("ephemeral")
        assert secret["message"]["ephemeral"]
        await act(http, "U0DANA", "action", **click(secret, "saved"))
        assert (await dana.next("ephemeral_deleted"))["ts"] == secret["message"]["ts"]


def click(event: dict[str, Any], action_id: str) -> dict[str, Any]:
    message = event["message"]
    for block in message["blocks"]:
        for element in block.get("elements", []):
            if element.get("action_id") == action_id:
                action = {**element, "block_id": block["block_id"]}
                where = {"type": "message", "channel": event["channel"], "ts": message["ts"]}
                return {"container": {**where, "ephemeral": message.get("ephemeral", False)}, "action": action}
    raise AssertionError(action_id)


async def test_state_shows_what_this_person_may_see(slack: Slack, http: httpx.AsyncClient) -> None:
    await act(http, "U0ERIN", "message", channel=APPROVALS_CHANNEL, text="between us")
    erin = (await http.get("/person/U0ERIN/state")).json()
    dana = (await http.get("/person/U0DANA/state")).json()
    assert [each["text"] for each in erin["messages"][APPROVALS_CHANNEL]] == ["between us"]
    assert [(each["name"], each["kind"]) for each in dana["channels"]] == [("general", "channel"), ("Latchkey", "dm")]
    assert dana["me"]["name"] == "Dana Okafor"
    assert dana["commands"][0]["command"] == "/apikey"
    assert (dana["views"], dana["home"]) == ([], None)
    people = (await http.get("/person")).json()
    assert people["workspace"] == {"name": "Acme"}
    assert {"id": "U0LEFT", "deleted": True}.items() <= people["people"][-1].items()


@pytest.mark.parametrize(
    ("user", "deed", "body", "status"),
    [
        ("U0DANA", "message", {"channel": APPROVALS_CHANNEL, "text": "x"}, 409),
        ("U0LEFT", "message", {"channel": GENERAL_CHANNEL, "text": "x"}, 409),
        ("U0NOBODY", "home", {}, 409),
        ("U0XAVI", "home", {}, 409),
        ("U0DANA", "submit", {"view_id": "V1"}, 409),
        ("U0DANA", "shortcut", {"callback_id": "none"}, 409),
        ("U0DANA", "command", {}, 400),
        ("U0DANA", "home", "nonsense", 400),
        ("U0DANA", "home", {}, 200),
        ("U0DANA", "home", {"tab": "messages"}, 200),
    ],
)
async def test_what_a_client_would_not_offer_is_refused(
    http: httpx.AsyncClient, bot: Bot, user: str, deed: str, body: object, status: int
) -> None:
    answer = await http.post(f"/person/{user}/{deed}", json=body)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/person", {}, 403),
        ("/person", SIGN, 200),
        ("/person", {**SIGN, "Host": "evil.example"}, 403),
        ("/person", {**SIGN, "Origin": "https://evil.example"}, 403),
        ("/person", {**SIGN, "Sec-Fetch-Site": "cross-site"}, 403),
        ("/person/U0NOBODY/events", {}, 404),
        ("/person/U0NOBODY/state", SIGN, 404),
        ("/api/auth.test", {"Host": "evil.example"}, 403),
    ],
)
async def test_other_sites_are_kept_out(url: str, path: str, headers: dict[str, str], status: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url + path, headers=headers)).status_code == status


async def test_a_web_socket_from_another_site_is_refused(slack: Slack, url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(slack.sockets.new_url(), origin="https://evil.example")


async def test_a_token_in_a_link_is_not_taken(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/api/auth.test", params={"token": BOT_TOKEN})
    assert answer.json()["error"] == "not_authed"


async def test_a_client_that_reconnects_keeps_its_ephemeral_messages(slack: Slack, http: httpx.AsyncClient) -> None:
    async with page(http, "U0DANA") as dana:
        ts = slack.workspace.show_ephemeral("U0DANA", GENERAL_CHANNEL, {"text": "psst"})
        assert (await dana.next("ephemeral"))["message"]["text"] == "psst"
    async with page(http, "U0DANA", session="two"):
        pass
    async with page(http, "U0DANA"):
        assert slack.workspace.is_shown("U0DANA", GENERAL_CHANNEL, ts)


def test_an_app_is_installed_from_its_manifest() -> None:
    manifest = {
        "features": {
            "slash_commands": [{"command": "/keys", "description": "Keys"}],
            "shortcuts": [{"name": "New", "type": "global", "callback_id": "new", "description": "A key"}],
        },
        "oauth_config": {"scopes": {"bot": ["commands"]}},
    }
    app = InstalledApp.from_manifest(manifest)
    assert app.commands == ({"command": "/keys", "description": "Keys", "usage_hint": ""},)
    assert app.shortcuts == ({"name": "New", "callback_id": "new", "description": "A key"},)
    assert app.scopes == {"commands"}
