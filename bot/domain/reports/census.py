"""Counts requests and keys by state, from the lines of the audit log, so that no record has to be opened."""

from collections import Counter
from collections.abc import Mapping

from bot.domain.audit import Action
from bot.domain.keys import Operation

UNDECIDED = "undecided"
"""Sent, and not started: waiting for approvals, or approved. The log doesn't say which approval was the last one."""
REQUEST_STATES = (
    "working",
    "ready",
    "revealing",
    "shown",
    "confirmed",
    "done",
    "denied",
    "cancelled",
    "expired",
    "failed",
    "undelivered",
    "unclaimed",
    "retired",
)
"""The states of a request after `UNDECIDED`, named as in its record."""
WAITING, IN_USE, DELETING, ORPHANED, DELETED = KEY_STATES = ("waiting", "in_use", "deleting", "orphaned", "deleted")
"""The states of a key: its secret wasn't viewed yet; it was; the key is about to be deleted; it has no record; gone."""

_REQUEST: Mapping[str, str] = {
    Action.SUBMITTED: UNDECIDED,
    Action.TERMS_CHANGED: UNDECIDED,
    Action.QUESTION_ASKED: UNDECIDED,
    Action.QUESTION_ANSWERED: UNDECIDED,
    Action.APPROVED: UNDECIDED,
    Action.CREATE_UNKNOWN: UNDECIDED,
    Action.CREATE_REFUSED: UNDECIDED,
    Action.CREATE_INTENDED: "working",
    Action.EDIT_INTENDED: "working",
    Action.CREATED: "ready",
    Action.SHOW_INTENDED: "revealing",
    Action.SHOWN: "shown",
    Action.CONFIRMED: "confirmed",
    Action.EDITED: "done",
    Action.EXTENDED: "done",
    Action.DENIED: "denied",
    Action.CANCELLED: "cancelled",
    Action.EXPIRED: "expired",
    Action.FAILED: "failed",
    Action.UNDELIVERED: "undelivered",
    Action.UNCLAIMED: "unclaimed",
    Action.RETIRED: "retired",
}
_DELETION: Mapping[str, str] = {
    Action.DELETE_INTENDED: "working",
    Action.DELETED: "done",
    Action.FOUND_GONE: "done",
}
"""For requests to delete a key. In other requests, these actions are about a key that was given up or replaced."""
_KEY: Mapping[str, str] = {
    Action.CREATED: WAITING,
    Action.SHOWN: IN_USE,
    Action.CONFIRMED: IN_USE,
    Action.UNDELIVERED: DELETING,
    Action.UNCLAIMED: DELETING,
    Action.RETIRED: DELETING,
    Action.FOUND_ORPHANED: ORPHANED,
    Action.DELETED: DELETED,
    Action.FOUND_GONE: DELETED,
}
_FIRST = frozenset({Action.CREATED, Action.FOUND_ORPHANED})
"""The actions from which on a key counts. Keys created elsewhere can be deleted through Latchkey, and don't count."""


class Census:
    """Counts for metrics. No decision depends on it. Keeps about 150 bytes for each request while the process runs."""

    def __init__(self) -> None:
        self.requests = Counter[str]()
        self.keys = Counter[str]()
        self._seen = 0
        self._states = dict[str, str]()
        self._key_states = dict[str, str]()
        self._deletions = set[str]()

    def take(self, seq: int, action: str, request: str | None, details: Mapping[str, object]) -> None:
        """Learn from a line. Lines come in the order of their numbers; one that was taken before changes nothing."""
        if seq <= self._seen:
            return
        self._seen = seq
        if request is not None:
            self._take_request(action, request, details.get("operation"))
        if isinstance(key := details.get("key"), str) and action in _KEY:
            # A key that is gone already is retired with a `why`. One that is too old has none: it's deleted next.
            is_gone = action == Action.RETIRED and "why" in details
            self._take_key(DELETED if is_gone else _KEY[action], action, key)

    @property
    def seen(self) -> int:
        """The number of the last line that was taken."""
        return self._seen

    @property
    def deleted(self) -> int:
        """Keys that are gone."""
        return self.keys[DELETED]

    def requests_known(self) -> Mapping[str, tuple[str, bool]]:
        """The state of each request that was sent, and whether it is to delete a key."""
        return {request: (state, request in self._deletions) for request, state in self._states.items()}

    def keys_known(self) -> Mapping[str, str]:
        """The state of each key that still exists."""
        return dict(self._key_states)

    def begin(self, seq: int, requests: Mapping[str, tuple[str, bool]], keys: Mapping[str, str], deleted: int) -> None:
        """Start from the states after line `seq`, in place of all counts so far, unless that line was taken already."""
        if seq <= self._seen:
            return
        self._seen = seq
        self._states = {request: state for request, (state, _) in requests.items()}
        self._deletions = {request for request, (_, is_deletion) in requests.items() if is_deletion}
        self._key_states = dict(keys)
        for counter, states in ((self.requests, self._states), (self.keys, self._key_states)):
            counter.clear()  # in place: metrics hold it
            counter.update(states.values())
        self.keys[DELETED] = deleted

    def become(self, other: "Census") -> None:
        """Take over the counts of another census, in place of all counts so far."""
        self._seen = -1
        self.begin(other.seen, other.requests_known(), other.keys_known(), other.deleted)

    def _take_request(self, action: str, request: str, operation: object) -> None:
        if action == Action.SUBMITTED and operation == Operation.DELETE:
            self._deletions.add(request)
        state = _REQUEST.get(action) or (_DELETION.get(action) if request in self._deletions else None)
        # A line about a request that was never sent is about a refusal, or about a key without a record.
        if state is None or (request not in self._states and action != Action.SUBMITTED):
            return
        self.requests[self._states.get(request, "")] -= 1
        self.requests[state] += 1
        self._states[request] = state

    def _take_key(self, state: str, action: str, key: str) -> None:
        if key not in self._key_states and action not in _FIRST:
            return
        self.keys[self._key_states.pop(key, "")] -= 1
        self.keys[state] += 1
        if state != DELETED:
            self._key_states[key] = state
