"""Findings: what was checked, what came out, and what to do about it."""

import json
import logging
import os
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from bot.domain.errors import KeyRefused, LatchkeyError, Unavailable
from bot.settings import StartupError

State: TypeAlias = Literal["ok", "warning", "failed", "unknown"]
log = logging.getLogger("latchkey")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, one line of `latchkey doctor`. Contains no secret."""

    check: str
    state: State
    says: str = ""
    do: str = ""
    may_pass: bool = False
    """Whether the same check may come out differently in a minute, with nothing changed."""


def ok(check: str, says: str = "") -> Finding:
    """A finding that all is well."""
    return Finding(check, "ok", says)


def warning(check: str, says: str, do: str) -> Finding:
    """A finding that it works, but should be improved."""
    return Finding(check, "warning", says, do)


def failed(check: str, says: str, do: str = "") -> Finding:
    """A finding that it doesn't work."""
    return Finding(check, "failed", says, do)


def unknown(check: str, says: str, do: str = "", *, may_pass: bool = False) -> Finding:
    """A finding that the check couldn't tell."""
    return Finding(check, "unknown", says, do, may_pass)


async def looked(check: str, look: Awaitable[Finding]) -> Finding:
    """Await one check and return its finding. An error becomes a finding, too, so the other checks still run."""
    try:
        return await look
    except StartupError as error:
        return failed(check, str(error))
    except LatchkeyError as error:
        may_pass = isinstance(error, Unavailable) and not isinstance(error, KeyRefused)
        return unknown(check, f"{error}.".replace("..", "."), "Try again in a minute.", may_pass=may_pass)
    except Exception as error:
        log.exception("a doctor check failed")
        return failed(check, f"The check itself failed ({type(error).__name__}).", "Report the log line above.")


def unseen(checks: Iterable[str], why: str) -> Iterator[Finding]:
    """Findings for checks that can't run because of another finding; `why` is a sentence."""
    return (unknown(check, why) for check in checks)


def exit_code(findings: Sequence[Finding]) -> int:
    """The exit status: 1 if a check failed, else 75 if trying again may help, else 0."""
    if any(each.state == "failed" for each in findings):
        return 1
    return os.EX_TEMPFAIL if any(each.may_pass for each in findings) else 0


def as_json(findings: Sequence[Finding]) -> str:
    """A JSON list of objects with `check`, `state`, `says` and `do`."""
    shown = [{"check": each.check, "state": each.state, "says": each.says, "do": each.do} for each in findings]
    return json.dumps(shown, indent=2, ensure_ascii=False)


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """One line for each finding. Neighbors that are unknown for the same reason share a line."""
    for (state, says, do), same in groupby(findings, lambda each: (each.state, each.says, each.do)):
        checks = [each.check for each in same]
        names = [", ".join(checks)] if state == "unknown" else checks
        text = " ".join(filter(None, (says, do)))
        yield from (f"{name}: {state}: {text}" if text else f"{name}: {state}" for name in names)
