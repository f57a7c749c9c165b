"""From Slack's JSON to what to do with a key: which key, from which page, and what was typed there.

A key's ID comes back in a button's value or a page's private_metadata. Neither proves anything: code that acts on it
checks that the person who clicked can see the key.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace

from bot.domain.keys import KeyId
from bot.services.commands import Delete, Draft, Edit, Extend, Rotate, fingerprint
from bot.services.form.validate import LIMITS, is_blank, text_problem, text_problems
from bot.services.pages import Filters
from bot.services.requests.change import CONFIRM
from bot.slack.payloads import ids, read
from bot.slack.payloads.read import BY_RULE, NOTHING, Body, as_kept, part, pressed_value, typed

ALL = "all"
"""The option without a filter, because a menu next to buttons can't be cleared."""
TYPED = 150
"""How many characters a search can have."""
DEEPEST = 3
"""How many modals can be stacked."""
_ID = re.compile(r"[A-Z0-9]{8,64}")
_AROUND = "<>`'\"*_~.,;:()[]#@!?| \t\r\n\u2018\u2019\u201c\u201d\u00ab\u00bb\u200b"
"""Characters that people and Slack put around an ID."""
_WRITTEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_DAYS = re.compile(r"[0-9]{1,4}")
_NO_DAYS = 10_000
_SEEN = 2
"""How many values an edit page's private_metadata has before its texts' fingerprints: key, and both texts'
fingerprint."""


def key_id(typed: str) -> KeyId | None:
    """The ID of a key, also if typed in lower case, in quotes or as code; None if it can't be one."""
    words = typed.split()
    word = words[0].strip(_AROUND).upper() if words else ""
    return KeyId(word) if _ID.fullmatch(word) else None


def key_ids(typed: str) -> tuple[KeyId, ...]:
    """The key IDs in a text, each once, in order."""
    found = (key_id(word) for word in typed.replace(",", " ").replace(";", " ").split())
    return tuple(dict.fromkeys(each for each in found if each is not None))


def pressed(body: Body) -> KeyId:
    """The key that a button belongs to; "", which is no key's ID, for anything unreadable."""
    return _own(pressed_value(body))


def shown(body: Body) -> KeyId:
    """The key whose page this is; "" for anything unreadable."""
    return _own(read.metadata(body))


def depth(body: Body) -> int:
    """How many modals are stacked, including this one; 0 for a click in a message, or on Home."""
    view = part(body, "view")
    if view.get("type") != "modal":
        return 0
    below, root = view.get("previous_view_id"), view.get("root_view_id")
    return 1 if not below else 2 if below == root else DEEPEST


def filters(body: Body) -> Filters:
    """The list's filters: those that it was drawn with, and what was chosen and typed since.

    Slack may omit a menu that nobody touched, so the page's private_metadata has what it shows.
    """
    drawn = as_drawn(read.metadata(body))
    said = read.form_state(body)
    menus = part(said, ids.FILTERS_BLOCK)
    pressed: Body = next(iter(body.get("actions") or ()), NOTHING)

    def chosen(action: str, before: str) -> str:
        touched = (pressed if pressed.get("action_id") == action else NOTHING, part(menus, action))
        option = next((str(part(each, "selected_option").get("value") or "") for each in touched if each), "")
        return "" if option == ALL else option or before

    text = read.typed_in(said, ids.TEXT_BLOCK) if ids.TEXT_BLOCK in said else drawn.text
    return Filters(
        chosen(ids.LIST_OWNER, drawn.owner),
        chosen(ids.LIST_KIND, drawn.kind),
        chosen(ids.LIST_ENVIRONMENT, drawn.environment),
        text[:TYPED],
        chosen(ids.LIST_ORDER, drawn.order),
    )


def as_drawn(metadata: str) -> Filters:
    """The filters that a list was drawn with, from its private_metadata; none if it's malformed."""
    kept = as_kept(metadata)
    return Filters(**{each.name: kept.get(each.name, "") for each in fields(Filters)})


def turn(body: Body) -> str:
    """The cursor of the next or the previous page; "" for the first one.

    A cursor is only valid for the filters that the list was drawn with, and not for what was typed or chosen since.
    """
    is_turn = body["actions"][0].get("action_id") in {ids.LIST_NEXT, ids.LIST_PREVIOUS}
    is_same = _trimmed(filters(body)) == _trimmed(as_drawn(read.metadata(body)))
    return pressed_value(body) if is_turn and is_same else ""


