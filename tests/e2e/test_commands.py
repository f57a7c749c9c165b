"""Commands, buttons of the help, Home, the shortcut: each is answered, also what nobody knows."""

from pathlib import Path

import pytest

from sandbox.cast import APPROVALS_CHANNEL
from tests.support.play import Play, play
from tests.support.wishes import posted, words_of

NBSP = "\u00a0"


async def test_help_shows_what_there_is_however_it_is_typed(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for line in ("/apikey", "/apikey   ", "/apikey help", "/apikey HELP", f"/apikey {NBSP}Help{NBSP}"):
            it.dana.reload()
            await it.dana.command(line)

            for words in ("/apikey create", "/apikey requests", "/apikey whoami", "Create API key"):
                await it.dana.see(words)
            assert it.dana.notices == []


async def test_a_subcommand_that_does_not_exist_is_answered_with_its_name_and_the_help(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for typed, shown in (
            ("frobnicate", "frobnicate"),
            ("\u201cnew\u201d key", '"new"'),
            ("<!channel>", "<!channel>"),
        ):
            await it.dana.command(f"/apikey {typed}")

            answer = it.dana.ephemerals[-1]
            assert {"type": "text", "text": f"/apikey {shown}", "style": {"code": True}} in _pieces(answer["blocks"])
            assert "/apikey whoami" in str(answer)
        assert "<!channel>" not in "".join(each["text"] for each in it.dana.ephemerals)
        assert it.dana.notices == []


async def test_whoami_names_the_confluent_user_and_what_each_role_lets_approve(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.erin.command("/apikey WhoAmI", channel=APPROVALS_CHANNEL)
        await it.erin.see("u-erin01")
        await it.erin.see("EnvironmentAdmin on dev: you can approve other people's requests (Kafka, Schema Registry, ")

        await it.dana.command("/apikey whoami")
        await it.dana.see(
            "DeveloperWrite on topics starting with orders- in orders-dev (dev): this role covers only your own keys"
        )
        assert not it.dana.sees("you can approve")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("U0NORA", "No Confluent Cloud user has your Slack email (nora@acme.example)"),
        ("U0TESS", "Two Confluent Cloud users (u-tess01, u-tess02) have the email tess@acme.example"),
        ("U0VERA", "Slack has no confirmed email address for you"),
        ("U0GUS", "Guests can't request or approve keys. Ask a member of this workspace to request one for you."),
    ],
)
async def test_who_can_have_no_keys_reads_why_instead_of_a_form(tmp_path: Path, user: str, reason: str) -> None:
    async with play(tmp_path) as it:
        person = it.person(user)
        await person.command("/apikey create")
        await person.wait_for(lambda: person.modal and reason in str(person.modal), "the reason in the modal")
        assert "submit" not in {name for name, value in person.front().items() if value}

        for verb in ("whoami", "requests"):
            before = len(person.ephemerals)
            await person.command(f"/apikey {verb}")
            await person.wait_for(lambda before=before: len(person.ephemerals) > before, verb)  # type: ignore[misc]
            assert reason in str(person.ephemerals[-1])
        assert "Waiting for your approval" not in str(person.ephemerals[-1]), "they can never approve"
        assert person.notices == []


async def test_requests_lists_ones_own_and_lets_an_approver_decide_right_there(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask(name="first key")
        await it.ask(name="second key")
        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: "Needs 1 approval" in str(it.dana.ephemerals), "the list")
        assert [name in str(it.dana.ephemerals[-1]) for name in ("first key", "second key")] == [True, True]
        assert "Approve" not in str(it.dana.ephemerals[-1])

        await it.erin.command("/apikey requests", channel=APPROVALS_CHANNEL)
        await it.erin.wait_for(lambda: it.erin.ephemerals, "the list")
        await it.erin.click("Approve", beside="second key", in_channel=APPROVALS_CHANNEL)
        await it.card_says("Approved by")
        await it.key_is_there()

        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: "'user_id': 'U0ERIN'" in str(it.dana.ephemerals[-1]), "who approved")


async def test_a_request_is_cancelled_from_the_list(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: it.dana.ephemerals, "the list")
        await it.dana.click("Cancel request", beside="Your requests")
        await it.dana.see("Cancelled by you")
        await it.card_says("Cancelled by")
        assert "Approve" not in str(it.cards()[-1])


async def test_home_has_the_help_and_its_buttons_answer(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.open_home()
        await it.dana.wait_for(lambda: it.dana.home, "Home")

        before = words_of(*posted(it, it.dana.dm), *it.dana.ephemerals)
        for button, words in (("Who am I", "u-dana01"), ("Help", "/apikey whoami"), ("Create API key", "Review")):
            await it.dana.click(button, place="home")
            await it.dana.wait_for(lambda words=words: words in str(it.dana.modal), words)  # type: ignore[misc]
            await it.dana.close()
        assert words_of(*posted(it, it.dana.dm), *it.dana.ephemerals) == before, "nothing was said under another tab"
        assert it.dana.notices == []


async def test_the_global_shortcut_opens_the_form(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.shortcut("apikey:create")
        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        assert it.dana.front()["callback_id"] == "form"


async def test_an_unknown_button_and_an_unknown_modal_are_answered(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        card = it.cards()[-1]

        await it.press("U0ERIN", APPROVALS_CHANNEL, card, "Approve", action_id="card:endorse")
        await it.erin.see("This button is from an older version of Latchkey")

        await it.dana.command("/apikey create")
        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        it.dana.front()["callback_id"] = "form-of-last-year"
        await it.submit_past_the_client()
        assert "This button is from an older version of Latchkey" in str(it.dana.front())
        assert it.dana.notices == it.erin.notices == []


async def test_a_key_of_ones_own_account_is_made_after_a_word_of_advice(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await _ask_for_own(it)
        await it.dana.see("Personal keys are for development and testing")
        await it.dana.submit()
        await it.dana.see("Request sent.")

        await it.card_says("u-dana01")
        await it.approve()
        key = it.stage.organization.api_keys[await it.key_is_there()]

        assert key.owner == "u-dana01"
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")


async def _ask_for_own(it: Play) -> None:
    await it.dana.command("/apikey create")
    await it.dana.fill({"Account": "me", "Environment": "dev"})
    await it.dana.wait_for(lambda: "resource:kafka:env-dev001" in str(it.dana.modal), "the clusters there")
    await it.dana.fill({"Kafka cluster": "orders-dev", "Name": "laptop", "Reason": "Trying out the new client"})
    await it.dana.submit()
    await it.dana.see("Review your request")


def _pieces(blocks: list[dict[str, object]]) -> list[object]:
    """Every piece of rich text."""
    found: list[object] = []
    for block in blocks:
        for line in block.get("elements", []) if block["type"] == "rich_text" else []:  # type: ignore[attr-defined]
            found += line["elements"]
    return found
