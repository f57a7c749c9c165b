"""pydantic's complaints in our words: what is wrong, and what would be right."""

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bot.policyfile.model import (
    Conditions,
    FilePart,
    MappingPart,
    MatchPart,
    PersonPart,
    ReviewPart,
    RolesPart,
    RulePart,
)
from bot.policyfile.tree import KeyPath, Problem, Tree, written
from bot.policyfile.words import shown

_ANY = -1
_PARTS: dict[KeyPath, type[BaseModel]] = {
    (): FilePart,
    ("roles",): RolesPart,
    ("roles", "mappings", _ANY): MappingPart,
    ("people", _ANY): PersonPart,
    ("defaults",): Conditions,
    ("rules", _ANY): RulePart,
    ("rules", _ANY, "match"): MatchPart,
    ("review",): ReviewPart,
}
_KINDS = {
    "string_type": "isn't text (if you meant text, put it in quotes)",
    "int_type": "isn't a whole number",
    "tuple_type": "isn't a list",
    "model_type": "isn't a mapping of keys to values",
    "string_pattern_mismatch": "doesn't look right",
    "string_too_long": "is too long",
    "string_too_short": "is empty",
    "too_short": "is empty",
    "too_long": "has too many entries",
    "less_than_equal": "is too large",
    "greater_than_equal": "is too small",
}


def problem_of(error: ErrorDetails, tree: Tree) -> Problem:
    """One complaint."""
    place, kind = tree.known(error["loc"]), error["type"]
    value: Any = error["input"]
    if kind == "missing":
        return tree.problem(place, f"`{error['loc'][-1]}` is missing. {_hint(error['loc'])}".strip())
    if kind == "extra_forbidden":
        return tree.problem(place, _unknown_key(place))
    if kind == "value_error":
        return tree.problem(place, error["msg"].removeprefix("Value error, "))
    if kind in {"enum", "literal_error"}:
        return tree.problem(place, f"{shown(value)} is not known here{_near(value, error)}. {_hint(place)}".strip())
    text = _KINDS.get(kind) or f"isn't allowed ({error['msg']})"
    what = "this" if isinstance(value, dict | list | tuple) else shown(value)
    return tree.problem(place, f"{what} {text}. {_hint(place)}".strip())


def _hint(place: KeyPath) -> str:
    """The description of the field at `place`, which says what would be right."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    if not place:
        return "A policy file begins with `version: 1`."
    field = _part(place[:-1]).get(str(place[-1]))
    return (field or "").strip()


def _part(place: KeyPath) -> dict[str, str]:
    """The fields of the part of the file at `place`, with their descriptions."""
    model = _PARTS.get(tuple(_ANY if isinstance(part, int) else part for part in place))
    fields = model.model_fields.items() if model else ()
    return {field.alias or name: field.description or "" for name, field in fields}


def _unknown_key(place: KeyPath) -> str:
    known = list(_part(place[:-1]))
    near = get_close_matches(str(place[-1]), known, n=1)
    right = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
    return f"there's no such key in {written(place[:-1]) or 'a policy file'}: {right}"


def _near(value: object, error: ErrorDetails) -> str:
    """A guess, from the words that pydantic expected."""
    expected = str(error.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
    near = get_close_matches(str(value), expected, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
