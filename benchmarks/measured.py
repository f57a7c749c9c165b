"""How a measurement is written down, and what several of them need: a store, services, a Bolt app."""

import math
import os
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

import handlers
from bot import logs
from bot.background import background
from bot.services.carrying import Carrying
from bot.services.delivery import Delivery
from bot.services.directory import Directory
from bot.services.execution import Execution
from bot.services.ledger import Ledger
from bot.services.minting import Minting
from bot.services.ports import Clock
from bot.services.publishing import Publishing
from bot.services.requests import Desk
from bot.services.worker import Bell, Worker
from bot.slack.replies import Replies
from bot.store import Store
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.moments import utc_now
from bot.store.sealing import Sealer
from tests.support import build
from tests.support.fakes import FakeCloud, FakeSlack


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `budget` is in the same unit; None where the design sets none."""

    what: str
    value: float
    unit: str
    budget: float | None = None

    def __str__(self) -> str:
        verdict = "" if self.budget is None else "ok" if self.value <= self.budget else "OVER BUDGET"
        budget = "" if self.budget is None else f"{self.budget:g}"
        return f"{self.what:<76} {self.value:>9.2f} {self.unit:<3} {budget:>6}  {verdict}".rstrip()


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds, as measured."""

    each: Sequence[float]

    def at(self, percent: float) -> float:
        """The smallest latency that this many percent do not exceed."""
        return sorted(self.each)[math.ceil(len(self.each) * percent / 100) - 1]

    def lines(self, what: str, budget: float) -> list[Line]:
        return [Line(f"{what}, p50", self.at(50), "ms"), Line(f"{what}, p99", self.at(99), "ms", budget)]


@dataclass(frozen=True, slots=True)
class Bench:
    """The product without its connections to Slack and Confluent: those are fakes that answer at once."""

    store: Store
    worker: Worker
    app: AsyncApp
    cloud: FakeCloud


@asynccontextmanager
async def bench(cloud: FakeCloud, clock: Clock = utc_now) -> AsyncGenerator[Bench]:
    """Listeners, services and worker over an embedded store of their own."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = connect(await stack.enter_async_context(embedded(folder / "data")))
        stack.push_async_callback(redis.aclose)
        store = Store.open(redis, Sealer([bytes(32)]), build.TEAM, clock)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        replies = Replies(AsyncWebClient(session=session), session, frozenset())
        worker = _worker(store, cloud, clock)
        work = await stack.enter_async_context(background(grace=1))
        app = _bolt(replies.client)
        desk = handlers.Reception(
            worker.inbox, worker.agenda, worker.requests, worker.directory, replies, clock, worker.bell, work
        )
        handlers.register(app, desk)
        yield Bench(store, worker, app, cloud)


def _worker(store: Store, cloud: FakeCloud, clock: Clock) -> Worker:
    slack, bell = FakeSlack(list(cloud.people)), Bell()
    ledger = Ledger(store.requests, store.audit, clock, bell.ring)
    policy = build.a_policy()
    directory = Directory(cloud, slack, store.cache, clock, build.TEAM, lambda: policy)
    desk = Desk(ledger, directory)
    execution = Execution(ledger, desk)
    publishing = Publishing(store.posts, slack, clock)
    delivery = Delivery(ledger, directory, execution, Minting(execution), slack)
    carrying = Carrying(desk, delivery, store.drafts, slack, publishing)
    return Worker(store.agenda, store.inbox, store.requests, execution, publishing, carrying, directory, clock, bell)


def _bolt(client: AsyncWebClient) -> AsyncApp:
    known = AuthorizeResult(enterprise_id=None, team_id=build.TEAM, bot_user_id="U0BOT", bot_id="B0BOT", bot_token="x")

    async def authorize() -> AuthorizeResult:
        return known

    return AsyncApp(client=client, authorize=authorize, process_before_response=True, logger=logs.bolt_logger())


def machine() -> str:
    """What the numbers were measured on."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text("utf-8").splitlines() if found.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores of {model}"
