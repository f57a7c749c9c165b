"""The port `Notifier` on Slack's Web API."""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, assert_never

from bot.domain.errors import Undeliverable
from bot.domain.keys import SlackUserId
from bot.domain.requests import Request
from bot.domain.review import Digest
from bot.services.browse.home import HomePage
from bot.services.commands import CardAt, ReplyTo
from bot.services.pages import Handover, Page
from bot.services.ports.store import Post
from bot.services.surfaces import CARD, Surface, SurfaceKind
from bot.slack.api.acked_views import AckedViews
from bot.slack.api.client import Replies, call, ephemeral
from bot.slack.blocks.kit import as_message
from bot.slack.blocks.text import Block
from bot.slack.messages import card
from bot.slack.messages import digest as digests
from bot.slack.messages import key as key_messages
from bot.slack.messages import secret as the_secret
from bot.slack.views import pages
from bot.slack.views.home import home

_QUIET = {"unfurl_links": False, "unfurl_media": False}


@dataclass(frozen=True, slots=True)
class SlackNotifier:
    """Posts, updates and answers. Cards are views of the record: losing one loses nothing."""

    replies: Replies
    views: AckedViews
    refused: Callable[[str, str], None] = lambda _surface, _code: None
    """Told of each message that Slack refuses: what it is, and Slack's code."""

    async def publish(self, surface: Surface, request: Request, post: Post | None, note: str = "") -> Post:
        """See `Notifier.publish`. Slack's posting is not idempotent: a crash right after it can leave a second copy."""
        blocks, text = _drawn(surface, request, note)
        digest = hashlib.sha256(json.dumps([blocks, text], sort_keys=True).encode()).hexdigest()[:16]
        if post is not None and post.digest == digest:
            return post
        at = CardAt(post.channel, post.ts) if post else None
        at = await self._put(surface.kind.value, _place(surface, request), as_message(blocks, text), at)
        return replace(post, digest=digest) if post else Post(surface, at.channel, at.ts, digest)

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        """See `Notifier.digest`."""
        return await self._put("review", to, as_message(*digests.message(digest)), at)

    async def _put(self, what: str, to: str, message: Mapping[str, Any], at: CardAt | None) -> CardAt:
        """Update the message that is there, or post a new one."""
        client = self.replies.client
        with self._counting(what):
            if at is not None:
                await call(client, "chat.update", {"channel": at.channel, "ts": at.ts, **message})
                return at
            answer = await call(client, "chat.postMessage", {"channel": to, **_QUIET, **message})
        return CardAt(str(answer["channel"]), str(answer["ts"]))

    async def show_home(self, user: SlackUserId, page: HomePage) -> None:
        """Set somebody's Home. Raises `Throttled`, `Unavailable` or `Undeliverable`."""
        await call(self.replies.client, "views.publish", {"user_id": user, "view": home(page)})

    async def say(self, to: SlackUserId, reply: ReplyTo, text: str) -> None:
        """Answer a click with a sentence that only `to` sees."""
        await self.replies.send(to, reply, text)

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        """See `Notifier.show_page`."""
        await self.views.put(view, pages.page(page), waiting)

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        """Show the secret in answer to the click that asked for it. Never retried; unsure counts as not shown."""
        if reply.response_url is None:
            raise Undeliverable("no_response_url", lasting=True)
        body = ephemeral(the_secret.FALLBACK, the_secret.message(handover))
        with self._counting("secret"):
            await self.replies.post(reply.response_url, body)

    async def clear(self, reply: ReplyTo) -> None:
        """Remove the ephemeral message that a click came from; that it is gone already is no error."""
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
    """The channel of the card, or the person whose DM it is."""
    return request.terms.channel if surface == CARD else surface.user or request.ask.requester.slack


def _drawn(surface: Surface, request: Request, note: str) -> tuple[Sequence[Block], str]:
    match surface.kind:
        case SurfaceKind.CARD | SurfaceKind.COPY:
            return card.card(request)
        case SurfaceKind.ASKED:
            return card.asked(request, note)
        case SurfaceKind.OUTCOME:
            return card.outcome(request)
        case SurfaceKind.KEY:
            return key_messages.key(request, surface.number or 0)
        case SurfaceKind.REPLACED:
            return key_messages.replaced(request)
        case SurfaceKind.END:
            return key_messages.end(request)
        case SurfaceKind.REMINDER:
            return key_messages.reminder(request)
    assert_never(surface.kind)
