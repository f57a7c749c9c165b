"""Text in blocks, each piece within Slack's limits, so that no text of any length can break a message.

Foreign text goes into rich_text or plain_text, where nothing links, mentions or pings. mrkdwn is for our own words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from bot.domain.errors import plain
from bot.domain.keys import SlackUserId
from bot.services.text import DATE, DAY, fallback, on_day, unescaped, when

Block: TypeAlias = dict[str, Any]
Row: TypeAlias = "Sequence[Piece]"
TEXT = 3000
NAME = 200
"""Characters of a name that are shown next to other words."""
CODES = 20
"""How many pieces of code one sentence may have: Slack counts the pieces of a text."""
_CODE = re.compile(r"`([^`\n]+)`")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Invisible characters. Each takes six characters of JSON."""
_BREAKS_ROWS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Bold:
    """Bold text."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text in a fixed-width font."""

    text: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A person, by name."""

    user: SlackUserId


@dataclass(frozen=True, slots=True)
class Link:
    """An address without spaces and angle brackets, by a text in one line."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Day:
    """A moment of which only the day is shown: "today", "yesterday" or a date."""

    moment: datetime


Piece: TypeAlias = str | Bold | Code | Mention | Link | datetime | Day
"""A part of a line; a datetime is shown in the reader's own time zone."""


def cut(text: str, limit: int) -> str:
    """The text, at most `limit` characters long, with an ellipsis if something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain_text(text: str, limit: int = TEXT) -> Block:
    """A plain_text object. Slack requires at least one character."""
    return {"type": "plain_text", "text": cut(text, limit) or " ", "emoji": False}


def marked_up(text: str, limit: int = TEXT) -> Block:
    """A mrkdwn object. Only `<…>` becomes a link or a mention, and no plain URL, `@here` or `#channel` in a name."""
    return {"type": "mrkdwn", "text": cut(text, limit) or " ", "verbatim": True}


def mrkdwn(text: str) -> Block:
    """A mrkdwn section of our own words."""
    return {"type": "section", "text": marked_up(text)}


def context(*pieces: Piece) -> Block:
    """Small gray text: mrkdwn, because Slack accepts no rich text there."""
    return {"type": "context", "elements": [marked_up("".join(map(small, pieces)))]}


def lines(*rows: Sequence[Piece]) -> Block:
    """Rows of rich text, one below the other. Nothing in a row can start another one, or reverse it."""
    elements: list[Block] = []
    for row in rows:
        if elements:
            elements.append({"type": "text", "text": "\n"})
        elements += [_in_a_row(_piece(piece)) for piece in row if piece != ""]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def told(sentence: str) -> list[Piece]:
    """A sentence written as mrkdwn, such as an error's `tell`, for rich text; nothing in it pings or links."""
    parts = _CODE.split(sentence, CODES)
    return [Code(unescaped(part)) if odd % 2 else unescaped(part) for odd, part in enumerate(parts)]


def quote(text: str) -> Block:
    """Foreign text exactly as it was typed."""
    shown = _CONTROLS.sub("", text) or " "
    return {"type": "rich_text", "elements": [{"type": "rich_text_quote", "elements": [_piece(shown)]}]}


def preformatted(text: str) -> Block:
    """Text to be copied."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [_piece(text)]}]}


def flat(text: str, limit: int = NAME) -> str:
    """Foreign text to show next to ours: on one line, and cut if it's long."""
    return cut(" ".join(_in_line(text).split()), limit)


def _in_line(text: str) -> str:
    return _BREAKS_ROWS.sub(" ", text)


def _in_a_row(leaf: Block) -> Block:
    return {**leaf, "text": _in_line(leaf["text"])} if leaf["type"] == "text" else leaf


def _piece(piece: Piece) -> Block:
    match piece:
        case Bold(text):
            return {"type": "text", "text": cut(text, TEXT) or " ", "style": {"bold": True}}
        case Code(text):
            return {"type": "text", "text": cut(text, TEXT) or " ", "style": {"code": True}}
        case Mention(user):
            return {"type": "user", "user_id": user}
        case Link(text, url):
            return {"type": "link", "url": url, "text": text}
        case datetime():
            return {"type": "date", "timestamp": int(piece.timestamp()), "format": DATE, "fallback": fallback(piece)}
        case Day(moment):
            return {"type": "date", "timestamp": int(moment.timestamp()), "format": DAY, "fallback": fallback(moment)}
        case str():
            return {"type": "text", "text": cut(piece, TEXT)}


def small(piece: Piece) -> str:
    """A piece as mrkdwn, for the texts that Slack takes no rich text in."""
    match piece:
        case Mention(user):
            return f"<@{user}>"
        case Link(text, url):
            return f"<{plain(url)}|{plain(_in_line(text))}>"
        case datetime():
            return when(piece)
        case Day(moment):
            return on_day(moment)
        case Bold(text):
            return f"*{plain(_in_line(text))}*"
        case Code(text):
            return f"`{plain(_in_line(text))}`"
        case str():
            return plain(_in_line(piece))
