"""Block Kit limits: what Slack refuses, the sandbox refuses, with a pointer to the place."""

from typing import Any

import pytest

from sandbox.slack.errors import SlackError
from sandbox.slack.limits import block_problems, check_message_blocks, check_options, check_posted_blocks, check_view
from tests.sandbox.slack_bot import actions, button, form, modal, plain, section, text_input


def option(text: str, value: str = "v") -> dict[str, Any]:
    return {"text": plain(text), "value": value}


def select(**more: Any) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "s", **more}


def header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": plain(text)}


def rich(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(parts)}


CODE = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "key"}], "border": 0}

TRASH: dict[str, Any] = {"type": "icon_button", "icon": "trash", "text": plain("Delete"), "action_id": "delete"}
FEEDBACK: dict[str, Any] = {
    "type": "feedback_buttons",
    "action_id": "helped",
    "positive_button": {"text": plain("Yes"), "value": "yes"},
    "negative_button": {"text": plain("No"), "value": "no"},
}


def below(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "context_actions", "elements": list(elements)}


def cell(text: str) -> dict[str, Any]:
    return {"type": "raw_text", "text": text}


def table(*rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "table", "rows": list(rows), **more}


CONFIRM: dict[str, Any] = {"title": plain("t"), "text": plain("x"), "confirm": plain("y"), "deny": plain("n")}

