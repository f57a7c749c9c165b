"""A request as messages: the card for approvers, and what its requester reads. Pure; one renderer for every state."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.domain.deadlines import lifetime
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
    ServiceAccount,
    SlackUserId,
)
from bot.domain.requests import Ask, Denied, Offered, Pending, Ready, Request, Terms
from bot.domain.roles import TABLES, Table
from bot.services.text import duration
from bot.slack.blocks.kit import Style, actions, button, divider
from bot.slack.blocks.text import Block, Bold, Code, Mention, Piece, Row, context, flat, lines, quote
from bot.slack.messages.progress import Rows, by_policy, progress
from bot.slack.payloads import ids

_ASK = {
    Operation.EDIT: ("Edit", ids.KEY_EDIT),
    Operation.ROTATE: ("Rotate", ids.KEY_ROTATE),
    Operation.EXTEND: ("Extend", ids.KEY_EXTEND),
    Operation.DELETE: ("Delete API key", ids.KEY_DELETE),
}
SOON = "A new key can take a few minutes to work. If Confluent refuses it, wait a little and try again."


def card(request: Request) -> tuple[list[Block], str]:
    """The card in the approvals channel, and its notification text."""
    ask = request.ask
    blocks = [
        lines([Mention(ask.requester.slack), *by_policy(ask.requester), " asks ", *wish(ask), "."]),
        lines(*asked_rows(request, own_account(ask, f"{ask.requester.name}’s own"))),
        *([quote(ask.reason)] if ask.reason.strip() else []),
        divider(),
        *_standing(request, yours=False),
    ]
    if isinstance(request, Pending):
        table = TABLES[request.terms.table]
        blocks += [
            context("Who can approve: ", approvers("anyone but the requester", ask, table), ". Rule: ",
                    request.terms.rule, "."),
            *notified("Notified: ", request.mentioned),
            decide(request),
        ]  # fmt: skip
    rung = "".join(f" <@{each}>" for each in request.mentioned) if isinstance(request, Pending) else ""
    return blocks, f"{plain(ask.requester.name)} requests {in_a_line(wish(ask))}{rung}"


def notified(label: str, people: Iterable[SlackUserId]) -> list[Block]:
    """The people who were told of a request, as mentions; Slack rings for them in a new message alone."""
    mentions = [Mention(each) for each in people]
    parts: list[Piece] = [piece for each in mentions for piece in (", ", each)]
    return [lines([label, *parts[1:]])] if parts else []


def decide(request: Request, row: str = "") -> Block:
    """The buttons for who can approve; `row` is the block id where they stand in a list."""
    ask, drawn = request.ask, request.drawn if isinstance(request, Pending) else 0
    approve = button("Approve", ids.APPROVE, ids.key_ref(ask.id, drawn) if drawn else ask.id, "primary")
    deny, question = button("Deny", ids.DENY, ask.id, "danger"), button("Ask a question", ids.ASK, ask.id)
    return actions(approve, deny, question, block=row)


def show_secret(request: Ready | Offered, row: str = "") -> Block:
    """The button for who asked, once there is a secret to be shown."""
    ref = ids.key_ref(request.ask.id, request.attempt)
    return actions(button("Show secret", ids.SHOW, ref, "primary"), block=row)


def key_buttons(key: KeyId, operations: Iterable[Operation], first: Style | None = None) -> list[Block]:
    """The buttons to ask for these of a key, in this order; `first` is how the first one stands out."""
    buttons: list[Block] = []
    for each in operations:
        text, action = _ASK[each]
        style = "danger" if each is Operation.DELETE else None if buttons else first
        buttons.append(button(text, action, key, style))
    return buttons


def wish(ask: Ask) -> Row:
    """What somebody asks, to follow "asks": "for a Kafka API key", "to delete Kafka API key K"."""
    kind, place = kind_of(ask.resource), for_what(ask.resource)
    if ask.operation is Operation.CREATE or ask.key is None:
        return ["for a ", Bold(kind), place]
    verbs = {Operation.EDIT: "change", Operation.DELETE: "delete", Operation.ROTATE: "rotate"}
    return [f"to {verbs.get(ask.operation, 'extend the life of')} ", Bold(kind), " ", Code(ask.key.id), place]


def in_a_line(row: Row) -> str:
    """A row as mrkdwn without marks, for notifications."""
    return plain("".join(each if isinstance(each, str) else getattr(each, "text", "") for each in row))


def asked_rows(request: Request, own: str) -> Rows:
    """What is asked for; `own` says whose "My account" is."""
    ask = request.ask
    rows: Rows = [owner_row(ask.owner, own), resource_row(ask.resource)]
    if isinstance(ask.owner, NewServiceAccount) and ask.owner.description:
        rows.insert(1, ["The account’s description: ", ask.owner.description])
    if ask.operation is Operation.EDIT and ask.key is not None:
        rows.append(_change("Name", ask.key.name, ask.name))
        rows.append(_change("Description", Marker.without(ask.key.description), ask.description))
        return rows
    rows.append(["Name: ", Bold(ask.name or "none")])
    if ask.description:
        rows.append(["Description: ", ask.description])
    rows += _lasting(request)
    if ask.operation is Operation.ROTATE and ask.key is not None:
        stays = f"lives on for {duration(ask.overlap)}" if ask.overlap > timedelta() else "is deleted"
        rows.append(["Replaces: ", Code(ask.key.id), f", which {stays} once the new secret was shown"])
        rows += _at_confluent(ask.key, "The old key expires ")
    return rows


def _lasting(request: Request) -> Rows:
    """How long the key is to live; of an extension also that it is to have no end, which is what is asked for."""
    lasts = lifetime(request.ask, request.terms)
    if request.ask.operation is Operation.EXTEND:
        wanted = f"{duration(lasts)} after approval" if lasts else "never"
        most = _at_confluent(request.ask.key, "It expires no later than ") if request.ask.key else []
        return [[f"New expiration: {wanted}"], *most]
    return (
        [[f"Expires: {duration(lasts)} after creation" if lasts else "Expires: never"]] if request.ask.makes_key else []
    )


def _at_confluent(key: ApiKey, says: str) -> Rows:
    """When Confluent ends a key, whatever is asked for it; nothing where it does not."""
    return [[says, key.expires_at, ", when Confluent Cloud ends it."]] if key.expires_at else []


def _change(label: str, old: str, new: str) -> Row:
    if old == new:
        return [f"{label}: ", new or "none", " (stays)"]
    return [f"{label}: ", old or "none", " → ", Bold(new or "none")]


def own_account(ask: Ask, own: str) -> str:
    """Whose own account it is: `own` is its requester's, and who manages keys may change those of somebody else."""
    return own if ask.owner.id == ask.requester.principal else "another person’s"


