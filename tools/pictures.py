"""`make pictures`: takes pictures of every surface in every state, light and dark, on a phone and on two screens.

A story below plays the real bot in a sandbox, and yields a name whenever there is something to see: for a new surface,
add one such line. If something doesn't fit on the screen, there is a second picture, `whole`. If a story breaks off, it
says where, and the others continue.
"""

import argparse
import asyncio
import base64
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias
from unittest import mock

from playwright.async_api import Browser, Page

from bot import logs
from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL, PARTNER_CHANNEL
from sandbox.control import Control
from sandbox.scenarios import LEAKED, post_key
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.manners import Manners
from sandbox.slack.person import PersonAtClient
from sandbox.stage import BotProcess
from tests.support.browsing import a_browser, a_sandbox
from tests.support.play import Play, play
from tests.support.wishes import NEW, OWN, Wish, fill_in
from tools import sheets

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "pictures"
README = ROOT / "docs" / "pictures"
SIZES = ((390, 844), (900, 900), (1440, 900))
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TALLEST = 3000
README_WIDTH = 700
SETTLED_MS = 250
"""Milliseconds for the page to receive an event and draw it."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
GOVERNED = (ROOT / "sandbox" / "policy.yml").read_text("utf-8")
TWO_PEOPLE = """\
version: 1
rules:
  - {name: two for production, match: {environment: env-prod01}, approvals: 2}
"""


@dataclass(slots=True)
class Scene:
    """A sandbox with a bot, and one browser, which switches from person to person."""

    it: Play
    page: Page

    @property
    def dana(self) -> PersonAtClient:
        """A developer."""
        return self.it.dana

    @property
    def erin(self) -> PersonAtClient:
        """An approver."""
        return self.it.erin

    def person(self, user: str) -> PersonAtClient:
        """Another person, at their own client."""
        return self.it.person(user)

    async def at(self, person: PersonAtClient, where: str = "") -> None:
        """Open the page as this person; "" is the DM with the bot, `home` its other tab.

        Modals and ephemeral messages appear only in clients that were open before.
        """
        await self.page.goto(f"{self.it.stage.slack_url}/#{person.user}/{where or person.dm}")
        # On a phone, the list is there but folded away.
        await self.page.wait_for_selector(f'#you:has(option[value="{person.user}"]:checked)', state="attached")
        await self.page.wait_for_selector("#places .place[aria-current]", state="attached")
        await self.page.wait_for_timeout(SETTLED_MS)

    async def press(self, person: PersonAtClient, action: str, *, beside: str = "", place: str | None = None) -> None:
        """Press a button by its action ID, even if it's in a menu; `place` is a channel's ID."""
        await person.press(action, folded=f"{action}|", beside=beside, in_channel=place)

    async def modal(self, person: PersonAtClient, is_it: Callable[[Json], object] = bool) -> None:
        """Wait until a loaded modal is open."""

        def is_there() -> bool:
            view = person.modal
            return view is not None and "Confluent Cloud…" not in str(list(plain_words(view))) and bool(is_it(view))

        await person.wait_for(is_there, "a modal")

    async def sent(self, wish: Wish, person: PersonAtClient | None = None) -> None:
        """Have someone (None: Dana) fill in the form, review it and send it, and wait for the card."""
        who = person or self.dana
        await fill_in(who, wish)
        if errors := await who.submit():
            raise AssertionError(f"the form is not taken: {errors}")
        await self.modal(who, lambda view: view["callback_id"] == ids.REVIEW)
        await who.submit()
        await self.it.until(lambda: wish.name in str(self.it.cards()), "the card")
        if who.modal:
            await who.close(everything=True)

    async def approved(self, wish: Wish, by: PersonAtClient | None = None) -> None:
        """Have someone (None: Erin) approve."""
        await self.press(by or self.erin, ids.APPROVE, beside=wish.name, place=APPROVALS_CHANNEL)

    async def ready(self, wish: Wish) -> None:
        """Wait until Dana's key is ready."""
        spots = lambda: [  # noqa: E731 - looked at again and again
            each
            for message in self.dana.messages()
            for _, each in interactive(message.get("blocks", []))
            if each["action_id"] == ids.SHOW and wish.name in str(message)
        ]
        await self.dana.wait_for(spots, "a key whose secret waits")

    async def card_says(self, *states: str) -> None:
        """Wait until the newest card shows one of these."""
        await self.it.until(lambda: any(each in str(self.it.cards()[-1:]) for each in states), f"a card: {states}")


