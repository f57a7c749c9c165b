"""Checks that a rehearsal's report contains only words, field names and small numbers that are listed here.

Everything else is refused. So a report that passes contains nothing personal, whatever Slack, Confluent or a person
wrote.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias, cast

from bot.rehearsal.findings import ERRORS, LINES, NOT_SETTLED, PAYLOADS

FORMAT: Final = 1
LARGEST: Final = 1_000_000
"""The most bytes of a report."""
Json: TypeAlias = Mapping[str, object]

VERDICTS: Final = frozenset({"TRUE", "FALSE", "not seen"})
TYPES: Final = frozenset(
    {"absent", "null", "boolean", "number", "string", "empty string", "list", "empty list", "object", "empty object"}
)
"""The types of a payload's field."""
_STATES = ("whole", "empty", "stale", "not always the same")
_PROFILE = ("team_id", "enterprise_user", "is_email_confirmed", "is_restricted", "deleted", "profile")
_CHANNEL = ("is_member", "is_private", "is_archived", "is_ext_shared")
_ANSWERS = tuple(f"{what}.{name}" for what in ("command", "click") for name in ("status", "type", "body"))
SEEN: Final[Mapping[str, frozenset[str]]] = {
    "slack.suggestion-state": frozenset({"view", "container", "block_id", "team", "state"}),
    "slack.late-ack": frozenset({"adopted_after_seconds"}),
    "slack.response-url-answer": frozenset(_ANSWERS),
    "slack.users-info": frozenset(
        {*_PROFILE, "team_is_ours", "enterprise_user.enterprise_id", "enterprise_user.teams"}
    ),
    "slack.channel-info": frozenset(f"channel N.{name}" for name in _CHANNEL),
    "confluent.own-key": frozenset({"by_id", "expires_at"}),
    "confluent.bindings": frozenset({"at", "below"}),
    "confluent.key-for-user": frozenset({"status", "by_id", "listed"}),
    "confluent.expires-at": frozenset({"answer", "read_back"}),
    "confluent.key-absent": frozenset({"status"}),
}
"""The names that each step may record."""
_WORDS: Final = TYPES | {
    *_STATES,
    *("honored", "ignored", "refused", "a time", "zero value"),
    *("ok", "JSON ok true", "JSON ok false", "web page", "other text", "other JSON", "other"),
    *("application/json", "text/html", "text/plain", "the channel is not shown"),
}
_SHAPE: Final = re.compile(r"boolean (true|false)|list of \d{1,4}")
_NUMBERS: Final = 10_000
"""Counts, seconds and status codes are below this."""
_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("an email address", r"\S@\S"),
    ("an address", r"://|\b\d{1,3}(\.\d{1,3}){3}\b"),
    ("an id", r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[A-Z][A-Z0-9]{5,15}\b|\d{7}"),
    ("a token or secret", r"xox|xapp|lk1_|cflt|[A-Za-z0-9+/_=-]{24}"),
    ("an id", r"\b[a-z]{1,6}-[a-z0-9]{4,}\b"),
)
_PARTS: Final = ("format", "interrupted", "verdicts", "unhandled", "failed", "seen", "payloads", "not_settled")


class NotAReport(Exception):
    """The file isn't a rehearsal's report. The text says why, in one line."""


def read(file: Path) -> Json:
    """Read a report. Raises `NotAReport`. Check its content with `foreign`."""
    try:
        with file.open("rb") as source:
            data = source.read(LARGEST + 1)
    except OSError as error:
        raise NotAReport(f"it can't be read ({error.strerror})") from None
    if len(data) > LARGEST:
        raise NotAReport("it is larger than any report")
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError):
        raise NotAReport("it isn't JSON") from None
    if not isinstance(found, dict) or not {"format", "verdicts", "seen", "payloads"} <= cast("Json", found).keys():
        raise NotAReport("`latchkey rehearse` didn't write it")
    report = cast("Json", found)
    if report["format"] != FORMAT or isinstance(report["format"], bool):
        raise NotAReport("another version of Latchkey wrote it. Use the tools of that version")
    return report


