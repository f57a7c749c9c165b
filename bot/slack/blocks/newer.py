"""Blocks that Slack added recently: `alert` in modals, `table` in messages; each with a plain form that works anywhere.

Each function knows which surfaces its block is allowed on, and draws the plain form on the others. If a workspace
refuses a block that it should accept, `plain` turns it into the plain form: see `api.calls.CountedClient`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, cast

from bot.slack.blocks.text import TEXT, Block, Bold, Piece, Row, flat, lines, marked_up, mrkdwn, small

Surface: TypeAlias = Literal["message", "modal", "home"]
Level: TypeAlias = Literal["info", "warning", "error", "success"]
Cell: TypeAlias = "str | Row"
NEWER: Final = frozenset({"alert", "table"})
"""The types of these blocks."""
ALERT = 200
"""How many characters an alert may have, according to a public Block Kit validator. Slack's reference has no limit."""
ROWS, COLUMNS = 100, 20
CELLS = 10_000
"""How many characters all cells of a message's table may have."""
SIGNS: Mapping[str, str] = {"info": "\N{INFORMATION SOURCE}\ufe0f", "warning": "⚠️", "error": "⛔", "success": "✅"}
BETWEEN = " · "
"""The separator between the cells of a row in the plain form."""


def alert(level: Level, *pieces: Piece, on: Surface) -> Block:
    """A notice that stands out: in a modal Slack's alert, elsewhere a section with a symbol."""
    text = "".join(map(small, pieces))
    if on == "modal" and len(text) <= ALERT:
        return {"type": "alert", "level": level, "text": marked_up(text)}
    return _plain_alert(level, text)


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], *, on: Surface) -> list[Block]:
    """Rows below a head: in a message Slack's table, which a message can have one of; elsewhere plain rows.

    A table that is too large for Slack becomes plain rows, too.
    """
    cells = [[lines([Bold(name)]) for name in head], *([_cell(each) for each in row] for row in rows)]
    drawn: Block = {
        "type": "table",
        "rows": cells,
        "column_settings": [{"align": "left", "is_wrapped": True} for _ in head],
    }
    fits = len(cells) <= ROWS and len(head) <= COLUMNS and _length(drawn) <= CELLS
    return [drawn] if on == "message" and fits else _plain_table(cells)


def has_newer(body: object) -> bool:
    """Whether a message or a view has such a block anywhere."""
    return any(block.get("type") in NEWER for block in _blocks(body))


def plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a call, or a view, with the plain form in place of each newer block."""
    changed = dict(body)
    if isinstance(body.get("view"), Mapping):
        changed["view"] = plain(cast("Mapping[str, Any]", body["view"]))
    if isinstance(body.get("blocks"), Sequence):
        blocks = cast("Sequence[Block]", body["blocks"])
        changed["blocks"] = [each for block in blocks for each in _plainly(block)]
    return changed


def one_table(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a message with every table except the first as plain rows: Slack accepts one per message."""
    first = next((block for block in blocks if block["type"] == "table"), None)
    return [each for block in blocks for each in (_plainly(block) if _is_other(block, first) else [block])]


def _is_other(block: Block, first: Block | None) -> bool:
    return block["type"] == "table" and block is not first


def _blocks(body: object) -> Sequence[Block]:
    if not isinstance(body, Mapping):
        return ()
    found = cast("Mapping[str, Any]", body)
    return found.get("blocks") or _blocks(found.get("view")) or ()


def _plainly(block: Block) -> list[Block]:
    match block["type"]:
        case "alert":
            return [_plain_alert(block.get("level", "info"), block["text"]["text"])]
        case "table":
            return _plain_table(block["rows"])
        case _:
            return [block]


def _plain_alert(level: str, text: str) -> Block:
    return mrkdwn(f"{SIGNS[level]} {text}")


def _plain_table(rows: Sequence[Sequence[Block]]) -> list[Block]:
    """All rows in one block of rich text, including the head, which says what the columns are."""
    elements: list[Block] = []
    for number, row in enumerate(rows):
        if number:
            elements.append({"type": "text", "text": "\n"})
        for place, each in enumerate(row):
            if place:
                elements.append({"type": "text", "text": BETWEEN})
            elements += _leaves(each)
    section: Block = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "elements": [section]}] if elements else [lines([" "])]


def _leaves(shown: Block) -> list[Block]:
    """The texts in a cell."""
    if shown["type"] == "rich_text":
        return [leaf for part in shown["elements"] for leaf in part["elements"]]
    return [{"type": "text", "text": shown["text"]}]


def _cell(row: Cell) -> Block:
    """One cell. Slack requires text in every cell, and plain text needs a third of the room of rich text."""
    return {"type": "raw_text", "text": flat(row, TEXT) or " "} if isinstance(row, str) else lines(row or [" "])


def _length(drawn: Block) -> int:
    """How many characters all cells have. What isn't text counts as a short word."""
    leaves = [leaf for row in drawn["rows"] for each in row for leaf in _leaves(each)]
    return sum(len(str(leaf.get("text") or leaf.get("fallback") or "someone's name")) for leaf in leaves)
