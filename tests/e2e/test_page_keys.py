"""Keys that exist, in the sandbox's page in a real browser; the form for every scope; and all of it by keyboard.

All tests share one sandbox, because starting it takes longer than a story: each asks for a key of another name.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from sandbox.stage import Stage
from tests.support.browsing import Person, a_browser, a_person, a_sandbox
from tests.support.processes import held, reached

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
SCOPES = {
    "Kafka cluster": ("Environment", "Kafka cluster"),
    "Schema Registry": ("Environment", "Schema Registry"),
    "ksqlDB cluster": ("Environment", "ksqlDB cluster"),
    "Flink region": ("Environment", "Cloud provider", "Region"),
    "Cloud resource management": (),
    "Tableflow": (),
    "Global": (),
}
"""Every resource scope, and the fields that it needs."""
ALWAYS = {"Resource scope", "Lifetime"}
CONTROLS = {"button", "checkbox", "combobox", "option", "radio", "switch", "tab", "textbox"}
"""Roles of what people act on."""


@dataclass(frozen=True, slots=True)
class Play:
    """A sandbox as `make sandbox` starts it, with Dana in #general; Olga, an administrator, sees the cards."""

    stage: Stage
    dana: Person
    olga: Person

    def keys(self, name: str) -> list[str]:
        """Ids of the live keys of this name."""
        return [id_ for id_, key in self.stage.organization.api_keys.items() if key.name == name]

    async def approve(self, text: str) -> None:
        """Olga approves the newest card that says this."""
        await self.olga.message(text).get_by_role("button", name="Approve").click()

    async def take(self, name: str) -> str:
        """Dana has the secret of the key of this name shown, and saves it; the key's id."""
        await self.dana.go("Latchkey")
        message = self.dana.message(f"({name})")
        await message.get_by_role("button", name="Show secret").click()
        key = self.keys(name)[-1]
        await expect(self.dana.secret).to_contain_text(key)  # not that of the test before
        await expect(self.dana.secret).to_be_in_viewport()
        await self.dana.press("I saved it")
        await expect(message).to_contain_text("you saved the secret for key")
        return key

    async def obtain(self, name: str) -> str:
        """Dana asks for a key, Olga approves it, Dana takes its secret; the key's id."""
        await self.dana.ask(name)
        await self.approve(f"· {name}")
        return await self.take(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    async with a_sandbox(tmp_path_factory.mktemp("sandbox")) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncGenerator[Browser]:
    async with a_browser(chromium_path) as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="module")
async def it(browser: Browser, sandbox: Stage) -> AsyncGenerator[Play]:
    """Two people; at the end nothing may have gone wrong in the scripts of their pages."""
    people = [await a_person(browser, sandbox, place) for place in ("U0DANA/C0GENERAL", "U0OLGA/C0APPROVE")]
    yield Play(sandbox, *people)
    for person in people:
        await person.page.context.close()
    assert [person.errors for person in people] == [[], []]


async def test_a_key_is_edited_rotated_and_deleted_by_two_people_in_the_page(it: Play) -> None:
    old = await it.obtain("clicks")

    await edit_from_home(it, old)
    await find_in_the_list(it, old)
    new = await rotate_with_an_overlap(it, old)
    await end_the_overlap(it, old, new)
    await delete(it, new)

    await it.dana.page.get_by_role("tab", name="Home").click()
    await expect(it.dana.page.locator("#home")).to_contain_text("The key was deleted")
    await expect(it.dana.page.locator("#home")).not_to_contain_text(f"more clicks {new}")
    assert [it.keys(name) for name in ("clicks", "counted clicks", "more clicks")] == [[], [], []]


async def edit_from_home(it: Play, key: str) -> None:
    """Dana finds the key on Home, and gives it another name."""
    dana, page = it.dana, it.dana.page
    await page.get_by_role("tab", name="Home").click()
    home = page.locator("#home")
    await expect(home).to_contain_text(f"clicks {key}")
    row = home.locator(".section", has_text=f"clicks {key}")
    await row.get_by_role("button", name="Details").click()
    await expect(dana.dialog).to_contain_text("Requested by")
    await expect(dana.dialog).to_contain_text(key)

    await dana.press("Edit")
    await expect(dana.dialog.get_by_label("Name (optional)")).to_have_value("clicks")
    await dana.dialog.get_by_label("Name (optional)").fill("counted clicks")
    await dana.dialog.get_by_label("Description").fill("counts <!here> & שלום")
    await dana.dialog.get_by_label("Reason").fill("It counts more than clicks")
    await dana.press("Send request")
    await dana.done("Request sent.")
    await it.approve("clicks → counted clicks")

    await page.get_by_role("tab", name="Messages").click()
    await expect(dana.message("Edited: Kafka API key")).to_be_visible()
    await expect(dana.message("The key was updated today at")).to_contain_text("@Dana Okafor")


