"""The Web API methods that the sandbox has, by name, with the scopes that each needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sandbox import cast
from sandbox.cast import Actor
from sandbox.slack.blocks import Json
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_posted_blocks
from sandbox.slack.payloads import username
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.views import Views
from sandbox.slack.workspace import Channel, Workspace

LONGEST_UPDATE, LONGEST_TEXT = 4000, 40_000
MOST_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the arguments as sent, with `blocks` and `view` parsed, and the workspace that it's for."""

    args: Json
    workspace: Workspace
    views: Views
    sockets: SocketMode

    def need(self, name: str) -> Any:  # noqa: ANN401 - arguments are JSON
        """A required argument. Raises `SlackError` with `invalid_arguments`."""
        if not self.args.get(name):
            raise SlackError("invalid_arguments", messages=[f"[ERROR] missing required field: {name}"])
        return self.args[name]

    def channel(self) -> Channel:
        """The conversation in `channel`. Raises `SlackError` with `channel_not_found`, also if the bot can't see it."""
        found = self.workspace.channels.get(self.need("channel"))
        if found is None or (found.is_private and cast.BOT_USER not in found.members):
            raise SlackError("channel_not_found")
        return found

    def content(self) -> Json:
        """Text and blocks of a message. Raises `SlackError` with `no_text`, and what `check_posted_blocks` raises."""
        text, blocks = self.args.get("text") or "", self.args.get("blocks")
        if not text and not blocks:
            raise SlackError("no_text")
        if blocks is not None:
            check_posted_blocks(blocks)
        return {"text": text[:LONGEST_TEXT], "blocks": blocks}

    def reply(self) -> Json:
        """For a reply, the message that it replies to, and whether the channel sees it, too; otherwise {}."""
        thread = self.args.get("thread_ts")
        return {"thread_ts": thread, "reply_broadcast": _flag(self, "reply_broadcast")} if thread else {}


def auth_test(call: Call) -> Json:
    """Say who the token belongs to."""
    return {
        "url": call.workspace.base_url + "/",
        "team": cast.TEAM_NAME,
        "team_id": cast.TEAM,
        "enterprise_id": cast.ENTERPRISE,
        "user": "latchkey",
        "user_id": cast.BOT_USER,
        "bot_id": cast.BOT_ID,
        "is_enterprise_install": False,
    }


def apps_connections_open(call: Call) -> Json:
    """Return a WebSocket URL for Socket Mode."""
    return {"url": call.sockets.new_url()}


def team_info(_call: Call) -> Json:
    """Describe the workspace."""
    return {"team": {"id": cast.TEAM, "name": cast.TEAM_NAME, "domain": "acme", "email_domain": "acme.example"}}


def chat_post_message(call: Call) -> Json:
    """Post to a channel that the bot is in, or to a person's DM by their user ID."""
    target = call.need("channel")
    if target in call.workspace.people:
        if call.workspace.person(target).deleted:
            raise SlackError("channel_not_found")
        channel = call.workspace.dm(target)
    else:
        channel = call.channel()
    if cast.BOT_USER not in channel.members:
        raise SlackError("not_in_channel")
    if channel.is_archived:
        raise SlackError("is_archived")
    message = call.workspace.post(channel, {**call.content(), **call.reply()})
    return {"channel": channel.id, "ts": message["ts"], "message": call.workspace.manners.sent_blocks(message)}


def chat_update(call: Call) -> Json:
    """Replace text and blocks of the bot's own message. Blocks that aren't sent again are removed."""
    channel, ts = call.channel(), call.need("ts")
    content = call.content()
    if len(content["text"]) > LONGEST_UPDATE:
        raise SlackError("msg_too_long")
    if call.workspace.message(channel.id, ts)["user"] != cast.BOT_USER:
        raise SlackError("cant_update_message")
    message = call.workspace.change(channel, ts, content)
    sent = call.workspace.manners.sent_blocks(message)
    return {"channel": channel.id, "ts": ts, "text": sent["text"], "message": sent}


def chat_delete(call: Call) -> Json:
    """Remove the bot's own message."""
    channel, ts = call.channel(), call.need("ts")
    if call.workspace.message(channel.id, ts)["user"] != cast.BOT_USER:
        raise SlackError("cant_delete_message")
    call.workspace.delete(channel, ts)
    return {"channel": channel.id, "ts": ts}


