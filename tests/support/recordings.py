"""Payloads that the real Slack sent to someone, with ids of ours put in."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.shared import shared

Json = dict[str, Any]
FRAMES = {"hello", "disconnect"}
"""What Socket Mode says of itself."""


def recordings() -> dict[str, Json]:
    """Every recording by its name; those of Socket Mode in their envelopes."""
    paths = sorted(shared("slack-payloads").glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths if path.name != "INDEX.json"}


def payload_of(recording: Json) -> Json:
    """What the envelope holds, or what came over HTTP."""
    inner: Json = recording.get("payload", recording)
    return inner


def kind_of(payload: Json) -> str:
    """Its type; of events, that of the event."""
    kind = payload.get("type", "slash_command")
    return payload["event"]["type"] if kind == "event_callback" else str(kind)


def installed_team(payload: Json) -> str:
    """The team whose bot got it."""
    view, team, user = (payload.get(name) or {} for name in ("view", "team", "user"))
    teams = (view.get("app_installed_team_id"), team.get("id"), payload.get("team_id"))
    return str(next(filter(None, teams), "") or user["team_id"])


def replaced(value: Any, ours: dict[str, str]) -> Any:
    """The value with ids of ours in place of the recorded ones, whole texts only."""
    match value:
        case dict():
            return {name: replaced(inner, ours) for name, inner in value.items()}
        case list():
            return [replaced(inner, ours) for inner in value]
        case str():
            return ours.get(value, value)
        case _:
            return value


LEAVES = {"blocks", "values", "text", "title", "submit", "close", "placeholder", "message", "selected_option"}
"""What the app itself composed, or what one of many elements says: no more is asked of it than that it is there."""


def fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path of each field, and whether it holds something, `{}` or null."""
    if isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path}[]")
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        yield here, "null" if inner is None else "{}" if inner == {} else "something"
        if name not in LEAVES:
            yield from fields(inner, here)
