"""`/endpoint/v1/endpoints`: every address of one service in one environment."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from sandbox.confluent import dataplane, wire
from sandbox.confluent.model import KafkaCluster, Region, SchemaRegistry
from sandbox.confluent.places import crn_of, environment_reference, in_environment, regional, sees_environment, thing
from sandbox.confluent.wire import Call, Json, Problem, forbidden

_USUAL_PAGE, _LARGEST_PAGE = 100, 1000


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address; `resource` is None for a region's addresses."""

    address: str
    type: str
    cloud: str
    region: str
    is_private: bool = False
    resource: KafkaCluster | SchemaRegistry | None = None

    @property
    def id(self) -> str:
        name = self.resource.id if self.resource else f"{self.cloud}-{self.region}".lower()
        return f"e-{name}-{self.type.lower()}{'-private' if self.is_private else ''}"


async def list_endpoints(call: Call) -> Response:
    """The addresses of a service in an environment (both required), filtered by cloud, region, resource or privacy."""
    service, environment = call.required("service"), call.required("environment")
    if environment not in call.organization.environments or not sees_environment(call, environment):
        raise forbidden()
    if service not in _OF_SERVICE:
        detail = f"service must be one of {', '.join(_OF_SERVICE)}"
        raise Problem(400, "invalid_filter", "Invalid Filter", detail, parameter="service")
    found = [each for each in _OF_SERVICE[service](call) if _is_wanted(call, each)]
    return wire.page(
        call,
        "endpoint/v1",
        "EndpointList",
        found,
        lambda each: _render(call, service, environment, each),
        usual=_USUAL_PAGE,
        largest=_LARGEST_PAGE,
    )


def _of_kafka(call: Call) -> Iterator[_Endpoint]:
    for cluster in in_environment(call, call.organization.kafka_clusters.values()):
        rest = dataplane.address(call, cluster.id) if cluster.is_public else f"https://{cluster.host}"
        for kind, address in (("REST", rest), ("BOOTSTRAP", cluster.bootstrap)):
            yield _Endpoint(address, kind, cluster.cloud, cluster.region, not cluster.is_public, cluster)


def _of_schema_registry(call: Call) -> Iterator[_Endpoint]:
    for registry in in_environment(call, call.organization.schema_registries.values()):
        private = f"https://{regional(registry.id, registry.cloud, registry.region)}"
        address = dataplane.address(call, registry.id) if registry.is_public else private
        yield _Endpoint(address, "REST", registry.cloud, registry.region, not registry.is_public, registry)


def _of_flink(call: Call) -> Iterator[_Endpoint]:
    for region in call.organization.regions.values():
        yield _flink(region, dataplane.address(call, region.id), "REST")
        language = f"https://flinkpls.{region.name}.{region.cloud.lower()}.confluent.cloud"
        yield _flink(region, language, "LANGUAGE_SERVICE")
        yield _flink(region, f"https://{region.private_flink_host}", "REST", is_private=True)


def _flink(region: Region, address: str, kind: str, *, is_private: bool = False) -> _Endpoint:
    return _Endpoint(address, kind, region.cloud, region.name, is_private)


_OF_SERVICE = {"KAFKA": _of_kafka, "SCHEMA_REGISTRY": _of_schema_registry, "FLINK": _of_flink}


def _is_wanted(call: Call, each: _Endpoint) -> bool:
    private = call.parameter("is_private")
    return (
        call.parameter("cloud") in (None, each.cloud)
        and call.parameter("region") in (None, each.region)
        and call.parameter("resource") in (None, each.resource.id if each.resource else None)
        and private in (None, str(each.is_private).lower())
    )


def _render(call: Call, service: str, environment: str, each: _Endpoint) -> Json:
    fields: Json = {
        "cloud": each.cloud,
        "region": each.region,
        "service": service,
        "is_private": each.is_private,
        "connection_type": "PRIVATE_LINK" if each.is_private else "PUBLIC",
        "endpoint": each.address,
        "endpoint_type": each.type,
        "environment": environment_reference(call, environment),
    }
    if each.resource is not None:
        path = f"/{'cmk/v2' if service == 'KAFKA' else 'srcm/v3'}/clusters/{each.resource.id}"
        fields["resource"] = wire.reference(each.resource.id, path, crn_of(call.organization, each.resource))
    return thing("endpoint/v1", "Endpoint", each.id, {"self": ""}, **fields)
