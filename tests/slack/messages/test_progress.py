"""What a failed request says to its requester, and what everybody else reads of it."""

import json
from dataclasses import replace

import pytest

from bot.domain.approvals import GlassReview
from bot.domain.keys import Operation
from bot.domain.requests import Done, Expired, Failed, Offered, Unclaimed
from bot.slack.messages import card, key, others
from bot.slack.messages.request import asked, outcome, reviewed
from tests.support import build
from tests.support.build import DANA, NOW

ADVICE = "Request again with `/apikey create`."


def failed(next_step: str = ADVICE) -> Failed:
    return Failed(
        build.an_ask(), build.terms(), happened="Not authorized", changed="Nothing changed.", next=next_step,
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

    assert "Nothing changed. Request again with /apikey create." in said(blocks)
    assert "Latchkey told" not in said(blocks)


@pytest.mark.parametrize("drawn", [card.card(failed())[0], others.to_approvers(failed(), DANA.slack)[0]])
def test_everybody_else_reads_that_the_advice_went_to_the_requester(drawn: object) -> None:
    assert f"Nothing changed. Latchkey told @{DANA.slack}: “Request again with /apikey create.”" in said(drawn)


def test_a_failure_after_a_key_may_have_been_created_does_not_say_that_nothing_was_changed() -> None:
    drawn = said(card.card(build.broken_glass(failed()))[0])

    assert "An earlier attempt may have created a key. If so, Latchkey will delete it." in drawn
    assert "Nothing changed" not in drawn


def test_a_deleted_key_by_break_glass_does_not_expire_anymore() -> None:
    lost = build.ready().then(Unclaimed, at=NOW, deleted_at=NOW)

    assert "can't be extended" in said(asked(build.broken_glass(build.shown()))[0])
    assert "can't be extended" not in said(asked(build.broken_glass(lost))[0])


def test_an_offer_after_trouble_says_that_no_key_was_created_and_to_try_again() -> None:
    offered = build.states()["offered"]
    assert isinstance(offered, Offered)
    offered = replace(offered, trouble="Confluent Cloud didn't answer.")

    drawn = said(key.key(offered, 1)[0])
    assert (
        "The key hasn't been created yet. Confluent Cloud didn't answer. Select Show secret to try again, by " in drawn
    )
    assert " can try again until " in said(card.card(offered)[0])


def test_a_request_with_an_approval_does_not_expire_without_a_decision() -> None:
    expired = build.states()["expired"]
    assert isinstance(expired, Expired)
    half = replace(expired, terms=build.terms(approvals=2), approvals=(build.an_approval(),))

    assert "with 1 of 2 approvals" in said(card.card(half)[0])
    assert "without a decision" not in said(card.card(half)[0])


def test_a_reviewers_words_are_a_quote() -> None:
    review = GlassReview("not justified", build.ERIN, NOW, "I was there.")
    request = build.broken_glass(build.shown(), review=review)

    for blocks in (card.card(request)[0], reviewed(request)[0]):
        assert "I was there." in [said(each) for each in blocks if "rich_text_quote" in str(each)]


def test_owners_read_what_an_edit_changed_and_that_a_deleted_key_was_gone_already() -> None:
    owner = build.a_grant()
    edit = build.a_change(Operation.EDIT, name="orders v2")
    edited = Done(edit, build.terms(approvals=0), owner, 1, at=NOW)
    deletion = build.a_change(Operation.DELETE)
    gone = Done(deletion, build.terms(approvals=0), owner, 1, at=NOW, note="Someone else had already deleted it.")

    assert " → orders v2" in said(others.to_owners(edited)[0])
    assert " deleted the API key" not in said(others.to_owners(gone)[0])
    assert "Someone else had already deleted it." in said(others.to_owners(gone)[0])


def test_a_failure_without_advice_tells_nobody_that_there_was_some() -> None:
    assert "Latchkey told" not in json.dumps(card.card(failed(""))[0])
