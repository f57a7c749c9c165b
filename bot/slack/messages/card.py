"""A request as messages: the card for approvers, and what its requester reads. Pure; one renderer for every state."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeAlias, assert_never

from bot.domain.access import Access, WantedBinding, is_high_risk
from bot.domain.approvals import Terms
from bot.domain.authority import Target
from bot.domain.deadlines import can_be_reviewed, end_of_life, glass_of, lifetime
from bot.domain.errors import plain
from bot.domain.keys import (
    ApiKey,
    KeyId,
    Marker,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Resource,
    SlackUserId,
)
from bot.domain.requests import (
    Ask,
    Cancelled,
    Denied,
    Done,
    Expired,
    Failed,
    Keyed,
    Offered,
    Pending,
    Ready,
    Request,
    Withdrawn,
)
from bot.services.text import duration
from bot.slack.blocks.kit import Style, actions, asking, button, divider, fields, header
from bot.slack.blocks.newer import Surface, alert
from bot.slack.blocks.text import Block, Bold, Code, Link, Mention, Piece, Row, cut, flat, lines, quote
from bot.slack.messages.access import access_rows, everything, granted_rows, role_row
from bot.slack.messages.progress import Rows, by_policy, given, review_note, small_print, stands
from bot.slack.messages.state import ATTENTION, state
from bot.slack.payloads import ids

_ASK = {
    Operation.EDIT: ("Edit", ids.KEY_EDIT),
    Operation.ROTATE: ("Rotate", ids.KEY_ROTATE),
    Operation.EXTEND: ("Extend", ids.KEY_EXTEND),
    Operation.DELETE: ("Delete API key", ids.KEY_DELETE),
}
_CHANGED = {Operation.EDIT: "edited", Operation.EXTEND: "extended", Operation.DELETE: "deleted"}
SOON = "New keys can be rejected for a few minutes. If that happens, wait a bit and try again."
UNNAMED = "(no name)"
_NO_ACCESS = " No access was requested with it, so it can't do anything until someone grants it roles."
CALLED = 60
"""How many characters of a name a question shows."""
Fact: TypeAlias = tuple[str, Row]
"""A label and its value."""


def card(request: Request) -> tuple[list[Block], str]:
    """The card in the approvals channel, and its notification text."""
    ask, is_open = request.ask, isinstance(request, Pending)
    did = _did(request)
    blocks = [
        title(request),
        lines([Mention(ask.requester.slack), *by_policy(ask.requester), *did, "."]),
        *(_warned(effect_of(ask), "message") if is_open and _is_high_risk(request) else []),
        *_unapproved(request),
        *_facts(request, own_account(ask, f"{ask.requester.name}'s own")),
        *_reason(request),
        *_account_now(request),
        *_access(request),
        divider(),
        *_standing(request),
    ]
    if isinstance(request, Pending):
        blocks += [*notified("Notified: ", _asked(request)), decide(request)]
    blocks += judge(request)
    rung = "".join(f" <@{each}>" for each in _asked(request)) if isinstance(request, Pending) else ""
    return [*blocks, small_print(request)], f"{plain(ask.requester.name)}{in_a_line(did)}{rung}"


def _did(request: Request) -> Row:
    """What the requester does or did, to follow their name. A change that needed no approval wasn't only requested."""
    ask = request.ask
    changed = _CHANGED.get(ask.operation, "") if isinstance(request, Done) and not request.note else ""
    if changed and not request.terms.approvals:
        return [f" {changed} ", *key_of(ask)]
    does = "used break-glass for" if glass_of(request) else "requests" if isinstance(request, Pending) else "requested"
    return [f" {does} ", *wanted(ask)]


def _asked(request: Pending) -> list[SlackUserId]:
    """The people who were told and haven't approved yet."""
    approved = {each.by.slack for each in request.approvals}
    return [each for each in request.mentioned if each not in approved]


def _reason(request: Request) -> list[Block]:
    """Why the key or its change is requested. With break-glass, why it couldn't wait stands above."""
    if not request.ask.reason.strip():
        return []
    label = "Reason for the key" if glass_of(request) else "Reason"
    return [lines([Bold(label)]), quote(request.ask.reason)]


