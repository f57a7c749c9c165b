"""Parses YAML into plain values with their lines.

It refuses what a configuration file doesn't need: aliases, tags, several documents, duplicate keys, keys without a
value, and anything very large or deep.
"""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

MOST_BYTES = 256 * 1024
DEEPEST = 12
KeyPath: TypeAlias = tuple[str | int, ...]
"""A place in the file: keys and positions from the top, such as ("rules", 0, "name")."""

_NOTHING = {"", "~", "null", "Null", "NULL"}
_ON = {"true", "on", "yes"}
_OFF = {"false", "off", "no"}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,8})")
_TAG = "tag:yaml.org,2002:"
_TAGS = {yaml.MappingNode: f"{_TAG}map", yaml.SequenceNode: f"{_TAG}seq"}
_SCALARS = {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")}
"""The types that YAML gives to plain words."""
_JOINER = "\u200d"
"""Invisible, like characters that disguise text, but many emoji contain it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the file. `line` counts from 1; 0 means the whole file."""

    line: int
    key: str
    text: str
    place: KeyPath = ()


@dataclass(slots=True)
class Tree:
    """A document: dicts, lists, text, integers and booleans, with the line of each, and what is wrong."""

    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    problems: list[Problem] = field(default_factory=list[Problem])
    switches: dict[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    """How each boolean is written in the file."""
    text: str = ""

    def line(self, place: KeyPath) -> int:
        """The line of `place`, or of the closest thing around it that is in the file."""
        return self.lines[self.known(place)]

    def known(self, place: KeyPath) -> KeyPath:
        """The longest beginning of `place` that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return place

    def problem(self, place: KeyPath, text: str) -> Problem:
        """A problem at `place`."""
        known = self.known(place)
        return Problem(self.lines.get(known, 0), written(known), text, known)


def grow(text: str) -> Tree:
    """Parse the one document in `text`. Never raises: if it can't be parsed, that is a problem in the result."""
    tree = Tree(lines={(): 1}, text=text)
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tree.problems.append(Problem(mark.line + 1 if mark else 0, "", f"isn't YAML: {error.problem}"))
    except yaml.YAMLError as error:  # characters that YAML doesn't allow; the line isn't known
        tree.problems.append(Problem(0, "", f"isn't YAML: {str(error).splitlines()[0]}"))
    except (ValueError, OverflowError):  # bugs of PyYAML: "\U00FFFFFF", "\UFFFFFFFF", %YAML with 5000 digits
        tree.problems.append(Problem(0, "", "isn't YAML: it has a character or number that doesn't exist"))
    else:
        if node is None:
            tree.problems.append(Problem(1, "", "the file is empty: begin with `version: 1`"))
        else:
            tree.value = _value(tree, node, ())
    return tree


def written(place: KeyPath) -> str:
    """A place as people write it: `rules[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


class _Loader(yaml.SafeLoader):
    """Composes nodes. It stops at aliases and deep nesting, so that a small file can't become a large value."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node and its content."""
        if self.check_event(yaml.AliasEvent):
            raise self._refused("aliases (*name) aren't supported: write it out, or put a wildcard in quotes")
        if self.depth >= DEEPEST:
            raise self._refused("it's nested too deeply")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def _refused(self, text: str) -> yaml.MarkedYAMLError:
        untyped: Any = self
        return yaml.MarkedYAMLError(problem=text, problem_mark=untyped.peek_event().start_mark)


def _value(tree: Tree, node: yaml.Node, place: KeyPath) -> object:
    match node:
        case yaml.ScalarNode():
            return _scalar(tree, node, place)
        case yaml.SequenceNode() if node.tag == _TAGS[yaml.SequenceNode]:
            return [_item(tree, child, (*place, index)) for index, child in enumerate(node.value)]
        case yaml.MappingNode() if node.tag == _TAGS[yaml.MappingNode]:
            return _mapping(tree, node, place)
        case _:
            tree.problems.append(tree.problem(place, f"tags ({node.tag}) aren't supported: leave it out"))
            return None


def _item(tree: Tree, node: yaml.Node, place: KeyPath) -> object:
    tree.lines[place] = _line(node)
    return _value(tree, node, place)


def _mapping(tree: Tree, node: yaml.MappingNode, place: KeyPath) -> dict[str, object]:
    found = dict[str, object]()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            tree.problems.append(Problem(_line(key), written(place), "a key must be one word"))
            continue
        name, where = str(key.value), (*place, str(key.value))
        if name in found:
            first = f"is given twice, first in line {tree.lines[where]}: keep one"
            tree.problems.append(Problem(_line(key), written(where), first))
            continue
        tree.lines[where] = _line(key)
        found[name] = _value(tree, value, where)
    return found


def _scalar(tree: Tree, node: yaml.ScalarNode, place: KeyPath) -> object:
    text = str(node.value)
    if node.tag not in _SCALARS:
        tree.problems.append(tree.problem(place, f"tags ({node.tag}) aren't supported: leave it out"))
    elif any(not (char.isprintable() or char in f"\n\t{_JOINER}") for char in text):
        tree.problems.append(tree.problem(place, "has invisible characters: type it again"))
    elif node.style is not None or node.tag == f"{_TAG}str":
        return text
    elif text in _NOTHING:
        tree.problems.append(tree.problem(place, f"has no value: add one, or remove the line{_commented(tree, node)}"))
    else:
        found = _plain(text)
        if isinstance(found, bool):
            tree.switches[place] = text
        return found
    return None


def _commented(tree: Tree, node: yaml.ScalarNode) -> str:
    """A hint for someone who writes `channel: #ops`."""
    rest = tree.text.splitlines()[node.start_mark.line : node.start_mark.line + 1]
    is_comment = any(" #" in line[max(node.start_mark.column - 1, 0) :] for line in rest)
    return ". In YAML, # starts a comment. Name channels by their IDs, C…" if is_comment else ""


def _plain(text: str) -> object:
    """A word without quotes: YAML 1.1's booleans, integers, or text, but no dates and no base 60."""
    if text.lower() in _ON | _OFF:
        return text.lower() in _ON
    return int(text) if _WHOLE.fullmatch(text) else text


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
