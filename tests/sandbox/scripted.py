"""A bot made of scripted answers, behind a Slack that delivers to it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from sandbox.slack.delivery import Envelope, NoAnswer
from sandbox.slack.server import Slack


class Scripted:
    """A bot that gives one answer to everything, but for what `answers` holds by the type of the payload."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | NoAnswer = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.received: list[Envelope] = []
        self._arrived = asyncio.Event()

    async def carry(self, envelope: Envelope) -> dict[str, Any]:
        json.dumps(envelope.payload)
        self.received.append(envelope)
        self._arrived.set()
        answer = self.answers.get(envelope.payload.get("type", ""), self.answer)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    @property
    def last(self) -> dict[str, Any]:
        """What it was told last."""
        return self.received[-1].payload


def workspace_of(bot: Scripted) -> Slack:
    """A workspace with this bot installed."""
    slack = Slack(lambda: datetime.now(UTC), retry_after=(0, 0, 0))
    slack.use_request_url(bot)
    return slack


async def hears(bot: Scripted, action_id: str) -> dict[str, Any]:
    """Wait until the bot was told of this action; what it was told, with the action alone under `actions`."""
    async with asyncio.timeout(60):
        while True:
            for envelope in reversed(bot.received):
                for action in envelope.payload.get("actions", ()):
                    if action["action_id"] == action_id:
                        return {**envelope.payload, "actions": [action]}
            bot._arrived.clear()
            await bot._arrived.wait()
