"""Fields that the bot's payloads may lack: recorded payloads have them sometimes."""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from sandbox.slack.blocks import Json

_ORGANIZATION = ("enterprise", "is_enterprise_install", "team.enterprise_id", "team.enterprise_name")
_VIEW = ("view.clear_on_close", "view.notify_on_close", "view.previous_view_id", "response_urls")

OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "block_actions": ("token", "user.username", *_ORGANIZATION),
    "block_suggestion": _ORGANIZATION,
    "shortcut": _ORGANIZATION,
    "view_submission": (*_ORGANIZATION, *_VIEW, "view.hash"),
    "view_closed": ("enterprise", *_VIEW),
    "slash_command": ("api_app_id", "enterprise_id", "enterprise_name"),
    "app_home_opened": ("enterprise_id", "authorizations[].enterprise_id", "is_ext_shared_channel"),
}
"""By payload type, or event type for events: fields that may be absent even if they have a value."""
ABSENT_OR_EMPTY: Final[Mapping[str, tuple[str, ...]]] = {
    "block_actions": ("state",),
    "view_submission": ("view.private_metadata", "view.state.values"),
}
"""Fields that may be absent if they're empty."""


def kind_of(payload: Json) -> str:
    """The payload's type; for an event, the event's."""
    kind = str(payload.get("type", "slash_command"))
    return str(payload["event"]["type"]) if kind == "event_callback" else kind


def thinned(payload: Json, leaves_out: Callable[[str, str], bool]) -> Json:
    """A payload without the fields for which `leaves_out(kind of payload, path)` is true."""
    kept, kind = copy.deepcopy(payload), kind_of(payload)
    for path in OPTIONAL.get(kind, ()):
        _drop(kept, path, partial(leaves_out, kind), only_empty=False)
    for path in ABSENT_OR_EMPTY.get(kind, ()):
        _drop(kept, path, partial(leaves_out, kind), only_empty=True)
    return kept


def _drop(payload: Json, path: str, leaves_out: Callable[[str], bool], *, only_empty: bool) -> None:
    *parents, name = path.split(".")
    for holder in _holders(payload, parents):
        if name in holder and not (only_empty and _holds(holder[name])) and leaves_out(path):
            del holder[name]


def _holders(part: object, parents: list[str]) -> Iterator[Json]:
    if isinstance(part, list):
        for each in part:
            yield from _holders(each, parents)
    elif isinstance(part, dict) and parents:
        yield from _holders(part.get(parents[0].removesuffix("[]")), parents[1:])
    elif isinstance(part, dict):
        yield part


def _holds(value: object) -> bool:
    return any(map(_holds, value.values())) if isinstance(value, dict) else bool(value)
