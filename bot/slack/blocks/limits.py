"""Slack's limits for all of a message, and for all of a view: what is shown of many things, and what is cut.

Every piece keeps its own limit where it is made; many pieces together may still be too much.
"""

import json
from collections.abc import Callable, Sequence

from bot.slack.blocks.text import Block, cut

MESSAGE = 12_000
"""Characters of JSON that the blocks of a posted message may have. Slack documents no limit; people who measured it
met `msg_blocks_too_long` from about 13,200 on."""
VIEW = 250_000
"""Bytes of a view, as it is sent."""
BLOCKS = 100
"""Blocks of a view."""
_BESIDES = 40_000
"""Bytes of a view that are not blocks: 3,000 characters that it keeps, and its titles."""
_SHORTER = (1000, 300, 100, 30)
"""How long a piece of text may be at most where all of them together are too long, one after the other."""


def message(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a message. If they are too long together, the longest texts are cut."""
    return _fitting(blocks, fits_a_message)


def view(blocks: Sequence[Block]) -> list[Block]:
    """The same for a view."""
    return _fitting(blocks, fits_a_view)


def fits_a_message(blocks: Sequence[Block]) -> bool:
    """Whether Slack accepts a message of this length."""
    return len(json.dumps(blocks, ensure_ascii=False)) <= MESSAGE


def fits_a_view(blocks: Sequence[Block]) -> bool:
    """Whether Slack takes a view of this length; a little is left for what a view has besides."""
    return len(blocks) <= BLOCKS and len(json.dumps(blocks)) <= VIEW - _BESIDES


def as_many(most: int, drawn: Callable[[int], list[Block]], fits: Callable[[Sequence[Block]], bool]) -> list[Block]:
    """What `drawn` draws of so many things as fit, at most `most`; of one, where not even one fits."""
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
    """A part of rich text with nothing in it longer than this; what is there to be copied stays whole."""
    if part["type"] == "text":
        return {**part, "text": cut(part["text"], longest)}
    if "elements" not in part or part["type"] == "rich_text_preformatted":
        return part
    return {**part, "elements": [_shorter(each, longest) for each in part["elements"]]}
