"""What must hold at the end of a run, whatever happened before. Pure: each check reads an `End`."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from bot.domain.audit import LEAP, Action, ends_use
from bot.domain.deadlines import due, glass_of
from bot.domain.keys import Marker, Operation
from bot.domain.requests import (
    Approved,
    Done,
    Failed,
    Keyed,
    Living,
    Ready,
    Request,
    Retired,
    Revealing,
    Unclaimed,
    Undelivered,
    Working,
)
from bot.domain.roles import Scope
from bot.services.keys.role_bindings import bindings_of
from sandbox.confluent.organization import Changed

Line: TypeAlias = Mapping[str, Any]
LATE = timedelta(minutes=1)
"""Work that has been due for this long is stuck."""
IN_MOTION = Approved | Working | Revealing
"""States that no request stays in."""
ENDED = Retired | Unclaimed | Undelivered
_SECRET = re.compile(r"cflt[A-Za-z0-9+/]{60}")
INTENT = {
    "delete": (Action.DELETE_INTENDED, "key"),
    "edit": (Action.EDIT_INTENDED, "key"),
    "account edit": (Action.ACCOUNT_EDIT_INTENDED, "account"),
    "account delete": (Action.ACCOUNT_DELETE_INTENDED, "account"),
}
"""For each change of something with an ID: the audit line that comes before it, and the detail with the ID."""
OUTCOME = {
    Action.CREATED: ("create", "key"),
    Action.EDITED: ("edit", "key"),
    Action.DELETED: ("delete", "key"),
    Action.ACCOUNT_CREATED: ("account", "account"),
    Action.ACCOUNT_EDITED: ("account edit", "account"),
    Action.ACCOUNT_DELETED: ("account delete", "account"),
}
"""For each audit line about an outcome: the change at Confluent, and the detail with the ID."""


@dataclass(frozen=True, kw_only=True)
class End:
    """A recorded end: what Redis, Confluent, Slack and the audit log contain, and what the processes logged."""

    now: datetime
    requests: Mapping[str, Request]
    unreadable: Sequence[str] = ()
    """Records that don't open, and why."""
    agenda: Mapping[str, datetime]
    """When each item is due, by its stored name."""
    held: Collection[str] = ()
    """Items with a lease, and items that were put aside."""
    clicks: Collection[str] = ()
    """Clicks that were acknowledged and not carried out yet."""
    lines: Sequence[Line]
    distrust: Sequence[str] = ()
    """What `audit verify` finds wrong with the log."""
    heads: Collection[tuple[int, str]] = ()
    """Number and hash of the audit lines that processes logged."""
    archived: Collection[str] = ()
    """The last line of each archive, as `--head` takes it."""
    changes: Sequence[Changed]
    """Confluent's own log of changes."""
    keys: Mapping[str, str]
    """The descriptions of the keys at Confluent, by ID."""
    accounts: Mapping[str, str]
    """The descriptions of the service accounts there, by ID."""
    bindings: Mapping[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    """The role bindings there, by ID: principal, role, and the CRN of the place."""
    secrets: Mapping[str, str]
    """The secret of each key that was created."""
    sent: Sequence[str]
    """Each payload that a bot sent to Slack."""
    kept: Mapping[str, str]
    """Where no secret may be, besides `logs`, by name: stored messages, and what is in Redis."""
    logs: Mapping[str, str]
    """What each process logged, by name."""
    late: Sequence[str] = ()
    """Acks that took more than three seconds although their process wasn't stopped."""
    fallen: Sequence[str] = ()
    """Processes that ended by themselves, or didn't become ready again."""


@dataclass(frozen=True, order=True)
class Broken:
    """An invariant that doesn't hold, and what it takes to look into it."""

    invariant: str
    what: str
    about: str = ""
    """The request or the key."""


def check(end: End) -> list[Broken]:
    """Everything that doesn't hold, sorted."""
    return sorted({broken for each in CHECKS for broken in each(end)})


def _doubled(end: End) -> Iterator[Broken]:
    for request, number in _marked(end.keys).items():
        if number > 1:
            yield Broken("no key is doubled", f"{number} keys carry the marker of request {request}", request)
    for request, number in _marked(end.accounts).items():
        if number > 1:
            yield Broken("no account is doubled", f"{number} accounts carry the marker of request {request}", request)
    told = Counter(str(line["details"]["key"]) for line in end.lines if line["action"] == Action.CREATED)
    for key, number in told.items():
        if number > 1:
            yield Broken("no key is doubled", f"{number} lines say that {key} was created", key)


def _marked(described: Mapping[str, str]) -> Counter[str]:
    """How many of these carry the marker of each request."""
    return Counter(str(marker.request) for text in described.values() if (marker := Marker.find(text)))


def _orphaned(end: End) -> Iterator[Broken]:
    known = {str(each.key.id): each for each in end.requests.values() if isinstance(each, Keyed)}
    for key in end.secrets.keys() & end.keys.keys():
        if key not in known:
            yield Broken("no key is orphaned", f"{key} ({end.keys[key]}) is there, and no record has it", key)
    marked = ((id_, Marker.find(text)) for id_, text in end.accounts.items())
    for account, marker in marked:
        if marker and f"account:{marker.request}" not in end.agenda:
            yield Broken(
                "no account is orphaned", f"{account} still carries {marker}, and nobody looks", marker.request
            )


def _access(end: End) -> Iterator[Broken]:
    """Each role binding that came with a key exists once and is on record, and no one else's is gone."""
    for binding, number in Counter(end.bindings.values()).items():
        if number > 1:
            yield Broken("no role binding is doubled", f"{number} times {' '.join(binding)}", binding[0])
    created = {each.id for each in end.changes if each.what == "role binding"}
    known = {
        (given.principal, given.wanted.role, given.wanted.path)
        for id_, request in end.requests.items()
        for given in bindings_of(request)
        if given.state == "given" or (given.state in {"intended", "unwanted"} and f"bindings:{id_}" in end.agenda)
    }
    for id_ in created & end.bindings.keys():
        principal, role, crn = end.bindings[id_]
        if (principal, role, Scope.parse(crn).path) not in known:
            yield Broken("no role binding is orphaned", f"{id_} ({role} at {crn}) is there, and no record has it", id_)
    for each in end.changes:
        if each.what == "role binding delete" and each.id not in created:
            yield Broken(
                "no role binding of others is removed", f"{each.id} was there before, and was deleted", each.id
            )


def _present(end: End) -> Iterator[Broken]:
    expired = {each.id for each in end.changes if each.what == "expire"}
    for id_, each in end.requests.items():
        if isinstance(each, Ready | Living) and each.key.id not in end.keys and each.key.id not in expired:
            yield Broken("each record is true", f"{each.kind} {id_}: its key {each.key.id} is gone", id_)
        gone = [each.key.id] if isinstance(each, ENDED) else []
        former = each.life.former if isinstance(each, Living | Retired) else None
        deleted = isinstance(each, Done) and each.ask.operation is Operation.DELETE
        if each.ask.key and (deleted or (former and former.deleted_at)):
            gone.append(each.ask.key.id)
        for key in gone:
            if key in end.keys:
                yield Broken("each record is true", f"{each.kind} {id_}: key {key} is still there", id_)


def _stuck(end: End) -> Iterator[Broken]:
    for why in end.unreadable:
        yield Broken("no request is stuck", f"a record does not open: {why}")
    for id_, each in end.requests.items():
        next_due = due(each)
        planned = end.agenda.get(f"request:{id_}")
        if isinstance(each, IN_MOTION):
            yield Broken("no request is stuck", f"{id_} is still {each.kind}, due {next_due}", id_)
        elif next_due and next_due <= end.now - LATE:
            yield Broken("no request is stuck", f"{each.kind} {id_} was due {next_due}", id_)
        elif next_due and (planned is None or planned > next_due + LATE):
            yield Broken("no request is stuck", f"{each.kind} {id_} is due {next_due}, the agenda has {planned}", id_)


def _agenda(end: End) -> Iterator[Broken]:
    for item, at in end.agenda.items():
        if at <= end.now - LATE:
            yield Broken("the agenda is done", f"{item} has been due since {at}", item)
    for item in end.held:
        yield Broken("the agenda is done", f"{item} is held, or put aside", item)
    for click in end.clicks:
        where = "waits" if f"click:{click}" in end.agenda else "has no place on the agenda"
        yield Broken("the agenda is done", f"click {click} was acknowledged, was not noted as done, and {where}", click)


def _shown_once(end: End) -> Iterator[Broken]:
    times = Counter(key for payload in end.sent for key in _secrets_in(payload, end))
    claimed = {line["details"]["key"] for line in end.lines if line["action"] == Action.SHOW_INTENDED}
    shown = {line["details"]["key"] for line in end.lines if line["action"] == Action.SHOWN}
    for key in end.secrets:
        if times[key] > 1 or (key in shown and not times[key]):
            yield Broken("each secret is shown once", f"that of {key} is in {times[key]} payloads", key)
        elif times[key] and key not in claimed:
            yield Broken("each secret is shown once", f"that of {key} was shown, and no line announced it", key)


def _pairs(end: End) -> Iterator[Broken]:
    """Both keys of a pair were shown in one message, and both are in use or neither is."""
    asks = {id_: each.ask.companion() for id_, each in end.requests.items()}
    companions = {id_: str(other.id) for id_, other in asks.items() if other}
    both = {id_: {id_, other} for id_, other in companions.items()}
    both |= {other: both[id_] for id_, other in companions.items()}
    marked = {line["details"]["key"]: Marker.find(line["details"]["marker"]) for line in _created(end)}
    of = {key: str(marker.request) for key, marker in marked.items() if marker}
    for payload in end.sent if both else ():
        shown = {of[key] for key in _secrets_in(payload, end) if key in of}
        for request in shown & both.keys():
            if not both[request] <= shown:
                yield Broken("both keys or neither", f"the secret of {request} was shown alone", request)
    for id_, other in companions.items():
        first, second = end.requests[id_], end.requests.get(other)
        if isinstance(first, Living) and not isinstance(second, Living | Retired):
            yield Broken("both keys or neither", f"{id_} is {first.kind}, and {other} isn't", id_)
        elif isinstance(first, Failed | Unclaimed | Undelivered) and isinstance(second, Ready | Revealing | Living):
            yield Broken("both keys or neither", f"{id_} is {first.kind}, and {other} {second.kind}", id_)


def _break_glass(end: End) -> Iterator[Broken]:
    """Between two uses by one person there is a review, and people are told about each use."""
    waiting, told = dict[str, str](), set[str]()
    for line in end.lines:
        request, action = str(line["request"]), line["action"]
        if action == Action.GLASS_USED:
            user = str(line["details"]["principal"])
            if first := waiting.get(user):
                yield Broken("no second use before the review", f"{user} used {first}, and then {request}", request)
            waiting[user] = request
        elif ends_use(action, line["details"]):
            waiting = {user: each for user, each in waiting.items() if each != request}
        elif action == Action.GLASS_TOLD:
            told.add(request)
    for id_, each in end.requests.items():
        if glass_of(each) and id_ not in told:
            yield Broken("everyone is told of a use", f"no line says that anyone was told of {id_}", id_)


def _uses(end: End) -> Iterator[Broken]:
    """Each use that created a key is on record until someone else reviews it, and its key ends in time."""
    made = {str(line["request"]) for line in end.lines if line["action"] == Action.CREATED}
    overdue = {str(line["request"]) for line in end.lines if line["action"] == Action.GLASS_OVERDUE}
    for id_, each in end.requests.items():
        glass = glass_of(each)
        if glass is None:
            if each.ask.break_glass and id_ in made:
                yield Broken("each use that made a key is reviewed", f"nothing is left to review of {id_}", id_)
            continue
        if not glass.review and glass.review_by + LATE < end.now and id_ not in overdue:
            yield Broken("an overdue review is told", f"no line says that the review of {id_} is overdue", id_)
        if glass.review and glass.review.by.principal == each.ask.requester.principal:
            yield Broken("no one reviews a use of their own", f"{id_} by {glass.review.by.slack}", id_)
        if isinstance(each, Living) and glass.ends_at + LATE < end.now:
            yield Broken("no key by break-glass outlives its end", f"{id_} is {each.kind}", id_)


def _created(end: End) -> Iterator[Line]:
    return (line for line in end.lines if line["action"] == Action.CREATED and "marker" in line["details"])


def _kept_nowhere(end: End) -> Iterator[Broken]:
    for place, text in (*end.kept.items(), *end.logs.items()):
        for key in _secrets_in(text, end):
            yield Broken("no secret is kept", f"that of {key} is in {place}", key)


def _secrets_in(text: str, end: End) -> set[str]:
    """The keys whose secrets are in a text."""
    found = _SECRET.findall(text)
    return {key for key, secret in end.secrets.items() if secret in found} if found else set()


def _agree(end: End) -> Iterator[Broken]:
    """Whether the audit log and Confluent's own log of changes agree."""
    told = {(line["action"], line["details"].get(name)) for line in end.lines for name in ("key", "account")}
    made = {"create": (Action.CREATED, Action.DELETE_INTENDED), "account": (Action.ACCOUNT_CREATED,)}
    made["account"] += (Action.ACCOUNT_DELETE_INTENDED,)
    for each in end.changes:
        wanted = made.get(each.what) or ((INTENT[each.what][0],) if each.what in INTENT else ())
        if wanted and not any((action, each.id) in told for action in wanted):
            yield Broken("the logs agree", f"{each.what} of {each.id} at {each.at} has no audit line", each.id)
    happened = {(each.what, each.id) for each in end.changes} | {
        ("delete", each.id) for each in end.changes if each.what == "expire"
    }
    for line in end.lines:
        what, name = OUTCOME.get(line["action"], ("", ""))
        about = str(line["details"].get(name))
        if what and (what, about) not in happened:
            yield Broken("the logs agree", f"line {line['seq']} says {line['action']} of {about}: it was not", about)
    yield from _deleted_once(end)
    yield from _told_of_the_end(end)


def _deleted_once(end: End) -> Iterator[Broken]:
    """One line says that a key was deleted; for a key that no record ever had, one for each announced deletion.

    A process that was killed, or had no answer, doesn't know whether it deleted the key. The next try finds it gone,
    and says that it was deleted, even if another request had done that: its line follows a change without a line.
    """
    said = {
        action: Counter(str(line["details"]["key"]) for line in end.lines if line["action"] == action)
        for action in (Action.CREATED, Action.DELETE_INTENDED, Action.DELETED)
    }
    deleted = (line for line in end.lines if line["action"] == Action.DELETED)
    again = Counter(str(line["details"]["key"]) for line in deleted if (line["was"] or 0) % LEAP)
    for key, number in said[Action.DELETED].items():
        is_lost = key in end.secrets and key not in said[Action.CREATED]
        if number > (said[Action.DELETE_INTENDED][key] if is_lost else 1 + again[key]):
            yield Broken("the logs agree", f"{number} lines say that {key} was deleted", key)


def _told_of_the_end(end: End) -> Iterator[Broken]:
    told = (Action.DELETED, Action.FOUND_GONE, Action.RETIRED)
    ended = {line["details"].get("key") for line in end.lines if line["action"] in told}
    for id_, each in end.requests.items():
        if isinstance(each, ENDED) and each.deleted_at and each.key.id not in ended:
            yield Broken("the logs agree", f"{each.kind} {id_}: no line says what became of {each.key.id}", id_)


def _chain(end: End) -> Iterator[Broken]:
    for why in end.distrust:
        yield Broken("the audit chain holds", why)
    hashes = {line["seq"]: line["hash"] for line in end.lines}
    for seq, found in end.heads:
        if hashes.get(seq) != found:
            yield Broken("the audit chain holds", f"a process told of line {seq} with another hash", str(seq))
    announced = {line["details"].get("last") for line in end.lines if line["action"] == Action.ARCHIVE_INTENDED}
    for last in end.archived:
        if last not in announced:
            yield Broken("the audit chain holds", f"the lines up to {last} were moved, and no line announced it")


def _processes(end: End) -> Iterator[Broken]:
    for why in end.late:
        yield Broken("no ack takes over 3 s", why)
    for why in end.fallen:
        yield Broken("no process falls", why)
    for name, text in end.logs.items():
        for line in text.splitlines():
            if "Traceback" in line or "Task exception was never retrieved" in line:
                yield Broken("no traceback", f"{name}: {line[:2000]}")


CHECKS: Sequence[Callable[[End], Iterator[Broken]]] = (
    _doubled,
    _orphaned,
    _access,
    _present,
    _stuck,
    _agenda,
    _shown_once,
    _pairs,
    _break_glass,
    _uses,
    _kept_nowhere,
    _agree,
    _chain,
    _processes,
)
