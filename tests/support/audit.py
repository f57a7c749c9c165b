"""The check of the live audit log that `latchkey audit verify` makes."""

from bot.store import Store
from bot.store.audit import verify_lines


async def audit_problem(store: Store) -> str | None:
    """The first thing wrong with the log; None when all is well. Raises `Tampered` where lines are missing."""
    return verify_lines([line async for line in store.audit.read()], store.audit._sealer)