def owner_row(owner: Owner, own: str) -> Row:
    """Whose key it will be."""
    if isinstance(owner, MyAccount):
        return ["Account: ", Bold(own), " (", Code(owner.id), ")"]
    if isinstance(owner, NewServiceAccount):
        return ["Account: ", Bold(flat(owner.name)), " (a new service account)"]
    return ["Account: ", Bold(flat(owner.name) or owner.id), " (service account ", Code(owner.id), ")"]


def resource_row(resource: Resource) -> Row:
    """What it opens."""
    if isinstance(resource, OrganizationScope):
        return ["For: ", Bold(called(resource)), ", in the whole organization"]
    place: Row = [" in ", Bold(place_of(resource))] if resource.environment else []
    id_: Row = [" (", Code(resource.id), ")"] if called(resource) != resource.id else []
    return [f"{resource.kind.row.noun}: ", Bold(called(resource)), *id_, *place]


def in_place(resource: Resource) -> str:
    """In which environment, as " in production"; nothing for a resource that is in none."""
    return f" in {place_of(resource)}" if resource.environment else ""


def for_what(resource: Resource) -> str:
    """Which resource, as "for orders"; nothing for a resource that its kind names already."""
    return "" if isinstance(resource, OrganizationScope) else f" for {called(resource)}"


def called(resource: Resource) -> str:
    """What people call a resource: its name, where it has one."""
    return flat(resource.name) or resource.id


def place_of(resource: Resource) -> str:
    """What people call its environment."""
    return flat(resource.environment_name) or resource.environment


def kind_of(resource: Resource) -> str:
    """What people call a key of it: "Kafka API key"."""
    return f"{resource.kind.row.label} API key"


def title_row(key: ApiKey) -> Row:
    """A key's name and its id."""
    return [Bold(flat(key.name) or "(no name)"), "  ", Code(key.id)]


def joined(words: Sequence[str], last: str) -> str:
    """The words as a list with this word before the last one: "A, B or C"."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def age(span: timedelta) -> str:
    """How old something is, in days."""
    days = span.days
    return "less than a day" if days < 1 else "1 day" if days == 1 else f"{days:,} days"


def needs(terms: Terms) -> str:
    """How many have to approve."""
    if not terms.approvals:
        return "No approval needed."
    return f"Needs {'1 approval' if terms.approvals == 1 else f'{terms.approvals} approvals by different people'}."


def approvers(who: str, ask: Ask, table: Table) -> str:
    """Who can approve, in words; `who` excludes the requester."""
    kind, roles = ask.resource.kind, table.roles_over(ask.resource.kind)
    owned = isinstance(ask.owner, ServiceAccount) and table.has_owners_of_accounts(kind)
    account = ", or owns the service account" if owned else ""
    makes = ", with a role that creates service accounts" if isinstance(ask.owner, NewServiceAccount) else ""
    return f"{who} who holds {joined(roles, 'or')} there{account}{makes}"


def _standing(request: Request, *, yours: bool) -> list[Block]:
    rows = lines(*progress(request, yours=yours))
    return [rows, quote(request.reason)] if isinstance(request, Denied) else [rows]
