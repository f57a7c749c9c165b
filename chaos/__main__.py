"""People at work while everything around them breaks: `make chaos ARGS="--minutes 5 --seed 7"`. See docs/failures.md.

Two bots and a Redis are killed and stopped at random; Slack and Confluent Cloud have faults; the clock jumps. Then
everything comes to rest, and the invariants are checked: the exit code is 1 if one is broken. A seed repeats what is
drawn at random, but not the run: what happens first depends on the machine.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from random import SystemRandom

from bot.domain.audit import Action
from chaos.invariants import End, Line
from chaos.run import Run
from chaos.stores import KINDS

LONG = 100.0
"""A run of this many seconds has to meet all of `MEETS`, because it would show nothing about what it didn't meet."""
MEETS = (
    Action.GLASS_USED,
    Action.GLASS_REVIEWED,
    Action.PAIRED,
    Action.LEAK_REPORTED,
    Action.BINDING_CREATED,
)
LINES = 25
"""How many audit lines are printed for each broken invariant. The folder has them all."""


def main(given: Sequence[str] | None = None) -> int:
    """Run it, and print the result. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long people work and things go wrong (default 5)")
    parser.add_argument("--seed", type=int, help="the seed of everything random (default: a new one)")
    parser.add_argument(
        "--store", choices=KINDS, default="server", help="where the bots keep their state (default: one server)"
    )
    parser.add_argument(
        "--tls", action="store_true", help="connect to it over TLS (TEST_REDIS_SERVER names a server that has TLS)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs even if nothing is broken")
    asked = parser.parse_args(given)
    seed = asked.seed if asked.seed is not None else SystemRandom().randrange(1_000_000)
    os.environ["SANDBOX_SEED"] = str(seed)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    run, is_kept = Run(seed, asked.minutes * 60, folder, asked.store, asked.tls), True
    print(f"seed {seed}, {asked.minutes:g} minutes; what the processes write is in {folder}", flush=True)
    try:
        asyncio.run(_played(run))
        is_kept = bool(run.broken or unmet(run)) or asked.keep
        report(run)
    except (KeyboardInterrupt, asyncio.CancelledError):
        is_kept = asked.keep
        print("\nStopped. No process is left; nothing was checked.")
        return 130
    finally:
        if not is_kept:
            shutil.rmtree(folder)
    return 1 if run.broken or unmet(run) else 0


async def _played(run: Run) -> None:
    """Play the run. SIGTERM leaves no process behind, like Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - it is this one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await run.play()


def report(run: Run) -> None:
    """Print what was done, what went wrong on purpose, what holds, and where to look into what doesn't."""
    end = run.recorded
    assert end is not None  # noqa: S101 - it has come to its end
    _counted("People", run.done)
    _counted("Faults", run.faults)
    _counted("Requests at the end", Counter(each.kind for each in end.requests.values()))
    actions = Counter(str(line["action"]) for line in end.lines)
    _counted("Audit lines", actions)
    _counted("Changes at Confluent", Counter(each.what for each in end.changes))
    shown = sum(line["action"] == "secret:shown" for line in end.lines)
    print(
        f"\n{len(end.requests)} requests, {len(end.secrets)} keys made, {shown} secrets shown, {run.acks} acks, ",
        end="",
    )
    print(f"the longest {run.longest:.2f} s; {sum(run.faults.values())} faults")
    if missing := never(run.deeds, run.done, actions):
        print(f"Never happened: {', '.join(missing)}.")
    if missing := unmet(run):
        print(f"TOO LITTLE HAPPENED: no {', no '.join(missing)} (seed {run.seed}).")
    if not run.broken:
        print(f"Every invariant holds (seed {run.seed}).")
        return
    (run.folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in end.lines))
    (run.folder / "confluent.txt").write_text("".join(f"{each}\n" for each in end.changes))
    (run.folder / "requests.txt").write_text("".join(f"{id_} {each}\n\n" for id_, each in end.requests.items()))
    print(f"\n{len(run.broken)} BROKEN (seed {run.seed}); see {run.folder}: lines.jsonl, requests.txt, bot-*.log")
    for broken in run.broken:
        print(f"\n* {broken.invariant}: {broken.what}")
        for line in _about(end, broken.about)[-LINES:]:
            print(f"    {line['seq']:>5} {line['at'][:19]} {line['actor']:<10} {line['action']:<24} {line['details']}")


def unmet(run: Run) -> Sequence[str]:
    """What a long run should have met, and didn't."""
    told = {line["action"] for line in run.recorded.lines} if run.recorded else set[str]()
    return [each for each in MEETS if each not in told] if run.seconds >= LONG else []


def never(deeds: Collection[str], done: Counter[str], actions: Counter[str]) -> Sequence[str]:
    """The deeds that no one completed, and the audit lines that are missing: the run shows nothing about these."""
    went = {name for each in done for name, _, how in [each.partition(": ")] if how != "given up"}
    return [*sorted(set(deeds) - went), *(each for each in Action if not actions[each])]


def _about(end: End, about: str) -> list[Line]:
    """The audit lines about a request or a key."""
    return [line for line in end.lines if about and (line["request"] == about or about in line["details"].values())]


def _counted(title: str, counts: Counter[str]) -> None:
    print(f"\n{title}:")
    for name, number in sorted(counts.items()):
        print(f"  {number:>6} {name}")


if __name__ == "__main__":
    sys.exit(main())
