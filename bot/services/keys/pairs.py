"""The second key of a pair: created from a record of its own, next to the request that was approved for both.

The request leads: its record alone says what becomes of both keys. It creates its own key once the second one is ready;
its secret is claimed first, and one message shows both. One write of the request says that they were shown, or given
up, and the second record follows. Once both were shown, each is a record like any other.

A request starts over only after its second key was given up. By then that record has moved on, so a process with an
outdated request gets a `Conflict`, and deletes no key that was created since.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.domain import requests as states
from bot.domain.approvals import Grant
from bot.domain.audit import Action, Event
from bot.domain.deadlines import shown_at
from bot.domain.errors import Refused, plain
from bot.domain.keys import RequestId, Secret
from bot.domain.readiness import OtherKey
from bot.domain.requests import Approved, Ask, Confirmed, Failed, Ready, Request, Revealing, Shown, Working
from bot.services.keys.expiry import Expiry
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions, With, persistently, summary

SOON = timedelta(seconds=1)
"""How soon the other record of a pair is checked again."""
CLAIMED_FOR = timedelta(minutes=1)
"""How long a claimed second key waits for the request to say whether the message was sent. That takes less."""
_TOGETHER = "The request that it belongs to ended without a key."
_LOST = "Latchkey stopped while it was showing the secret, so it can't tell whether you saw it."


@dataclass(frozen=True, slots=True)
class Wait:
    """The second key isn't ready. `trouble` says why, if something is in its way."""

    until: datetime
    trouble: str = ""


