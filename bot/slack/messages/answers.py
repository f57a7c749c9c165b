"""What `/apikey help`, `requests` and `whoami` answer: ephemeral messages, pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from bot.domain.authority import HeldRoles
from bot.domain.decision import NO_LINE
from bot.domain.keys import MyAccount, Operation
from bot.domain.kinds import Kind
from bot.domain.requests import Offered, Pending, Ready, Request
from bot.domain.roles import Binding, Scope, Table, Whose
from bot.services.people.approvers import in_words
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button
from bot.slack.blocks.text import Block, Bold, Code, Piece, Row, context, cut, lines, mrkdwn, told
from bot.slack.messages.card import asked_rows, decide, for_what, kind_of, own_account, place_of, show_secret, wish
from bot.slack.messages.progress import WAITS, progress
from bot.slack.payloads import ids

ROLES = 20
SHOWN = 10
"""How many requests each of the two lists has at most: two blocks a request, for Slack takes 50 in a message."""
REASON = 300
"""Characters of a reason that a list shows; the card has all of them."""
WORD = 40
"""Characters of a command that does not exist."""
PIECE = 200
"""Characters of any other piece of text in a list: Slack takes 250 kB a view, in which twenty requests may stand."""
LOOKED_AT = 50
"""How many of a person's newest requests are looked at for one whose secret waits."""

START = (
    button("Create API key", ids.OPEN_FORM, style="primary"),
    button("List API keys", ids.HELP_LIST),
    button("My requests", ids.HELP_REQUESTS),
    button("Who am I", ids.HELP_WHOAMI),
)
"""The buttons to begin with."""


def help_blocks() -> list[Block]:
    """What Latchkey does, with buttons."""
    return [
        lines(
            [Bold("Latchkey"), " makes Confluent Cloud API keys."],
            ["You ask, somebody responsible approves, and the secret is shown to you once."],
        ),
        lines(
            [Code("/apikey create"), "  request a key; also ", Code("create RESOURCE"), ", ", Code("create like KEY")],
            [Code("/apikey list"), "  your keys, and those of service accounts that you manage"],
            [Code("/apikey show KEY"), "  all about one key; also ", Code("edit KEY"), ", ", Code("rotate KEY"), ", ",
             Code("delete KEY")],
            [Code("/apikey requests"), "  your requests, and what waits for you to decide"],
            [Code("/apikey whoami"), "  who you are at Confluent Cloud, and what you may approve"],
            [Code("/apikey help"), "  this page"],
        ),
        actions(*START),
    ]  # fmt: skip


def unknown_blocks(verb: str) -> list[Block]:
    """The answer to a subcommand that does not exist."""
    return [lines(["There is no ", Code(f"/apikey {cut(verb, WORD)}"), ". Nothing was changed."]), *help_blocks()]


def requests_blocks(mine: Sequence[Request], waiting: Sequence[Request], trouble: str = "") -> list[Block]:
    """The newest requests of a person, and those that this person can decide, or why these cannot be told."""

    def both(shown: int) -> list[Block]:
        return [*waiting_blocks(waiting, trouble, shown), *own_blocks(mine, shown, in_message=True)]

    return limits.as_many(SHOWN, both, limits.fits_a_message)


def waiting_blocks(waiting: Sequence[Request], trouble: str = "", shown: int = SHOWN) -> list[Block]:
    """What waits for somebody's decision; and why that cannot be told, or not all of it."""
    blocks: list[Block] = [lines([Bold("Waiting for your decision")])]
    for number, request in enumerate(waiting[:shown]):
        ask = request.ask
        reason = cut(" ".join(ask.reason.split()), REASON)
        who: Row = ["Asked by ", Bold(ask.requester.name), " ", ask.asked_at, ". "]
        line = _line(request, f"{own_account(ask, f'{ask.requester.name}’s own')} account")
        rows = [line, *_details(request), [*who, *progress(request, yours=False)[-1]]]
        blocks.append(lines(*map(_short, rows), *([["Why: ", reason]] if reason else [])))
        blocks.append(decide(request, f"{ids.LISTED_BLOCK}:waiting:{number}"))
    if len(waiting) > shown:
        blocks.append(context(f"And {len(waiting) - shown} more, on their cards in the approvals channel."))
    if trouble:
        blocks.append(mrkdwn(trouble))
    elif not waiting:
        blocks.append(context("Nothing waits for you."))
    return blocks


