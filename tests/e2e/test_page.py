"""The sandbox's page in a real browser: two people, each at a client of their own, and the panel that breaks things.

All tests share one sandbox, because starting it takes longer than a story: each asks for a key of another name.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect
from playwright.async_api import TimeoutError as Late

from sandbox.cast import GENERAL_CHANNEL
from sandbox.gate import Gate
from sandbox.stage import Stage
from tests.support.browsing import PATIENCE, Person, a_browser, a_person, a_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
LEAPS, A_LEAP = 20, 500.0
REASON = "Not before the audit: *ask* <!channel> & שלום\nThen again."


@dataclass(frozen=True, slots=True)
class Play:
    """A sandbox as `make sandbox` starts it, with Dana in #general and Erin in #key-approvals."""

    stage: Stage
    dana: Person
    erin: Person

    def keys(self, name: str) -> list[str]:
        """Ids of the live keys of this name."""
        return [id_ for id_, key in self.stage.organization.api_keys.items() if key.name == name]

    def secret(self, key: str) -> str:
        """The secret that Confluent gave out with this key."""
        return self.stage.organization.secrets_issued[key]

    def card(self, name: str) -> Locator:
        """The card of this name, as Erin sees it."""
        return self.erin.message(f"· {name}")

    async def approve(self, name: str) -> None:
        """Erin approves the card of this name."""
        await self.card(name).get_by_role("button", name="Approve").click()

    def show_secret(self, name: str) -> Locator:
        """Dana's button for the key of this name."""
        return self.dana.message(f"({name})").get_by_role("button", name="Show secret")

    async def key_is_there(self, name: str) -> str:
        """Wait until Dana reads that her key is there; its id."""
        await self.dana.go("Latchkey")
        await expect(self.show_secret(name)).to_be_visible()
        (key,) = self.keys(name)
        return key

    async def wait_in_leaps(self, there: Locator) -> None:
        """Move the clock in the panel until something is there."""
        for _ in range(LEAPS):
            await self.erin.press("+5 min")
            try:
                await there.wait_for(timeout=A_LEAP)
            except Late:
                continue
            return
        await expect(there).to_be_visible()


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
    """Dana in #general and Erin in #key-approvals, with nothing open and nothing broken."""
    people = [await a_person(browser, sandbox, place) for place in ("U0DANA/C0GENERAL", "U0ERIN/C0APPROVE")]
    yield Play(sandbox, *people)
    sandbox.faults.reset()
    sandbox.slack.faults.reset()
    for person in people:
        await person.page.context.close()


async def test_two_people_walk_the_story_and_one_of_them_sees_the_secret(it: Play) -> None:
    await it.dana.ask("the story")
    await it.approve("the story")
    key = await it.key_is_there("the story")
    await expect(it.card("the story")).to_contain_text(f"Key {key} created.")

    await it.show_secret("the story").click()

    await expect(it.dana.secret).to_contain_text(it.secret(key))
    for part in (it.dana.secret.get_by_text(it.secret(key)), it.dana.secret.get_by_role("button", name="I saved it")):
        await expect(part).to_be_in_viewport(ratio=1)
    await expect(it.card("the story")).to_contain_text("viewed the secret for key")
    assert it.secret(key) not in await it.erin.page.content()

    await it.dana.press("I saved it")

    await expect(it.dana.message("(the story)")).to_contain_text("you saved the secret for key")
    await expect(it.dana.page.get_by_text(it.secret(key))).to_have_count(0)
    await expect(it.card("the story")).to_contain_text("Delivered: ")
    assert it.keys("the story") == [key]


async def test_a_reload_takes_the_secret_away_for_good(it: Play) -> None:
    await it.dana.ask("a reload")
    await it.approve("a reload")
    secret = it.secret(await it.key_is_there("a reload"))
    await it.show_secret("a reload").click()
    await expect(it.dana.secret).to_contain_text(secret)

    await it.dana.page.reload()

    await expect(it.dana.message("(a reload)")).to_contain_text("You viewed the secret for key")
    assert secret not in await it.dana.page.content()
    await expect(it.show_secret("a reload")).to_have_count(0)


async def test_a_message_that_arrives_during_a_click_does_not_swallow_it(it: Play) -> None:
    entry = it.erin.page.get_by_role("navigation").get_by_role("button", name="general")
    workspace = it.stage.slack.workspace
    await entry.hover()
    await it.erin.page.mouse.down()
    workspace.post(workspace.channels[GENERAL_CHANNEL], {"text": "News"})
    await expect(entry).to_have_accessible_name("general (unread)")

    await it.erin.page.mouse.up()

    await expect(it.erin.page.locator("#title")).to_have_text("# general")


