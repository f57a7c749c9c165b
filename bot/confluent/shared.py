"""Reads that many wait for at once: one answer is for all who asked before it was asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

SECONDS = 1.0
"""How long a read waits for the one before it, of the same: longer, that one may hang."""
T = TypeVar("T")


class SharedReads:
    """Asks once for all who want to know the same, and never hands out what is older than the question.

    A question that comes while an answer is on its way waits for the next one. In a burst of decisions that are about
    the same people and places, most of what Confluent would be asked is the same.
    """

    def __init__(self) -> None:
        self._planned: dict[Hashable, asyncio.Task[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, what: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """What is true now. `ask` is the same for everybody who wants to know `what`."""
        planned = self._planned.get(what)
        if planned is None:
            # A task of its own: who waits may be cancelled, and others wait for the same.
            planned = asyncio.create_task(self._ask(what, ask), name=f"read {what}")
            planned.add_done_callback(_is_heard)
            self._planned[what] = planned
        answer: T = await asyncio.shield(planned)
        return answer

    async def _ask(self, what: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        this = self._planned[what]
        try:
            if what in self._running:
                await asyncio.wait({self._running[what]}, timeout=SECONDS)
        finally:
            del self._planned[what]
        self._running[what] = this
        try:
            return await ask()
        finally:
            if self._running.get(what) is this:  # else it hung, and another one came after it, and may be over already
                del self._running[what]


def _is_heard(task: "asyncio.Task[Any]") -> None:
    """Take the error out, or asyncio logs it where everybody who waited has gone."""
    if not task.cancelled():
        task.exception()