def _unapproved(request: Request) -> list[Block]:
    """Says that no one approved the key, and why it couldn't wait."""
    glass = glass_of(request)
    if glass is None:
        return []
    asks = " Was that justified?" if can_be_reviewed(request) else ""
    label: Row = [] if asks else [Bold("Break-glass."), " "]  # else the header says it
    warning = alert("warning", *label, f"No one approved this key.{asks}", on="message")
    return [warning, lines([Bold("Why it couldn't wait")]), quote(glass.why)]


def judge(request: Request, row: str = "") -> list[Block]:
    """The buttons to review a use of break-glass, once its key exists, or can't be created; else nothing."""
    ask = request.ask
    if not can_be_reviewed(request):
        return []
    justified = asking(
        button("Justified", ids.JUSTIFIED, ask.id, "primary"),
        "Was it justified?",
        f"{flat(ask.requester.name)} can then use break-glass again. This can't be undone.",
        "Justified",
    )
    return [actions(justified, button("Not justified", ids.NOT_JUSTIFIED, ask.id, "danger"), block=row)]


def notified(label: str, people: Iterable[SlackUserId], end: str = "") -> list[Block]:
    """The people who were notified of a request, as mentions. Slack notifies them only if the message is new."""
    mentions = [Mention(each) for each in people]
    parts: list[Piece] = [piece for each in mentions for piece in (", ", each)]
    return [lines([label, *parts[1:], end])] if parts else []


def title(request: Request) -> Block:
    """The headline of a card: its state, or that someone has to review it, and its name."""
    now = f"{ATTENTION.sign} Break-glass to review" if can_be_reviewed(request) else state(request)
    return header(f"{now} · {name_of(request.ask)}")


def name_of(ask: Ask) -> str:
    """What a request is called: the name of its key."""
    return flat(ask.name) or UNNAMED


def decide(request: Request, row: str = "") -> Block:
    """The buttons for approvers. `row` is their block ID in a list."""
    ask, drawn = request.ask, request.drawn if isinstance(request, Pending) else 0
    action = ids.CONFIRM if request.terms.confirm else ids.APPROVE
    approve = button("Approve", action, ids.key_ref(ask.id, drawn) if drawn else ask.id, "primary")
    if not request.terms.confirm and _is_high_risk(request):
        asks = f"Approve “{cut(name_of(ask), CALLED)}”?"
        approve = asking(approve, asks, f"{effect_of(ask)}{_more(request)}", "Approve")
    deny, question = button("Deny", ids.DENY, ask.id, "danger"), button("Ask a question", ids.ASK, ask.id)
    return actions(approve, deny, question, block=row)


def _more(request: Request) -> str:
    """Says that one approval isn't enough, to the first who approves."""
    needed = request.terms.approvals
    is_first = isinstance(request, Pending) and not request.approvals
    return f" It needs {needed} approvals." if is_first and needed > 1 else ""


def show_secret(request: Ready | Offered, row: str = "") -> Block:
    """The requester's button, once there is a secret to show."""
    ref = ids.key_ref(request.ask.id, request.attempt)
    return actions(button("Show secrets" if request.ask.also else "Show secret", ids.SHOW, ref, "primary"), block=row)


def key_buttons(key: KeyId, operations: Iterable[Operation], first: Style | None = None) -> list[Block]:
    """The buttons to request these operations, in this order. `first` is the style of the first one."""
    buttons: list[Block] = []
    for each in operations:
        text, action = _ASK[each]
        style = "danger" if each is Operation.DELETE else None if buttons else first
        buttons.append(button(text, action, key, style))
    return buttons


def wanted(ask: Ask) -> Row:
    """What a request is for, to follow "requests": "a Kafka API key for orders", "to delete Kafka API key K"."""
    return wish(ask)[1:] if _is_new(ask) else wish(ask)


def wish(ask: Ask) -> Row:
    """The same, to follow "request": "for a Kafka API key for orders"."""
    return ["for ", "a ", *key_of(ask, "a ")] if _is_new(ask) else [f"to {ask.operation.value} ", *key_of(ask)]


