"""The requester's messages about a key, from its creation to its end. Never the secret. Pure."""

from bot.domain.authority import Target
from bot.domain.deadlines import end_of_life, ends_at_confluent, glass_of, longest_overlap
from bot.domain.errors import plain
from bot.domain.keys import KeyId, NewServiceAccount, Operation
from bot.domain.requests import (
    Approved,
    Confirmed,
    Failed,
    Keyed,
    Living,
    Offered,
    Ready,
    Request,
    Retired,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Withdrawn,
    Working,
    approvals_of,
)
from bot.slack.blocks.kit import actions, asking, button
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, context, flat, lines, told
from bot.slack.messages.access import access_left, by_hand, granted_rows
from bot.slack.messages.card import SOON, key_buttons, show_secret
from bot.slack.messages.facts import called, kept_for
from bot.slack.messages.progress import Rows, key_ids, left_over, making, not_deleted, secret_of
from bot.slack.messages.readiness import Tested, of_both, readiness_rows
from bot.slack.messages.request import again
from bot.slack.messages.state import ATTENTION, CREATED, DELETED, SECRET_WAITING, state
from bot.slack.payloads import ids

Message = tuple[list[Block], str]
_SEE_NEWEST = "See the latest message."
_NO_ACCESS = "Its service account is new and has no access. Someone who can grant roles can run, for example:"
_STOPS = "Anything still using it will stop working."


def key(request: Request, attempt: int) -> Message:
    """The key of one attempt: where its secret is, or what became of it."""
    name, which = called(request.ask.resource), _which(request)
    if isinstance(request, Offered | Working | Approved) and request.attempt == attempt:
        wanted, accepted = "keys" if _is_pair(request) else "a key", _accepted(request)
        approved: Row = [f"{state(request).sign} Your request for {wanted} ", *which, f" {accepted}."]
        waiting = [lines(approved, making(request, yours=True))]
        if isinstance(request, Offered):
            waiting.append(show_secret(request))
        return waiting, f"Your request for an API key for {plain(name)} {accepted}"
    if isinstance(request, Failed) and (left := _left(request)):
        rest: Row = ["Your request for keys ", *which, f" failed. {_SEE_NEWEST}"]
        return [lines(*left, rest)], _one_works(name)
    if isinstance(request, Failed):
        none: Row = [f"{state(request)}: no key ", *which, f" was created. {_SEE_NEWEST}"]
        return [lines(none)], f"No API key for {plain(name)} was created"
    if not isinstance(request, Keyed) or request.attempt != attempt:
        return _earlier(request)
    ready = f" {_are(request)} ready" if isinstance(request, Ready) else ""
    return _keyed(request), f"Your API {_keys(request)} for {plain(name)}{ready}"


def claim(request: Request, attempt: int) -> Message:
    """The reminder that a secret waits; later, what became of that."""
    name = plain(called(request.ask.resource))
    if isinstance(request, Ready | Offered) and request.attempt == attempt:
        keys, are = _keys(request), _are(request)
        secrets, them = ("secrets", "them") if _is_pair(request) else ("secret", "it")
        unseen: Row = [f"If you don't view {them} by ", request.claim_by, ", the approval expires."]
        rows: Rows = [
            [f"{SECRET_WAITING.sign} The {secrets} for your {keys} ", *_which(request), f" {are} still waiting."],
            _if_unseen(request) if isinstance(request, Ready) else unseen,
        ]
        told = f"Reminder: the {secrets} for your API {keys} for {name} {are} still waiting"
        return [lines(*rows), show_secret(request)], told
    if isinstance(request, Living) and request.attempt == attempt:
        shown_at = request.at if isinstance(request, Shown) else request.shown_at
        keys, secret = _keys(request), secret_of(request)
        viewed: Row = [f"{CREATED.sign} You viewed {secret}your {keys} ", *_which(request), " ", shown_at, "."]
        return [lines(viewed)], f"You viewed {secret}your API {keys} for {name}"
    return _past(request)


