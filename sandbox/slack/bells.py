"""Decides whose Slack rings for a new message: for direct messages, mentions, and replies in followed threads."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sandbox.slack.blocks import Json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Channel, UserGroup

EVERYONE: Final = ("here", "channel", "everyone")
_MENTION = re.compile(r"<(?:@(?P<user>[UW]\w+)|!subteam\^(?P<group>\w+)|!(?P<all>here|channel|everyone))[^<>\n]*>")


def rung(message: Json, channel: "Channel", groups: Mapping[str, "UserGroup"], thread: Iterable[Json] = ()) -> set[str]:
    """The members whose Slack rings for a new message. `thread` has the earlier messages of its thread.

    Slack's documentation doesn't say that a reply in a direct message rings for someone who doesn't follow the thread,
    so here it doesn't.
    """
    if channel.dm_of and not message.get("thread_ts"):
        told = {channel.dm_of}
    else:
        told = set(mentioned(message, channel, groups))
        for earlier in thread:
            told |= {earlier["user"], *mentioned(earlier, channel, groups)}
    return (told & channel.members) - {message["user"]}


def mentioned(message: Json, channel: "Channel", groups: Mapping[str, "UserGroup"]) -> Iterator[str]:
    """The people whom a message mentions.

    If a message has blocks, its text is only for notifications and screen readers. Context blocks are left out, because
    the documentation doesn't say that a mention in them rings.
    """
    for kind, name in _names(message):
        if kind == "group" and name in groups and not groups[name].is_disabled:
            yield from groups[name].members
        elif kind == "all":
            yield from channel.members
        elif kind == "user":
            yield name


def _names(message: Json) -> Iterator[tuple[str, str]]:
    if not message.get("blocks"):
        yield from _in_mrkdwn(message.get("text", ""))
    for block in message.get("blocks", ()):
        if block["type"] == "section":
            texts = [each for each in (block.get("text"), *(block.get("fields") or ())) if each]
            for text in (each["text"] for each in texts if each["type"] == "mrkdwn"):
                yield from _in_mrkdwn(text)
        elif block["type"] == "rich_text":
            yield from _in_rich_text(block["elements"])


def _in_mrkdwn(text: str) -> Iterator[tuple[str, str]]:
    for match in _MENTION.finditer(text):
        kind = match.lastgroup or ""
        yield kind, match[kind]


def _in_rich_text(elements: Iterable[Json]) -> Iterator[tuple[str, str]]:
    for each in elements:
        match each["type"]:
            case "user":
                yield "user", each["user_id"]
            case "usergroup":
                yield "group", each["usergroup_id"]
            case "broadcast":
                yield "all", each["range"]
            case _:
                yield from _in_rich_text(each.get("elements", ()))
