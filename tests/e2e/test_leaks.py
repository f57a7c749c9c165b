"""A leaked key, from the report to the deletion, in the sandbox's Slack."""

from pathlib import Path

import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.slack.blocks import Json, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.walks import UNMARKED

ORDERS = "ORDERSDEV0000001"
"""A key of a service account in dev, which was not created by Latchkey."""
SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
STRICT = """\
version: 1
channel: C0APPROVE
rules:
  - {name: two for every deletion, match: {operation: [delete]}, approvals: 2}
"""


def leaks(it: Play) -> list[Json]:
    """The messages about leaked keys in the approvals channel."""
    return [each for each in it.erin.messages(APPROVALS_CHANNEL) if "reported this API key as leaked" in said(each)]


def said(message: Json) -> str:
    return "\n".join(plain_words(message.get("blocks") or [])).translate(UNMARKED)


async def report(person: PersonAtClient) -> None:
    await person.command(f"/apikey leaked {ORDERS}")
    await person.wait_for(lambda: person.modal, "the report")
    await person.submit()


async def test_a_guest_reports_a_key_and_a_manager_deletes_it_without_an_approval(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(STRICT, "utf-8")
    async with play(tmp_path) as it:
        gus = it.person("U0GUS")
        await gus.command(f"/apikey leaked {ORDERS.lower()}")
        await gus.wait_for(lambda: gus.modal and ORDERS in str(gus.modal), "the report, filled in")
        assert await gus.submit() == {}
        await gus.see("Thanks for reporting")
        await it.erin.wait_for(lambda: leaks(it), "the message in the channel")

        await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("No approval needed.")
        await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
        await it.erin.submit()
        await it.erin.wait_for(lambda: "The key was deleted" in said(leaks(it)[-1]), "the message brought up to date")

        (message,) = leaks(it)
        assert "Rotate now" not in str(message)
        assert ORDERS not in it.stage.organization.api_keys


async def test_a_second_reporter_reads_that_it_is_known(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for person, words in ((it.dana, "Thanks for reporting"), (it.erin, "already reported")):
            await report(person)
            await person.see(words)

        await it.erin.wait_for(lambda: leaks(it), "the message in the channel")
        assert len(leaks(it)) == 1


async def test_a_secret_that_someone_pastes_is_neither_repeated_nor_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with play(tmp_path) as it:
        await it.dana.command(f"/apikey leaked {SECRET}")
        await it.dana.see("what looks like a secret")
        await it.dana.fill({"Key ID": SECRET})
        errors = await it.dana.submit()

        assert "That looks like a secret." in str(errors)
        assert SECRET not in f"{it.dana.front()['blocks']}{it.stage.slack.workspace.channels}"
    assert SECRET not in capsys.readouterr().out


async def test_rotate_now_suggests_not_keeping_the_old_key(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await report(it.dana)
        await it.erin.wait_for(lambda: leaks(it), "the message in the channel")
        await it.erin.click("Rotate now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Keep the old key for")
        (overlap,) = [
            each["element"] for each in it.erin.front()["blocks"] if each.get("block_id") == ids.OVERLAP_BLOCK
        ]
        assert overlap["initial_option"]["text"]["text"] == "0 days (delete right away)"
        await it.erin.see("Reported as leaked")


async def test_a_key_that_someone_posted_is_reported_from_the_menu_of_the_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.interactions.message("U0DANA", GENERAL_CHANNEL, f"user={ORDERS} password={SECRET}")
        (message,) = it.erin.messages(GENERAL_CHANNEL)
        await it.erin.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, message["ts"])
        await it.erin.see("Delete the message, or ask its author to.")
        assert await it.erin.submit() == {}
        await it.erin.see("Thanks for reporting")
        await it.erin.wait_for(lambda: leaks(it), "the message in the channel")
        sent = str(it.stage.slack.workspace.outgoing)

    assert ORDERS in sent
    assert SECRET not in f"{sent}{capsys.readouterr().out}"
