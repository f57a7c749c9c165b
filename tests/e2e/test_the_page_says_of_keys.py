"""The page that Latchkey implements, sentence by sentence, as people click it: viewing, editing and deleting keys."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.person import PersonAtClient
from tests.support.play import play
from tests.support.walks import buttons_of, is_drawn, listed, live, managed, obtain, opened, page_of, reads, says, sent
from tests.support.wishes import OWN, Wish, review

LAPTOP = "DANASLAPTOP00001"
"""Dana's own key, made before Latchkey."""
ONE_APPROVAL = "version: 1\nchannel: C0APPROVE\nrules: [{name: cloud, match: {kind: cloud}, approvals: 1}]\n"
ETL_LIMIT = "iam.max_cloud_api_keys.per_service_account"


async def test_the_list_has_the_keys_of_whoever_looks(tmp_path: Path) -> None:
    """P31: a list of existing keys."""
    async with play(tmp_path) as it:
        for_service = await obtain(it, Wish(name="asked for"))
        own = await obtain(it, Wish(OWN, name="own"))

        assert await listed(it.dana) == [LAPTOP, own, for_service]
        assert for_service in await listed(it.person("U0SAMI"))  # owns the service account
        assert await listed(it.person("U0REED")) == []
        said = await page_of(it.dana, for_service)
        for text in ("asked for", "orders-service", "orders-dev (lkc-dev001) in dev", "U0ERIN"):
            assert text in said


async def test_keys_are_reviewed_and_those_not_needed_are_deleted_from_the_message(tmp_path: Path) -> None:
    """P32: the tip to review keys and to delete those that nobody needs."""
    async with play(tmp_path) as it:
        it.advance(days=7)
        digest = await reads(it, it.dana, "API key to review", LAPTOP)
        assert "Unused keys are a risk" in digest

        await it.dana.click("Review key", beside=LAPTOP, in_channel=it.dana.dm)
        await it.dana.click("Delete API key", beside=LAPTOP)
        await it.dana.see("CONFIRM")
        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await sent(it.dana, "Latchkey will message you when it's done.")

        await reads(it, it.dana, "Nothing to do until the next review.")
        assert LAPTOP not in live(it)


async def test_who_nears_a_limit_reads_so_and_nobody_is_asked_beyond_it(tmp_path: Path) -> None:
    """P33: the most keys that an organization may have."""
    async with play(tmp_path, policy=ONE_APPROVAL) as it:
        lena = it.person("U0LENA")  # owns nightly-etl, which has 9 of its 10 Cloud keys
        it.advance(days=7)
        await reads(it, lena, "9 of 10 used")
        await it.until(lambda: "NIGHTLYETLCLOUD2" in says(it.reviews()), "the question about its keys", step=5)
        assert "NIGHTLYETLCLOUD2 Cloud resource management" in says(it.reviews())

        wish = Wish("nightly-etl", kind="cloud")
        assert "Send request" in await review(it.dana, wish)
        await it.dana.close(everything=True)
        it.stage.organization.quotas[ETL_LIMIT].limits["sa-etl001"] = 9
        said = await review(it.dana, wish)
        assert f"`{ETL_LIMIT}`" in said
        assert "Nothing was sent." in said
        assert await it.audit("request:submitted") == []


async def test_a_key_is_opened_from_the_list_and_renamed(tmp_path: Path) -> None:
    """P34: click the key, change name and description, save."""
    async with play(tmp_path) as it:
        await open_from_list(it.dana, LAPTOP)
        await it.dana.click("Edit", place="modal")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "Edit API key"), "the fields")
        await it.dana.fill({"Name": "Dana's desktop", "Description": "since the move"})
        await sent(it.dana, "Updating key")
        await reads(it, it.dana, "The key was updated")

        there = it.stage.organization.api_keys[LAPTOP]
        assert (there.name, there.description) == ("Dana's desktop", "since the move")
        assert "Dana's desktop" in await page_of(it.dana, LAPTOP)
        (edited,) = await it.audit("key:edited")
        details = edited["details"]
        assert isinstance(details, dict)
        assert (details["old_name"], details["new_name"]) == ("Dana's laptop", "Dana's desktop")


async def test_only_changes_are_saved(tmp_path: Path) -> None:
    """P35: Save is for who has changed something."""
    async with play(tmp_path) as it:
        await opened(it.dana, "edit", LAPTOP)
        await sent(it.dana, "The name and description are the same as before. Nothing changed.")

        assert await it.audit("request:submitted") == []


@pytest.mark.parametrize("way", ["the list", "its own message"])
async def test_a_key_that_leaked_is_deleted_from_where_it_is_seen(tmp_path: Path, way: str) -> None:
    """P36: delete what is not needed or compromised: the key's page, and its button."""
    async with play(tmp_path) as it:
        key = await obtain(it, Wish(OWN, name="leaked"))
        if way == "the list":
            await open_from_list(it.dana, key)
            await it.dana.click("Delete API key", place="modal")
        else:
            await managed(it.dana, key, "Delete API key")
        await it.dana.see("Type CONFIRM to delete this API key")
        said = says(it.dana.modal)
        for text in ("leaked", key, "Every application using this key will stop working"):
            assert text in said
        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await sent(it.dana, "Latchkey will message you when it's done.")

        await reads(it, it.dana, "(leaked)", " by you.")
        assert key not in live(it)
        await it.erin.wait_for(lambda: "was deleted by <@U0DANA> " in says(it.cards()[-1]), "the card")


@pytest.mark.parametrize("word", ["confirm", "CONFIRM ", "CONFIRMED", "yes"])
async def test_only_the_very_word_deletes(tmp_path: Path, word: str) -> None:
    """P37: the dialog asks for CONFIRM."""
    async with play(tmp_path) as it:
        await opened(it.dana, "delete", LAPTOP)
        await it.dana.fill({"word": word})
        assert await it.dana.submit() == {"word": "Type CONFIRM in capital letters."}
        assert LAPTOP in live(it)

        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await sent(it.dana, "Deleting key")
        await it.until(lambda: LAPTOP not in live(it), "the deletion")


async def test_what_used_a_deleted_key_stops_and_nothing_brings_it_back(tmp_path: Path) -> None:
    """P38: the key is deleted; applications that use it stop; it cannot be undone."""
    async with play(tmp_path) as it:
        key = await obtain(it, Wish())
        said = await opened(it.dana, "delete", key)
        assert "every application using this key will stop working. This is permanent" in said
        await it.dana.fill({"word": "CONFIRM", "Reason": "the service is gone"})
        await sent(it.dana, "Request sent.")
        assert key in live(it)  # it is a service account's: someone who manages it decides
        await it.erin.click("Approve", beside="the service is gone", in_channel=APPROVALS_CHANNEL)
        await reads(it, it.dana, "The key was deleted")

        assert key not in live(it)
        assert key not in await listed(it.dana)
        assert "no longer exists in Confluent Cloud: it was deleted" in await page_of(it.dana, key)
        newest = next(each for each in reversed(it.dana.messages()) if key in says(each) and "Your key" in says(each))
        assert not {"Show secret", "Replace key", "Extend", "Rotate", "Edit", "Delete API key"} & set(
            buttons_of(newest)
        )


async def open_from_list(person: PersonAtClient, key: str) -> None:
    """Open the list, then the page of a key on it."""
    await person.command("/apikey list")
    await person.click("Details", beside=key, place="modal")
    await person.wait_for(lambda: is_drawn(person, "API key"), "its page")
