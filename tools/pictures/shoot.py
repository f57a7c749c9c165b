"""Taking the pictures of what the page shows, and those of the README."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.async_api import FloatRect, Page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "pictures"
README = ROOT / "docs" / "pictures"
SIZES = ((390, 844), (900, 900), (1440, 900))
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TALLEST = 3000
README_WIDTH = 700
SETTLED_MS = 250
"""Milliseconds for the page to receive an event and draw it."""


async def shoot(page: Page, folder: Path, name: str, only: str, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    """Take all pictures of what the page shows now; what doesn't fit on the screen has others, `whole`."""
    await page.wait_for_timeout(SETTLED_MS)
    await page.evaluate("import('./panel.js').then(({ refresh }) => refresh())")
    before = page.viewport_size
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
                await page.set_viewport_size({"width": width, "height": needed})
                await page.evaluate("document.body.classList.add('whole')")
                await _whole(page, folder / f"{name}.{variant}.whole", (width, needed))
                await page.evaluate("document.body.classList.remove('whole')")
    if before:  # a story goes on in the size that it began in: a narrow page folds its navigation
        await page.set_viewport_size(before)


async def _whole(page: Page, path: Path, size: tuple[int, int]) -> None:
    """One picture, or several below each other where one would be too tall to look at."""
    width, height = size
    parts = -(-height // TALLEST)
    for part in range(parts):
        number = "" if parts == 1 else f".{part + 1}"
        top = part * TALLEST
        clip: FloatRect = {"x": 0, "y": top, "width": width, "height": min(TALLEST, height - top)}
        await page.screenshot(path=f"{path}{number}.png", clip=clip)


NO_PANEL = """
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
