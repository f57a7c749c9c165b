"""Existing keys: the list, the page of one key, and the pages to edit, rotate, extend and delete it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.authority import HeldRoles
from bot.domain.catalog import Endpoints
from bot.domain.errors import LatchkeyError, plain
from bot.domain.keys import KeyId
from bot.services.browse.key import KeyViews
from bot.services.catalog.index import NOTHING
from bot.services.commands import Delete, Edit, Extend, Rotate
from bot.services.pages import ChangePage, Filters, KeyPage, Page
from bot.slack.api.notifier import waiting
from bot.slack.blocks.text import Block, cut
from bot.slack.messages import snippets
from bot.slack.payloads import ids, read_keys
from bot.slack.payloads import read as payloads
from bot.slack.payloads.read import Body, Command, Opening
from bot.slack.views import key as key_pages
from bot.slack.views import keys as key_list
from bot.slack.views import pages as modals
from handlers.context import ListenerContext

_BUTTONS = {
    ids.KEY_DETAILS: "show",
    ids.KEY_EDIT: ids.EDIT,
    ids.KEY_ROTATE: ids.ROTATE,
    ids.KEY_EXTEND: ids.EXTEND,
    ids.KEY_DELETE: ids.DELETE,
}
"""The page that each button under a key opens."""
_FILTERS = (ids.LIST_OWNER, ids.LIST_KIND, ids.LIST_ENVIRONMENT, ids.LIST_ORDER, ids.LIST_TEXT)
_PAGES: Mapping[str, tuple[str, Callable[[KeyViews, KeyId, HeldRoles], Awaitable[KeyPage | ChangePage]]]] = {
    "show": ("API key", KeyViews.key_page),
    ids.EDIT: ("Edit API key", KeyViews.edit_page),
    ids.ROTATE: ("Rotate API key", KeyViews.rotate_page),
    ids.EXTEND: ("Extend API key", KeyViews.extend_page),
    ids.DELETE: ("Delete API key", KeyViews.delete_page),
}
"""The title and content of each page of a key, by the word of its command and its submit."""
_SUBMITS: Mapping[str, tuple[Callable[[Body], Edit | Delete | Rotate | Extend], str]] = {
    ids.EDIT: (read_keys.edit, ids.NAME_BLOCK),
    ids.ROTATE: (read_keys.rotate, ids.NAME_BLOCK),
    ids.EXTEND: (read_keys.extend, ids.REASON_BLOCK),
    ids.DELETE: (read_keys.delete, ids.WORD_BLOCK),
}
"""How the submit of each page is read, and the field under which a storage error is shown."""
TYPED = 40
"""Characters of a mistyped id that are repeated in the answer."""


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the list and everything about one key."""
    _listen_to_list(app, context)
    _listen_to_keys(app, context)


def _listen_to_keys(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.any_of(*_BUTTONS))
    async def key_button(ack: AsyncAck, body: Body) -> None:
        opening, verb = payloads.opening(body), _BUTTONS[body["actions"][0]["action_id"]]
        job = _open_key(context, opening, verb, read_keys.pressed(body), read_keys.depth(body))
        await context.begin(ack, opening, f"{verb} a key", job)

    @app.action(ids.KEY_SNIPPET)
    async def configure(ack: AsyncAck, body: Body) -> None:
        opening = payloads.opening(body)
        job = _configure(context, opening, body)
        await context.begin(ack, opening, "show a client configuration", job)

    @app.view(ids.any_of(*_SUBMITS))
    async def submitted(ack: AsyncAck, body: Body) -> None:
        page = body["view"]["callback_id"]
        read, field = _SUBMITS[page]
        deed = read(body)
        if problems := read_keys.problems(body, deed):
            await ack(response_action="errors", errors=dict(problems))
            return
        await context.submit(ack, body, deed, modals.working(_PAGES[page][0]), field=field)


