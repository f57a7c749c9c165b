"""Turns pydantic's errors into our words: what is wrong, and what would be right."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bot.domain.policy import ME, NEW_SERVICE_ACCOUNT, SERVICE_ACCOUNT
from bot.policyfile.model import (
    ApproversPart,
    BreakGlassPart,
    Conditions,
    FilePart,
    GrantPart,
    MappingPart,
    MatchPart,
    PersonPart,
    ReviewPart,
    RolesPart,
    RulePart,
    TeamPart,
    TicketPart,
)
from bot.policyfile.tree import KeyPath, Problem, Tree, written
from bot.policyfile.words import KNOWN_ROLES, shown

ANY = -1
Parts: TypeAlias = Mapping[KeyPath, type[BaseModel]]
"""The model for each part of a file, by its place; `ANY` in a place is any position."""
POLICY: Parts = {
    (): FilePart,
    ("roles",): RolesPart,
    ("roles", "mappings", ANY): MappingPart,
    ("teams", ANY): TeamPart,
    ("people", ANY): PersonPart,
    ("defaults",): Conditions,
    ("rules", ANY): RulePart,
    ("rules", ANY, "match"): MatchPart,
    ("rules", ANY, "ticket"): TicketPart,
    ("rules", ANY, "break_glass"): BreakGlassPart,
    ("rules", ANY, "approvers"): ApproversPart,
    ("review",): ReviewPart,
    ("grants", ANY): GrantPart,
}
_MINE = {"requester", "self", "own", "mine", "myself", "user", "person"}
_OWNERS = (ME, SERVICE_ACCOUNT, NEW_SERVICE_ACCOUNT)
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


def problem_of(error: ErrorDetails, tree: Tree, parts: Parts = POLICY) -> Problem:
    """The problem that an error of pydantic describes."""
    place, kind = tree.known(error["loc"]), error["type"]
    given: Any = error["input"]
    value: Any = tree.switches.get(place, given) if isinstance(given, bool) else given
    if kind == "missing":
        return tree.problem(place, f"`{error['loc'][-1]}` is missing. {_hint(error['loc'], parts)}".strip())
    if kind == "extra_forbidden":
        return tree.problem(place, _unknown_key(place, parts))
    if kind == "value_error":
        said = error["msg"].removeprefix("Value error, ")
        return tree.problem(place, said.replace(shown(given), shown(value), 1) if value is not given else said)
    if kind in {"enum", "literal_error"}:
        return tree.problem(
            place,
            f"{shown(value)} isn't a valid value{_near(value, error)}. {_hint(place, parts)}".strip(),
        )
    text = _KINDS.get(kind) or f"isn't allowed ({error['msg']})"
    instead = _instead(place, value) if isinstance(value, str) else ""
    what = "this" if isinstance(value, dict | list | tuple) else shown(value)
    return tree.problem(place, f"{what} {text}. {_hint(place, parts)}{instead}".strip())


def _hint(place: KeyPath, parts: Parts) -> str:
    """The description of the field at `place`, which says what is allowed."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    if not place:
        return "The file begins with `version: 1`."
    field = _part(place[:-1], parts).get(str(place[-1]))
    return (field or "").strip()


def _part(place: KeyPath, parts: Parts) -> dict[str, str]:
    """Name and description of each field of the part at `place`."""
    model = parts.get(tuple(ANY if isinstance(part, int) else part for part in place))
    fields = model.model_fields.items() if model else ()
    return {field.alias or name: field.description or "" for name, field in fields}


def _instead(place: KeyPath, value: str) -> str:
    """A hint about what was probably meant, for example a name instead of an ID."""
    key = next((str(part) for part in reversed(place) if isinstance(part, str)), "")
    if value.startswith(("#", "@")):
        return " Names don't work here: use the ID."
    if "*" in value and key in {"cluster", "owner"}:
        return " Wildcards don't work here: list the IDs."
    if key == "by":
        near = next(iter(get_close_matches(value, KNOWN_ROLES, n=1)), "")
        return f" Did you mean {near}?" if near else ""
    if key == "owner":
        near = "me" if value in _MINE else next(iter(get_close_matches(value, _OWNERS, n=1)), "")
        return f" Did you mean {near}?" if near else ""
    return ""


def _unknown_key(place: KeyPath, parts: Parts) -> str:
    known = list(_part(place[:-1], parts))
    near = get_close_matches(str(place[-1]), known, n=1)
    right = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(known)}"
    return f"there's no such key in {written(place[:-1]) or 'this file'}: {right}"


def _near(value: object, error: ErrorDetails) -> str:
    """A suggestion from the words that pydantic expected."""
    expected = str(error.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
    near = get_close_matches(str(value), expected, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