def key_of(ask: Ask, article: str = "") -> Row:
    """The key that a request is about: "Kafka API key K for orders"; a new one has no ID yet. Of a pair, both."""
    id_: Row = [] if _is_new(ask) or ask.key is None else [" ", Code(ask.key.id)]
    also: Row = [f" and {article}", Bold(kind_of(ask.also))] if ask.also else []
    return [Bold(kind_of(ask.resource)), *id_, for_what(ask.resource), *also]


def _is_new(ask: Ask) -> bool:
    return ask.operation is Operation.CREATE or ask.key is None


def in_a_line(row: Row) -> str:
    """A row as mrkdwn without formatting, for notifications."""
    return plain("".join(each if isinstance(each, str) else getattr(each, "text", "") for each in row))


def risk(
    terms: Terms,
    operation: Operation,
    owner: Owner,
    resource: Resource,
    on: Surface,
    bindings: Sequence[WantedBinding] = (),
    also: Resource | None = None,
) -> list[Block]:
    """The warning for the requester about a high-risk request; empty for any other."""
    if not is_high_risk(terms.risk, operation, resource, bindings):
        return []
    return _warned(effect(operation, owner, resource, bindings, also, own="you"), on)


def _is_high_risk(request: Request) -> bool:
    return is_high_risk(request.terms.risk, request.ask.operation, request.ask.resource, request.ask.bindings)


def _warned(said: str, on: Surface) -> list[Block]:
    return [alert("warning", Bold("High risk."), " ", said, on=on)]


def effect(
    operation: Operation,
    owner: Owner,
    resource: Resource,
    bindings: Sequence[WantedBinding] = (),
    also: Resource | None = None,
    *,
    own: str,
) -> str:
    """What approving a request does, in one short line. `own`: whose "My account" is. `also`: of a pair."""
    one_more = f" and a key for {also.kind.row.noun}" if also else ""
    whose, opens = cut(_account(owner, own), CALLED), f"{_opens(resource)}{one_more}"
    match operation:
        case Operation.CREATE | Operation.ROTATE:
            return f"This gives {whose} a key for {opens}{_and_access(bindings)}."
        case Operation.EXTEND:
            return f"This extends a key of {whose} for {opens}."
        case Operation.EDIT:
            return f"This changes a key of {whose} for {opens}."
        case Operation.DELETE:
            return f"This deletes a key of {whose} for {opens}."
        case _:
            assert_never(operation)


def effect_of(ask: Ask) -> str:
    """What approving this request does."""
    return effect(ask.operation, ask.owner, ask.resource, ask.bindings, ask.also, own=flat(ask.requester.name))


def _and_access(bindings: Sequence[WantedBinding]) -> str:
    if not bindings:
        return ""
    wide = everything(bindings)
    return f", with access to {wide}" if wide else ", with the access listed"


def _opens(resource: Resource) -> str:
    """What a key can be used for."""
    row = resource.kind.row
    if row.is_wide:
        return row.reach
    where = f" in {cut(place_of(resource), CALLED)}" if resource.environment else ""
    return f"the {row.noun} {cut(called(resource), CALLED)}{where}"


def _account(owner: Owner, own: str) -> str:
    """The name of a key's account."""
    return own if isinstance(owner, MyAccount) else flat(owner.name) or owner.id


def _facts(request: Request, own: str) -> list[Block]:
    """What is requested, in two columns, and below them a description, which may be long."""
    blocks, description = fields(*facts(request, own)), _description(request.ask)
    return [*blocks, lines([Bold("Description: "), description])] if description else blocks


def asked_rows(request: Request, own: str) -> Rows:
    """The same as rows of rich text; `own` says whose "My account" is."""
    ask = request.ask
    rows: Rows = [[f"{label}: ", *row] for label, row in facts(request, own)]
    rows += [["Access: ", *role_row(each, ask.resource)] for each in ask.bindings]
    return [*rows, ["Description: ", description]] if (description := _description(ask)) else rows


def _description(ask: Ask) -> str:
    """The description of a key, where it isn't shown as a change."""
    return "" if ask.operation is Operation.EDIT else ask.description


