"""A request as messages: the card for approvers, and what its requester reads. Pure; one renderer for every state."""

from collections.abc import Sequence
from typing import assert_never

from bot.domain.asks import Ask
from bot.domain.deadlines import end_of_life
from bot.domain.errors import plain
from bot.domain.keys import Kind, MyAccount, NewServiceAccount, Owner, Resource, ServiceAccount
from bot.domain.requests import (
    Approved,
    Confirmed,
    Denied,
    Expired,
    Failed,
    Keyed,
    Offered,
    Pending,
    Ready,
    Request,
    Retired,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Working,
)
from bot.domain.roles import TABLES
from bot.services.words import KINDS
from bot.slack import ids
from bot.slack.kit import Block, Bold, Code, Mention, Row, actions, button, context, divider, lines, quote, told
from bot.slack.standing import Rows, making, progress, withdrawn


def card(request: Request) -> tuple[list[Block], str]:
    """The card in the approvals channel, and its notification text."""
    ask, kind = request.ask, kind_of(request.ask.resource)
    blocks = [
        lines([Mention(ask.requester.slack), " asks for a ", Bold(kind), f" for {called(ask.resource)}."]),
        lines(*asked_rows(ask, f"{ask.requester.name}’s own")),
        quote(ask.reason),
        divider(),
        *_standing(request, yours=False),
    ]
    if isinstance(request, Pending):
        roles = TABLES[request.terms.table].roles_over(ask.resource.kind)
        blocks += [
            context("Who can approve: ", approvers("anyone but the requester", ask.owner, roles), ". Rule: ",
                    request.terms.rule, "."),
            actions(
                button("Approve", ids.APPROVE, ask.id, "primary"),
                button("Deny", ids.DENY, ask.id, "danger"),
            ),
        ]  # fmt: skip
    return blocks, f"<@{ask.requester.slack}> asks for a {kind} for {plain(called(ask.resource))}"


def asked(request: Request, note: str = "") -> tuple[list[Block], str]:
    """What the requester asked for and where it stands."""
    ask, kind = request.ask, kind_of(request.ask.resource)
    blocks = [
        lines(["You asked for a ", Bold(kind), f" for {called(ask.resource)}."]),
        lines(*asked_rows(ask, "your own")),
        *_standing(request, yours=True),
    ]
    if note:
        blocks.append(lines(told(note)))
    if isinstance(request, Pending):
        blocks.append(actions(button("Cancel request", ids.CANCEL, ask.id)))
    return blocks, f"Your request for a {kind} for {plain(called(ask.resource))}"


def outcome(request: Request) -> tuple[list[Block], str]:
    """How a request ended that gave no key. Only for requests that ended so."""
    name, kind = called(request.ask.resource), kind_of(request.ask.resource)
    ended = {"denied": "was denied", "expired": "expired"}.get(request.kind, "failed")
    blocks = [lines([Bold(request.ask.name), f": your request for a {kind} for {name}."])]
    blocks += _standing(request, yours=True)
    if isinstance(request, Denied | Expired):
        blocks.append(lines(["You can ask again with ", Code("/apikey create"), "."]))
    return blocks, f"Your request for a {kind} for {plain(name)} {ended}"


def key(request: Request, attempt: int) -> tuple[list[Block], str]:
    """The key of one attempt, for its requester: where its secret is, or what became of it. Never the secret."""
    name = called(request.ask.resource)
    if isinstance(request, Offered | Working | Approved) and request.attempt == attempt:
        approved: Row = ["Your key for ", Bold(name), f" ({request.ask.name}) was approved."]
        waiting = [lines(approved, making(request, "you"))]
        if isinstance(request, Offered):
            waiting.append(actions(button("Show secret", ids.SHOW, ids.key_ref(request.ask.id, attempt), "primary")))
        return waiting, f"Your API key for {plain(name)}"
    if isinstance(request, Failed):
        none: Row = ["There is no key for ", Bold(name), f" ({request.ask.name}). The newest message says why."]
        return [lines(none)], f"There is no key for {plain(name)}"
    if not isinstance(request, Keyed) or request.attempt != attempt:
        rows: Rows = [["An earlier key for ", Bold(name), " was deleted. Only the newest message counts."]]
        return [lines(*rows)], f"An earlier key for {plain(name)} was deleted"
    blocks = [lines(*_key_rows(request, name))]
    if isinstance(request, Ready):
        blocks.append(actions(button("Show secret", ids.SHOW, ids.key_ref(request.ask.id, attempt), "primary")))
    if isinstance(request, Ready | Shown):
        blocks.append(context(SOON))
    if isinstance(request, Shown | Undelivered):
        blocks.append(actions(button("Replace key", ids.REPLACE, ids.key_ref(request.ask.id, attempt))))
    ready = " is there" if isinstance(request, Ready) else ""
    return blocks, f"Your API key for {plain(name)}{ready}"


