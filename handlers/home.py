"""App Home, and whatever no other listener handles: each click gets an answer."""

import re

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import SlackUserId
from bot.services.commands import ReplyTo
from bot.services.pages import TextPage
from bot.slack.payloads import read
from bot.slack.payloads.read import Body
from bot.slack.views import pages
from handlers.context import ListenerContext

_NO_LONGER = "This button is from an older version of Latchkey. Nothing changed. Try `/apikey help`."


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register the catch-alls. Call this last: the first listener that matches handles a payload."""

    @app.event("app_home_opened")
    async def opened(body: Body) -> None:
        event = body["event"]
        if event.get("tab") == "home":
            user = SlackUserId(event["user"])
            context.start(context.homes.visited(user), "show Home", user, ReplyTo())

    @app.event(re.compile(".*"))
    async def other_event() -> None:
        return

    @app.action(re.compile(".*"))
    @app.shortcut(re.compile(".*"))
    async def unknown_button(ack: AsyncAck, body: Body) -> None:
        opening = read.opening(body)
        await context.begin(ack, opening, "unknown button", context.answer(opening, "Couldn't do that", _NO_LONGER))

    @app.view(re.compile(".*"))
    async def unknown_view(ack: AsyncAck) -> None:
        await ack(response_action="update", view=pages.page(TextPage("Couldn't do that", _NO_LONGER)))

    @app.view_closed(re.compile(".*"))
    async def closed(ack: AsyncAck) -> None:
        await ack()  # no view of ours asks to be told, but an answer costs nothing

    @app.options(re.compile(".*"))
    async def unknown_options(ack: AsyncAck) -> None:
        await ack(options=[])
