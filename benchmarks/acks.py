"""How long Slack waits for its answer, at 100 interactions a second, buttons and submits in turn.

The store is a real one with `appendfsync always`. In the second run, the worker carries out every click at the same
time, in the same process, against a Confluent that takes 200 ms for each call: none of that may show in an ack.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from slack_bolt.request.async_request import AsyncBoltRequest

from benchmarks.measured import Bench, Latencies, Line, bench
from bot.domain.audit import Action, Event
from bot.domain.catalog import User
from bot.domain.keys import ApiKey, Person, Principal, RequestId, Secret
from bot.domain.requests import Pending
from bot.domain.roles import Binding
from bot.services.commands import Draft
from bot.services.ports.cloud import NewKey
from bot.services.ports.store import Change
from bot.slack.payloads import ids
from bot.store.moments import utc_now
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI
from tests.support.fakes import FakeCloud

PER_SECOND, SECONDS, BUDGET = 100, 8, 50.0
SLOW = 0.2


@dataclass(slots=True)
class SlowCloud(FakeCloud):
    """A Confluent that takes its time for everything."""

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        await asyncio.sleep(SLOW)
        return await FakeCloud.role_bindings(self, principal)

    async def users(self) -> Sequence[User]:
        await asyncio.sleep(SLOW)
        return await FakeCloud.users(self)

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        await asyncio.sleep(SLOW)
        return await FakeCloud.create_key(self, new)


async def measure() -> list[Line]:
    alone, working = await _run(with_worker=False), await _run(with_worker=True)
    return [
        *alone.lines(f"ack at {PER_SECOND}/s, listeners alone", BUDGET),
        *working.lines(f"ack at {PER_SECOND}/s, while the worker carries every click out", BUDGET),
    ]


async def _run(*, with_worker: bool) -> Latencies:
    cloud = SlowCloud(utc_now, people=[DANA, ERIN, FEMI])
    cloud.bindings[ERIN.principal] = [build.a_binding()]
    async with bench(cloud) as it:
        payloads = [await _payload(it, number) for number in range(PER_SECOND * SECONDS)]
        await it.app.async_dispatch(AsyncBoltRequest(body=button("warm-up", -1), mode="socket_mode"))
        if not with_worker:
            return await _offered(it, payloads)
        async with working(it):
            return await _offered(it, payloads)


async def _offered(it: Bench, payloads: Sequence[Mapping[str, Any]]) -> Latencies:
    """Send at a steady pace, whether or not earlier answers are there: a slow one delays the next ones, and counts."""
    began = perf_counter()

    async def send(number: int, payload: Mapping[str, Any]) -> float:
        planned = began + number / PER_SECOND
        await asyncio.sleep(max(0.0, planned - perf_counter()))
        response = await it.app.async_dispatch(AsyncBoltRequest(body=dict(payload), mode="socket_mode"))
        assert response.status == 200
        return (perf_counter() - planned) * 1e3

    return Latencies(await asyncio.gather(*(send(number, payload) for number, payload in enumerate(payloads))))


@asynccontextmanager
async def working(it: Bench) -> AsyncGenerator[None]:
    """The worker carries out what is due, until we leave."""
    stop = asyncio.Event()
    task = asyncio.create_task(it.worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        it.worker.bell.ring()
        await task


async def _payload(it: Bench, number: int) -> Mapping[str, Any]:
    """A click on a card of its own, or the form: what people do most."""
    if number % 2:
        return submit(number)
    await a_pending(it, f"R{number}", FEMI)  # Dana would soon have more than one person can
    return button(f"R{number}", number)


async def a_pending(it: Bench, name: str, requester: Person = DANA) -> None:
    """A request that waits for approval."""
    now = utc_now()
    ask = build.an_ask(id=RequestId(name), requester=requester, asked_at=now)
    pending = Pending(ask, build.terms(), approvals=(), expires_at=now + DAY)
    event = Event(now, requester.slack, Action.SUBMITTED, ask.id)
    await it.store.requests.commit(Change(None, pending, None, (event,)))


def _interaction(kind: str, user: str, number: int) -> dict[str, Any]:
    return {
        "type": kind,
        "user": {"id": user, "username": "somebody", "name": "somebody", "team_id": build.TEAM},
        "team": {"id": build.TEAM, "domain": "acme"},
        "api_app_id": "A01",
        "enterprise": None,
        "is_enterprise_install": False,
        "trigger_id": f"{number}.trigger",
    }


def button(request: str, number: int) -> dict[str, Any]:
    """A click of Erin's on Approve."""
    action = {"type": "button", "action_id": ids.APPROVE, "block_id": "b", "value": request, "action_ts": f"{number}.0"}
    return {
        **_interaction("block_actions", ERIN.slack, number),
        "container": {"type": "message", "message_ts": f"{number}.1", "channel_id": "C01", "is_ephemeral": False},
        "channel": {"id": "C01", "name": "approvals"},
        "message": {"ts": f"{number}.1", "text": "card"},
        "response_url": f"https://hooks.slack.example/{number}",
        "actions": [action],
    }


def submit(number: int) -> dict[str, Any]:
    draft = Draft("sa-abc001", "env-dev001", "lkc-dev001", "orders producer", "", "Local tests of the orders flow")
    chosen: dict[str, str] = {
        ids.OWNER_BLOCK: "service-account",
        ids.ACCOUNT_BLOCK: draft.owner,
        ids.ENVIRONMENT_BLOCK: draft.environment,
        ids.resource_block(draft.kind, draft.environment): draft.cluster,
    }
    typed = {ids.NAME_BLOCK: draft.name, ids.DESCRIPTION_BLOCK: None, ids.REASON_BLOCK: draft.reason}
    values: dict[str, Any] = {block: {"a": {"selected_option": {"value": value}}} for block, value in chosen.items()}
    values |= {block: {"a": {"value": value}} for block, value in typed.items()}
    view = {
        "id": f"V{number}",
        "type": "modal",
        "callback_id": ids.FORM,
        "private_metadata": "",
        "hash": "1.a",
        "blocks": [{"type": "input", "block_id": block} for block in values],
        "state": {"values": values},
    }
    return {**_interaction("view_submission", DANA.slack, number), "view": view, "response_urls": []}
