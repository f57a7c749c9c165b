"""What people read, all of it (`python -m tests.texts`): no word of it is one that reads as translated."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from bot import slack
from bot.slack.payloads import ids
from tests.texts import banned, blocks, sources, surfaces


def test_no_text_has_a_word_that_reads_as_translated() -> None:
    assert [f"{place}: {', '.join(words)}: {text}" for place, text, words in banned.findings()] == []


def test_the_page_has_every_kind_of_surface_and_the_sentences_of_the_code() -> None:
    places = [place for place, _ in surfaces.everything()]

    wanted = {
        "pending: card",
        "ready: key",
        "view: form, filled",
        "view: home",
        "help",
        "secret, kafka",
        "review: owner",
    }
    assert wanted - set(places) == set()
    assert any(path == "handlers/errors.py" for path, _ in sources.of_python("handlers"))
    assert any(path.endswith(".js") for path, _ in sources.of_page())


def test_the_page_has_every_modal_field_and_button_that_slack_code_names() -> None:
    """A new one goes into `tests/texts/surfaces.py`: else no one looks at it, and the gallery doesn't measure it."""
    shown = json.dumps([[each.blocks for each in surfaces.messages()], [view for _, view in surfaces.views()]])

    named = {name: getattr(ids, name) for file in Path(slack.__file__).parent.rglob("*.py") for name in names(file)}
    assert {name for name, value in named.items() if isinstance(value, str) and value not in shown} == set()


def names(file: Path) -> Iterator[str]:
    """The names of `ids` that this file uses, unless it reads what Slack sends."""
    if file.parent.name == "payloads":
        return
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ids" and node.attr.isupper():
            yield node.attr


def test_a_banned_word_is_found_where_a_person_reads_it() -> None:
    said = {"type": "section", "text": {"type": "mrkdwn", "text": "Somebody asks for a key."}}

    assert banned.words(blocks.read([said])) == ["asks for", "somebody"]
    assert banned.words("Someone requests a key.") == []
