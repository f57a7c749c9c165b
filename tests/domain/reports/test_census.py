from collections.abc import Mapping

import pytest

from bot.domain.audit import Action
from bot.domain.reports.census import DELETED, DELETING, IN_USE, ORPHANED, UNDECIDED, WAITING, Census

R, K, OLD = "r1", "KEY1", "KEY0"
Line = tuple[Action, str | None, Mapping[str, object]]
SENT: Line = (Action.SUBMITTED, R, {"operation": "create"})
APPROVED: Line = (Action.APPROVED, R, {})
BEGUN: Line = (Action.CREATE_INTENDED, R, {"marker": "[lk:r1/1]"})
CREATED: Line = (Action.CREATED, R, {"key": K})
SHOWING: Line = (Action.SHOW_INTENDED, R, {"key": K})
SHOWN: Line = (Action.SHOWN, R, {"key": K})


def of(action: Action, key: str = "") -> Line:
    return action, R, {"key": key} if key else {}


def census(*lines: Line) -> Census:
    found = Census()
    for seq, line in enumerate(lines, 1):
        found.take(seq, *line)
    return found


def counts(found: Census) -> tuple[dict[str, int], dict[str, int]]:
    """What is counted, without zeros and without the place where everybody comes from."""
    requests, keys = (
        {state: n for state, n in counter.items() if n and state} for counter in (found.requests, found.keys)
    )
    return requests, keys


@pytest.mark.parametrize(
    ("lines", "request_state", "key_state"),
    [
        ([SENT], UNDECIDED, None),
        ([SENT, APPROVED], UNDECIDED, None),
        ([SENT, of(Action.DENIED)], "denied", None),
        ([SENT, APPROVED, BEGUN], "working", None),
        ([SENT, APPROVED, BEGUN, of(Action.CREATE_UNKNOWN)], UNDECIDED, None),
        ([SENT, APPROVED, BEGUN, of(Action.FAILED)], "failed", None),
        ([SENT, APPROVED, BEGUN, CREATED], "ready", WAITING),
        ([SENT, APPROVED, BEGUN, CREATED, SHOWING], "revealing", WAITING),
        ([SENT, APPROVED, BEGUN, CREATED, SHOWING, SHOWN], "shown", IN_USE),
        ([SENT, BEGUN, CREATED, SHOWING, SHOWN, of(Action.CONFIRMED, K)], "confirmed", IN_USE),
        ([SENT, BEGUN, CREATED, of(Action.UNCLAIMED, K)], "unclaimed", DELETING),
        ([SENT, BEGUN, CREATED, of(Action.UNCLAIMED, K), of(Action.DELETED, K)], "unclaimed", DELETED),
        ([SENT, BEGUN, CREATED, SHOWING, of(Action.UNDELIVERED, K)], "undelivered", DELETING),
        ([SENT, BEGUN, CREATED, SHOWING, SHOWN, of(Action.RETIRED, K)], "retired", DELETING),
        ([SENT, BEGUN, CREATED, SHOWING, SHOWN, of(Action.FOUND_GONE, K)], "shown", DELETED),
        ([SENT, BEGUN, CREATED, SHOWING, SHOWN, (Action.RETIRED, R, {"key": K, "why": "gone"})], "retired", DELETED),
    ],
)
def test_a_request_and_its_key_are_counted_in_the_state_that_the_log_leaves_them_in(
    lines: list[Line], request_state: str, key_state: str | None
) -> None:
    assert counts(census(*lines)) == ({request_state: 1}, {key_state: 1} if key_state else {})


def test_a_deletion_is_done_when_its_key_is_gone_and_counts_no_key_that_latchkey_did_not_create() -> None:
    sent: Line = (Action.SUBMITTED, R, {"operation": "delete", "key": OLD})
    intended, deleted = of(Action.DELETE_INTENDED, OLD), of(Action.DELETED, OLD)

    assert counts(census(sent, APPROVED, intended)) == ({"working": 1}, {})
    assert counts(census(sent, APPROVED, intended, deleted)) == ({"done": 1}, {})


def test_the_key_that_a_rotation_replaces_does_not_end_the_rotation() -> None:
    before: list[Line] = [(action, "r0", details) for action, _, details in (SENT, BEGUN)]
    before += [(Action.CREATED, "r0", {"key": OLD}), (Action.SHOWN, "r0", {"key": OLD})]
    lines = [*before, SENT, BEGUN, CREATED, SHOWING, SHOWN, of(Action.DELETE_INTENDED, OLD), of(Action.DELETED, OLD)]

    assert counts(census(*lines)) == ({"shown": 2}, {IN_USE: 1, DELETED: 1})


def test_a_refusal_and_a_key_without_a_record_are_no_requests() -> None:
    refused: Line = (Action.REFUSED, R, {})
    orphan = of(Action.FOUND_ORPHANED, K)

    assert counts(census(refused, orphan)) == ({}, {ORPHANED: 1})
    assert counts(census(refused, orphan, of(Action.DELETE_INTENDED, K), of(Action.DELETED, K))) == ({}, {DELETED: 1})


def test_a_line_that_was_taken_before_changes_nothing() -> None:
    found = census(SENT, APPROVED, BEGUN)

    found.take(1, *SENT)
    found.take(3, *BEGUN)

    assert counts(found) == ({"working": 1}, {})


def test_a_line_without_what_it_should_hold_is_left_out() -> None:
    assert counts(census((Action.CREATED, R, {"key": None}), (Action.CREATED, None, {}))) == ({}, {})
