"""A request as messages: the card for approvers, and what its requester reads. Pure; one renderer for every state."""

from collections.abc import Sequence
from typing import assert_never

from bot.domain.errors import plain
from bot.domain.keys import MyAccount, Owner, Resource
from bot.domain.requests import (
    Approval,
    Approved,
    Cancelled,
    Confirmed,
    Denied,
    Expired,
    Failed,
    Keyed,
    Offered,
    Pending,
    Ready,
    Request,
    Revealing,
    Shown,
    Unclaimed,
    Undelivered,
    Working,
)
from bot.domain.roles import roles_over
from bot.slack import ids
from bot.slack.kit import Block, Bold, Code, Mention, Row, actions, button, context, divider, lines, quote

Rows = list[Row]


def card(request: Request) -> tuple[list[Block], str]:
    """The card in the approvals channel, and its notification text."""
    ask = request.ask
    blocks = [
        lines([Mention(ask.requester.slack), " asks for a ", Bold("Kafka API key"), f" for {ask.resource.name}."]),
        _what(request),
        quote(ask.reason),
        divider(),
        lines(*_status(request)),
    ]
    if isinstance(request, Denied):
        blocks.append(quote(request.reason))
    if isinstance(request, Pending):
        blocks += [
            context("Can approve: whoever holds ", ", ".join(roles_over(ask.resource.kind)), " over this cluster, ",
                    "or owns the service account. Not the requester."),
            actions(
                button("Approve", ids.APPROVE, ask.id, "primary"),
                button("Deny", ids.DENY, ask.id, "danger"),
            ),
        ]  # fmt: skip
    return blocks, f"<@{ask.requester.slack}> asks for a Kafka API key for {plain(ask.resource.name)}"


def asked(request: Request, note: str = "") -> tuple[list[Block], str]:
    """What the requester asked for and where it stands."""
    blocks = [lines(["You asked for a ", Bold("Kafka API key"), f" for {request.ask.resource.name}."]), _what(request)]
    blocks.append(lines(*_status(request)))
    if note:
        blocks.append(lines([note]))
    if isinstance(request, Pending):
        blocks.append(actions(button("Cancel request", ids.CANCEL, request.ask.id)))
    return blocks, f"Your request for a Kafka API key for {plain(request.ask.resource.name)}"


def outcome(request: Request) -> tuple[list[Block], str]:
    """How a request ended that gave no key. Only for requests that ended so."""
    name = request.ask.resource.name
    blocks = [lines(["Your request for a key for ", Bold(name), " ended without one."], *_status(request))]
    if isinstance(request, Denied):
        blocks.append(quote(request.reason))
        blocks.append(lines(["Nothing was created. You can ask again with ", Code("/apikey create"), "."]))
    if isinstance(request, Expired):
        blocks.append(lines(["Nothing was created. Ask again with ", Code("/apikey create"), "."]))
    return blocks, f"Your request for a Kafka API key for {plain(name)} ended without a key"


def key(request: Request, attempt: int) -> tuple[list[Block], str]:
    """The key of one attempt, for its requester: where its secret is, or what became of it. Never the secret."""
    name = request.ask.resource.name
    if isinstance(request, Offered | Working | Approved) and request.attempt == attempt:
        waiting = [lines(["Your key for ", Bold(name), " was approved."], _progress(request))]
        if isinstance(request, Offered):
            waiting.append(actions(button("Show secret", ids.SHOW, request.ask.id, "primary")))
        return waiting, f"Your API key for {plain(name)}"
    if not isinstance(request, Keyed) or request.attempt != attempt:
        rows: Rows = [["An earlier key for ", Bold(name), " was deleted. Only the newest message counts."]]
        return [lines(*rows)], f"An earlier key for {plain(name)} was deleted"
    blocks = [lines(*_key_rows(request))]
    if isinstance(request, Ready):
        blocks.append(actions(button("Show secret", ids.SHOW, request.ask.id, "primary")))
    if isinstance(request, Ready | Shown):
        blocks.append(
            context("New keys usually work within a few minutes. Until then Confluent may refuse them; try again then.")
        )
    if isinstance(request, Shown | Undelivered):
        blocks.append(actions(button("Replace key", ids.REPLACE, request.ask.id)))
    return blocks, f"Your API key for {plain(name)}"


def owner_row(owner: Owner) -> Row:
    """Whose key it will be."""
    if isinstance(owner, MyAccount):
        return ["Account: ", "the requester's own (", Code(owner.id), ")"]
    return ["Account: ", Bold(owner.name), " (service account ", Code(owner.id), ")"]


def resource_row(resource: Resource) -> Row:
    """What it opens."""
    return ["Cluster: ", Bold(resource.name), " (", Code(resource.id), ") in ", Bold(resource.environment_name)]