def lost(request: Request, attempt: int, *, is_reply: bool = False) -> Message:
    """Says that the key of one attempt was deleted before it was used; later, that another one followed.

    As a reply to the message about that key, it says why, and mentions the requester: see `request.outcome`.
    """
    if not isinstance(request, Unclaimed | Undelivered) or request.attempt != attempt:
        return _earlier(request)
    name, asker = plain(called(request.ask.resource)), request.ask.requester.slack
    rows: Rows = [*_left(request), _gone(request, _whose(request)), _why(request)]
    if is_reply:
        rows = [[f"{state(request).sign} ", Mention(asker), ": ", *_why(request), " ", *_became(request)]]
    follows = isinstance(request, Undelivered) and request.reissue and not request.news
    buttons = [] if follows else [again(request)]
    if isinstance(request, Undelivered) and not request.reissue:
        them = "both" if request.ask.also else "it"
        rows.append(["Until ", request.grant.fresh_until, f", you can replace {them} without a new approval."])
        buttons.insert(0, button(_replace(request), ids.REPLACE, ids.key_ref(request.ask.id, attempt), "primary"))
    said = _one_works(name) if request.left else f"Your API {_keys(request)} for {name} {_ended(request)}"
    below = [actions(*buttons)] if buttons else []
    return [lines(*rows), *below], f"<@{asker}> {said}" if is_reply else said


def end(request: Request) -> Message:
    """The end of a key that someone had, unless its requester deleted it."""
    if not isinstance(request, Retired):
        return _past(request)
    name = plain(called(request.ask.resource))
    stops = "Anything still using it has stopped working." if request.deleted_at else _STOPS
    why = [_why(request)] if _why(request) else []
    rows: Rows = [_gone(request, "Your key"), *why, [stops], *replaced_key(request), *_kept(request)]
    # The key that a rotation replaced is gone, too, or is about to be.
    buttons = [button("Request again", ids.ASK_AGAIN, request.ask.id)] if request.ask.key is None else []
    return [lines(*rows), *([actions(*buttons)] if buttons else [])], f"Your API key for {name} {_ended(request)}"


def replaced(request: Request) -> Message:
    """The deletion of the key that this one replaced."""
    name, old = called(request.ask.resource), request.ask.key
    gone: Row = [
        f"{DELETED.sign} The old key ",
        Code(old.id if old else KeyId("")),
        " for ",
        Bold(name),
        " was deleted.",
    ]
    new: Row = ["Its replacement is ", Code(request.key.id), "."] if isinstance(request, Shown | Confirmed) else []
    return [lines(gone, new)], f"The old API key for {plain(name)} was deleted"


def reminder(request: Request) -> Message:
    """The reminder that a key expires; later, what became of that. The second key of a pair has one of its own."""
    if not isinstance(request, Shown | Confirmed):
        return _past(request)
    ends = end_of_life(request)
    key: Row = ["Your key ", Code(request.key.id), " ", *_first(request)]
    if ends is None:
        return [lines([f"{CREATED.sign} ", *key, " no longer expires."])], "Your API key was extended"
    rows: Rows = [
        [f"{ATTENTION.sign} ", *key, " expires ", ends, "."],
        [f"{_STOPS} {_GLASS if request.grant.glass else _ADVICE[ends_at_confluent(request)]}"],
    ]
    choice = [*_extend(request), Operation.ROTATE]
    buttons = actions(*key_buttons(request.key.id, choice, first="primary"), *_manage(request)[0])
    return [lines(*rows), buttons], f"Your API key for {plain(called(request.ask.resource))} expires soon"


_ADVICE = {
    False: "Extend it, or rotate it to get a new key and time to switch.",
    True: "Confluent Cloud deletes it then, so it can't be extended. Rotate it to get a new key and time to switch.",
}
"""What to do about a key that expires, by whether Confluent deletes it."""
_GLASS = (
    "Keys created with break-glass can't be extended. "
    "Rotate this one to get a new key and time to switch, or request another key."
)


def replaced_key(request: Living | Retired) -> Rows:
    """When the key that this one replaced is deleted; empty if there is none, or it's deleted already."""
    former, old = request.life.former, request.ask.key
    if former is None or old is None or former.deleted_at:
        return []
    if former.tries:
        return [
            ["The old key ", Code(old.id), " couldn't be deleted yet, so it still works. Latchkey will keep trying."]
        ]
    return [["The old key ", Code(old.id), " still works. Latchkey deletes it ", former.until, "."]]


def _extend(request: Keyed) -> list[Operation]:
    """The operation to extend the key, if it expires and Latchkey can change that."""
    can_extend = end_of_life(request) is not None and not ends_at_confluent(request) and not request.grant.glass
    return [Operation.EXTEND] if can_extend else []


