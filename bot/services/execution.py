"""Advancing one request by one step that may be repeated: make its key, reconcile, delete, expire.

A worker calls `advance` on a request whose deadline has come. Every step first writes what it is about to do, so
that whoever finds the request after a crash knows what may have happened. Nothing here is kept in memory.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.audit import Action, Event
from bot.domain.catalog import Endpoints
from bot.domain.decision import Allowed, Forbidden, decide
from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, Refused, Throttled, Unavailable, Unknown
from bot.domain.keys import ApiKey, KeyId, Marker, RequestId, Secret
from bot.domain.requests import (
    Approved,
    Expired,
    Failed,
    Keyed,
    Offered,
    Pending,
    Ready,
    Request,
    Revealing,
    Unclaimed,
    Undelivered,
    Working,
)
from bot.services.ledger import Ledger, With
from bot.services.ports import NewKey, Stored
from bot.services.requests import Desk

SENT_FOR = timedelta(seconds=30)
"""After this, a create that nobody heard of again is looked for. Longer than the client waits for an answer."""
SECOND_LOOK = timedelta(seconds=5)
"""Between two lists that have to show none of our keys before the next attempt."""
CLEAN_LISTS = 2
ATTEMPTS = 5
"""How many answers Confluent may lose before the request fails."""
STRAGGLER = timedelta(minutes=3)
"""When to look once more for a key that turned up after its attempt was given up."""
BACKOFF = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2))
NOTHING_CHANGED = "Nothing was changed at Confluent Cloud."


@dataclass(frozen=True, slots=True)
class Execution:
    """The steps. All may raise `Conflict` (somebody was first: nothing to do) and `Unavailable` (again later)."""

    ledger: Ledger
    desk: Desk

    async def advance(self, stored: Stored[Request]) -> None:
        """Take the step that is due; at rest, do nothing."""
        match stored.value:
            case Pending() as pending if self.ledger.clock() < pending.expires_at:
                await self.desk.asking.tell(stored, pending)
            case Pending() as pending:
                await self._expire(stored, pending)
            case Approved() as approved:
                await self._make(stored, approved)
            case Working() as working:
                await self._reconcile(stored, working)
            case Offered() as offered:
                await self.fail(stored, offered, "Nobody asked for the secret in time.", NOTHING_CHANGED, _ASK_AGAIN)
            case Ready() as ready:
                await self._unclaimed(stored, ready)
            case Revealing() as revealing:
                why = "Latchkey stopped while the secret was on its way, so it cannot tell whether you saw it."
                await self.undeliver(stored, revealing, why)
            case Undelivered() | Unclaimed() as withdrawn if withdrawn.deleted_at is None:
                await self._withdraw(stored, withdrawn)
            case _:
                return

    async def undeliver(
        self, stored: Stored[Request], state: Keyed, why: str, *events: Event, reissue: bool = False
    ) -> None:
        """Give a key up: from now on it is to be deleted, and with `reissue` replaced at once."""
        lost = Undelivered(
            state.ask, state.terms, state.grant, state.attempt, state.key, why, self.ledger.clock(), reissue
        )
        event = self.ledger.event(Action.UNDELIVERED, state.ask.id, key=state.key.id, why=why)
        await self.ledger.move(stored, lost, *events, event, extra=With(take_secret=isinstance(state, Ready)))

    async def sweep(self, request: RequestId, attempt: int) -> None:
        """Delete keys of attempts that were given up, such as this one; the present attempt's key is left alone."""
        stored = await self.ledger.get(request)
        present = getattr(stored.value, "attempt", None)
        kept = stored.value.key.id if isinstance(stored.value, Keyed) else None
        keys = [
            key
            for key in await self._ours(stored.value)
            if key.id != kept and (present is None or _attempt(key) < present)
        ]
        await self._delete(stored.value, keys)
        await self.ledger.record(Action.CREATE_UNKNOWN, request, marker=str(Marker(request, attempt)), found=_NOTHING)

    # --- making a key -----------------------------------------------------------------------------------------------

    async def _make(self, stored: Stored[Request], approved: Approved) -> None:
        if approved.terms.mint == "on_claim":
            await self.ledger.move(stored, offered(approved))
            return
        try:
            endpoints = await self.permitted(approved)
        except (Unavailable, Unknown) as error:
            await self._later(stored, approved, error)
            return
        except CloudRefused as error:
            await self.fail(stored, approved, error.detail, NOTHING_CHANGED, _next_step(error), error.reference)
            return
        except LatchkeyError as error:
            await self.fail(stored, approved, error.tell, NOTHING_CHANGED, _ASK_AGAIN)
            return
        working = await self.intend(stored, approved)
        try:
            key, secret = await self.desk.directory.cloud.create_key(new_key(working.value))
        except LatchkeyError as error:
            await self.not_made(working, approved, error)
            return
        await self._made(working, key, secret, endpoints)

    async def permitted(self, approved: Approved) -> Endpoints:
        """The same decision once more, on what everybody holds now. Raises `Refused` when it no longer holds."""
        ask = approved.ask
        if self.ledger.clock() >= approved.grant.fresh_until:
            raise Refused("The approval ended before the key could be made.")
        try:
            person = await self.desk.directory.identify(ask.requester.slack, ask.requester.team)
        except Refused as error:
            raise Refused(f"The requester could not be confirmed: {error.tell}") from error
        approvers = await self.desk.standings(approved.grant.approvals)
        requester = await self.desk.directory.standing(person)
        verdict = decide(self.desk.directory.policy(), ask, requester, approvers)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{verdict.reason} (rule: {verdict.rule})")
        if not isinstance(verdict, Allowed):
            raise Refused("An approval no longer counts: who gave it has lost the role since.")
        await self._none_left(approved)
        found = await self.desk.directory.cloud.kafka_cluster(ask.resource.environment, ask.resource.id)
        if found is None:
            raise Refused(f"The cluster {ask.resource.id} no longer exists.")
        return found[1]

    async def _none_left(self, approved: Approved) -> None:
        """One request leaves at most one key, also when somebody put an old record back into the store."""
        leftovers = await self._ours(approved)
        # Only what was given up is deleted: this record may be outdated, and somebody faster have made the present key.
        present = [key for key in leftovers if _attempt(key) >= approved.attempt]
        if present:
            raise Refused(f"A key of this request exists already ({present[0].id}).")
        await self._delete(approved, leftovers)

    async def intend(self, stored: Stored[Request], approved: Approved) -> "Stored[Working]":
        """Have it on disk that a key of this attempt may exist from now on."""
        now = self.ledger.clock()
        working = Working(approved.ask, approved.terms, approved.grant, approved.attempt, now, now + SENT_FOR)
        event = self.ledger.event(Action.CREATE_INTENDED, approved.ask.id, marker=str(working.marker))
        written, _ = await self.ledger.move(stored, working, event, extra=With(durable=True))
        return Stored(working, written.rev)

    async def _made(self, working: "Stored[Working]", key: ApiKey, secret: Secret, endpoints: Endpoints) -> None:
        """Record the key and seal its secret. If this cannot be written, the intent stays, and finds the key."""
        now, state = self.ledger.clock(), working.value
        claim_by = now + state.terms.claim
        ready = Ready(state.ask, state.terms, state.grant, state.attempt, key, endpoints, claim_by)
        event = self.ledger.event(Action.CREATED, state.ask.id, key=key.id, marker=str(state.marker))
        extra = With(secret=secret, secret_until=claim_by, durable=True)
        try:
            await self.ledger.move(_as_request(working), ready, event, extra=extra)
        except Conflict:
            await self._delete(state, [key])  # somebody took this attempt for dead; its key must not outlive that
            raise

    async def not_made(self, working: "Stored[Working]", approved: Approved, error: LatchkeyError) -> None:
        """What follows when the create failed: it ends, is looked into, or is tried again later."""
        before = _as_request(working)
        match error:
            case CloudRefused():
                happened = f"Confluent Cloud refused to make the key: {error.detail}"
                await self.fail(before, approved, happened, NOTHING_CHANGED, _next_step(error), error.reference)
            case Unknown():
                doubtful = replace(working.value, look_at=self.ledger.clock(), trouble=error.tell)
                event = self.ledger.event(Action.CREATE_UNKNOWN, approved.ask.id, marker=str(doubtful.marker))
                await self.ledger.move(before, doubtful, event)
            case _:
                await self._later(before, approved, error)

    async def _later(self, stored: Stored[Request], approved: Approved, error: LatchkeyError) -> None:
        now = self.ledger.clock()
        wait = error.wait if isinstance(error, Throttled) else _backoff(approved.tries)
        waiting = replace(approved, not_before=now + wait, trouble=_news(error), tries=approved.tries + 1)
        await self.ledger.move(stored, waiting)

    async def fail(
        self,
        stored: Stored[Request],
        state: Approved | Offered | Working,
        happened: str,
        changed: str,
        step: str,
        ref: str = "",
    ) -> None:
        """End the request without a key, with three sentences for people."""
        failed = Failed(state.ask, state.terms, happened, changed, step, ref or state.ask.id, self.ledger.clock())
        event = self.ledger.event(Action.FAILED, state.ask.id, happened=happened, reference=ref)
        await self.ledger.move(stored, failed, event)

    # --- finding out what happened ------------------------------------------------------------------------------------

    async def _reconcile(self, stored: Stored[Request], working: Working) -> None:
        now, held = self.ledger.clock(), stored
        trouble = working.trouble or "Latchkey stopped while it made the key."
        again = replace(working, look_at=now + SECOND_LOOK, clean=working.clean + 1, trouble=trouble)
        try:
            ours = await self._ours(working)
            if ours:
                # Claimed before it is deleted: whoever makes this key and is merely slow can no longer record it.
                held, _ = await self.ledger.move(stored, replace(again, clean=0))
                await self._delete(working, ours)
        except (Unavailable, Unknown, CloudRefused):
            waiting = replace(working, look_at=now + BACKOFF[2], trouble=trouble, clean=0)
            await self.ledger.move(held, waiting)
            return
        if again.clean >= CLEAN_LISTS and not ours:
            await self._next_attempt(stored, working)
        elif not ours:
            await self.ledger.move(stored, again)

    async def _next_attempt(self, stored: Stored[Request], working: Working) -> None:
        now = self.ledger.clock()
        # One sweep for each attempt: an earlier one that is still to come may come too early for this one's key.
        sweep = With(also={f"sweep:{working.ask.id}/{working.attempt}": now + STRAGGLER})
        found = self.ledger.event(Action.CREATE_UNKNOWN, working.ask.id, marker=str(working.marker), found=_NOTHING)
        if working.attempt >= ATTEMPTS:
            happened = f"Confluent Cloud lost its answer {working.attempt} times."
            failed = Failed(
                working.ask, working.terms, happened, "No key is left behind.", _ASK_AGAIN, working.ask.id, now
            )
            event = self.ledger.event(Action.FAILED, working.ask.id, happened=happened)
            await self.ledger.move(stored, failed, found, event, extra=sweep)
            return
        fresh = Approved(working.ask, working.terms, working.grant, working.attempt + 1, now)
        await self.ledger.move(stored, fresh, found, extra=sweep)

    async def _ours(self, request: Request) -> Sequence[ApiKey]:
        """Keys at Confluent that carry this request's marker, of any attempt."""
        keys = await self.desk.directory.cloud.keys(request.ask.owner.id, request.ask.resource)
        return [key for key in keys if (found := Marker.find(key.description)) and found.request == request.ask.id]

    async def _delete(self, request: Request, keys: Sequence[ApiKey]) -> None:
        for key in keys:
            await self._delete_one(request, key.id)

    async def _delete_one(self, request: Request, key: KeyId) -> None:
        await self.ledger.record(Action.DELETE_INTENDED, request.ask.id, key=key)
        await self.desk.directory.cloud.delete_key(key, request.ask.owner.id, request.ask.resource)
        await self.ledger.record(Action.DELETED, request.ask.id, key=key)

    # --- deadlines ----------------------------------------------------------------------------------------------------

    async def _expire(self, stored: Stored[Request], pending: Pending) -> None:
        expired = Expired(pending.ask, pending.terms, self.ledger.clock())
        await self.ledger.move(stored, expired, self.ledger.event(Action.EXPIRED, pending.ask.id))

    async def _unclaimed(self, stored: Stored[Request], ready: Ready) -> None:
        late = Unclaimed(ready.ask, ready.terms, ready.grant, ready.attempt, ready.key, self.ledger.clock())
        event = self.ledger.event(Action.UNCLAIMED, ready.ask.id, key=ready.key.id)
        await self.ledger.move(stored, late, event, extra=With(take_secret=True))

    async def _withdraw(self, stored: Stored[Request], state: Undelivered | Unclaimed) -> None:
        """Delete the key that nobody has; then, if a new one was asked for and the approval holds, begin again."""
        now = self.ledger.clock()
        try:
            await self._delete_one(state, state.key.id)
        except (Unavailable, Unknown, CloudRefused):
            await self.ledger.move(stored, replace(state, retry_at=now + _backoff(state.tries), tries=state.tries + 1))
            return
        gone = replace(state, deleted_at=self.ledger.clock())
        if isinstance(gone, Undelivered) and gone.reissue and now < gone.grant.fresh_until:
            await self.ledger.move(stored, Approved(gone.ask, gone.terms, gone.grant, gone.attempt + 1, now))
            return
        await self.ledger.move(stored, gone)


