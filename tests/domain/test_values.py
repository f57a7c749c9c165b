"""The small values: markers, secrets, digests, deadlines, errors."""

import copy
import dataclasses
import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import errors
from bot.domain.audit import Recent
from bot.domain.deadlines import due, end_of_life, longest_overlap
from bot.domain.errors import CloudRefused, LatchkeyError, Throttled, Undeliverable, plain
from bot.domain.keys import Marker, RequestId, Secret, normal_email
from bot.domain.readiness import Probe
from bot.domain.requests import LEADS, LOOK_EVERY, MOST_OVERLAP, Life, Request, Undelivered
from bot.services.commands import ReplyTo
from tests.support import build
from tests.support.build import DAY, HOUR, NOW

HIDDEN = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
SECRET = Secret(HIDDEN)
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


@dataclasses.dataclass
class Holder:
    secret: Secret


def logged(_: object) -> str:
    record = logging.LogRecord("latchkey", logging.INFO, __file__, 1, "%s and %r", (SECRET, SECRET), None)
    return logging.Formatter().format(record)


SHOWN: dict[str, Callable[[Secret], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret}",
    "padded": "{:>99}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 -- one of the ways
    "in a list": lambda secret: str([secret]),
    "in a dataclass": lambda secret: repr(Holder(secret)),
    "asdict": lambda secret: repr(dataclasses.asdict(Holder(secret))),
    "in a click": lambda secret: repr(ReplyTo(response_url=secret)),
    "log": logged,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": pickle.dumps,
    "json": json.dumps,
    "json by default": lambda secret: json.dumps(secret, default=str),
    "iteration": list,
    "joined": "".join,
    "dict": lambda secret: repr(vars(secret)),
    "traceback": lambda secret: repr(ValueError(secret)),
    "hash": hash,
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_leaks_in_no_way_that_values_are_shown_or_copied(way: str) -> None:
    try:
        shown: object = SHOWN[way](SECRET)
    except TypeError as error:
        shown = error

    assert HIDDEN not in repr(shown)
    assert not isinstance(shown, Secret) or shown is SECRET


def test_a_secret_shows_itself_to_who_asks_for_it_and_equals_itself_alone() -> None:
    assert SECRET.reveal() == HIDDEN
    assert Secret(HIDDEN) == SECRET
    assert Secret(HIDDEN[:-1]) != SECRET
    assert SECRET != HIDDEN


@given(IDS, st.integers(0, 999_999), st.text(max_size=50))
def test_a_marker_at_the_end_of_any_description_is_found(request_id: str, attempt: int, description: str) -> None:
    marker = Marker(RequestId(request_id), attempt)

    assert Marker.find(f"{description} {marker}") == marker
    assert Marker.find(f"{description} {marker} \n") == marker


@pytest.mark.parametrize(
    "description",
    [
        "",
        "no marker",
        "[lk:R1/1] and more",
        "[lk:R1/1].",
        "[lk:R1]",
        "[lk:/1]",
        "[lk:R1/]",
        "[lk:R1/x]",
        "[lk:R 1/1]",
        "[lk:R1/1",
        "[LK:R1/1]",
        f"[lk:{'R' * 65}/1]",
        "[lk:R1/1234567]",
    ],
)
def test_what_only_resembles_a_marker_or_stands_elsewhere_is_none(description: str) -> None:
    assert Marker.find(description) is None


def test_of_two_markers_the_last_one_counts() -> None:
    assert Marker.find("[lk:R1/1] [lk:R2/2]") == Marker(RequestId("R2"), 2)


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(build.an_ask())])
def test_an_approval_holds_for_exactly_what_was_asked(field: str) -> None:
    others: dict[str, Any] = {
        "id": RequestId("R2"),
        "requester": build.OTTO,
        "operation": "rotate",
        "owner": replace(build.ACCOUNT, name="another"),
        "resource": replace(build.CLUSTER, id="lkc-prod01"),
        "asked_at": NOW + timedelta(microseconds=1),
        "key": build.a_key(),
    }
    asked = build.an_ask()

    changed: Any = replace(asked, **{field: others.get(field, "something else")})

    assert changed.digest() != asked.digest()
    assert build.an_ask().digest() == asked.digest()


def test_a_state_is_due_at_its_own_deadline_or_at_rest() -> None:
    states = build.states()
    deadlines = {kind: due(state) for kind, state in states.items()}

    assert {kind for kind, at in deadlines.items() if at is None} == {
        "denied",
        "cancelled",
        "expired",
        "done",
        "ended",
        "failed",
    }
    assert deadlines["shown"] == deadlines["confirmed"] == NOW + LOOK_EVERY
    assert deadlines["pending"] == deadlines["offered"] == deadlines["ready"] == NOW + DAY
    assert deadlines["revealing"] == NOW + HOUR
    assert deadlines["working"] == NOW + HOUR
    assert deadlines["approved"] == deadlines["undelivered"] == deadlines["unclaimed"] == NOW
    assert deadlines["retired"] == NOW


