"""Work that outlives the listener which started it, and always has an owner."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from bot.domain.errors import LatchkeyError

AGAIN_SECONDS = 1.0
"""After so long a task that goes on is cancelled once more."""
log = logging.getLogger(__name__)

Report: TypeAlias = Callable[[Exception], Awaitable[None]]
"""Tells someone that a job failed; also the one to log it."""


class Background:
    """Starts jobs in a task group that it does not own; made by `background()`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def start(self, job: Coroutine[Any, Any, object], *, name: str, report: Report) -> None:
        """Run `job` beside the caller. What it raises goes to `report` and nowhere else.

        Raises `RuntimeError` once everything has been drained: nobody would wait for the job.
        """
        supervised = _supervise(job, name, report)
        try:
            self._group.create_task(supervised, name=name)
        except RuntimeError:
            # Python 3.11 leaves both unawaited, and each would warn about it later, far from here.
            supervised.close()
            job.close()
            raise


async def _supervise(job: Coroutine[Any, Any, object], name: str, report: Report) -> None:
    """Keep every `Exception` out of the task group, which would cancel all other jobs for it."""
    try:
        await job
    except asyncio.CancelledError:
        log.warning("cancelled before it finished: %s", name)
        raise
    except Exception as error:  # noqa: BLE001 - a job may fail in any way
        await _tell(error, name, report)


async def _tell(error: Exception, name: str, report: Report) -> None:
    try:
        await report(error)
    except LatchkeyError as untold:  # one line says it all, as for what the job itself raises
        log.warning("couldn't tell anyone that %s failed with %s: %s", name, type(error).__name__, untold)
    except Exception:
        log.exception("couldn't tell anyone that %s failed with %s", name, type(error).__name__)


@asynccontextmanager
async def background(*, grace: float) -> AsyncGenerator[Background]:
    """Own all work started inside. On leaving, running work has `grace` seconds to finish; what is left is cancelled.

    What the body raises is raised as it is, after the same grace. A cancelled body cancels the work at once.
    """
    failure: Exception | None = None
    try:
        async with asyncio.timeout(None) as drain, asyncio.TaskGroup() as group:
            try:
                yield Background(group)
            except Exception as error:  # noqa: BLE001 - the group would cancel the work and wrap the error in a group
                failure = error
            drain.reschedule(asyncio.get_running_loop().time() + grace)
    except TimeoutError:
        log.warning("cancelled work that was still running %g s after the stop", grace)
    if failure is not None:
        raise failure


@asynccontextmanager
async def beside(job: Coroutine[Any, Any, None], *, name: str) -> AsyncGenerator[None]:
    """Run `job`, which never ends by itself, until we leave. Then it is cancelled, and has ended."""
    task = asyncio.create_task(job, name=name)
    try:
        yield
    finally:
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task until it ends: redis-py may swallow a cancellation, where it looks whether a connection is idle."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
