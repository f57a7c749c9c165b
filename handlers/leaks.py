"""Reports of leaked keys. What people type may contain the secret itself, so only key ids are passed on."""

from collections.abc import Sequence

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import KeyId
from bot.domain.leaks.recognize import has_secret, is_checked, key_ids, shows_secret
from bot.domain.leaks.report import MOST_AT_ONCE
from bot.services.commands import ReportLeak
from bot.slack.payloads import ids, read, read_keys
from bot.slack.payloads.read import Body, Command
from bot.slack.views import leaks, pages
from handlers.context import ListenerContext

_TYPED_SECRET = "You typed what looks like a secret, and Latchkey ignored it. Enter the key ID instead."  # noqa: S105 - a sentence


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the message shortcut and the submitted report."""

    @app.shortcut(ids.SHORTCUT_LEAKED)
    async def found(ack: AsyncAck, body: Body) -> None:
        opening, (keys, notice) = read.opening(body), _found(read.message_text(body))
        job = context.open(opening.trigger, leaks.report(keys, notice))
        await context.begin(ack, opening, "report a leaked key", job)

    @app.view(ids.LEAK)
    async def reported(ack: AsyncAck, body: Body) -> None:
        typed = read.typed(body, ids.LEAK_BLOCK)
        keys = read_keys.key_ids(typed)
        problem = leaks.SECRET if has_secret(typed) else "" if keys else leaks.NO_ID
        if problem:
            await ack(response_action="errors", errors={ids.LEAK_BLOCK: problem})
            return
        await context.submit(ack, body, ReportLeak(keys), pages.working(leaks.TITLE))


def _found(text: str) -> tuple[Sequence[KeyId], str]:
    """The key ids in a message, and what to tell its reader. Nothing of a secret in it is passed on."""
    keys = key_ids(text)[:MOST_AT_ONCE]
    is_shown, is_sure = shows_secret(text), is_checked(text)
    return keys, leaks.about_message(has_ids=bool(keys), is_shown=is_shown, is_sure=is_sure)


async def of_command(context: ListenerContext, command: Command) -> None:
    """Open the report for `/apikey leaked KEY`, filled in with the ids that were typed."""
    is_secret = has_secret(command.rest)
    keys = () if is_secret else read_keys.key_ids(command.rest)
    await context.open(command.trigger, leaks.report(keys, _TYPED_SECRET if is_secret else ""))
