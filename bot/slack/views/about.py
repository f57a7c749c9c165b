"""Which request a page is about, and whose: people open such pages from a card, a message and Home. Pure."""

from bot.domain.deadlines import glass_of
from bot.domain.requests import Request
from bot.slack.blocks.text import Block, Bold, Mention, Row, flat, lines
from bot.slack.messages.card import name_of, wish


def about(known: Request | None, *rows: Row) -> list[Block]:
    """The request and its requester, with further rows below; empty if the request couldn't be read."""
    if known is None:
        return []
    ask = known.ask
    asked: Row = ["Request by ", Mention(ask.requester.slack), " ", *wish(ask), "."]
    if glass_of(known):
        asked = [Mention(ask.requester.slack), " used break-glass ", *wish(ask), "."]
    return [lines([Bold(name_of(ask))], asked, *rows)]


def requester(known: Request | None) -> str:
    """The name of the person who sent it, to begin a sentence."""
    return (flat(known.ask.requester.name) if known else "") or "The requester"
