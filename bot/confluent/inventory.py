"""Reads lists of Confluent Cloud's resources: the path of each collection, and what its rows mean."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bot.confluent import wire
from bot.confluent.client import Client
from bot.domain.catalog import Environment, by_name
from bot.domain.keys import Cluster, FlinkRegion, KsqlCluster, Placed, Principal, ServiceAccount
from bot.domain.kinds import Kind

ORGANIZATIONS = "/org/v2/organizations"
ENVIRONMENTS = "/org/v2/environments"
COMPUTE_POOLS = "/fcpm/v2/compute-pools"
USERS = "/iam/v2/users"
SERVICE_ACCOUNTS = "/iam/v2/service-accounts"
ROLE_BINDINGS = "/iam/v2/role-bindings"
API_KEYS = "/iam/v2/api-keys"

_USELESS_PHASES = frozenset({"FAILED", "DEPROVISIONING", "DELETING", "DELETED"})
"""Only FAILED is documented, and new phases may appear."""


Row: TypeAlias = wire.Cluster | wire.Registry | wire.KsqlCluster
_MODELS: Mapping[str, type[Row]] = {"cmk": wire.Cluster, "ksqldbcm": wire.KsqlCluster}
"""The model of rows, by API group. All others have the same format as a Schema Registry."""


async def resources(client: Client, kind: Kind, environment: Environment) -> Sequence[Placed]:
    """The usable resources of one kind in an environment. See `Inventory.resources`."""
    here = {"environment": environment.id}
    if kind.row.is_regional:
        pools = client.list_all(COMPUTE_POOLS, wire.ComputePool, here, [])
        ids = {region_of(row.spec) async for row in pools if is_in_use(row, environment.id)} - {""}
        return tuple(FlinkRegion(id_, environment.id, environment.name) for id_ in sorted(ids))
    rows = client.list_all(kind.row.api.collection, model_of(kind), here, [])
    return by_name([placed(kind, row, environment) async for row in rows if is_in_use(row, environment.id)])


def model_of(kind: Kind) -> type[Row]:
    """The model of a row of this kind."""
    return _MODELS.get(kind.row.api.group, wire.Registry)


def is_in_use(row: Row | wire.ComputePool, environment: str) -> bool:
    """Whether this is in that environment, and neither failed nor being deleted."""
    is_here = row.spec.environment.id in {"", environment}
    return is_here and not row.metadata.deleted_at and row.status.phase not in _USELESS_PHASES


def placed(kind: Kind, row: Row, environment: Environment) -> Placed:
    """The resource that a row describes. If it has no name, the name is its ID."""
    name = row.spec.display_name or row.id
    if isinstance(row, wire.KsqlCluster):
        return KsqlCluster(row.id, name, environment.id, environment.name, row.spec.kafka_cluster.id)
    return Cluster(kind, row.id, name, environment.id, environment.name)


def region_of(spec: wire.PoolSpec) -> str:
    """A region's ID in Flink's spelling; "" if Confluent doesn't say where the pool is."""
    return f"{spec.cloud.lower()}.{spec.region}" if spec.cloud and spec.region else ""


def account_of(row: wire.ServiceAccount) -> ServiceAccount:
    """The service account that a row describes."""
    return ServiceAccount(Principal(row.id), row.display_name or row.id)