def _what(request: Request) -> Block:
    ask = request.ask
    rows: Rows = [owner_row(ask.owner), resource_row(ask.resource), ["Name: ", Bold(ask.name)]]
    if ask.description:
        rows.append(["Description: ", ask.description])
    return lines(*rows)


def _status(request: Request) -> Rows:
    """Where the request stands, for everybody."""
    match request:
        case Pending():
            missing = request.terms.approvals - len(request.approvals)
            needs = f"Needs {missing} {'more ' if request.approvals else ''}approval{'' if missing == 1 else 's'}"
            return [
                *_approvals(request.approvals),
                [needs, " until ", request.expires_at, f". Rule: {request.terms.rule}."],
            ]
        case Denied():
            return [["Denied by ", Mention(request.by.slack), " ", request.at, ". Nothing was created. The reason:"]]
        case Cancelled():
            return [["Cancelled by ", Mention(request.ask.requester.slack), " ", request.at, ". Nothing was created."]]
        case Expired():
            return [["Expired ", request.at, ": nobody decided in time. Nothing was created."]]
        case Failed():
            return [
                ["Failed ", request.at, ". ", request.happened],
                [request.changed],
                [request.next],
                ["Reference: ", Code(request.reference)],
            ]
        case (
            Approved()
            | Offered()
            | Working()
            | Ready()
            | Revealing()
            | Shown()
            | Confirmed()
            | Undelivered()
            | Unclaimed()
        ):
            return [*_approvals(request.grant.approvals), _progress(request)]
        case _:
            assert_never(request)


def _approvals(approvals: Sequence[Approval]) -> Rows:
    return [["Approved by ", Mention(each.by.slack), f" ({each.basis}) ", each.at, "."] for each in approvals]


def _progress(request: Approved | Offered | Working | Keyed) -> Row:
    match request:
        case Approved() if request.trouble:
            return ["The key is not made yet: ", request.trouble, " Latchkey tries again ", request.not_before, "."]
        case Approved():
            return ["Latchkey makes the key."]
        case Offered():
            return [request.trouble, " The key is made when the requester asks for its secret, until ",
                    request.claim_by, "."]  # fmt: skip
        case Working():
            checks = (
                " Latchkey is checking at Confluent whether a key was made, deletes it if so, and then tries again."
            )
            return [request.trouble, checks] if request.trouble else ["Latchkey is making the key."]
        case Ready():
            return ["Key ", Code(request.key.id), " is made. Its secret waits for the requester until ",
                    request.claim_by, "."]  # fmt: skip
        case Revealing():
            return ["The secret of key ", Code(request.key.id), " is being shown to the requester."]
        case Shown():
            return ["The secret of key ", Code(request.key.id), " was shown to the requester ", request.at, "."]
        case Confirmed():
            return ["Key ", Code(request.key.id), " was handed over; the requester saved its secret ", request.at, "."]
        case Undelivered() | Unclaimed():
            return _withdrawn(request)
        case _:
            assert_never(request)


def _withdrawn(request: Undelivered | Unclaimed) -> Row:
    code = Code(request.key.id)
    why = request.why if isinstance(request, Undelivered) else "Nobody took the secret in time."
    if request.deleted_at:
        return [why, " Key ", code, " was deleted ", request.deleted_at, "."]
    if request.tries:
        return [why, " Key ", code, " could not be deleted yet. Latchkey keeps trying."]
    return [why, " Key ", code, " is being deleted."]


def _key_rows(request: Keyed) -> Rows:
    key_line: Row = ["Your key ", Code(request.key.id), " for ", Bold(request.ask.resource.name)]
    match request:
        case Ready():
            return [
                [*key_line, " is there."],
                ["Its secret is shown once, to you alone. Have a safe place ready, then click. After ",
                 request.claim_by, " the key is deleted."],
            ]  # fmt: skip
        case Revealing():
            return [[*key_line, ": the secret is being shown to you."]]
        case Shown():
            return [
                [*key_line, ": the secret was shown to you ", request.at, "."],
                ["Lost it? Until ", request.grant.fresh_until, " you can replace the key without a new approval."],
            ]
        case Confirmed():
            return [[*key_line, " is yours. You saved its secret ", request.at, "."]]
        case Undelivered():
            again = () if request.reissue else (_again(request),)
            return [_withdrawn(request), *again]
        case Unclaimed():
            return [_withdrawn(request), ["Ask again with ", Code("/apikey create"), "."]]
        case _:
            assert_never(request)


def _again(request: Undelivered) -> Row:
    return ["Until ", request.grant.fresh_until, " you can have another one without a new approval."]