def _keyed(request: Keyed) -> list[Block]:
    blocks = [lines(*_of_key(request))]
    ref = ids.key_ref(request.ask.id, request.attempt)
    if isinstance(request, Ready | Shown | Confirmed):
        granted = granted_rows(request.grant.bindings, request.ask.resource)
        blocks += [*([lines(*granted)] if granted else _no_access(request)), *_readiness(request)]
    if isinstance(request, Ready):
        blocks.append(show_secret(request))
    former = request.life.former if isinstance(request, Shown | Confirmed | Retired) else None
    if isinstance(request, Shown | Confirmed | Retired) and former and (rows := replaced_key(request)):
        until = ids.key_until(request.ask.id, request.attempt, former.until)
        longer = button("Keep 1 more day", ids.KEEP_FORMER, until)
        now = asking(
            button("Delete old key now", ids.DROP_FORMER, ref, "danger"),
            "Delete the old key now?",
            "Anything still using it will stop working. This can't be undone.",
            "Delete old key now",
            danger=True,
        )
        may_stay = former.until < longest_overlap(request)
        blocks += [lines(*rows), actions(*([longer] if may_stay else []), now)]
    # Buttons with the same action may not be in one block.
    below = _manage(request) if isinstance(request, Shown | Confirmed) else []
    is_fresh = isinstance(request, Shown) and not request.grant.is_unreviewed
    if is_fresh or (isinstance(request, Undelivered) and not request.news and not request.reissue):
        again = button(_replace(request), ids.REPLACE, ref)
        below = [[*below[0], again]] if len(below) == 1 else [[again], *below]
    return [*blocks, *(actions(*each) for each in below)]


def _no_access(request: Ready | Shown | Confirmed) -> list[Block]:
    """How to grant access to an account that was created for this key alone, until its secret is saved."""
    is_new = isinstance(request.ask.owner, NewServiceAccount) and not isinstance(request, Confirmed)
    account = request.key.owner if is_new else None
    return by_hand(_NO_ACCESS, *Target.of(request.ask).resources, account=account) if account else []


def _manage(request: Living) -> list[list[Block]]:
    """Rows of buttons that open the pages of the keys, where people can change them.

    A row of buttons for all changes would be in the message for years.
    """
    also, other = request.ask.also, request.life.other
    if also is None or other is None:
        return [[button("Manage key", ids.KEY_DETAILS, request.key.id)]]
    both = ((request.ask.resource, request.key.id), (also, other.key.id))
    return [[button(f"Manage {resource.kind.row.label} key", ids.KEY_DETAILS, key)] for resource, key in both]


def _replace(request: Request) -> str:
    """The label of the button that replaces these keys."""
    return "Replace keys" if request.ask.also else "Replace key"


def _accepted(request: Request) -> str:
    """Why a request is carried out."""
    if glass_of(request):
        return "was sent with break-glass"
    return "is approved" if approvals_of(request) else "needs no approval"


def _if_unseen(request: Ready) -> Row:
    """What happens to a key whose secret isn't viewed."""
    them, keys_are = ("them", "keys are") if _is_pair(request) else ("it", "key is")
    glass = glass_of(request)
    if glass and glass.ends_at <= request.claim_by:
        return [f"View {them} soon: the {keys_are} deleted ", request.claim_by, " either way."]
    return [f"If you don't view {them} by ", request.claim_by, f", the {keys_are} deleted."]


def _one_works(name: str) -> str:
    """The notification about a pair of which one key is left."""
    return f"One of your API keys for {plain(name)} couldn't be deleted yet and still works"


