"""What every listener needs, and the three things listeners do: store a click, open a modal, send an answer."""

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
from bot.services.form.validate import LIMITS, is_blank, text_problem
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
"""Seconds within which a click must be stored: Slack waits three for the answer."""
KNOWN_WITHIN = 0.8
"""Seconds for reads that are only helpful, such as the catalog."""
REDRAWN_FOR = timedelta(minutes=5)
"""How long other processes can read which click in a modal is the newest: far longer than any redraw takes."""
T = TypeVar("T")
log = logging.getLogger("latchkey.handlers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerContext:
    """The services that listeners use, and the jobs that outlive them."""

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
    """By modal, the newest click that it is being redrawn for."""

    async def catalog(self) -> Catalog | None:
        """The catalog, or None if the store doesn't answer in time."""
        return await self.soon(self.catalogs.current(), None)

    async def soon(self, told: Awaitable[T], otherwise: T) -> T:
        """What `told` returns within `KNOWN_WITHIN` seconds, else `otherwise`: Slack's three are for the rest."""
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                return await told
        except (LatchkeyError, TimeoutError):
            return otherwise

    def start(self, job: Coroutine[Any, Any, object], name: str, to: SlackUserId, reply: ReplyTo) -> None:
        """Run a job after the answer was sent; if it fails, `to` is told."""
        self.work.start(job, name=name, report=reporter(self.replies, to, reply))

    async def begin(self, ack: AsyncAck, asked: Opening, name: str, job: Coroutine[Any, Any, object]) -> None:
        """Start a job and acknowledge; if the job fails, the person who clicked is told."""
        self.start(job, name, asked.by, asked.reply)
        await ack()

    def click(self, body: Body, deed: Deed) -> Click:
        """The click behind a button or a submit, with the `deed` to carry out."""
        click = read.click(body, deed, self.clock())
        return replace(click, team=seat(self.directory.tenant, click.team))

    async def receive(self, body: Body, deed: Deed, *, anyway: bool = False, closes: bool = False) -> str:
        """Store a click for the worker. Returns the `external_id` of the page that its submit waits on; "" for none.

        With `closes`, the modal is closed and a message tells the outcome. Any other submit that Slack delivers twice
        is carried out twice in turn, which changes nothing the second time: so both deliveries get their page. Raises
        `Unavailable` if the store doesn't take the click within `STORED_WITHIN` seconds.
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
        """Store the press of a button and acknowledge. If it can't be stored, say so."""
        try:
            await self.receive(body, deed)
        except LatchkeyError as error:
            opening = read.opening(body)
            self.start(self.answer(opening, "Couldn't do that", tell(error)), "complain", opening.by, opening.reply)
        await ack()

    async def dismiss(self, ack: AsyncAck, body: Body, deed: Deed, *, anyway: bool = False) -> None:
        """Store a submitted modal and close it. If it can't be stored, leave it open and say so on a page above it."""
        try:
            await self.receive(body, deed, anyway=anyway, closes=True)
        except LatchkeyError as error:
            await ack(response_action="push", view=pages.page(TextPage("Couldn't do that", tell(error))))
        else:
            await ack(response_action="clear")

    async def submit(
        self, ack: AsyncAck, body: Body, deed: Deed, then: Block, *, field: str = "", anyway: bool = False
    ) -> None:
        """Store a submitted modal and show `then`. If it can't be stored, leave the modal as it is and say so.

        That is said on a page above it, or under `field` for a modal that may be the third one, above which Slack
        allows no other. The page that the click leads to comes after `then`, however late Slack shows that. Slack never
        says whether it accepted `then`, so newer blocks are drawn in their plain form there.
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
        """Store a submitted modal that asks for a reason. Without one, it stays open and says who will see it."""
        missing = f"Enter a reason. {reader[:1].upper()}{reader[1:]} will see it."
        await self.text(ack, body, (ids.REASON_BLOCK, LIMITS["reason"], missing), deed, title)

    async def text(
        self, ack: AsyncAck, body: Body, field: tuple[str, int, str], deed: Callable[[str], Deed], title: str
    ) -> None:
        """Store a submitted modal with one text. `field` is its block id, its limit in characters, and its error."""
        block, limit, missing = field
        typed = read.typed(body, block)
        if problem := missing if is_blank(typed) else text_problem(typed, limit):
            await ack(response_action="errors", errors={block: problem})
            return
        await self.submit(ack, body, deed(typed), pages.working(title))

    async def open(self, trigger: str, view: Block) -> str:
        """Open a modal with a trigger, which is valid for three seconds. Returns the view's id."""
        return await self._opened("views.open", trigger, view)

    async def stack(self, asked: Opening, view: Block, depth: int) -> str:
        """Show a modal above the `depth` open ones, or in place of the third. Returns the view's id."""
        if depth >= DEEPEST and asked.view:
            await self._drawn({"view_id": asked.view, "view": view})
            return asked.view
        return await self._opened("views.push" if depth else "views.open", asked.trigger, view)

    async def _opened(self, method: str, trigger: str, view: Block) -> str:
        answer = await call(self.replies.client, method, {"trigger_id": trigger, "view": view})
        return str(answer["view"]["id"])

    async def fill(self, view: str, load: Callable[[], Awaitable[Block]]) -> None:
        """Put the page that `load` returns into an open modal, or the reason why there is none."""
        await self._drawn({"view_id": view, "view": await self._loaded(load)})

    async def follow(self, opening: Opening, load: Callable[[], Awaitable[Block]]) -> None:
        """Do the same for a modal whose submit was answered with `waiting`."""
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
        """Make this the newest click in its modal, unless a newer one arrived before it.

        Call this in the listener itself: of two jobs, the one that starts first may get here last.
        """
        newest = self.redrawing.get(str(opening.view))
        if newest is None or newest.at <= opening.at:
            self.redrawing[str(opening.view)] = opening

    async def redraw(self, opening: Opening, load: Callable[[], Awaitable[Block]]) -> None:
        """Redraw the modal that a click came from, unless it was closed. Of two clicks in a row, the later one wins.

        That holds across processes as well: Slack may send each click to a different one.
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
        """Whether this is the newest click known for its modal, here and in the store, which learns of this one."""
        if self.redrawing.get(str(opening.view)) is not opening:
            return False
        name = f"redrawn:{opening.view}"
        newest = await self.soon(self.cache.get(name, float), None)
        if newest is not None and newest[0] > opening.at:
            return False
        await self.soon(self.cache.put(name, opening.at, float, now=self.clock(), keep=REDRAWN_FOR), None)
        return self.redrawing.get(str(opening.view)) is opening

    async def _drawn(self, body: Block) -> bool:
        """Update a modal. Returns False if it has changed since `hash`, and True for one that was closed."""
        try:
            await call(self.replies.client, "views.update", body)
        except Undeliverable as error:
            if error.reason not in {"hash_conflict", "not_found"}:
                raise
            return error.reason == "not_found"
        return True

    async def turn_away(self, user: SlackUserId, team: TeamId, view: str) -> None:
        """Show in an open form why its reader can't have keys at all: better now than after they filled it in."""
        try:
            await self.directory.before_no(user, lambda directory: directory.identify(user, team, shown=True))
        except Refused as error:
            page = pages.page(TextPage("You can't use Latchkey", error.tell))
            await call(self.replies.client, "views.update", {"view_id": view, "view": page})
        except Unavailable:
            return  # the review page asks again, and says so

    async def answer(self, opening: Opening, title: str, text: str) -> None:
        """Answer a click with a sentence: above the modal or Home it came from, else in a message to its sender."""
        if opening.view is None:
            await self.replies.send(opening.by, opening.reply, text)
            return
        method = "views.open" if opening.is_home else "views.push"
        await self._opened(method, opening.trigger, pages.page(TextPage(title, text)))


_STORE_AWAY = (
    "Latchkey's store didn't answer in time, so your click may or may not have counted. "
    "Wait a minute. If nothing has changed, try again."
)
