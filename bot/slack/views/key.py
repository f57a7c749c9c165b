"""The pages of one key: all about it, and to edit, delete, rotate and extend it. Pure.

A key that was created elsewhere may have a name of any length with any characters: next to our own words, it's on one
line and cut if it's too long to read. A description is in a quote, where nothing looks like ours.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.domain.deadlines import lifetime
from bot.domain.keys import Operation, ServiceAccount
from bot.domain.requests import Keyed, Living, Request, Withdrawn
from bot.services.commands import fingerprint
from bot.services.form.validate import LIMITS
from bot.services.pages import ChangePage, DeletePage, EditPage, ExtendPage, KeyPage, KeyView, RotatePage
from bot.services.requests.change import CONFIRM
from bot.slack.blocks.kit import (
    actions,
    asking,
    button,
    field,
    fields,
    header,
    menu,
    modal,
    option,
    redrawn,
    text_input,
)
from bot.slack.blocks.newer import alert
from bot.slack.blocks.text import Block, Bold, Code, Day, Mention, Piece, Row, flat, lines, mrkdwn, quote
from bot.slack.messages import snippets
from bot.slack.messages.access import granted_rows, removal
from bot.slack.messages.card import key_buttons, needs, title_row
from bot.slack.messages.facts import owner_row, resource_row
from bot.slack.messages.leak.told import reporter
from bot.slack.messages.progress import Rows, progress, waits
from bot.slack.messages.state import LEAKED, of_key
from bot.slack.payloads import ids
from bot.slack.payloads.read import BY_RULE
from bot.slack.views.approvers import conditions, in_a_row
from bot.slack.views.options import lifetime_options
from bot.slack.views.ticket import ticket_field

_PLAN = (
    "You get a new key for the same account and resource. View its secret, then switch your applications "
    "to it before the old key is deleted."
)
_PLAN_OF_A_LEAKED_ONE = (
    "You get a new key for the same account and resource. The reported key keeps working at least until you view "
    "the new secret. To stop it now, delete it instead."
)
_OVERLAP = "Starts when you view the new secret. If you keep the old key, you can shorten this time or add a day later."
_STOPS = (
    "every application using this key will stop working. This is permanent: not even Confluent can restore the key."
)
_TAG = "Latchkey's own tag at the end of the description is hidden and kept."
_BY_LATCHKEY = "Latchkey deletes it then."
_BY_CONFLUENT = "Confluent Cloud deletes it then, and no one can change that."
CONSOLE = "https://confluent.cloud/settings/api-keys"
_AS_A_DATE_SAYS = timedelta(days=2)
"""Up to this age, Slack says "today" or "yesterday" instead of a date."""
_LONG = 200
"""From this many characters on, a description gets a multiline field."""
_ORDER = (Operation.EDIT, Operation.ROTATE, Operation.EXTEND, Operation.DELETE)
"""The order of the buttons under a key; the last one is the only red one."""
_ORDER_OF_A_LEAKED_ONE = (Operation.ROTATE, Operation.DELETE, Operation.EDIT, Operation.EXTEND)


def key(content: KeyPage) -> Block:
    """All about one key."""
    view = content.view
    name = flat(view.key.name) or "(no name)"
    blocks = [*([mrkdwn(content.notice)] if content.notice else []), *_leaked(view)]
    standing = LEAKED if view.leak else of_key(view.request) if view.request else None
    blocks += [header(f"{standing} · {name}" if standing else name), *fields(*_facts(view))]
    if view.key.description.strip():
        blocks += [lines([Bold("Description")]), quote(view.key.description)]
    blocks.append(lines([Bold("History")], *_history(view)))
    if view.request is not None and view.request.ask.reason.strip():
        blocks += [lines([Bold("Reason")]), quote(view.request.ask.reason)]
    if granted := granted_rows(view.access, view.resource):
        blocks.append(lines(*granted))
    if view.key.kind is not None and not isinstance(view.request, Withdrawn):
        blocks.append(snippets.select(view.key.kind, ids.SNIPPET_BLOCK, ids.KEY_SNIPPET))
    order = _ORDER_OF_A_LEAKED_ONE if view.leak else _ORDER
    buttons = key_buttons(view.key.id, [each for each in order if each in view.may])
    if view.request is not None and view.can_remove_access:
        buttons.append(_remove_access(view, view.request))
    if buttons:
        blocks.append(actions(*buttons))
    blocks.append(mrkdwn(f"<{CONSOLE}|API keys in Confluent Cloud>"))
    return modal("API key", blocks, callback=ids.PAGE, metadata=view.key.id)


def _remove_access(view: KeyView, request: Request) -> Block:
    ref = ids.key_ref(request.ask.id, request.attempt if isinstance(request, Keyed) else 0)
    text = "Remove access"
    return asking(button(text, ids.REMOVE_ACCESS, ref), "Remove access?", removal(view.access), text, danger=True)


def edit(content: EditPage) -> Block:
    """The page to change name and description."""
    view = content.view
    now = (view.key.name, view.key.description)
    name, description, reason, ticket = content.typed or (*now, "", "")
    blocks = [*_top(content, *_what(view)), _needs(content)]
    if content.typed is not None:
        blocks += [
            lines([Bold("Current name and description")]),
            quote(f"{now[0] or 'no name'}\n{now[1] or 'no description'}"),
        ]
    stays = _TAG if view.request else ""
    named = field("Name", ids.NAME_BLOCK, text_input(ids.FORM_TEXT, name, limit=LIMITS["name"]), optional=True)
    blocks += [named, _description(description, stays), _reason(content, reason)]
    blocks = redrawn([*blocks, *ticket_field(content.terms.ticket, ticket)], content.drawing)
    # Slack sends back its own copy of what a field was drawn with, escaped: what it held is told by these.
    metadata = f"{view.key.id} {fingerprint(*now)} {fingerprint(now[0], '')} {fingerprint('', now[1])}"
    submit = _sends(content, "Save")
    return modal("Edit API key", blocks, callback=ids.EDIT, submit=submit, close="Cancel", metadata=metadata)


def delete(content: DeletePage) -> Block:
    """What is lost with a key, and the field for the word."""
    view = content.view
    word = text_input(ids.FORM_TEXT, "", limit=LIMITS["name"])
    stops = f"Once this is approved, {_STOPS}" if content.terms.approvals else f"{_STOPS[:1].upper()}{_STOPS[1:]}"
    blocks = [
        *_top(content, *about(view), *_access_left(view)),
        alert("error", stops, on="modal"),
        _needs(content),
        field(f"Type {CONFIRM} to delete this API key", ids.WORD_BLOCK, word),
        _reason(content, _why(view)),
        *ticket_field(content.terms.ticket),
    ]
    return _asking("Delete API key", blocks, ids.DELETE, view, _sends(content, "Delete API key"))


def _access_left(view: KeyView) -> Rows:
    """The access that remains without the key: roles belong to the account, which may have other keys."""
    if not any(each.state == "given" for each in view.access):
        return []
    keeps: Row = ["The account keeps the access that was granted with this key."]
    if view.can_remove_access:
        keeps = [*keeps, " If nothing else needs it, select ", Bold("Remove access"), " on the key's page first."]
    return [keeps]


def rotate(content: RotatePage) -> Block:
    """The page to replace this key with a new one."""
    view = content.view
    name = text_input(ids.FORM_TEXT, view.key.name, limit=LIMITS["name"])
    blocks = [
        *_top(content, *_what(view)),
        lines([_PLAN_OF_A_LEAKED_ONE if view.leak else _PLAN]),
        _needs(content),
        field("Name of the new key", ids.NAME_BLOCK, name),
        _description(view.key.description),
        field("Keep the old key for", ids.OVERLAP_BLOCK, _overlaps(content), hint=_OVERLAP),
        field("Lifetime of the new key", ids.LASTS_BLOCK, _lifetimes(view, lifetime_options(content.terms.lifetime))),
        _reason(content, _why(view)),
        *ticket_field(content.terms.ticket),
    ]
    return _asking("Rotate API key", blocks, ids.ROTATE, view, _sends(content, "Rotate"))


def extend(content: ExtendPage) -> Block:
    """The page to extend a key that expires."""
    view = content.view
    counted = " after approval" if content.terms.approvals else " from now"
    longer = lifetime_options(content.terms.lifetime, content.left, content.most, counted)
    blocks = [
        *_top(content, *_what(view), ["Expires: ", *_end(view)]),
        _needs(content),
        field("New expiration", ids.LASTS_BLOCK, _lifetimes(view, longer, content.left)),
        _reason(content),
        *ticket_field(content.terms.ticket),
    ]
    return _asking("Extend API key", blocks, ids.EXTEND, view, _sends(content, "Extend"))


def configuration(view: KeyView, drawn: Sequence[Block]) -> Block:
    """A client configuration for a key."""
    return modal("Client configuration", drawn, callback=ids.PAGE, close="Back", metadata=view.key.id)


def loading(title: str) -> Block:
    """The page while Confluent is asked."""
    return modal(title, [lines(["Checking with Confluent Cloud…"])], callback=ids.PAGE)


def about(view: KeyView) -> Rows:
    """The key's account and resource, age and expiration."""
    return [*_what(view), ["Created: ", *_age(view)], *([["Expires: ", *_end(view)]] if _end(view) else [])]


