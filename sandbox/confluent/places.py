"""The resources in environments: who sees them, where they are, and how responses refer to them.

Lists contain what the caller has a role at, above or below. Naming something that the caller doesn't see is forbidden.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from sandbox.confluent import wire
from sandbox.confluent.model import KafkaCluster, KsqlCluster, PlainCluster, SchemaRegistry
from sandbox.confluent.organization import Organization
from sandbox.confluent.wire import Call, Json, forbidden


class InEnvironment(Protocol):
    """Something with an ID in an environment."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def environment(self) -> str:
        """The ID of its environment."""
        ...


T = TypeVar("T", bound=InEnvironment)


def sees_environment(call: Call, id_: str) -> bool:
    """Whether the environment is in the caller's lists."""
    return call.caller.sees_place(call.organization.place(f"environment={id_}"))


def crn_of(organization: Organization, item: InEnvironment) -> str:
    """The CRN at which roles for this are bound; for anything but a cluster, its environment."""
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
    """The `items` in the environment that the query names, as far as the caller sees them. Raises `Problem`."""
    environment = call.required("environment")
    if environment not in call.organization.environments or not sees_environment(call, environment):
        raise forbidden()
    return [
        item
        for item in items
        if item.environment == environment and call.caller.sees_place(crn_of(call.organization, item))
    ]


def one(call: Call, items: Mapping[str, T]) -> T:
    """The item with the ID in the path; the query has to name its environment. Raises `Problem`."""
    item = items.get(call.id)
    if item is None or item not in in_environment(call, [item]):
        raise forbidden()
    return item


def regional(name: str, cloud: str, region: str) -> str:
    """A host name like Confluent's: `lkc-1.us-east-1.aws.private.confluent.cloud`."""
    return f"{name}.{region}.{cloud.lower()}.private.confluent.cloud"


def thing(api_version: str, kind: str, id_: str, metadata: Json, **fields: object) -> Json:
    """One object of a response."""
    return {"api_version": api_version, "kind": kind, "id": id_, "metadata": metadata, **fields}


def environment_reference(call: Call, id_: str) -> Json:
    """A response's reference to an environment."""
    return wire.reference(id_, f"/org/v2/environments/{id_}", call.organization.place(f"environment={id_}"))
