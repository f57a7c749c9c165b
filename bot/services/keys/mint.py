"""Making a key at the requester's own click (`mint: on_claim`), so that its secret is never stored."""

from dataclasses import dataclass
from datetime import timedelta

from bot.domain.audit import Action
from bot.domain.errors import Conflict, LatchkeyError, Unavailable, Unknown
from bot.domain.keys import Secret
from bot.domain.requests import Approved, Offered, Ready, Request, Revealing, Working
from bot.services.keys.backstop import Backstop
from bot.services.keys.create import NOTHING_CHANGED, Creation
from bot.services.keys.orphans import Orphans
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions, With

ON_ITS_WAY = timedelta(seconds=30)
"""How long the one message may take before the secret counts as lost."""
_NOT_NOW = "The key could not be made. The message about it says what happened."


@dataclass(frozen=True, slots=True)
class MintOnClaim:
    """From an offer to a key whose secret is in this process's hands and nowhere else."""

    transitions: Transitions
    creation: Creation
    orphans: Orphans
    backstop: Backstop

    async def mint(
        self, stored: Stored[Request], offered: Offered, actor: str
    ) -> tuple[Stored[Revealing], Ready, Secret] | str:
        """Make the key now; the record then says that it is being shown. A sentence when no key was made.

        Raises `Conflict` when another click was first, `Unavailable` when nothing was tried.
        """
        now = self.transitions.clock()
        approved = offered.then(Approved, not_before=now, without_end=offered.without_end)
        try:
            endpoints = await self.creation.permitted(approved)
        except (Unavailable, Unknown):
            raise
        except LatchkeyError as error:
            step = "Ask again with `/apikey create`."
            await self.creation.fail(stored, offered, error.happened, NOTHING_CHANGED, step)
            return f"{error.happened} {NOTHING_CHANGED}"
        made = await self.creation.create(stored, approved)
        if made is None:
            return _NOT_NOW
        ready = made.working.value.then(Ready, key=made.key, endpoints=endpoints, claim_by=offered.claim_by)
        claimed = await self._claimed(made.working, ready, actor)
        await self.backstop.learn(made.said)
        return claimed, ready, made.secret

    async def _claimed(self, working: Stored[Working], ready: Ready, actor: str) -> Stored[Revealing]:
        transitions, key = self.transitions, ready.key
        revealing = ready.then(Revealing, until=transitions.clock() + ON_ITS_WAY)
        events = (
            transitions.event(Action.CREATED, ready.ask.id, key=key.id, marker=str(working.value.marker)),
            transitions.event(Action.SHOW_INTENDED, ready.ask.id, actor, key=key.id),
        )
        try:
            written, _ = await transitions.commit(working, revealing, *events, extra=With(durable=True))
        except Conflict:  # somebody took this attempt for dead; its key must not outlive that
            await self.orphans.delete(working.value, key)
            raise
        return written
