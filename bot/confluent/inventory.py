"""What there is at Confluent Cloud, and who holds which role where: reads, repeated as long as they may be.

What Confluent filters for us is checked again here: it ignores parameters that it does not know, and sends everything.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol, TypeVar

from bot.confluent import wire
from bot.confluent.client import Client, item_path
from bot.domain.catalog import Environment, User
from bot.domain.errors import CloudRefused, Throttled, Unavailable
from bot.domain.keys import (
    FlinkRegion,
    KafkaCluster,
    KsqlCluster,
    Principal,
    SchemaRegistry,
    ServiceAccount,
    normal_email,
)
from bot.domain.roles import ORGANIZATION_ADMIN, Binding, Scope

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
ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Confluent says either for what is gone, and either for what we may not know."""
RIGHTS_BACK = timedelta(minutes=5)
"""When to look again whether our account has its rights back."""

_PART = "Confluent Cloud may show Latchkey only a part of what there is, so nobody can tell here what is gone."
_UNCHANGED = "Nothing was changed."
_TELL = "Tell whoever runs Latchkey."
_CRN = "crn://confluent.cloud/organization="
_PRINCIPAL = "User:"
"""Stands before users, service accounts, identity pools and group mappings alike."""
_USELESS_PHASES = frozenset({"FAILED", "DEPROVISIONING", "DELETING", "DELETED"})
"""Only FAILED is documented; the list of phases is open."""

ItemT = TypeVar("ItemT", bound=wire.Item)


