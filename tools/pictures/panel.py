"""The pictures of the sandbox's own panel."""

import tempfile
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, Page

from sandbox.cast import GENERAL_CHANNEL
from tests.support.browsing import a_sandbox
from tools.pictures.shoot import FOLDER, SIZES, shoot


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
        if tab == "Report":  # it runs a command
            await page.get_by_text("latchkey report requests").wait_for()
        yield tab.lower()
    await told.click()
    await page.get_by_role("button", name="Kill -9").click()
    yield "killed"
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.get_by_text("API keys at Confluent").click()
    yield "console"
    await page.get_by_text("Single faults").click()
    yield "faults"
