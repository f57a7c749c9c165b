"""Decisions, and all other buttons that say all there is to say: each is stored as its command, for the worker.

Who may do it is asked when the click is carried out, not here.
"""

from collections.abc import Callable, Mapping

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import RequestId
from bot.services.commands import (
    Anyway,
    Approve,
    Back,
    Cancel,
    Deed,
    Deny,
    DropFormer,
    KeepFormer,
    Replace,
    Saved,
    Show,
)
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body
from bot.slack.views import pages
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


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to them all, and to `Deny`, which asks for a reason first."""

    @app.action(ids.any_of(*_COMMANDS))
    async def button(ack: AsyncAck, body: Body) -> None:
        await context.button(ack, body, _COMMANDS[body["actions"][0]["action_id"]](body))

    @app.action(ids.DENY)
    async def deny(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        job = context.open(opening.trigger, pages.deny(read.request_id(body)))
        await context.begin(ack, opening, "ask why", job)

    @app.view(ids.DENY_REASON)
    async def denied(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.reason(ack, body, "the requester", lambda why: Deny(request, why), "Deny this request")
