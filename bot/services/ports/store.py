"""What the services need of the store and of the clock. The adapters implement it, and so do the fakes of the tests.

Every method may raise `Unavailable`; what else it raises stands beside it.
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
"""The time now, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[T_co]):
    """A record and its revision; the first revision is 1."""

    value: T_co
    rev: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a new request needs: fewer than `most` open requests of its requester, and none for the same.

    With `anyway`, there may be one for the same.
    """

    most: int
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic write: a request's next state, when it is due, its audit events, and what goes with it.

    `before` None adds a new request, if there is `room`. `secret` is sealed beside the record until `secret_until`.
    `also` puts further agenda items. `durable` waits until the write is on disk, where the server can tell, and on the
    replicas that are asked for.
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
    """Access requests. A record that does not open raises `Tampered`."""

    async def get(self, request: RequestId) -> Stored[Request] | None:
        """The request, or None when there is none."""
        ...

    async def commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        """Write all of `change` or nothing; with `take_secret`, remove the sealed secret and return it.

        Raises `Conflict` when the record is not at `change.before`'s revision (or exists, for a new one), `Occupied`
        when a new one finds no room, `Unreviewed` when one of its events is a second use of break-glass.
        A sealed secret that is missing or does not open comes back as None: the write has happened.
        """
        ...

    async def secret(self, stored: Stored[Request]) -> Secret | None:
        """The sealed secret of a Ready request, which stays where it is; None when it is missing or does not open.

        None for a request in any other state: its secret has left the store, or was never there.
        """
        ...

    async def of_requester(self, requester: SlackUserId, limit: int) -> Sequence[Stored[Request]]:
        """The newest requests of one person, newest first."""
        ...

    async def pending(self, limit: int) -> Sequence[Stored[Request]]:
        """Requests that wait for a decision, oldest first."""
        ...

    async def unreviewed(self, limit: int) -> Sequence[Stored[Request]]:
        """Uses of break-glass that no one has reviewed, by the audit log, oldest first."""
        ...

    async def planned(self) -> Mapping[RequestId, tuple[int, datetime | None]]:
        """Of all requests the revision, and when their item is due then; None for one that is not on the agenda."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """An agenda item taken by this process until `until`; another process takes it after that."""

    item: Item
    until: datetime
    token: str
    """Tells it from every other lease of the item, as from the next one."""


class Agenda(Protocol):
    """Due work of all processes."""

    async def take(self, now: datetime, lease: timedelta, limit: int) -> Sequence[Lease]:
        """Take up to `limit` items that are due, some of the oldest and some of the newest."""
        ...

    async def renew(self, leases: Sequence[Lease], now: datetime, lease: timedelta) -> Sequence[Lease]:
        """The same leases, from now on, without those that were settled or that someone else took."""
        ...

    async def settle(self, lease: Lease, due: datetime | None) -> None:
        """End a lease: due again at `due`, or never. Does nothing when someone rescheduled the item meanwhile."""

    async def drop(self, lease: Lease, due: datetime) -> None:
        """End the lease of an item whose request is not there: never due again, or at `due` where the store has it.

        A former master may have said that it is not there.
        """

    async def put(self, item: Item, due: datetime) -> None:
        """Make an item due at `due`, unless it is due earlier already."""


class Inbox(Protocol):
    """Clicks that were answered but not yet carried out."""

    async def put(self, click: Click, now: datetime) -> bool:
        """Store a click and make it due, in one write; False when the same click is or was here already."""
        ...

    async def get(self, click: str) -> Click | None:
        """A click that is still to be carried out."""
        ...

    async def keep(self, click: Click, left: timedelta, due: datetime | None = None) -> None:
        """Write a click down again; with `due`, have it tried once more, even if a failover lost it meanwhile."""

    async def done(self, click: str) -> None:
        """Forget what the click held, and its place on the agenda, in one write; that it was here is remembered."""

    async def drop(self, click: str) -> None:
        """Forget the place of a click that is done or has expired; one that is stored keeps its place."""

    async def put_back(self, now: datetime) -> int:
        """Make clicks due that are to be carried out and have no place on the agenda; returns how many."""
        ...


class Drafts(Protocol):
    """Forms on their way through the review page; each is forgotten after a day."""

    async def put(self, draft: str, by: SlackUserId, form: Draft) -> None:
        """Store a form under an id."""

    async def get(self, draft: str, by: SlackUserId) -> Draft | None:
        """The form, if it is this person's and still there."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """A message that shows a request.

    `digest` says what it shows; `broken` why nobody can change it anymore; `link` is its address, once that is known.
    Of a question that can be replied to, `by` and `text` are who asked what: so it can be shown without its button.
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
    """Which messages show a request."""

    async def get(self, request: RequestId) -> Sequence[Post]:
        """All messages on record."""
        ...

    async def put(self, request: RequestId, post: Post) -> None:
        """Remember a message, or what it shows now; one record per channel and ts."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The last review of one owner's keys: when, and which messages went to whom (a Slack id of a person or channel).

    `complete` is False while there may be people who have none yet. A message in the review's channel stays in `sent`
    until the next one there takes its place.
    """

    at: datetime
    sent: tuple[tuple[str, CardAt], ...] = ()
    complete: bool = False
    beginning: datetime | None = None
    """When Latchkey was first started, where it reviews these keys for the first time; always, for the organization."""
    waiting: int = 0
    """How many keys and limits wait for a message in the channel: nobody who answers for them can be reached."""
    shown_at: datetime | None = None
    """When the channel was last asked about them."""


