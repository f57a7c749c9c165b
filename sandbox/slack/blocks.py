"""Reads blocks: the IDs that Slack fills in, elements by ID, and the state of the form."""

import copy
import secrets
from collections.abc import Iterator
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, dict[str, Json]]
"""`values[block_id][action_id]`, as in `view.state`."""

TEXTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
ONE_OF = ("static_select", "external_select", "radio_buttons")
SOME_OF = ("multi_static_select", "multi_external_select", "checkboxes")
PICKED = {
    "datepicker": "date",
    "timepicker": "time",
    "datetimepicker": "date_time",
    "users_select": "user",
    "conversations_select": "conversation",
    "channels_select": "channel",
}
ROWS_OF_ELEMENTS = ("actions", "context_actions")
"""Blocks with clickable `elements`. Those of any other block are text."""
FEEDBACK = ("positive_button", "negative_button")
REQUIRED = "Please complete this required field."
FROM_PERSON = ("value", "selected_option", "selected_options", *(f"selected_{what}" for what in PICKED.values()))
"""The fields of an action that contain what the person chose. All others come from the element."""


def interactive(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every (block, element) that a person can click, choose or type in."""
    for block in blocks:
        inside = block.get("elements", []) if block["type"] in ROWS_OF_ELEMENTS else []
        for element in (*inside, block.get("element"), block.get("accessory")):
            if element and "action_id" in element:
                yield block, element


def find_spot(blocks: list[Json], block_id: object, action_id: object) -> tuple[Json, Json] | None:
    """The (block, element) with these IDs, or None."""
    for block, element in interactive(blocks):
        if (block["block_id"], element["action_id"]) == (block_id, action_id):
            return block, element
    return None


def find_element(blocks: list[Json], block_id: object, action_id: object) -> Json | None:
    """The element with these IDs, or None."""
    spot = find_spot(blocks, block_id, action_id)
    return spot[1] if spot else None


def fill_ids(blocks: list[Json]) -> list[Json]:
    """A copy of the blocks in which every block and every interactive element has an ID."""
    filled = copy.deepcopy(blocks)
    for block in filled:
        block.setdefault("block_id", secrets.token_hex(4))
        inside = block.get("elements", []) if block["type"] in ROWS_OF_ELEMENTS else []
        for element in (*inside, block.get("element"), block.get("accessory")):
            if element and element["type"] != "image":
                element.setdefault("action_id", secrets.token_hex(4))
    return filled


def options_of(element: Json) -> list[Json]:
    """The options of an element, including those in groups; none if the bot supplies them."""
    grouped = [option for group in element.get("option_groups", ()) for option in group["options"]]
    return [*element.get("options", ()), *grouped]


def is_offered(element: Json, given: Json) -> bool:
    """Whether the element offers what was chosen; True if the bot supplies the options."""
    if element["type"] == "feedback_buttons":
        return any(given.get("value") == element[each]["value"] for each in FEEDBACK)
    offered = {option["value"] for option in options_of(element)}
    chosen = [each for each in (given.get("selected_option"), *(given.get("selected_options") or ())) if each]
    return not offered or all(option["value"] in offered for option in chosen)


def untouched(element: Json) -> Json | None:
    """The state of an element that nobody touched: its initial value; None for an element without state."""
    kind = element["type"]
    if kind in TEXTS:
        return {"type": kind, "value": element.get("initial_value")}
    if kind in ONE_OF:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in SOME_OF:
        return {"type": kind, "selected_options": element.get("initial_options", [])}
    if kind in PICKED:
        return {"type": kind, f"selected_{PICKED[kind]}": element.get(f"initial_{PICKED[kind]}")}
    return None


def settle(blocks: list[Json], *known: Values) -> Values:
    """The state of a form: for each element, the first of `known` that still fits, or else its initial value."""
    settled: Values = {}
    for block, element in interactive(blocks):
        initial = untouched(element)
        if initial is None:
            continue
        block_id, action_id = block["block_id"], element["action_id"]
        given = (each.get(block_id, {}).get(action_id) for each in known)
        fitting = next((each for each in given if each and _still_fits(element, each)), initial)
        settled.setdefault(block_id, {})[action_id] = fitting
    return settled


def _still_fits(element: Json, given: Json) -> bool:
    return given.get("type") == element["type"] and is_offered(element, given)


def missing_or_wrong(blocks: list[Json], values: Values) -> dict[str, str]:
    """The errors that Slack's client shows before it sends a form: block_id to text."""
    errors: dict[str, str] = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        given = values[block["block_id"]][element["action_id"]]
        if _is_empty(given):
            if not block.get("optional"):
                errors[block["block_id"]] = REQUIRED
        elif text := _wrong_length(element, given):
            errors[block["block_id"]] = text
    return errors


def _is_empty(given: Json) -> bool:
    return all(value in (None, "", []) for name, value in given.items() if name != "type")


def _wrong_length(element: Json, given: Json) -> str:
    if element["type"] != "plain_text_input":
        return ""
    typed, least, most = len(given["value"]), element.get("min_length", 0), element.get("max_length", 3000)
    if typed < least:
        return f"Please enter at least {least} characters."
    return f"Please enter no more than {most} characters." if typed > most else ""


_READ = (
    "title",
    "text",
    "fields",
    "label",
    "elements",
    "element",
    "accessory",
    "hint",
    "placeholder",
    "description",
    "initial_value",
    "rows",
    "positive_button",
    "negative_button",
    "options",
    "option_groups",
    "blocks",
    "submit",
    "close",
)
_LINES = ("rich_text_section", "rich_text_quote", "rich_text_preformatted")


def plain_words(node: object) -> Iterator[str]:
    """Every text that a person reads in a message, a view or a part of one, in order; rich text line by line."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from plain_words(each)
    elif isinstance(node, dict) and node.get("type") in _LINES:
        yield "".join(_piece(each) for each in node["elements"])
    elif isinstance(node, dict):
        for name in _READ:
            yield from plain_words(node.get(name))


def _piece(leaf: Json) -> str:
    mentions = {
        "user": "<@{user_id}>",
        "usergroup": "<!subteam^{usergroup_id}>",
        "channel": "<#{channel_id}>",
        "emoji": ":{name}:",
        "broadcast": "@{range}",
    }
    if leaf["type"] in mentions:
        return mentions[leaf["type"]].format(**leaf)
    text: str = leaf.get("text") or leaf.get("fallback") or leaf.get("url") or ""
    return text