def facts(request: Request, own: str) -> list[Fact]:
    """What is requested, each fact with its label. The headline has the name."""
    ask = request.ask
    made = (request.key.owner or "") if isinstance(request, Keyed) else ""
    found: list[Fact] = [("Account", account(ask.owner, own, made)), *places(ask.resource, ask.also)]
    if isinstance(ask.owner, NewServiceAccount) and ask.owner.description:
        found.append(("Account description", [flat(ask.owner.description)]))
    if ask.key is not None:
        found.append(("Replaces" if ask.operation is Operation.ROTATE else "Key ID", [Code(ask.key.id)]))
    if ask.operation is Operation.EDIT:
        return [*found, *_edited(ask), *ticket(ask.ticket, request.terms)]
    return [*found, *_lasting(request), *ticket(ask.ticket, request.terms)]


def _edited(ask: Ask) -> list[Fact]:
    """What an edit changes."""
    if ask.key is None:
        return []
    old, new = (ask.key.name, Marker.without(ask.key.description)), (ask.name, ask.description)
    pairs = zip(("Name", "Description"), old, new, strict=True)
    return [(label, _change(before, after)) for label, before, after in pairs if before != after]


def changes(ask: Ask) -> Rows:
    """The same in rows."""
    return [[f"{label}: ", *row] for label, row in _edited(ask)]


def ticket(name: str, terms: Terms) -> list[Fact]:
    """The ticket of a request, as a link if its rule has an address; empty without a ticket."""
    shown = flat(name)
    url = terms.ticket.link(name) if terms.ticket else ""
    return [("Ticket", [Link(shown, url) if url else shown])] if shown else []


def _lasting(request: Request) -> list[Fact]:
    """How long the key works, and for a rotation, how long the old one does."""
    ask, lasts = request.ask, lifetime(request.ask, request.terms)
    found: list[Fact] = []
    if ask.operation is Operation.EXTEND:
        found.append(("New expiration", [f"{duration(lasts)} after approval" if lasts else "never"]))
        found += _at_confluent(ask.key, "Expires at Confluent")
    if ask.makes_key:
        found.append(_end(request, lasts))
    if ask.operation is Operation.ROTATE:
        kept = f"{duration(ask.overlap)} after" if ask.overlap > timedelta() else "as soon as"
        found.append(("Old key", [f"deleted {kept} the new secret is viewed"]))
        found += _at_confluent(ask.key, "Old key expires")
    return found


def _end(request: Request, lasts: timedelta | None) -> Fact:
    """When a new key expires; once there will be no such key, for how long it was requested."""
    if isinstance(request, Denied | Cancelled | Expired | Failed | Withdrawn):
        return "Requested lifetime", [duration(lasts) if lasts else "no expiration"]
    if glass := glass_of(request):
        return "Expires", [glass.ends_at, ", can't be extended"]
    if isinstance(request, Keyed):
        return "Expires", [end_of_life(request) or "never"]
    return "Expires", [f"{duration(lasts)} after creation" if lasts else "never"]


def _at_confluent(key: ApiKey | None, label: str) -> list[Fact]:
    """When Confluent Cloud itself expires a key, whatever is requested; empty if it doesn't."""
    return [(label, [key.expires_at])] if key and key.expires_at else []


def _change(old: str, new: str) -> Row:
    return [flat(old) or "none", " → ", flat(new) or "none"]


def own_account(ask: Ask, own: str) -> str:
    """Whose account it is: `own` if it's the requester's. People who manage keys may change other people's keys."""
    return own if ask.owner.id == ask.requester.principal else "another person's"


def account(owner: Owner, own: str, made: str = "") -> Row:
    """Whose key it is. `made` is the id of a new service account, once there is one."""
    if isinstance(owner, MyAccount):
        return [own, " (", Code(owner.id), ")"]
    if isinstance(owner, NewServiceAccount):
        id_: Row = [Code(made), ", "] if made else []
        return [flat(owner.name), " (", *id_, "new service account)"]
    name = flat(owner.name)
    return [name, " (", Code(owner.id), ")"] if name else [Code(owner.id)]


def owner_row(owner: Owner, own: str) -> Row:
    """The same with its label."""
    return ["Account: ", *account(owner, own)]


