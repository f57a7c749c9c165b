"""Block Kit as data: every block, element and text object, its fields, and how long each can be."""

from typing import Any, Literal, TypeAlias

from sandbox.slack.shapes import (
    Check,
    Shape,
    anything,
    boolean,
    by_type,
    fault,
    integer,
    list_of,
    one_of,
    optional,
    string,
)

Surface: TypeAlias = Literal["message", "modal", "home"]
OPTIONS = 100
IDENTIFIER = string(255)
CELLS = 10_000
"""Characters of all cells in a message's tables."""


def plain(most: int) -> Check:
    """A `plain_text` object of at most this many characters."""
    return by_type({"plain_text": Shape({"text": string(most, 1)}, {"emoji": boolean})})


def words(most: int) -> Check:
    """A text object of either kind, of at most this many characters."""
    mrkdwn = Shape({"text": string(most, 1)}, {"verbatim": boolean})
    return by_type({"plain_text": Shape({"text": string(most, 1)}, {"emoji": boolean}), "mrkdwn": mrkdwn})


CONFIRM = Shape(
    {"title": plain(100), "text": plain(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)


def option(text: Check) -> Shape:
    """An option of a menu, with this kind of text."""
    return Shape({"text": text, "value": string(150)}, {"description": words(75)})


MENU_OPTION = option(plain(75))
MENU_GROUP = Shape({"label": plain(75), "options": list_of(MENU_OPTION, OPTIONS)})
BOX_OPTION = option(words(75))


def initial_is_offered(element: dict[str, Any], at: str, problems: list[str]) -> None:
    """Require initial choices to equal offered options exactly."""
    groups = element.get("option_groups") or []
    offered = [*(element.get("options") or []), *(each for group in groups for each in group.get("options", []))]
    chosen = element.get("initial_options") or [each for each in [element.get("initial_option")] if each]
    if any(each not in offered for each in chosen):
        fault(problems, "initial option must exactly match a provided option", at)


def options_or_groups(element: dict[str, Any], at: str, problems: list[str]) -> None:
    """Require a static menu to have either options or option groups."""
    if bool(element.get("options")) == bool(element.get("option_groups")):
        fault(problems, "must have exactly one of: options, option_groups", at)
    initial_is_offered(element, at, problems)


COMMON: dict[str, Check] = {"action_id": IDENTIFIER, "confirm": CONFIRM, "focus_on_load": boolean}
MENU: dict[str, Check] = {**COMMON, "placeholder": plain(150)}
MULTI: dict[str, Check] = {**MENU, "max_selected_items": integer(1, 1000)}
LISTS: dict[str, Check] = {"options": list_of(MENU_OPTION, OPTIONS), "option_groups": list_of(MENU_GROUP, OPTIONS)}
DISPATCH = Shape({}, {"trigger_actions_on": list_of(one_of("on_enter_pressed", "on_character_entered"), 2)})
TYPED: dict[str, Check] = {
    "action_id": IDENTIFIER,
    "focus_on_load": boolean,
    "placeholder": plain(150),
    "dispatch_action_config": DISPATCH,
}

VIEWERS = list_of(string(255, 1), 10)
"""The only people who see a button."""

ELEMENTS: dict[str, Check] = {
    "button": Shape(
        {"text": plain(75)},
        {
            "action_id": IDENTIFIER,
            "value": string(2000),
            "url": string(3000),
            "style": one_of("primary", "danger"),
            "confirm": CONFIRM,
            "accessibility_label": string(75),
            "visible_to_user_ids": VIEWERS,
        },
    ),
    "static_select": Shape({}, {**MENU, **LISTS, "initial_option": MENU_OPTION}, options_or_groups),
    "multi_static_select": Shape(
        {}, {**MULTI, **LISTS, "initial_options": list_of(MENU_OPTION, OPTIONS)}, options_or_groups
    ),
    "external_select": Shape({}, {**MENU, "min_query_length": integer(0, 1000), "initial_option": MENU_OPTION}),
    "multi_external_select": Shape(
        {},
        {**MULTI, "min_query_length": integer(0, 1000), "initial_options": list_of(MENU_OPTION, OPTIONS)},
    ),
    "users_select": Shape({}, {**MENU, "initial_user": string(255)}),
    "multi_users_select": Shape({}, {**MULTI, "initial_users": anything}),
    "conversations_select": Shape(
        {},
        {
            **MENU,
            "initial_conversation": string(255),
            "filter": anything,
            "response_url_enabled": boolean,
            "default_to_current_conversation": boolean,
        },
    ),
    "channels_select": Shape({}, {**MENU, "initial_channel": string(255), "response_url_enabled": boolean}),
    "overflow": Shape(
        {
            "options": list_of(
                Shape({"text": plain(75), "value": string(150)}, {"url": string(3000), "description": plain(75)}), 5
            )
        },
        {"action_id": IDENTIFIER, "confirm": CONFIRM},
    ),
    "radio_buttons": Shape(
        {"options": list_of(BOX_OPTION, 10)}, {**COMMON, "initial_option": BOX_OPTION}, initial_is_offered
    ),
    "checkboxes": Shape(
        {"options": list_of(BOX_OPTION, 10)},
        {**COMMON, "initial_options": list_of(BOX_OPTION, 10)},
        initial_is_offered,
    ),
    "datepicker": Shape({}, {**MENU, "initial_date": string(10, 10)}),
    "timepicker": Shape({}, {**MENU, "initial_time": string(5, 5), "timezone": string(255)}),
    "datetimepicker": Shape({}, {**COMMON, "initial_date_time": integer(10**9, 10**10 - 1)}),
    "plain_text_input": Shape(
        {},
        {
            **TYPED,
            "initial_value": string(3000),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    "number_input": Shape(
        {"is_decimal_allowed": boolean},
        {**TYPED, "initial_value": string(3000), "min_value": string(255), "max_value": string(255)},
    ),
    "email_text_input": Shape({}, {**TYPED, "initial_value": string(3000)}),
    "url_text_input": Shape({}, {**TYPED, "initial_value": string(3000)}),
    "rich_text_input": Shape({}, {**TYPED, "initial_value": anything}),
    "image": Shape({"alt_text": string(2000)}, {"image_url": string(3000), "slack_file": anything}),
}
FEEDBACK = Shape({"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
IN_CONTEXT_ACTIONS: dict[str, Check] = {
    "feedback_buttons": Shape({"positive_button": FEEDBACK, "negative_button": FEEDBACK}, {"action_id": IDENTIFIER}),
    "icon_button": Shape(
        {"icon": one_of("trash"), "text": plain(75)},
        {
            "action_id": IDENTIFIER,
            "value": string(2000),
            "confirm": CONFIRM,
            "accessibility_label": string(75),
            "visible_to_user_ids": VIEWERS,
        },
    ),
}
MENUS = tuple(name for name in ELEMENTS if name.endswith("_select"))
PICKERS = ("datepicker", "timepicker", "radio_buttons", "checkboxes")
ACCESSORIES = ("button", "overflow", "image", *MENUS, *PICKERS)
IN_ACTIONS = ("button", "overflow", *MENUS, *PICKERS, "datetimepicker")
INPUTS = tuple(name for name in ELEMENTS if name not in {"button", "overflow", "image"})


def leaf(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Shape:
    """A piece of rich text, which can have a style."""
    return Shape(required, {"style": anything, **(optional or {})})


RICH_LEAVES: dict[str, Check] = {
    "text": leaf({"text": string(12_000, 1)}),
    "link": leaf({"url": string(3000, 1)}, {"text": string(3000), "unsafe": boolean}),
    "user": leaf({"user_id": string(255, 1)}),
    "usergroup": leaf({"usergroup_id": string(255, 1)}),
    "channel": leaf({"channel_id": string(255, 1)}),
    "emoji": leaf({"name": string(255, 1)}, {"unicode": string(255)}),
    "date": leaf(
        {"timestamp": integer(0, 10**11), "format": string(255, 1)}, {"fallback": string(255), "url": string(3000)}
    ),
    "color": leaf({"value": string(7, 7)}),
    "broadcast": leaf({"range": one_of("here", "channel", "everyone")}),
}
PIECES = list_of(by_type(RICH_LEAVES), 1000, 0)
SECTION_OF_RICH_TEXT = Shape({"elements": PIECES})
RICH_PARTS: dict[str, Check] = {
    "rich_text_section": SECTION_OF_RICH_TEXT,
    "rich_text_quote": Shape({"elements": PIECES}, {"border": integer(0, 1)}),
    "rich_text_preformatted": Shape({"elements": PIECES}, {"border": integer(0, 1), "language": string(255)}),
    "rich_text_list": Shape(
        {
            "elements": list_of(by_type({"rich_text_section": SECTION_OF_RICH_TEXT}), 1000),
            "style": one_of("bullet", "ordered"),
        },
        {"indent": integer(0, 8), "offset": integer(0, 10_000), "border": integer(0, 1)},
    ),
}


def section_says_something(block: dict[str, Any], at: str, problems: list[str]) -> None:
    """Require a section to have text or fields."""
    if not block.get("text") and not block.get("fields"):
        fault(problems, "must have at least one of: text, fields", at)


def block(required: dict[str, Check], optional: dict[str, Check] | None = None, also: Check = anything) -> Shape:
    """A block, which can have a block_id."""
    return Shape(required, {"block_id": IDENTIFIER, **(optional or {})}, also)


def same_width(block: dict[str, Any], at: str, problems: list[str]) -> None:
    """Require each row of a table to have as many cells as the first one."""
    rows = [each for each in block.get("rows") or [] if isinstance(each, list)]
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            fault(problems, f"must have {len(rows[0])} cells, as the first row", f"{at}/rows/{index}")


CELL = by_type(
    {
        "raw_text": Shape({"text": string(CELLS, 1)}),
        "rich_text": Shape({"elements": list_of(by_type(RICH_PARTS), 1000)}, {"block_id": IDENTIFIER}),
    }
)
COLUMN = optional(Shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean}))
CONTEXT_ITEMS: dict[str, Check] = {
    "image": ELEMENTS["image"],
    "plain_text": plain(3000),
    "mrkdwn": words(3000),
}
BLOCKS: dict[str, Check] = {
    "actions": block({"elements": list_of(by_type(ELEMENTS, *IN_ACTIONS), 25)}),
    "section": block(
        {},
        {
            "text": words(3000),
            "fields": list_of(words(2000), 10),
            "accessory": by_type(ELEMENTS, *ACCESSORIES),
            "expand": boolean,
        },
        section_says_something,
    ),
    "context": block({"elements": list_of(by_type(CONTEXT_ITEMS), 10)}),
    "divider": block({}),
    "header": block({"text": plain(150)}),
    "image": block(
        {"alt_text": string(2000)}, {"image_url": string(3000), "slack_file": anything, "title": plain(2000)}
    ),
    "input": block(
        {"label": plain(2000), "element": by_type(ELEMENTS, *INPUTS)},
        {"hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": block({"elements": list_of(by_type(RICH_PARTS), 1000, 0)}),
    "markdown": block({"text": string(12_000, 1)}),
    "context_actions": block({"elements": list_of(by_type(IN_CONTEXT_ACTIONS), 5)}),
    "alert": block({"text": words(200)}, {"level": one_of("default", "info", "warning", "error", "success")}),
    "table": block({"rows": list_of(list_of(CELL, 20), 100)}, {"column_settings": list_of(COLUMN, 20)}, same_width),
}
EVERYWHERE = ("actions", "section", "context", "divider", "header", "image", "input", "rich_text")
STANDS: dict[Surface, tuple[str, ...]] = {
    "message": (*EVERYWHERE, "markdown", "table", "context_actions"),
    "modal": (*EVERYWHERE, "alert"),
    "home": EVERYWHERE,
}
