"""The places that keys are for: the organization, its environments and their clusters.

The sandbox itself serves public resources, so their HTTP endpoints are addresses of the sandbox. Bootstrap addresses
and private endpoints are host names that look real and don't exist.
"""

from starlette.responses import Response

from bot.domain.kinds import Kind
from sandbox.confluent import dataplane, wire
from sandbox.confluent.model import Environment, KafkaCluster, KsqlCluster, PlainCluster, SchemaRegistry
from sandbox.confluent.organization import Organization
from sandbox.confluent.places import (
    crn_of,
    environment_reference,
    in_environment,
    one,
    regional,
    sees_environment,
    thing,
)
from sandbox.confluent.wire import Call, Handler, Json, forbidden


async def list_organizations(call: Call) -> Response:
    """The caller's organization."""
    return wire.page(call, "org/v2", "OrganizationList", [call.organization], _render_organization)


async def list_environments(call: Call) -> Response:
    """The environments that the caller sees."""
    seen = [each for each in call.organization.environments.values() if sees_environment(call, each.id)]
    return wire.page(call, "org/v2", "EnvironmentList", seen, lambda each: _render_environment(call, each))


async def get_environment(call: Call) -> Response:
    """One environment."""
    environment = call.organization.environments.get(call.id)
    if environment is None or not sees_environment(call, environment.id):
        raise forbidden()
    return wire.one(call, _render_environment(call, environment))


async def list_kafka_clusters(call: Call) -> Response:
    """The Kafka clusters of an environment."""
    found = in_environment(call, call.organization.kafka_clusters.values())
    return wire.page(call, "cmk/v2", "ClusterList", found, lambda each: _render_kafka(call, each))


async def get_kafka_cluster(call: Call) -> Response:
    """One Kafka cluster; the query has to name its environment."""
    return wire.one(call, _render_kafka(call, one(call, call.organization.kafka_clusters)))


async def list_schema_registries(call: Call) -> Response:
    """The Schema Registry of an environment."""
    found = in_environment(call, call.organization.schema_registries.values())
    return wire.page(call, "srcm/v3", "ClusterList", found, lambda each: _render_registry(call, each))


async def get_schema_registry(call: Call) -> Response:
    """One Schema Registry; the query has to name its environment."""
    return wire.one(call, _render_registry(call, one(call, call.organization.schema_registries)))


async def list_ksql_clusters(call: Call) -> Response:
    """The ksqlDB clusters of an environment."""
    found = in_environment(call, call.organization.ksql_clusters.values())
    return wire.page(call, "ksqldbcm/v2", "ClusterList", found, lambda each: _render_ksql(call, each))


async def get_ksql_cluster(call: Call) -> Response:
    """One ksqlDB cluster; the query has to name its environment."""
    return wire.one(call, _render_ksql(call, one(call, call.organization.ksql_clusters)))


def plain_clusters(kind: Kind) -> tuple[Handler, Handler]:
    """The handlers that list the clusters of a kind in an environment, and that get one of them."""

    async def every(call: Call) -> Response:
        mine = [each for each in call.organization.plain_clusters.values() if each.kind is kind]
        found = in_environment(call, mine)
        return wire.page(call, kind.row.api.version, "ClusterList", found, lambda each: _render_plain(call, each))

    async def single(call: Call) -> Response:
        return wire.one(call, _render_plain(call, one(call, call.organization.plain_clusters)))

    return every, single


def _render_organization(organization: Organization) -> Json:
    created_at = min(each.created_at for each in organization.environments.values())
    meta = wire.metadata(f"/org/v2/organizations/{organization.id}", organization.crn, created_at)
    name = organization.name
    return thing("org/v2", "Organization", organization.id, meta, display_name=name, jit_enabled=True)