def _trimmed(filters: Filters) -> Filters:
    return replace(filters, text=filters.text.strip())


def snippet(body: Body) -> str:
    """Which client configuration was chosen."""
    return str(part(body["actions"][0], "selected_option").get("value") or "")


def edit(body: Body) -> Edit:
    """A submitted edit."""
    key, seen, *_ = *_metadata(body), "", ""
    name, description = typed(body, ids.NAME_BLOCK), typed(body, ids.DESCRIPTION_BLOCK)
    return Edit(_own(key), name, description, seen, typed(body, ids.REASON_BLOCK), ticket=_ticket(body))


def delete(body: Body) -> Delete:
    """A submitted deletion."""
    return Delete(shown(body), typed(body, ids.WORD_BLOCK), typed(body, ids.REASON_BLOCK), ticket=_ticket(body))


def rotate(body: Body) -> Rotate:
    """A submitted rotation. A malformed overlap becomes one that no policy allows."""
    days = read.chosen_in(read.form_state(body), ids.OVERLAP_BLOCK)
    return Rotate(
        shown(body),
        typed(body, ids.NAME_BLOCK),
        typed(body, ids.DESCRIPTION_BLOCK),
        typed(body, ids.REASON_BLOCK),
        int(days) if _MOST_DAYS.fullmatch(days) else _NO_DAYS,
        _lifetime(body),
        ticket=_ticket(body),
    )


def extend(body: Body) -> Extend:
    """A submitted extension."""
    return Extend(shown(body), typed(body, ids.REASON_BLOCK), _lifetime(body), ticket=_ticket(body))


def _ticket(body: Body) -> str:
    return typed(body, ids.TICKET_BLOCK)


def problems(body: Body, deed: Edit | Delete | Rotate | Extend) -> Mapping[str, str]:
    """The problems with what was typed, by block. The same is checked again when it's carried out.

    A text's field and its block have the same name.
    """
    return read.under(body, _problems(body, deed))


def _problems(body: Body, deed: Edit | Delete | Rotate | Extend) -> Mapping[str, str]:
    match deed:
        case Edit():
            # The key's present texts may stay, whatever they are.
            texts = Draft(
                name=deed.name or "-",
                description=deed.description,
                reason="-" if is_blank(deed.reason) else deed.reason,
            )
            found = text_problems(texts)
            return {block: found[block] for block in found if not _is_as_it_was(body, block)} | _no_reason(body, deed)
        case Delete():
            wrong = {} if deed.word == CONFIRM else {ids.WORD_BLOCK: f"Type {CONFIRM} in capital letters."}
            problem = text_problem(deed.reason, LIMITS["reason"])
            return wrong | ({ids.REASON_BLOCK: problem} if problem else _no_reason(body, deed))
        case Rotate():
            return text_problems(Draft(name=deed.name, description=deed.description, reason=deed.reason))
        case Extend():
            return text_problems(Draft(name="-", reason=deed.reason))


def _no_reason(body: Body, deed: Edit | Delete) -> dict[str, str]:
    """The error for a missing reason, if the page asks for one: Slack accepts spaces as an answer."""
    blocks: list[Body] = part(body, "view").get("blocks") or []
    asks = any(
        ids.is_field(str(each.get("block_id")), ids.REASON_BLOCK) and not each.get("optional") for each in blocks
    )
    return {ids.REASON_BLOCK: "Enter a reason."} if asks and is_blank(deed.reason) else {}


def _own(written: str) -> KeyId:
    """An ID that we wrote into a view, exactly as Confluent has it."""
    return KeyId(written if _WRITTEN.fullmatch(written) else "")


def _is_as_it_was(body: Body, block: str) -> bool:
    """Whether a field still has the key's text from when the page was opened."""
    text, held = typed(body, block), _metadata(body)
    marks = {ids.NAME_BLOCK: fingerprint(text, ""), ids.DESCRIPTION_BLOCK: fingerprint("", text)}
    return block in marks and marks[block] in held[_SEEN:]


def _metadata(body: Body) -> list[str]:
    return read.metadata(body).split(" ")


def _lifetime(body: Body) -> str:
    """The lifetime in days; "" means as long as the rule allows."""
    chosen = read.chosen_in(read.form_state(body), ids.LASTS_BLOCK)
    return "" if chosen == BY_RULE else chosen
