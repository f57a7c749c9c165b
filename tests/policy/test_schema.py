"""The JSON Schema: the one in docs/ is current, and it says what the reader says."""

import json
from itertools import product
from typing import Any

import jsonschema
import pytest

from bot.policyfile import PolicyError, parse, schema
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
        "grants: off",
        "grants: 'No'",
        "grants: [{name: a, role: DeveloperRead, on: group, prefix: true}]",
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


# --- the schema and the reader, over odd files ------------------------------------------------------------------------

SCHEMA = schema()
TIMES = [f"{number}{unit}" for unit in "mhdw" for number in (0, 1, 6, 7, 8, 9, 10, 52, 53, 99, 100, 364, 365, 366)] + [
    "168h", "169h", "8759h", "8760h", "8761h", "9999h", "10080m", "10081m", "525599m", "525600m", "525601m", "999999m",
    "007d", "000000d", "0000001d", "0s", "0h", "00w", "1s", "1", "1 d", "d", "-1d", "1.5d", "1D", "", "unlimited",
    "999999d", "999999w", "٣d",
]  # fmt: skip
SWITCHES = ["on", "off", "On", "OFF", "yes", "No", "true", "False", "y", "0", "", "maybe", True, False, 0, 1]
ROLES = [
    "OrganizationAdmin",
    "AccountAdmin",
    "FlinkAdmin",
    "Operator",
    "organizationadmin",
    "Owner",
    "",
    "MetricsViewer",
]
TABLES = ["documented", "2026", 2026, "2027", True]
PATTERNS = ["[A-Z]+-[0-9]+", r"(OPS|SEC)-\d{1,6}", "a" * 200, "a" * 201, "", 7]
URLS = [
    "https://example.com/browse/{ticket}", "http://example.com:8080/a?b={ticket}&c", "https://example.com/{ticket}/",
    "https://example.com/", "https://{ticket}", "https://{ticket}.example.com/", "ftp://example.com/{ticket}",
    "https://example.com/{ticket}{ticket}", "https://example.com/{name}/{ticket}", "https://example.com/a b/{ticket}",
    "https://example.com/<{ticket}>", "https://example.com/|{ticket}", "javascript:/{ticket}", "",
    f"https://example.com/{'a' * 300}{{ticket}}",
]  # fmt: skip
NUMBERS = [0, 1, 5, 6, -1, "1", True, 1.5]