class ConfluentInventory:
    """`bot.services.inventory.Inventory` over the public API. Lists with names are sorted by name.

    A row that cannot be read is left out of what people choose from. Who somebody is and what they hold, it makes
    unavailable.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._organization: str | None = None

    async def organization(self) -> str:
        """The organisation's id, as CRNs carry it; asked for once, it never changes."""
        if self._organization is None:
            found = [row.id async for row in self._client.list_all(ORGANIZATIONS, wire.Organization)]
            if not found:
                raise Unavailable(
                    "Confluent Cloud shows Latchkey no organization.",
                    changed=_UNCHANGED,
                    advice=_TELL,
                    log=f"GET {ORGANIZATIONS}: an empty list",
                )
            self._organization = found[0]
        return self._organization

    async def own_account(self) -> Principal:
        """The owner of the key that we call with. Raises `Unavailable` when Confluent does not tell."""
        row = await self._find(API_KEYS, self._client.key, wire.ApiKey)
        if row is None or not row.spec.owner.id:
            raise Unavailable(
                "Confluent Cloud does not say whose key Latchkey uses, so nothing was changed.",
                advice=_TELL,
                log="the owner of CONFLUENT_CLOUD_API_KEY cannot be read",
            )
        return Principal(row.spec.owner.id)

    async def must_see_all(self) -> None:
        """Return when our account administers the organisation: to any other, lists leave out what it may not see.

        Look after the list, not before: who lost its rights in between has not got them now.
        """
        try:
            held = await self.role_bindings(await self.own_account())
        except CloudRefused as refused:
            raise _a_part(f"our own roles cannot be read: {refused}") from None
        if not any(each.role == ORGANIZATION_ADMIN and Scope.parse(each.crn).path == () for each in held):
            raise _a_part("our own account is no OrganizationAdmin")

    async def environments(self) -> Sequence[Environment]:
        """Environments that our key may see."""
        rows = self._client.list_all(ENVIRONMENTS, wire.Environment, skipped=[])
        return _by_name([Environment(row.id, row.display_name or row.id) async for row in rows])

    async def kafka_clusters(self, environment: Environment) -> Sequence[KafkaCluster]:
        """Kafka clusters of one environment that are neither failed nor being deleted."""
        rows = self._client.list_all(CLUSTERS, wire.Cluster, {"environment": environment.id}, [])
        return _by_name([kafka_of(row, environment) async for row in rows if is_in_use(row, environment.id)])

    async def schema_registries(self, environment: Environment) -> Sequence[SchemaRegistry]:
        """Schema Registries of one environment."""
        rows = self._client.list_all(REGISTRIES, wire.Registry, {"environment": environment.id}, [])
        return _by_name([registry_of(row, environment) async for row in rows if is_in_use(row, environment.id)])

    async def ksql_clusters(self, environment: Environment) -> Sequence[KsqlCluster]:
        """Clusters of ksqlDB in one environment that are neither failed nor being deleted."""
        rows = self._client.list_all(KSQL_CLUSTERS, wire.KsqlCluster, {"environment": environment.id}, [])
        return _by_name([ksql_of(row, environment) async for row in rows if is_in_use(row, environment.id)])

    async def flink_regions(self, environment: Environment) -> Sequence[FlinkRegion]:
        """Regions in which one environment has a compute pool."""
        rows = self._client.list_all(COMPUTE_POOLS, wire.ComputePool, {"environment": environment.id}, [])
        ids = {_region(row.spec) async for row in rows if is_in_use(row, environment.id)} - {""}
        return tuple(FlinkRegion(id_, environment.id, environment.name) for id_ in sorted(ids))

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts."""
        rows = self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount, skipped=[])
        return _by_name([_service_account(row) async for row in rows])

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        """One service account read afresh; None when it is gone."""
        row = await self._find(SERVICE_ACCOUNTS, account, wire.ServiceAccount)
        return _service_account(row) if row else None

    async def users(self) -> Sequence[User]:
        """All users of the organisation."""
        rows = self._client.list_all(USERS, wire.User)
        return _by_name([User(Principal(row.id), normal_email(row.email), row.full_name) async for row in rows])

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        """Everything bound to this principal, at the organisation and below."""
        here = f"{_CRN}{await self.organization()}"
        who = f"{_PRINCIPAL}{principal}"
        found = [*await self._bindings(here, who), *await self._bindings(f"{here}/*", who)]
        return tuple(dict.fromkeys(each for each in found if each.principal == principal))

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings at exactly this place."""
        here = Scope.parse(crn)
        return tuple(each for each in await self._bindings(crn) if Scope.parse(each.crn) == here)

    async def bindings_under(self, crn: str) -> Sequence[Binding]:
        """Everybody's bindings anywhere below this place."""
        here = Scope.parse(crn)
        found = await self._bindings(f"{crn}/*")
        return tuple(each for each in found if Scope.parse(each.crn).is_inside(here))

    async def _bindings(self, pattern: str, who: str = "") -> Sequence[Binding]:
        """A list means one place, or with `/*` at the end what is below that place; never both."""
        rows = self._client.list_all(
            ROLE_BINDINGS, wire.RoleBinding, {"crn_pattern": pattern} | ({"principal": who} if who else {})
        )
        return [
            Binding(Principal(row.principal.removeprefix(_PRINCIPAL)), row.role_name, row.crn_pattern)
            async for row in rows
            if row.principal.startswith(_PRINCIPAL) and row.role_name and row.crn_pattern
        ]

    async def _find(
        self, collection: str, id_: str, model: type[ItemT], filters: Mapping[str, str] | None = None
    ) -> ItemT | None:
        """One item; None when it is gone. Both 403 and 404 say that, and also that one may not know: the list decides.

        Reading one is stricter than listing, for some callers.
        """
        try:
            return await self._client.get(item_path(collection, id_), model, filters)
        except CloudRefused as refused:
            if refused.status not in ABSENT:
                raise
        rows = self._client.list_all(collection, model, filters)
        return {row.id: row async for row in rows}.get(id_)


def _a_part(log: str) -> Throttled:
    advice = "Tell whoever runs Latchkey that its account needs OrganizationAdmin."
    return Throttled(_PART, wait=RIGHTS_BACK, changed=_UNCHANGED, advice=advice, log=log)


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)


def _by_name(items: list[NamedT]) -> tuple[NamedT, ...]:
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


def _region(spec: wire.PoolSpec) -> str:
    """A region's id, as Flink spells it; "" when Confluent does not say where the pool is."""
    return f"{spec.cloud.lower()}.{spec.region}" if spec.cloud and spec.region else ""


def _service_account(row: wire.ServiceAccount) -> ServiceAccount:
    return ServiceAccount(Principal(row.id), row.display_name or row.id)
