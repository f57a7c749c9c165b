"""Converts between keys and their form in requests and responses, which differs by kind and sometimes has two variants.

Also finds what makes no sense in a row about an API key.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from bot.confluent import wire
from bot.confluent.failures import Lost, translated
from bot.confluent.inventory import API_KEYS
from bot.domain.keys import ApiKey, KeyId, Marker, Principal, Resource
from bot.domain.kinds import Kind
from bot.services.ports.cloud import NewKey

_WORDS = {kind.value: kind for kind in Kind if kind.row.is_wide}
"""IDs that stand for more than one cluster or region; compared in lower case."""
_GROUPS = {kind.row.api.group: kind for kind in Kind if kind.row.api.group}
"""By the part of `api_version` before the `/`. `iam` isn't here: Cloud keys have it, and some Global ones."""
_KINDS = {kind.row.api.kind.lower(): kind for kind in Kind if kind.row.api.kind}
"""By `kind` in lower case. `Cluster` isn't here: Kafka, Schema Registry and ksqlDB have it."""
_REGIONAL = next(kind for kind in Kind if kind.row.is_regional)
_REGION = re.compile(r"(?:(?P<environment>env-[^.]+)\.)?(?P<cloud>[A-Za-z]+)\.(?P<region>[a-z0-9-]+)")
_ENVIRONMENT = re.compile(r"(?:^|/)environment=(?P<id>[^/]+)")


def spec_of(new: NewKey) -> dict[str, object]:
    """The `spec` of a request for a key."""
    spec: dict[str, object] = {
        "display_name": new.name,
        "description": new.description,
        "owner": {"id": new.owner.id},
        "resource": reference_to(new.resource),
    }
    if new.expires_at is not None:
        spec["expires_at"] = new.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return spec


def mismatch(row: wire.ApiKey, new: NewKey) -> str:
    """How the key differs from the request, for operators; "" if it doesn't. Missing fields count as requested."""
    if row.spec.owner.id not in {"", new.owner.id}:
        return f"created for owner {row.spec.owner.id} instead of {new.owner.id}"
    if references_of(row) and not opens(row, new.resource):
        return f"created for {[each.id for each in places_of(row)]} instead of {new.resource.id}"
    return ""


