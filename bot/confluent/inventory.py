"""What there is at Confluent Cloud: where each collection is, and what its rows say."""

from typing import Protocol, TypeVar

from bot.confluent import wire
from bot.domain.catalog import Environment
from bot.domain.keys import KafkaCluster, KsqlCluster, Principal, SchemaRegistry, ServiceAccount

ORGANIZATIONS = "/org/v2/organizations"
ENVIRONMENTS = "/org/v2/environments"
CLUSTERS = "/cmk/v2/clusters"
REGISTRIES = "/srcm/v3/clusters"
KSQL_CLUSTERS = "/ksqldbcm/v2/clusters"
COMPUTE_POOLS = "/fcpm/v2/compute-pools"
USERS = "/iam/v2/users"
SERVICE_ACCOUNTS = "/iam/v2/service-accounts"
ROLE_BINDINGS = "/iam/v2/role-bindings"
API_KEYS = "/iam/v2/api-keys"

_USELESS_PHASES = frozenset({"FAILED", "DEPROVISIONING", "DELETING", "DELETED"})
"""Only FAILED is documented; the list of phases is open."""


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)


def by_name(items: list[NamedT]) -> tuple[NamedT, ...]:
    """A list as people read it."""
    return tuple(sorted(items, key=lambda item: (item.name.casefold(), item.id)))


class _Placed(Protocol):
    @property
    def environment(self) -> wire.Reference: ...


class _Cluster(Protocol):
    @property
    def metadata(self) -> wire.Metadata: ...
    @property
    def spec(self) -> _Placed: ...
    @property
    def status(self) -> wire.ClusterStatus: ...


def is_in_use(row: _Cluster, environment: str) -> bool:
    """Whether this is in that environment, and neither failed nor on its way out."""
    is_here = row.spec.environment.id in {"", environment}
    return is_here and not row.metadata.deleted_at and row.status.phase not in _USELESS_PHASES


def kafka_of(row: wire.Cluster, environment: Environment) -> KafkaCluster:
    """A Kafka cluster; what has no name goes by its id, here and below."""
    return KafkaCluster(row.id, row.spec.display_name or row.id, environment.id, environment.name)


def registry_of(row: wire.Registry, environment: Environment) -> SchemaRegistry:
    """A Schema Registry."""
    return SchemaRegistry(row.id, row.spec.display_name or row.id, environment.id, environment.name)


def ksql_of(row: wire.KsqlCluster, environment: Environment) -> KsqlCluster:
    """A ksqlDB cluster."""
    name, kafka = row.spec.display_name or row.id, row.spec.kafka_cluster.id
    return KsqlCluster(row.id, name, environment.id, environment.name, kafka)


def region_of(spec: wire.PoolSpec) -> str:
    """A region's id, as Flink spells it; "" when Confluent does not say where the pool is."""
    return f"{spec.cloud.lower()}.{spec.region}" if spec.cloud and spec.region else ""


def account_of(row: wire.ServiceAccount) -> ServiceAccount:
    """A service account."""
    return ServiceAccount(Principal(row.id), row.display_name or row.id)
