"""What people are told in new messages: that a secret waits, or was not viewed, or that a key was deleted."""

from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL
from tests.support.play import play
from tests.support.walks import buttons_beside, is_drawn, opened, reads, says, sent

SERVICE_KEY = "ORDERSDEV0000001"


async def test_a_secret_that_waits_is_viewed_from_its_reminder(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        before = len(it.dana.messages())
        it.advance(hours=18, minutes=1)
        await reads(it, it.dana, "is still waiting", "the key is deleted")
        assert len(it.dana.messages()) == before + 1

        await it.dana.click("Show secret", beside="is still waiting", in_channel=it.dana.dm)
        await it.dana.wait_for(lambda: it.dana.sees(it.stage.organization.secrets_issued[key]), "the secret")
        await it.dana.wait_for(lambda: not it.dana.sees("is still waiting"), "the reminder to say so")
        assert buttons_beside(it.dana, "You viewed the secret for your key") == []
        it.advance(hours=8)
        await it.until(lambda: it.our_keys() == [key], "the key to stay")


async def test_a_secret_that_nobody_viewed_is_requested_again_as_it_was(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        await it.key_is_there()
        it.advance(hours=25)
        await reads(it, it.dana, "was deleted", "The secret wasn't viewed in time.")

        await it.dana.click("Request again")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "Create an API key"), "the form")
        assert "orders producer" in str(it.dana.front())
        assert "Local tests of the orders flow" in str(it.dana.front())


async def test_owners_of_an_account_read_who_deleted_its_key_and_why(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        sami = it.person("U0SAMI")  # owns the account
        await opened(it.erin, "delete", SERVICE_KEY)
        assert "No approval needed." in says(it.erin.front())
        await it.erin.fill({"word": "CONFIRM"})
        assert list(await it.erin.submit()) == ["reason"]
        await it.erin.fill({"word": "CONFIRM", "Reason": "It leaked"})
        await sent(it.erin, "Latchkey will message you when it's done.")

        told = await reads(it, sami, "deleted the API key", SERVICE_KEY)
        assert "<@U0ERIN>" in told
        assert "It leaked" in told
        await reads(it, it.erin, "The key was deleted")
        card = says(it.erin.messages(APPROVALS_CHANNEL)[-1])
        assert SERVICE_KEY in card
        assert "It leaked" in card
        assert "No approval was needed" in card


async def test_who_approved_what_confluent_then_refuses_is_mentioned_below_the_card(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        it.stage.faults.set("create_refused", "403")
        await it.approve()
        await it.card_says("Failed")
        (card,) = it.cards()
        await it.until(lambda: len(it.erin.messages(APPROVALS_CHANNEL)) == 2, "the news in the thread")

        news = it.erin.messages(APPROVALS_CHANNEL)[-1]
        assert news["thread_ts"] == card["ts"]
        assert "<@U0ERIN>" in news["text"]
        assert "you approved it." in says(news)
        assert "Forbidden Access" in says(card)
        assert "Forbidden Access" not in says(news), "the card right above says it"
        assert all("you approved it" not in says(each) for each in it.erin.messages()), "she reads it in the channel"
