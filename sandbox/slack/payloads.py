"""The payloads that the bot receives, in Slack's format."""

import secrets

from sandbox import cast
from sandbox.cast import Actor
from sandbox.slack.blocks import Json
from sandbox.slack.workspace import Channel

LEGACY_TOKEN = "verification-token"
_DOMAINS = {cast.TEAM: "acme", cast.LABS_TEAM: "acme-labs", cast.PARTNER_TEAM: "partner"}


def username(person: Actor) -> str:
    """The person's Slack handle."""
    return person.email.partition("@")[0].lower()


def _user(person: Actor) -> Json:
    return {"id": person.slack, "username": username(person), "name": username(person), "team_id": person.team}


def _place(person: Actor) -> str:
    """The workspace in which a person clicks: the app's workspace, for all its members."""
    return cast.TEAM if person.is_member else person.team


def _team(person: Actor) -> Json:
    team = _place(person)
    return {"id": team, "domain": _DOMAINS[team], **_organization(person)}


def _organization(person: Actor) -> Json:
    return {"enterprise_id": cast.ENTERPRISE, "enterprise_name": cast.ENTERPRISE_NAME} if person.enterprise else {}


def _interaction(kind: str, person: Actor) -> Json:
    return {
        "type": kind,
        "user": _user(person),
        "api_app_id": cast.APP_ID,
        "token": LEGACY_TOKEN,
        **_where(person),
        "is_enterprise_install": False,
    }


def _where(person: Actor) -> Json:
    """`team`, which may be null for a person whose home is elsewhere, and the organization."""
    if person.is_at_home or not person.enterprise:
        return {"team": _team(person), "enterprise": None}
    return {"team": None, "enterprise": {"id": cast.ENTERPRISE, "name": cast.ENTERPRISE_NAME}}


def slash_command(person: Actor, channel: Channel, command: str, text: str, *, trigger: str, url: str) -> Json:
    """The form fields of a slash command."""
    return {
        "token": LEGACY_TOKEN,
        "team_id": _place(person),
        "team_domain": _DOMAINS[_place(person)],
        **_organization(person),
        "channel_id": channel.id,
        "channel_name": channel.name_in_payloads,
        "user_id": person.slack,
        "user_name": username(person),
        "command": command,
        "text": text,
        "api_app_id": cast.APP_ID,
        "is_enterprise_install": "false",
        "response_url": url,
        "trigger_id": trigger,
    }


def message_action(person: Actor, channel: Channel, message: Json, action: Json, *, trigger: str, url: str) -> Json:
    """A click in a stored message. `message` includes the `state` of its form."""
    shown = {name: value for name, value in message.items() if name != "state"}
    return {
        **_interaction("block_actions", person),
        "container": _in_message(channel, message["ts"], is_ephemeral=False, thread=message.get("thread_ts")),
        "trigger_id": trigger,
        "channel": {"id": channel.id, "name": channel.name_in_payloads},
        "message": shown,
        "state": message["state"],
        "response_url": url,
        "actions": [action],
    }


def ephemeral_action(
    person: Actor, channel: Channel, ts: str, action: Json, state: Json, *, trigger: str, url: str
) -> Json:
    """A click in an ephemeral message. Slack can't include the message, because it isn't stored."""
    return {
        **_interaction("block_actions", person),
        "container": _in_message(channel, ts, is_ephemeral=True),
        "trigger_id": trigger,
        "channel": {"id": channel.id, "name": channel.name_in_payloads},
        "state": state,
        "response_url": url,
        "actions": [action],
    }


def _in_message(channel: Channel, ts: str, *, is_ephemeral: bool, thread: str | None = None) -> Json:
    place = {"type": "message", "message_ts": ts, "channel_id": channel.id, "is_ephemeral": is_ephemeral}
    return {**place, "thread_ts": thread} if thread else place


def view_action(person: Actor, view: Json, action: Json, *, trigger: str) -> Json:
    """A click or a choice in a modal or on the Home tab. It has no response_url."""
    return {
        **_interaction("block_actions", person),
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": trigger,
        "view": view,
        "actions": [action],
    }


