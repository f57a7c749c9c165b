"""What a failed request says to its requester, and what everybody else reads of it."""

import json

import pytest

from bot.domain.requests import Failed
from bot.slack.messages import approvers, card
from bot.slack.messages.request import outcome
from tests.support import build
from tests.support.build import DANA, NOW

ADVICE = "Request again with `/apikey create`."


def failed(next_step: str = ADVICE) -> Failed:
    return Failed(
        build.an_ask(), build.terms(), happened="Not authorized", changed="Nothing was changed.", next=next_step,
        reference="r-1", at=NOW, news=True,
    )  # fmt: skip


def said(blocks: object) -> str:
    """The text of rich text, with people by id."""
    if isinstance(blocks, list):
        return "".join(map(said, blocks))
    if not isinstance(blocks, dict):
        return ""
    return str(blocks.get("text") if isinstance(blocks.get("text"), str) else "") + (
        f"@{blocks['user_id']}" if blocks.get("type") == "user" else said(list(blocks.values()))
    )


def test_the_requester_reads_what_to_do_next() -> None:
    blocks, _ = outcome(failed())

    assert "Nothing was changed. Request again with /apikey create." in said(blocks)
    assert "Latchkey told" not in said(blocks)


@pytest.mark.parametrize("drawn", [card.card(failed())[0], approvers.told(failed(), DANA.slack)[0]])
def test_everybody_else_reads_that_the_advice_went_to_the_requester(drawn: object) -> None:
    assert f"Nothing was changed. Latchkey told @{DANA.slack}: Request again with /apikey create." in said(drawn)


def test_a_failure_without_advice_tells_nobody_that_there_was_some() -> None:
    assert "Latchkey told" not in json.dumps(card.card(failed(""))[0])
