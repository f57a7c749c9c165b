"""What the requester of a key reads about it, from the moment that it is made to its end. Never the secret. Pure."""

from typing import assert_never

from bot.domain.deadlines import end_of_life, ends_at_confluent, longest_overlap
from bot.domain.errors import plain
from bot.domain.keys import KeyId
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
    Working,
)
from bot.slack.blocks.kit import Block, Bold, Code, Row, actions, button, context, flat, lines, plain_text
from bot.slack.messages.card import SOON, called
from bot.slack.messages.progress import Rows, making, withdrawn
from bot.slack.messages.readiness import readiness_rows
from bot.slack.payloads import ids


def key(request: Request, attempt: int) -> tuple[list[Block], str]:
    """The key of one attempt: where its secret is, or what became of it."""
    name = called(request.ask.resource)
    if isinstance(request, Offered | Working | Approved) and request.attempt == attempt:
        approved: Row = ["Your key for ", Bold(name), f" ({request.ask.name}) was approved."]
        waiting = [lines(approved, making(request, "you"))]
        if isinstance(request, Offered):
            waiting.append(actions(button("Show secret", ids.SHOW, ids.key_ref(request.ask.id, attempt), "primary")))
        return waiting, f"Your API key for {plain(name)}"
    if isinstance(request, Failed):
        none: Row = ["There is no key for ", Bold(name), f" ({request.ask.name}). The newest message says why."]
        return [lines(none)], f"There is no key for {plain(name)}"
    if not isinstance(request, Keyed) or request.attempt != attempt:
        rows: Rows = [["An earlier key for ", Bold(name), " was deleted. Only the newest message counts."]]
        return [lines(*rows)], f"An earlier key for {plain(name)} was deleted"
    ready = " is there" if isinstance(request, Ready) else ""
    return _keyed(request, name), f"Your API key for {plain(name)}{ready}"


def end(request: Request) -> tuple[list[Block], str]:
    """That a key is no more, which its requester did not do: a new message, for an edited one rings no bell."""
    name = called(request.ask.resource)
    if not isinstance(request, Retired):
        return [lines(["This message is outdated."])], "A message about an API key"
    state, stops = _ended(request), "Whatever used it has stopped."
    if request.deleted_at is None:
        stops = "Whatever uses it stops once it is deleted."
    gone: Row = ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({_named(request)}) {state}."]
    again: Row = [f"{stops} You can ask for another one with ", Code("/apikey create"), "."]
    rows: Rows = [gone, withdrawn(request, "you"), again, *_former_rows(request)]
    return [lines(*rows)], f"Your API key for {plain(name)} {state}"


def _ended(request: Request) -> str:
    """What became of a key that nobody has any more: one that Confluent does not let us delete still works."""
    is_there = isinstance(request, Undelivered | Unclaimed | Retired) and request.deleted_at is None
    return "has come to its end" if is_there else "is no more"


def replaced(request: Request) -> tuple[list[Block], str]:
    """That the key which this one replaced is deleted."""
    name, old = called(request.ask.resource), request.ask.key
    gone: Row = ["The old key ", Code(old.id if old else KeyId("")), " for ", Bold(name), " is deleted."]
    new: Row = ["The new one is ", Code(request.key.id), "."] if isinstance(request, Shown | Confirmed) else []
    return [lines(gone, new)], f"The old API key for {plain(name)} is deleted"


def reminder(request: Request) -> tuple[list[Block], str]:
    """That a key ends soon; later, what became of that."""
    name = called(request.ask.resource)
    if not isinstance(request, Shown | Confirmed):
        state = _ended(request)
        return [lines(["The key for ", Bold(name), f" ({request.ask.name}) {state}."])], f"An API key {state}"
    ends = end_of_life(request)
    if ends is None:
        return [lines(["Your key ", Code(request.key.id), " never expires now."])], "Your API key was extended"
    rows: Rows = [
        ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({_named(request)}) {_ends(request)} ", ends, "."],
        [f"Whatever still uses it stops then. {_ADVICE[ends_at_confluent(request)]}"],
    ]
    id_ = str(request.key.id)
    extend = [button("Extend", ids.KEY_EXTEND, id_, "primary")] if _can_extend(request) else []
    choice = (*extend, button("Rotate", ids.KEY_ROTATE, id_, None if extend else "primary"))
    delete = button("Delete API key", ids.KEY_DELETE, id_, "danger")
    return [lines(*rows), actions(*choice, delete)], f"Your API key for {plain(name)} expires soon"


_ADVICE = {
    False: "Extend it, or rotate it: a new key, and time to change over.",
    True: "Confluent Cloud ends it then, so it cannot be extended. Rotate it: a new key, and time to change over.",
}
"""By whether Confluent ends the key."""


def _ends(request: Keyed) -> str:
    return "expires at Confluent Cloud" if ends_at_confluent(request) else "will be deleted"


