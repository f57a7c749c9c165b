"""A key's end is the earlier of Latchkey's own and Confluent's, and nothing promises more."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.deadlines import (
    capped,
    due,
    end_of_life,
    ends_at_confluent,
    has_expired,
    is_shorter,
    last_due,
    longest_overlap,
    next_reminder,
    reminders_behind,
    to_claim,
)
from bot.domain.requests import Life, ReplacedKey, Shown
from tests.support import build
from tests.support.build import DAY, HOUR, NOW


def shown(lasts: timedelta | None, expires: timedelta | None, life: Life | None = None) -> Shown:
    """A key with Latchkey's own lifetime, and Confluent's end."""
    key = build.a_key(expires_at=NOW + expires if expires else None)
    return build.shown(terms=build.terms(lifetime=lasts), key=key, life=life or Life())


@pytest.mark.parametrize(
    ("lasts", "expires", "life", "end", "at_confluent"),
    [
        (None, None, Life(), None, False),
        (7 * DAY, None, Life(), 7 * DAY, False),
        (7 * DAY, 8 * DAY, Life(), 7 * DAY, False),
        (7 * DAY, 7 * DAY, Life(), 7 * DAY, True),
        (7 * DAY, 5 * DAY, Life(), 5 * DAY, True),
        (None, 5 * DAY, Life(), 5 * DAY, True),
        (7 * DAY, 8 * DAY, Life(ends_at=NOW + 30 * DAY), 8 * DAY, True),
        (7 * DAY, 8 * DAY, Life(endless=True), 8 * DAY, True),
    ],
)
def test_the_earlier_end_counts(
    *, lasts: timedelta | None, expires: timedelta | None, life: Life, end: timedelta | None, at_confluent: bool
) -> None:
    key = shown(lasts, expires, life)

    assert end_of_life(key) == (NOW + end if end else None)
    assert ends_at_confluent(key) is at_confluent


def test_reminders_count_back_from_confluents_end() -> None:
    key = shown(90 * DAY, 30 * DAY)

    assert next_reminder(key) == NOW + 23 * DAY
    assert due(key) == NOW + 23 * DAY


@pytest.mark.parametrize(("old_expires", "most"), [(None, 7 * DAY), (NOW + 2 * DAY, 2 * DAY), (NOW + 9 * DAY, 7 * DAY)])
def test_a_replaced_key_is_promised_no_longer_than_confluent_keeps_it(
    old_expires: datetime | None, most: timedelta
) -> None:
    old = build.a_key("OLD0000000000001", expires_at=old_expires)
    key = replace(shown(None, None, Life(former=ReplacedKey(NOW + DAY))), ask=build.an_ask(key=old))

    assert longest_overlap(key) == NOW + most
    assert capped(NOW + 3 * DAY, key) == NOW + min(3 * DAY, most)


@pytest.mark.parametrize(
    ("expires", "gone"), [(None, False), (NOW + DAY, False), (NOW + HOUR / 2, True), (NOW, True), (NOW - DAY, True)]
)
def test_a_key_that_is_gone_has_expired_if_it_was_to(*, expires: datetime | None, gone: bool) -> None:
    assert has_expired(build.a_key(expires_at=expires), NOW) is gone


@pytest.mark.parametrize(
    ("asked", "allowed", "waits"), [(None, None, DAY), (HOUR, None, HOUR), (None, HOUR, HOUR), (9 * DAY, 9 * DAY, DAY)]
)
def test_a_secret_waits_no_longer_than_its_key_is_to_live(
    asked: timedelta | None, allowed: timedelta | None, waits: timedelta
) -> None:
    assert to_claim(build.an_ask(lifetime=asked), build.terms(claim=DAY, lifetime=allowed)) == waits


@pytest.mark.parametrize(
    ("wanted", "present", "shorter"),
    [(None, None, False), (None, NOW, False), (NOW, None, True), (NOW, NOW, False), (NOW, NOW + HOUR, True)],
)
def test_an_end_is_shorter_only_where_it_comes_before(
    wanted: datetime | None, present: datetime | None, *, shorter: bool
) -> None:
    assert is_shorter(wanted, present) is shorter


@pytest.mark.parametrize(("left", "behind"), [(7 * DAY + HOUR, 0), (7 * DAY, 1), (DAY, 2), (HOUR, 3), (-DAY, 3)])
def test_a_reminder_is_behind_from_its_moment_on(left: timedelta, behind: int) -> None:
    assert reminders_behind(shown(90 * DAY, None), NOW + 90 * DAY - left) == behind
    assert reminders_behind(shown(None, None), NOW) == 0


def test_a_key_that_is_over_is_looked_at_until_it_and_the_one_that_it_replaced_are_deleted() -> None:
    over = replace(build.ended(), deleted_at=None, retry_at=NOW + HOUR)
    former = replace(over, life=Life(former=ReplacedKey(NOW + 2 * DAY)))
    gone = replace(former, deleted_at=NOW)

    assert [(due(each), last_due(each)) for each in (over, former, gone, build.ended())] == [
        (NOW + HOUR, NOW + HOUR),
        (NOW + HOUR, NOW + 2 * DAY),
        (NOW + 2 * DAY, NOW + 2 * DAY),
        (None, None),
    ]