def _of_key(request: Keyed) -> Rows:
    """The state of a key."""
    keys, secret, is_pair = key_ids(request), secret_of(request), request.ask.also is not None
    match request:
        case Ready():
            once = (
                "the secrets once. Have somewhere safe to store them"
                if is_pair
                else ("the secret once. Have somewhere safe to store it")
            )
            show = "Show secrets" if is_pair else "Show secret"
            return [
                [f"{SECRET_WAITING.sign} Your ", *keys, *_for(request), f" {_are(request)} ready."],
                [f"You can see {once}, then select ", Bold(show), "."],
                _if_unseen(request),
                *_replaces(request),
            ]
        case Revealing():
            return [[f"{SECRET_WAITING.sign} Showing you {secret}your ", *keys, *_for(request), "."]]
        case Shown():
            lost, replaced = ("secrets", "both keys") if is_pair else ("secret", "the key")
            fresh = request.grant.fresh_until
            lost_it: Row = [f"Lost the {lost}? Until ", fresh, f", you can replace {replaced} without a new approval."]
            if request.grant.is_unreviewed:
                lost_it = [f"Lost the {lost}? After the review, you can replace {replaced} until ", fresh, "."]
            viewed: Row = [f"{CREATED.sign} You viewed {secret}", *keys, *_for(request), " ", request.at, "."]
            return [viewed, lost_it, *_expires(request)]
        case Confirmed():
            saved: Row = [f"{CREATED.sign} All set: you saved {secret}", *keys, *_for(request), " ", request.at, "."]
            return [saved, *_expires(request)]
        case Undelivered() | Unclaimed() if request.news:
            return [*_left(request), _gone(request, _whose(request))]  # a reply says why
        case Retired() if request.by is None or request.by.slack != request.ask.requester.slack:
            return [_gone(request, "Your key"), [_SEE_NEWEST]]
        case _:
            kept, why = _kept(request) if isinstance(request, Retired) else [], _why(request)
            return [*_left(request), _gone(request, _whose(request)), *([why] if why else []), *kept]


def _replaces(request: Ready) -> Rows:
    """What happens to the key that a rotation replaces."""
    old = request.ask.key
    if old is None or request.grant.replaced_at:
        return []
    return [["It replaces ", Code(old.id), f", which is deleted {kept_for(request.ask)} you view the secret."]]


def _left(request: Request) -> Rows:
    """Says that the second key of a pair still works, if it does. This comes first."""
    row: Row = left_over(request) if isinstance(request, Withdrawn | Failed) else []
    return [[f"{ATTENTION.sign} ", *row]] if row else []


def _whose(request: Request) -> str:
    """The key that a message about an end is about, to begin a sentence."""
    return "Your other key" if _left(request) else "Your key"


def _kept(request: Retired) -> Rows:
    """The access that the account keeps once the key is gone."""
    left = [each.wanted for each in request.grant.bindings if each.state == "given"]
    return [*access_left(left, request.ask.resource)]


def _earlier(request: Request) -> Message:
    """A message about the key of an earlier attempt."""
    name = plain(called(request.ask.resource))
    earlier, were = ("Earlier keys", "were") if _is_pair(request) else ("An earlier key", "was")
    rows: Rows = [[f"{DELETED.sign} {earlier} ", *_which(request), f" {were} deleted. {_SEE_NEWEST}"]]
    return [lines(*rows)], f"An earlier API key for {name} was deleted"


def _past(request: Request) -> Message:
    """A message about what is over: the state, and which key it was."""
    if left := _left(request):
        return [lines(*left)], _one_works(called(request.ask.resource))
    now, name = state(request), plain(called(request.ask.resource))
    newest = "" if isinstance(request, Unclaimed | Undelivered) else f" {_SEE_NEWEST}"
    row: Row = [f"{now}: your {_keys(request)} ", *_which(request), f".{newest}"]
    return [lines(row)], f"{now.word}: your API {_keys(request)} for {name}"


def _is_pair(request: Request) -> bool:
    return request.ask.also is not None and not _is_alone(request)


def _is_alone(request: Request) -> bool:
    """Whether one key of a pair is left: each of the two goes its own way once one of them has changed."""
    if isinstance(request, Living) and request.life.other is None:
        return True
    return isinstance(request, Retired) or (isinstance(request, Withdrawn) and request.left is not None)


def _keys(request: Request) -> str:
    return "keys" if _is_pair(request) else "key"


def _are(request: Request) -> str:
    return "are" if _is_pair(request) else "is"


def _gone(request: Keyed, whose: str) -> Row:
    """Says that a key was deleted, or will be, and when."""
    is_pair = _is_pair(request)
    sign = "" if _left(request) else f"{DELETED.sign} "
    key: Row = [f"{whose}s", *_for(request)] if is_pair else [whose, " ", Code(request.key.id), *_for(request)]
    if not isinstance(request, Withdrawn):
        return key
    expired, was = " expired and" if _has_expired(request) else "", "were" if is_pair else "was"
    if request.deleted_at:
        return [sign, *key, f"{expired} {was} deleted ", request.deleted_at, *_by(request), "."]
    if request.tries:
        return [f"{ATTENTION.sign} ", *key, f"{' expired, but' if expired else ''} {_not_deleted(request)}"]
    return [sign, *key, f"{expired} {'are' if is_pair else 'is'} being deleted."]


