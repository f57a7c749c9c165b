"""The stage of a story: a sandbox with the real bot, and one browser."""

import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from playwright.async_api import Browser, Page, expect

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.control import Control
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.manners import Manners
from sandbox.slack.person import PersonAtClient
from sandbox.stage import BotProcess
from tests.support.browsing import Person
from tests.support.play import Play, play
from tests.support.wishes import NEW, Wish, fill_in
from tools.pictures.shoot import NO_PANEL, SETTLED_MS


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

    async def typed(self, wish: Wish, **more: str) -> None:
        """Dana fills in the form in the page itself, which doesn't show what she types at another client.

        `more` are further texts, by the label of their field.
        """
        dana = Person(self.page)
        await dana.fill_in(wish.name, wish.environment, wish.cluster)
        if wish.account == NEW:
            await self.page.get_by_label("New service account").check()
            await self.page.get_by_label("Service account name").fill(wish.account_name)
        if wish.also:
            await self.page.get_by_label("Also for Schema Registry").check()
        for name, _ in wish.access:
            await dana.pick("Access", name)
        names = self.page.locator(f'[data-block^="{ids.NAMES_BLOCK}"] input')
        await expect(names).to_have_count(len(wish.access))
        for name, prefixes in wish.access:
            await self.page.get_by_label(f"{name}: ").fill(prefixes)
        for label, text in more.items():
            await self.page.get_by_role("textbox", name=label).fill(text)

    async def reviewed(self) -> None:
        """Dana presses Review in the page, as far as the review page."""
        await Person(self.page).press("Review")
        await self.modal(self.dana, lambda view: view["callback_id"] == ids.REVIEW)

    async def confirmed(self, wish: Wish) -> None:
        """Dana sends what she reviews, as far as the card, and leaves no modal behind."""
        await self.dana.submit()
        await self.it.until(lambda: wish.name in str(self.it.cards()), "the card")
        if self.dana.modal:
            await self.dana.close(everything=True)

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
        await who.wait_for(lambda: wish.name in str(who.messages()), "the message about it")
        if who.modal:
            await who.close(everything=True)

    async def approved(self, wish: Wish, by: PersonAtClient | None = None) -> None:
        """Have someone (None: Erin) approve."""
        await self.press(by or self.erin, ids.APPROVE, beside=wish.name, place=APPROVALS_CHANNEL)

    async def ready(self, wish: Wish) -> None:
        """Wait until Dana's key is ready."""

        def spots() -> list[Json]:
            return [
                each
                for message in self.dana.messages()
                for _, each in interactive(message.get("blocks", []))
                if each["action_id"] == ids.SHOW and wish.name in str(message)
            ]

        await self.dana.wait_for(spots, "a key whose secret waits")

    async def shown(self) -> None:
        """Dana presses Show secret in her messages, and the secret is there."""
        await self.press(self.dana, ids.SHOW, place=self.dana.dm)
        await self.dana.wait_for(lambda: self.dana.ephemerals, "the secret")

    async def saved(self) -> None:
        """Dana presses I saved it, and the secret is gone."""
        await self.press(self.dana, ids.SAVED)
        await self.dana.wait_for(lambda: not self.dana.ephemerals, "the secret to be gone")

    async def card_says(self, *states: str) -> None:
        """Wait until the newest card shows one of these."""
        await self.it.until(lambda: any(each in str(self.it.cards()[-1:]) for each in states), f"a card: {states}")


Story: TypeAlias = Callable[[Scene], AsyncGenerator[str, None]]


@asynccontextmanager
async def scene(browser: Browser, policy: str) -> AsyncGenerator[Scene, None]:
    """Yield a kind sandbox whose clock can be moved, and an empty page."""
    control = Control()  # tells the page the time
    with tempfile.TemporaryDirectory(prefix="latchkey-pictures-") as name:
        folder = Path(name)
        async with play(folder, policy=policy, manners=Manners(), extra=control.routes()) as it:
            control.attach(it.stage, BotProcess({}, folder / "clock", folder / "bot.log"))
            context = await browser.new_context()
            await context.add_init_script(NO_PANEL)
            try:
                yield Scene(it, await context.new_page())
            finally:
                await context.close()


async def delivered(it: Scene, wish: Wish) -> AsyncGenerator[str, None]:
    """From a request's approval to its secret, and then its card."""
    await it.approved(wish)
    await it.ready(wish)
    yield "card-approved"
    await it.at(it.dana)
    yield "dm-ready"
    await it.shown()
    yield "secret"
    await it.saved()
    yield "dm-saved"
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-delivered"
