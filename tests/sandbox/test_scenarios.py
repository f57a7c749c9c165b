"""The scenarios that the panel offers, and what it says of a killed bot."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain.keys import TeamId
from bot.domain.policy import without_a_file
from bot.policyfile.findings import check
from bot.policyfile.reading import read
from bot.store.connection import Commands, connect
from bot.store.embedded import embedded
from bot.store.keyspace import Keyspace
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL, TEAM
from sandbox.control import Control
from sandbox.in_hand import described, in_hand
from sandbox.rules import NO_RULES, OwnRules
from sandbox.scenarios import SCENARIOS
from sandbox.slack.manners import Manners
from sandbox.stage import BotProcess, Stage, stage
from tests.sandbox.scripted import Scripted
from tests.sandbox.slack_bot import actions, button

SIGN = {"X-Sandbox": "1"}
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


class StandIn(BotProcess):
    """A bot that is killed and started in word only."""

    killed = reloads = 0
    started: asyncio.Event
    dying: asyncio.Event
    can_die: asyncio.Event

    @property
    def is_alive(self) -> bool:
        return True

    async def kill(self) -> None:
        self.killed += 1
        self.dying.set()
        await self.can_die.wait()

    def reload(self) -> None:
        self.reloads += 1

    async def start(self) -> None:
        self.starts += 1
        self.started.set()


@pytest.fixture
def bot(tmp_path: Path) -> StandIn:
    bot = StandIn({}, tmp_path / "clock", tmp_path / "bot.log")
    bot.started, bot.dying, bot.can_die = asyncio.Event(), asyncio.Event(), asyncio.Event()
    bot.can_die.set()
    return bot


@pytest.fixture
async def here(tmp_path: Path, bot: StandIn) -> AsyncGenerator[Stage]:
    control = Control()
    async with stage(tmp_path, extra=control.routes(), manners=Manners()) as here:
        control.attach(here, bot)
        yield here


@pytest.fixture
async def http(here: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=here.slack_url, headers=SIGN, trust_env=False) as client:
        yield client


async def begin(http: httpx.AsyncClient, name: str) -> httpx.Response:
    return await http.post("/control/scenario", json={"name": name})


async def turned(http: httpx.AsyncClient) -> list[str]:
    """The scenarios that are on."""
    shown: list[dict[str, Any]] = (await http.get("/control")).json()["scenarios"]
    return [each["name"] for each in shown if each["on"]]


@pytest.mark.parametrize("name", [each.name for each in SCENARIOS if each.confluent or each.slack])
async def test_a_scenario_of_switches_is_turned_on_and_off(here: Stage, http: httpx.AsyncClient, name: str) -> None:
    assert (await begin(http, name)).json() == {"said": ""}
    assert await turned(http) == [name]

    await begin(http, name)

    assert await turned(http) == []
    assert all(each["value"] == each["usual"] for each in [*here.faults.describe(), *here.slack.faults.describe()])


async def test_a_week_passes(here: Stage, http: httpx.AsyncClient) -> None:
    await begin(http, "week")

    assert here.clock.offset() == timedelta(days=7)


async def test_two_admins_click_at_once_where_a_request_waits(here: Stage, http: httpx.AsyncClient) -> None:
    assert (await begin(http, "two clicks")).json() == {"error": "No request is waiting for approval. Send one first."}

    told, workspace = Scripted(), here.slack.workspace
    here.slack.use_request_url(told)
    card = {
        "text": "Dana requests a key <@U0ERIN> <@U0OLGA>",
        "blocks": [actions(button("Approve", "card:approve", "r1"))],
    }
    workspace.post(workspace.channels[APPROVALS_CHANNEL], card)
    said = (await begin(http, "two clicks")).json()["said"]

    assert said == "Olga Lindqvist and Ines Carvalho both clicked Approve in #key-approvals: Dana requests a key"
    clicks = [(each.payload["user"]["id"], each.payload["actions"][0]["value"]) for each in told.received]
    assert sorted(clicks) == [("U0INES", "r1"), ("U0OLGA", "r1")]


async def test_the_bot_crashes_at_its_next_create_and_starts_again(
    here: Stage, http: httpx.AsyncClient, bot: StandIn
) -> None:
    await begin(http, "crash")
    assert await turned(http) == ["crash"]

    await here.faults.hold_after["create"].pass_through()
    async with asyncio.timeout(60):
        await bot.started.wait()

    assert (bot.killed, await turned(http), here.faults.hold_after) == (1, [], {})
    assert (await http.get("/control")).json()["killed"]["in_hand"] == []


async def test_a_crash_is_called_off(here: Stage, http: httpx.AsyncClient, bot: StandIn) -> None:
    await begin(http, "crash")
    await begin(http, "crash")
    assert (await turned(http), here.faults.hold_after) == ([], {})

    await begin(http, "crash")
    await http.post("/control/reset", json={})
    assert (await turned(http), here.faults.hold_after, bot.killed) == ([], {}, 0)


@pytest.mark.parametrize("way", ["reset", "again"])
async def test_a_crash_under_way_cannot_be_called_off_so_the_bot_starts_again(
    here: Stage, http: httpx.AsyncClient, bot: StandIn, way: str
) -> None:
    bot.can_die.clear()
    await begin(http, "crash")
    create = asyncio.create_task(here.faults.hold_after["create"].pass_through())
    async with asyncio.timeout(60):
        await bot.dying.wait()
        await (begin(http, "crash") if way == "again" else http.post("/control/reset", json={}))
        bot.can_die.set()
        await bot.started.wait()
        await create

    assert (bot.killed, bot.starts, await turned(http), here.faults.hold_after) == (1, 1, [], {})


async def test_the_policy_gets_rules_and_loses_them(here: Stage, http: httpx.AsyncClient, bot: StandIn) -> None:
    assert "the policy file that it was started with" in (await begin(http, "policy")).json()["error"]

    rules = OwnRules(here.folder)
    bot.settings = rules.setting()
    assert "sandbox/policy.yml" in (await begin(http, "policy")).json()["said"]
    assert (await turned(http), bot.reloads) == (["policy"], 1)
    assert check(read(rules.file, default_channel=APPROVALS_CHANNEL)) == []

    assert (await begin(http, "policy")).json() == {"said": ""}
    assert (await turned(http), bot.reloads, rules.file.read_text()) == ([], 2, NO_RULES)


def test_without_rules_the_policy_is_that_of_no_file(tmp_path: Path) -> None:
    OwnRules(tmp_path).setting()

    empty = read(OwnRules(tmp_path).file, default_channel=APPROVALS_CHANNEL).policy
    assert replace(empty, digest="") == replace(without_a_file(APPROVALS_CHANNEL), digest="")


async def test_there_is_no_such_scenario(http: httpx.AsyncClient) -> None:
    assert (await begin(http, "nonsense")).status_code == 400


def test_leases_are_told_in_words_until_they_end() -> None:
    def lease(**ahead: float) -> bytes:
        return b"%d.7" % int((NOW + timedelta(**ahead)).timestamp() * 1000)

    leases = {
        b"click:c1": lease(seconds=9),
        b"click:c2": lease(seconds=8),
        b"request:r1": lease(seconds=15),
        b"gone:k1": lease(seconds=12),
        b"home:U0DANA": lease(seconds=-1),
    }

    assert described(leases, NOW) == [
        {"what": "2 clicks", "until": "2026-11-27T12:00:09+00:00"},
        {"what": "a background task", "until": "2026-11-27T12:00:12+00:00"},
        {"what": "the next step of a request", "until": "2026-11-27T12:00:15+00:00"},
    ]


async def test_what_a_killed_bot_had_in_hand_is_read_from_its_store(here: Stage) -> None:
    assert await in_hand(here) == []

    end = here.clock.now() + timedelta(seconds=15)
    (here.folder / "data").mkdir()
    async with embedded(here.folder / "data") as url, connect(url) as redis:
        commands: Commands = redis
        await commands.hset(Keyspace(TeamId(TEAM)).leases, "click:c1", f"{int(end.timestamp() * 1000)}.7")
        [click] = await in_hand(here)
    (here.folder / "data" / "valkey.sock").touch()

    assert click["what"] == "a click"
    assert await in_hand(here) == [], "the store is gone"


async def test_a_scanner_needs_a_bot_that_listens(http: httpx.AsyncClient) -> None:
    answer = await begin(http, "scan")

    assert "--http" in answer.text


async def test_a_key_is_posted_in_a_channel(http: httpx.AsyncClient, here: Stage) -> None:
    said = (await begin(http, "leak")).json()
    (message,) = here.slack.workspace.messages(GENERAL_CHANNEL)

    assert "ORDERSDEV0000001" in message["text"]
    assert re.search(r"cflt[A-Za-z0-9+/]{60}", message["text"])
    assert "cflt" not in str(said)
