"""What the audit log records: one event a decision, one before and one after every effect at Confluent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.keys import RequestId

SYSTEM = "latchkey"
"""The actor of what Latchkey does on its own: deadlines, recovery."""


class Action(StrEnum):
    """`subject:verb`, past tense for what happened, `…-intended` for what is about to be tried."""

    SUBMITTED = "request:submitted"
    REFUSED = "request:refused"
    APPROVED = "request:approved"
    APPROVAL_REFUSED = "approval:refused"
    DENIED = "request:denied"
    CANCELLED = "request:cancelled"
    EXPIRED = "request:expired"
    FAILED = "request:failed"
    CREATE_INTENDED = "key:create-intended"
    CREATE_UNKNOWN = "key:create-unknown"
    CREATE_REFUSED = "key:create-refused"
    CREATED = "key:created"
    DELETE_INTENDED = "key:delete-intended"
    DELETED = "key:deleted"
    SHOW_INTENDED = "secret:show-intended"
    SHOW_REFUSED = "secret:show-refused"
    SHOWN = "secret:shown"
    UNDELIVERED = "secret:undelivered"
    UNCLAIMED = "secret:unclaimed"
    RETIRED = "key:retired"
    CONFIRMED = "secret:confirmed"
    REPLACEMENT_ASKED = "key:replacement-asked"
    EDIT_INTENDED = "key:edit-intended"
    EDITED = "key:edited"
    FOUND_GONE = "key:found-gone"
    EXTENDED = "key:extended"
    OVERLAP_CHANGED = "key:overlap-changed"
    KEPT = "key:kept"
    ACCOUNT_INTENDED = "account:create-intended"
    ACCOUNT_CREATED = "account:created"
    ACCOUNT_EDIT_INTENDED = "account:edit-intended"
    ACCOUNT_EDITED = "account:edited"
    ACCOUNT_DELETE_INTENDED = "account:delete-intended"
    ACCOUNT_DELETED = "account:deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit log. `details` holds names and ids, never a secret."""

    at: datetime
    actor: str
    """A Slack user id, or `SYSTEM`."""
    action: Action
    request: RequestId | None = None
    details: Mapping[str, str] = field(default_factory=dict[str, str])
