"""The port `Notifier` on Slack's Web API."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.errors import Undeliverable
from bot.domain.keys import SlackUserId
from bot.domain.requests import Request
from bot.domain.review import Digest
from bot.services.clicks import CardAt, ReplyTo
from bot.services.pages import Handover, Page
from bot.services.ports import Post, Surface
from bot.slack import cards, digests, keymessages, modals, once
from bot.slack.acked import AckedViews
from bot.slack.kit import Block, as_message
from bot.slack.replies import Replies, call

_QUIET = {"unfurl_links": False, "unfurl_media": False}


@dataclass(frozen=True, slots=True)
class SlackNotifier:
    """Posts, updates and answers. Cards are views of the record: losing one loses nothing."""

    replies: Replies
    views: AckedViews

    async def publish(self, surface: Surface, request: Request, post: Post | None, note: str = "") -> Post:
        """See `Notifier.publish`. Slack's posting is not idempotent: a crash right after it can leave a second copy."""
        blocks, text = _drawn(surface, request, note)
        digest = hashlib.sha256(json.dumps([blocks, text], sort_keys=True).encode()).hexdigest()[:16]
        if post is not None and post.digest == digest:
            return post
        message = as_message(blocks, text)
        client = self.replies.client
        if post is not None:
            await call(client, "chat.update", {"channel": post.channel, "ts": post.ts, **message})
            return replace(post, digest=digest)
        channel = _place(surface, request)
        answer = await call(client, "chat.postMessage", {"channel": channel, **_QUIET, **message})
        return Post(surface, str(answer["channel"]), str(answer["ts"]), digest)

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        """See `Notifier.digest`."""
        message, client = as_message(*digests.message(digest)), self.replies.client
        if at is not None:
            await call(client, "chat.update", {"channel": at.channel, "ts": at.ts, **message})
            return at
        answer = await call(client, "chat.postMessage", {"channel": to, **_QUIET, **message})
        return CardAt(str(answer["channel"]), str(answer["ts"]))

    async def say(self, to: SlackUserId, reply: ReplyTo, text: str) -> None:
        """Answer a click with a sentence that only `to` sees."""
        await self.replies.send(to, reply, text)

    async def show_page(self, view: str, page: Page, waiting: str = "") -> None:
        """See `Notifier.show_page`."""
        await self.views.put(view, modals.page(page), waiting)

    async def hand_over(self, reply: ReplyTo, handover: Handover) -> None:
        """Show the secret in answer to the click that asked for it. Never retried; unsure counts as not shown."""
        if reply.response_url is None:
            raise Undeliverable("no_response_url", lasting=True)
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": once.FALLBACK,
            "blocks": once.message(handover),
        }
        await self.replies.post(reply.response_url, body)

    async def clear(self, reply: ReplyTo) -> None:
        """Remove the ephemeral message that a click came from; that it is gone already is no error."""
        if reply.response_url is None:
            return
        try:
            await self.replies.post(reply.response_url, {"delete_original": True})
        except Undeliverable:
            return  # ephemeral messages go away by themselves on reload


def _place(surface: Surface, request: Request) -> str:
    """The channel of the card, or the person whose DM it is."""
    match surface.split(":"):
        case ["card"]:
            return request.terms.channel
        case ["copy", user, _]:
            return user
        case _:
            return request.ask.requester.slack


def _drawn(surface: Surface, request: Request, note: str) -> tuple[Sequence[Block], str]:
    match surface.partition(":"):
        case ("card" | "copy", _, _):
            return cards.card(request)
        case ("asked", _, _):
            return cards.asked(request, note)
        case ("outcome", _, _):
            return cards.outcome(request)
        case _:
            return _about_key(surface, request)


def _about_key(surface: Surface, request: Request) -> tuple[Sequence[Block], str]:
    """What the requester reads about a key that was made."""
    match surface.partition(":"):
        case ("key", _, attempt):
            return keymessages.key(request, int(attempt))
        case ("end", _, _):
            return keymessages.end(request)
        case ("replaced", _, _):
            return keymessages.replaced(request)
        case _:
            return keymessages.reminder(request)
