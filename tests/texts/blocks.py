"""Block Kit as plain text: what a person reads of a message or a view, one line a block, buttons in brackets."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_DATE = re.compile(r"<!date\^\d+\^[^|]*\|([^>]*)>")


def read(drawn: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """The text of a view, or of a message's blocks."""
    if isinstance(drawn, Mapping):
        edges = " · ".join(f"{name}: {_said(drawn[name])}" for name in ("title", "submit", "close") if drawn.get(name))
        return "\n".join(filter(None, (f"({edges})" if edges else "", read(drawn["blocks"]))))
    return "\n".join(line for block in drawn for line in _lines(block))


def _lines(block: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(block):
        yield from filter(None, (line.rstrip() for line in _DATE.sub(r"\1", part).splitlines()))


def _parts(block: Any) -> Iterator[str]:
    """The texts of a block, in the order in which people read them."""
    if isinstance(block, list):
        for each in block:
            yield from _parts(each)
    elif isinstance(block, Mapping):
        reader = _READERS.get(str(block.get("type", "")), _whole)
        yield from reader(block)


def _choice(block: Mapping[str, Any]) -> Iterator[str]:
    """A menu or radio buttons: the options, of which the chosen one is marked."""
    yield from _parts(block.get("placeholder"))
    chosen = block.get("initial_option")
    options = block.get("options") or [option for group in block["option_groups"] for option in group["options"]]
    for each in options:
        detail = f" ({_said(each['description'])})" if each.get("description") else ""
        yield f"{'●' if each == chosen else '○'} {_said(each['text'])}{detail}"
    yield from _parts(block.get("confirm"))


def _whole(block: Mapping[str, Any]) -> Iterator[str]:
    """A text object, or a block whose parts stand in it by these names."""
    if isinstance(block.get("text"), str):
        yield block["text"]
        return
    for name in _NAMES:
        yield from _parts(block.get(name))


def _rich(block: Mapping[str, Any]) -> Iterator[str]:
    mark = "> " if block["type"] == "rich_text_quote" else ""
    yield mark + "".join(map(_element, block["elements"])).replace("\n", f"\n{mark}")


def _button(block: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{_said(block['text'])}]"
    yield from _parts(block.get("confirm"))


def _overflow(block: Mapping[str, Any]) -> Iterator[str]:
    yield f"(⋯ {' | '.join(_said(option['text']) for option in block['options'])})"
    yield from _parts(block.get("confirm"))


def _actions(block: Mapping[str, Any]) -> Iterator[str]:
    yield " ".join(part for element in block["elements"] for part in _parts(element))


def _context(block: Mapping[str, Any]) -> Iterator[str]:
    yield "– " + "".join(part for element in block["elements"] for part in _parts(element))


def _header(block: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {_said(block['text'])}"


def _divider(_: Mapping[str, Any]) -> Iterator[str]:
    yield "---"


def _table(block: Mapping[str, Any]) -> Iterator[str]:
    for row in block["rows"]:
        yield " | ".join("".join(_parts(cell)) for cell in row)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    **dict.fromkeys(("rich_text_section", "rich_text_quote", "rich_text_preformatted"), _rich),
    "button": _button,
    "overflow": _overflow,
    **dict.fromkeys(("radio_buttons", "static_select", "checkboxes"), _choice),
    **dict.fromkeys(("actions", "context_actions"), _actions),
    "context": _context,
    **dict.fromkeys(("header", "alert"), _header),
    "divider": _divider,
    "table": _table,
}
_NAMES = (
    *("text", "title", "label", "fields", "element", "elements", "accessory", "placeholder", "initial_value"),
    *("initial_option", "options", "option_groups", "description", "hint", "confirm", "deny", "rows"),
)


def _said(text: Any) -> str:
    return text if isinstance(text, str) else str(text["text"])


def _element(element: Mapping[str, Any]) -> str:
    match element:
        case {"type": "user", "user_id": user}:
            return f"@{user}"
        case {"type": "date", "timestamp": seconds}:
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
        case {"type": "emoji", "name": name}:
            return f":{name}:"
        case {"type": "link", "url": url}:
            return str(element.get("text", url))
        case _:
            return str(element.get("text", ""))
