"""People at browsers of their own, before the page of one sandbox."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

from sandbox.control import Control
from sandbox.rules import OwnRules
from sandbox.stage import BotProcess, Stage, stage
from tests.support.forked import forked

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 40_000.0
"""Milliseconds that something may take to show up."""
expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone at a browser."""

    page: Page
    errors: list[str] = field(default_factory=list[str])
    """What went wrong in the page's own scripts."""

    async def go(self, place: str) -> None:
        """Open a conversation of the list on the left."""
        await self.page.get_by_role("navigation").get_by_role("button", name=place).click()

    async def say(self, text: str) -> None:
        """Type into the box at the bottom and send it."""
        await self.page.locator("#composer-input").fill(text)
        await self.page.locator("#composer-input").press("Enter")

    async def choose(self, label: str, option: str) -> None:
        """Choose in a searchable field, by typing."""
        chosen = self.page.get_by_role("combobox", name=label)
        await chosen.click()
        await chosen.fill(option)
        await self.option(option).click()
        await expect(chosen).to_have_value(option)

    async def pick(self, label: str, option: str) -> None:
        """Choose in a menu, by clicking."""
        await self.page.get_by_role("combobox", name=label).click()
        await self.option(option).click()

    async def press(self, name: str) -> None:
        """Press the newest button of this name."""
        await self.page.get_by_role("button", name=name, exact=True).last.click()

    async def break_(self, label: str, value: str) -> None:
        """Set a switch of the panel, which stands folded."""
        switch = self.page.get_by_label(label)
        for folded in ("details.faults", "details.group"):
            part = self.page.locator(folded, has=switch)
            if await part.get_attribute("open") is None:
                await part.locator("> summary").click()
        await switch.select_option(label=value)

    async def try_(self, scenario: str) -> None:
        """Begin a scenario of the panel, or end it."""
        await self.page.get_by_role("button", name=scenario).click()

    async def ask(self, name: str) -> None:
        """Ask for a key of orders-service for orders-dev, up to the card."""
        await self.fill_in(name)
        await self.send()

    async def fill_in(self, name: str, environment: str = "dev", cluster: str = "orders-dev") -> None:
        """Fill in the form for a key of orders-service for this cluster."""
        await self.go("general")
        await self.say("/apikey create")
        await self.page.get_by_label("Existing service account").check()
        await self.choose("Service account", "orders-service")
        await self.choose("Environment", environment)
        await self.choose("Kafka cluster", cluster)
        await self.page.get_by_label("Name", exact=True).fill(name)
        await self.page.get_by_label("Reason").fill("Local tests of the orders flow")

    async def send(self) -> None:
        """Review a form that is filled in, and send it, up to the card."""
        await self.press("Review")
        await self.press("Send request")
        await expect(self.dialog.get_by_role("button", name="Send request")).to_have_count(0)
        if await self.dialog.is_visible():  # else it closed, and a message tells
            await self.done("Request sent.")

    async def done(self, answer: str) -> None:
        """Read the answer in the modal, and close it."""
        await expect(self.dialog).to_contain_text(answer)
        await self.close()

    async def close(self) -> None:
        """Close the modal, and those below it."""
        await self.dialog.get_by_role("button", name="Close", exact=True).first.click()
        await expect(self.dialog).to_be_hidden()

    def message(self, text: str) -> Locator:
        """The newest message that says this."""
        return self.page.get_by_role("article").filter(has_text=text).last

    def option(self, text: str) -> Locator:
        """What an open menu offers that begins with this text."""
        popup = self.page.locator(".popup:visible")
        return popup.get_by_role("option", name=re.compile(f"^{re.escape(text)}")).first

    @property
    def secret(self) -> Locator:
        """The newest message that only this person sees: the one with the secret."""
        return self.page.locator("#messages article.ephemeral").last

    @property
    def dialog(self) -> Locator:
        """The modal in front."""
        return self.page.get_by_role("dialog")


@asynccontextmanager
async def a_sandbox(folder: Path) -> AsyncGenerator[Stage]:
    """A sandbox as `make sandbox` starts it, with a bot in a process of its own."""
    control = Control()
    async with stage(folder, extra=control.routes()) as here:
        settings = {**here.environment(), **OwnRules(folder).setting()}
        bot = BotProcess(settings, folder / "clock", folder / "bot.log", launch=forked)
        control.attach(here, bot)
        await bot.start()
        try:
            await here.slack.sockets.wait_connected()
            yield here
        finally:
            await bot.stop()


@asynccontextmanager
async def a_browser(chromium_path: str) -> AsyncGenerator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield chromium
        await chromium.close()


async def a_person(browser: Browser, sandbox: Stage, place: str) -> Person:
    """Someone in a browser context that shares nothing with the others; `place` is `USER/CHANNEL`."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    person = Person(await context.new_page())

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            person.errors.append(f"{said.text} {said.location}")

    person.page.on("console", note)
    person.page.on("pageerror", lambda error: person.errors.append(str(error)))
    await person.page.goto(f"{sandbox.slack_url}/#{place}")
    return person
