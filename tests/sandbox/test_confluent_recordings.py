"""What answers of the sandbox's Confluent Cloud may lack, by what recorded ones lack."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest

from sandbox.cast import DEV
from sandbox.confluent import Faults
from sandbox.confluent.optional import ABSENT_OR_EMPTY, OPTIONAL, thinned
from tests.sandbox.confluent_client import items
from tests.support.shared import shared

Kind = tuple[str, str]
Rows = dict[Kind, list[dict[str, Any]]]
OF_THEMSELVES = {
    # Absent for a reason that the sandbox has as well: an owner who is gone, a resource that is in no environment.
    ("iam/v2", "ApiKey"): {"spec.owner", "spec.resource.environment"},
}
LISTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/org/v2/environments", {}),
    ("/cmk/v2/clusters", {"environment": DEV}),
    ("/srcm/v3/clusters", {"environment": DEV}),
    ("/ksqldbcm/v2/clusters", {"environment": DEV}),
    ("/fcpm/v2/regions", {}),
    ("/fcpm/v2/compute-pools", {"environment": DEV}),
    ("/endpoint/v1/endpoints", {"environment": DEV, "service": "KAFKA"}),
    ("/tableflow/v1/regions", {}),
    ("/iam/v2/users", {}),
    ("/iam/v2/service-accounts", {}),
    ("/iam/v2/api-keys", {}),
)


def recorded() -> Rows:
    """Every object of the recorded answers and examples, by api_version and kind."""
    found: Rows = {}
    paths = [*shared("recorded/terraform").rglob("*.json"), *shared("openapi/examples/api-keys").glob("*.json")]
    for path in paths:
        said = json.loads(path.read_text("utf-8"))
        if "kind" in said and "request" not in path.name:
            kind = (said.get("api_version", ""), said["kind"].removesuffix("List"))
            found.setdefault(kind, []).extend(said.get("data", [said]))
    return found


def paths_of(item: dict[str, Any], parent: str = "") -> Iterator[str]:
    for name, value in item.items():
        path = f"{parent}.{name}".lstrip(".")
        yield path
        if isinstance(value, dict):
            yield from paths_of(value, path)


def lack(rows: list[dict[str, Any]]) -> set[str]:
    """What some have, and others that have its parent do not."""
    each = [{*paths_of(row)} for row in rows]
    return {
        path
        for path in set().union(*each)
        for has in each
        if path not in has and ("." not in path or path.rpartition(".")[0] in has)
    }


def droppable() -> dict[Kind, set[str]]:
    return {
        kind: {*OPTIONAL.get(kind, ()), *ABSENT_OR_EMPTY.get(kind, ())} for kind in OPTIONAL.keys() | ABSENT_OR_EMPTY
    }


def test_whatever_the_sandbox_leaves_out_some_recorded_answer_lacks() -> None:
    rows = recorded()
    assert {kind: paths - lack(rows[kind]) for kind, paths in droppable().items() if paths - lack(rows[kind])} == {}


async def test_whatever_recorded_answers_lack_the_sandbox_can_leave_out(api: httpx.AsyncClient) -> None:
    rows, kept = recorded(), {}
    for path, query in LISTS:
        for item in await items(api, path, **query):
            kind = (item["api_version"], item["kind"])
            may_lack = droppable().get(kind, set()) | OF_THEMSELVES.get(kind, set())
            if stays := {*paths_of(item)} & lack(rows.get(kind, [])) - may_lack:
                kept[kind] = stays
    assert kept == {}


@pytest.mark.parametrize(("habit", "lacks"), [("there", {0}), ("absent", {1}), ("drawn each time", {0, 1})])
def test_an_optional_field_is_there_or_absent_as_the_switch_says(habit: str, lacks: set[int]) -> None:
    faults = Faults.draw(Random(7))
    faults.set("optional_fields", habit)
    region = {"api_version": "fcpm/v2", "kind": "Region", "private_http_endpoint": "https://a.example"}
    assert {"private_http_endpoint" not in thinned(faults, dict(region)) for _ in range(40)} == lacks


def test_what_is_only_absent_where_it_is_empty_stays_where_it_is_not() -> None:
    faults = Faults(optional_fields="absent")
    key = {"api_version": "iam/v2", "kind": "ApiKey"}
    assert thinned(faults, {**key, "spec": {"secret": ""}})["spec"] == {}
    assert thinned(faults, {**key, "spec": {"secret": "cflt"}})["spec"] == {"secret": "cflt"}


def test_what_nobody_knows_is_drawn_and_stays_when_everything_is_turned_back() -> None:
    drawn = [Faults.draw(Random(seed)) for seed in range(40)]
    assert {each.expires_at for each in drawn} == {"honored", "ignored", "refused", "zero"}
    assert {each.crn_patterns for each in drawn} == {"exact, or below", "with all below"}
    assert Faults.draw(Random(3)).drawn == Faults.draw(Random(3)).drawn

    for each in drawn:
        each.set("expires_at", "ignored")
        each.reset()
        assert each.expires_at == each.drawn["expires_at"]
        assert all(switch["value"] == switch["usual"] for switch in each.describe())
