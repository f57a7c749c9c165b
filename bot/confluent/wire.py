"""The models of Confluent's JSON, with the fields that we read.

Confluent leaves optional fields out or sends null for them, and may add fields and enum values at any time. So only
IDs are required, and missing or invalid text becomes "". Validation errors never quote their input, which may contain a
secret.
"""

import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _fields(value: object) -> object:
    return {} if value is None else value


def _items(value: object) -> object:
    return [] if value is None else value


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
_FIRST_YEAR, _LAST_YEAR = 2000, 9000


def _time(value: object, read: ValidatorFunctionWrapHandler) -> datetime | None:
    # Zero values ("0001-01-01T00:00:00Z", 0) and times in the far future mean "none"; numbers aren't times.
    if not isinstance(value, str) or not _RFC3339.match(value):
        return None
    try:
        moment: datetime = read(value)
    except ValidationError:
        return None
    return moment if _FIRST_YEAR <= moment.year < _LAST_YEAR else None


Id = Annotated[str, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_text)]
Time = Annotated[AwareDatetime | None, WrapValidator(_time)]
"""RFC 3339; None if it's missing, invalid, or a zero value."""
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Number = Annotated[int | None, BeforeValidator(_number)]
NONE_IS_EMPTY = BeforeValidator(_fields)
NONE_IS_NO_ITEMS = BeforeValidator(_items)


class Wire(BaseModel):
    """A part of a response."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Item(Wire):
    """An item of a collection. IDs are opaque: nothing is derived from their prefix."""

    id: Id

    @property
    def identity(self) -> tuple[str, ...]:
        """A value that differs between any two items of one collection."""
        return (self.id,)


class Reference(Wire):
    """A reference to another object. Any field may be missing, or be a plain word instead of a CRN."""

    id: Text = ""
    environment: Text = ""
    api_version: Text = ""
    kind: Text = ""
    resource_name: Text = ""


class Metadata(Wire):
    """Times of an object. `deleted_at` may be in the future."""

    created_at: Time = None
    deleted_at: Text = ""


class Organization(Item):
    """The organization that our key belongs to."""


class Environment(Item):
    """An environment. Like those of users and service accounts, its fields are at the top level."""

    display_name: Text = ""


class User(Item):
    """A person."""

    email: Text = ""
    full_name: Text = ""


class ServiceAccount(Item):
    """A service account."""

    display_name: Text = ""
    description: Text = ""


class RoleBinding(Item):
    """A principal's role. The principal is `User:ID` for users and for service accounts."""

    principal: Text = ""
    role_name: Text = ""
    crn_pattern: Text = ""


class AccessPoint(Wire):
    """One way to reach a Kafka cluster. The bootstrap address may start with `SASL_SSL://`."""

    kafka_bootstrap_endpoint: Text = ""
    http_endpoint: Text = ""
    connection_type: Text = ""
    """`PUBLIC`, `PRIVATE_LINK` or `PRIVATE_NETWORK_INTERFACE`, sometimes without `_`."""


class Status(Wire):
    """The state of something."""

    phase: Text = ""


class Found(Item):
    """A resource in an environment."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    status: Annotated[Status, NONE_IS_EMPTY] = Status()


class ClusterConfig(Wire):
    """The type of a Kafka cluster."""

    kind: Text = ""
    """`Basic`, `Standard`, `Enterprise`, `Dedicated` or `Freight`; others may follow."""


class ClusterSpec(AccessPoint):
    """The properties of a Kafka cluster. Its own two addresses are deprecated in favor of `endpoints`."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    network: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    """The private network of a Dedicated cluster."""
    config: Annotated[ClusterConfig, NONE_IS_EMPTY] = ClusterConfig()
    endpoints: Annotated[dict[str, Annotated[AccessPoint, NONE_IS_EMPTY]], NONE_IS_EMPTY] = {}
    """By access point. `PUBLIC` and `PRIVATE_LINK` are reserved names."""


class Cluster(Found):
    """A Kafka cluster."""

    spec: Annotated[ClusterSpec, NONE_IS_EMPTY] = ClusterSpec()


class NamedSpec(Wire):
    """The properties of something with a name, in an environment."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class PrivateNetworking(Wire):
    """How to reach a Schema Registry from private networks, by region."""

    regional_endpoints: Annotated[dict[str, Text], NONE_IS_EMPTY] = {}


class RegistrySpec(NamedSpec):
    """The properties of a Schema Registry."""

    region: Text = ""
    http_endpoint: Text = ""
    private_http_endpoint: Text = ""
    """Deprecated in favor of `private_networking_config`."""
    private_networking_config: Annotated[PrivateNetworking, NONE_IS_EMPTY] = PrivateNetworking()


class Registry(Found):
    """A Schema Registry."""

    spec: Annotated[RegistrySpec, NONE_IS_EMPTY] = RegistrySpec()


class KsqlSpec(NamedSpec):
    """The properties of a ksqlDB cluster: its name, and the Kafka cluster that it runs on."""

    kafka_cluster: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class KsqlStatus(Status):
    """The state of a ksqlDB cluster."""

    http_endpoint: Text = ""
    is_paused: Flag = None


class KsqlCluster(Item):
    """A ksqlDB cluster."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[KsqlSpec, NONE_IS_EMPTY] = KsqlSpec()
    status: Annotated[KsqlStatus, NONE_IS_EMPTY] = KsqlStatus()


class PoolSpec(Wire):
    """Where a Flink compute pool is. The cloud may be in upper or lower case."""

    cloud: Text = ""
    region: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class ComputePool(Found):
    """A Flink compute pool."""

    spec: Annotated[PoolSpec, NONE_IS_EMPTY] = PoolSpec()


class FlinkRegion(Item):
    """A region in which Flink is offered."""

    display_name: Text = ""
    cloud: Text = ""
    region_name: Text = ""
    http_endpoint: Text = ""
    private_http_endpoint: Text = ""


class ApiKeySpec(Wire):
    """The properties of an API key. Confluent's internal keys have no owner.

    Only the answer to a create has the secret.

    Not every organization's keys have `expires_at`. It's set when the key is created and can't be changed.
    """

    display_name: Text = ""
    description: Text = ""
    owner: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    resource: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    resources: Annotated[tuple[Reference, ...], NONE_IS_NO_ITEMS] = ()
    secret: SecretStr | None = None
    expires_at: Time = None


class ApiKey(Item):
    """An API key."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[ApiKeySpec, NONE_IS_EMPTY] = ApiKeySpec()

    @property
    def expires_at(self) -> datetime | None:
        """When Confluent expires it; None means never, and so does a time before the key was created."""
        end, begun = self.spec.expires_at, self.metadata.created_at
        return None if end and begun and end <= begun else end


class Links(Wire):
    """The link to the next page; "" on the last one."""

    next: Text = ""


class Page(Wire):
    """One page of a collection. `data` is required: an unexpected response must not pass for an empty list."""

    data: Annotated[list[object], NONE_IS_NO_ITEMS]
    metadata: Annotated[Links, NONE_IS_EMPTY] = Links()
