"""`/apikey` and what its words do."""

from collections.abc import Sequence
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import LatchkeyError
from bot.domain.requests import Request
from bot.services.browse.home import waiting_for
from bot.slack.blocks.kit import Block
from bot.slack.messages import answers
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Command
from handlers import keys
from handlers.context import ListenerContext
from handlers.create import open_form

_VERBS = {ids.HELP: "help", ids.HELP_REQUESTS: "requests", ids.HELP_WHOAMI: "whoami"}
"""What the buttons stand for."""


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Answer the slash command, and the buttons of its help."""

    @app.command(ids.COMMAND)
    async def apikey(ack: AsyncAck, body: Body) -> None:
        command = read.command(body)
        match command.verb:
            case "" | "help":
                await ack(**_shown(answers.help_blocks(), "Latchkey makes Confluent Cloud API keys"))
            case "create":
                context.start(open_form(context, command), "open the form", command.by, command.reply)
                await ack()
            case "requests" | "whoami":
                context.start(_answer(context, command), command.verb, command.by, command.reply)
                await ack()
            case "list" | "show" | "edit" | "rotate" | "delete":
                context.start(keys.of_command(context, command), command.verb, command.by, command.reply)
                await ack()
            case _:
                await ack(**_shown(answers.unknown_blocks(command.verb), "There is no such command"))

    @app.action(ids.HELP)
    @app.action(ids.HELP_REQUESTS)
    @app.action(ids.HELP_WHOAMI)
    async def help_button(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        verb = _VERBS[body["actions"][0]["action_id"]]
        command = Command(verb, "", opening.by, opening.team, opening.trigger, opening.reply)
        context.start(_answer(context, command), verb, command.by, command.reply)
        await ack()


async def _answer(context: ListenerContext, command: Command) -> None:
    if command.verb == "help":
        await context.replies.send(command.by, command.reply, "Latchkey", answers.help_blocks())
        return
    if command.verb == "whoami":
        person = await context.directory.identify(command.by, command.team, shown=True)
        names = await context.catalogs.names()
        blocks = answers.whoami_blocks(await context.directory.glance(person), names)
        await context.replies.send(command.by, command.reply, "Who you are", blocks)
        return
    mine = [stored.value for stored in await context.requests.of_requester(command.by, answers.LOOKED_AT)]
    waiting, trouble = await _waiting(context, command)
    await context.replies.send(command.by, command.reply, "Requests", answers.requests_blocks(mine, waiting, trouble))


async def _waiting(context: ListenerContext, command: Command) -> tuple[Sequence[Request], str]:
    """What waits for this person's decision; or why that cannot be told, which must not hide their own requests."""
    try:
        return await waiting_for(context.requests, await context.viewing.reader(command.by, command.team))
    except LatchkeyError as error:
        return [], error.tell


def _shown(blocks: list[Block], text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "text": text, "blocks": blocks}
