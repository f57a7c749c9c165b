"""Builds the rows of `bot.domain.reports.rows` from the audit log alone, as they were at one moment.

It keeps about 2 kB for each request until the log was read to its end: only then is the log verified, and until then
any line may change a row. Lines of older versions don't say all that later ones do; such a cell is `UNKNOWN`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from bot.domain.audit import SYSTEM, Action, ends_use
from bot.domain.keys import NewServiceAccount, Operation
from bot.domain.kinds import Kind
from bot.domain.reports import rows
from bot.domain.reports.rows import UNKNOWN, Cell, KeyRow, RequestRow, moment

_OUTCOMES: Mapping[str, str] = {
    Action.CREATE_INTENDED: rows.APPROVED,
    Action.EDIT_INTENDED: rows.APPROVED,
    Action.REPLACEMENT_ASKED: rows.APPROVED,
    Action.CREATED: rows.READY,
    Action.SHOWN: rows.SHOWN,
    Action.CONFIRMED: rows.SHOWN,
    Action.EDITED: rows.DONE,
    Action.EXTENDED: rows.DONE,
    Action.DENIED: rows.DENIED,
    Action.CANCELLED: rows.CANCELLED,
    Action.EXPIRED: rows.EXPIRED,
    Action.FAILED: rows.FAILED,
    Action.UNDELIVERED: rows.UNDELIVERED,
    Action.UNCLAIMED: rows.UNCLAIMED,
    Action.RETIRED: rows.RETIRED,
}
_OF_A_DELETION: Mapping[str, str] = {
    Action.DELETE_INTENDED: rows.APPROVED,
    Action.DELETED: rows.DONE,
    Action.FOUND_GONE: rows.DONE,
}
_FINAL = frozenset({rows.DENIED, rows.CANCELLED, rows.EXPIRED, rows.FAILED, rows.DONE})
"""Outcomes that stay. A later line is about an effect at Confluent that Latchkey had given up on."""
_OVER = _FINAL | {rows.UNDELIVERED, rows.UNCLAIMED, rows.RETIRED}
_BY_PEOPLE = frozenset({rows.DENIED, rows.CANCELLED, rows.RETIRED})
_KEYS: Mapping[str, str] = {
    Action.SHOWN: rows.IN_USE,
    Action.CONFIRMED: rows.IN_USE,
    Action.UNDELIVERED: rows.DELETING,
    Action.UNCLAIMED: rows.DELETING,
    Action.RETIRED: rows.DELETING,
}
_GONE = frozenset({Action.DELETED, Action.FOUND_GONE})


@dataclass(slots=True)
class _Key:
    request: str
    created_at: str | None
    state: str
    ends_at: str
    name: str | None = None
    """The name after an edit; None if it still has the requested one."""


@dataclass(slots=True)
class _Asked:
    """A request, as its lines so far describe it."""

    at: str | None
    details: Mapping[str, str]
    outcome: str
    rule: str
    approvals: dict[str, str | None] | None = field(default_factory=dict[str, str | None])
    """When each approval that counts was given, by Slack ID; None if the log doesn't say which still count."""
    account: str = ""
    key: str | None = None
    ended_by: str | None = None
    ended_at: str | None = None
    ended_why: str | None = None
    glass: str | None = None
    """The outcome of the use of break-glass; None for a request without one."""


