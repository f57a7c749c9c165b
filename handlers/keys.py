"""Keys that exist: the list, one key's page, and the pages to edit, rotate, extend and delete it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.authority import HeldRoles
from bot.domain.catalog import Catalog, Endpoints
from bot.domain.errors import LatchkeyError, plain
from bot.domain.keys import KeyId
from bot.services.commands import Delete, Edit, Extend, Rotate
from bot.services.pages import Filters, Page
from bot.slack.api.acked_views import waiting
from bot.slack.blocks.kit import Block, cut
from bot.slack.messages import snippets
from bot.slack.payloads import ids, read_keys
from bot.slack.payloads import read as payloads
from bot.slack.payloads.read import Body, Command, Opening
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views import pages as modals
from handlers.context import ListenerContext

Deed: TypeAlias = Edit | Delete | Rotate | Extend


@dataclass(frozen=True, slots=True)
class _Submit:
    """How one page's submit is read, what its working page is called, and where its last word on failure stands."""

    read: Callable[[Body], Deed]
    title: str
    field: str


_PAGES = {
    ids.KEY_DETAILS: "show",
    ids.KEY_EDIT: "edit",
    ids.KEY_ROTATE: "rotate",
    ids.KEY_EXTEND: "extend",
    ids.KEY_DELETE: "delete",
}
"""What the buttons under a key open, wherever they stand."""
_TITLES = {
    "show": "API key",
    "edit": "Edit API key",
    "rotate": "Rotate API key",
    "extend": "Extend API key",
    "delete": "Delete API key",
}
_SUBMITS: Mapping[str, _Submit] = {
    ids.EDIT: _Submit(read_keys.edit, "Edit API key", ids.NAME_BLOCK),
    ids.ROTATE: _Submit(read_keys.rotate, "Rotate API key", ids.NAME_BLOCK),
    ids.EXTEND: _Submit(read_keys.extend, "Extend API key", ids.REASON_BLOCK),
    ids.DELETE: _Submit(read_keys.delete, "Delete API key", ids.WORD_BLOCK),
}
TYPED = 40
"""Characters of a mistyped id that are repeated to whoever typed it."""


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to the list and to everything around one key."""
    _listen_to_list(app, context)
    _listen_to_keys(app, context)


def _listen_to_keys(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.KEY_DETAILS)
    @app.action(ids.KEY_EDIT)
    @app.action(ids.KEY_ROTATE)
    @app.action(ids.KEY_EXTEND)
    @app.action(ids.KEY_DELETE)
    async def key_button(ack: AsyncAck, body: Body) -> None:
        opening, verb = payloads.opening(body), _PAGES[body["actions"][0]["action_id"]]
        job = _open_key(context, opening, verb, read_keys.pressed(body), read_keys.depth(body))
        context.start(job, f"{verb} a key", opening.by, opening.reply)
        await ack()

    @app.action(ids.KEY_SNIPPET)
    async def configure(ack: AsyncAck, body: Body) -> None:
        opening = payloads.opening(body)
        job = _configure(context, opening, body)
        context.start(job, "show a client configuration", opening.by, opening.reply)
        await ack()

    @app.view(ids.EDIT)
    @app.view(ids.ROTATE)
    @app.view(ids.EXTEND)
    @app.view(ids.DELETE)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        submit = _SUBMITS[body["view"]["callback_id"]]
        deed = submit.read(body)
        if problems := read_keys.problems(body, deed):
            await ack(response_action="errors", errors=dict(problems))
            return
        await context.submit(ack, body, deed, modals.working(submit.title), field=submit.field)


def _listen_to_list(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.HELP_LIST)
    async def open_it(ack: AsyncAck, body: Body) -> None:
        opening = payloads.opening(body)
        job = open_list(context, opening, depth=read_keys.depth(body))
        context.start(job, "list the keys", opening.by, opening.reply)
        await ack()

    @app.action(ids.LIST_OWNER)
    @app.action(ids.LIST_KIND)
    @app.action(ids.LIST_ENVIRONMENT)
    @app.action(ids.LIST_TEXT)
    @app.action(ids.LIST_NEXT)
    @app.action(ids.LIST_PREVIOUS)
    async def turn(ack: AsyncAck, body: Body) -> None:
        opening, filters, cursor = payloads.opening(body), read_keys.filters(body), read_keys.turn(body)
        context.claim(opening)
        job = context.redraw_with(opening, lambda: _list(context, opening, filters, cursor))
        context.start(job, "turn the list", opening.by, opening.reply)
        await ack()

    @app.view(ids.LIST)
    async def search(ack: AsyncAck, body: Body) -> None:
        opening, filters = payloads.opening(body), read_keys.filters(body)
        job = context.follow(opening, lambda: _list(context, opening, filters))
        context.start(job, "search the list", opening.by, opening.reply)
        await ack(response_action="update", view=waiting(key_pages.loading("API keys"), opening.reply.waiting))

    @app.options(ids.LIST_OWNER)
    @app.options(ids.LIST_ENVIRONMENT)
    async def suggest(ack: AsyncAck, body: Body) -> None:
        typed, catalog = str(body.get("value") or ""), await context.catalog() or _EMPTY
        if body["action_id"] == ids.LIST_OWNER:
            await ack(options=key_list.owners(catalog.service_accounts, typed))
        else:
            await ack(options=key_list.environments(catalog.environments, typed))


async def of_command(context: ListenerContext, command: Command) -> None:
    """`/apikey list`; and `show`, `edit`, `rotate` and `delete` with the id of a key, else the list to choose from."""
    if command.verb == "list":
        await open_list(context, command, text=command.rest)
        return
    key = read_keys.key_id(command.rest)
    if key is None:
        await open_list(context, command, _hint(command))
    else:
        await _open_key(context, command, command.verb, key, 0)


async def open_list(
    context: ListenerContext, asked: Command | Opening, hint: str = "", *, text: str = "", depth: int = 0
) -> None:
    """Open the list: first the modal, for its trigger lives three seconds, then what is in it."""
    view = await context.stack(asked, key_pages.loading("API keys"), depth)
    await context.fill(view, lambda: _list(context, asked, Filters(text=text[: read_keys.TYPED]), hint=hint))


async def _list(
    context: ListenerContext, asked: Command | Opening, filters: Filters, cursor: str = "", *, hint: str = ""
) -> Block:
    held_roles = await context.viewing.reader(asked.by, asked.team)
    page = await context.listing.page(held_roles, filters, cursor)
    return modals.page(replace(page, note=" ".join(filter(None, [hint, page.note]))))


async def _open_key(context: ListenerContext, asked: Command | Opening, verb: str, key: KeyId, depth: int) -> None:
    """Open a page of one key, above what stands there."""
    viewing = context.viewing
    pages: Mapping[str, Callable[[KeyId, HeldRoles], Awaitable[Page]]] = {
        "show": viewing.key_page,
        "edit": viewing.edit_page,
        "rotate": viewing.rotate_page,
        "extend": viewing.extend_page,
        "delete": viewing.delete_page,
    }

    async def loaded() -> Block:
        return modals.page(await pages[verb](key, await viewing.reader(asked.by, asked.team)))

    await context.fill(await context.stack(asked, key_pages.loading(_TITLES[verb]), depth), loaded)


async def _configure(context: ListenerContext, opening: Opening, body: Body) -> None:
    """A client configuration above the page of its key. There is no secret in it."""
    chosen, key, viewing = read_keys.snippet(body), read_keys.shown(body), context.viewing
    if not chosen:
        return  # a choice that was taken back

    async def loaded() -> Block:
        view = await viewing.key_view(key, await viewing.reader(opening.by, opening.team))
        try:
            endpoints = await viewing.endpoints(view)
        except LatchkeyError:
            endpoints = None  # a configuration says what to fill in
        drawn = snippets.drawn(chosen, view.key.id, view.resource, endpoints or Endpoints("", ""))
        return key_pages.configuration(view, drawn)

    view = await context.stack(opening, key_pages.loading("Client configuration"), read_keys.depth(body))
    await context.fill(view, loaded)


def _hint(command: Command) -> str:
    typed = cut(" ".join(command.rest.replace("`", "").split()), TYPED)
    if not typed:
        return f"Say which key: `/apikey {command.verb} KEY`. Or choose one here."
    return (
        f"`{plain(typed)}` is not the id of an API key, which is letters and digits, such as `ABCD1234EFGH5678`. "
        "Choose one here."
    )


_EMPTY = Catalog("", (), ())