async def find_in_the_list(it: Play, key: str) -> None:
    """Dana narrows the list down to the key, and reads its page and a configuration for it."""
    dana, page = it.dana, it.dana.page
    await dana.say("/apikey list")
    await expect(dana.dialog).to_contain_text("Dana's laptop")
    await dana.pick("All scopes", "Flink")
    await expect(dana.dialog).to_contain_text("No keys match.")
    await dana.pick("All scopes", "All scopes")
    await expect(dana.dialog).to_contain_text(key)
    await dana.dialog.get_by_label("Search").fill("counted")
    await dana.press("Search")
    await expect(dana.dialog).not_to_contain_text("Dana's laptop")
    await expect(dana.dialog).to_contain_text(f"counted clicks {key}")

    await dana.press("Details")
    await expect(dana.dialog.locator("blockquote").first).to_have_text("counts <!here> & שלום")
    await expect(dana.dialog).not_to_contain_text("[lk:")
    await dana.pick("Client configuration", "Kafka: Java")
    await expect(dana.dialog.locator("pre")).to_contain_text(f'username="{key}" password="API_SECRET"')
    await page.keyboard.press("Escape")
    await expect(dana.dialog.locator("blockquote").first).to_be_visible()
    await dana.close()


async def rotate_with_an_overlap(it: Play, old: str) -> str:
    """Dana has the key replaced, and both live; the new key's id."""
    dana = it.dana
    await dana.message(f"the secret for key {old}").get_by_role("button", name="Manage key").click()
    await dana.press("Rotate")
    await dana.dialog.get_by_label("Name of the new key").fill("more clicks")
    await dana.pick("Keep the old key for", "2 days")
    await dana.dialog.get_by_label("Reason").fill("every quarter")
    await dana.press("Send request")
    await dana.done("Request sent.")
    await it.approve(old)
    new = await it.take("more clicks")
    await expect(dana.message("(more clicks)")).to_contain_text(f"The old key {old} still works.")
    assert it.keys("counted clicks") == [old]
    return new


async def end_the_overlap(it: Play, old: str, new: str) -> None:
    """Dana keeps the old key for longer, and then for no longer."""
    dana, message = it.dana, it.dana.message("(more clicks)")
    await message.get_by_role("button", name="Keep 1 more day").click()
    await expect(dana.message("is kept until")).to_be_in_viewport()
    await message.get_by_role("button", name="Delete old key now").click()
    await expect(dana.dialog).to_contain_text("Anything still using it will stop working.")
    await dana.dialog.get_by_role("button", name="Cancel").click()
    assert it.keys("counted clicks") == [old]
    await message.get_by_role("button", name="Delete old key now").click()
    await dana.dialog.get_by_role("button", name="Delete old key now").click()
    await expect(dana.message(f"The old key {old} for orders-dev was deleted.")).to_contain_text(new)
    await expect(message.get_by_role("button", name="Keep 1 more day")).to_have_count(0)
    assert it.keys("counted clicks") == []


async def delete(it: Play, key: str) -> None:
    """Dana has the new key deleted, too."""
    dana = it.dana
    await dana.say(f"/apikey delete {key.lower()}")
    word = dana.dialog.get_by_label("Type CONFIRM to delete this API key")
    await word.fill("confirm")
    await dana.dialog.get_by_label("Reason").fill("It is no longer used")
    await dana.dialog.get_by_role("button", name="Send request").click()
    await expect(dana.dialog).to_contain_text("Type CONFIRM in capital letters.")
    await word.fill("CONFIRM")
    await dana.dialog.get_by_role("button", name="Send request").click()
    await dana.done("Request sent.")
    await it.approve("requests to delete")
    await expect(dana.message("Deleted: Kafka API key")).to_be_visible()
    await expect(dana.message("The key was deleted today at")).to_contain_text("@Dana Okafor")
    await dana.say(f"/apikey show {key}")
    await dana.done("no longer exists in Confluent Cloud: it was deleted")


