"""The lifetime of a key that its requester has: reminders of its end, and the key that it replaced."""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.audit import Action, Event
from bot.domain.deadlines import capped, end_of_overlap, longest_overlap, next_look, own_end, reminders_behind, shown_at
from bot.domain.errors import CloudRefused, Refused, Unavailable, Unknown, plain
from bot.domain.keys import RequestId
from bot.domain.requests import A_DAY_LONGER, MOST_OVERLAP, Living, ReplacedKey, Request, Retired
from bot.services.agenda import Item, ItemKind
from bot.services.keys.expiry import Expiry
from bot.services.keys.origin import Origin
from bot.services.keys.reconcile import Orphans
from bot.services.ports.store import Stored
from bot.services.requests.deciders import called
from bot.services.requests.transitions import Transitions, With, backoff, persistently
from bot.services.text import when


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The steps of Shown and Confirmed. All may raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    expiry: Expiry
    orphans: Orphans
    origin: Origin

    async def step(self, stored: Stored[Request], living: Living) -> None:
        """Do what is due: delete the old key, expire this one, or remind the requester that it expires, in this order.

        Now and then, have it checked that the key still exists.
        """
        now = self.transitions.clock()
        overlap, end = end_of_overlap(living), own_end(living)
        if overlap and overlap <= now:
            await self._drop(stored, living)
        elif end and end <= now:
            await self.expiry.retire(stored, living)
        else:
            looks = next_look(living) <= now
            looked_at = now if looks else living.life.looked_at
            life = replace(living.life, reminded=reminders_behind(living, now), looked_at=looked_at)
            extra = With(also={Item(ItemKind.GONE, living.ask.id): now} if looks else {})
            await self.transitions.commit(stored, replace(living, life=life), extra=extra)

    async def wind_up(self, stored: Stored[Request], retired: Retired) -> None:
        """Delete, at the end of the key's lifetime, the key that it replaced, if that is still there, and itself."""
        overlap = end_of_overlap(retired)
        if overlap and overlap <= self.transitions.clock():
            await self._drop(stored, retired)
        elif retired.deleted_at is None:
            await self.expiry.withdraw(stored, retired)

    async def longer(self, stored: Stored[Request], actor: str, *, seen: int = 0) -> str:
        """Keep the old key for another day. Returns a sentence. Raises `Refused` if it's gone, or can't be kept longer.

        Does nothing if its end is no longer the one that was `seen`, in seconds since 1970: the same button was pressed
        twice.
        """
        living, former = _former(stored.value)
        if seen and seen != int(former.until.timestamp()):
            return f"{_old(living)} is already kept until {when(former.until)}."
        until = min(former.until + A_DAY_LONGER, longest_overlap(living))
        if until <= former.until or former.until <= self.transitions.clock():
            raise Refused(f"{_old(living)} can't be kept longer than {when(former.until)}. Nothing changed.")
        await self._plan(stored, living, until, actor)
        return f"{_old(living)} is kept until {when(until)}."

    async def drop_now(self, stored: Stored[Request], actor: str) -> str:
        """Have the old key deleted now. Returns a sentence. Raises `Refused` if it's gone."""
        living, former = _former(stored.value)
        if former.until <= self.transitions.clock() and former.retry_at is None:
            return f"{_old(living)} is already being deleted."
        await self._plan(stored, living, min(self.transitions.clock(), former.until), actor)
        return f"{_old(living)} is being deleted. Anything still using it stops working now."

    async def _plan(self, stored: Stored[Request], living: Living | Retired, until: datetime, actor: str) -> None:
        life = replace(living.life, former=ReplacedKey(until))
        key = living.ask.key.id if living.ask.key else ""
        event = self.transitions.event(Action.OVERLAP_CHANGED, living.ask.id, actor, key=key, until=str(until))
        await self.transitions.commit(stored, replace(living, life=life), event)

    async def _drop(self, stored: Stored[Request], living: Living | Retired) -> None:
        """Delete the key that was replaced. If Latchkey created it, its own request is updated first."""
        former, key, now = living.life.former, living.ask.key, self.transitions.clock()
        if former is None or key is None:
            return
        # Claimed first: someone who was just told that it's kept for another day must not lose it to an old record. And
        # counted: if the key is found gone later, we may have deleted it.
        is_first = not former.tries
        intent = [self.orphans.intent(living, key)] if is_first else []
        begun = replace(former, tries=former.tries + 1)
        claimed = replace(living, life=replace(living.life, former=begun))
        held, _ = await self.transitions.commit(stored, claimed, *intent, extra=With(durable=is_first))
        try:
            # A key that was gone before its time was deleted by none of our tries, however many there were.
            is_others = is_first or await self.origin.was_gone(key, former.until)
            outcome = await self.orphans.delete_intended(living, key, is_first=is_others)
        except (Unavailable, Unknown, CloudRefused) as error:
            again = replace(begun, retry_at=now + backoff(former.tries, error))
            failed = [] if former.retry_at else [self.orphans.not_deleted(living, key, error)]
            await self.transitions.commit(held, replace(living, life=replace(living.life, former=again)), *failed)
            return
        await self.origin.ended(key, f"Key `{plain(living.key.id)}` replaced it.", living.ask.requester)
        await persistently(lambda: self._dropped(living.ask.id, outcome))

    async def _dropped(self, request: RequestId, outcome: Event) -> None:
        """Record that the old key is gone. The new one may have been replaced itself meanwhile."""
        stored = await self.transitions.get(request)
        state = stored.value
        if not isinstance(state, Living | Retired) or state.life.former is None or state.life.former.deleted_at:
            return  # another process took this over, and was first
        gone = replace(state.life.former, deleted_at=self.transitions.clock(), retry_at=None)
        await self.transitions.commit(stored, replace(state, life=replace(state.life, former=gone)), outcome)


def former_of(living: Living) -> ReplacedKey | None:
    """The plan for the key that a rotation replaces, counted from when the new secret was shown."""
    if living.ask.key is None:
        return None
    if gone_at := living.grant.replaced_at:
        return ReplacedKey(gone_at, deleted_at=gone_at)
    overlap = min(living.ask.overlap, living.terms.overlap, MOST_OVERLAP)
    return ReplacedKey(capped(shown_at(living) + overlap, living))


def _former(state: Request) -> tuple[Living | Retired, ReplacedKey]:
    if not isinstance(state, Living | Retired) or state.life.former is None:
        raise Refused("There's no old key left. Nothing changed.")
    if state.life.former.deleted_at:
        raise Refused(f"{_old(state)} was deleted {when(state.life.former.deleted_at)}. Nothing changed.")
    return state, state.life.former


def _old(state: Living | Retired) -> str:
    """The key that was replaced, in mrkdwn, to begin a sentence: there may be several such answers in a row."""
    key = f" `{plain(state.ask.key.id)}`" if state.ask.key else ""
    return f"The old key{key} (replaced by {called(state)})"
