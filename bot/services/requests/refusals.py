"""Refusals in the audit log: the same refusal of the same person for the same request is one line a minute."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.audit import Action
from bot.domain.keys import RequestId
from bot.services.agenda import Item, ItemKind, must_hold
from bot.services.commands import Click
from bot.services.ports.store import Tally
from bot.services.requests.transitions import Transitions

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Records them: the first at once, those that follow within a minute together, with their number."""

    transitions: Transitions
    tally: Tally

    async def record(self, action: Action, request: RequestId, click: Click, *, same: str = "", **details: str) -> None:
        """Record a refusal. `same` names what was asked for, where each try is a request of its own."""
        alike = (action, click.by, same or request, sorted(details.items()))
        item = Item(ItemKind.REFUSAL, hashlib.sha256(json.dumps(alike).encode()).hexdigest()[:20])
        event = self.transitions.event(action, request, click.by, **details)
        if await self.tally.count(item, event, self.transitions.clock() + MINUTE) == 1:
            await self.transitions.append(event)

    async def step(self, item: Item) -> datetime | None:
        """Record how many came since the last line. Returns when to look again, None for never."""
        now = self.transitions.clock()
        found = await self.tally.counted(item, now)
        if found is None:
            return None
        event, number = replace(found[0], at=now), found[1]
        if number:
            await must_hold()  # otherwise another process may have recorded them
            await self.transitions.append(replace(event, details={**event.details, "count": str(number)}))
        return now + MINUTE if await self.tally.told(item, number, event) else None
