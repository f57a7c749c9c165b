"""Slack's limits for a whole message and a whole view: how many things are shown, and what is cut.

Every piece is within its own limit, but many pieces together may still be too much.
"""

import json
from collections.abc import Callable, Sequence

from bot.slack.blocks.text import Block, cut

MESSAGE = 12_000
"""How many characters of JSON the blocks of a posted message may have. Slack documents no limit; people who measured it
got `msg_blocks_too_long` from about 13,200 on."""
VIEW = 250_000
"""How many bytes a view may have, as sent."""
BLOCKS = 100
"""How many blocks a view may have."""
_BESIDES = 40_000
"""Bytes reserved for what isn't blocks: a view's private_metadata of up to 3,000 characters, and its titles."""
_SHORTER = (1000, 300, 100, 30)
"""If texts are too long together, their longest allowed lengths in characters, and the most pieces that a paragraph may
have, tried one after another."""


def message(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a message. If they are too long together, the longest texts are cut."""
    return _fitting(blocks, fits_a_message)


def view(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a view. If they are too long together, the longest texts are cut."""
    return _fitting(blocks, fits_a_view)


def fits_a_message(blocks: Sequence[Block]) -> bool:
    """Whether Slack accepts a message of this length."""
    return len(json.dumps(blocks, ensure_ascii=False)) <= MESSAGE


def fits_a_view(blocks: Sequence[Block]) -> bool:
    """Whether Slack accepts a view of this length, with some room for what else it has."""
    return len(blocks) <= BLOCKS and len(json.dumps(blocks)) <= VIEW - _BESIDES


def as_many(most: int, drawn: Callable[[int], list[Block]], fits: Callable[[Sequence[Block]], bool]) -> list[Block]:
    """What `drawn` returns for the largest number that fits, up to `most`; for 1 if not even one fits."""
    tried = (drawn(number) for number in range(most, 1, -1))
    return next((blocks for blocks in tried if fits(blocks)), None) or drawn(1)


def _fitting(blocks: Sequence[Block], fits: Callable[[Sequence[Block]], bool]) -> list[Block]:
    found = list(blocks)
    for longest in _SHORTER:
        if fits(found):
            break
        found = [_shorter(block, longest) if block["type"] == "rich_text" else block for block in found]
    return found


def _shorter(part: Block, longest: int) -> Block:
    """A part of rich text cut to texts of this length and so many pieces, except text that people copy."""
    if part["type"] == "text":
        return {**part, "text": cut(part["text"], longest)}
    if "elements" not in part or part["type"] == "rich_text_preformatted":
        return part
    pieces = [_shorter(each, longest) for each in part["elements"]]
    if part["type"] == "rich_text_section" and len(pieces) > longest:  # each code span in a text is one of its own
        pieces = [*pieces[:longest], {"type": "text", "text": "…"}]
    return {**part, "elements": pieces}
