from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.domain.approvals import Grant
from bot.domain.keys import NewServiceAccount, Operation, OrganizationScope
from bot.domain.kinds import Kind
from bot.domain.reports.rows import KeyRow, RequestRow, key_row, moment, request_row
from bot.domain.requests import Done, Request, Undelivered
from bot.domain.review import Attestation
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, NOW

STATES = build.states()
UNDELIVERED = STATES["undelivered"]
assert isinstance(UNDELIVERED, Undelivered)
AT = "2026-03-04T05:06:07Z"
OUTCOMES = {"offered": "approved", "working": "approved", "revealing": "ready", "confirmed": "shown",
            "rotated": "shown", "ended": "retired"}  # fmt: skip
HAVE_KEYS = {"ready": "waiting", "revealing": "waiting", "shown": "in_use", "confirmed": "in_use", "rotated": "in_use",
             "undelivered": "deleting", "unclaimed": "deleting", "retired": "deleting"}  # fmt: skip
ENDED = {"denied", "cancelled", "expired", "undelivered", "unclaimed", "retired", "failed", "done", "ended"}


@pytest.mark.parametrize(("name", "request_"), STATES.items(), ids=STATES)
def test_every_state_has_a_row_and_a_key_that_exists_has_one_more(name: str, request_: Request) -> None:
    row, key = request_row(request_), key_row(request_, {})

    assert row.outcome == OUTCOMES.get(name, name)
    assert (row.ended_at is not None) == (name in ENDED)
    assert (key.state if key else None) == HAVE_KEYS.get(name)


KEYS = """
key state owner kind environment resource name requester principal request created_at ends_at rule approved_by
approved_at replaces reviewed_by reviewed_at reviewed_until break_glass
"""
REQUESTS = """
request operation outcome requester principal owner kind environment resource key replaces name reason asked_at rule
approved_by approved_at ended_by ended_at ended_why ticket break_glass
"""


def test_the_columns_are_a_promise() -> None:
    assert " ".join(each.name for each in fields(KeyRow)) == " ".join(KEYS.split())
    assert " ".join(each.name for each in fields(RequestRow)) == " ".join(REQUESTS.split())


def test_the_row_of_a_key_says_who_has_it_since_when_by_whom_and_until_when() -> None:
    found = key_row(
        STATES["rotated"], {build.a_key().id: Attestation(build.a_key().id, ERIN.slack, "-", NOW, NOW + DAY)}
    )

    assert found
    assert asdict(found) == {
        "key": "KEY0000000000001",
        "state": "in_use",
        "owner": "sa-abc001",
        "kind": "kafka",
        "environment": "env-dev001",
        "resource": "lkc-dev001",
        "name": build.a_key().name,
        "requester": DANA.slack,
        "principal": "u-dana",
        "request": "R2",
        "created_at": AT,
        "ends_at": "2026-05-03T05:06:07Z",
        "rule": build.terms().rule,
        "approved_by": (ERIN.slack,),
        "approved_at": AT,
        "replaces": "KEY0000000000009",
        "reviewed_by": ERIN.slack,
        "reviewed_at": AT,
        "reviewed_until": "2026-03-05T05:06:07Z",
        "break_glass": None,
    }


def test_what_is_not_there_is_empty_and_what_nobody_wrote_down_is_unknown() -> None:
    ask = build.an_ask(resource=OrganizationScope(Kind.CLOUD), owner=NewServiceAccount("payments", ""))
    key = build.a_key(owner=None, created_at=None)
    grant = Grant((), NOW, NOW + DAY)
    found = key_row(build.shown(ask=ask, key=key, terms=build.terms(lifetime=None), grant=grant), {})

    assert found
    assert (found.owner, found.environment, found.created_at, found.ends_at) == ("unknown", None, "unknown", "never")
    assert (found.approved_by, found.approved_at, found.replaces, found.reviewed_by) == ((), None, None, None)
    assert request_row(build.pending(ask=ask)).owner == "new-service-account"


@pytest.mark.parametrize(
    ("name", "by", "why"),
    [
        ("denied", ERIN.slack, "not in <production>"),
        ("cancelled", DANA.slack, None),
        ("expired", None, None),
        ("failed", None, "Confluent said <no>."),
        ("undelivered", None, UNDELIVERED.why),
        ("ended", ERIN.slack, None),
        ("done", None, None),
    ],
)
def test_a_request_that_is_over_says_who_ended_it_and_why(name: str, by: str | None, why: str | None) -> None:
    row = request_row(STATES[name])

    assert (row.ended_by, row.ended_at, row.ended_why) == (by, AT, why)


def test_a_request_about_a_key_that_exists_names_it() -> None:
    done = STATES["done"]
    assert isinstance(done, Done)

    assert (request_row(done).key, request_row(done).replaces) == ("KEY0000000000009", None)
    asked = build.pending(ask=build.a_change(Operation.ROTATE))
    assert (request_row(asked).key, request_row(asked).replaces) == (None, "KEY0000000000009")


def test_times_are_utc_to_the_second() -> None:
    assert moment(datetime(2026, 3, 4, 7, 6, 7, 999999, timezone(timedelta(hours=2)))) == AT
    assert moment(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)) == AT
    assert moment(None) is None
