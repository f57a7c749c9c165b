"""Which of Confluent's limits a new key meets, and whether there is room below them. Pure.

The codes are those of Confluent's quota API; the limits are read when they are needed, for they differ and change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.domain.catalog import Quota
from bot.domain.errors import plain
from bot.domain.keys import ApiKey, Kind, MyAccount, NewServiceAccount, Owner, Resource

Counted: TypeAlias = Literal["keys", "accounts", ""]
"""What can be counted where Confluent does not tell the use: the owner's keys, all service accounts, or nothing."""
RESOURCE_KINDS = frozenset({Kind.KAFKA, Kind.SCHEMA_REGISTRY, Kind.KSQLDB, Kind.FLINK, Kind.TABLEFLOW})
"""What the limit for "cluster API keys" counts. Global keys have limits of their own, of unknown codes."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One limit that a new key meets. `things` of `whose` are limited, in words; `whose` is mrkdwn."""

    code: str
    things: str
    whose: str
    counted: Counted = ""
    kinds: frozenset[Kind] = frozenset()
    """Of the owner's keys, those that count."""


def concerns(owner: Owner, resource: Resource) -> tuple[Concern, ...]:
    """The limits that a new key of this owner for this resource meets, the narrowest first."""
    kind, found = resource.kind, list[Concern]()
    if isinstance(owner, NewServiceAccount):
        found.append(
            Concern("iam.max_service_accounts.per_org", "service accounts", "this organisation", counted="accounts")
        )
    elif kind is Kind.CLOUD or kind in RESOURCE_KINDS:
        what = "cloud" if kind is Kind.CLOUD else "cluster"
        per = "user" if isinstance(owner, MyAccount) else "service_account"
        kinds = frozenset({Kind.CLOUD}) if kind is Kind.CLOUD else RESOURCE_KINDS
        things = "Cloud API keys" if kind is Kind.CLOUD else "cluster API keys"
        found.append(Concern(f"iam.max_{what}_api_keys.per_{per}", things, _called(owner), "keys", kinds))
    if kind is Kind.KAFKA:
        found.append(Concern("kafka.max_api_keys.per_cluster", "API keys", f"the cluster `{plain(resource.id)}`"))
    if kind is Kind.CLOUD:
        found.append(Concern("iam.max_cloud_api_keys.per_org", "Cloud API keys", "this organisation"))
    return (*found, Concern("apikeys_per_org", "API keys", "this organisation"))


def told(concern: Concern, quotas: Iterable[Quota]) -> Quota | None:
    """What Confluent says about this limit, with its use rather than without; None when it says nothing."""
    said = sorted((each for each in quotas if each.code == concern.code), key=lambda each: each.usage is None)
    return said[0] if said else None


def counted(concern: Concern, keys: Sequence[ApiKey]) -> int:
    """How many of an owner's keys count."""
    return sum(key.kind in concern.kinds for key in keys)


def is_full(quota: Quota, used: int) -> bool:
    """Whether one more would be too many. A limit below nothing is none."""
    return 0 <= quota.limit <= used


def full(concern: Concern, quota: Quota, used: int) -> str:
    """The sentences (mrkdwn) for a limit that is reached: which one, how far, and what helps."""
    unneeded = "service account" if concern.counted == "accounts" else "key"
    return (
        f"Confluent lets {concern.whose} have {quota.limit:,} {concern.things} at most, and there are {used:,} "
        f"(`{plain(concern.code)}`), so no further one can be made. "
        f"Delete a {unneeded} that is no longer needed, or have Confluent raise the limit; then ask again."
    )


def _called(owner: Owner) -> str:
    if isinstance(owner, MyAccount):
        return f"the account `{plain(owner.id)}`"
    return f"the service account {plain(owner.name or owner.id)}"
