"""Buttons on the outcome of a request that reopen the form: for the same key, or for a service account instead."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import Refused
from bot.domain.keys import RequestId
from bot.services.people.directory import seat
from bot.services.requests.submit import draft_again
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from handlers.context import ListenerContext
from handlers.create import open_form


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the buttons in a requester's own messages."""

    @app.action(ids.any_of(ids.ASK_AGAIN, ids.USE_ACCOUNT))
    async def again(ack: AsyncAck, body: Body) -> None:
        opening, action = read.opening(body), body["actions"][0]["action_id"]
        job = _again(context, opening, read.request_id(body), other_account=action == ids.USE_ACCOUNT)
        await context.begin(ack, opening, "open the form again", job)


async def _again(context: ListenerContext, opening: Opening, request: RequestId, *, other_account: bool) -> None:
    """Reopen the form as it was filled in for this request. Only its requester can."""
    stored = await context.requests.get(request)
    if stored is None:
        await open_form(context, opening)
        return
    ask = stored.value.ask
    if (ask.requester.slack, ask.requester.team) != (opening.by, seat(context.directory.tenant, opening.team)):
        raise Refused("This is another person's request. Nothing changed. Start your own with `/apikey create`.")
    offers = context.directory.policy().offers
    await open_form(context, opening, draft_again(ask, offers, other_account=other_account))
