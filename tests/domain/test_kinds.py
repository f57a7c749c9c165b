"""The kinds of API keys: every row is complete, and no other module knows one kind from another."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from bot.domain.catalog import Endpoints
from bot.domain.keys import unnamed
from bot.domain.kinds import Kind, KindRow
from bot.slack.messages import snippets

OPTIONAL = {
    "bootstrap",
    "endpoint",
    "short",
    "is_only_one",
    "companion",
    "opens_organization",
    "prefix",
    "limits",
    "readiness",
    "parts",
    "inner",
    "grant",
}
OF_A_PLACE = {"plural", "element"}
OF_THE_ORGANIZATION = {"purpose", "reach"}
WORD_IN_OPTION = 75
"""Characters of an option's text in Slack."""


@pytest.mark.parametrize("kind", Kind)
def test_a_row_is_complete(kind: Kind) -> None:
    other = OF_A_PLACE if kind.row.is_wide else OF_THE_ORGANIZATION
    needed = {field.name for field in fields(KindRow)} - OPTIONAL - other

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


ROOT = Path(__file__).parents[2]
EXCEPTIONS = {
    "bot/domain/kinds.py": "the rows themselves",
    "bot/domain/keys.py": "one class for each shape",
    "bot/domain/roles.py": "Confluent documents, role by role, which kinds it covers",
    "bot/policyfile/words.py": "what a path below an environment looks like, by shape",
}
OF_ONE_KIND = {"KsqlCluster", "FlinkRegion"}
"""Classes that say the kind as surely as the kind itself."""
WORDS = {kind.value for kind in Kind} - {Kind.CLOUD.value, Kind.GLOBAL.value}
"""Those that mean nothing else in our code."""


def tells_kinds_apart(node: ast.AST) -> bool:
    """Whether an expression or a pattern is about one kind, shape or class of resources."""
    match node:
        case ast.Attribute(value=ast.Name(id="Kind" | "Shape"), attr=name):
            return name.isupper()
        case ast.Name(id=name):
            return name in OF_ONE_KIND
        case ast.Constant(value=str(word)):
            return word in WORDS
        case _:
            return False


def branches(tree: ast.AST) -> Iterator[ast.expr | ast.pattern]:
    """What the code compares with, matches, looks up or collects."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                yield from (left, *others)
            case ast.MatchValue(value=value) | ast.MatchClass(cls=value):
                yield value
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, classes]):
                yield from (each for each in ast.walk(classes) if isinstance(each, ast.expr))
            case ast.Dict(keys=keys):
                yield from (each for each in keys if each is not None)
            case ast.Set(elts=items):
                yield from items
            case _:
                pass


def found_in(source: str) -> list[int]:
    """The lines that branch on a kind."""
    tree = ast.parse(source)
    # `in (Kind.KAFKA, …)` compares with each of them.
    nodes = (part for each in branches(tree) for part in (ast.walk(each) if isinstance(each, ast.Tuple) else [each]))
    return sorted({node.lineno for node in nodes if isinstance(node, ast.expr) and tells_kinds_apart(node)})


def test_no_other_module_branches_on_a_kind() -> None:
    files = [path for package in ("bot", "handlers") for path in sorted((ROOT / package).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): found_in(path.read_text("utf-8")) for path in files}

    assert {path: lines for path, lines in found.items() if lines and path not in EXCEPTIONS} == {}, "ask kind.row"
    assert [path for path in EXCEPTIONS if not found[path]] == [], "no exception is needed here any more"


@pytest.mark.parametrize(
    "source",
    [
        "if kind is Kind.FLINK: ...",
        "if kind != Kind.CLOUD and other: ...",
        'if kind == "flink": ...',
        "if kind in (Kind.CLOUD, Kind.GLOBAL): ...",
        "WIDE = frozenset({Kind.CLOUD})",
        "NAMES = {Kind.KAFKA: 'Kafka'}",
        "match kind:\n case Kind.KAFKA | Kind.FLINK: ...",
        "match resource:\n case KsqlCluster(): ...",
        "match resource:\n case OrganizationScope(kind=Kind.CLOUD): ...",
        "found = isinstance(resource, KsqlCluster | FlinkRegion)",
        "if kind.row.shape is Shape.REGION: ...",
    ],
)
def test_the_check_finds_every_form_of_a_branch(source: str) -> None:
    assert found_in(source)


@pytest.mark.parametrize("source", ["Draft(kind=Kind.KAFKA)", "if kind.row.is_wide: ...", "cloud.resource(Kind.KAFKA)"])
def test_the_check_lets_code_that_only_names_a_kind_pass(source: str) -> None:
    assert found_in(source) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_client_configuration_that_a_row_names_can_be_written(kind: Kind) -> None:
    resource = unnamed(kind, f"{kind.row.prefix}1", "env-1", "dev")
    for each in kind.row.snippets:
        text = snippets.snippet(each.value, "ABCD1234EFGH5678", resource, Endpoints("", "https://one.example"))
        assert "ABCD1234EFGH5678" in text, each.label
