"""Confluent's predefined roles and what each may do with API keys, and the CRNs that bind them to places.

`documented` follows the page *Manage API Keys in Confluent Cloud*, and `page` is the page's own wording. `2026`
follows the newest version of that page, in our words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

from bot.domain.keys import Path, Principal
from bot.domain.kinds import Kind


class Whose(Enum):
    """Whose keys a role lets its holder manage."""

    ANYONES = "anyone's keys"
    OTHERS = "anyone's keys but the holder's own"
    OWN_AND_OWNED_ACCOUNTS = "the holder's own keys and those of service accounts the holder owns"
    OWN = "the holder's own keys"


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role of the table."""

    kinds: frozenset[Kind]
    whose: Whose
    page: str


_CLUSTERS = frozenset({Kind.KAFKA, Kind.SCHEMA_REGISTRY, Kind.KSQLDB})
_DATA = _CLUSTERS | {Kind.FLINK}
_OWN_CLUSTERS = "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal."

DOCUMENTED: Mapping[str, RoleRow] = {
    "CloudClusterAdmin": RoleRow(frozenset({Kind.KAFKA}), Whose.ANYONES, "Kafka clusters owned by the principal."),
    "DataDiscovery": RoleRow(
        frozenset({Kind.SCHEMA_REGISTRY}), Whose.OWN, "Schema Registry clusters owned by the principal."
    ),
    "DeveloperManage": RoleRow(_CLUSTERS, Whose.OWN, _OWN_CLUSTERS),
    "DeveloperRead": RoleRow(_CLUSTERS, Whose.OWN, _OWN_CLUSTERS),
    "DeveloperWrite": RoleRow(_CLUSTERS, Whose.OWN, _OWN_CLUSTERS),
    "EnvironmentAdmin": RoleRow(
        _DATA,
        Whose.ANYONES,
        "Clusters (Kafka, Schema Registry and ksqlDB) and Flink regions owned by the principal.",
    ),
    "KsqlAdmin": RoleRow(frozenset({Kind.KSQLDB}), Whose.ANYONES, "ksqlDB clusters that the principal has access to."),
    "Operator": RoleRow(
        _DATA, Whose.OWN, "Clusters (Kafka, Schema Registry, Flink, and ksqlDB) owned by the principal."
    ),
    "OrganizationAdmin": RoleRow(
        frozenset(Kind),
        Whose.ANYONES,
        "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink in the organization and resource management APIs.",
    ),
    "ResourceKeyAdmin": RoleRow(
        _DATA,
        Whose.OTHERS,
        "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink regions the principal has access to, "
        "but cannot create API keys for itself.",
    ),
    "ResourceOwner": RoleRow(_CLUSTERS, Whose.OWN_AND_OWNED_ACCOUNTS, _OWN_CLUSTERS),
}

_ANY = frozenset(Kind)