@dataclass(frozen=True, slots=True)
class ReviewPass:
    """One pass of the review: whose keys it met, and what the channel is told at its end.

    Only the item that reads keys writes `owners`, `is_read` and `token`; another one chooses, once `is_read`.
    """

    at: datetime
    owners: tuple[Principal, ...] = ()
    is_read: bool = False
    chosen: tuple[Principal, ...] | None = None
    """Those of the owners that the channel is asked about; None until that is decided."""
    left: int = 0
    """How many others wait for a later pass."""
    is_told: bool = False
    """Whether the channel knows how many those are."""
    token: str = ""
    """Where reading goes on, until `is_read`; "" is at the first key."""


class Keeps(Protocol):
    """What came of the review: which keys someone keeps, and the messages that asked."""

    async def keep(self, kept: Attestation) -> None:
        """Remember until `kept.until` that a key stays; the last word counts."""

    async def kept(self, keys: Sequence[KeyId]) -> Mapping[KeyId, Attestation]:
        """Those of these keys that someone keeps now."""
        ...

    async def reviewed(self, owner: Principal) -> Reviewed | None:
        """The last review of this owner's keys; None when there was none, or its record does not open."""
        ...

    async def all_reviewed(self, owners: Sequence[Principal]) -> Mapping[Principal, Reviewed]:
        """The last reviews of those of these owners that have one on record."""
        ...

    async def remember(self, owner: Principal, reviewed: Reviewed) -> None:
        """Put the last review on record."""

    async def review_pass(self) -> ReviewPass | None:
        """The last pass; None when there was none, or its record does not open."""
        ...

    async def remember_pass(self, passed: ReviewPass) -> None:
        """Put how far a pass is on record."""


class Audit(Protocol):
    """The audit log: a hash chain that only grows."""

    async def append(self, *events: Event) -> None:
        """Write events that go with no change of a request."""

    def proven(self) -> AsyncIterator[Mapping[str, object]]:
        """Every line that is stored, oldest first. Raises `Tampered`, perhaps at the end, for a log not to be trusted.

        So nothing may be done on the word of a line before the end is read.
        """
        ...

    async def archived(self, requests: Collection[RequestId]) -> Collection[RequestId]:
        """Those of these requests of which the store does not have every line: older ones were moved to a file."""
        ...


class Tally(Protocol):
    """How often the same was refused, by an agenda item each."""

    async def count(self, item: Item, event: Event, due: datetime) -> int:
        """Count it, and have the item due at the end of the first one's minute; returns how many there are now."""
        ...

    async def counted(self, item: Item, now: datetime) -> tuple[Event, int] | None:
        """The first one, and how many came after it that nobody wrote down; None when it is over, or put back."""
        ...

    async def told(self, item: Item, number: int, event: Event) -> bool:
        """So many were written down, as `event`; returns whether it goes on: it is over once none come for a minute."""
        ...


class Cache(Protocol):
    """Sealed copies of what other systems said, with the time when they said it."""

    async def get(self, name: str, of: type[T]) -> tuple[T, datetime] | None:
        """A copy and when it was put; None when absent, expired, or not readable."""
        ...

    async def put(self, name: str, value: object, of: type[object], *, now: datetime, keep: timedelta) -> None:
        """Keep a copy for `keep`."""

    async def change(
        self, name: str, of: type[T], step: Callable[[T | None], T | None], *, now: datetime, keep: timedelta
    ) -> bool:
        """Keep for `keep` what `step` makes of a copy, or of None; False when that is None.

        Of steps that are taken at once, each sees what the one before made: `step` may be called again.
        """
        ...
