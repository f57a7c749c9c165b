"""App Home in the sandbox: what someone has, asked for and may decide; drawn again when something changes."""

from pathlib import Path

import pytest

from sandbox.slack.blocks import Json, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.wishes import buttons, posted, words_of

LAPTOP = "DANASLAPTOP00001"
_UNMARKED = str.maketrans("", "", "*`")


def home(person: PersonAtClient) -> str:
    """What Home says, without the marks of bold text and code."""
    return "\n".join(plain_words((person.home or {}).get("blocks"))).translate(_UNMARKED)


async def shows(person: PersonAtClient, text: str) -> None:
    await person.wait_for(lambda: text in home(person), f"{text!r} on Home")


async def hides(person: PersonAtClient, text: str) -> None:
    await person.wait_for(lambda: text not in home(person), f"no {text!r} on Home")


async def visit(it: Play, *people: PersonAtClient) -> None:
    for person in people or (it.dana, it.erin):
        await person.open_home()
        await shows(person, "Waiting for your approval")


def view_of(person: PersonAtClient) -> Json:
    assert person.home is not None
    return person.home


async def test_home_has_my_keys_my_requests_and_a_button_for_every_command(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it, it.dana)

        for words in (
            "Your API keys",
            "Dana's laptop  DANASLAPTOP00001",
            "Nothing to approve.",
            "No requests yet.",
        ):
            assert words in home(it.dana)
        assert buttons(view_of(it.dana))[:4] == ["Create API key", "List API keys", "Who am I", "Help"]
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
        await it.dana.wait_for(lambda: it.dana.modal and "/apikey whoami" in str(it.dana.modal), "the help")
        assert it.dana.notices == []


async def test_home_follows_a_request_from_asking_to_the_key_for_both_sides(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await visit(it)
        assert "Request a key, get it approved, see the secret once." in home(it.erin)
        assert "Request a key, get it approved" not in home(it.dana), "she has a key"
        await it.ask(name="orders consumer")
        await shows(it.erin, "orders consumer: Kafka API key for orders-dev")
        await shows(it.dana, "Needs 1 approval")

        await it.erin.click("Approve", place="home")
        await hides(it.erin, "orders consumer: Kafka API key")
        key = await it.key_is_there()
        await shows(it.dana, f"orders consumer  {key}")
        assert "🔑 Secret waiting · created <!date" in home(it.dana)

        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        await shows(it.dana, "You viewed the secret")
        await it.dana.click("Details", beside=key, place="home")
        await it.dana.wait_for(lambda: it.dana.modal and "Requested by" in str(it.dana.modal), "the key")
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
        await shows(it.dana, "No keys yet.")


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

        await shows(it.dana, "Showing only what Latchkey knows.")
        assert f"orders consumer  {key}" in home(it.dana)
        assert "You have until" in home(it.dana)
        assert "Create API key" in buttons(view_of(it.dana))
        assert it.dana.notices == []


async def test_an_approval_on_home_is_answered_there_and_nowhere_else(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask(name="orders consumer")
        await visit(it, it.erin)
        before = words_of(*posted(it, it.erin.dm), *it.erin.ephemerals)

        await it.erin.click("Approve", place="home")

        await shows(it.erin, "Approved “orders consumer”.")
        await hides(it.erin, "orders consumer: Kafka API key")
        await it.key_is_there()
        assert it.erin.modal is None
        assert words_of(*posted(it, it.erin.dm), *it.erin.ephemerals) == before


async def test_a_refused_approval_on_home_is_a_modal(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask(name="orders consumer")
        await visit(it, it.erin)
        bindings = it.stage.organization.role_bindings
        for held in [held for held in bindings.values() if held.principal == "u-erin01"]:
            del bindings[held.id]
        before = words_of(*posted(it, it.erin.dm), *it.erin.ephemerals)

        await it.erin.click("Approve", place="home")

        await it.erin.wait_for(lambda: it.erin.modal and "roles" in str(it.erin.modal), "the refusal")
        assert words_of(*posted(it, it.erin.dm), *it.erin.ephemerals) == before
        assert it.erin.notices == []


@pytest.mark.parametrize(
    ("user", "reason", "advice"),
    [
        (
            "U0NORA",
            "No Confluent Cloud user has your Slack email",
            "Ask an OrganizationAdmin to invite you to Confluent Cloud.",
        ),
        ("U0TESS", "so Latchkey can't tell which one is you.", "Ask an OrganizationAdmin to remove the other one."),
        ("U0GUS", "Guests can't request or approve keys.", "Ask a member of this workspace to request one for you."),
    ],
)
async def test_who_cannot_use_latchkey_reads_why_and_what_to_do_and_meets_no_button_that_refuses(
    tmp_path: Path, user: str, reason: str, advice: str
) -> None:
    async with play(tmp_path) as it:
        person = it.person(user)
        await person.open_home()
        await shows(person, reason)
        assert advice in home(person)
        assert buttons(view_of(person)) == []
        assert "approv" not in home(person).replace(reason, "")
