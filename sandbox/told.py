"""What the bot tells its operators, for the panel: its log, audit feed, metrics and reports."""

import json
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import httpx

from sandbox.stage import Launch

LINES = 200
"""How many lines are shown, the newest."""
WHAT = ("log", "audit", "metrics", "report")
REPORTS = ("keys", "requests")
_SECONDS = 2.0


def newest(file: Path) -> list[str]:
    """The newest lines of a file, oldest first; none if the file doesn't exist yet."""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return [line.rstrip("\n") for line in deque(text, LINES)]
    except FileNotFoundError:
        return []


async def metrics(log: Path) -> list[str]:
    """The current metrics of the bot with this log, without zeros and histogram buckets; none if it doesn't answer."""
    port = _port(log)
    if port is None:
        return []
    async with httpx.AsyncClient(timeout=_SECONDS) as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        except httpx.HTTPError:
            return []
    return [line for line in answer.text.splitlines() if line.startswith("latchkey_") and _is_telling(line)]


async def report(launch: Launch, settings: Mapping[str, str]) -> list[str]:
    """The output of `latchkey report` for a bot with these settings, each report below its command."""
    lines = list[str]()
    with tempfile.TemporaryDirectory(prefix="latchkey-report-") as folder:
        for what in REPORTS:
            out = Path(folder) / what
            command = await launch(("-m", "bot", "report", what), settings, out, out)
            await command.wait()
            lines += [*([""] if lines else []), f"$ latchkey report {what}", *newest(out)]
    return lines


def _is_telling(line: str) -> bool:
    name, _, value = line.partition(" ")
    return not name.partition("{")[0].endswith(("_bucket", "_created")) and value != "0.0"


def _port(log: Path) -> int | None:
    """The port of the bot that wrote this log, from its last start."""
    found = None
    try:
        with log.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                if '"ready"' in line and (said := _object(line)).get("event") == "ready":
                    found = said.get("port")
    except FileNotFoundError:
        return None
    return found if isinstance(found, int) else None


def _object(line: str) -> dict[str, object]:
    try:
        found: object = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
