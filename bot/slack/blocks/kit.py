"""Block Kit in small pieces that keep Slack's limits: buttons, menus, fields, and the modals they are in."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from bot.slack.blocks import limits
from bot.slack.blocks.newer import one_table
from bot.slack.blocks.text import (
    NAME,
    TEXT,
    Block,
    Bold,
    Code,
    Link,
    Piece,
    Row,
    cut,
    lines,
    marked_up,
    plain_text,
    small,
)
from bot.slack.payloads import ids

Style: TypeAlias = Literal["primary", "danger"]
OPTION, HEADER, TITLE, LABEL, BUTTON, OPTIONS = 75, 150, 24, 2000, 75, 100
CONFIRM_TITLE, CONFIRM_TEXT, CONFIRM_BUTTON, FIELD = 100, 300, 30, 2000
VALUE = 150
"""How many characters an option's value may have. A longer ID can't be offered."""
FIELDS = 10
"""How many fields a section may have."""
MENU = 5
"""How many options an overflow menu may have."""
_MARKED = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)|:[\w+'-]+:|^\s*>")
"""Text that mrkdwn would format."""


def header(text: str) -> Block:
    """A headline."""
    return {"type": "header", "text": plain_text(text, HEADER)}


def divider() -> Block:
    """A thin line."""
    return {"type": "divider"}


def fields(*facts: tuple[str, Row]) -> list[Block]:
    """Facts in two columns, each a bold label with its value below. They are mrkdwn, with long names cut.

    What mrkdwn wouldn't show as typed follows in rows of rich text.
    """
    marked = [(label, row) for label, row in facts if any(map(_is_marked, row))]
    columns = [fact for fact in facts if fact not in marked]
    shown = [f"*{label}*\n{''.join(small(_short(piece)) for piece in row)}" for label, row in columns]
    rows = [lines(*([Bold(f"{label}: "), *map(_short, row)] for label, row in marked))] if marked else []
    sections: list[Block] = [
        {
            "type": "section",
            "fields": [marked_up(each, FIELD) for each in shown[at : at + FIELDS]],
        }
        for at in range(0, len(shown), FIELDS)
    ]
    return [*sections, *rows]


def section(*rows: Row, beside: Block) -> list[Block]:
    """Lines with a button or a menu next to them: mrkdwn in which no foreign text becomes a link.

    What mrkdwn wouldn't show as typed is in rows of rich text, with the button or menu below them.
    """
    if any(_is_marked(piece) for row in rows for piece in row):
        return [lines(*([_short(piece) for piece in row] for row in rows)), actions(beside)]
    text = "\n".join("".join(small(_short(piece)) for piece in row) for row in rows)
    return [{"type": "section", "text": marked_up(text), "accessory": beside}]


def button(text: str, action: str, value: str = "", style: Style | None = None) -> Block:
    """A button. `value` is an opaque id and nothing else."""
    block: Block = {"type": "button", "text": plain_text(text, BUTTON), "action_id": action}
    if value:
        block["value"] = value
    if style:
        block["style"] = style
    return block


def asking(element: Block, title: str, text: str, yes: str, *, danger: bool = False) -> Block:
    """A button or a menu that asks for a confirmation before the click counts. All texts are ours, or `flat`."""
    confirm: Block = {
        "title": plain_text(title, CONFIRM_TITLE),
        "text": plain_text(text, CONFIRM_TEXT),
        "confirm": plain_text(yes, CONFIRM_BUTTON),
        "deny": plain_text("Cancel", CONFIRM_BUTTON),
    }
    return {**element, "confirm": {**confirm, "style": "danger"} if danger else confirm}


def overflow(*options: tuple[str, str, str]) -> Block:
    """The menu behind "…", of at most five options: each a text, and the action and value of the button it replaces.

    A choice reaches the listeners as a press of that button: see `read.unfolded`.
    """
    shown = [option(text, ids.folded(action, value)) for text, action, value in options[:MENU]]
    return {"type": "overflow", "action_id": ids.MORE, "options": shown}


def actions(*buttons: Block, block: str = "") -> Block:
    """A row of buttons. `block` is its block id, if someone reads it."""
    return {"type": "actions", "elements": list(buttons), **({"block_id": block} if block else {})}


def option(text: str, value: str, description: str = "") -> Block:
    """One option of a select."""
    block: Block = {"text": plain_text(text, OPTION), "value": value}
    return {**block, "description": plain_text(description, OPTION)} if description else block


def field(label: str, block_id: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """An input block."""
    name = plain_text(label, LABEL)
    block: Block = {"type": "input", "block_id": block_id, "label": name, "element": element, "optional": optional}
    return {**block, "hint": plain_text(hint, LABEL)} if hint else block


def text_input(action: str, typed: str, *, limit: int, lines: bool = False, placeholder: str = "") -> Block:
    """A text field with `typed` in it, even if that is longer than `limit`: our own check reports that."""
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


def choices(action: str, options: Sequence[Block], chosen: Sequence[Block], placeholder: str) -> Block:
    """A menu in which any number of options can be chosen."""
    hint = plain_text(placeholder, HEADER)
    block: Block = {"type": "multi_static_select", "action_id": action, "options": list(options), "placeholder": hint}
    return {**block, "initial_options": list(chosen)} if chosen else block


def search(action: str, placeholder: str, chosen: Block | None) -> Block:
    """A select whose options are loaded while typing."""
    hint = plain_text(placeholder, HEADER)
    block: Block = {"type": "external_select", "action_id": action, "min_query_length": 0, "placeholder": hint}
    return {**block, "initial_option": chosen} if chosen else block


def modal(
    title: str, blocks: Sequence[Block], *, callback: str, submit: str = "", close: str = "Close", metadata: str = ""
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
    """The blocks with their IDs for this drawing, so that no field shows one value and submits another: see `ids`."""
    there = tuple(standing)
    return [
        {**each, "block_id": ids.drawn(each["block_id"], drawing, there)} if "block_id" in each else each
        for each in blocks
    ]


def as_message(blocks: Sequence[Block], text: str) -> Mapping[str, Any]:
    """The arguments of `chat.postMessage` and `chat.update` besides channel and ts. `text` is for notifications."""
    return {"blocks": limits.message(one_table(blocks)), "text": cut(text, TEXT)}


def _is_marked(piece: Piece) -> bool:
    """Whether mrkdwn would format something in this piece, such as bold text or an emoji's name."""
    if isinstance(piece, Code):
        return "`" in piece.text
    text = piece.text if isinstance(piece, Bold | Link) else piece
    return isinstance(text, str) and _MARKED.search(text) is not None


def _short(piece: Piece) -> Piece:
    """The piece, with its text cut to the length of a name before it's escaped."""
    match piece:
        case str():
            return cut(piece, NAME)
        case Bold(text):
            return Bold(cut(text, NAME))
        case Code(text):
            return Code(cut(text, NAME))
        case _:
            return piece
