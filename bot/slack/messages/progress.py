"""Where a request and its key are, in rows of rich text: for its requester ("you"), or for everyone else. Pure."""

from datetime import datetime
from typing import Literal

from bot.domain.approvals import OVERDUE, GlassUse
from bot.domain.conditions import Conditions, in_words, needed
from bot.domain.deadlines import can_be_reviewed, earliest, glass_of, lifetime
from bot.domain.errors import listed
from bot.domain.keys import NewServiceAccount, Operation, OrganizationScope, Person, ServiceAccount
from bot.domain.requests import (
    Approved,
    Ask,
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
    approvals_of,
)
from bot.domain.roles import GRANTERS, TABLES, Table
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, context, cut, told
from bot.slack.messages.access import access_left

Rows = list[Row]
NOTE = 1000
"""How many characters of a reviewer's note are shown."""
_MAY_BE_MADE = "An earlier attempt may have created a key. If so, Latchkey will delete it."
"""In place of what a last attempt changed, which isn't all that happened."""
_CHECKING = " Latchkey is checking whether a key was created; it will delete it if so and try again."


def progress(request: Request, *, yours: bool) -> Rows:
    """The state of a request, below the people who approved it so far. `yours`: the requester reads it."""
    return [*given(request, yours=yours), *stands(request, yours=yours)]


def given(request: Request, *, yours: bool) -> Rows:
    """What gave the right to the key: the approvals so far, or the use of break-glass with its review."""
    return [*_approvals(request), *_break_glass(request, yours=yours)]


def waits(request: Request) -> Row:
    """How to view a secret that waits, for places where no button can show it."""
    them, show = ("them", "Show secrets") if request.ask.also or request.ask.beside else ("it", "Show secret")
    return [f"To view {them}, run ", Code("/apikey requests"), " and select ", Bold(show), "."]


def review_note(request: Request) -> str:
    """What the reviewer of a use of break-glass wrote; "" for nothing."""
    glass = glass_of(request)
    return cut(glass.review.note.strip(), NOTE) if glass and glass.review else ""


def stands(request: Request, *, yours: bool) -> Rows:
    """The state of a request, without the people who approved it."""
    match request:
        case Pending():
            so_far = [each.member for each in request.approvals]
            needs = needed(request.terms.approvers, so_far, request.terms.approvals - len(so_far))
            changed = [told(request.changed)] if request.changed else []
            return [*changed, [f"Needs {needs} by ", request.expires_at, "."]]
        case Denied():
            return [["Denied by ", Mention(request.by.slack), " ", request.at, f". {_nothing(request)}"]]
        case Cancelled():
            by: Row = ["you"] if yours else [Mention(request.ask.requester.slack)]
            return [["Cancelled by ", *by, " ", request.at, f". {_nothing(request)}"]]
        case Expired():
            found = f"with {len(request.approvals)} of {request.terms.approvals} approvals"
            found = found if request.approvals else "without a decision"
            return [["Expired ", request.at, f" {found}. {_nothing(request)}"]]
        case Done():
            return _done(request)
        case Failed():
            return _failed(request, yours=yours)
        case _:
            return [making(request, yours=yours)]


def _failed(request: Failed, *, yours: bool) -> Rows:
    """Why there is no key, and what was changed. What to do next is said to the requester: others read it as that."""
    step = told(request.next) if request.next else []
    if step:
        step = [" ", *step] if yours else [" Latchkey told ", *_requester(request, yours=False), ": “", *step, "”"]
    return [
        ["Failed ", request.at, ". ", *told(_full_stop(request.happened))],
        [*told(_MAY_BE_MADE if glass_of(request) else request.changed), *step],
        *([left] if (left := left_over(request)) else []),
        ["Reference: ", Code(request.reference)],
    ]


def making(request: Approved | Offered | Working | Keyed, *, yours: bool) -> Row:
    """How far the creation of the key is, or what became of it. `yours`: the requester reads it."""
    match request:
        case Approved() | Working() if not request.ask.makes_key:
            return _changing(request)
        case Approved() if request.trouble:
            return [f"{_the_keys(request)} been created yet. ", *told(request.trouble), " Latchkey will try again ",
                    request.not_before, "."]  # fmt: skip
        case Approved():
            return [_creating(request)]
        case Offered():
            if request.trouble:
                return [
                    f"{_the_keys(request)} been created yet. ",
                    *told(request.trouble),
                    *_again(request, yours=yours),
                ]
            until: Row = _until(request, request.claim_by, yours=yours)
            return [*until, f" The key is created when {'you' if yours else 'they'} do."]
        case Working():
            return [*told(request.trouble), _CHECKING] if request.trouble else [_creating(request)]
        case _:
            return _with_key(request, yours=yours)


def _creating(request: Request) -> str:
    return "Latchkey is creating both keys." if request.ask.also else "Latchkey is creating the key."


def _the_keys(request: Request) -> str:
    return "Neither key has" if request.ask.also else "The key hasn't"


