"""Keeps the record of the request that created a key true when the key is deleted, edited or extended elsewhere.

Confluent doesn't report keys that were deleted outside Latchkey, so they are looked for when they are missed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.access import WantedBinding
from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.deadlines import (
    CLOCKS_APART,
    earliest,
    end_of_life,
    has_expired,
    in_force,
    is_shorter,
    reminders_behind,
    shown_at,
)
from bot.domain.errors import Refused, Tampered
from bot.domain.keys import ApiKey, Person, RequestId
from bot.domain.requests import Life, Living, Ready, Request, Retired, Revealing
from bot.services.agenda import Item
from bot.services.browse.key import managed, present
from bot.services.keys.expiry import EXPIRED
from bot.services.keys.role_bindings import give_up, given
from bot.services.keys.service_accounts import settlement
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Requests, Stored
from bot.services.requests.transitions import Transitions, With, persistently
from bot.services.text import shorter

log = logging.getLogger("latchkey.following")
SETTLED = timedelta(minutes=10)
"""While the secret was shown more recently than this, a list without the key may only be late."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Updates that record. Each method does nothing for a key that Latchkey didn't create, or the second time."""

    transitions: Transitions
    requests: Requests
    cloud: Cloud

    async def maker(self, key: ApiKey) -> Stored[Request] | None:
        """The request that created this key: the marker names it, and its record names the key. Else None."""
        try:
            return await managed(key, self.requests)
        except Tampered as error:
            # What was done to the key is done, and has to be said: one bad record must not hide that.
            log.warning("couldn't read a key's record", extra={"key": key.id, "why": str(error)})
            return None

    async def was_gone(self, key: ApiKey, by: datetime) -> bool:
        """Whether the record of the request that created this key says that it was deleted before `by`."""
        stored = await self.maker(key)
        state = stored.value if stored else None
        return isinstance(state, Retired) and state.deleted_at is not None and state.deleted_at < by

    async def ended_by_other(self, key: ApiKey, than: Person) -> bool:
        """Whether the record of the request that created this key says that another person deleted it in Latchkey."""
        stored = await self.maker(key)
        state = stored.value if stored else None
        return isinstance(state, Retired) and state.by is not None and not state.by.is_same_as(than)

    async def access_left(self, key: ApiKey) -> tuple[WantedBinding, ...]:
        """The roles that Latchkey granted with this key, and that its account keeps when the key is deleted."""
        stored = await self.maker(key)
        return given(stored.value) if stored else ()

    async def ended(self, key: ApiKey, why: str, by: Person | None = None) -> None:
        """Record that the key was deleted at Confluent. `why` is a sentence for people."""

        async def step() -> None:
            stored = await self.maker(key)
            state = stored.value if stored else None
            if stored is None or not isinstance(state, Ready | Revealing | Living):
                return
            now, life = self.transitions.clock(), Life(former=state.life.former)
            over: Request = state.then(Retired, at=now, deleted_at=now, why=why, by=by, life=life)
            event = self.transitions.event(
                Action.RETIRED, state.ask.id, by.slack if by else "latchkey", key=key.id, why=why
            )
            events, is_new = [event], isinstance(state, Ready)
            if is_new:  # nobody has seen its secret
                over, intents = give_up(over, self.transitions)
                events += intents
            extra = With(take_secret=is_new, also=settlement(over, now) if is_new else {})
            await self.transitions.commit(stored, over, *events, extra=extra)

        await persistently(step)

    async def look(self, item: Item) -> datetime | None:
        """Carry out an item `GONE`: check whether the key exists, and if not, have its request say so.

        May raise `Unavailable` and `CloudRefused`.
        """
        stored = await self.transitions.find(RequestId(item.id))
        state = stored.value if stored else None
        if not isinstance(state, Living) or self.transitions.clock() - shown_at(state) < SETTLED:
            return None
        key = state.key
        found = await present(key, Target(state.ask.owner, state.ask.resource), self.cloud)
        if found is not None:
            await self.expires(found)
            return None
        await self.transitions.record(Action.FOUND_GONE, state.ask.id, key=key.id)
        await self.ended(key, why_gone(key, self.transitions.clock()))
        return None

    async def edited(self, key: ApiKey) -> None:
        """Record that the key has another name or description. `key` is as Confluent reports it now."""

        async def step() -> None:
            stored = await self.maker(key)
            state = stored.value if stored else None
            if stored is None or not isinstance(state, Ready | Living):
                return
            # Nothing else: what an answer leaves out, or has wrong, must not move the key's end.
            renamed = replace(state, key=replace(state.key, name=key.name, description=key.description))
            if renamed != state:
                await self.transitions.commit(stored, renamed)

        await persistently(step)

    async def expires(self, key: ApiKey) -> None:
        """Record when Confluent expires this key, which its answer to the create may have left out.

        A moment that has passed doesn't count, because the key still exists.
        """
        now = self.transitions.clock()

        def learned(state: Living) -> Living:
            known = in_force(state.key.expires_at, now - CLOCKS_APART)
            return replace(state, key=replace(state.key, expires_at=earliest(known, in_force(key.expires_at, now))))

        await self._change(key, learned)

    async def extended(self, key: ApiKey, ends_at: datetime | None, by: RequestId) -> bool:
        """Record that the key expires later, or never (None). Returns whether there is such a key, viewed by someone.

        Raises `Refused` if it would expire earlier: an approval of an extension doesn't cover that.
        """
        now = self.transitions.clock()

        def longer(state: Living) -> Living:
            if state.life.extended_by == by:
                return state
            until, end = earliest(ends_at, in_force(state.key.expires_at, now)), end_of_life(state)
            if is_shorter(until, end):
                raise Refused(shorter(end))
            life = replace(state.life, ends_at=until, endless=until is None, extended_by=by, extended_at=now)
            return replace(state, life=replace(life, reminded=reminders_behind(replace(state, life=life), now)))

        moved = {"key": str(key.id), "ends_at": str(ends_at or "never"), "by": str(by)}
        return await self._change(key, longer, moved)

    async def was_extended(self, key: ApiKey, by: RequestId) -> bool:
        """Whether this request was the last to extend the key."""
        stored = await self.maker(key)
        return stored is not None and isinstance(stored.value, Living) and stored.value.life.extended_by == by

    async def _change(
        self, key: ApiKey, change: Callable[[Living], Living], moved: Mapping[str, str] | None = None
    ) -> bool:
        """Change the record of a key that someone has viewed; with an audit line if that `moved` its end."""

        async def step() -> bool:
            stored = await self.maker(key)
            if stored is None or not isinstance(stored.value, Living):
                return False
            changed = change(stored.value)
            if changed != stored.value:
                events = [self.transitions.event(Action.END_MOVED, changed.ask.id, **moved)] if moved else []
                await self.transitions.commit(stored, changed, *events)
            return True

        return await persistently(step)


def why_gone(key: ApiKey, now: datetime) -> str:
    """What became of a key that Confluent no longer has: a sentence for people."""
    return EXPIRED if has_expired(key, now) else "Someone deleted it outside Latchkey."
