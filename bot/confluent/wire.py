"""Confluent's JSON, as far as we read it.

Confluent leaves optional fields out or sends null for them, and adds fields and enum values at any time. So only ids
are required; text that is missing or not text is "". Validation errors never quote their input: it may hold a secret.
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
    # Zero values ("0001-01-01T00:00:00Z", 0) and the end of all time mean "none"; a number is no moment.
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
"""RFC 3339; None when missing, not readable, or a zero value."""
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Number = Annotated[int | None, BeforeValidator(_number)]
NONE_IS_EMPTY = BeforeValidator(_fields)
NONE_IS_NO_ITEMS = BeforeValidator(_items)


class Wire(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Item(Wire):
    """Anything that a collection holds. Ids are opaque: nothing is derived from their prefix."""

    id: Id

    @property
    def identity(self) -> tuple[str, ...]:
        """What is different in different items of one collection."""
        return (self.id,)


class Reference(Wire):
    """What points to another object; anything may be missing, or a plain word where a CRN is expected."""

    id: Text = ""
    environment: Text = ""
    api_version: Text = ""
    kind: Text = ""
    resource_name: Text = ""


class Metadata(Wire):
    """Times of an object; `deleted_at` may lie in the future."""

    created_at: Time = None
    deleted_at: Text = ""


class Organization(Item):
    """The one organization of our key."""


class Environment(Item):
    """An environment; like users and service accounts it keeps its fields at the top."""

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
    """A role of a principal, written `User:ID` for users and service accounts alike."""

    principal: Text = ""
    role_name: Text = ""
    crn_pattern: Text = ""


class AccessPoint(Wire):
    """One way to reach a Kafka cluster. The bootstrap address may begin with `SASL_SSL://`."""

    kafka_bootstrap_endpoint: Text = ""
    http_endpoint: Text = ""
    connection_type: Text = ""
    """`PUBLIC`, `PRIVATE_LINK`, `PRIVATE_NETWORK_INTERFACE`; spelt without `_` at times."""


class Status(Wire):
    """How something does."""

    phase: Text = ""


class Found(Item):
    """What an environment holds."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    status: Annotated[Status, NONE_IS_EMPTY] = Status()


class ClusterConfig(Wire):
    """What type of cluster it is."""

    kind: Text = ""
    """`Basic`, `Standard`, `Enterprise`, `Dedicated`, `Freight`; the list is open."""


class ClusterSpec(AccessPoint):
    """What a Kafka cluster is. Its own two addresses are deprecated in favour of `endpoints`."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    network: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    """The private network of a Dedicated cluster."""
    config: Annotated[ClusterConfig, NONE_IS_EMPTY] = ClusterConfig()
    endpoints: Annotated[dict[str, Annotated[AccessPoint, NONE_IS_EMPTY]], NONE_IS_EMPTY] = {}
    """By access point; `PUBLIC` and `PRIVATE_LINK` are reserved names."""


class Cluster(Found):
    """A Kafka cluster."""

    spec: Annotated[ClusterSpec, NONE_IS_EMPTY] = ClusterSpec()


class NamedSpec(Wire):
    """What has a name and lies in an environment."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class PrivateNetworking(Wire):
    """How a Schema Registry is reached from private networks: by region."""

    regional_endpoints: Annotated[dict[str, Text], NONE_IS_EMPTY] = {}


class RegistrySpec(NamedSpec):
    """What a Schema Registry is."""

    region: Text = ""
    http_endpoint: Text = ""
    private_http_endpoint: Text = ""
    """Deprecated in favour of `private_networking_config`."""
    private_networking_config: Annotated[PrivateNetworking, NONE_IS_EMPTY] = PrivateNetworking()


class Registry(Found):
    """A Schema Registry."""

    spec: Annotated[RegistrySpec, NONE_IS_EMPTY] = RegistrySpec()


class KsqlSpec(NamedSpec):
    """What a ksqlDB cluster is: a name, and the Kafka cluster that it stands on."""

    kafka_cluster: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class KsqlStatus(Status):
    """How a ksqlDB cluster does."""

    http_endpoint: Text = ""
    is_paused: Flag = None


class KsqlCluster(Item):
    """A ksqlDB cluster."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[KsqlSpec, NONE_IS_EMPTY] = KsqlSpec()
    status: Annotated[KsqlStatus, NONE_IS_EMPTY] = KsqlStatus()


class PoolSpec(Wire):
    """Where a Flink compute pool is. The cloud comes in either case (`AWS`, `aws`)."""

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
    """What an API key is. Confluent's internal keys have no owner; the secret is in the answer to a create only.

    Not every organization's keys have `expires_at`: it is given at their creation, and nothing changes it.
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
        """When Confluent ends it; None is never, as is an end that came before the key."""
        end, begun = self.spec.expires_at, self.metadata.created_at
        return None if end and begun and end <= begun else end


class Links(Wire):
    """Where a list goes on; "" at its end."""

    next: Text = ""


class Page(Wire):
    """One page of a collection. `data` must be there: an odd answer must not pass for an empty list."""

    data: Annotated[list[object], NONE_IS_NO_ITEMS]
    metadata: Annotated[Links, NONE_IS_EMPTY] = Links()
