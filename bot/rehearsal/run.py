"""`latchkey rehearse`: builds the parts, runs the steps in order, and cleans up."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow, token_hex
from typing import Any, Self
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from bot import server
from bot.assembly import response_url_bases
from bot.connections import World, bolt, connected, policy_source, socket_mode
from bot.domain.errors import LatchkeyError
from bot.domain.keys import Cluster
from bot.domain.kinds import Kind
from bot.domain.policy import Policy
from bot.health import Health
from bot.rehearsal.confluent import ConfluentSteps, sweep
from bot.rehearsal.console import Console, Skipped
from bot.rehearsal.findings import error_name
from bot.rehearsal.pages import Ears
from bot.rehearsal.slack import GRACE, SETTLED, SlackSteps
from bot.services.ports.store import Clock
from bot.settings import Settings, StartupError
from bot.slack.api.client import Replies
from bot.store.moments import utc_now

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEP_SECONDS = 300.0
"""Seconds that a step waits for the operator."""

log = logging.getLogger("latchkey.rehearsal")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the operator wants.

    `confluent` is ENVIRONMENT/CLUSTER, or "" to leave Confluent Cloud out; times in seconds.
    """

    report: Path
    confluent: str = ""
    seconds: float = STEP_SECONDS
    grace: float = GRACE
    settled: float = SETTLED


async def rehearse(settings: Settings, plan: Plan, console: Console, *, clock: Clock = utc_now) -> int:
    """Run every step, print a verdict for each entry of the evidence, and write the report. Returns the exit code.

    Raises `StartupError`. It cleans up whatever happens, even after an interruption; see `Rehearsal.run`.
    """
    with _Interruption(asyncio.current_task()) as interruption:
        try:
            async with connected(settings, clock) as world:
                policy = policy_source(settings).current()
                ears = Ears(f"{randbelow(9000) + 1000}")
                await sweep(world.cloud, console, plan.seconds)
                rehearsal = Rehearsal(settings, plan, console, world, policy, ears)
                await rehearsal.prepare()
                async with _listening(settings, world, ears):
                    return await rehearsal.run(interruption)
        except asyncio.CancelledError:
            if not interruption.came_early:
                raise
            console.say("Stopped before the first step. Nothing was created.")
            return 1


class _Interruption:
    """Handles SIGINT, SIGTERM and SIGHUP, which otherwise end the program, until everything outside is closed.

    Before `do` is set, the first signal cancels `task`. After that, each signal calls `do`.
    """

    def __init__(self, task: "asyncio.Task[Any] | None") -> None:
        self._task, self.came_early = task, False
        self.do: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._strike)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _strike(self) -> None:
        if self.do is not None:
            self.do()
        elif self._task is not None and not self.came_early:
            self.came_early = True
            self._task.cancel()


class Rehearsal:
    """One rehearsal."""

    def __init__(
        self, settings: Settings, plan: Plan, console: Console, world: World, policy: Policy, ears: Ears
    ) -> None:
        self._plan, self._console, self._world, self._policy = plan, console, world, policy
        self._ears, self._findings = ears, ears.findings
        hosts = frozenset(urlsplit(base).netloc for base in response_url_bases(settings))
        replies = Replies(world.slack, world.session, hosts)
        whose, waits = world.workspace.tenant, (plan.seconds, plan.grace, plan.settled)
        self.slack = SlackSteps(world.slack, replies, whose, ears, console, self._findings, *waits)
        self.confluent: ConfluentSteps | None = None

    async def prepare(self) -> None:
        """Look up the cluster that --confluent names. Raises `StartupError` if it doesn't exist."""
        if not self._plan.confluent:
            return
        environment, _, id_ = self._plan.confluent.partition("/")
        try:
            found = await self._world.cloud.resource(Kind.KAFKA, environment, id_)
        except LatchkeyError as error:
            raise StartupError(f"Confluent Cloud didn't show the cluster that --confluent names. {error}") from None
        if found is None or not isinstance(found[0], Cluster):
            raise StartupError("Confluent Cloud has no Kafka cluster that --confluent names. Use ENVIRONMENT/CLUSTER.")
        people, seconds = self._policy.people, self._plan.seconds
        self.confluent = ConfluentSteps(
            self._world, people, self._console, self._findings, seconds, found[0], token_hex(8)
        )

    async def run(self, interruption: _Interruption) -> int:
        """Run the steps and clean up.

        Returns the exit code: 0 if all went well and Latchkey handles everything seen.
        """
        self._console.say("Rehearsal on a real workspace. The bot must not be running. Ctrl-C stops and cleans up.")
        work = asyncio.create_task(self._steps())
        interruption.do = lambda: self._interrupt(work)
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()
            await self._finish(work)
        found = self._findings
        left = self.confluent.failures if self.confluent else []
        return 1 if found.is_interrupted or found.unhandled or found.failed or left else 0

    def _interrupt(self, work: "asyncio.Task[None]") -> None:
        if self._findings.is_interrupted or work.done():
            self.slack.hurry()
            return
        self._findings.is_interrupted = True
        self._console.say("Stopping. Cleaning up…")
        work.cancel()

    async def _steps(self) -> None:
        steps = self.slack.all(self._policy.channels)
        if self.confluent is not None:
            steps += self.confluent.all(lambda: self._ears.operator)
        for number, (title, step) in enumerate(steps, 1):
            self._console.say(f"\n[{number}/{len(steps)}] {title}")
            await self._step(step)

    async def _step(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run a step. If it fails, the next one still runs, and verdicts that it has given remain."""
        try:
            await step()
        except Skipped:
            pass
        except LatchkeyError as error:
            self._console.say(f"  This step failed: {error}")
            self._findings.failed.append(error_name(error))
        except Exception as error:
            log.exception("a step failed")
            self._console.say("  This step failed unexpectedly: see the log line above.")
            self._findings.failed.append(error_name(error))

    async def _finish(self, work: "asyncio.Task[None]") -> None:
        """Clean up, print the verdicts, write the report, and then raise an unexpected error if there was one."""
        await asyncio.wait({work})
        try:
            await self.slack.leave_nothing()
        finally:
            try:
                if self.confluent is not None:
                    await self.confluent.leave_nothing()
            finally:
                self._report()
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    def _report(self) -> None:
        self._console.say("")
        for line in self._findings.lines():
            self._console.say(line)
        try:
            self._findings.write(self._plan.report)
        except OSError as error:
            self._console.say(f"The report couldn't be written to {self._plan.report}: {error.strerror}.")
        else:
            self._console.say(f"Report: {self._plan.report}. It contains no names, IDs, addresses or secrets.")


@asynccontextmanager
async def _listening(settings: Settings, world: World, ears: Ears) -> AsyncGenerator[None]:
    """Receive what Slack sends, in the same way as the bot does."""
    app = bolt(settings, world)
    ears.listen(app)
    if settings.slack_mode == "http":
        registry = CollectorRegistry()
        web = server.create(app, Health({}, registry), registry)
        async with server.serving(web, settings.host, settings.port):
            yield
        return
    async with socket_mode(settings, world, app):
        yield
