"""The one loop that does everything that is due: clicks, next steps, messages, deadlines, recovery.

Every process runs it. An item is taken with a lease; when a process dies, others take the item once that ends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias, cast

from bot import trouble
from bot.domain.deadlines import due
from bot.domain.errors import (
    CloudRefused,
    Conflict,
    Contradicted,
    LatchkeyError,
    Newer,
    NotFound,
    Tampered,
    Throttled,
    Unavailable,
)
from bot.domain.keys import RequestId
from bot.domain.requests import Request
from bot.services.agenda import HOLDING, Item, ItemKind
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import Click
from bot.services.dispatch import Dispatcher
from bot.services.keys.steps import Steps
from bot.services.messages import Publisher
from bot.services.ports.store import Agenda, Clock, Inbox, Lease, Requests
from bot.services.requests.transitions import REFUSED

LEASE = timedelta(seconds=15)
"""How long the work of a process that died isn't done by others. Running processes renew their leases."""
RENEWED = timedelta(seconds=4)
"""How often leases are renewed: enough of one is left if the store hangs for a moment."""
MARGIN = timedelta(seconds=5)
"""A lease with less time left is renewed before an effect: other clocks may be that far ahead (`clock_problem`)."""
DEADLINE = 50.0
"""Seconds that one item may take."""
SHOWN_WITHIN = 20.0
"""How many of these seconds the messages of a request may take, of which there may be a hundred."""
STOPS_WITHIN = 20.0
"""Seconds that running work has when the process is asked to stop. Others take the rest once its lease has ended."""
POLL = 1.0
"""Seconds between looks at the agenda if nothing rings."""
AT_ONCE = 32
RUSH = 6
"""If this many clicks wait for their acknowledgment, no other work is started: Slack waits only for seconds."""
HELD_BACK = timedelta(seconds=2)
"""How long the worker starts nothing else, at most."""
STEPS = 4
"""Steps of one request in a row before others get their turn."""
AGAIN = timedelta(seconds=5)
UNREADABLE = timedelta(minutes=5)
"""When to look again at what can't be opened. If it were dropped, it would miss its deadlines after a key is added."""
LEFT = timedelta(seconds=30)
"""How long until items that need a newer version are looked at again. Those versions come first, as they don't wait."""
SECOND, MOST_WAIT = timedelta(milliseconds=300), timedelta(seconds=DEADLINE)
"""When to look again whether the first of two deliveries of a submit was carried out, and how long at most."""
CATALOG_EVERY = timedelta(minutes=10)
log = logging.getLogger("latchkey.worker")


Errand: TypeAlias = Callable[[Item], Awaitable[datetime | None]]


async def _nobody_watches(_: Request) -> None:
    return


