"""The sign and word of every state: the same everywhere, and never the sign alone."""

from dataclasses import replace

import pytest

from bot.domain.keys import Operation
from bot.domain.requests import Approved, Done, Shown, Unclaimed, Working
from bot.slack.messages.state import state
from tests.support import build

SAID = {
    "pending": "⏳ Waiting for approval",
    "denied": "❌ Denied",
    "cancelled": "🚫 Cancelled",
    "expired": "⌛ Expired",
    "approved": "✅ Approved",
    "offered": "🔑 Secret waiting",
    "working": "✅ Approved",
    "ready": "🔑 Secret waiting",
    "revealing": "🔑 Secret waiting",
    "shown": "✅ Created",
    "confirmed": "✅ Created",
    "undelivered": "🗑️ Deleting",
    "unclaimed": "🗑️ Deleting",
    "retired": "🗑️ Deleting",
    "failed": "❌ Failed",
    "done": "🗑️ Deleted",
    "rotated": "✅ Rotated",
    "ended": "🗑️ Deleted",
}


def test_each_state_has_a_sign_and_a_word() -> None:
    assert {name: str(state(request)) for name, request in build.states().items()} == SAID


@pytest.mark.parametrize(
    ("operation", "said"),
    [(Operation.EDIT, "✅ Edited"), (Operation.EXTEND, "✅ Extended"), (Operation.DELETE, "🗑️ Deleted")],
)
def test_what_was_done_to_a_key_has_a_word_of_its_own(operation: Operation, said: str) -> None:
    done = Done(build.a_change(operation), build.terms(), build.a_grant(), 1, at=build.NOW)

    assert str(state(done)) == said


def test_a_key_that_cannot_be_deleted_needs_attention() -> None:
    unclaimed = build.states()["unclaimed"]
    assert isinstance(unclaimed, Unclaimed)

    assert str(state(replace(unclaimed, tries=1))) == "⚠️ Needs attention"
    assert str(state(replace(unclaimed, tries=1, deleted_at=build.NOW))) == "🗑️ Deleted"


def test_what_went_wrong_on_the_way_to_a_key_needs_attention() -> None:
    trouble = "Confluent Cloud is rate-limiting requests."

    assert str(state(build.approved(trouble=trouble))) == "⚠️ Needs attention"


@pytest.mark.parametrize("name", ["approved", "working"])
def test_what_no_one_approved_is_not_called_approved(name: str) -> None:
    request = build.states()[name]
    assert isinstance(request, Approved | Working)

    assert str(state(replace(request, grant=replace(request.grant, approvals=())))) == "⏳ In progress"
    assert str(state(build.broken_glass(request))) == "⏳ In progress"


def test_a_request_with_an_approval_says_how_many_more_it_needs() -> None:
    waits = build.pending(terms=build.terms(approvals=3), approvals=(build.an_approval(),))

    assert str(state(waits)) == "⏳ Waiting for 2 more approvals"


def test_a_key_in_use_is_created_whatever_is_known_of_it() -> None:
    shown = build.states()["shown"]
    assert isinstance(shown, Shown)

    assert str(state(shown)) == "✅ Created"
