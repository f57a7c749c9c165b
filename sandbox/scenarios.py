"""The scenarios of the panel. Each has a name, says what to look at, and sets switches or does something once."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.slack.payloads import ids
from sandbox.cast import GENERAL_CHANNEL, Actor
from sandbox.confluent.model import new_secret
from sandbox.gate import Gate
from sandbox.rules import SETTING, OwnRules
from sandbox.scanner import entry
from sandbox.slack.blocks import Json, interactive
from sandbox.slack.workspace import Channel
from sandbox.stage import BotProcess, Stage

STEPS = (
    "As Dana Okafor, type /apikey create, fill in the form, review it, and send it.",
    "Switch to Erin Castellanos (“You are”, top left or under ☰), open #key-approvals, and select Approve.",
    "Switch back to Dana, open Latchkey (under Apps), and select Show secret.",
)
"""From request to secret, for people who have never seen Latchkey."""
ADMINS = ("U0OLGA", "U0INES")
"""Two people who can approve anything."""
DANA, LEAKED = "U0DANA", "ORDERSDEV0000001"
"""Who posts which key, in the scenario of a leak."""
MENTION = re.compile(r" ?<@\w+>")
Values = Mapping[str, str | float]


class NotNow(Exception):
    """The scenario isn't possible now. The text says what to do first."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A button of the panel: switches that it sets at Confluent and Slack, or a function that returns what it did."""

    name: str
    title: str
    about: str
    confluent: Values = field(default_factory=dict[str, str | float])
    slack: Values = field(default_factory=dict[str, str | float])
    deed: Callable[["Scenarios"], Awaitable[str]] | None = None

    def is_on(self, stage: Stage) -> bool:
        """Whether its switches are set."""
        sides = ((stage.faults, self.confluent), (stage.slack.faults, self.slack))
        turned = [getattr(faults, name) == value for faults, values in sides for name, value in values.items()]
        return bool(turned) and all(turned)


class Scenarios:
    """The scenarios of one stage and its bot. `crashed` is called after a bot was killed and before it starts again."""

    def __init__(self, stage: Stage, bot: BotProcess, crashed: Callable[[], Awaitable[None]]) -> None:
        self.stage = stage
        self.bot = bot
        self._crashed = crashed
        self._crash: asyncio.Task[None] | None = None
        self._gate = Gate()

    def describe(self) -> list[Json]:
        """Every scenario, and whether it's on, for a web page."""
        return [
            {"name": each.name, "title": each.title, "about": each.about, "on": self._is_on(each)} for each in SCENARIOS
        ]

    async def begin(self, name: str) -> str:
        """Begin a scenario, or end it if its switches are set. Returns a text about it, or "".

        Raises KeyError for an unknown name, and `NotNow`.
        """
        scenario = next((each for each in SCENARIOS if each.name == name), None)
        if scenario is None:
            raise KeyError(name)
        if scenario.deed:
            return await scenario.deed(self)
        is_on = scenario.is_on(self.stage)
        for faults, values in ((self.stage.faults, scenario.confluent), (self.stage.slack.faults, scenario.slack)):
            usual = {each["name"]: each["usual"] for each in faults.describe()}
            for switch, value in values.items():
                faults.set(switch, usual[switch] if is_on else value)
        return ""

    def end(self) -> None:
        """Cancel the crash that waits for a create. One that has begun continues, so that the bot starts again."""
        if self._crash and not self._gate.reached.is_set():
            self._crash.cancel()
            self._crash = None

    def _is_on(self, scenario: Scenario) -> bool:
        if scenario.name == CRASH:
            return self._crash is not None and not self._crash.done()
        if scenario.name == POLICY:
            return OwnRules(self.stage.folder).are_in_force
        return scenario.is_on(self.stage)

    async def week(self) -> str:
        """Let seven days pass."""
        self.stage.clock.advance(timedelta(days=7))
        return "It's a week later."

    async def two_clicks(self) -> str:
        """Have two people approve the newest request at the same moment. Raises `NotNow`."""
        channel, message, action = self._newest_request()
        slack = self.stage.slack
        people = [slack.workspace.people[each] for each in ADMINS]
        slack.workspace.channels[channel.id].members.update(ADMINS)
        clicks = [slack.interactions.act_in_message(each, channel.id, message["ts"], action) for each in ADMINS]
        await asyncio.gather(*clicks)
        text = MENTION.sub("", message["text"]).rstrip()
        return f"{_names(people)} both clicked Approve in #{channel.name}: {text}"

    async def leak(self) -> str:
        """Have someone post a key and its secret in a channel."""
        post_key(self.stage)
        return f"Dana posted {LEAKED} and its secret in #general."

    async def scan(self) -> str:
        """Have a secret scanner find a key in a public repository. Raises `NotNow`."""
        if not self.stage.bot_url:
            raise NotNow('Scanners reach Latchkey in HTTP mode only. Restart with: make sandbox ARGS="--http"')
        answer = await self.stage.scanner.report(self.stage.bot_url, entry(f"{LEAKED}:{new_secret()}"))
        why = "" if answer.is_success else f": {answer.text}"
        return f"The scanner reported {LEAKED}. Latchkey answered {answer.status_code}{why}."

    async def policy(self) -> str:
        """Write the example's rules to the bot's policy file, or none again. Raises `NotNow`."""
        rules = OwnRules(self.stage.folder)
        if self.bot.settings.get(SETTING) != str(rules.file):
            raise NotNow("This sandbox follows the policy file that it was started with.")
        said = RULES if rules.switch() else ""
        self.bot.reload()
        return said

    async def crash(self) -> str:
        """Kill and restart the bot once its next create has reached Confluent. If that is pending, cancel it.

        Does nothing while the bot is being killed.
        """
        if self._crash and not self._crash.done():
            self.stage.faults.hold_after.pop("create", None)
            self.end()
            return ""
        self._gate = gate = Gate()
        self.stage.faults.hold_after["create"] = gate
        self._crash = asyncio.create_task(self._crash_at(gate))
        return ""

    async def _crash_at(self, gate: Gate) -> None:
        try:
            await gate.reached.wait()
            await self.bot.kill()
            await self._crashed()
        finally:
            self.stage.faults.hold_after.pop("create", None)
            gate.opened.set()
        await self.bot.start()

    def _newest_request(self) -> tuple[Channel, Json, Json]:
        found: list[tuple[str, Channel, Json, Json]] = []
        for channel in self.stage.slack.workspace.channels.values():
            for message in self.stage.slack.workspace.messages(channel.id):
                for block, element in interactive(message.get("blocks", [])):
                    if element["action_id"] == ids.APPROVE:
                        found.append((message["ts"], channel, message, {**element, "block_id": block["block_id"]}))
        if not found:
            raise NotNow("No request is waiting for approval. Send one first.")
        _, channel, message, action = max(found, key=lambda each: each[0])
        return channel, message, action


