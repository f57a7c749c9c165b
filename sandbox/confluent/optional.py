"""Fields that Confluent Cloud's responses may lack: recorded responses have them sometimes."""

from collections.abc import Mapping
from typing import Any

from sandbox.confluent.faults import Faults

Json = dict[str, Any]

OPTIONAL: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("org/v2", "Environment"): ("stream_governance_config",),
    ("fcpm/v2", "Region"): ("private_http_endpoint",),
    ("endpoint/v1", "Endpoint"): ("environment", "resource"),
}
"""By api_version and kind: fields that may be absent even if they have a value."""
ABSENT_OR_EMPTY: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("iam/v2", "ApiKey"): ("spec.secret",),
    ("srcm/v3", "Cluster"): ("spec.private_http_endpoint", "spec.private_networking_config"),
}
"""Fields that may be absent if they're empty."""


def thinned(faults: Faults, item: Json) -> Json:
    """One object of a response, without the fields that it lacks this time."""
    if faults.optional_fields == "there":
        return item
    kind = (item.get("api_version", ""), item.get("kind", ""))
    for path in OPTIONAL.get(kind, ()):
        _drop(faults, item, path, only_empty=False)
    for path in ABSENT_OR_EMPTY.get(kind, ()):
        _drop(faults, item, path, only_empty=True)
    return item


def _drop(faults: Faults, item: Json, path: str, *, only_empty: bool) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        item = item.get(parent, {})
    if name in item and not (only_empty and item[name]) and faults.leaves_out():
        del item[name]