def _listen_to_list(app: AsyncApp, context: ListenerContext) -> None:
    @app.action(ids.HELP_LIST)
    async def open_it(ack: AsyncAck, body: Body) -> None:
        opening = payloads.opening(body)
        job = open_list(context, opening, depth=read_keys.depth(body))
        await context.begin(ack, opening, "list the keys", job)

    @app.action(ids.any_of(*_FILTERS, ids.LIST_NEXT, ids.LIST_PREVIOUS))
    async def turn(ack: AsyncAck, body: Body) -> None:
        opening, filters, cursor = payloads.opening(body), read_keys.filters(body), read_keys.turn(body)
        context.claim(opening)
        job = context.redraw(opening, lambda: _list(context, opening, filters, cursor))
        await context.begin(ack, opening, "page through the list", job)

    @app.view(ids.LIST)
    async def search(ack: AsyncAck, body: Body) -> None:
        opening, filters = payloads.opening(body), read_keys.filters(body)
        job = context.follow(opening, lambda: _list(context, opening, filters))
        context.start(job, "search the list", opening.by, opening.reply)
        await ack(response_action="update", view=waiting(key_pages.loading("API keys"), opening.reply.waiting))

    @app.options(ids.any_of(ids.LIST_OWNER, ids.LIST_ENVIRONMENT))
    async def suggest(ack: AsyncAck, body: Body) -> None:
        typed, catalog = str(body.get("value") or ""), await context.catalog() or NOTHING
        if body["action_id"] == ids.LIST_OWNER:
            await ack(options=key_list.owners(catalog.service_accounts, typed))
        else:
            await ack(options=key_list.environments(catalog.environments, typed))


async def of_command(context: ListenerContext, command: Command) -> None:
    """Open the list for `/apikey list`, or a key's page for `show`, `edit`, `rotate` and `delete` with a key id."""
    if command.verb == "list":
        await open_list(context, command, text=command.rest)
        return
    key = read_keys.key_id(command.rest)
    if key is None:
        await open_list(context, command, _hint(command))
    else:
        await _open_key(context, command, command.verb, key, 0)


async def open_list(
    context: ListenerContext, asked: Opening, hint: str = "", *, text: str = "", depth: int = 0
) -> None:
    """Open the list: first the modal, because its trigger is valid for three seconds, then its content."""
    view = await context.stack(asked, key_pages.loading("API keys"), depth)
    await context.fill(view, lambda: _list(context, asked, Filters(text=text[: read_keys.TYPED]), hint=hint))


async def _list(
    context: ListenerContext, asked: Opening, filters: Filters, cursor: str = "", *, hint: str = ""
) -> Block:
    held_roles = await context.key_views.reader(asked.by, asked.team)
    page = await context.key_lists.page(held_roles, filters, cursor)
    return modals.page(replace(page, note=" ".join(filter(None, [hint, page.note]))))


async def _open_key(context: ListenerContext, asked: Opening, verb: str, key: KeyId, depth: int) -> None:
    """Open a page of one key above the open modals."""
    title, drawn = _PAGES[verb]

    async def look(key_views: KeyViews, roles: HeldRoles) -> Page:
        page = await drawn(key_views, key, roles)
        return page if isinstance(page, KeyPage) else await key_views.with_approvers(page, roles)

    async def loaded() -> Block:
        return modals.page(await context.key_views.read(asked.by, asked.team, look))

    await context.fill(await context.stack(asked, key_pages.loading(title), depth), loaded)


async def _configure(context: ListenerContext, opening: Opening, body: Body) -> None:
    """Show a client configuration above a key's page. It contains no secret."""
    chosen, key, key_views = read_keys.snippet(body), read_keys.shown(body), context.key_views
    if not chosen:
        return  # a choice that was taken back

    async def loaded() -> Block:
        view = await key_views.read(opening.by, opening.team, lambda now, roles: now.key_view(key, roles))
        try:
            endpoints = await key_views.endpoints(view)
        except LatchkeyError:
            endpoints = None  # a configuration says what to fill in
        drawn = snippets.drawn(chosen, view.key.id, view.resource, endpoints or Endpoints("", ""))
        return key_pages.configuration(view, drawn)

    view = await context.stack(opening, key_pages.loading("Client configuration"), read_keys.depth(body))
    await context.fill(view, loaded)


def _hint(command: Command) -> str:
    typed = cut(" ".join(command.rest.replace("`", "").split()), TYPED)
    if not typed:
        return f"Add a key ID (`/apikey {command.verb} KEY`) or pick one below."
    return (
        f"`{plain(typed)}` isn't an API key ID, which is letters and digits like `ABCD1234EFGH5678`. Pick a key below."
    )
