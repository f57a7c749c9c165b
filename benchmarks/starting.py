"""How long `latchkey --help` takes, from the shell and back."""

import subprocess
import sys
from statistics import median
from time import perf_counter

from benchmarks.measured import Line

STARTS, BUDGET = 9, 0.3


async def measure() -> list[Line]:
    seconds = [_start() for _ in range(STARTS)]
    return [Line("latchkey --help, wall time, median", median(seconds), "s", BUDGET)]


def _start() -> float:
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "bot", "--help"], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began
