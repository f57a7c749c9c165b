"""Finding out what a lost answer did: look, delete what is there, look again, and only then try once more."""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.audit import Action
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.keys import Marker, RequestId
from bot.domain.requests import Granted, Keyed, Request, Working
from bot.services.agenda import Item, ItemKind
from bot.services.keys.orphans import Orphans, attempt_of
from bot.services.keys.service_accounts import settlement
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.transitions import ASK_AGAIN, STRAGGLER, Transitions, With, backoff

SECOND_LOOK = timedelta(seconds=5)
"""Between two lists that have to show none of our keys before the next attempt."""
CLEAN_LISTS = 2
ATTEMPTS = 5
"""How many answers Confluent may lose before the request fails."""
_NOTHING = "nothing is left of it"
"""What the audit log says of an attempt whose outcome nobody heard, once it was looked for."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The steps of a request whose key may or may not exist."""

    transitions: Transitions
    orphans: Orphans
    cloud: Cloud

    async def sweep(self, item: Item) -> None:
        """Carry out an item `SWEEP`: delete keys of attempts that were given up, such as this one.

        The key of the present attempt is left alone.
        """
        request, attempt = RequestId(item.id), item.attempt or 0
        stored = await self.transitions.get(request)
        present = stored.value.attempt if isinstance(stored.value, Granted) else None
        kept = stored.value.key.id if isinstance(stored.value, Keyed) else None
        keys = [
            key
            for key in await self.orphans.of(stored.value)
            if key.id != kept and (present is None or attempt_of(key) < present)
        ]
        await self.orphans.delete(stored.value, *keys)
        await self.cloud.must_see_all()
        await self.transitions.record(
            Action.CREATE_UNKNOWN, request, marker=str(Marker(request, attempt)), found=_NOTHING
        )

    async def reconcile(self, stored: Stored[Request], working: Working) -> None:
        """Look for keys of this request; none twice in a row starts the next attempt."""
        now, held = self.transitions.clock(), stored
        trouble = working.trouble or "Latchkey stopped while it made the key."
        again = replace(working, look_at=now + SECOND_LOOK, clean=working.clean + 1, trouble=trouble)
        try:
            ours = await self.orphans.of(working)
            if ours:
                # Claimed before it is deleted: whoever makes this key and is merely slow can no longer record it.
                held, _ = await self.transitions.commit(stored, replace(again, clean=0))
                await self.orphans.delete(working, *ours)
            else:
                await self.cloud.must_see_all()
        except (Unavailable, Unknown, CloudRefused) as error:
            waiting = replace(working, look_at=now + backoff(2, error), trouble=trouble, clean=0)
            await self.transitions.commit(held, waiting)
            return
        if again.clean >= CLEAN_LISTS and not ours:
            await self._next_attempt(stored, working)
        elif not ours:
            await self.transitions.commit(stored, again)

    async def _next_attempt(self, stored: Stored[Request], working: Working) -> None:
        now = self.transitions.clock()
        # One sweep for each attempt: an earlier one that is still to come may come too early for this one's key.
        sweep = With(also={Item(ItemKind.SWEEP, working.ask.id, working.attempt): now + STRAGGLER})
        found = self.transitions.event(
            Action.CREATE_UNKNOWN, working.ask.id, marker=str(working.marker), found=_NOTHING
        )
        if working.attempt >= ATTEMPTS:
            happened = f"Confluent Cloud lost its answer {working.attempt} times."
            failed = working.fail(now, happened, "No key is left behind.", ASK_AGAIN)
            event = self.transitions.event(Action.FAILED, working.ask.id, happened=happened)
            extra = replace(sweep, also={**sweep.also, **settlement(failed, now)})
            await self.transitions.commit(stored, failed, found, event, extra=extra)
            return
        fresh = working.next_attempt(now, without_end=working.without_end)
        await self.transitions.commit(stored, fresh, found, extra=sweep)
