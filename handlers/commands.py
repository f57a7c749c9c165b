"""`/apikey` and its subcommands. On Home, the buttons of the same names open a modal."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.errors import LatchkeyError, Refused
from bot.services.browse.home import uses_for, waiting_for
from bot.slack.blocks.text import Block
from bot.slack.messages import answers
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import key as key_pages
from bot.slack.views import pages
from handlers import create, keys, leaks
from handlers.context import ListenerContext

_VERBS = {ids.HELP: "help", ids.HELP_REQUESTS: "requests", ids.HELP_WHOAMI: "whoami"}
"""The subcommand behind each button."""
_TITLES: Mapping[str, str] = {"help": "Latchkey", "requests": "Requests", "whoami": "Who am I"}


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the slash command and the buttons of its help."""

    @app.command(ids.COMMAND)
    async def apikey(ack: AsyncAck, body: Body) -> None:
        command = read.command(body)
        match command.verb:
            case "" | "help":
                await ack(**_shown(answers.help_blocks(), "Latchkey creates Confluent Cloud API keys"))
            case "create":
                await context.begin(ack, command, "open the form", create.of_command(context, command))
            case "requests" | "whoami":
                await context.begin(ack, command, command.verb, _answer(context, command, command.verb))
            case "leaked":
                await context.begin(ack, command, command.verb, leaks.of_command(context, command))
            case "list" | "show" | "edit" | "rotate" | "delete":
                await context.begin(ack, command, command.verb, keys.of_command(context, command))
            case _:
                await ack(**_shown(answers.unknown_blocks(command.verb), "There is no such command"))

    @app.action(ids.any_of(*_VERBS))
    async def help_button(ack: AsyncAck, body: Body) -> None:
        opening, verb = read.opening(body), _VERBS[body["actions"][0]["action_id"]]
        answer = _open if opening.is_home else _answer
        await context.begin(ack, opening, verb, answer(context, opening, verb))


async def _answer(context: ListenerContext, asked: Opening, verb: str) -> None:
    await context.replies.send(asked.by, asked.reply, _TITLES[verb], await _blocks(context, asked, verb))


async def _open(context: ListenerContext, asked: Opening, verb: str) -> None:
    """Show the same in a modal: a message would appear in another tab than the one its reader is looking at."""
    view = await context.open(asked.trigger, key_pages.loading(_TITLES[verb]))

    async def loaded() -> Block:
        return pages.info(_TITLES[verb], await _blocks(context, asked, verb))

    await context.fill(view, loaded)


async def _blocks(context: ListenerContext, asked: Opening, verb: str) -> list[Block]:
    match verb:
        case "help":
            return answers.help_blocks(with_buttons=not asked.is_home)
        case "whoami":
            held_roles = await context.key_views.reader(asked.by, asked.team)
            return answers.whoami_blocks(held_roles, await context.catalogs.names())
        case _:
            return await _requests(context, asked)


async def _requests(context: ListenerContext, asked: Opening) -> list[Block]:
    """A person's requests and what waits for them, or why that can't be read: it must not hide their own requests."""
    found = await context.requests.of_requester(asked.by, answers.LOOKED_AT)
    mine = [stored.value for stored in found if stored.value.ask.beside is None]
    drawn = partial(answers.requests_blocks, mine, in_message=not asked.is_home)
    try:
        views, held_roles = context.key_views, await context.key_views.reader(asked.by, asked.team)
        waiting, trouble = await waiting_for(context.requests, held_roles, views)
        return drawn(waiting, trouble, await uses_for(context.requests, held_roles, views))
    except Refused as error:
        return drawn([], shut=error.tell)
    except LatchkeyError as error:
        return drawn([], error.tell)


def _shown(blocks: list[Block], text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "text": text, "blocks": blocks}
