"""Processes of Latchkey, made of the real services and the real store, around one fake Slack and one fake Confluent.

What is random in a test is its plan of faults. Time stands still until a test moves it; `settle` moves it from one
due item to the next, so that a run of days takes milliseconds.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fakeredis import FakeAsyncRedis, FakeServer

from bot.assembly import Services
from bot.domain.audit import Action, Event
from bot.domain.keys import ApiKey, KeyId, Marker, Person, RequestId, Secret
from bot.domain.policy import Policy
from bot.domain.requests import Confirmed, Pending, Request, Shown
from bot.services.commands import CardAt, Deed, Replace, ReplyTo, Saved
from bot.services.keys.reveal import Delivery
from bot.services.ports.store import Change, Requests, Stored
from bot.services.requests.submit import Forms
from bot.services.requests.transitions import summary
from bot.services.worker import Worker
from bot.store import Store
from tests.support import build, lines
from tests.support.build import DANA
from tests.support.composed import a_cast, a_store, composed
from tests.support.fakes import FakeCloud, FakeProber, FakeSlack, TestClock
from tests.support.faults import Faulty, Killed, Life, Plan
from tests.support.stored import audit_problem, held, misplaced, next_due

ROUNDS = 400
"""More rounds of work than any run needs that comes to rest."""
REST = timedelta(days=4)
"""After every deadline of a request that is at most two days old."""
POLL = timedelta(seconds=1)
PAUSE = timedelta(seconds=100)
"""Longer than a lease, and than it takes to look for a lost key: the others think that the paused process is dead."""


@dataclass(slots=True)
class Process:
    """One process: its own memory, the shared store."""

    life: Life
    worker: Worker
    forms: Forms
    delivery: Delivery
    services: Services


@dataclass(slots=True)
class Effect:
    """Something that happened at Confluent, and how many audit lines there were before it."""

    what: str
    key: ApiKey
    lines: int


@dataclass(slots=True, repr=False)  # asyncio.run() writes down what its coroutine returned, to throw it away
class World:
    """The processes and what is around them. `store` is a view of the store without faults."""

    store: Store
    clock: TestClock
    cloud: FakeCloud
    slack: FakeSlack
    plan: Plan
    policy: Policy
    redis: FakeServer
    prober: FakeProber
    paused: timedelta
    connections: list[FakeAsyncRedis] = field(default_factory=list[FakeAsyncRedis])
    processes: list[Process] = field(default_factory=list[Process])
    effects: list[Effect] = field(default_factory=list[Effect])
    history: list[Change] = field(default_factory=list[Change])
    """Every change that was written, in order."""
    clicks: int = 0
    _pausing: bool = False
    _lines: int = 0

    def start(self) -> Process:
        """Start another process."""
        process = _process(self)
        self.processes.append(process)
        return process

    async def seed(self, request: Request) -> None:
        """Put a request into the store."""
        details = {**summary(request.ask), "rule": request.terms.rule, "policy": self.policy.digest or "-"}
        details["missing"] = str(request.terms.approvals if isinstance(request, Pending) else 0)
        event = Event(self.clock(), request.ask.requester.slack, Action.SUBMITTED, request.ask.id, details)
        await self._watched().commit(Change(None, request, self.clock(), (event,)))

    async def state(self, request: str = "R1") -> Request:
        """The request as it is stored now."""
        stored = await self.store.requests.get(RequestId(request))
        assert stored is not None
        return stored.value

    async def click(self, deed: Deed, by: Person = DANA, *, at: datetime | None = None, view: str | None = None) -> str:
        """Someone clicks, and Slack has its answer; returns the click's id."""
        self.clicks += 1
        name = f"click-{self.clicks}"
        reply = ReplyTo(response_url=Secret(f"https://hooks.slack.example/{name}"), channel="D01", view=view)
        on_card = [place for place, versions in self.slack.messages.items() if versions[0][0] == "card"]
        # What stands under a secret is ephemeral, and such a click names no message.
        card = CardAt(*on_card[0]) if on_card and not isinstance(deed, Saved | Replace) else None
        click = build.a_click(deed, by, at or self.clock(), id=name, reply=reply, card=card)
        await self.store.inbox.put(click, self.clock())
        return name

    async def work(self, process: Process | None = None) -> bool:
        """One round of one living process: all that is due now. A process that is killed is replaced by a new one."""
        who = process or next((each for each in self.processes if each.life.is_alive), None) or self.start()
        try:
            started = await who.worker._round()
            tasks = list(who.worker._running)
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, Killed), outcome
        except Killed:
            started = True
        self._bury()
        return started

    async def work_now(self) -> None:
        """Work until nothing is due at this moment."""
        for _ in range(ROUNDS):
            if not await self.work():
                return
        raise AssertionError("the worker does not come to rest at one moment")

    async def settle(self, horizon: timedelta = REST) -> None:
        """Work, moving the clock from one due item to the next, until there is none within the horizon."""
        end = self.clock() + horizon
        for _ in range(ROUNDS):
            await self.work_now()
            due = await next_due(self.store)
            if due is None or due > end:
                self.clock.now = end
                return
            # What is due and was not taken now is held by a dead process: the others look again each second.
            self.clock.now = max(due, self.clock.now + POLL)
        raise AssertionError("the worker never comes to rest")

    async def audit(self) -> list[Mapping[str, Any]]:
        """Every line of the audit log."""
        return [line async for line in self.store.audit.read()]

    def shown(self) -> list[KeyId]:
        """Ids of the keys whose secret reached Slack, each time that it did."""
        handed = [handover for _, handover in self.slack.handed]
        return [key.id for each in handed for key in (each.key, *([each.second.key] if each.second else []))]

    async def pause(self) -> None:
        """What a process does not notice: time passes, and another process works."""
        if self._pausing:
            return
        self._pausing = True
        try:
            other = self.start()
            for _ in range(6):
                self.clock.advance(self.paused / 6)
                while other.life.is_alive and await self.work(other):
                    pass
        finally:
            self._pausing = False

    def _watched(self) -> Requests:
        return Watched(self.store.requests, self)

    def _bury(self) -> None:
        self.processes = [each for each in self.processes if each.life.is_alive]

    async def close(self) -> None:
        for connection in self.connections:
            await connection.aclose()

    def connect(self) -> Store:
        connection = FakeAsyncRedis(server=self.redis)
        self.connections.append(connection)
        return a_store(connection, self.clock)


