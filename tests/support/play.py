"""The real bot in this process, against the sandbox's servers: what the end-to-end tests act on."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest import mock

from starlette.routing import BaseRoute

from bot.app import audit_lines, run
from bot.settings import Settings, load
from bot.slack.payloads import ids
from bot.store.connection import connect
from sandbox.bot import CATALOG_SECONDS
from sandbox.cast import APPROVALS_CHANNEL, TEAM
from sandbox.serving import free_port
from sandbox.slack import payloads
from sandbox.slack.blocks import Json, interactive
from sandbox.slack.delivery import Envelope
from sandbox.slack.manners import Manners
from sandbox.slack.person import PersonAtClient
from sandbox.stage import Stage, stage

STARTED_WITHIN = 60.0
SECONDS = 60.0
"""How long something may take that nobody sees."""
LOOK_EVERY = 0.05
"""Seconds: the bot sees within this time that the sandbox's clock was moved."""
NEVER_OVER = timedelta(days=400)
"""The lease of an item. Its minute would be over in a moment while a test moves the clock, and the work begun twice."""
POLICY_FILE = "policy.yml"
"""In the stage's folder. Where there is one when a bot starts, it is that bot's policy."""


def settings_from(environment: dict[str, str]) -> Settings:
    """The settings that a process with this environment would load."""
    with mock.patch.dict(os.environ, environment, clear=True):
        return load()


SENT, ANYWAY = "Request sent.", "Request another anyway"


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
        """Dana asks for a key of orders-service for orders-dev, as far as the card and her own copy of it."""
        await self.send(name, reason)
        await self.dana.wait_for(lambda: any(name in str(each) for each in self.dana.messages()), "her own copy")

    async def send(self, name: str = "orders producer", reason: str = "Local tests of the orders flow") -> None:
        """Dana asks, as far as the card; her own copy may still be on its way."""
        await self.fill_in(name, reason)
        await self.dana.submit()
        await self.dana.see("Review your request")
        await self.dana.see("Needs 1 approval.")
        await send_anyway(self.dana)
        await self.erin.wait_for(lambda: any(name in str(card) for card in self.cards()), "the card")

    async def fill_in(self, name: str = "orders producer", reason: str = "Local tests of the orders flow") -> None:
        """Dana opens the form and fills in everything."""
        await self.dana.command("/apikey create")
        await self.dana.fill({"Account": "service-account"})
        await self.dana.fill({"Service account": "orders-service", "Environment": "dev"})
        await self.dana.wait_for(
            lambda: "resource:kafka:env-dev001" in str(self.dana.modal), "the clusters of that environment"
        )
        await self.dana.fill({"Kafka cluster": "orders-dev", "Name": name, "Reason": reason, "Lifetime": "rule"})

    async def approve(self) -> None:
        """Erin approves the newest card."""
        await self.erin.click("Approve", in_channel=APPROVALS_CHANNEL)

    def cards(self) -> list[Json]:
        """The cards of requests in the approvals channel, where a review may ask about keys in between."""
        every = [each for each in self.erin.messages(APPROVALS_CHANNEL) if each.get("thread_ts") in {None, each["ts"]}]
        return [each for each in every if not _asks_to_review(each)]

    def reviews(self) -> list[Json]:
        """The messages in the approvals channel that ask about keys whose owner nobody in Slack answers for."""
        return [each for each in self.erin.messages(APPROVALS_CHANNEL) if _asks_to_review(each)]

    async def card_says(self, text: str) -> None:
        """Wait until the newest card says this."""
        await self.erin.wait_for(lambda: text in str(self.cards()[-1:]), f"a card with {text!r}")

    async def key_is_there(self) -> str:
        """Wait until Dana's key waits for her; returns its id."""
        await self.dana.wait_for(lambda: "Show secret" in str(self.dana.messages()), "her key")
        (key,) = self.our_keys()
        return key

    async def until(
        self, predicate: Callable[[], object], what: str, *, step: float = 0, seconds: float = SECONDS
    ) -> None:
        """Wait for something that shows in no client; with `step`, move the clock by so many seconds now and then."""
        try:
            async with asyncio.timeout(seconds):
                while not predicate():
                    self.advance(seconds=step)
                    await asyncio.sleep(2 * LOOK_EVERY if step else 0.01)
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; Dana sees:\n{self.dana.describe()}") from None

    def card_reads(self, text: str) -> bool:
        """Whether the newest card says this now."""
        return text in str(self.cards()[-1:])

    async def press(self, user: str, channel: str, message: Json, text: str, **instead: str) -> None:
        """Press a button as it stood in `message`, which may have changed since; no client stands in the way.

        `instead` replaces parts of the button, such as its `value`.
        """
        slack = self.stage.slack
        blocks: list[Json] = message["blocks"]
        found = ((block, each) for block, each in interactive(blocks) if each["type"] == "button")
        block, button = next((block, each) for block, each in found if each["text"]["text"] == text)
        action = {**button, **instead, "block_id": block["block_id"], "action_ts": slack.workspace.next_ts()}
        payload = payloads.message_action(
            slack.workspace.people[user],
            slack.workspace.channels[channel],
            {**message, "state": {"values": {}}},
            action,
            trigger=slack.views.new_trigger(user),
            url=slack.response_urls.new(user, channel, ts=message["ts"]),
        )
        await slack.delivery.send(Envelope("interactive", payload), user)

    async def submit_past_the_client(self, **typed: str) -> dict[str, str]:
        """Submit Dana's modal with these texts, by field, as if her client checked nothing; returns the errors."""
        slack, view = self.stage.slack, self.dana.front()
        slack.views.keep_state(view, self.dana.typed.get(view["id"], {}))
        for name, text in typed.items():
            (element,) = view["state"]["values"][block_of(view, name)].values()
            element["value"] = text
        person = slack.workspace.people[self.dana.user]
        payload = payloads.view_submission(person, view, trigger=slack.views.new_trigger(person.slack))
        answer = await slack.delivery.send(Envelope("interactive", payload, takes_answer=True), person.slack)
        return slack.interactions._take_submit_answer(person.slack, view, answer)

    async def audit(self, action: str = "") -> list[Mapping[str, object]]:
        """The lines of the audit log so far, or those of one action."""
        settings = settings_from(self.stage.environment())
        return [line async for line in audit_lines(settings) if action in ("", line["action"])]

    async def forget_messages(self) -> None:
        """Take from the bot's store which messages show which request."""
        socket = self.stage.folder / "data" / "valkey.sock"
        async with connect(f"unix://{socket}") as redis:
            names = [name async for name in redis.scan_iter(match=f"lk:{{{TEAM}}}:posts:*")]
            await redis.delete(*names)

    def our_keys(self) -> list[str]:
        """Ids of the live keys at Confluent that Latchkey made."""
        return [id_ for id_, key in self.stage.organization.api_keys.items() if "[lk:" in key.description]


