"""Runs the real bot on the sandbox's clock. It waits for Confluent before it starts, because people come right away."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from bot import logs
from bot.app import run
from bot.domain.errors import LatchkeyError
from bot.server import CannotListen
from bot.settings import Settings, SettingsError, StartupError, load
from sandbox.clock import SandboxClock

CATALOG_SECONDS = 5.0
"""Seconds that a start may wait for something to offer in the form."""


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the panel may send one before the bot handles it
    try:
        settings = load()
        logs.configure(settings.log_level, audit=settings.latchkey_audit_log)
        asyncio.run(_run(settings, SandboxClock(Path(os.environ["SANDBOX_CLOCK"]))))
    except (SettingsError, StartupError, CannotListen, LatchkeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def _run(settings: Settings, clock: SandboxClock) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop, clock=clock.now, catalog_seconds=CATALOG_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
