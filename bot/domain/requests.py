"""An access request: what was asked, and one frozen type per state that it can be in.

    Pending ─▶ Approved (─▶ Offered) ─▶ Working ─▶ Ready ─▶ Revealing ─▶ Shown ─▶ Confirmed
       │           ▲  └▶ Failed ◀┘      └─▶ Unclaimed  └─▶ Undelivered ─┐
       ├▶ Denied   └───────────────────────────────────────────────────┘ (issued again while the approval is fresh)
       ├▶ Cancelled                        Shown and Confirmed end as Retired when the key's lifetime is over.
       └▶ Expired                          To edit, delete and extend: Approved ─▶ Working ─▶ Done.

What was asked (`Ask`) never changes; approvals carry its digest. Deadlines are fields: whoever looks at a request
compares them with the clock, so that a late worker never makes a late click valid.

Stored records outlive the code: add fields with a default at the end, never rename a `kind`, and keep one golden
JSON per state in `tests/data/states`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from bot.domain.asks import Approval, Ask, Grant, Terms
from bot.domain.catalog import Endpoints
from bot.domain.keys import ApiKey, Marker, Person
from bot.domain.life import Life


@dataclass(frozen=True, slots=True)
class _Asked:
    ask: Ask
    terms: Terms


@dataclass(frozen=True, slots=True)
class _Granted(_Asked):
    grant: Grant
    attempt: int


@dataclass(frozen=True, slots=True)
class Pending(_Asked):
    """Waiting for people to decide.

    `told` names the people who were asked in a message of their own, each once for every time; `rounds` counts these
    times, and `next_round` is when the next one is due.
    """

    approvals: tuple[Approval, ...]
    expires_at: datetime
    told: tuple[str, ...] = ()
    rounds: int = 0
    next_round: datetime | None = None
    kind: Literal["pending"] = "pending"


@dataclass(frozen=True, slots=True)
class Denied(_Asked):
    """An approver said no."""

    by: Person
    reason: str
    at: datetime
    kind: Literal["denied"] = "denied"


@dataclass(frozen=True, slots=True)
class Cancelled(_Asked):
    """The requester took it back before it was decided."""

    at: datetime
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True)
class Expired(_Asked):
    """Nobody decided in time."""

    at: datetime
    kind: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True)
class Approved(_Granted):
    """Decided; attempt `attempt` at making the key has not begun. `trouble` says why it waits, if it does."""

    not_before: datetime
    trouble: str = ""
    tries: int = 0
    kind: Literal["approved"] = "approved"
    without_end: bool = False
    """Whether Confluent refused the key with an end of its own, so that none is asked for again."""


@dataclass(frozen=True, slots=True)
class Working(_Granted):
    """The intent is on disk and the key may exist at Confluent. Found again in this state, it has to be reconciled.

    `look_at` is when to list next; `clean` counts the lists in a row that showed none of our keys.
    """

    sent_at: datetime
    look_at: datetime
    clean: int = 0
    trouble: str = ""
    kind: Literal["working"] = "working"
    expires_at: datetime | None = None
    """When Confluent is asked to end the key."""
    without_end: bool = False
    """As in `Approved`."""

    @property
    def marker(self) -> Marker:
        """What this attempt's key carries in its description."""
        return Marker(self.ask.id, self.attempt)


@dataclass(frozen=True, slots=True)
class Offered(_Granted):
    """The key is made only when the requester asks for its secret (`mint: on_claim`), until `claim_by`."""

    claim_by: datetime
    trouble: str = ""
    kind: Literal["offered"] = "offered"
    without_end: bool = False
    """As in `Approved`."""


@dataclass(frozen=True, slots=True)
class Ready(_Granted):
    """The key exists, its secret is sealed in the store and waits for the requester until `claim_by`."""

    key: ApiKey
    endpoints: Endpoints
    claim_by: datetime
    kind: Literal["ready"] = "ready"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True)
class Revealing(_Granted):
    """The secret has left the store and is on its way to the requester; not heard of by `until`, it counts as lost."""

    key: ApiKey
    until: datetime
    kind: Literal["revealing"] = "revealing"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True)
class Shown(_Granted):
    """Slack took the one message with the secret."""

    key: ApiKey
    at: datetime
    kind: Literal["shown"] = "shown"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True)
class Confirmed(_Granted):
    """The requester said that it is saved."""

    key: ApiKey
    shown_at: datetime
    at: datetime
    kind: Literal["confirmed"] = "confirmed"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True)
class Undelivered(_Granted):
    """The secret did not reach the requester, or was given up; the key is deleted, or about to be.

    With `reissue` a new key follows at once; else the requester may ask for one while the grant is fresh.
    """

    key: ApiKey
    why: str
    at: datetime
    reissue: bool = False
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["undelivered"] = "undelivered"


@dataclass(frozen=True, slots=True)
class Unclaimed(_Granted):
    """The requester did not take the secret in time; the key is deleted, or about to be."""

    key: ApiKey
    at: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["unclaimed"] = "unclaimed"


@dataclass(frozen=True, slots=True)
class Retired(_Granted):
    """The key's life is over, by its rule or because somebody ended it; it is deleted, or about to be.

    `why` is a sentence for people, "" where its lifetime ended; `by` is who ended it, where a person did.
    """

    key: ApiKey
    at: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["retired"] = "retired"
    why: str = ""
    by: Person | None = None
    life: Life = field(default=Life())
    """What is left to do: the key that this one replaced goes when it was to go, whatever became of this one."""


@dataclass(frozen=True, slots=True)
class Done(_Granted):
    """An edit, a deletion or an extension took effect. `note` is a sentence for people, where there is one to say."""

    at: datetime
    note: str = ""
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Failed(_Asked):
    """It ended without a key. Three sentences for people, and a reference for who operates Latchkey or Confluent."""

    happened: str
    changed: str
    next: str
    reference: str
    at: datetime
    kind: Literal["failed"] = "failed"
    offer_account: bool = False
    """Whether a key of a service account could be made instead: Confluent refused one of a person's own account."""


Decided: TypeAlias = Denied | Cancelled | Expired
Withdrawn: TypeAlias = Undelivered | Unclaimed | Retired
"""The states in which a key is deleted, or about to be."""
Keyed: TypeAlias = Ready | Revealing | Shown | Confirmed | Withdrawn
"""The states in which a key exists, or did."""
Living: TypeAlias = Shown | Confirmed
"""The states in which somebody has the key."""
Request: TypeAlias = Pending | Decided | Approved | Offered | Working | Keyed | Done | Failed
