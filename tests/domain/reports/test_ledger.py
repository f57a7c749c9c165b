"""What the audit log alone says; `tests/cli/test_report_machine.py` compares any story with what was true."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.audit import Action
from bot.domain.reports.ledger import Ledger
from bot.domain.reports.rows import KeyRow, RequestRow
from tests.support.build import NOW

MINUTE = timedelta(minutes=1)
ASKED = {"operation": "create", "requester": "U01", "principal": "u-1", "owner": "sa-1", "kind": "kafka",
         "resource": "lkc-1", "name": "orders", "reason": "it is needed", "rule": "r"}  # fmt: skip
SENT = (Action.SUBMITTED, "U01", {**ASKED, "environment": "env-1", "missing": "2"})
FIRST = (Action.APPROVED, "U02", {"rule": "r", "missing": "1", "approvals": "U02"})
SECOND = (Action.APPROVED, "U03", {"rule": "r", "missing": "0", "approvals": "U02 U03"})
MADE = (Action.CREATED, "latchkey", {"key": "K1", "ends_at": "2026-06-01T00:00:00+00:00"})
VIEWED = (Action.SHOWN, "U01", {"key": "K1"})
OLD = (Action.SUBMITTED, "U01", ASKED)
"""As versions wrote it that left out what a report needs; so also those below."""
OLD_YES = (Action.APPROVED, "U02", {"rule": "r"})
OLD_MADE = (Action.CREATED, "latchkey", {"key": "K1"})


def told(*said: tuple[Any, ...], until: datetime = NOW + 99 * MINUTE, keys_only: bool = False) -> Ledger:
    """Lines about R1, unless one says otherwise, a minute apart."""
    ledger = Ledger(until, keys_only=keys_only)
    for seq, (action, actor, details, *request) in enumerate(said):
        ledger.take({"seq": seq + 1, "hash": f"{seq + 1:064}", "at": (NOW + seq * MINUTE).isoformat(), "actor": actor,
                     "action": action, "request": request[0] if request else "R1", "details": details})  # fmt: skip
    return ledger


def request(*said: tuple[Any, ...]) -> RequestRow:
    return next(iter(told(*said).request_rows()))


def key(*said: tuple[Any, ...], **more: Any) -> KeyRow | None:
    return next(iter(told(*said, **more).key_rows()), None)


def test_only_lines_up_to_the_moment_count() -> None:
    story = (SENT, FIRST, SECOND, MADE, VIEWED)

    outcomes = [[row.outcome for row in told(*story, until=NOW + n * MINUTE).request_rows()] for n in range(-1, 5)]
    assert outcomes == [[], ["pending"], ["pending"], ["approved"], ["ready"], ["shown"]]
    states = [getattr(key(*story, until=NOW + n * MINUTE), "state", None) for n in range(5)]
    assert states == [None, None, None, "waiting", "in_use"]
    assert told(*story, until=NOW + MINUTE).last == (2, f"{2:064}")
    assert told(*story, until=NOW - MINUTE).last is None


def test_those_are_named_whose_approvals_count() -> None:
    changed = (Action.TERMS_CHANGED, "latchkey", {"rule": "other", "approvals": ""})

    row = request(SENT, FIRST, SECOND)
    assert (row.approved_by, row.approved_at) == (("U02", "U03"), "2026-03-04T05:08:07Z")
    lapsed = (Action.APPROVED, "U03", {"missing": "1", "approvals": "U03"})
    assert request(SENT, FIRST, lapsed).approved_by == ("U03",)
    row = request(SENT, FIRST, changed)
    assert (row.approved_by, row.approved_at, row.rule, row.outcome) == ((), None, "other", "pending")


def test_what_lines_of_an_older_version_left_out_is_said_to_be_unknown() -> None:
    row = request(OLD, OLD_YES)
    assert (row.outcome, row.environment, row.approved_by) == ("undecided", "unknown", ("U02",))
    assert request(OLD).outcome == "undecided"
    changed = (Action.TERMS_CHANGED, "latchkey", {"rule": "other"})
    assert request(OLD, OLD_YES, changed).approved_by == "unknown"
    assert request(OLD, changed).approved_by == ()
    made = key(OLD, OLD_YES, OLD_MADE)
    assert made
    assert (made.ends_at, made.created_at) == ("unknown", "2026-03-04T05:08:07Z")
    row = request(OLD, OLD_YES, changed, SECOND)
    assert (row.approved_by, row.approved_at) == (("U02", "U03"), "2026-03-04T05:09:07Z"), "the newer line says it"
    wide = (Action.SUBMITTED, "U01", {**ASKED, "kind": "cloud", "resource": "cloud"})
    assert request(wide).environment is None


def test_a_new_account_is_the_owner_once_it_is_made() -> None:
    new = (Action.SUBMITTED, "U01", {**ASKED, "owner": "new-service-account", "missing": "0"})
    account = (Action.ACCOUNT_CREATED, "latchkey", {"account": "sa-9"})

    made, unsaid = key(new, account, MADE), key(new, MADE)
    assert made
    assert unsaid
    assert (made.owner, unsaid.owner) == ("sa-9", "unknown")
    assert request(new, account, MADE).owner == "new-service-account", "as it was asked for"


@pytest.mark.parametrize("keys_only", [False, True])
def test_a_key_is_gone_when_the_log_says_so_no_matter_who_deleted_it(*, keys_only: bool) -> None:
    gone: list[tuple[Any, ...]] = [
        (Action.DELETED, "U01", {"key": "K1"}, "R2"),
        (Action.FOUND_GONE, "latchkey", {"key": "K1"}),
        (Action.RETIRED, "latchkey", {"key": "K1", "why": "Someone deleted it outside Latchkey."}),
    ]
    for each in gone:
        assert key(SENT, SECOND, MADE, VIEWED, each, keys_only=keys_only) is None
    over = (Action.RETIRED, "latchkey", {"key": "K1"})
    left = key(SENT, SECOND, MADE, VIEWED, over, keys_only=keys_only)
    assert left
    assert left.state == "deleting", "its lifetime is over, and it is deleted next"


@pytest.mark.parametrize("keys_only", [False, True])
def test_a_replaced_key_is_another_one_of_the_same_request(*, keys_only: bool) -> None:
    asked = (Action.REPLACEMENT_ASKED, "U01", {"key": "K1"})
    lost = (Action.UNDELIVERED, "latchkey", {"key": "K1", "why": "You &amp; I asked."})
    gone = (Action.DELETED, "latchkey", {"key": "K1"})
    again = (Action.DELETED, "latchkey", {"key": "K1", "attempt": "2"})
    second = (Action.CREATED, "latchkey", {"key": "K2", "ends_at": "never"})
    begun = (SENT, SECOND, MADE, VIEWED)

    row = request(*begun, asked, lost)
    assert (row.outcome, row.key, row.ended_why) == ("undelivered", "K1", "You & I asked.")
    row = request(*begun, asked, lost, again)
    assert (row.outcome, row.key, row.ended_at, row.ended_why) == ("approved", None, None, None)
    for story in ((*begun, asked, lost, again, second), (*begun, lost, gone, asked, second)):
        made = key(*story, keys_only=keys_only)
        assert made
        assert (made.key, made.state, made.ends_at, made.requester) == ("K2", "waiting", "never", "U01")


def test_edits_extensions_and_answers_to_the_review_are_about_the_key() -> None:
    edited = (Action.EDITED, "U01", {"key": "K1", "new_name": "payments"}, "R2")
    longer = (Action.END_MOVED, "latchkey", {"key": "K1", "ends_at": "2026-09-01 00:00:00+00:00"})
    kept = (Action.KEPT, "U04", {"key": "K1", "until": (NOW + 60 * MINUTE).isoformat()}, None)
    story = (SENT, SECOND, MADE, VIEWED, edited, longer, kept)

    made = key(*story, until=NOW + 59 * MINUTE)
    assert made
    assert (made.name, made.ends_at) == ("payments", "2026-09-01T00:00:00Z")
    assert (made.reviewed_by, made.reviewed_at, made.reviewed_until) == (
        "U04",
        "2026-03-04T05:12:07Z",
        "2026-03-04T06:06:07Z",
    )
    later = key(*story, until=NOW + 60 * MINUTE)
    assert later
    assert (later.reviewed_by, later.reviewed_at, later.reviewed_until) == (None, None, None)


def test_a_key_without_a_record_is_in_the_report() -> None:
    found = (Action.FOUND_ORPHANED, "latchkey", {"key": "K1", "marker": "[lk:R1/1]"})

    lost, strange = key(SENT, SECOND, MADE, found), key(found)
    assert lost
    assert strange
    assert (lost.state, lost.owner) == ("orphaned", "sa-1")
    assert (strange.state, strange.request, strange.owner, strange.created_at) == ("orphaned", "R1", *["unknown"] * 2)
    assert (strange.approved_by, strange.rule, strange.environment) == ("unknown", "unknown", "unknown")


@pytest.mark.parametrize(
    ("end", "row"),
    [
        ((Action.DENIED, "U02", {"reason": "a &amp; b"}), ("denied", "U02", "a &amp; b")),
        ((Action.CANCELLED, "U01", {}), ("cancelled", "U01", None)),
        ((Action.EXPIRED, "latchkey", {}), ("expired", None, None)),
        ((Action.FAILED, "latchkey", {"happened": "No &lt;room&gt;."}), ("failed", None, "No <room>.")),
    ],
)
def test_what_ended_stays_as_it_ended(end: tuple[Any, ...], row: tuple[Any, ...]) -> None:
    late = (Action.CREATED, "latchkey", {"key": "K9"})
    found = request(SENT, end, (Action.EDITED, "U01", {"key": "K9", "new_name": "n"}), late)

    assert (found.outcome, found.ended_by, found.ended_why) == row
    assert found.ended_at == "2026-03-04T05:07:07Z"


@pytest.mark.parametrize(
    ("operation", "lines"),
    [
        ("edit", [(Action.EDIT_INTENDED, "approved"), (Action.EDITED, "done")]),
        ("delete", [(Action.DELETE_INTENDED, "approved"), (Action.DELETED, "done")]),
        ("delete", [(Action.FOUND_GONE, "done")]),
        ("extend", [(Action.EXTENDED, "done")]),
    ],
)
def test_a_change_of_a_key_is_done_once_it_took_effect(operation: str, lines: list[tuple[Action, str]]) -> None:
    asked = (Action.SUBMITTED, "U01", {**ASKED, "operation": operation, "key": "K1", "missing": "1"})
    details: Mapping[str, str] = {"key": "K1", "new_name": "orders"}

    assert request(asked).key == "K1"
    for number in range(1, len(lines) + 1):
        row = request(asked, *[(action, "U01", details) for action, _ in lines[:number]])
        assert (row.outcome, row.key) == (lines[number - 1][1], "K1")


def test_refusals_and_requests_that_never_were_have_no_row() -> None:
    refused = (Action.REFUSED, "U01", {"reason": "no"})
    denied = (Action.APPROVAL_REFUSED, "U01", {"tried": "approve", "rule": "x"})

    assert list(told(refused).request_rows()) == []
    assert request(SENT, denied).rule == "r"
