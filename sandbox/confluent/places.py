"""What lies in an environment: who sees it, where it is found, and how answers refer to it.

Lists hold what the caller has a role at, above or below; what has to be named and is not seen is forbidden.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from sandbox.confluent import wire
from sandbox.confluent.model import KafkaCluster, KsqlCluster, PlainCluster, SchemaRegistry
from sandbox.confluent.organization import Organization
from sandbox.confluent.wire import Call, Json, forbidden


class InEnvironment(Protocol):
    """Anything with an id that stands in an environment."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def environment(self) -> str:
        """The id of its environment."""
        ...


T = TypeVar("T", bound=InEnvironment)


def sees_environment(call: Call, id_: str) -> bool:
    """Whether the environment is in the caller's lists."""
    return call.caller.sees_place(call.organization.place(f"environment={id_}"))


def crn_of(organization: Organization, item: InEnvironment) -> str:
    """The place that roles for this are bound at; of anything but a cluster it is the environment."""
    match item:
        case KafkaCluster():
            return organization.cluster_crn(item)
        case KsqlCluster():
            return organization.ksql_crn(item)
        case PlainCluster():
            return organization.plain_crn(item)
        case SchemaRegistry():
            return organization.place(f"environment={item.environment}", f"schema-registry={item.id}")
        case _:
            return organization.place(f"environment={item.environment}")


def in_environment(call: Call, items: Iterable[T]) -> list[T]:
    """Those of `items` that are in the environment the call names, and that the caller sees. Raises Problem."""
    environment = call.required("environment")
    if environment not in call.organization.environments or not sees_environment(call, environment):
        raise forbidden()
    return [
        item
        for item in items
        if item.environment == environment and call.caller.sees_place(crn_of(call.organization, item))
    ]


def one(call: Call, items: Mapping[str, T]) -> T:
    """The item with the id in the path; it needs its environment too. Raises Problem."""
    item = items.get(call.id)
    if item is None or item not in in_environment(call, [item]):
        raise forbidden()
    return item


def regional(name: str, cloud: str, region: str) -> str:
    """A host of Confluent's in this form: `lkc-1.us-east-1.aws.private.confluent.cloud`."""
    return f"{name}.{region}.{cloud.lower()}.private.confluent.cloud"


def thing(api_version: str, kind: str, id_: str, metadata: Json, **fields: object) -> Json:
    """One object of an answer."""
    return {"api_version": api_version, "kind": kind, "id": id_, "metadata": metadata, **fields}


def environment_reference(call: Call, id_: str) -> Json:
    """How an answer refers to an environment."""
    return wire.reference(id_, f"/org/v2/environments/{id_}", call.organization.place(f"environment={id_}"))
