"""What a look found: one thing that was examined, how it is, and what to do about it."""

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
    """One line of `latchkey doctor`. Holds no secret."""

    check: str
    state: State
    says: str = ""
    do: str = ""
    may_pass: bool = False
    """Whether the same look may find something else in a minute, with nothing changed."""


def ok(check: str, says: str = "") -> Finding:
    """All is well."""
    return Finding(check, "ok", says)


def warning(check: str, says: str, do: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, "warning", says, do)


def failed(check: str, says: str, do: str = "") -> Finding:
    """It does not work."""
    return Finding(check, "failed", says, do)


def unknown(check: str, says: str, do: str = "", *, may_pass: bool = False) -> Finding:
    """Nobody can tell."""
    return Finding(check, "unknown", says, do, may_pass)


async def looked(check: str, look: Awaitable[Finding]) -> Finding:
    """What this look finds. One that cannot be taken is a finding, too: the others are still worth having."""
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
    """Checks that another finding keeps from being made."""
    return (unknown(check, why) for check in checks)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 where nothing fails, 1 where something does, 75 where only a later look can tell."""
    if any(each.state == "failed" for each in findings):
        return 1
    return os.EX_TEMPFAIL if any(each.may_pass for each in findings) else 0


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with `check`, `state`, `says` and `do`."""
    shown = [{"check": each.check, "state": each.state, "says": each.says, "do": each.do} for each in findings]
    return json.dumps(shown, indent=2, ensure_ascii=False)


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each, and one for all in a row that are unknown for the same reason."""
    for (state, says, do), same in groupby(findings, lambda each: (each.state, each.says, each.do)):
        checks = [each.check for each in same]
        names = [", ".join(checks)] if state == "unknown" else checks
        text = " ".join(filter(None, (says, do)))
        yield from (f"{name}: {state}: {text}" if text else f"{name}: {state}" for name in names)
