"""App Home: keys, requests and what waits, as a view. Pure."""

from bot.services.browse.home import HomePage
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button, divider
from bot.slack.blocks.text import Block, Bold, Code, Piece, context, lines, mrkdwn
from bot.slack.messages import answers
from bot.slack.payloads import ids
from bot.slack.views.keys import key_rows


def home(page: HomePage) -> Block:
    """The view. It holds no secret, and nothing that its reader could not ask for anyway: Slack keeps it."""
    blocks = limits.as_many(answers.SHOWN, lambda shown: _blocks(page, shown), limits.fits_a_view)
    return {"type": "home", "blocks": limits.view(blocks)}


def _blocks(page: HomePage, shown: int) -> list[Block]:
    """Home with so many requests in each list. What waits for its reader comes first."""
    waiting = [divider(), *answers.waiting_blocks(page.waiting, page.trouble, shown)]
    keys = [divider(), *_keys(page)]
    return [
        lines([Bold("Latchkey"), ": API keys for Confluent Cloud"]),
        actions(*answers.START, button("Help", ids.HELP)),
        *(mrkdwn(f"⚠️ {note}") for note in page.notes),
        *(waiting + keys if page.waiting else keys + waiting),
        divider(),
        *answers.own_blocks(page.requests, shown),
    ]


def _keys(page: HomePage) -> list[Block]:
    blocks: list[Block] = [lines([Bold("Your API keys")])]
    for view in page.keys:
        blocks += [*([divider()] if view is not page.keys[0] else []), *key_rows(view)]
    if page.more_keys:
        blocks.append(context(f"And {page.more_keys} more: ", Code("/apikey list"), " shows them all."))
    if not page.keys:
        # Whoever can have none reads why in a note.
        ask: tuple[Piece, ...] = () if page.notes else (" Ask with ", Code("/apikey create"), ".")
        blocks.append(context("None yet.", *ask))
    return blocks
