"""Pages that follow the answer to a submit, where Slack delivers the submit again."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.slack.api import notifier
from bot.slack.api.notifier import AckedViews, once_more
from sandbox.serving import serve
from tests.support.listening import app_of

VIEW, SUBMIT = "V0VIEW", "0123456789abcdef0123"


@dataclass(slots=True)
class Screen:
    """A Slack with one view, which shows the page of anyone who knows its id."""

    external_id: str = ""
    shown: str = ""
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.asked.append(body.get("view_id") or body["external_id"])
        if body.get("view_id") != VIEW and body.get("external_id") != self.external_id:
            return JSONResponse({"ok": False, "error": "not_found"})
        self.external_id, self.shown = "", body["view"]["callback_id"]
        return JSONResponse({"ok": True, "view": {"id": VIEW}})


@asynccontextmanager
async def seen(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[AckedViews]:
    monkeypatch.setattr(notifier, "_PAUSES", (0.0,))
    monkeypatch.setattr(notifier, "_LATE_PAUSE", 0.0)
    async with serve(app_of(screen)) as url, aiohttp.ClientSession() as session:
        yield AckedViews(AsyncWebClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[]))


def page(name: str) -> dict[str, str]:
    return {"type": "modal", "callback_id": name}


async def test_a_second_answer_that_never_comes_replaces_no_later_page(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(external_id=SUBMIT)
    async with seen(screen, monkeypatch) as views:
        await views.put(VIEW, page("review"), SUBMIT)
        screen.shown = "sent"  # its reader went on
        await views.put(VIEW, page("review"), again := once_more(SUBMIT))

    assert screen.shown == "sent"
    assert set(screen.asked) == {SUBMIT, again}


async def test_a_second_answer_that_came_is_followed_by_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(external_id=SUBMIT)
    async with seen(screen, monkeypatch) as views:
        await views.put(VIEW, page("review"), SUBMIT)
        screen.external_id, screen.shown = (again := once_more(SUBMIT)), "waiting"
        await views.put(VIEW, page("review"), again)

    assert screen.shown == "review"


async def test_where_no_id_was_ever_seen_adopted_the_second_page_goes_to_the_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen(shown="waiting")
    async with seen(screen, monkeypatch) as views:
        await views.put(VIEW, page("review"), once_more(SUBMIT))

    assert screen.shown == "review"
