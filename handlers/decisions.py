"""Decisions, and all other buttons that say all there is to say: each is stored as its command, for the worker.

The worker checks who may do it when it carries the click out. `Deny` checks before it asks for a reason, too.
"""

from collections.abc import Callable, Mapping

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import Unavailable
from bot.domain.keys import RequestId
from bot.services.commands import (
    Anyway,
    Approve,
    Back,
    Cancel,
    Click,
    Deed,
    Deny,
    DropFormer,
    KeepFormer,
    Question,
    Replace,
    Reply,
    Saved,
    Show,
)
from bot.services.form.validate import MESSAGE
from bot.slack.blocks.text import Block, flat
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import conversation, pages
from handlers.context import ListenerContext


def _longer(request: RequestId, attempt: int, until: int) -> KeepFormer:
    return KeepFormer(request, attempt, until=until)


_COMMANDS: Mapping[str, Callable[[Body], Deed]] = {
    ids.REVIEW_BACK: lambda body: Back(read.request_id(body)),
    ids.ANYWAY: lambda body: Anyway(read.request_id(body)),
    ids.APPROVE: lambda body: Approve(*read.key_ref(body)),
    ids.CANCEL: lambda body: Cancel(read.request_id(body)),
    ids.SHOW: lambda body: Show(*read.key_ref(body)),
    ids.SAVED: lambda body: Saved(*read.key_ref(body)),
    ids.REPLACE: lambda body: Replace(*read.key_ref(body)),
    ids.DROP_FORMER: lambda body: DropFormer(*read.key_ref(body)),
    ids.KEEP_FORMER: lambda body: _longer(*read.key_until(body)),
}


_QUESTION = (ids.MESSAGE_BLOCK, MESSAGE, "Write a question.")
_REPLY = (ids.MESSAGE_BLOCK, MESSAGE, "Write a reply.")


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to them all, and to `Deny`, which asks for a reason first."""

    @app.action(ids.any_of(*_COMMANDS))
    async def button(ack: AsyncAck, body: Body) -> None:
        await context.button(ack, body, _COMMANDS[body["actions"][0]["action_id"]](body))

    @app.action(ids.DENY)
    async def deny(ack: AsyncAck, body: Body) -> None:
        opening, request = read.opening(body), read.request_id(body)
        click = read.click(body, Deny(request, ""), context.clock())
        await context.begin(ack, opening, "ask why", _ask_why(context, opening, request, click))

    @app.view(ids.DENY_REASON)
    async def denied(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.reason(ack, body, "the requester", lambda why: Deny(request, why), pages.DENYING)

    @app.action(ids.ASK)
    async def ask(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        job = context.open(opening.trigger, conversation.question(read.request_id(body)))
        await context.begin(ack, opening, "ask what to ask", job)

    @app.action(ids.ANSWER)
    async def answer(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        job = context.open(opening.trigger, conversation.reply(*read.key_ref(body)))
        await context.begin(ack, opening, "ask what to reply", job)

    @app.view(ids.QUESTION)
    async def asked(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.text(ack, body, _QUESTION, lambda text: Question(request, text), "Ask a question")

    @app.view(ids.REPLY)
    async def answered(ack: AsyncAck, body: Body) -> None:
        request, number = read.numbered(read.metadata(body))
        await context.text(ack, body, _REPLY, lambda text: Reply(request, number, text), "Reply")


async def _ask_why(context: ListenerContext, opening: Opening, request: RequestId, click: Click) -> None:
    """Ask for the reason, unless this person may not deny the request: rather now than after writing one."""

    async def load() -> Block:
        try:
            name = (await context.decisions.for_one_decision().deniable(request, click)).ask.name
        except Unavailable:  # the submit asks again, for as long as the request waits
            name = ""
        return pages.deny(request, flat(name))

    # A trigger is good for three seconds, and reading roles can take longer.
    view = await context.open(opening.trigger, pages.working(pages.DENYING))
    await context.fill(view, load)
