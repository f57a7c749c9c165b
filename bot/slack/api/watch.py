"""Looking now and then whether Slack takes our token and our channels, so that no probe of `/readyz` has to ask."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, TokenRefused, Undeliverable
from bot.services.ports.clock import Clock
from bot.slack.api.client import call

EVERY = 300.0
"""Seconds between two looks while all is well."""
SOON = 30.0
"""And while something is wrong."""
log = logging.getLogger("latchkey.slack")


@dataclass(slots=True)
class Watch:
    """The last verdicts. What Slack does not answer leaves them as they were."""

    client: AsyncWebClient
    look_at_channels: Callable[[], Awaitable[str | None]]
    clock: Clock
    token: str | None = None
    channels: str | None = None
    at: datetime | None = field(default=None, init=False)

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            soon = self.token or self.channels
            await asyncio.sleep((SOON if soon else EVERY) * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            await self.look()

    async def look(self) -> None:
        """Ask Slack once. Never raises."""
        try:
            await call(self.client, "auth.test", {})
            self.token, self.channels = None, await self.look_at_channels()
        except Undeliverable as error:
            if isinstance(error, TokenRefused):
                self.token = f"Slack no longer takes SLACK_BOT_TOKEN ({error.reason}): install the app again"
            else:
                self.token = f"Slack refuses Latchkey ({error.reason}): ask an administrator of the Slack workspace"
            log.error("the Slack token is refused", extra={"why": error.reason})  # noqa: TRY400 - one line says it all
            self.at = self.clock()
        except LatchkeyError as error:
            log.warning("Slack could not be looked at", extra={"why": str(error)})
        except Exception:
            log.exception("Slack could not be looked at")
        else:
            self.at = self.clock()

    def aged(self, verdict: str | None) -> str | None:
        """A verdict with its age."""
        if verdict is None or self.at is None:
            return verdict
        return f"{verdict} (looked at {int((self.clock() - self.at).total_seconds())} s ago)"
