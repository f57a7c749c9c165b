"""The operator's terminal: what Latchkey prints, and the lines that they type."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol, TypeVar

T = TypeVar("T")
SKIP = frozenset({"s", "skip"})
YES = frozenset({"y", "yes"})


class Skipped(Exception):
    """The operator skipped a step, or was away for too long."""


class Console(Protocol):
    """A terminal."""

    def say(self, text: str) -> None:
        """Show a line."""

    async def line(self) -> str:
        """The next line that the operator types."""
        ...


class Terminal:
    """Standard output and input. Lines are read by a thread, for a terminal can't be waited for everywhere."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True, name="terminal").start()

    def say(self, text: str) -> None:
        """Print a line; where the terminal was closed, what is to be taken back is taken back unseen."""
        with suppress(OSError, ValueError):
            print(text, flush=True)  # noqa: T201 - this is what the command is for

    async def line(self) -> str:
        """The next line. Waits forever if nobody types."""
        return await self._lines.get()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        text = b""
        # Not `sys.stdin.readline`: its lock, held by this thread, would abort the end of the program.
        with suppress(OSError, ValueError, RuntimeError):
            while data := os.read(sys.stdin.fileno(), 4096):
                *lines, text = (text + data).split(b"\n")
                for each in lines:
                    loop.call_soon_threadsafe(self._lines.put_nowait, each.decode("utf-8", "replace"))


async def wait_or_skip(console: Console, what: str, work: Awaitable[T], seconds: float) -> T:
    """What `work` gives. Raises `Skipped` when the operator types s, or after so many seconds."""
    console.say(f"→ {what}\n  (waiting up to {_span(seconds)}; type s and Enter to skip)")
    task, skip = asyncio.ensure_future(work), asyncio.create_task(_typed_skip(console))
    try:
        await asyncio.wait({task, skip}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        console.say("  Skipped." if skip.done() else "  Nothing happened in time, so this step is skipped.")
        raise Skipped
    finally:
        task.cancel()
        skip.cancel()
        await asyncio.wait({task, skip})


async def ask(console: Console, question: str, seconds: float) -> bool | None:
    """Ask a yes/no question. Returns None without an answer in `seconds`; anything but yes means no."""
    console.say(f"? {question} [y/N]")
    try:
        async with asyncio.timeout(seconds):
            return (await console.line()).strip().lower() in YES
    except TimeoutError:
        console.say("  No answer in time.")
        return None


async def _typed_skip(console: Console) -> None:
    while (await console.line()).strip().lower() not in SKIP:
        pass


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"  # noqa: PLR2004 - two minutes
