"""Runs tests on the lowest versions that pyproject.toml allows, and on each newer Python found on this machine.

python tools/pythons.py TESTS...   (`make test-pythons` passes the unit tests)
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEWER = ("3.12", "3.13")
"""The other versions in pyproject.toml's classifiers."""


def candidates(version: str) -> Iterator[str]:
    """Commands and paths that may be a Python of this version."""
    yield f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def works(python: str, version: str) -> bool:
    """Whether it runs and has this version. pyenv has shims even for Pythons that are turned off."""
    asked = [python, "-c", "import sys, venv; print('{}.{}'.format(*sys.version_info))"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    except FileNotFoundError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version


def environment(name: str, python: str, lock: str) -> Path:
    """Create an environment with what this lock file contains."""
    venv = ROOT / "build" / name
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", venv], check=True)  # noqa: S603 - ours
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv,
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    subprocess.run([*pip, "--no-compile", "--require-hashes", "-r", ROOT / lock], check=True)  # noqa: S603 - ours
    return venv


def run(tests: list[str], name: str, python: str, lock: str) -> tuple[bool, str]:
    """Run these tests in a new environment. Returns whether they pass, and what pytest printed.

    They run in one process: more processes would all compile the same tests first, and the other core is for the next
    environment.
    """
    venv = environment(name, python, lock)
    pytest: list[str | Path] = [venv / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(  # noqa: S603 - ours
        pytest, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode == 0, done.stdout


def found(version: str) -> str | None:
    """A Python of this version, or None, with a message, if this machine has none."""
    python = next((each for each in candidates(version) if works(each, version)), None)
    if python is None:
        print(f"== Python {version} skipped: neither on the path nor in pyenv", flush=True)
    return python


def main(tests: list[str]) -> int:
    """Run the tests everywhere, even after a failure. Returns how many runs failed."""
    second, *others = {version: found(version) for version in NEWER}.items()
    # One run covers both the lowest versions and the next Python: `make test` covers this Python with the newest ones.
    lowest = f"lowest-python{second[0]}" if second[1] else "lowest"
    wanted = [(lowest, second[1] or sys.executable, "requirements-lowest.lock")]
    wanted += [(f"python{version}", python, "requirements-dev.lock") for version, python in others if python]
    failed = 0
    with ThreadPoolExecutor() as pool:
        outcomes = pool.map(partial(run, tests), *zip(*wanted, strict=True))
        for (name, *_), (passed, printed) in zip(wanted, outcomes, strict=True):
            print(f"== {name}\n{printed}", flush=True)
            failed += not passed
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
