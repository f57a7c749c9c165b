"""`make sandbox`: runs the whole product on this machine. Nothing leaves it, and nothing is kept after it stops."""

import argparse
import asyncio
import errno
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sandbox.confluent import add_crowd
from sandbox.control import Control
from sandbox.recording import NotARecording, Recording
from sandbox.rules import SETTING, OwnRules
from sandbox.scenarios import STEPS
from sandbox.serving import free_port
from sandbox.slack.manners import Manners, new_seed
from sandbox.stage import BotProcess, Stage, stage

PORT, PORTS = 8090, 50
STORY = f"""
  Latchkey sandbox: {{url}} (to repeat this run: --seed {{seed}})

  1. {STEPS[0]}
  2. {STEPS[1]}
  3. {STEPS[2]}

  The panel on the right has scenarios to try: a lost answer, a crash, two clicks at once, a week that passes.
  It also shows the bot's log, its audit feed, its metrics and its reports.
  The bot's log file: {{log}}
  Press Ctrl-C to stop. Nothing is kept.
"""
NEXT_PORT = "Port {taken} is in use, so this sandbox uses {port}.\n"
NO_PORT = """Port {port} is in use, perhaps by another sandbox, or you aren't allowed to use it.
For any free port: make sandbox ARGS="--port 0"
"""


def main() -> int:
    """Run the sandbox until Ctrl-C. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument(
        "--port", type=int, help=f"port of the page (default {PORT}, or the next free one; 0: any free one)"
    )
    parser.add_argument("--log-level", default="INFO", help="log level of the bot")
    parser.add_argument("--large", action="store_true", help="500 environments, 20,000 clusters, 100,000 keys")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy file; the bot follows its changes")
    parser.add_argument("--seed", type=int, help="seed of everything random (default: a new one, which is printed)")
    parser.add_argument(
        "--manners",
        choices=("kind", "unkind"),
        default="unkind",
        help="how the fake Slack and Confluent behave (default unkind)",
    )
    parser.add_argument("--like", type=Path, metavar="FILE", help="a recording of a rehearsal to behave like")
    parser.add_argument("--http", action="store_true", help="Slack delivers over HTTP, and secret scanners can report")
    asked = parser.parse_args()
    try:
        like = Recording.load(asked.like) if asked.like else None
    except NotARecording as error:
        sys.stderr.write(f"{error}\n")
        return 2
    seed = asked.seed if asked.seed is not None else new_seed()
    manners = Manners.unkind(seed) if asked.manners == "unkind" else Manners(seed)
    settings = {"LOG_LEVEL": asked.log_level}
    if asked.policy:
        settings[SETTING] = str(asked.policy.resolve())
    with tempfile.TemporaryDirectory(prefix="latchkey-sandbox-") as folder:
        port = asked.port if asked.port is not None else first_free(PORT)
        mode = "http" if asked.http else "socket"
        return asyncio.run(_run(Path(folder), port, settings, manners, like, mode=mode, is_large=asked.large))


def first_free(port: int) -> int:
    """This port or, if it's in use, the next free one, which is printed; 0 if there is none."""
    for free in range(port, port + PORTS):
        with suppress(OSError), socket.create_server(("127.0.0.1", free)):
            if free != port:
                sys.stdout.write(NEXT_PORT.format(taken=port, port=free))
            return free
    return 0


async def _run(
    folder: Path,
    port: int,
    settings: Mapping[str, str],
    manners: Manners,
    like: Recording | None,
    *,
    mode: str,
    is_large: bool,
) -> int:
    sys.stdout.write(f"seed {manners.seed}\n")
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control = Control()
    try:
        async with stage(folder, port=port, extra=control.routes(), manners=manners, like=like) as here:
            sys.stdout.write(_likeness(like) if like else "")
            drawn = ", ".join(f"{name} ({value})" for name, value in here.faults.drawn.items())
            sys.stdout.write(f"random behavior of this Confluent Cloud: {drawn}\n" if drawn else "")
            if is_large:
                add_crowd(here.organization)
            rules = {} if SETTING in settings else OwnRules(folder).setting()
            listens = {"PORT": str(free_port())} if mode == "http" else {}
            bot = BotProcess(
                {**here.environment(mode=mode), **listens, **rules, **settings}, folder / "clock", folder / "bot.log"
            )
            control.attach(here, bot)
            await bot.start()
            try:
                return await _play(here, bot, stop)
            finally:
                await bot.stop()
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        sys.stderr.write(NO_PORT.format(port=port))
        return 2


def _likeness(like: Recording) -> str:
    """The lines about a recording: what it settles, and what the sandbox can't do."""
    lines = [f"like a recording against {like.against}"]
    lines += [f"{name}: {value}" for name, value in like.habits().items()]
    lines += [f"not played: {each}" for each in like.not_played()]
    return "".join(f"{line}\n" for line in lines)


async def _play(here: Stage, bot: BotProcess, stop: asyncio.Event) -> int:
    ended, stopped = asyncio.create_task(bot.wait()), asyncio.create_task(stop.wait())
    ready = asyncio.create_task(_connected(here, bot))
    await asyncio.wait({ended, stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        sys.stderr.write(f"The bot didn't start:\n{bot.log.read_text()}")
        ready.cancel()
        stopped.cancel()
        return 1
    if ready.done():
        sys.stdout.write(STORY.format(url=here.slack_url, seed=here.slack.manners.seed, log=bot.log))
        sys.stdout.flush()
    await stopped
    return 0


async def _connected(here: Stage, bot: BotProcess) -> None:
    """Wait until the bot listens to Slack."""
    if bot.settings["SLACK_MODE"] == "http":
        await here.deliver_by_http(int(bot.settings["PORT"]))
        return
    await here.slack.sockets.wait_connected()


if __name__ == "__main__":
    sys.exit(main())
