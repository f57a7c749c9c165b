"""The listeners around a real store, a Slack that takes every call and a Confluent that answers: without Bolt.

Bolt offers an event to the first listener that matches, and to the catch-all next where that one does not acknowledge.
So here each listener is called by its own name, and what it says to Slack is counted.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
from fakeredis import FakeAsyncRedis, FakeServer
from slack_sdk.errors import SlackApiError

import handlers
from bot.background import background
from bot.domain.errors import Unavailable
from bot.domain.keys import Person, SlackUserId
from bot.domain.requests import Request
from bot.services.agenda import ItemKind
from bot.services.browse.home import HomePage
from bot.services.commands import Click
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews
from bot.slack.payloads import ids
from bot.store import Store
from tests.support import build
from tests.support.build import DANA
from tests.support.composed import a_cast, a_context, a_store, composed, keep
from tests.support.fakes import FakeCloud, TestClock

Listener = Callable[..., Awaitable[Any]]
CHANNEL = "C01"


def names(constraint: str | re.Pattern[str]) -> list[str]:
    """What a listener listens to, one by one, where `ids.any_of` made one pattern of it."""
    if isinstance(constraint, str):
        return [constraint]
    inside = constraint.pattern.removeprefix(r"\A(?:").removesuffix(r")\Z")
    found = [re.sub(r"\\(.)", r"\1", name) for name in inside.split("|")]
    return found if constraint == ids.any_of(*found) else [constraint.pattern]


class App:
    """Stands for Bolt's app: keeps each listener under what it listens to."""

    def __init__(self) -> None:
        self.listeners: dict[tuple[str, str], Listener] = {}

    def __getattr__(self, kind: str) -> Any:
        if kind not in {"action", "command", "event", "options", "shortcut", "view", "view_closed"}:
            raise AttributeError(kind)

        def to(constraint: str | re.Pattern[str]) -> Callable[[Listener], Listener]:
            def keep(listener: Listener) -> Listener:
                self.listeners |= dict.fromkeys(((kind, name) for name in names(constraint)), listener)
                return listener

            return keep

        return to

    def error(self, listener: Listener) -> Listener:
        return listener


@dataclass(slots=True)
class Client:
    """A Web API that takes every call, and remembers it, but an update of a modal that has changed since its hash."""

    base_url: str = "https://slack.com/api/"
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list[tuple[str, Mapping[str, Any]]])
    view_hash: str = "h1"
    fails: bool = False
    """Whether every call is refused from now on."""

    async def api_call(self, method: str, *, json: Any = None, data: Any = None) -> Any:
        if self.fails:
            answer = SimpleNamespace(data={"ok": False, "error": "expired_trigger_id"}, headers={})
            raise SlackApiError("refused", answer)  # type: ignore[no-untyped-call]  # as below
        body = json if data is None else data
        if method == "views.update" and body.get("hash", self.view_hash) != self.view_hash:
            raise SlackApiError("conflict", SimpleNamespace(data={"ok": False, "error": "hash_conflict"}, headers={}))  # type: ignore[no-untyped-call]  # the SDK types no errors
        self.view_hash = "h9" if method == "views.update" else self.view_hash
        self.calls.append((method, body))
        data = {"ok": True, "view": {"id": "V9", "hash": "h9"}, "ts": "1.0", "channel": CHANNEL}
        return SimpleNamespace(data=data, headers={})


@dataclass(slots=True)
class Acks:
    """Every answer to one event of Slack's."""

    said: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def __call__(self, **fields: Any) -> None:
        self.said.append(fields)


class Closed:
    """An inbox that takes nothing."""

    async def put(self, click: Click, now: Any) -> bool:
        raise Unavailable("Latchkey's store didn't answer.")


