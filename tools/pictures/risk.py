"""Stories of what needs care: high risk, two people, tickets and confirmations, break-glass."""

from collections.abc import AsyncGenerator

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from tests.support.browsing import Person
from tests.support.wishes import NEW, OWN, Wish, fill_in
from tools.pictures.scene import Scene
from tools.pictures.shoot import SETTLED_MS


async def risk(it: Scene) -> AsyncGenerator[str, None]:
    """High-risk requests, and refusals."""
    olga, ravi = it.person("U0OLGA"), it.person("U0RAVI")
    for kind, name in (("cloud", "terraform"), ("global", "everything")):
        await it.sent(Wish(OWN, kind=kind, cluster="", name=name))
        await it.at(olga, APPROVALS_CHANNEL)
        yield f"card-{kind}"
    await it.sent(Wish(NEW, name="clicks"))
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-new-account"
    await it.sent(Wish(environment="production", cluster="orders", name="orders in production"))
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-production"
    await it.at(ravi, APPROVALS_CHANNEL)
    await it.press(ravi, ids.APPROVE, beside="everything", place=APPROVALS_CHANNEL)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "refused"
    await it.at(olga, APPROVALS_CHANNEL)
    card = it.page.get_by_role("article").filter(has_text="Global API key")
    await card.locator(f'[data-action="{ids.APPROVE}"]').click()
    await it.page.wait_for_timeout(2 * SETTLED_MS)
    yield "approve-asks"


async def two_people(it: Scene) -> AsyncGenerator[str, None]:
    """A request that two people have to approve."""
    wish = Wish(environment="production", cluster="orders", name="two-step")
    olga, pavel = it.person("U0OLGA"), it.person("U0PAVEL")
    await it.sent(wish)
    await it.at(olga, APPROVALS_CHANNEL)
    await it.approved(wish, olga)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "card-half-approved"
    await it.press(olga, ids.APPROVE, beside=wish.name, place=APPROVALS_CHANNEL)
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "approved-already"
    await it.at(pavel, "home")
    yield "home-approver"


async def governed(it: Scene) -> AsyncGenerator[str, None]:
    """A ticket, and a resource name that approvers type."""
    olga = it.person("U0OLGA")
    wish = Wish(environment="production", cluster="orders", name="orders in production")
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.typed(wish, Ticket="nonsense")
    await Person(it.page).press("Review")
    await it.dana.wait_for(lambda: "⚠" in str(it.dana.modal), "what is wrong with the ticket")
    yield "form"
    await it.page.get_by_role("textbox", name="Ticket").fill("OPS-12")
    await it.reviewed()
    yield "review-page"
    await it.confirmed(wish)
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.press(olga, ids.CONFIRM, beside=wish.name, place=APPROVALS_CHANNEL)
    await it.modal(olga)
    yield "approve"
    await olga.fill({ids.WORD_BLOCK: "orders"})
    await olga.submit()
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "approved"
    await it.ready(wish)
    if olga.modal:
        await olga.close(everything=True)
    yield "card-approved"


async def glass(it: Scene) -> AsyncGenerator[str, None]:
    """Break-glass, and its review."""
    wish = Wish(name="orders are down")
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, wish)
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page"
    await it.press(it.dana, ids.GLASS)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.GLASS_USE)
    yield "use"
    await it.dana.fill({"Why it can't wait": "Orders are down, and no one answers."})
    await it.dana.submit()
    await it.page.wait_for_timeout(4 * SETTLED_MS)
    yield "used"
    if it.dana.modal:
        await it.dana.close(everything=True)
    await it.ready(wish)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-to-review"
    await it.at(it.erin)
    yield "dm-approver"
    await it.at(it.erin, "home")
    yield "home-approver"
    await it.at(it.dana)
    yield "dm-ready"
    await it.shown()
    await it.saved()
    yield "dm-saved"
    await it.at(it.dana, "home")
    yield "home-requester"


async def glass_again(it: Scene) -> AsyncGenerator[str, None]:
    """A second use of break-glass, which the form doesn't offer, and the review of the first use."""
    await fill_in(it.dana, Wish(name="orders are down"))
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    await it.press(it.dana, ids.GLASS)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.GLASS_USE)
    await it.dana.fill({"Why it can't wait": "Orders are down, and no one answers."})
    await it.dana.submit()
    await it.ready(Wish(name="orders are down"))
    await it.dana.close(everything=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await fill_in(it.dana, Wish(name="once more"))
    await it.dana.submit()
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.REVIEW)
    yield "review-page-second"
    await it.dana.close(everything=True)
    await it.at(it.erin, APPROVALS_CHANNEL)
    await it.press(it.erin, ids.NOT_JUSTIFIED, place=APPROVALS_CHANNEL)
    await it.modal(it.erin)
    yield "not-justified"
    await it.erin.fill({ids.REASON_BLOCK: "I was there to approve it."})
    await it.erin.submit()
    await it.card_says("I was there to approve it.")
    yield "reviewed"
    if it.erin.modal:
        await it.erin.close(everything=True)
    yield "card-reviewed"
    await it.at(it.dana)
    yield "dm-reviewed"
