import csv
import importlib
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bot.cli.audit_formats import CLASS_UID, COLUMNS, OCSF_VERSION, header, jsonl, ocsf, row
from bot.domain.audit import TOLD, Action

LINE: dict[str, Any] = {
    "seq": 7,
    "at": "2026-03-04T05:06:07.123456+00:00",
    "actor": "U01",
    "action": "request:submitted",
    "request": "R1",
    "was": 0,
    "rev": 1,
    "details": {
        "operation": "create",
        "kind": "kafka",
        "resource": "lkc-dev001",
        "rule": "production",
        "reason": "for ada@acme.example",
        "name": "orders",
    },
    "prev": "0" * 64,
    "hash": "ab" * 32,
    "mac": "cd" * 32,
}
REQUIRED = {
    "activity_id": int,
    "category_uid": int,
    "class_uid": int,
    "severity_id": int,
    "time": int,
    "type_uid": int,
    "metadata": dict,
    "actor": dict,
    "api": dict,
    "src_endpoint": dict,
}
"""Attributes that OCSF 1.3.0 requires of API Activity (6003) without profiles, with their types."""
REQUIRED_OF: Mapping[str, Mapping[str, type]] = {
    "metadata": {"product": dict, "version": str},
    "api": {"operation": str},
}
ONE_OF: Mapping[str, set[str]] = {
    "actor": {"process", "user", "invoked_by", "session", "app_name", "app_uid"},
    "src_endpoint": {"ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name"},
}
ACTIVITIES, SEVERITIES, STATUSES = {0, 1, 2, 3, 4, 99}, {0, 1, 2, 3, 4, 5, 6, 99}, {0, 1, 2, 99}


def event(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ocsf({**LINE, **changes}))
    return found


@pytest.fixture(scope="module")
def schema() -> Any:
    """OCSF's own schema of the class, as a JSON Schema."""
    if os.environ.get("TEST_REQUIRE_TOOLS") == "1":
        shipped = importlib.import_module("ocsf_json_schema")
    else:
        shipped = pytest.importorskip("ocsf_json_schema", reason="only a development environment has it")
    found = shipped.OcsfJsonSchemaEmbedded(shipped.get_ocsf_schema(version=OCSF_VERSION))
    return Draft202012Validator(found.get_class_schema(class_name=found.lookup_class_name_from_uid(CLASS_UID)))


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("actor", ["U01", "latchkey"])
def test_every_action_is_what_the_schema_of_ocsf_takes(schema: Any, action: Action, actor: str) -> None:
    everything = dict.fromkeys(TOLD, "made-up")

    for details in ({}, LINE["details"], everything):
        assert list(schema.iter_errors(event(action=action.value, actor=actor, details=details))) == []


@pytest.mark.parametrize("name", REQUIRED)
def test_the_schema_of_ocsf_takes_no_event_that_lacks_something(schema: Any, name: str) -> None:
    assert not schema.is_valid({key: value for key, value in event().items() if key != name})


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("actor", ["U01", "latchkey"])
def test_every_action_is_a_valid_event_of_ocsf(action: Action, actor: str) -> None:
    found = event(action=action.value, actor=actor)

    assert {name: type(found[name]) for name in REQUIRED} == REQUIRED
    for name, fields in REQUIRED_OF.items():
        assert {field: type(found[name][field]) for field in fields} == fields
    assert isinstance(found["metadata"]["product"]["name"], str)
    for name, any_of in ONE_OF.items():
        assert found[name].keys() & any_of
    assert (found["class_uid"], found["category_uid"]) == (6003, 6)
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]
    assert found["activity_id"] in ACTIVITIES
    assert found["severity_id"] in SEVERITIES
    assert found["status_id"] in STATUSES
    assert found["activity_name"] == found["api"]["operation"] == action


def test_an_event_says_what_the_line_says_but_for_words_and_addresses() -> None:
    found = event()

    assert found["time"] == 1772600767123
    assert found["actor"]["user"] == {"uid": "U01", "type_id": 1}
    assert found["metadata"]["sequence"] == 7
    assert found["metadata"]["uid"] == LINE["hash"]
    assert found["metadata"]["correlation_uid"] == "R1"
    assert found["resources"] == [{"uid": "lkc-dev001", "type": "kafka"}]
    assert found["unmapped"]["rule"] == "production"
    assert "ada@acme.example" not in json.dumps(found)
    assert "orders" not in json.dumps(found)


@pytest.mark.parametrize(
    ("action", "activity", "status"),
    [
        (Action.CREATED, 1, 1),
        (Action.SHOWN, 2, 1),
        (Action.SHOW_REFUSED, 2, 2),
        (Action.DELETE_INTENDED, 4, 0),
        (Action.APPROVED, 3, 1),
        (Action.APPROVAL_REFUSED, 99, 2),
        (Action.FAILED, 99, 2),
    ],
)
def test_an_action_is_what_it_does_and_whether_it_succeeded(action: Action, activity: int, status: int) -> None:
    found = event(action=action.value)

    assert (found["activity_id"], found["status_id"]) == (activity, status)
    assert found["class_uid"] == CLASS_UID


def test_whatever_was_refused_or_failed_is_a_failure() -> None:
    failed = [action for action in Action if action.endswith(("refused", "failed"))]

    assert len(failed) >= 7
    assert [action for action in failed if event(action=action.value)["status_id"] != 2] == []


def test_what_an_operator_should_look_at_stands_out() -> None:
    stands_out = {action for action in Action if event(action=action.value)["severity_id"] == 3}

    assert {Action.GLASS_USED, Action.GLASS_OVERDUE, Action.LEAK_REPORTED, Action.DELETE_FAILED} <= stands_out
    assert stands_out & {Action.SUBMITTED, Action.APPROVED, Action.CREATED, Action.SHOWN, Action.GLASS_TOLD} == set()


def test_old_lines_without_a_request_or_revisions_are_events_too() -> None:
    old = {name: value for name, value in LINE.items() if name not in {"was", "rev"}}

    found = json.loads(ocsf({**old, "request": None, "details": {}}))

    assert "correlation_uid" not in found["metadata"]
    assert found["resources"] == []
    assert next(csv.reader([row({**old, "request": None})]))[4:7] == ["", "", ""]


def test_a_row_holds_the_columns_and_no_formula() -> None:
    columns, values = (next(csv.reader([text])) for text in (header(), row(LINE)))
    found = dict(zip(columns, values, strict=True))

    assert tuple(columns) == COLUMNS
    assert (found["seq"], found["resource"], found["key"]) == ("7", "lkc-dev001", "")
    assert "ada@acme.example" not in row(LINE)
    assert "'=HYPERLINK" in row({**LINE, "details": {"rule": '=HYPERLINK("x")'}})


def test_jsonl_is_the_line() -> None:
    assert json.loads(jsonl(LINE)) == LINE
