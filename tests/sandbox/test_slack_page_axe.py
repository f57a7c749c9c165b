"""The sandbox's page as axe-core sees it: nothing that keeps people from reading or using it, in light and in dark."""

from collections.abc import AsyncGenerator
from importlib.resources import files
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.control import Control
from sandbox.slack.manners import Manners
from sandbox.stage import BotProcess, Stage, stage
from tests.sandbox.scripted import Scripted
from tests.sandbox.slack_bot import actions, button, modal, plain, section, text_input
from tests.support.browsing import FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SERIOUS = ("serious", "critical")
OPTIONS = [{"text": plain(each), "value": each.lower()} for each in ("Kafka", "Flink")]
STATIC = {"type": "static_select", "action_id": "kind", "placeholder": plain("Kind of key"), "options": OPTIONS}
EXTERNAL = {"type": "external_select", "action_id": "owner", "placeholder": plain("Owner")}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": OPTIONS}
SURE = {
    "title": plain("Sure?"),
    "text": plain("It is gone then."),
    "confirm": plain("Delete"),
    "deny": plain("Keep it"),
}
DELETE = {**button("Delete", "delete"), "style": "danger", "confirm": {**SURE, "style": "danger"}}
APPROVE = {**button("Approve", "approve"), "style": "primary"}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "helped",
    "positive_button": {"text": plain("Yes"), "value": "yes"},
    "negative_button": {"text": plain("No"), "value": "no"},
}
TRASH = {"type": "icon_button", "icon": "trash", "text": plain("Remove"), "action_id": "remove"}
WORDS = "*<@U0DANA>* and <@U0ERIN> request `lkc-dev001`, <!here>, see <https://acme.example|this>\n> a quote"
PREFORMATTED = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "key=…"}]}
EVERYTHING: list[dict[str, Any]] = [
    {"type": "header", "text": plain("⏳ Waiting: orders producer")},
    section(WORDS),
    {"type": "section", "fields": [{"type": "mrkdwn", "text": f"*Field {each}*\nvalue"} for each in range(4)]},
    {**section("A row"), "accessory": button("Details", "details")},
    {"type": "rich_text", "elements": [PREFORMATTED]},
    {"type": "divider"},
    actions(APPROVE, DELETE, button("Ask a question", "ask"), OVERFLOW, STATIC, EXTERNAL, block_id="row"),
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "Needs 1 approval. `small`"}]},
]
IN_MESSAGES: list[dict[str, Any]] = [
    {"type": "table", "rows": [[{"type": "raw_text", "text": each} for each in "ab"] for _ in range(2)]},
    {"type": "context_actions", "block_id": "below", "elements": [FEEDBACK, TRASH]},
]
ALERTS = [
    {"type": "alert", "text": plain("Read this."), "level": each}
    for each in ("default", "info", "warning", "error", "success")
]
FIELDS: list[dict[str, Any]] = [
    text_input("Reason", placeholder=plain("Approvers will see this"), multiline=True),
    {"type": "input", "block_id": "kind2", "label": plain("Kind"), "element": {**STATIC, "action_id": "kind2"}},
    {
        "type": "input",
        "block_id": "choice",
        "label": plain("Account"),
        "hint": plain("Use a service account in production."),
        "element": {"type": "radio_buttons", "action_id": "choice", "options": OPTIONS},
    },
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    folder, control = tmp_path_factory.mktemp("axe"), Control()
    async with stage(folder, extra=control.routes(), manners=Manners()) as here:
        control.attach(here, BotProcess({}, folder / "clock", folder / "bot.log"))
        here.slack.use_request_url(Scripted())
        workspace = here.slack.workspace
        channel = workspace.channels[APPROVALS_CHANNEL]
        root = workspace.post(channel, {"text": "x", "blocks": [*EVERYTHING, *IN_MESSAGES]})["ts"]
        workspace.post(channel, {"text": "For how long?", "thread_ts": root}, user="U0OLGA")
        workspace.post(workspace.dm("U0ERIN"), {"text": "Please decide"})
        here.slack.views.publish("U0ERIN", {"type": "home", "blocks": EVERYTHING})
        yield here


@pytest_asyncio.fixture(loop_scope="module", params=SCHEMES)
async def page(browser: Browser, here: Stage, request: pytest.FixtureRequest) -> AsyncGenerator[Page]:
    """Erin before #key-approvals."""
    here.slack.faults.reset()
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    page = await context.new_page()
    await page.goto(f"{here.slack_url}/#U0ERIN/{APPROVALS_CHANNEL}")
    await expect(page.get_by_role("article").first).to_be_visible()
    await page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    yield page
    await context.close()


async def barriers(page: Page) -> list[str]:
    """What axe-core finds that is serious or worse: the rule, and where."""
    found = (await page.evaluate("axe.run()"))["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} ({node['any'][0]['message'] if node['any'] else each['help']})"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


async def test_messages_and_the_panel_keep_nobody_out(page: Page, here: Stage) -> None:
    await page.get_by_text("Single faults").click()
    await page.get_by_text("Roles and quotas").click()
    await page.get_by_text("API keys at Confluent").click()
    await page.get_by_text("Log, audit, metrics and report").click()
    await page.get_by_role("button", name="Slack is slow").click()
    await expect(page.locator("#panel")).to_contain_text("1 fault active")
    here.slack.workspace.show_ephemeral("U0ERIN", APPROVALS_CHANNEL, {"text": "Approved."})
    here.slack.workspace.notice("U0ERIN", "The app did not respond")
    await expect(page.locator(".toast")).to_be_visible()

    assert await barriers(page) == []
    await page.get_by_role("button", name="Clear all faults").click()


async def test_menus_keep_nobody_out(page: Page) -> None:
    await page.get_by_role("button", name="More actions").first.click()
    await expect(page.get_by_role("menu")).to_be_visible()
    assert await barriers(page) == []
    await page.keyboard.press("Escape")

    await page.get_by_role("combobox", name="Kind of key").click()
    await expect(page.locator(".popup:visible")).to_be_visible()
    assert await barriers(page) == []


async def test_modals_and_questions_keep_nobody_out(page: Page, here: Stage) -> None:
    views = here.slack.views
    view = modal(*ALERTS, *EVERYTHING, *FIELDS)
    views.open(views.new_trigger("U0ERIN"), view)
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Read this.")
    await dialog.get_by_role("button", name="Send request").click()
    await expect(dialog).to_contain_text("Please complete this required field.")
    assert await barriers(page) == []

    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog", name="Sure?")).to_be_visible()
    assert await barriers(page) == []
    views.close_all("U0ERIN")


@pytest.mark.parametrize("width", [390, 900])
async def test_home_and_narrow_screens_keep_nobody_out(page: Page, width: int) -> None:
    await page.get_by_role("navigation").get_by_role("button", name="Latchkey").click()
    await page.get_by_role("tab", name="Home").click()
    await expect(page.locator("#home")).to_contain_text("orders producer")
    assert await barriers(page) == []

    await page.set_viewport_size({"width": width, "height": 844})
    await page.get_by_role("button", name="Sandbox").click()
    assert await barriers(page) == []
