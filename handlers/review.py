"""The review's messages: looking through the keys, and keeping one or all of them, with a reason.

Whether a person may see a key is checked when the list is loaded, and again when the reason is carried out.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import LatchkeyError
from bot.domain.keys import KeyId, Principal
from bot.services.commands import Keep
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read, read_keys
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import key as key_pages
from bot.slack.views import review
from handlers.context import ListenerContext

READER = "people who review these keys later"
"""Who reads the reason."""


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the review's buttons and its two forms for a reason."""
    _listen_to_one(app, context)
    _listen_to_all(app, context)


def _listen_to_one(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.KEY_KEEP)
    async def keep(ack: AsyncAck, body: Body) -> None:
        opening, key = read.opening(body), KeyId(read.request_id(body))
        await context.begin(ack, opening, "ask why to keep it", _ask_why_one(context, opening, body, key))

    @app.view(ids.KEEP)
    async def kept(ack: AsyncAck, body: Body) -> None:
        key, at = review.kept_key(read.metadata(body))
        await context.reason(ack, body, READER, lambda why: Keep(key, why, at), "Keep this API key")


def _listen_to_all(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.any_of(ids.KEEP_SHOWN, ids.KEEP_BASELINE))
    async def keep_shown(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "ask why to keep them", _ask_why(context, opening, body))

    @app.action(ids.REVIEW_KEYS)
    async def go_through(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "review keys", _list(context, opening, body))

    @app.view(ids.KEEP_SHOWN)
    async def kept_shown(ack: AsyncAck, body: Body) -> None:
        metadata = read.metadata(body)
        await context.reason(ack, body, READER, lambda why: review.kept_shown(metadata, why), "Keep API keys")


async def _ask_why_one(context: ListenerContext, opening: Opening, body: Body, key: KeyId) -> None:
    async def loaded() -> Block:
        return review.keep_form(key, read.card(body), await _name(context, opening, key))

    page = key_pages.loading("Keep this API key")
    await context.fill(await context.stack(opening, page, read_keys.depth(body)), loaded)


async def _ask_why(context: ListenerContext, opening: Opening, body: Body) -> None:
    (owner, number), at = read.listed_ref(body), read.card(body)
    reason = review.BASELINE if body["actions"][0]["action_id"] == ids.KEEP_BASELINE else ""

    async def loaded() -> Block:
        keys = (await context.reviews.offered(owner, at, opening.by))[:number]
        return review.keep_shown_form(owner, keys, at, reason, await _names(context, opening, owner, keys))

    await context.fill(await context.open(opening.trigger, key_pages.loading("Keep API keys")), loaded)


async def _name(context: ListenerContext, opening: Opening, key: KeyId) -> str:
    """What this key is called, if its reader may see it; "" where that can't be read now."""
    with suppress(LatchkeyError):
        view = await context.key_views.read(opening.by, opening.team, lambda now, roles: now.key_view(key, roles))
        return view.key.name
    return ""


async def _names(
    context: ListenerContext, opening: Opening, owner: Principal, keys: Sequence[KeyId]
) -> Mapping[KeyId, str]:
    """What these keys are called, as far as their reader may see them; none where that can't be read now."""
    with suppress(LatchkeyError):
        views = await context.key_views.read(opening.by, opening.team, lambda now, roles: now.some(owner, keys, roles))
        return {view.key.id: view.key.name for view in views}
    return {}


async def _list(context: ListenerContext, opening: Opening, body: Body) -> None:
    (owner, _), at = read.listed_ref(body), read.card(body)

    async def loaded() -> Block:
        keys = await context.reviews.offered(owner, at, opening.by)
        views = await context.key_views.read(opening.by, opening.team, lambda now, roles: now.some(owner, keys, roles))
        return review.keys_to_review(views, len(keys) - len(views))

    await context.fill(await context.open(opening.trigger, key_pages.loading("API keys to review")), loaded)
