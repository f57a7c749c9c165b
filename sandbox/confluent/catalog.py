"""What there is to make keys for: organisation, environments, clusters, regions, compute pools; and the quotas.

Lists hold what the caller has a role at, above or below; what has to be named and is not seen is forbidden.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from starlette.responses import JSONResponse, Response

from sandbox.confluent import wire
from sandbox.confluent.model import ComputePool, Environment, KafkaCluster, KsqlCluster, Quota, Region, SchemaRegistry
from sandbox.confluent.organization import Organization
from sandbox.confluent.wire import Call, Json, forbidden

_QUOTAS_LARGEST_PAGE = 200


class _InEnvironment(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def environment(self) -> str: ...


T = TypeVar("T", bound=_InEnvironment)


async def list_organizations(call: Call) -> Response:
    """The one organisation of the caller."""
    return wire.page(call, "org/v2", "OrganizationList", [call.organization], _render_organization)


async def list_environments(call: Call) -> Response:
    """Environments the caller sees."""
    seen = (each for each in call.organization.environments.values() if _sees_environment(call, each.id))
    return wire.page(call, "org/v2", "EnvironmentList", seen, lambda each: _render_environment(call, each))


async def get_environment(call: Call) -> Response:
    """One environment."""
    environment = call.organization.environments.get(call.id)
    if environment is None or not _sees_environment(call, environment.id):
        raise forbidden()
    return JSONResponse(_render_environment(call, environment))


async def list_kafka_clusters(call: Call) -> Response:
    """Kafka clusters of an environment."""
    found = _in_environment(call, call.organization.kafka_clusters.values())
    return wire.page(call, "cmk/v2", "ClusterList", found, lambda each: _render_kafka(call, each))


async def get_kafka_cluster(call: Call) -> Response:
    """One Kafka cluster; needs its environment too."""
    return JSONResponse(_render_kafka(call, _one(call, call.organization.kafka_clusters)))


async def list_schema_registries(call: Call) -> Response:
    """The Schema Registry of an environment."""
    found = _in_environment(call, call.organization.schema_registries.values())
    return wire.page(call, "srcm/v3", "ClusterList", found, lambda each: _render_registry(call, each))


async def get_schema_registry(call: Call) -> Response:
    """One Schema Registry; needs its environment too."""
    return JSONResponse(_render_registry(call, _one(call, call.organization.schema_registries)))


async def list_ksql_clusters(call: Call) -> Response:
    """Clusters of ksqlDB in an environment."""
    found = _in_environment(call, call.organization.ksql_clusters.values())
    return wire.page(call, "ksqldbcm/v2", "ClusterList", found, lambda each: _render_ksql(call, each))


async def get_ksql_cluster(call: Call) -> Response:
    """One ksqlDB cluster; needs its environment too."""
    return JSONResponse(_render_ksql(call, _one(call, call.organization.ksql_clusters)))


async def list_compute_pools(call: Call) -> Response:
    """Flink compute pools of an environment, by region if asked."""
    region = call.parameter("spec.region")
    found = _in_environment(call, call.organization.compute_pools.values())
    in_region = [pool for pool in found if region in (None, pool.region.name)]
    return wire.page(call, "fcpm/v2", "ComputePoolList", in_region, lambda each: _render_pool(call, each))


async def list_flink_regions(call: Call) -> Response:
    """Every region with Flink, by cloud and name if asked."""
    found = _regions(call, "region_name")
    return wire.page(call, "fcpm/v2", "RegionList", found, _render_flink_region)


async def list_tableflow_regions(call: Call) -> Response:
    """Every region with Tableflow."""
    found = _regions(call, "region")
    return wire.page(call, "tableflow/v1", "RegionList", found, _render_tableflow_region)


async def list_applied_quotas(call: Call) -> Response:
    """The limits of one scope, with their use where it is counted for the whole organisation."""
    scope, code = call.required("scope"), call.parameter("id")
    found = [each for each in call.organization.quotas.values() if each.scope == scope and code in (None, each.code)]
    return wire.page(
        call,
        "service-quota/v1",
        "AppliedQuotaList",
        found,
        lambda each: _render_quota(call.organization, each),
        largest=_QUOTAS_LARGEST_PAGE,
    )


async def get_applied_quota(call: Call) -> Response:
    """One limit, by its code."""
    quota = call.organization.quotas.get(call.id)
    if quota is None:
        raise forbidden()
    return JSONResponse(_render_quota(call.organization, quota))


def _sees_environment(call: Call, id_: str) -> bool:
    return call.caller.sees_place(call.organization.place(f"environment={id_}"))


def _place(organization: Organization, item: _InEnvironment) -> str:
    match item:
        case KafkaCluster():
            return organization.cluster_crn(item)
        case KsqlCluster():
            return organization.ksql_crn(item)
        case SchemaRegistry():
            return organization.place(f"environment={item.environment}", f"schema-registry={item.id}")
        case _:
            return organization.place(f"environment={item.environment}")


def _in_environment(call: Call, items: Iterable[T]) -> list[T]:
    environment = call.required("environment")
    if environment not in call.organization.environments or not _sees_environment(call, environment):
        raise forbidden()
    return [
        item
        for item in items
        if item.environment == environment and call.caller.sees_place(_place(call.organization, item))
    ]


def _one(call: Call, items: Mapping[str, T]) -> T:
    item = items.get(call.id)
    if item is None or item not in _in_environment(call, [item]):
        raise forbidden()
    return item


def _regions(call: Call, name_parameter: str) -> list[Region]:
    cloud, name = call.parameter("cloud"), call.parameter(name_parameter)
    return [
        region
        for region in call.organization.regions.values()
        if cloud in (None, region.cloud) and name in (None, region.name)
    ]


def _object(api_version: str, kind: str, id_: str, metadata: Json, **fields: object) -> Json:
    return {"api_version": api_version, "kind": kind, "id": id_, "metadata": metadata, **fields}


def _environment_reference(call: Call, id_: str) -> Json:
    return wire.reference(id_, f"/org/v2/environments/{id_}", call.organization.place(f"environment={id_}"))


def _render_organization(organization: Organization) -> Json:
    created_at = min(each.created_at for each in organization.environments.values())
    meta = wire.metadata(f"/org/v2/organizations/{organization.id}", organization.crn, created_at)
    name = organization.name
    return _object("org/v2", "Organization", organization.id, meta, display_name=name, jit_enabled=True)


def _render_environment(call: Call, environment: Environment) -> Json:
    crn = call.organization.place(f"environment={environment.id}")
    meta = wire.metadata(f"/org/v2/environments/{environment.id}", crn, environment.created_at)
    governance = {"package": environment.package}
    name = environment.name
    return _object(
        "org/v2", "Environment", environment.id, meta, display_name=name, stream_governance_config=governance
    )


def _render_kafka(call: Call, cluster: KafkaCluster) -> Json:
    crn = f"{call.organization.cluster_crn(cluster)}/kafka={cluster.id}"
    rest, bootstrap = f"https://{cluster.host}", f"{cluster.host.partition(':')[0]}:9092"
    access = {"http_endpoint": rest, "kafka_bootstrap_endpoint": bootstrap}
    point, connection = ("PUBLIC", "PUBLIC") if cluster.is_public else ("PRIVATE_LINK", "PRIVATE_LINK")
    spec = {
        "display_name": cluster.name,
        "availability": "MULTI_ZONE" if cluster.kind == "Dedicated" else "SINGLE_ZONE",
        "cloud": cluster.cloud,
        "region": cluster.region,
        "config": {"kind": cluster.kind},
        **access,
        "kafka_bootstrap_endpoint": f"SASL_SSL://{bootstrap}",
        "endpoints": {point: {**access, "connection_type": connection}},
        "environment": _environment_reference(call, cluster.environment),
    }
    meta = wire.metadata(f"/cmk/v2/clusters/{cluster.id}", crn, cluster.created_at)
    return _object("cmk/v2", "Cluster", cluster.id, meta, spec=spec, status={"phase": "PROVISIONED"})


def _render_registry(call: Call, registry: SchemaRegistry) -> Json:
    spec = {
        "display_name": registry.name,
        "package": registry.package,
        "http_endpoint": f"https://{registry.host}",
        "cloud": registry.cloud,
        "region": registry.region,
        "environment": _environment_reference(call, registry.environment),
    }
    meta = wire.metadata(f"/srcm/v3/clusters/{registry.id}", _place(call.organization, registry), registry.created_at)
    return _object("srcm/v3", "Cluster", registry.id, meta, spec=spec, status={"phase": "PROVISIONED"})


def _render_ksql(call: Call, cluster: KsqlCluster) -> Json:
    kafka = call.organization.kafka_clusters[cluster.kafka_cluster]
    crn = call.organization.cluster_crn(kafka)
    spec = {
        "display_name": cluster.name,
        "csu": 4,
        "kafka_cluster": wire.reference(kafka.id, f"/cmk/v2/clusters/{kafka.id}", crn, environment=kafka.environment),
        "credential_identity": {"id": call.caller.principal},
        "environment": _environment_reference(call, cluster.environment),
    }
    status = {
        "http_endpoint": f"https://{cluster.host}",
        "phase": "PROVISIONED",
        "is_paused": cluster.is_paused,
        "storage": 125,
    }
    meta = wire.metadata(f"/ksqldbcm/v2/clusters/{cluster.id}", f"{crn}/ksql={cluster.id}", cluster.created_at)
    return _object("ksqldbcm/v2", "Cluster", cluster.id, meta, spec=spec, status=status)


def _render_pool(call: Call, pool: ComputePool) -> Json:
    crn = call.organization.place(f"environment={pool.environment}", f"flink-region={pool.region.id}")
    spec = {
        "display_name": pool.name,
        "cloud": pool.region.cloud,
        "region": pool.region.name,
        "max_cfu": 5,
        "environment": _environment_reference(call, pool.environment),
    }
    meta = wire.metadata(f"/fcpm/v2/compute-pools/{pool.id}", f"{crn}/compute-pool={pool.id}", pool.created_at)
    return _object(
        "fcpm/v2", "ComputePool", pool.id, meta, spec=spec, status={"phase": "PROVISIONED", "current_cfu": 0}
    )


def _render_flink_region(region: Region) -> Json:
    host, private_host = region.flink_host, region.flink_host.replace(".confluent.cloud", ".private.confluent.cloud")
    return _object(
        "fcpm/v2",
        "Region",
        region.id,
        {"self": "", "resource_name": ""},
        display_name=region.display_name,
        cloud=region.cloud,
        region_name=region.name,
        http_endpoint=f"https://{host}",
        private_http_endpoint=f"https://{private_host}",
    )


def _render_tableflow_region(region: Region) -> Json:
    return _object("tableflow/v1", "Region", region.id, {"self": ""}, cloud=region.cloud, region=region.name)


def _render_quota(organization: Organization, quota: Quota) -> Json:
    meta: Json = {"self": f"{wire.PUBLIC_URL}/service-quota/v1/applied-quotas/{quota.code}"}
    path = f"/org/v2/organizations/{organization.id}"
    fields: Json = {
        "scope": quota.scope,
        "display_name": quota.name,
        "default_limit": quota.default,
        "applied_limit": quota.limit,
        "organization": wire.reference(organization.id, path, organization.crn),
    }
    used = organization.usage(quota.code)
    if used is not None:
        fields["usage"] = used
    return _object("service-quota/v1", "AppliedQuota", quota.code, meta, **fields)
