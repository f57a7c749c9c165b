"""Where a request and its key stand, in rows of rich text: for its requester ("you"), or for everybody else. Pure."""

from bot.domain.deadlines import earliest, lifetime
from bot.domain.keys import Operation, Person
from bot.domain.requests import (
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Done,
    Expired,
    Failed,
    Keyed,
    Offered,
    Pending,
    Ready,
    Request,
    Retired,
    Revealing,
    Shown,
    Undelivered,
    Withdrawn,
    Working,
)
from bot.slack.blocks.text import Bold, Code, Mention, Row, told

Rows = list[Row]
WAITS: Row = ["Its secret is waiting: run ", Code("/apikey requests"), " and select ", Bold("Show secret"), "."]
"""Where no button can show it."""
_CHECKING = " Latchkey is checking at Confluent whether a key was made, deletes it if so, and then tries again."


def progress(request: Request, *, yours: bool) -> Rows:
    """Where a request stands. `yours`: its requester reads it."""
    match request:
        case Pending():
            missing = request.terms.approvals - len(request.approvals)
            more = "more " if request.approvals else ""
            needs = f"Needs {missing} {more}approval{'' if missing == 1 else 's'} until "
            changed = [told(request.changed)] if request.changed else []
            return [*changed, *_approvals(request), [needs, request.expires_at, "."]]
        case Denied():
            return [["Denied by ", Mention(request.by.slack), " ", request.at, f". {_nothing(request)}"]]
        case Cancelled():
            by: Row = ["you"] if yours else [Mention(request.ask.requester.slack)]
            return [["Cancelled by ", *by, " ", request.at, f". {_nothing(request)}"]]
        case Expired():
            return [["Expired ", request.at, f": nobody decided in time. {_nothing(request)}"]]
        case Done():
            return [*_approvals(request), *_done(request)]
        case Failed():
            return [
                ["Failed ", request.at, ". ", *told(_full_stop(request.happened))],
                [*told(request.changed), " ", *told(request.next)],
                ["Reference: ", Code(request.reference)],
            ]
        case _:
            return [*_approvals(request), making(request, "you" if yours else "the requester")]


def making(request: Approved | Offered | Working | Keyed, who: str) -> Row:
    """How far the making of the key is, or what became of it; `who` is its requester."""
    match request:
        case Approved() | Working() if not request.ask.makes_key:
            return _changing(request)
        case Approved() if request.trouble:
            return ["The key is not made yet. ", *told(request.trouble), " Latchkey tries again ",
                    request.not_before, "."]  # fmt: skip
        case Approved():
            return ["Latchkey makes the key."]
        case Offered():
            trouble = [*told(request.trouble), " "] if request.trouble else []
            asks = "ask" if who == "you" else "asks"
            return [*trouble, f"The key is made when {who} {asks} for its secret, until ", request.claim_by, "."]
        case Working():
            return [*told(request.trouble), _CHECKING] if request.trouble else ["Latchkey is making the key."]
        case _:
            return _with_key(request, who)


def _nothing(request: Request) -> str:
    """What did not happen."""
    return "Nothing was created." if request.ask.makes_key else "The key stays as it is."


def _changing(request: Approved | Working) -> Row:
    """How far a change of a key is."""
    doing = {Operation.EDIT: "changes", Operation.DELETE: "deletes"}.get(request.ask.operation, "extends")
    if request.trouble:
        again = request.look_at if isinstance(request, Working) else request.not_before
        return [*told(request.trouble), " Latchkey tries again ", again, "."]
    return [f"Latchkey {doing} the key."]


def _done(request: Done) -> Rows:
    """What a request did to a key."""
    note: Row = told(request.note) if request.note else []
    match request.ask.operation:
        case Operation.DELETE if note:
            return [note]  # it was not this request that deleted it
        case Operation.DELETE:
            return [["The key was deleted ", request.at, "."]]
        case Operation.EDIT:
            return [["The key was changed ", request.at, "."], *([note] if note else [])]
        case _:
            lasts = lifetime(request.ask, request.terms)
            expires = request.ask.key.expires_at if request.ask.key else None
            end = earliest(request.at + lasts if lasts else None, expires)
            until: Row = [", and expires ", end, "."] if end else [", and never expires."]
            return [["The key was extended ", request.at, *until]]


def _with_key(request: Keyed, who: str) -> Row:
    match request:
        case Ready(key=made):
            return ["Key ", Code(made.id), f" is made. Its secret waits for {who} until ", request.claim_by, "."]
        case Revealing(key=made):
            return ["The secret of key ", Code(made.id), f" is being shown to {who}."]
        case Shown(key=made):
            return ["The secret of key ", Code(made.id), f" was shown to {who} ", request.at, "."]
        case Confirmed(key=made):
            return ["Key ", Code(made.id), f" was handed over; {who} saved its secret ", request.at, "."]
        case _:
            return withdrawn(request, who)


def withdrawn(request: Withdrawn, who: str) -> Row:
    """Why a key that nobody has is given up, and whether it is gone."""
    code = Code(request.key.id)
    why: Row = ["Nobody took the secret in time."]
    if isinstance(request, Retired):
        by: Row = ["Deleted by ", Mention(request.by.slack), "."] if request.by else []
        said = [" " if by else "", *told(request.why)] if request.why else []
        why = [*by, *said] or ["Its lifetime is over."]
    if isinstance(request, Undelivered):
        # Only the requester's own wish is reissued, and its words are for the requester.
        why = [f"{who.capitalize()} asked for another key in its place."] if request.reissue else told(request.why)
    if request.deleted_at:
        return [*why, " Key ", code, " was deleted ", request.deleted_at, "."]
    if request.tries:
        return [*why, " Key ", code, " could not be deleted yet. Latchkey keeps trying."]
    return [*why, " Key ", code, " is being deleted."]


def _approvals(request: Pending | Approved | Offered | Working | Keyed | Done) -> Rows:
    given = request.approvals if isinstance(request, Pending) else request.grant.approvals
    return [
        ["Approved by ", Mention(each.by.slack), *by_policy(each.by), f", {each.basis}, ", each.at, "."]
        for each in given
    ]


def by_policy(person: Person) -> Row:
    """Which Confluent user somebody is, where the policy file says so and the address does not."""
    return [" (", Code(person.principal), ", says the policy file)"] if person.named else []


def _full_stop(sentence: str) -> str:
    """Confluent's own words often lack the full stop, and ours go on after them."""
    return sentence if sentence.rstrip().endswith((".", "!", "?", "…")) else f"{sentence}."
