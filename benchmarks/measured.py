"""How a measurement is written down, and what several of them share: a store, services, a Bolt app, a mute Slack."""

import asyncio
import gc
import math
import os
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

import handlers
from bot import logs
from bot.assembly import Services
from bot.background import background
from bot.domain.policy import Review
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Clock
from bot.services.worker import Worker
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews, SlackNotifier
from bot.store import Store
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.moments import utc_now
from bot.store.sealing import Sealer
from tests.support import build
from tests.support.composed import a_context, composed
from tests.support.fakes import FakeCloud, FakeSlack

SIGNING_SECRET = "a signing secret"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `budget` is in the same unit; None if the design sets none."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    at_least: bool = False
    """Whether the budget is a minimum."""

    def __str__(self) -> str:
        verdict = "" if self.budget is None else "ok" if self._is_met(self.budget) else "OVER BUDGET"
        budget = "" if self.budget is None else f"{self.budget:g}"
        return f"{self.what:<76} {self.value:>9.2f} {self.unit:<3} {budget:>6}  {verdict}".rstrip()

    def _is_met(self, budget: float) -> bool:
        return self.value >= budget if self.at_least else self.value <= budget


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds, as measured."""

    each: Sequence[float]

    def at(self, percent: float) -> float:
        """The smallest latency that this many percent do not exceed."""
        return sorted(self.each)[math.ceil(len(self.each) * percent / 100) - 1]

    def lines(self, what: str, budget: float) -> list[Line]:
        return [Line(f"{what}, p50", self.at(50), "ms"), Line(f"{what}, p99", self.at(99), "ms", budget)]


class MuteSlack(AsyncWebClient):
    """Accepts every call at once, and notes when it came; `came` rings for each."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session=session)
        self.calls: list[tuple[str, float]] = []
        self.came = asyncio.Event()

    async def api_call(self, api_method: str, **_: Any) -> Any:  # noqa: ANN401 -- as in the SDK
        """Nothing is sent."""
        self.calls.append((api_method, perf_counter()))
        self.came.set()
        return SimpleNamespace(
            data={"ok": True, "view": {"id": "V1"}, "channel": "C01", "ts": f"{len(self.calls)}.0"}, headers={}
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """The product without its connections to Slack and Confluent: those are fakes that answer at once."""

    store: Store
    services: Services
    app: AsyncApp
    cloud: FakeCloud
    slack: MuteSlack

    @property
    def worker(self) -> Worker:
        """Carries out what is due."""
        return self.services.worker

    async def sent(self, method: str) -> float:
        """Wait until Slack gets the next call of this method; when that was."""
        while True:
            self.slack.came.clear()
            if self.slack.calls and self.slack.calls[-1][0] == method:
                return self.slack.calls.pop()[1]
            await self.slack.came.wait()


@asynccontextmanager
async def bench(known: FakeCloud, clock: Clock = utc_now, cloud: Cloud | None = None) -> AsyncGenerator[Bench]:
    """Listeners, services and worker over an embedded store of their own, for the people whom `known` has.

    `cloud` is who is asked in its place.
    """
    cloud = cloud or known
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = connect(await stack.enter_async_context(embedded(folder / "data")))
        stack.push_async_callback(redis.aclose)
        store = Store.open(redis, Sealer([bytes(32)]), build.TEAM, clock)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client = MuteSlack(session)
        replies = Replies(client, session, frozenset())
        services = _services(store, known, cloud, clock, replies)
        work = await stack.enter_async_context(background(grace=1))
        app = bolt_app(client)
        context = a_context(services, cloud, replies, AckedViews(client), work)
        handlers.register(app, context)
        gc.collect()
        gc.freeze()  # as the product's process does when it starts
        yield Bench(store, services, app, known, client)


def _services(store: Store, known: FakeCloud, cloud: Cloud, clock: Clock, replies: Replies) -> Services:
    slack, policy = FakeSlack(list(known.people)), replace(build.a_policy(), review=Review(channel="C01"))
    notifier = SlackNotifier(replies, AckedViews(replies.client))
    services = composed(store, cloud, slack, clock, lambda: policy, show_home=notifier.show_home)
    return replace(services, reviews=replace(services.reviews, notifier=notifier))


def bolt_app(client: AsyncWebClient) -> AsyncApp:
    """Bolt, as the product configures it, without listeners."""
    known = AuthorizeResult(enterprise_id=None, team_id=build.TEAM, bot_user_id="U0BOT", bot_id="B0BOT", bot_token="x")

    async def authorize() -> AuthorizeResult:
        return known

    return AsyncApp(
        client=client,
        signing_secret=SIGNING_SECRET,
        authorize=authorize,
        process_before_response=True,
        logger=logs.bolt_logger(),
    )


def machine() -> str:
    """The machine that the numbers were measured on."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text("utf-8").splitlines() if found.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {model}"