def _became(request: Unclaimed | Undelivered) -> Row:
    """The same in short, to follow why."""
    if request.left is not None:
        return left_over(request)
    keys, were, are = ("Both keys", "were", "are") if _is_pair(request) else ("The key", "was", "is")
    if request.deleted_at:
        return [f"{keys} {were} deleted."]
    return [f"The {_keys(request)} {_not_deleted(request)}" if request.tries else f"{keys} {are} being deleted."]


def _not_deleted(request: Request) -> str:
    return not_deleted(is_pair=_is_pair(request))


def _has_expired(request: Keyed) -> bool:
    """Whether the key ended because Latchkey's own time for it was over."""
    return isinstance(request, Retired) and not (request.by or request.why)


def _by(request: Withdrawn) -> Row:
    """By whom the key was deleted, to follow when."""
    if not isinstance(request, Retired) or request.by is None:
        return []
    return [" by ", "you" if request.by.slack == request.ask.requester.slack else Mention(request.by.slack)]


def _why(request: Keyed) -> Row:
    """Why it was deleted, or will be; empty if that is said with it."""
    match request:
        case Unclaimed():
            return ["The secrets weren't viewed in time." if request.ask.also else "The secret wasn't viewed in time."]
        case Undelivered() if request.reissue and request.news:
            return [f"The approval expired before {'new keys' if request.ask.also else 'a new key'} could be created."]
        case Undelivered() if request.reissue:
            return [
                "You requested new keys in their place."
                if request.ask.also
                else "You requested a new key in its place."
            ]
        case Undelivered():
            return told(request.why)
        case Retired():
            who = request.by.slack if request.by else None
            deleter = "You" if who == request.ask.requester.slack else Mention(who) if who else ""
            by: Row = [deleter, " deleted it."] if deleter and not request.deleted_at else []
            said: Row = [" " if by else "", *told(request.why)] if request.why else []
            return [*by, *said]
        case _:
            return []


def _ended(request: Withdrawn) -> str:
    """What became of a key, in a few words: one that Confluent refuses to delete still works."""
    is_pair = _is_pair(request)
    if request.deleted_at is None and request.tries:
        return f"couldn't be deleted yet and {'may still work' if is_pair else 'still works'}"
    if request.deleted_at is None:
        return "are being deleted" if is_pair else "is being deleted"
    return "expired and was deleted" if _has_expired(request) else "were deleted" if is_pair else "was deleted"


def _which(request: Request) -> Row:
    """Which key, to follow "key": what it is for, and its name."""
    other = request.ask.also if _is_pair(request) else None
    also: Row = [" and ", Bold(other.kind.row.noun)] if other else []
    return _first(request, also)


def _first(request: Request, also: Row = ()) -> Row:
    """The same for the first key of a pair alone. `also` is the second."""
    name = _named(request)
    return ["for ", Bold(called(request.ask.resource)), *also, *([f" ({name})"] if name else [])]


def _for(request: Request) -> Row:
    """The same, to follow the key's ID."""
    return [" ", *_which(request)]


def _named(request: Request) -> str:
    """The name of the key: it may have been renamed since it was requested."""
    return (flat(request.key.name) if isinstance(request, Keyed) else "") or flat(request.ask.name)


def _readiness(request: Ready | Shown | Confirmed) -> list[Block]:
    """Whether it works yet, if that is known; otherwise, while its secret waits, what every new key needs."""
    resource, also, other = request.ask.resource, request.ask.also, request.life.other
    endpoints = request.endpoints if isinstance(request, Ready) else request.life.endpoints
    until: Tested = "viewed" if isinstance(request, Shown) else "saved" if isinstance(request, Confirmed) else ""
    first = readiness_rows(resource, request.life.probe, endpoints, request.key.id, until)
    second = readiness_rows(also, other.probe, other.endpoints, other.key.id, until) if also and other else []
    rows = of_both(first, resource, second, also if other else None)
    if rows:
        return [lines(*rows)]
    return [context(SOON)] if isinstance(request, Ready) else []


def _expires(request: Living) -> Rows:
    """When the key expires, if it does."""
    ends = end_of_life(request)
    what = "Both keys expire " if request.life.other else "The key expires "
    return [[what, ends, "."]] if ends else []