def post_key(stage: Stage) -> None:
    """Have Dana post a key and its secret in #general."""
    text = f"It works for me with:\nsasl.username={LEAKED}\nsasl.password={new_secret()}"
    stage.slack.interactions.message(DANA, GENERAL_CHANNEL, text)


def _names(people: list[Actor]) -> str:
    return " and ".join(each.name for each in people)


CRASH, POLICY = "crash", "policy"
RULES = (
    "Latchkey now follows sandbox/policy.yml. As Dana, request a key in production, where only the platform team can "
    "approve, then one in dev, where you can use break-glass. As Ravi Menon, request one in dev, which needs two "
    "approvals."
)
SCENARIOS = (
    Scenario(
        "lost answer",
        "Confluent loses the response to a create",
        "The next key is created, but Latchkey never hears of it. Approve a request, then read its card.",
        confluent={"answer_lost": "next create"},
    ),
    Scenario(
        CRASH,
        "Latchkey crashes while it creates a key",
        "The bot is killed during its next create, and starts again. Approve a request, then read its card.",
        deed=Scenarios.crash,
    ),
    Scenario(
        "two clicks",
        "Two admins click at once",
        "Olga and Ines both approve the newest request at the same moment.",
        deed=Scenarios.two_clicks,
    ),
    Scenario(
        POLICY,
        "A policy with tickets and break-glass",
        "In production, requests need a ticket (OPS-1), and approvers type the cluster's name. In dev, Dana can use "
        "break-glass.",
        deed=Scenarios.policy,
    ),
    Scenario(
        "leak",
        "Someone posts an API key",
        "Dana pastes a client configuration into #general. Point at her message, open its menu (⋯), and report it.",
        deed=Scenarios.leak,
    ),
    Scenario(
        "scan",
        "A secret scanner finds an API key",
        "GitHub's webhook, signed, with a key that is in a public repository. Read #key-approvals. HTTP mode only.",
        deed=Scenarios.scan,
    ),
    Scenario(
        "confluent down",
        "Confluent is down",
        "Every call to Confluent Cloud gets a 500. Approve a request, then end this and watch it finish.",
        confluent={"failing": "all"},
    ),
    Scenario(
        "no permission",
        "Confluent refuses to create keys",
        "A create gets a 403, as if Latchkey's service account had lost its role.",
        confluent={"create_refused": "403"},
    ),
    Scenario(
        "slack slow",
        "Slack is slow",
        "Each call to Slack takes 4 seconds; a form has to open within 3.",
        slack={"slow": 4.0},
    ),
    Scenario(
        "week",
        "A week passes",
        "Requests and secrets expire, keys get close to expiring, and the weekly review is due.",
        deed=Scenarios.week,
    ),
)
