"""From a choice in the form to the new form on its way to Slack: 500 environments, 20,000 clusters.

Slack itself adds some tenths of a second; nothing waits for Confluent.
"""

from datetime import timedelta
from time import perf_counter
from typing import Any

from slack_bolt.request.async_request import AsyncBoltRequest

from benchmarks.crowd import ENVIRONMENTS, CrowdedCloud
from benchmarks.measured import Bench, Latencies, Line, bench
from bot.services.commands import Draft
from bot.services.form.fill import form
from bot.slack.payloads import ids
from bot.slack.views import pages
from sandbox.slack.blocks import fill_ids, settle
from tests.support import build
from tests.support.build import DANA
from tests.support.fakes import TestClock

CHOICES = 300
BUDGET = 50.0
"""The design sets none; this is the one for an answer."""


async def measure() -> list[Line]:
    clock = TestClock()
    async with bench(CrowdedCloud(clock, people=[DANA]), clock) as it:
        catalog = await it.worker.catalog.refresh()
        taken: list[float] = []
        for number in range(CHOICES):
            clock.advance(timedelta(seconds=1))
            draft = Draft("me", f"env-{number % ENVIRONMENTS:05}", name="orders producer", reason="Local tests")
            view = pages.page(form(draft, catalog, build.a_policy()))
            taken.append(await _chosen(it, view, number))
        return Latencies(taken).lines("the form drawn again, 500 environments and 20,000 clusters", BUDGET)


async def _chosen(it: Bench, view: dict[str, Any], number: int) -> float:
    blocks = fill_ids(view["blocks"])
    action = {"type": "external_select", "action_id": ids.FORM_ENVIRONMENT, "block_id": ids.ENVIRONMENT_BLOCK}
    body: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": DANA.slack, "team_id": build.TEAM},
        "team": {"id": build.TEAM, "domain": "acme"},
        "api_app_id": "A01",
        "trigger_id": f"{number}.trigger",
        "container": {"type": "view", "view_id": "V1"},
        "view": {**view, "id": "V1", "hash": "1.a", "blocks": blocks, "state": {"values": settle(blocks, {})}},
        "actions": [{**action, "action_ts": f"{number}.0"}],
    }
    began = perf_counter()
    response = await it.app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    assert response.status == 200
    return (await it.sent("views.update") - began) * 1e3
