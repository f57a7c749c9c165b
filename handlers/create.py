"""The form: opening it, drawing it again while it is filled in, its searchable fields, and its two submits."""

from collections.abc import Mapping
from dataclasses import replace

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.catalog import Catalog
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.index import NOTHING
from bot.services.commands import Check, Draft, Send
from bot.services.form.fill import NEW, form, used
from bot.services.form.validate import name_taken, text_problems
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import options, pages
from bot.slack.views.form import form as draw
from handlers.context import ListenerContext

_EMPTY = Draft()


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to the form and the review page."""

    @app.action(ids.OPEN_FORM)
    @app.shortcut(ids.SHORTCUT_CREATE)
    async def open_it(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "open the form", open_form(context, opening))

    @app.action(ids.any_of(ids.FORM_OWNER, ids.FORM_KIND, ids.FORM_ENVIRONMENT, ids.FORM_CLOUD))
    async def redraw(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "draw the form again", _redraw(context, opening, body))

    @app.options(ids.any_of(ids.FORM_ENVIRONMENT, ids.FORM_RESOURCE, ids.FORM_ACCOUNT))
    async def suggest(ack: AsyncAck, body: Body) -> None:
        await ack(**_options(await context.catalog() or NOTHING, read.suggestion(body)))

    @app.view(ids.FORM)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        draft = used(read.draft(body))
        if shown := read.under(body, await _problems(context, draft)):
            await ack(response_action="errors", errors=shown)
            return
        await context.submit(ack, body, Check(draft), pages.checking())

    @app.view(ids.REVIEW)
    async def sent(ack: AsyncAck, body: Body) -> None:
        await context.submit(ack, body, Send(read.metadata(body)), pages.working("Sending"))


async def open_form(context: ListenerContext, asked: Opening, draft: Draft = _EMPTY) -> None:
    """Open the form before anything else: its trigger lives three seconds. Then look whether it is of any use.

    `draft` is what it is filled with, to begin with.
    """
    catalog = None if draft == _EMPTY else await context.catalog()  # for the names of what is chosen already
    view = await context.open(asked.trigger, pages.page(form(draft, catalog, context.directory.policy())))
    if context.catalogs.is_stale():
        await context.agenda.put(Item(ItemKind.CATALOG), context.clock())
        context.bell.ring()
    await context.turn_away(asked.by, asked.team, view)


async def _redraw(context: ListenerContext, opening: Opening, body: Body) -> None:
    page = form(read.draft(body), await context.catalog(), context.directory.policy())
    page = replace(page, drawing=read.click_id(body)[:8])
    await context.redraw(opening, draw(page, read.standing(body)))


async def _problems(context: ListenerContext, draft: Draft) -> Mapping[str, str]:
    """What can be said at once, without asking Confluent."""
    problems, catalog = dict(text_problems(draft)), await context.catalog()
    name = draft.account_name.strip() if draft.owner == NEW else ""
    taken = next((each for each in catalog.service_accounts if each.name == name), None) if catalog else None
    if taken and name:
        problems["account_name"] = name_taken(taken.id)
    return problems


def _options(known: Catalog, asked: read.Suggestion) -> Block:
    if asked.action == ids.FORM_RESOURCE:
        return options.resources(known, asked.place, asked.typed)
    found = known.environments if asked.action == ids.FORM_ENVIRONMENT else known.service_accounts
    return options.named(found, asked.typed)
