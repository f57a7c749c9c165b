"""What happens at deadlines: no decision in time, no viewer in time, no answer, and the end of a key's lifetime.

`Backstop` has Confluent expire a key some time after Latchkey would: so it expires even if Latchkey no longer runs. Not
every organization has this: its API may honor `expires_at`, ignore it, or refuse the create because of it. The outcome
of the last create with a lifetime is remembered, which spares the next one a refusal.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal, TypeAlias

from bot.domain import requests as states
from bot.domain.approvals import GLASS_MARGIN
from bot.domain.audit import Action, Event
from bot.domain.deadlines import ends_at_confluent, lifetime
from bot.domain.errors import CloudRefused, LatchkeyError, Unavailable, Unknown
from bot.domain.keys import ApiKey
from bot.domain.requests import Approved, Life, Working
from bot.services.keys.reconcile import Orphans
from bot.services.keys.service_accounts import settlement
from bot.services.ports.store import Cache, Clock, Stored
from bot.services.requests.transitions import Transitions, With, backoff

EXPIRED = "It expired in Confluent Cloud."
"""What is said of a key that Confluent expired."""
ExpirySupport: TypeAlias = Literal["", "honored", "ignored", "refused"]
"""What the organization's API does with the field; "" if that isn't known yet."""
LEAST, MOST = timedelta(days=1), timedelta(days=30)
REMEMBERED = timedelta(days=30)
"""After that, it's tried again: the organization may have the field by then."""
REFUSED_FOR = timedelta(days=1)
"""How long a refusal spares the next creates. A single one may have had another reason; `doctor` reports it for
longer."""
_NAME = "expires_at"
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
log = logging.getLogger("latchkey.backstop")


@dataclass(frozen=True, slots=True)
class Expiry:
    """The last steps of a request. All may raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    orphans: Orphans

    async def undeliver(
        self, stored: Stored[states.Request], state: states.Keyed, why: str, *events: Event, reissue: bool = False
    ) -> None:
        """Give a key up: it's deleted from now on and, with `reissue`, replaced at once."""
        former = state.life.former if isinstance(state, states.Living) else None
        gone_at = former.deleted_at if former else state.grant.replaced_at
        lost = state.then(states.Undelivered, why=why, at=self.transitions.clock(), reissue=reissue, news=not reissue)
        lost = replace(lost, grant=replace(state.grant, replaced_at=gone_at))
        event = self.transitions.event(Action.UNDELIVERED, state.ask.id, key=state.key.id, why=why)
        await self.transitions.commit(
            stored, lost, *events, event, extra=With(take_secret=isinstance(state, states.Ready))
        )

    async def expire(self, stored: Stored[states.Request], pending: states.Pending) -> None:
        """End a request that nobody decided in time."""
        expired = pending.then(states.Expired, at=pending.expires_at, approvals=pending.approvals)
        await self.transitions.commit(stored, expired, self.transitions.event(Action.EXPIRED, pending.ask.id))

    async def remind(self, stored: Stored[states.Request], waiting: states.Ready | states.Offered) -> None:
        """Remind the requester that the secret is waiting."""
        await self.transitions.commit(stored, replace(waiting, reminded=True))

    async def retire(self, stored: Stored[states.Request], living: states.Shown | states.Confirmed) -> None:
        """End a key that has lived as long as its rule, or an extension, allows."""
        why = EXPIRED if ends_at_confluent(living) else ""
        over = living.then(states.Retired, at=self.transitions.clock(), why=why, life=Life(former=living.life.former))
        await self.transitions.commit(
            stored, over, self.transitions.event(Action.RETIRED, living.ask.id, key=living.key.id)
        )

    async def unclaimed(self, stored: Stored[states.Request], ready: states.Ready) -> None:
        """Give up a key whose secret nobody viewed in time: its secret is gone now, its key with the next step."""
        late = ready.then(states.Unclaimed, at=self.transitions.clock(), news=True)
        event = self.transitions.event(Action.UNCLAIMED, ready.ask.id, key=ready.key.id)
        await self.transitions.commit(stored, late, event, extra=With(take_secret=True, also=settlement(late, late.at)))

    async def withdraw(self, stored: Stored[states.Request], state: states.Withdrawn) -> None:
        """Delete a key that nobody has. If a new one was requested and the approval is fresh, start over."""
        now, is_first = self.transitions.clock(), not state.tries
        # Counted before it's tried: if the key is found gone later, we may have deleted it.
        intent = [self.orphans.intent(state, state.key)] if is_first else []
        begun = replace(state, tries=state.tries + 1)
        stored, _ = await self.transitions.commit(stored, begun, *intent, extra=With(durable=is_first))
        try:
            outcome = await self.orphans.delete_intended(state, state.key, is_first=is_first)
        except (Unavailable, Unknown, CloudRefused) as error:
            failed = [] if state.retry_at else [self.orphans.not_deleted(state, state.key, error)]
            await self.transitions.commit(stored, replace(begun, retry_at=now + backoff(state.tries, error)), *failed)
            return
        gone = replace(state, deleted_at=self.transitions.clock())
        if isinstance(gone, states.Undelivered) and gone.reissue and now < gone.grant.fresh_until:
            again = gone.next_attempt(now)
            outcome = replace(outcome, details={**outcome.details, "attempt": str(again.attempt)})
            await self.transitions.commit(stored, again, outcome)
            return
        if isinstance(gone, states.Undelivered) and gone.reissue:
            gone = replace(gone, news=True)  # the approval ended meanwhile, so no other key follows
        await self.transitions.commit(stored, gone, outcome)


