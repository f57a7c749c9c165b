"""The whole sandbox: a Slack, a Confluent Cloud, a clock that both share, and bots that run against them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import httpx
from starlette.routing import BaseRoute

from bot.store.embedded import embedded
from sandbox import confluent
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.clock import SandboxClock
from sandbox.confluent import BOT_KEY, Organization
from sandbox.recording import Recording
from sandbox.scanner import Scanner
from sandbox.serving import serve
from sandbox.slack.delivery import SIGNING_SECRET, RequestUrl
from sandbox.slack.manners import Manners
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN

MASTER_KEY = "lk1_" + "c2FuZGJveC1vbmx5LW1hc3Rlci1rZXktMzItYnl0ZXM"
"""Seals the data of a sandbox, which is deleted when the sandbox ends. These 32 bytes aren't secret."""
STOPPED_WITHIN = 40.0


@dataclass(slots=True)
class Stage:
    """Both servers, running. `folder` contains all files; the caller deletes it."""

    folder: Path
    clock: SandboxClock
    slack: Slack
    organization: Organization
    faults: confluent.Faults
    slack_url: str
    confluent_url: str
    scanner: Scanner = field(default_factory=Scanner)
    bot_url: str = field(default="", init=False)
    """The address of a bot in HTTP mode; "" if there is none."""
    _transports: list[RequestUrl] = field(default_factory=list[RequestUrl], init=False)
    _stores: set[Path] = field(default_factory=set[Path], init=False)

    def environment(self, *, data: str = "data", redis_url: str | None = None, mode: str = "socket") -> dict[str, str]:
        """Settings for a bot of this stage. Bots with the same `data` share their store."""
        self._stores.add(self.folder / data)
        settings = {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_API_URL": f"{self.slack_url}/api/",
            "SLACK_MODE": mode,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "CONFLUENT_CLOUD_API_KEY": BOT_KEY,
            "CONFLUENT_CLOUD_API_SECRET": self.organization.secrets_issued[BOT_KEY],
            "CONFLUENT_CLOUD_ENDPOINT": self.confluent_url,
            "LATCHKEY_DATA_DIR": str(self.folder / data),
            "LATCHKEY_MASTER_KEYS": MASTER_KEY,
            "LATCHKEY_CHANNEL": APPROVALS_CHANNEL,
            "LATCHKEY_SECRETS_DIR": str(self.folder),
            "LATCHKEY_AUDIT_LOG": str(self.folder / "audit.jsonl"),
            "PORT": "0",
        }
        if mode == "http":
            keys = self.folder / "scanner.json"
            keys.write_bytes(self.scanner.published())
            settings["LATCHKEY_LEAK_WEBHOOK"] = str(keys)
        return settings | ({"REDIS_URL": redis_url} if redis_url else {})

    async def deliver_by_http(self, port: int) -> None:
        """Have Slack deliver signed requests to a bot on this port. They're signed with real time, which Bolt checks.

        Returns once the bot has answered Slack's challenge.
        """
        url = f"http://127.0.0.1:{port}"
        transport = RequestUrl(f"{url}/slack/events", utc)
        while not await answers(f"{url}/healthz"):  # noqa: ASYNC110 -- the bot may be another process
            await asyncio.sleep(0.02)
        self.bot_url = url
        self._transports.append(transport)
        self.slack.use_request_url(transport)

    async def close(self) -> None:
        """Close what this stage opened besides its servers, and stop the stores that killed bots left running."""
        for transport in self._transports:
            await transport.aclose()
        for folder in self._stores:
            if (folder / "valkey.sock").exists():
                async with embedded(folder):
                    pass  # the last user that leaves stops the server


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    port: int = 0,
    extra: Sequence[BaseRoute] = (),
    manners: Manners | None = None,
    like: Recording | None = None,
) -> AsyncGenerator[Stage, None]:
    """Start both servers, which write into the existing `folder`. They behave like a recording, as far as it says.

    Raises OSError if `port`, which is Slack's, is in use.
    """
    clock = SandboxClock(folder / "clock")
    slack = Slack(clock.now, manners=manners or Manners.from_environment(folder.name))
    if outgoing := os.environ.get("SANDBOX_OUTGOING"):
        slack.workspace.written_to = Path(outgoing) / f"{os.getpid()}.jsonl"
        slack.workspace.written_to.parent.mkdir(parents=True, exist_ok=True)
    manners = slack.manners
    faults = confluent.Faults.draw(manners.stream_of("confluent")) if manners.is_unkind else confluent.Faults()
    if like is not None:
        like.settle(manners)
        faults.settle(like.switches())
    organization = confluent.acme(clock.now)
    app = confluent.create_app(organization, faults, clock=clock.now)
    async with AsyncExitStack() as stack:
        slack_url = await stack.enter_async_context(running(slack, port=port, extra=extra))
        confluent_url = await stack.enter_async_context(serve(app))
        here = Stage(folder, clock, slack, organization, faults, slack_url, confluent_url)
        stack.push_async_callback(here.close)
        yield here


class Running(Protocol):
    """A process, with the parts of asyncio's interface that are used."""

    @property
    def pid(self) -> int:
        """Its process ID."""
        ...

    @property
    def returncode(self) -> int | None:
        """Its exit code, or None while it runs. If a signal ended it, minus the signal's number."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""
        ...

    async def wait(self) -> int:
        """Wait until it ends. Returns its exit code."""
        ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path, Path], Awaitable[Running]]


async def fresh(program: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> Running:
    """Start Python with this program and only this environment. Appends its outputs to these files."""
    with out.open("ab") as stdout, err.open("ab") as stderr:
        return await asyncio.create_subprocess_exec(
            sys.executable, *program, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )


@dataclass(slots=True)
class BotProcess:
    """A bot in its own process, which can be killed. Its log is the file `log`.

    `program` is what Python runs. `python -m bot run` would be the product itself, which uses only the real clock.
    `launch` starts it, like `fresh`.
    """

    settings: Mapping[str, str]
    clock_file: Path
    log: Path
    program: Sequence[str] = ("-m", "sandbox.bot")
    launch: Launch = fresh
    starts: int = field(default=0, init=False)
    _process: Running | None = field(default=None, init=False)

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Its process ID, or None if it isn't running."""
        return self._process.pid if self._process is not None and self.is_alive else None

    def environment(self) -> dict[str, str]:
        """Its environment variables, also for commands that are run beside it."""
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPATH"}}
        return kept | dict(self.settings) | {"SANDBOX_CLOCK": str(self.clock_file)}

    async def start(self) -> None:
        """Start it, and return right away."""
        self._process = await self.launch(self.program, self.environment(), self.log, self.log)
        self.starts += 1

    def reload(self) -> None:
        """Have it read its policy file now, if it's running."""
        if self._process is not None and self.is_alive:
            self._process.send_signal(signal.SIGHUP)

    async def kill(self) -> None:
        """Kill it with `kill -9`, without any clean-up."""
        if self._process is not None and self.is_alive:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop, and wait. Returns its exit code.

        Kills it and raises TimeoutError after `STOPPED_WITHIN` seconds.
        """
        if self._process is None:
            return 0
        if self.is_alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOPPED_WITHIN):
                return await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise

    async def wait(self) -> int:
        """Wait until it ends by itself. Returns its exit code."""
        return await self._process.wait() if self._process is not None else 0


def utc() -> datetime:
    """Real time."""
    return datetime.now(UTC)


async def answers(url: str) -> bool:
    """Whether something at `url` answers with success."""
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False
