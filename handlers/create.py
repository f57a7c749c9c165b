"""The form: opening it, drawing it again while it is filled in, its searchable fields, and its two submits."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.catalog import Catalog
from bot.domain.errors import LatchkeyError
from bot.services.checking import form, text_problems
from bot.services.clicks import Change, Check, Draft, Send
from bot.services.pages import FormPage
from bot.slack import forms, ids, modals
from bot.slack.forms import Body, Command, Opening
from bot.slack.kit import Block
from handlers.desk import Reception


def register(app: AsyncApp, desk: Reception) -> None:
    """Listen to the form and the review page."""

    @app.action(ids.OPEN_FORM)
    @app.shortcut(ids.SHORTCUT_CREATE)
    async def open_it(ack: AsyncAck, body: Body) -> None:
        opening = forms.opening(body)
        desk.start(open_form(desk, opening), "open the form", opening.by, opening.reply)
        await ack()

    @app.action(ids.FORM_OWNER)
    @app.action(ids.FORM_ENVIRONMENT)
    async def redraw(ack: AsyncAck, body: Body) -> None:
        opening = forms.opening(body)
        desk.start(_redraw(desk, opening, body), "draw the form again", opening.by, opening.reply)
        await ack()

    @app.options(ids.FORM_ENVIRONMENT)
    @app.options(ids.FORM_CLUSTER)
    @app.options(ids.FORM_ACCOUNT)
    async def suggest(ack: AsyncAck, body: Body) -> None:
        await ack(options=_options(await _catalog(desk), forms.suggestion(body)))

    @app.view(ids.FORM)
    async def submitted(ack: AsyncAck, body: Body) -> None:
        draft = forms.draft(body)
        if problems := text_problems(draft):
            await ack(
                response_action="errors", errors={forms.block_of(body, name): problems[name] for name in problems}
            )
            return
        await desk.submit(ack, body, Check(draft), modals.checking())

    @app.view(ids.REVIEW)
    async def sent(ack: AsyncAck, body: Body) -> None:
        await desk.submit(ack, body, Send(body["view"]["private_metadata"]), modals.working("Sending"))

    @app.action(ids.REVIEW_BACK)
    async def back(ack: AsyncAck, body: Body) -> None:
        await desk.button(ack, body, Change(forms.request_id(body)))


async def open_form(desk: Reception, asked: Command | Opening) -> None:
    """Open the form before anything else: its trigger lives three seconds. Then look whether it is of any use."""
    empty = FormPage(Draft(), own_account=desk.directory.policy().user_keys)
    view = await desk.open(asked.trigger, modals.form(empty, wants_account=False))
    if desk.directory.catalog_is_stale():
        await desk.agenda.put("catalog", desk.clock())
        desk.bell.ring()
    await desk.turn_away(asked.by, asked.team, view)


async def _redraw(desk: Reception, opening: Opening, body: Body) -> None:
    draft = forms.draft(body)
    page = form(draft, await _catalog(desk), desk.directory.policy())
    await desk.redraw(opening, modals.form(page, wants_account=forms.wants_account(body)))


async def _catalog(desk: Reception) -> Catalog | None:
    """The catalog; without a store, none: an empty list is better than a field that hangs."""
    try:
        return await desk.directory.catalog()
    except LatchkeyError:
        return None


def _options(catalog: Catalog | None, asked: forms.Suggestion) -> list[Block]:
    match asked.action:
        case ids.FORM_ENVIRONMENT:
            return modals.environments(catalog, asked.typed)
        case ids.FORM_CLUSTER:
            return modals.clusters(catalog, asked.environment, asked.typed)
        case _:
            return modals.accounts(catalog, asked.typed)
