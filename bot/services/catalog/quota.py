"""Which of Confluent's limits a new key counts toward, and whether there is room: checked before anyone approves.

The codes are those of Confluent's quota API. The limits are read when they are needed, because they differ and change.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.domain.authority import Target
from bot.domain.catalog import Quota
from bot.domain.errors import CloudRefused, Refused, Unavailable, plain
from bot.domain.keys import ApiKey, MyAccount, NewServiceAccount, Owner, Resource
from bot.domain.kinds import Kind
from bot.domain.policy import MAKES
from bot.domain.requests import Ask
from bot.services.ports.cloud import Cloud

PATIENCE = 8.0
"""Seconds for all of Confluent's answers: someone is looking at a page that says "Checking"."""
UNCHECKED = (
    "Latchkey couldn't check whether Confluent's limits leave room for this key. "
    "If they don't, Latchkey will tell you after approval, and no key is created."
)
log = logging.getLogger("latchkey.quota")
Counted: TypeAlias = Literal["keys", "accounts", ""]
"""What can be counted if Confluent doesn't tell the use: the owner's keys, all service accounts, or nothing."""
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
    """The limits that a new key of this owner for this resource counts toward, the narrowest first."""
    limits, found = resource.kind.row.limits, list[Concern]()
    if isinstance(owner, NewServiceAccount):
        found.append(
            Concern("iam.max_service_accounts.per_org", "service accounts", "your organization", counted="accounts")
        )
    elif limits.counted_as:
        per = "user" if isinstance(owner, MyAccount) else "service_account"
        kinds = frozenset(kind for kind in Kind if kind.row.limits.counted_as == limits.counted_as)
        code, things = f"iam.max_{limits.counted_as}_api_keys.per_{per}", _THINGS[limits.counted_as]
        found.append(Concern(code, things, _called(owner), "keys", kinds))
    if limits.of_resource:
        found.append(Concern(limits.of_resource, "API keys", f"cluster `{plain(resource.id)}`"))
    if limits.of_organization:
        found.append(Concern(limits.of_organization, _THINGS[limits.counted_as], "your organization"))
    return (*found, Concern("apikeys_per_org", "API keys", "your organization"))


def told(concern: Concern, quotas: Iterable[Quota]) -> Quota | None:
    """What Confluent says about this limit, with its use if possible; None if it says nothing."""
    said = sorted((each for each in quotas if each.code == concern.code), key=lambda each: each.usage is None)
    return said[0] if said else None


def counted(concern: Concern, keys: Sequence[ApiKey]) -> int:
    """How many of an owner's keys count."""
    return sum(key.kind in concern.kinds for key in keys)


def is_full(quota: Quota, used: int) -> bool:
    """Whether one more would be too many. A negative limit is no limit."""
    return 0 <= quota.limit <= used


def full(concern: Concern, quota: Quota, used: int) -> str:
    """The sentences (mrkdwn) for a limit that is reached: which one, how far, and what helps.

    Where there is room for one more, it is too little for the two keys of a pair.
    """
    unneeded = "service account" if concern.counted == "accounts" else "key"
    things = concern.things.removesuffix("s") if quota.limit == 1 else concern.things
    whose = f"{concern.whose[:1].upper()}{concern.whose[1:]}"
    if not is_full(quota, used):
        return (
            f"{whose} has room for only 1 more under its Confluent limit of {quota.limit:,} {things} "
            f"({used:,} in use, `{plain(concern.code)}`), and this request needs 2. "
            f"Delete an unused {unneeded}, ask Confluent to raise the limit, or request one key."
        )
    return (
        f"{whose} is at its Confluent limit of {quota.limit:,} {things} ({used:,} in use, `{plain(concern.code)}`). "
        f"Delete an unused {unneeded}, or ask Confluent to raise the limit. Then request again."
    )


def _called(owner: Owner) -> str:
    if isinstance(owner, MyAccount):
        return f"account `{plain(owner.id)}`"
    return f"service account {plain(owner.name or owner.id)}"


@dataclass(frozen=True, slots=True)
class Headroom:
    """What was found: sentences (mrkdwn) for people, of which `full` forbids and `unchecked` only warns."""

    full: str = ""
    unchecked: str = ""


async def must_have_room(cloud: Cloud, ask: Ask) -> Headroom:
    """What Confluent says about its limits. Raises `Refused` if there is no room for the requested key."""
    found = await look(cloud, ask)
    if found.full:
        raise Refused(f"{found.full} Nothing was sent.")
    return found


async def look(cloud: Cloud, ask: Ask) -> Headroom:
    """Whether there is room for the requested key, and for its account. Never raises because of Confluent."""
    if ask.operation not in MAKES:
        return Headroom()
    try:
        async with asyncio.timeout(PATIENCE):
            return await _look(cloud, ask)
    except (Unavailable, CloudRefused, TimeoutError) as error:
        log.warning("couldn't read quotas, so they weren't checked", extra={"request": ask.id, "why": str(error)})
        return Headroom(unchecked=UNCHECKED)


async def _look(cloud: Cloud, ask: Ask) -> Headroom:
    owner, is_told = None if isinstance(ask.owner, NewServiceAccount) else ask.owner, True
    resources = Target.of(ask).resources
    met = [concern for each in resources for concern in concerns(ask.owner, each)]
    for resource in resources:
        is_limited = bool(resource.kind.row.limits.of_resource)
        quotas = await cloud.quotas(owner, *(resource.id, resource.environment) if is_limited else ())
        is_told = is_told and bool(quotas)
        for concern in concerns(ask.owner, resource):
            # One account is made for both keys of a pair.
            wanted = 1 if concern.counted == "accounts" else met.count(concern)
            if reached := await _reached(cloud, ask, concern, quotas, wanted):
                return Headroom(full=reached)
    return Headroom() if is_told else Headroom(unchecked=UNCHECKED)


async def _reached(cloud: Cloud, ask: Ask, concern: Concern, quotas: Sequence[Quota], wanted: int) -> str:
    """Why this limit leaves no room; "" when it does. Where there is something to count, the count decides.

    Confluent's own number may be of a while ago: a key that was just deleted to make room is not in a count.
    """
    quota = told(concern, quotas)
    if quota is None or not (quota.usage is None or is_full(quota, quota.usage + wanted - 1)):
        return ""
    used = quota.usage
    if concern.counted == "keys":
        used = counted(concern, await cloud.keys_of(ask.owner.id))
    elif concern.counted == "accounts":
        used = len(await cloud.service_accounts())
    return full(concern, quota, used) if used is not None and is_full(quota, used + wanted - 1) else ""