def own_blocks(mine: Sequence[Request], shown: int = SHOWN, *, in_message: bool = False) -> list[Block]:
    """The newest requests of a person, after those whose secret waits.

    A secret is the ephemeral answer to a click, and only a click in a message can have one.
    """
    blocks: list[Block] = [lines([Bold("Your requests")])]
    for number, request in enumerate(sorted(mine, key=lambda each: not isinstance(each, Ready | Offered))[:shown]):
        rows = [_line(request, f"{own_account(request.ask, 'your own')} account"), *progress(request, yours=True)]
        row = f"{ids.LISTED_BLOCK}:own:{number}"
        buttons: list[Block] = []
        if isinstance(request, Pending):
            buttons = [actions(button("Cancel request", ids.CANCEL, request.ask.id), block=row)]
        elif isinstance(request, Ready | Offered) and in_message:
            buttons = [show_secret(request, row)]
        elif isinstance(request, Ready | Offered):
            rows.append(WAITS)
        blocks += [lines(*map(_short, rows)), *buttons]
    if not mine:
        blocks.append(context("You asked for nothing yet."))
    return blocks


def whoami_blocks(held_roles: HeldRoles, names: Mapping[str, str]) -> list[Block]:
    """Who Latchkey thinks that somebody is; `names` are what ids of environments and clusters stand for."""
    person, held = held_roles.person, held_roles.bindings
    texts = [f"• {in_words(each, names)}: {_allows(each, held_roles.table)} {_source(each)}" for each in held[:ROLES]]
    if not held:
        texts.append("• None. You can ask for keys, and approve none.")
    if len(held) > ROLES:
        texts.append(f"• and {len(held) - ROLES} more")
    you: Row = ["You are ", Bold(person.name), " at Confluent Cloud: ", Code(person.principal), f" ({person.email})."]
    notes: list[Row] = [["The policy file says so, not your email address."]] if person.named else []
    if held_roles.table.people_only and not person.named:
        notes = [told(NO_LINE)]
    roles: list[Row] = [[text] for text in texts]
    return [lines(you, *notes, [Bold("Your roles")], *roles)]


def _line(request: Request, own: str) -> Row:
    """What it is about; `own` says whose "My account" is."""
    ask = request.ask
    account: Row = [own] if isinstance(ask.owner, MyAccount) else ["account ", ask.owner.name or ask.owner.id]
    where: Row = [" in ", place_of(ask.resource)] if ask.resource.environment else []
    if ask.operation is not Operation.CREATE and ask.key is not None:
        return [Bold(ask.name or "A key without a name"), ": ", *wish(ask), *where, ", ", *account]
    return [Bold(ask.name), f": a {kind_of(ask.resource)}", for_what(ask.resource), *where, ", ", *account]


def _details(request: Request) -> Sequence[Row]:
    """What an approver has to know besides: how an existing key would change."""
    rows = asked_rows(request, "") if request.ask.operation is not Operation.CREATE else []
    return rows[2:]  # the account and the resource stand in the line above


def _short(row: Row) -> Row:
    """A row in which no text is so long that many rows would be too much."""
    return [_cut(piece) for piece in row]


def _cut(piece: Piece) -> Piece:
    match piece:
        case Bold() | Code():
            return replace(piece, text=cut(piece.text, PIECE))
        case str():
            return cut(piece, PIECE)
        case _:
            return piece


def _owns_account(binding: Binding) -> bool:
    path = Scope.parse(binding.crn).path
    return bool(path) and path[0][0] == "service-account"


def _source(binding: Binding) -> str:
    return "From Latchkey’s policy." if binding.source == "mapping" else "A role binding."


def _allows(binding: Binding, table: Table) -> str:
    row = table.rows.get(binding.role)
    if row is None:
        return "it manages no API keys."
    kinds = ", ".join(kind.row.label for kind in Kind if kind in row.kinds)
    match row.whose:
        case Whose.ANYONES:
            return f"you can approve what others ask for ({kinds})."
        case Whose.OTHERS:
            return f"you can approve what others ask for, but it covers no keys of your own ({kinds})."
        case Whose.OWN_AND_OWNED_ACCOUNTS if _owns_account(binding):
            return f"you can approve for this service account ({kinds})."
        case Whose.OWN_AND_OWNED_ACCOUNTS | Whose.OWN:  # an owner of a topic or a group owns no account
            return f"it covers your own keys; you approve none ({kinds})."
        case _:
            assert_never(row.whose)
