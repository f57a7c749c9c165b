"""Checks Block Kit as Slack does: what is allowed where, how much of it, and what must be unique."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from sandbox.slack.block_kit import BLOCKS, CELLS, IDENTIFIER, MENU_GROUP, MENU_OPTION, OPTIONS, STANDS, Surface, plain
from sandbox.slack.blocks import ROWS_OF_ELEMENTS, plain_words
from sandbox.slack.errors import SlackError
from sandbox.slack.shapes import Check, Shape, anything, boolean, by_type, fault, list_of, string

MOST_BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}
VIEW_BYTES = 250_000
POSTED = 13_200
"""The most characters of JSON in all blocks of a posted message. Undocumented; others have measured it. An answer
through a response_url can be longer."""
MARKDOWN = 12_000


def elements_of(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The interactive elements of a block."""
    inside = one.get("elements") if one.get("type") in ROWS_OF_ELEMENTS else None
    candidates = [*(inside or []), one.get("element"), one.get("accessory")]
    yield from (each for each in candidates if isinstance(each, dict))


def check_unique(blocks: list[Any], at: str, problems: list[str]) -> None:
    """Require unique block IDs in a message or view, unique action IDs in a block, and at most one focus."""
    found = [each for each in blocks if isinstance(each, dict)]
    for name, count in Counter(each["block_id"] for each in found if each.get("block_id")).items():
        if count > 1:
            fault(problems, f"block_id {name!r} already exists", at)
    for index, each in enumerate(found):
        names = Counter(element["action_id"] for element in elements_of(each) if element.get("action_id"))
        for name in (name for name, count in names.items() if count > 1):
            fault(problems, f"`action_id` {name!r} already exists for block", f"{at}/{index}")
    if sum(1 for each in found for element in elements_of(each) if element.get("focus_on_load")) > 1:
        fault(problems, "only one element can have focus_on_load", at)
    if sum(each.get("type") == "table" for each in found) > 1:
        fault(problems, "only_one_table_allowed", at)


def block_problems(blocks: object, surface: Surface, at: str = "/blocks") -> list[str]:
    """Everything that Slack would refuse in these blocks on this surface; empty if it would accept them."""
    problems: list[str] = []
    of_kind = by_type(BLOCKS, *STANDS[surface])
    list_of(of_kind, MOST_BLOCKS[surface], 0)(blocks, at, problems)
    if isinstance(blocks, list):
        check_unique(blocks, at, problems)
        if sum(len(each.get("text", "")) for each in blocks if _is(each, "markdown")) > MARKDOWN:
            fault(problems, "markdown of all blocks must be less than 12001 characters", at)
        if sum(len(word) for each in blocks if _is(each, "table") for word in plain_words(each.get("rows"))) > CELLS:
            fault(problems, f"cells of all tables must be less than {CELLS + 1} characters", at)
    return problems


def _is(one: object, kind: str) -> bool:
    return isinstance(one, dict) and one.get("type") == kind


def check_message_blocks(blocks: object) -> None:
    """Refuse a message's blocks as Slack would.

    Raises `SlackError`: `invalid_blocks_format` if they aren't a list, otherwise `invalid_blocks` with JSON pointers.
    """
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if problems := block_problems(blocks, "message"):
        raise SlackError("invalid_blocks", messages=problems)


def check_posted_blocks(blocks: object) -> None:
    """Refuse the blocks of a posted or updated message: like `check_message_blocks`, and `msg_blocks_too_long`."""
    check_message_blocks(blocks)
    if len(json.dumps(blocks, ensure_ascii=False)) > POSTED:
        raise SlackError("msg_blocks_too_long")


ABOUT_VIEW: dict[str, Check] = {
    "private_metadata": string(3000),
    "callback_id": IDENTIFIER,
    "external_id": IDENTIFIER,
    "clear_on_close": boolean,
    "notify_on_close": boolean,
    "submit_disabled": boolean,
}
VIEWS: dict[str, Check] = {
    "modal": Shape({"title": plain(24), "blocks": anything}, {**ABOUT_VIEW, "submit": plain(24), "close": plain(24)}),
    "home": Shape({"blocks": anything}, ABOUT_VIEW),
}


def check_view(view: object, surface: Literal["modal", "home"]) -> None:
    """Refuse a view as Slack would.

    Raises `SlackError`: `view_too_large` above 250 kB, otherwise `invalid_arguments` with JSON pointers.
    """
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", messages=["[ERROR] must be an object [json-pointer:/view]"])
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        raise SlackError("view_too_large")
    problems: list[str] = []
    by_type(VIEWS, surface)(view, "/view", problems)
    problems += block_problems(view.get("blocks"), surface, "/view/blocks")
    has_input = any(_is(each, "input") for each in view.get("blocks") or [])
    if surface == "modal" and has_input and not view.get("submit"):
        fault(problems, "missing required field: submit (the view has an input block)", "/view")
    if problems:
        raise SlackError("invalid_arguments", messages=problems)


def check_options(answer: object) -> None:
    """Refuse an answer to a `block_suggestion` unless it's options or groups within the limits.

    Raises `SlackError` with `invalid_options`.
    """
    problems: list[str] = []
    shape = Shape({}, {"options": list_of(MENU_OPTION, OPTIONS, 0), "option_groups": list_of(MENU_GROUP, OPTIONS, 0)})
    shape(answer, "", problems)
    if not isinstance(answer, dict) or len(answer.keys() & {"options", "option_groups"}) != 1:
        fault(problems, "must have exactly one of: options, option_groups", "")
    if problems:
        raise SlackError("invalid_options", messages=problems)
