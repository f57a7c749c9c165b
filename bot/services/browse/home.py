"""App Home: what waits for a person, their keys and requests. Drawn at each visit, and again when something changes.

Slack keeps the view that was published last, and doesn't say who is looking at it. So a change redraws Home for
everyone who opened it within the last day. For everyone else, the next visit draws it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from bot.domain.authority import HeldRoles, Target
from bot.domain.conditions import adds
from bot.domain.deadlines import can_be_reviewed, glass_of
from bot.domain.decision import as_member, refusal, unfit
from bot.domain.errors import LatchkeyError, Refused, Throttled, Unavailable, Undeliverable
from bot.domain.keys import KeyId, Marker, MyAccount, SlackUserId
from bot.domain.requests import Approved, Decided, Failed, Living, Offered, Pending, Ready, Request, Revealing
from bot.services.agenda import Item, ItemKind
from bot.services.browse.key import KeyViews
from bot.services.catalog.cache import CatalogCache
from bot.services.pages import KeyView, replacements
from bot.services.people.candidates import Candidates
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Cache, Clock, Requests

RECENT = timedelta(days=1)
"""How long after a visit Home is kept up to date."""
LOOKED_AT = 50
"""How many of a person's requests, and how many of the waiting ones, one drawing looks through."""
KEYS = 10
AT_ONCE = 4
"""How many owners' keys are read at the same time."""
KNOWN_WITHIN = 5.0
"""Seconds to find out who could decide. The request itself, whose next step may be due, waits for it."""
REDRAW = timedelta(seconds=30)
"""When to retry what couldn't be drawn."""
SAID_FOR = timedelta(minutes=1)
"""How long the answer to a click stays on Home, however often Home is redrawn."""
HasKey: TypeAlias = Ready | Revealing | Living
Drawn: TypeAlias = Callable[[SlackUserId, "HomePage"], Awaitable[None]]
log = logging.getLogger("latchkey.homes")
NOT_ALL = (
    f"Many requests are waiting. You can't approve any of the oldest {LOOKED_AT}, "
    "but you may be able to approve later ones. "
    "See the approvals channel."
)
PERHAPS_MORE = (
    f"Many requests are waiting, and only the oldest {LOOKED_AT} were checked. You may be able to approve later ones, "
    "too. See the approvals channel."
)


class Visitors(Protocol):
    """The people who opened Home recently. Both methods may raise `Unavailable`."""

    async def came(self, user: SlackUserId, at: datetime) -> None:
        """Record a visit."""

    async def since(self, moment: datetime) -> frozenset[SlackUserId]:
        """Everyone who has opened Home at `moment` or later."""
        ...


@dataclass(frozen=True, slots=True)
class Uses:
    """Uses of break-glass that no one has reviewed."""

    to_review: Sequence[Request] = ()
    """Those that a person can review now, oldest first."""
    mine: Request | None = None
    """The person's own use: until it's reviewed, they can't use break-glass again."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """What Home shows. `notes` are sentences (mrkdwn) about what couldn't be read."""

    keys: Sequence[KeyView] = ()
    more_keys: int = 0
    """How many more keys there are."""
    requests: Sequence[Request] = ()
    waiting: Sequence[Request] = ()
    trouble: str = ""
    """What to say if the list of waiting requests is missing or incomplete."""
    notes: tuple[str, ...] = ()
    shut: str = ""
    """Why this person can't use Latchkey, and what to do; "" for people who can."""
    said: str = ""
    """The answer to this person's last click here."""
    uses: Uses = field(default=Uses())
    is_unread: bool = False
    """Whether none of this person's keys, requests and approvals could be read: an empty list would be untrue."""


