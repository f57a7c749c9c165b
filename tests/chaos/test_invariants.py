"""The checks of `make chaos` can fail: each kind of broken invariant, planted into a small end, is found."""

import inspect
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bot.domain.access import GivenBinding, State, WantedBinding
from bot.domain.approvals import GlassReview, GlassUse
from bot.domain.audit import LEAP, Action
from bot.domain.keys import Operation, Principal
from bot.domain.requests import (
    Approved,
    Confirmed,
    Done,
    Keyed,
    Life,
    Ready,
    ReplacedKey,
    Request,
    Retired,
    Shown,
    Unclaimed,
    Working,
)
from chaos import invariants
from chaos.invariants import End, check
from sandbox.confluent.organization import Changed
from tests.support.build import (
    DANA,
    DAY,
    HOUR,
    NOW,
    REGISTRY,
    a_change,
    a_grant,
    a_key,
    an_ask,
    failed,
    pending,
    ready,
    terms,
)

KEY, GONE, EDITED, ORPHAN = "KEY0000000000001", "KEY0000000000002", "KEY0000000000009", "KEY0000000000007"
SECRET = "cflt" + "A" * 60
OTHER = "cflt" + "B" * 60


def keyed(kind: type[Keyed], id_: str, key: str, **own: Any) -> Any:
    ask = an_ask(id=id_)
    return kind(ask, terms(), a_grant(ask=ask), 1, a_key(key, f"[lk:{id_}/1]"), **own)


def half_of_a_pair(kind: type[Keyed], id_: str = "R1", key: str = KEY, **own: Any) -> Any:
    ask = an_ask(id=id_, also=REGISTRY)
    return kind(ask, terms(), a_grant(ask=ask), 1, a_key(key, f"[lk:{id_}/1]"), **own)


def by_break_glass(ends_at: datetime, **own: Any) -> Any:
    made = keyed(Confirmed, "R5", KEY, shown_at=NOW, at=NOW)
    return replace(made, grant=replace(made.grant, glass=GlassUse("Orders are down.", NOW, ends_at, **own)))


REQUESTS: dict[str, Request] = {
    "R1": keyed(Confirmed, "R1", KEY, shown_at=NOW, at=NOW),
    "R2": keyed(Unclaimed, "R2", GONE, at=NOW, deleted_at=NOW),
    "R3": pending(ask=an_ask(id="R3"), expires_at=NOW + DAY),
    "R4": Done(a_change(Operation.EDIT, id="R4"), terms(), a_grant(), 1, at=NOW),
}
LINES: tuple[tuple[Action, dict[str, str]], ...] = (
    (Action.CREATED, {"key": KEY}),
    (Action.SHOW_INTENDED, {"key": KEY}),
    (Action.SHOWN, {"key": KEY}),
    (Action.CREATED, {"key": GONE}),
    (Action.DELETE_INTENDED, {"key": GONE}),
    (Action.DELETED, {"key": GONE}),
    (Action.EDIT_INTENDED, {"key": EDITED}),
    (Action.EDITED, {"key": EDITED}),
    (Action.ACCOUNT_CREATED, {"account": "sa-1"}),
    (Action.ACCOUNT_EDIT_INTENDED, {"account": "sa-1"}),
    (Action.ACCOUNT_EDITED, {"account": "sa-1"}),
)
CHANGES = (
    ("create", KEY),
    ("create", GONE),
    ("delete", GONE),
    ("edit", EDITED),
    ("account", "sa-1"),
    ("account edit", "sa-1"),
)


def lines(*told: tuple[Action, dict[str, str]]) -> list[dict[str, Any]]:
    return [
        {"seq": seq, "hash": f"{seq:064x}", "action": action, "request": None, "was": None, "details": details}
        for seq, (action, details) in enumerate(told, 1)
    ]


def changed(*what: tuple[Any, str]) -> list[Changed]:
    return [Changed(NOW, kind, id_) for kind, id_ in what]


def an_end(**fields: Any) -> End:
    """An end at which everything holds, but for these fields."""
    usual: dict[str, Any] = {
        "now": NOW + HOUR,
        "requests": REQUESTS,
        "agenda": {"request:R1": NOW + 30 * DAY, "request:R3": NOW + DAY, "catalog": NOW + 2 * HOUR},
        "lines": lines(*LINES),
        "heads": {(2, f"{2:064x}")},
        "changes": changed(*CHANGES),
        "keys": {KEY: "reads orders [lk:R1/1]", EDITED: "by hand"},
        "accounts": {"sa-1": "reads clicks"},
        "secrets": {KEY: SECRET, GONE: OTHER},
        "sent": ["hello", f"API secret: {SECRET}"],
        "kept": {"Redis": "sealed"},
        "logs": {"bot-0.log": '{"event": "ready"}'},
    }
    return End(**(usual | fields))


