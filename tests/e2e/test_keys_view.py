"""Keys that exist, as people meet them: the list, one key's page, and those to edit, rotate, extend and delete it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import Unavailable
from bot.store.inbox import RedisInbox
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.gate import Gate
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.processes import reached
from tests.support.walks import UNMARKED
from tests.support.wishes import buttons

LAPTOP, ORDERS, PAYMENTS = "DANASLAPTOP00001", "ORDERSDEV0000001", "PAYMENTSPROD0001"
"""Dana's own, that of a service account in dev, and one in production: none made by Latchkey."""
LIMITED = """\
version: 1
channel: C0APPROVE
defaults: {lifetime: 30d, overlap: 2d}
"""


def words(view: Json) -> str:
    """What a view says, without the marks of bold text and code."""
    return "\n".join(plain_words(view["blocks"])).translate(UNMARKED)


def fields(view: Json) -> dict[str, str]:
    """What stands in the text fields of a view, by block."""
    texts = [(block, each) for block, each in interactive(view["blocks"]) if each["type"] == "plain_text_input"]
    return {block["block_id"]: each.get("initial_value", "") for block, each in texts}


def depth(it: Play, person: PersonAtClient) -> int:
    return len(it.stage.slack.views.stack(person.user))


def listed(person: PersonAtClient) -> list[str]:
    """The ids of the keys in the list before the person, in order."""
    rows = [each for each in interactive(person.front()["blocks"]) if each[1]["action_id"] == "key:details"]
    return [element["value"] for _, element in rows]


async def page(person: PersonAtClient, *, title: str = "", says: str = "") -> None:
    """Wait for a modal that no longer loads."""

    def is_there() -> bool:
        view = person.modal
        here = view is not None and title in view["title"]["text"] and says in words(view)
        return here and "Checking with Confluent Cloud…" not in str(view)

    await person.wait_for(is_there, f"a page {title!r} that says {says!r}")


async def open_list(person: PersonAtClient, line: str = "/apikey list", channel: str | None = None) -> None:
    await person.command(line, channel=channel)
    await page(person, title="API keys")


async def test_the_list_leads_to_a_key_and_on_to_its_edit_three_modals_deep_and_back(tmp_path: Path) -> None:
    """The page: the API keys page displays a list of all the API keys that you have; click the one to edit."""
    async with play(tmp_path) as it:
        await open_list(it.dana)
        assert listed(it.dana) == [LAPTOP]
        await it.dana.click("Details", beside=LAPTOP)
        await page(it.dana, title="API key", says="Kafka cluster orders-dev (lkc-dev001) in dev")
        for said in ("Dana's laptop", "Account your own (u-dana01)", "(12 days ago)", "Not managed by Latchkey"):
            assert said in words(it.dana.front())
        for button, title in (("Edit", "Edit API key"), ("Rotate", "Rotate API key"), ("Delete API key", "Delete")):
            await it.dana.click(button)
            await page(it.dana, title=title, says=LAPTOP)
            assert depth(it, it.dana) == 3
            await it.dana.close()

        await it.dana.close()
        await page(it.dana, title="API keys")
        assert it.dana.notices == []


async def test_name_and_description_stand_in_their_fields_and_are_changed(tmp_path: Path) -> None:
    """The page: make your changes in the Name and Description fields, then click Save."""
    async with play(tmp_path) as it:
        await it.dana.command(f"/apikey edit {LAPTOP}")
        await page(it.dana, title="Edit API key", says="Description")
        assert fields(it.dana.front()) == {"name": "Dana's laptop", "description": "", "reason": ""}

        await it.dana.fill({"Name": "Dana's new laptop", "Description": "for tests"})
        assert await it.dana.submit() == {}

        key = it.stage.organization.api_keys[LAPTOP]
        await it.until(lambda: (key.name, key.description) == ("Dana's new laptop", "for tests"), "the edit")
        assert it.dana.notices == []