class Ledger:
    """Takes all lines of the log in order, and uses those that were written no later than `until`.

    With `keys_only`, it forgets each request when its key is gone, and has no complete rows of requests.
    """

    def __init__(self, until: datetime, *, keys_only: bool = False) -> None:
        self._until, self._keys_only = until, keys_only
        self._asked = dict[str, _Asked]()
        self._keys = dict[str, _Key]()
        self._kept = dict[str, tuple[str, datetime, datetime]]()
        self.last: tuple[int, str] | None = None
        """Number and hash of the last line that counts."""

    def take(self, line: Mapping[str, object]) -> None:
        """Learn from the next line."""
        at = datetime.fromisoformat(str(line["at"]))
        if at > self._until:
            return
        self.last = (cast("int", line["seq"]), str(line["hash"]))
        action, actor, request = str(line["action"]), str(line["actor"]), str(line["request"])
        said = cast("Mapping[str, object]", line["details"] or {})
        details = {name: str(value) for name, value in said.items()}
        if action in {Action.SUBMITTED, Action.PAIRED}:
            self._submitted(request, at, details)
        elif asked := self._asked.get(request):
            self._go_on(asked, action, actor, at, details)
        if key := details.get("key"):
            self._take_key(key, request, action, at, details)
        if action == Action.KEPT:
            self._kept[details["key"]] = (actor, at, datetime.fromisoformat(details["until"]))
        if self._keys_only and (asked := self._asked.get(request)) and asked.outcome in _FINAL:
            del self._asked[request]

    def key_rows(self) -> Iterator[KeyRow]:
        """Every key that existed then, sorted by the IDs of their requests."""
        for id_, key in sorted(self._keys.items(), key=lambda item: (item[1].request, item[0])):
            yield self._key_row(id_, key, self._asked.get(key.request))

    def request_rows(self) -> Iterator[RequestRow]:
        """Every request that was sent until then, sorted by ID."""
        for id_, asked in sorted(self._asked.items()):
            yield _request_row(id_, asked)

    def _submitted(self, request: str, at: datetime, details: Mapping[str, str]) -> None:
        outcome = _after(details, rows.UNDECIDED)
        kept = {name: details[name] for name in _COLUMNS if name in details}
        key = None if details.get("operation") in _MAKES else details.get("key")
        glass = rows.UNREVIEWED if "break_glass" in details else None
        asked = _Asked(moment(at), kept, outcome, details.get("rule", UNKNOWN), key=key, glass=glass)
        if first := self._asked.get(details.get("beside", "")):  # the second key of a pair, under the same approvals
            asked.at, asked.approvals = first.at, first.approvals
        self._asked[request] = asked

    def _go_on(self, asked: _Asked, action: str, actor: str, at: datetime, details: Mapping[str, str]) -> None:
        if action == Action.ACCOUNT_CREATED:
            asked.account = details["account"]
        if asked.glass and ends_use(action, details):
            asked.glass = details.get("outcome", rows.FAILED)
        if asked.outcome in _FINAL:
            return
        if action in {Action.APPROVED, Action.TERMS_CHANGED}:
            asked.rule = details.get("rule", asked.rule)
            _count(asked, action, actor, at, details)
        outcome = _OUTCOMES.get(action)
        if asked.details.get("operation") == Operation.DELETE:
            outcome = _OF_A_DELETION.get(action, outcome)
        elif action in _GONE and "attempt" in details:
            asked.outcome, asked.key, asked.ended_at, asked.ended_why = rows.APPROVED, None, None, None
        if outcome is None:
            return
        asked.outcome, asked.ended_at = outcome, moment(at) if outcome in _OVER else None
        asked.ended_by = actor if outcome in _BY_PEOPLE and actor != SYSTEM else None
        asked.ended_why = _why(action, details)
        if asked.details.get("operation") in _MAKES:
            asked.key = None if action == Action.REPLACEMENT_ASKED else details.get("key", asked.key)

    def _take_key(self, id_: str, request: str, action: str, at: datetime, details: Mapping[str, str]) -> None:
        key = self._keys.get(id_)
        if action == Action.CREATED or (action == Action.FOUND_ORPHANED and key is None):
            state = rows.WAITING if action == Action.CREATED else rows.ORPHANED
            made_at = moment(at) if action == Action.CREATED else UNKNOWN
            self._keys[id_] = _Key(request, made_at, state, _moment(details.get("ends_at")))
            return
        if key is None:
            return
        # A key that is gone already is retired with a `why`. One that is too old has none: it's deleted next.
        if action in _GONE or (action == Action.RETIRED and "why" in details):
            self._forget(id_, key)
        elif action == Action.FOUND_ORPHANED:
            key.state = rows.ORPHANED
        elif action == Action.END_MOVED:
            key.ends_at = _moment(details.get("ends_at"))
        elif action == Action.EDITED:
            key.name = details.get("new_name")
        else:
            key.state = _KEYS.get(action, key.state)

    def _forget(self, id_: str, key: _Key) -> None:
        del self._keys[id_]
        self._kept.pop(id_, None)
        asked = self._asked.get(key.request)
        if self._keys_only and asked and asked.outcome in {rows.UNCLAIMED, rows.RETIRED}:
            del self._asked[key.request]

    def _key_row(self, id_: str, key: _Key, asked: _Asked | None) -> KeyRow:
        said: Mapping[str, str] = asked.details if asked else {}
        by, at, until = self._kept.get(id_, (None, None, self._until))
        holds = self._until < until
        return KeyRow(
            key=id_,
            state=key.state,
            owner=(asked.account if asked else "") or _owner(said),
            kind=said.get("kind", UNKNOWN),
            environment=_environment(said),
            resource=said.get("resource", UNKNOWN),
            name=key.name if key.name is not None else said.get("name", UNKNOWN),
            requester=said.get("requester", UNKNOWN),
            principal=said.get("principal", UNKNOWN),
            request=key.request,
            created_at=key.created_at,
            ends_at=key.ends_at,
            rule=asked.rule if asked else UNKNOWN,
            **_approvals(asked),
            replaces=_replaced(said),
            reviewed_by=by if holds else None,
            reviewed_at=moment(at) if holds else None,
            reviewed_until=moment(until) if holds and by else None,
            break_glass=asked.glass if asked else UNKNOWN,
        )


