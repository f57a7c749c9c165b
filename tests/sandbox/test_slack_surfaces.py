"""Menus, filters and buttons where Slack lets them stand: in messages, in ephemeral ones, in modals and on Home."""

from typing import Any

import pytest

from sandbox.cast import GENERAL_CHANNEL
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.slack.person import PersonAtClient
from sandbox.slack.server import Slack
from tests.sandbox.scripted import Scripted, workspace_of
from tests.sandbox.slack_bot import actions, button, modal, plain, section, text_input

KINDS = [{"text": plain(each), "value": each.lower()} for each in ("Kafka", "Flink")]
STATIC = {"type": "static_select", "action_id": "kind", "placeholder": plain("Kind"), "options": KINDS}
EXTERNAL = {"type": "external_select", "action_id": "owner", "min_query_length": 0}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": KINDS}
ON_ENTER = {"trigger_actions_on": ["on_enter_pressed"]}
FILTER = {**text_input("Text", dispatch_action_config=ON_ENTER), "dispatch_action": True}
COMMON = {"type", "user", "api_app_id", "token", "team", "enterprise", "is_enterprise_install", "container"}
ACTION = COMMON | {"trigger_id", "actions"}


def menus(*elements: dict[str, Any], block_id: str = "menus") -> list[dict[str, Any]]:
    return [section("Your keys"), actions(*elements, block_id=block_id)]


@pytest.fixture
def bot() -> Scripted:
    bot = Scripted()
    bot.answers["block_suggestion"] = {"options": [{"text": plain("orders-service"), "value": "sa-orders"}]}
    return bot


@pytest.fixture
def slack(bot: Scripted) -> Slack:
    return workspace_of(bot)


@pytest.fixture
def dana(slack: Slack) -> PersonAtClient:
    return slack.person("U0DANA")


def opened(slack: Slack, view: dict[str, Any]) -> dict[str, Any]:
    return slack.views.open(slack.views.new_trigger("U0DANA"), view)


def home(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "home", "blocks": list(blocks)}


# ------------------------------------------------------------------------------------------------------------ messages


async def test_menus_of_a_message_are_chosen_from(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "x", "blocks": menus(STATIC, EXTERNAL, OVERFLOW)})

    await dana.choose("kind", "Flink", place="message")
    assert bot.last.keys() == ACTION | {"channel", "message", "state", "response_url"}
    assert bot.last["actions"][0]["selected_option"] == KINDS[1]
    await dana.choose("owner", "orders-service", place="message")
    assert bot.last["actions"][0]["selected_option"]["value"] == "sa-orders"
    state = bot.last["state"]["values"]["menus"]
    assert state["kind"]["selected_option"] == KINDS[1]
    await dana.choose("more", "Kafka", place="message")
    assert bot.last["actions"][0]["selected_option"] == KINDS[0]


async def test_an_external_menu_of_a_message_asks_with_the_message(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    message = slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "x", "blocks": menus(EXTERNAL)})

    assert await dana.options("owner", "ord", place="message") == ["orders-service"]
    assert bot.last.keys() == COMMON | {"action_id", "block_id", "value", "channel", "message"}
    where = {"type": "message", "message_ts": message["ts"], "channel_id": dana.dm, "is_ephemeral": False}
    assert bot.last["container"] == where
    with pytest.raises(NotPossible):
        await slack.interactions.suggest_in_message("U0DANA", dana.dm, message["ts"], ("menus", "nonsense", ""))
    with pytest.raises(NotPossible):
        await slack.interactions.suggest_in_message("U0DANA", dana.dm, "1.2", ("menus", "owner", ""))


async def test_menus_of_an_ephemeral_message_come_without_it(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    ts = slack.workspace.show_ephemeral("U0DANA", GENERAL_CHANNEL, {"text": "x", "blocks": menus(STATIC, EXTERNAL)})

    assert await dana.options("owner", place="message") == ["orders-service"]
    assert bot.last.keys() == COMMON | {"action_id", "block_id", "value", "channel"}
    assert bot.last["container"]["is_ephemeral"]

    await dana.choose("kind", "Flink", place="message")

    assert bot.last.keys() == ACTION | {"channel", "state", "response_url"}
    where = {"type": "message", "message_ts": ts, "channel_id": GENERAL_CHANNEL, "is_ephemeral": True}
    assert bot.last["container"] == where
    assert bot.last["state"]["values"]["menus"].keys() == {"kind", "owner"}
    assert bot.last["state"]["values"]["menus"]["kind"]["selected_option"] == KINDS[1]
    dana.reload()
    query = ("menus", "owner", "")
    with pytest.raises(NotPossible):
        await slack.interactions.suggest_in_message("U0DANA", GENERAL_CHANNEL, ts, query, is_ephemeral=True)


async def test_what_is_not_offered_cannot_be_chosen(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    message = slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "x", "blocks": menus(STATIC)})
    forged = {"action_id": "kind", "block_id": "menus", "selected_option": {"text": plain("Cloud"), "value": "cloud"}}

    with pytest.raises(NotPossible):
        await slack.interactions.act_in_message("U0DANA", dana.dm, message["ts"], forged)
    assert bot.received == []


# -------------------------------------------------------------------------------------------------------------- modals


