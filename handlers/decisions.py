"""Decisions, and all other buttons that need no more input: each is stored as a command for the worker.

The worker checks who may do it when it carries out the click. Buttons that ask for a text check that first as well.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import Unavailable
from bot.domain.keys import RequestId
from bot.domain.requests import Pending, Request
from bot.services.commands import (
    Anyway,
    Approve,
    Back,
    Cancel,
    Deed,
    Deny,
    DropFormer,
    Glass,
    Judge,
    KeepFormer,
    Question,
    RemoveAccess,
    Replace,
    Reply,
    Saved,
    Show,
    UseGlass,
)
from bot.services.form.validate import MESSAGE
from bot.services.text import is_same_text
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body
from bot.slack.views import conversation, pages
from handlers.context import ListenerContext


def _longer(request: RequestId, attempt: int, until: int) -> KeepFormer:
    return KeepFormer(request, attempt, until=until)


_COMMANDS: Mapping[str, Callable[[Body], Deed]] = {
    ids.REVIEW_BACK: lambda body: Back(read.request_id(body)),
    ids.GLASS: lambda body: Glass(read.pressed_value(body)),
    ids.JUSTIFIED: lambda body: Judge(read.request_id(body), "justified"),
    ids.ANYWAY: lambda body: Anyway(read.request_id(body)),
    ids.APPROVE: lambda body: Approve(*read.key_ref(body)),
    ids.CANCEL: lambda body: Cancel(read.request_id(body)),
    ids.SHOW: lambda body: Show(*read.key_ref(body)),
    ids.SAVED: lambda body: Saved(*read.key_ref(body)),
    ids.REPLACE: lambda body: Replace(*read.key_ref(body)),
    ids.DROP_FORMER: lambda body: DropFormer(*read.key_ref(body)),
    ids.REMOVE_ACCESS: lambda body: RemoveAccess(*read.key_ref(body)),
    ids.KEEP_FORMER: lambda body: _longer(*read.key_until(body)),
}


_QUESTION = (ids.MESSAGE_BLOCK, MESSAGE, "Write a question.")
_REPLY = (ids.MESSAGE_BLOCK, MESSAGE, "Write a reply.")


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register these buttons, and those that ask for a text first."""
    _confirmations(app, context)
    _break_glass(app, context)

    @app.action(ids.any_of(*_COMMANDS))
    async def button(ack: AsyncAck, body: Body) -> None:
        await context.button(ack, body, _COMMANDS[body["actions"][0]["action_id"]](body))

    @app.action(ids.DENY)
    async def deny(ack: AsyncAck, body: Body) -> None:
        request = read.request_id(body)
        deed = Deny(request, "")
        can = partial(context.decisions.deniable, deed, context.click(body, deed))
        await _open(context, ack, body, can, pages.DENYING, lambda known: pages.deny(request, known))

    @app.view(ids.DENY_REASON)
    async def denied(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.reason(ack, body, "the requester", lambda why: Deny(request, why), pages.DENYING)

    @app.action(ids.ASK)
    async def ask(ack: AsyncAck, body: Body) -> None:
        request = read.request_id(body)
        deed = Question(request, "")
        can = partial(context.conversations.can_ask, deed, context.click(body, deed))
        await _open(context, ack, body, can, conversation.ASKING, lambda known: conversation.question(request, known))

    @app.action(ids.ANSWER)
    async def answer(ack: AsyncAck, body: Body) -> None:
        (request, number), asked = read.key_ref(body), read.quoted(body)
        deed = Reply(request, number, "")
        can = partial(context.conversations.can_reply, deed, context.click(body, deed))
        view = partial(_reply, request, number, asked)
        await _open(context, ack, body, can, conversation.REPLYING, view)

    @app.view(ids.QUESTION)
    async def asked(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.text(ack, body, _QUESTION, lambda text: Question(request, text), conversation.ASKING)

    @app.view(ids.REPLY)
    async def answered(ack: AsyncAck, body: Body) -> None:
        request, number = read.numbered(read.metadata(body))
        await context.text(ack, body, _REPLY, lambda text: Reply(request, number, text), conversation.REPLYING)


def _break_glass(app: AsyncApp, context: ListenerContext) -> None:
    """Register the uses of break-glass, and the reviews of them that ask for a reason."""

    @app.view(ids.GLASS_USE)
    async def used(ack: AsyncAck, body: Body) -> None:
        draft = read.metadata(body)
        await context.reason(ack, body, "everyone notified", lambda why: UseGlass(draft, why), pages.BREAKING_GLASS)

    @app.action(ids.NOT_JUSTIFIED)
    async def judge(ack: AsyncAck, body: Body) -> None:
        request = read.request_id(body)
        deed = Judge(request, "not justified")
        can = partial(context.decisions.reviewable, deed, context.click(body, deed))
        await _open(context, ack, body, can, pages.JUDGING, lambda known: pages.not_justified(request, known))

    @app.view(ids.GLASS_NOTE)
    async def judged(ack: AsyncAck, body: Body) -> None:
        request = RequestId(read.metadata(body))
        await context.reason(
            ack, body, "the requester", lambda note: Judge(request, "not justified", note), pages.JUDGING
        )


def _confirmations(app: AsyncApp, context: ListenerContext) -> None:
    """Register the approvals that are confirmed by typing something first."""

    @app.action(ids.CONFIRM)
    async def confirm(ack: AsyncAck, body: Body) -> None:
        opening, deed = read.opening(body), Approve(*read.key_ref(body))
        can = partial(context.decisions.approvable, deed, context.click(body, deed))

        async def job() -> None:
            view = await context.open(opening.trigger, pages.working(pages.APPROVING))
            await context.fill(view, lambda: _approval(can))

        await context.begin(ack, opening, pages.APPROVING, job())

    @app.view(ids.APPROVAL)
    async def confirmed(ack: AsyncAck, body: Body) -> None:
        kept, word = read.as_kept(read.metadata(body)), read.typed(body, ids.WORD_BLOCK)
        name = kept.get("name", "")
        if not is_same_text(word, name):
            problem = f"This isn't the name. Type “{name}”, or close this page. Nothing was approved."
            await ack(response_action="errors", errors={ids.WORD_BLOCK: problem})
            return
        deed = Approve(*read.numbered(kept.get("request", "")), word=word)
        await context.submit(ack, body, deed, pages.working(pages.APPROVING))


def _reply(request: RequestId, number: int, asked: str, known: Request | None) -> Block:
    return conversation.reply(request, number, known, asked)


async def _approval(can: Callable[[], Awaitable[Pending]]) -> Block:
    return pages.approve(await can())


async def _open(
    context: ListenerContext,
    ack: AsyncAck,
    body: Body,
    can: Callable[[], Awaitable[Request]],
    title: str,
    view: Callable[[Request | None], Block],
) -> None:
    """Ask for a text, unless the person can't send one about this request: better now than after they wrote it."""
    opening = read.opening(body)

    async def load() -> Block:
        try:
            return view(await can())
        except Unavailable:  # the submit asks again, for as long as the request waits
            return view(None)

    async def job() -> None:
        # A trigger is good for three seconds, and reading roles can take longer.
        await context.fill(await context.open(opening.trigger, pages.working(title)), load)

    await context.begin(ack, opening, title, job())
