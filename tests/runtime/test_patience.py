"""A start while Slack has no time: it is waited for, as long as that helps, and what it says is said."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot import connections
from bot.settings import Settings, StartupError, TryAgain
from sandbox.serving import serve
from sandbox.stage import stage
from tests.support.fakes import TestClock
from tests.support.listening import app_of
from tests.support.play import settings_from
from tests.support.processes import until

Said: TypeAlias = tuple[int, Mapping[str, str]]
LIMITED: Said = (429, {"Retry-After": "40"})
DOWN: Said = (503, {})
WELL: Said = (200, {})
INTRODUCED = {
    "ok": True,
    "team_id": "T0ACME",
    "team": "Acme",
    "user_id": "U0LATCHKEY",
    "bot_id": "B01",
    "url": "wss://a",
}


@dataclass(slots=True)
class BusySlack:
    """A Slack that answers as told, and with the last of it from that point on."""

    answers: Sequence[Said]
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, request: Request) -> Response:
        status, headers = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request.url.path)
        said = INTRODUCED if status == 200 else {"ok": False}
        return JSONResponse(said, status, headers) if status != 503 else Response("<html>", status)


@dataclass(slots=True)
class Start:
    """One start, with a clock that jumps over pauses."""

    settings: Settings
    clock: TestClock = field(default_factory=TestClock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pauses: list[float] = field(default_factory=list[float])

    async def pause(self, seconds: float, _: asyncio.Event) -> None:
        self.pauses.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    async def run(self, *, patient: bool = True) -> str:
        """The name of the workspace."""
        async with connections.connected(self.settings, self.clock, self.stop if patient else None) as world:
            return world.workspace.name


async def start_of(
    folder: Path, slack: BusySlack, monkeypatch: pytest.MonkeyPatch, *, patient: bool = True
) -> tuple[str, Start]:
    """How a start ends, and what it did."""
    async with stage(folder) as here, serve(app_of(slack)) as url:
        start = Start(settings_from(here.environment() | {"SLACK_API_URL": f"{url}/api/"}))
        monkeypatch.setattr(connections, "_pause", start.pause)
        try:
            return await start.run(patient=patient), start
        except StartupError as error:
            return f"{type(error).__name__}: {error}", start


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [([LIMITED, WELL], [40]), ([DOWN, DOWN, WELL], [5, 5]), ([WELL, LIMITED, DOWN, WELL], [40, 5])],
    ids=["429", "503", "429 for the other token"],
)
async def test_t16_a_start_waits_as_slack_says(
    tmp_path: Path,
    answers: Sequence[Said],
    pauses: Sequence[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended, start = await start_of(tmp_path, BusySlack(answers), monkeypatch)

    assert (ended, start.pauses) == ("Acme", pauses)
    assert caplog.messages.count("Slack is rate-limiting Latchkey; will try again") == len(pauses)


@pytest.mark.parametrize(("answer", "says"), [(LIMITED, "http_429"), (DOWN, "HTTP 503")], ids=["429", "503"])
async def test_t16_after_two_minutes_a_start_gives_up_and_says_what_slack_said(
    tmp_path: Path, answer: Said, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, start = await start_of(tmp_path, BusySlack([answer]), monkeypatch)

    assert ended.startswith(f"{TryAgain.__name__}: ")
    assert says in ended
    assert "network" not in ended
    assert sum(start.pauses) == 120


async def test_t16_who_only_looks_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, start = await start_of(tmp_path, BusySlack([LIMITED]), monkeypatch, patient=False)

    assert (ended.partition(":")[0], start.pauses) == ("TryAgain", [])


async def test_t16_a_start_that_is_stopped_waits_no_longer(tmp_path: Path) -> None:
    slack = BusySlack([LIMITED])
    async with stage(tmp_path) as here, serve(app_of(slack)) as url:
        start = Start(settings_from(here.environment() | {"SLACK_API_URL": f"{url}/api/"}))
        running = asyncio.create_task(start.run())
        await until(lambda: slack.asked, "the first question")
        async with asyncio.timeout(30):
            start.stop.set()
            with pytest.raises(TryAgain):
                await running
