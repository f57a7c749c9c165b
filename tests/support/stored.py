"""What tests ask of the store and the product doesn't."""

import asyncio
from datetime import datetime
from typing import Any

from bot.services.commands import HELD
from bot.store import Store
from bot.store.audit.chain import verify_lines
from bot.store.moments import from_ms


async def audit_problem(store: Store) -> str | None:
    """The first thing wrong with the live audit log, as `latchkey audit verify` checks it; None when all is well.

    Raises `Tampered` where lines are missing.
    """
    return verify_lines([line async for line in store.audit.read()], store.audit._sealer)


async def next_due(store: Store) -> datetime | None:
    """When the next item of the agenda can be taken: it is due, and nobody holds it any longer."""
    agenda, leases = store.agenda._keys
    items: list[tuple[bytes, float]] = await store.agenda._redis.zrange(agenda, 0, -1, withscores=True)
    held: dict[bytes, bytes] = await store.agenda._redis.hgetall(leases)
    return from_ms(min(max(due, float(held.get(item, 0))) for item, due in items)) if items else None


async def held(store: Store) -> list[str]:
    """Items that someone holds."""
    return [item.decode() for item in await store.agenda._redis.hkeys(store.keys.leases)]


async def misplaced(store: Store) -> list[str]:
    """Clicks that are to be carried out, and never will be: they have no place on the agenda."""
    redis, keys = store.agenda._redis, store.keys
    names = [name.decode() async for name in redis.scan_iter(match=keys.click("*")) if await redis.strlen(name)]
    items = {name: f"click:{name.removeprefix(keys.click(''))}" for name in names if keys.click(HELD) not in name}
    return [item for item in items.values() if await redis.zscore(keys.agenda, item) is None]


async def write_to_disk_again(redis: Any) -> None:
    """Turn the append-only file on, and return when it is whole: until then the server refuses to stop."""
    await redis.config_set("appendonly", "yes")
    while (found := await redis.info("persistence"))["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"]:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
