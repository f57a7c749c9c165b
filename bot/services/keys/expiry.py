"""What deadlines do: nobody decided, nobody took the secret, nobody heard of it again, the key's life is over."""

from dataclasses import dataclass, replace

from bot.domain import requests as states
from bot.domain.audit import Action, Event
from bot.domain.deadlines import ends_at_confluent
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.life import Life
from bot.services.keys.orphans import Orphans
from bot.services.keys.service_accounts import settlement
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions, With, backoff

EXPIRED = "It expired at Confluent Cloud."
"""What became of a key whose end Confluent keeps."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """The last steps of a request. All may raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    orphans: Orphans

    async def undeliver(
        self, stored: Stored[states.Request], state: states.Keyed, why: str, *events: Event, reissue: bool = False
    ) -> None:
        """Give a key up: from now on it is to be deleted, and with `reissue` replaced at once."""
        former = state.life.former if isinstance(state, states.Living) else None
        gone_at = former.deleted_at if former else state.grant.replaced_at
        lost = state.then(states.Undelivered, why=why, at=self.transitions.clock(), reissue=reissue)
        lost = replace(lost, grant=replace(state.grant, replaced_at=gone_at))
        event = self.transitions.event(Action.UNDELIVERED, state.ask.id, key=state.key.id, why=why)
        await self.transitions.commit(
            stored, lost, *events, event, extra=With(take_secret=isinstance(state, states.Ready))
        )

    async def expire(self, stored: Stored[states.Request], pending: states.Pending) -> None:
        """Nobody decided in time."""
        expired = pending.then(states.Expired, at=self.transitions.clock())
        await self.transitions.commit(stored, expired, self.transitions.event(Action.EXPIRED, pending.ask.id))

    async def retire(self, stored: Stored[states.Request], living: states.Shown | states.Confirmed) -> None:
        """The key has lived as long as its rule, or an extension up to Confluent's end, lets it."""
        why = EXPIRED if ends_at_confluent(living) else ""
        over = living.then(states.Retired, at=self.transitions.clock(), why=why, life=Life(former=living.life.former))
        await self.transitions.commit(
            stored, over, self.transitions.event(Action.RETIRED, living.ask.id, key=living.key.id)
        )

    async def unclaimed(self, stored: Stored[states.Request], ready: states.Ready) -> None:
        """Nobody took the secret in time: it is gone with this write, its key with the next step."""
        late = ready.then(states.Unclaimed, at=self.transitions.clock())
        event = self.transitions.event(Action.UNCLAIMED, ready.ask.id, key=ready.key.id)
        await self.transitions.commit(stored, late, event, extra=With(take_secret=True, also=settlement(late, late.at)))

    async def withdraw(self, stored: Stored[states.Request], state: states.Withdrawn) -> None:
        """Delete the key that nobody has; then, if a new one was asked for and the approval holds, begin again."""
        now = self.transitions.clock()
        if not state.tries:
            await self.orphans.intend(state, state.key)
        try:
            outcome = await self.orphans.delete_intended(state, state.key)
        except (Unavailable, Unknown, CloudRefused) as error:
            retry_at = now + backoff(state.tries, error)
            await self.transitions.commit(stored, replace(state, retry_at=retry_at, tries=state.tries + 1))
            return
        gone = replace(state, deleted_at=self.transitions.clock())
        if isinstance(gone, states.Undelivered) and gone.reissue and now < gone.grant.fresh_until:
            await self.transitions.commit(stored, gone.next_attempt(now), outcome)
            return
        await self.transitions.commit(stored, gone, outcome)
