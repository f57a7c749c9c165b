"""What people read when something failed: one table for all listeners."""

import logging

from bot.background import Report
from bot.domain.errors import LatchkeyError, TokenRefused, Undeliverable
from bot.domain.keys import SlackUserId
from bot.services.commands import ReplyTo
from bot.slack.api.client import Replies

log = logging.getLogger("latchkey.handlers")

_UNDELIVERABLE = {
    "expired_trigger_id": "Slack timed out before the form could open. Nothing changed. Try again.",
    "exchanged_trigger_id": "Slack already opened a window for this click. Nothing changed.",
    "invalid_trigger_id": "Slack no longer accepted this click. Nothing changed. Try again.",
    "push_limit_reached": "Too many windows are open. Nothing changed. Close one and try again.",
}
_UNEXPECTED = (
    "Something went wrong inside Latchkey, and the error was logged. Nothing was left half done: "
    "`/apikey requests` shows the status of your requests. Try again."
)


def tell(error: Exception) -> str:
    """The sentence for people about an error: what happened, whether anything changed, what to do next."""
    match error:
        case TokenRefused():
            return error.tell
        case Undeliverable():
            return _UNDELIVERABLE.get(error.reason, f"{error.tell} Nothing changed. Try again.")
        case LatchkeyError():
            return error.tell
        case _:
            return _UNEXPECTED


def reporter(replies: Replies, to: SlackUserId, reply: ReplyTo) -> Report:
    """A function that tells `to`, and nobody else, what failed."""

    async def report(error: Exception) -> None:
        if isinstance(error, LatchkeyError):
            level = logging.ERROR if isinstance(error, TokenRefused) else logging.INFO
            log.log(level, "refused", extra={"code": error.code, "why": str(error)})
        else:
            log.error("failed", exc_info=error)
        await replies.send(to, reply, tell(error))

    return report