async def test_a_new_account_gets_access_with_its_key_and_an_administrator_removes_it(it: Play) -> None:
    """B4: in the page."""
    dana, olga = it.dana, it.olga
    await dana.fill_in("writes clicks")
    await dana.dialog.get_by_label("New service account").check()
    await dana.dialog.get_by_label("Service account name").fill("clicks-writer")
    await dana.pick("Access", "Write topics")
    await dana.page.keyboard.press("Escape")
    await dana.dialog.get_by_label("Write topics: name prefix").fill("clicks-")
    await dana.send()
    await expect(olga.message("· writes clicks")).to_contain_text("DeveloperWrite on topics starting with clicks-")
    await it.approve("· writes clicks")
    key = await it.take("writes clicks")

    await olga.say(f"/apikey show {key}")
    await olga.press("Remove access")
    await olga.press("Remove access")

    await expect(olga.dialog).to_contain_text("Latchkey is removing the role")
    await olga.close()


async def test_one_request_gives_both_keys_of_a_new_service(it: Play) -> None:
    """B8: in the page."""
    dana = it.dana
    await dana.fill_in("a pair")
    await dana.dialog.get_by_label("Also for Schema Registry").check()
    await dana.send()
    await it.approve("· a pair")
    await dana.go("Latchkey")
    await dana.message("(a pair)").get_by_role("button", name="Show secrets").click()

    issued = [it.stage.organization.secrets_issued[key] for key in it.keys("a pair")]
    assert len(issued) == 2
    for secret in issued:
        await expect(dana.secret).to_contain_text(secret)
    await dana.press("I saved them")
    await expect(dana.message("(a pair)")).to_contain_text("you saved the secrets for keys")


@pytest_asyncio.fixture(loop_scope="module")
async def policy(it: Play) -> AsyncGenerator[None]:
    """The rules of the panel's scenario."""
    scenario = it.olga.page.get_by_role("button", name="A policy with tickets and break-glass")
    await scenario.click()
    await expect(it.olga.page.locator(".said")).to_contain_text("Latchkey now follows sandbox/policy.yml.")
    yield
    await scenario.click()
    await expect(scenario).to_have_attribute("aria-pressed", "false")


@pytest.mark.usefixtures("policy")
async def test_a_request_for_production_names_a_ticket_and_its_approver_types_the_cluster(it: Play) -> None:
    """B2 B3 B10: in the page."""
    dana, olga = it.dana, it.olga
    await dana.fill_in("in production", "production", "orders")
    await dana.dialog.get_by_role("textbox", name="Ticket").fill("nonsense")
    await dana.press("Review")
    await expect(dana.dialog).to_contain_text("This isn't a ticket like OPS-123.")
    await dana.dialog.get_by_role("textbox", name="Ticket").fill("OPS-12")
    await dana.send()

    card = olga.message("· in production")
    await expect(card.get_by_role("link", name="OPS-12")).to_be_visible()
    await expect(card).to_contain_text("Needs 1 approval from the platform team")
    await card.get_by_role("button", name="Approve").click()
    await olga.dialog.get_by_label("Type “orders” to approve this request").fill("orders-dev")
    await olga.dialog.get_by_role("button", name="Approve").click()
    await expect(olga.dialog).to_contain_text("Nothing was approved.")
    await olga.dialog.get_by_label("Type “orders” to approve this request").fill("orders")
    await olga.dialog.get_by_role("button", name="Approve").click()
    await it.take("in production")


@pytest.mark.usefixtures("policy")
async def test_break_glass_gives_a_key_at_once_and_someone_else_reviews_it(it: Play) -> None:
    """B7: in the page."""
    dana, olga = it.dana, it.olga
    await dana.fill_in("orders are down")
    await dana.press("Review")
    await dana.press("Use break-glass")
    await dana.dialog.get_by_label("Why it can't wait").fill("No one answers")
    await dana.press("Use break-glass")
    await dana.done("Latchkey is creating the key")
    await it.take("orders are down")

    card = olga.message("· orders are down")
    await expect(card).to_contain_text("No one approved this key. Was that justified?")
    await card.get_by_role("button", name="Justified", exact=True).click()
    await olga.press("Justified")

    await expect(card.get_by_role("button", name="Justified")).to_have_count(0)
    await expect(dana.message("You can use break-glass again.")).to_be_visible()


