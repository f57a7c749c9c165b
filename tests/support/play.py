"""The real bot in this process, against the sandbox's servers: what the end-to-end tests act on."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest import mock

from bot.app import run
from bot.settings import Settings, load
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.person import PersonAtClient
from sandbox.stage import Stage, stage

STARTED_WITHIN = 20.0


def settings_from(environment: dict[str, str]) -> Settings:
    """The settings that a process with this environment would load."""
    with mock.patch.dict(os.environ, environment, clear=True):
        return load()


@dataclass(slots=True)
class Play:
    """A stage, and the people who matter most on it."""

    stage: Stage
    dana: PersonAtClient
    erin: PersonAtClient

    def person(self, user: str) -> PersonAtClient:
        """Another person, at a client of their own."""
        return self.stage.slack.person(user)

    def advance(self, **by: float) -> None:
        """Let time pass, e.g. `advance(hours=25)`."""
        self.stage.clock.advance(timedelta(**by))

    async def ask(self, name: str = "orders producer", reason: str = "Local tests of the orders flow") -> None:
        """Dana asks for a key of orders-service for orders-dev, as far as the card."""
        await self.fill_in(name, reason)
        await self.dana.submit()
        await self.dana.see("Review your request")
        await self.dana.see("Needs 1 approval.")
        await self.dana.submit()
        await self.dana.see("Your request is on its way.")
        await self.dana.close()
        await self.erin.wait_for(lambda: any(name in str(card) for card in self.cards()), "the card")

    async def fill_in(self, name: str = "orders producer", reason: str = "Local tests of the orders flow") -> None:
        """Dana opens the form and fills in everything."""
        await self.dana.command("/apikey create")
        await self.dana.fill({"Account": "service-account"})
        await self.dana.fill({"Service account": "orders-service", "Environment": "dev"})
        await self.dana.wait_for(
            lambda: "cluster:env-dev001" in str(self.dana.modal), "the clusters of that environment"
        )
        await self.dana.fill({"Kafka cluster": "orders-dev", "Name": name, "Reason": reason})

    async def approve(self) -> None:
        """Erin approves the newest card."""
        await self.erin.click("Approve", in_channel=APPROVALS_CHANNEL)

    def cards(self) -> list[dict[str, object]]:
        """The messages in the approvals channel."""
        return self.erin.messages(APPROVALS_CHANNEL)

    def our_keys(self) -> list[str]:
        """Ids of the live keys at Confluent that Latchkey made."""
        return [id_ for id_, key in self.stage.organization.api_keys.items() if "[lk:" in key.description]


@asynccontextmanager
async def bot_of(
    here: Stage, *, data: str = "data", mode: str = "socket", redis_url: str | None = None, connections: int = 1
) -> AsyncGenerator[None]:
    """A bot in this process, listening. In HTTP mode, Slack delivers to it from then on."""
    stop, port = asyncio.Event(), here.free_port() if mode == "http" else 0
    environment = here.environment(data=data, mode=mode, redis_url=redis_url) | {"PORT": str(port)}
    task = asyncio.create_task(run(settings_from(environment), stop, clock=here.clock.now), name="bot")
    listening = asyncio.create_task(_listening(here, mode, port, connections))
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=STARTED_WITHIN)
        if task.done():
            await task
        await listening
        yield
    finally:
        stop.set()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await task


@asynccontextmanager
async def play(folder: Path, *, mode: str = "socket", redis_url: str | None = None) -> AsyncGenerator[Play]:
    """A stage with one bot, and Dana and Erin at their clients."""
    async with stage(folder) as here, bot_of(here, mode=mode, redis_url=redis_url):
        yield Play(here, here.slack.person("U0DANA"), here.slack.person("U0ERIN"))


async def _listening(here: Stage, mode: str, port: int, connections: int) -> None:
    if mode == "socket":
        await here.slack.sockets.wait_connected(connections)
    else:
        await here.deliver_by_http(port)