def _can_extend(request: Keyed) -> bool:
    """Whether the key has an end, and one that Latchkey can move."""
    return end_of_life(request) is not None and not ends_at_confluent(request)


def _keyed(request: Keyed, name: str) -> list[Block]:
    blocks = [lines(*_key_rows(request, name))]
    ref = ids.key_ref(request.ask.id, request.attempt)
    if isinstance(request, Ready | Shown | Confirmed):
        blocks += _readiness(request)
    if isinstance(request, Ready):
        blocks.append(actions(button("Show secret", ids.SHOW, ref, "primary")))
    former = request.life.former if isinstance(request, Shown | Confirmed | Retired) else None
    if isinstance(request, Shown | Confirmed | Retired) and former and (rows := _former_rows(request)):
        longer = button(
            "Keep a day longer", ids.KEEP_FORMER, ids.key_until(request.ask.id, request.attempt, former.until)
        )
        now = {**button("Delete old key now", ids.DROP_FORMER, ref, "danger"), "confirm": _DROPPING}
        may_stay = former.until < longest_overlap(request)
        blocks += [lines(*rows), actions(*([longer] if may_stay else []), now)]
    if isinstance(request, Shown | Undelivered):
        blocks.append(actions(button("Replace key", ids.REPLACE, ref)))
    if isinstance(request, Shown | Confirmed):
        blocks.append(_life_buttons(request))
    return blocks


def _readiness(request: Ready | Shown | Confirmed) -> list[Block]:
    """Whether it works yet, as far as that is known; else the advice that every new key needs."""
    resource, probe = request.ask.resource, request.life.probe
    endpoints = request.endpoints if isinstance(request, Ready) else request.life.endpoints
    rows = readiness_rows(resource, probe, endpoints, request.key.id)
    if rows:
        return [lines(*rows)]
    return [] if isinstance(request, Confirmed) else [context(SOON)]


def _life_buttons(request: Living) -> Block:
    id_ = str(request.key.id)
    extend = [button("Extend", ids.KEY_EXTEND, id_)] if _can_extend(request) else []
    return actions(
        button("Edit", ids.KEY_EDIT, id_),
        button("Rotate", ids.KEY_ROTATE, id_),
        *extend,
        button("Delete API key", ids.KEY_DELETE, id_, "danger"),
    )


def _former_rows(request: Living | Retired) -> Rows:
    """Until when the key lives that this one replaced; nothing when there is none, or none any more."""
    former, old = request.life.former, request.ask.key
    if former is None or old is None or former.deleted_at:
        return []
    if former.tries:
        return [["The old key ", Code(old.id), " could not be deleted yet. Latchkey keeps trying."]]
    return [["The old key ", Code(old.id), " still works. Latchkey deletes it ", former.until, "."]]


def _key_rows(request: Keyed, name: str) -> Rows:
    key_line: Row = ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({_named(request)})"]
    gone: Row = ["Your key for ", Bold(name), f" ({_named(request)}) was withdrawn."]
    match request:
        case Ready():
            return [
                [*key_line, " is there."],
                ["Its secret is shown once, to you alone. Have a safe place ready, then click. If it is not taken by ",
                 request.claim_by, ", the key is deleted."],
            ]  # fmt: skip
        case Revealing():
            return [[*key_line, ": the secret is being shown to you."]]
        case Shown():
            return [
                [*key_line, ": the secret was shown to you ", request.at, "."],
                ["Lost it? Until ", request.grant.fresh_until, " you can replace the key without a new approval."],
                *_lives(request),
            ]
        case Confirmed():
            return [[*key_line, " is yours. You saved its secret ", request.at, "."], *_lives(request)]
        case Undelivered():
            again = () if request.reissue else (_again(request),)
            return [gone, withdrawn(request, "you"), *again]
        case Unclaimed() | Retired():
            return [gone, withdrawn(request, "you"), ["You can ask again with ", Code("/apikey create"), "."]]
        case _:
            assert_never(request)


def _named(request: Keyed) -> str:
    """What the key is called by now: it may have been renamed since it was asked for."""
    return flat(request.key.name) or request.ask.name


def _lives(request: Living) -> Rows:
    """Until when the key works, where it has an end."""
    ends = end_of_life(request)
    how = "Confluent Cloud ends" if ends_at_confluent(request) else "Latchkey deletes"
    return [[f"{how} this key ", ends, ". Whatever uses it stops then."]] if ends else []


def _again(request: Undelivered) -> Row:
    return ["Until ", request.grant.fresh_until, " you can have another one without a new approval."]


_DROPPING: Block = {
    "title": plain_text("Delete the old key now?"),
    "text": plain_text("Whatever still uses it stops at once. This cannot be undone."),
    "confirm": plain_text("Delete old key now"),
    "deny": plain_text("Cancel"),
    "style": "danger",
}
"""What Slack asks before the click is told."""