def odd_files() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in ("pending", "claim", "lifetime", "overlap"):
        found += [{"defaults": {name: each, "remind": []}} for each in TIMES]
    found += [{"defaults": {"remind": [each], "pending": "365d"}} for each in ("1h", "0h", "999999d", "1s")]
    found += [{"review": {"every": each}} for each in TIMES]
    found += [{"defaults": {"user_keys": each}} for each in SWITCHES]
    found += [{name: each} for name in ("review", "orphaned_keys") for each in SWITCHES]
    found += [{"roles": {"people_only": each}} for each in SWITCHES]
    for table, role in product(TABLES, ROLES):
        mapping = {"user": "U1", "role": role}
        found += [
            {"roles": {"table": table, "mappings": [mapping]}},
            {"roles": {"table": table, "new_accounts": [role]}},
        ]
    found += [{"roles": {"mappings": [{"user": "U1", "role": role}]}} for role in ROLES]
    found += [{"defaults": {name: each}} for name in ("approvals", "else") for each in NUMBERS]
    found += [{"rules": [{"name": "a", "approvals": 0, "unless_manager": each}]} for each in ("forbid", "", 2, True)]
    found += [{"defaults": {"confirm": each}} for each in ("resource", "none", "", "Resource", "off", True, 1)]
    tickets = [{"pattern": each} for each in PATTERNS] + [{"pattern": "[0-9]+", "url": each} for each in URLS]
    tickets += [{"pattern": "[0-9]+", "required": each} for each in SWITCHES]
    tickets += [{"pattern": "a", "example": each} for each in ("a", "", "a" * 65, 1)]
    tickets += [{}, {"required": True}, {"pattern": "a", "name": "a"}]
    found += [{"rules": [{"name": "a", "ticket": each}]} for each in [*tickets, "off", True]]
    days = ["2026-12-31", "2026-13-01", "2026-1-1", "31.12.2026", "", "never", 2026, True, "2026-12-31T00:00"]
    found += [{"rules": [{"name": "a", "until": each}]} for each in days]
    found += [{"rules": [{"name": "a", "forbid": "No.", "until": "2026-12-31"}]}]
    found += [{"roles": {"mappings": [{"user": "U1", "role": "Operator", "until": each}]}} for each in days]
    teams = [
        {"name": "a", "members": ["U1", "S1"], "scopes": ["env-1/lkc-1"], "role": "Operator", "until": "2026-12-31"},
        {"name": "a"}, {"name": "a b"}, {"name": ""}, {"name": "a" * 41}, {}, {"name": "a", "members": ["C1"]},
        {"name": "a", "environments": ["env-1", "prod", "prod-*", "*"]}, {"name": "a", "environments": "prod"},
        {"name": "a", "environments": ["team:b"]}, {"name": "a", "environments": ["env-*"]},
        {"name": "a", "members": "U1"}, {"name": "a", "group": "S1"}, {"name": "team:a"},
    ]  # fmt: skip
    found += [{"teams": [each]} for each in teams]
    found += [{"teams": [{"name": "a", "members": ["U1"]}], "rules": [{"name": "a", "match": {"by": each}}]}
              for each in ("team:a", "team:", "team: a", "a")]  # fmt: skip
    places = [
        "env-1", "env-", "env-*", "Env-1", "ENV-1", "env1", "prod", "prod-*", "*", "**", "a b", " a", "a ", "",
        "a" * 100, "a" * 101, "lkc-1", "lkc-", "lkc-*", "sa-1", "team:a", "team:", "team:b c", "teams", "x\ty", "ü", 7,
        True, [], ["a", "env-1"], "\x7fa\x7f", "#a",
    ]  # fmt: skip
    found += [{"teams": [{"name": "a", "scopes": ["env-1"]}], "rules": [{"name": "a", "match": {"environment": each}}]}
              for each in places]  # fmt: skip
    told = [["team:a"], ["team:"], "team:a", ["U1", "team:a"], "closest", "none", [], ["C1"], ["S1"]]
    mapped = [{"team": "a"}, {"team": "team:a"}, {"team": "a b"}, {"team": "a", "user": "U1"}, {"user": "U1"}, {}]
    members = {"teams": [{"name": "a", "members": ["U1"]}]}
    found += [{**members, "defaults": {"notify": each}} for each in told]
    found += [{**members, "roles": {"mappings": [{**each, "role": "Operator"}]}} for each in mapped]
    words = ["U1", "W1", "S07", "EnvironmentAdmin", "FlinkAdmin", "AccountAdmin", "C1", "u1", "S", "Owner", "", 7, True]
    people = [*words, *([each] for each in words), [], ["U1", "S07", "Operator"]]
    found += [{"rules": [{"name": "a", "match": {"by": each}}]} for each in people]
    found += [{"rules": [{"name": "a", "forbid": "No.", "ticket": {"pattern": "a"}}]}]
    return found


@pytest.mark.parametrize("content", odd_files(), ids=json.dumps)
def test_the_schema_takes_what_the_reader_takes_and_nothing_else(content: dict[str, Any]) -> None:
    written = json.dumps({"version": 1, "channel": "C1", **content})
    value: Any = grow(written).value
    try:
        parse(written.encode(), default_channel="C1")
        is_read = True
    except PolicyError:
        is_read = False

    assert (jsonschema.Draft202012Validator(SCHEMA).is_valid(value)) is is_read