async def test_a_change_during_a_click_in_the_panel_does_not_swallow_it(it: Play) -> None:
    leap = it.erin.page.get_by_role("button", name="+5 min")
    before = it.stage.clock.now()
    await leap.hover()
    await it.erin.page.mouse.down()
    it.stage.slack.faults.expired_trigger = "next"
    for _ in range(2):  # the second is asked for after the first was drawn
        await it.erin.page.wait_for_event("response", lambda answer: answer.url.endswith("/control"))

    await it.erin.page.mouse.up()

    await expect(it.erin.page.get_by_text("1 fault active")).to_be_visible()
    assert it.stage.clock.now() - before > timedelta(minutes=4)


async def test_a_lost_answer_still_ends_with_one_key(it: Play) -> None:
    await it.erin.try_("Confluent loses the response to a create")
    await it.dana.ask("a lost answer")
    await it.approve("a lost answer")
    await expect(it.card("a lost answer")).to_contain_text("Latchkey is checking whether a key was created")

    await it.dana.go("Latchkey")
    await it.wait_in_leaps(it.show_secret("a lost answer"))

    (key,) = it.keys("a lost answer")
    await expect(it.card("a lost answer")).to_contain_text(f"Key {key} created.")


async def test_the_reason_of_a_denial_is_read_as_it_was_typed(it: Play) -> None:
    await it.dana.ask("a denial")
    await it.card("a denial").get_by_role("button", name="Deny").click()
    await it.erin.page.get_by_label("Reason").fill(REASON)
    await it.erin.press("Deny")
    await expect(it.erin.dialog).to_contain_text("can see your reason.")

    await it.dana.go("Latchkey")

    await expect(it.dana.message("Denied: your request")).to_be_visible()
    told = it.dana.message("Denied by").last
    await expect(told).to_contain_text("Denied by @Erin Castellanos today at")
    await expect(told).to_contain_text("Nothing was created.")
    await expect(told.locator("blockquote")).to_have_text(REASON, use_inner_text=True)
    await it.erin.press("Close")
    await expect(it.card("a denial").get_by_role("button")).to_have_count(0)
    assert it.keys("a denial") == []


async def test_a_day_later_requests_are_expired_and_unclaimed_keys_deleted(it: Play) -> None:
    await it.dana.ask("never taken")
    await it.approve("never taken")
    key = await it.key_is_there("never taken")
    await it.dana.ask("never decided")
    await expect(it.card("never decided")).to_contain_text("Needs 1 approval by tomorrow at")

    await it.erin.press("+1 day")

    await expect(it.card("never decided")).to_contain_text("Expired today at")
    await expect(it.card("never decided").get_by_role("button")).to_have_count(0)
    await expect(it.card("never taken")).to_contain_text(f"Key {key} was deleted today at")
    await it.dana.go("Latchkey")
    await expect(it.dana.message("(never taken) was deleted")).to_be_visible()
    await expect(it.dana.message("The secret wasn't viewed in time.")).to_contain_text("@Dana Okafor")
    await expect(it.show_secret("never taken")).to_have_count(0)
    assert it.keys("never taken") == []


async def test_a_bot_killed_before_the_key_is_made_finishes_when_it_starts_again(it: Play) -> None:
    it.stage.faults.hold_before_create = gate = Gate()
    await it.dana.ask("a killed bot")
    await it.approve("a killed bot")
    async with asyncio.timeout(PATIENCE / 1000):
        await gate.reached.wait()

    await it.erin.press("Kill -9")
    await expect(it.erin.page.locator("#panel")).to_contain_text("Not running")
    await expect(it.erin.page.locator(".killed")).to_contain_text("the next step of a request: picked up again at")
    it.stage.faults.hold_before_create = None
    gate.opened.set()
    await it.erin.press("Start")
    await it.stage.slack.sockets.wait_connected()
    await it.dana.go("Latchkey")
    await it.wait_in_leaps(it.show_secret("a killed bot"))

    (key,) = it.keys("a killed bot")
    await it.show_secret("a killed bot").click()
    await expect(it.dana.secret).to_contain_text(it.secret(key))


