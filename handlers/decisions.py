"""Deciding about a request: approve, deny with a reason, cancel."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import RequestId
from bot.services.commands import Approve, Cancel, Deny
from bot.services.form.validate import LIMITS, text_problem
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import pages
from handlers.context import ListenerContext


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to the buttons of cards. Who may decide is asked when the click is carried out, not here."""

    @app.action(ids.APPROVE)
    async def approve(ack: AsyncAck, body: Body) -> None:
        await context.button(ack, body, Approve(read.request_id(body)))

    @app.action(ids.DENY)
    async def deny(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        context.start(_ask_why(context, opening, read.request_id(body)), "ask why", opening.by, opening.reply)
        await ack()

    @app.view(ids.DENY_REASON)
    async def denied(ack: AsyncAck, body: Body) -> None:
        reason = read.deny_reason(body)
        if problem := _problem(reason):
            await ack(response_action="errors", errors={ids.REASON_BLOCK: problem})
            return
        deed = Deny(RequestId(read.metadata(body)), reason)
        await context.submit(ack, body, deed, pages.working("Deny this request"))

    @app.action(ids.CANCEL)
    async def cancel(ack: AsyncAck, body: Body) -> None:
        await context.button(ack, body, Cancel(read.request_id(body)))


def _problem(reason: str) -> str | None:
    return text_problem(reason, LIMITS["reason"]) if reason.strip() else "Write a reason: the requester reads it."


async def _ask_why(context: ListenerContext, opening: Opening, request: RequestId) -> None:
    await context.open(opening.trigger, pages.deny(request))
