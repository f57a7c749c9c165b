"""Repeats the page's stories with many seeds of the unkind sandbox: `make test-seeds ARGS="--seeds 20"`.

Prints each seed with its result and, if it failed, how to repeat it. Exits non-zero if any failed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from random import SystemRandom

STORIES = (
    "tests/e2e/test_story.py",
    "tests/e2e/test_form.py",
    "tests/e2e/test_late_acks.py",
    "tests/e2e/test_grid.py",
    "tests/e2e/test_home.py",
    "tests/e2e/test_commands.py",
    "tests/e2e/test_keys_view.py",
    "tests/e2e/test_expiry.py",
    "tests/e2e/test_mint_on_claim.py",
    "tests/e2e/test_review.py",
    "tests/e2e/test_the_page_says.py",
    "tests/e2e/test_the_page_says_of_keys.py",
    "tests/e2e/test_the_page_says_roles.py",
    "tests/e2e/test_page.py",
    "tests/e2e/test_page_keys.py",
)
LONGEST = 30 * 60
"""Seconds for one seed."""


def main(given: Sequence[str] | None = None) -> int:
    """Run the stories with each seed. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/seeds.py", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--first", type=int, help="the first seed, the others follow (default: a new one)")
    parser.add_argument("stories", nargs="*", default=STORIES, help="test files, or pytest's ids of tests")
    asked, more = parser.parse_known_args(given)
    first = asked.first if asked.first is not None else SystemRandom().randrange(1_000_000)
    failed = [seed for seed in range(first, first + asked.seeds) if not _passes(seed, [*asked.stories, *more])]
    _say(f"{asked.seeds - len(failed)} of {asked.seeds} seeds passed" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed else 0


def _passes(seed: int, stories: Sequence[str]) -> bool:
    environment: Mapping[str, str] = {**os.environ, "SANDBOX_SEED": str(seed), "SANDBOX_MANNERS": "unkind"}
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "-p", "no:cacheprovider", *stories]
    began = time.monotonic()
    try:
        ran = subprocess.run(  # noqa: S603 - ours
            command, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
        )
        passes, said = ran.returncode == 0, ran.stdout or ran.stderr
    except subprocess.TimeoutExpired as hangs:
        passes, said = False, (hangs.stdout or b"").decode()
    _say(f"seed {seed}: {'passed' if passes else 'FAILED'} in {time.monotonic() - began:.0f} s")
    if not passes:
        _say("\n".join(line for line in said.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))) or said)
        _say(f"  to repeat it: SANDBOX_SEED={seed} SANDBOX_MANNERS=unkind python -m pytest {' '.join(stories)}")
    return passes


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