class Bell:
    """Wakes this process's worker, and holds it back while very many clicks are being stored."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._arriving = 0

    @property
    def is_rush(self) -> bool:
        """Whether the worker should start nothing."""
        return self._arriving >= RUSH

    @contextmanager
    def arriving(self) -> Generator[None]:
        """Count a click as one on its way, while inside."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    def ring(self) -> None:
        """Wake the worker, because something is due now."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, or for this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


@dataclass(slots=True)
class Worker:
    """Takes due items and carries them out, at most `AT_ONCE` together."""

    agenda: Agenda
    inbox: Inbox
    requests: Requests
    steps: Steps
    publisher: Publisher
    dispatcher: Dispatcher
    catalog: CatalogCache
    clock: Clock
    bell: Bell
    errands: Mapping[ItemKind, Errand] = field(default_factory=dict[ItemKind, Errand])
    """What carries out items of other kinds. Each returns when the item is due again."""
    moved: Callable[[Request], Awaitable[None]] = _nobody_watches
    """Called with every request that changed."""
    last_look: datetime | None = field(default=None, init=False)
    turned_at: float | None = field(default=None, init=False)
    """When the last round of the loop began, by the monotonic clock. It also goes on in an overloaded worker."""
    _running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]], init=False)
    _held: dict[asyncio.Task[None], Lease] = field(default_factory=dict[asyncio.Task[None], Lease], init=False)
    """The lease of each task, until it's lost or being settled."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what was started, as far as `STOPS_WITHIN` allows."""
        while not stop.is_set():
            if not await self._round():
                await self.bell.wait(POLL)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOPS_WITHIN):
                while self._running:
                    await asyncio.wait(self._running, timeout=POLL)
                    await self._renew_all()
        late = list(self._running)
        for task in late:
            log.warning("stopped before an item was done; another process will do it", extra={"item": task.get_name()})
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _round(self) -> bool:
        """Start what is due, as far as there is room. Returns whether anything was started."""
        self.turned_at = time.monotonic()
        await self._renew_all()
        room = AT_ONCE - len(self._running)
        if room <= 0 or (self.bell.is_rush and self._looked_lately()):
            return False
        try:
            leases = await self.agenda.take(self.clock(), LEASE, room)
        except Unavailable as error:
            trouble.log.warning("couldn't read the agenda", extra={"why": str(error)})
            return False
        self.last_look = self.clock()
        for lease in leases:
            task = asyncio.create_task(self._do(lease), name=str(lease.item))
            self._running.add(task)
            self._held[task] = lease
            task.add_done_callback(self._finished)
        return bool(leases)

    def _looked_lately(self) -> bool:
        return self.last_look is not None and self.clock() - self.last_look < HELD_BACK

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._held.pop(task, None)
        self.bell.ring()

    async def _renew_all(self) -> None:
        """Renew the leases that are due for it, also after the clock was moved. If the store is down, logs that."""
        now = self.clock()
        due = [task for task, lease in self._held.items() if not LEASE - RENEWED < lease.until - now <= LEASE]
        try:
            await self._renew(due)
        except Unavailable as error:
            trouble.log.warning("couldn't renew leases", extra={"why": str(error)})

    async def _renew(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Renew the leases of these tasks. A task whose lease others took has no more effects. Raises `Unavailable`.

        Such a task continues: no other process knows a key that it's just creating, so it has to delete that itself.
        """
        held = {task: self._held[task] for task in tasks}
        if not held:
            return
        kept = await self.agenda.renew(list(held.values()), self.clock(), LEASE)
        renewed = {(lease.item, lease.token): lease for lease in kept}
        for task, lease in held.items():
            if task not in self._held:
                continue  # it was settled meanwhile
            if again := renewed.get((lease.item, lease.token)):
                self._held[task] = again
            else:
                log.warning("another process took over an item", extra={"item": str(lease.item)})
                del self._held[task]

    async def _holds(self, task: asyncio.Task[None]) -> bool:
        """Whether nobody else does this task's work. Raises `Unavailable`."""
        lease = self._held.get(task)
        if lease is not None and not MARGIN < lease.until - self.clock() <= LEASE:
            await self._renew([task])
        return task in self._held

    async def _do(self, lease: Lease) -> None:
        """Carry out one item. Never raises: failures are logged, and the item comes back."""
        next_due: datetime | None = self.clock() + AGAIN
        is_about_nothing = False
        mine = cast("asyncio.Task[None]", asyncio.current_task())
        HOLDING.set(partial(self._holds, mine))
        try:
            async with asyncio.timeout(DEADLINE):
                next_due = await self._item(lease.item)
        except Conflict:
            next_due = self.clock()
        except NotFound as error:
            about = {"item": str(lease.item), "code": error.code, "cause": str(error)}
            trouble.log.error("dropped an item", extra=about)
            is_about_nothing = True
        except Tampered as error:
            next_due = self.clock() + _left_alone(lease.item, error)
        except Throttled as error:
            next_due = self.clock() + error.wait
            log.warning("item postponed by a rate limit", extra={"item": str(lease.item), "why": str(error)})
        except CloudRefused as error:
            next_due = self.clock() + REFUSED
            log.warning(
                "Confluent Cloud refused an item; will try again", extra={"item": str(lease.item), "why": str(error)}
            )
        except (LatchkeyError, TimeoutError) as error:
            log.warning("item failed temporarily; will try again", extra={"item": str(lease.item), "why": str(error)})
        except Exception:
            log.exception("item failed; will try again", extra={"item": str(lease.item)})
        await self._let_go(mine, lease, next_due, is_about_nothing=is_about_nothing)

    async def _let_go(
        self, mine: asyncio.Task[None], lease: Lease, due: datetime | None, *, is_about_nothing: bool
    ) -> None:
        try:
            if not await self._holds(mine):
                if lease.item.kind is ItemKind.REQUEST:  # a message may show what we drew before we stood still
                    await self.agenda.put(lease.item, self.clock())
                return
            held = self._held.pop(mine)
            if is_about_nothing:
                await self.agenda.drop(held, self.clock() + AGAIN)
            else:
                await self.agenda.settle(held, due)
        except LatchkeyError as error:
            log.warning(
                "couldn't settle an item; its lease will expire", extra={"item": str(lease.item), "why": str(error)}
            )

    async def _item(self, item: Item) -> datetime | None:
        """Do the item's work. Returns when it's due again, None for never."""
        work: dict[ItemKind, Errand] = {
            ItemKind.REQUEST: self._request,
            ItemKind.CLICK: self._click,
            ItemKind.CATALOG: self._catalog,
            **self.errands,
        }
        if item.kind not in work:
            raise NotFound("unknown kind of item")
        return await work[item.kind](item)

    async def _request(self, item: Item) -> datetime | None:
        """Show the request as it is, take the steps that are due, and show it again."""
        retry: datetime | None = None
        for _ in range(STEPS):
            stored = await self.requests.get(RequestId(item.id))
            if stored is None:
                raise NotFound("no such request")
            told = (await self._publish(stored.value), await self._tell(stored.value))
            retry = min((at for at in told if at), default=None)
            deadline = due(stored.value)
            if deadline is None or deadline > self.clock():
                return min((at for at in (deadline, retry) if at), default=None)
            await self.steps.advance(stored)
        return self.clock()

    async def _publish(self, request: Request) -> datetime | None:
        """Update its messages as far as Slack answers in time: a key has to be deleted on time even without Slack."""
        try:
            async with asyncio.timeout(SHOWN_WITHIN):
                return await self.publisher.publish(request)
        except TimeoutError:
            return self.clock() + AGAIN
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in telling people keeps no step from being taken
            return self._untold(request, "couldn't update a request's messages", error)

    async def _tell(self, request: Request) -> datetime | None:
        """Tell those who watch requests; their failures must not keep a step from being taken."""
        try:
            await self.moved(request)
        except Exception as error:  # noqa: BLE001 - as for messages
            return self._untold(request, "couldn't notify the watchers of a request", error)
        return None

    def _untold(self, request: Request, what: str, error: Exception) -> datetime:
        """Log the error. Returns when to try again."""
        is_ours = isinstance(error, LatchkeyError)
        log.log(
            logging.WARNING if is_ours else logging.ERROR,
            what,
            extra={"request": request.ask.id, "why": str(error) if is_ours else type(error).__name__},
            exc_info=None if is_ours else error,
        )
        return self.clock() + AGAIN

    async def _click(self, item: Item) -> datetime:
        """Carry out a click. One write ends it and its place on the agenda, so a failover loses both or neither."""
        click = await self.inbox.get(item.id)
        if click is None:
            await self.inbox.drop(item.id)
            return self.clock()
        if await self._is_second(click):
            return self.clock() + SECOND
        again = await self.dispatcher.carry_out(click)
        if again is None:
            await self.inbox.done(item.id)
        return again or self.clock()

    async def _is_second(self, click: Click) -> bool:
        """Whether the same submit, delivered before, is still being carried out: together, both would record it.

        Neither one that is kept for another try nor one that a failover lost the place of is waited for.
        """
        first = await self.inbox.get(click.id) if click.name != click.id else None
        return first is not None and not first.tries and self.clock() - first.at < MOST_WAIT

    async def _catalog(self, _: Item) -> datetime | None:
        await self.catalog.refresh()
        return self.clock() + CATALOG_EVERY


def _left_alone(item: Item, error: Tampered) -> timedelta:
    """Tell the operator why an item can't be worked on. Returns how long to leave it."""
    match error:
        case Newer():
            trouble.log.warning("left an item to a newer version", extra={"why": str(error), "cause": "format"})
            return AGAIN if item.kind is ItemKind.CLICK else LEFT
        case Contradicted():
            return UNREADABLE  # the store has told the operator, once
        case _:
            log.error("couldn't read what an item is about", extra={"item": str(item), "why": str(error)})
            return UNREADABLE
