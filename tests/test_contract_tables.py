"""The tables of what Confluent and Slack published are those of the documents that they were made of."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.shared import shared
from tools.contract import SHARED, TABLES, tables


def strings(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield name
                if name != "pattern":
                    yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)
        case str():
            yield value


def test_the_tables_are_current() -> None:
    shared("openapi")

    assert {path.name: path.read_text("utf-8") for path in TABLES.iterdir()} == tables(SHARED)


def test_the_tables_hold_facts_and_no_prose() -> None:
    words = {word for path in TABLES.iterdir() for word in strings(json.loads(path.read_text("utf-8")))}

    assert len(words) > 300
    assert [word for word in words if word.count(" ") > 1] == []
