"""Makes docs/evidence.md from docs/evidence.toml: what is assumed about Slack and Confluent Cloud, and why."""

import re
import tomllib
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[1]
ENTRIES, PAGE = ROOT / "docs" / "evidence.toml", ROOT / "docs" / "evidence.md"
Entry: TypeAlias = dict[str, str]

ALWAYS = ("id", "claim", "where", "source", "verdict")
UNTIL_SETTLED = ("either", "settled_by")
VERDICTS = ("TRUE", "UNKNOWN")
NO_SOURCE = "no outside source found"
"""What an entry without a source says instead. Such an entry is never TRUE."""
_SOURCE = re.compile(r"\S+#\d+|\S.*[:,;] \S|\S+/\S+")
"""A project and a number, or a title and something in it."""
TITLES = {"slack": "Slack", "confluent": "Confluent Cloud", "around": "GitHub, Docker, Valkey and OCSF"}
HEADER = """\
<!-- made by `python tools/evidence.py` of evidence.toml: change it there -->
# Evidence

What Latchkey and its sandbox assume about Slack, Confluent Cloud and other systems, where in the code, and on what
basis.
**TRUE**: the source shows it. **UNKNOWN**: no source shows it either way, so Latchkey works with both; the named step
finds out on a real workspace or organization.
"""


def entries() -> list[Entry]:
    """Every entry, as written."""
    found: list[Entry] = tomllib.loads(ENTRIES.read_text("utf-8"))["entry"]
    return found


def problems(entry: Entry, root: Path = ROOT) -> list[str]:
    """What is wrong with an entry, in short sentences. `root` is the folder of the files in `where`."""
    needed = ALWAYS + (UNTIL_SETTLED if entry.get("verdict") == "UNKNOWN" else ())
    found = [f"no {name}" for name in needed if not entry.get(name, "").strip()]
    found += [f"nobody asked for {name}" for name in sorted(entry.keys() - set(needed))]
    if entry.get("verdict") not in VERDICTS:
        found.append(f"the verdict is one of {', '.join(VERDICTS)}")
    source = entry.get("source", "")
    if entry.get("verdict") == "TRUE" if source == NO_SOURCE else not _SOURCE.search(source):
        found.append(f"no source: {source}")
    for name in ("id", "settled_by"):
        if name in entry and not re.fullmatch(rf"({'|'.join(TITLES)})\.[a-z0-9]+(-[a-z0-9]+)*", entry[name]):
            found.append(f"{name} is like slack.some-words")
    file, _, text = entry.get("where", "").partition(": ")
    path = root / file
    if not text or not path.is_file() or text not in path.read_text("utf-8"):
        found.append(f"its place is gone: {entry.get('where', '')}")
    return found


def page(found: list[Entry]) -> str:
    """The content of the page."""
    return "\n".join([HEADER, *(_table(found, about) for about in TITLES)])


def _table(found: list[Entry], about: str) -> str:
    rows = [each for each in found if each["id"].startswith(f"{about}.")]
    return "\n".join(
        [f"## {TITLES[about]}\n", "| Entry | Claim | Where | Source | |", "|---|---|---|---|---|", *map(_row, rows), ""]
    )


def _row(entry: Entry) -> str:
    file, _, text = entry["where"].partition(": ")
    verdict = entry["verdict"]
    if verdict == "UNKNOWN":
        verdict = f"UNKNOWN: {entry['either']} Step `{entry['settled_by']}`"
    cells = (f"`{entry['id']}`", entry["claim"], f"`{file}`: `{text}`", entry["source"], verdict)
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(entries()), "utf-8")
