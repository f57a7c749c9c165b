"""Finds a resource's addresses, and whether they are private. Confluent has several fields for them, old and new.

They are used in this order: fields that Confluent calls public, deprecated fields, `endpoint/v1`, and last those that
it calls private. No field says for certain that an old cluster is private, so several signs are combined.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from bot.confluent import wire
from bot.confluent.inventory import Row
from bot.domain.catalog import Endpoints

_PRIVATE_HOST = re.compile(r"\.private\.|\.glb\.|^[^.]*-ap[0-9a-z]+\.")


class Listed(wire.Item):
    """An endpoint as listed by `endpoint/v1`, in one format for all services."""

    id: wire.Text = ""
    service: wire.Text = ""
    endpoint: wire.Text = ""
    endpoint_type: wire.Text = ""
    """`REST`, `BOOTSTRAP` or `LANGUAGE_SERVICE`."""
    is_private: wire.Flag = None
    connection_type: wire.Text = ""
    cloud: wire.Text = ""
    region: wire.Text = ""
    environment: Annotated[wire.Reference, wire.NONE_IS_EMPTY] = wire.Reference()
    resource: Annotated[wire.Reference, wire.NONE_IS_EMPTY] = wire.Reference()

    @property
    def identity(self) -> tuple[str, ...]:
        """Several fields, because IDs may be missing."""
        return (self.id, self.service, self.endpoint_type, self.endpoint)


@dataclass(frozen=True, slots=True)
class _Address:
    rest: str = ""
    bootstrap: str = ""
    is_private: bool = False


def of_cluster(row: Row, listed: Iterable[Listed] = ()) -> Endpoints:
    """The addresses of a cluster of any kind."""
    match row:
        case wire.Cluster():
            return of_kafka(row.spec, listed)
        case wire.KsqlCluster():
            return of_ksql(row.status)
        case wire.Registry():
            return of_registry(row.spec, listed)


def is_told(row: Row, found: Endpoints) -> bool:
    """Whether the row has the address, so that `endpoint/v1` isn't needed."""
    if isinstance(row, wire.Cluster):
        return bool(row.spec.http_endpoint) or bool(found.rest and not found.is_private)
    return bool(found.rest)


def of_kafka(spec: wire.ClusterSpec, listed: Iterable[Listed] = ()) -> Endpoints:
    """The addresses of a Kafka cluster. `listed` isn't needed if there is a `rest` address without it."""
    points = sorted(spec.endpoints.items())
    public = [_point(point, is_private=False) for name, point in points if _is_public(name, point)]
    private = [_point(point, is_private=True) for name, point in points if not _is_public(name, point)]
    old = _point(spec, is_private=not public and _looks_private(spec, among_private=bool(private)))
    return _first([*public, old, *_listed(listed), *private])


def of_registry(spec: wire.RegistrySpec, listed: Iterable[Listed] = ()) -> Endpoints:
    """The address of a Schema Registry. Of the private ones, its own region's is preferred."""
    public = _Address(spec.http_endpoint, is_private=_is_private_host(spec.http_endpoint))
    regional = spec.private_networking_config.regional_endpoints
    regions = sorted(regional, key=lambda region: (region != spec.region, region))
    private = [*(regional[region] for region in regions), spec.private_http_endpoint]
    return _first([public, *(_Address(url, is_private=True) for url in private), *_listed(listed)])


def of_ksql(status: wire.KsqlStatus) -> Endpoints:
    """The address of a ksqlDB cluster. `endpoint/v1` doesn't list these."""
    rest = status.http_endpoint.rstrip("/")
    return Endpoints("", rest, is_private=_is_private_host(rest), is_paused=status.is_paused is True)


def of_flink(region: wire.FlinkRegion, listed: Iterable[Listed] = ()) -> Endpoints:
    """The address of Flink in a region, without the organization."""
    public = _Address(region.http_endpoint, is_private=_is_private_host(region.http_endpoint))
    return _first([public, _Address(region.private_http_endpoint, is_private=True), *_listed(listed)])


def _first(addresses: Sequence[_Address]) -> Endpoints:
    """The first address of each type. `is_private` is about the HTTP address, if there is one."""
    rest = next((each for each in addresses if each.rest), None)
    bootstrap = next((each for each in addresses if each.bootstrap), None)
    told = rest or bootstrap or next((each for each in addresses if each.is_private), _Address())
    return Endpoints(
        bootstrap.bootstrap.rpartition("://")[2] if bootstrap else "",
        rest.rest.rstrip("/") if rest else "",
        is_private=told.is_private,
    )


def _listed(listed: Iterable[Listed]) -> list[_Address]:
    """The addresses listed by `endpoint/v1`, public ones first."""
    found = [
        _Address(
            rest=each.endpoint if each.endpoint_type == "REST" else "",
            bootstrap=each.endpoint if each.endpoint_type == "BOOTSTRAP" else "",
            is_private=_is_listed_private(each),
        )
        for each in listed
    ]
    return sorted(found, key=lambda each: each.is_private)


def _is_listed_private(row: Listed) -> bool:
    if row.is_private is not None:
        return row.is_private
    return _spelt(row.connection_type) not in {"", "PUBLIC"} or _is_private_host(row.endpoint)


def _point(point: wire.AccessPoint, *, is_private: bool) -> _Address:
    return _Address(point.http_endpoint, point.kafka_bootstrap_endpoint, is_private)


def _is_public(name: str, point: wire.AccessPoint) -> bool:
    return (_spelt(point.connection_type) or name) == "PUBLIC"


def _spelt(connection_type: str) -> str:
    return connection_type.replace("_", "").upper()


def _looks_private(spec: wire.ClusterSpec, *, among_private: bool) -> bool:
    # Not by its network: even a Basic cluster with a public host has one. Without a host it's the only sign.
    host = spec.http_endpoint or spec.kafka_bootstrap_endpoint
    return among_private or (_is_private_host(host) if host else bool(spec.network.id))


def _is_private_host(url: str) -> bool:
    host = url.rpartition("://")[2].partition("/")[0].lower()
    return _PRIVATE_HOST.search(host) is not None