def block_suggestion(person: Actor, view: Json, block_id: str, action_id: str, value: str) -> Json:
    """Text typed into an external menu of a view."""
    return {
        **_suggestion(person, block_id, action_id, value),
        "container": {"type": "view", "view_id": view["id"]},
        "view": view,
    }


def message_suggestion(
    person: Actor, channel: Channel, message: Json, block_id: str, action_id: str, value: str
) -> Json:
    """Text typed into an external menu of a message. An ephemeral message (`ephemeral`) isn't included."""
    is_ephemeral = bool(message.get("ephemeral"))
    return {
        **_suggestion(person, block_id, action_id, value),
        "container": _in_message(channel, message["ts"], is_ephemeral=is_ephemeral),
        "channel": {"id": channel.id, "name": channel.name_in_payloads},
        **({} if is_ephemeral else {"message": message}),
    }


def _suggestion(person: Actor, block_id: str, action_id: str, value: str) -> Json:
    typed = {"action_id": action_id, "block_id": block_id, "value": value}
    user = _user(person) if person.is_at_home or not person.enterprise else _of_organization(person)
    return {**_interaction("block_suggestion", person), **typed, "user": user}


def _of_organization(person: Actor) -> Json:
    """The user as Slack's reference for suggestions has it: with a Grid's organization instead of a workspace."""
    return {**_user(person), "team_id": person.enterprise}


def view_submission(person: Actor, view: Json, *, trigger: str) -> Json:
    """A click on the modal's submit button."""
    return {**_interaction("view_submission", person), "trigger_id": trigger, "view": view, "response_urls": []}


def view_closed(person: Actor, view: Json, *, is_cleared: bool) -> Json:
    """Cancel (`is_cleared` false), or the X of the whole stack (true; `view` is the root)."""
    bare = {**view, "state": {"values": {}}}
    return {**_interaction("view_closed", person), "view": bare, "is_cleared": is_cleared, "response_urls": []}


def global_shortcut(person: Actor, callback_id: str, *, trigger: str, ts: str) -> Json:
    """A global shortcut: it has no channel and no response_url."""
    return {
        "type": "shortcut",
        "token": LEGACY_TOKEN,
        "action_ts": ts,
        **_where(person),
        "user": {"id": person.slack, "username": username(person), "team_id": person.team},
        "is_enterprise_install": False,
        "callback_id": callback_id,
        "trigger_id": trigger,
    }


def message_shortcut(
    person: Actor, channel: Channel, message: Json, callback_id: str, *, trigger: str, url: str, ts: str
) -> Json:
    """A shortcut in the menu of a message. The payload includes the stored message."""
    return {
        "type": "message_action",
        "token": LEGACY_TOKEN,
        "action_ts": ts,
        "team": _team(person),
        "user": {"id": person.slack, "name": username(person)},
        "channel": {"id": channel.id, "name": channel.name_in_payloads},
        "callback_id": callback_id,
        "trigger_id": trigger,
        "message_ts": message["ts"],
        "message": message,
        "response_url": url,
    }


def app_home_opened(person: Actor, channel: Channel, tab: str, view: Json | None, ts: str) -> Json:
    """A visit to a tab of the app, `home` or `messages`. `view` is the Home tab, if one was published."""
    event = {"type": "app_home_opened", "user": person.slack, "channel": channel.id, "event_ts": ts, "tab": tab}
    return {
        "token": LEGACY_TOKEN,
        "team_id": cast.TEAM,
        "enterprise_id": cast.ENTERPRISE,
        "api_app_id": cast.APP_ID,
        "event": {**event, **({"view": _seen_home(view)} if view else {})},
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(6).upper()}",
        "event_time": int(float(ts)),
        "authorizations": [
            {
                "enterprise_id": cast.ENTERPRISE,
                "team_id": cast.TEAM,
                "user_id": cast.BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            },
        ],
        "is_ext_shared_channel": False,
    }


def _seen_home(view: Json) -> Json:
    """The Home tab as an event has it: without its state and without fields that only modals have."""
    left_out = {"state", "title", "close", "submit", "previous_view_id"}
    return {name: value for name, value in view.items() if name not in left_out}
