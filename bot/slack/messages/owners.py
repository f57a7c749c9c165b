"""What the owners of a service account read about a change of one of its keys that needed no approval. Pure."""

from datetime import timedelta

from bot.domain.errors import plain
from bot.domain.keys import Operation
from bot.domain.requests import Done, Living, Request
from bot.services.text import duration
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, flat, lines, quote
from bot.slack.messages.card import called, owner_row, resource_row
from bot.slack.messages.progress import Rows
from bot.slack.messages.state import state
from bot.slack.payloads import ids

_DID = {
    Operation.EDIT: "edited",
    Operation.DELETE: "deleted",
    Operation.ROTATE: "rotated",
    Operation.EXTEND: "extended",
}


def told(request: Request) -> tuple[list[Block], str]:
    """Who did what, to which key, and why."""
    ask, did = request.ask, _DID.get(request.ask.operation, "changed")
    key = ask.key.id if ask.key else ""
    what: Row = [f" {did} the API key ", Code(key), *([f" ({flat(ask.name)})"] if ask.name else []), "."]
    rows: Rows = [
        [f"{state(request).sign} ", Mention(ask.requester.slack), *what, " You own its service account."],
        owner_row(ask.owner, ""),
        resource_row(ask.resource),
        *_then(request),
        ["No approval was needed. Policy rule: ", Bold(request.terms.rule)],
    ]
    blocks = [lines(*rows), *([quote(ask.reason)] if ask.reason.strip() else [])]
    if now := _present(request):
        blocks.append(actions(button("Open key", ids.KEY_DETAILS, now)))
    which = f"an API key of your service account for {plain(called(ask.resource))}"
    return blocks, f"{plain(ask.requester.name)} {did} {which}"


def _then(request: Request) -> Rows:
    """What follows for applications that use the key."""
    ask = request.ask
    if ask.operation is Operation.DELETE:
        return [["Anything still using it has stopped working."]]
    if ask.operation is Operation.ROTATE:
        when = f"{duration(ask.overlap)} after that" if ask.overlap > timedelta() else "right away"
        return [[Mention(ask.requester.slack), f" viewed the new secret. The old key is deleted {when}."]]
    return []


def _present(request: Request) -> str:
    """The key that is there now."""
    if isinstance(request, Living):
        return request.key.id
    is_there = isinstance(request, Done) and request.ask.operation is not Operation.DELETE
    return request.ask.key.id if is_there and request.ask.key else ""
