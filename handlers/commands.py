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
from handlers.create import open_form
from handlers.desk import Reception

_VERBS = {ids.HELP: "help", ids.HELP_REQUESTS: "requests", ids.HELP_WHOAMI: "whoami"}
"""What the buttons stand for."""


def register(app: AsyncApp, desk: Reception) -> None:
    """Answer the slash command, and the buttons of its help."""

    @app.command(ids.COMMAND)
    async def apikey(ack: AsyncAck, body: Body) -> None:
        command = read.command(body)
        match command.verb:
            case "" | "help":
                await ack(**_shown(answers.help_blocks(), "Latchkey makes Confluent Cloud API keys"))
            case "create":
                desk.start(open_form(desk, command), "open the form", command.by, command.reply)
                await ack()
            case "requests" | "whoami":
                desk.start(_answer(desk, command), command.verb, command.by, command.reply)
                await ack()
            case "list" | "show" | "edit" | "rotate" | "delete":
                desk.start(keys.of_command(desk, command), command.verb, command.by, command.reply)
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
        desk.start(_answer(desk, command), verb, command.by, command.reply)
        await ack()


async def _answer(desk: Reception, command: Command) -> None:
    if command.verb == "help":
        await desk.replies.send(command.by, command.reply, "Latchkey", answers.help_blocks())
        return
    if command.verb == "whoami":
        person = await desk.directory.identify(command.by, command.team, shown=True)
        names = await desk.catalogs.names()
        blocks = answers.whoami_blocks(await desk.directory.glance(person), names)
        await desk.replies.send(command.by, command.reply, "Who you are", blocks)
        return
    mine = [stored.value for stored in await desk.requests.of_requester(command.by, answers.LOOKED_AT)]
    waiting, trouble = await _waiting(desk, command)
    await desk.replies.send(command.by, command.reply, "Requests", answers.requests_blocks(mine, waiting, trouble))


async def _waiting(desk: Reception, command: Command) -> tuple[Sequence[Request], str]:
    """What waits for this person's decision; or why that cannot be told, which must not hide their own requests."""
    try:
        return await waiting_for(desk.requests, await desk.viewing.reader(command.by, command.team))
    except LatchkeyError as error:
        return [], error.tell


def _shown(blocks: list[Block], text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "text": text, "blocks": blocks}
