"""What Slack reaches in HTTP mode, in a process of its own: `python -m benchmarks.served bare|latchkey REQUESTS`.

Prints its port, and serves until its standard input ends. Bare is Bolt behind the same server, with one listener that
acknowledges, and stores nothing.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client import CollectorRegistry
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from benchmarks.acks import a_pending, working
from benchmarks.measured import bench, bolt_app
from bot import logs
from bot.health import Health
from bot.server import create, serving
from bot.slack.payloads import ids
from bot.store.moments import utc_now
from tests.support import build
from tests.support.build import DANA, ERIN
from tests.support.fakes import FakeCloud


@asynccontextmanager
async def bare(_: int) -> AsyncGenerator[AsyncApp]:
    """Bolt, and one listener."""
    async with aiohttp.ClientSession() as session:
        app = bolt_app(AsyncWebClient(session=session))

        @app.action(ids.APPROVE)
        async def approve(ack: AsyncAck) -> None:
            await ack()

        yield app


@asynccontextmanager
async def latchkey(requests: int) -> AsyncGenerator[AsyncApp]:
    """All of Latchkey but its connections to Slack and Confluent, and this many requests that wait for Erin."""
    cloud = FakeCloud(utc_now, people=[DANA, ERIN])
    cloud.bindings[ERIN.principal] = [build.a_binding()]
    gc.collect()
    gc.freeze()  # as `latchkey run` does
    async with bench(cloud) as it:
        for number in range(requests):
            await a_pending(it, f"R{number}")
        async with working(it):
            yield it.app


async def serve(which: str, requests: int) -> None:
    """Until standard input ends."""
    logs.configure("INFO")
    registry = CollectorRegistry()
    async with (
        {"bare": bare, "latchkey": latchkey}[which](requests) as app,
        serving(create(app, Health({}, registry), registry), "127.0.0.1", 0) as port,
    ):
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
