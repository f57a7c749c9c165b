"""From Slack's JSON to domain values. Only the signed `user`, `team` and IDs in a payload are trusted."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from bot.domain.keys import Principal, RequestId, Secret, SlackUserId, TeamId
from bot.domain.kinds import Kind
from bot.services.commands import CardAt, Click, Deed, Draft, ReplyTo, Wish
from bot.services.form.access import names_field
from bot.services.form.fill import EXISTING
from bot.services.text import is_lifetime
from bot.slack.payloads import ids

Body: TypeAlias = Mapping[str, Any]
_TYPED_OFF = str.maketrans("\u201c\u201d\u2018\u2019\u00a0\u202f", "\"\"''  ")
"""Characters that phones and copied pages use in commands instead of plain quotes and spaces."""
BY_RULE = "rule"
"""The option for a lifetime as long as the rule allows, because Slack accepts no empty value."""
METADATA = 3000
"""How many characters of private_metadata Slack keeps with a view."""
_ATTEMPT = re.compile(r"[0-9]{1,6}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_NAMES = f"{ids.NAMES_BLOCK}:"
_DAY = 86_400
NOTHING: Body = {}
_PLACE = ("place:kind", "place:environment", "place:cloud")
"""The names in private_metadata for a field's place if its block ID is too short for it."""
_READ = frozenset({"text", "fallback", "pretext", "title", "value", "footer", "url"})
"""The fields that contain text in a message, its blocks and its attachments."""
_ESCAPED = {ord(each): f"\\u{ord(each):04x}" for each in "&<>"}


@dataclass(frozen=True, slots=True)
class Opening:
    """A click or a command that can open a modal. `team` is only a claim: see `directory.belongs`."""

    by: SlackUserId
    team: TeamId
    trigger: str
    reply: ReplyTo
    view: str | None = None
    view_hash: str | None = None
    at: float = 0.0
    """When Slack received the click (its `action_ts`), as a Unix time in seconds; 0 if it has none, like a command."""

    @property
    def is_home(self) -> bool:
        """Whether the click was on Home, where an answer belongs in a modal."""
        return bool(self.reply.home)


@dataclass(frozen=True, slots=True)
class Command(Opening):
    """`/apikey VERB REST`. `verb` is lower-case, "" when nothing was typed."""

    verb: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text typed into a searchable select. `place` is the place of a field for a resource."""

    action: str
    typed: str
    place: ids.ResourceField


def command(body: Body) -> Command:
    """Read a slash command."""
    words = str(body.get("text") or "").translate(_TYPED_OFF).split(maxsplit=1)
    return Command(
        verb=words[0].casefold() if words else "",
        rest=words[1].strip() if len(words) > 1 else "",
        by=SlackUserId(body["user_id"]),
        team=TeamId(body.get("team_id") or ""),
        trigger=str(body.get("trigger_id") or ""),  # a click in a workflow has none
        reply=ReplyTo(_url(body), body.get("channel_id")),
    )


def opening(body: Body) -> Opening:
    """Read a click or shortcut that opens or redraws a modal."""
    view = part(body, "view")
    return Opening(
        by=SlackUserId(body["user"]["id"]),
        team=_team(body),
        trigger=str(body.get("trigger_id") or ""),  # a click in a workflow has none
        view=view.get("id"),
        view_hash=view.get("hash"),
        reply=_reply(body),
        at=_clicked_at(body),
    )


def _clicked_at(body: Body) -> float:
    """When Slack received a click, to the microsecond; 0 if it doesn't say."""
    actions: Sequence[Body] = body.get("actions") or ()
    try:
        return float(actions[0].get("action_ts") or 0) if actions else 0.0
    except ValueError:
        return 0.0


def request_id(body: Body) -> RequestId:
    """The request that a button belongs to: its value, opaque to Slack."""
    return RequestId(pressed_value(body))


def pressed_value(body: Body) -> str:
    """The value of the button that was pressed; "" if it has none."""
    return str(body["actions"][0].get("value") or "")


def quoted(body: Body) -> str:
    """The first quote in the message that a click came from; "" for none. It goes back to the person who clicked."""
    blocks = (body.get("message") or NOTHING).get("blocks") or ()
    parts = (part for block in blocks for part in block.get("elements") or ())
    quotes = (part.get("elements") or () for part in parts if part.get("type") == "rich_text_quote")
    return "".join(str(each.get("text") or "") for each in next(quotes, ()))


