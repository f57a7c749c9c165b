"""The review's digests: keeping a key, with a reason. To rotate and to delete one is offered by `handlers.keys`."""

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.domain.keys import KeyId
from bot.services.commands import CardAt, Keep
from bot.services.form.validate import LIMITS, text_problem
from bot.slack.messages import digest
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import Body, Opening
from bot.slack.views import pages
from handlers.context import ListenerContext


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Listen to `Keep`. Whether the key is theirs to see is asked when the reason is carried out, not here."""

    @app.action(ids.KEY_KEEP)
    async def keep(ack: AsyncAck, body: Body) -> None:
        opening, key = read.opening(body), KeyId(read.request_id(body))
        at = read.click(body, Keep(key, ""), context.clock()).card
        context.start(_ask_why(context, opening, key, at), "ask why to keep it", opening.by, opening.reply)
        await ack()

    @app.view(ids.KEEP)
    async def kept(ack: AsyncAck, body: Body) -> None:
        reason = read.deny_reason(body)
        if problem := _problem(reason):
            await ack(response_action="errors", errors={ids.REASON_BLOCK: problem})
            return
        key, at = digest.kept_key(read.metadata(body))
        await context.submit(ack, body, Keep(key, reason, at), pages.working("Keep this API key"))


def _problem(reason: str) -> str | None:
    if not reason.strip():
        return "Write a reason: whoever looks at this key later reads it."
    return text_problem(reason, LIMITS["reason"])


async def _ask_why(context: ListenerContext, opening: Opening, key: KeyId, at: CardAt | None) -> None:
    await context.open(opening.trigger, digest.keep_form(key, at))
