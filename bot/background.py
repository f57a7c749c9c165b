"""Jobs that outlive the listener that started them, and always have an owner."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from bot.domain.errors import LatchkeyError

AGAIN_SECONDS = 1.0
"""Seconds after which a task that survived its cancellation is cancelled again."""
log = logging.getLogger(__name__)

Report: TypeAlias = Callable[[Exception], Awaitable[None]]
"""Called with the exception of a failed job. It also logs it."""


class Background:
    """Starts jobs in a task group that it doesn't own. Created by `background()`."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def start(self, job: Coroutine[Any, Any, object], *, name: str, report: Report) -> None:
        """Run `job` beside the caller. Its exception goes to `report` and nowhere else.

        Raises `RuntimeError` after everything was drained: nobody would wait for the job.
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
    """Keep exceptions out of the task group, which would cancel all other jobs because of one."""
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
    """Own all jobs started inside. When left, they have `grace` seconds to finish; the rest is cancelled.

    An exception of the body is raised unchanged, after the same grace. If the body is cancelled, the jobs are cancelled
    at once.
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
    """Run `job`, which never ends by itself, until the context is left. Then it has been cancelled, and has ended."""
    task = asyncio.create_task(job, name=name)
    try:
        yield
    finally:
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task until it ends: redis-py may swallow a cancellation while it checks an idle connection."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
