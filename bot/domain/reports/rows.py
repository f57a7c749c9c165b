"""The rows that auditors read: who has which key, and what became of each request, from the stored records.

`ledger` builds the same rows from the audit log alone. The fields are the columns of a report, so their names stay.
None means that there is none; `UNKNOWN`, that it wasn't recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import TypeAlias

from bot.domain import requests as states
from bot.domain.approvals import Approval
from bot.domain.deadlines import end_of_life, glass_of
from bot.domain.keys import KeyId, Operation
from bot.domain.review import Attestation

UNKNOWN, NEVER = "unknown", "never"
UNDECIDED = "undecided"
"""Waiting for approvals, or approved: older lines of the audit log, without a number of approvals, don't say which."""
WAITING, IN_USE, DELETING, ORPHANED = "waiting", "in_use", "deleting", "orphaned"
"""The states of a key that exists, as metrics name them."""
PENDING, APPROVED, READY, SHOWN, DONE = "pending", "approved", "ready", "shown", "done"
DENIED, CANCELLED, EXPIRED, FAILED = "denied", "cancelled", "expired", "failed"
UNDELIVERED, UNCLAIMED, RETIRED = "undelivered", "unclaimed", "retired"
UNREVIEWED = "unreviewed"
"""For a use of break-glass. Others are "justified", "not justified", and `FAILED` if there was no key."""
Cell: TypeAlias = str | tuple[str, ...] | None
_OUTCOMES: Mapping[str, str] = {"offered": APPROVED, "working": APPROVED, "revealing": READY, "confirmed": SHOWN}
"""States with another name in reports: those that the audit log can't tell apart share one."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that Latchkey created and that exists."""

    key: Cell
    state: Cell
    owner: Cell
    """The Confluent account."""
    kind: Cell
    environment: Cell
    resource: Cell
    name: Cell
    requester: Cell
    """The Slack id of the person who requested it."""
    principal: Cell
    """The ID of the same person at Confluent."""
    request: Cell
    created_at: Cell
    ends_at: Cell
    """When it's deleted; `NEVER` if it doesn't expire."""
    rule: Cell
    approved_by: Cell
    """Slack ids; empty where the rule needs no approval."""
    approved_at: Cell
    """When the last of them approved."""
    replaces: Cell
    """The key that it was created to replace."""
    reviewed_by: Cell
    """The Slack ID of the person who last kept it in a review, while that applies."""
    reviewed_at: Cell
    reviewed_until: Cell
    break_glass: Cell
    """The outcome of the use that it was created by; None for any other key."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request, and what became of it."""

    request: Cell
    operation: Cell
    outcome: Cell
    requester: Cell
    principal: Cell
    owner: Cell
    """The requested account: its id, or that a new one is created."""
    kind: Cell
    environment: Cell
    resource: Cell
    key: Cell
    """The key that was created or changed."""
    replaces: Cell
    name: Cell
    reason: Cell
    asked_at: Cell
    rule: Cell
    approved_by: Cell
    approved_at: Cell
    ended_by: Cell
    """The Slack id of the person who ended it, if a person did."""
    ended_at: Cell
    ended_why: Cell
    ticket: Cell
    break_glass: Cell


def key_row(request: states.Request, kept: Mapping[KeyId, Attestation]) -> KeyRow | None:
    """The row for a request's key, from its record; None if it has no key, or no longer has one."""
    if not isinstance(request, states.Keyed) or (isinstance(request, states.Withdrawn) and request.deleted_at):
        return None
    ask, key, review = request.ask, request.key, kept.get(request.key.id)
    in_use, withdrawn = isinstance(request, states.Living), isinstance(request, states.Withdrawn)
    return KeyRow(
        key=key.id,
        state=DELETING if withdrawn else IN_USE if in_use else WAITING,
        owner=key.owner or ask.owner.id or UNKNOWN,
        kind=ask.resource.kind.value,
        environment=ask.resource.environment or None,
        resource=ask.resource.id,
        name=key.name,
        requester=ask.requester.slack,
        principal=ask.requester.principal,
        request=ask.id,
        created_at=moment(key.created_at) or UNKNOWN,
        ends_at=moment(end_of_life(request)) or NEVER,
        rule=request.terms.rule,
        **_approvals(request.grant.approvals),
        replaces=_replaced(ask),
        reviewed_by=review.by if review else None,
        reviewed_at=moment(review.at) if review else None,
        reviewed_until=moment(review.until) if review else None,
        break_glass=_break_glass(request),
    )


def request_row(request: states.Request) -> RequestRow:
    """The row for a request, from its record."""
    ask = request.ask
    return RequestRow(
        request=ask.id,
        operation=ask.operation.value,
        outcome=_OUTCOMES.get(request.kind, request.kind),
        requester=ask.requester.slack,
        principal=ask.requester.principal,
        owner=ask.owner.id or ask.owner.kind,
        kind=ask.resource.kind.value,
        environment=ask.resource.environment or None,
        resource=ask.resource.id,
        key=_key(request),
        replaces=_replaced(ask),
        name=ask.name,
        reason=ask.reason,
        asked_at=moment(ask.asked_at),
        rule=request.terms.rule,
        **_approvals(states.approvals_of(request)),
        **_end(request),
        ticket=ask.ticket or None,
        break_glass=_break_glass(request),
    )


def moment(at: datetime | None) -> str | None:
    """A time as ISO 8601, UTC, to the second: "2026-03-04T05:06:07Z"."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def words(text: str) -> str:
    """A text in mrkdwn, without its escapes."""
    return unescape(text)


def _approvals(given: Sequence[Approval]) -> dict[str, Cell]:
    by, last = tuple(each.by.slack for each in given), max((each.at for each in given), default=None)
    return {"approved_by": by, "approved_at": moment(last)}


def _break_glass(request: states.Request) -> str | None:
    glass = glass_of(request)
    if glass is None:
        return FAILED if request.ask.break_glass else None
    return glass.review.outcome if glass.review else UNREVIEWED


def _key(request: states.Request) -> str | None:
    if isinstance(request, states.Keyed):
        return request.key.id
    return request.ask.key.id if request.ask.key and not request.ask.makes_key else None


def _replaced(ask: states.Ask) -> str | None:
    return ask.key.id if ask.key and ask.operation is Operation.ROTATE else None


def _end(request: states.Request) -> dict[str, Cell]:
    by, why = None, None
    match request:
        case states.Denied():
            by, why = request.by.slack, request.reason
        case states.Cancelled():
            by = request.ask.requester.slack
        case states.Failed():
            why = words(request.happened)
        case states.Undelivered():
            why = words(request.why)
        case states.Retired():
            by = request.by.slack if request.by else None
        case states.Expired() | states.Done() | states.Unclaimed():
            pass
        case _:
            return {"ended_by": None, "ended_at": None, "ended_why": None}
    return {"ended_by": by, "ended_at": moment(request.at), "ended_why": why or None}
