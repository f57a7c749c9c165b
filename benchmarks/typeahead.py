"""How long a searchable field waits for its options: 500 environments, 20,000 clusters.

Here, a second passes between two keystrokes. So every fifteenth meets a process whose own copy of the catalog is too
old, and which reads the sealed one from the store.
"""

from datetime import timedelta
from time import perf_counter
from typing import Any

from slack_bolt.request.async_request import AsyncBoltRequest

from benchmarks.crowd import CLUSTERS_EACH, ENVIRONMENTS, CrowdedCloud
from benchmarks.measured import Bench, Latencies, Line, bench
from bot.domain.kinds import Kind
from bot.slack.payloads import ids
from tests.support import build
from tests.support.build import DANA
from tests.support.fakes import TestClock

KEYSTROKES, BUDGET = 600, 50.0


async def measure() -> list[Line]:
    clock = TestClock()
    async with bench(CrowdedCloud(clock, people=[DANA]), clock) as it:
        catalog = await it.worker.catalog.refresh()
        assert len(catalog.resources[Kind.KAFKA]) == ENVIRONMENTS * CLUSTERS_EACH
        clusters: list[float] = []
        environments: list[float] = []
        for number in range(KEYSTROKES):
            clock.advance(timedelta(seconds=1))
            clusters.append(
                await _options(it, ids.FORM_RESOURCE, f"{number % CLUSTERS_EACH}", f"env-{number % 500:05}")
            )
            environments.append(await _options(it, ids.FORM_ENVIRONMENT, f"t {number % 500}", ""))
        return [
            *Latencies(clusters).lines("typeahead over 20,000 clusters", BUDGET),
            *Latencies(environments).lines("typeahead over 500 environments", BUDGET),
        ]


async def _options(it: Bench, action: str, typed: str, environment: str) -> float:
    values = {ids.ENVIRONMENT_BLOCK: {"a": {"selected_option": {"value": environment}}}}
    body: dict[str, Any] = {
        "type": "block_suggestion",
        "user": {"id": DANA.slack, "team_id": build.TEAM},
        "team": {"id": build.TEAM, "domain": "acme"},
        "api_app_id": "A01",
        "container": {"type": "view", "view_id": "V1"},
        "action_id": action,
        "block_id": ids.resource_block("kafka", environment),
        "value": typed,
        "view": {"id": "V1", "type": "modal", "callback_id": ids.FORM, "state": {"values": values}},
    }
    began = perf_counter()
    response = await it.app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    assert response.status == 200
    assert "lkc-" in response.body or "env-" in response.body
    return (perf_counter() - began) * 1e3
