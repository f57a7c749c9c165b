"""The message to the people who approved a request, if no key comes of it. Pure functions."""

from collections.abc import Sequence

from bot.domain.errors import plain
from bot.domain.keys import SlackUserId
from bot.domain.requests import Denied, Request, approvals_of
from bot.slack.blocks.text import Block, Bold, Mention, Piece, Row, flat, lines, quote
from bot.slack.messages.card import in_a_line, wish
from bot.slack.messages.progress import stands
from bot.slack.messages.state import state


def told(request: Request, to: SlackUserId | None) -> tuple[list[Block], str]:
    """Says that no key came of it, and why: to one person, or below the card, mentioning approvers in the channel."""
    ask, now = request.ask, state(request)
    name: Row = [" (", Bold(flat(ask.name)), ")"] if flat(ask.name) else []
    people = [] if to else [each.by.slack for each in approvals_of(request) if each.told == "thread"]
    asker = Mention(ask.requester.slack)
    head: Row = [f"{now.sign} ", Bold(now.word), ": ", *_to(people), "the request from ", asker, " ", *wish(ask)]
    blocks = [lines([*head, *name, ", which you approved."], *stands(request, yours=False))]
    if isinstance(request, Denied):
        blocks.append(quote(request.reason))
    rung = "".join(f"<@{each}> " for each in people)
    said = f"{now.word}: the request from {plain(ask.requester.name)} {in_a_line(wish(ask))}, which you approved"
    return blocks, f"{rung}{said}"


def _to(people: Sequence[SlackUserId]) -> list[Piece]:
    return [piece for each in people for piece in (Mention(each), ", ")]
