"""The message about a leaked key: what the key opens, who uses it, and what to do about it. Pure."""

from typing import assert_never

from bot.domain.leaks.report import Leak, LeakAudience, LeakNotice
from bot.slack.blocks.kit import actions, button, fields, header
from bot.slack.blocks.newer import alert
from bot.slack.blocks.text import Block, Code, Mention, Row, context, flat, lines
from bot.slack.messages.card import UNNAMED
from bot.slack.messages.facts import Fact, account, place
from bot.slack.messages.state import DELETED, LEAKED
from bot.slack.payloads import ids

ADDRESS = 500
"""How many characters of an address are shown, as code, which Slack doesn't turn into a link."""
_OURS = (
    "This is the key that Latchkey itself uses, so it can't be changed here. Create a new key for Latchkey in the "
    "Confluent Cloud Console, restart Latchkey with it, then delete this one."
)
_GONE = "The key was deleted, so its secret no longer works."
_NO_APPROVAL = "People who manage this key can delete it without approval. Rotating it may need approval."


def message(notice: LeakNotice) -> tuple[list[Block], str]:
    """The message, and its notification text."""
    # The request that deleted it may have a message of its own with the headline "Deleted".
    key, now = notice.leak.key, f"{DELETED.sign} Leaked key deleted" if notice.is_gone else str(LEAKED)
    name = flat(key.name) or UNNAMED
    reported: Row = [reporter(notice.leak), " reported this API key as leaked ", notice.leak.at, "."]
    # An address is longer than a column is wide.
    found: list[Row] = [["Found at:"], [Code(flat(notice.leak.url, ADDRESS))]] if notice.leak.url else []
    told = lines([*reported, *_why(notice.audience)], *found)
    blocks = [header(f"{now} · {name}"), told, *fields(*_facts(notice))]
    if notice.is_gone:
        return [*blocks, lines([_GONE])], f"Leaked API key deleted: {key.id}"
    return [*blocks, *_to_do(notice)], f"API key {key.id} was reported as leaked"


def reporter(leak: Leak) -> Mention | str:
    """Who reported it: a person, or a scanner by name."""
    return Mention(leak.by) if leak.by else leak.source


def _to_do(notice: LeakNotice) -> list[Block]:
    key = notice.leak.key.id
    if notice.is_ours:
        return [lines([_OURS])]
    return [
        alert("warning", "Anyone with its secret can use this key until it's deleted.", on="message"),
        lines(["Rotate it to get a new key and switch your applications, or delete it if nothing needs it."]),
        actions(
            button("Rotate now", ids.KEY_ROTATE, key, "primary"),
            button("Delete now", ids.KEY_DELETE, key),
        ),
        context(_NO_APPROVAL),
    ]


def _facts(notice: LeakNotice) -> list[Fact]:
    key, owner = notice.leak.key, notice.owner
    facts: list[Fact] = [("Key ID", [Code(key.id)])]
    facts.append(("Account", account(owner, flat(notice.name) or "personal account")))
    facts += place(notice.resource) if notice.resource else [("Resource", [Code(key.resource or "?")])]
    if notice.requester:
        facts.append(("Requested by", [Mention(notice.requester)]))
    facts.append(("Created", [key.created_at or "unknown"]))
    return facts if notice.is_gone else [*facts, ("Expires", [notice.ends_at or "never"])]


def _why(audience: LeakAudience) -> Row:
    """Why this reader gets the message."""
    match audience:
        case "owner":
            return [" It's your personal key."]
        case "account-owner":
            return [" You own its service account."]
        case "requester":
            return [" You requested the key."]
        case "manager":
            return [" You manage the key."]
        case "channel":
            return []
        case _:
            assert_never(audience)
