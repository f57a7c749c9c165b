"""The ports to the store and the clock. The adapters implement them, and so do the tests' fakes.

Every method may raise `Unavailable`; other errors are named at the method.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeAlias, TypeVar

from bot.domain.audit import Event
from bot.domain.keys import KeyId, Principal, RequestId, Secret, SlackUserId
from bot.domain.requests import Request
from bot.domain.review import Attestation
from bot.services.agenda import Item
from bot.services.commands import CardAt, Click, Draft
from bot.services.surfaces import Surface

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Clock: TypeAlias = Callable[[], datetime]
"""Returns the current time, with time zone UTC."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[T_co]):
    """A record and its revision; the first revision is 1."""

    value: T_co
    rev: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a new request needs: fewer than `most` open requests of its requester, and none for the same.

    With `anyway`, there can be one for the same.
    """

    most: int
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic write: a request's next state, when it's due, its audit events, and everything that belongs to it.

    With `before` None, it adds a new request, if there is `room`. `secret` is sealed beside the record until
    `secret_until`. `also` adds further agenda items. `durable` waits until the write is on disk, if the server can
    tell, and on the replicas that are required.
    """

    before: Stored[Request] | None
    after: Request
    due: datetime | None
    events: tuple[Event, ...] = ()
    secret: Secret | None = None
    secret_until: datetime | None = None
    take_secret: bool = False
    also: Mapping[Item, datetime] = field(default_factory=dict[Item, datetime])
    durable: bool = False
    room: Room | None = None


class Requests(Protocol):
    """Requests. A record that doesn't open raises `Tampered`."""

    async def get(self, request: RequestId) -> Stored[Request] | None:
        """The request, or None if there is none."""
        ...

    async def commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        """Write all of `change` or nothing. With `take_secret`, also remove the sealed secret and return it.

        Raises `Conflict` if the record isn't at `change.before`'s revision (or exists, for a new one), `Occupied` if
        there is no room for a new one, `Unreviewed` if one of its events is a second use of break-glass. If the sealed
        secret is missing or doesn't open, it's None, and the rest has been written.
        """
        ...

    async def secret(self, stored: Stored[Request]) -> Secret | None:
        """The secret of a Ready request, which stays stored; None if it's missing or doesn't open.

        It's also None in any other state, in which the store has no secret.
        """
        ...

    async def of_requester(self, requester: SlackUserId, limit: int) -> Sequence[Stored[Request]]:
        """One person's newest requests, newest first."""
        ...

    async def pending(self, limit: int) -> Sequence[Stored[Request]]:
        """Requests that wait for a decision, oldest first."""
        ...

    async def unreviewed(self, limit: int) -> Sequence[Stored[Request]]:
        """Uses of break-glass that no one has reviewed, according to the audit log, oldest first."""
        ...

    async def planned(self) -> Mapping[RequestId, tuple[int, datetime | None]]:
        """For each request, its revision and when its item is due; None if it isn't on the agenda."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """An agenda item that this process holds until `until`. After that, another process can take it."""

    item: Item
    until: datetime
    token: str
    """Differs between any two leases of the same item."""


class Agenda(Protocol):
    """The work that is due, shared by all processes."""

    async def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Lease]:
        """Lease up to `limit` due items, some of the oldest and some of the newest."""
        ...

    async def renew(self, leases: Sequence[Lease], now: datetime, lease: timedelta) -> Sequence[Lease]:
        """Extend these leases to `now + lease`. Returns those that were neither settled nor taken by someone else."""
        ...

    async def settle(self, lease: Lease, due: datetime | None) -> None:
        """End a lease: due again at `due`, or never. Does nothing if someone rescheduled the item meanwhile."""

    async def drop(self, lease: Lease, due: datetime) -> None:
        """End the lease of an item whose request wasn't found: never due again, or due at `due` if the store has it.

        A former master may have answered that it doesn't exist.
        """

    async def put(self, item: Item, due: datetime) -> None:
        """Make an item due at `due`, unless it's already due earlier."""


class Inbox(Protocol):
    """Clicks that were answered but not carried out yet."""

    async def put(self, click: Click, now: datetime) -> bool:
        """Store a click and make it due, in one write. Returns False if the same click is or was stored already."""
        ...

    async def get(self, click: str) -> Click | None:
        """A click that hasn't been carried out yet, or None."""
        ...

    async def keep(self, click: Click, left: timedelta, due: datetime | None = None) -> None:
        """Store a click again for `left`. With `due`, it's tried once more, even if a failover lost it meanwhile."""

    async def done(self, click: str) -> None:
        """Forget the click's content and its place on the agenda, in one write. That it was here is remembered."""

    async def drop(self, click: str) -> None:
        """Remove a click that is done or has expired from the agenda. One that is stored keeps its place."""

    async def put_back(self, now: datetime) -> int:
        """Make every click due that hasn't been carried out and isn't on the agenda. Returns how many."""
        ...


