"""Messages to people other than the requester: approvers, and the owners of an account. Pure functions."""

from collections.abc import Sequence

from bot.domain.errors import plain
from bot.domain.keys import MyAccount, Operation, SlackUserId
from bot.domain.requests import Denied, Done, Failed, Keyed, Living, Pending, Request, approvals_of
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Mention, Piece, Row, context, flat, lines, quote
from bot.slack.messages.card import card, in_a_line, key_of, wish
from bot.slack.messages.facts import called, changes, owner_row, resource_row
from bot.slack.messages.progress import Rows, stands
from bot.slack.messages.state import state
from bot.slack.payloads import ids

_DID = {
    Operation.EDIT: "edited",
    Operation.DELETE: "deleted",
    Operation.ROTATE: "rotated",
    Operation.EXTEND: "extended",
}


def copy(request: Request, number: int) -> tuple[list[Block], str]:
    """The card as a direct message. From the second on (`number` counts from 0), it says that it is a reminder."""
    blocks, said = card(request)
    if not number or not isinstance(request, Pending):
        return blocks, said
    reminder = lines([Bold("Reminder: "), "this request has been waiting since ", request.ask.asked_at, "."])
    return [blocks[0], reminder, *blocks[1:]], f"Reminder: {said}"


def to_approvers(request: Request, to: SlackUserId | None, *, is_reply: bool = False) -> tuple[list[Block], str]:
    """Says that no key came of it, and why: to one person, or in the channel, mentioning the approvers there.

    `is_reply` is for one below the card, which says why.
    """
    ask, now = request.ask, state(request)
    name: Row = [" (", Bold(flat(ask.name)), ")"] if flat(ask.name) else []
    people = [] if to else [each.by.slack for each in approvals_of(request) if each.told == "thread"]
    which: Row = ["'s ", *key_of(ask)] if isinstance(request, Keyed) else ["'s request ", *wish(ask)]
    head: Row = [f"{now.sign} ", Bold(now.word), ": ", Mention(ask.requester.slack), *which, *name, ". "]
    rows = stands(request, yours=False)
    rows = rows[:-1] if isinstance(request, Failed) else rows  # the card has the reference
    blocks = [
        lines([*head, *_to(people), "you approved it." if people else "You approved it."], *([] if is_reply else rows))
    ]
    if not is_reply and isinstance(request, Denied):
        blocks.append(quote(request.reason))
    rung = "".join(f"<@{each}> " for each in people)
    said = f"{now.word}: {plain(ask.requester.name)}{in_a_line(which)}. You approved it"
    return blocks, f"{rung}{said}"


def _to(people: Sequence[SlackUserId]) -> list[Piece]:
    return [piece for each in people for piece in (Mention(each), ", ")]


def to_owners(request: Request) -> tuple[list[Block], str]:
    """Tells the owners of an account about a change of its key without an approval: who did what, and why."""
    ask, did = request.ask, _DID.get(request.ask.operation, "changed")
    key, is_personal = ask.key.id if ask.key else "", isinstance(ask.owner, MyAccount)
    whose = "It belongs to your account." if is_personal else "You own its service account."
    is_gone = ask.operation is Operation.DELETE and isinstance(request, Done) and bool(request.note)
    did = "wanted to delete" if is_gone else did
    what: Row = [f" {did} the API key ", Code(key), *([f" ({flat(ask.name)})"] if ask.name else []), "."]
    rows: Rows = [
        [f"{state(request).sign} ", Mention(ask.requester.slack), *what, f" {whose}"],
        owner_row(ask.owner, "your own"),
        resource_row(ask.resource),
        *_then(request),
    ]
    why = [lines([Bold("Reason")]), quote(ask.reason)] if ask.reason.strip() else []
    blocks = [lines(*rows), *why]
    if now := _present(request):
        blocks.append(actions(button("Open key", ids.KEY_DETAILS, now)))
    blocks.append(context("No approval was needed · Policy rule: ", request.terms.rule))
    which = f"an API key of {'yours' if is_personal else 'your service account'} for {plain(called(ask.resource))}"
    return blocks, f"{plain(ask.requester.name)} {did} {which}"


def _then(request: Request) -> Rows:
    """What follows for applications that use the key."""
    ask = request.ask
    if ask.operation is Operation.DELETE:
        return [*stands(request, yours=False)[:1], ["Anything still using it has stopped working."]]
    if ask.operation is Operation.EDIT:
        return changes(ask)
    if ask.operation is Operation.ROTATE:
        viewed: Row = [Mention(ask.requester.slack), " viewed the new secret."]
        former = request.life.former if isinstance(request, Living) else None
        if former is None or former.deleted_at:
            return [viewed]
        return [[*viewed, " Latchkey deletes the old key ", former.until, "."]]
    return stands(request, yours=False)


def _present(request: Request) -> str:
    """The key that is there now."""
    if isinstance(request, Living):
        return request.key.id
    is_there = isinstance(request, Done) and request.ask.operation is not Operation.DELETE
    return request.ask.key.id if is_there and request.ask.key else ""
