"""Putting a page into a modal whose submit was answered with a page that asks to wait.

Slack takes that answer and our later `views.update` on two ways without an order: applied last, the answer would stay
for ever. So the answer brings an `external_id` of its own into the view, and what comes after it is addressed by that:
until the answer is there, so is no view of that id.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Undeliverable
from bot.slack.kit import Block
from bot.slack.replies import call

PATIENCE = 3.5
"""Seconds: longer than Slack takes to apply an answer, which is three at most."""
_PAUSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Seconds between looks for the view; a workspace has some hundred calls of `views.update` a minute."""
_CLOSED = "not_found"


def waiting(view: Block, click: str) -> Block:
    """The page that answers a submit, recognizable by the click until the page that comes of it is there."""
    return {**view, "external_id": click}


@dataclass(slots=True)
class AckedViews:
    """Modals, those among them whose submit was answered."""

    client: AsyncWebClient
    is_adopted: bool = field(default=True, init=False)
    """Whether Slack takes an `external_id` over from an answer: that is not documented, so this is what we saw."""

    async def put(self, view: str, page: Block, waiting: str = "") -> None:
        """Put a page into a view, after the one that `waiting` names. There is nothing to put into a closed one.

        Raises `Undeliverable` when Slack does not take the page, `Throttled` or `Unavailable`.
        """
        if waiting and await self._put_when_there(waiting, page):
            return
        if await self._put({"view_id": view, "view": page}) and waiting:
            self.is_adopted = False

    async def _put_when_there(self, waiting: str, page: Block) -> bool:
        """Whether it is there; if not so in time, it never will be, and the answer is applied by now."""
        if not self.is_adopted:
            await asyncio.sleep(PATIENCE)
            return False
        for pause in _PAUSES:
            if await self._put({"external_id": waiting, "view": page}):
                return True
            await asyncio.sleep(pause)
        return False

    async def _put(self, body: Mapping[str, Any]) -> bool:
        """Whether there is such a view."""
        try:
            await call(self.client, "views.update", body)
        except Undeliverable as error:
            if error.reason != _CLOSED:
                raise
            return False
        return True
