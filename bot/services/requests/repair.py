"""Requests that have something due and no place on the agenda: it was deleted, or moved beyond every deadline.

Each change of a request puts it there in the same write, so nothing else would ever look at these again: a key whose
secret nobody viewed would live for ever, and nobody would be told.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.deadlines import due
from bot.domain.errors import Tampered
from bot.domain.keys import RequestId
from bot.domain.requests import LOOK_EVERY, Cancelled, Denied, Done, Expired, Failed
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Agenda, Clock, Requests

LATEST = LOOK_EVERY + timedelta(days=1)
"""Most items are due earlier. One that is due later is compared with its request."""
log = logging.getLogger("latchkey.repair")


@dataclass(frozen=True, slots=True)
class AgendaRepair:
    """Puts them back on the agenda."""

    requests: Requests
    agenda: Agenda
    clock: Clock
    _ended: set[RequestId] = field(default_factory=set[RequestId], init=False)
    """Requests that nothing moves any more: their records are read once only."""

    async def look(self) -> int:
        """Look at all requests; returns how many were put back. Raises `Unavailable`."""
        latest, put_back = self.clock() + LATEST, 0
        for request in await self.requests.unplanned(latest):
            if request not in self._ended:
                with suppress(Tampered):  # it is told as one that the log contradicts, or that does not open
                    put_back += await self._put_back(request, latest)
        if put_back:
            log.error("requests had lost their place on the agenda", extra={"requests": put_back})
        return put_back

    async def _put_back(self, request: RequestId, latest: datetime) -> bool:
        stored = await self.requests.get(request)
        if stored is None:
            return False
        if isinstance(stored.value, Denied | Cancelled | Expired | Done | Failed):
            self._ended.add(request)
        deadline = due(stored.value)
        if deadline is None:
            return False
        is_lost = deadline <= latest
        # At once, for its messages may wait as well. One that is due so late may have its place, and keeps it.
        await self.agenda.put(Item(ItemKind.REQUEST, request), self.clock() if is_lost else deadline)
        return is_lost
