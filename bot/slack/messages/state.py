"""The state of a request: one symbol and one word, the same on cards, Home, direct messages and lists."""

from typing import NamedTuple, assert_never

from bot.domain.keys import Operation
from bot.domain.requests import (
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Failed,
    Offered,
    Pending,
    Ready,
    Request,
    Retired,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Withdrawn,
    Working,
)


class State(NamedTuple):
    """A symbol and a word. The symbol is never shown alone: `str(state)` has both."""

    sign: str
    word: str

    def __str__(self) -> str:
        return f"{self.sign} {self.word}"


WAITING = State("⏳", "Waiting for approval")
APPROVED = State("✅", "Approved")
IN_PROGRESS = State("⏳", "In progress")
"""Of a request that no one had to approve, or that used break-glass."""
CREATED = State("✅", "Created")
ROTATED = State("✅", "Rotated")
EDITED = State("✅", "Edited")
EXTENDED = State("✅", "Extended")
SECRET_WAITING = State("🔑", "Secret waiting")
DENIED = State("❌", "Denied")
FAILED = State("❌", "Failed")
CANCELLED = State("🚫", "Cancelled")
EXPIRED = State("⌛", "Expired")
DELETING = State("🗑️", "Deleting")
DELETED = State("🗑️", "Deleted")
LEAKED = State("⚠️", "Reported as leaked")
ATTENTION = State("⚠️", "Needs attention")


def state(request: Request) -> State:
    """The state of a request, or of its key once there is one."""
    match request:
        case Pending():
            return _waiting(request)
        case Denied() | Cancelled() | Expired() | Failed():
            return _closed(request)
        case Approved() | Working() | Offered() if request.trouble:
            return ATTENTION
        case Approved() | Working():
            return APPROVED if request.grant.approvals else IN_PROGRESS
        case Offered() | Ready() | Revealing():
            return SECRET_WAITING
        case Shown() | Confirmed():
            return ROTATED if request.ask.operation is Operation.ROTATE else CREATED
        case Undelivered() | Unclaimed() | Retired():
            return _withdrawn(request)
        case Done():
            return _done(request.ask.operation)
        case _:
            assert_never(request)


def of_key(request: Request) -> State:
    """The state of the key that a request created, among other keys.

    A rotation rotated the old key; to say so of the new one would mix them up.
    """
    now = state(request)
    return CREATED if now is ROTATED else now


def _waiting(request: Pending) -> State:
    """How many more approvals it waits for, once there is one."""
    more = request.terms.approvals - len(request.approvals)
    if not request.approvals or more < 1:
        return WAITING
    return State(WAITING.sign, f"Waiting for {more} more approval{'' if more == 1 else 's'}")


def _closed(request: Denied | Cancelled | Expired | Failed) -> State:
    match request:
        case Denied():
            return DENIED
        case Cancelled():
            return CANCELLED
        case Expired():
            return EXPIRED
        case Failed():
            return ATTENTION if request.left else FAILED  # a key that should be gone still works
        case _:
            assert_never(request)


def _withdrawn(request: Withdrawn) -> State:
    """A key that couldn't be deleted yet still works, which someone should know."""
    if request.deleted_at and not request.left:
        return DELETED
    return ATTENTION if request.tries or request.left else DELETING


def _done(operation: Operation) -> State:
    match operation:
        case Operation.DELETE:
            return DELETED
        case Operation.EXTEND:
            return EXTENDED
        case Operation.EDIT:
            return EDITED
        case Operation.CREATE | Operation.ROTATE:
            return CREATED
        case _:
            assert_never(operation)
