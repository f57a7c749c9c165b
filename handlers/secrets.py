"""The requester's own buttons: show the secret, saved it, replace the key."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.services.clicks import Replace, Saved, Show
from bot.slack import forms, ids
from bot.slack.forms import Body
from handlers.desk import Reception


def register(app: AsyncApp, desk: Reception) -> None:
    """Listen to the buttons under a key."""

    @app.action(ids.SHOW)
    async def show(ack: AsyncAck, body: Body) -> None:
        await desk.button(ack, body, Show(*forms.key_ref(body)))

    @app.action(ids.SAVED)
    async def saved(ack: AsyncAck, body: Body) -> None:
        await desk.button(ack, body, Saved(*forms.key_ref(body)))

    @app.action(ids.REPLACE)
    async def replace(ack: AsyncAck, body: Body) -> None:
        await desk.button(ack, body, Replace(*forms.key_ref(body)))
