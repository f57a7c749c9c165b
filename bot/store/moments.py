"""Time as Redis holds it: whole milliseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def floor_ms(at: datetime) -> int:
    """The last millisecond that is not after `at`: for "now"."""
    return (at - EPOCH) // _MILLISECOND


def ceil_ms(at: datetime) -> int:
    """The first millisecond that is not before `at`: for "due", or the worker would look at an item too early."""
    return -((EPOCH - at) // _MILLISECOND)


def from_ms(milliseconds: float) -> datetime:
    """The moment, cut to whole milliseconds."""
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def lifetime_ms(lifetime: timedelta) -> int:
    """A TTL. Raises ValueError when it is not positive: Redis would delete the key at once."""
    if lifetime < _MILLISECOND:
        raise ValueError("a lifetime must be positive")
    return lifetime // _MILLISECOND
