"""What the requester of a key reads about it, from the moment that it is made to its end. Never the secret. Pure."""

from bot.domain.deadlines import end_of_life, ends_at_confluent, longest_overlap
from bot.domain.errors import plain
from bot.domain.keys import KeyId, Operation
from bot.domain.requests import (
    Approved,
    Confirmed,
    Failed,
    Keyed,
    Offered,
    Ready,
    Request,
    Retired,
    Shown,
    Undelivered,
    Working,
)
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Row, context, lines, plain_text
from bot.slack.messages.card import SOON, called, key_buttons, show_secret
from bot.slack.messages.progress import Rows, ended, making, named, of_key, replaced_key, withdrawn
from bot.slack.messages.readiness import readiness_rows
from bot.slack.payloads import ids


def key(request: Request, attempt: int) -> tuple[list[Block], str]:
    """The key of one attempt: where its secret is, or what became of it."""
    name = called(request.ask.resource)
    if isinstance(request, Offered | Working | Approved) and request.attempt == attempt:
        approved: Row = ["Your key for ", Bold(name), f" ({request.ask.name}) was approved."]
        waiting = [lines(approved, making(request, "you"))]
        if isinstance(request, Offered):
            waiting.append(show_secret(request))
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
    state, stops = ended(request), "Whatever used it has stopped."
    if request.deleted_at is None:
        stops = "Whatever uses it stops once it is deleted."
    gone: Row = ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({named(request)}) {state}."]
    again: Row = [f"{stops} You can ask for another one with ", Code("/apikey create"), "."]
    rows: Rows = [gone, withdrawn(request, "you"), again, *replaced_key(request)]
    return [lines(*rows)], f"Your API key for {plain(name)} {state}"


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
        state = ended(request)
        return [lines(["The key for ", Bold(name), f" ({request.ask.name}) {state}."])], f"An API key {state}"
    ends = end_of_life(request)
    if ends is None:
        return [lines(["Your key ", Code(request.key.id), " never expires now."])], "Your API key was extended"
    how, advice = _ENDS[ends_at_confluent(request)]
    rows: Rows = [
        ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({named(request)}) {how} ", ends, "."],
        [f"Whatever still uses it stops then. {advice}"],
    ]
    choice = [*_extend(request), Operation.ROTATE, Operation.DELETE]
    buttons = actions(*key_buttons(request.key.id, choice, first="primary"))
    return [lines(*rows), buttons], f"Your API key for {plain(name)} expires soon"


_ENDS = {
    False: ("will be deleted", "Extend it, or rotate it: a new key, and time to change over."),
    True: (
        "expires at Confluent Cloud",
        "Confluent Cloud ends it then, so it cannot be extended. Rotate it: a new key, and time to change over.",
    ),
}
"""What becomes of a key and what to do about it, by whether Confluent ends it."""


def _extend(request: Keyed) -> list[Operation]:
    """That the key can be extended, where it has an end, and one that Latchkey can move."""
    can_extend = end_of_life(request) is not None and not ends_at_confluent(request)
    return [Operation.EXTEND] if can_extend else []


def _keyed(request: Keyed, name: str) -> list[Block]:
    blocks = [lines(*of_key(request, name))]
    ref = ids.key_ref(request.ask.id, request.attempt)
    if isinstance(request, Ready | Shown | Confirmed):
        blocks += _readiness(request)
    if isinstance(request, Ready):
        blocks.append(show_secret(request))
    former = request.life.former if isinstance(request, Shown | Confirmed | Retired) else None
    if isinstance(request, Shown | Confirmed | Retired) and former and (rows := replaced_key(request)):
        until = ids.key_until(request.ask.id, request.attempt, former.until)
        longer = button("Keep a day longer", ids.KEEP_FORMER, until)
        now = {**button("Delete old key now", ids.DROP_FORMER, ref, "danger"), "confirm": _DROPPING}
        may_stay = former.until < longest_overlap(request)
        blocks += [lines(*rows), actions(*([longer] if may_stay else []), now)]
    if isinstance(request, Shown | Undelivered):
        blocks.append(actions(button("Replace key", ids.REPLACE, ref)))
    if isinstance(request, Shown | Confirmed):
        asks = [Operation.EDIT, Operation.ROTATE, *_extend(request), Operation.DELETE]
        blocks.append(actions(*key_buttons(request.key.id, asks)))
    return blocks


def _readiness(request: Ready | Shown | Confirmed) -> list[Block]:
    """Whether it works yet, as far as that is known; else the advice that every new key needs."""
    resource, probe = request.ask.resource, request.life.probe
    endpoints = request.endpoints if isinstance(request, Ready) else request.life.endpoints
    rows = readiness_rows(resource, probe, endpoints, request.key.id)
    if rows:
        return [lines(*rows)]
    return [] if isinstance(request, Confirmed) else [context(SOON)]


_DROPPING: Block = {
    "title": plain_text("Delete the old key now?"),
    "text": plain_text("Whatever still uses it stops at once. This cannot be undone."),
    "confirm": plain_text("Delete old key now"),
    "deny": plain_text("Cancel"),
    "style": "danger",
}
"""What Slack asks before the click is told."""
