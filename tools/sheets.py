"""`make pictures ARGS=surfaces`: every surface in every state, many on a sheet, to look at in one sitting.

Nothing is played, unlike in the stories: the sandbox's page draws what the renderers return for made-up requests.
"""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.texts.gallery import SCHEMES, WIDTHS, Drawing, Scheme, drawings, gallery, show

SHEET_PX = (1560, 1900)
COLUMNS = {390: 4, 900: 3, 1440: 3}
SEEN_PX, TABLE_PX = 720, 1130
"""The width of a wide page that has content, and that of one with a table, which is wider than other blocks."""


async def take(browser: Browser, folder: Path, only: str) -> None:
    """Take all sheets as `WIDTH.SCHEME.NUMBER.png`, into an existing folder."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            if only in f"surfaces/{width}.{scheme}":
                await _take(browser, folder, width, scheme)


async def _take(browser: Browser, folder: Path, width: int, scheme: Scheme) -> None:
    everything, columns = list(drawings()), COLUMNS[width]
    async with gallery(browser, width, scheme) as page, gallery(browser, SHEET_PX[0], scheme, 100) as table:
        left = await page.evaluate("document.querySelector('main').getBoundingClientRect().left")
        seen = min(SEEN_PX, width - left)
        most = SHEET_PX[1] * seen * columns / SHEET_PX[0]
        heights = await show(page, everything)
        strips = list(_strips(everything, heights, most))
        for number, start in enumerate(range(0, len(strips), columns), 1):
            pictures = [
                await _strip(page, each, (left, min(TABLE_PX, width - left) if _has_table(each[0]) else seen))
                for each in strips[start : start + columns]
            ]
            await table.set_content(_sheet(pictures, columns))
            await table.screenshot(path=folder / f"{width}.{scheme}.{number:02}.png", full_page=True)


def _strips(everything: Sequence[Drawing], heights: Sequence[float], most: float) -> Iterator[list[Drawing]]:
    """Runs of drawings, all with a table or none, whose total height is at most `most`, unless one alone is higher."""
    strip, total = list[Drawing](), 0.0
    for drawing, height in zip(everything, heights, strict=True):
        if strip and (total + height > most or _has_table(drawing) != _has_table(strip[0])):
            yield strip
            strip, total = [], 0.0
        strip.append(drawing)
        total += height
    yield strip


def _has_table(drawing: Drawing) -> bool:
    """Whether a message has a table; no modal and no Home can."""
    return drawing["where"] == "message" and any(each["type"] == "table" for each in drawing["blocks"])


async def _strip(page: Page, strip: Sequence[Drawing], across: tuple[float, float]) -> bytes:
    left, seen = across
    height = sum(await show(page, strip))
    viewport = page.viewport_size or {"width": 0, "height": 0}
    await page.set_viewport_size({"width": viewport["width"], "height": int(height) + 60})
    top = await page.evaluate("document.querySelector('main').getBoundingClientRect().top")
    return await page.screenshot(clip={"x": left, "y": top, "width": seen, "height": height})


def _sheet(pictures: Sequence[bytes], columns: int) -> str:
    shown = (f'<img src="data:image/png;base64,{base64.b64encode(each).decode()}">' for each in pictures)
    size = f"width: {100 / columns}%; vertical-align: top"
    return f"<body style='margin: 0; background: #888'><style>img {{ {size} }}</style>{''.join(shown)}</body>"
