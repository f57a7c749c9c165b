"""Deadlines: nobody decides, nobody takes the secret, the approval ends. Every message says so, on every copy."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from sandbox.slack.faults import Answers
from tests.support.play import play


async def test_a_request_that_nobody_decides_expires_on_the_card_and_in_the_dm(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,), (asked,) = it.cards(), it.dana.messages()
        it.advance(hours=23)
        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: "Needs 1 approval" in str(it.dana.ephemerals), "the list")
        it.advance(hours=2)

        await it.dana.wait_for(lambda: len(it.dana.messages()) == 2, "a word about it")
        await it.card_says("without a decision. Nothing was created.")
        assert _buttons([*it.cards(), *it.dana.messages()]) == ["Request again"]

        await it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve")
        await it.erin.see("No one decided in time, so this request expired <!date^")
        await it.press("U0DANA", it.dana.dm, asked, "Cancel request")
        await it.dana.see("It can no longer be cancelled.")
        assert it.our_keys() == []
        assert len(await it.audit("request:expired")) == 1
        assert it.dana.notices == it.erin.notices == []


async def test_a_secret_that_nobody_takes_is_deleted_with_its_key(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        secret = it.stage.organization.secrets_issued[key]
        message = it.dana.messages()[-1]
        it.advance(hours=25)

        await it.dana.see("The secret wasn't viewed in time.")
        await it.until(lambda: it.our_keys() == [], "the key to go")
        await it.card_says("was deleted")
        await it.dana.wait_for(
            lambda: sum("was deleted" in str(each) for each in it.dana.messages()) == 2, "both messages"
        )
        assert _buttons([*it.cards(), *it.dana.messages()]) == ["Request again"]

        await it.press("U0DANA", it.dana.dm, message, "Show secret")
        await it.dana.see("You didn't view this secret in time")
        await it.press("U0DANA", it.dana.dm, message, "Show secret", action_id="key:replace")
        await it.dana.see("Nothing changed.")
        assert not it.dana.sees(secret)
        lines = [line["action"] for line in await it.audit()]
        assert lines.index("secret:unclaimed") < lines.index("key:delete-intended") < lines.index("key:deleted")


UNREADABLE: list[Answers] = ["web page", "broken JSON", "null", "a list", "403, web page", "token revoked"]


@pytest.mark.parametrize("answers", UNREADABLE)
async def test_a_key_whose_secret_nobody_takes_goes_in_time_whatever_slack_answers(
    tmp_path: Path, answers: Answers
) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        await it.key_is_there()
        it.stage.slack.faults.answers = answers
        it.advance(hours=25)
        await it.until(lambda: it.our_keys() == [], "the key to go")

        it.stage.slack.faults.answers = "works"
        it.advance(minutes=10)
        await it.dana.see("The secret wasn't viewed in time.")


async def test_a_click_on_show_secret_counts_by_the_clock_and_not_by_the_worker(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        message = it.dana.messages()[-1]
        it.advance(hours=24)
        await it.press("U0DANA", it.dana.dm, message, "Show secret")

        await it.dana.see("You didn't view this secret in time")
        await it.until(lambda: it.our_keys() == [], "the key to go")
        assert not it.dana.sees(it.stage.organization.secrets_issued[key])


async def test_a_key_is_replaced_while_the_approval_is_fresh_and_not_after(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        first = await it.key_is_there()
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")

        await it.dana.click("Replace key", in_channel=it.dana.dm)
        await it.dana.see("Latchkey will message you when it's ready.")
        await it.dana.see("An earlier key ")
        second = await it.key_is_there()
        assert second != first
        assert not it.dana.sees(it.stage.organization.secrets_issued[first])
        assert len(await it.audit("request:approved")) == 1
        await it.dana.click("Show secret")
        await it.dana.wait_for(lambda: it.dana.sees(it.stage.organization.secrets_issued[second]), "the new secret")
        await it.dana.see("You viewed the secret for key")

        it.advance(hours=25)
        (message,) = (each for each in it.dana.messages() if "Replace key" in str(each))
        await it.press("U0DANA", it.dana.dm, message, "Replace key")
        await it.dana.see("so nothing changed. Request a new one with `/apikey create`.")
        assert it.our_keys() == [second]


async def test_a_card_that_the_bot_forgot_is_brought_up_to_date_by_a_click_on_it(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.forget_messages()
        await it.erin.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()

        await it.card_says("to view the secret")
        assert len(it.cards()) == 1
        assert _buttons(it.cards()) == []


async def test_a_forgotten_card_of_a_decided_request_loses_its_buttons_with_the_click(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.forget_messages()
        await it.dana.click("Cancel request")
        await it.dana.see("Cancelled by you")
        await it.erin.wait_for(lambda: len(it.cards()) == 2, "a card that the bot knows")
        await it.card_says("Cancelled by")
        old, _ = it.cards()

        await it.press("U0ERIN", APPROVALS_CHANNEL, old, "Approve")
        await it.erin.see("<@U0DANA> cancelled this request")
        await it.erin.wait_for(lambda: _buttons(it.cards()) == [], "the old card to say so too")
        await it.dana.wait_for(lambda: _buttons(it.dana.messages()) == [], "her own copy to say so too")


def _buttons(messages: list[Json]) -> list[str]:
    """What can be clicked in these messages."""
    return [
        each["text"]["text"]
        for message in messages
        for block in message["blocks"]
        for each in (block["elements"] if block["type"] == "actions" else ())
    ]