def chat_post_ephemeral(call: Call) -> Json:
    """Show something to one member of a channel that the bot is in, if they have a client open."""
    channel, user, content = call.channel(), call.need("user"), call.content()
    if len(content["text"]) > LONGEST_UPDATE:
        raise SlackError("msg_too_long")
    if cast.BOT_USER not in channel.members:
        raise SlackError("not_in_channel")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    if root := call.workspace.check_thread(channel, call.args.get("thread_ts")):
        content |= call.reply()
        if not call.workspace.follows(user, channel, root):
            return {"message_ts": call.workspace.next_ts()}  # Slack answers ok, and shows it to no one
    return {"message_ts": call.workspace.show_ephemeral(user, channel.id, content)}


def chat_get_permalink(call: Call) -> Json:
    """Return the address of a message: on the sandbox's page instead of Slack's."""
    channel, ts = call.channel(), str(call.need("message_ts"))
    message = call.workspace.message(channel.id, ts)
    link = f"{call.workspace.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    if message.get("thread_ts", ts) != ts:
        link += f"?thread_ts={message['thread_ts']}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def conversations_open(call: Call) -> Json:
    """Return the DM with one person."""
    users = str(call.need("users")).split(",")
    if len(users) != 1:
        raise SlackError("method_not_supported_for_channel_type")
    if call.workspace.person(users[0]).deleted:
        raise SlackError("user_disabled")
    existed = f"D{users[0][1:]}" in call.workspace.channels
    channel = call.workspace.dm(users[0])
    return {"channel": {"id": channel.id}, **({"no_op": True, "already_open": True} if existed else {})}


def conversations_info(call: Call) -> Json:
    """Describe a conversation, as far as the bot can see it."""
    channel = call.channel()
    if channel.dm_of:
        return {"channel": {"id": channel.id, "is_im": True, "user": channel.dm_of, "is_archived": False}}
    is_told = call.workspace.manners.draw("is_member") == "there"
    return {
        "channel": {
            "id": channel.id,
            "name": channel.name,
            "is_channel": True,
            "is_im": False,
            "is_private": channel.is_private,
            "is_archived": channel.is_archived,
            "is_ext_shared": channel.is_ext_shared,
            "is_general": False,
            "is_shared": channel.is_ext_shared,
            **({"is_member": cast.BOT_USER in channel.members} if is_told else {}),
        }
    }


def conversations_members(call: Call) -> Json:
    """List the members of a conversation."""
    return _page(call, "members", sorted(call.channel().members))


def users_info(call: Call) -> Json:
    """Return a person's profile."""
    return {"user": _profile(call.workspace, call.workspace.person(call.need("user")))}


def users_lookup_by_email(call: Call) -> Json:
    """Find the person with an email address, in upper or lower case."""
    email = str(call.need("email")).casefold()
    for person in call.workspace.people.values():
        if person.email.casefold() == email and person.is_member and not person.deleted:
            return {"user": _profile(call.workspace, person)}
    raise SlackError("users_not_found")


def usergroups_list(call: Call) -> Json:
    """List the user groups of the workspace."""
    with_users, with_disabled = _flag(call, "include_users"), _flag(call, "include_disabled")
    return {
        "usergroups": [
            {
                "id": group.id,
                "team_id": cast.TEAM,
                "name": group.name,
                "handle": group.handle,
                "is_usergroup": True,
                "date_delete": int(group.is_disabled),
                "user_count": len(group.members),
                **({"users": group.members} if with_users else {}),
            }
            for group in call.workspace.groups.values()
            if with_disabled or not group.is_disabled
        ]
    }


