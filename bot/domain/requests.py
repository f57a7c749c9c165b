"""An access request: what was asked, and one frozen type per state that it can be in.

    Pending ─▶ Approved ─▶ Working ─▶ Ready ─▶ Revealing ─▶ Shown ─▶ Confirmed
       │           ▲  └▶ Failed ◀┘      └─▶ Unclaimed  └─▶ Undelivered ─┐
       ├▶ Denied   └───────────────────────────────────────────────────┘ (issued again while the approval is fresh)
       ├▶ Cancelled
       └▶ Expired

What was asked (`Ask`) never changes; approvals carry its digest. Deadlines are fields: whoever looks at a request
compares them with the clock, so that a late worker never makes a late click valid.

Stored records outlive the code: add fields with a default at the end, never rename a `kind`, and keep one golden
JSON per state in `tests/data/states`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from bot.domain.catalog import Endpoints
from bot.domain.keys import ApiKey, Marker, Operation, Owner, Person, RequestId, Resource


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants which key, for whom, and why. Text is exactly as it was typed."""

    id: RequestId
    requester: Person
    operation: Operation
    owner: Owner
    resource: Resource
    name: str
    description: str
    reason: str
    asked_at: datetime

    def digest(self) -> str:
        """SHA-256 of everything asked, in hexadecimal: an approval holds for this digest alone."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy's rule says about this request."""

    rule: str
    approvals: int
    """How many distinct people must approve."""
    channel: str
    """Id of the Slack channel where the card goes."""
    pending: timedelta
    """How long people have to decide."""
    claim: timedelta
    """How long the requester has to take the secret, and the approval stays fresh, both from when they began."""
    remind: tuple[timedelta, ...] = ()
    notify: tuple[str, ...] = ()
    lifetime: timedelta | None = None
    mint: Literal["on_approval", "on_claim"] = "on_approval"


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly one ask."""

    by: Person
    basis: str
    """The role that gave the authority, in words."""
    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What enough approvals gave: the right to make one key until `fresh_until`."""

    approvals: tuple[Approval, ...]
    at: datetime
    fresh_until: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """Waiting for people to decide."""

    ask: Ask
    terms: Terms
    approvals: tuple[Approval, ...]
    expires_at: datetime
    kind: Literal["pending"] = "pending"


@dataclass(frozen=True, slots=True)
class Denied:
    """An approver said no."""

    ask: Ask
    terms: Terms
    by: Person
    reason: str
    at: datetime
    kind: Literal["denied"] = "denied"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The requester took it back before it was decided."""

    ask: Ask
    terms: Terms
    at: datetime
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody decided in time."""

    ask: Ask
    terms: Terms
    at: datetime
    kind: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True)
class Approved:
    """Decided; attempt `attempt` at making the key has not begun. `trouble` says why it waits, if it does."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    not_before: datetime
    trouble: str = ""
    tries: int = 0
    kind: Literal["approved"] = "approved"


@dataclass(frozen=True, slots=True)
class Working:
    """The intent is on disk and the key may exist at Confluent. Found again in this state, it has to be reconciled.

    `look_at` is when to list next; `clean` counts the lists in a row that showed none of our keys.
    """

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    sent_at: datetime
    look_at: datetime
    clean: int = 0
    trouble: str = ""
    kind: Literal["working"] = "working"

    @property
    def marker(self) -> Marker:
        """What this attempt's key carries in its description."""
        return Marker(self.ask.id, self.attempt)


@dataclass(frozen=True, slots=True)
class Ready:
    """The key exists, its secret is sealed in the store and waits for the requester until `claim_by`."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    endpoints: Endpoints
    claim_by: datetime
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Revealing:
    """The secret has left the store and is on its way to the requester; not heard of by `until`, it counts as lost."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    until: datetime
    kind: Literal["revealing"] = "revealing"


@dataclass(frozen=True, slots=True)
class Shown:
    """Slack took the one message with the secret."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    at: datetime
    kind: Literal["shown"] = "shown"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The requester said that it is saved."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    shown_at: datetime
    at: datetime
    kind: Literal["confirmed"] = "confirmed"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The secret did not reach the requester, or was given up; the key is deleted, or about to be.

    With `reissue` a new key follows at once; else the requester may ask for one while the grant is fresh.
    """

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    why: str
    at: datetime
    reissue: bool = False
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["undelivered"] = "undelivered"


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """The requester did not take the secret in time; the key is deleted, or about to be."""

    ask: Ask
    terms: Terms
    grant: Grant
    attempt: int
    key: ApiKey
    at: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["unclaimed"] = "unclaimed"


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended without a key. Three sentences for people, and a reference for who operates Latchkey or Confluent."""

    ask: Ask
    terms: Terms
    happened: str
    changed: str
    next: str
    reference: str
    at: datetime
    kind: Literal["failed"] = "failed"


Decided: TypeAlias = Denied | Cancelled | Expired
Keyed: TypeAlias = Ready | Revealing | Shown | Confirmed | Undelivered | Unclaimed
"""The states in which a key exists, or did."""
Request: TypeAlias = Pending | Decided | Approved | Working | Keyed | Failed


def due(request: Request) -> datetime | None:
    """When somebody has to look at this request again, by its own deadlines; None when it is at rest."""
    match request:
        case Pending():
            return request.expires_at
        case Approved():
            return request.not_before
        case Working():
            return request.look_at
        case Ready():
            return request.claim_by
        case Revealing():
            return request.until
        case Undelivered() | Unclaimed():
            return None if request.deleted_at else request.retry_at or request.at
        case Denied() | Cancelled() | Expired() | Shown() | Confirmed() | Failed():
            return None