@dataclass(frozen=True, slots=True)
class Homes:
    """Draws Home. `show` publishes a page for one person; `wake` wakes the worker."""

    key_views: KeyViews
    catalog: CatalogCache
    cloud: Cloud
    requests: Requests
    clock: Clock
    visitors: Visitors
    agenda: Agenda
    cache: Cache
    candidates: Candidates
    show: Drawn
    wake: Callable[[], None]
    drawing: set[SlackUserId] = field(default_factory=set[SlackUserId], init=False)
    """The people whose Home this process is drawing for a visit."""

    async def visited(self, user: SlackUserId) -> None:
        """Draw Home for a person who opens it, and keep it up to date from now on."""
        try:
            await self.visitors.came(user, self.clock())
        except Unavailable as error:
            log.warning("couldn't record a visit to Home", extra={"why": str(error)})
        if user in self.drawing:  # opening Home over and over must not use up Confluent's rate limit
            await self.agenda.put(Item(ItemKind.HOME, user), self.clock())
            self.wake()
            return
        self.drawing.add(user)
        try:
            await self.publish(user)
        finally:
            self.drawing.discard(user)

    async def say(self, user: SlackUserId, text: str) -> None:
        """Have Home redrawn with the answer to a click on it; "" means no answer. May raise `Unavailable`."""
        now = self.clock()
        if text:
            await self.cache.put(_answer(user), text, str, now=now, keep=SAID_FOR)
        await self.agenda.put(Item(ItemKind.HOME, user), now)
        self.wake()

    async def publish(self, user: SlackUserId) -> None:
        """Draw a person's Home. It says what couldn't be read. Raises what `show` raises."""
        await self.show(user, await self.page(user))

    async def errand(self, item: Item) -> datetime | None:
        """Carry out an item `HOME`. Returns when to try again, or None for never."""
        now = self.clock()
        try:
            await self.publish(SlackUserId(item.id))
        except Throttled as error:
            return now + error.wait
        except Unavailable:
            return now + REDRAW
        except Undeliverable as error:
            # For example, the person has left. If they do visit again, that draws it.
            log.info("couldn't draw a Home", extra={"why": error.reason})
        return None

    async def changed(self, request: Request) -> None:
        """Redraw Home for everyone whose Home shows this request, or should. Never raises."""
        now, ask = self.clock(), request.ask
        try:
            recent = await self.visitors.since(now - RECENT)
            concerned = {ask.requester.slack} & recent
            if recent - concerned and _starts_or_ends_waiting(request):
                concerned |= await self._deciders(request, recent)
            for user in concerned:
                await self.agenda.put(Item(ItemKind.HOME, user), now)
        except LatchkeyError as error:
            log.warning("couldn't find out whose Home to redraw", extra={"why": str(error)})
        else:
            if concerned:
                self.wake()

    async def page(self, user: SlackUserId) -> HomePage:
        """What this person's Home shows now."""
        try:
            stored = await self.requests.of_requester(user, LOOKED_AT)
            mine = [each.value for each in stored]
            said = await self.cache.get(_answer(user), str)
        except Unavailable as error:
            return HomePage(notes=(error.unread,), is_unread=True)
        page = HomePage(requests=[each for each in mine if each.ask.beside is None], said=said[0] if said else "")
        try:
            held_roles = await self.key_views.visitor(user)
        except Refused as error:
            # Earlier requests and keys are shown anyway: this may be when someone has to look after them.
            return replace(self._with_keys(page, _made(mine), {}, mine), shut=error.tell)
        except LatchkeyError as error:
            note = f"{error.unread} {_PARTLY}"
            return replace(self._with_keys(page, _made(mine), {}, mine), notes=(note,), trouble=_NOT_LOADED)
        own, note = await self._own_keys(held_roles)
        waiting, trouble = await waiting_for(self.requests, held_roles, self.key_views)
        made = await self._not_gone(_made(mine), {} if note else {held_roles.person.principal: own.keys()})
        whole = self._with_keys(page, made, own, mine)
        uses = await uses_for(self.requests, held_roles, self.key_views)
        return replace(whole, waiting=waiting, trouble=trouble, uses=uses, notes=(note,) if note else ())

    def _with_keys(
        self, page: HomePage, made: Sequence[HasKey], own: Mapping[KeyId, KeyView], mine: Sequence[Request]
    ) -> HomePage:
        views, replaced = {**{each.key.id: self._recorded(each) for each in made}, **own}, replacements(mine)
        ordered = sorted(views.values(), key=lambda each: (each.key.name.casefold(), each.key.id))
        ordered = [replace(each, replaced=replaced.get(each.key.id)) for each in ordered]
        return replace(page, keys=ordered[:KEYS], more_keys=max(len(ordered) - KEYS, 0))

    async def _own_keys(self, held_roles: HeldRoles) -> tuple[Mapping[KeyId, KeyView], str]:
        """The keys of the person's own account, and what to say if some couldn't be read, or "" if all were."""
        try:
            catalog = await self.catalog.index()
            keys, left_out = await self.cloud.keys_shown(held_roles.person.principal)
            views = [await self.key_views.view_of(each, held_roles, catalog) for each in keys]
        except LatchkeyError as error:
            return {}, f"{error.tell} {_PARTLY}"
        note = "Some of your keys couldn't be read, so they aren't listed here." if left_out else ""
        return {view.key.id: view for view in views if view is not None}, note

    async def _not_gone(self, made: Sequence[HasKey], read: Mapping[str, Collection[KeyId]]) -> Sequence[HasKey]:
        """The requests whose key still exists: Confluent doesn't notify Latchkey of keys deleted in its Console.

        `read` has the keys of some owners. If another owner's keys can't be read, they count as existing. So does a
        key that was created just now, because Confluent's list may not have it yet.
        """
        owners = sorted({each.key.owner for each in made if each.key.owner} - read.keys())
        there = dict(read)
        for low in range(0, len(owners), AT_ONCE):
            some = owners[low : low + AT_ONCE]
            reads = (self.cloud.keys_of(owner) for owner in some)
            for owner, keys in zip(some, await asyncio.gather(*reads, return_exceptions=True), strict=True):
                if not isinstance(keys, BaseException):
                    there[owner] = {key.id for key in keys}
                elif not isinstance(keys, LatchkeyError):
                    raise keys
        gone = [each for each in made if isinstance(each, Living) and not _is_there(each, there)]
        if gone and not await self._sees_all():
            return made
        for each in gone:  # once that is certain, the requester is told
            await self.agenda.put(Item(ItemKind.GONE, each.ask.id), self.clock())
        return [each for each in made if each not in gone]

    async def _sees_all(self) -> bool:
        """Whether Latchkey can see all keys, so that one that Confluent doesn't list is gone."""
        try:
            await self.cloud.must_see_all()
        except LatchkeyError:
            return False
        return True

    def _recorded(self, made: HasKey) -> KeyView:
        """A key as recorded in its request, without a call to Confluent."""
        key, owner, clock = made.key, made.ask.owner, self.clock
        return KeyView(
            key=replace(key, description=Marker.without(key.description)),
            owner=owner,
            owner_name=owner.name if not isinstance(owner, MyAccount) else made.ask.requester.name,
            resource=made.ask.resource,
            request=made,
            is_own=isinstance(owner, MyAccount),
            age=clock() - key.created_at if key.created_at else None,
        )

    async def _deciders(self, request: Request, recent: frozenset[SlackUserId]) -> frozenset[SlackUserId]:
        """The recent visitors who could decide about it, or all of them if it isn't known for everyone."""
        target = Target.of(request.ask)
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                able = await self.candidates.of(target, request.ask.requester, request.terms.approvers)
        except (LatchkeyError, TimeoutError):
            return recent
        found = frozenset(each.slack for each in able if each.slack is not None)
        return recent & found if len(found) == len(able) else recent