async def test_the_form_shows_what_each_scope_needs_and_keeps_what_was_typed(it: Play) -> None:
    dana, page = it.dana, it.dana.page
    await dana.say("/apikey create")
    await dana.dialog.get_by_label("My account").check()  # an earlier request may have filled in another one
    await expect(page.get_by_role("combobox", name="Service account")).to_have_count(0)
    await dana.dialog.get_by_label("Name", exact=True).fill("every scope")
    await dana.dialog.get_by_label("Reason").fill("half a rea")
    for scope, fields in SCOPES.items():
        await dana.pick("Resource scope", scope)
        await expect(menus(dana)).to_have_count(len(ALWAYS) + len(fields))
        for label in fields:
            await expect(page.get_by_role("combobox", name=label)).to_be_visible()

    await dana.dialog.get_by_label("New service account").check()
    await dana.dialog.get_by_label("Service account name").fill("clicks-service")
    await dana.dialog.get_by_label("Existing service account").check()
    await expect(dana.dialog.get_by_label("Service account name")).to_have_count(0)
    await dana.dialog.get_by_label("New service account").check()

    await expect(dana.dialog.get_by_label("Service account name")).to_have_value("clicks-service")
    await expect(dana.dialog.get_by_label("Name", exact=True)).to_have_value("every scope")
    await expect(dana.dialog.get_by_label("Reason")).to_have_value("half a rea")
    await dana.close()


async def test_the_form_follows_whoever_clicks_faster_than_it_is_drawn(it: Play) -> None:
    dana, page = it.dana, it.dana.page
    await dana.say("/apikey create")
    await dana.dialog.get_by_label("Name", exact=True).fill("fast")
    for scope in (*SCOPES, "Global", "Flink region"):
        await dana.pick("Resource scope", scope)
    for account in ("My account", "New service account", "Existing service account", "New service account"):
        await dana.dialog.get_by_label(account).check()
    await dana.dialog.get_by_label("Reason").press_sequentially("typed while it is drawn again")

    await expect(page.get_by_role("combobox", name="Cloud provider")).to_be_visible()
    await expect(page.get_by_role("combobox", name="Resource scope")).to_have_value("Flink region")
    await expect(dana.dialog.get_by_label("Service account name")).to_be_visible()
    await expect(dana.dialog.get_by_label("Reason")).to_have_value("typed while it is drawn again")
    await dana.choose("Environment", "dev")
    await dana.pick("Cloud provider", "AWS")
    await dana.choose("Region", "N. Virginia (us-east-1)")
    await dana.dialog.get_by_label("Service account name").fill("fast-service")
    await dana.press("Review")

    await expect(dana.dialog).to_contain_text("fast-service (new service account)")
    await expect(dana.dialog).to_contain_text("aws.us-east-1")
    await dana.close()


async def test_a_menu_that_was_opened_meanwhile_stays_open_when_the_form_is_drawn_again(it: Play) -> None:
    dana, page = it.dana, it.dana.page
    await dana.say("/apikey create")
    await expect(dana.dialog.get_by_label("My account")).to_be_visible()
    async with held(it.stage.slack.faults.hold_before, "views.update") as gate:
        await dana.pick("Resource scope", "Flink region")
        await reached(gate)
        await page.get_by_role("combobox", name="Resource scope").click()
        await expect(dana.option("Global")).to_be_visible()

    await expect(page.get_by_role("combobox", name="Cloud provider")).to_be_visible()
    await dana.option("Global").click()
    await expect(page.get_by_role("combobox", name="Cloud provider")).to_have_count(0)
    await dana.close()


