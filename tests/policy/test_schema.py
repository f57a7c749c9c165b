"""The JSON Schema: the one in docs/ is current, and it says what the reader says."""

import json
from typing import Any

import jsonschema
import pytest

from bot.policyfile import schema
from bot.policyfile.tree import grow
from tests.policy.written import HEAD, ROOT, examples, file, problems


def complaints(text: str) -> list[str]:
    checker = jsonschema.Draft202012Validator(schema())
    value: Any = grow(text).value
    return [error.message for error in checker.iter_errors(value)]


def test_the_schema_in_docs_is_current() -> None:
    kept = (ROOT / "docs" / "policy.schema.json").read_text("utf-8")

    assert json.loads(kept) == schema(), "run `latchkey policy schema > docs/policy.schema.json`"


def test_the_schema_is_a_schema_and_explains_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    parts = [schema(), *schema()["$defs"].values()]
    fields = [(name, field) for part in parts for name, field in part.get("properties", {}).items()]

    assert [name for name, field in fields if not field["description"].endswith(".")] == []
    assert len(fields) > 20


@pytest.mark.parametrize("number", range(4))
def test_the_examples_of_the_page_follow_the_schema(number: int) -> None:
    assert complaints(examples()[number]) == []
    assert file(examples()[number], head="").policy.rules


@pytest.mark.parametrize(
    "text",
    [
        "defaults: {user_keys: 'off', lifetime: unlimited}",
        "roles: {table: 2026, mappings: [{user: U1, role: FlinkAdmin, scope: env-1}]}",
        "rules: [{name: a, match: {operation: edit, cluster: [lkc-1, aws.us-east-1], owner: sa-1}}]",
        "rules: [{name: a, forbid: no way}]",
        "defaults: {overlap: 0s}\nrules: [{name: a, overlap: 0d}]",
        "review: {every: 1d, older_than: 30d, channel: C1}",
        "review: off",
        "review: 'off'",
        "roles: {new_accounts: [AccountAdmin]}",
    ],
)
def test_what_the_reader_takes_the_schema_takes(text: str) -> None:
    assert complaints(HEAD + text) == []
    file(text)


@pytest.mark.parametrize(
    "text",
    [
        "chanel: C1",
        "defaults: {approvals: 6}",
        "defaults: {approvals: on}",
        "defaults: {pending: 3 days}",
        "defaults: {user_keys: maybe}",
        "roles: {table: '2027'}",
        "roles: {mappings: [{role: Operator}]}",
        "roles: {mappings: [{role: Operator, user: U1, group: S1}]}",
        "rules: [{approvals: 1}]",
        "rules: [{name: a, match: {operation: []}}]",
        "rules: [{name: a, match: {operation: extend}}]",
        "rules: [{name: a, overlap: 7}]",
        "review: weekly",
        "review: {every: 7}",
        "review: {evry: 7d}",
        "roles: {new_accounts: []}",
        "rules: [{name: a, match: {kind: kafak}}]",
        "rules: [{name: a, forbid: no way, approvals: 1}]",
        "rules: [{name: a, forbid: no way, channel: C1}]",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(text: str) -> None:
    assert complaints(HEAD + text)
    assert problems(text)