def unfolded(body: Body) -> Body:
    """A click on an option of an overflow menu, turned into a click on the button that the option replaces.

    Slack has no value in such an action itself, only in its `selected_option`.
    """
    found: object = body.get("actions")
    if not isinstance(found, list):
        return body
    return {**body, "actions": [_as_button(each) for each in cast("list[Body]", found)]}


def _as_button(action: Body) -> Body:
    if action.get("action_id") != ids.MORE:
        return action
    pressed, value = ids.unfolded(str(part(action, "selected_option").get("value") or ""))
    return {**action, "action_id": pressed, "value": value}


def key_ref(body: Body) -> tuple[RequestId, int]:
    """The request and the attempt whose key a button belongs to; attempt 0, which is none, for anything unreadable."""
    return numbered(pressed_value(body))


def numbered(value: str) -> tuple[RequestId, int]:
    """A request and a number, as written by `ids.key_ref`; number 0 for anything unreadable."""
    request, _, number = value.partition("/")
    return RequestId(request), _number(number, _ATTEMPT)


def listed_ref(body: Body) -> tuple[Principal, int]:
    """The owner, and how many of their keys the message of the review shows; 0 for anything unreadable."""
    owner, _, number = pressed_value(body).rpartition("/")
    return Principal(owner), _number(number, _ATTEMPT)


def key_until(body: Body) -> tuple[RequestId, int, int]:
    """Like `key_ref`, plus how long the button says that the old key is kept.

    A Unix time in seconds, 0 if it doesn't say.
    """
    request, _, rest = pressed_value(body).partition("/")
    attempt, _, until = rest.partition("/")
    return RequestId(request), _number(attempt, _ATTEMPT), _number(until, _SECONDS)


def _number(text: str, shape: re.Pattern[str]) -> int:
    return int(text) if shape.fullmatch(text) else 0


def click(body: Body, deed: Deed, at: datetime) -> Click:
    """The click on a button, or a submitted form, to be carried out. The same delivery twice has the same ID."""
    return Click(
        id=click_id(body),
        by=SlackUserId(body["user"]["id"]),
        team=_team(body),
        at=at,
        deed=deed,
        reply=_reply(body),
        card=card(body),
    )


def click_id(body: Body) -> str:
    """An id that only this delivery of this click has: 20 hexadecimal characters.

    A modal that is submitted twice unchanged, for example by a double click, has the same ID.
    """
    actions: Sequence[Body] = body.get("actions") or ()
    action = actions[0] if actions else NOTHING
    marks = (body["user"]["id"], body.get("trigger_id"), action.get("action_ts"), action.get("action_id"))
    if body.get("type") == "view_submission":
        view = part(body, "view")
        typed = json.dumps(part(part(view, "state"), "values"), sort_keys=True)
        # Not its hash, which Slack sometimes omits. These say what the page is about, and which drawing it is.
        marks = (body["user"]["id"], view.get("id"), view.get("private_metadata") or "", typed)
    return hashlib.sha256("\n".join(str(mark) for mark in marks).encode()).hexdigest()[:20]


def draft(body: Body) -> Draft:
    """The form's fields as filled in. Texts are exactly as typed, and hidden fields are as they last were."""
    values, kept = form_state(body), as_kept(metadata(body))

    def chosen(block: str) -> str:
        return chosen_in(values, block) if _shown(values, block) else kept.get(block, "")

    def typed(block: str) -> str:
        return typed_in(values, block) if _shown(values, block) else kept.get(block, "")

    kind, account = chosen(ids.KIND_BLOCK) or Kind.KAFKA, chosen(ids.ACCOUNT_BLOCK)
    owner = chosen(ids.OWNER_BLOCK)
    environment, cloud = chosen(ids.ENVIRONMENT_BLOCK), chosen(ids.CLOUD_BLOCK)
    # What was chosen in another place doesn't exist in this one, even if the form hasn't been redrawn yet.
    place = ids.resource_block(kind, environment, cloud if ids.is_regional(kind) else "")
    return Draft(
        owner=account or owner if owner == EXISTING else owner,
        environment=environment,
        cluster=chosen_in(values, place, exactly=True),
        name=typed(ids.NAME_BLOCK),
        description=typed(ids.DESCRIPTION_BLOCK),
        reason=typed(ids.REASON_BLOCK),
        kind=kind,
        cloud=cloud,
        account_name=typed(ids.ACCOUNT_NAME_BLOCK),
        account_description=typed(ids.ACCOUNT_DESCRIPTION_BLOCK),
        lifetime=_lifetime(values, chosen(ids.LIFETIME_BLOCK)),
        account=account,
        ticket=typed(ids.TICKET_BLOCK),
        access=_access(values, kept),
        also=_also(values, environment),
    )


