"""Converts times to and from what Redis stores: whole milliseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def utc_now() -> datetime:
    """The current time, with time zone UTC."""
    return datetime.now(UTC)


def floor_ms(at: datetime) -> int:
    """Milliseconds since 1970, rounded down: for "now"."""
    return (at - EPOCH) // _MILLISECOND


def ceil_ms(at: datetime) -> int:
    """Milliseconds since 1970, rounded up: for "due", or the worker would check an item too early."""
    return -((EPOCH - at) // _MILLISECOND)


def from_ms(milliseconds: float) -> datetime:
    """The moment so many milliseconds after 1970 began; fractions are dropped."""
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def lifetime_ms(lifetime: timedelta) -> int:
    """A TTL in milliseconds. Raises ValueError if it isn't positive: Redis would delete the key at once."""
    if lifetime < _MILLISECOND:
        raise ValueError("a lifetime must be positive")
    return lifetime // _MILLISECOND
