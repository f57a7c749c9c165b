"""Reads what an account can do already, once, when a key for it is requested. Approvers see it on the card.

No decision depends on it, so what can't be read within `WITHIN` counts as unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from bot.domain.access import MOST_ROLES, Access
from bot.domain.authority import Target, in_brief
from bot.domain.errors import LatchkeyError
from bot.domain.keys import NewServiceAccount, Operation, Principal
from bot.domain.requests import Ask
from bot.domain.roles import Binding
from bot.services.people.approvers import names_of
from bot.services.ports.cloud import Cloud

WITHIN = 5.0
"""Seconds for each of the reads, which run at the same time. Confluent answers in a fraction of one."""
T = TypeVar("T")
Names: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""Reads the names of environments, clusters and accounts by ID; without those that aren't in the catalog."""


async def access_of(cloud: Cloud, ask: Ask, names: Names) -> Access | None:
    """The account's roles and number of keys; None if the account is new, or approving gives it nothing more."""
    owner = ask.owner
    gives = ask.makes_key or ask.operation is Operation.EXTEND
    if isinstance(owner, NewServiceAccount) or not gives:
        return None
    bindings, keys, known = await asyncio.gather(
        _known(_roles(cloud, owner.id)), _known(_keys(cloud, owner.id)), _known(names())
    )
    if bindings is None:
        return Access(keys=keys)
    called = {**(known or {}), **names_of(Target(owner, ask.resource))}
    roles = tuple(sorted({in_brief(each, called) for each in bindings}))
    return Access(roles[:MOST_ROLES], max(len(roles) - MOST_ROLES, 0), keys)


async def _roles(cloud: Cloud, account: Principal) -> Sequence[Binding]:
    bindings = await cloud.role_bindings(account)
    await cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
    return bindings


async def _keys(cloud: Cloud, account: Principal) -> int:
    shown, unreadable = await cloud.keys_shown(account)
    return len(shown) + unreadable


async def _known(read: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(WITHIN):
            return await read
    except (LatchkeyError, TimeoutError):
        return None
