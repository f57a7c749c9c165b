"""C9: every recorded answer of Confluent Cloud goes through the wire model that it belongs to."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.confluent import wire
from bot.confluent.addresses import Listed
from bot.confluent.failures import translated, words
from bot.domain.errors import CloudRefused, KeyRefused, Unavailable
from tests.support.shared import shared
from tools.contract import SHARED

FILES = sorted((SHARED / "recorded" / "terraform").rglob("*.json"))
MODELS: dict[tuple[str, str], type[wire.Item]] = {
    ("apikey", "ApiKey"): wire.ApiKey,
    ("apikey", "Cluster"): wire.Cluster,
    ("apikey", "Environment"): wire.Environment,
    ("apikey", "Region"): wire.FlinkRegion,
    ("compute_pool", "ComputePool"): wire.ComputePool,
    ("compute_pool", "Cluster"): wire.ComputePool,
    ("endpoint", "Endpoint"): Listed,
    ("environment", "Environment"): wire.Environment,
    ("flink_region", "Region"): wire.FlinkRegion,
    ("kafka", "Cluster"): wire.Cluster,
    ("ksql", "Cluster"): wire.KsqlCluster,
    ("organization", "Environment"): wire.Environment,
    ("role_binding", "RoleBinding"): wire.RoleBinding,
    ("schema_registry_cluster", "Cluster"): wire.Registry,
    ("schema_registry_cluster", "Environment"): wire.Environment,
    ("service_account", "ServiceAccount"): wire.ServiceAccount,
    ("user", "User"): wire.User,
}
"""By folder, and by the kind that the answer or its list names."""
BARE = frozenset({"KafkaTopicList"})
"""Lists of a data plane, of whose answers nothing but the status is read."""


def status_of(said: dict[str, Any]) -> int:
    return int(said["errors"][0]["status"]) if "errors" in said else int(str(said["error_code"])[:3])


def test_the_recorded_answers_are_there() -> None:
    shared("recorded/terraform")

    assert len(FILES) > 90, "an empty folder would be read without a mistake"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_answer_is_read(path: Path) -> None:
    said = json.loads(path.read_text("utf-8"))
    if "errors" in said or "error_code" in said:
        status = status_of(said)
        error = translated("GET", "/x", httpx.Response(status, json=said))
        assert isinstance(error, KeyRefused if status == 401 else Unavailable if status >= 500 else CloudRefused)
        assert words(httpx.Response(status, json=said)) in {said.get("message"), *map(_detail, said.get("errors", []))}
        return
    kind = str(said["kind"])
    rows = wire.Page.model_validate(said).data if "data" in said else [said]
    if kind in BARE:
        return
    model = MODELS[path.parent.name, kind.removesuffix("List")]
    for row, item in [(row, model.model_validate(row)) for row in rows]:
        assert isinstance(row, dict)
        assert item.id == row["id"]
        spec = row.get("spec", row)
        for name in ("display_name", "http_endpoint", "kafka_bootstrap_endpoint", "email", "crn_pattern", "endpoint"):
            held = getattr(item, "spec", item)
            if hasattr(held, name) and name in spec:
                assert getattr(held, name) == spec[name]


def _detail(error: dict[str, str]) -> str:
    return error["detail"]
