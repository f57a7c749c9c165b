"""The workspace: people, channels, messages, open clients, and everything that the bot has sent."""

import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from sandbox import cast
from sandbox.cast import CAST, Actor
from sandbox.slack.bells import mentioned, rung
from sandbox.slack.blocks import Json, fill_ids
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.slack.installed_app import InstalledApp
from sandbox.slack.manners import Manners

Clock: TypeAlias = Callable[[], datetime]
"""Returns the sandbox's time, with time zone UTC."""

_TS = re.compile(r"\d{10}\.\d{6}")
_ABOUT_THREAD = frozenset({"thread_ts", "reply_count", "reply_users_count", "reply_users", "latest_reply"})
PLATFORM_GROUP = "S0PLATFORM"
HINT = "For an API key, type /apikey create. For everything else, type /apikey."


@dataclass(slots=True)
class Channel:
    """A channel, or the DM between one person (`dm_of`) and the bot."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_private: bool = False
    is_ext_shared: bool = False
    is_archived: bool = False
    dm_of: str | None = None
    topic: str = ""

    @property
    def kind(self) -> Literal["channel", "dm"]:
        """How the page shows it."""
        return "dm" if self.dm_of else "channel"

    @property
    def name_in_payloads(self) -> str:
        """The name that Slack gives an app, which hides the name of a private conversation."""
        if self.dm_of:
            return "directmessage"
        return "privategroup" if self.is_private else self.name


@dataclass(slots=True)
class UserGroup:
    """A user group such as @platform."""

    id: str
    handle: str
    name: str
    members: list[str]
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something that the bot sent: a Web API call, a post to a response_url (`response_url`), or an `ack` with a body.

    `audience` is the channel or the person it's for; "" if it's for no one, like `users.info`.
    """

    kind: str
    audience: str
    payload: Json


@dataclass(eq=False, slots=True)
class Session:
    """One Slack client of a person, for example one load of the page. `deliver` is None while it's disconnected.

    Ephemeral messages exist only here, and only as (channel, ts) of what was `shown`. A client doesn't show a modal
    that was opened before it connected; `since` is from the same counter as modals.
    """

    user: str
    id: str
    since: int
    deliver: Callable[[Json], None] | None = None
    shown: set[tuple[str, str]] = field(default_factory=set)

    def tell(self, event: Json) -> None:
        """Send an event, if the client is connected."""
        if self.deliver:
            self.deliver(event)


def _channels(people: Iterable[Actor]) -> dict[str, Channel]:
    # The bot isn't in #general: commands work there, but posts and ephemeral messages don't.
    channels = {
        cast.GENERAL_CHANNEL: Channel(cast.GENERAL_CHANNEL, "general", topic=HINT),
        cast.APPROVALS_CHANNEL: Channel(
            cast.APPROVALS_CHANNEL, "key-approvals", {cast.BOT_USER}, is_private=True, topic="Requests for API keys"
        ),
        cast.PARTNER_CHANNEL: Channel(cast.PARTNER_CHANNEL, "partner", {cast.BOT_USER}, is_ext_shared=True),
    }
    for person in people:
        for channel in person.channels:
            if not person.deleted:
                channels[channel].members.add(person.slack)
    return channels


