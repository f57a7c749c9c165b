"""The weekly review in the sandbox: a digest for everybody whom it concerns, and its three answers."""

from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play

OLD = "ORDERSPROD000001"
"""Of sa-orders, which Sami owns; made by hand, 410 days before the sandbox starts."""
OTHER = "ORDERSSCHEMA0001"
ORPHAN = "BILLINGPROD00001"


def digests(person: PersonAtClient, channel: str | None = None) -> list[str]:
    """The messages of the review that this person sees, as text."""
    heads = ("API key to review", "API keys to review", "API keys reviewed", "Near a Confluent Cloud quota")
    return [str(each) for each in person.messages(channel) if any(head in str(each) for head in heads)]


async def a_week(it: Play, person: PersonAtClient, number: int = 1, channel: str | None = None) -> None:
    """A week passes, and this person has so many digests."""
    it.advance(days=7)
    await it.until(lambda: len(digests(person, channel)) >= number, f"{number} digests", step=5)


async def sami_is_asked(it: Play) -> PersonAtClient:
    """A week passes; Sami has one digest of his own key, and one of those of the service account that he owns."""
    sami = it.person("U0SAMI")
    await a_week(it, sami, 2)
    return sami


async def listing(person: PersonAtClient, key: str = OLD) -> None:
    """Open the list of the keys of the message that shows this one."""
    await person.click("Review keys", beside=key)


async def test_a_week_on_everybody_is_asked_about_the_keys_that_they_answer_for(tmp_path: Path) -> None:
    """The page's tip: review existing API keys for user and service accounts to find keys that you no longer need."""
    async with play(tmp_path) as it:
        sami = await sami_is_asked(it)

        own = next(each for each in digests(sami) if "SAMISNOTEBOOK001" in each)
        account = next(each for each in digests(sami) if OLD in each)
        assert "existed before Latchkey" in own
        assert "You own this account." in account
        assert "over 90 days old" in account
        assert OTHER in account
        assert "Unused keys are a risk and count toward your Confluent quota." in account
        assert "danger" not in account
        assert "SAMISNOTEBOOK001" not in account
        await it.until(lambda: ORPHAN in str(digests(it.erin, APPROVALS_CHANNEL)), "the orphan", step=5)
        orphan = next(each for each in digests(it.erin, APPROVALS_CHANNEL) if ORPHAN in each)
        assert "owner deleted" in orphan
        assert "existed before Latchkey" not in orphan
        await it.until(lambda: digests(it.dana), "Dana's digest", step=5)
        assert "DANASLAPTOP00001" in str(digests(it.dana))
        await it.until(lambda: "9 of 10 used" in str(digests(it.person("U0LENA"))), "the limit", step=5)


async def test_a_kept_key_leaves_the_message_and_is_not_asked_about_next_week(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        sami = await sami_is_asked(it)

        await listing(sami)
        await sami.click("Keep", beside=OLD)
        await sami.see(f"{OLD} stays as it is.")
        assert await sami.submit() != {}, "no reason was given"
        await sami.fill({"Reason": "The orders service needs it."})
        await sami.submit()
        await sami.see("Latchkey will ask about it again")
        await sami.close(everything=True)

        await sami.see("The orders service needs it.")
        (line,) = await it.audit("key:kept")
        assert line["actor"] == "U0SAMI"
        before = len(digests(sami))
        await a_week(it, sami, before + 2)
        newest = [each for each in digests(sami) if "You own this account." in each][-1]
        assert OTHER in newest
        assert OLD not in newest
        assert OLD in it.stage.organization.api_keys


async def test_what_was_there_before_latchkey_is_kept_with_one_click_and_comes_back_later(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        sami = await sami_is_asked(it)

        await sami.click("Keep all for now", beside=OLD)
        await sami.see("API keys stay as they are:")
        await sami.submit()
        await sami.see("Latchkey will ask again")
        await sami.close()

        await it.until(lambda: "Nothing to do until the next review." in str(digests(sami)), "an empty list", step=1)
        kept = str(await it.audit("key:kept"))
        assert OLD in kept
        assert OTHER in kept
        assert "Existed before Latchkey" in str(digests(sami))
        assert OLD in it.stage.organization.api_keys


async def test_a_key_is_deleted_from_the_digest_and_leaves_it(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        sami = await sami_is_asked(it)

        await listing(sami, OTHER)
        await sami.click("Delete API key", beside=OTHER)
        await sami.see("CONFIRM")
        await sami.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await sami.submit()

        await it.until(lambda: OTHER not in it.stage.organization.api_keys, "the deletion", step=1)
        await it.until(lambda: not any(OTHER in each for each in digests(sami)), "the digest without it", step=1)
        assert any(OLD in each for each in digests(sami))


async def test_a_rotation_begins_from_the_digest(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        sami = await sami_is_asked(it)

        await listing(sami, OTHER)
        await sami.click("Rotate", beside=OTHER)

        await sami.see("You get a new key for the same account and resource.")


async def test_who_may_not_see_a_key_cannot_keep_it_and_is_told_so(tmp_path: Path) -> None:
    """Everybody in the review's channel can press its buttons."""
    async with play(tmp_path) as it:
        await a_week(it, it.erin, 1, APPROVALS_CHANNEL)
        await it.until(lambda: ORPHAN in str(digests(it.erin, APPROVALS_CHANNEL)), "the orphan", step=5)
        message = next(
            each for each in it.erin.messages(APPROVALS_CHANNEL) if ORPHAN in str(each) and "Review key" in str(each)
        )

        # The button as messages of earlier versions have it, one for each key.
        instead = {"action_id": "key:keep", "value": "SAMISNOTEBOOK001"}
        await it.press("U0ERIN", APPROVALS_CHANNEL, message, "Review key", **instead)
        await it.erin.fill({"Reason": "I am curious."})
        await it.erin.submit()

        await it.erin.see("No key with that ID, or you don't have access to it.")
        assert await it.audit("key:kept") == []
