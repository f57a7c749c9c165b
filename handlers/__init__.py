"""Slack's listeners. Each one parses its payload, stores a click or starts a job, and acknowledges last."""

import logging

from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from handlers import commands, create, decisions, home, keys, leaks, outcomes, review, secrets
from handlers.context import ListenerContext

__all__ = ["ListenerContext", "register"]
log = logging.getLogger("latchkey.handlers")


def register(app: AsyncApp, context: ListenerContext) -> None:
    """Register every listener, with the catch-alls last."""
    for surface in (decisions, create, commands, keys, secrets, outcomes, review, leaks, home):
        surface.register(app, context)

    @app.error
    async def failed(error: Exception) -> BoltResponse:
        """Answer for a listener that raised: an empty 500, which Slack shows as a failure. The payload isn't logged."""
        log.error("a listener failed", exc_info=error)
        return BoltResponse(status=500)
