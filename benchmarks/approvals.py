"""500 approvals at once: from the last click to the last key, at a Confluent that limits its calls.

Our own client makes them, five at a time as Confluent advises, and each takes 10 ms. The share of the time that this
explains is reported next to it: the rest is ours.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from io import StringIO
from time import perf_counter, process_time
from typing import Any

import httpx
from slack_bolt.request.async_request import AsyncBoltRequest

from benchmarks.acks import a_pending, button, working
from benchmarks.measured import Line, bench
from bot import logs
from bot.confluent.client import PARALLEL_CALLS, Client
from bot.confluent.cloud import ConfluentCloud
from bot.domain.keys import Secret
from bot.store.moments import utc_now
from tests.support import build
from tests.support.build import DANA, ERIN
from tests.support.fakes import FakeCloud

REQUESTS, BUDGET = 500, 15.0
TAKES = 0.01
HERE, OWN = f"crn://confluent.cloud/organization={build.ORGANIZATION}", "sa-latchkey"
_Json = dict[str, Any]


@dataclass(slots=True)
class Confluent:
    """Answers, after a while, what an approval and a create ask, and rings when so many keys are created."""

    awaited: int
    asked: Counter[str] = field(default_factory=Counter[str])
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(TAKES)
        self.asked[f"{request.method} {request.url.path}"] += 1
        if request.method == "POST":
            return httpx.Response(202, json=self._made(json.loads(request.content)["spec"]))
        *_, collection, last = request.url.path.split("/")
        match collection, last:
            case _, "organizations":
                rows: list[_Json] = [{"id": build.ORGANIZATION}]
            case _, "users":
                rows = [{"id": each.principal, "email": each.email, "full_name": each.name} for each in (DANA, ERIN)]
            case _, "role-bindings":
                rows = self._bindings(request.url.params["principal"], request.url.params["crn_pattern"])
            case "clusters", id_:
                environment = {"id": build.CLUSTER.environment}
                spec = {"display_name": build.CLUSTER.name, "environment": environment, "http_endpoint": ""}
                return httpx.Response(200, json={"id": id_, "spec": spec, "status": {"phase": "PROVISIONED"}})
            case "service-accounts", id_:
                return httpx.Response(200, json={"id": id_, "display_name": build.ACCOUNT.name})
            case "api-keys", id_:
                return httpx.Response(200, json={"id": id_, "spec": {"owner": {"id": OWN}}})
            case _:
                rows = []
        return httpx.Response(200, json={"data": rows, "metadata": {"next": ""}})

    def _made(self, spec: _Json) -> _Json:
        number = self.asked["POST /iam/v2/api-keys"]
        if number >= self.awaited:
            self.done.set()
        return {"id": f"MADE{number:012}", "spec": {**spec, "secret": f"made-up-{number}"}}

    @staticmethod
    def _bindings(principal: str, pattern: str) -> list[_Json]:
        """Erin administers the environment, our own account the organization."""
        held = {
            (f"User:{ERIN.principal}", f"{HERE}/*"): ("EnvironmentAdmin", build.DEV),
            (f"User:{OWN}", HERE): ("OrganizationAdmin", HERE),
        }.get((principal, pattern))
        return [{"id": "rb-1", "principal": principal, "role_name": held[0], "crn_pattern": held[1]}] if held else []


async def measure() -> list[Line]:
    logs.configure("INFO", stream=StringIO())
    confluent, known = Confluent(REQUESTS), FakeCloud(utc_now, people=[DANA, ERIN])
    transport = httpx.MockTransport(confluent)
    async with (
        Client(
            "https://api.confluent.example", "OWNKEY", Secret("made-up"), version="0", transport=transport
        ) as client,
        bench(known, cloud=ConfluentCloud(client)) as it,
    ):
        for number in range(REQUESTS):
            await a_pending(it, f"R{number}")
        async with working(it):
            clicks = (AsyncBoltRequest(body=button(f"R{n}", n), mode="socket_mode") for n in range(REQUESTS))
            await asyncio.gather(*(it.app.async_dispatch(click) for click in clicks))
            began, used = perf_counter(), process_time()
            await confluent.done.wait()
            took, used = perf_counter() - began, process_time() - used
    calls = confluent.asked.total()
    what = f"{REQUESTS} approvals at once"
    return [
        Line(f"{what}: from the last click to the last key", took, "s", BUDGET),
        Line(f"{what}: calls to Confluent for each", calls / REQUESTS, ""),
        Line(
            f"{what}: what Confluent takes of it, {PARALLEL_CALLS} calls at once", calls * TAKES / PARALLEL_CALLS, "s"
        ),
        Line(f"{what}: CPU", used, "s"),
    ]


if __name__ == "__main__":
    for line in asyncio.run(measure()):
        print(line)
