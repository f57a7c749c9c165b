"""The form: opened, redrawn while it is filled in, its searchable fields, and its two submits."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.catalog import Catalog
from bot.domain.errors import CloudRefused, NotFound, Unavailable
from bot.domain.requests import Ask
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.index import NOTHING
from bot.services.commands import Check, Draft, Send
from bot.services.form.fill import NEW, form, used
from bot.services.form.suggest import LOOKED_AT, Suggestion, from_key, from_last, from_word
from bot.services.form.validate import access_problems, name_taken, text_problems
from bot.services.pages import FormPage
from bot.services.text import unescaped
from bot.slack.blocks.text import Block
from bot.slack.payloads import ids, read, read_keys
from bot.slack.payloads.read import Body, Command, Opening
from bot.slack.views import options, pages
from bot.slack.views.form import form as draw
from bot.slack.views.key import loading
from handlers.context import ListenerContext
from handlers.errors import tell

LIKE = "like"
"""The word before a key id from which the form is filled in."""


_CHOICES = (ids.FORM_OWNER, ids.FORM_KIND, ids.FORM_ENVIRONMENT, ids.FORM_CLOUD, ids.FORM_ACCESS, ids.FORM_ALSO)
"""The fields on which other fields depend."""


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the form and the review page."""

    @app.action(ids.OPEN_FORM)
    @app.shortcut(ids.SHORTCUT_CREATE)
    async def open_it(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "open the form", open_form(context, opening))

    @app.action(ids.any_of(*_CHOICES))
    async def redraw(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        context.claim(opening)
        job = context.redraw(opening, lambda: _drawn_again(context, opening, body))
        await context.begin(ack, opening, "draw the form again", job)

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
        deed, standing = Send(read.metadata(body)), read.standing(body)
        anyway = ids.ANOTHER_BLOCK in standing
        if ids.CLOSES_BLOCK in standing:
            await context.dismiss(ack, body, deed, anyway=anyway)
        else:
            await context.submit(ack, body, deed, pages.working("Sending"), anyway=anyway)

    @app.action(ids.FORM_AGAIN)
    async def again(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        job = _again(context, opening, read.pressed_value(body))
        await context.begin(ack, opening, "open the form again", job)


async def of_command(context: ListenerContext, command: Command) -> None:
    """Open the form for `/apikey create`, filled in from the name or id of a resource, or from `like KEY_ID`."""
    first, *others = command.rest.split() or [""]
    if first.casefold() == LIKE and others:
        await _open_like(context, command, " ".join(others))
    else:
        await open_form(context, command, word=unescaped(command.rest))


async def open_form(context: ListenerContext, asked: Opening, draft: Draft | None = None, word: str = "") -> None:
    """Open the form first, because its trigger is valid for three seconds; then check whether its reader can use it.

    It is filled in from `draft`, else from the person's last request and from what `word` names.
    """
    view = await context.open(asked.trigger, pages.page(await _page(context, asked, draft, word)))
    if context.catalogs.is_stale():
        await context.agenda.put(Item(ItemKind.CATALOG), context.clock())
        context.bell.ring()
    await context.turn_away(asked.by, asked.team, view)


async def _again(context: ListenerContext, asked: Opening, draft: str) -> None:
    """Reopen a form that couldn't be sent, as it was filled in."""
    found = await context.drafts.get(draft, asked.by)
    if found is None:
        raise NotFound("This form has expired. Nothing was sent. Start again with `/apikey create`.")
    await open_form(context, asked, found)


async def _page(context: ListenerContext, asked: Opening, draft: Draft | None, word: str = "") -> FormPage:
    """The form as it opens. What fills it in comes from the store; nothing else is waited for."""
    catalog, own, last = await asyncio.gather(
        context.catalog(), context.soon(context.directory.own_known(), ""), _last_of(context, asked, draft)
    )
    filled = _filled(draft, word, last, catalog)
    return replace(form(filled.draft, catalog, context.directory.policy(), own=own), notice=filled.notice)


async def _last_of(context: ListenerContext, asked: Opening, draft: Draft | None) -> Sequence[Ask]:
    """The newest requests of the person, if the form is to be filled in from them."""
    if draft is not None:
        return ()
    found = await context.soon(context.requests.of_requester(asked.by, LOOKED_AT), ())
    return [each.value.ask for each in found if each.value.ask.beside is None]


def _filled(draft: Draft | None, word: str, asks: Sequence[Ask], catalog: Catalog | None) -> Suggestion:
    if draft is not None:
        return Suggestion(draft)
    if word and catalog is None:
        return Suggestion(notice=_NO_CATALOG)
    return from_word(word, asks, catalog or NOTHING) if word else from_last(asks, catalog or NOTHING)


async def _open_like(context: ListenerContext, asked: Opening, typed: str) -> None:
    """Open the form filled in from a key, if the person may see that key, found as by `/apikey show`."""

    async def loaded() -> Block:
        key = read_keys.key_id(typed)
        if key is None:
            return pages.page(replace(await _page(context, asked, None), notice=_NO_KEY))
        try:
            view = await context.key_views.read(asked.by, asked.team, lambda views, roles: views.key_view(key, roles))
        except (NotFound, Unavailable, CloudRefused) as error:
            why = _NO_KEY if isinstance(error, NotFound) else tell(error)
            return pages.page(replace(await _page(context, asked, None), notice=why))
        filled = from_key(view)
        return pages.page(replace(await _page(context, asked, filled.draft), notice=filled.notice))

    await context.fill(await context.open(asked.trigger, loading("Create an API key")), loaded)


async def _drawn_again(context: ListenerContext, opening: Opening, body: Body) -> Block:
    before, standing = read.draft(body), read.standing(body)
    page = replace(await _page(context, opening, before), drawing=read.click_id(body)[:8])
    chosen = {
        block
        for block, field in ((ids.ENVIRONMENT_BLOCK, "environment"), (ids.ACCOUNT_BLOCK, "account"))
        if not getattr(before, field) and getattr(page.draft, field)
    }  # what was chosen just now shows in a new field only
    return draw(page, [each for each in standing if ids.field(each) not in chosen])


async def _problems(context: ListenerContext, draft: Draft) -> Mapping[str, str]:
    """The problems, by field, that can be found without asking Confluent."""
    problems = {**text_problems(draft), **access_problems(draft, context.directory.policy())}
    catalog = await context.catalog()
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


_NO_KEY = "No key with that ID, or you don't have access to it, so nothing is filled in from it."
_NO_CATALOG = "Latchkey hasn't read your resources from Confluent Cloud yet, so nothing is filled in. Choose below."