def _access(values: Body, kept: Mapping[str, str]) -> tuple[Wish, ...]:
    """What is chosen in the form, with the names that were typed for it; then what the form doesn't show now."""
    chosen: Sequence[Body] = _element(values, ids.ACCESS_BLOCK).get("selected_options") or ()
    shown = dict.fromkeys(str(each.get("value") or "") for each in chosen)
    hidden = (each.removeprefix(_NAMES) for each in kept if each.startswith(_NAMES))
    return (
        *(Wish(each, typed_in(values, names_field(each), exactly=True)) for each in shown),
        *(Wish(each, kept[names_field(each)]) for each in hidden if each not in shown),
    )


def _also(values: Body, environment: str) -> str:
    """The chosen second key, only if it's in this environment: the form may not have been redrawn yet."""
    element = _element(values, f"{ids.ALSO_BLOCK}:{environment}", exactly=True)
    chosen: Sequence[Body] = element.get("selected_options") or ()
    return str(chosen[0].get("value") or "") if chosen else ""


def _lifetime(values: Body, chosen: str) -> str:
    """The chosen lifetime in days. For `BY_RULE`, the limit that the field showed, whichever rule applies now."""
    if chosen != BY_RULE:
        return chosen
    block = next((ids.field(each) for each in values if ids.is_field(each, ids.LIFETIME_BLOCK)), "")
    days, rest = divmod(_number(block.partition(":")[2], _SECONDS), _DAY)
    return str(days) if is_lifetime(str(days)) and not rest else ""


def hidden(draft: Draft, shown: Collection[str]) -> str:
    """The values of fields that a form doesn't show, for its private_metadata. `shown` are block IDs.

    `draft.access` is the access that it doesn't show. It's dropped first if not everything fits.
    """
    place = ids.ResourceField(draft.kind, draft.environment, draft.cloud if ids.is_regional(draft.kind) else "")
    fields = {
        ids.ACCOUNT_BLOCK: draft.account,
        ids.ACCOUNT_NAME_BLOCK: draft.account_name,
        ids.ACCOUNT_DESCRIPTION_BLOCK: draft.account_description,
        ids.ENVIRONMENT_BLOCK: draft.environment,
        ids.CLOUD_BLOCK: draft.cloud,
        ids.TICKET_BLOCK: draft.ticket,
    }
    names = {ids.field(each) for each in shown}
    kept = {block: text for block, text in fields.items() if text and block not in names}
    if ids.place_of(ids.resource_block(*place)) is None:
        kept |= dict(zip(_PLACE, place, strict=True))
    access = {names_field(each.offer): each.typed for each in draft.access}
    written = (as_metadata(each) if each else "" for each in ({**kept, **access}, kept))
    return next((each for each in written if len(each) <= METADATA), "")


def as_metadata(kept: Mapping[str, str]) -> str:
    """JSON for a view's private_metadata, without characters that Slack might send back escaped."""
    written = json.dumps(kept, ensure_ascii=False)
    return written.translate(_ESCAPED)


def as_kept(metadata: str) -> Mapping[str, str]:
    """The text values that `as_metadata` wrote; empty if it's malformed."""
    with suppress(ValueError, RecursionError):
        kept: object = json.loads(metadata or "{}")
        if isinstance(kept, dict):
            found = cast("dict[str, object]", kept)
            return {name: text for name, text in found.items() if isinstance(text, str)}
    return {}


def block_of(body: Body, block: str) -> str:
    """The block's full ID in this view, with what we appended, for errors below a field; "" if it's not there."""
    blocks: Sequence[Body] = part(body, "view").get("blocks") or ()
    return next((each["block_id"] for each in blocks if ids.is_field(each.get("block_id", ""), block)), "")


def under(body: Body, problems: Mapping[str, str]) -> dict[str, str]:
    """The problems by the fields' IDs in this view, without those of fields that it doesn't show."""
    placed = {block_of(body, name): problem for name, problem in problems.items()}
    return {block: problem for block, problem in placed.items() if block}


def standing(body: Body) -> tuple[str, ...]:
    """The ids of the blocks of the view that a click came from."""
    blocks: Sequence[Body] = part(body, "view").get("blocks") or ()
    return tuple(str(each["block_id"]) for each in blocks if each.get("block_id"))


