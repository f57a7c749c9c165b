"""The sandbox's page in a real browser, before a bot of scripted answers: every surface can be used by a person."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.control import Control
from sandbox.scenarios import STEPS
from sandbox.stage import BotProcess, Stage, stage
from tests.sandbox.scripted import Scripted, hears
from tests.sandbox.slack_bot import actions, button, modal, plain, section, text_input

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run")
KINDS = [{"text": plain(each), "value": each.lower()} for each in ("Kafka", "Flink")]
STATIC = {"type": "static_select", "action_id": "kind", "placeholder": plain("Kind of key"), "options": KINDS}
EXTERNAL = {"type": "external_select", "action_id": "owner", "min_query_length": 0, "placeholder": plain("Owner")}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": KINDS}
ON_ENTER = {"trigger_actions_on": ["on_enter_pressed"]}
FILTER = {**text_input("Text", dispatch_action_config=ON_ENTER), "dispatch_action": True}
MENUS = [section("Your keys"), actions(STATIC, EXTERNAL, OVERFLOW, block_id="menus")]
SURE = {
    "title": plain("Delete this key?"),
    "text": plain("It stops working at once."),
    "confirm": plain("Delete key"),
    "deny": plain("Keep it"),
    "style": "danger",
}
expect.set_options(timeout=40_000)


@dataclass(frozen=True, slots=True)
class Play:
    """Dana at a browser, in the DM with the bot."""

    page: Page
    here: Stage
    bot: Scripted

    def open(self, view: dict[str, Any]) -> dict[str, Any]:
        """The bot opens a modal before her."""
        views = self.here.slack.views
        return views.open(views.new_trigger("U0DANA"), view)

    async def choose(self, label: str, option: str) -> None:
        """Choose in the newest menu of this name."""
        await self.page.get_by_role("combobox", name=label).last.click()
        await self.page.locator(".popup:visible").get_by_role("option", name=option).click()

    async def uses_the_menus(self) -> list[dict[str, Any]]:
        """Choose in all three menus; what the bot was told of each."""
        await self.choose("Kind of key", "Flink")
        told = [await hears(self.bot, "kind")]
        await self.choose("Owner", "orders-service")
        told.append(await hears(self.bot, "owner"))
        await self.page.get_by_role("button", name="More actions").last.click()
        await self.page.get_by_role("menuitem", name="Kafka").click()
        told.append(await hears(self.bot, "more"))
        chosen = [each["actions"][0]["selected_option"]["text"]["text"] for each in told]
        assert chosen == ["Flink", "orders-service", "Kafka"]
        return told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="module")
async def it(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Play]:
    folder, control, bot = tmp_path_factory.mktemp("page"), Control(), Scripted()
    bot.answers["block_suggestion"] = {"options": [{"text": plain("orders-service"), "value": "sa-orders"}]}
    async with stage(folder, extra=control.routes()) as here:
        control.attach(here, BotProcess({}, folder / "clock", folder / "bot.log"))
        here.slack.use_request_url(bot)
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        await page.goto(f"{here.slack_url}/#U0DANA/D0DANA")
        await expect(page.locator("#title")).to_have_text("Latchkey")
        yield Play(page, here, bot)
        await context.close()


async def test_menus_of_a_message_and_of_an_ephemeral_one(it: Play) -> None:
    workspace = it.here.slack.workspace
    workspace.post(workspace.dm("U0DANA"), {"text": "x", "blocks": MENUS})
    await it.page.get_by_text("Your keys").hover()
    await expect(it.page.get_by_role("button", name="Message shortcuts")).to_be_visible()
    assert [each["container"]["is_ephemeral"] for each in await it.uses_the_menus()] == [False] * 3

    it.bot.received.clear()
    workspace.show_ephemeral("U0DANA", "D0DANA", {"text": "x", "blocks": MENUS})
    await expect(it.page.get_by_text("Only visible to you")).to_be_visible()

    assert [each["container"]["is_ephemeral"] for each in await it.uses_the_menus()] == [True] * 3


async def test_menus_filters_and_buttons_of_a_modal(it: Play) -> None:
    it.open(modal(FILTER, *MENUS, actions(button("Details", "details"), block_id="more")))
    await it.uses_the_menus()

    field = it.page.get_by_label("Text")
    await field.fill("orders")
    assert not any(
        action["action_id"] == "text" for each in it.bot.received for action in each.payload.get("actions", ())
    )
    await field.press("Enter")

    assert (await hears(it.bot, "text"))["actions"][0]["value"] == "orders"
    await it.page.get_by_role("button", name="Details").click()
    trigger = (await hears(it.bot, "details"))["trigger_id"]
    it.here.slack.views.push(trigger, modal(section("A key"), title=plain("Details")))
    await expect(it.page.get_by_role("dialog", name="Details")).to_be_visible()
    await it.page.get_by_role("button", name="Back").locator("visible=true").click()
    await expect(field).to_have_value("orders")


async def test_menus_filters_and_buttons_of_home(it: Play) -> None:
    rows = [section(f"Row {number}") for number in range(40)]
    for _ in range(2):  # more than fit, so the newest is in view
        it.here.slack.workspace.post(it.here.slack.workspace.dm("U0DANA"), {"text": "x", "blocks": rows})
    await expect(it.page.get_by_text("Row 39").last).to_be_in_viewport()
    blocks = [FILTER, *MENUS, actions(button("Create API key", "new"), block_id="more"), *rows]
    it.here.slack.views.publish("U0DANA", {"type": "home", "blocks": blocks})
    await it.page.get_by_role("tab", name="Home").click()
    await expect(it.page.get_by_role("button", name="Create API key")).to_be_in_viewport()  # Home begins at its top
    await it.uses_the_menus()

    await it.page.get_by_label("Text").fill("orders")
    await it.page.get_by_label("Text").press("Enter")
    assert (await hears(it.bot, "text"))["actions"][0]["value"] == "orders"
    await it.page.get_by_role("button", name="Create API key").click()

    told = await hears(it.bot, "new")
    assert told["view"]["type"] == "home"
    it.here.slack.views.open(told["trigger_id"], modal(text_input("Name")))
    await expect(it.page.get_by_role("dialog")).to_be_visible()
    tabs = [each.payload["event"]["tab"] for each in it.bot.received if each.payload["type"] == "event_callback"]
    assert tabs[-1] == "home"


async def test_the_shortcut_is_in_the_lightning_menu(it: Play) -> None:
    await it.page.get_by_role("button", name="Shortcuts", exact=True).click()
    async with it.page.expect_response("**/shortcut"):
        await it.page.get_by_role("menuitem", name="Create an API key").click()

    assert it.bot.last["callback_id"] == "apikey:create"


async def test_a_modal_does_not_come_back_with_a_reload(it: Play) -> None:
    it.open(modal(text_input("Name")))
    await expect(it.page.get_by_role("dialog")).to_be_visible()
    await it.page.keyboard.press("Escape")
    await it.page.reload()
    await expect(it.page.locator("#title")).to_have_text("Latchkey")
    await expect(it.page.get_by_role("dialog")).to_have_count(0)
    assert it.here.slack.views.stack("U0DANA") == []

    it.open(modal(text_input("Name")))
    await expect(it.page.get_by_role("dialog")).to_be_visible()
    await it.page.reload()
    await expect(it.page.locator("#title")).to_have_text("Latchkey")
    await expect(it.page.get_by_role("dialog")).to_have_count(0)


async def test_a_modal_survives_the_change_to_another_person_and_back(it: Play) -> None:
    it.open(modal(text_input("Name")))
    await expect(it.page.get_by_role("dialog")).to_be_visible()

    await it.page.goto(f"{it.here.slack_url}/#U0ERIN")
    await expect(it.page.get_by_role("dialog")).to_have_count(0)
    await it.page.goto(f"{it.here.slack_url}/#U0DANA")

    await expect(it.page.get_by_role("dialog")).to_be_visible()


async def test_a_new_root_takes_the_place_of_what_was_open(it: Play) -> None:
    it.open(modal(section("the first"), submit=None))
    await expect(it.page.get_by_role("dialog")).to_contain_text("the first")
    danger = {**button("Use break-glass", "glass"), "style": "danger"}
    it.open(modal(section("the second"), actions(danger, block_id="more"), submit=None))
    await expect(it.page.get_by_role("dialog")).to_contain_text("the second")
    await expect(it.page.get_by_role("dialog")).to_be_focused()  # not the button: one Enter too many would press it

    await it.page.keyboard.press("Escape")

    await expect(it.page.get_by_role("dialog")).to_have_count(0)


async def test_general_says_what_to_type(it: Play) -> None:
    await it.page.get_by_role("navigation").get_by_role("button", name="general").click()

    await expect(it.page.locator("#topic")).to_contain_text("/apikey create")
    await expect(it.page.locator("#messages")).to_have_text("No messages yet.")
    await expect(it.page.locator("#composer-input")).to_have_attribute("placeholder", re.compile("/apikey"))
    it.here.slack.workspace.post(it.here.slack.workspace.channels[GENERAL_CHANNEL], {"text": "hello"}, user="U0ERIN")
    await expect(it.page.locator("#messages")).to_contain_text("hello")


async def test_the_clock_goes_a_week_on_and_to_a_day_before_a_moment(it: Play) -> None:
    await it.page.get_by_role("button", name="+1 week").click()
    await expect(it.page.locator("#panel .now")).to_contain_text("7 days ahead")

    await it.page.get_by_label("Set clock to").fill("2100-06-15T12:00")
    await it.page.get_by_label("Offset").select_option("1 day before")
    async with it.page.expect_response("**/control/clock"):
        await it.page.get_by_role("button", name="Set clock", exact=True).click()

    await expect(it.page.locator("#panel .now")).to_contain_text("2100")
    assert (it.here.clock.now().year, it.here.clock.now().month, it.here.clock.now().day) == (2100, 6, 14)


async def test_turned_switches_stand_out_and_are_turned_back_together(it: Play) -> None:
    await it.page.get_by_text("Single faults").click()
    await it.page.get_by_text("Roles and quotas").click()
    await it.page.locator("summary", has_text=re.compile("^Keys$")).click()
    await it.page.get_by_label("Lower this quota for everyone").select_option("kafka.max_api_keys.per_cluster")
    await it.page.get_by_label("Seconds until a deleted key stops working").select_option("60")
    await expect(it.page.locator("#panel")).to_contain_text("2 faults active")
    await expect(it.page.locator(".fault.turned")).to_have_count(2)

    await it.page.get_by_role("button", name="Clear all faults").click()

    await expect(it.page.locator(".fault.turned")).to_have_count(0)
    assert (it.here.faults.low_quota, it.here.faults.lingering) == ("none", 0)


async def test_keys_are_renamed_and_deleted_behind_the_bots_back(it: Play) -> None:
    await it.page.get_by_text("API keys at Confluent").click()
    await it.page.get_by_label("Find keys").fill("orders-service dev")
    await it.page.get_by_role("button", name="Rename ORDERSDEV0000001").click()
    await it.page.get_by_label("New name of ORDERSDEV0000001").fill("orders-service, renamed for dev")
    await it.page.get_by_label("New name of ORDERSDEV0000001").press("Enter")
    await expect(it.page.locator(".console")).to_contain_text("renamed for dev")
    assert it.here.organization.api_keys["ORDERSDEV0000001"].name == "orders-service, renamed for dev"

    await it.page.get_by_role("button", name="Delete ORDERSDEV0000001 at Confluent").click()

    await expect(it.page.locator(".console")).not_to_contain_text("ORDERSDEV0000001")
    assert "ORDERSDEV0000001" not in it.here.organization.api_keys


async def test_replies_stand_below_their_message_and_a_permalink_leads_to_one(it: Play) -> None:
    workspace = it.here.slack.workspace
    channel = workspace.channels[APPROVALS_CHANNEL]
    root = workspace.post(channel, {"text": "A request"})["ts"]
    workspace.post(channel, {"text": "For how long?", "thread_ts": root}, user="U0OLGA")
    workspace.post(channel, {"text": "Something else"})
    last = workspace.post(channel, {"text": "For 7 days", "thread_ts": root})["ts"]

    await it.page.goto(f"{it.here.slack_url}/#U0ERIN/{APPROVALS_CHANNEL}")
    thread = it.page.get_by_role("group", name="2 replies")
    await expect(thread.get_by_role("article")).to_have_text([re.compile("For how long"), re.compile("For 7 days")])
    articles = it.page.get_by_role("article")
    await expect(articles).to_have_text([re.compile(each) for each in ("request", "long", "7 days", "Something else")])

    await it.page.goto(f"{it.here.slack_url}/archives/{APPROVALS_CHANNEL}/p{last.replace('.', '')}")
    await expect(it.page.locator("#you")).to_have_value("U0ERIN")
    await expect(it.page.locator(".message.pointed")).to_contain_text("For 7 days")


async def test_a_mention_is_counted_and_an_edit_is_not(it: Play) -> None:
    workspace = it.here.slack.workspace
    channel = workspace.channels[APPROVALS_CHANNEL]
    await it.page.goto(f"{it.here.slack_url}/#U0ERIN/D0ERIN")
    entry = it.page.get_by_role("navigation").get_by_role("button", name="key-approvals")
    card = workspace.post(channel, {"text": "A request"})["ts"]
    await expect(entry).to_have_accessible_name("key-approvals (unread)")
    workspace.change(channel, card, {"text": "<@U0ERIN>: a request"})
    workspace.post(channel, {"text": "<@U0ERIN>: can you approve?"})
    workspace.post(channel, {"text": "Yes, it is urgent", "thread_ts": card}, user="U0OLGA")

    await expect(entry).to_have_accessible_name("key-approvals (2 new)")
    await it.page.reload()
    await expect(entry).to_have_accessible_name("key-approvals (2 new)")
    await expect(it.page.locator("#rail-toggle")).to_have_attribute("aria-label", "Conversations (2 new)")
    await entry.click()
    await it.page.get_by_role("navigation").get_by_role("button", name="Latchkey").click()
    await expect(entry).to_have_accessible_name("key-approvals")


async def test_a_table_and_the_buttons_below_a_message_are_drawn(it: Play) -> None:
    workspace = it.here.slack.workspace
    cells = [[{"type": "raw_text", "text": each} for each in row] for row in (("Key", "Age"), ("orders", "7 days"))]
    feedback = {"positive_button": {"text": plain("Yes"), "value": "yes"}}
    feedback |= {"negative_button": {"text": plain("No"), "value": "no"}}
    below = [
        {"type": "icon_button", "icon": "trash", "text": plain("Delete"), "action_id": "delete", "confirm": SURE},
        {"type": "feedback_buttons", "action_id": "helped", **feedback},
    ]
    blocks = [{"type": "table", "rows": cells}, {"type": "context_actions", "block_id": "below", "elements": below}]
    workspace.post(workspace.dm("U0DANA"), {"text": "x", "blocks": blocks})

    await expect(it.page.get_by_role("columnheader")).to_have_text(["Key", "Age"])
    await expect(it.page.get_by_role("cell")).to_have_text(["orders", "7 days"])
    await it.page.get_by_role("button", name="No", exact=True).click()
    assert (await hears(it.bot, "helped"))["actions"][0]["value"] == "no"

    await it.page.get_by_role("button", name="Delete").click()
    question = it.page.get_by_role("dialog", name="Delete this key?")
    await expect(question).to_contain_text("It stops working at once.")
    await question.get_by_role("button", name="Keep it").click()
    await expect(question).to_have_count(0)
    assert not any(each["action_id"] == "delete" for one in it.bot.received for each in one.payload.get("actions", ()))
    await it.page.get_by_role("button", name="Delete").click()
    await question.get_by_role("button", name="Delete key").click()
    assert (await hears(it.bot, "delete"))["actions"][0]["type"] == "icon_button"


async def test_dates_that_were_drawn_earlier_follow_the_clock_at_once(it: Play) -> None:
    at = int(it.here.clock.now().timestamp()) + 60
    token = f"<!date^{at}^{{date_short_pretty}} at {{time}}|then>"
    date = {"type": "date", "timestamp": at, "format": "until {date_pretty}", "fallback": "then"}
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [date]}]}
    workspace = it.here.slack.workspace
    workspace.post(workspace.dm("U0DANA"), {"text": "x", "blocks": [section(f"Expires {token}"), rich]})
    message = it.page.get_by_role("article").last
    await expect(message).to_contain_text(re.compile("Expires (Today|Tomorrow)"))
    await expect(it.page.locator(".day")).to_have_text("Today")

    await it.page.get_by_role("button", name="+1 week").click()

    await expect(message).not_to_contain_text(re.compile("today|tomorrow", re.IGNORECASE))
    await expect(it.page.locator(".day")).not_to_have_text("Today")


async def test_a_toast_ends_with_its_person(it: Play) -> None:
    it.here.slack.workspace.notice("U0DANA", "The app did not respond")
    await expect(it.page.locator(".toast")).to_contain_text("The app did not respond")

    await it.page.locator("#you").select_option("U0ERIN")

    await expect(it.page.locator(".toast")).to_have_count(0)


@pytest.mark.parametrize("panel", ["open", "closed"])
async def test_messages_keep_their_width_on_a_screen_of_900_pixels(it: Play, panel: str) -> None:
    await it.page.evaluate("state => localStorage.setItem('panel', state)", panel)
    await it.page.set_viewport_size({"width": 900, "height": 900})
    await it.page.reload()
    await expect(it.page.locator("#title")).to_have_text("Latchkey")
    await expect(it.page.locator("#panel-body")).to_be_visible(visible=panel == "open")
    box = await it.page.locator("main").bounding_box()

    assert box is not None
    assert box["width"] >= 520
    beside = await it.page.locator("#panel").bounding_box()
    assert beside is not None
    assert box["x"] + box["width"] <= beside["x"] + 1


async def test_the_panel_leaves_a_page_that_gets_too_narrow_for_both(it: Play) -> None:
    workspace = it.here.slack.workspace
    for number in range(20):
        workspace.post(workspace.dm("U0DANA"), {"text": f"{number}: {'as long as it takes ' * 12}"})
    newest = it.page.get_by_role("article").last
    await expect(newest).to_contain_text("19: ")
    await expect(it.page.locator("#panel-body")).to_be_visible()
    await it.page.set_viewport_size({"width": 390, "height": 844})
    await expect(it.page.locator("#panel-body")).to_be_hidden()
    await expect(newest).to_be_in_viewport(ratio=1)

    await it.page.get_by_role("button", name="Sandbox").click()
    await expect(it.page.locator("#panel-body")).to_be_visible()


async def test_the_panel_says_where_to_start_then_scenarios_and_single_faults_stand_folded(it: Play) -> None:
    await expect(it.page.locator("#panel section").first).to_contain_text("Start here")
    assert await it.page.locator("#panel section").first.get_by_role("listitem").all_inner_texts() == list(STEPS)

    await it.page.get_by_role("button", name="Slack is slow").click()
    await expect(it.page.get_by_role("button", name="Slack is slow")).to_have_attribute("aria-pressed", "true")
    await expect(it.page.locator("#panel")).to_contain_text("1 fault active")
    assert it.here.slack.faults.slow == 4

    await it.page.get_by_role("button", name="Two admins click at once").click()
    await expect(it.page.locator(".toast")).to_contain_text("No request is waiting for approval.")
    await expect(it.page.get_by_label("Delay each Web API call (seconds)")).to_be_hidden()
    await it.page.get_by_role("button", name="Clear all faults").click()
    await expect(it.page.get_by_role("button", name="Slack is slow")).to_have_attribute("aria-pressed", "false")


async def test_a_person_replies_in_a_thread_where_no_command_runs(it: Play) -> None:
    workspace = it.here.slack.workspace
    channel = workspace.channels[APPROVALS_CHANNEL]
    root = workspace.post(channel, {"text": "A request"})["ts"]
    await it.page.goto(f"{it.here.slack_url}/#U0ERIN/{APPROVALS_CHANNEL}")
    await it.page.get_by_role("article").filter(has_text="A request").hover()
    await it.page.get_by_role("button", name="Reply in thread").click()
    await expect(it.page.get_by_text("Replying in the thread of A request")).to_be_visible()
    box = it.page.locator("#composer-input")
    await expect(box).to_be_focused()

    await box.fill("/apikey help")
    await box.press("Enter")
    await expect(it.page.locator(".toast")).to_contain_text("/apikey is not supported in threads.")
    await box.fill("For how long?")
    await box.press("Enter")

    await expect(it.page.get_by_role("group", name="1 reply")).to_contain_text("For how long?")
    assert [each["text"] for each in workspace.thread(APPROVALS_CHANNEL, root)] == ["A request", "For how long?"]
    await expect(it.page.locator("#composer-thread")).to_be_hidden()
    await box.fill("Something else")
    await box.press("Enter")
    await expect(it.page.get_by_role("article").last).to_contain_text("Something else")
    assert "thread_ts" not in workspace.messages(APPROVALS_CHANNEL)[-1]
