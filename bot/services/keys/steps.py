"""Advances one request by one repeatable step: create its key, reconcile, delete, expire.

A worker calls `advance` on a request whose deadline has come. Every step first writes what it's about to do, so the
process that finds the request after a crash knows what may have happened. Nothing here is kept in memory.
"""

from dataclasses import dataclass

from bot.domain import requests as states
from bot.domain.deadlines import claim_reminder
from bot.services.keys.change import KeyChanges
from bot.services.keys.create import NOTHING_CHANGED, Creation
from bot.services.keys.expiry import Expiry
from bot.services.keys.lifecycle import Lifecycle
from bot.services.keys.pairs import Pairs
from bot.services.keys.probe import Probes
from bot.services.keys.reconcile import Reconciliation
from bot.services.ports.store import Stored
from bot.services.requests.conversation import Conversations
from bot.services.requests.glass import GlassUses
from bot.services.requests.remind import Reminders
from bot.services.requests.transitions import Transitions


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps. All may raise `Conflict` (someone was first: nothing to do) and `Unavailable` (try again later)."""

    transitions: Transitions
    reminders: Reminders
    conversations: Conversations
    creation: Creation
    reconciliation: Reconciliation
    key_changes: KeyChanges
    expiry: Expiry
    lifecycle: Lifecycle
    probes: Probes
    pairs: Pairs
    glass_uses: GlassUses

    async def advance(self, stored: Stored[states.Request]) -> None:
        """Take the step that is due. Does nothing for a request at rest."""
        if await self.pairs.step(stored) or await self.glass_uses.step(stored):
            return
        now = self.transitions.clock()
        match stored.value:
            case states.Pending() as pending if now < pending.expires_at:
                await self._while_pending(stored, pending)
            case states.Pending() as pending:
                await self.expiry.expire(stored, pending)
            case states.Approved() as approved if approved.ask.makes_key:
                await self.creation.make(stored, approved)
            case states.Approved() as approved:
                await self.key_changes.begin(stored, approved)
            case states.Working() as working if working.ask.makes_key:
                await self.reconciliation.reconcile(stored, working)
            case states.Working() as working:
                await self.key_changes.finish(stored, working)
            case states.Offered() as offered if now < offered.claim_by:
                await self.expiry.remind(stored, offered)
            case states.Offered() as offered:
                await self.creation.fail(stored, offered, "The secret wasn't viewed in time.", NOTHING_CHANGED, "")
            case _:
                await self._with_key(stored)

    async def _while_pending(self, stored: Stored[states.Request], pending: states.Pending) -> None:
        """Send reminders, or forget posted texts. If both are due, this is called again."""
        is_due = pending.next_round is not None and pending.next_round <= self.transitions.clock()
        if is_due or pending.forget_at is None:
            await self.reminders.tell(stored, pending)
        else:
            await self.conversations.forget(stored, pending)

    async def _with_key(self, stored: Stored[states.Request]) -> None:
        now = self.transitions.clock()
        match stored.value:
            case states.Ready() as ready if (at := claim_reminder(ready)) and at <= now < ready.claim_by:
                await self.expiry.remind(stored, ready)
            case states.Ready() as ready if now < ready.claim_by:
                await self.probes.probe(stored, ready)
            case states.Ready() as ready:
                await self.expiry.unclaimed(stored, ready)
            case states.Revealing() as revealing:
                why = "Latchkey stopped while it was showing the secret, so it can't tell whether you saw it."
                await self.expiry.undeliver(stored, revealing, why)
            case states.Shown() | states.Confirmed() as living:
                await self.lifecycle.step(stored, living)
            case states.Retired() as retired:
                await self.lifecycle.wind_up(stored, retired)
            case states.Undelivered() | states.Unclaimed() as withdrawn if withdrawn.deleted_at is None:
                await self.pairs.give_up(withdrawn)
                await self.expiry.withdraw(stored, withdrawn)
            case _:
                return