async def test_a_key_is_asked_for_with_the_keyboard_alone(it: Play) -> None:
    dana, keys = it.dana, it.dana.page.keyboard
    await dana.page.locator("#composer-input").focus()
    await keys.type("/apikey create\n")
    # The first option, or the one that is chosen: of a former request.
    await expect(dana.dialog.locator("input[type=radio]:focus")).to_have_count(1)
    existing = dana.dialog.get_by_label("Existing service account")
    await keys.press("Space")
    if not await existing.is_checked():
        await keys.press("ArrowDown")
    await expect(existing).to_be_checked()
    await expect(dana.page.get_by_role("combobox", name="Service account")).to_be_visible()
    await tab_to(dana, "Service account", "orders-ser")
    await tab_to(dana, "Environment", "dev")
    await expect(dana.page.get_by_text("Choose the environment first.")).to_have_count(0)
    await tab_to(dana, "Kafka cluster", "orders")
    await keys.press("Tab")
    await expect(dana.dialog.get_by_label("Also for Schema Registry")).to_be_focused()
    await keys.press("Tab")
    await expect(dana.page.get_by_role("combobox", name="Access")).to_be_focused()
    for text in ("by keyboard", "", "No mouse at hand"):
        await keys.press("Tab")
        await keys.type(text)
    await dana.page.get_by_role("button", name="Review").press("Enter")
    await dana.page.get_by_role("button", name="Send request").press("Enter")
    await expect(dana.dialog.get_by_role("button", name="Send request")).to_have_count(0)
    if await dana.dialog.is_visible():  # else it closed, and a message tells
        await keys.press("Escape")

    await expect(dana.dialog).to_be_hidden()
    await expect(dana.page.locator("#composer-input")).to_be_focused()
    await expect(it.olga.message("· by keyboard")).to_contain_text("orders-dev (lkc-dev001)")


async def test_escape_closes_a_menu_first_and_then_one_page_after_the_other(it: Play) -> None:
    dana, page = it.dana, it.dana.page
    await dana.say("/apikey list")
    await expect(page.get_by_role("combobox", name="All accounts")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(dana.option("My account")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator(".popup:visible")).to_have_count(0)
    await expect(dana.dialog).to_contain_text("Dana's laptop")

    await dana.dialog.get_by_role("button", name="Details").last.press("Enter")
    await expect(dana.dialog).to_contain_text("History")
    await expect(page.get_by_role("heading", name="API keys")).to_be_hidden()
    await stays_inside(dana)
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dana.dialog).to_be_hidden()


async def test_whatever_can_be_acted_on_has_a_name_for_who_cannot_see_it(it: Play) -> None:
    dana, page = it.dana, it.dana.page
    key = await it.obtain("named")
    assert await nameless(page) == []
    for command in ("create", "list", f"show {key}", f"edit {key}", f"rotate {key}", f"delete {key}"):
        await dana.say(f"/apikey {command}")
        await expect(dana.dialog).to_be_visible()
        await expect(dana.dialog).not_to_contain_text("Checking with Confluent Cloud…")
        assert await nameless(page) == [], command
        await dana.close()
    await page.get_by_role("tab", name="Home").click()
    await expect(page.locator("#home")).to_contain_text(key)
    assert await nameless(page) == []


def menus(person: Person) -> Locator:
    """All menus of the modal."""
    return person.dialog.get_by_role("combobox")


async def tab_to(person: Person, label: str, typed: str) -> None:
    """Go to the menu of this label with Tab, type, and take what it offers first."""
    menu = person.page.get_by_role("combobox", name=label, exact=True)
    while not await menu.evaluate("node => node === document.activeElement"):
        await person.page.keyboard.press("Tab")
    await person.page.keyboard.type(typed)
    await expect(person.option(typed)).to_be_visible()
    await person.page.keyboard.press("Enter")
    await expect(menu).to_have_value(re.compile(f"^{typed}"))


async def stays_inside(person: Person) -> None:
    """Tab goes round inside the modal."""
    inside = "form => form.contains(document.activeElement)"
    for key in ["Tab"] * 9 + ["Shift+Tab"] * 9:
        await person.page.keyboard.press(key)
        assert await person.dialog.evaluate(inside)


async def nameless(page: Page) -> list[str]:
    """The roles of what has no accessible name, as the browser tells a screen reader."""
    session = await page.context.new_cdp_session(page)
    tree: dict[str, Any] = await session.send("Accessibility.getFullAXTree")
    await session.detach()
    acted_on = [node for node in tree["nodes"] if not node["ignored"] and node["role"]["value"] in CONTROLS]
    assert acted_on
    return [node["role"]["value"] for node in acted_on if not node.get("name", {}).get("value")]
