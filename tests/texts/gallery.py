"""Every surface in every state, drawn by the sandbox's page in a browser: to look at, and to measure."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Page, Route

from sandbox.slack.server import STATIC
from tests.support.build import DANA, ERIN, FEMI, NOW, OTTO
from tests.texts import surfaces

Scheme = Literal["light", "dark"]
Drawing = Mapping[str, Any]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = (390, 900, 1440)
SITE = "http://gallery.test/"
SCRIPT = Path(__file__).with_suffix(".js")
PEOPLE = [*((each.slack, each.name) for each in (DANA, ERIN, FEMI, OTTO)), ("U0BOT", "Latchkey"), ("B1", "Latchkey")]


def drawings() -> Iterator[Drawing]:
    """All of them, with where each one stands: in a message, a modal or the Home tab."""
    for message in surfaces.messages():
        yield {"name": message.name, "where": "message", "blocks": message.blocks}
    for name, view in surfaces.views():
        yield {"name": name, "where": view["type"], "blocks": view}


@asynccontextmanager
async def gallery(browser: Browser, width: int, scheme: Scheme, height: int = 2000) -> AsyncGenerator[Page]:
    """The page, on which `show` draws."""
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    try:
        page = await context.new_page()
        await page.route(f"{SITE}**", _serve)
        await page.goto(SITE)
        await page.evaluate(
            "([people, now]) => import('./gallery.js').then((it) => it.know(people, now))", [PEOPLE, NOW.timestamp()]
        )
        yield page
    finally:
        await context.close()


async def show(page: Page, shown: Sequence[Drawing]) -> list[float]:
    """Draw these one below the other; returns how high each one is."""
    heights: list[float] = await page.evaluate(
        "([shown, now]) => import('./gallery.js').then((it) => it.show(shown, now))", [shown, int(NOW.timestamp())]
    )
    return heights


async def cut(page: Page) -> list[str]:
    """What leaves its place or is cut off."""
    found: list[str] = await page.evaluate("import('./gallery.js').then((it) => it.cut())")
    return found


async def _serve(route: Route) -> None:
    """The files of the sandbox's page, with our script for its own."""
    name = route.request.url.removeprefix(SITE) or "index.html"
    if name == "index.html":
        text = (STATIC / name).read_text("utf-8").replace("app.js", SCRIPT.name)
        await route.fulfill(body=text, content_type="text/html")
    else:
        await route.fulfill(path=SCRIPT if name == SCRIPT.name else STATIC / name)
