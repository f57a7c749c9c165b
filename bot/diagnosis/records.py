"""Checks of the stored data: whether it can be opened, whether records match the audit log, and which version wrote it.

Most functions return the problem as a sentence, or None if there is none.
"""

from collections.abc import Sequence
from contextlib import suppress

from bot import logs
from bot.domain.errors import Tampered, counted
from bot.settings import StartupError
from bot.store import Store
from bot.store.codec import FORMAT
from bot.store.seals import Seals

_SHOWN = 100
"""How many characters of a Redis key are shown: anyone who can write to Redis chooses its name."""


def hold_to_feed(audit_log: str, store: Store) -> None:
    """Make the store reject an audit log without the last line in its feed, a file outside Redis.

    Raises `StartupError` if the feed can't be read.
    """
    try:
        noted = logs.last_told(audit_log)
    except OSError as error:
        raise StartupError(f"LATCHKEY_AUDIT_LOG: {error.filename} can't be read: {error.strerror}.") from None
    if noted:
        store.audit.expect(*noted)


async def audit_problem(store: Store) -> str | None:
    """Why the audit log can't be followed."""
    try:
        await store.audit.follow()
    except Tampered as error:
        return f"{error}. Latchkey does nothing until this is repaired: see docs/audit.md."
    return None


async def records_problem(store: Store) -> str | None:
    """How many records contradict the audit log, and the first of them. None while the log can't be followed."""
    with suppress(Tampered):
        await store.requests.survey()
    return await store.requests.problem()


def keys_problem(seals: Seals, configured: Sequence[bytes]) -> str | None:
    """Which master keys aren't configured although stored values are sealed with them."""
    number, unknown, places = seals.missing(configured)
    if not unknown:
        return None
    ids, among = ", ".join(key.hex() for key in unknown), " and ".join(repr(place[:_SHOWN]) for place in places)
    return (
        f"LATCHKEY_MASTER_KEYS lacks a master key (ID {ids}) that seals {values(number)}, among them {among}. "
        "Add it back after the first one, run `latchkey reseal`, and then remove it."
    )


async def format_problem(store: Store) -> str | None:
    """Whether a newer version writes to this store, whose records this version may have to leave alone."""
    newest = await store.cache.get("format", int)
    if newest is None or newest[0] <= FORMAT:
        return None
    return (
        f"a newer version of Latchkey writes here (format {newest[0]}, this one knows {FORMAT}), and only it "
        "handles what it wrote. Finish the upgrade."
    )


def sealed_by(seals: Seals, configured: Sequence[bytes]) -> str:
    """How many records and audit lines each master key seals. Names keys by IDs that don't reveal them."""
    return "; ".join(
        f"key {nth} (ID {key.hex()}) seals {counted(seals.records[key] + seals.copies[key], 'record')}, "
        f"{counted(seals.lines[key], 'audit line')}"
        for nth, key in enumerate(configured, 1)
    )


def values(number: int) -> str:
    """The number with its noun: "1 stored value"."""
    return f"{number} stored value{'' if number == 1 else 's'}"
