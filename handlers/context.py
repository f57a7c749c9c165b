"""What every listener needs, and the three things that listeners do: store a click, open a modal, answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from slack_bolt.async_app import AsyncAck

from bot.background import Background
from bot.domain.catalog import Catalog
from bot.domain.errors import LatchkeyError, Refused, Unavailable, Undeliverable
from bot.domain.keys import SlackUserId, TeamId
from bot.services.browse.home import Homes
from bot.services.browse.key import KeyViews
from bot.services.browse.keys import KeyLists
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import Click, Deed, ReplyTo
from bot.services.form.validate import LIMITS, text_problem
from bot.services.pages import TextPage
from bot.services.people.directory import Directory, seat
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Agenda, Cache, Clock, Drafts, Inbox, Requests
from bot.services.requests.conversation import Conversations
from bot.services.requests.decide import Decisions
from bot.services.review.run import Reviews
from bot.services.text import unescaped
from bot.services.worker import Bell
from bot.slack.api.client import Replies, call
from bot.slack.api.notifier import AckedViews, once_more, waiting
from bot.slack.blocks.newer import plain
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.payloads.read_keys import DEEPEST
from bot.slack.views import pages
from handlers.errors import reporter, tell

STORED_WITHIN = 2.0
"""Seconds: Slack waits three for the answer."""
KNOWN_WITHIN = 0.8
"""Seconds for what only helps, such as the catalog."""
REDRAWN_FOR = timedelta(minutes=5)
"""How long the newest click in a modal is known to other processes: far longer than any redraw takes."""
T = TypeVar("T")
log = logging.getLogger("latchkey.handlers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerContext:
    """The services that listeners may use, and work that outlives a listener."""

    inbox: Inbox
    agenda: Agenda
    requests: Requests
    directory: Directory
    catalogs: CatalogCache
    cloud: Cloud
    replies: Replies
    clock: Clock
    bell: Bell
    work: Background
    key_views: KeyViews
    key_lists: KeyLists
    homes: Homes
    views: AckedViews
    drafts: Drafts
    decisions: Decisions
    conversations: Conversations
    reviews: Reviews
    cache: Cache
    redrawing: dict[str, Opening] = field(default_factory=dict[str, Opening], init=False)
    """The newest click that each modal is being drawn again for."""

    async def catalog(self) -> Catalog | None:
        """The catalog; None when the store does not tell in time."""
        return await self.soon(self.catalogs.current(), None)

    async def soon(self, told: Awaitable[T], otherwise: T) -> T:
        """What the store tells in time, else `otherwise`: most of Slack's three seconds is for the rest."""
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                return await told
        except (LatchkeyError, TimeoutError):
            return otherwise

    def start(self, job: Coroutine[Any, Any, object], name: str, to: SlackUserId, reply: ReplyTo) -> None:
        """Run a job after the answer; what goes wrong is said to `to`."""
        self.work.start(job, name=name, report=reporter(self.replies, to, reply))

    async def begin(self, ack: AsyncAck, asked: Opening, name: str, job: Coroutine[Any, Any, object]) -> None:
        """Start a job and answer Slack; what goes wrong is said to who asked."""
        self.start(job, name, asked.by, asked.reply)
        await ack()

    def click(self, body: Body, deed: Deed) -> Click:
        """Read a button or a submit as something to be carried out."""
        click = read.click(body, deed, self.clock())
        return replace(click, team=seat(self.directory.tenant, click.team))

    async def receive(self, body: Body, deed: Deed, *, anyway: bool = False, closes: bool = False) -> str:
        """Store a click for the worker; returns what the answer to a submit has to wait under.

        With `closes` its modal is gone, and what comes of it is a message. Any other submit that Slack delivers
        again is carried out again, which changes nothing, for the sake of its answer.
        Raises `Unavailable` when the store does not take it in time.
        """
        click = replace(self.click(body, deed), anyway=anyway)
        click = replace(click, reply=ReplyTo()) if closes else click
        try:
            with self.bell.arriving():
                async with asyncio.timeout(STORED_WITHIN):
                    if not await self.inbox.put(click, self.clock()) and click.reply.waiting:
                        again = replace(click.reply, waiting=once_more(click.reply.waiting))
                        click = replace(click, reply=again)
                        await self.inbox.put(click, self.clock())
        except TimeoutError:
            raise Unavailable(_STORE_AWAY) from None
        self.bell.ring()
        return click.reply.waiting

    async def button(self, ack: AsyncAck, body: Body, deed: Deed) -> None:
        """Store a press of a button and answer Slack; if it cannot be stored, say so."""
        try:
            await self.receive(body, deed)
        except LatchkeyError as error:
            opening = read.opening(body)
            self.start(self.answer(opening, "Couldn't do that", tell(error)), "complain", opening.by, opening.reply)
        await ack()

    async def dismiss(self, ack: AsyncAck, body: Body, deed: Deed, *, anyway: bool = False) -> None:
        """Store a submitted modal and close it; if it cannot be stored, keep it as it is, and say so above it."""
        try:
            await self.receive(body, deed, anyway=anyway, closes=True)
        except LatchkeyError as error:
            await ack(response_action="push", view=pages.page(TextPage("Couldn't do that", tell(error))))
        else:
            await ack(response_action="clear")

    async def submit(
        self, ack: AsyncAck, body: Body, deed: Deed, then: Block, *, field: str = "", anyway: bool = False
    ) -> None:
        """Store a submitted modal and show `then`; if it cannot be stored, keep the modal as it is, and say so.

        It is said on a page above; or under `field`, for a modal that may be the third, above which there is no room.
        The page that the click leads to follows `then`, however late Slack shows that. Slack tells nobody whether it
        took `then`, so newer blocks have their plain form there.
        """
        try:
            name = await self.receive(body, deed, anyway=anyway)
        except LatchkeyError as error:
            if field:
                await ack(response_action="errors", errors=read.under(body, {field: unescaped(tell(error))}))
            else:
                await ack(response_action="push", view=pages.page(TextPage("Couldn't do that", tell(error))))
        else:
            await ack(response_action="update", view=waiting(plain(then), name))

    async def reason(self, ack: AsyncAck, body: Body, reader: str, deed: Callable[[str], Deed], title: str) -> None:
        """Store a submitted modal that asks for a reason; without one it stays, and says who will read it."""
        missing = f"Enter a reason. {reader[:1].upper()}{reader[1:]} will see it."
        await self.text(ack, body, (ids.REASON_BLOCK, LIMITS["reason"], missing), deed, title)

    async def text(
        self, ack: AsyncAck, body: Body, field: tuple[str, int, str], deed: Callable[[str], Deed], title: str
    ) -> None:
        """Store a submitted modal with one text; `field` is its block, its limit, and what to say where it is empty."""
        block, limit, missing = field
        typed = read.typed(body, block)
        if problem := text_problem(typed, limit) if typed.strip() else missing:
            await ack(response_action="errors", errors={block: problem})
            return
        await self.submit(ack, body, deed(typed), pages.working(title))

    async def open(self, trigger: str, view: Block) -> str:
        """Open a modal within the three seconds of its trigger; returns its id."""
        return await self._opened("views.open", trigger, view)

    async def stack(self, asked: Opening, view: Block, depth: int) -> str:
        """Show a modal above the `depth` ones that stand there, or in place of the third one; returns its id."""
        if depth >= DEEPEST and asked.view:
            await self._drawn({"view_id": asked.view, "view": view})
            return asked.view
        return await self._opened("views.push" if depth else "views.open", asked.trigger, view)

    async def _opened(self, method: str, trigger: str, view: Block) -> str:
        answer = await call(self.replies.client, method, {"trigger_id": trigger, "view": view})
        return str(answer["view"]["id"])

    async def fill(self, view: str, load: Callable[[], Awaitable[Block]]) -> None:
        """Put what was waited for into an open modal, or why there is nothing."""
        await self._drawn({"view_id": view, "view": await self._loaded(load)})

    async def follow(self, opening: Opening, load: Callable[[], Awaitable[Block]]) -> None:
        """The same for a modal whose submit was answered with `waiting`."""
        await self.views.put(str(opening.view), await self._loaded(load), opening.reply.waiting)

    async def _loaded(self, load: Callable[[], Awaitable[Block]]) -> Block:
        try:
            return await load()
        except LatchkeyError as error:
            log.info("refused", extra={"code": error.code, "why": str(error)})
            return pages.page(TextPage("Can't do that", tell(error)))
        except Exception as error:
            log.exception("failed")
            return pages.page(TextPage("Something went wrong", tell(error)))

    def claim(self, opening: Opening) -> None:
        """From now on this is the newest click in its modal, unless a newer one arrived before it.

        Call it in the listener: a job that begins earlier may be the later one to get here.
        """
        newest = self.redrawing.get(str(opening.view))
        if newest is None or newest.at <= opening.at:
            self.redrawing[str(opening.view)] = opening

    async def redraw(self, opening: Opening, load: Callable[[], Awaitable[Block]]) -> None:
        """Replace the modal that a click came from, unless it is closed. Of two clicks in a row the later one wins.

        That holds across processes, too: Slack sends each click to any of them.
        """
        shown = str(opening.view)
        try:
            body = {"view_id": shown, "view": await load()}
            if await self._is_newest(opening):
                drawn = await self._drawn({**body, "hash": opening.view_hash})
                if not drawn and await self._is_newest(opening):
                    await self._drawn(body)  # what was drawn meanwhile came from an older click
        finally:
            if self.redrawing.get(shown) is opening:
                del self.redrawing[shown]

    async def _is_newest(self, opening: Opening) -> bool:
        """Whether no newer click in its modal is known, here or in the store; the store learns of this one."""
        if self.redrawing.get(str(opening.view)) is not opening:
            return False
        name = f"redrawn:{opening.view}"
        newest = await self.soon(self.cache.get(name, float), None)
        if newest is not None and newest[0] > opening.at:
            return False
        await self.soon(self.cache.put(name, opening.at, float, now=self.clock(), keep=REDRAWN_FOR), None)
        return self.redrawing.get(str(opening.view)) is opening

    async def _drawn(self, body: Block) -> bool:
        """Update a modal; False when it has changed since `hash`. There is nothing to draw in a closed one."""
        try:
            await call(self.replies.client, "views.update", body)
        except Undeliverable as error:
            if error.reason not in {"hash_conflict", "not_found"}:
                raise
            return error.reason == "not_found"
        return True

    async def turn_away(self, user: SlackUserId, team: TeamId, view: str) -> None:
        """Put the reason into an open form when its user can have no keys at all; rather now than after typing."""
        try:
            await self.directory.before_no(user, lambda directory: directory.identify(user, team, shown=True))
        except Refused as error:
            page = pages.page(TextPage("Can't do that", f"Nothing was sent. {error.tell}"))
            await call(self.replies.client, "views.update", {"view_id": view, "view": page})
        except Unavailable:
            return  # the review page asks again, and says so

    async def answer(self, opening: Opening, title: str, text: str) -> None:
        """Answer a click with a sentence: above the modal or the Home it was on, else in a message for its reader."""
        if opening.view is None:
            await self.replies.send(opening.by, opening.reply, text)
            return
        method = "views.open" if opening.is_home else "views.push"
        await self._opened(method, opening.trigger, pages.page(TextPage(title, text)))


_STORE_AWAY = (
    "Latchkey's store didn't answer in time, so your click may or may not have counted. "
    "Wait a minute. If nothing has changed, try again."
)