def _facts(view: KeyView) -> list[tuple[str, Row]]:
    """The same with the key's id, in two columns."""
    account, opens = (_named(row) for row in _what(view))
    facts: list[tuple[str, Row]] = [("Key ID", [Code(view.key.id)]), account, opens, ("Created", _age(view))]
    return [*facts, *([("Expires", _end(view))] if _end(view) else [])]


def _named(row: Row) -> tuple[str, Row]:
    """A row that begins with its label, as a fact."""
    label, *rest = row
    return str(label).rstrip(": "), rest


def _age(view: KeyView) -> Row:
    if view.key.created_at is None:
        return ["unknown"]
    is_said = view.age is None or view.age < _AS_A_DATE_SAYS
    return [view.key.created_at, *([] if is_said else [" (", ago(view), ")"])]


def ago(view: KeyView) -> Piece:
    """How long a key has existed, in whole days: "12 days ago"; "" if that's unknown.

    In its first 24 hours, Slack says "today" or "yesterday", which depends on the reader's time zone.
    """
    if view.age is None or view.key.created_at is None:
        return ""
    days = view.age.days
    return Day(view.key.created_at) if days < 1 else "1 day ago" if days == 1 else f"{days:,} days ago"


def _what(view: KeyView) -> Rows:
    own, owner = "your own" if view.is_own else flat(view.owner_name) or view.owner.id, view.owner
    if isinstance(owner, ServiceAccount):  # one that was just created has no name in the catalog yet
        owner = replace(owner, name=owner.name or view.owner_name)
    if view.key.kind is None:
        opens: Row = ["Resource: ", Code(view.key.resource or "?"), " (unknown scope)"]
        return [owner_row(owner, own), opens]
    return [owner_row(owner, own), resource_row(view.resource)]


