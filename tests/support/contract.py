"""What published API descriptions allow, from the tables that `tools/contract.py` wrote."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from tools.contract import TABLES, Facts, Table

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


@cache
def loaded(name: str) -> dict[str, Any]:
    """One table."""
    table: dict[str, Any] = json.loads((TABLES / f"{name}.json").read_text("utf-8"))
    return table


def body(name: str, operation: str) -> Table:
    """The fields of the body that `POST /path` takes."""
    fields: Table = loaded(name)[operation]["body"]
    return fields


def query(name: str, path: str) -> Table:
    """The parameters that a list takes."""
    parameters: Table = loaded(name)[f"GET {path}"]["query"]
    return parameters


def answered(name: str, path: str, field: str) -> dict[str, Facts]:
    """What is right under `field` in the answer of `GET path`."""
    fields: Table = loaded(name)[f"GET {path}"]["answer"]
    under = f"{field}."
    return {
        each.removeprefix(under): facts
        for each, facts in fields.items()
        if each.startswith(under) and not re.search(r"[.\[{]", each.removeprefix(under))
    }


def problems(table: Table, value: object, *, request: bool = True) -> list[str]:
    """What the table has against a value. Unknown fields are problems, and in a request those that are for reading."""
    return list(_problems(table, value, "", request=request))


def _problems(table: Table, value: object, path: str, *, request: bool) -> Iterator[str]:
    facts = table.get(path)
    if facts is None:
        yield f"{path}: not known"
        return
    if request and facts.get("read_only"):
        yield f"{path}: only for reading"
        return
    if value is None and facts.get("nullable"):
        return
    if wrong := _wrong(facts, value):
        yield f"{path}: {wrong}"
        return
    yield from _problems_inside(table, value, path, request=request)


def _problems_inside(table: Table, value: object, path: str, *, request: bool) -> Iterator[str]:
    inner = f"{path}." if path else ""
    if isinstance(value, list) and f"{path}[]" in table:
        for each in value:
            yield from _problems(table, each, f"{path}[]", request=request)
    if isinstance(value, dict):
        names = {each.removeprefix(inner) for each in table if each.startswith(inner)} - {""}
        own = {each for each in names if not re.search(r"[.\[{]", each)}
        for name in sorted(own - value.keys()):
            facts = table[f"{inner}{name}"]
            if facts.get("required") and not (request and facts.get("read_only")):
                yield f"{inner}{name}: missing"
        free = f"{path}{{}}" in table
        for name, each in value.items():
            at = f"{inner}{name}" if name in own or not free else f"{path}{{}}"
            yield from _problems(table, each, at, request=request)


def _wrong(facts: Facts, value: object) -> str:
    asked = facts.get("type", "object")
    types = asked if isinstance(asked, list) else [asked]
    if not any(
        isinstance(value, TYPES[each]) and (each == "boolean") is (value is True or value is False) for each in types
    ):
        return f"not of type {asked}"
    if "enum" in facts and value not in facts["enum"]:
        return f"not one of {facts['enum']}"
    if isinstance(value, str | list) and not facts.get("min", 0) <= len(value) <= facts.get("max", len(value)):
        return f"of length {len(value)}"
    if isinstance(value, str) and not re.search(facts.get("pattern", ""), value):
        return f"unlike {facts['pattern']}"
    if isinstance(value, list) and facts.get("unique") and len({*map(str, value)}) < len(value):
        return "not unique"
    return ""
