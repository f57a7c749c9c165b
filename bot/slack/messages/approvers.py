"""The messages to approvers: a copy of the card, and later that no key came of the request. Pure functions."""

from collections.abc import Sequence

from bot.domain.errors import plain
from bot.domain.keys import SlackUserId
from bot.domain.requests import Denied, Failed, Keyed, Pending, Request, approvals_of
from bot.slack.blocks.text import Block, Bold, Mention, Piece, Row, flat, lines, quote
from bot.slack.messages.card import card, in_a_line, key_of, wish
from bot.slack.messages.progress import stands
from bot.slack.messages.state import state


def copy(request: Request, number: int) -> tuple[list[Block], str]:
    """The card as a direct message. From the second on (`number` counts from 0), it says that it is a reminder."""
    blocks, said = card(request)
    if not number or not isinstance(request, Pending):
        return blocks, said
    reminder = lines([Bold("Reminder: "), "this request has been waiting since ", request.ask.asked_at, "."])
    return [blocks[0], reminder, *blocks[1:]], f"Reminder: {said}"


def told(request: Request, to: SlackUserId | None) -> tuple[list[Block], str]:
    """Says that no key came of it, and why: to one person, or below the card, mentioning approvers in the channel."""
    ask, now = request.ask, state(request)
    name: Row = [" (", Bold(flat(ask.name)), ")"] if flat(ask.name) else []
    people = [] if to else [each.by.slack for each in approvals_of(request) if each.told == "thread"]
    which: Row = ["'s ", *key_of(ask)] if isinstance(request, Keyed) else ["'s request ", *wish(ask)]
    head: Row = [f"{now.sign} ", Bold(now.word), ": ", Mention(ask.requester.slack), *which, *name, ". "]
    rows = stands(request, yours=False)
    rows = rows[:-1] if isinstance(request, Failed) else rows  # the card has the reference
    blocks = [lines([*head, *_to(people), "you approved it." if people else "You approved it."], *(rows if to else []))]
    if to and isinstance(request, Denied):
        blocks.append(quote(request.reason))
    rung = "".join(f"<@{each}> " for each in people)
    said = f"{now.word}: {plain(ask.requester.name)}{in_a_line(which)}. You approved it"
    return blocks, f"{rung}{said}"


def _to(people: Sequence[SlackUserId]) -> list[Piece]:
    return [piece for each in people for piece in (Mention(each), ", ")]
