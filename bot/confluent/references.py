"""What a key opens, as requests and answers spell it: every kind of key has its own form, and some have two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.confluent import wire
from bot.domain.keys import Resource
from bot.domain.kinds import Kind

_WORDS = {kind.value: kind for kind in Kind if kind.row.is_wide}
"""Ids of what is not one cluster or region, in any case of letters."""
_GROUPS = {kind.row.api.group: kind for kind in Kind if kind.row.api.group}
"""What stands before the `/` of an `api_version`. `iam` says nothing: Cloud keys have it, and some Global ones."""
_KINDS = {kind.row.api.kind.lower(): kind for kind in Kind if kind.row.api.kind}
"""By `kind` in small letters. `Cluster` says nothing: Kafka, Schema Registry and ksqlDB have it."""
_REGIONAL = next(kind for kind in Kind if kind.row.is_regional)
_REGION = re.compile(r"(?:(?P<environment>env-[^.]+)\.)?(?P<cloud>[A-Za-z]+)\.(?P<region>[a-z0-9-]+)")
_ENVIRONMENT = re.compile(r"(?:^|/)environment=(?P<id>[^/]+)")


@dataclass(frozen=True, slots=True)
class ResourceId:
    """What a key opens. `kind` None is something new; `environment` "" where Confluent does not say."""

    kind: Kind | None
    id: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class RegionId:
    """A Flink region: the cloud in small letters; `environment` "" where the id does not hold it."""

    environment: str
    cloud: str
    region: str

    def __str__(self) -> str:
        return f"{self.cloud}.{self.region}"

    @classmethod
    def parse(cls, id_: str) -> "RegionId | None":
        """`aws.us-east-1`, or `env-x.aws.us-east-1`; None for anything else."""
        found = _REGION.fullmatch(id_)
        return cls(found["environment"] or "", found["cloud"].lower(), found["region"]) if found else None


def reference_to(resource: Resource) -> dict[str, str]:
    """The `spec.resource` of a request for a key."""
    row = resource.kind.row
    place = {"environment": resource.environment} if row.is_regional else {}
    more = {"api_version": row.api.version, "kind": row.api.kind} if row.api.is_sent else {}
    return {"id": resource.id, **place, **more}


def references_of(row: wire.ApiKey) -> Sequence[wire.Reference]:
    """What Confluent says that the key opens; `resources` is how keys for several clusters say it."""
    return [each for each in (row.spec.resource, *row.spec.resources) if each != wire.Reference()]


def places_of(row: wire.ApiKey) -> Sequence[ResourceId]:
    """Everything that the key opens, the first first. A key that names nothing is a Cloud key."""
    return [place_of(each) for each in references_of(row)] or [ResourceId(Kind.CLOUD, Kind.CLOUD.value)]


def main_place(row: wire.ApiKey) -> ResourceId:
    """What the key opens; of no kind that we know for a key of several clusters: who manages one may not manage all."""
    first, *others = places_of(row)
    environments = {each.environment for each in (first, *others)} - {""}
    is_one = all(each.id == first.id for each in others) and len(environments) <= 1
    return first if is_one else ResourceId(None, first.id)


def place_of(reference: wire.Reference) -> ResourceId:
    """One reference, both forms of a Flink region in one: `aws.us-east-1` and its environment."""
    kind = _kind(reference)
    if kind is not None and kind.value in _WORDS:
        return ResourceId(kind, kind.value)
    environment = reference.environment or _environment_in(reference.resource_name)
    region = RegionId.parse(reference.id) if kind and kind.row.is_regional else None
    if region is None:
        return ResourceId(kind, reference.id, environment)
    return ResourceId(kind, str(region), region.environment or environment)


def opens(row: wire.ApiKey, resource: Resource) -> bool:
    """Whether the key opens this resource. What Confluent leaves out of a reference tells nothing against it."""
    return any(_is(place, resource) for place in places_of(row))


def _is(place: ResourceId, resource: Resource) -> bool:
    same = place.id == resource.id and place.kind in {None, resource.kind}
    # Clusters have ids of their own; a region is another resource in each environment.
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