def foreign(report: Json) -> list[str]:
    """The places with something that no rehearsal writes, and what kind of text it is, but never the text itself."""
    found = [f"the report: a part named by {_kind(name)}" for name in report.keys() - set(_PARTS)]
    found += _unless(isinstance(report.get("interrupted", False), bool), "interrupted", report.get("interrupted"))
    found += foreign_verdicts(report["verdicts"]) + foreign_seen(report["seen"])
    found += foreign_payloads(report["payloads"])
    entries = {each.entry for each in LINES}
    found += _words(report.get("unhandled", []), "unhandled", entries)
    found += _words(report.get("failed", []), "failed", ERRORS)
    for name, reason in _items(report.get("not_settled", {}), "not_settled", entries, found):
        found += _unless(reason == NOT_SETTLED.get(name), f"not_settled, {name}", reason)
    return found


def foreign_verdicts(verdicts: object) -> list[str]:
    """The same for verdicts by entry."""
    found: list[str] = []
    for name, verdict in _items(verdicts, "verdicts", {each.entry for each in LINES}, found):
        found += _unless(_is_one_of(verdict, VERDICTS), f"verdicts, {name}", verdict)
    return found


def foreign_seen(seen: object) -> list[str]:
    """The same for what the steps recorded."""
    found: list[str] = []
    for step, shapes in _items(seen, "seen", SEEN.keys(), found):
        for name, shape in _items(shapes, f"seen, {step}", SEEN[step], found):
            found += _unless(_is_shape(shape), f"seen, {step}, {name}", shape)
    return found


def foreign_payloads(payloads: object) -> list[str]:
    """The same for the fields of payloads."""
    found: list[str] = []
    for kind, fields in _items(payloads, "payloads", PAYLOADS.keys(), found):
        for path, types in _items(fields, f"payloads, {kind}", PAYLOADS[kind], found):
            found += _words(types, f"payloads, {kind}, {path}", TYPES)
    return found


def kind_of_text(text: str) -> str:
    """The kind of private text that this looks like; "" for none."""
    return next((kind for kind, pattern in _KINDS if re.search(pattern, text)), "")


def _items(part: object, place: str, names: Iterable[str], found: list[str]) -> Iterator[tuple[str, object]]:
    """Yield the items with allowed names. Adds what is wrong to `found`."""
    if not isinstance(part, dict):
        found.append(f"{place}: {_kind(part)} in place of a table")
        return
    allowed = frozenset(names)
    for name, each in cast("Json", part).items():
        if re.sub(r"^channel \d{1,3}\.", "channel N.", name) in allowed:
            yield name, each
        else:
            found.append(f"{place}: a line named by {_kind(name)}")


def _words(part: object, place: str, words: Iterable[str]) -> list[str]:
    if not isinstance(part, list):
        return [f"{place}: {_kind(part)} in place of a list"]
    allowed = frozenset(words)
    return [line for each in cast("list[object]", part) for line in _unless(_is_one_of(each, allowed), place, each)]


def _unless(holds: bool, place: str, part: object) -> list[str]:  # noqa: FBT001 - it is what the name says
    return [] if holds else [f"{place}: {_kind(part)}"]


def _is_one_of(part: object, words: Iterable[str]) -> bool:
    return isinstance(part, str) and part in frozenset(words)


def _is_shape(shape: object) -> bool:
    match shape:
        case bool():
            return True
        case int() | float():
            return 0 <= shape < _NUMBERS
        case str():
            return shape in _WORDS or _SHAPE.fullmatch(shape) is not None
        case _:
            return False


def _kind(part: object) -> str:
    """What kind of text it is, without any of the text."""
    if isinstance(part, str):
        return kind_of_text(part) or "a text that isn't Latchkey's own, such as a name"
    return "a number" if isinstance(part, (int, float)) else "something that doesn't belong there"
