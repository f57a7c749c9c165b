"""An access request: what was asked, and one frozen type per state that it can be in.

    Pending ─▶ Approved (─▶ Offered) ─▶ Working ─▶ Ready ─▶ Revealing ─▶ Shown ─▶ Confirmed
       │           ▲  └▶ Failed ◀┘      └─▶ Unclaimed  └─▶ Undelivered ─┐
       ├▶ Denied   └───────────────────────────────────────────────────┘ (issued again while the approval is fresh)
       ├▶ Cancelled                        Shown and Confirmed end as Retired when the key's lifetime is over.
       └▶ Expired                          To edit, delete and extend: Approved ─▶ Working ─▶ Done.

What was asked (`Ask`) never changes; approvals carry its digest. Deadlines are fields: all code that looks at a request
compares them with the clock, so that a late worker never makes a late click valid.

Stored records outlive the code: add fields with a default at the end, and never rename a `kind`. Each state and each
field is in a golden JSON in `tests/data/states`.

`state.then(Next, at=now)` makes the next state: it carries the fields of the bases over, positionally, which lets type
checkers see the rest. A state's own fields take keywords only.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

from bot.domain.access import Access, GivenBinding, WantedBinding
from bot.domain.approvals import Approval, GlassUse, Grant, Terms
from bot.domain.catalog import Endpoints
from bot.domain.conversation import Remark
from bot.domain.keys import (
    ApiKey,
    Cluster,
    KeyId,
    Marker,
    NewServiceAccount,
    Operation,
    Owner,
    Person,
    RequestId,
    Resource,
    SlackUserId,
)
from bot.domain.readiness import OtherKey, Probe

P = ParamSpec("P")
Next = TypeVar("Next")
LEADS = (timedelta(days=7), timedelta(days=1), timedelta(hours=1))
"""How long before a key expires its requester is reminded."""
MOST_OVERLAP = timedelta(days=7)
"""The longest time that a rotated key is kept."""
LOOK_EVERY = timedelta(days=30)
"""How often Latchkey checks that a key that someone has still exists. That also writes the record again, so that it
lasts as long as the key and is sealed with the current master key."""
A_DAY_LONGER = timedelta(days=1)
"""What one press of `Keep 1 more day` adds."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants which key, for whom, and why. Texts are exactly as they were typed."""

    id: RequestId
    requester: Person
    operation: Operation
    owner: Owner
    resource: Resource
    name: str
    description: str
    reason: str
    asked_at: datetime
    key: ApiKey | None = None
    """The key that is rotated, edited, deleted or extended, as it was at the time of the request."""
    lifetime: timedelta | None = None
    """How long the key should last from its creation or extension; None means as long as the rule allows."""
    overlap: timedelta = timedelta()
    """How long a rotated key is kept once the secret of the new one was shown."""
    bindings: tuple[WantedBinding, ...] = ()
    leaked: bool = False
    """Whether `key` was reported as leaked when this was asked: people who manage it delete it without an approval."""
    ticket: str = ""
    also: Cluster | None = None
    """The Schema Registry whose key comes with this one: a pair, in one request under one approval."""
    beside: RequestId | None = None
    """Of the second key of a pair, the request that was approved for both. It alone is decided and shown."""
    break_glass: bool = False
    """Whether its requester uses break-glass instead of approvals."""

    @property
    def makes_key(self) -> bool:
        """Whether it creates a key, with a secret to show; else it changes `key`."""
        return self.operation in {Operation.CREATE, Operation.ROTATE}

    def digest(self) -> str:
        """SHA-256 of everything that was requested, in hexadecimal. An approval counts for this digest alone."""
        said = asdict(self)
        del said["requester"]["named"]  # how someone was matched is not asked for
        for later in _LATER_FIELDS:  # so that approvals given before there were these fields still hold
            if said[later.name] == later.default:
                del said[later.name]
        if self.key is not None:
            said["key"] = {"id": self.key.id, "name": self.key.name, "description": self.key.description}
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def companion(self) -> "Ask | None":
        """The ask for the second key of a pair, which has a record of its own; None for a request for one key.

        The requested access is granted with the first key.
        """
        if self.also is None:
            return None
        return replace(self, id=_companion_of(self.id), resource=self.also, also=None, bindings=(), beside=self.id)

    @property
    def accountable(self) -> RequestId:
        """The request that creates and deletes the new service account: of a pair, the one that was approved."""
        return self.beside or self.id

    @property
    def keys_marked(self) -> frozenset[RequestId]:
        """The request IDs in the markers of its keys."""
        return frozenset({self.id, _companion_of(self.id)} if self.also else {self.id})

    def likeness(self) -> str:
        """A text that's the same for all requests with the same account, scope, operation, key and access."""
        owner = self.owner.name if isinstance(self.owner, NewServiceAccount) else self.owner.id
        place = (self.resource.kind, self.resource.environment, self.resource.id)
        access = sorted((each.role, each.path) for each in self.bindings)
        same = (self.operation, self.owner.kind, owner, *place, self.key.id if self.key else "", *access)
        return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]


