"""Confluent Cloud as the services see it.

What Confluent filters for us is checked again here: it ignores parameters that it does not know, and sends everything.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol, TypeVar

from bot.confluent import wire
from bot.confluent.client import Client, item_path
from bot.domain.catalog import Endpoints, Environment, User
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.keys import ApiKey, KafkaCluster, KeyId, Principal, Resource, Secret, ServiceAccount, normal_email
from bot.domain.roles import Binding
from bot.services.ports import NewKey

ORGANIZATIONS = "/org/v2/organizations"
ENVIRONMENTS = "/org/v2/environments"
CLUSTERS = "/cmk/v2/clusters"
USERS = "/iam/v2/users"
SERVICE_ACCOUNTS = "/iam/v2/service-accounts"
ROLE_BINDINGS = "/iam/v2/role-bindings"
API_KEYS = "/iam/v2/api-keys"

_USELESS_PHASES = frozenset({"FAILED", "DEPROVISIONING", "DELETING", "DELETED"})
"""Only FAILED is documented; the list of phases is open."""

ItemT = TypeVar("ItemT", bound=wire.Item)


class ConfluentCloud:
    """`bot.services.ports.Cloud` over the public API. Lists with names are sorted by name."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._organization: str | None = None

    async def organization(self) -> str:
        """The organisation's id, as CRNs carry it; asked for once, it never changes."""
        if self._organization is None:
            found = [row.id async for row in self._client.list_all(ORGANIZATIONS, wire.Organization)]
            if not found:
                raise Unavailable(
                    "Confluent Cloud shows Latchkey no organization. Nothing was changed. Tell whoever runs Latchkey.",
                    log=f"GET {ORGANIZATIONS}: an empty list",
                )
            self._organization = found[0]
        return self._organization

    async def environments(self) -> Sequence[Environment]:
        """Environments that our key may see."""
        rows = self._client.list_all(ENVIRONMENTS, wire.Environment)
        return _by_name([Environment(row.id, row.display_name or row.id) async for row in rows])

    async def kafka_clusters(self, environment: Environment) -> Sequence[KafkaCluster]:
        """Kafka clusters of one environment that are neither failed nor being deleted."""
        rows = self._client.list_all(CLUSTERS, wire.Cluster, {"environment": environment.id})
        return _by_name([_cluster(row, environment) async for row in rows if _is_in_use(row, environment.id)])

    async def kafka_cluster(self, environment: str, cluster: str) -> tuple[KafkaCluster, Endpoints] | None:
        """One Kafka cluster read afresh, without the environment's name; None when it is gone, or somewhere else."""
        row = await self._find(CLUSTERS, cluster, wire.Cluster, {"environment": environment})
        if row is None or not _is_in_use(row, environment):
            return None
        return _cluster(row, Environment(environment, "")), _endpoints(row.spec)

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        """All service accounts."""
        rows = self._client.list_all(SERVICE_ACCOUNTS, wire.ServiceAccount)
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
        """Everything bound to this principal. Two lists, because a pattern means its own place or what is below it."""
        here = f"crn://confluent.cloud/organization={await self.organization()}"
        who = f"User:{principal}"
        found: dict[str, Binding] = {}
        for pattern in (here, f"{here}/*"):
            filters = {"crn_pattern": pattern, "principal": who}
            async for row in self._client.list_all(ROLE_BINDINGS, wire.RoleBinding, filters):
                if row.principal == who and row.role_name and row.crn_pattern:
                    found[row.id] = Binding(principal, row.role_name, row.crn_pattern)
        return tuple(found.values())

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        """Make a key. Raises `Unknown` also when Confluent made something other than what was asked."""
        row = await self._client.post(API_KEYS, {"spec": _spec(new)}, wire.ApiKey)
        problem = _mismatch(row, new)
        if problem or not row.spec.secret:
            raise Unknown(
                "Confluent Cloud's answer was incomplete. A key may exist; Latchkey is checking.",
                log=f"POST {API_KEYS}: key {row.id}: {problem or 'no secret'}",
            )
        return _api_key(row, new), Secret(row.spec.secret.get_secret_value())

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        """The keys of one owner for one resource. Confluent's internal keys have no owner: they never show."""
        rows = self._listed(owner, resource)
        return tuple([_api_key(row) async for row in rows if row.spec.owner.id == owner and _opens(row, resource)])

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> None:
        """Delete a key for ever; returns when it is gone, whoever deleted it.

        Raises `CloudRefused` when it is there and may not be deleted.
        """
        try:
            await self._client.delete(item_path(API_KEYS, key))
        except CloudRefused as refused:
            # Confluent says 403 for a key that is gone, and 404 for one that we may not know: the list decides.
            if refused.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise
            if key in {row.id async for row in self._listed(owner, resource)}:
                raise

    def _listed(self, owner: Principal, resource: Resource) -> AsyncGenerator[wire.ApiKey]:
        filters = {"spec.owner": owner, "spec.resource": _reference(resource)["id"]}
        return self._client.list_all(API_KEYS, wire.ApiKey, filters)

    async def _find(
        self, collection: str, id_: str, model: type[ItemT], filters: Mapping[str, str] | None = None
    ) -> ItemT | None:
        """One item; None when it is gone. A 403 can mean just that, so the list decides then."""
        try:
            return await self._client.get(item_path(collection, id_), model, filters)
        except CloudRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            if refused.status != HTTPStatus.FORBIDDEN:
                raise
        rows = self._client.list_all(collection, model, filters)
        return {row.id: row async for row in rows}.get(id_)


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)


