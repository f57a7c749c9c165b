"""From Slack's JSON to domain values. Nothing in a payload but its signed `user`, `team` and ids is believed."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from bot.domain.keys import RequestId, Secret, SlackUserId, TeamId
from bot.services.clicks import CardAt, Click, Deed, Draft, ReplyTo
from bot.slack import ids

Body: TypeAlias = Mapping[str, Any]
_TYPED_OFF = str.maketrans("\u201c\u201d\u2018\u2019\u00a0\u202f", "\"\"''  ")
"""What phones and copied pages put into commands in place of plain quotes and spaces."""


_ATTEMPT = re.compile(r"[0-9]{1,6}")
_NOTHING: Body = {}


@dataclass(frozen=True, slots=True)
class Command:
    """`/apikey VERB REST`. `verb` is lower-case, "" when nothing was typed."""

    verb: str
    rest: str
    by: SlackUserId
    team: TeamId
    trigger: str
    reply: ReplyTo


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody pressed something that opens a modal."""

    by: SlackUserId
    team: TeamId
    trigger: str
    view: str | None
    view_hash: str | None
    reply: ReplyTo


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Somebody types into a searchable select."""

    action: str
    typed: str
    environment: str


def command(body: Body) -> Command:
    """Read a slash command."""
    words = str(body.get("text") or "").translate(_TYPED_OFF).split(maxsplit=1)
    return Command(
        verb=words[0].casefold() if words else "",
        rest=words[1].strip() if len(words) > 1 else "",
        by=SlackUserId(body["user_id"]),
        team=TeamId(body.get("team_id") or ""),
        trigger=body["trigger_id"],
        reply=ReplyTo(_url(body), body.get("channel_id")),
    )


def opening(body: Body) -> Opening:
    """Read a click or shortcut that opens or redraws a modal."""
    view = _part(body, "view")
    return Opening(
        by=SlackUserId(body["user"]["id"]),
        team=_team(body),
        trigger=body["trigger_id"],
        view=view.get("id"),
        view_hash=view.get("hash"),
        reply=_reply(body),
    )


def request_id(body: Body) -> RequestId:
    """The request that a button belongs to: its value, opaque to Slack."""
    return RequestId(str(body["actions"][0].get("value") or ""))


def key_ref(body: Body) -> tuple[RequestId, int]:
    """The request and the attempt whose key a button belongs to; attempt 0, which is none, for anything unreadable."""
    request, _, attempt = str(body["actions"][0].get("value") or "").partition("/")
    return RequestId(request), int(attempt) if _ATTEMPT.fullmatch(attempt) else 0


def click(body: Body, deed: Deed, at: datetime) -> Click:
    """Read a button or a submit as something to be carried out; the same delivery twice gives the same id."""
    return Click(
        id=click_id(body),
        by=SlackUserId(body["user"]["id"]),
        team=_team(body),
        at=at,
        deed=deed,
        reply=_reply(body),
        card=_card(body),
    )


def click_id(body: Body) -> str:
    """An id that only this delivery of this click has: 20 hexadecimal characters."""
    actions: Sequence[Body] = body.get("actions") or ()
    action = actions[0] if actions else _NOTHING
    marks = (body["user"]["id"], body.get("trigger_id"), action.get("action_ts"), action.get("action_id"))
    return hashlib.sha256("\n".join(str(mark) for mark in marks).encode()).hexdigest()[:20]


def draft(body: Body) -> Draft:
    """The form's fields as they stand. Text is kept exactly as typed."""
    values = body["view"]["state"]["values"]
    owner = _chosen(values, ids.OWNER_BLOCK)
    return Draft(
        owner="me" if owner == "me" else _chosen(values, ids.ACCOUNT_BLOCK) if owner else "",
        environment=_chosen(values, ids.ENVIRONMENT_BLOCK),
        cluster=_chosen(values, ids.CLUSTER_BLOCK),
        name=_typed(values, ids.NAME_BLOCK),
        description=_typed(values, ids.DESCRIPTION_BLOCK),
        reason=_typed(values, ids.REASON_BLOCK),
    )


def wants_account(body: Body) -> bool:
    """Whether the form stands on "a service account"."""
    return _chosen(body["view"]["state"]["values"], ids.OWNER_BLOCK) == "service-account"


def block_of(body: Body, block: str) -> str:
    """The block's id as it stands in this view, with what we appended to it; for errors under a field."""
    return next((each["block_id"] for each in body["view"]["blocks"] if _is(each.get("block_id", ""), block)), block)


def deny_reason(body: Body) -> str:
    """The reason typed into the Deny modal."""
    return _typed(body["view"]["state"]["values"], ids.REASON_BLOCK)


def suggestion(body: Body) -> Suggestion:
    """Read a `block_suggestion`."""
    values = _part(_part(_part(body, "view"), "state"), "values")
    return Suggestion(body["action_id"], str(body.get("value") or ""), _chosen(values, ids.ENVIRONMENT_BLOCK))


def _part(body: Body, name: str) -> Body:
    """An object inside an object; empty when it is absent or null."""
    part: Body | None = body.get(name)
    return _NOTHING if part is None else part


def _team(body: Body) -> TeamId:
    """The workspace of the person, which in a shared channel is not the workspace of the app."""
    user, team = _part(body, "user"), _part(body, "team")
    return TeamId(user.get("team_id") or team.get("id") or "")


def _reply(body: Body) -> ReplyTo:
    view = _part(body, "view")
    is_modal = view.get("type") == "modal"
    return ReplyTo(_url(body), _part(body, "channel").get("id"), view.get("id") if is_modal else None)


def _url(body: Body) -> Secret | None:
    url = body.get("response_url")
    return Secret(url) if url else None


def _card(body: Body) -> CardAt | None:
    container = _part(body, "container")
    if container.get("type") != "message" or container.get("is_ephemeral"):
        return None
    return CardAt(container["channel_id"], container["message_ts"])


def _is(block_id: str, block: str) -> bool:
    return block_id == block or block_id.startswith(f"{block}:")


def _element(values: Body, block: str) -> Body:
    found = next((block_id for block_id in values if _is(block_id, block)), "")
    elements = _part(values, found)
    return _part(elements, next(iter(elements), ""))


def _chosen(values: Body, block: str) -> str:
    option = _part(_element(values, block), "selected_option")
    return str(option.get("value") or "")


def _typed(values: Body, block: str) -> str:
    typed = str(_element(values, block).get("value") or "")
    return typed.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half an emoji cannot be stored
