"""Turns a rehearsal's report into a recording: `python tools/recording.py REPORT NAME --against WHAT`.

It first checks that the report contains nothing personal. Then it writes tests/data/rehearsals/NAME.toml, which `make
sandbox ARGS="--like tests/data/rehearsals/NAME.toml"` uses. `--against` says in a few words where it was rehearsed,
such as "the sandbox, seed 7" or "a workspace without a Grid", without names. `--check` only checks.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.recording import LONGEST, Recording
from sandbox.report import NotAReport, foreign, kind_of_text, read

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT / "tests" / "data" / "rehearsals"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def recording_of(report: Path, against: str) -> Recording:
    """The recording of a report. Raises `NotAReport` with every reason if it contains anything personal."""
    found = read(report)
    wrong = foreign(found)
    if wrong:
        raise NotAReport("it holds what no rehearsal writes:\n" + "\n".join(f"  in {each}" for each in wrong))
    if not against.strip() or len(against) > LONGEST or not against.isprintable() or kind_of_text(against):
        raise NotAReport("--against takes a few plain words, without names, ids and addresses")
    return Recording(against, found["verdicts"], found["seen"], found["payloads"])  # type: ignore[arg-type] # checked above


def main(given: Sequence[str] | None = None, folder: Path = RECORDINGS) -> int:
    """Write or check a recording. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/recording.py", description=__doc__)
    parser.add_argument("report", type=Path, help="what `latchkey rehearse` wrote")
    parser.add_argument("name", nargs="?", default="", help="of the recording: small letters, digits and hyphens")
    parser.add_argument("--against", default="", help="what was rehearsed on, in a few words")
    parser.add_argument("--check", action="store_true", help="write nothing")
    asked = parser.parse_args(given)
    if not asked.check and not _NAME.fullmatch(asked.name):
        parser.error("NAME takes small letters, digits and hyphens")
    try:
        recording = recording_of(asked.report, "a check" if asked.check else asked.against)
    except NotAReport as why:
        sys.stderr.write(f"{asked.report} can't become a recording: {why}.\n")
        return 1
    if asked.check:
        sys.stdout.write(f"{asked.report} holds nothing personal.\n")
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{asked.name}.toml"
    file.write_text(recording.text(Path("tests/data/rehearsals") / file.name), "utf-8")
    sys.stdout.write(f"{file} is written.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