def placed(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> wire.ApiKey:
    """Return the row. Raises `Unavailable` if it has our marker but it's unclear whose key it is or what it opens."""
    if problem := puzzle(row, owner, resource):
        raise translated(
            "GET", API_KEYS, Lost(f"can't read the response: {row.id} has Latchkey's marker; {problem}", sent=True)
        )
    return row


def puzzle(row: wire.ApiKey, owner: Principal, resource: Resource | None = None) -> str:
    """What is unclear about a row with our marker, for operators; "" for all others, such as internal keys."""
    if Marker.find(row.spec.description) is None:
        return ""
    whose = row.spec.owner.id
    if whose != owner and whose.casefold() in {"", owner.casefold()}:
        return f"its owner reads {whose!r}"
    if whose != owner or resource is None or opens(row, resource):
        return ""
    # A Cloud key may name no resource, and lists without a filter contain those, too.
    if not references_of(row):
        return "" if resource.kind.row.api.lists_miss_keys else "it names no resource"
    if all(_is_elsewhere(each, resource) for each in references_of(row)):
        return ""
    return f"its resource reads {[(place.kind, place.id) for place in places_of(row)]}"


def _is_elsewhere(reference: wire.Reference, resource: Resource) -> bool:
    """Whether this is another resource, rather than the same one in an unknown spelling."""
    place = place_of(reference)
    if place.id and resource.id.casefold() not in {place.id.casefold(), reference.id.casefold()}:
        return True
    # The same region is a different resource in each environment.
    return place.id == resource.id and place.kind is resource.kind and resource.kind.row.is_regional


def api_key(row: wire.ApiKey) -> ApiKey:
    """The key that a row describes."""
    place = main_place(row)
    return ApiKey(
        id=KeyId(row.id),
        owner=Principal(row.spec.owner.id) if row.spec.owner.id else None,
        resource=place.id,
        name=row.spec.display_name,
        description=row.spec.description,
        created_at=row.metadata.created_at,
        kind=place.kind,
        environment=place.environment,
        expires_at=row.expires_at,
    )


def made(row: wire.ApiKey, asked: NewKey) -> ApiKey:
    """The key in the response to a create. Fields that it leaves out are as requested."""
    key = api_key(row)
    return replace(
        key,
        owner=key.owner or asked.owner.id,
        resource=asked.resource.id,
        name=key.name or asked.name,
        description=key.description or asked.description,
        kind=asked.resource.kind,
        environment=key.environment or asked.resource.environment,
    )


@dataclass(frozen=True, slots=True)
class ResourceId:
    """What a key opens. `kind` None: an unknown kind. `environment` "": Confluent doesn't say."""

    kind: Kind | None
    id: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class RegionId:
    """A Flink region, with the cloud in lower case. `environment` is "" if the ID doesn't contain it."""

    environment: str
    cloud: str
    region: str

    def __str__(self) -> str:
        return f"{self.cloud}.{self.region}"

    @classmethod
    def parse(cls, id_: str) -> "RegionId | None":
        """Parse `aws.us-east-1` or `env-x.aws.us-east-1`. Returns None for anything else."""
        found = _REGION.fullmatch(id_)
        return cls(found["environment"] or "", found["cloud"].lower(), found["region"]) if found else None


def reference_to(resource: Resource) -> dict[str, str]:
    """The `spec.resource` of a request for a key."""
    row = resource.kind.row
    place = {"environment": resource.environment} if row.is_regional else {}
    more = {"api_version": row.api.version, "kind": row.api.kind} if row.api.is_sent else {}
    return {"id": resource.id, **place, **more}


def references_of(row: wire.ApiKey) -> Sequence[wire.Reference]:
    """The references in a row to what the key opens. Keys for several clusters have them in `resources`."""
    return [each for each in (row.spec.resource, *row.spec.resources) if each != wire.Reference()]


def places_of(row: wire.ApiKey) -> Sequence[ResourceId]:
    """Everything that the key opens, in order. A key that names nothing is a Cloud key."""
    return [place_of(each) for each in references_of(row)] or [ResourceId(Kind.CLOUD, Kind.CLOUD.value)]


def main_place(row: wire.ApiKey) -> ResourceId:
    """What the key opens. For several clusters the kind is None, because a manager of one may not manage all."""
    first, *others = places_of(row)
    environments = {each.environment for each in (first, *others)} - {""}
    is_one = all(each.id == first.id for each in others) and len(environments) <= 1
    return first if is_one else ResourceId(None, first.id)


def place_of(reference: wire.Reference) -> ResourceId:
    """What one reference means. Both forms of a Flink region become `aws.us-east-1` and its environment."""
    kind = _kind(reference)
    if kind is not None and kind.value in _WORDS:
        return ResourceId(kind, kind.value)
    environment = reference.environment or _environment_in(reference.resource_name)
    region = RegionId.parse(reference.id) if kind and kind.row.is_regional else None
    if region is None:
        return ResourceId(kind, reference.id, environment)
    return ResourceId(kind, str(region), region.environment or environment)


def opens(row: wire.ApiKey, resource: Resource) -> bool:
    """Whether the key opens this resource. Fields missing from a reference don't count against it."""
    return any(_is(place, resource) for place in places_of(row))


def _is(place: ResourceId, resource: Resource) -> bool:
    same = place.id == resource.id and place.kind in {None, resource.kind}
    # A cluster's ID is unique; the same region is a different resource in each environment.
    return same and (not resource.kind.row.is_regional or place.environment in {"", resource.environment})


def _kind(reference: wire.Reference) -> Kind | None:
    return (
        _WORDS.get(reference.id.lower())
        or _GROUPS.get(reference.api_version.partition("/")[0].lower())
        or _KINDS.get(reference.kind.lower())
        or Kind.of_id(reference.id)
        or (_REGIONAL if not (reference.api_version or reference.kind) and RegionId.parse(reference.id) else None)
    )


def _environment_in(crn: str) -> str:
    found = _ENVIRONMENT.search(crn)
    return found["id"] if found else ""
