"""Denying a request, with a reason. To approve and to cancel one takes a button alone: see `handlers.buttons`."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import RequestId
from bot.services.commands import Deny
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body
from bot.slack.views import pages
from handlers.context import ListenerContext


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to `Deny`. Who may decide is asked when the reason is carried out, not here."""

    @app.action(ids.DENY)
    async def deny(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        job = context.open(opening.trigger, pages.deny(read.request_id(body)))
        await context.begin(ack, opening, "ask why", job)

    @app.view(ids.DENY_REASON)
    async def denied(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.reason(ack, body, "the requester", lambda why: Deny(request, why), "Deny this request")
