"""Blocks that Slack added lately: each stands only where Slack takes it, and has a plain form everywhere else."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.services.text import unescaped
from bot.slack.blocks import newer
from bot.slack.blocks.kit import as_message, button, divider, fields, header, modal, overflow, section
from bot.slack.blocks.limits import fits_a_view
from bot.slack.blocks.text import Block, Bold, Code, Piece, flat
from bot.slack.payloads import ids
from sandbox.slack.blocks import interactive, plain_words
from sandbox.slack.limits import block_problems

ROWS: list[list[str | list[Piece]]] = [["orders", "9 days"], [[Bold("billing")], [Code("sa-1"), " today"]]]
SURFACES: tuple[newer.Surface, ...] = ("message", "modal", "home")


@pytest.mark.parametrize("on", SURFACES)
def test_each_surface_takes_what_is_drawn_for_it(on: newer.Surface) -> None:
    drawn = [newer.alert("info", "New.", on=on), *newer.table(["Key", "Age"], ROWS, on=on)]

    assert block_problems(drawn, on) == []


@pytest.mark.parametrize("on", ["message", "home"])
def test_an_alert_is_an_alert_in_a_modal_and_a_section_with_a_sign_elsewhere(on: newer.Surface) -> None:
    assert newer.alert("warning", "It's <permanent>.", on="modal") == {
        "type": "alert",
        "level": "warning",
        "text": {"type": "mrkdwn", "text": "It's &lt;permanent&gt;.", "verbatim": True},
    }
    assert newer.alert("warning", "It's <permanent>.", on=on)["text"]["text"] == "⚠️ It's &lt;permanent&gt;."


def test_an_alert_that_is_too_long_is_a_section() -> None:
    assert newer.alert("error", "a" * 201, on="modal")["type"] == "section"


@pytest.mark.parametrize("on", ["modal", "home"])
def test_a_table_is_a_table_in_a_message_and_rows_elsewhere(on: newer.Surface) -> None:
    drawn = newer.table(["Key", "Age"], ROWS, on="message")

    assert [each["type"] for each in drawn] == ["table"]
    assert [each["is_wrapped"] for each in drawn[0]["column_settings"]] == [True, True]
    said = list(plain_words(newer.table(["Key", "Age"], ROWS, on=on)))
    assert said == ["Key · Age\norders · 9 days\nbilling · sa-1 today"]


@pytest.mark.parametrize("rows", [[["a"]] * 100, [["a" * 3000]] * 4], ids=["rows", "characters"])
def test_a_table_that_is_too_large_is_rows(rows: list[list[str]]) -> None:
    assert [each["type"] for each in newer.table(["Key"], rows, on="message")] == ["rich_text"]


def test_of_two_tables_in_a_message_the_second_one_is_rows() -> None:
    one = newer.table(["Key"], [["orders"]], on="message")
    two = newer.table(["Key"], [["billing"]], on="message")

    drawn = as_message([*one, *two], "two")["blocks"]

    assert [each["type"] for each in drawn] == ["table", "rich_text"]


def test_the_plain_form_of_a_message_or_a_view_says_the_same() -> None:
    view = modal("Delete", [newer.alert("error", "This is permanent.", on="modal"), header("Key")], callback="page")
    message: dict[str, object] = {"channel": "C01", "blocks": newer.table(["Key"], [["orders"]], on="message")}

    assert newer.has_newer({"view": view})
    assert newer.has_newer(message)
    assert not newer.has_newer(newer.plain({"view": view}))
    assert not newer.has_newer(newer.plain(message))
    plain: list[Block] = newer.plain({"view": view})["view"]["blocks"]
    assert [each["type"] for each in plain] == ["section", "header"]
    assert newer.plain(message)["channel"] == "C01"


@pytest.mark.parametrize("body", [None, [], {}, {"view": None}, {"blocks": None}])
def test_what_is_no_message_and_no_view_has_no_newer_blocks(body: object) -> None:
    assert not newer.has_newer(body)


def test_facts_stand_in_two_columns_and_link_nothing() -> None:
    first, second = fields(*(("Name", [f"<!here> {number}"]) for number in range(11)))

    assert first["fields"][0] == {"type": "mrkdwn", "text": "*Name*\n&lt;!here&gt; 0", "verbatim": True}
    assert (len(first["fields"]), len(second["fields"])) == (10, 1)


@pytest.mark.parametrize("name", ["a *b*", "_b_", "~b~", "`b`", "at :fire:", "> b"])
def test_a_fact_that_mrkdwn_would_change_stands_below_the_columns_as_typed(name: str) -> None:
    columns, below = fields(("Name", [name]), ("Environment", ["dev_eu-1"]))

    assert [each["text"] for each in columns["fields"]] == ["*Environment*\ndev_eu-1"]
    assert [each["text"] for each in below["elements"][0]["elements"]] == ["Name: ", name]


def read_as_mrkdwn(text: str) -> str:
    """What is left of the text once Slack has taken marks for formatting, and names of emoji for pictures."""
    for mark in ("`", "*", "_", "~"):
        text = re.sub(rf"(?<!\w){re.escape(mark)}([^{re.escape(mark)}\n]+){re.escape(mark)}(?!\w)", r"\1", text)
    return unescaped(re.sub(r":[\w+'-]+:", "", text))


@given(st.text("ab*_~`:>&<- ", min_size=1, max_size=8), st.sampled_from([str, Bold, Code]))
@example("*prod*", Bold)
@example("a`b", Code)
@example("_old_", str)
def test_a_name_beside_a_button_reads_as_it_was_typed(name: str, kind: type[str] | type[Bold] | type[Code]) -> None:
    name = flat(name) or "(no name)"
    drawn = section(
        [kind(name), "  ", Code("KEY1")], ["Kafka · ", name], beside=button("Details", ids.KEY_DETAILS, "KEY1")
    )

    assert block_problems(drawn, "modal") == []
    assert [each["action_id"] for _, each in interactive(drawn)] == [ids.KEY_DETAILS]
    text = read_as_mrkdwn(drawn[0]["text"]["text"]) if len(drawn) == 1 else "".join(plain_words(drawn[:1]))
    first, second = text.split("\n")
    assert first.startswith(f"{name}  ")
    assert second == f"Kafka · {name}"


def test_a_view_has_no_more_blocks_than_slack_takes() -> None:
    assert fits_a_view([divider()] * 100)
    assert not fits_a_view([divider()] * 101)


def test_a_menu_names_the_button_that_each_option_stands_for() -> None:
    menu = overflow(("Edit", ids.KEY_EDIT, "KEY1"), ("Rotate", ids.KEY_ROTATE, "KEY1"))

    assert menu["action_id"] == ids.MORE
    assert [ids.unfolded(each["value"]) for each in menu["options"]] == [("key:edit", "KEY1"), ("key:rotate", "KEY1")]
