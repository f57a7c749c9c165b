"""What the audit log records: one event per decision, and one before and one after every effect at Confluent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.keys import RequestId

SYSTEM = "latchkey"
"""The actor of what Latchkey does on its own: deadlines, recovery."""
LEAP = 10**9
"""How many changes without an audit line can follow one with a line, which takes a revision to a multiple of this."""

TOLD = (
    "operation",
    "requester",
    "principal",
    "owner",
    "kind",
    "resource",
    "key",
    "account",
    "marker",
    "rule",
    "policy",
    "tried",
    "count",
    "reference",
    "lines",
    "last",
    "operator",
)
"""Details that logs and other systems get: ids and names of rules. Reasons and addresses stay in the audit log."""


class Action(StrEnum):
    """`subject:verb`, past tense for what happened, `…-intended` for what is about to be tried."""

    SUBMITTED = "request:submitted"
    REFUSED = "request:refused"
    PAIRED = "request:paired"
    APPROVED = "request:approved"
    APPROVAL_REFUSED = "approval:refused"
    DENIED = "request:denied"
    CANCELLED = "request:cancelled"
    TERMS_CHANGED = "request:terms-changed"
    QUESTION_ASKED = "request:question-asked"
    QUESTION_ANSWERED = "request:question-answered"
    EXPIRED = "request:expired"
    FAILED = "request:failed"
    CREATE_INTENDED = "key:create-intended"
    CREATE_UNKNOWN = "key:create-unknown"
    CREATE_REFUSED = "key:create-refused"
    CREATED = "key:created"
    DELETE_INTENDED = "key:delete-intended"
    DELETE_FAILED = "key:delete-failed"
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
    FOUND_ORPHANED = "key:found-orphaned"
    EXTENDED = "key:extended"
    END_MOVED = "key:end-moved"
    OVERLAP_CHANGED = "key:overlap-changed"
    KEPT = "key:kept"
    LEAK_REPORTED = "key:leak-reported"
    ACCOUNT_INTENDED = "account:create-intended"
    ACCOUNT_CREATED = "account:created"
    ACCOUNT_EDIT_INTENDED = "account:edit-intended"
    ACCOUNT_EDITED = "account:edited"
    ACCOUNT_DELETE_INTENDED = "account:delete-intended"
    ACCOUNT_DELETED = "account:deleted"
    ARCHIVE_INTENDED = "audit:archive-intended"
    ARCHIVED = "audit:archived"
    GLASS_USED = "break-glass:used"
    GLASS_TOLD = "break-glass:told"
    GLASS_OVERDUE = "break-glass:overdue"
    GLASS_REVIEWED = "break-glass:reviewed"
    BINDING_FOUND = "binding:found"
    BINDING_INTENDED = "binding:create-intended"
    BINDING_CREATED = "binding:created"
    BINDING_REFUSED = "binding:create-refused"
    BINDING_REMOVAL_ASKED = "binding:removal-asked"
    BINDING_DELETE_INTENDED = "binding:delete-intended"
    BINDING_DELETED = "binding:deleted"
    BINDING_KEPT = "binding:kept"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit log. `details` holds names and ids, never a secret."""

    at: datetime
    actor: str
    """A Slack user id, or `SYSTEM`."""
    action: Action
    request: RequestId | None = None
    details: Mapping[str, str] = field(default_factory=dict[str, str])


_REFUSALS = frozenset({Action.REFUSED, Action.APPROVAL_REFUSED, Action.SHOW_REFUSED})
_BEGINNINGS = frozenset(
    {
        Action.SUBMITTED,
        Action.TERMS_CHANGED,
        Action.QUESTION_ASKED,
        Action.QUESTION_ANSWERED,
        Action.APPROVED,
        Action.DENIED,
        Action.CANCELLED,
        Action.EXPIRED,
        Action.CREATE_INTENDED,
        Action.CREATED,
        Action.SHOW_INTENDED,
        Action.SHOWN,
        Action.CONFIRMED,
        Action.EDIT_INTENDED,
    }
)
_NEVER_AFTER: Mapping[str, frozenset[Action]] = {
    **dict.fromkeys((Action.DENIED, Action.CANCELLED, Action.EXPIRED), frozenset(Action) - _REFUSALS),
    Action.FAILED: _BEGINNINGS,
}
"""The actions that can't follow, by how a request ended."""