def _render_environment(call: Call, environment: Environment) -> Json:
    crn = call.organization.place(f"environment={environment.id}")
    meta = wire.metadata(f"/org/v2/environments/{environment.id}", crn, environment.created_at)
    governance = {"package": environment.package}
    name = environment.name
    return thing("org/v2", "Environment", environment.id, meta, display_name=name, stream_governance_config=governance)


def _render_kafka(call: Call, cluster: KafkaCluster) -> Json:
    crn = f"{call.organization.cluster_crn(cluster)}/kafka={cluster.id}"
    access = {
        "http_endpoint": dataplane.address(call, cluster.id) if cluster.is_public else f"https://{cluster.host}",
        "kafka_bootstrap_endpoint": cluster.bootstrap,
    }
    point = "PUBLIC" if cluster.is_public else "PRIVATE_LINK"
    spec = {
        "display_name": cluster.name,
        "availability": "MULTI_ZONE" if cluster.kind == "Dedicated" else "SINGLE_ZONE",
        "cloud": cluster.cloud,
        "region": cluster.region,
        "config": {"kind": cluster.kind},
        **access,
        "kafka_bootstrap_endpoint": f"SASL_SSL://{cluster.bootstrap}",
        "endpoints": {point: {**access, "connection_type": point}},
        "environment": environment_reference(call, cluster.environment),
    }
    meta = wire.metadata(f"/cmk/v2/clusters/{cluster.id}", crn, cluster.created_at)
    return thing("cmk/v2", "Cluster", cluster.id, meta, spec=spec, status={"phase": "PROVISIONED"})


def _render_registry(call: Call, registry: SchemaRegistry) -> Json:
    spec: Json = {
        "display_name": registry.name,
        "package": registry.package,
        "cloud": registry.cloud,
        "region": registry.region,
        "environment": environment_reference(call, registry.environment),
    }
    if registry.is_public:
        spec["http_endpoint"] = dataplane.address(call, registry.id)
        spec |= {"private_http_endpoint": "", "private_networking_config": {}}
    else:
        private = f"https://{regional(registry.id, registry.cloud, registry.region)}"
        spec["private_http_endpoint"] = private
        spec["private_networking_config"] = {"regional_endpoints": {registry.region: private}}
    meta = wire.metadata(f"/srcm/v3/clusters/{registry.id}", crn_of(call.organization, registry), registry.created_at)
    return thing("srcm/v3", "Cluster", registry.id, meta, spec=spec, status={"phase": "PROVISIONED"})


def _render_plain(call: Call, cluster: PlainCluster) -> Json:
    api = cluster.kind.row.api
    spec = {
        "display_name": cluster.name,
        "http_endpoint": dataplane.address(call, cluster.id),
        "environment": environment_reference(call, cluster.environment),
    }
    meta = wire.metadata(f"{api.collection}/{cluster.id}", crn_of(call.organization, cluster), cluster.created_at)
    return thing(api.version, "Cluster", cluster.id, meta, spec=spec, status={"phase": "PROVISIONED"})


def _render_ksql(call: Call, cluster: KsqlCluster) -> Json:
    kafka = call.organization.kafka_clusters[cluster.kafka_cluster]
    crn = call.organization.cluster_crn(kafka)
    spec = {
        "display_name": cluster.name,
        "csu": 4,
        "kafka_cluster": wire.reference(kafka.id, f"/cmk/v2/clusters/{kafka.id}", crn, environment=kafka.environment),
        "credential_identity": {"id": call.caller.principal},
        "environment": environment_reference(call, cluster.environment),
    }
    status = {
        "http_endpoint": dataplane.address(call, cluster.id) if kafka.is_public else f"https://{cluster.host}",
        "phase": "PROVISIONED",
        "is_paused": cluster.is_paused,
        "storage": 125,
    }
    meta = wire.metadata(f"/ksqldbcm/v2/clusters/{cluster.id}", f"{crn}/ksql={cluster.name}", cluster.created_at)
    return thing("ksqldbcm/v2", "Cluster", cluster.id, meta, spec=spec, status=status)
