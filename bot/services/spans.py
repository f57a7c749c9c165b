"""Lengths of time that people choose, and how they read them."""

import re
from datetime import timedelta

LIFETIMES = (1, 7, 30, 90, 180, 365)
"""Days that a key may be asked to live."""
_DAYS = re.compile(r"[1-9][0-9]{0,3}")


def days_allowed(limit: timedelta | None) -> tuple[int, ...]:
    """Those of `LIFETIMES` that a rule's limit allows; None is no limit."""
    return tuple(days for days in LIFETIMES if limit is None or timedelta(days=days) <= limit)


def is_lifetime(text: str) -> bool:
    """Whether a draft's lifetime can be read: "", or a number of days."""
    return not text or bool(_DAYS.fullmatch(text))


def lifetime_of(text: str) -> timedelta | None:
    """A draft's lifetime; None, as long as the rule lets it, for "" and for what is no number of days."""
    return timedelta(days=int(text)) if _DAYS.fullmatch(text) else None


def duration(span: timedelta) -> str:
    """A span of time in the largest unit that says it exactly, but a single day in hours."""
    minutes = max(round(span.total_seconds() / 60), 1)
    units = (("day", 24 * 60, 2), ("hour", 60, 1), ("minute", 1, 1))
    unit, size, _ = next(each for each in units if minutes % each[1] == 0 and minutes >= each[1] * each[2])
    count = minutes // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