_MAKES = frozenset({Operation.CREATE.value, Operation.ROTATE.value})
_COLUMNS = (
    "operation", "requester", "principal", "owner", "kind", "environment", "resource", "key", "name", "reason",
    "ticket",
)  # fmt: skip
"""The details of a request that are kept."""


def _request_row(id_: str, asked: _Asked) -> RequestRow:
    said = asked.details
    return RequestRow(
        request=id_,
        operation=said.get("operation", UNKNOWN),
        outcome=asked.outcome,
        requester=said.get("requester", UNKNOWN),
        principal=said.get("principal", UNKNOWN),
        owner=said.get("owner", UNKNOWN),
        kind=said.get("kind", UNKNOWN),
        environment=_environment(said),
        resource=said.get("resource", UNKNOWN),
        key=asked.key,
        replaces=_replaced(said),
        name=said.get("name", UNKNOWN),
        reason=said.get("reason", UNKNOWN),
        asked_at=asked.at,
        rule=asked.rule,
        **_approvals(asked),
        ended_by=asked.ended_by,
        ended_at=asked.ended_at,
        ended_why=asked.ended_why,
        ticket=said.get("ticket"),
        break_glass=asked.glass,
    )


def _after(details: Mapping[str, str], unsaid: str) -> str:
    """The outcome, if the line says how many approvals are missing, or else `unsaid`."""
    missing = details.get("missing")
    return unsaid if missing is None else rows.APPROVED if missing == "0" else rows.PENDING


def _count(asked: _Asked, action: str, actor: str, at: datetime, details: Mapping[str, str]) -> None:
    """Update which approvals count after this line."""
    before, counted = asked.approvals, details.get("approvals")
    if action == Action.APPROVED:
        asked.outcome = _after(details, rows.UNDECIDED)
        if before is not None:
            asked.approvals = {**before, actor: moment(at)}
    if counted is not None:
        known = asked.approvals or {actor: moment(at)}
        asked.approvals = {each: known.get(each) for each in counted.split()}
    elif action == Action.TERMS_CHANGED and before:
        asked.approvals = None  # under other terms they may no longer count, and this line doesn't say


def _why(action: str, details: Mapping[str, str]) -> str | None:
    if action == Action.DENIED:
        return details.get("reason") or None
    said = {Action.FAILED.value: "happened", Action.UNDELIVERED.value: "why"}.get(action, "")
    return rows.words(details.get(said, "")) or None


def _approvals(asked: _Asked | None) -> dict[str, Cell]:
    if asked is None or asked.approvals is None:
        return {"approved_by": UNKNOWN, "approved_at": UNKNOWN}
    times = [each for each in asked.approvals.values() if each]
    return {"approved_by": tuple(asked.approvals), "approved_at": max(times, default=None)}


def _owner(said: Mapping[str, str]) -> str:
    owner = said.get("owner", UNKNOWN)
    return UNKNOWN if owner == _NEW else owner


_NEW = NewServiceAccount("", "").kind


def _environment(said: Mapping[str, str]) -> str | None:
    kind = said.get("kind", "")
    is_wide = kind in set(Kind) and Kind(kind).row.is_wide
    return said.get("environment", None if is_wide else UNKNOWN)


def _replaced(said: Mapping[str, str]) -> str | None:
    return said.get("key") if said.get("operation") == Operation.ROTATE else None


def _moment(said: str | None) -> str:
    """When a key expires, from the log: as `rows.moment`, `NEVER`, or `UNKNOWN`."""
    if said in {None, rows.NEVER}:
        return said or UNKNOWN
    return moment(datetime.fromisoformat(str(said))) or UNKNOWN
