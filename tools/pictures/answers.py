"""Stories of what Latchkey says by itself or when asked: answers, the weekly review, leaks."""

from collections.abc import AsyncGenerator
from functools import partial

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL, PARTNER_CHANNEL
from sandbox.scenarios import LEAKED, post_key
from sandbox.slack.person import PersonAtClient
from tests.support.browsing import Person
from tools.pictures.scene import Scene
from tools.pictures.shoot import SETTLED_MS


def _answered(person: PersonAtClient, before: int) -> bool:
    """Whether there is a modal, or one more ephemeral message than before."""
    return person.modal is not None or len(person.ephemerals) > before


async def answers(it: Scene) -> AsyncGenerator[str, None]:
    """The other commands, and answers to people who can't use Latchkey."""
    for line in ("help", "whoami", "requests", "", "nonsense"):
        await it.at(it.dana, GENERAL_CHANNEL)
        before = len(it.dana.ephemerals)
        await it.dana.command(f"/apikey {line}".strip())
        await it.dana.wait_for(partial(_answered, it.dana, before), "an answer")
        await it.page.wait_for_timeout(2 * SETTLED_MS)
        yield f"command-{line or 'alone'}"
        if it.dana.modal:
            await it.dana.close(everything=True)
    for user in ("U0GUS", "U0NORA", "U0TESS", "U0VERA", "U0OLGA"):
        await it.at(it.person(user), "home")
        await it.page.wait_for_timeout(4 * SETTLED_MS)
        yield f"home-{user[2:].lower()}"
    await it.at(it.person("U0GUS"), GENERAL_CHANNEL)
    gus = it.person("U0GUS")
    await gus.command("/apikey create")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "guest-create"
    for user in ("U0XAVI", "U0IVO"):
        name, person = user[2:].lower(), it.person(user)
        await it.at(person, "home")
        yield f"home-{name}"
        await it.at(person, PARTNER_CHANNEL)
        await Person(it.page).say("/apikey create")
        await it.page.wait_for_timeout(4 * SETTLED_MS)
        yield f"command-{name}"


async def weekly(it: Scene) -> AsyncGenerator[str, None]:
    """The weekly review."""
    it.it.advance(days=7)
    await it.it.until(it.it.reviews, "the review", step=5)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "review-channel"
    for user in ("U0SAMI", "U0OLGA", "U0ERIN"):
        if it.person(user).messages():
            await it.at(it.person(user))
            yield f"review-dm-{user[2:].lower()}"
    sami = it.person("U0SAMI")
    for action in (ids.REVIEW_KEYS, ids.KEEP_BASELINE):
        await it.at(sami)
        await it.press(sami, action, place=sami.dm)
        await it.modal(sami)
        yield f"review-{action.partition(':')[2]}"
        if sami.modal:
            await sami.close(everything=True)


async def leaks(it: Scene) -> AsyncGenerator[str, None]:
    """A key that someone posted, from the report to its deletion."""
    post_key(it.it.stage)
    (posted,) = it.erin.messages(GENERAL_CHANNEL)
    await it.at(it.erin, GENERAL_CHANNEL)
    yield "posted"
    await it.erin.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, posted["ts"])
    await it.modal(it.erin)
    yield "report"
    await it.erin.submit()
    await it.erin.wait_for(lambda: "Rotate now" in str(it.erin.messages(APPROVALS_CHANNEL)), "what is told of it")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "reported"
    await it.erin.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "channel"
    for user in ("U0SAMI", "U0DANA"):
        if it.person(user).messages():
            await it.at(it.person(user))
            yield f"dm-{user[2:].lower()}"
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.erin.click("Rotate now", in_channel=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "rotate"
    await it.erin.close(everything=True)
    await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "delete"
    await it.erin.fill({"Type CONFIRM to delete this API key": "CONFIRM"})
    await it.erin.submit()
    await it.it.until(lambda: LEAKED not in it.it.stage.organization.api_keys, "the deletion")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "deleted"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "channel-deleted"