def test_a_key_with_a_lifetime_is_due_when_that_ends_counted_from_its_creation() -> None:
    limited = build.terms(lifetime=2 * DAY)
    key = build.a_key(created_at=NOW - HOUR)

    for kind in ("shown", "confirmed"):
        state: Any = build.states()[kind]
        reminded = replace(state, terms=limited, key=key, life=Life(reminded=len(LEADS)))
        assert due(reminded) == end_of_life(reminded) == NOW + 2 * DAY - HOUR


@pytest.mark.parametrize(
    ("lives", "lets", "most"),
    [
        (2 * DAY, 7 * DAY, 2 * DAY),
        (9 * DAY, 3 * DAY, 3 * DAY),
        (None, 30 * DAY, MOST_OVERLAP),
        (None, 0 * DAY, 0 * DAY),
    ],
)
def test_a_replaced_key_lives_on_no_longer_than_the_new_one_nor_than_its_rule_lets_it(
    lives: timedelta | None, lets: timedelta, most: timedelta
) -> None:
    state: Any = build.states()["shown"]
    rotated = replace(state, terms=build.terms(lifetime=lives, overlap=lets), key=build.a_key(created_at=state.at))

    assert longest_overlap(rotated) == state.at + most


def test_a_secret_that_waits_is_looked_at_when_its_key_is_to_be_tried_next() -> None:
    state: Any = build.states()["ready"]
    soon = state.claim_by - HOUR

    assert due(replace(state, life=Life(probe=Probe(next_at=soon)))) == soon
    assert due(replace(state, life=Life(probe=Probe(next_at=state.claim_by + HOUR)))) == state.claim_by


def test_the_builders_know_every_state() -> None:
    known = {type(state) for state in build.states().values()}

    assert known == {kind for part in get_args(Request) for kind in (get_args(part) or (part,))}


def test_a_key_to_be_deleted_is_due_until_it_is_deleted() -> None:
    state = build.states()["undelivered"]
    assert isinstance(state, Undelivered)

    assert due(replace(state, retry_at=NOW + HOUR)) == NOW + HOUR
    assert due(replace(state, retry_at=NOW + HOUR, deleted_at=NOW)) is None


def test_a_pending_request_is_due_at_its_next_reminder_but_never_after_it_expires() -> None:
    assert due(build.pending(next_round=NOW + HOUR)) == NOW + HOUR
    assert due(build.pending(next_round=NOW + 2 * DAY)) == NOW + DAY


def tree(root: type[LatchkeyError] = LatchkeyError) -> list[type[LatchkeyError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [each for each in tree() if each.__module__ == errors.__name__]
    codes = [each.code for each in classes]

    assert len(classes) >= 10
    assert len(set(codes)) == len(codes)


def test_errors_tell_people_one_thing_and_operators_another() -> None:
    refused = CloudRefused(status=403, detail="no <!channel>", reference="req-1")
    assert refused.tell == "Confluent Cloud refused: no &lt;!channel&gt;"
    assert str(refused) == "403 no <!channel> (X-Request-Id req-1)"

    throttled = Throttled("Wait.", wait=HOUR, log="429")
    assert (throttled.tell, str(throttled), throttled.wait) == ("Wait.", "429", HOUR)

    gone = Undeliverable("channel_not_found", lasting=True)
    assert gone.lasting
    assert "channel_not_found" in gone.tell


@given(st.text())
def test_plain_text_pings_and_links_nothing_and_loses_nothing(text: str) -> None:
    shown = plain(text)

    assert "<" not in shown
    assert ">" not in shown
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@pytest.mark.parametrize("typed", [" Dana@Example.COM", "dana@example.com\n", "DANA@EXAMPLE.COM"])
def test_an_address_is_compared_however_it_is_typed(typed: str) -> None:
    assert normal_email(typed) == "dana@example.com"


@pytest.mark.parametrize(
    "shared",
    [{"slack": build.DANA.slack}, {"principal": build.DANA.principal}, {"email": build.DANA.email}],
)
def test_who_shares_one_trait_is_the_same_person(shared: dict[str, Any]) -> None:
    assert replace(build.ERIN, **shared).is_same_as(build.DANA)
    assert not build.ERIN.is_same_as(build.DANA)


def test_two_people_without_an_address_are_not_the_same() -> None:
    assert not replace(build.ERIN, email="").is_same_as(replace(build.DANA, email=""))


def test_of_many_requests_the_log_remembers_the_newest() -> None:
    recent, at = Recent(most=2), datetime(2026, 1, 1, tzinfo=UTC)
    for number, request in enumerate(("a", "b", "a", "c")):
        recent.note(request, (at + timedelta(seconds=number)).isoformat())

    now = at + timedelta(seconds=10)
    assert [recent.seconds(RequestId(request), now) for request in ("a", "b")] == [8, None]
    assert recent.seconds(None, now) is None


@pytest.mark.parametrize("planted", ["soon", "2026-01-01", "2027-01-01T00:00:00+00:00"])
def test_a_time_that_cannot_be_right_fails_nobody(planted: str) -> None:
    recent, now = Recent(), datetime(2026, 1, 1, tzinfo=UTC)
    recent.note("a", planted)

    assert recent.seconds(RequestId("a"), now) in (None, 0)