@dataclass(slots=True)
class Watched:
    """`Requests` that writes down what was truly written."""

    inner: Any
    world: World

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def get(self, request: RequestId) -> Stored[Request] | None:
        found: Stored[Request] | None = await self.inner.get(request)
        return found

    async def secret(self, stored: Stored[Request]) -> Secret | None:
        found: Secret | None = await self.inner.secret(stored)
        return found

    async def of_requester(self, requester: Any, limit: int) -> Sequence[Stored[Request]]:
        found: Sequence[Stored[Request]] = await self.inner.of_requester(requester, limit)
        return found

    async def pending(self, limit: int) -> Sequence[Stored[Request]]:
        found: Sequence[Stored[Request]] = await self.inner.pending(limit)
        return found

    async def unreviewed(self, limit: int) -> Sequence[Stored[Request]]:
        found: Sequence[Stored[Request]] = await self.inner.unreviewed(limit)
        return found

    async def planned(self) -> Mapping[RequestId, tuple[int, datetime | None]]:
        found: Mapping[RequestId, tuple[int, datetime | None]] = await self.inner.planned()
        return found

    async def commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        written: tuple[Stored[Request], Secret | None] = await self.inner.commit(change)
        self.world.history.append(change)
        self.world._lines += len(change.events)
        return written


@dataclass(slots=True)
class _WatchedAudit:
    """`Audit` that counts what was truly written."""

    inner: Any
    world: World

    async def append(self, *events: Event) -> None:
        await self.inner.append(*events)
        self.world._lines += len(events)

    def proven(self) -> Any:
        return self.inner.proven()

    async def archived(self, requests: Any) -> Any:
        return await self.inner.archived(requests)


