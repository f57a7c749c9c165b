"""Reads the limits that Confluent applies to an organization, an account or a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias, assert_never

import structlog

from bot.confluent import wire
from bot.confluent.client import Client
from bot.domain.catalog import Quota
from bot.domain.errors import CloudRefused
from bot.domain.keys import MyAccount, NewServiceAccount, Owner, ServiceAccount

APPLIED_QUOTAS = "/service-quota/v1/applied-quotas"

_Reference: TypeAlias = Annotated[wire.Reference, wire.NONE_IS_EMPTY]

_log = structlog.stdlib.get_logger(__name__)


class AppliedQuota(wire.Item):
    """One limit. Its ID is its code, which is the same for everything that it limits."""

    scope: wire.Text = ""
    display_name: wire.Text = ""
    applied_limit: wire.Number = None
    usage: wire.Number = None
    user: _Reference = wire.Reference()
    service_account: _Reference = wire.Reference()
    """Not documented, but the scope with this name would need it."""
    environment: _Reference = wire.Reference()
    kafka_cluster: _Reference = wire.Reference()

    @property
    def identity(self) -> tuple[str, ...]:
        """The code and what it limits: by the code alone, the limits of all users would count as one."""
        limited = (self.user, self.service_account, self.environment, self.kafka_cluster)
        return (self.id, self.scope, *(each.id for each in limited))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A scope, its filters, and the ID of what is limited; "" for the organization."""

    scope: str
    of: str = ""
    filters: Mapping[str, str] = field(default_factory=dict[str, str])


async def applied(client: Client, owner: Owner | None, cluster: str, environment: str) -> Sequence[Quota]:
    """The limits of the organization, of this owner's account, and of this Kafka cluster.

    A scope that Confluent refuses is left out and logged. Raises `Unavailable`.
    """
    found: list[Quota] = []
    for asked in _scopes(owner, cluster, environment):
        try:
            found += await _of_scope(client, asked)
        except CloudRefused as refused:
            _log.warning("confluent.quotas", scope=asked.scope, error=str(refused))
    return tuple(found)


def _scopes(owner: Owner | None, cluster: str, environment: str) -> list[_Asked]:
    scopes = [_Asked("ORGANIZATION")]
    match owner:
        case MyAccount():
            scopes.append(_Asked("USER_ACCOUNT", owner.id))
        case ServiceAccount():
            scopes.append(_Asked("SERVICE_ACCOUNT", owner.id))
        case NewServiceAccount() | None:
            pass  # an account that doesn't exist yet has no limit of its own
        case _:
            assert_never(owner)
    if cluster:
        place = {"environment": environment, "kafka_cluster": cluster}
        scopes.append(_Asked("KAFKA_CLUSTER", cluster, place))
    return scopes


async def _of_scope(client: Client, asked: _Asked) -> list[Quota]:
    rows = client.list_all(APPLIED_QUOTAS, AppliedQuota, {"scope": asked.scope, **asked.filters})
    return [
        Quota(row.id, row.display_name or row.id, row.applied_limit, row.usage, asked.of)
        async for row in rows
        if row.applied_limit is not None and _is_ours(row, asked)
    ]


def _is_ours(row: AppliedQuota, asked: _Asked) -> bool:
    """Whether a limit belongs to what was asked for, as far as its fields say: there are no filters for accounts."""
    if row.scope not in {"", asked.scope}:
        return False
    match asked.scope:
        case "USER_ACCOUNT" | "SERVICE_ACCOUNT":
            return {row.user.id, row.service_account.id} <= {"", asked.of}
        case "KAFKA_CLUSTER":
            return row.kafka_cluster.id in {"", asked.of}
        case _:
            return True
