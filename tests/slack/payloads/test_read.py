"""What comes back from Slack in ids and private_metadata, however odd, is read as what was written there, or not."""

from dataclasses import replace
from typing import Any

import pytest

from bot.services.pages import Filters, KeysPage
from bot.slack.payloads import ids, read, read_keys
from bot.slack.views import keys as key_list

DEEP = "[" * 100_000


@pytest.mark.parametrize("written", ["", "null", "1", '"a"', "[1]", DEEP, '{"owner":' + DEEP, '{"owner":'])
def test_metadata_that_cannot_be_read_says_nothing(written: str) -> None:
    body = {"action_id": ids.FORM_RESOURCE, "block_id": "resource:#00000000", "view": {"private_metadata": written}}

    assert read_keys.as_drawn(written) == Filters()
    assert read.suggestion(body).place == ids.ResourceField("")


@pytest.mark.parametrize("odd", ["null", "1", "true", "[]", '{"a": 1}'])
def test_what_is_not_text_in_metadata_is_not_made_text(odd: str) -> None:
    names = ("owner", "place:kind", "place:environment", "environment", "cloud", "account")
    written = "{" + ", ".join(f'"{name}": {odd}' for name in names) + "}"
    body = {"action_id": ids.FORM_RESOURCE, "block_id": "resource:#00000000", "view": {"private_metadata": written}}

    assert read_keys.as_drawn(written) == Filters()
    assert read.suggestion(body).place == ids.ResourceField("")
    draft = read.draft(body)
    assert (draft.environment, draft.cloud, draft.account) == ("", "", "")


@pytest.mark.parametrize("kind", ["kafka", "flink"])
@pytest.mark.parametrize("environment", ["env-1", "env-1~abcdef01", "env-1:aws", "#x", "e" * 300])
@pytest.mark.parametrize("cloud", ["", "aws", "a:b", "aws~abcdef01"])
def test_a_block_names_its_place_or_leaves_that_to_the_metadata(kind: str, environment: str, cloud: str) -> None:
    place = ids.ResourceField(kind, environment, cloud if kind == "flink" else "")
    block = ids.resource_block(*place)

    assert ids.place_of(block) in {place, None}
    assert ids.place_of(ids.drawn(block, "0f3a9c12")) == ids.place_of(block)
    assert ids.field(ids.drawn(block, "0f3a9c12")) == ids.field(block) == block
    if environment == "env-1" and cloud in {"", "aws"}:
        assert ids.place_of(block) == place


def turned(shown: Filters, typed: str, action: str = ids.LIST_NEXT) -> dict[str, Any]:
    view = key_list.keys(KeysPage([], shown, next_page="cursor", previous_page="cursor"))
    values = {ids.TEXT_BLOCK: {ids.LIST_TEXT: {"type": "plain_text_input", "value": typed}}}
    return {"actions": [{"action_id": action, "value": "cursor"}], "view": {**view, "state": {"values": values}}}


@pytest.mark.parametrize("action", [ids.LIST_NEXT, ids.LIST_PREVIOUS])
def test_turning_goes_on_in_the_list_that_is_shown_and_begins_another_one_at_its_start(action: str) -> None:
    for text in ("", "orders & <billing>", "é🙂"):
        shown = Filters(owner="sa-1", text=text)
        assert read_keys.turn(turned(shown, text, action)) == "cursor"
        assert read_keys.turn(turned(shown, f" {text} ", action)) == "cursor"
        assert read_keys.turn(turned(shown, "needle", action)) == ""
        assert read_keys.filters(turned(shown, "needle", action)) == replace(shown, text="needle")
    assert read_keys.turn(turned(Filters(text="orders"), "", action)) == ""


@pytest.mark.parametrize(
    ("limit", "chosen", "days"),
    [
        ("none", "rule", ""),
        ("3888000", "rule", "45"),
        ("3888000~0123abcd", "rule", "45"),
        ("129600", "rule", ""),
        ("3600", "rule", ""),
        ("999999999999", "rule", ""),
        ("3888000", "7", "7"),
        ("none", "90", "90"),
    ],
)
def test_as_long_as_the_rule_allows_is_as_long_as_the_form_said(limit: str, chosen: str, days: str) -> None:
    block, state = f"lifetime:{limit}", {"form:lifetime": {"selected_option": {"value": chosen}}}
    view = {"blocks": [{"type": "input", "block_id": block}], "state": {"values": {block: state}}}

    assert read.draft({"view": view}).lifetime == days