Story: TypeAlias = Callable[[Scene], AsyncGenerator[str, None]]


# -------------------------------------------------------------------------------------------------------------- stories


async def delivered(it: Scene, wish: Wish) -> AsyncGenerator[str, None]:
    """From a request's approval to its secret, and then its card."""
    await it.approved(wish)
    await it.ready(wish)
    yield "card-approved"
    await it.at(it.dana)
    yield "dm-ready"
    await it.press(it.dana, ids.SHOW, place=it.dana.dm)
    await it.dana.wait_for(lambda: it.dana.ephemerals, "the secret")
    yield "secret"
    await it.press(it.dana, ids.SAVED)
    await it.dana.wait_for(lambda: not it.dana.ephemerals, "the secret to be gone")
    yield "dm-saved"
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-delivered"


async def request(it: Scene) -> AsyncGenerator[str, None]:
    """From the command to a key."""
    wish = Wish(name="orders producer", lifetime="")
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.dana.command("/apikey create")
    await it.modal(it.dana)
    yield "form"
    await it.dana.close(everything=True)
    await fill_in(it.dana, wish)
    await it.page.wait_for_timeout(SETTLED_MS)
    yield "form-filled"
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.dana.submit()
    await it.it.until(lambda: wish.name in str(it.it.cards()), "the card")
    yield "request-sent"
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.at(it.dana)
    yield "dm-waiting"
    await it.at(it.erin)
    yield "dm-approver"
    await it.at(it.erin, "home")
    yield "home-approver"
    await it.at(it.erin, APPROVALS_CHANNEL)
    async for picture in delivered(it, wish):
        yield picture
    await it.at(it.dana, "home")
    yield "home-requester"


async def forms(it: Scene) -> AsyncGenerator[str, None]:
    """Forms that are filled in, warnings on the review page, and a sent request that is stopped."""
    await it.sent(Wish(name="orders producer", lifetime=""))
    words = {
        "last": "",
        "resource": "payments-dev",
        "several": "-dev",
        "none": "nothing",
        "like": "like DANASLAPTOP00001",
    }
    for name, word in words.items():
        await it.at(it.dana, GENERAL_CHANNEL)
        await it.dana.command(f"/apikey create {word}")
        await it.modal(it.dana, lambda view: view["callback_id"] == ids.FORM)
        yield f"form-{name}"
        await it.dana.close(everything=True)
    wishes = {
        "own": Wish(OWN, cluster="payments-dev"),
        "new-account": Wish(NEW, lifetime="7 days"),
        "cloud": Wish(kind="cloud", lifetime="30 days"),
        "again": Wish(lifetime="90 days"),
    }
    for name, wish in wishes.items():
        await it.at(it.dana, GENERAL_CHANNEL)
        await fill_in(it.dana, wish)
        await it.dana.submit()
        await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
        yield f"review-{name}"
        if name != "again":
            await it.dana.close(everything=True)
    cluster = it.it.stage.organization.kafka_clusters.pop("lkc-dev001")
    await it.dana.submit()
    await it.dana.wait_for(lambda: "wasn't sent" in str(it.dana.messages()), "why it was not sent")
    await it.at(it.dana)
    yield "dm-not-sent"
    it.it.stage.organization.kafka_clusters[cluster.id] = cluster