def margin(lasts: timedelta) -> timedelta:
    """How long after Latchkey Confluent should expire a key that lives for `lasts`.

    As long again, but at least a day and at most 30: so Latchkey's own deletion, with its reminders and its audit line,
    is the normal end, and one extension is possible. Nobody can move Confluent's end.
    """
    return min(max(lasts, LEAST), MOST)


@dataclass(frozen=True, slots=True)
class Backstop:
    """Asks Confluent to expire keys. Every method may raise `Unavailable`."""

    cache: Cache
    clock: Clock

    async def known(self) -> ExpirySupport:
        """What is remembered of the organization's API."""
        return (await self._last())[0]

    async def wanted(self, approved: Approved) -> datetime | None:
        """When Confluent should expire the key; None without a lifetime, or if the API is known to refuse that."""
        lasts = lifetime(approved.ask, approved.terms)
        if lasts is None or approved.without_end:
            return None
        said, at = await self._last()
        if said == "refused" and self.clock() - at < REFUSED_FOR:
            return None
        end, glass = self.clock() + lasts, approved.grant.glass
        end = min(end, glass.ends_at) + GLASS_MARGIN if glass else end + margin(lasts)
        return end.replace(microsecond=0)

    async def learn(self, said: ExpirySupport) -> None:
        """Remember the outcome of a create. The key is already recorded, so this never fails."""
        if said:
            with suppress(Unavailable):
                await self.cache.put(_NAME, said, str, now=self.clock(), keep=REMEMBERED)

    async def _last(self) -> tuple[ExpirySupport, datetime]:
        """The outcome of the last create with a lifetime, and when that was."""
        cached = await self.cache.get(_NAME, str)
        said, at = cached or ("", self.clock())
        match said:
            case "honored" | "ignored" | "refused":
                return said, at
            case _:
                return "", at


def may_be_to_blame(working: Working, error: LatchkeyError) -> bool:
    """Whether the create may have been refused because of the field: only an attempt without it can tell."""
    return working.expires_at is not None and isinstance(error, CloudRefused) and error.status in _REFUSALS


def met(working: Working, key: ApiKey) -> ExpirySupport:
    """What a create shows about the API."""
    if working.without_end:
        return "refused"
    if working.expires_at is None:
        return ""
    return "honored" if key.expires_at else "ignored"
