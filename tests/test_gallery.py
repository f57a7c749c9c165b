"""Every surface in every state, as the sandbox's page draws it: nothing is cut off, and everyone can read it.

`make pictures ARGS=surfaces` shows the same to people.
"""

from collections.abc import AsyncGenerator, Sequence
from importlib.resources import files

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.browsing import a_browser
from tests.texts.gallery import WIDTHS, Scheme, cut, drawings, gallery, show

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
SERIOUS = ("serious", "critical")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncGenerator[Browser]:
    async with a_browser(chromium_path) as chromium:
        yield chromium


async def test_nothing_leaves_its_place_or_is_cut_off(browser: Browser) -> None:
    async with gallery(browser, WIDTHS[0], "light") as page:
        await show(page, list(drawings()))

        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 2000})
            await page.wait_for_function(f"innerWidth === {width}")
            assert await cut(page) == [], f"at {width} px"


async def test_what_leaves_its_place_or_is_cut_off_is_found(browser: Browser) -> None:
    words = [{"type": "raw_text", "text": "A cell that is longer than a cell may be " * 4}]
    blocks = [{"type": "table", "rows": [words, words]}, {"type": "section", "text": words[0] | {"type": "plain_text"}}]
    async with gallery(browser, 390, "light") as page:
        await show(page, [{"name": "wide", "where": "message", "blocks": blocks}])
        await page.add_style_tag(content=".section { width: 900px }")

        assert {each.partition(":")[0] for each in await cut(page)} == {"out of its place", "cut off"}


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
async def test_everyone_can_read_it(browser: Browser, width: int, scheme: Scheme) -> None:
    """Contrast depends on the scheme alone and layout on the width, so two of the four pairs find what all would."""
    async with gallery(browser, width, scheme) as page:
        await page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        await show(page, list(drawings()))

        assert await barriers(page) == []


async def barriers(page: Page) -> Sequence[str]:
    """What axe-core finds that is serious or worse: the rule, and where."""
    options = "{resultTypes: ['violations']}"
    found = (await page.evaluate(f"axe.run('main', {options})"))["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} ({node['any'][0]['message'] if node['any'] else each['help']})"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
