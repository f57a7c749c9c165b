"""Reads one resource with the addresses where its keys work, and the regions in which Flink is offered."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from bot.confluent import addresses, wire
from bot.confluent.addresses import Listed
from bot.confluent.client import Client
from bot.confluent.inventory import ENVIRONMENTS, is_in_use, model_of, placed
from bot.confluent.references import RegionId
from bot.domain.catalog import Endpoints, Environment, Region
from bot.domain.errors import LatchkeyError
from bot.domain.keys import FlinkRegion, OrganizationScope, Resource
from bot.domain.kinds import Kind

FLINK_REGIONS = "/fcpm/v2/regions"
ENDPOINTS = "/endpoint/v1/endpoints"
_WITHOUT_ROLES = "Basic"
"""The type of Kafka cluster in which roles on topics and consumer groups don't work."""

_log = structlog.stdlib.get_logger(__name__)


async def resource(
    client: Client, organization: Callable[[], Awaitable[str]], kind: Kind, environment: str, id_: str
) -> tuple[Resource, Endpoints] | None:
    """One resource, without the environment's name; None if it doesn't exist in that environment.

    See `Cloud.resource`.
    """
    if kind.row.is_wide:
        return OrganizationScope(kind), Endpoints("", client.endpoint, organization=await organization())
    if kind.row.is_regional:
        return await _flink(client, organization, environment, id_)
    row = await client.find(kind.row.api.collection, id_, model_of(kind), {"environment": environment})
    if row is None or not is_in_use(row, environment):
        return None
    found = addresses.of_cluster(row)
    if kind.row.api.service and not addresses.is_told(row, found):
        listed = await _listed(client, kind.row.api.service, environment, resource=id_)
        found = addresses.of_cluster(row, listed)
    found = replace(found, lacks_roles=isinstance(row, wire.Cluster) and row.spec.config.kind == _WITHOUT_ROLES)
    return placed(kind, row, Environment(environment, "")), found


async def regions(client: Client) -> Sequence[Region]:
    """All regions in which Confluent offers Flink, sorted by ID."""
    rows = client.list_all(FLINK_REGIONS, wire.FlinkRegion)
    found = {str(id_): (id_, row.display_name) async for row in rows if (id_ := _region_id(row))}
    return tuple(Region(key, id_.cloud.upper(), name or id_.region) for key, (id_, name) in sorted(found.items()))


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
    """Whether it exists with exactly this ID: a region is offered in any environment, and policy rules compare IDs."""
    row = await client.find(ENVIRONMENTS, id_, wire.Environment)
    return row is not None and row.id == id_


async def _listed(client: Client, service: str, environment: str, **filters: str) -> Sequence[Listed]:
    """What `endpoint/v1` lists, filtered here again. Empty if it fails: a missing address isn't worth an error."""
    query = {"service": service, "environment": environment, **filters}
    try:
        return [row async for row in client.list_all(ENDPOINTS, Listed, query) if _fits(row, query)]
    except LatchkeyError as error:
        _log.warning("confluent.endpoints", service=service, code=error.code, error=str(error))
        return []


def _fits(row: Listed, query: dict[str, str]) -> bool:
    """Whether an endpoint matches the query, as far as its fields say."""
    said = {
        "service": row.service,
        "environment": row.environment.id,
        "resource": row.resource.id,
        "cloud": row.cloud.upper(),
        "region": row.region,
    }
    return all(said[name] in {"", wanted} for name, wanted in query.items())


def _region_id(row: wire.FlinkRegion) -> RegionId | None:
    """The ID in the usual spelling, no matter which fields have it."""
    return RegionId.parse(f"{row.cloud}.{row.region_name}") or RegionId.parse(row.id)
