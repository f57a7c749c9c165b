"""One resource read afresh, with the addresses where its keys work; and the regions that Flink is offered in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import assert_never

import structlog

from bot.confluent import addresses, wire
from bot.confluent.addresses import Listed
from bot.confluent.client import Client
from bot.confluent.inventory import (
    CLUSTERS,
    ENVIRONMENTS,
    KSQL_CLUSTERS,
    REGISTRIES,
    is_in_use,
    kafka_of,
    ksql_of,
    registry_of,
)
from bot.confluent.references import RegionId
from bot.domain.catalog import Endpoints, Environment, Region
from bot.domain.errors import LatchkeyError
from bot.domain.keys import FlinkRegion, OrganizationScope, Resource
from bot.domain.kinds import Kind

FLINK_REGIONS = "/fcpm/v2/regions"
ENDPOINTS = "/endpoint/v1/endpoints"

_log = structlog.stdlib.get_logger(__name__)


async def resource(
    client: Client, organization: Callable[[], Awaitable[str]], kind: Kind, environment: str, id_: str
) -> tuple[Resource, Endpoints] | None:
    """One resource, without the environment's name; None when it is gone, or somewhere else. See `Cloud.resource`."""
    match kind:
        case Kind.KAFKA:
            return await _kafka(client, environment, id_)
        case Kind.SCHEMA_REGISTRY:
            return await _registry(client, environment, id_)
        case Kind.KSQLDB:
            return await _ksql(client, environment, id_)
        case Kind.FLINK:
            return await _flink(client, organization, environment, id_)
        case Kind.CLOUD | Kind.TABLEFLOW | Kind.GLOBAL:
            return OrganizationScope(kind), Endpoints("", client.endpoint, organization=await organization())
    assert_never(kind)


async def regions(client: Client) -> Sequence[Region]:
    """All regions in which Confluent offers Flink, by id."""
    rows = client.list_all(FLINK_REGIONS, wire.FlinkRegion)
    found = {str(id_): _region(id_, row) async for row in rows if (id_ := _region_id(row))}
    return tuple(found[id_] for id_ in sorted(found))


async def _kafka(client: Client, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
    row = await client.find(CLUSTERS, id_, wire.Cluster, {"environment": environment})
    if row is None or not is_in_use(row, environment):
        return None
    found = addresses.of_kafka(row.spec)
    if not row.spec.http_endpoint and (found.is_private or not found.rest):
        found = addresses.of_kafka(row.spec, await _listed(client, "KAFKA", environment, resource=id_))
    return kafka_of(row, Environment(environment, "")), found


async def _registry(client: Client, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
    row = await client.find(REGISTRIES, id_, wire.Registry, {"environment": environment})
    if row is None or not is_in_use(row, environment):
        return None
    found = addresses.of_registry(row.spec)
    if not found.rest:
        listed = await _listed(client, "SCHEMA_REGISTRY", environment, resource=id_)
        found = addresses.of_registry(row.spec, listed)
    return registry_of(row, Environment(environment, "")), found


async def _ksql(client: Client, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
    row = await client.find(KSQL_CLUSTERS, id_, wire.KsqlCluster, {"environment": environment})
    if row is None or not is_in_use(row, environment):
        return None
    return ksql_of(row, Environment(environment, "")), addresses.of_ksql(row.status)


async def _flink(
    client: Client, organization: Callable[[], Awaitable[str]], environment: str, id_: str
) -> tuple[Resource, Endpoints] | None:
    wanted = RegionId.parse(id_)
    if wanted is None:
        return None
    cloud = wanted.cloud.upper()
    rows = client.list_all(FLINK_REGIONS, wire.FlinkRegion, {"cloud": cloud, "region_name": wanted.region})
    row = {str(_region_id(row)): row async for row in rows}.get(str(wanted))
    if row is None:
        return None
    found = addresses.of_flink(row)
    if not found.rest:
        listed = await _listed(client, "FLINK", environment, cloud=cloud, region=wanted.region)
        found = addresses.of_flink(row, listed)
    if not await _is_environment(client, environment):
        return None
    return FlinkRegion(str(wanted), environment, ""), replace(found, organization=await organization())


async def _is_environment(client: Client, id_: str) -> bool:
    """Whether it exists, spelt just so: a region is offered in any, and the policy's rules go by its id."""
    row = await client.find(ENVIRONMENTS, id_, wire.Environment)
    return row is not None and row.id == id_


async def _listed(client: Client, service: str, environment: str, **filters: str) -> Sequence[Listed]:
    """What `endpoint/v1` knows, filtered again here; nothing when it fails: an address is not worth the rest."""
    query = {"service": service, "environment": environment, **filters}
    try:
        return [row async for row in client.list_all(ENDPOINTS, Listed, query) if _fits(row, query)]
    except LatchkeyError as error:
        _log.warning("confluent.endpoints", service=service, code=error.code, error=str(error))
        return []


def _fits(row: Listed, query: dict[str, str]) -> bool:
    """Whether an endpoint is what was asked for, as far as it says."""
    said = {
        "service": row.service,
        "environment": row.environment.id,
        "resource": row.resource.id,
        "cloud": row.cloud.upper(),
        "region": row.region,
    }
    return all(said[name] in {"", wanted} for name, wanted in query.items())


def _region_id(row: wire.FlinkRegion) -> RegionId | None:
    """The id in the usual spelling, whichever fields it stands in."""
    return RegionId.parse(f"{row.cloud}.{row.region_name}") or RegionId.parse(row.id)


def _region(id_: RegionId, row: wire.FlinkRegion) -> Region:
    return Region(str(id_), id_.cloud.upper(), row.display_name or id_.region)
