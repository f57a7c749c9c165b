"""API keys of Confluent Cloud: people, kinds, owners, resources, the key, and its secret."""

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NewType, NoReturn, TypeAlias

from bot.domain.kinds import Kind, Shape

SlackUserId = NewType("SlackUserId", str)
TeamId = NewType("TeamId", str)
Principal = NewType("Principal", str)
"""A Confluent user (`u-…`) or service account (`sa-…`)."""
KeyId = NewType("KeyId", str)
RequestId = NewType("RequestId", str)
Path: TypeAlias = tuple[tuple[str, str], ...]
"""The part of a CRN below the organization, as (element, value) pairs; empty is the organization itself."""


class Operation(StrEnum):
    """What can be done with a key."""

    CREATE = "create"
    EDIT = "edit"
    ROTATE = "rotate"
    DELETE = "delete"
    EXTEND = "extend"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in our Slack workspace, matched to exactly one Confluent user.

    `email` is normalized; "" if the policy names the Confluent user and Slack has no address.
    """

    slack: SlackUserId
    team: TeamId
    name: str
    email: str
    principal: Principal
    named: bool = False
    """Whether a `people` line of the policy says which Confluent user this is, and not the address."""

    def is_same_as(self, other: "Person") -> bool:
        """Whether they share a Slack id, a principal or an address: any of them makes it self-approval."""
        same_email = bool(self.email) and self.email == other.email
        return self.slack == other.slack or self.principal == other.principal or same_email


@dataclass(frozen=True, slots=True)
class MyAccount:
    """The key belongs to the requester's own Confluent user."""

    id: Principal
    kind: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The key belongs to an existing service account."""

    id: Principal
    name: str
    kind: Literal["service-account"] = "service-account"


@dataclass(frozen=True, slots=True)
class NewServiceAccount:
    """The key belongs to a service account that is created for it, after approval."""

    name: str
    description: str
    kind: Literal["new-service-account"] = "new-service-account"

    @property
    def id(self) -> Principal:
        """Always "", because the account doesn't exist yet."""
        return Principal("")


Owner: TypeAlias = MyAccount | ServiceAccount | NewServiceAccount


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster in an environment, with the names that people know, of any kind that needs no more fields."""

    kind: Kind
    id: str
    name: str
    environment: str
    environment_name: str

    def __post_init__(self) -> None:
        """Raise `ValueError` for a kind of another shape: records tell the shapes apart by it."""
        _must_be(Shape.CLUSTER, self.kind)

    def paths(self) -> tuple[Path, ...]:
        """The CRN paths by which a role binding can name this resource."""
        return ((("environment", self.environment), (self.kind.row.element, self.id)),)


@dataclass(frozen=True, slots=True)
class KsqlCluster:
    """A ksqlDB cluster, which runs on a Kafka cluster. Role bindings name it by its name, some by its id."""

    id: str
    name: str
    environment: str
    environment_name: str
    kafka_cluster: str
    kind: Literal[Kind.KSQLDB] = Kind.KSQLDB

    def paths(self) -> tuple[Path, ...]:
        """See `Cluster.paths`."""
        place = (("environment", self.environment), (Kind.KAFKA.row.element, self.kafka_cluster))
        element = self.kind.row.element
        return ((*place, (element, self.name)), (*place, (element, self.id)))


@dataclass(frozen=True, slots=True)
class FlinkRegion:
    """Flink in one region of one cloud, for one environment. `id` is `aws.us-east-1`."""

    id: str
    environment: str
    environment_name: str
    kind: Literal[Kind.FLINK] = Kind.FLINK

    @property
    def name(self) -> str:
        """Regions are known by their id."""
        return self.id

    def paths(self) -> tuple[Path, ...]:
        """See `Cluster.paths`."""
        return ((("environment", self.environment), (self.kind.row.element, self.id)),)


@dataclass(frozen=True, slots=True)
class OrganizationScope:
    """A resource of the whole organization: Cloud resource management, Tableflow, or Global."""

    kind: Kind
    environment: ClassVar[str] = ""
    environment_name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """See `Cluster.__post_init__`."""
        _must_be(Shape.ORGANIZATION, self.kind)

    @property
    def id(self) -> str:
        """The word that stands for it in Confluent's API."""
        return self.kind.value

    @property
    def name(self) -> str:
        """What people call it."""
        return self.kind.row.noun

    def paths(self) -> tuple[Path, ...]:
        """See `Cluster.paths`: the organization itself."""
        return ((),)


Placed: TypeAlias = Cluster | KsqlCluster | FlinkRegion
"""A resource of an environment."""
Resource: TypeAlias = Placed | OrganizationScope


def has_place(resource: Resource) -> bool:
    """Whether it's known where a resource is: in which environment, or that it belongs to the whole organization."""
    return isinstance(resource, OrganizationScope) or bool(resource.environment)


def unnamed(kind: Kind, id_: str, environment: str, environment_name: str) -> Resource:
    """A resource about which only the IDs are known. Its ID serves as its name."""
    match kind.row.shape:
        case Shape.CLUSTER:
            return Cluster(kind, id_, id_, environment, environment_name)
        case Shape.KSQL:
            return KsqlCluster(id_, id_, environment, environment_name, "")
        case Shape.REGION:
            return FlinkRegion(id_, environment, environment_name)
        case Shape.ORGANIZATION:
            return OrganizationScope(kind)


def _must_be(shape: Shape, kind: Kind) -> None:
    if kind.row.shape is not shape:
        raise ValueError(f"{kind} is of another shape")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as Confluent reports it. It can't hold the secret."""

    id: KeyId
    owner: Principal | None
    resource: str
    """The id of the resource as Confluent sent it; "" if it sent none."""
    name: str
    description: str
    created_at: datetime | None
    kind: Kind | None = None
    """What it opens; None if Confluent doesn't say, or says something new."""
    environment: str = ""
    """The environment of its resource, if Confluent says; it doesn't for Kafka clusters."""
    expires_at: datetime | None = None
    """When Confluent itself expires it, which can't be changed; None is never, or an organization without the field."""


class Secret:
    """A secret that only `reveal` returns: not `repr`, `str`, a log, a pickle or a copy."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret in the clear. Call this at the last moment, and keep no reference."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is a way to guess it

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __iter__(self) -> Iterator[str]:
        raise TypeError("a secret has no parts")


@dataclass(frozen=True, slots=True)
class Marker:
    """What Latchkey writes at the end of a key's description to recognize its own keys: `[lk:REQUEST/ATTEMPT]`."""

    request: RequestId
    attempt: int

    def __str__(self) -> str:
        return f"[lk:{self.request}/{self.attempt}]"

    @classmethod
    def find(cls, description: str) -> "Marker | None":
        """The marker at the very end of a description, or None."""
        found = _MARKER.search(description)
        return cls(RequestId(found["request"]), int(found["attempt"])) if found else None

    @staticmethod
    def without(description: str) -> str:
        """A description as people wrote it, without the marker at its end."""
        return _MARKER.sub("", description).rstrip() if _MARKER.search(description) else description


_MARKER = re.compile(r"\[lk:(?P<request>[A-Za-z0-9_-]{1,64})/(?P<attempt>[0-9]{1,6})\]\s*\Z")


def normal_email(address: str) -> str:
    """An email address in the form that is compared: trimmed, with its ASCII letters in lower case.

    Doing more would take two people for one: case-folded, `straße@` is `strasse@`, and a Kelvin sign is a k.
    """
    return "".join(letter.lower() if letter.isascii() else letter for letter in address.strip())
