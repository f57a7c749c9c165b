"""Confluent's predefined roles and what each may do with API keys, and the CRNs that bind them to places.

The table follows the page *Manage API Keys in Confluent Cloud*; `page` is the page's own wording.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal
from urllib.parse import unquote

from bot.domain.keys import Kind, Path, Principal


class Whose(Enum):
    """Whose keys a role lets its holder manage."""

    ANYONES = "anyone's keys"
    OTHERS = "anyone's keys but the holder's own"
    OWN_AND_OWNED_ACCOUNTS = "the holder's own keys and those of service accounts the holder owns"
    OWN = "the holder's own keys"


@dataclass(frozen=True, slots=True)
class Row:
    """One role of the table."""

    kinds: frozenset[Kind]
    whose: Whose
    page: str


_CLUSTERS = frozenset({Kind.KAFKA, Kind.SCHEMA_REGISTRY, Kind.KSQLDB})
_DATA = _CLUSTERS | {Kind.FLINK}

DOCUMENTED: dict[str, Row] = {
    "CloudClusterAdmin": Row(frozenset({Kind.KAFKA}), Whose.ANYONES, "Kafka clusters owned by the principal."),
    "DataDiscovery": Row(
        frozenset({Kind.SCHEMA_REGISTRY}), Whose.OWN, "Schema Registry clusters owned by the principal."
    ),
    "DeveloperManage": Row(
        _CLUSTERS, Whose.OWN, "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal."
    ),
    "DeveloperRead": Row(_CLUSTERS, Whose.OWN, "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal."),
    "DeveloperWrite": Row(
        _CLUSTERS, Whose.OWN, "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal."
    ),
    "EnvironmentAdmin": Row(
        _DATA,
        Whose.ANYONES,
        "Clusters (Kafka, Schema Registry and ksqlDB) and Flink regions owned by the principal.",
    ),
    "KsqlAdmin": Row(frozenset({Kind.KSQLDB}), Whose.ANYONES, "ksqlDB clusters that the principal has access to."),
    "Operator": Row(_DATA, Whose.OWN, "Clusters (Kafka, Schema Registry, Flink, and ksqlDB) owned by the principal."),
    "OrganizationAdmin": Row(
        frozenset(Kind),
        Whose.ANYONES,
        "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink in the organization and resource management APIs.",
    ),
    "ResourceKeyAdmin": Row(
        _DATA,
        Whose.OTHERS,
        "Clusters (Kafka, ksqlDB, and Schema Registry) and Flink regions the principal has access to, "
        "but cannot create API keys for itself.",
    ),
    "ResourceOwner": Row(
        _CLUSTERS,
        Whose.OWN_AND_OWNED_ACCOUNTS,
        "Clusters (Kafka, ksqlDB, and Schema Registry) owned by the principal.",
    ),
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
    """A parsed CRN: the organisation's id ("" when the CRN names none) and the path below it."""

    organization: str
    path: Path

    @classmethod
    def parse(cls, crn: str) -> "Scope":
        """Read a CRN leniently: any authority, percent-encoding decoded, `kafka=X` after `cloud-cluster=X` dropped."""
        parts = [part.partition("=") for part in crn.split("/") if "=" in part]
        elements = [(unquote(key), unquote(value)) for key, _, value in parts]
        organization = next((value for key, value in elements if key == "organization"), "")
        clusters = {value for key, value in elements if key == "cloud-cluster"}
        return cls(
            organization,
            tuple(
                (key, value)
                for key, value in elements
                if key != "organization" and not (key == "kafka" and value in clusters)
            ),
        )

    def covers(self, path: Path) -> bool:
        """Whether this pattern is an element-wise prefix of `path`: the binding holds at `path` and below."""
        return len(self.path) <= len(path) and all(map(_matches, self.path, path))

    def is_below(self, path: Path) -> bool:
        """Whether this pattern names something strictly inside `path`, such as a topic of that cluster."""
        return len(self.path) > len(path) and all(map(_matches, self.path, path))


def _matches(pattern: tuple[str, str], element: tuple[str, str]) -> bool:
    key, value = pattern
    if key != element[0]:
        return False
    return element[1].startswith(value[:-1]) if value.endswith("*") else value == element[1]


def roles_over(kind: Kind, whose: Iterable[Whose] = (Whose.ANYONES, Whose.OTHERS)) -> tuple[str, ...]:
    """The roles that manage other people's keys of this kind, in the table's order: who could approve at all."""
    wanted = set(whose)
    return tuple(role for role, row in DOCUMENTED.items() if kind in row.kinds and row.whose in wanted)