def _companion_of(request: RequestId) -> RequestId:
    return RequestId(f"{request}-2")


_LATER = {"key", "lifetime", "overlap", "bindings", "leaked", "ticket", "also", "beside", "break_glass"}
_LATER_FIELDS = tuple(each for each in fields(Ask) if each.name in _LATER)


@dataclass(frozen=True, slots=True)
class ReplacedKey:
    """The key that a rotation replaced; the request's `ask.key` says which. It is deleted at `until`."""

    until: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """What is known about a key, and planned for it."""

    probe: Probe = field(default=Probe())
    ends_at: datetime | None = None
    """Set by an extension; otherwise, the lifetime counts from the key's creation."""
    reminded: int = 0
    """How many of `LEADS` have passed."""
    former: ReplacedKey | None = None
    endpoints: Endpoints = field(default=Endpoints("", ""))
    """Where to test the key, once its secret was shown."""
    endless: bool = False
    """Whether an extension removed the end."""
    extended_by: str = ""
    """The id of the request that extended it last."""
    extended_at: datetime | None = None
    """When that was."""
    looked_at: datetime | None = None
    """When Latchkey last checked that the key still exists."""
    other: OtherKey | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    ask: Ask
    terms: Terms


@dataclass(frozen=True, slots=True)
class _Granted(_Asked):
    grant: Grant
    attempt: int

    def next_attempt(self, now: datetime, *, without_end: bool = False, lost: int = 0) -> "Approved":
        """The next attempt under the same grant, to begin at once: this one created a key, or may have."""
        grant, number = self.grant.of_next_attempt(), self.attempt + 1
        return Approved(self.ask, self.terms, grant, number, not_before=now, without_end=without_end, lost_answers=lost)


@dataclass(frozen=True, slots=True)
class _Keyless(_Granted):
    def then(self, to: Callable[Concatenate[Ask, Terms, Grant, int, P], Next], *args: P.args, **own: P.kwargs) -> Next:
        """The next state of the same attempt."""
        return to(self.ask, self.terms, self.grant, self.attempt, *args, **own)

    def fail(self, now: datetime, happened: str, changed: str, step: str, ref: str = "") -> "Failed":
        """The end without a key. A failure without a reference of Confluent gets the request's id."""
        return Failed(
            self.ask,
            self.terms,
            happened=happened,
            changed=changed,
            next=step,
            reference=ref or self.ask.id,
            at=now,
            news=True,
            approvals=self.grant.approvals,
            bindings=self.grant.bindings,
            glass=self.grant.to_review,
        )