Claimed: TypeAlias = tuple[Ready, Secret | None]
"""The second key as it was when it was ready, and its secret, or None if that doesn't open."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the two records of a pair do for each other. All may raise `Unavailable`."""

    transitions: Transitions
    expiry: Expiry

    async def second(self, approved: Approved) -> Ready | Wait:
        """The second key of this request once it's ready. It's started if there is none, and again if it was given up.

        Raises `Refused` if there will be none, `Conflict` if someone was first.
        """
        ask, now = _companion(approved.ask), self.transitions.clock()
        stored = await self.transitions.find(ask.id)
        if stored is None:
            first = Approved(ask, approved.terms, _grant_of(approved), 1, not_before=now)
            await self.transitions.commit(None, first, self._paired(first))
            return Wait(now + SOON)
        match stored.value:
            case Ready() as ready:
                return ready
            case Approved() as waiting:
                return Wait(max(waiting.not_before, now) + SOON, waiting.trouble)
            case Working() as working:
                return Wait(now + max(SOON, (now - working.sent_at) / 2), working.trouble)
            case states.Undelivered() | states.Unclaimed() as gone if gone.deleted_at:
                again = replace(gone.next_attempt(now), terms=approved.terms, grant=_grant_of(approved))
                by = ask.requester.slack
                event = self.transitions.event(Action.REPLACEMENT_ASKED, ask.id, by, key=gone.key.id)
                await self.transitions.commit(stored, again, event)
                return Wait(now + SOON)
            case states.Undelivered() | states.Unclaimed() as given_up:
                return Wait(given_up.retry_at or now + SOON, _still_there(given_up))
            case Revealing():
                return Wait(now + SOON)
            case Failed() as failed:
                raise Refused(f"{_called(ask)} couldn't be created. {failed.happened}")
            case _:
                raise Refused(f"{_called(ask)} was deleted or replaced in the meantime.")

    async def can_be_replaced(self, request: Request) -> bool:
        """Whether both keys of this request can be replaced together. Not once the second one ended on its own."""
        if request.ask.also is None:
            return True
        stored = await self.transitions.find(_companion(request.ask).id)
        return stored is not None and not isinstance(stored.value, states.Retired | Failed)

    def _paired(self, first: Approved) -> Event:
        given = " ".join(each.by.slack for each in first.grant.approvals)
        said = {**summary(first.ask), "rule": first.terms.rule, "missing": "0", "approvals": given}
        return self.transitions.event(Action.PAIRED, first.ask.id, **said, beside=str(first.ask.beside))

    async def claim(self, ready: Ready, actor: str) -> Claimed | None:
        """Take the secret of the second key out of the store, after that of the request; None if it isn't there.

        A second key that is claimed and not shown is given up with the request.
        """

        async def step() -> Claimed | None:
            stored = await self.transitions.find(_companion(ready.ask).id)
            second = stored.value if stored else None
            if stored is None or not isinstance(second, Ready):
                return None
            life = replace(second.life, probe=replace(second.life.probe, next_at=None), endpoints=second.endpoints)
            revealing = second.then(Revealing, until=self.transitions.clock() + CLAIMED_FOR, life=life)
            event = self.transitions.event(Action.SHOW_INTENDED, second.ask.id, actor, key=second.key.id)
            _, secret = await self.transitions.commit(
                stored, revealing, event, extra=With(take_secret=True, durable=True)
            )
            return second, secret

        return await persistently(step)

    async def follow(self, request: Request) -> None:
        """Update the second key to what the request says: shown, saved or given up. Takes either record of the pair."""
        ask = request.ask
        if ask.also is not None:
            await persistently(lambda: self._follow(_companion(ask).id, ask.id))
        elif (first := ask.beside) is not None:
            await persistently(lambda: self._follow(ask.id, first))

    async def _follow(self, second: RequestId, first: RequestId) -> None:
        # In this order: if the request starts over in between, the second record moves on before that.
        stored, request = await self.transitions.find(second), await self.transitions.find(first)
        if stored is not None:
            await self._be_as(stored, request.value if request else None)
        if stored is not None and request is not None:
            await self._tell(stored.value, request)

    async def give_up(self, request: states.Withdrawn) -> None:
        """Give up the second key, and try once to delete it, so that what is said about the first one holds for both.

        Call this before the first one is deleted, and before another attempt can start.
        """
        await self.follow(request)
        stored = await self.transitions.find(_companion(request.ask).id) if request.ask.also else None
        second = stored.value if stored else None
        if stored and isinstance(second, _GIVEN_UP) and not (second.deleted_at or second.tries):
            await self.expiry.withdraw(stored, second)
            await self.follow(request)

    async def _tell(self, second: Request, stored: Stored[Request]) -> None:
        """Record with the request whether the second key works, or can't be deleted: its messages are about both."""
        request = stored.value
        if isinstance(request, states.Withdrawn | Failed):
            left = second.key.id if isinstance(second, _GIVEN_UP) and _is_left(second) else None
            if request.left != left:
                await self.transitions.commit(stored, replace(request, left=left))
            return
        if not isinstance(second, Ready) or not isinstance(request, Ready) or request.life.other is None:
            return
        known, probe = request.life.other, second.life.probe
        if (known.key, known.probe.verdict) == (second.key, probe.verdict) and bool(known.probe.next_at) == bool(
            probe.next_at
        ):
            return
        life = replace(request.life, other=OtherKey(second.key, second.endpoints, probe))
        await self.transitions.commit(stored, replace(request, life=life))

    async def _be_as(self, stored: Stored[Request], request: Request | None) -> None:
        match stored.value, request:
            case Revealing() as second, (Shown() | Confirmed()) as living:
                shown = second.then(Shown, at=shown_at(living), life=second.life)
                shown_it = self._event(Action.SHOWN, second)
                await self.transitions.commit(stored, shown, shown_it)
            case Shown() as second, Confirmed() as living:
                confirmed = second.then(Confirmed, shown_at=second.at, at=living.at, life=second.life)
                await self.transitions.commit(stored, confirmed, self._event(Action.CONFIRMED, second))
            case Ready() as second, states.Unclaimed():
                await self.expiry.unclaimed(stored, second)
            case (Ready() | Revealing()) as second, other if not isinstance(other, _GOING_ON):
                await self.expiry.undeliver(stored, second, _TOGETHER)
            case (Shown() | Confirmed()) as second, states.Undelivered():  # both are to be replaced
                await self.expiry.undeliver(stored, second, _TOGETHER)
            case _:
                return

    def _event(self, action: Action, second: Revealing | Shown) -> Event:
        return self.transitions.event(action, second.ask.id, second.ask.requester.slack, key=second.key.id)

    async def step(self, stored: Stored[Request]) -> bool:
        """Take the step of a second key whose own deadline has passed. Returns False for any other record.

        While the request is showing both, it waits: the outcome is the request's to say.
        """
        second, now = stored.value, self.transitions.clock()
        if second.ask.beside is None or not isinstance(second, Ready | Revealing):
            return False
        if isinstance(second, Ready) and now < second.claim_by:
            return False
        first = await self.transitions.find(second.ask.beside)
        match second, first.value if first else None:
            case Ready(), Revealing():
                await self.transitions.commit(stored, replace(second, claim_by=now + CLAIMED_FOR))
            case Revealing(), Revealing():
                await self.transitions.commit(stored, replace(second, until=now + CLAIMED_FOR))
            case Revealing(), (Shown() | Confirmed()) as living:
                await self._be_as(stored, living)
            case Ready(), _:
                await self.expiry.unclaimed(stored, second)
            case Revealing(), _:
                await self.expiry.undeliver(stored, second, _LOST)
        return True


_GOING_ON = (Approved, Working, Ready, Revealing, Shown, Confirmed)
"""The states of a request whose second key may still be shown."""


_GIVEN_UP = (states.Undelivered, states.Unclaimed)
"""The states of a second key that nobody will view."""


def _is_left(second: states.Undelivered | states.Unclaimed) -> bool:
    """Whether its deletion was tried and failed."""
    return second.deleted_at is None and second.tries > 0


def _still_there(second: states.Undelivered | states.Unclaimed) -> str:
    """Why another pair can't be created yet: a sentence, "" for nothing that takes longer than a moment."""
    key = plain(second.key.id)
    return f"Key `{key}` of the previous pair couldn't be deleted yet." if _is_left(second) else ""


def _companion(ask: Ask) -> Ask:
    """What the second key of a pair is requested with. Raises `ValueError` for a request for one key."""
    companion = ask.companion()
    if companion is None:
        raise ValueError("this request is for one key")
    return companion


def _grant_of(approved: Approved) -> Grant:
    """The same approvals for the second key. What comes with the first one, and who is told, stays with the request."""
    return replace(approved.grant, replaced_at=None, told=None, bindings=())


def _called(ask: Ask) -> str:
    return f"The {ask.resource.kind.row.label} API key"
