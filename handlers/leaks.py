"""Reporting a leaked key. What people type may hold the secret itself: nothing but key ids goes further."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.leaks.recognize import has_secret
from bot.services.commands import ReportLeak
from bot.slack.payloads import ids, read, read_keys
from bot.slack.payloads.read import Body, Command
from bot.slack.views import leaks, pages
from handlers.context import ListenerContext

_TYPED_SECRET = "You typed what looks like a secret, and Latchkey ignored it. Enter the key ID instead."  # noqa: S105 - a sentence


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to the submitted report."""

    @app.view(ids.LEAK)
    async def reported(ack: AsyncAck, body: Body) -> None:
        typed = read.typed(body, ids.LEAK_BLOCK)
        keys = read_keys.key_ids(typed)
        problem = leaks.SECRET if has_secret(typed) else "" if keys else leaks.NO_ID
        if problem:
            await ack(response_action="errors", errors=read.under(body, {ids.LEAK_BLOCK: problem}))
            return
        await context.submit(ack, body, ReportLeak(keys), pages.working(leaks.TITLE))


async def of_command(context: ListenerContext, command: Command) -> None:
    """`/apikey leaked KEY`: the modal, filled in with the ids that were typed."""
    is_secret = has_secret(command.rest)
    keys = () if is_secret else read_keys.key_ids(command.rest)
    await context.open(command.trigger, leaks.report(keys, _TYPED_SECRET if is_secret else ""))
