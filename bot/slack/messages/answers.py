"""The answers to `/apikey help`, `requests` and `whoami`: a message, or a modal if the click was on Home.

Pure functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import assert_never

from bot.domain.approvals import OVERDUE
from bot.domain.authority import HeldRoles, in_brief
from bot.domain.deadlines import glass_of
from bot.domain.decision import NO_LINE
from bot.domain.keys import MyAccount, NewServiceAccount, Operation
from bot.domain.kinds import Kind
from bot.domain.requests import Ask, Denied, Offered, Pending, Ready, Request
from bot.domain.roles import Binding, Scope, Table, Whose
from bot.services.browse.home import Uses
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button, divider, header
from bot.slack.blocks.text import Block, Bold, Code, Piece, Row, context, cut, lines, mrkdwn, told
from bot.slack.messages.access import role_row
from bot.slack.messages.card import decide, judge, name_of, show_secret, wish
from bot.slack.messages.facts import asked_rows, facts, for_what, kind_of, own_account, place_of, ticket
from bot.slack.messages.progress import progress, waits
from bot.slack.messages.state import state
from bot.slack.payloads import ids

ROLES = 20
SHOWN = 10
"""The most requests in each of the two lists: three blocks a request, and Slack takes 50 in a message."""
REASON = 300
"""How many characters of a reason a list shows; the card has the whole reason."""
WORD = 40
"""How many characters of an unknown command the answer repeats."""
PIECE = 200
"""How many characters other texts in a list may have: twenty requests must fit in a view of 250 kB."""
LOOKED_AT = 50
"""How many of a person's newest requests are searched for one whose secret waits."""

_FROM_POLICY = ", from Latchkey's policy"

COMMANDS = ("create", "list", "show", "edit", "rotate", "delete", "leaked", "requests", "whoami", "help")
_NO_USES = Uses()
INTRODUCTION = "Request a key, get it approved, see the secret once."
CREATE = button("Create API key", ids.OPEN_FORM, style="primary")
LIST = button("List API keys", ids.HELP_LIST)
WHOAMI = button("Who am I", ids.HELP_WHOAMI)


def help_blocks(*, with_buttons: bool = True) -> list[Block]:
    """What Latchkey does, and its commands."""
    buttons = [actions(CREATE, LIST, button("My requests", ids.HELP_REQUESTS), WHOAMI)]
    return [
        lines(
            [Bold("Latchkey"), " creates Confluent Cloud API keys."],
            [INTRODUCTION],
        ),
        lines(
            [Code("/apikey create"), "  request a key (or ", Code("create RESOURCE"), ", ", Code("create like KEY"),
             ")"],
            [Code("/apikey list"), "  your keys, and those of service accounts you manage"],
            [Code("/apikey show KEY"), "  show details of a key (or ", Code("edit"), ", ", Code("rotate"), ", ",
             Code("delete"), ")"],
            [Code("/apikey leaked KEY"), "  report a key whose secret may have leaked"],
            [Code("/apikey requests"), "  your requests and approvals waiting for you"],
            [Code("/apikey whoami"), "  who you are in Confluent Cloud and what you can approve"],
            [Code("/apikey help"), "  show this help"],
        ),
        *(buttons if with_buttons else []),
    ]  # fmt: skip


def unknown_blocks(verb: str) -> list[Block]:
    """The answer to an unknown subcommand."""
    alike = get_close_matches(verb, COMMANDS, 1)
    meant: Row = [" Did you mean ", Code(f"/apikey {alike[0]}"), "?"] if alike else []
    if verb == "extend":  # it needs the key's page, which says how long the key may last
        meant = [" To extend a key, open it with ", Code("/apikey show KEY"), "."]
    return [lines(["There's no command ", Code(f"/apikey {cut(verb, WORD)}"), ".", *meant]), *help_blocks()]


def requests_blocks(
    mine: Sequence[Request],
    waiting: Sequence[Request],
    trouble: str = "",
    uses: Uses = _NO_USES,
    *,
    shut: str = "",
    in_message: bool = True,
) -> list[Block]:
    """A person's newest requests, those to approve and uses of break-glass to review, or why these can't be listed.

    `shut` is why this person can't use Latchkey. `in_message` is for a message, and not for a modal. Requests are rows
    and no table: a table has no buttons, and isn't accepted in modals, nor known to be in answers to a command.
    """

    def both(shown: int) -> list[Block]:
        own = own_blocks(mine, shown, in_message=in_message)
        if shut:
            return [mrkdwn(shut), *(own if mine else [])]
        return [
            *use_blocks(uses, shown),
            *below(waiting_blocks(waiting, trouble, shown), own, first=waiting or trouble),
        ]

    return limits.as_many(SHOWN, both, limits.fits_a_message if in_message else limits.fits_a_view)


