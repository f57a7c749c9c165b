"""A request as messages: the card for approvers, and what its requester reads. Pure; one renderer for every state."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import assert_never

from bot.domain.access import Access, WantedBinding, is_high_risk
from bot.domain.approvals import Terms
from bot.domain.authority import Target
from bot.domain.deadlines import can_be_reviewed, glass_of
from bot.domain.errors import plain
from bot.domain.keys import ApiKey, KeyId, MyAccount, NewServiceAccount, Operation, Owner, Resource, SlackUserId
from bot.domain.requests import Ask, Denied, Done, Keyed, Offered, Pending, Ready, Request
from bot.slack.blocks.kit import Style, actions, asking, button, divider, fields, header
from bot.slack.blocks.newer import Surface, alert
from bot.slack.blocks.text import Block, Bold, Code, Mention, Piece, Row, context, cut, flat, lines, quote
from bot.slack.messages.access import access_rows, everything, granted_rows
from bot.slack.messages.facts import called, description_of, facts, for_what, kind_of, own_account, place_of
from bot.slack.messages.progress import by_policy, given, review_note, small_print, stands
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
_NO_ACCESS = " No access was requested, so the account can't do anything until someone grants it roles."
NAMES = 20
"""How many people a message lists by name: with many more, Slack's limit would cut the reason and the description."""
CALLED = 60
"""How many characters of a name a question shows."""


def card(request: Request) -> tuple[list[Block], str]:
    """The card in the approvals channel, and its notification text."""
    ask, is_open = request.ask, isinstance(request, Pending)
    did, mentioned = _did(request), _undecided(request, request.mentioned) if isinstance(request, Pending) else []
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
        blocks += [*notified("Notified: ", mentioned), *_messaged(request), decide(request)]
    blocks += judge(request)
    rung = "".join(f" <@{each}>" for each in mentioned)
    return [
        *blocks,
        small_print(request),
    ], f"{plain(ask.requester.name)}{in_a_line(did)}{rung}"


def _did(request: Request) -> Row:
    """What the requester does or did, to follow their name. A change that needed no approval wasn't only requested."""
    ask = request.ask
    changed = _CHANGED.get(ask.operation, "") if isinstance(request, Done) and not request.note else ""
    if changed and not request.terms.approvals:
        return [f" {changed} ", *key_of(ask)]
    does = "used break-glass for" if glass_of(request) else "requests" if isinstance(request, Pending) else "requested"
    return [f" {does} ", *wanted(ask)]


def told_of(request: Pending) -> tuple[SlackUserId, ...]:
    """Everyone who was told of a request, on its card or in a message of their own."""
    return tuple(dict.fromkeys((*request.mentioned, *(user for user, _ in request.asked))))


def _undecided(request: Pending, people: Iterable[SlackUserId]) -> list[SlackUserId]:
    """Those of these people who haven't approved yet."""
    approved = {each.by.slack for each in request.approvals}
    return [each for each in people if each not in approved]


def _reason(request: Request) -> list[Block]:
    """Why the key or its change is requested. With break-glass, why it couldn't wait is above."""
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
    label: Row = [] if asks else [Bold("Break-glass."), " "]  # otherwise, the header says it
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
    named = _named(people)
    return [lines([label, *named, end])] if named else []


def _messaged(request: Pending) -> list[Block]:
    """The people who got a direct message, in gray, where a mention doesn't notify them once more."""
    named = _named(_undecided(request, (each for each in told_of(request) if each not in request.mentioned)))
    return [context("Notified in a direct message: ", *named)] if named else []


def _named(people: Iterable[SlackUserId]) -> list[Piece]:
    """Mentions of these people, as a sentence lists them."""
    everyone = list(people)
    named: list[Piece] = [Mention(each) for each in everyone[:NAMES]]
    named += [f"{len(everyone) - NAMES} more"] if len(everyone) > NAMES else []
    before = ["", *[", "] * (len(named) - 2), " and "]
    return [piece for pair in zip(before, named, strict=False) for piece in pair][1:]


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
    blocks, description = fields(*facts(request, own)), description_of(request.ask)
    return [*blocks, lines([Bold("Description: "), description])] if description else blocks


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
        keys = "keys" if ask.also else "key"
        return [lines([f"The service account is created together with the {keys}.{_NO_ACCESS if needs_roles else ''}"])]
    found, whose = request.access or Access(), _account(ask.owner, f"{flat(ask.requester.name)}'s own account")
    if found.roles is None and found.keys is None:
        return [lines([f"Latchkey couldn't look up the roles and API keys of {whose}."])]
    roles = "" if found.roles is None else "; ".join(found.roles) or "no roles"
    more = f"; and {found.more} more" if found.more else ""
    keys = "" if found.keys is None else f"{found.keys:,} API key{'s' * (found.keys != 1)}"
    missing = "" if roles and keys else f". Latchkey couldn't look up its {'API keys' if roles else 'roles'}."
    return [lines([Bold(f"{whose} has: "), " · ".join(filter(None, (f"{roles}{more}", keys))), missing])]


def _access(request: Request) -> list[Block]:
    """The roles that are granted with the key. While people can still decide, it says that approving grants them."""
    ask = request.ask
    requested = f"Access requested with the key{'s' if ask.also else ''}:"
    rows = access_rows(
        "Approving also grants:" if isinstance(request, Pending) else requested, ask.bindings, ask.resource
    )
    if isinstance(request, Keyed):
        rows = granted_rows(request.grant.bindings, ask.resource, also=ask.also is not None) or rows
    return [lines(*rows)] if rows else []


def _standing(request: Request) -> list[Block]:
    """How far the request is, for everyone but the requester. What people wrote is below who wrote it."""
    before, now = given(request, yours=False), stands(request, yours=False)
    if note := review_note(request):
        return [lines(*before), quote(note), lines(*now)]
    rows = lines(*before, *now)
    return [rows, quote(request.reason)] if isinstance(request, Denied) else [rows]
