"""Reads a YAML file and validates it against a model, reporting everything that is wrong at once."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.policyfile.complaints import Parts, problem_of
from bot.policyfile.tree import MOST_BYTES, KeyPath, Problem, Tree, grow

PartT = TypeVar("PartT", bound=BaseModel)
MOST_ROUNDS = 20
_USUAL: Mapping[KeyPath, object] = {
    ("version",): 1,
    ("rules",): {"name": "?"},
    ("people",): {"slack": "U0", "confluent": "u-0"},
    ("roles", "mappings"): {"user": "U0", "role": "OrganizationAdmin"},
}
"""Stand-ins for missing parts and for invalid list items, so that the rest can be checked. Invalid items are
replaced rather than removed, because problems are located by position."""


class PolicyError(Exception):
    """The policy file can't be used. `problems` are lines of `file:line: key: what is wrong, what would be right`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Draft(Generic[PartT]):
    """A file that was read. If there are problems, `part` is what remains without them, or None if nothing does."""

    part: PartT | None
    tree: Tree
    problems: tuple[Problem, ...]


def document(data: bytes, part: type[PartT], parts: Parts, name: str) -> tuple[PartT, Tree]:
    """Read a file whose top level is `part`. Raises `PolicyError` with everything that is wrong."""
    found = draft(data, part, parts, name)
    raise_for(name, found.problems)
    if found.part is None:
        raise AssertionError("what can't be read has a problem")
    return found.part, found.tree


def draft(data: bytes, part: type[PartT], parts: Parts, name: str) -> Draft[PartT]:
    """Read as much of a file as possible. Raises `PolicyError` if nothing can be read."""
    if len(data) > MOST_BYTES:
        raise PolicyError([f"{name}: is larger than {MOST_BYTES // 1024} kB: that's too large"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PolicyError([f"{name}:{line}: is not text in UTF-8: save it as UTF-8"]) from None
    tree = grow(text)
    if tree.value is None:
        raise_for(name, tree.problems)
    broken = {problem.place for problem in tree.problems}
    errors, found = _validated(part, tree.value)
    complaints = [problem_of(each, tree, parts) for each in errors if not broken & set(_around(tree, each["loc"]))]
    return Draft(found, tree, (*tree.problems, *complaints))


def raise_for(name: str, problems: Sequence[Problem]) -> None:
    """Raise `PolicyError` if there are problems, in the order of the file."""
    if problems:
        lines = (_line(name, each) for each in sorted(problems, key=lambda each: each.line))
        raise PolicyError(list(dict.fromkeys(lines)))


def _line(name: str, problem: Problem) -> str:
    where = f"{name}:{problem.line}" if problem.line else name
    return ": ".join(part for part in (where, problem.key, problem.text) if part)


def _around(tree: Tree, place: KeyPath) -> Iterator[KeyPath]:
    """The place and the places around it, except the whole file."""
    known = tree.known(place)
    return (known[:length] for length in range(1, len(known) + 1))


def _validated(part: type[PartT], value: object) -> tuple[list[ErrorDetails], PartT | None]:
    """Pydantic's errors, and what is valid without the parts that have them; None if nothing is."""
    first: list[ErrorDetails] | None = None
    left = deepcopy(value)
    for _ in range(MOST_ROUNDS):
        try:
            return first or [], part.model_validate(left)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        first = list(_own(errors)) if first is None else first
        wrong = [_innermost(left, each) for each in errors]
        if None in wrong:
            break
        for within, key, usual in filter(None, wrong):
            if usual is not None:
                within[key] = usual
            elif key in within:
                del within[key]
    return first or [], None


def _own(errors: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """All errors except consequences of others: pydantic calls a list empty if every item in it is wrong."""
    places = {each["loc"][:length] for each in errors for length in range(len(each["loc"]))}
    return (each for each in errors if each["type"] != "too_short" or each["loc"] not in places)


def _innermost(value: object, error: ErrorDetails) -> tuple[Any, str | int, object] | None:
    """The innermost part around an error that can be left out: its container, its key, and a stand-in.

    None if there is none.
    """
    found: tuple[Any, str | int, object] | None = None
    place, is_lacking = error["loc"], error["type"] == "missing"
    if is_lacking and place in _USUAL:
        return value, place[0], _USUAL[place]
    for depth, step in enumerate(place[:-1] if is_lacking else place):
        here: Any = value
        if isinstance(value, dict) and step in here:
            found, value = (here, str(step), None), here[step]
        elif isinstance(value, list):
            value = here[int(step)]
            if place[:depth] in _USUAL and (is_lacking or depth + 1 == len(place)):
                found = here, step, deepcopy(_USUAL[place[:depth]])
        else:
            break
    return found
