"""The port `Notifier` on Slack's Web API."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Throttled, Unavailable, Undeliverable
from bot.domain.keys import SlackUserId
from bot.domain.leaks.report import LeakNotice
from bot.domain.requests import Pending, Request
from bot.domain.review import Backlog, Digest
from bot.services.agenda import must_hold
from bot.services.browse.home import HomePage
from bot.services.commands import CardAt, ReplyTo
from bot.services.pages import Handover, Page, TextPage
from bot.services.ports.store import Post
from bot.services.surfaces import CARD, ONCE, Surface, SurfaceKind
from bot.slack.api.client import Replies, call, ephemeral
from bot.slack.blocks.kit import as_message
from bot.slack.blocks.text import Block
from bot.slack.messages import card, conversation, others
from bot.slack.messages import digest as digests
from bot.slack.messages import key as key_messages
from bot.slack.messages import request as request_messages
from bot.slack.messages import secret as the_secret
from bot.slack.messages.leak import told as leaks
from bot.slack.views import pages
from bot.slack.views.home import home

_QUIET = {"unfurl_links": False, "unfurl_media": False}
PATIENCE = 3.5
"""Seconds: longer than Slack takes to apply an answer, which is three at most."""
_PAUSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Seconds between looks for the view; a workspace has some hundred calls of `views.update` a minute."""
LONGEST_WAIT = 5.0
"""Seconds that we wait if Slack asks us to, before trying once more."""
_TRIES = 3
_DOUBTS = 3
"""After this many open views without the ID, Latchkey assumes that Slack doesn't adopt it."""
_LATE, _LATE_PAUSE = 2, 2.0
_CLOSED = "not_found"
_MARK = "-"


def waiting(view: Block, click: str) -> Block:
    """The page that answers a submit, identified by the click until the page with the result replaces it."""
    return {**view, "external_id": click}


def once_more(submit: str) -> str:
    """The `external_id` for the answer to a second delivery of a submit, so that its page follows this answer, too."""
    return f"{submit}{_MARK}{token_hex(4)}"


@dataclass(slots=True)
class AckedViews:
    """Modals, including those whose submit was answered with a page that asks the person to wait.

    Slack applies that answer and our later `views.update` in no particular order: if the answer was applied last, it
    would stay. So the answer gives the view an `external_id` of its own, and what follows is addressed by that: until
    the answer is applied, no view has that id.
    """

    client: AsyncWebClient
    _was_adopted: bool = field(default=False, init=False)
    _misses: int = field(default=0, init=False)

    @property
    def is_adopted(self) -> bool:
        """Whether Slack adopts an `external_id` from an answer. That isn't documented, so it's what was observed.

        Once observed, it holds. A view without one may have got its page before, or its answer may be lost.
        """
        return self._was_adopted or self._misses < _DOUBTS

    async def put(self, view: str, page: Block, waiting: str = "") -> None:
        """Put a page into a view, after the one that `waiting` names. Does nothing to a closed view.

        Raises `Undeliverable` if Slack refuses the page; `Throttled` or `Unavailable` after a few tries.
        """
        if waiting and await self._put_when_there(waiting, page):
            return
        if _MARK in waiting and self._was_adopted:
            # The first answer got its page. If the second one never arrived, the view may already show another page.
            await self._put_if_late(waiting, page)
            return
        if await self._put({"view_id": view, "view": page}) and waiting:
            self._misses += 1
            await self._put_if_late(waiting, page)

    async def _put_when_there(self, waiting: str, page: Block) -> bool:
        """Put the page into the view that `waiting` names, once there is one.

        Returns False if there is none in time: by then Slack has applied the answer, or lost it.
        """
        body = {"external_id": waiting, "view": page}
        for pause in _PAUSES if self.is_adopted else (PATIENCE,):
            if await self._put(body):
                self._was_adopted = True
                return True
            await asyncio.sleep(pause)
        return False

    async def _put_if_late(self, waiting: str, page: Block) -> None:
        """Put the page once more if Slack applied the answer unusually late: it then hides the page, and has the ID."""
        for _ in range(_LATE if self.is_adopted else 0):
            await asyncio.sleep(_LATE_PAUSE)
            if await self._put({"external_id": waiting, "view": page}):
                self._was_adopted = True
                return

    async def _put(self, body: Mapping[str, Any]) -> bool:
        """Put the page, and return whether there is such a view. Tries again, so that its reader isn't left waiting."""
        for again in range(_TRIES, 0, -1):
            try:
                await call(self.client, "views.update", body)
            except Undeliverable as error:
                if error.reason != _CLOSED:
                    raise
                return False
            except Unavailable as error:
                if again == 1:
                    raise
                wait = error.wait.total_seconds() if isinstance(error, Throttled) else 0
                await asyncio.sleep(max(1.0, min(wait, LONGEST_WAIT)))
            else:
                return True
        raise AssertionError("the last try ends with a value or an error")


