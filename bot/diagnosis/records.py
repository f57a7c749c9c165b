"""What is stored, examined: whether it opens, whether audit log and records fit, and which version writes it.

Most functions return a problem in a sentence; None where there is none.
"""

from collections.abc import Sequence
from contextlib import suppress

from bot import logs
from bot.domain.errors import Tampered
from bot.settings import StartupError
from bot.store import Store
from bot.store.codec import FORMAT
from bot.store.seals import Seals

_SHOWN = 100
"""Characters of a key in Redis: anyone who can write there chooses its name."""


def hold_to_feed(audit_log: str, store: Store) -> None:
    """Trust no audit log without the last line of its feed, a file outside of Redis. Raises `StartupError`."""
    try:
        noted = logs.last_told(audit_log)
    except OSError as error:
        raise StartupError(f"LATCHKEY_AUDIT_LOG: {error.filename} can't be read: {error.strerror}.") from None
    if noted:
        store.audit.expect(*noted)


async def audit_problem(store: Store) -> str | None:
    """Why the audit log cannot be followed."""
    try:
        await store.audit.follow()
    except Tampered as error:
        return f"{error}. Latchkey does nothing until this is repaired: see docs/audit.md."
    return None


async def records_problem(store: Store) -> str | None:
    """Which records the audit log contradicts, of all that are there. None while the log cannot be followed."""
    with suppress(Tampered):
        await store.requests.survey()
    return await store.requests.problem()


def keys_problem(seals: Seals, configured: Sequence[bytes]) -> str | None:
    """Which master keys are not configured though they seal something."""
    number, unknown, places = seals.missing(configured)
    if not unknown:
        return None
    ids, among = ", ".join(key.hex() for key in unknown), " and ".join(repr(place[:_SHOWN]) for place in places)
    return (
        f"LATCHKEY_MASTER_KEYS lacks a master key (ID {ids}) that seals {values(number)}, among them {among}. "
        "Add it back after the first one, run `latchkey reseal`, and then remove it."
    )


async def format_problem(store: Store) -> str | None:
    """Whether a newer version writes here, of whose records this one leaves some alone."""
    newest = await store.cache.get("format", int)
    if newest is None or newest[0] <= FORMAT:
        return None
    return (
        f"a newer version of Latchkey writes here (format {newest[0]}, this one knows {FORMAT}), and only it "
        "handles what it wrote. Finish the upgrade."
    )


def sealed_by(seals: Seals, configured: Sequence[bytes]) -> str:
    """How much each master key seals, by IDs that reveal nothing of it."""
    return "; ".join(
        f"key {nth} (ID {key.hex()}) seals {seals.records[key] + seals.copies[key]} records, "
        f"{seals.lines[key]} audit lines"
        for nth, key in enumerate(configured, 1)
    )


def values(number: int) -> str:
    """So many stored values."""
    return f"{number} stored value{'' if number == 1 else 's'}"