async def decisions(it: Scene) -> AsyncGenerator[str, None]:
    """Other outcomes of a request."""
    await it.sent(Wish(name="deny-me"))
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.press(it.erin, ids.DENY, beside="deny-me", place=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "deny"
    await it.erin.fill({ids.REASON_BLOCK: "Please use the team's own cluster."})
    await it.erin.submit()
    await it.card_says("enied")
    yield "denied"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "card-denied"
    await it.at(it.dana)
    yield "dm-denied"
    await it.sent(Wish(name="cancel-me"))
    await it.press(it.dana, ids.CANCEL, place=it.dana.dm)
    await it.card_says("ancelled")
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-cancelled"
    await it.sent(Wish(name="fail-me"))
    it.it.stage.faults.create_refused = "402"
    await it.approved(Wish(name="fail-me"))
    await it.card_says("ailed")
    it.it.stage.faults.reset()
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-failed"
    await it.at(it.dana)
    yield "dm-failed"
    await it.sent(Wish(name="expire-me"))
    it.it.advance(hours=25)
    await it.card_says("xpired")
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-expired"
    await it.at(it.dana)
    yield "dm-expired"
    wish = Wish(name="miss-me")
    await it.sent(wish)
    await it.approved(wish)
    await it.ready(wish)
    it.it.advance(hours=25)
    await it.it.until(lambda: not it.it.our_keys(), "the key to be deleted")
    await it.at(it.dana)
    yield "dm-unclaimed"
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-unclaimed"


async def risk(it: Scene) -> AsyncGenerator[str, None]:
    """High-risk requests, and refusals."""
    olga, ravi = it.person("U0OLGA"), it.person("U0RAVI")
    for kind, name in (("cloud", "terraform"), ("global", "everything")):
        await it.sent(Wish(OWN, kind=kind, cluster="", name=name))
        await it.at(olga, APPROVALS_CHANNEL)
        yield f"card-{kind}"
    await it.sent(Wish(NEW, name="clicks"))
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-new-account"
    await it.sent(Wish(environment="production", cluster="orders", name="orders in production"))
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-production"
    await it.at(ravi, APPROVALS_CHANNEL)
    await it.press(ravi, ids.APPROVE, beside="everything", place=APPROVALS_CHANNEL)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "refused"
    await it.at(olga, APPROVALS_CHANNEL)
    card = it.page.get_by_role("article").filter(has_text="Global API key")
    await card.locator(f'[data-action="{ids.APPROVE}"]').click()
    await it.page.wait_for_timeout(2 * SETTLED_MS)
    yield "approve-asks"


async def two_people(it: Scene) -> AsyncGenerator[str, None]:
    """A request that two people have to approve."""
    wish = Wish(environment="production", cluster="orders", name="two-step")
    olga, pavel = it.person("U0OLGA"), it.person("U0PAVEL")
    await it.sent(wish)
    await it.at(olga, APPROVALS_CHANNEL)
    await it.approved(wish, olga)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "card-half-approved"
    await it.press(olga, ids.APPROVE, beside=wish.name, place=APPROVALS_CHANNEL)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "approved-already"
    await it.at(pavel, "home")
    yield "home-approver"


async def keys(it: Scene) -> AsyncGenerator[str, None]:
    """Existing keys: list, page, edit, rotate, extend, delete."""
    wish = Wish(name="orders producer", lifetime="7 days")
    await it.sent(wish)
    await it.approved(wish)
    await it.ready(wish)
    await it.at(it.dana)
    await it.press(it.dana, ids.SHOW, place=it.dana.dm)
    await it.dana.wait_for(lambda: it.dana.ephemerals, "the secret")
    await it.press(it.dana, ids.SAVED)
    (key,) = it.it.our_keys()
    for line in ("list", f"show {key}", f"edit {key}", f"rotate {key}", f"delete {key}"):
        await it.at(it.dana, GENERAL_CHANNEL)
        await it.dana.command(f"/apikey {line}")
        await it.modal(it.dana)
        yield line.partition(" ")[0]
        await it.dana.close(everything=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.dana.command(f"/apikey show {key}")
    await it.modal(it.dana)
    await it.press(it.dana, ids.KEY_EXTEND)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.EXTEND)
    yield "extend"
    await it.dana.close(everything=True)
    await it.at(it.erin, GENERAL_CHANNEL)
    await it.erin.command("/apikey list")
    await it.modal(it.erin)
    yield "list-admin"
    await it.erin.close(everything=True)
    await it.at(it.dana, "home")
    yield "home-keys"
    it.it.advance(days=6, hours=1)
    await it.dana.wait_for(lambda: ids.KEY_EXTEND in str(it.dana.messages()[-1]), "the reminder")
    await it.at(it.dana)
    yield "dm-reminder"


async def answers(it: Scene) -> AsyncGenerator[str, None]:
    """The other commands, and answers to people who can't use Latchkey."""
    for line in ("help", "whoami", "requests", "", "nonsense"):
        await it.at(it.dana, GENERAL_CHANNEL)
        before = len(it.dana.ephemerals)
        await it.dana.command(f"/apikey {line}".strip())
        await it.dana.wait_for(lambda before=before: it.dana.modal or len(it.dana.ephemerals) > before, "an answer")  # type: ignore[misc]
        await it.page.wait_for_timeout(2 * SETTLED_MS)
        yield f"command-{line or 'alone'}"
        if it.dana.modal:
            await it.dana.close(everything=True)
    for user in ("U0GUS", "U0NORA", "U0TESS", "U0OLGA"):
        await it.at(it.person(user), "home")
        await it.page.wait_for_timeout(4 * SETTLED_MS)
        yield f"home-{user[2:].lower()}"
    await it.at(it.person("U0GUS"), GENERAL_CHANNEL)
    gus = it.person("U0GUS")
    await gus.command("/apikey create")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "guest-create"
    await it.at(it.person("U0XAVI"), PARTNER_CHANNEL)
    yield "partner"


async def weekly(it: Scene) -> AsyncGenerator[str, None]:
    """The weekly review."""
    it.it.advance(days=7)
    await it.it.until(it.it.reviews, "the review", step=5)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "review-channel"
    for user in ("U0SAMI", "U0OLGA", "U0ERIN"):
        if it.person(user).messages():
            await it.at(it.person(user))
            yield f"review-dm-{user[2:].lower()}"
    sami = it.person("U0SAMI")
    for action in (ids.REVIEW_KEYS, ids.KEEP_BASELINE):
        await it.at(sami)
        await it.press(sami, action, place=sami.dm)
        await it.modal(sami)
        yield f"review-{action.partition(':')[2]}"
        if sami.modal:
            await sami.close(everything=True)


async def access(it: Scene) -> AsyncGenerator[str, None]:
    """A key for a new account with access, which is then removed."""
    olga = it.person("U0OLGA")
    wish = Wish(NEW, name="clicks writer", access=(("Write topics", "clicks-"), ("Read topics", "clicks-, orders-")))
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, wish)
    yield "form"
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.dana.submit()
    await it.card_says(wish.name)
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.approved(wish, olga)
    await it.ready(wish)
    yield "card-approved"
    await it.at(it.dana)
    await it.press(it.dana, ids.SHOW, place=it.dana.dm)
    await it.dana.wait_for(lambda: it.dana.ephemerals, "the secret")
    yield "secret"
    await it.press(it.dana, ids.SAVED)
    (key,) = it.it.our_keys()
    await it.at(olga, GENERAL_CHANNEL)
    await olga.command(f"/apikey show {key}")
    await it.modal(olga)
    yield "key"
    await it.press(olga, ids.REMOVE_ACCESS)
    await it.page.wait_for_timeout(8 * SETTLED_MS)
    yield "removed"
    await olga.close(everything=True)
    await olga.command(f"/apikey show {key}")
    await it.modal(olga)
    yield "key-after"


