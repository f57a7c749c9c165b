"""`/apikey` and what its words do."""

from collections.abc import Sequence
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import LatchkeyError
from bot.domain.requests import Request
from bot.services.browse.home import waiting_for
from bot.slack.blocks.text import Block
from bot.slack.messages import answers
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from handlers import create, keys
from handlers.context import ListenerContext

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
                await context.begin(ack, command, "open the form", create.of_command(context, command))
            case "requests" | "whoami":
                await context.begin(ack, command, command.verb, _answer(context, command, command.verb))
            case "list" | "show" | "edit" | "rotate" | "delete":
                await context.begin(ack, command, command.verb, keys.of_command(context, command))
            case _:
                await ack(**_shown(answers.unknown_blocks(command.verb), "There is no such command"))

    @app.action(ids.any_of(*_VERBS))
    async def help_button(ack: AsyncAck, body: Body) -> None:
        opening, verb = read.opening(body), _VERBS[body["actions"][0]["action_id"]]
        await context.begin(ack, opening, verb, _answer(context, opening, verb))


async def _answer(context: ListenerContext, asked: Opening, verb: str) -> None:
    match verb:
        case "help":
            title, blocks = "Latchkey", answers.help_blocks()
        case "whoami":
            held_roles = await context.key_views.reader(asked.by, asked.team)
            title, blocks = "Who you are", answers.whoami_blocks(held_roles, await context.catalogs.names())
        case _:
            mine = [stored.value for stored in await context.requests.of_requester(asked.by, answers.LOOKED_AT)]
            title, blocks = "Requests", answers.requests_blocks(mine, *await _waiting(context, asked))
    await context.replies.send(asked.by, asked.reply, title, blocks)


async def _waiting(context: ListenerContext, asked: Opening) -> tuple[Sequence[Request], str]:
    """What waits for this person's decision; or why that cannot be told, which must not hide their own requests."""
    try:
        return await waiting_for(context.requests, await context.key_views.reader(asked.by, asked.team))
    except LatchkeyError as error:
        return [], error.tell


def _shown(blocks: list[Block], text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "text": text, "blocks": blocks}
