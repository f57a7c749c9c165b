"""An operator who rehearses: Dana at her client, and her terminal, in this process."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.rehearsal.run import Plan, rehearse
from sandbox.recording import Recording
from sandbox.serving import free_port
from sandbox.slack.manners import Manners
from sandbox.slack.person import PersonAtClient
from sandbox.stage import Stage, stage
from tests.support.play import settings_from

CLUSTER = "env-dev001/lkc-dev001"


@dataclass(slots=True)
class Screen:
    """A terminal: what it shows, and what is typed."""

    said: list[str] = field(default_factory=list[str])
    typed: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watched: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, text: str) -> None:
        self.said.append(text)
        self.changed.set()
        self.watched.set()

    async def see(self, text: str) -> None:
        """Wait until it shows this; one at a time."""
        while text not in self.text():
            self.watched.clear()
            await self.watched.wait()

    async def line(self) -> str:
        return await self.typed.get()

    def text(self) -> str:
        return "\n".join(self.said)


@dataclass(slots=True)
class Operator:
    """Dana, who does what her terminal tells her. `stops_at` is a prompt at which she does something else, once."""

    stage: Stage
    dana: PersonAtClient
    screen: Screen
    report: Path
    stops_at: str = ""
    instead: Callable[[], Awaitable[None]] | None = None
    code: str = ""
    done: int = 0

    async def follow(self, port: int = 0) -> None:
        """Do what each new line asks for; in HTTP mode, once Slack reaches the rehearsal."""
        if port:
            await self.stage.deliver_by_http(port)
        while True:
            self.screen.changed.clear()
            while self.done < len(self.screen.said):
                text = self.screen.said[self.done]
                self.done += 1
                await self._obey(text)
            await self.screen.changed.wait()

    async def _obey(self, text: str) -> None:
        if self.stops_at and self.stops_at in text:
            self.stops_at = ""
            assert self.instead is not None
            await self.instead()
        elif text.startswith("?"):
            await self._answer(text)
        elif text.startswith("→"):
            await self._do(text)

    async def _answer(self, text: str) -> None:
        no = "dummy message gone" in text and self.dana.sees("dummy text")
        self.screen.typed.put_nowait("n" if no else "y")

    async def _do(self, text: str) -> None:
        if found := re.search(r"/apikey (\d{4})", text):
            self.code = found[1]
            await self.dana.command(f"/apikey {found[1]}")
        elif "First field" in text:
            await self._pick("First field", "Soup")
        elif "Second field" in text:
            await self._pick("Second field", "Soup")
        elif "Draw again" in text:
            await self.dana.wait_for(lambda: "kept" in str(self.dana.modal), "the page")
            await self.dana.fill({"Kept field": "old", "Fresh field": "old"})
            await self.dana.click("Draw again")
        elif "elect Submit" in text:
            await self.dana.wait_for(lambda: "Submit" in str((self.dana.modal or {}).get("submit")), "a page to submit")
            await self.dana.submit()
        elif "Delete below" in text:
            await self.dana.click("Delete")

    async def _pick(self, label: str, option: str) -> None:
        await self.dana.options(label)
        await self.dana.fill({label: option})

    def keys(self) -> list[str]:
        return [key.id for key in self.stage.organization.api_keys.values() if "lk-rehearsal" in key.description]

    def verdicts(self) -> Mapping[str, str]:
        return self.read()["verdicts"]  # type: ignore[no-any-return] # JSON

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.report.read_text("utf-8"))
        return found

    async def rehearse(
        self,
        confluent: str = CLUSTER,
        *,
        seconds: float = 20,
        grace: float = 1,
        settled: float = 0.5,
        mode: str = "socket",
    ) -> int:
        """Rehearse with Dana; returns the exit code."""
        port = free_port() if mode == "http" else 0
        settings = settings_from(self.stage.environment(mode=mode) | {"PORT": str(port)})
        plan = Plan(self.report, confluent, seconds, grace, settled)
        following = asyncio.create_task(self.follow(port))
        try:
            return await rehearse(settings, plan, self.screen, clock=self.stage.clock.now)
        finally:
            if following.done() and (error := following.exception()):
                raise AssertionError(self.screen.text()) from error
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


@asynccontextmanager
async def operator(
    folder: Path, manners: Manners | None = None, like: Recording | None = None
) -> AsyncGenerator[Operator]:
    """A stage without a bot, and Dana at it."""
    async with stage(folder, manners=manners or Manners(), like=like) as here:
        yield Operator(here, here.slack.person("U0DANA"), Screen(), folder / "rehearsal.json")


def nothing_is_left(it: Operator) -> None:
    """No key, no field to fill in, and no message with the dummy text."""
    assert it.keys() == []
    blocks = it.dana.modal["blocks"] if it.dana.modal else []
    assert [each for each in blocks if each["type"] in {"input", "actions"}] == []
    assert not it.dana.sees("dummy text")