@dataclass(slots=True)
class Lobby:
    """The listeners, and what came of calling them."""

    app: App
    client: Client
    store: Store
    clock: TestClock
    cloud: FakeCloud
    context: handlers.ListenerContext
    homes: list[SlackUserId] = field(default_factory=list[SlackUserId])

    async def keep(self, request: Request) -> None:
        """Put a request into the store."""
        await keep(self.store, request)

    def close_the_store(self) -> None:
        """From now on no click can be stored."""
        inbox: Any = Closed()
        handlers.register(cast("Any", self.app), replace(self.context, inbox=inbox))

    async def clicks(self) -> list[Click]:
        """What was stored for the worker."""
        leases = await self.store.agenda.take(self.clock(), build.HOUR, 100)
        names = [lease.item.id for lease in leases if lease.item.kind is ItemKind.CLICK]
        found = [await self.store.inbox.get(name) for name in names]
        return [click for click in found if click is not None]

    def views(self, method: str = "views.open") -> list[Mapping[str, Any]]:
        """The modals that Slack was asked to show in this way."""
        return [body["view"] for called, body in self.client.calls if called == method]

    def told(self) -> str:
        """All that people were told in messages."""
        return str([body for method, body in self.client.calls if method.startswith("chat.")])


@asynccontextmanager
async def a_lobby() -> AsyncGenerator[Lobby]:
    """Dana may ask, Erin and Femi may approve, and Otto may nothing. On leaving, all that was begun is done."""
    clock, cloud, fake_slack = a_cast(FakeCloud)
    client, app = Client(), App()
    redis, policy = FakeAsyncRedis(server=FakeServer()), build.a_policy()
    store = a_store(redis, clock)
    drawn: list[SlackUserId] = []

    async def draw(user: SlackUserId, page: HomePage) -> None:
        drawn.append(user)

    services = composed(store, cloud, fake_slack, clock, lambda: policy, show_home=draw)
    slack: Any = client
    async with aiohttp.ClientSession() as session, background(grace=20) as work:
        replies, views = Replies(slack, session, frozenset()), AckedViews(slack)
        context = a_context(services, cloud, replies, views, work)
        handlers.register(cast("Any", app), context)
        yield Lobby(app, client, store, clock, cloud, context, drawn)
    await redis.aclose()


# --- what Slack sends ------------------------------------------------------------------------------------------------


def pressed(action: str, value: str = "", by: Person = DANA, **more: Any) -> dict[str, Any]:
    """A press of a button in a message."""
    chosen = {"action_id": action, "block_id": "b", "type": "button", "value": value, "action_ts": "1.1"}
    return {
        "type": "block_actions",
        "user": {"id": by.slack, "team_id": by.team},
        "trigger_id": "T1",
        "container": {"type": "message", "channel_id": CHANNEL, "message_ts": "1.0"},
        "channel": {"id": CHANNEL},
        "actions": [{**chosen, **more}],
    }


def in_modal(body: Mapping[str, Any], callback: str = "page", metadata: str = "", **typed: Any) -> dict[str, Any]:
    """The same in a modal, in whose fields this stands, by the name of the field."""
    blocks = [{"type": "input", "block_id": name, "element": {"action_id": "x"}} for name in typed]
    values = {name: (value if isinstance(value, dict) else text(value)) for name, value in typed.items()}
    view = {
        "id": "V1",
        "hash": "h1",
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "blocks": blocks,
        "state": {"values": values},
    }
    return {**{name: value for name, value in body.items() if name not in {"channel", "container"}}, "view": view}


def on_home(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same on Home."""
    view = {"id": "V1", "hash": "h1", "type": "home", "blocks": []}
    return {**{name: value for name, value in body.items() if name not in {"channel", "container"}}, "view": view}


def text(value: str) -> dict[str, Any]:
    """What someone typed into a field of a form."""
    return {"form:text": {"type": "plain_text_input", "value": value}}


def submitted(callback: str, metadata: str = "", by: Person = DANA, **typed: Any) -> dict[str, Any]:
    """A submitted modal."""
    body = {"type": "view_submission", "user": {"id": by.slack, "team_id": by.team}, "trigger_id": "T1"}
    return in_modal(body, callback, metadata, **typed)


def typed_command(words: str, by: Person = DANA) -> dict[str, Any]:
    """A slash command."""
    return {"text": words, "user_id": by.slack, "team_id": by.team, "trigger_id": "T1", "channel_id": CHANNEL}