async def governed(it: Scene) -> AsyncGenerator[str, None]:
    """A ticket, and a resource name that approvers type."""
    olga = it.person("U0OLGA")
    wish = Wish(environment="production", cluster="orders", name="orders in production")
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, wish)
    await it.dana.fill({"Ticket": "nonsense"})
    await it.dana.submit()
    await it.dana.see("This ticket doesn't match")
    yield "form"
    await it.dana.fill({"Ticket": "OPS-12"})
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.dana.submit()
    await it.card_says(wish.name)
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.press(olga, ids.CONFIRM, beside=wish.name, place=APPROVALS_CHANNEL)
    await it.modal(olga)
    yield "approve"
    await olga.fill({"Type “orders” to approve this request": "orders"})
    await olga.submit()
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "approved"
    await it.ready(wish)
    if olga.modal:
        await olga.close(everything=True)
    yield "card-approved"


async def pair(it: Scene) -> AsyncGenerator[str, None]:
    """A Kafka key with one for its Schema Registry."""
    wish = Wish(name="orders service", also=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, wish)
    yield "form"
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.dana.submit()
    await it.card_says(wish.name)
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-waiting"
    async for picture in delivered(it, wish):
        yield picture


async def glass(it: Scene) -> AsyncGenerator[str, None]:
    """Break-glass, and its review."""
    wish = Wish(name="orders are down")
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, wish)
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.press(it.dana, ids.GLASS)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.GLASS_USE)
    yield "use"
    await it.dana.fill({"Why it can't wait": "Orders are down, and no one answers."})
    await it.dana.submit()
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "used"
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.ready(wish)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-to-review"
    await it.at(it.erin)
    yield "dm-approver"
    await it.at(it.erin, "home")
    yield "home-approver"
    await it.at(it.dana)
    yield "dm-ready"
    await it.press(it.dana, ids.SHOW, place=it.dana.dm)
    await it.dana.wait_for(lambda: it.dana.ephemerals, "the secret")
    await it.press(it.dana, ids.SAVED)
    await it.dana.wait_for(lambda: not it.dana.ephemerals, "the secret to be gone")
    yield "dm-saved"
    await it.at(it.dana, "home")
    yield "home-requester"


