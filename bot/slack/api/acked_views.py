"""Putting a page into a modal whose submit was answered with a page that asks to wait.

Slack takes that answer and our later `views.update` on two ways without an order: applied last, the answer would stay
for ever. So the answer brings an `external_id` of its own into the view, and what comes after it is addressed by that:
until the answer is there, so is no view of that id.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import Throttled, Unavailable, Undeliverable
from bot.slack.api.client import call
from bot.slack.blocks.text import Block

PATIENCE = 3.5
"""Seconds: longer than Slack takes to apply an answer, which is three at most."""
_PAUSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Seconds between looks for the view; a workspace has some hundred calls of `views.update` a minute."""
LONGEST_WAIT = 5.0
"""Seconds that we wait when Slack asks us to, before we try once more."""
_TRIES = 3
_DOUBTS = 3
"""Views that were open and had no such id, before we believe that Slack takes none over."""
_LATE, _LATE_PAUSE = 2, 2.0
_CLOSED = "not_found"
_MARK = "-"


def waiting(view: Block, click: str) -> Block:
    """The page that answers a submit, recognizable by the click until the page that comes of it is there."""
    return {**view, "external_id": click}


def once_more(submit: str) -> str:
    """What the answer to a second delivery of a submit waits under, so that the page follows this answer, too."""
    return f"{submit}{_MARK}{token_hex(4)}"


@dataclass(slots=True)
class AckedViews:
    """Modals, those among them whose submit was answered."""

    client: AsyncWebClient
    _was_adopted: bool = field(default=False, init=False)
    _misses: int = field(default=0, init=False)

    @property
    def is_adopted(self) -> bool:
        """Whether Slack takes an `external_id` over from an answer: not documented, so it's what we saw.

        Seen once, it holds; a view without one may have got its page before, or its answer may be lost.
        """
        return self._was_adopted or self._misses < _DOUBTS

    async def put(self, view: str, page: Block, waiting: str = "") -> None:
        """Put a page into a view, after the one that `waiting` names. There is nothing to put into a closed one.

        Raises `Undeliverable` when Slack does not take the page; `Throttled` or `Unavailable` after a few tries.
        """
        if waiting and await self._put_when_there(waiting, page):
            return
        if _MARK in waiting and self._was_adopted:
            # The first answer had its page; where the second one never came, another page may stand there by now.
            await self._put_if_late(waiting, page)
            return
        if await self._put({"view_id": view, "view": page}) and waiting:
            self._misses += 1
            await self._put_if_late(waiting, page)

    async def _put_when_there(self, waiting: str, page: Block) -> bool:
        """Whether it is there; if not so in time, it never will be, and the answer is applied by now."""
        body = {"external_id": waiting, "view": page}
        for pause in _PAUSES if self.is_adopted else (PATIENCE,):
            if await self._put(body):
                self._was_adopted = True
                return True
            await asyncio.sleep(pause)
        return False

    async def _put_if_late(self, waiting: str, page: Block) -> None:
        """Once more, should the answer be applied later than ever: then it hides the page, and has its id."""
        for _ in range(_LATE if self.is_adopted else 0):
            await asyncio.sleep(_LATE_PAUSE)
            if await self._put({"external_id": waiting, "view": page}):
                self._was_adopted = True
                return

    async def _put(self, body: Mapping[str, Any]) -> bool:
        """Whether there is such a view. A page that stays away would leave its reader waiting: it is tried again."""
        for again in range(_TRIES, 0, -1):
            try:
                await call(self.client, "views.update", body)
            except Undeliverable as error:
                if error.reason != _CLOSED:
                    raise
                return False
            except Unavailable as error:
                if again == 1:
                    raise
                wait = error.wait.total_seconds() if isinstance(error, Throttled) else 0
                await asyncio.sleep(max(1.0, min(wait, LONGEST_WAIT)))
            else:
                return True
        raise AssertionError("the last try ends with a value or an error")