def metadata(body: Body) -> str:
    """The private_metadata of the payload's view. Slack may omit it if it's empty."""
    return str(part(body, "view").get("private_metadata") or "")


def typed(body: Body, block: str) -> str:
    """The text typed into a field of the view."""
    return typed_in(form_state(body), block)


def suggestion(body: Body) -> Suggestion:
    """Read a `block_suggestion`. Its form state may be empty or outdated, so only IDs are read."""
    kept = as_kept(metadata(body))
    place = ids.place_of(str(body.get("block_id") or ""))
    return Suggestion(
        str(body["action_id"]),
        str(body.get("value") or ""),
        ids.ResourceField(*(kept.get(each, "") for each in _PLACE)) if place is None else place,
    )


def form_state(body: Body) -> Body:
    """What was typed and chosen, by block ID, only in the fields of this view and not of an earlier page.

    A menu that Slack doesn't mention is as it was drawn.
    """
    view = part(body, "view")
    values = part(part(view, "state"), "values")
    blocks: Sequence[Body] | None = view.get("blocks")
    if blocks is None:
        return values
    return {
        **{block: menu for each in blocks for block, menu in _as_drawn(each)},
        **{block: values[block] for block in standing(body) if block in values},
    }


def _as_drawn(block: Body) -> Iterable[tuple[str, Body]]:
    element = part(block, "element")
    if block.get("type") != "input":
        return
    for drawn, chosen in (("initial_option", "selected_option"), ("initial_options", "selected_options")):
        if drawn in element:
            as_chosen = {"type": element.get("type"), chosen: element[drawn]}
            yield str(block.get("block_id")), {str(element.get("action_id")): as_chosen}


def part(body: Body, name: str) -> Body:
    """An object inside an object; empty if it's absent or null."""
    part: Body | None = body.get(name)
    return NOTHING if part is None else part


def message_text(body: Body) -> str:
    """All text in the message of a shortcut, one piece per line. It may contain a secret, so don't keep it."""
    return "\n".join(_texts(body.get("message")))


def _texts(part: object) -> Iterable[str]:
    if isinstance(part, list):
        for each in cast("list[object]", part):
            yield from _texts(each)
    elif isinstance(part, dict):
        for name, value in cast("dict[str, object]", part).items():
            if isinstance(value, str):
                yield from [value] if name in _READ else []
            else:
                yield from _texts(value)


def _team(body: Body) -> TeamId:
    """The person's own workspace, "" if the payload doesn't say. Never `team`, which is where they clicked."""
    return TeamId(part(body, "user").get("team_id") or "")


def _reply(body: Body) -> ReplyTo:
    view = part(body, "view")
    waiting = click_id(body) if body.get("type") == "view_submission" else ""
    return ReplyTo(
        _url(body),
        part(body, "channel").get("id"),
        view.get("id") if view.get("type") == "modal" else None,
        waiting,
        str(body.get("trigger_id") or "") if view.get("type") == "home" else "",
    )


def _url(body: Body) -> Secret | None:
    url = body.get("response_url")
    return Secret(url) if url else None


def card(body: Body) -> CardAt | None:
    """The message with the button; None if it's one that Latchkey doesn't update."""
    container = part(body, "container")
    if container.get("type") != "message" or container.get("is_ephemeral") or _is_listed(body):
        return None
    return CardAt(container["channel_id"], container["message_ts"])


def _is_listed(body: Body) -> bool:
    """Whether the button was in a list of requests, which is sent as a DM if it can't be ephemeral."""
    return any(ids.is_field(str(each.get("block_id")), ids.LISTED_BLOCK) for each in body.get("actions") or ())


def _shown(values: Body, block: str) -> bool:
    return any(ids.is_field(block_id, block) for block_id in values)


def _element(values: Body, block: str, *, exactly: bool = False) -> Body:
    found = (each for each in values if (ids.field(each) == block if exactly else ids.is_field(each, block)))
    elements = part(values, next(found, ""))
    return part(elements, next(iter(elements), ""))


def chosen_in(values: Body, block: str, *, exactly: bool = False) -> str:
    """The value of the option chosen in a field, from a form's state; "" for none."""
    option = part(_element(values, block, exactly=exactly), "selected_option")
    return str(option.get("value") or "")


def typed_in(values: Body, block: str, *, exactly: bool = False) -> str:
    """The text typed into a field, from a form's state."""
    typed = str(_element(values, block, exactly=exactly).get("value") or "")
    return typed.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half an emoji cannot be stored