@dataclass(frozen=True, slots=True)
class SlackNotifier:
    """Posts and updates messages, and answers clicks. Cards are drawn from records, so losing one loses nothing."""

    replies: Replies
    views: AckedViews
    refused: Callable[[str, str], None] = lambda _surface, _code: None
    """Called for each message that Slack refuses: what it is, and Slack's code."""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        """See `Notifier.publish`. Slack's posting is not idempotent: a crash right after it can leave a second copy."""
        is_over = post is not None and post.text and not isinstance(request, Pending)
        blocks, text = _closed(request, post) if post and is_over else drawn(surface, request, note, beside)
        digest = hashlib.sha256(json.dumps([blocks, text], sort_keys=True).encode()).hexdigest()[:16]
        if post is not None and post.digest == digest:
            return post
        at = CardAt(post.channel, post.ts) if post else None
        message, to = dict(as_message(blocks, text)), _place(surface, request)
        if surface.root and beside is not None and at is None:
            message["thread_ts"], to = beside.ts, beside.channel
        await must_hold()
        at = await self._put(surface.kind.value, to, message, at)
        return replace(post, digest=digest) if post else Post(surface, at.channel, at.ts, digest)

    async def link(self, post: Post) -> str:
        """See `Notifier.link`."""
        body = {"channel": post.channel, "message_ts": post.ts}
        answer = await call(self.replies.client, "chat.getPermalink", body, form=True)
        return str(answer["permalink"])

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        """See `Notifier.digest`."""
        await must_hold()
        return await self._put("review", to, as_message(*digests.message(digest)), at)

    async def backlog(self, to: str, backlog: Backlog) -> None:
        """See `Notifier.backlog`."""
        await must_hold()
        await self._put("review", to, as_message(*digests.backlog(backlog)), None)

    async def leak(self, to: str, notice: LeakNotice, at: CardAt | None) -> CardAt:
        """See `Notifier.leak`."""
        return await self._put("leak", to, as_message(*leaks.message(notice)), at)

    async def _put(self, what: str, to: str, message: Mapping[str, Any], at: CardAt | None) -> CardAt:
        """Update the existing message, or post a new one."""
        client = self.replies.client
        with self._counting(what):
            if at is not None:
                await call(client, "chat.update", {"channel": at.channel, "ts": at.ts, **message})
                return at
            answer = await call(client, "chat.postMessage", {"channel": to, **_QUIET, **message})
            posted = CardAt(str(answer["channel"]), str(answer["ts"]))
            if "thread_ts" in message and "thread_ts" not in answer.get("message", message):
                # The first message is gone, and Slack posted the reply in the channel, as slack-go/slack#1571 saw.
                await self._unsay(posted)
                raise Undeliverable("thread_not_found", lasting=True)
        return posted

    async def _unsay(self, at: CardAt) -> None:
        """Delete what was just posted, if Slack lets us; if not, it's there twice."""
        with suppress(LatchkeyError):
            await call(self.replies.client, "chat.delete", {"channel": at.channel, "ts": at.ts})

    async def show_home(self, user: SlackUserId, page: HomePage) -> None:
        """Set someone's Home. Raises `Throttled`, `Unavailable` or `Undeliverable`."""
        await must_hold()
        await call(self.replies.client, "views.publish", {"user_id": user, "view": home(page)})

    async def say(self, to: SlackUserId, reply: ReplyTo, page: TextPage) -> None:
        """Answer a click with a message that only `to` sees."""
        await self.replies.send(to, reply, page.text, pages.message(page))

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        """See `Notifier.show_page`."""
        await self.views.put(view, pages.page(page), waiting)

    async def open_page(self, trigger: str, page: Page) -> None:
        """See `Notifier.open_page`."""
        await call(self.replies.client, "views.open", {"trigger_id": trigger, "view": pages.page(page)})

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        """Show the secret in answer to the click that asked for it. Never retried.

        Raises `Undeliverable` unless Slack clearly accepted it: then it counts as not shown.
        """
        if reply.response_url is None:
            raise Undeliverable("no_response_url", lasting=True)
        await must_hold()
        body = ephemeral(the_secret.FALLBACK, the_secret.message(handover))
        with self._counting("secret"):
            await self.replies.post(reply.response_url, body)

    async def clear(self, reply: ReplyTo) -> None:
        """Remove the ephemeral message that a click came from. If it's gone already, that is no error."""
        if reply.response_url is None:
            return
        try:
            await self.replies.post(reply.response_url, {"delete_original": True})
        except Undeliverable:
            return  # ephemeral messages go away by themselves on reload

    @contextmanager
    def _counting(self, what: str) -> Generator[None]:
        try:
            yield
        except Undeliverable as error:
            self.refused(what, error.reason)
            raise


