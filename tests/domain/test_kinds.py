"""The kinds of API keys: every row is complete, and no other module knows one kind from another."""

from dataclasses import fields

import pytest

from bot.domain.kinds import Kind, Row

OPTIONAL = {"bootstrap", "is_only_one", "opens_organization", "prefix", "limits", "readiness"}
OF_A_PLACE = {"short", "plural", "element"}
OF_THE_ORGANIZATION = {"purpose"}
WORD_IN_OPTION = 75
"""Characters of an option's text in Slack."""


@pytest.mark.parametrize("kind", Kind)
def test_a_row_is_complete(kind: Kind) -> None:
    other = OF_A_PLACE if kind.row.is_wide else OF_THE_ORGANIZATION
    needed = {field.name for field in fields(Row)} - OPTIONAL - other

    assert [name for name in sorted(needed) if not getattr(kind.row, name)] == []
    assert [name for name in sorted(other) if getattr(kind.row, name)] == []
    assert kind.row.api.kind or kind.row.api.version, "its references could not be told from others"
    assert bool(kind.row.readiness.trouble) == bool(kind.row.readiness.trouble_means)
    assert bool(kind.row.readiness.asked) == bool(kind.row.readiness.unasked)


@pytest.mark.parametrize("kind", Kind)
def test_a_row_reads_well(kind: Kind) -> None:
    row = kind.row

    assert kind == row.value
    assert row.hint.endswith(".")
    assert row.probe.startswith("/")
    assert max(map(len, (row.noun, row.about, row.label))) <= WORD_IN_OPTION
    assert "curl" in {each.value for each in row.snippets}, "nobody could try the key by hand"
    assert len({each.value for each in row.snippets}) == len(row.snippets)


@pytest.mark.parametrize("name", ["value", "label", "noun", "plural", "prefix", "element"])
def test_no_two_rows_share_what_tells_them_apart(name: str) -> None:
    found = [getattr(kind.row, name) for kind in Kind if getattr(kind.row, name)]

    assert len(set(found)) == len(found)


def test_kinds_are_found_by_their_word_and_by_the_ids_of_their_resources() -> None:
    assert (Kind.called("kafka"), Kind.called("kafkas"), Kind("flink")) == (Kind.KAFKA, None, Kind.FLINK)
    assert [Kind.of_id(each) for each in ("lkc-1", "lsrc-1", "lksqlc-1")] == [
        Kind.KAFKA,
        Kind.SCHEMA_REGISTRY,
        Kind.KSQLDB,
    ]
    assert (Kind.of_id("aws.us-east-1"), Kind.of_id("")) == (None, None)
