"""Finds out what a lost answer did: looks, deletes what is there, looks again, and only then tries once more.

`Orphans` finds keys at Confluent that carry a request's marker, and deletes them with an intent on record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.audit import Action, Event
from bot.domain.deadlines import CLOCKS_APART, review_due
from bot.domain.errors import CloudRefused, LatchkeyError, Unavailable, Unknown
from bot.domain.keys import ApiKey, Marker, NewServiceAccount, RequestId
from bot.domain.requests import Approved, Failed, Granted, Keyed, Offered, Request, Working
from bot.services.agenda import Item, ItemKind, regardless_of_lease
from bot.services.keys.service_accounts import Accounts, settlement
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Stored
from bot.services.requests.transitions import STRAGGLER, Transitions, With, backoff

SECOND_LOOK = timedelta(seconds=5)
"""Between the two lists without any of our keys that have to come before the next attempt."""
CLEAN_LISTS = 2
ATTEMPTS = 5
"""How many attempts in a row may end without a clear answer before the request fails."""
_NOTHING = "nothing is left of it"
"""What the audit log says about an attempt without an answer, once nothing was found of it."""
ACCOUNT_GOES = "If the new service account was created, Latchkey will delete it."
_KEEPS_TRYING = "Latchkey will keep trying. To stop the key sooner, delete it in Confluent Cloud."


@dataclass(frozen=True, slots=True)
class Orphans:
    """Keys that attempts of a request left at Confluent. All may raise `Unavailable` and `CloudRefused`."""

    transitions: Transitions
    cloud: Cloud
    accounts: Accounts
    agenda: Agenda

    async def of(self, request: Request) -> Sequence[ApiKey]:
        """Keys that carry this request's marker, of any attempt.

        Anyone can write a marker into another key: one that is older than the request doesn't belong to it.
        """
        owner = await self.accounts.owner_of(request)
        keys = await self.cloud.keys(owner, request.ask.resource) if owner else ()
        since = request.ask.asked_at - CLOCKS_APART
        marked = (key for key in keys if (found := Marker.find(key.description)) and found.request == request.ask.id)
        return [key for key in marked if key.created_at is None or key.created_at >= since]

    async def delete(self, request: Request, *keys: ApiKey) -> None:
        """Delete these keys, one after the other, each with its intent and outcome in the audit log."""
        for key in keys:
            await self.transitions.append(self.intent(request, key))
            await self.transitions.append(await self.delete_intended(request, key, is_first=True))

    def intent(self, request: Request, key: ApiKey) -> Event:
        """The event that has to be on record before this key is deleted.

        One for all tries: a key that Confluent doesn't let us delete is tried for days, and the audit log is kept.
        """
        return self.transitions.event(Action.DELETE_INTENDED, request.ask.id, key=key.id)

    async def delete_intended(self, request: Request, key: ApiKey, *, is_first: bool = False) -> Event:
        """Delete a key whose `intent` is on record. Returns the outcome for the audit log.

        `is_first`: Latchkey hasn't tried before, so a key that is gone was deleted by someone else. A request that has
        the key on record writes the outcome together with its next state: of several tries by several processes, one
        gets there, and a deletion has one outcome.
        """
        was_there = await self.cloud.delete_key(key.id, key.owner or request.ask.owner.id, request.ask.resource)
        action = Action.FOUND_GONE if is_first and not was_there else Action.DELETED
        return self.transitions.event(action, request.ask.id, key=key.id)

    def not_deleted(self, request: Request, key: ApiKey, error: LatchkeyError) -> Event:
        """The event of a failed deletion: the key still works. One for all tries, with the first that fails."""
        what = {"key": key.id, "why": str(error), "next": _KEEPS_TRYING}
        return self.transitions.event(Action.DELETE_FAILED, request.ask.id, **what)

    async def disown(self, request: Request, key: ApiKey) -> None:
        """Delete a key that couldn't be recorded: its attempt was given up by others, or its request is gone.

        Or it was recorded, the answer was lost, and others went on from there: then its requester may have it.
        """
        stored = await self.transitions.find(request.ask.id)
        if stored and isinstance(stored.value, Keyed) and stored.value.key.id == key.id:
            return
        # All other looks for this key may be over. In case it can't be deleted now, there is one more.
        again = Item(ItemKind.SWEEP, request.ask.id, attempt_of(key))
        await self.agenda.put(again, self.transitions.clock() + STRAGGLER)
        with regardless_of_lease():
            await self.delete(request, key)


def attempt_of(key: ApiKey) -> int:
    """The number of the attempt that created this key; 0 if it carries no marker."""
    found = Marker.find(key.description)
    return found.attempt if found else 0


def left_behind(state: Approved | Offered | Working, changed: str) -> str:
    """What a failure left at Confluent: `changed`, unless role bindings or the second key of a pair may exist."""
    if state.ask.also is not None:
        other = state.ask.also.kind.row.label
        changed = (
            f"No {state.ask.resource.kind.row.label} key was created. If a {other} key was, Latchkey will delete it."
        )
    if not any(each.state in {"intended", "given"} for each in state.grant.bindings):
        return changed
    nothing = changed if state.ask.also else "No key was created."
    taken_back = f"{nothing} Latchkey will remove the access that it granted"
    is_new = isinstance(state.ask.owner, NewServiceAccount)
    return f"{taken_back} and delete the new service account." if is_new else f"{taken_back}."


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
        is_given_up = isinstance(stored.value, Failed) if present is None else attempt < present
        if not (attempt and is_given_up):
            return  # someone else has put this item on the agenda
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
        """Look for keys of this request, and delete them. Two lists in a row without one start the next attempt."""
        now, held = self.transitions.clock(), stored
        trouble = working.trouble or "Latchkey stopped while it was creating the key."
        again = replace(working, look_at=now + SECOND_LOOK, clean=working.clean + 1, trouble=trouble)
        try:
            ours = await self.orphans.of(working)
            if ours:
                # Claimed before it is deleted: a process that is slow in creating this key cannot record it now.
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
        lost = working.lost_answers + 1
        if lost >= ATTEMPTS:
            happened = f"Latchkey tried {lost} times to create the key and got no clear answer from Confluent Cloud."
            account = f" {ACCOUNT_GOES}" if isinstance(working.ask.owner, NewServiceAccount) else ""
            changed = left_behind(working, f"No key is left behind.{account}")
            failed = working.fail(now, happened, changed, "")
            said = {"happened": happened, **review_due(failed)}
            event = self.transitions.event(Action.FAILED, working.ask.id, **said)
            extra = replace(sweep, also={**sweep.also, **settlement(failed, now)})
            await self.transitions.commit(stored, failed, found, event, extra=extra)
            return
        fresh = working.next_attempt(now, without_end=working.without_end, lost=lost)
        await self.transitions.commit(stored, fresh, found, extra=sweep)