# The newest page (2026) speaks of service accounts' keys; of their own, it lets every user make any.
NEWEST: Mapping[str, RoleRow] = {
    "CloudClusterAdmin": RoleRow(
        frozenset({Kind.KAFKA, Kind.KSQLDB}), Whose.ANYONES, "Kafka and ksqlDB in its cluster."
    ),
    "DataDiscovery": RoleRow(_ANY, Whose.OWN, "Its own user account only."),
    "DeveloperManage": RoleRow(_ANY, Whose.OWN, "Its own user account only."),
    "DeveloperRead": RoleRow(_ANY, Whose.OWN, "Its own user account only."),
    "DeveloperWrite": RoleRow(_ANY, Whose.OWN, "Its own user account only."),
    "EnvironmentAdmin": RoleRow(_DATA, Whose.ANYONES, "Kafka, Schema Registry, Flink and ksqlDB in its environment."),
    "FlinkAdmin": RoleRow(frozenset({Kind.FLINK}), Whose.ANYONES, "Flink only."),
    "KsqlAdmin": RoleRow(frozenset({Kind.KSQLDB}), Whose.ANYONES, "ksqlDB in its cluster."),
    "Operator": RoleRow(_ANY, Whose.OWN, "Its own user account only."),
    "OrganizationAdmin": RoleRow(_ANY, Whose.ANYONES, "All seven kinds."),
    "ResourceKeyAdmin": RoleRow(
        _CLUSTERS | {Kind.TABLEFLOW}, Whose.OTHERS, "Kafka, Schema Registry, Tableflow and ksqlDB; not for itself."
    ),
    "ResourceOwner": RoleRow(_ANY, Whose.OWN_AND_OWNED_ACCOUNTS, "All seven kinds, of the service account it owns."),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A version of the role table. `own_anywhere`: any role, wherever it's bound, is enough for personal keys."""

    name: str
    rows: Mapping[str, RoleRow]
    own_anywhere: bool
    creates_accounts: frozenset[str] = frozenset()
    """The roles that let their holder create service accounts, alone or next to one that manages the key."""
    people_only: bool = False
    """Whether only people named by a `people` line of the policy can approve."""

    @property
    def roles(self) -> frozenset[str]:
        """Every role that this table gives a meaning."""
        return frozenset(self.rows) | self.creates_accounts

    def makes_accounts(self, role: str, place: Path) -> bool:
        """Whether this role, bound at this place of our organization, lets its holder create service accounts.

        An account isn't in an environment: roles for places count wherever they're bound, and those for the
        organization only if they're bound to all of it.
        """
        return role in self.creates_accounts and (role not in OF_THE_ORGANIZATION or place == ())

    def account_makers(self) -> str:
        """The roles that create service accounts, for a sentence: "AccountAdmin or OrganizationAdmin"."""
        *others, last = sorted(self.creates_accounts) or ["no role"]
        return f"{', '.join(others)} or {last}" if others else last

    def roles_over(self, kind: Kind) -> tuple[str, ...]:
        """The roles that manage other people's keys of this kind, in the table's order.

        Only their holders can approve.
        """
        wanted = (Whose.ANYONES, Whose.OTHERS)
        return tuple(role for role, row in self.rows.items() if kind in row.kinds and row.whose in wanted)

    def has_owners_of_accounts(self, kind: Kind) -> bool:
        """Whether owning a service account is enough to manage its keys of this kind."""
        return any(kind in row.kinds and row.whose is Whose.OWN_AND_OWNED_ACCOUNTS for row in self.rows.values())


ORGANIZATION_ADMIN = "OrganizationAdmin"
"""The only role whose holders see everything at Confluent."""
ACCOUNT_ADMIN = "AccountAdmin"
"""A role that manages the accounts that own keys, but no keys."""
OF_THE_ORGANIZATION = frozenset({ORGANIZATION_ADMIN, ACCOUNT_ADMIN})
GRANTERS = frozenset({ORGANIZATION_ADMIN, "EnvironmentAdmin", "CloudClusterAdmin", "ResourceOwner"})
"""The roles that let their holder grant roles to service accounts, on what they are bound to and inside it."""
_MAKERS = OF_THE_ORGANIZATION | {"EnvironmentAdmin", "CloudClusterAdmin", "KsqlAdmin", "ResourceOwner"}

TABLES: Mapping[str, Table] = {
    "documented": Table("documented", DOCUMENTED, own_anywhere=False, creates_accounts=OF_THE_ORGANIZATION),
    "2026": Table("2026", NEWEST, own_anywhere=True, creates_accounts=_MAKERS),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """A role that a principal holds at a place: `crn` is a pattern, as Confluent stores it."""

    principal: Principal
    role: str
    crn: str
    source: Literal["binding", "mapping"] = "binding"


@dataclass(frozen=True, slots=True)
class Scope:
    """A parsed CRN: the organization's id ("" if it isn't a CRN) and the path below it."""

    organization: str
    path: Path
    has_wildcard: bool = False

    @classmethod
    def parse(cls, crn: str) -> "Scope":
        """Read a CRN: any authority, percent-encoding decoded, `kafka=X` beside `cloud-cluster=X` dropped.

        Anything but a complete CRN from the organization down covers nothing: half understood, it could seem wider.
        """
        return _parsed(crn)

    def meets(self, path: Path) -> bool:
        """Whether this pattern covers `path` or is inside it: all elements that both have match."""
        mine = self.path
        if self.has_wildcard:
            return all(map(_matches, mine, path))
        if mine and path and mine[0] != path[0]:
            return False  # where nearly every binding of a large organization ends: in another environment
        common = min(len(mine), len(path))
        return mine[:common] == path[:common]

    def covers(self, path: Path) -> bool:
        """Whether this pattern is an element-wise prefix of `path`: the binding holds at `path` and below."""
        return len(self.path) <= len(path) and self.meets(path)

    def is_inside(self, place: "Scope") -> bool:
        """Whether its text is below `place`: a wildcard counts as an element like any other here."""
        depth = len(place.path)
        return self.organization == place.organization and len(self.path) > depth and self.path[:depth] == place.path


@lru_cache(maxsize=16_384)
def _parsed(crn: str) -> Scope:
    """See `Scope.parse`. Cached, because decisions read bindings again and find the same few thousand CRNs."""
    _, _, rest = crn.rstrip("/").partition("://")
    parts = [part.partition("=") for part in rest.split("/")[1:]]
    elements = [(unquote(key), unquote(value)) for key, _, value in parts]
    if not elements or elements[0][0] != "organization" or not all(key and value for key, value in elements):
        return Scope("", (("", crn),))
    (_, organization), *below = elements
    path = tuple(each for each in below if each[0] != "kafka" or ("cloud-cluster", each[1]) not in below)
    return Scope(organization, path, any(value.endswith("*") for _, value in path))


def _matches(pattern: tuple[str, str], element: tuple[str, str]) -> bool:
    key, value = pattern
    if key != element[0]:
        return False
    return element[1].startswith(value[:-1]) if value.endswith("*") else value == element[1]