def _end(view: KeyView) -> Row:
    """When it expires; empty for a key that is being deleted."""
    if isinstance(view.request, Withdrawn):
        return []
    if view.ends_at is None:
        return ["never"]
    if view.replaced and view.ends_at == view.replaced.until:
        return [view.ends_at, f". {_BY_LATCHKEY} ", Code(view.replaced.key), " replaced it."]
    return [view.ends_at, f". {_BY_CONFLUENT if view.ends_at_confluent else _BY_LATCHKEY}"]


def _history(view: KeyView) -> Rows:
    """The key's origin, and what happened to it since."""
    request = view.request
    if request is None:
        ends = "; it never expires" if view.ends_at is None else ""
        return [[f"Not managed by Latchkey. Created elsewhere{ends}."]]
    asked = request.ask
    by = "you" if view.is_requester else Mention(asked.requester.slack)
    old: Row = [" to replace ", Code(asked.key.id)] if asked.key else []
    extended = request.life.extended_at if isinstance(request, Living) else None
    rows: Rows = [["Requested by ", by, " ", asked.asked_at, *old, "."], *progress(request, yours=view.is_requester)]
    if extended:
        rows = [*rows, ["Extended ", extended, "."]]
    return [*rows, waits(request)] if view.secret_waits else rows


def _top(content: KeyPage | EditPage | DeletePage | RotatePage | ExtendPage, *rows: Row) -> list[Block]:
    """The beginning of every page: notices, and the key that it's about."""
    notice = [mrkdwn(content.notice)] if content.notice else []
    return [*notice, *_leaked(content.view), lines(title_row(content.view.key), *rows)]