def _place(surface: Surface, request: Request) -> str:
    """The channel of the card and of what belongs below it, or the person whose DM it is."""
    return request.terms.channel if CARD in {surface, surface.root} else surface.user or request.ask.requester.slack


def _closed(request: Request, question: Post) -> tuple[Sequence[Block], str]:
    return conversation.closed(request.ask, question.by, question.text)


def drawn(surface: Surface, request: Request, note: str, beside: Post | None = None) -> tuple[Sequence[Block], str]:
    """The blocks of one message about a request, and its notification text. See `Notifier.publish`."""
    if surface.kind is SurfaceKind.ASKED:
        return request_messages.asked(request, note, beside.link if beside else "")
    if surface.kind is SurfaceKind.OUTCOME:
        return request_messages.outcome(request, is_reply=beside is not None)
    if surface.kind is SurfaceKind.LOST:
        return key_messages.lost(request, surface.number or 0, is_reply=beside is not None)
    if surface.kind in ONCE:
        return conversation.drawn(surface.kind, request, surface.number or 0, is_reply=beside is not None)
    if surface.kind is SurfaceKind.COPY:
        return others.copy(request, surface.number or 0)
    if surface.kind is SurfaceKind.APPROVERS:
        return others.to_approvers(request, surface.user, is_reply=beside is not None)
    if draw := _OF_AN_ATTEMPT.get(surface.kind):
        return draw(request, surface.number or 0)
    return _OF_A_REQUEST[surface.kind](request)


_OF_A_REQUEST: Mapping[SurfaceKind, Callable[[Request], tuple[Sequence[Block], str]]] = {
    SurfaceKind.CARD: card.card,
    SurfaceKind.CHANGED: request_messages.changed,
    SurfaceKind.REPLACED: key_messages.replaced,
    SurfaceKind.END: key_messages.end,
    SurfaceKind.REMINDER: key_messages.reminder,
    SurfaceKind.TOLD: others.to_owners,
    SurfaceKind.REVIEWED: request_messages.reviewed,
}
_OF_AN_ATTEMPT: Mapping[SurfaceKind, Callable[[Request, int], tuple[Sequence[Block], str]]] = {
    SurfaceKind.KEY: key_messages.key,
    SurfaceKind.CLAIM: key_messages.claim,
}