def key_ids(request: Keyed, first: str = "key") -> Row:
    """The key's ID, or both of a pair while they share their fate. `first` is the word before it."""
    other = request.life.other if isinstance(request, Ready | Revealing | Shown | Confirmed) else None
    code = Code(request.key.id)
    return [f"{first}s ", code, " and ", Code(other.key.id)] if other else [f"{first} ", code]


def secret_of(request: Keyed, first: str = "the secret") -> str:
    """The word for their secret, to put before `key_ids`."""
    return f"{first}{'s' if request.ask.also else ''} for "


def _until(request: Request, claim_by: datetime, *, yours: bool) -> Row:
    """Until when the secret can be viewed."""
    has, them = "have" if yours else "has", "secrets" if request.ask.also else "secret"
    return [*_requester(request, yours=yours), f" {has} until ", claim_by, f" to view the {them}."]


def _again(request: Offered, *, yours: bool) -> Row:
    """That the click after which no key was created can be tried again, and until when."""
    if yours:
        show = Bold("Show secrets" if request.ask.also else "Show secret")
        return [" Select ", show, " to try again, by ", request.claim_by, "."]
    return [" ", *_requester(request, yours=False), " can try again until ", request.claim_by, "."]


def _requester(request: Request, *, yours: bool) -> Row:
    """The requester, to begin a sentence."""
    return ["You"] if yours else [Mention(request.ask.requester.slack)]


def _nothing(request: Request) -> str:
    """What didn't happen."""
    return "Nothing was created." if request.ask.makes_key else "Nothing changed."


def _changing(request: Approved | Working) -> Row:
    """How far a change of a key is."""
    doing = {Operation.EDIT: "updating", Operation.DELETE: "deleting"}.get(request.ask.operation, "extending")
    if request.trouble:
        again = request.look_at if isinstance(request, Working) else request.not_before
        return [*told(request.trouble), " Latchkey will try again ", again, "."]
    return [f"Latchkey is {doing} the key."]


def _done(request: Done) -> Rows:
    """What a request did to a key."""
    note: Row = told(request.note) if request.note else []
    left = access_left(request.access, request.ask.resource)
    match request.ask.operation:
        case Operation.DELETE if note:
            return [note, *left]  # it was not this request that deleted it
        case Operation.DELETE:
            return [["The key was deleted ", request.at, "."], *left]
        case Operation.EDIT:
            return [["The key was updated ", request.at, "."], *([note] if note else [])]
        case _:
            end = extended_to(request)
            until: Row = [". It expires ", end, "."] if end else [". It never expires."]
            return [["The key was extended ", request.at, *until]]


def extended_to(request: Done) -> datetime | None:
    """When the key expires that this request extended; None is never."""
    lasts = lifetime(request.ask, request.terms)
    expires = request.ask.key.expires_at if request.ask.key else None
    return earliest(request.at + lasts if lasts else None, expires)


def _with_key(request: Keyed, *, yours: bool) -> Row:
    who: Row = _requester(request, yours=yours)
    keys, secret = key_ids(request), secret_of(request)
    match request:
        case Ready():
            return [*key_ids(request, "Key"), " created. ", *_until(request, request.claim_by, yours=yours)]
        case Revealing():
            are = "are" if request.ask.also else "is"
            said = secret_of(request, "The secret")
            return [said, *keys, f" {are} being shown to ", *(["you"] if yours else who), "."]
        case Shown():
            return [*who, f" viewed {secret}", *keys, " ", request.at, "."]
        case Confirmed():
            return ["Delivered: ", *(["you"] if yours else who), f" saved {secret}", *keys, " ", request.at, "."]
        case _:
            return withdrawn(request, yours=yours)


def withdrawn(request: Withdrawn, *, yours: bool) -> Row:
    """Why a key that nobody has is given up, and whether it's gone."""
    code = Code(request.key.id)
    is_pair = request.ask.also is not None and not isinstance(request, Retired)
    why: Row = ["The secrets weren't viewed in time." if is_pair else "The secret wasn't viewed in time."]
    if isinstance(request, Retired):
        said = told(request.why) if request.why else []
        if request.by and request.deleted_at:
            by = "you" if yours and request.by.slack == request.ask.requester.slack else Mention(request.by.slack)
            return ["Key ", code, " was deleted by ", by, " ", request.deleted_at, ".", *([" ", *said] if said else [])]
        why = said or ["The key expired."]
    if isinstance(request, Undelivered):
        # Only the requester's own wish is reissued, and its words are for the requester.
        followed = ", but the approval expired first" if request.news else ""
        new = "new keys in their place" if request.ask.also else "a new key in its place"
        again: Row = [*_requester(request, yours=yours), f" requested {new}{followed}."]
        why = again if request.reissue else told(request.why)
    other: Row = [" ", *left_over(request)] if request.left else []
    if request.deleted_at:
        both = is_pair and not request.left
        were: Row = [" Both keys were deleted "] if both else [" Key ", code, " was deleted "]
        return [*why, *were, request.deleted_at, ".", *other]
    if request.tries:
        both = is_pair and not request.left
        kept: Row = [" The keys "] if both else [" Key ", code, " "]
        return [*why, *kept, not_deleted(is_pair=both), *other]
    return [*why, *([" Latchkey is deleting both keys"] if is_pair else [" Latchkey is deleting key ", code]), "."]


