"""App Home: what waits for a person, their keys and their requests, as a view. Pure."""

from collections.abc import Sequence

from bot.domain.requests import Offered, Ready, Request
from bot.services.browse.home import HomePage
from bot.slack.blocks import limits
from bot.slack.blocks.kit import actions, button, divider, header
from bot.slack.blocks.text import Block, Bold, Code, Row, context, flat, lines, mrkdwn
from bot.slack.messages import answers
from bot.slack.messages.state import state
from bot.slack.payloads import ids
from bot.slack.views.keys import key_row


def home(page: HomePage) -> Block:
    """The view. Slack keeps it, so it contains no secret, and nothing that its reader couldn't look up anyway."""
    blocks = limits.as_many(answers.SHOWN, lambda shown: _blocks(page, shown), limits.fits_a_view)
    return {"type": "home", "blocks": limits.view(blocks)}


def _blocks(page: HomePage, shown: int) -> list[Block]:
    """Home with `shown` requests in each list. What waits for the reader comes first."""
    if page.shut:
        return _shut(page, shown)
    return [
        actions(answers.CREATE, answers.LIST, answers.WHOAMI, button("Help", ids.HELP)),
        *([mrkdwn(page.said)] if page.said else []),
        *(mrkdwn(f"⚠️ {note}") for note in page.notes),
        *_introduction(page),
        *_secrets(page.requests),
        *answers.use_blocks(page.uses, shown),
        *([] if page.is_unread else _lists(page, shown)),
    ]


def _lists(page: HomePage, shown: int) -> list[Block]:
    """What waits for its reader's approval, their keys and their requests."""
    is_first = page.waiting or page.trouble
    own = [*_keys(page), divider(), *answers.own_blocks(page.requests, shown, is_told=True)]
    waiting = answers.waiting_blocks(page.waiting, page.trouble, shown)
    return answers.below([*waiting, divider()] if is_first else waiting, own, first=is_first)


def _shut(page: HomePage, shown: int) -> list[Block]:
    """Home of a person who can't use Latchkey: why, and what they requested before, without buttons that refuse."""
    keys = [divider(), *_keys(page)] if page.keys else []
    own = [divider(), *answers.own_blocks(page.requests, shown)] if page.requests else []
    return [lines([Bold("You can't use Latchkey.")]), mrkdwn(page.shut), *keys, *own]


def _introduction(page: HomePage) -> list[Block]:
    """What Latchkey is for, to someone who has nothing here yet."""
    uses = page.uses.to_review or page.uses.mine
    is_new = not any((page.keys, page.requests, page.waiting, page.trouble, page.notes, page.said, uses))
    return [lines([answers.INTRODUCTION]), divider()] if is_new else []


def _secrets(requests: Sequence[Request]) -> list[Block]:
    """The secrets that wait for this person. A secret is only shown in a message, so its button is there."""
    waiting = [each for each in requests if isinstance(each, Ready | Offered)]
    rows: list[Row] = [
        [Bold(str(state(each))), ": ", Bold(flat(each.ask.name)), ", until ", each.claim_by, "."] for each in waiting
    ]
    them = "them" if len(waiting) > 1 or any(each.ask.also for each in waiting) else "it"
    where: Row = [f"To view {them}, open ", Bold("Messages"), " or run ", Code("/apikey requests"), "."]
    return [lines(*rows, where), divider()] if rows else []


def _keys(page: HomePage) -> list[Block]:
    blocks: list[Block] = [header("Your API keys")]
    blocks += [block for view in page.keys for block in key_row(view, with_details=not page.shut)]
    if page.more_keys:
        blocks.append(context(f"And {page.more_keys} more. Select ", Bold("List API keys"), " to see them all."))
    if not page.keys:
        blocks.append(context("Couldn't load your keys." if page.notes else "No keys yet."))
    return blocks