def ends_use(action: str, details: Mapping[str, object]) -> bool:
    """Whether a line ends a use of break-glass, as far as its user is concerned.

    A failure ends it, unless the line says by when it is to be reviewed: then there may have been a key before.
    """
    return action == Action.GLASS_REVIEWED or (action == Action.FAILED and "review_by" not in details)


class History:
    """What the audit log says about each request: its newest revision, and how it ended, if it did.

    About 150 bytes per request, for as long as the process runs: a record of a request that ended long ago can be put
    back as well as any other.
    """

    def __init__(self) -> None:
        self._newest = dict[str, int]()
        self._ends = dict[str, str]()
        self._uses = dict[str, str]()
        """Uses of break-glass: by request, the Confluent user."""
        self._reviewed = set[str]()
        """The requests whose use has ended. Kept apart, so that learning a line twice does no harm."""

    def newest(self, request: str) -> int | None:
        """The newest revision that a line names; 0 if lines name none, None if there is no line."""
        return self._newest.get(request)

    def contradiction(self, request: str, was: int | None, action: str | None = None) -> str | None:
        """Why `action` can't follow revision `was` of this request: a sentence, None if it can.

        `was` is 0 for a new request, and None if there is no record to speak of.
        """
        newest, end = self._newest.get(request), self._ends.get(request, "")
        if was and newest is None:
            return "the audit log has no line about it"
        if was is not None and was < (newest or 0):
            return f"revision {was} is older than revision {newest}, which the audit log names"
        if was is not None and was // LEAP > (newest or 0) // LEAP:
            return f"revision {was} is newer than the audit log, which lacks the line written with it"
        return f"{action} after {end}" if action in _NEVER_AFTER.get(end, ()) else None

    @property
    def open_uses(self) -> Mapping[str, str]:
        """The uses of break-glass that no one has reviewed: by request, the Confluent user."""
        return {request: user for request, user in self._uses.items() if request not in self._reviewed}

    def use_in_the_way(self, event: Event) -> str | None:
        """The request of the use that has to be reviewed before this event, another use by that user; or None."""
        if event.action != Action.GLASS_USED:
            return None
        mine = (request for request, user in self.open_uses.items() if user == event.details["principal"])
        return next((request for request in mine if request != event.request), None)

    def add(self, request: str, action: str, rev: int | None, details: Mapping[str, object] | None = None) -> None:
        """Learn from a line; without `details`, only the newest revision and the end that others know."""
        self._newest[request] = max(self._newest.get(request, 0), rev or 0)
        if action in _NEVER_AFTER:
            self._ends.setdefault(request, action)
        if action == Action.GLASS_USED and details:
            self._uses[request] = str(details.get("principal"))
        if details is not None and ends_use(action, details):
            self._reviewed.add(request)

    def learn(self, other: "History") -> None:
        """Learn everything that another history knows."""
        for each in other.items():
            self.add(*each)
        self._uses |= other._uses  # noqa: SLF001 - of the same class
        self._reviewed |= other._reviewed  # noqa: SLF001 - of the same class

    def items(self) -> Iterator[tuple[str, str, int]]:
        """Each request with how it ended ("" if it hasn't) and its newest revision, as `add` takes them."""
        return ((request, self._ends.get(request, ""), rev) for request, rev in self._newest.items())


class Recent:
    """When the audit log last mentioned each of the newest requests."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._last = dict[str, str]()

    def note(self, request: object, at: str) -> str | None:
        """Take the next line. Returns the `at` of the previous line about the same request, None if unknown."""
        if not isinstance(request, str):
            return None
        before = self._last.pop(request, None)
        self._last[request] = at
        if len(self._last) > self._most:
            del self._last[next(iter(self._last))]
        return before

    def seconds(self, request: RequestId | None, at: datetime) -> float | None:
        """The same for one of our lines. Returns the seconds between the two, None if unknown."""
        before = self.note(request, at.isoformat())
        try:
            seconds = (at - datetime.fromisoformat(before)).total_seconds() if before else None
        except (ValueError, TypeError):  # anyone could have written an old line, from before they were sealed
            return None
        return None if seconds is None else round(max(seconds, 0.0), 3)