def usergroups_users_list(call: Call) -> Json:
    """List the members of a user group."""
    group = call.workspace.groups.get(call.need("usergroup"))
    if group is None or (group.is_disabled and not _flag(call, "include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.members)}


def views_open(call: Call) -> Json:
    """Open a modal."""
    return _view(call, call.views.open(call.need("trigger_id"), call.need("view")))


def views_push(call: Call) -> Json:
    """Put a modal on top."""
    return _view(call, call.views.push(call.need("trigger_id"), call.need("view")))


def views_update(call: Call) -> Json:
    """Replace a modal."""
    ids = {name: str(call.args.get(name) or "") for name in ("view_id", "external_id")}
    if all(ids.values()):
        raise SlackError("invalid_arguments", messages=["[ERROR] only one of view_id and external_id"])
    fresh = call.views.update(call.need("view"), seen_hash=call.args.get("hash"), **ids)
    call.views.note_update(fresh["id"])
    return _view(call, fresh)


def views_publish(call: Call) -> Json:
    """Set a person's Home tab."""
    return _view(call, call.views.publish(call.need("user_id"), call.need("view"), call.args.get("hash")))


def _view(call: Call, view: Json) -> Json:
    return {"view": call.workspace.manners.echoed_view(view)}


def _flag(call: Call, name: str) -> bool:
    return str(call.args.get(name, "")).lower() in ("1", "true")


def _page(call: Call, name: str, items: list[str]) -> Json:
    limit, start = _number(call, "limit", 100), _number(call, "cursor", 0)
    if not 0 < limit < MOST_A_PAGE:
        raise SlackError("invalid_limit")
    if start and start >= len(items):
        raise SlackError("invalid_cursor")
    rest = start + limit < len(items)
    return {
        name: items[start : start + limit],
        "response_metadata": {"next_cursor": str(start + limit) if rest else ""},
    }


def _number(call: Call, name: str, absent: int) -> int:
    given = str(call.args.get(name) or absent)
    if not given.isdecimal():
        raise SlackError(f"invalid_{name}")
    return int(given)


def _profile(workspace: Workspace, person: Actor) -> Json:
    hides_email = person.enterprise is None or person.is_bot or "users:read.email" not in workspace.app.scopes
    profile = {"real_name": person.name, "display_name": username(person), "title": person.title}
    return {
        "id": person.slack,
        **_membership(person),
        "name": username(person),
        "real_name": person.name,
        "deleted": person.deleted,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "is_restricted": person.is_guest,
        "is_ultra_restricted": False,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        **({} if person.is_email_confirmed is None else {"is_email_confirmed": person.is_email_confirmed}),
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "updated": 0,
        "profile": profile if hides_email else {**profile, "email": person.email},
    }


def _membership(person: Actor) -> Json:
    """The person's workspaces. A Grid may leave out `team_id` for a person whose home is another workspace."""
    grid = {
        "id": person.slack,
        "enterprise_id": cast.ENTERPRISE,
        "enterprise_name": cast.ENTERPRISE_NAME,
        "is_admin": False,
        "is_owner": False,
        "teams": list(person.workspaces),
    }
    in_grid = {"enterprise_user": grid} if person.enterprise else {}
    return in_grid if person.enterprise and not person.is_at_home else {"team_id": person.team, **in_grid}


Token: TypeAlias = Literal["bot", "app"]


@dataclass(frozen=True, slots=True)
class Method:
    """One method. The token needs one of `scopes`; without any, each token of its kind is accepted.

    Methods that only read accept no JSON (`takes_json`): Slack ignores such a body.
    """

    run: Callable[[Call], Json]
    scopes: tuple[str, ...] = ()
    token: Token = "bot"
    takes_json: bool = True


_READ_CHANNEL = ("channels:read", "groups:read", "im:read")
METHODS: Mapping[str, Method] = {
    "auth.test": Method(auth_test),
    "apps.connections.open": Method(apps_connections_open, ("connections:write",), "app"),
    "team.info": Method(team_info, ("team:read",)),
    "chat.postMessage": Method(chat_post_message, ("chat:write",)),
    "chat.update": Method(chat_update, ("chat:write",)),
    "chat.delete": Method(chat_delete, ("chat:write",)),
    "chat.postEphemeral": Method(chat_post_ephemeral, ("chat:write",)),
    "chat.getPermalink": Method(chat_get_permalink, takes_json=False),
    "conversations.open": Method(conversations_open, ("im:write",)),
    "conversations.info": Method(conversations_info, _READ_CHANNEL, takes_json=False),
    "conversations.members": Method(conversations_members, _READ_CHANNEL, takes_json=False),
    "users.info": Method(users_info, ("users:read",), takes_json=False),
    "users.lookupByEmail": Method(users_lookup_by_email, ("users:read.email",), takes_json=False),
    "usergroups.list": Method(usergroups_list, ("usergroups:read",), takes_json=False),
    "usergroups.users.list": Method(usergroups_users_list, ("usergroups:read",), takes_json=False),
    "views.open": Method(views_open),
    "views.push": Method(views_push),
    "views.update": Method(views_update),
    "views.publish": Method(views_publish),
}