def place(resource: Resource) -> list[Fact]:
    """What a key is for, and where that is."""
    if isinstance(resource, OrganizationScope):
        return [("Scope", [resource.name, ", whole organization"])]
    id_: Row = [" (", Code(resource.id), ")"] if called(resource) != resource.id else []
    found: list[Fact] = [(resource.kind.row.noun, [called(resource), *id_])]
    return [*found, ("Environment", [place_of(resource)])] if resource.environment else found


def places(resource: Resource, also: Resource | None) -> list[Fact]:
    """What the keys of a request are for. Both resources of a pair are in one environment."""
    first, *where = place(resource)
    return [first, *(place(also)[:1] if also else []), *where]


def resource_row(resource: Resource) -> Row:
    """The same in one row."""
    (label, row), *where = place(resource)
    return [f"{label}: ", *row, *(piece for _, found in where for piece in (" in ", *found))]


def in_place(resource: Resource) -> str:
    """The environment, as " in production"; "" for a resource without one."""
    return f" in {place_of(resource)}" if resource.environment else ""


def for_what(resource: Resource) -> str:
    """The resource, as "for orders"; "" if the kind of key says it already."""
    return "" if isinstance(resource, OrganizationScope) else f" for {called(resource)}"


def called(resource: Resource) -> str:
    """The name of a resource, to follow "for"."""
    if isinstance(resource, OrganizationScope):
        return resource.kind.row.short or resource.name
    return flat(resource.name) or resource.id


def place_of(resource: Resource) -> str:
    """The name of its environment."""
    return flat(resource.environment_name) or resource.environment


def kind_of(resource: Resource) -> str:
    """The name for a key for it: "Kafka API key"."""
    return f"{resource.kind.row.label} API key"


def title_row(key: ApiKey) -> Row:
    """A key's name and its id."""
    return [Bold(flat(key.name) or UNNAMED), "  ", Code(key.id)]


def age(span: timedelta) -> str:
    """How old something is, in days."""
    days = span.days
    return "less than a day" if days < 1 else "1 day" if days == 1 else f"{days:,} days"


def needs(terms: Terms) -> str:
    """How many people have to approve."""
    if terms.approvals > 1:
        return f"Needs approval from {terms.approvals} people."
    return "Needs 1 approval." if terms.approvals else "No approval needed."


def _account_now(request: Request) -> list[Block]:
    """What the account can do already, while people can still decide about a new key or an extension."""
    ask = request.ask
    if not isinstance(request, Pending) or not (ask.makes_key or ask.operation is Operation.EXTEND):
        return []
    if isinstance(ask.owner, NewServiceAccount):
        needs_roles = not ask.bindings and any(each.kind.row.grant for each in Target.of(ask).resources)
        return [lines([f"The service account is created together with the key.{_NO_ACCESS if needs_roles else ''}"])]
    found = request.access or Access()
    roles = "roles unknown" if found.roles is None else "; ".join(found.roles) or "no roles"
    more = f"; and {found.more} more" if found.more else ""
    keys = "number of API keys unknown" if found.keys is None else f"{found.keys:,} API key{'s' * (found.keys != 1)}"
    whose = _account(ask.owner, f"{flat(ask.requester.name)}'s own account")
    return [lines([Bold(f"{whose} has: "), f"{roles}{more} · {keys}"])]


def _access(request: Request) -> list[Block]:
    """The roles that are granted with the key. While people can still decide, it says that approving grants them."""
    ask = request.ask
    heading = "Approving also grants:" if isinstance(request, Pending) else "Access requested with the key:"
    rows = access_rows(heading, ask.bindings, ask.resource)
    if isinstance(request, Keyed):
        rows = granted_rows(request.grant.bindings, ask.resource) or rows
    return [lines(*rows)] if rows else []


def _standing(request: Request) -> list[Block]:
    """Where it is, for everyone but the requester; what people wrote stands below who wrote it."""
    before, now = given(request, yours=False), stands(request, yours=False)
    if note := review_note(request):
        return [lines(*before), quote(note), lines(*now)]
    rows = lines(*before, *now)
    return [rows, quote(request.reason)] if isinstance(request, Denied) else [rows]