@dataclass(frozen=True, slots=True)
class _Keyed(_Granted):
    key: ApiKey

    def then(
        self, to: Callable[Concatenate[Ask, Terms, Grant, int, ApiKey, P], Next], *args: P.args, **own: P.kwargs
    ) -> Next:
        """The next state of the same key."""
        return to(self.ask, self.terms, self.grant, self.attempt, self.key, *args, **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(_Asked):
    """Waiting for people to decide.

    `told` are the people who were asked in a message of their own, as `USER:ROUND`; `rounds` counts the times that
    people were asked, and `next_round` is when the next one is due.
    """

    approvals: tuple[Approval, ...]
    expires_at: datetime
    told: tuple[str, ...] = ()
    rounds: int = 0
    next_round: datetime | None = None
    kind: Literal["pending"] = "pending"
    policy: str = ""
    """The digest of the policy that `terms` are from; "" if that isn't on record."""
    changed: str = ""
    """What a later policy changed, a sentence for people; "" for nothing they'd notice."""
    drawn: int = 0
    """How often a later policy changed the terms so that approvals from before, or on an older card, don't count. Only
    then can the terms become less strict."""
    mentioned: tuple[SlackUserId, ...] = ()
    """The members of the channel that the card mentions. Slack notifies people only of mentions in new messages."""
    said: tuple[Remark, ...] = ()
    """Questions and replies, in order."""
    forget_at: datetime | None = None
    """When to check whether their texts were posted and can be removed."""
    access: Access | None = None
    """What the account can do already; None if that wasn't read."""

    @property
    def asked(self) -> tuple[tuple[SlackUserId, int], ...]:
        """Who was asked, and in which round."""
        told = (each.rpartition(":") for each in self.told)
        return tuple((SlackUserId(user), int(number)) for user, _, number in told)

    def then(self, to: Callable[Concatenate[Ask, Terms, P], Next], *args: P.args, **own: P.kwargs) -> Next:
        """The next state of the same request."""
        return to(self.ask, self.terms, *args, **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(_Asked):
    """An approver denied it."""

    by: Person
    reason: str
    at: datetime
    kind: Literal["denied"] = "denied"
    approvals: tuple[Approval, ...] = ()
    """What others had approved before; so also in `Cancelled`, `Expired` and `Failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(_Asked):
    """The requester cancelled it before it was decided."""

    at: datetime
    kind: Literal["cancelled"] = "cancelled"
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(_Asked):
    """Nobody decided in time."""

    at: datetime
    kind: Literal["expired"] = "expired"
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(_Keyless):
    """Decided; attempt `attempt` at making the key has not begun. `trouble` says why it waits, if it does."""

    not_before: datetime
    trouble: str = ""
    tries: int = 0
    kind: Literal["approved"] = "approved"
    without_end: bool = False
    """Whether Confluent refused a key with an expiration, so that none is asked for again."""
    lost_answers: int = 0
    """How many attempts in a row ended without a clear answer from Confluent."""

    @classmethod
    def first(cls, ask: Ask, terms: Terms, approvals: tuple[Approval, ...], now: datetime) -> "Approved":
        """The first attempt, under a grant that stays fresh for as long as the terms say."""
        return cls(ask, terms, Grant(approvals, now, now + terms.claim), 1, not_before=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Working(_Keyless):
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
    lost_answers: int = 0
    """Both as in `Approved`."""

    @property
    def marker(self) -> Marker:
        """What this attempt's key has in its description."""
        return Marker(self.ask.id, self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered(_Keyless):
    """The key is created only when the requester selects `Show secret` (`mint: on_claim`), until `claim_by`."""

    claim_by: datetime
    trouble: str = ""
    kind: Literal["offered"] = "offered"
    without_end: bool = False
    lost_answers: int = 0
    """Both as in `Approved`."""
    remind_at: datetime | None = None
    """When the requester is reminded; None for never, as in records of an older version."""
    reminded: bool = False
    """Whether that moment has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(_Keyed):
    """The key exists, its secret is sealed in the store and waits for the requester until `claim_by`."""

    endpoints: Endpoints
    claim_by: datetime
    kind: Literal["ready"] = "ready"
    life: Life = field(default=Life())
    remind_at: datetime | None = None
    reminded: bool = False
    """Both as in `Offered`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealing(_Keyed):
    """The secret has left the store and is on its way to the requester. Without news by `until`, it counts as lost."""

    until: datetime
    kind: Literal["revealing"] = "revealing"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(_Keyed):
    """Slack accepted the one message with the secret."""

    at: datetime
    kind: Literal["shown"] = "shown"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(_Keyed):
    """The requester saved the secret."""

    shown_at: datetime
    at: datetime
    kind: Literal["confirmed"] = "confirmed"
    life: Life = field(default=Life())


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered(_Keyed):
    """The secret did not reach the requester, or was given up; the key is deleted, or about to be.

    With `reissue` a new key follows at once; else the requester may ask for one while the grant is fresh.
    """

    why: str
    at: datetime
    reissue: bool = False
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["undelivered"] = "undelivered"
    news: bool = False
    """Whether the requester gets a new message. An older version only edited the message about the key, and for its
    requests it's too late to tell anyone. The same in `Unclaimed`, `Done` and `Failed`."""
    left: KeyId | None = None
    """The second key of a pair, while its deletion keeps failing. So also in `Unclaimed`, `Retired` and `Failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclaimed(_Keyed):
    """The requester didn't view the secret in time; the key is deleted, or about to be."""

    at: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["unclaimed"] = "unclaimed"
    news: bool = False
    left: KeyId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired(_Keyed):
    """The key's life is over, by its rule or because someone ended it; it is deleted, or about to be.

    `why` is a sentence for people, "" if its lifetime ended. `by` is the person who ended it, if one did.
    """

    at: datetime
    deleted_at: datetime | None = None
    retry_at: datetime | None = None
    tries: int = 0
    kind: Literal["retired"] = "retired"
    why: str = ""
    by: Person | None = None
    life: Life = field(default=Life())
    """What is left to do: the key that this one replaced is deleted at its time, whatever becomes of this one."""
    left: KeyId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(_Granted):
    """An edit, a deletion or an extension took effect. `note` is a sentence for people, or ""."""

    at: datetime
    note: str = ""
    kind: Literal["done"] = "done"
    news: bool = False
    access: tuple[WantedBinding, ...] = ()
    """The access that came with a deleted key and that its account keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Asked):
    """It ended without a key. Three sentences for people, and a reference for operators of Latchkey or Confluent."""

    happened: str
    changed: str
    next: str
    reference: str
    at: datetime
    kind: Literal["failed"] = "failed"
    offer_account: bool = False
    """Whether a key of a service account would be possible: Confluent refused one of a person's own account."""
    news: bool = False
    approvals: tuple[Approval, ...] = ()
    bindings: tuple[GivenBinding, ...] = ()
    glass: GlassUse | None = None
    """The use of break-glass, if an earlier attempt created a key or may have: it still has to be reviewed."""
    left: KeyId | None = None


Decided: TypeAlias = Denied | Cancelled | Expired
Withdrawn: TypeAlias = Undelivered | Unclaimed | Retired
"""The states in which a key is deleted, or about to be."""
Keyed: TypeAlias = Ready | Revealing | Shown | Confirmed | Withdrawn
"""The states in which a key exists, or did."""
Living: TypeAlias = Shown | Confirmed
"""The states in which someone has the key."""
Granted: TypeAlias = Approved | Offered | Working | Keyed | Done
"""The states that an approval has reached, or a rule that needs none; each belongs to an attempt."""
Open: TypeAlias = Pending | Approved | Working
"""The states that wait for approvers or for Latchkey: how many of these one person may have is limited."""
InFlight: TypeAlias = Pending | Approved | Offered | Working | Ready | Revealing
"""The states that wait for someone or something; all others say since when they hold, in `at`."""
Request: TypeAlias = Pending | Decided | Approved | Offered | Working | Keyed | Done | Failed


def approvals_of(request: Request) -> tuple[Approval, ...]:
    """The approvals given so far, whatever became of the request."""
    return request.grant.approvals if isinstance(request, Granted) else request.approvals
