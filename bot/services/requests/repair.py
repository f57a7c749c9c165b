"""Requests and clicks that have something due and no place on the agenda: it was deleted, or moved past a deadline.

Each change puts its request there in the same write, so nothing else would ever look at these again: a key whose secret
nobody viewed would exist forever, and nobody would be told.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.deadlines import due
from bot.domain.errors import Tampered
from bot.domain.keys import RequestId
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Agenda, Clock, Inbox, Requests

LATE = timedelta(hours=1)
"""How late a request's place on the agenda may be: what can't be done at once is tried again sooner."""
log = logging.getLogger("latchkey.repair")


@dataclass(slots=True)
class AgendaRepair:
    """Puts them back on the agenda."""

    requests: Requests
    inbox: Inbox
    agenda: Agenda
    clock: Clock
    _deadlines: dict[RequestId, tuple[int, datetime | None]] = field(
        default_factory=dict[RequestId, tuple[int, datetime | None]], init=False
    )
    """For each request, its revision, and when it's due by its own deadlines. One that isn't late is read only once."""
    _looked: datetime | None = field(default=None, init=False)

    async def look(self) -> int:
        """Check all clicks and requests. Returns how many were put back. Raises `Unavailable`."""
        if clicks := await self.inbox.put_back(self.clock()):
            log.error("put clicks back on the agenda", extra={"clicks": clicks})
        now, put_back, stuck = self.clock(), 0, list[RequestId]()
        planned = await self.requests.planned()
        self._deadlines = {request: known for request, known in self._deadlines.items() if request in planned}
        for request, (rev, at) in planned.items():
            with suppress(Tampered):  # reported already, as contradicted or unreadable
                if await self._has_lost(request, rev, at):
                    # Due at once, because its messages may be waiting, too.
                    await self.agenda.put(Item(ItemKind.REQUEST, request), self.clock())
                    put_back += 1
            if at and self._looked and at < min(self._looked, now):
                stuck.append(request)
        if put_back:
            log.error("put requests back on the agenda", extra={"requests": put_back})
        if stuck:  # junk hides them, or a lease that someone planted holds them
            about = {"requests": len(stuck), "request": stuck[0]}
            log.error("requests have been due for an hour, and no process has picked them up", extra=about)
        self._looked = now
        return clicks + put_back

    async def _has_lost(self, request: RequestId, rev: int, at: datetime | None) -> bool:
        """Whether a request at this revision, whose item is due then, would be looked at too late."""
        if self._deadlines.get(request, (None,))[0] != rev:
            await self._read(request)
        if not self._is_late(request, rev, at):
            return False
        await self._read(request)  # it may have moved on, and its item with it
        return self._is_late(request, rev, at)

    async def _read(self, request: RequestId) -> None:
        stored = await self.requests.get(request)
        self._deadlines[request] = (stored.rev, due(stored.value)) if stored else (0, None)

    def _is_late(self, request: RequestId, rev: int, at: datetime | None) -> bool:
        known, deadline = self._deadlines[request]
        return known == rev and deadline is not None and (at is None or at > max(deadline, self.clock()) + LATE)