def below(waiting: list[Block], others: list[Block], *, first: object) -> list[Block]:
    """What waits for a person's approval, above the rest if there is any.

    Otherwise below, as many people never approve.
    """
    return [*waiting, *others] if first else [*others, divider(), *waiting]


def use_blocks(uses: Uses, shown: int = SHOWN) -> list[Block]:
    """A person's own use of break-glass, if it blocks the next one, and those that they can review."""
    own = _own_use(uses)
    blocks: list[Block] = [*([divider()] if own else []), header("Break-glass to review")] if uses.to_review else []
    for number, request in enumerate(uses.to_review[:shown]):
        glass, ask = glass_of(request), request.ask
        if glass is None:
            continue
        due = "The review was due " if glass.rounds > OVERDUE else "Review it by "
        used: Row = ["Used by ", Bold(ask.requester.name), " ", glass.at, ". ", due, glass.review_by, "."]
        rows = [_line(request, own_account(ask, f"{ask.requester.name}'s own") + " account"), *_access(ask), used]
        why: Row = ["Why it couldn't wait: ", cut(" ".join(glass.why.split()), REASON)]
        blocks += [divider()] if number else []
        blocks += [lines(*map(_short, rows), why), *judge(request, f"{ids.LISTED_BLOCK}:review:{number}")]
    if len(uses.to_review) > shown:
        blocks.append(context(f"And {len(uses.to_review) - shown} more, on their cards."))
    return [*own, *blocks, divider()] if own or blocks else []


def _own_use(uses: Uses) -> list[Block]:
    """That a person can't use break-glass now, and what to do about it."""
    glass = glass_of(uses.mine) if uses.mine else None
    if uses.mine is None or glass is None:
        return []
    what: Row = ["⚠️ Your use of break-glass for ", Bold(name_of(uses.mine.ask)), " hasn't been reviewed yet, "]
    due = "The review was due" if glass.rounds > OVERDUE else "The review is due"
    then: Row = [f"so you can't use it again. {due} ", glass.review_by, "."]
    return [lines(_short([*what, *then]), ["Ask an approver to review it on its card."])]


def waiting_blocks(waiting: Sequence[Request], trouble: str = "", shown: int = SHOWN) -> list[Block]:
    """The requests that wait for a person's approval, and why the list is missing or incomplete."""
    blocks: list[Block] = [header("Waiting for your approval")]
    for number, request in enumerate(waiting[:shown]):
        ask = request.ask
        reason = cut(" ".join(ask.reason.split()), REASON)
        who: Row = ["Requested by ", Bold(ask.requester.name), " ", ask.asked_at, ". "]
        line = _line(request, own_account(ask, f"{ask.requester.name}'s own") + " account")
        *before, missing = progress(request, yours=False)
        rows = [line, *_details(request), *([who, *before, missing] if before else [[*who, *missing]])]
        blocks += [divider()] if number else []
        if ask.operation is Operation.CREATE:  # otherwise, it's among the details
            rows += _ticket(request)
        blocks.append(lines(*map(_short, rows), *([["Reason: ", reason]] if reason else [])))
        blocks.append(decide(request, f"{ids.LISTED_BLOCK}:waiting:{number}"))
    if len(waiting) > shown:
        blocks.append(context(f"And {len(waiting) - shown} more, on their cards in the approvals channel."))
    if trouble:
        blocks.append(mrkdwn(trouble))
    elif not waiting:
        blocks.append(context("Nothing to approve."))
    return blocks