def _asks_to_review(message: Json) -> bool:
    heads = ("API key to review", "API keys to review", "for this channel to review")
    return any(head in str(message.get("blocks", [])[:1]) for head in heads)


def fields(view: Json | None) -> list[str]:
    """The block ids of a view, without the drawing that each came in with."""
    return [ids.field(block["block_id"]) for block in view["blocks"]] if view else []


def block_of(view: Json, name: str) -> str:
    """The block id that a field has now."""
    (found,) = (block["block_id"] for block in view["blocks"] if ids.is_field(block["block_id"], name))
    return str(found)


@asynccontextmanager
async def bot_of(
    here: Stage,
    *,
    data: str = "data",
    mode: str = "socket",
    redis_url: str | None = None,
    connections: int = 1,
    within: float = STARTED_WITHIN,
    catalog_seconds: float = CATALOG_SECONDS,
) -> AsyncGenerator[None]:
    """A bot in this process, listening `within` seconds. In HTTP mode, Slack delivers to it from that point on."""
    stop, port = asyncio.Event(), free_port() if mode == "http" else 0
    environment = here.environment(data=data, mode=mode, redis_url=redis_url) | {"PORT": str(port)} | policy_of(here)
    running = run(settings_from(environment), stop, clock=here.clock.now, catalog_seconds=catalog_seconds)
    task = asyncio.create_task(running, name="bot")
    listening = asyncio.create_task(_listening(here, mode, port, connections, within))
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=within)
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
async def play(
    folder: Path,
    *,
    mode: str = "socket",
    redis_url: str | None = None,
    policy: str = "",
    manners: Manners | None = None,
    extra: Sequence[BaseRoute] = (),
) -> AsyncGenerator[Play]:
    """A stage with one bot, and Dana and Erin at their clients. `policy` is the text of a policy file."""
    if policy:
        (folder / POLICY_FILE).write_text(policy)
    with (
        mock.patch("bot.services.worker.POLL", LOOK_EVERY),
        mock.patch("bot.services.worker.LEASE", NEVER_OVER),
        mock.patch("bot.health.FRESH", 0),
    ):
        async with stage(folder, manners=manners, extra=extra) as here, bot_of(here, mode=mode, redis_url=redis_url):
            yield Play(here, here.slack.person("U0DANA"), here.slack.person("U0ERIN"))


def policy_of(here: Stage) -> dict[str, str]:
    """The setting that names the stage's policy file, where there is one."""
    file = here.folder / POLICY_FILE
    return {"LATCHKEY_POLICY": str(file)} if file.exists() else {}


async def _listening(here: Stage, mode: str, port: int, connections: int, within: float) -> None:
    if mode == "socket":
        await here.slack.sockets.wait_connected(connections, within)
    else:
        await here.deliver_by_http(port)


async def send_anyway(person: PersonAtClient) -> None:
    """Send a reviewed form, also where the person has an open request for the same, and leave no modal behind."""
    await person.submit()
    ends = (SENT, ANYWAY)
    await person.wait_for(
        lambda: not person.modal or any(each in str(person.modal) for each in ends), "what becomes of the form"
    )
    if ANYWAY in str(person.modal):
        await person.click(ANYWAY)
    if person.modal:
        await person.see(SENT)
        await person.close()