async def glass_again(it: Scene) -> AsyncGenerator[str, None]:
    """A second use of break-glass, which the form doesn't offer, and the review of the first use."""
    await fill_in(it.dana, Wish(name="orders are down"))
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    await it.press(it.dana, ids.GLASS)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.GLASS_USE)
    await it.dana.fill({"Why it can't wait": "Orders are down, and no one answers."})
    await it.dana.submit()
    await it.ready(Wish(name="orders are down"))
    await it.dana.close(everything=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, Wish(name="once more"))
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page-second"
    await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.press(it.erin, ids.NOT_JUSTIFIED, place=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "not-justified"
    await it.erin.fill({ids.REASON_BLOCK: "I was there to approve it."})
    await it.erin.submit()
    await it.card_says("I was there to approve it.")
    yield "reviewed"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "card-reviewed"
    await it.at(it.dana)
    yield "dm-reviewed"


async def leaks(it: Scene) -> AsyncGenerator[str, None]:
    """A key that someone posted, from the report to its deletion."""
    post_key(it.it.stage)
    (posted,) = it.erin.messages(GENERAL_CHANNEL)
    await it.at(it.erin, GENERAL_CHANNEL)
    yield "posted"
    await it.erin.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, posted["ts"])
    await it.modal(it.erin)
    yield "report"
    await it.erin.submit()
    await it.erin.wait_for(lambda: "Rotate now" in str(it.erin.messages(APPROVALS_CHANNEL)), "what is told of it")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "reported"
    await it.erin.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "channel"
    for user in ("U0SAMI", "U0DANA"):
        if it.person(user).messages():
            await it.at(it.person(user))
            yield f"dm-{user[2:].lower()}"
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.erin.click("Rotate now", in_channel=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "rotate"
    await it.erin.close(everything=True)
    await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "delete"
    await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
    await it.erin.submit()
    await it.it.until(lambda: LEAKED not in it.it.stage.organization.api_keys, "the deletion")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "deleted"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "channel-deleted"


STORIES: Mapping[str, tuple[Story, str]] = {
    "request": (request, ""),
    "forms": (forms, ""),
    "decisions": (decisions, ""),
    "risk": (risk, ""),
    "two-people": (two_people, TWO_PEOPLE),
    "keys": (keys, ""),
    "answers": (answers, ""),
    "weekly": (weekly, ""),
    "access": (access, ""),
    "governed": (governed, GOVERNED),
    "pair": (pair, ""),
    "glass": (glass, GOVERNED),
    "glass-again": (glass_again, GOVERNED),
    "leaks": (leaks, ""),
}
"""By name: the story, and the policy for it."""
FOR_README = {"request/card-waiting": "card", "request/secret": "secret"}
"""The pictures in the README: the newest message of each."""


# ------------------------------------------------------------------------------------------------------------- pictures


@asynccontextmanager
async def scene(browser: Browser, policy: str) -> AsyncGenerator[Scene, None]:
    """Yield a kind sandbox whose clock can be moved, and an empty page."""
    control = Control()  # tells the page the time
    with tempfile.TemporaryDirectory(prefix="latchkey-pictures-") as name:
        folder = Path(name)
        async with play(folder, policy=policy, manners=Manners(), extra=control.routes()) as it:
            control.attach(it.stage, BotProcess({}, folder / "clock", folder / "bot.log"))
            context = await browser.new_context()
            await context.add_init_script(_NO_PANEL)
            try:
                yield Scene(it, await context.new_page())
            finally:
                await context.close()


async def shoot(page: Page, folder: Path, name: str, only: str, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    """Take all pictures of what the page shows now."""
    await page.wait_for_timeout(SETTLED_MS)
    await page.evaluate("import('./panel.js').then(({ refresh }) => refresh())")
    for width, height in sizes:
        for scheme in SCHEMES:
            variant = f"{width}.{scheme}"
            if only and only not in f"{folder.name}/{name}.{variant}":
                continue
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": height})
            await page.evaluate(_TO_THE_NEWEST)
            await page.screenshot(path=folder / f"{name}.{variant}.png")
            needed = await page.evaluate(_NEEDED)
            if needed > height:
                await page.set_viewport_size({"width": width, "height": min(needed, TALLEST)})
                await page.evaluate("document.body.classList.add('whole')")
                await page.screenshot(path=folder / f"{name}.{variant}.whole.png")
                await page.evaluate("document.body.classList.remove('whole')")


_NO_PANEL = """
localStorage.setItem("panel", "closed");
addEventListener("DOMContentLoaded", () => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("#panel { display: none } .whole .modal { max-height: calc(100vh - 80px) }");
  document.adoptedStyleSheets = [sheet];
});
"""
_TO_THE_NEWEST = """() => {
  const [scroller, home] = ["#scroller", "#home"].map((each) => document.querySelector(each));
  scroller.scrollTop = home.hidden ? scroller.scrollHeight : 0;
}"""
_AS_WEBP = """async (picture) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.9 })).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""
"""WebP is a third as large as PNG."""
_BLACKED_OUT = """() => {
  const walk = document.createTreeWalker(document.querySelector("#messages"), NodeFilter.SHOW_TEXT);
  const secret = /cflt[A-Za-z0-9+/]{20,}/g;
  while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replace(secret, "cflt••••••••••••••••");
}"""
"""Not even a sandbox's secret belongs in the repository."""
_NEEDED = """() => {
  const inside = [...document.querySelectorAll("#scroller, #panel-body, .shade:not([hidden]) .modal-body")];
  const missing = inside.map((each) => each.scrollHeight - each.clientHeight);
  return window.innerHeight + Math.max(0, ...missing) + 40 * missing.some((each) => each > 0);
}"""


async def shoot_readme(page: Page, name: str) -> None:
    """Take a picture of only the newest message, for the README."""
    README.mkdir(parents=True, exist_ok=True)
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": README_WIDTH + 250, "height": 2000})
    await page.evaluate(_TO_THE_NEWEST)
    await page.evaluate(_BLACKED_OUT)
    picture = await page.locator("#messages > article").last.screenshot(path=FOLDER / f"readme-{name}.png")
    smaller = await page.evaluate(_AS_WEBP, base64.b64encode(picture).decode())
    (README / f"{name}.webp").write_bytes(base64.b64decode(smaller))


async def tell(browser: Browser, name: str, *, only: str, for_readme: bool) -> str:
    """Play a story and take its pictures. Returns what went wrong, or ""."""
    story, policy = STORIES[name]
    folder, at = FOLDER / name, "its start"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        async with scene(browser, policy) as here:
            async for at in story(here):
                sys.stdout.write(f"{name}/{at}\n")
                if not for_readme:
                    await shoot(here.page, folder, at, only)
                if f"{name}/{at}" in FOR_README and (for_readme or not only):
                    await shoot_readme(here.page, FOR_README[f"{name}/{at}"])
    except (AssertionError, Exception) as error:  # noqa: BLE001 - the other stories go on
        return f"{name} broke off after {at}: {type(error).__name__}: {error}"
    return ""


async def panel(browser: Browser, only: str) -> None:
    """The page of the sandbox itself with its panel: at the start, with a fault, what the bot tells, and a kill."""
    folder = FOLDER / "panel"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="latchkey-pictures-") as place:
        async with a_sandbox(Path(place)) as here:
            here.clock.advance(timedelta(days=1))
            for size in SIZES:
                context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
                await context.add_init_script("localStorage.removeItem('panel')")
                page = await context.new_page()
                await page.goto(f"{here.slack_url}/#U0DANA/{GENERAL_CHANNEL}")
                async for name in _panel(page):
                    await shoot(page, folder, name, only, [size])
                await context.close()


async def _panel(page: Page) -> AsyncGenerator[str, None]:
    toggle = page.locator("#panel-toggle")
    await page.wait_for_selector("#panel-body", state="attached")
    if await toggle.get_attribute("aria-expanded") != "true":
        yield "closed"
        await toggle.click()
    yield "open"
    await page.get_by_role("button", name="Confluent is down", exact=True).click()
    yield "fault"
    await page.get_by_role("button", name="Clear all faults").click()
    told = page.get_by_text("Log, audit, metrics and report")
    await told.click()
    for tab in ("Log", "Audit", "Metrics", "Report"):
        await page.get_by_role("tab", name=tab).click()
        yield tab.lower()
    await told.click()
    await page.get_by_role("button", name="Kill -9").click()
    yield "killed"
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.get_by_text("API keys at Confluent").click()
    yield "console"
    await page.get_by_text("Single faults").click()
    yield "faults"


async def take(stories: list[str], only: str, *, for_readme: bool) -> int:
    """Take the pictures. Returns how many stories broke off."""
    chromium = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.stderr.write("No Chromium found: install it, or set TEST_CHROMIUM to its path.\n")
        return 1
    async with a_browser(chromium) as browser:
        wrong = [await tell(browser, each, only=only, for_readme=for_readme) for each in stories if each in STORIES]
        if "panel" in stories and not for_readme:
            await panel(browser, only)
        if "surfaces" in stories and not for_readme:
            (folder := FOLDER / "surfaces").mkdir(parents=True, exist_ok=True)
            await sheets.take(browser, folder, only)
    for each in filter(None, wrong):
        sys.stderr.write(f"{each}\n")
    return len([each for each in wrong if each])


def main() -> int:
    """Take all pictures, or the requested ones. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    parser.add_argument("stories", nargs="*", choices=[*STORIES, "panel", "surfaces", []], help="(default: all)")
    parser.add_argument("--only", default="", metavar="TEXT", help="pictures with this in their name: secret, 390.dark")
    parser.add_argument("--readme", action="store_true", help="those of the README and no others")
    asked = parser.parse_args()
    stories = asked.stories or (sorted({each.partition("/")[0] for each in FOR_README}) if asked.readme else [])
    logs.configure("CRITICAL")
    with mock.patch.dict(os.environ, {"SANDBOX_SEED": "0"}):
        broken = asyncio.run(take(stories or [*STORIES, "panel", "surfaces"], asked.only, for_readme=asked.readme))
    sys.stdout.write(f"The pictures are in {FOLDER.relative_to(ROOT)}.\n")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