def uses(*of: str) -> list[dict[str, Any]]:
    """Uses of one person, one after the other."""
    told = lines(*LINES, *((Action.GLASS_USED, {"principal": "u-dana"}) for _ in of))[len(LINES) :]
    return [line | {"request": request} for line, request in zip(told, of, strict=True)]


def created_by_glass(request: str) -> dict[str, Any]:
    (line,) = lines((Action.CREATED, {"key": GONE}))
    return line | {"request": request}


def requests(**instead: Request) -> dict[str, dict[str, Request]]:
    return {"requests": REQUESTS | instead}


def without(*actions: Action) -> dict[str, Any]:
    return {"lines": lines(*(each for each in LINES if each[0] not in actions))}


def more(*told: tuple[Action, dict[str, str]]) -> dict[str, Any]:
    return {"lines": lines(*LINES, *told)}


def lost(*, announced: int, deleted: int) -> dict[str, Any]:
    """A key that no record ever had, as those tell of it who looked for it."""
    told = [(Action.DELETE_INTENDED, {"key": ORPHAN})] * announced + [(Action.DELETED, {"key": ORPHAN})] * deleted
    return {
        **more(*told),
        "changes": changed(*CHANGES, ("create", ORPHAN), ("delete", ORPHAN)),
        "secrets": {**an_end().secrets, ORPHAN: "cflt" + "C" * 60},
    }


def rotated(deleted_at: datetime | None) -> Life:
    return Life(former=ReplacedKey(NOW, deleted_at=deleted_at))


DOUBLED, ORPHANED = "no key is doubled", "no key is orphaned"
PAIRS = "both keys or neither"
SECOND_USE, TOLD = "no second use before the review", "everyone is told of a use"
OVERDUE = "an overdue review is told"
REVIEW, OWN_REVIEW = "each use that made a key is reviewed", "no one reviews a use of their own"
OUTLIVES = "no key by break-glass outlives its end"
ACCOUNTS, ACCOUNT = "no account is doubled", "no account is orphaned"
TRUE, STUCK, AGENDA = "each record is true", "no request is stuck", "the agenda is done"
ONCE, KEPT, AGREE = "each secret is shown once", "no secret is kept", "the logs agree"
CHAIN, ACKS, FALLS, TRACEBACK = "the audit chain holds", "no ack takes over 3 s", "no process falls", "no traceback"
OLD_KEY = a_change(Operation.ROTATE, id="R5")
BOUND = ("sa-1", "DeveloperWrite", "crn://confluent.cloud/organization=o-1/environment=env-1/topic=orders-*")
WANTED = WantedBinding("DeveloperWrite", "environment=env-1/topic=orders-*")
CREATED_BINDING = changed(*CHANGES, ("role binding", "rb-1"))


def with_access(state: State) -> dict[str, dict[str, Request]]:
    """A confirmed key that came with access."""
    given = GivenBinding(WANTED, state, Principal("sa-1"), "rb-1")
    grant = replace(a_grant(), bindings=(given,))
    confirmed: Confirmed = keyed(Confirmed, "R1", KEY, shown_at=NOW, at=NOW)
    return requests(R1=replace(confirmed, grant=grant))


PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "two keys of one request": (DOUBLED, {"keys": {KEY: "[lk:R1/1]", EDITED: "", ORPHAN: "[lk:R1/2]"}}),
    "one key created twice": (DOUBLED, more((Action.CREATED, {"key": KEY}))),
    "two role bindings of the same": ("no role binding is doubled", {"bindings": {"rb-1": BOUND, "rb-2": BOUND}}),
    "a role binding that no record has": (
        "no role binding is orphaned",
        {"bindings": {"rb-1": BOUND}, "changes": CREATED_BINDING},
    ),
    "a role binding that is said to be gone": (
        "no role binding is orphaned",
        {"bindings": {"rb-1": BOUND}, "changes": CREATED_BINDING, **with_access("removed")},
    ),
    "a role binding that nobody deletes": (
        "no role binding is orphaned",
        {"bindings": {"rb-1": BOUND}, "changes": CREATED_BINDING, **with_access("unwanted")},
    ),
    "a role binding of someone else": (
        "no role binding of others is removed",
        {"changes": changed(*CHANGES, ("role binding delete", "rb-9"))},
    ),
    "one key of a pair in use": (PAIRS, requests(R1=half_of_a_pair(Confirmed, shown_at=NOW, at=NOW))),
    "a second key that stays": (
        PAIRS,
        requests(
            R2=half_of_a_pair(Unclaimed, "R2", GONE, at=NOW, deleted_at=NOW),
            **{"R2-2": keyed(Confirmed, "R2-2", KEY, shown_at=NOW, at=NOW)},
        ),
    ),
    "a secret of a pair that is shown alone": (
        PAIRS,
        requests(R1=half_of_a_pair(Confirmed, shown_at=NOW, at=NOW))
        | {"lines": lines((Action.CREATED, {"key": KEY, "marker": "[lk:R1/1]"}), *LINES[1:])},
    ),
    "a second use before the review": (SECOND_USE, {"lines": [*an_end().lines, *uses("R5", "R6")]}),
    "a use that made a key and has no record of it": (
        REVIEW,
        {
            **requests(R5=replace(failed(), ask=an_ask(id="R5", break_glass=True))),
            "lines": [*an_end().lines, created_by_glass("R5")],
        },
    ),
    "a use that its own user reviewed": (
        OWN_REVIEW,
        requests(R5=by_break_glass(NOW + DAY, review=GlassReview("justified", DANA, NOW))),
    ),
    "a review that is overdue, of which no one was told": (
        OVERDUE,
        requests(R5=by_break_glass(NOW + DAY)) | {"now": NOW + 4 * DAY},
    ),
    "a use that no one was told of": (TOLD, requests(R5=by_break_glass(NOW + DAY))),
    "a key by break-glass that goes on": (OUTLIVES, requests(R5=by_break_glass(NOW))),
    "a key that no record has": (ORPHANED, {"requests": {id_: REQUESTS[id_] for id_ in ("R2", "R3", "R4")}}),
    "two accounts of one request": (
        ACCOUNTS,
        {
            "accounts": {"sa-1": "[lk:R1/0]", "sa-2": "[lk:R1/0]"},
            "agenda": {**an_end().agenda, "account:R1": NOW + DAY},
        },
    ),
    "an account that waits for nobody": (ACCOUNT, {"accounts": {"sa-1": "reads clicks [lk:R1/0]"}}),
    "a confirmed key that is gone": (TRUE, {"keys": {EDITED: "by hand"}}),
    "a ready key that is gone": (
        TRUE,
        requests(R5=keyed(Ready, "R5", ORPHAN, endpoints=ready().endpoints, claim_by=NOW + DAY)),
    ),
    "an unclaimed key that is there": (TRUE, {"keys": {KEY: "[lk:R1/1]", GONE: "[lk:R2/1]"}}),
    "a deletion that was none": (TRUE, requests(R5=Done(a_change(Operation.DELETE), terms(), a_grant(), 1, at=NOW))),
    "an old key that was to be deleted": (
        TRUE,
        requests(R5=Shown(OLD_KEY, terms(), a_grant(), 1, a_key(KEY), at=NOW, life=rotated(NOW))),
    ),
    "a record that does not open": (STUCK, {"unreadable": ["R9: it does not open"]}),
    "an approval that nobody carries out": (
        STUCK,
        requests(R5=Approved(an_ask(id="R5"), terms(), a_grant(), 1, not_before=NOW + DAY)),
    ),
    "a create that nobody looks into": (
        STUCK,
        requests(R5=Working(an_ask(id="R5"), terms(), a_grant(), 1, sent_at=NOW, look_at=NOW)),
    ),
    "a request past its deadline": (STUCK, requests(R3=pending(ask=an_ask(id="R3"), expires_at=NOW))),
    "a key that is never deleted": (STUCK, requests(R2=keyed(Retired, "R2", GONE, at=NOW))),
    "an old key that is never deleted": (
        STUCK,
        requests(R5=Shown(OLD_KEY, terms(), a_grant(), 1, a_key(KEY), at=NOW, life=rotated(None))),
    ),
    "a deadline that is not on the agenda": (STUCK, {"agenda": {"request:R1": NOW + 30 * DAY}}),
    "a deadline that comes too late": (STUCK, {"agenda": {"request:R1": NOW + 30 * DAY, "request:R3": NOW + 2 * DAY}}),
    "an item that nobody takes": (AGENDA, {"agenda": {**an_end().agenda, "sweep:R1/1": NOW}}),
    "a lease of a dead process": (AGENDA, {"held": ["request:R1"]}),
    "a click that was lost": (AGENDA, {"clicks": ["c1"]}),
    "a click that still waits": (AGENDA, {"clicks": ["c1"], "agenda": {"click:c1": NOW + DAY}}),
    "a secret in two payloads": (ONCE, {"sent": [SECRET, f"again {SECRET}"]}),
    "a secret that was never sent": (ONCE, {"sent": []}),
    "a secret that nobody announced": (ONCE, {"sent": [SECRET, OTHER]}),
    "a secret in a log": (KEPT, {"logs": {"bot-0.log": f'{{"why": "{SECRET}"}}'}}),
    "a secret in Redis": (KEPT, {"kept": {"Redis": f"x{OTHER}x"}}),
    "a key created without a line": (AGREE, {"changes": changed(*CHANGES, ("create", ORPHAN))}),
    "a key deleted without a line": (AGREE, {"changes": changed(*CHANGES, ("delete", ORPHAN))}),
    "a key edited without a line": (AGREE, {"changes": changed(*CHANGES, ("edit", ORPHAN))}),
    "an account made without a line": (AGREE, {"changes": changed(*CHANGES, ("account", "sa-2"))}),
    "an account edited without a line": (AGREE, {"changes": changed(*CHANGES, ("account edit", "sa-2"))}),
    "an account deleted without a line": (AGREE, {"changes": changed(*CHANGES, ("account delete", "sa-2"))}),
    "a line of a create that was none": (AGREE, more((Action.CREATED, {"key": ORPHAN}))),
    "a line of an edit that was none": (AGREE, more((Action.EDITED, {"key": KEY}))),
    "a line of a deletion that was none": (AGREE, more((Action.DELETED, {"key": KEY}))),
    "a key deleted twice": (AGREE, more((Action.DELETED, {"key": GONE}))),
    "a key that Latchkey did not make, deleted twice": (
        AGREE,
        more(*[(Action.DELETE_INTENDED, {"key": EDITED})] * 2, *[(Action.DELETED, {"key": EDITED})] * 2)
        | {"keys": {KEY: "[lk:R1/1]"}, "changes": changed(*CHANGES, ("delete", EDITED))},
    ),
    "a lost key deleted more often than announced": (AGREE, lost(announced=1, deleted=2)),
    "an end without a line": (AGREE, without(Action.DELETED)),
    "a chain that does not hold": (CHAIN, {"distrust": ["line 3: its content was changed"]}),
    "a head that was told otherwise": (CHAIN, {"heads": {(2, "f" * 64)}}),
    "a line that was told of and is gone": (CHAIN, {"heads": {(99, "f" * 64)}}),
    "a late ack": (ACKS, {"late": ["block_actions"]}),
    "a process that ended": (FALLS, {"fallen": ["bot-0.log: ended by itself with 1"]}),
    "a stack trace": (TRACEBACK, {"logs": {"bot-0.log": 'ok\n{"exception": "Traceback (most recent call last):"}'}}),
}