def _leaked(view: KeyView) -> list[Block]:
    """Says that the key was reported as leaked."""
    leak = view.leak
    if leak is None:
        return []
    if view.is_reporter:
        return [alert("warning", "You reported this API key as leaked ", leak.at, ".", on="modal")]
    return [alert("warning", reporter(leak), " reported this API key as leaked ", leak.at, ".", on="modal")]


def _why(view: KeyView) -> str:
    """The reason that is filled in for a change of this key."""
    return "Reported as leaked" if view.leak else ""


def _needs(content: ChangePage) -> Block:
    """How many have to approve, and the people who can; which of them are notified depends on the request."""
    return lines([Bold(needs(content.terms)), *conditions(content.terms), *in_a_row(content.approvers)])


def _sends(content: ChangePage, deed: str) -> str:
    """The button's text: what it does at once, or that it sends a request."""
    return "Send request" if content.terms.approvals else deed


def _description(text: str, hint: str = "") -> Block:
    is_long = len(text) > _LONG or "\n" in text
    typed = text_input(ids.FORM_TEXT, text, limit=LIMITS["description"], lines=is_long)
    return field("Description", ids.DESCRIPTION_BLOCK, typed, optional=True, hint=hint)


def _reason(content: ChangePage, text: str = "") -> Block:
    optional = not content.view.needs_reason and isinstance(content, EditPage | DeletePage)
    typed = text_input(ids.FORM_TEXT, text, limit=LIMITS["reason"], lines=True)
    return field("Reason", ids.REASON_BLOCK, typed, optional=optional, hint=_readers(content))


def _readers(content: ChangePage) -> str:
    """The people who will see the reason. Without an approval, those are the people notified of the change."""
    if content.terms.approvals:
        return "Approvers will see this."
    if isinstance(content.view.owner, ServiceAccount):
        return "People in the approvals channel and the account's owners will see this."
    if content.view.is_own:
        return ""
    # Its owner is told about the end of a key that they requested, without the reason.
    is_told_anyway = isinstance(content, DeletePage) and content.view.request is not None
    owner = "" if is_told_anyway else " and the account's owner"
    return f"People in the approvals channel{owner} will see this."


def _asking(title: str, blocks: list[Block], callback: str, view: KeyView, submit: str) -> Block:
    return modal(title, blocks, callback=callback, submit=submit, close="Cancel", metadata=view.key.id)


def _overlaps(content: RotatePage) -> Block:
    """The menu of overlaps: a day is preselected, but a leaked key is not kept."""
    texts = {0: "0 days (delete right away)", 1: "1 day"}
    options = [option(texts.get(each, f"{each} days"), str(each)) for each in content.overlaps]
    usual = 0 if content.view.leak else min(1, len(options) - 1)
    return menu(ids.KEY_OVERLAP, options, options[usual])


def _lifetimes(view: KeyView, options: list[Block], left: timedelta = timedelta()) -> Block:
    """The menu of lifetimes.

    The key's former lifetime is preselected if it at least doubles what is `left`, and otherwise the first option that
    does, or the end that someone else set: even a short extension costs an approval.
    """
    made = view.request
    before = lifetime(made.ask, made.terms) if made else None
    usual = str(before.days) if before else BY_RULE
    worth = [each for each in options if each["value"] == BY_RULE or timedelta(days=int(each["value"])) >= 2 * left]
    doubled = next((each for each in worth if each["value"] != BY_RULE), (worth or options)[-1]) if left else options[0]
    return menu(ids.KEY_LIFETIME, options, next((each for each in worth if each["value"] == usual), doubled))
