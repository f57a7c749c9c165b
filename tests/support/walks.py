"""What people do with keys, click by click, for stories that are about something later than the click."""

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play
from tests.support.wishes import Wish, ask

STEP = 7.0
"""Seconds by which the clock moves while something is waited for that Latchkey does in its own time."""


async def obtain(it: Play, wish: Wish, approver: PersonAtClient | None = None) -> str:
    """Dana asks, someone approves (None: Erin), Dana reads the secret and says that she saved it; the key's id."""
    key = await made(it, wish, approver)
    await take(it, wish.name, key)
    return key


async def made(it: Play, wish: Wish, approver: PersonAtClient | None = None) -> str:
    """Dana asks and someone approves (None: Erin), as far as a key whose secret waits; its id."""
    await ask(it, it.dana, wish)
    await (approver or it.erin).click("Approve", beside=wish.name, in_channel=APPROVALS_CHANNEL)
    return await is_made(it, wish.name)


async def is_made(it: Play, name: str) -> str:
    """Wait until a key of this name is there, and its secret waits for Dana; its id."""
    await it.dana.wait_for(
        lambda: any(each.startswith("Show secret") for each in buttons_beside(it.dana, f"({name})")), f"the key {name}"
    )
    return next(key for key in reversed(it.our_keys()) if it.stage.organization.api_keys[key].name == name)


async def take(it: Play, name: str, key: str) -> str:
    """Dana has the secret of this key shown, and says that she saved it; the message's text, without the secret."""
    await it.dana.click("Show secret", beside=f"({name})", in_channel=it.dana.dm)
    await it.dana.see(f"API key: {key}")
    shown = next(each for each in it.dana.ephemerals if f"API key: {key}" in says(each))
    await it.dana.click("I saved it", beside=f"API key: {key}")
    await it.dana.wait_for(lambda: "you saved the secret for key" in told(it.dana, key), f"that {key} is hers")
    return says(shown).replace(it.stage.organization.secrets_issued[key], "…")


async def listed(person: PersonAtClient, line: str = "/apikey list") -> list[str]:
    """Open the list and turn all its pages; the ids of the keys on them, in their order."""
    await person.command(line)
    await person.wait_for(lambda: is_drawn(person, "API keys"), "the list")
    found = ids_on(person.front())
    while "Next" in buttons_of(person.front()):
        before = ids_on(person.front())
        await person.click("Next", place="modal")
        await person.wait_for(lambda before=before: ids_on(person.front()) != before, "the next page")  # type: ignore[misc]
        found += ids_on(person.front())
    await person.close(everything=True)
    return found


async def page_of(person: PersonAtClient, key: str) -> str:
    """What `/apikey show KEY` says."""
    await person.command(f"/apikey show {key}")
    await person.wait_for(lambda: not is_loading(person.modal), f"the page of {key}")
    said = says(person.front()).translate(UNMARKED)
    await person.close(everything=True)
    return said


async def opened(person: PersonAtClient, verb: str, key: str) -> str:
    """Open the page of one key, `edit` and so on, and leave it open; what it says."""
    await person.command(f"/apikey {verb} {key}")
    await person.wait_for(lambda: not is_loading(person.modal), f"the page to {verb} {key}")
    return says(person.front())


async def managed(person: PersonAtClient, key: str, change: str) -> None:
    """Press `Manage key` under the message about a key, and on its page the button for a change."""
    await person.click("Manage key", beside=key, in_channel=person.dm)
    await person.wait_for(lambda: change in buttons_of(person.modal or {"blocks": []}), f"the page of {key}")
    await person.click(change, place="modal")


async def home_of(person: PersonAtClient) -> str:
    """What Home says to someone who opens it now."""
    before = (person.home or {}).get("id"), (person.home or {}).get("hash")
    await person.open_home()
    await person.wait_for(lambda: person.home and (person.home["id"], person.home["hash"]) != before, "Home")
    return says(person.home)


async def sent(person: PersonAtClient, answer: str) -> None:
    """Submit the modal in front, wait until it says this, and close it."""
    assert await person.submit() == {}
    await person.see(answer)
    await person.close(everything=True)


def told(person: PersonAtClient, *texts: str) -> str:
    """The newest message in someone's DM that says all of this; "" while there is none."""
    said = (says(message) for message in reversed(person.messages()))
    return next((words for words in said if all(text in words for text in texts)), "")


async def reads(it: Play, person: PersonAtClient, *texts: str, step: float = STEP) -> str:
    """Wait, letting time pass, until someone has a message that says all of this; the message."""
    await it.until(lambda: told(person, *texts), f"a message to {person.user} with {texts}", step=step)
    return told(person, *texts)


UNMARKED = str.maketrans("\n", " ", "*`")
"""Takes the marks of bold text and code from mrkdwn, and puts it into one line."""


def says(view: Json | list[Json] | None) -> str:
    """All that a view, a message or several of them say."""
    return " ".join(plain_words(view))


def is_drawn(person: PersonAtClient, title: str) -> bool:
    """Whether a modal of this title stands in front, with what was loaded for it."""
    return person.modal is not None and person.modal["title"]["text"] == title and not is_loading(person.modal)


def is_loading(view: Json | None) -> bool:
    """Whether a modal is not open yet, or says that Confluent is being asked."""
    return view is None or "Checking with Confluent Cloud…" in says(view)


def buttons_of(view: Json) -> list[str]:
    """The texts of its buttons, in order."""
    return [each["text"]["text"] for _, each in interactive(view["blocks"]) if each["type"] == "button"]


def buttons_beside(person: PersonAtClient, *texts: str) -> list[str]:
    """The buttons of the newest message in someone's DM that says all of this."""
    found = (each for each in reversed(person.messages()) if all(text in says(each) for text in texts))
    return buttons_of(next(found, {"blocks": []}))


def ids_on(view: Json) -> list[str]:
    """The keys on a page of the list, or on Home."""
    details = (each for _, each in interactive(view["blocks"]) if each.get("action_id") == "key:details")
    return [each["value"] for each in details]


def live(it: Play) -> set[str]:
    """Ids of all keys at Confluent."""
    return set(it.stage.organization.api_keys)
