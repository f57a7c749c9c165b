"""Keys that somebody deleted outside Latchkey: Confluent tells nobody, so whoever misses one has it looked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.deadlines import shown_at
from bot.domain.keys import RequestId
from bot.domain.requests import Living
from bot.services.agenda import Item
from bot.services.browse.lookup import present
from bot.services.keys.origin import Origin, why_gone
from bot.services.ports.cloud import Cloud
from bot.services.requests.transitions import Transitions

SETTLED = timedelta(minutes=10)
"""While a key is newer in its requester's hands, a list without it may only be slow."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Makes sure that a key is gone, and has its request say so."""

    transitions: Transitions
    cloud: Cloud
    origin: Origin

    async def look(self, item: Item) -> datetime | None:
        """Carry out an item `GONE`. May raise `Unavailable` and `CloudRefused`."""
        stored = await self.transitions.find(RequestId(item.id))
        state = stored.value if stored else None
        if not isinstance(state, Living) or self.transitions.clock() - shown_at(state) < SETTLED:
            return None
        key = state.key
        found = await present(key, Target(state.ask.owner, state.ask.resource), self.cloud)
        if found is not None:
            await self.origin.expires(found)
            return None
        await self.transitions.record(Action.FOUND_GONE, state.ask.id, key=key.id)
        await self.origin.ended(key, why_gone(key, self.transitions.clock()))
        return None
