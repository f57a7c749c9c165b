"""Pages that follow the answer to a submit, where Slack delivers the submit again."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.domain.errors import Unavailable
from bot.domain.keys import RequestId, Secret
from bot.domain.review import Backlog, Digest
from bot.services.agenda import HOLDING
from bot.services.browse.home import HomePage
from bot.services.commands import CardAt, ReplyTo
from bot.services.pages import Handover
from bot.services.ports.store import Post
from bot.services.surfaces import CARD
from bot.slack.api import notifier
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews, SlackNotifier, once_more
from sandbox.serving import serve
from tests.support import build
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


NOWHERE = ReplyTo(response_url=Secret("https://hooks.slack.example/1"))
A_DIGEST = Digest(build.ACCOUNT, "owner", build.NOW, timedelta(days=90))
HANDOVER = Handover(RequestId("R1"), 1, build.a_key(), Secret("s"), build.ACCOUNT, build.CLUSTER, build.ENDPOINTS,
                    build.NOW)  # fmt: skip
SENDS: dict[str, Callable[[SlackNotifier], Awaitable[object]]] = {
    "a first message": lambda it: it.publish(CARD, build.pending(), None),
    "a later version": lambda it: it.publish(CARD, build.pending(), Post(CARD, "C01", "1.0", "")),
    "a review": lambda it: it.digest("U01", A_DIGEST, None),
    "a review that changed": lambda it: it.digest("U01", A_DIGEST, CardAt("D01", "1.0")),
    "a backlog": lambda it: it.backlog("C01", Backlog(1, build.NOW)),
    "Home": lambda it: it.show_home(build.DANA.slack, HomePage()),
    "a secret": lambda it: it.hand_over(NOWHERE, HANDOVER),
}


@pytest.mark.parametrize("what", SENDS)
async def test_t17_whose_work_was_taken_over_sends_nothing(what: str) -> None:
    async def is_lost() -> bool:
        return False

    screen = Screen()
    async with serve(app_of(screen)) as url, aiohttp.ClientSession() as session:
        client = AsyncWebClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        it = SlackNotifier(Replies(client, session, frozenset({"hooks.slack.example"})), AckedViews(client))
        HOLDING.set(is_lost)
        with pytest.raises(Unavailable):
            await SENDS[what](it)

    assert screen.asked == []