def _by_name(items: list[NamedT]) -> tuple[NamedT, ...]:
    return tuple(sorted(items, key=lambda item: (item.name.casefold(), item.id)))


def _is_in_use(row: wire.Cluster, environment: str) -> bool:
    is_here = row.spec.environment.id in {"", environment}
    return is_here and not row.metadata.deleted_at and row.status.phase not in _USELESS_PHASES


def _cluster(row: wire.Cluster, environment: Environment) -> KafkaCluster:
    return KafkaCluster(row.id, row.spec.display_name or row.id, environment.id, environment.name)


def _service_account(row: wire.ServiceAccount) -> ServiceAccount:
    return ServiceAccount(Principal(row.id), row.display_name or row.id)


def _endpoints(spec: wire.ClusterSpec) -> Endpoints:
    """The public address; else the deprecated fields; else the first access point that has one, private as it is."""
    public = spec.endpoints.get("PUBLIC", wire.AccessPoint())
    others = [spec.endpoints[name] for name in sorted(spec.endpoints)]
    for point in (public, spec, *others):
        if point.kafka_bootstrap_endpoint or point.http_endpoint:
            bootstrap = point.kafka_bootstrap_endpoint.rpartition("://")[2]
            return Endpoints(bootstrap, point.http_endpoint.rstrip("/"))
    return Endpoints("", "")


def _reference(resource: Resource) -> dict[str, str]:
    """The `spec.resource` of a request for a key. Each kind of key has its own form."""
    return {"id": resource.id}


def _spec(new: NewKey) -> dict[str, object]:
    return {
        "display_name": new.name,
        "description": new.description,
        "owner": {"id": new.owner.id},
        "resource": _reference(new.resource),
    }


def _opened(row: wire.ApiKey) -> list[str]:
    """Ids of what the key opens; `resources` is how keys for several clusters say it."""
    return [reference.id for reference in (row.spec.resource, *row.spec.resources) if reference.id]


def _opens(row: wire.ApiKey, resource: Resource) -> bool:
    return resource.id in _opened(row)


def _mismatch(row: wire.ApiKey, new: NewKey) -> str:
    """How the key differs from what was asked, for operators; "" when it does not. What is left out is as asked."""
    if row.spec.owner.id not in {"", new.owner.id}:
        return f"made for owner {row.spec.owner.id} in place of {new.owner.id}"
    if _opened(row) and not _opens(row, new.resource):
        return f"made for {_opened(row)} in place of {new.resource.id}"
    return ""


def _api_key(row: wire.ApiKey, asked: NewKey | None = None) -> ApiKey:
    """The key as Confluent reports it; what the answer to a create leaves out is as asked."""
    key = ApiKey(
        id=KeyId(row.id),
        owner=Principal(row.spec.owner.id) if row.spec.owner.id else None,
        resource=next(iter(_opened(row)), ""),
        name=row.spec.display_name,
        description=row.spec.description,
        created_at=row.metadata.created_at,
    )
    if asked is None:
        return key
    return replace(
        key,
        owner=key.owner or asked.owner.id,
        resource=key.resource or asked.resource.id,
        name=key.name or asked.name,
        description=key.description or asked.description,
    )