_ASK_AGAIN = "Ask for a new key with /apikey create."
_FOR_A_CLICK = re.compile(r" ?(Nothing was changed|Try again in [^.]*)\.")
_NOTHING = "nothing is left of it"
"""What the audit log says of an attempt whose outcome nobody heard, once it was looked for."""


def _news(error: LatchkeyError) -> str:
    """What is wrong, for a message that says itself what happens next: nobody has to try anything again."""
    return _FOR_A_CLICK.sub("", error.tell)


def _next_step(error: CloudRefused) -> str:
    if error.status == 402 or "limited to" in error.detail:  # noqa: PLR2004 -- HTTP's own number says it best
        return "A quota is used up. Delete a key that nobody needs, then ask again with /apikey create."
    if error.status == 403:  # noqa: PLR2004
        return "Ask for a key of a service account instead, or tell whoever runs Latchkey which right is missing."
    return _ASK_AGAIN


def offered(approved: Approved) -> Offered:
    """The same, waiting for the requester's click instead of being made."""
    return Offered(
        approved.ask, approved.terms, approved.grant, approved.attempt, approved.grant.fresh_until, approved.trouble
    )


def new_key(working: Working) -> NewKey:
    """What Confluent is asked to make: its description ends with our marker."""
    ask = working.ask
    return NewKey(ask.owner, ask.resource, ask.name, f"{ask.description} {working.marker}".strip())


def _attempt(key: ApiKey) -> int:
    found = Marker.find(key.description)
    return found.attempt if found else 0


def _as_request(stored: "Stored[Working]") -> Stored[Request]:
    return Stored(stored.value, stored.rev)


def _backoff(tries: int) -> timedelta:
    return BACKOFF[min(tries, len(BACKOFF) - 1)]
