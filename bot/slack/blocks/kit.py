"""Block Kit in small pieces that keep Slack's limits, so that no text of any length can break a message.

Foreign text goes into rich_text or plain_text, where nothing links, mentions or pings. mrkdwn is for our own words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from bot.domain.errors import plain
from bot.domain.keys import SlackUserId
from bot.services.text import DATE, fallback, unescaped, when
from bot.slack.blocks import limits
from bot.slack.payloads import ids

Block: TypeAlias = dict[str, Any]
Row: TypeAlias = "Sequence[Piece]"
Style: TypeAlias = Literal["primary", "danger"]
TEXT, OPTION, HEADER, TITLE, LABEL, BUTTON, OPTIONS = 3000, 75, 150, 24, 2000, 75, 100
VALUE = 150
"""Characters of an option's value; an id that is longer cannot be offered."""
NAME = 200
"""Characters of a name that are shown beside other words."""
CODES = 20
"""How many pieces of code one sentence may have: Slack counts the pieces of a text."""
_CODE = re.compile(r"`([^`\n]+)`")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Signs that nobody sees; each takes six characters of JSON."""
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


Piece: TypeAlias = str | Bold | Code | Mention | datetime
"""A part of a line; a datetime is shown in the reader's own time zone."""


def cut(text: str, limit: int) -> str:
    """The text, at most `limit` characters long, with an ellipsis where something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain_text(text: str, limit: int = TEXT) -> Block:
    """A plain_text object; Slack wants at least one character."""
    return {"type": "plain_text", "text": cut(text, limit) or " ", "emoji": False}


def mrkdwn(text: str) -> Block:
    """A mrkdwn section of our own words."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, TEXT) or " "}}


def header(text: str) -> Block:
    """A headline."""
    return {"type": "header", "text": plain_text(text, HEADER)}


def divider() -> Block:
    """A thin line."""
    return {"type": "divider"}


def context(*pieces: Piece) -> Block:
    """Small grey text: mrkdwn, because Slack takes no rich text there."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut("".join(map(_small, pieces)), TEXT)}]}


def lines(*rows: Sequence[Piece]) -> Block:
    """Rows of rich text, one below the other. What is in a row cannot begin another one, nor turn it round."""
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


def button(text: str, action: str, value: str = "", style: Style | None = None) -> Block:
    """A button; `value` is an opaque id and nothing else."""
    block: Block = {"type": "button", "text": plain_text(text, BUTTON), "action_id": action}
    if value:
        block["value"] = value
    if style:
        block["style"] = style
    return block


def actions(*buttons: Block, block: str = "") -> Block:
    """A row of buttons; `block` is its block id, where somebody reads it."""
    return {"type": "actions", "elements": list(buttons), **({"block_id": block} if block else {})}


def option(text: str, value: str, description: str = "") -> Block:
    """One option of a select."""
    block: Block = {"text": plain_text(text, OPTION), "value": value}
    if description:
        block["description"] = plain_text(description, OPTION)
    return block


def field(label: str, block_id: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """An input block."""
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(label, LABEL),
        "element": element,
        "optional": optional,
    }
    if hint:
        block["hint"] = plain_text(hint, LABEL)
    return block


def text_input(action: str, typed: str, *, limit: int, lines: bool = False, placeholder: str = "") -> Block:
    """A text field holding `typed`, also where that is longer than `limit`: our own check speaks of it."""
    kept = cut(typed, TEXT)
    longest = max(limit, len(kept))
    block: Block = {"type": "plain_text_input", "action_id": action, "multiline": lines, "max_length": longest}
    if kept:
        block["initial_value"] = kept
    if placeholder:
        block["placeholder"] = plain_text(placeholder, HEADER)
    return block


def menu(action: str, options: Sequence[Block], chosen: Block | None = None, placeholder: str = "") -> Block:
    """A select with these options."""
    block: Block = {"type": "static_select", "action_id": action, "options": list(options)}
    if placeholder:
        block["placeholder"] = plain_text(placeholder, HEADER)
    return {**block, "initial_option": chosen} if chosen else block


def search(action: str, placeholder: str, chosen: Block | None) -> Block:
    """A select whose options are asked for while typing."""
    block: Block = {"type": "external_select", "action_id": action, "min_query_length": 0}
    block["placeholder"] = plain_text(placeholder, HEADER)
    return {**block, "initial_option": chosen} if chosen else block


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback: str,
    submit: str = "",
    close: str = "Close",
    metadata: str = "",
) -> Block:
    """A modal view."""
    view: Block = {
        "type": "modal",
        "callback_id": callback,
        "title": plain_text(title, TITLE),
        "blocks": limits.view(blocks),
        "close": plain_text(close, TITLE),
        "private_metadata": metadata,
    }
    if submit:
        view["submit"] = plain_text(submit, TITLE)
    return view


def redrawn(blocks: Iterable[Block], drawing: str, standing: Iterable[str] = ()) -> list[Block]:
    """The blocks with their ids for this drawing, so that no field shows one thing and submits another: see `ids`."""
    there = tuple(standing)
    return [
        {**each, "block_id": ids.drawn(each["block_id"], drawing, there)} if "block_id" in each else each
        for each in blocks
    ]


def flat(text: str, limit: int = NAME) -> str:
    """Foreign text as it may stand beside ours: in one line, and cut where it is long."""
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
        case datetime():
            return {
                "type": "date",
                "timestamp": int(piece.timestamp()),
                "format": DATE,
                "fallback": fallback(piece),
            }
        case str():
            return {"type": "text", "text": cut(piece, TEXT)}


def _small(piece: Piece) -> str:
    match piece:
        case Mention(user):
            return f"<@{user}>"
        case datetime():
            return when(piece)
        case Bold(text):
            return f"*{plain(_in_line(text))}*"
        case Code(text):
            return f"`{plain(_in_line(text))}`"
        case str():
            return plain(_in_line(piece))


def as_message(blocks: Sequence[Block], text: str) -> Mapping[str, Any]:
    """What `chat.postMessage` and `chat.update` take besides channel and ts; `text` is for notifications."""
    return {"blocks": limits.message(blocks), "text": cut(text, TEXT)}
