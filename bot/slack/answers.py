"""What `/apikey help`, `requests` and `whoami` answer: ephemeral messages, pure."""

from collections.abc import Sequence

from bot.domain.authority import Standing, describe
from bot.domain.requests import Pending, Request
from bot.domain.roles import DOCUMENTED, Whose
from bot.services.words import decided
from bot.slack import ids
from bot.slack.kit import Block, Bold, Code, Row, actions, button, context, lines, mrkdwn

ROLES = 20
SHOWN = 10
"""How many requests one answer lists: two blocks each, far from Slack's 50."""


def help_blocks() -> list[Block]:
    """What Latchkey does, with buttons."""
    return [
        lines(
            [Bold("Latchkey"), " makes Confluent Cloud API keys."],
            ["You ask, somebody responsible approves, and the secret is shown to you once."],
        ),
        lines(
            [Code("/apikey create"), "  ask for a key"],
            [Code("/apikey requests"), "  your requests, and what waits for you to decide"],
            [Code("/apikey whoami"), "  who you are at Confluent Cloud, and what you may approve"],
            [Code("/apikey help"), "  this page"],
        ),
        actions(
            button("Create API key", ids.OPEN_FORM, style="primary"),
            button("My requests", ids.HELP_REQUESTS),
            button("Who am I", ids.HELP_WHOAMI),
        ),
    ]  # fmt: skip


def unknown_blocks(verb: str) -> list[Block]:
    """The answer to a subcommand that does not exist."""
    return [lines(["There is no ", Code(f"/apikey {verb}"), ". Nothing was changed."]), *help_blocks()]


def requests_blocks(mine: Sequence[Request], waiting: Sequence[Request]) -> list[Block]:
    """The newest requests of a person, and those that this person can decide."""
    blocks: list[Block] = [lines([Bold("Waiting for your decision")])]
    for request in waiting[:SHOWN]:
        blocks.append(lines(_line(request)))
        blocks.append(
            actions(
                button("Approve", ids.APPROVE, request.ask.id, "primary"),
                button("Deny", ids.DENY, request.ask.id, "danger"),
            )
        )
    if not waiting:
        blocks.append(context("Nothing."))
    blocks.append(lines([Bold("Your requests")]))
    for request in mine[:SHOWN]:
        blocks.append(lines(_line(request)))
        blocks.append(mrkdwn(decided(request)))
        if isinstance(request, Pending):
            blocks.append(actions(button("Cancel request", ids.CANCEL, request.ask.id)))
    if not mine:
        blocks.append(context("None yet. Ask with /apikey create."))
    return blocks


def whoami_blocks(standing: Standing) -> list[Block]:
    """Who Latchkey thinks that somebody is."""
    person, held = standing.person, standing.bindings
    texts = [f"• {describe(binding)}: {_allows(binding.role)}" for binding in held[:ROLES]]
    if not held:
        texts.append("• none. You can ask for keys, but approve none.")
    if len(held) > ROLES:
        texts.append(f"• and {len(held) - ROLES} more")
    you: Row = ["You are ", Bold(person.name), " at Confluent Cloud: ", Code(person.principal), f" ({person.email})."]
    roles: list[Row] = [[text] for text in texts]
    return [lines(you, [Bold("Your roles there")], *roles)]


def _line(request: Request) -> Row:
    ask = request.ask
    return [Bold(ask.name), f" for {ask.resource.name}, asked by {ask.requester.name}, ", Code(ask.id)]


def _allows(role: str) -> str:
    row = DOCUMENTED.get(role)
    if row is None:
        return "manages no API keys"
    kinds = ", ".join(sorted(row.kinds))
    if row.whose in {Whose.ANYONES, Whose.OTHERS}:
        return f"approves keys ({kinds})"
    return f"{row.whose.value} ({kinds})"
