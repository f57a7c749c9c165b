"""What tests ask of the store and the product doesn't."""

from datetime import datetime

from bot.store import Store
from bot.store.audit import verify_lines
from bot.store.moments import from_ms


async def audit_problem(store: Store) -> str | None:
    """The first thing wrong with the live audit log, as `latchkey audit verify` checks it; None when all is well.

    Raises `Tampered` where lines are missing.
    """
    return verify_lines([line async for line in store.audit.read()], store.audit._sealer)


async def next_due(store: Store) -> datetime | None:
    """When the earliest item of the agenda is due, or its lease ends."""
    earliest: list[tuple[bytes, float]] = await store.agenda._redis.zrange(store.agenda._key, 0, 0, withscores=True)
    return from_ms(earliest[0][1]) if earliest else None
