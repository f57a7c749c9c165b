"""The state of one Confluent Cloud organization, in memory, and the rules that apply to every caller.

Nothing here awaits, so every change is atomic for the server.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from bot.domain.kinds import Kind
from sandbox.confluent import crns, usage
from sandbox.confluent.authority import Caller
from sandbox.confluent.faults import Change
from sandbox.confluent.model import (
    ApiKey,
    ComputePool,
    Environment,
    KafkaCluster,
    KeyResource,
    KsqlCluster,
    PlainCluster,
    Quota,
    Region,
    RoleBinding,
    SchemaRegistry,
    ServiceAccount,
    User,
    digest,
    new_id,
    new_key_id,
    new_secret,
)

_JOURNAL_LENGTH = 2000
Limit: TypeAlias = Callable[[Quota, str], int]
"""Returns how many of a quota's things a holder can have, by ID; "" is the organization."""


class QuotaReached(Exception):
    """A limit of the organization is reached. The text is Confluent's."""


class NameTaken(Exception):
    """A service account already has this name."""


class BindingExists(Exception):
    """The principal already has this role at this place."""


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """One request to the API. `status` is None if its response was dropped. Contains no body and no secret."""

    at: datetime
    request_id: str
    method: str
    path: str
    query: str
    principal: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that happened, even if its response got lost. `id` is the key's or the account's."""

    at: datetime
    what: Change | Literal["expire"]
    id: str


@dataclass(slots=True)
class Organization:
    """An organization. Each dict has objects by ID, in order of creation; tests may change them directly.

    `secrets_issued` is only for tests: the API never reads it, and checks secrets by their digests. `deleted` has the
    keys that the API deleted, and when, because a data plane may learn of it later. `changes` is what Confluent's own
    audit log would have about keys and service accounts, without what the organization started with.
    """

    id: str
    name: str
    clock: Callable[[], datetime]
    environments: dict[str, Environment] = field(default_factory=dict)
    kafka_clusters: dict[str, KafkaCluster] = field(default_factory=dict)
    schema_registries: dict[str, SchemaRegistry] = field(default_factory=dict)
    ksql_clusters: dict[str, KsqlCluster] = field(default_factory=dict)
    plain_clusters: dict[str, PlainCluster] = field(default_factory=dict)
    regions: dict[str, Region] = field(default_factory=dict)
    compute_pools: dict[str, ComputePool] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    service_accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    role_bindings: dict[str, RoleBinding] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)
    """IDs of the keys that expire, which every call checks. There may be 100,000 other keys."""
    quotas: dict[str, Quota] = field(default_factory=dict)
    deleted: dict[str, tuple[ApiKey, datetime]] = field(default_factory=dict, repr=False)
    secrets_issued: dict[str, str] = field(default_factory=dict, repr=False)
    journal: deque[AnsweredCall] = field(default_factory=lambda: deque(maxlen=_JOURNAL_LENGTH), repr=False)
    changes: list[Changed] = field(default_factory=list, repr=False)

    @property
    def crn(self) -> str:
        """The organization's CRN."""
        return f"crn://confluent.cloud/organization={self.id}"

    def bindings(self, without: str = "") -> tuple[RoleBinding, ...]:
        """The current role bindings, except those of the principal `without`."""
        return tuple(binding for binding in self.role_bindings.values() if binding.principal != without)

    def caller(self, principal: str, without: str = "") -> Caller:
        """The principal with its current bindings; with none, if it's `without`."""
        held = tuple(binding for binding in self.bindings(without) if binding.principal == principal)
        return Caller(principal, held, self.crn)

    def place(self, *parts: str) -> str:
        """The CRN of a place in the organization, from its `key=value` parts."""
        return "/".join([self.crn, *parts])

    def principal_crn(self, principal: str) -> str:
        """The full CRN of a user or service account."""
        return self.place(f"{'user' if principal.startswith('u-') else 'service-account'}={principal}")

    def resource(self, resource_id: str, environment: str | None = None) -> KeyResource:
        """What a key for `resource_id` is for. Raises KeyError if the organization has no such resource.

        Flink regions are `aws.us-east-1` with an environment, or `env-x.aws.us-east-1`.
        """
        if (wide := Kind.called(resource_id)) and wide.row.is_wide:
            return KeyResource(wide, resource_id, self.crn)
        if plain := self.plain_clusters.get(resource_id):
            return KeyResource(plain.kind, resource_id, self.plain_crn(plain))
        if kafka := self.kafka_clusters.get(resource_id):
            return KeyResource(Kind.KAFKA, resource_id, self.cluster_crn(kafka))
        if registry := self.schema_registries.get(resource_id):
            crn = self.place(f"environment={registry.environment}", f"schema-registry={resource_id}")
            return KeyResource(Kind.SCHEMA_REGISTRY, resource_id, crn)
        if ksql := self.ksql_clusters.get(resource_id):
            return KeyResource(Kind.KSQLDB, resource_id, self.ksql_crn(ksql))
        return self._flink_resource(resource_id, environment)

    def _flink_resource(self, resource_id: str, environment: str | None) -> KeyResource:
        place, region = environment, resource_id
        if resource_id.startswith("env-"):
            place, _, region = resource_id.partition(".")
        if place not in self.environments or region.lower() not in self.regions:
            raise KeyError(resource_id)
        crn = self.place(f"environment={place}", f"flink-region={region.lower()}")
        return KeyResource(Kind.FLINK, resource_id, crn, environment)

    def cluster_crn(self, cluster: KafkaCluster) -> str:
        """The CRN at which roles for a Kafka cluster are bound."""
        return self.place(f"environment={cluster.environment}", f"cloud-cluster={cluster.id}")

    def plain_crn(self, cluster: PlainCluster) -> str:
        """The CRN at which roles for any other cluster are bound."""
        return self.place(f"environment={cluster.environment}", f"{cluster.kind.row.element}={cluster.id}")

    def ksql_crn(self, cluster: KsqlCluster) -> str:
        """The CRN at which roles for a ksqlDB cluster are bound. It contains the name, not the ID."""
        return self.place(
            f"environment={cluster.environment}", f"cloud-cluster={cluster.kafka_cluster}", f"ksql={cluster.name}"
        )

    def create_key(
        self,
        resource: KeyResource,
        owner: str | None,
        *,
        name: str = "",
        description: str = "",
        limit: Limit = Quota.limit_for,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key. Returns it and its secret, of which only a digest is stored. Raises `QuotaReached`."""
        for code, holder, who in usage.of_new_key(self, resource, owner):
            self._check(code, holder, who, "API keys", limit)
        made = self.add_key(new_key_id(), resource, owner, name=name, description=description, at=self.clock())
        if expires_at:
            self.end_key(made[0], expires_at)
        self.note("create", made[0].id)
        return made

    def add_key(
        self,
        key_id: str,
        resource: KeyResource,
        owner: str | None,
        *,
        name: str,
        description: str,
        at: datetime,
    ) -> tuple[ApiKey, str]:
        """Add a key with a given ID and creation time, regardless of quotas."""
        secret = new_secret()
        key = ApiKey(key_id, name, description, owner, resource, digest(secret), at, at)
        self.api_keys[key.id] = key
        self.secrets_issued[key.id] = secret
        return key, secret

    def end_key(self, key: ApiKey, at: datetime) -> None:
        """Have a key expire at this time."""
        key.expires_at = at
        self.ending.add(key.id)

    def expire_keys(self) -> None:
        """Remove the keys that have expired."""
        now, expiring = self.clock(), [self.api_keys[id_] for id_ in self.ending & self.api_keys.keys()]
        for key in expiring:
            if key.expires_at and key.expires_at <= now:
                self.deleted[key.id] = (self.api_keys.pop(key.id), key.expires_at)
                self.ending.remove(key.id)
                self.note("expire", key.id)

    def key_that_opens(self, key_id: str, *, lingering: timedelta) -> ApiKey | None:
        """The key, if it exists or was deleted less than `lingering` ago; otherwise None."""
        self.expire_keys()
        if key_id in self.api_keys:
            return self.api_keys[key_id]
        key, at = self.deleted.get(key_id, (None, self.clock()))
        return key if self.clock() < at + lingering else None

    def delete_key(self, key_id: str) -> None:
        """Delete a key. Raises KeyError if it doesn't exist."""
        self.deleted[key_id] = (self.api_keys.pop(key_id), self.clock())
        self.note("delete", key_id)

    def create_service_account(self, name: str, description: str, *, limit: Limit = Quota.limit_for) -> ServiceAccount:
        """Create a service account. Raises `NameTaken` and `QuotaReached`."""
        if any(account.name == name for account in self.service_accounts.values()):
            raise NameTaken(name)
        self._check("iam.max_service_accounts.per_org", "", "Your organization", "accounts", limit)
        now = self.clock()
        account = ServiceAccount(new_id("sa"), name, description, now, now)
        self.service_accounts[account.id] = account
        self.note("account", account.id)
        return account

    def bind(self, principal: str, role: str, crn_pattern: str) -> RoleBinding:
        """Create a role binding. Raises `BindingExists`."""
        for held in self.role_bindings.values():
            if held.principal == principal and held.role == role and crns.same(held.crn_pattern, crn_pattern):
                raise BindingExists(held.id)
        binding = RoleBinding(new_id("rb"), principal, role, crn_pattern, self.clock())
        self.role_bindings[binding.id] = binding
        return binding

    def unbind(self, binding: RoleBinding) -> RoleBinding:
        """Delete a role binding."""
        del self.role_bindings[binding.id]
        self.note("role binding delete", binding.id)
        return binding

    def remove_principal(self, principal: str) -> None:
        """Delete a user or service account with all its keys and bindings. Raises KeyError if it doesn't exist."""
        del (self.users if principal in self.users else self.service_accounts)[principal]
        for key in [key for key in self.api_keys.values() if key.owner == principal]:
            self.delete_key(key.id)
        for binding in [held for held in self.role_bindings.values() if held.principal == principal]:
            del self.role_bindings[binding.id]
        self.note("account delete", principal)

    def note(self, what: Change | Literal["expire"], id_: str) -> None:
        """Record in `changes` that this has just happened."""
        self.changes.append(Changed(self.clock(), what, id_))

    def _check(self, code: str, holder: str, who: str, things: str, limit: Limit) -> None:
        quota = self.quotas.get(code)
        if quota is not None and usage.of(self, code)[holder] >= limit(quota, holder):
            message = f"{who} is currently limited to {limit(quota, holder)} {things}"
            raise QuotaReached(message)