FINE: list[dict[str, Any]] = [
    section("x" * 3000),
    header("x" * 150),
    {"type": "divider"},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "hint"}]},
    actions(button("x" * 75, "a", "v" * 2000), select(options=[option("x" * 75, "v" * 150)])),
    actions(*[button("b", f"a{number}") for number in range(25)]),
    {"type": "section", "fields": [plain("x" * 2000)] * 10},
    rich(CODE, {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U1"}]}),
    rich({"type": "rich_text_list", "style": "bullet", "elements": [{"type": "rich_text_section", "elements": []}]}),
    {**section("x"), "accessory": {"type": "overflow", "action_id": "o", "options": [option("one")]}},
    actions({"type": "overflow", "options": [option(each) for each in "abcde"], "confirm": CONFIRM}),
    below(TRASH, {**TRASH, "action_id": "d", "confirm": CONFIRM, "visible_to_user_ids": ["U1"]}, FEEDBACK),
    table([cell("x")] * 20, [rich(CODE)] * 20, column_settings=[{"align": "right", "is_wrapped": True}, None]),
    table(*[[cell("x" * 50), cell("x" * 50)]] * 100),
]


@pytest.mark.parametrize("block", FINE)
def test_blocks_within_the_limits_pass(block: dict[str, Any]) -> None:
    assert block_problems([block], "message") == []


WRONG: list[tuple[dict[str, Any], str]] = [
    (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "section"}, "must have at least one of: text, fields [json-pointer:/blocks/0]"),
    (header("x" * 151), "must be less than 151 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "unsupported type: mrkdwn"),
    (actions(button("x" * 76, "a")), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]"),
    (actions(button("x", "a", "v" * 2001)), "[json-pointer:/blocks/0/elements/0/value]"),
    (actions(button("x", "a" * 256)), "[json-pointer:/blocks/0/elements/0/action_id]"),
    (actions({**button("x", "a"), "style": "loud"}), "must be a valid enum value"),
    (actions(), "must provide at least 1 item(s) [json-pointer:/blocks/0/elements]"),
    (actions(*[button("b", f"a{number}") for number in range(26)]), "no more than 25 items allowed"),
    (actions(button("a", "same"), button("b", "same")), "`action_id` 'same' already exists"),
    (actions({"type": "button", "action_id": "a"}), "missing required field: text"),
    (actions({**button("x", "a"), "colour": "red"}), "invalid additional property: colour"),
    (actions(text_input("Name")["element"]), "unsupported type: plain_text_input"),
    (actions(select(options=[option("x" * 76)])), "options/0/text/text]"),
    (actions(select(options=[option("x", "v" * 151)])), "options/0/value]"),
    (actions(select(options=[option("x")] * 101)), "no more than 100 items allowed"),
    (actions(select()), "must have exactly one of: options, option_groups"),
    (actions(select(options=[option("a")], initial_option=option("b"))), "initial option must exactly match"),
    ({"type": "context", "elements": [plain("x")] * 11}, "no more than 10 items allowed"),
    ({"type": "section", "fields": [plain("x" * 2001)]}, "/fields/0/text]"),
    ({**section("x"), "block_id": "b" * 256}, "[json-pointer:/blocks/0/block_id]"),
    (rich({"type": "rich_text_preformatted"}), "missing required field: elements"),
    (rich({"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}), "elements/0/elements/0/text]"),
    ({"type": "alert", "text": plain("x")}, "unsupported type: alert"),
    (actions({"type": "overflow", "options": [option(each) for each in "abcdef"]}), "no more than 5 items allowed"),
    (actions({**button("x", "a"), "confirm": {**CONFIRM, "text": plain("x" * 301)}}), "/confirm/text/text]"),
    (actions({**button("x", "a"), "confirm": {**CONFIRM, "title": plain("x" * 101)}}), "/confirm/title/text]"),
    (actions({**button("x", "a"), "confirm": {**CONFIRM, "deny": plain("x" * 31)}}), "/confirm/deny/text]"),
    (actions({**button("x", "a"), "confirm": {"title": plain("x"), "text": plain("x")}}), "field: confirm"),
    (
        actions({**button("x", "a"), "confirm": {**CONFIRM, "text": section("*x*")["text"]}}),
        "unsupported type: mrkdwn [json-pointer:/blocks/0/elements/0/confirm/text/type]",
    ),
    (actions({**button("x", "a"), "visible_to_user_ids": ["U1"] * 11}), "no more than 10 items allowed"),
    (below(*[{**TRASH, "action_id": f"a{number}"} for number in range(6)]), "no more than 5 items allowed"),
    (below(button("x", "a")), "unsupported type: button"),
    (below({**TRASH, "icon": "heart"}), "must be a valid enum value: trash"),
    (below(TRASH, TRASH), "`action_id` 'delete' already exists"),
    (below({**FEEDBACK, "negative_button": {"text": plain("No")}}), "missing required field: value"),
    (actions(TRASH), "unsupported type: icon_button"),
    (table(), "must provide at least 1 item(s) [json-pointer:/blocks/0/rows]"),
    (table([]), "must provide at least 1 item(s) [json-pointer:/blocks/0/rows/0]"),
    (table(*[[cell("x")]] * 101), "no more than 100 items allowed"),
    (table([cell("x")] * 21), "no more than 20 items allowed"),
    (table([cell("")]), "must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]"),
    (table([plain("x")]), "unsupported type: plain_text"),
    (table([cell("a"), cell("b")], [cell("c")]), "must have 2 cells, as the first row [json-pointer:/blocks/0/rows/1]"),
    (table(*[[cell("x" * 101)]] * 100), "cells of all tables must be less than 10001 characters"),
    (table([cell("x")], column_settings=[{"align": "middle"}]), "must be a valid enum value: left, center, right"),
    ({"type": "nonsense"}, "unsupported type: nonsense [json-pointer:/blocks/0/type]"),
    ({**text_input("Name"), "label": plain("x" * 2001)}, "[json-pointer:/blocks/0/label/text]"),
    (text_input("Name", placeholder=plain("x" * 151)), "[json-pointer:/blocks/0/element/placeholder/text]"),
    (text_input("Name", max_length=3001), "must be an integer from 1 to 3000"),
    ({"type": "markdown", "text": "x" * 12_001}, "must be less than 12001 characters"),
    (actions(select(options=[option("a")], placeholder=plain("x" * 151))), "elements/0/placeholder/text]"),
    (actions(select(option_groups=[{"label": plain("x" * 76), "options": [option("a")]}])), "/0/label/text]"),
    (actions(select(option_groups=[{"label": plain("g"), "options": [option("a")]}] * 101)), "no more than 100 items"),
    (actions(select(options=[{**option("a"), "description": plain("x" * 76)}])), "options/0/description/text]"),
    (actions({"type": "external_select", "action_id": "e", "placeholder": plain("x" * 151)}), "/placeholder/text]"),
    (actions({"type": "external_select", "action_id": "e", "options": [option("a")]}), "additional property: options"),
    (actions({"type": "overflow", "action_id": "o", "options": [option("a")] * 6}), "no more than 5 items"),
    (actions({"type": "overflow", "action_id": "o", "options": [option("x" * 76)]}), "options/0/text/text]"),
    (actions({"type": "radio_buttons", "action_id": "r", "options": [option("a")] * 11}), "no more than 10 items"),
    (actions({**button("x", "a"), "url": "u" * 3001}), "elements/0/url]"),
    (actions({**button("x", "a"), "accessibility_label": "u" * 76}), "elements/0/accessibility_label]"),
    (actions({**button("x", "a"), "confirm": CONFIRM | {"title": plain("x" * 101)}}), "confirm/title/text]"),
    (actions({**button("x", "a"), "confirm": CONFIRM | {"text": plain("x" * 301)}}), "confirm/text/text]"),
    (actions({**button("x", "a"), "confirm": CONFIRM | {"confirm": plain("x" * 31)}}), "confirm/confirm/text]"),
    ({**text_input("Name"), "hint": plain("x" * 2001)}, "[json-pointer:/blocks/0/hint/text]"),
    (text_input("Name", initial_value="x" * 3001), "[json-pointer:/blocks/0/element/initial_value]"),
    (text_input("Name", dispatch_action_config={"trigger_actions_on": ["on_paste"]}), "must be a valid enum value"),
    ({"type": "section", "fields": [plain("x")] * 11}, "no more than 10 items allowed"),
    ({"type": "image", "image_url": "u" * 3001, "alt_text": "x"}, "[json-pointer:/blocks/0/image_url]"),
]


@pytest.mark.parametrize(("block", "problem"), WRONG)
def test_blocks_beyond_a_limit_are_refused_with_a_pointer(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(SlackError) as refusal:
        check_message_blocks([block])
    assert refusal.value.code == "invalid_blocks"
    assert problem in "\n".join(refusal.value.messages)


def test_a_message_takes_50_blocks_with_ids_of_their_own() -> None:
    assert block_problems([section("x")] * 50, "message") == []
    assert "no more than 50 items" in block_problems([section("x")] * 51, "message")[0]
    twice = [{**section("x"), "block_id": "b"}] * 2
    assert "block_id 'b' already exists" in block_problems(twice, "message")[0]


def test_a_posted_message_takes_only_so_much_in_all() -> None:
    check_posted_blocks([section("x" * 3000)] * 4)
    check_message_blocks([section("x" * 3000)] * 5)
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        check_posted_blocks([section("x" * 3000)] * 5)


@pytest.mark.parametrize(
    ("kind", "surface", "stands"),
    [
        ("markdown", "message", True),
        ("markdown", "modal", False),
        ("markdown", "home", False),
        ("table", "message", True),
        ("table", "modal", False),
        ("table", "home", False),
        ("context_actions", "message", True),
        ("context_actions", "modal", False),
        ("context_actions", "home", False),
        ("alert", "message", False),
        ("alert", "modal", True),
        ("alert", "home", False),
    ],
)
def test_a_block_stands_only_where_slack_lets_it(kind: str, surface: Any, *, stands: bool) -> None:
    blocks: dict[str, dict[str, Any]] = {
        "markdown": {"type": "markdown", "text": "x"},
        "table": table([cell("x")]),
        "context_actions": {"type": "context_actions", "elements": [TRASH]},
        "alert": {"type": "alert", "text": plain("x" * 200), "level": "warning"},
    }
    assert (block_problems([blocks[kind]], surface) == []) is stands


def test_only_one_table_a_message() -> None:
    assert "only_one_table_allowed" in block_problems([table([cell("x")])] * 2, "message")[0]


def test_an_alert_says_little() -> None:
    assert (
        "must be less than 201 characters" in block_problems([{"type": "alert", "text": plain("x" * 201)}], "modal")[0]
    )


@pytest.mark.parametrize(
    ("view", "code", "problem"),
    [
        (modal(section("x"), title=plain("x" * 25)), "invalid_arguments", "/view/title/text]"),
        (modal(section("x"), submit=plain("x" * 25)), "invalid_arguments", "/view/submit/text]"),
        (modal(section("x"), private_metadata="x" * 3001), "invalid_arguments", "/view/private_metadata]"),
        (modal(text_input("Name"), submit=None), "invalid_arguments", "missing required field: submit"),
        (modal(*[section("x")] * 101), "invalid_arguments", "no more than 100 items"),
        (modal(section("x" * 3000), private_metadata="x", state={}), "invalid_arguments", "property: state"),
        (modal(*[section("x" * 3000)] * 90), "view_too_large", ""),
        (
            modal(text_input("A", focus_on_load=True), text_input("B", focus_on_load=True)),
            "invalid_arguments",
            "only one element can have focus_on_load",
        ),
        (modal(section("x"), callback_id="x" * 256), "invalid_arguments", "/view/callback_id]"),
        (modal(section("x"), external_id="x" * 256), "invalid_arguments", "/view/external_id]"),
        ({"type": "home", "blocks": []}, "invalid_arguments", "unsupported type: home"),
        ("nonsense", "invalid_arguments", "must be an object"),
    ],
)
def test_a_view_beyond_a_limit_is_refused(view: object, code: str, problem: str) -> None:
    with pytest.raises(SlackError) as refusal:
        check_view(view, "modal")
    assert refusal.value.code == code
    assert problem in "\n".join(refusal.value.messages)


def test_a_view_within_the_limits_passes() -> None:
    check_view(form(), "modal")
    check_view(modal(*[section("x")] * 100, private_metadata="x" * 3000), "modal")
    check_view({"type": "home", "blocks": [section("x")]}, "home")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"options": [option("x")] * 101},
        {"options": [option("x" * 76)]},
        {"options": [option("x", "v" * 151)]},
        {"options": [], "option_groups": []},
        {"options": [{"text": "x"}]},
    ],
)
def test_options_beyond_a_limit_are_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(SlackError, match="invalid_options"):
        check_options(answer)


def test_blocks_that_are_no_list_are_refused() -> None:
    with pytest.raises(SlackError, match="invalid_blocks_format"):
        check_message_blocks({"type": "section"})