async def test_a_key_is_deleted_only_by_the_very_word_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    """The page: after reviewing the notification, enter "CONFIRM" to delete the API key."""
    async with play(tmp_path) as it:
        await it.dana.command(f"/apikey delete {LAPTOP}")
        await page(it.dana, title="Delete API key", says="Every application using this key will stop working")
        await it.dana.fill({"Reason": "The laptop is gone"})
        for wrong in ("confirm", "CONFIRM!"):
            await it.dana.fill({"word": wrong})
            assert list(await it.dana.submit()) == ["word"]
            assert it.dana.typed[it.dana.front()["id"]]["reason"]["form:text"]["value"] == "The laptop is gone"
        assert LAPTOP in it.stage.organization.api_keys

        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        assert await it.dana.submit() == {}

        await it.until(lambda: LAPTOP not in it.stage.organization.api_keys, "the deletion")


async def test_a_key_of_latchkeys_is_rotated_and_extended_from_its_own_page(tmp_path: Path) -> None:
    async with play(tmp_path, policy=LIMITED) as it:
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")

        await it.dana.command(f"/apikey show {key}")
        await page(it.dana, title="API key", says="Requested by you ")
        for said in ("Approved by <@U0ERIN>", "Expires ", "orders producer"):
            assert said in words(it.dana.front())
        assert "[lk:" not in str(it.dana.front())
        await it.dana.click("Rotate")
        await page(it.dana, title="Rotate API key", says="Needs 1 approval.")
        assert await it.dana.options("overlap") == [
            "0 days (delete right away)",
            "1 day",
            "2 days",
        ]
        assert await it.dana.options("lasts") == ["Maximum allowed: 30 days", "1 day", "7 days", "30 days"]
        assert list(await it.dana.submit()) == ["reason"]
        await it.dana.close()
        await it.dana.click("Extend")
        await page(it.dana, title="Extend API key", says="Expires: ")
        # Nothing that would make it expire earlier than it ends now.
        assert await it.dana.options("lasts") == ["Maximum allowed: 30 days after approval", "30 days after approval"]
        await it.dana.fill({"Reason": "The migration takes longer"})
        assert await it.dana.submit() == {}
        await it.card_says("extend")


