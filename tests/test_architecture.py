"""The code stays small enough to read in an afternoon, and the locks hold what pyproject.toml asks for."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.pythons import NEWER

ROOT = Path(__file__).parents[1]
MODULE_LINES = 500
FOLDER_MODULES = 14
LIST_MODULES = 17
LISTS = {"bot/domain", "bot/store"}
"""Folders that are flat lists: one value, one record a module."""
FUNCTION_LINES_P90 = 30
LISTENER_LINES = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*packages: str) -> list[Path]:
    return sorted(chain.from_iterable((ROOT / package).rglob("*.py") for package in packages))


def functions(*packages: str) -> Iterator[tuple[Path, Function]]:
    for path in modules(*packages):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function):
                yield path, node


def lines(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def is_listener(function: Function) -> bool:
    """Whether Bolt calls it: it is decorated with @app.action(...), @app.view(...) and the like."""
    return any(ast.unparse(decorator).startswith("app.") for decorator in function.decorator_list)


def where(path: Path, function: Function) -> str:
    return f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {lines(function)} lines"


def test_modules_are_short() -> None:
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in modules("bot", "handlers", "sandbox", "tools")}

    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > MODULE_LINES} == {}


def test_folders_are_small() -> None:
    found = (path for path in modules("bot", "handlers") if path.name != "__init__.py")
    sizes = Counter(str(path.parent.relative_to(ROOT)) for path in found)
    most = dict.fromkeys(LISTS, LIST_MODULES)

    assert {folder: size for folder, size in sizes.items() if size > most.get(folder, FOLDER_MODULES)} == {}


def test_nine_functions_in_ten_are_short() -> None:
    sizes = [(lines(function), where(path, function)) for path, function in functions("bot", "handlers")]
    too_long = sorted((size, place) for size, place in sizes if size > FUNCTION_LINES_P90)

    assert len(too_long) <= len(sizes) / 10, too_long


def test_listeners_are_thin() -> None:
    listeners = [(path, function) for path, function in functions("handlers") if is_listener(function)]

    assert [where(*found) for found in listeners if lines(found[1]) > LISTENER_LINES] == []


def types(path: Path) -> Iterator[str]:
    """The public classes and type aliases of a module."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            yield ast.unparse(node.target)


def test_a_type_of_the_domain_and_services_has_a_name_of_its_own() -> None:
    found = Counter(chain.from_iterable(map(types, modules("bot/domain", "bot/services", "handlers"))))

    assert [name for name, number in found.items() if number > 1 and not name.startswith("_")] == []


def test_a_line_that_ruff_is_to_leave_alone_says_why() -> None:
    silent = re.compile(r"# noqa(?!: [A-Z0-9, ]+ --? \w)")
    folders = ("bot", "handlers", "sandbox", "tests", "tools", "benchmarks", "chaos")
    written = ((path, path.read_text("utf-8").splitlines()) for path in modules(*folders) if path != Path(__file__))
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in written
        for number, line in enumerate(text, 1)
        if silent.search(line)
    ]

    assert found == []


def pinned(lock: str) -> dict[str, str]:
    """Package name → version, as the lock has them (the same package twice where platforms differ: the last)."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def asked_for(*extras: str) -> list[Requirement]:
    data = project()
    groups = [data["project"]["dependencies"], data["dependency-groups"]["build"]]
    groups += [data["project"]["optional-dependencies"][extra] for extra in extras]
    requirements = [Requirement(line) for line in chain.from_iterable(groups)]
    return [requirement for requirement in requirements if requirement.name != "latchkey"]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ("embedded", "sandbox")),
        ("requirements-dev.lock", ("embedded", "sandbox", "dev")),
    ],
)
def test_locks_hold_what_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    versions = pinned(lock)

    missing = [
        str(requirement)
        for requirement in asked_for(*extras)
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]

    assert missing == [], "run `make lock`"


def test_developers_run_what_users_run() -> None:
    assert pinned("requirements.lock").items() <= pinned("requirements-dev.lock").items()


def test_the_least_versions_are_what_is_tested_and_the_next_majors_are_shut_out() -> None:
    """`make test-pythons` runs the unit tests on these versions."""
    versions = pinned("requirements-lowest.lock")
    runtime = [Requirement(line) for line in project()["project"]["dependencies"]]
    extras = project()["project"]["optional-dependencies"]

    for requirement in [*runtime, *map(Requirement, chain(extras["embedded"], extras["sandbox"], extras["test"]))]:
        least = [each.version for each in requirement.specifier if each.operator == ">="]
        if least:
            assert Version(versions[canonicalize_name(requirement.name)]) == Version(least[0]), "run `make lock`"
    unbounded = {each.name for each in runtime if "<" not in {part.operator for part in each.specifier}}
    assert unbounded == {"cryptography", "stamina", "structlog"}


def test_the_pythons_that_we_name_are_those_that_the_tests_run_on() -> None:
    named = {each.rpartition(" ")[2] for each in project()["project"]["classifiers"] if "Python :: 3." in each}

    assert named == {"3.11", *NEWER}


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "requirements-run.lock", "requirements-lowest.lock"]
)
def test_locks_name_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")

    assert "--hash=sha256:" in text
    assert re.findall(r"^.*(?:://|@ |--(?:index|extra-index|find-links|trusted)).*$", text, flags=re.MULTILINE) == []