def test_an_end_at_which_everything_holds_breaks_nothing() -> None:
    assert check(an_end()) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(planted: str) -> None:
    invariant, fields = PLANTED[planted]
    assert invariant in {broken.invariant for broken in check(an_end(**fields))}


def test_a_role_binding_that_is_on_record_breaks_nothing() -> None:
    there: dict[str, Any] = {"bindings": {"rb-1": BOUND}, "changes": CREATED_BINDING}

    assert check(an_end(**there, **with_access("given"))) == []
    soon = {**an_end().agenda, "bindings:R1": NOW + DAY}
    assert check(an_end(**there, **with_access("unwanted"), agenda=soon)) == []


def test_every_invariant_has_something_planted() -> None:
    named = set(re.findall(r'Broken\(\s*"([^"]+)"', inspect.getsource(invariants)))
    assert {invariant for invariant, _ in PLANTED.values()} == named


def test_a_key_that_confluent_ended_by_itself_is_missed_by_nobody() -> None:
    ended = an_end(keys={EDITED: "by hand"}, changes=changed(*CHANGES, ("expire", KEY)))
    assert check(ended) == []


@pytest.mark.parametrize(("announced", "deleted"), [(1, 1), (2, 1), (2, 2)])
def test_a_lost_key_that_was_found_and_deleted_needs_no_line_of_its_creation(announced: int, deleted: int) -> None:
    assert check(an_end(**lost(announced=announced, deleted=deleted))) == []


@pytest.mark.parametrize(("was", "expected"), [(LEAP, [AGREE]), (LEAP + 1, [])])
def test_a_key_may_be_said_to_be_deleted_by_a_try_that_came_after_another(was: int, expected: list[str]) -> None:
    ends = more((Action.DELETED, {"key": GONE}))
    ends["lines"][-1]["was"] = was

    assert [broken.invariant for broken in check(an_end(**ends))] == expected