class Workspace:
    """People, channels, messages and open clients, in memory. Tests may change `people`, `channels` and `groups`."""

    def __init__(
        self,
        clock: Clock,
        *,
        people: Iterable[Actor] = CAST,
        app: InstalledApp | None = None,
        manners: Manners | None = None,
    ) -> None:
        self.now = clock
        self.manners = manners or Manners()
        self.app = app or InstalledApp()
        self.people = {person.slack: person for person in people}
        self.channels = _channels(self.people.values())
        self.groups = {
            PLATFORM_GROUP: UserGroup(PLATFORM_GROUP, "platform", "Platform team", ["U0OLGA", "U0RAVI"]),
        }
        self.base_url = ""
        self.outgoing: list[Outgoing] = []
        self.written_to: Path | None = None
        """A file that also gets everything the bot sends, as one JSON object in each line."""
        self.serial = itertools.count(1)
        self._messages: dict[str, list[Json]] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._last_ts = 0
        self._rung: dict[str, set[str]] = {}

    # People

    def person(self, user: str) -> Actor:
        """The person with this ID. Raises `SlackError` with `user_not_found`."""
        if user not in self.people:
            raise SlackError("user_not_found")
        return self.people[user]

    def dm(self, user: str) -> Channel:
        """The DM between the person and the bot, created when it's first needed."""
        channel_id = f"D{user[1:]}"
        members = {user, cast.BOT_USER}
        return self.channels.setdefault(channel_id, Channel(channel_id, "Latchkey", members, dm_of=user))

    def channels_of(self, user: str) -> list[Channel]:
        """The channels that the person sees; their DM with the bot is last."""
        own = self.dm(user)
        return [*(each for each in self.channels.values() if user in each.members and each is not own), own]

    def channel_seen_by(self, user: str, channel: str) -> Channel:
        """A channel that the person is in. Raises `NotPossible` for any other, whether it exists or not."""
        self.dm(user)
        found = self.channels.get(channel)
        if found is None or user not in found.members:
            raise NotPossible(f"You are not in channel {channel}.")
        return found

    # Open clients

    def connect(self, user: str, deliver: Callable[[Json], None], session_id: str = "") -> Session:
        """Connect a client of this person. `deliver` gets each event; it must neither block nor raise.

        With the ID of a client whose connection broke, that client continues. A new load of the page is a new client,
        which has been shown nothing yet.
        """
        name = (user, session_id or secrets.token_hex(8))
        session = self._sessions.setdefault(name, Session(*name, since=next(self.serial)))
        session.deliver = deliver
        return session

    def session(self, user: str, session_id: str) -> Session | None:
        """A client of this person by its ID, connected or not; None if there is none."""
        return self._sessions.get((user, session_id))

    def sessions_of(self, user: str) -> list[Session]:
        """The connected clients of this person."""
        return [each for each in self._sessions.values() if each.user == user and each.deliver]

    def tell(self, user: str, event: Json) -> None:
        """Send an event to every open client of one person."""
        for session in self.sessions_of(user):
            session.tell(event)

    def notice(self, user: str, text: str, level: Literal["info", "warning", "error"] = "error") -> None:
        """Show one person a message from Slack itself."""
        self.tell(user, {"type": "notice", "text": text, "level": level})

    def _announce(self, channel: Channel, event: Json) -> None:
        for user in channel.members:
            self.tell(user, event)

    # Messages

    def next_ts(self) -> str:
        """A message timestamp: seconds with six decimals, unique in the workspace and increasing."""
        self._last_ts = max(self._last_ts + 1, int(self.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def messages(self, channel: str) -> list[Json]:
        """The stored messages of a channel, oldest first. Ephemeral ones aren't stored."""
        return list(self._messages.get(channel, ()))

    def message(self, channel: str, ts: str) -> Json:
        """One stored message. Raises `SlackError` with `message_not_found`."""
        for each in self._messages.get(channel, ()):
            if each["ts"] == ts:
                return each
        raise SlackError("message_not_found")

    def post(self, channel: Channel, content: Json, *, user: str = cast.BOT_USER) -> Json:
        """Store a message, and show it to the members of the channel, or in the thread `thread_ts`. Returns it.

        Raises the same `SlackError` as `check_thread`.
        """
        root = self.check_thread(channel, content.get("thread_ts"))
        if root is None and content.get("thread_ts") and self.manners.draw("lost_thread") == "posted in the channel":
            content = {name: value for name, value in content.items() if name not in {"thread_ts", "reply_broadcast"}}
        message = {"type": "message", "user": user, "team": cast.TEAM, "ts": self.next_ts(), **_content(content)}
        if user == cast.BOT_USER:
            message |= {"bot_id": cast.BOT_ID, "app_id": cast.APP_ID}
        if content.get("thread_ts"):
            broadcast = {"subtype": "thread_broadcast"} if content.get("reply_broadcast") else {}
            message |= {"thread_ts": content["thread_ts"], **broadcast}
        thread = self.thread(channel.id, root["ts"]) if root else []
        self._messages.setdefault(channel.id, []).append(message)
        self._rung[message["ts"]] = rung(message, channel, self.groups, thread)
        for user_id in channel.members:
            rings = user_id in self._rung[message["ts"]]
            self.tell(user_id, {"type": "message", "channel": channel.id, "message": message, "rings": rings})
        if root:
            self._count_replies(channel, root)
        return message

    def check_thread(self, channel: Channel, thread_ts: object) -> Json | None:
        """The message that a reply belongs to; None if it isn't a reply, or if Slack accepts that its message is gone.

        Raises `SlackError`: `invalid_thread_ts`, `thread_not_found`, or `cannot_reply_to_message` if that is itself a
        reply.
        """
        if not thread_ts:
            return None
        if not isinstance(thread_ts, str) or not _TS.fullmatch(thread_ts):
            raise SlackError("invalid_thread_ts", messages=[f"[ERROR] {thread_ts} is not a valid thread_ts"])
        try:
            root = self.message(channel.id, thread_ts)
        except SlackError:
            if self.manners.draw("lost_thread") == "refused":
                raise SlackError("thread_not_found") from None
            return None
        if root.get("thread_ts", thread_ts) != thread_ts:
            raise SlackError("cannot_reply_to_message")
        return root

    def thread(self, channel: str, ts: str) -> list[Json]:
        """A message and its replies, oldest first."""
        return [each for each in self.messages(channel) if ts in (each["ts"], each.get("thread_ts"))]

    def follows(self, user: str, channel: Channel, root: Json) -> bool:
        """Whether this person wrote in a thread or is mentioned in it."""
        thread = self.thread(channel.id, root["ts"])
        return any(user in (each["user"], *mentioned(each, channel, self.groups)) for each in thread)

    def bells(self, user: str, channel: str) -> list[str]:
        """The messages of a channel, by ts, for which this person's Slack rang."""
        return [each["ts"] for each in self.messages(channel) if user in self._rung.get(each["ts"], ())]

    def _count_replies(self, channel: Channel, root: Json) -> None:
        """Update a message's counts of its replies, as Slack does."""
        _, *replies = self.thread(channel.id, root["ts"])
        kept = self._messages[channel.id]
        fresh = {name: value for name, value in root.items() if name not in _ABOUT_THREAD}
        if replies:
            people = list(dict.fromkeys(each["user"] for each in replies))
            numbers = {"reply_count": len(replies), "reply_users_count": len(people), "reply_users": people}
            fresh |= {"thread_ts": root["ts"], "latest_reply": replies[-1]["ts"], **numbers}
        kept[kept.index(root)] = fresh
        self._announce(channel, {"type": "message_changed", "channel": channel.id, "message": fresh})

    def change(self, channel: Channel, ts: str, content: Json) -> Json:
        """Replace text and blocks of a message. Raises `SlackError` with `message_not_found`."""
        message = self.message(channel.id, ts)
        fresh = {name: value for name, value in message.items() if name not in {"text", "blocks", "edited"}}
        # Slack marks a message as edited only when it has no blocks.
        mark = {} if content.get("blocks") else {"edited": {"user": cast.BOT_USER, "ts": self.next_ts()}}
        fresh |= {**_content(content), **mark}
        kept = self._messages[channel.id]
        kept[kept.index(message)] = fresh
        self._announce(channel, {"type": "message_changed", "channel": channel.id, "message": fresh})
        return fresh

    def delete(self, channel: Channel, ts: str) -> None:
        """Remove a message. One with replies leaves a stub. Raises `SlackError` with `message_not_found`."""
        message = self.message(channel.id, ts)
        kept = self._messages[channel.id]
        if message.get("reply_count"):
            stub = {name: value for name, value in message.items() if name not in {"blocks", "edited"}}
            stub |= {"subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT"}
            kept[kept.index(message)] = stub
            self._announce(channel, {"type": "message_changed", "channel": channel.id, "message": stub})
            return
        kept.remove(message)
        self._announce(channel, {"type": "message_deleted", "channel": channel.id, "ts": ts})
        root = next((each for each in kept if each["ts"] == message.get("thread_ts")), None)
        if root:
            self._count_replies(channel, root)

    # Ephemeral messages

    def show_ephemeral(self, user: str, channel: str, content: Json, *, replace_ts: str | None = None) -> str:
        """Show (or replace) a message in one person's open clients, without storing it. Returns its ts.

        If the person has no client open, the message is lost and no one is told, as in Slack.
        """
        ts = replace_ts or self.next_ts()
        message = {
            "type": "message",
            "subtype": "bot_message",
            "ephemeral": True,
            "user": cast.BOT_USER,
            "bot_id": cast.BOT_ID,
            "ts": ts,
            **_content(content),
            **({"thread_ts": content["thread_ts"]} if content.get("thread_ts") else {}),
        }
        kind = "ephemeral_changed" if replace_ts else "ephemeral"
        for session in self.sessions_of(user):
            if replace_ts is None:
                session.shown.add((channel, ts))
            if (channel, ts) in session.shown:
                session.tell({"type": kind, "channel": channel, "message": message})
        return ts

    def hide_ephemeral(self, user: str, channel: str, ts: str) -> None:
        """Remove an ephemeral message."""
        for session in self.sessions_of(user):
            if (channel, ts) in session.shown:
                session.shown.discard((channel, ts))
                session.tell({"type": "ephemeral_deleted", "channel": channel, "ts": ts})

    def is_shown(self, user: str, channel: str, ts: str) -> bool:
        """Whether an open client of this person shows this ephemeral message."""
        return any((channel, ts) in session.shown for session in self.sessions_of(user))

    # The record

    def record(self, kind: str, audience: str, payload: Json) -> None:
        """Record what the bot sent, before any check, so that tests can search all of it for secrets."""
        self.outgoing.append(Outgoing(kind, audience, payload))
        if self.written_to is not None:
            with open(self.written_to, "a", encoding="utf-8", opener=_for_us_alone) as file:
                file.write(json.dumps({"kind": kind, "payload": payload}) + "\n")


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _content(content: Json) -> Json:
    blocks = content.get("blocks")
    return {"text": content.get("text") or "", **({"blocks": fill_ids(blocks)} if blocks else {})}
