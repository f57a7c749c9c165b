"""Shares reads that several callers want at once: everyone who asked before a read was sent gets its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

SECONDS = 1.0
"""Seconds that a read waits for the previous one of the same; after that, the previous one may hang."""
T = TypeVar("T")


class SharedReads:
    """Reads once for all who want to know the same, and never returns anything older than the question.

    A question that comes while an answer is pending waits for the next read. In a burst of decisions about the same
    people and places, this saves most calls to Confluent.
    """

    def __init__(self) -> None:
        self._planned: dict[Hashable, asyncio.Task[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, what: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The current value. `ask` must be equivalent for everyone who passes the same `what`."""
        planned = self._planned.get(what)
        if planned is None:
            # In a task of its own, because the caller may be cancelled while others wait for the same.
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
            if self._running.get(what) is this:  # otherwise this one hung, and a later read took its place
                del self._running[what]


def _is_heard(task: "asyncio.Task[Any]") -> None:
    """Retrieve the error; otherwise asyncio logs it if everyone who waited has been cancelled."""
    if not task.cancelled():
        task.exception()