def _process(world: World) -> Process:
    life = Life(world.plan, world.pause)
    store, clock = world.connect(), world.clock

    def port(name: str, system: object) -> Any:
        return Faulty(name, system, life)

    requests = port("requests", Watched(store.requests, world))
    notifier, cloud = port("notifier", world.slack), port("cloud", world.cloud)
    services = composed(
        store,
        cloud,
        notifier,
        clock,
        lambda: world.policy,
        requests=requests,
        audit=port("audit", _WatchedAudit(store.audit, world)),
        agenda=port("agenda", store.agenda),
        inbox=port("inbox", store.inbox),
        drafts=port("drafts", store.drafts),
        posts=port("posts", store.posts),
        cache=port("cache", store.cache),
        people=port("people", world.slack),
        channels=port("people", world.slack),
        prober=port("prober", world.prober),
    )
    return Process(life, services.worker, services.forms, services.delivery, services)


@asynccontextmanager
async def a_world(
    plan: Plan | None = None, *, approvals: int = 1, pause: timedelta = PAUSE, cloud: type[FakeCloud] = FakeCloud
) -> AsyncGenerator[World]:
    """A world with Dana, who asks, Erin and Femi, who may approve, and Otto, who may not."""
    clock, confluent, slack = a_cast(cloud)
    redis, policy = FakeServer(), build.a_policy(approvals)
    first = FakeAsyncRedis(server=redis)
    store = a_store(first, clock)
    world = World(store, clock, confluent, slack, plan or Plan(), policy, redis, FakeProber(), pause, [first])
    confluent.watch = lambda what, key: world.effects.append(Effect(what, key, world._lines))
    try:
        yield world
        for line in await world.audit():
            assert not list(lines.wrong(line)), line
    finally:
        await world.close()


# --- what must hold, whatever happened -------------------------------------------------------------------------------


async def check_at_rest(world: World, request: str = "R1") -> None:
    """The invariants I2, I3, I4 and I7 of a request whose deadlines have all passed."""
    state = await world.state(request)
    live = world.cloud.live(RequestId(request))
    kept = [state.key.id] if isinstance(state, Shown | Confirmed) else []
    assert live == kept, f"{state.kind}: live {live}, on record {kept}"
    assert len(world.shown()) == len(set(world.shown())), "a secret was handed over twice"
    assert set(live) <= set(world.shown()), "a key lives whose secret was never shown"
    assert await misplaced(world.store) == []
    assert await held(world.store) == [], "nobody works on it"
    await check_audit(world)


async def check_audit(world: World) -> None:
    """The chain holds; every effect has its intent before it, and its outcome or a recovery after it."""
    assert await audit_problem(world.store) is None
    lines = await world.audit()
    assert len(lines) == world._lines
    written = json.dumps([lines, world.slack.said], default=str)
    assert not any(each.secret in written for each in world.cloud.minted.values())
    for effect in world.effects:
        _check_effect(effect, lines)


def _check_effect(effect: Effect, lines: Sequence[Mapping[str, Any]]) -> None:
    """Intent before it, outcome after it; or, for a create, what a later look found."""
    before, after, marker = lines[: effect.lines], lines[effect.lines :], str(Marker.find(effect.key.description))
    if effect.what == "create":
        assert _has(before, Action.CREATE_INTENDED, marker=marker), f"no intent before {effect}"
        outcome = _has(after, Action.CREATED, key=effect.key.id) or _has(after, Action.DELETED, key=effect.key.id)
    else:
        intent, done = _CHANGES[effect.what]
        assert _has(before, intent, key=effect.key.id), f"no intent before {effect}"
        outcome = any(_has(after, each, key=effect.key.id) for each in done) or _is_given_up(before, after, effect)
    recovered = any(
        line["action"] == Action.CREATE_UNKNOWN and line["details"]["marker"] == marker and "found" in line["details"]
        for line in after
    )
    assert outcome or recovered, f"no outcome after {effect}"


_CHANGES = {
    "delete": (Action.DELETE_INTENDED, (Action.DELETED, Action.FOUND_GONE)),
    "edit": (Action.EDIT_INTENDED, (Action.EDITED,)),
}


def _is_given_up(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], effect: Effect) -> bool:
    """Whether nobody heard of an edit, and its request failed: someone changed or deleted the key after that."""
    asked = {
        line["request"]
        for line in before
        if line["action"] == Action.EDIT_INTENDED and line["details"]["key"] == effect.key.id
    }
    return effect.what == "edit" and any(line["action"] == Action.FAILED and line["request"] in asked for line in after)


def _has(lines: Sequence[Mapping[str, Any]], action: Action, **details: str) -> bool:
    return any(line["action"] == action and details.items() <= dict(line["details"]).items() for line in lines)
