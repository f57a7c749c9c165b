"""Confluent's own end of a key, asked for a while after Latchkey's: a key ends even where Latchkey no longer runs.

Not every organization has it: its API may take `expires_at`, ignore it, or refuse the create because of it. Which it
is, nobody says: what the last create with a lifetime met is remembered, so that the next one is spared the refusal.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal, TypeAlias

from bot.domain.deadlines import lifetime
from bot.domain.errors import CloudRefused, LatchkeyError, Unavailable
from bot.domain.keys import ApiKey
from bot.domain.requests import Approved, Working
from bot.services.ports.clock import Clock
from bot.services.ports.store import Cache

ExpirySupport: TypeAlias = Literal["", "honored", "ignored", "refused"]
"""What the organization's API does with the field; "" is not known yet."""
LEAST, MOST = timedelta(days=1), timedelta(days=30)
REMEMBERED = timedelta(days=30)
"""Then the organization may have the field, too."""
REFUSED_FOR = timedelta(days=1)
"""How long a refusal spares the next creates: a single one may have had another reason, and `doctor` tells of it on."""
_NAME = "expires_at"
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
log = logging.getLogger("latchkey.backstop")


def margin(lasts: timedelta) -> timedelta:
    """How long after Latchkey's own end Confluent is to end a key.

    As long again as it was to live, at least a day and at most 30: Latchkey's own deletion, with its reminders and its
    audit, stays the ordinary end, and one extension is possible, for nobody can move Confluent's end.
    """
    return min(max(lasts, LEAST), MOST)


@dataclass(frozen=True, slots=True)
class Backstop:
    """Every method may raise `Unavailable`."""

    cache: Cache
    clock: Clock

    async def known(self) -> ExpirySupport:
        """What is remembered of the organization's API."""
        return (await self._last())[0]

    async def wanted(self, approved: Approved) -> datetime | None:
        """When Confluent is to end the key; None where it has no lifetime, or the API is known to refuse that."""
        lasts = lifetime(approved.ask, approved.terms)
        if lasts is None or approved.without_end:
            return None
        said, at = await self._last()
        if said == "refused" and self.clock() - at < REFUSED_FOR:
            return None
        return (self.clock() + lasts + margin(lasts)).replace(microsecond=0)

    async def learn(self, said: ExpirySupport) -> None:
        """Remember what a create met. The key is made and on record: this must not fail any more."""
        if said:
            with suppress(Unavailable):
                await self.cache.put(_NAME, said, str, now=self.clock(), keep=REMEMBERED)

    async def _last(self) -> tuple[ExpirySupport, datetime]:
        """What the last create with a lifetime met, and when."""
        cached = await self.cache.get(_NAME, str)
        said, at = cached or ("", self.clock())
        match said:
            case "honored" | "ignored" | "refused":
                return said, at
            case _:
                return "", at


def may_be_to_blame(working: Working, error: LatchkeyError) -> bool:
    """Whether a create may have been refused because of the field: only a try without it can tell."""
    return working.expires_at is not None and isinstance(error, CloudRefused) and error.status in _REFUSALS


def met(working: Working, key: ApiKey) -> ExpirySupport:
    """What a create tells about the API."""
    if working.without_end:
        return "refused"
    if working.expires_at is None:
        return ""
    return "honored" if key.expires_at else "ignored"
