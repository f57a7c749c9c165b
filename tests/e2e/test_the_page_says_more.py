"""What Latchkey does beyond the page, row by row (docs/page.md)."""

import csv
from pathlib import Path

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.scanner import FOUND_AT
from sandbox.scenarios import LEAKED, Scenarios, post_key
from sandbox.stage import BotProcess
from sandbox.told import report
from tests.support.forked import forked
from tests.support.play import play
from tests.support.walks import obtain
from tests.support.wishes import NEW, Wish


async def test_anyone_reports_a_key_that_was_posted_and_a_manager_deletes_it(tmp_path: Path) -> None:
    """B1: anyone can report a leaked key, and people who manage it delete or rotate it at once."""
    async with play(tmp_path) as it:
        post_key(it.stage)
        (posted,) = it.erin.messages(GENERAL_CHANNEL)
        await it.erin.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, posted["ts"])
        await it.erin.see("Report a leaked API key")
        await it.erin.submit()
        await it.erin.wait_for(lambda: "Rotate now" in str(it.erin.messages(APPROVALS_CHANNEL)), "what is told of it")
        await it.erin.close(everything=True)
        await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Delete API key")
        await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
        await it.erin.submit()

        await it.until(lambda: LEAKED not in it.stage.organization.api_keys, "the deletion")


async def test_a_scanner_reports_a_key_and_says_where_it_was_found(tmp_path: Path) -> None:
    """B5: a secret scanner reports a key, signed as GitHub does, and people who manage it are told where it was."""
    async with play(tmp_path, mode="http") as it:
        said = await Scenarios(it.stage, BotProcess({}, tmp_path / "clock", tmp_path / "bot.log"), no_one).scan()
        assert "Latchkey answered 200" in said
        await it.erin.wait_for(lambda: FOUND_AT in str(it.erin.messages(APPROVALS_CHANNEL)), "what is told of it")
        await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Delete API key")
        await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
        await it.erin.submit()

        await it.until(lambda: LEAKED not in it.stage.organization.api_keys, "the deletion")


async def test_auditors_get_reports_of_keys_and_requests(tmp_path: Path) -> None:
    """B9: what the panel shows of `latchkey report`."""
    async with play(tmp_path) as it:
        key = await obtain(it, Wish(name="for auditors"))
        lines = await report(forked, it.stage.environment())

        keys, requests = (
            [
                each
                for each in csv.DictReader(lines[lines.index(f"$ latchkey report {what}") + 1 :])
                if each["key"] == key
            ]
            for what in ("keys", "requests")
        )
        assert (keys[0]["name"], keys[0]["state"], keys[0]["approved_by"]) == ("for auditors", "in_use", "U0ERIN")
        assert [each["outcome"] for each in requests] == ["shown"]


async def no_one() -> None:
    """Told of crashes, of which there are none."""


async def test_a_key_comes_with_access_that_can_be_taken_back(tmp_path: Path) -> None:
    """B4: a key of a service account comes with access, and people who manage the key can take it back."""
    wish = Wish(NEW, name="clicks writer", access=(("Write topics", "clicks-"),))
    async with play(tmp_path) as it:
        organization, olga = it.stage.organization, it.person("U0OLGA")
        before = set(organization.role_bindings)
        key = await obtain(it, wish, olga)
        (granted,) = (each for id_, each in organization.role_bindings.items() if id_ not in before)
        assert granted.role == "DeveloperWrite"
        assert granted.crn_pattern.endswith("/topic=clicks-*")

        await olga.command(f"/apikey show {key}")
        await olga.click("Remove access")
        await it.until(lambda: set(organization.role_bindings) == before, "access taken back", step=1)
        assert key in it.our_keys()
