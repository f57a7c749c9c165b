"""App Home in the sandbox: what somebody has, asked for and may decide; drawn again when something changes."""

from pathlib import Path

import pytest

from sandbox.slack.blocks import Json, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.wishes import buttons

LAPTOP = "DANASLAPTOP00001"


def home(person: PersonAtClient) -> str:
    return "\n".join(plain_words((person.home or {}).get("blocks")))


async def shows(person: PersonAtClient, text: str) -> None:
    await person.wait_for(lambda: text in home(person), f"{text!r} on Home")


async def hides(person: PersonAtClient, text: str) -> None:
    await person.wait_for(lambda: text not in home(person), f"no {text!r} on Home")


async def visit(it: Play, *people: PersonAtClient) -> None:
    for person in people or (it.dana, it.erin):
        await person.open_home()
        await shows(person, "Waiting for your decision")


def view_of(person: PersonAtClient) -> Json:
    assert person.home is not None
    return person.home


async def test_home_has_my_keys_my_requests_and_a_button_for_every_command(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it, it.dana)

        for words in (
            "Your API keys",
            "Dana's laptop  DANASLAPTOP00001",
            "Nothing waits for you.",
            "You asked for nothing yet.",
        ):
            assert words in home(it.dana)
        assert buttons(view_of(it.dana))[:5] == ["Create API key", "List API keys", "My requests", "Who am I", "Help"]
        await it.dana.click("Details", place="home")
        await it.dana.wait_for(lambda: it.dana.modal and "Not managed by Latchkey" in str(it.dana.modal), "the key")
        await it.dana.close()
        await it.dana.click("List API keys", place="home")
        await it.dana.wait_for(lambda: it.dana.modal and LAPTOP in str(it.dana.modal), "the list")
        await it.dana.close()
        await it.dana.click("Create API key", place="home")
        await it.dana.wait_for(lambda: it.dana.modal and it.dana.modal["callback_id"] == "form", "the form")
        await it.dana.close()
        await it.dana.click("Help", place="home")
        await it.dana.see("/apikey whoami")
        assert it.dana.notices == []


async def test_home_follows_a_request_from_asking_to_the_key_for_both_sides(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it)
        await it.ask(name="orders consumer")
        await shows(it.erin, "orders consumer: a Kafka API key for orders-dev")
        await shows(it.dana, "Needs 1 approval")

        await it.erin.click("Approve", place="home")
        await hides(it.erin, "orders consumer")
        key = await it.key_is_there()
        await shows(it.dana, f"orders consumer  {key}")
        assert "managed by Latchkey" in home(it.dana)

        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        await shows(it.dana, "was shown to you")
        await it.dana.click("Details", beside=key, place="home")
        await it.dana.wait_for(lambda: it.dana.modal and "Managed by Latchkey" in str(it.dana.modal), "the key")
        assert it.dana.notices == it.erin.notices == []


async def test_a_request_that_is_taken_back_leaves_the_home_of_who_might_decide(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it)
        await it.ask(name="orders consumer")
        await shows(it.erin, "orders consumer")

        await it.dana.click("Cancel request", place="home")

        await hides(it.erin, "orders consumer")
        await shows(it.dana, "Cancelled by you")


async def test_a_deleted_key_leaves_home(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it, it.dana)
        await it.dana.command(f"/apikey delete {LAPTOP}")
        await it.dana.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        assert await it.dana.submit() == {}

        await hides(it.dana, "Dana's laptop  DANASLAPTOP00001")
        await shows(it.dana, "None yet. Ask with `/apikey create`.")


async def test_home_of_who_never_opened_it_is_drawn_for_nobody(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it, it.dana)
        await it.ask()
        await shows(it.dana, "Needs 1 approval")

        assert it.erin.home is None


async def test_a_confluent_that_fails_hides_no_key_that_latchkey_made(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask(name="orders consumer")
        await it.approve()
        key = await it.key_is_there()
        it.advance(minutes=2)  # what was read before is too old to be shown
        it.stage.faults.failing = "all"

        await it.dana.open_home()

        await shows(it.dana, "So this page shows only what Latchkey itself knows.")
        assert f"orders consumer  {key}" in home(it.dana)
        assert "Its secret waits for you" in home(it.dana)
        assert "Create API key" in buttons(view_of(it.dana))
        assert it.dana.notices == []


@pytest.mark.parametrize(("user", "reason"), [("U0NORA", "No Confluent Cloud user has"), ("U0GUS", "Guests can't")])
async def test_who_can_have_no_keys_reads_why_on_home(tmp_path: Path, user: str, reason: str) -> None:
    async with play(tmp_path) as it:
        person = it.person(user)
        await person.open_home()
        await shows(person, reason)
