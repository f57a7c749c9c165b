"""Asking Confluent whether there is room for a key, before anybody approves what cannot be made."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.asks import Ask
from bot.domain.catalog import Quota
from bot.domain.errors import CloudRefused, Refused, Unavailable
from bot.domain.keys import NewServiceAccount
from bot.domain.policy import MAKES
from bot.domain.quota import Concern, concerns, counted, full, is_full, told
from bot.services.ports.cloud import Cloud

PATIENCE = 8.0
"""Seconds for all of Confluent's answers: somebody looks at a page that says "Checking"."""
UNCHECKED = (
    "Whether Confluent's limits leave room for this key could not be checked. "
    "If they do not, Latchkey tells you so after the approval, and nothing is made."
)
log = logging.getLogger("latchkey.quota")


@dataclass(frozen=True, slots=True)
class Room:
    """What was found: sentences (mrkdwn) for people, of which `full` forbids and `unchecked` only warns."""

    full: str = ""
    unchecked: str = ""


async def must_have_room(cloud: Cloud, ask: Ask) -> Room:
    """What Confluent says about its limits. Raises `Refused` when there is no room for the key that is asked for."""
    found = await look(cloud, ask)
    if found.full:
        raise Refused(f"{found.full} Nothing was sent.")
    return found


async def look(cloud: Cloud, ask: Ask) -> Room:
    """Whether there is room for the key that is asked for, and for its account. Never raises for Confluent's sake."""
    if ask.operation not in MAKES:
        return Room()
    try:
        async with asyncio.timeout(PATIENCE):
            return await _look(cloud, ask)
    except (Unavailable, CloudRefused, TimeoutError) as error:
        log.warning("quotas cannot be read", extra={"request": ask.id, "why": str(error)})
        return Room(unchecked=UNCHECKED)


async def _look(cloud: Cloud, ask: Ask) -> Room:
    owner = None if isinstance(ask.owner, NewServiceAccount) else ask.owner
    is_limited = bool(ask.resource.kind.row.limits.of_resource)
    quotas = await cloud.quotas(owner, *(ask.resource.id, ask.resource.environment) if is_limited else ())
    for concern in concerns(ask.owner, ask.resource):
        if reached := await _reached(cloud, ask, concern, quotas):
            return Room(full=reached)
    return Room() if quotas else Room(unchecked=UNCHECKED)


async def _reached(cloud: Cloud, ask: Ask, concern: Concern, quotas: Sequence[Quota]) -> str:
    """Why this limit leaves no room; "" when it does. Where there is something to count, the count decides.

    Confluent's own number may be of a while ago: a key that was just deleted to make room is not in a count.
    """
    quota = told(concern, quotas)
    if quota is None or not (quota.usage is None or is_full(quota, quota.usage)):
        return ""
    used = quota.usage
    if concern.counted == "keys":
        used = counted(concern, await cloud.keys_of(ask.owner.id))
    elif concern.counted == "accounts":
        used = len(await cloud.service_accounts())
    return full(concern, quota, used) if used is not None and is_full(quota, used) else ""
