"""Extracts the facts of published API descriptions as compact tables: names, types and limits, without their prose.

`python tools/contract.py` reads `../shared/openapi` and `../shared/manifest.schema.json` and writes
`tests/data/contract/`. A table says what values each field can have, by its path (`spec.owner.id`, `data[].id`,
`endpoints{}`). If a description allows one of several shapes, the table has the fields of all, and none is required.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
TABLES = ROOT / "tests" / "data" / "contract"

Facts: TypeAlias = dict[str, Any]
Table: TypeAlias = dict[str, Facts]

KEPT = {
    "type": "type",
    "enum": "enum",
    "x-extensible-enum": "known",
    "minLength": "min",
    "maxLength": "max",
    "minItems": "min",
    "maxItems": "max",
    "minimum": "least",
    "maximum": "most",
    "pattern": "pattern",
    "format": "format",
    "readOnly": "read_only",
    "x-immutable": "immutable",
    "nullable": "nullable",
    "uniqueItems": "unique",
}
METHODS = ("get", "post", "put", "patch", "delete")
ELSEWHERE = frozenset(
    {
        "app_directory",
        "datastores",
        "external_auth_providers",
        "functions",
        "mcp_servers",
        "outgoing_domains",
        "types",
        "workflow_steps",
        "workflows",
    }
)
"""Parts of a manifest that belong to other kinds of apps. They're named in the table, but not read."""


class Reader:
    """Reads the schemas of one document."""

    def __init__(self, document: Mapping[str, Any], leave: frozenset[str] = frozenset()) -> None:
        self._document = document
        self._leave = leave

    def table(self, schema: Mapping[str, Any]) -> Table:
        """All fields of the schema, by path. The schema itself is "", if it says more than `object`."""
        table: Table = {}
        self._read(schema, "", table, ())
        return dict(sorted(table.items()))

    def resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The target of a reference; anything else unchanged."""
        while "$ref" in value:
            target: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            value = target
        return value

    def _read(self, schema: Mapping[str, Any], path: str, table: Table, above: tuple[str, ...]) -> None:
        if (name := schema.get("$ref", "")) in above:
            return
        above = (*above, name) if name else above
        schema = self.resolved(schema)
        facts = table.setdefault(path, {})
        for theirs, ours in KEPT.items():
            if theirs in schema:
                facts[ours] = _joined(ours, facts.get(ours), schema[theirs])
        if "const" in schema:
            facts["enum"] = [schema["const"]]
        if path in self._leave:
            return
        self._read_inside(schema, path, table, above)

    def _read_inside(self, schema: Mapping[str, Any], path: str, table: Table, above: tuple[str, ...]) -> None:
        for each in schema.get("allOf", ()):
            self._read(each, path, table, above)
        for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
            self._read_choice(choice, path, table, above)
        inner = f"{path}." if path else ""
        for name, value in schema.get("properties", {}).items():
            self._read(value, f"{inner}{name}", table, above)
        for name in schema.get("required", ()):
            table.setdefault(f"{inner}{name}", {})["required"] = True
        if "items" in schema:
            self._read(schema["items"], f"{path}[]", table, above)
        others = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        for other in others:
            if isinstance(other, dict):
                self._read(other, f"{path}{{}}", table, above)

    def _read_choice(self, schema: Mapping[str, Any], path: str, table: Table, above: tuple[str, ...]) -> None:
        alone: Table = {}
        self._read(schema, path, alone, above)
        for name, facts in alone.items():
            known = table.setdefault(name, {})
            for fact, value in facts.items():
                if fact not in {"required", "pattern"}:
                    known[fact] = _joined(fact, known.get(fact), value)


def _joined(fact: str, known: Any, value: Any) -> Any:  # noqa: ANN401 -- values of JSON
    """What applies if two parts describe one field: all types and words of both, and the wider limit."""
    if known is None or known == value:
        return value
    if fact in {"enum", "known", "type"}:
        both = [*(known if isinstance(known, list) else [known]), *(value if isinstance(value, list) else [value])]
        return sorted(set(both))
    if fact in {"min", "least"}:
        return min(known, value)
    if fact in {"max", "most"}:
        return max(known, value)
    return value


def operations(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By method and path: the query parameters, and the fields in the bodies of the request and the good response."""
    reader = Reader(document)
    return {f"{method.upper()} {path}": _operation(reader, each) for method, path, each in _each(document)}


def _each(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield method, path, methods[method]


def _operation(reader: Reader, operation: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in map(reader.resolved, operation.get("parameters", ())):
        if parameter["in"] == "query":
            facts = reader.table(parameter["schema"]).get("", {})
            found.setdefault("query", {})[parameter["name"]] = facts | (
                {"required": True} if parameter.get("required") else {}
            )
    for part, holder in (("body", operation.get("requestBody", {})), ("answer", _good(operation))):
        schema = reader.resolved(holder).get("content", {}).get("application/json", {}).get("schema")
        if schema:
            found[part] = reader.table(schema)
    return found


def _good(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    good: list[Mapping[str, Any]] = [
        answer for status, answer in operation["responses"].items() if str(status).startswith("2")
    ]
    return good[0] if good else {}


def manifest(schema: Mapping[str, Any]) -> Table:
    """The fields of an app manifest of version 2."""
    return Reader(schema, ELSEWHERE | {f"features.{part}" for part in ELSEWHERE}).table(schema["definitions"]["v2"])


def tables(shared: Path = SHARED) -> dict[str, str]:
    """The text of each table's file, by its name, from the documents in `shared`."""
    found = {}
    for path in sorted((shared / "openapi").glob("*.yaml")):
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(path.read_text("utf-8"), loader)  # noqa: S506 -- both are safe loaders
        found[f"{path.stem}.json"] = _written(operations(document))
    schema = json.loads((shared / "manifest.schema.json").read_text("utf-8"))
    return found | {"manifest.json": _written(manifest(schema))}


def _written(value: Mapping[str, Any], depth: int = 0) -> str:
    """JSON with one line for each field."""
    if not value or not any(isinstance(each, dict) for each in value.values()):
        return json.dumps(value, sort_keys=True)
    inner = " " * (depth + 1)
    lines = (
        f"{inner}{json.dumps(name)}: "
        + (_written(each, depth + 1) if isinstance(each, dict) else json.dumps(each, sort_keys=True))
        for name, each in value.items()
    )
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}" + ("" if depth else "\n")


def main() -> None:
    """Write all tables again."""
    TABLES.mkdir(parents=True, exist_ok=True)
    for old in TABLES.glob("*.json"):
        old.unlink()
    for name, text in tables().items():
        (TABLES / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
