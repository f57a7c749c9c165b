"""A bot made of scripted answers, behind a Slack that delivers to it."""

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

    async def carry(self, envelope: Envelope) -> dict[str, Any]:
        json.dumps(envelope.payload)
        self.received.append(envelope)
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