def asked_rows(ask: Ask, own: str) -> Rows:
    """What is asked for; `own` says whose "My account" is."""
    rows: Rows = [owner_row(ask.owner, own), resource_row(ask.resource), ["Name: ", Bold(ask.name)]]
    return [*rows, ["Description: ", ask.description]] if ask.description else rows


def owner_row(owner: Owner, own: str) -> Row:
    """Whose key it will be."""
    if isinstance(owner, MyAccount):
        return ["Account: ", Bold(own), " (", Code(owner.id), ")"]
    if isinstance(owner, NewServiceAccount):
        return ["Account: ", Bold(owner.name), " (a new service account)"]
    return ["Account: ", Bold(owner.name or owner.id), " (service account ", Code(owner.id), ")"]


def resource_row(resource: Resource) -> Row:
    """What it opens."""
    place: Row = [" in ", Bold(place_of(resource))] if resource.environment else []
    return [f"{_PLACES.get(resource.kind, 'For')}: ", Bold(called(resource)), " (", Code(resource.id), ")", *place]


def called(resource: Resource) -> str:
    """What people call a resource: its name, where it has one."""
    return resource.name or resource.id


def place_of(resource: Resource) -> str:
    """What people call its environment."""
    return resource.environment_name or resource.environment


def kind_of(resource: Resource) -> str:
    """What people call a key of it: "Kafka API key"."""
    return f"{KINDS[resource.kind]} API key"


def approvers(who: str, owner: Owner, roles: Sequence[str]) -> str:
    """Who can approve, in words; `who` excludes the requester."""
    either = " or ".join(filter(None, [", ".join(roles[:-1]), *roles[-1:]]))
    account = ", or owns the service account" if isinstance(owner, ServiceAccount) else ""
    return f"{who} who holds {either} there{account}"


def _standing(request: Request, *, yours: bool) -> list[Block]:
    rows = lines(*progress(request, yours=yours))
    return [rows, quote(request.reason)] if isinstance(request, Denied) else [rows]


def _key_rows(request: Keyed, name: str) -> Rows:
    key_line: Row = ["Your key ", Code(request.key.id), " for ", Bold(name), f" ({request.ask.name})"]
    gone: Row = ["Your key for ", Bold(name), f" ({request.ask.name}) was withdrawn."]
    match request:
        case Ready():
            return [
                [*key_line, " is there."],
                ["Its secret is shown once, to you alone. Have a safe place ready, then click. If it is not taken by ",
                 request.claim_by, ", the key is deleted."],
            ]  # fmt: skip
        case Revealing():
            return [[*key_line, ": the secret is being shown to you."]]
        case Shown():
            return [
                [*key_line, ": the secret was shown to you ", request.at, "."],
                ["Lost it? Until ", request.grant.fresh_until, " you can replace the key without a new approval."],
                *_lives(request),
            ]
        case Confirmed():
            return [[*key_line, " is yours. You saved its secret ", request.at, "."], *_lives(request)]
        case Undelivered():
            again = () if request.reissue else (_again(request),)
            return [gone, withdrawn(request, "you"), *again]
        case Unclaimed() | Retired():
            return [gone, withdrawn(request, "you"), ["You can ask again with ", Code("/apikey create"), "."]]
        case _:
            assert_never(request)


def _lives(request: Shown | Confirmed) -> Rows:
    """Until when the key works, where its rule ends it."""
    end = end_of_life(request)
    return [["Latchkey deletes this key ", end, ". Whatever uses it stops then."]] if end else []


def _again(request: Undelivered) -> Row:
    return ["Until ", request.grant.fresh_until, " you can have another one without a new approval."]


_PLACES = {
    Kind.KAFKA: "Cluster",
    Kind.SCHEMA_REGISTRY: "Schema Registry",
    Kind.KSQLDB: "ksqlDB cluster",
    Kind.FLINK: "Flink region",
}
SOON = "A new key can take a few minutes to work. If Confluent refuses it, wait a little and try again."
