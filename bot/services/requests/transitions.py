"""Writes a request's next state in one atomic change, due at once so that a worker shows it, and wakes the worker."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.audit import SYSTEM, Action, Event
from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, NotFound, Refused, Throttled
from bot.domain.keys import RequestId, Secret
from bot.domain.requests import Approved, Ask, Request
from bot.services.agenda import Item
from bot.services.ports.store import Audit, Change, Clock, Requests, Room, Stored

BACKOFF = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2))
REFUSED = timedelta(minutes=5)
"""When to retry what Confluent refused: someone may have given Latchkey the missing right by then."""
STRAGGLER = timedelta(minutes=3)
"""When to look once more for a key or an account that shows up after its attempt was given up."""
T = TypeVar("T")
State = TypeVar("State", bound=Request)


@dataclass(frozen=True, slots=True)
class With:
    """What goes into the same write as the state; see `ports.store.Change`."""

    secret: Secret | None = None
    secret_until: datetime | None = None
    take_secret: bool = False
    also: Mapping[Item, datetime] = field(default_factory=dict[Item, datetime])
    durable: bool = False
    room: Room | None = None


ROUNDS = 8
"""How often a click is retried if someone else changed the request at the same time."""


async def persistently(step: Callable[[], Awaitable[T]]) -> T:
    """Run a step, and run it again if someone else changed the record first. Raises `Refused` after `ROUNDS` tries."""
    for _ in range(ROUNDS):
        try:
            return await step()
        except Conflict:
            continue
    raise Refused("Someone else is updating this request. Nothing changed. Try again.")


@dataclass(frozen=True, slots=True)
class Transitions:
    """Requests and the audit log, with the clock, and the bell that wakes this process's worker."""

    requests: Requests
    audit: Audit
    clock: Clock
    wake: Callable[[], None]
    written: Callable[[Sequence[Event]], None] = lambda _: None
    """Called with every audit event that was written."""

    async def get(self, request: RequestId) -> Stored[Request]:
        """The request. Raises `NotFound` with a sentence for people."""
        stored = await self.find(request)
        if stored is None:
            raise NotFound("Latchkey doesn't know this request. Nothing changed. Request again with `/apikey create`.")
        return stored

    async def find(self, request: RequestId) -> Stored[Request] | None:
        """The request, or None if there is none."""
        return await self.requests.get(request)

    async def commit(
        self, before: Stored[Request] | None, after: State, *events: Event, extra: With | None = None
    ) -> tuple[Stored[State], Secret | None]:
        """Write the next state, due now. Returns it as stored, and the secret if one was taken.

        Raises `Conflict` if someone was first.
        """
        extra = extra or With()
        change = Change(
            before,
            after,
            due=self.clock(),
            events=events,
            secret=extra.secret,
            secret_until=extra.secret_until,
            take_secret=extra.take_secret,
            also=extra.also,
            durable=extra.durable,
            room=extra.room,
        )
        written, secret = await self.requests.commit(change)
        self.written(events)
        self.wake()
        return Stored(after, written.rev), secret

    async def later(self, stored: Stored[Request], approved: Approved, error: LatchkeyError) -> None:
        """Have an approved request wait for its next try. Its messages say why."""
        again = self.clock() + backoff(approved.tries, error)
        waiting = replace(approved, not_before=again, trouble=error.trouble, tries=approved.tries + 1)
        await self.commit(stored, waiting)

    def event(self, action: Action, request: RequestId | None, actor: str = SYSTEM, **details: str) -> Event:
        """An audit event at this moment."""
        return Event(self.clock(), actor, action, request, details)

    async def record(self, action: Action, request: RequestId | None, actor: str = SYSTEM, **details: str) -> None:
        """Append an audit event that comes with no change of state."""
        await self.append(self.event(action, request, actor, **details))

    async def append(self, event: Event) -> None:
        """The same for an existing event."""
        await self.audit.append(event)
        self.written([event])


def backoff(tries: int, error: LatchkeyError | None = None) -> timedelta:
    """How long to wait after so many failed tries: as long as the last error says, if it does."""
    if isinstance(error, Throttled):
        return error.wait
    return REFUSED if isinstance(error, CloudRefused) else BACKOFF[min(tries, len(BACKOFF) - 1)]


def summary(ask: Ask) -> dict[str, str]:
    """What was asked, for the audit log."""
    said: dict[str, str] = {
        "operation": ask.operation,
        "requester": ask.requester.slack,
        "principal": ask.requester.principal,
        "owner": ask.owner.id or ask.owner.kind,
        "kind": ask.resource.kind,
        "resource": ask.resource.id,
        "name": ask.name,
        "description": ask.description,
        "reason": ask.reason,
        "digest": ask.digest(),
    }
    if ask.resource.environment:
        said["environment"] = ask.resource.environment
    if ask.key is not None:
        said["key"] = ask.key.id
    if ask.ticket:
        said["ticket"] = ask.ticket
    if ask.lifetime is not None:
        said["lifetime"] = str(ask.lifetime)
    if ask.bindings:
        said["access"] = "; ".join(f"{each.role} {each.scope}" for each in ask.bindings)
    if ask.also is not None:
        said["also"] = ask.also.id
    if ask.leaked:
        said["leaked"] = "yes"
    if ask.break_glass:
        said["break_glass"] = "yes"
    return said