async def waiting_for(requests: Requests, held_roles: HeldRoles, views: KeyViews) -> tuple[Sequence[Request], str]:
    """The requests that wait for this person's approval, oldest first, and what to say if there may be more.

    May raise `Unavailable`.
    """
    pending = [stored.value for stored in await requests.pending(LOOKED_AT)]
    mine = [each for each in pending if refusal(each.ask, held_roles) is None and not _has_approved(each, held_roles)]
    found = [each for each in mine if await _fits(each, held_roles, views)]
    if len(pending) < LOOKED_AT:
        return found, ""
    return found, PERHAPS_MORE if found else NOT_ALL


async def uses_for(requests: Requests, held_roles: HeldRoles, views: KeyViews) -> Uses:
    """The uses of break-glass that wait for this person's review, and their own use, which others review.

    May raise `Unavailable`.
    """
    found = [stored.value for stored in await requests.unreviewed(LOOKED_AT)]
    mine = (each for each in found if held_roles.person.is_same_as(each.ask.requester))
    able = [each for each in found if can_be_reviewed(each) and refusal(each.ask, held_roles) is None]
    return Uses([each for each in able if await _fits(each, held_roles, views)], next(mine, None))


async def _fits(request: Request, held_roles: HeldRoles, views: KeyViews) -> bool:
    """Whether someone with authority also meets the rule's conditions.

    Yes if Slack doesn't say: a click checks again.
    """
    conditions, given = request.terms.approvers, request.approvals if isinstance(request, Pending) else ()
    with suppress(Unavailable):
        held_roles = await views.fitting(held_roles, conditions)
        fits = unfit(request.ask.owner, held_roles, conditions) is None
        return fits and adds(conditions, [each.member for each in given], as_member(held_roles))
    return True


def _has_approved(request: Request, held_roles: HeldRoles) -> bool:
    given = request.approvals if isinstance(request, Pending) else ()
    return any(each.by.principal == held_roles.person.principal for each in given)


def _made(requests: Sequence[Request]) -> Sequence[HasKey]:
    return [each for each in requests if isinstance(each, HasKey)]


def _is_there(made: HasKey, there: Mapping[str, Collection[KeyId]]) -> bool:
    owner = made.key.owner
    return owner is None or owner not in there or made.key.id in there[owner]


def _starts_or_ends_waiting(request: Request) -> bool:
    """Whether it may appear on approvers' and reviewers' Home now, or disappear. A needless yes is harmless."""
    if glass_of(request):
        return True
    if isinstance(request, Approved | Offered):
        return request.attempt == 1
    return isinstance(request, Pending | Decided | Failed)


def _answer(user: SlackUserId) -> str:
    """The cache's name for the answer to a click on Home."""
    return f"home-answer:{user}"


_PARTLY = "Showing only what Latchkey knows."
_NOT_LOADED = "Couldn't load your approvals. See the approvals channel."
