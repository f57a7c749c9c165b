"""Simulates response_url: five posts within thirty minutes, no token required, able to rewrite what was clicked."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sandbox import cast
from sandbox.slack.blocks import Json
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_message_blocks
from sandbox.slack.workspace import Workspace

LIFE = timedelta(minutes=30)
USES = 5


@dataclass(slots=True)
class _Source:
    """Where a response_url comes from. `ts` is the message that was clicked; None for a command."""

    user: str
    channel: str
    ts: str | None
    is_ephemeral: bool
    made: datetime
    uses: int = 0


class ResponseUrls:
    """Every response_url that was issued."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._sources: dict[str, _Source] = {}

    def new(self, user: str, channel: str, *, ts: str | None = None, is_ephemeral: bool = False) -> str:
        """Issue a response_url for what this person just did in this channel."""
        kind: Literal["actions", "commands"] = "actions" if ts else "commands"
        path = f"/hooks/{kind}/{cast.TEAM}/{secrets.randbelow(10**12)}/{secrets.token_hex(12)}"
        self._sources[path] = _Source(user, channel, ts, is_ephemeral, self._workspace.now())
        return self._workspace.base_url + path

    def post(self, path: str, body: Json) -> None:
        """Carry out a post to this path.

        Raises `SlackError`: `expired_url` or `used_url` (HTTP 404), `no_text`, `invalid_blocks`, `invalid_thread_ts`.
        """
        source = self._sources.get(path)
        if source is None or self._workspace.now() - source.made > LIFE:
            raise SlackError("expired_url")
        if source.uses >= USES:
            raise SlackError("used_url")
        says_something = bool(body.get("text") or body.get("blocks"))
        if not says_something and not body.get("delete_original"):
            raise SlackError("no_text")
        if body.get("blocks") is not None:
            check_message_blocks(body["blocks"])
        if body.get("response_type") == "in_channel":
            self._workspace.check_thread(self._workspace.channels[source.channel], body.get("thread_ts"))
        source.uses += 1
        if body.get("delete_original") and source.ts:
            self._delete(source, source.ts)
            replaces = False
        else:
            replaces = _replaces(source, body)
        if says_something:
            self._say(source, body, replaces=replaces)

    def _delete(self, source: _Source, ts: str) -> None:
        if source.is_ephemeral:
            self._workspace.hide_ephemeral(source.user, source.channel, ts)
        else:
            self._workspace.delete(self._workspace.channels[source.channel], ts)

    def _say(self, source: _Source, body: Json, *, replaces: bool) -> None:
        channel = self._workspace.channels[source.channel]
        if replaces and source.ts and not source.is_ephemeral:
            self._workspace.change(channel, source.ts, body)
        elif replaces:
            body = {**body, "thread_ts": None}
            self._workspace.show_ephemeral(source.user, channel.id, body, replace_ts=source.ts)
        elif body.get("response_type") == "in_channel":
            self._workspace.post(channel, {**body, "reply_broadcast": False})
        else:
            self._workspace.show_ephemeral(source.user, channel.id, {**body, "thread_ts": None})

    def audience(self, path: str, body: Json) -> str:
        """Who sees this post: a channel or one person; "" if the path isn't a response_url of ours."""
        source = self._sources.get(path)
        if source is None:
            return ""
        rewrites_shared = _replaces(source, body) and not source.is_ephemeral and not body.get("delete_original")
        return source.channel if rewrites_shared or body.get("response_type") == "in_channel" else source.user


def _replaces(source: _Source, body: Json) -> bool:
    # By default a click's message is replaced, so a secret could overwrite the card that everyone sees: senders must
    # say no.
    return source.ts is not None and body.get("replace_original") is not False
