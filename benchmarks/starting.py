"""How long `latchkey --help` takes, from the shell and back, and how long a start in a large organization."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.measured import Line
from sandbox.confluent import add_crowd
from sandbox.stage import BotProcess, stage

STARTS, BUDGET = 9, 0.3
READY_BUDGET = 2.0


async def measure() -> list[Line]:
    seconds = [_start() for _ in range(STARTS)]
    return [
        Line("latchkey --help, wall time, median", median(seconds), "s", BUDGET),
        Line("a start among 20,000 clusters and 100,000 keys, until ready", await _ready(), "s", READY_BUDGET),
    ]


def _start() -> float:
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "bot", "--help"], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


async def _ready() -> float:
    """Seconds until the process says that it is ready. Its store is empty: nothing is known of the organization yet."""
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder)) as here:
            add_crowd(here.organization)
            bot = BotProcess(here.environment(), here.folder / "clock", here.folder / "bot.log", ("-m", "bot", "run"))
            began = perf_counter()
            await bot.start()
            try:
                async with asyncio.timeout(60):
                    while '"event": "ready"' not in bot.log.read_text():  # noqa: ASYNC110 - a file tells nobody
                        await asyncio.sleep(0.01)
                return perf_counter() - began
            finally:
                await bot.kill()


if __name__ == "__main__":
    for line in asyncio.run(measure()):
        print(line)