def own_blocks(
    mine: Sequence[Request], shown: int = SHOWN, *, in_message: bool = False, is_told: bool = False
) -> list[Block]:
    """A person's newest requests, first those whose secret waits.

    A secret is the ephemeral answer to a click, and only a click in a message can have one. `is_told`: how to view
    those that wait is said above.
    """
    blocks: list[Block] = [header("Your requests")]
    for number, request in enumerate(sorted(mine, key=lambda each: not isinstance(each, Ready | Offered))[:shown]):
        line = _line(request, f"{own_account(request.ask, 'your own')} account")
        rows = [[Bold(f"{state(request)} · "), *line], *_ticket(request), *progress(request, yours=True)]
        if isinstance(request, Denied):
            rows.append(["Reason: ", cut(" ".join(request.reason.split()), REASON)])
        block = f"{ids.LISTED_BLOCK}:own:{number}"
        buttons: list[Block] = []
        if isinstance(request, Pending):
            buttons = [actions(button("Cancel request", ids.CANCEL, request.ask.id), block=block)]
        elif isinstance(request, Ready | Offered) and in_message:
            buttons = [show_secret(request, block)]
        elif isinstance(request, Ready | Offered) and not is_told:
            rows.append(waits(request))
        blocks += [*([divider()] if number else []), lines(*map(_short, rows)), *buttons]
    if not mine:
        blocks.append(context("No requests yet."))
    if len(mine) > shown:
        blocks.append(context("Older requests aren't listed."))
    return blocks


def whoami_blocks(held_roles: HeldRoles, names: Mapping[str, str]) -> list[Block]:
    """The Confluent user and roles of a person. `names` are the names of environments and clusters, by ID."""
    person, held = held_roles.person, held_roles.bindings
    texts = [f"• {_role(each, names)}: {_allows(each, held_roles.table)}" for each in held[:ROLES]]
    if not held:
        texts.append("• None. You can request keys, but you can't approve any.")
    if len(held) > ROLES:
        texts.append(f"• and {len(held) - ROLES} more")
    you: Row = ["You're ", Bold(person.name), " in Confluent Cloud: ", Code(person.principal), f" ({person.email})."]
    notes: list[Row] = [["The policy file matches you to this user, not your email address."]] if person.named else []
    if held_roles.table.people_only and not person.named:
        notes = [told(NO_LINE)]
    roles: list[Row] = [[text] for text in texts]
    return [lines(you, *notes), lines([Bold("Your roles")], *roles)]


def _role(binding: Binding, names: Mapping[str, str]) -> str:
    return f"{in_brief(binding, names)}{_FROM_POLICY if binding.source == 'mapping' else ''}"


def _line(request: Request, own: str) -> Row:
    """What it is about; `own` says whose "My account" is."""
    ask = request.ask
    new = "new " if isinstance(ask.owner, NewServiceAccount) else ""
    account: Row = [own] if isinstance(ask.owner, MyAccount) else [f"{new}account ", ask.owner.name or ask.owner.id]
    where: Row = [" in ", place_of(ask.resource)] if ask.resource.environment else []
    if ask.operation is not Operation.CREATE and ask.key is not None:
        return [Bold(ask.name or "(no name)"), ": ", *wish(ask), *where, ", ", *account]
    also = f" and {kind_of(ask.also)}" if ask.also else ""
    return [Bold(ask.name), ": ", kind_of(ask.resource), for_what(ask.resource), also, *where, ", ", *account]


def _access(ask: Ask) -> Sequence[Row]:
    """The roles that one approval grants together with the key."""
    return [["Access: ", *role_row(each, ask.resource)] for each in ask.bindings]


def _details(request: Request) -> Sequence[Row]:
    """What else an approver must know: a new key's expiration and access, or how an existing one would change."""
    ask = request.ask
    if ask.operation is Operation.CREATE:
        expires: Sequence[Row] = [[f"{label}: ", *row] for label, row in facts(request, "") if label == "Expires"]
        return [*expires, *_access(ask)]
    return asked_rows(request, "")[2:]  # the account and the resource are in the line above


def _ticket(request: Request) -> list[Row]:
    return [[f"{label}: ", *row] for label, row in ticket(request.ask.ticket, request.terms)]


def _short(row: Row) -> Row:
    """The row, with its texts cut so that many rows fit."""
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


def _allows(binding: Binding, table: Table) -> str:
    row = table.rows.get(binding.role)
    if row is None:
        return "this role covers no API keys"
    kinds = ", ".join(kind.row.label for kind in Kind if kind in row.kinds)
    match row.whose:
        case Whose.ANYONES:
            return f"you can approve other people's requests ({kinds})"
        case Whose.OTHERS:
            return f"you can approve other people's requests ({kinds}), but this role covers no keys of your own"
        case Whose.OWN_AND_OWNED_ACCOUNTS if _owns_account(binding):
            return f"you can approve requests for this service account ({kinds})"
        case Whose.OWN_AND_OWNED_ACCOUNTS | Whose.OWN:  # an owner of a topic or a group owns no account
            return f"this role covers only your own keys ({kinds}), so you can't approve requests with it"
        case _:
            assert_never(row.whose)
