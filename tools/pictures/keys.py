"""Stories of keys: with what they come, and what is done with them."""

from collections.abc import AsyncGenerator

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from tests.support.wishes import NEW, Wish
from tools.pictures.scene import Scene, delivered
from tools.pictures.shoot import SETTLED_MS


async def keys(it: Scene) -> AsyncGenerator[str, None]:
    """Existing keys: list, page, edit, rotate, extend, delete."""
    wish = Wish(name="orders producer", lifetime="7 days")
    await it.sent(wish)
    await it.approved(wish)
    await it.ready(wish)
    await it.at(it.dana)
    await it.shown()
    await it.saved()
    (key,) = it.it.our_keys()
    for line in ("list", f"show {key}", f"edit {key}", f"rotate {key}", f"delete {key}"):
        await it.at(it.dana, GENERAL_CHANNEL)
        await it.dana.command(f"/apikey {line}")
        await it.modal(it.dana)
        yield line.partition(" ")[0]
        await it.dana.close(everything=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.dana.command(f"/apikey show {key}")
    await it.modal(it.dana)
    await it.press(it.dana, ids.KEY_EXTEND)
    await it.modal(it.dana, lambda view: view["callback_id"] == ids.EXTEND)
    yield "extend"
    await it.dana.close(everything=True)
    await it.at(it.erin, GENERAL_CHANNEL)
    await it.erin.command("/apikey list")
    await it.modal(it.erin)
    yield "list-admin"
    await it.erin.close(everything=True)
    await it.at(it.dana, "home")
    yield "home-keys"
    it.it.advance(days=6, hours=1)
    await it.dana.wait_for(lambda: ids.KEY_EXTEND in str(it.dana.messages()[-1]), "the reminder")
    await it.at(it.dana)
    yield "dm-reminder"


async def access(it: Scene) -> AsyncGenerator[str, None]:
    """A key for a new account with access, which is then removed."""
    olga = it.person("U0OLGA")
    wish = Wish(NEW, name="clicks writer", access=(("Write topics", "clicks-"), ("Read topics", "clicks-, orders-")))
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.typed(wish)
    yield "form"
    await it.reviewed()
    yield "review-page"
    await it.confirmed(wish)
    await it.at(olga, APPROVALS_CHANNEL)
    yield "card-waiting"
    await it.approved(wish, olga)
    await it.ready(wish)
    yield "card-approved"
    await it.at(it.dana)
    await it.shown()
    yield "secret"
    await it.saved()
    (key,) = it.it.our_keys()
    await it.at(olga, GENERAL_CHANNEL)
    await olga.command(f"/apikey show {key}")
    await it.modal(olga)
    yield "key"
    await it.press(olga, ids.REMOVE_ACCESS)
    await it.page.wait_for_timeout(8 * SETTLED_MS)
    yield "removed"
    await olga.close(everything=True)
    await olga.command(f"/apikey show {key}")
    await it.modal(olga)
    yield "key-after"


async def pair(it: Scene) -> AsyncGenerator[str, None]:
    """A Kafka key with one for its Schema Registry."""
    wish = Wish(name="orders service", also=True)
    await it.at(it.dana, GENERAL_CHANNEL)
    await it.typed(wish)
    yield "form"
    await it.reviewed()
    yield "review-page"
    await it.confirmed(wish)
    await it.at(it.erin, APPROVALS_CHANNEL)
    yield "card-waiting"
    async for picture in delivered(it, wish):
        yield picture
