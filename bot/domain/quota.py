"""Which of Confluent's limits a new key meets, and whether there is room below them. Pure.

The codes are those of Confluent's quota API; the limits are read when they are needed, for they differ and change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.domain.catalog import Quota
from bot.domain.errors import plain
from bot.domain.keys import ApiKey, MyAccount, NewServiceAccount, Owner, Resource
from bot.domain.kinds import Kind

Counted: TypeAlias = Literal["keys", "accounts", ""]
"""What can be counted where Confluent does not tell the use: the owner's keys, all service accounts, or nothing."""
_THINGS = {"cloud": "Cloud API keys", "cluster": "cluster API keys", "": "API keys"}


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
    limits, found = resource.kind.row.limits, list[Concern]()
    if isinstance(owner, NewServiceAccount):
        found.append(
            Concern("iam.max_service_accounts.per_org", "service accounts", "this organisation", counted="accounts")
        )
    elif limits.counted_as:
        per = "user" if isinstance(owner, MyAccount) else "service_account"
        kinds = frozenset(kind for kind in Kind if kind.row.limits.counted_as == limits.counted_as)
        code, things = f"iam.max_{limits.counted_as}_api_keys.per_{per}", _THINGS[limits.counted_as]
        found.append(Concern(code, things, _called(owner), "keys", kinds))
    if limits.of_resource:
        found.append(Concern(limits.of_resource, "API keys", f"the cluster `{plain(resource.id)}`"))
    if limits.of_organization:
        found.append(Concern(limits.of_organization, _THINGS[limits.counted_as], "this organisation"))
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