async def test_a_client_configuration_stands_above_the_key_and_holds_no_secret(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command(f"/apikey show {LAPTOP}")
        await page(it.dana, title="API key", says="History")
        await it.dana.choose("key:snippet", "Kafka: Java (.properties)")
        await page(it.dana, title="Client configuration", says="bootstrap.servers")

        shown = str(it.dana.front())
        assert LAPTOP in shown
        assert it.stage.organization.secrets_issued[LAPTOP] not in shown
        assert depth(it, it.dana) == 2


@pytest.mark.parametrize("typed", [LAPTOP.lower(), f"`{LAPTOP}`", f"\u201c{LAPTOP}\u201d", f"  {LAPTOP}. "])
async def test_an_id_may_be_typed_as_people_type(tmp_path: Path, typed: str) -> None:
    async with play(tmp_path) as it:
        await it.dana.command(f"/apikey show {typed}")
        await page(it.dana, title="API key", says=LAPTOP)


async def test_what_is_no_id_opens_the_list_with_a_hint(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for line, hint in (
            ("/apikey rotate", "Add a key ID (/apikey rotate KEY) or pick one below."),
            ("/apikey show <@U0ERIN>", "&lt;@U0ERIN&gt; isn't an API key ID"),
            ("/apikey delete `<!channel>`", "&lt;!channel&gt; isn't an API key ID"),
            ("/apikey edit my-key", "my-key isn't an API key ID"),
        ):
            await it.dana.command(line)
            await page(it.dana, title="API keys", says=hint)
            assert listed(it.dana) == [LAPTOP]
            await it.dana.close()


async def test_a_key_that_is_not_there_and_one_of_others_are_told_alike(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        told = set[str]()
        for verb in ("show", "edit", "rotate", "delete"):
            for key in (PAYMENTS, "ZZZZ1111ZZZZ2222", "CONFLUENTINTERN1"):
                await it.dana.command(f"/apikey {verb} {key}")
                await page(it.dana, says="No key with that ID, or you don't have access to it.")
                told.add(words(it.dana.front()))
                await it.dana.close()
        assert len(told) == 1
        assert it.dana.notices == []


async def test_an_operator_sees_a_key_and_asks_for_its_deletion_like_anybody(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        omar = it.person("U0OMAR")
        await open_list(omar)
        assert ORDERS in listed(omar)
        await omar.click("Details", beside=ORDERS)
        await page(omar, title="API key", says=ORDERS)
        await omar.click("Delete API key")
        await page(omar, title="Delete API key", says=ORDERS)
        await omar.fill({"word": "CONFIRM", "Reason": "Nobody uses it"})
        assert await omar.submit() == {}

        await it.card_says("delete")
        assert ORDERS in it.stage.organization.api_keys
        await it.erin.click("Approve", in_channel=APPROVALS_CHANNEL)
        await it.until(lambda: ORDERS not in it.stage.organization.api_keys, "the deletion")


async def test_the_list_is_narrowed_by_each_filter_and_by_all_together(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await open_list(olga)
        everything = listed(olga)
        assert len(everything) == 8

        await olga.choose("list:owner", "payments-service")
        await olga.wait_for(lambda: listed(olga) == ["PAYMENTSTABLEFL1", PAYMENTS], "the keys of one account")
        await olga.choose("list:kind", "Kafka")
        await olga.wait_for(lambda: listed(olga) == [PAYMENTS], "of one kind")
        await olga.choose("list:environment", "dev")
        await olga.wait_for(lambda: "No keys match." in words(olga.front()), "of an environment without any")
        await olga.choose("list:environment", "All environments")
        await olga.choose("list:owner", "All accounts")
        await olga.choose("list:kind", "All scopes")
        await olga.wait_for(lambda: listed(olga) == everything, "all again")

        await olga.fill({"Search": "SQL workspace"})
        await olga.wait_for(lambda: listed(olga) == ["ORDERSFLINK00001"], "what was searched for")
        await olga.fill({"Search": "laptop"})
        await olga.submit()
        await page(olga, title="API keys", says="No keys match.")
        assert fields(olga.front()) == {"text": "laptop"}
        assert olga.notices == []


async def test_the_list_is_turned_forwards_and_back(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await open_list(olga)
        first = listed(olga)
        assert "Previous" not in buttons(olga.front())
        seen = [first]
        while "Next" in buttons(olga.front()):
            await olga.click("Next")
            await olga.wait_for(lambda: listed(olga) != seen[-1], "the next page")
            seen.append(listed(olga))
        keys = [key for each in seen for key in each]
        assert len(keys) == len(set(keys)) > 16
        assert "LATCHKEYBOTKEY00" in keys
        for expected in reversed(seen[:-1]):
            await olga.click("Previous")
            await olga.wait_for(lambda expected=expected: listed(olga) == expected, "the page before")  # type: ignore[misc]


async def test_turning_the_list_with_a_text_typed_and_not_searched_begins_at_what_matches(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        keys = it.stage.organization.api_keys
        for number in range(40):
            name = f"mmm {number:03}" if number else "aaa-needle"
            keys[f"FILLKEY{number:09}"] = replace(keys[LAPTOP], id=f"FILLKEY{number:09}", name=name)
        await it.dana.command("/apikey list")
        await it.dana.see("aaa-needle")
        await it.dana.type("Search", "needle")
        await it.dana.click("Next")
        await it.dana.wait_for(lambda: listed(it.dana) == ["FILLKEY000000000"], "what matches")


async def test_a_text_typed_after_list_is_searched_for(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await open_list(olga, "/apikey list enrichment")
        assert listed(olga) == ["ENRICHMENTKSQL01"]
        assert fields(olga.front()) == {"text": "enrichment"}


async def test_latchkeys_own_key_is_shown_and_changed_by_nobody(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await olga.command("/apikey show LATCHKEYBOTKEY00")
        await page(olga, title="API key", says="Latchkey's own key")
        assert buttons(olga.front()) == []
        await olga.close()
        await olga.command("/apikey delete LATCHKEYBOTKEY00")
        await page(olga, says="This key belongs to Latchkey's own account")
        assert "submit" not in {name for name, value in olga.front().items() if value}


async def test_help_and_its_button_lead_to_the_list(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey help")
        await it.dana.click("List API keys")
        await page(it.dana, title="API keys", says=LAPTOP)


async def test_a_confluent_that_fails_is_said_in_the_modal(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.faults.failing = "all"
        await it.dana.command(f"/apikey show {LAPTOP}")
        await page(it.dana, title="Can't do that", says="Nothing changed.")
        assert it.dana.notices == []


@pytest.mark.parametrize(("user", "reason"), [("U0NORA", "No Confluent Cloud user has"), ("U0GUS", "Guests can't")])
async def test_who_can_have_no_keys_reads_why(tmp_path: Path, user: str, reason: str) -> None:
    async with play(tmp_path) as it:
        person = it.person(user)
        for line in ("/apikey list", f"/apikey show {LAPTOP}"):
            await person.command(line)
            await page(person, title="Can't do that", says=reason)
            await person.close()


async def test_a_store_that_is_away_keeps_the_third_modal_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> bool:
        raise Unavailable("Latchkey's store didn't answer. Nothing changed. Try again in a minute.")

    async with play(tmp_path) as it:
        await open_list(it.dana)
        await it.dana.click("Details", beside=LAPTOP)
        await page(it.dana, title="API key", says="History")
        await it.dana.click("Edit")
        await page(it.dana, title="Edit API key", says="Description")
        await it.dana.fill({"Name": "Dana's new laptop"})
        with monkeypatch.context() as patched:
            patched.setattr(RedisInbox, "put", away)
            errors = await it.dana.submit()
        assert "Nothing changed." in errors["name"]
        assert (depth(it, it.dana), it.dana.front()["callback_id"]) == (3, "edit")

        assert await it.dana.submit() == {}
        await it.until(lambda: it.stage.organization.api_keys[LAPTOP].name == "Dana's new laptop", "the edit")
        assert it.dana.notices == []


async def test_a_slow_answer_to_an_older_click_does_not_win(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        olga = it.person("U0OLGA")
        await open_list(olga)
        gate = it.stage.slack.faults.hold_before["users.info"] = Gate()
        await olga.choose("list:owner", "nightly-etl")
        await reached(gate)
        del it.stage.slack.faults.hold_before["users.info"]
        await olga.choose("list:owner", "payments-service")
        await olga.wait_for(lambda: listed(olga) == ["PAYMENTSTABLEFL1", PAYMENTS], "the newer click")

        gate.opened.set()
        await it.until(lambda: "owner=sa-etl001" in str(it.stage.organization.journal), "the older click’s reading")
        await open_list(it.person("U0OMAR"))  # takes longer than what is left of the older click
        assert listed(olga) == ["PAYMENTSTABLEFL1", PAYMENTS]


async def test_names_in_any_script_and_of_any_length_break_no_view(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        key = it.stage.organization.api_keys[LAPTOP]
        for name, description in (
            ("鍵" * 3000, "д" * 5000),
            ("\u202eright to left\nManaged by Latchkey", "👩‍👩‍👧‍👦\n" * 400),
            ("<!channel> *bold* `code`", "<@U0ERIN> & <https://evil.example|click>"),
            ("", ""),
        ):
            key.name, key.description = name, description
            await open_list(it.dana)
            await it.dana.click("Details", beside=LAPTOP)
            await page(it.dana, title="API key", says="History")
            for button in ("Edit", "Rotate", "Delete API key"):
                await it.dana.click(button)
                await it.dana.wait_for(lambda: depth(it, it.dana) == 3, "the third modal")
                await page(it.dana)
                await it.dana.close()
            await it.dana.close(everything=True)
        assert it.dana.notices == []


async def test_a_description_too_long_for_slack_is_refused_rather_than_cut(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        key = it.stage.organization.api_keys[LAPTOP]
        key.description = "x" * 3001
        await it.dana.command(f"/apikey edit {LAPTOP}")
        await page(it.dana, title="Can't do that", says="has 3,001 characters, and Slack's fields hold 3,000")
        await it.dana.close()

        key.description = lines = "\n".join(["a line"] * 300)
        await it.dana.command(f"/apikey edit {LAPTOP}")
        await page(it.dana, title="Edit API key", says="a line")
        await it.dana.fill({"Name": "renamed"})
        assert await it.dana.submit() == {}
        await it.until(lambda: key.name == "renamed", "the edit")
        assert key.description == lines