async def test_a_text_filter_tells_the_bot_when_enter_is_pressed(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    opened(slack, modal(FILTER))

    await dana.type("Text", "orders")
    assert bot.received == []
    await dana.fill({"Text": "orders dev"})

    assert bot.last.keys() == ACTION | {"view"}
    assert bot.last["actions"][0]["value"] == "orders dev"
    assert bot.last["view"]["state"]["values"]["text"]["text"]["value"] == "orders dev"


async def test_a_click_in_a_page_that_was_just_replaced_still_reaches_the_bot(slack: Slack, bot: Scripted) -> None:
    view = opened(slack, modal(actions(button("Details", "details", "KEY1"), block_id="first")))
    slack.views.update(modal(actions(button("Details", "details", "KEY2"), block_id="second")), view_id=view["id"])

    await slack.interactions.act_in_view("U0DANA", view["id"], {"block_id": "first", "action_id": "details"})

    assert bot.last["actions"][0]["value"] == "KEY1"


async def test_a_field_that_did_not_ask_tells_nothing_before_the_submit(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    view = opened(slack, modal(text_input("Name")))

    await dana.fill({"Name": "x"})
    forged = {"type": "plain_text_input", "action_id": "name", "block_id": "name", "value": "x"}
    with pytest.raises(NotPossible):
        await slack.interactions.act_in_view("U0DANA", view["id"], forged)
    assert bot.received == []


async def test_every_kind_of_menu_stands_in_a_modal(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    opened(slack, modal(*menus(STATIC, EXTERNAL, OVERFLOW)))

    assert await dana.options("kind") == ["Kafka", "Flink"]
    for name, option in (("kind", "Flink"), ("owner", "orders-service"), ("more", "Kafka")):
        await dana.choose(name, option)
        assert bot.last["actions"][0]["selected_option"]["text"]["text"] == option
        assert "response_url" not in bot.last


async def test_a_reload_closes_what_was_open_and_tells_nobody(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    view = opened(slack, modal(text_input("Name"), notify_on_close=True))
    assert dana.front() == view

    dana.reload()

    assert dana.modal is None
    assert slack.person("U0DANA").modal is None
    assert bot.received == []
    again = opened(slack, modal(text_input("Name")))
    assert dana.front() == again


async def test_a_closed_modal_stays_closed_after_a_reload(slack: Slack, dana: PersonAtClient) -> None:
    opened(slack, modal(text_input("Name")))
    await dana.close()
    dana.reload()

    assert dana.modal is None
    assert slack.views.stack("U0DANA") == []


# ---------------------------------------------------------------------------------------------------------------- Home


async def test_home_has_menus_filters_and_buttons(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    view = slack.views.publish(
        "U0DANA", home(*menus(STATIC, EXTERNAL, OVERFLOW), FILTER, actions(button("Create", "new")))
    )

    for name, option in (("kind", "Flink"), ("owner", "orders-service"), ("more", "Kafka")):
        await dana.choose(name, option, place="home")
        assert bot.last["actions"][0]["selected_option"]["text"]["text"] == option
    await dana.fill({"Text": "orders"})
    assert bot.last["actions"][0]["value"] == "orders"
    await dana.click("Create")
    assert bot.last.keys() == ACTION | {"view"}
    assert bot.last["container"] == {"type": "view", "view_id": view["id"]}
    assert bot.last["view"]["type"] == "home"
    assert bot.last["view"]["state"]["values"]["menus"]["kind"]["selected_option"] == KINDS[1]


async def test_a_button_on_home_opens_a_modal_on_which_two_more_fit(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    slack.views.publish("U0DANA", home(actions(button("Create", "new"))))
    await dana.click("Create")
    with pytest.raises(SlackError, match="not_found"):
        slack.views.push(slack.views.new_trigger("U0DANA"), modal(section("1")))
    slack.views.open(bot.last["trigger_id"], modal(actions(button("Deeper", "deeper"), block_id="1")))

    for depth in (2, 3):
        await dana.click("Deeper", place="modal")
        slack.views.push(bot.last["trigger_id"], modal(actions(button("Deeper", "deeper"), block_id=str(depth))))
    await dana.click("Deeper", place="modal")
    with pytest.raises(SlackError, match="push_limit_reached"):
        slack.views.push(bot.last["trigger_id"], modal(section("4")))
    assert len(slack.views.stack("U0DANA")) == 3


async def test_a_home_published_meanwhile_is_a_conflict(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    slack.views.publish("U0DANA", home(actions(button("Create", "new"))))
    await dana.click("Create")
    slack.views.publish("U0DANA", home(section("newer")))

    with pytest.raises(SlackError, match="hash_conflict"):
        slack.views.publish("U0DANA", home(section("older")), bot.last["view"]["hash"])
    assert dana.sees("newer")


async def test_either_tab_of_the_app_tells_of_the_visit(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    slack.views.publish("U0DANA", home(section("x")))

    await dana.open_home()
    await dana.open_home("messages")

    events = [each.payload["event"] for each in bot.received]
    assert [(event["tab"], "view" in event) for event in events] == [("home", True), ("messages", False)]


async def test_a_shortcut_is_chosen_and_opens_a_modal(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    await dana.shortcut("apikey:create")
    slack.views.open(bot.last["trigger_id"], modal(section("Create API key")))

    assert dana.sees("Create API key")


def test_general_says_how_to_begin(slack: Slack) -> None:
    assert "/apikey" in slack.workspace.channels[GENERAL_CHANNEL].topic
