"""What a person reads when something went wrong: one table, one way to say it."""

import logging

from bot.background import Report
from bot.domain.errors import LatchkeyError, TokenRefused, Undeliverable
from bot.domain.keys import SlackUserId
from bot.services.commands import ReplyTo
from bot.slack.api.client import Replies

log = logging.getLogger("latchkey.handlers")

_UNDELIVERABLE = {
    "expired_trigger_id": "That took too long for Slack, so no window opened. Nothing was changed. Please try again.",
    "exchanged_trigger_id": "Slack opened a window for this click already. Nothing was changed.",
    "invalid_trigger_id": "Slack did not accept this click any more. Nothing was changed. Please try again.",
    "push_limit_reached": "Too many windows are open. Nothing was changed. Close one and try again.",
}
_UNEXPECTED = (
    "Something went wrong inside Latchkey, and it is logged. Nothing that you did is half done: "
    "`/apikey requests` shows where your requests stand. Please try again."
)


def tell(error: Exception) -> str:
    """A sentence for people: what happened, whether anything changed, what to do next."""
    match error:
        case TokenRefused():
            return error.tell
        case Undeliverable():
            return _UNDELIVERABLE.get(error.reason, f"{error.tell} Nothing was changed. Please try again.")
        case LatchkeyError():
            return error.tell
        case _:
            return _UNEXPECTED


def reporter(replies: Replies, to: SlackUserId, reply: ReplyTo) -> Report:
    """Tells `to` what went wrong, where only `to` sees it."""

    async def report(error: Exception) -> None:
        if isinstance(error, LatchkeyError):
            level = logging.ERROR if isinstance(error, TokenRefused) else logging.INFO
            log.log(level, "refused", extra={"code": error.code, "why": str(error)})
        else:
            log.error("failed", exc_info=error)
        await replies.send(to, reply, tell(error))

    return report
