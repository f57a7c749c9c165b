from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.store.moments import ceil_ms, floor_ms, from_ms, lifetime_ms, utc_now

AT = datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


def test_redis_counts_from_1970() -> None:
    assert from_ms(0) == datetime.fromtimestamp(0, UTC)
    assert floor_ms(AT.replace(microsecond=0)) == int(AT.timestamp()) * 1000
    assert floor_ms(AT.astimezone(timezone(timedelta(hours=5)))) == floor_ms(AT)


def test_now_is_rounded_down_and_what_is_due_is_rounded_up() -> None:
    whole = AT - 456 * MICROSECOND

    assert floor_ms(whole) == floor_ms(AT) == floor_ms(whole + MILLISECOND - MICROSECOND) == ceil_ms(whole)
    assert ceil_ms(AT) == ceil_ms(whole + MICROSECOND) == ceil_ms(whole) + 1
    assert from_ms(floor_ms(AT)) == whole
    assert from_ms(ceil_ms(AT) + 0.9) == whole + MILLISECOND


def test_a_lifetime_is_at_least_a_millisecond() -> None:
    assert lifetime_ms(MILLISECOND) == lifetime_ms(2 * MILLISECOND - MICROSECOND) == 1
    assert lifetime_ms(timedelta(days=400)) == 400 * 86_400_000
    for none in (MILLISECOND - MICROSECOND, timedelta(), -timedelta(days=1)):
        with pytest.raises(ValueError, match="a lifetime must be positive"):
            lifetime_ms(none)


def test_the_time_is_aware() -> None:
    assert utc_now().tzinfo is UTC
