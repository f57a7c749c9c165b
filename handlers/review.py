"""The review's digests: keeping a key, with a reason. To rotate and to delete one is offered by `handlers.keys`."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import KeyId
from bot.services.commands import Keep
from bot.slack.messages import digest
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body
from handlers.context import ListenerContext


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to `Keep`. Whether the key is theirs to see is asked when the reason is carried out, not here."""

    @app.action(ids.KEY_KEEP)
    async def keep(ack: AsyncAck, body: Body) -> None:
        opening, key = read.opening(body), KeyId(read.request_id(body))
        at = read.click(body, Keep(key, ""), context.clock()).card
        await context.begin(
            ack, opening, "ask why to keep it", context.open(opening.trigger, digest.keep_form(key, at))
        )

    @app.view(ids.KEEP)
    async def kept(ack: AsyncAck, body: Body) -> None:
        key, at = digest.kept_key(read.metadata(body))
        reader = "people who review this key later"
        await context.reason(ack, body, reader, lambda why: Keep(key, why, at), "Keep this API key")
