"""What the owners of a service account read about a change of one of its keys that needed no approval. Pure."""

from bot.domain.errors import plain
from bot.domain.keys import Operation
from bot.domain.requests import Done, Living, Request
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Mention, Row, flat, lines, quote
from bot.slack.messages.card import called, changes, owner_row, resource_row
from bot.slack.messages.progress import Rows, stands
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
    is_gone = ask.operation is Operation.DELETE and isinstance(request, Done) and bool(request.note)
    did = "wanted to delete" if is_gone else did
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
        return [*stands(request, yours=False)[:1], ["Anything still using it has stopped working."]]
    if ask.operation is Operation.EDIT:
        return changes(ask)
    if ask.operation is Operation.ROTATE:
        viewed: Row = [Mention(ask.requester.slack), " viewed the new secret."]
        former = request.life.former if isinstance(request, Living) else None
        if former is None or former.deleted_at:
            return [viewed]
        return [[*viewed, " Latchkey deletes the old key ", former.until, "."]]
    return stands(request, yours=False)


def _present(request: Request) -> str:
    """The key that is there now."""
    if isinstance(request, Living):
        return request.key.id
    is_there = isinstance(request, Done) and request.ask.operation is not Operation.DELETE
    return request.ask.key.id if is_there and request.ask.key else ""
