"""Measure what the design sets budgets for, in two minutes: `python -m benchmarks`. See docs/benchmarks.md."""

import asyncio
import logging
import sys

from benchmarks import acks, approvals, burst, keys, redraw, resting, starting, typeahead
from benchmarks.measured import machine

MEASUREMENTS = (starting, acks, burst, approvals, typeahead, redraw, keys, resting)


def main() -> int:
    logging.disable(logging.WARNING)
    print(f"Python {sys.version.split()[0]}, {machine()}\n")
    print(f"{'what':<76} {'measured':>9}     {'budget':>6}")
    over = False
    for each in MEASUREMENTS:
        for line in asyncio.run(each.measure()):
            print(line, flush=True)
            over = over or str(line).endswith("OVER BUDGET")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