async def test_a_crash_in_a_create_is_told_and_ends_with_one_key(it: Play) -> None:
    await it.erin.try_("Latchkey crashes while it creates a key")
    await it.dana.ask("a crash")
    await it.approve("a crash")

    await expect(it.erin.page.locator(".killed")).to_contain_text("while working on:")
    await expect(it.erin.page.locator(".killed")).to_contain_text("the next step of a request: picked up again at")
    await it.stage.slack.sockets.wait_connected()
    await it.dana.go("Latchkey")
    await it.wait_in_leaps(it.show_secret("a crash"))
    assert len(it.keys("a crash")) == 1


async def test_two_admins_who_click_at_once_make_one_key(it: Play) -> None:
    await it.dana.ask("two clicks")
    await expect(it.card("two clicks")).to_contain_text("Waiting for approval")
    await it.erin.try_("Two admins click at once")
    await expect(it.erin.page.locator(".said")).to_contain_text("Olga Lindqvist and Ines Carvalho both clicked Approve")

    await it.dana.go("Latchkey")
    await expect(it.show_secret("two clicks")).to_be_visible()
    assert len(it.keys("two clicks")) == 1


async def test_the_panel_shows_log_audit_lines_and_metrics_of_what_happens(it: Play) -> None:
    panel = it.erin.page.locator("#panel")
    await panel.get_by_text("Log, audit, metrics and report").click()
    lines = panel.get_by_role("tabpanel")
    await expect(lines).to_contain_text('"event": "ready"')

    await panel.get_by_role("tab", name="Audit").click()
    await it.dana.ask("a reviewer")
    await expect(lines).to_contain_text('"action": "request:submitted"')
    await it.approve("a reviewer")
    key = await it.key_is_there("a reviewer")
    await expect(lines).to_contain_text(key)
    await expect(lines).not_to_contain_text("a reviewer")
    await it.show_secret("a reviewer").click()
    await expect(lines).to_contain_text('"action": "secret:shown"')

    await panel.get_by_role("tab", name="Audit").press("ArrowRight")
    await expect(panel.get_by_role("tab", name="Metrics")).to_be_focused()
    await expect(lines).to_contain_text('latchkey_events_total{action="secret:shown"}')
    await expect(lines).not_to_contain_text(key)
    await expect(lines).not_to_contain_text("_bucket")
    await panel.get_by_role("tab", name="Report").click()
    await expect(lines).to_contain_text("$ latchkey report requests")
    await expect(lines).to_contain_text(f"{key},in_use,sa-orders,kafka")
    assert it.secret(key) not in await it.erin.page.content()
    await panel.get_by_text("Log, audit, metrics and report").click()


async def test_a_key_that_was_posted_is_reported_from_the_menu_of_its_message(it: Play) -> None:
    await it.erin.try_("Someone posts an API key")
    await it.erin.go("general")
    await it.erin.message("sasl.username").hover()
    await it.erin.press("Message shortcuts")
    await it.erin.page.get_by_role("menuitem", name="Report a leaked API key").click()
    await expect(it.erin.dialog).to_contain_text("Delete the message, or ask its author to.")
    await it.erin.press("Report")
    await it.erin.done("Thanks for reporting")

    await it.erin.go("key-approvals")
    told = it.erin.message("reported this API key as leaked")
    await expect(told.get_by_role("button", name="Delete now")).to_be_visible()


async def test_what_was_typed_survives_a_redraw_and_is_gone_after_escape(it: Play) -> None:
    page, name = it.dana.page, it.dana.page.get_by_label("Name", exact=True)
    await it.dana.say("/apikey create")
    await name.fill("orders producer")
    await page.get_by_label("Reason").fill("half a rea")

    await page.get_by_label("Existing service account").check()
    await it.dana.choose("Environment", "dev")
    await expect(page.get_by_text("Choose the environment first.")).to_have_count(0)

    await expect(name).to_have_value("orders producer")
    await expect(page.get_by_label("Reason")).to_have_value("half a rea")
    await page.get_by_label("Reason").fill("")  # the rest may be filled in from an earlier request
    await it.dana.press("Review")
    await expect(it.dana.dialog).to_contain_text("Please complete this required field.")

    await page.keyboard.press("Escape")
    await expect(it.dana.dialog).to_be_hidden()
    await it.dana.say("/apikey create")
    await expect(name).to_have_value("")
    await it.dana.press("Close")
    await expect(it.dana.dialog).to_be_hidden()
