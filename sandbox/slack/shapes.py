"""Small checks that combine into the shape of a JSON object, and report each fault with its JSON pointer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any, str, list[str]], None]
"""Checks a value at a JSON pointer, and appends a line to the list for each fault."""


def fault(problems: list[str], text: str, at: str) -> None:
    """Add a fault in the words of Slack's `response_metadata.messages`."""
    problems.append(f"[ERROR] {text} [json-pointer:{at}]")


def anything(_value: object, _at: str, _problems: list[str]) -> None:
    """Accept any value, for a field that Slack knows and the sandbox doesn't check."""


def string(most: int, least: int = 0) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: object, at: str, problems: list[str]) -> None:
        if not isinstance(value, str):
            fault(problems, "must be a string", at)
        elif len(value) > most:
            fault(problems, f"must be less than {most + 1} characters", at)
        elif len(value) < least:
            fault(problems, f"must be more than {least - 1} characters", at)

    return check


def boolean(value: object, at: str, problems: list[str]) -> None:
    """`true` or `false`."""
    if not isinstance(value, bool):
        fault(problems, "must be a boolean", at)


def integer(least: int, most: int) -> Check:
    """An integer within bounds."""

    def check(value: object, at: str, problems: list[str]) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            fault(problems, f"must be an integer from {least} to {most}", at)

    return check


def one_of(*words: str) -> Check:
    """One of a fixed set of words."""

    def check(value: object, at: str, problems: list[str]) -> None:
        if value not in words:
            fault(problems, f"must be a valid enum value: {', '.join(words)}", at)

    return check


def list_of(item: Check, most: int, least: int = 1) -> Check:
    """A list of `least` to `most` items that each pass `item`."""

    def check(value: object, at: str, problems: list[str]) -> None:
        if not isinstance(value, list):
            fault(problems, "must be an array", at)
            return
        if len(value) > most:
            fault(problems, f"no more than {most} items allowed", at)
        if len(value) < least:
            fault(problems, f"must provide at least {least} item(s)", at)
        for index, each in enumerate(value):
            item(each, f"{at}/{index}", problems)

    return check


def optional(item: Check) -> Check:
    """`null`, or a value that passes `item`."""

    def check(value: object, at: str, problems: list[str]) -> None:
        if value is not None:
            item(value, at, problems)

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with required and optional fields and no others. `also` checks rules across fields."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    also: Check = anything

    def __call__(self, value: object, at: str, problems: list[str]) -> None:
        """Check one object; `type` is always allowed."""
        if not isinstance(value, dict):
            fault(problems, "must be an object", at)
            return
        for name in self.required:
            if value.get(name) is None:
                fault(problems, f"missing required field: {name}", at)
        known = {**self.optional, **self.required}
        for name, given in value.items():
            if name in known:
                if given is not None:
                    known[name](given, f"{at}/{name}", problems)
            elif name != "type":
                fault(problems, f"invalid additional property: {name}", at)
        self.also(value, at, problems)


def by_type(shapes: Mapping[str, Check], *allowed: str) -> Check:
    """An object whose `type` selects its shape, from all shapes or those `allowed`."""
    choice = {name: shapes[name] for name in allowed} if allowed else shapes

    def check(value: object, at: str, problems: list[str]) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in choice:
            fault(problems, f"unsupported type: {kind}", f"{at}/type")
        else:
            choice[kind](value, at, problems)

    return check
