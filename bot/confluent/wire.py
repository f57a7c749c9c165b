"""Confluent's JSON, as far as we read it.

Confluent leaves optional fields out or sends null for them, and adds fields and enum values at any time. So only ids
are required; text that is missing or not text is "". Validation errors never quote their input: it may hold a secret.
"""

from typing import Annotated, Any

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


def _time(value: object, read: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 -- what pydantic's handler returns
    try:
        return read(value)
    except ValidationError:
        return None


Id = Annotated[str, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_text)]
Time = Annotated[AwareDatetime | None, WrapValidator(_time)]
"""RFC 3339; None when missing or not readable."""
NONE_IS_EMPTY = BeforeValidator(_fields)
NONE_IS_NO_ITEMS = BeforeValidator(_items)


class Wire(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Item(Wire):
    """Anything that a collection holds. Ids are opaque: nothing is derived from their prefix."""

    id: Id


class Reference(Wire):
    """What points to another object; everything but the id may be missing or a plain word."""

    id: Text = ""


class Metadata(Wire):
    """Times of an object; `deleted_at` may lie in the future."""

    created_at: Time = None
    deleted_at: Text = ""


class Organization(Item):
    """The one organisation of our key."""


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


class RoleBinding(Item):
    """A role of a principal, written `User:ID` for users and service accounts alike."""

    principal: Text = ""
    role_name: Text = ""
    crn_pattern: Text = ""


class AccessPoint(Wire):
    """One way to reach a Kafka cluster. The bootstrap address may begin with `SASL_SSL://`."""

    kafka_bootstrap_endpoint: Text = ""
    http_endpoint: Text = ""


class ClusterSpec(AccessPoint):
    """What a Kafka cluster is. Its own two addresses are deprecated in favour of `endpoints`."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    endpoints: Annotated[dict[str, Annotated[AccessPoint, NONE_IS_EMPTY]], NONE_IS_EMPTY] = {}
    """By access point; `PUBLIC` and `PRIVATE_LINK` are reserved names."""


class ClusterStatus(Wire):
    """How a Kafka cluster does."""

    phase: Text = ""


class Cluster(Item):
    """A Kafka cluster."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[ClusterSpec, NONE_IS_EMPTY] = ClusterSpec()
    status: Annotated[ClusterStatus, NONE_IS_EMPTY] = ClusterStatus()


class RegistrySpec(Wire):
    """What a Schema Registry is."""

    display_name: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class Registry(Item):
    """A Schema Registry."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[RegistrySpec, NONE_IS_EMPTY] = RegistrySpec()
    status: Annotated[ClusterStatus, NONE_IS_EMPTY] = ClusterStatus()


class KsqlSpec(RegistrySpec):
    """What a ksqlDB cluster is: a name, and the Kafka cluster that it stands on."""

    kafka_cluster: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class KsqlCluster(Item):
    """A ksqlDB cluster."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[KsqlSpec, NONE_IS_EMPTY] = KsqlSpec()
    status: Annotated[ClusterStatus, NONE_IS_EMPTY] = ClusterStatus()


class PoolSpec(Wire):
    """Where a Flink compute pool is. The cloud comes in either case (`AWS`, `aws`)."""

    cloud: Text = ""
    region: Text = ""
    environment: Annotated[Reference, NONE_IS_EMPTY] = Reference()


class ComputePool(Item):
    """A Flink compute pool."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[PoolSpec, NONE_IS_EMPTY] = PoolSpec()
    status: Annotated[ClusterStatus, NONE_IS_EMPTY] = ClusterStatus()


class ApiKeySpec(Wire):
    """What an API key is. Confluent's internal keys have no owner; the secret is in the answer to a create only."""

    display_name: Text = ""
    description: Text = ""
    owner: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    resource: Annotated[Reference, NONE_IS_EMPTY] = Reference()
    resources: Annotated[tuple[Reference, ...], NONE_IS_NO_ITEMS] = ()
    secret: SecretStr | None = None


class ApiKey(Item):
    """An API key."""

    metadata: Annotated[Metadata, NONE_IS_EMPTY] = Metadata()
    spec: Annotated[ApiKeySpec, NONE_IS_EMPTY] = ApiKeySpec()


class Links(Wire):
    """Where a list goes on; "" at its end."""

    next: Text = ""


class Page(Wire):
    """One page of a collection. `data` must be there: an odd answer must not pass for an empty list."""

    data: Annotated[list[object], NONE_IS_NO_ITEMS]
    metadata: Annotated[Links, NONE_IS_EMPTY] = Links()


class ErrorEntry(Wire):
    """One entry of the documented error list."""

    title: Text = ""
    detail: Text = ""
    resolution: Text = ""


class GatewayError(Wire):
    """The `error` object of the gateway, and of the form described since 2026."""

    message: Text = ""


def _entries(value: object) -> object:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _gateway_error(value: object) -> object:
    return value if isinstance(value, dict) else {"message": value}  # pyright: ignore[reportUnknownVariableType]


class Failure(Wire):
    """Every shape of error body that Confluent is known to send."""

    errors: Annotated[tuple[ErrorEntry, ...], BeforeValidator(_entries)] = ()
    message: Text = ""
    error: Annotated[GatewayError, BeforeValidator(_gateway_error)] = GatewayError()
    request_id: Annotated[Text, Field(alias="requestId")] = ""

    @property
    def words(self) -> str:
        """What to tell people; "" when the body says nothing."""
        first = self.errors[0] if self.errors else ErrorEntry()
        told = f"{first.detail or first.title} {first.resolution}".strip()
        return told or self.message or self.error.message
