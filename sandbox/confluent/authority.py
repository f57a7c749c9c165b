"""What a principal is allowed to do: the documented role table, and the scope of each role binding."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from bot.domain.kinds import Kind
from sandbox.confluent import crns
from sandbox.confluent.model import ApiKey, KeyResource, RoleBinding

_CLUSTER_KINDS = frozenset({Kind.KAFKA, Kind.SCHEMA_REGISTRY, Kind.KSQLDB})
_DATA_KINDS = _CLUSTER_KINDS | {Kind.FLINK}


class _Whose(Enum):
    ANYONE = auto()
    ANYONE_BUT_SELF = auto()
    SELF = auto()


@dataclass(frozen=True, slots=True)
class _Row:
    kinds: frozenset[Kind]
    whose: _Whose


_TABLE = {
    "OrganizationAdmin": _Row(frozenset(Kind), _Whose.ANYONE),
    "EnvironmentAdmin": _Row(_DATA_KINDS, _Whose.ANYONE),
    "CloudClusterAdmin": _Row(frozenset({Kind.KAFKA}), _Whose.ANYONE),
    "KsqlAdmin": _Row(frozenset({Kind.KSQLDB}), _Whose.ANYONE),
    "ResourceKeyAdmin": _Row(_DATA_KINDS, _Whose.ANYONE_BUT_SELF),
    "ResourceOwner": _Row(_CLUSTER_KINDS, _Whose.SELF),
    "Operator": _Row(_DATA_KINDS, _Whose.SELF),
    "DeveloperManage": _Row(_CLUSTER_KINDS, _Whose.SELF),
    "DeveloperRead": _Row(_CLUSTER_KINDS, _Whose.SELF),
    "DeveloperWrite": _Row(_CLUSTER_KINDS, _Whose.SELF),
    "DataDiscovery": _Row(frozenset({Kind.SCHEMA_REGISTRY}), _Whose.SELF),
}
_DESCRIBE_PEOPLE = frozenset({"OrganizationAdmin", "AccountAdmin", "EnvironmentAdmin", "CloudClusterAdmin"})
_CREATE_ACCOUNTS = _DESCRIBE_PEOPLE | {"KsqlAdmin", "ResourceOwner"}
_GRANT = frozenset({"OrganizationAdmin", "EnvironmentAdmin", "CloudClusterAdmin", "ResourceOwner"})
_DESCRIBE_ACCESS = _GRANT | {"Operator"}


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal with its current role bindings."""

    principal: str
    bindings: tuple[RoleBinding, ...]
    organization_crn: str

    @property
    def is_organization_admin(self) -> bool:
        """Whether everything is allowed."""
        return any(binding.role == "OrganizationAdmin" for binding in self.bindings)

    def sees_place(self, crn: str) -> bool:
        """Whether an environment or cluster is in the caller's lists: if a role is at, above or below it."""
        return self.is_organization_admin or any(crns.touches(held.crn_pattern, crn) for held in self.bindings)

    def may_manage_key(self, resource: KeyResource, owner: str | None) -> bool:
        """Whether the caller can create, change and delete keys for `resource` owned by `owner`."""
        return any(self._manages(binding, resource, owner) for binding in self.bindings)

    def sees_key(self, key: ApiKey) -> bool:
        """Whether the key is in the caller's lists."""
        if self.is_organization_admin or key.owner == self.principal:
            return True
        return self.may_manage_key(key.resource, key.owner) or self._operates(key.resource)

    def sees_principal(self, principal: str, crn: str) -> bool:
        """Whether a user or service account is in the caller's lists; `crn` is its full CRN."""
        if principal == self.principal or self._holds(_DESCRIBE_PEOPLE):
            return True
        return self._holds_at({"ResourceOwner", "Assigner"}, crn)

    def may_create_accounts(self) -> bool:
        """Whether the caller can create service accounts."""
        return self._holds(_CREATE_ACCOUNTS)

    def may_manage_account(self, crn: str) -> bool:
        """Whether the caller can change or delete the service account with this full CRN."""
        return self._holds_at({"OrganizationAdmin", "AccountAdmin", "ResourceOwner"}, crn)

    def may_manage_people(self) -> bool:
        """Whether the caller can remove users."""
        return self._holds({"OrganizationAdmin", "AccountAdmin"})

    def sees_binding(self, binding: RoleBinding) -> bool:
        """Whether the caller can see who has access at the place of `binding`."""
        return self._holds_at(_DESCRIBE_ACCESS, binding.crn_pattern)

    def may_grant_at(self, crn: str) -> bool:
        """Whether the caller can create and delete role bindings at `crn`."""
        return self._holds_at(_GRANT, crn)

    def _manages(self, binding: RoleBinding, resource: KeyResource, owner: str | None) -> bool:
        row = _TABLE.get(binding.role)
        if row is None or resource.kind not in row.kinds:
            return False
        own = owner == self.principal
        if row.whose is _Whose.SELF:
            return (own and crns.touches(binding.crn_pattern, resource.crn)) or self._owns_account(binding, owner)
        if row.whose is _Whose.ANYONE_BUT_SELF and own:
            return False
        return crns.covers(binding.crn_pattern, resource.crn)

    def _owns_account(self, binding: RoleBinding, owner: str | None) -> bool:
        account = f"{self.organization_crn}/service-account={owner}"
        return binding.role == "ResourceOwner" and crns.same(binding.crn_pattern, account)

    def _operates(self, resource: KeyResource) -> bool:
        return resource.kind in _DATA_KINDS and self._holds_at({"Operator"}, resource.crn)

    def _holds(self, roles: Iterable[str]) -> bool:
        return any(binding.role in roles for binding in self.bindings)

    def _holds_at(self, roles: Iterable[str], crn: str) -> bool:
        return any(b.role in roles and crns.covers(b.crn_pattern, crn) for b in self.bindings)