def left_over(request: Withdrawn | Failed) -> Row:
    """The second key of a pair that came to nothing, while it can't be deleted; empty if there is none."""
    if request.left is None or request.ask.also is None:
        return []
    key: Row = ["Key ", Code(request.left), f" for {request.ask.also.kind.row.noun} "]
    return [*key, not_deleted()]


def not_deleted(*, is_pair: bool = False) -> str:
    """To follow the key, or both keys of a pair, that Confluent didn't delete: what that means, and what to do."""
    works, them = ("they may still work", "them") if is_pair else ("it still works", "it")
    sooner = f"To stop {them} now, delete {them} in Confluent Cloud."
    return f"couldn't be deleted yet, so {works}. Latchkey will keep trying. {sooner}"


def _approvals(request: Request) -> Rows:
    return [
        ["Approved by ", Mention(each.by.slack), *by_policy(each.by), f" ({each.basis}) ", each.at, "."]
        for each in approvals_of(request)
    ]


def _break_glass(request: Request, *, yours: bool) -> Rows:
    """When break-glass was used for the key, and what became of the review."""
    glass = glass_of(request)
    if glass is None:
        return []
    used: Row = [*_requester(request, yours=yours), " used break-glass ", glass.at, "."]
    if yours and not isinstance(request, Failed | Withdrawn):
        used = [*used, " The key expires ", glass.ends_at, " and can't be extended."]
    return [used, _reviewed(glass, yours=yours)]


def _reviewed(glass: GlassUse, *, yours: bool) -> Row:
    """What came of the review of a use of break-glass, or by when it is due."""
    if glass.review:
        return ["Reviewed by ", Mention(glass.review.by.slack), " ", glass.review.at, f": {glass.review.outcome}."]
    due = "still has to review this: it was due" if glass.rounds > OVERDUE else "has to review this by"
    then = "Until it's reviewed, you can't use break-glass again." if yours else ""
    return [f"An approver {due} ", glass.review_by, f". {then}".rstrip()]


def by_policy(person: Person) -> Row:
    """The person's Confluent user, if that comes from the policy file and not from the email address."""
    return [" (", Code(person.principal), ", per the policy file)"] if person.named else []


def _full_stop(sentence: str) -> str:
    """The sentence with a period: Confluent's often lack it, and ours follow."""
    return sentence if sentence.rstrip().endswith((".", "!", "?", "…")) else f"{sentence}."


def approvers(ask: Ask, table: Table, conditions: Conditions = ()) -> str:
    """Who can approve, in words, apart from the conditions."""
    kind, roles = ask.resource.kind, table.roles_over(ask.resource.kind)
    bars_owners = any("owner" in each.barred for each in conditions)
    owned = isinstance(ask.owner, ServiceAccount) and table.has_owners_of_accounts(kind) and not bars_owners
    owners = ", and owners of the service account" if owned else ""
    also = ["create service accounts"] if isinstance(ask.owner, NewServiceAccount) else []
    also += [f"grant this access ({listed(sorted(GRANTERS), 'or')})"] if ask.bindings else []
    makes = f"{',' if owned else ''} who can also {listed(also, 'and')}" if also else ""
    where = "" if isinstance(ask.resource, OrganizationScope) else " on this resource"
    if ask.also:
        others = listed(table.roles_over(ask.also.kind), "or")
        where = f" on the {kind.row.noun} and {others} on the {ask.also.kind.row.noun}"
    return f"people with {listed(roles, 'or')}{where}{owners}{makes}, but not the requester"


def _of_these(conditions: Conditions, does: Literal["approve", "review"] = "approve") -> list[str]:
    """The conditions, to follow the roles: "Of these, only the payments team can approve"."""
    found = in_words(conditions, does)
    return [f"Of these, o{each[1:]}" if each.startswith("Only ") else each for each in found]


def small_print(request: Request) -> Block:
    """Details that few people need: small gray text below the buttons."""
    ask, terms, said = request.ask, request.terms, list[str]()
    who = approvers(ask, TABLES[terms.table], terms.approvers)
    if isinstance(request, Pending):
        said = [f"Approvers: {who}", *_of_these(terms.approvers)]
    elif can_be_reviewed(request):
        said = [f"Reviewers: {who}", *_of_these(terms.approvers, "review")]
    elif not terms.approvals and glass_of(request) is None:
        said = ["No approval was needed"]
    said = [*(each.removesuffix(".") for each in said), f"Policy rule: {terms.rule}", f"Request ID: {ask.id}"]
    return context(" · ".join(said))
