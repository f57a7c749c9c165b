"""`python -m tools.pictures`: which pictures to take."""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from unittest import mock

from playwright.async_api import Browser

from bot import logs
from tests.support.browsing import a_browser
from tools import pictures, sheets
from tools.pictures import answers, keys, panel, requests, risk
from tools.pictures.scene import Story, scene
from tools.pictures.shoot import FOLDER, ROOT, shoot, shoot_readme

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
GOVERNED = (ROOT / "sandbox" / "policy.yml").read_text("utf-8")
TWO_PEOPLE = """\
version: 1
rules:
  - {name: two for production, match: {environment: env-prod01}, approvals: 2}
"""
STORIES: Mapping[str, tuple[Story, str]] = {
    "request": (requests.request, ""),
    "forms": (requests.forms, ""),
    "questions": (requests.questions, ""),
    "reminders": (requests.reminders, ""),
    "decisions": (requests.decisions, ""),
    "risk": (risk.risk, ""),
    "two-people": (risk.two_people, TWO_PEOPLE),
    "keys": (keys.keys, ""),
    "answers": (answers.answers, ""),
    "weekly": (answers.weekly, ""),
    "access": (keys.access, ""),
    "governed": (risk.governed, GOVERNED),
    "pair": (keys.pair, ""),
    "glass": (risk.glass, GOVERNED),
    "glass-again": (risk.glass_again, GOVERNED),
    "leaks": (answers.leaks, ""),
}
"""By name: the story, and the policy for it."""
FOR_README = {"request/card-waiting": "card", "request/secret": "secret"}
"""The pictures in the README: the newest message of each."""


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


async def take(stories: list[str], only: str, *, for_readme: bool) -> int:
    """Take the pictures. Returns how many stories broke off."""
    chromium = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.stderr.write("No Chromium found: install it, or set TEST_CHROMIUM to its path.\n")
        return 1
    async with a_browser(chromium) as browser:
        wrong = [await tell(browser, each, only=only, for_readme=for_readme) for each in stories if each in STORIES]
        if "panel" in stories and not for_readme:
            await panel.panel(browser, only)
        if "surfaces" in stories and not for_readme:
            (folder := FOLDER / "surfaces").mkdir(parents=True, exist_ok=True)
            await sheets.take(browser, folder, only)
    for each in filter(None, wrong):
        sys.stderr.write(f"{each}\n")
    return len([each for each in wrong if each])


def main() -> int:
    """Take all pictures, or the requested ones. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make pictures", description=pictures.__doc__)
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