class Drafts(Protocol):
    """Forms that are on the review page. Each is forgotten after a day."""

    async def put(self, draft: str, by: SlackUserId, form: Draft) -> None:
        """Store a form under an ID."""

    async def get(self, draft: str, by: SlackUserId) -> Draft | None:
        """The form, if it's this person's and hasn't expired; otherwise None."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """A message that shows a request.

    `digest` identifies what it shows. `broken` is why it can't be changed anymore. `link` is its address, once known.
    For a question that can be replied to, `by` and `text` are who asked what, so that it can be shown without its
    button.
    """

    surface: Surface
    channel: str
    ts: str
    digest: str
    broken: str = ""
    link: str = ""
    by: str = ""
    text: str = ""


class Posts(Protocol):
    """The messages that show a request."""

    async def get(self, request: RequestId) -> Sequence[Post]:
        """All stored messages of a request."""
        ...

    async def put(self, request: RequestId, post: Post) -> None:
        """Store a message and what it shows now; one record for each channel and ts."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The last review of one owner's keys: when, and which message each person or channel (by Slack ID) got.

    `complete` is False while some people may not have one yet. A message in the review's channel stays in `sent` until
    the next one there replaces it.
    """

    at: datetime
    sent: tuple[tuple[str, CardAt], ...] = ()
    complete: bool = False
    beginning: datetime | None = None
    """When Latchkey was first started, if these keys are reviewed for the first time; always set for the
    organization."""
    waiting: int = 0
    """How many keys and limits wait for a message in the channel, because no one responsible for them can be
    reached."""
    shown_at: datetime | None = None
    """When the channel was last asked about them."""


@dataclass(frozen=True, slots=True)
class ReviewPass:
    """One pass of the review: the owners of keys that it found, and what the channel is told at its end.

    `owners`, `is_read` and `token` are written only by the item that reads keys. Another item chooses, after `is_read`.
    """

    at: datetime
    owners: tuple[Principal, ...] = ()
    is_read: bool = False
    chosen: tuple[Principal, ...] | None = None
    """The owners that the channel is asked about; None until that is decided."""
    left: int = 0
    """How many other owners wait for a later pass."""
    is_told: bool = False
    """Whether the channel was told how many those are."""
    token: str = ""
    """Where reading continues, until `is_read`; "" is at the first key."""


class Keeps(Protocol):
    """Results of the key review: the keys that people keep, and the messages that asked about keys."""

    async def keep(self, kept: Attestation) -> None:
        """Remember until `kept.until` that someone keeps a key. The latest answer counts."""

    async def kept(self, keys: Sequence[KeyId]) -> Mapping[KeyId, Attestation]:
        """Those of these keys that someone keeps now."""
        ...

    async def reviewed(self, owner: Principal) -> Reviewed | None:
        """The last review of this owner's keys; None if there was none, or if its record doesn't open."""
        ...

    async def all_reviewed(self, owners: Sequence[Principal]) -> Mapping[Principal, Reviewed]:
        """The last reviews of these owners, by owner, if they have one."""
        ...

    async def remember(self, owner: Principal, reviewed: Reviewed) -> None:
        """Store an owner's last review."""

    async def review_pass(self) -> ReviewPass | None:
        """The last pass; None if there was none, or if its record doesn't open."""
        ...

    async def remember_pass(self, passed: ReviewPass) -> None:
        """Store how far a pass got."""


class Audit(Protocol):
    """The audit log: a hash chain that only grows."""

    async def append(self, *events: Event) -> None:
        """Write events that belong to no change of a request."""

    def proven(self) -> AsyncIterator[Mapping[str, object]]:
        """Yield every line that is stored, oldest first.

        Raises `Tampered`, perhaps only at the end, if it can't be trusted.

        So don't act on any line before the end is read.
        """
        ...

    async def archived(self, requests: Collection[RequestId]) -> Collection[RequestId]:
        """Those of these requests with older lines in archive files, so that the store doesn't have all their lines."""
        ...


class Tally(Protocol):
    """Counts how often the same refusal happened, for an agenda item each."""

    async def count(self, item: Item, event: Event, due: datetime) -> int:
        """Count a refusal, and make the item due at `due` unless it's due earlier. Returns how many there are now."""
        ...

    async def counted(self, item: Item, now: datetime) -> tuple[Event, int] | None:
        """The first refusal, and how many came after it without an audit line; None if there is no count."""
        ...

    async def told(self, item: Item, number: int, event: Event) -> bool:
        """Subtract the `number` of refusals that got an audit line, `event`. Returns whether counting continues."""
        ...


class Cache(Protocol):
    """Sealed copies of what other systems said, with the time when they said it."""

    async def get(self, name: str, of: type[T]) -> tuple[T, datetime] | None:
        """A copy and when it was stored; None if it's absent, expired, or can't be read."""
        ...

    async def put(self, name: str, value: object, of: type[object], *, now: datetime, keep: timedelta) -> None:
        """Store a copy for `keep`."""

    async def change(
        self, name: str, of: type[T], step: Callable[[T | None], T | None], *, now: datetime, keep: timedelta
    ) -> bool:
        """Store for `keep` what `step` returns for the current copy, or for None if there is none.

        Returns False if `step` returns None, and then stores nothing. Of concurrent changes, each builds on the one
        before, so `step` may be called again.
        """
        ...
