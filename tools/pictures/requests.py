"""Stories of requests: from the form to a key, and whatever else becomes of one."""

from collections.abc import AsyncGenerator

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from tests.support.browsing import Person
from tests.support.wishes import NEW, OWN, Wish, fill_in
from tools.pictures.scene import Scene, delivered
from tools.pictures.shoot import SETTLED_MS


async def request(it: Scene) -> AsyncGenerator[str, None]:
    """From the command to a key."""
    wish = Wish(name="orders producer", lifetime="")
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.dana.command("/apikey create")
    await it.modal(it.dana)
    yield "form"
    await it.dana.close(everything=True)
    await it.typed(wish)
    yield "form-filled"
    await it.reviewed()
    yield "review-page"
    await it.dana.submit()
    await it.it.until(lambda: wish.name in str(it.it.cards()), "the card")
    yield "request-sent"
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.at(it.dana)
    yield "dm-waiting"
    await it.at(it.erin, "home")
    yield "home-approver"
    await it.at(it.erin, APPROVALS_CHANNEL)
    async for picture in delivered(it, wish):
        yield picture
    await it.at(it.dana, "home")
    yield "home-requester"


async def forms(it: Scene) -> AsyncGenerator[str, None]:
    """Forms that are filled in, warnings on the review page, and a sent request that is stopped."""
    await it.sent(Wish(name="orders producer", lifetime=""))
    words = {
        "last": "",
        "resource": "payments-dev",
        "several": "-dev",
        "none": "nothing",
        "like": "like DANASLAPTOP00001",
    }
    for name, word in words.items():
        await it.at(it.dana, GENERAL_CHANNEL)
        await it.dana.command(f"/apikey create {word}")
        await it.modal(it.dana, lambda view: view["callback_id"] == ids.FORM)
        yield f"form-{name}"
        await it.dana.close(everything=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.dana.command("/apikey create")
    await it.modal(it.dana)
    await Person(it.page).press("Review")
    yield "form-errors"
    await it.dana.close(everything=True)
    await it.typed(Wish(NEW, account_name="orders-service", access=(("Write topics", "orders-é"),)))
    await Person(it.page).press("Review")
    await it.page.wait_for_selector(".modal .field-error:not(:empty)")
    yield "form-problems"
    await it.dana.close(everything=True)
    wishes = {
        "own": Wish(OWN, cluster="payments-dev"),
        "new-account": Wish(NEW, lifetime="7 days"),
        "cloud": Wish(kind="cloud", lifetime="30 days"),
        "again": Wish(lifetime="90 days"),
    }
    for name, wish in wishes.items():
        await it.at(it.dana, GENERAL_CHANNEL)
        await fill_in(it.dana, wish)
        await it.dana.submit()
        await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
        yield f"review-{name}"
        if name != "again":
            await it.dana.close(everything=True)
    cluster = it.it.stage.organization.kafka_clusters.pop("lkc-dev001")
    await it.dana.submit()
    await it.dana.wait_for(lambda: "wasn't sent" in str(it.dana.messages()), "why it was not sent")
    await it.at(it.dana)
    yield "dm-not-sent"
    it.it.stage.organization.kafka_clusters[cluster.id] = cluster


async def questions(it: Scene) -> AsyncGenerator[str, None]:
    """An approver asks, and the requester replies."""
    wish = Wish(name="which topics")
    await it.sent(wish)
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.press(it.erin, ids.ASK, beside=wish.name, place=APPROVALS_CHANNEL)
    await it.modal(it.erin, lambda view: view["callback_id"] == ids.QUESTION)
    yield "ask"
    await it.erin.fill({ids.MESSAGE_BLOCK: "Which topics do you need?"})
    await it.erin.submit()
    await it.dana.wait_for(lambda: ids.ANSWER in str(it.dana.messages()), "the question")
    yield "asked"
    if it.erin.modal:
        await it.erin.close(everything=True)
    await it.at(it.dana)
    yield "dm-question"
    await it.press(it.dana, ids.ANSWER, place=it.dana.dm)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REPLY)
    yield "reply"
    await it.dana.fill({ids.MESSAGE_BLOCK: "All of orders-*, to write to."})
    await it.dana.submit()
    await it.erin.wait_for(lambda: "All of orders-*" in str(it.erin.messages(APPROVALS_CHANNEL)), "the reply")
    yield "replied"
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "thread"
    if it.erin.messages():
        await it.at(it.erin)
        yield "dm-reply"


async def reminders(it: Scene) -> AsyncGenerator[str, None]:
    """Approvers who aren't in the channel, reminders to approve, and the reminder that a secret waits."""
    wish = Wish(name="no hurry", lifetime="")
    workspace = it.it.stage.slack.workspace
    workspace.channels[APPROVALS_CHANNEL].members.discard("U0SAMI")
    sami = it.person("U0SAMI")
    await it.sent(wish)
    await sami.wait_for(sami.messages, "a copy of the card")
    await it.at(sami)
    yield "dm-copy"
    yet = {user for user in workspace.people if it.person(user).messages()}
    it.it.advance(hours=4, minutes=1)

    def asked() -> list[str]:
        return [each for each in workspace.people if each not in yet and it.person(each).messages()]

    await it.it.until(asked, "a reminder to someone")
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    for user in asked()[:2]:
        await it.at(it.person(user))
        yield f"dm-reminder-{user[2:].lower()}"
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-reminded"
    await it.approved(wish)
    await it.ready(wish)
    known = len(it.dana.messages())
    it.it.advance(hours=18, minutes=10)
    await it.dana.wait_for(lambda: len(it.dana.messages()) > known, "the reminder of the secret")
    await it.at(it.dana)
    yield "dm-claim"
    await it.at(it.dana, "home")
    yield "home-claim"


async def decisions(it: Scene) -> AsyncGenerator[str, None]:
    """Other outcomes of a request."""
    await it.sent(Wish(name="deny-me"))
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.press(it.erin, ids.DENY, beside="deny-me", place=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "deny"
    await it.erin.fill({ids.REASON_BLOCK: "Please use the team's own cluster."})
    await it.erin.submit()
    await it.card_says("enied")
    yield "denied"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "card-denied"
    await it.at(it.dana)
    yield "dm-denied"
    await it.sent(Wish(name="cancel-me"))
    await it.press(it.dana, ids.CANCEL, place=it.dana.dm)
    await it.card_says("ancelled")
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-cancelled"
    await it.sent(Wish(name="fail-me"))
    it.it.stage.faults.create_refused = "402"
    await it.approved(Wish(name="fail-me"))
    await it.card_says("ailed")
    it.it.stage.faults.reset()
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-failed"
    await it.at(it.dana)
    yield "dm-failed"
    await it.sent(Wish(name="expire-me"))
    it.it.advance(hours=25)
    await it.card_says("xpired")
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-expired"
    await it.at(it.dana)
    yield "dm-expired"
    wish = Wish(name="miss-me")
    await it.sent(wish)
    await it.approved(wish)
    await it.ready(wish)
    it.it.advance(hours=25)
    await it.it.until(lambda: not it.it.our_keys(), "the key to be deleted")
    await it.at(it.dana)
    yield "dm-unclaimed"
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-unclaimed"
