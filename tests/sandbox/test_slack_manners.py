"""Slack's habits, each on and off, with a bot made of scripted answers."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sandbox.slack.errors import SlackError
from sandbox.slack.manners import AFTER_NEXT_UPDATE, DRAWN, HABITS, Manners, echoed
from sandbox.slack.methods import METHODS, Call
from sandbox.slack.person import PersonAtClient
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import BOT_TOKEN
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.sandbox.scripted import Scripted, workspace_of
from tests.sandbox.slack_bot import modal, plain, section, text_input


@pytest.fixture
def bot() -> Scripted:
    return Scripted()


@pytest.fixture
def slack(bot: Scripted) -> Slack:
    return workspace_of(bot)


@pytest.fixture
def dana(slack: Slack) -> PersonAtClient:
    return slack.person("U0DANA")


FILTER = {
    "type": "static_select",
    "action_id": "filter",
    "options": [{"text": plain(each), "value": each} for each in ("mine", "all")],
    "initial_option": {"text": plain("mine"), "value": "mine"},
}


def named(value: str = "", **more: Any) -> dict[str, Any]:
    field = text_input("Name", **({"initial_value": value} if value else {}))
    return modal({**field, "block_id": "name"}, **more)


def opened(slack: Slack, *blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return slack.views.open(slack.views.new_trigger("U0DANA"), modal(*blocks, **more))


def submitted(bot: Scripted) -> dict[str, Any]:
    values: dict[str, Any] = bot.last["view"]["state"]["values"]
    return values


async def held(slack: Slack, view: dict[str, Any]) -> None:
    """Wait until the answer to a submission of this view has arrived, and waits to be applied."""
    async with asyncio.timeout(30):
        while view["id"] not in slack.views._acks:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("habit", HABITS)
def test_every_habit_has_a_kind_and_an_unkind_side(habit: str) -> None:
    assert Manners().value(habit) == HABITS[habit]["choices"][0]
    assert Manners.unkind(1).value(habit) in HABITS[habit]["choices"]
    with pytest.raises(ValueError, match=habit):
        Manners().set(habit, "nonsense")


def test_one_seed_gives_the_same_habits_again_for_each_stream() -> None:
    def draws(seed: int, stream: str) -> list[tuple[int, float]]:
        manners = Manners.unkind(seed, stream)
        return [(each.updates, each.seconds) for each in (manners.ack() for _ in range(40))]

    assert draws(7, "a") == draws(7, "a")
    assert len({str(draws(7, "a")), str(draws(7, "b")), str(draws(8, "a"))}) == 3
    assert 0 < sum(seconds > 0.4 for _, seconds in draws(7, "a")) < 12


@pytest.mark.parametrize(
    ("habit", "typed"), [("whole", "Dana's key"), ("empty", None), ("stale", "as it was"), (DRAWN, "not Dana's key")]
)
async def test_suggestions_come_with_as_much_of_the_form_as_the_habit_says(
    slack: Slack, dana: PersonAtClient, bot: Scripted, habit: str, typed: str | None
) -> None:
    menu = {"type": "external_select", "action_id": "menu", "min_query_length": 0}
    chosen = {"type": "input", "block_id": "menu", "label": plain("Menu"), "element": menu}
    opened(slack, *named("as it was")["blocks"], chosen)
    slack.manners.set("suggestion_state", habit)
    bot.answer = {"options": []}
    await dana.type("Name", "Dana's key")
    await dana.options("Menu")
    told = submitted(bot).get("name", {}).get("name", {}).get("value")
    assert told == typed if habit != DRAWN else told in (None, "as it was")


async def test_an_ack_can_come_after_the_bots_own_update_of_the_view(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    view = opened(slack, *named("x")["blocks"])
    slack.manners.next_acks = [AFTER_NEXT_UPDATE]
    bot.answer = {"response_action": "update", "view": modal(section("One moment"))}
    submitting = asyncio.create_task(dana.submit())
    await held(slack, view)
    assert not submitting.done()
    slack.views.update(modal(section("Done")), view_id=view["id"])
    slack.views.note_update(view["id"])
    await submitting
    assert dana.sees("One moment")


async def test_a_late_ack_of_a_view_that_was_closed_changes_nothing(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    view = opened(slack, *named("x")["blocks"])
    slack.manners.next_acks = [AFTER_NEXT_UPDATE]
    bot.answer = {"response_action": "update", "view": modal(section("One moment"))}
    submitting = asyncio.create_task(dana.submit())
    await held(slack, view)
    await dana.close()
    slack.views.note_update(view["id"])
    await submitting
    assert (dana.modal, dana.notices) == (None, [])


async def test_errors_are_never_late(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    opened(slack, *named("x")["blocks"])
    slack.manners.next_acks = [AFTER_NEXT_UPDATE]
    bot.answer = {"response_action": "errors", "errors": {"name": "No."}}
    assert await dana.submit() == {"name": "No."}


@pytest.mark.parametrize(("habit", "external_id"), [("adopted", "mine"), ("ignored", "")])
async def test_an_acked_external_id_may_never_be_adopted(
    slack: Slack, dana: PersonAtClient, bot: Scripted, habit: str, external_id: str
) -> None:
    opened(slack, *named("x")["blocks"])
    slack.manners.set("acked_external_id", habit)
    bot.answer = {"response_action": "update", "view": modal(section("Done"), external_id="mine")}
    await dana.submit()
    assert dana.front()["external_id"] == external_id


async def test_an_update_by_both_ids_is_refused(slack: Slack) -> None:
    view = opened(slack, *named()["blocks"], external_id="mine")
    args = {"view": named(), "view_id": view["id"], "external_id": "mine"}
    with pytest.raises(SlackError, match="invalid_arguments"):
        METHODS["views.update"].run(Call(args, slack.workspace, slack.views, slack.sockets))


@pytest.mark.parametrize(("habit", "submits"), [("as shown", "new"), ("sticks", "typed")])
async def test_what_was_typed_sticks_also_after_a_page_without_the_field(
    slack: Slack, dana: PersonAtClient, bot: Scripted, habit: str, submits: str
) -> None:
    view = opened(slack, *named()["blocks"])
    slack.manners.set("input", habit)
    bot.answer = {"response_action": "update", "view": modal(section("Review"))}
    await dana.fill({"Name": "typed"})
    await dana.submit()
    slack.views.update(named("new"), view_id=view["id"])
    await dana.submit()
    assert submitted(bot)["name"]["name"]["value"] == submits


@pytest.mark.parametrize("habit", ["in the state", "absent"])
async def test_a_menu_of_actions_that_nobody_touched_may_be_absent(
    slack: Slack, dana: PersonAtClient, bot: Scripted, habit: str
) -> None:
    opened(slack, {"type": "actions", "block_id": "filters", "elements": [FILTER]}, *named("x")["blocks"])
    slack.manners.set("untouched_menu", habit)
    await dana.submit()
    assert ("filters" in submitted(bot)) == (habit == "in the state")


async def test_a_menu_of_actions_that_was_touched_is_there(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    view = opened(slack, {"type": "actions", "block_id": "filters", "elements": [FILTER]}, *named("x")["blocks"])
    slack.manners.set("untouched_menu", "absent")
    await dana.choose("filter", "all")
    assert submitted(bot)["filters"]["filter"]["selected_option"]["value"] == "all"
    assert view["id"] == bot.last["view"]["id"]


async def test_texts_come_back_escaped_and_what_was_typed_does_not(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    opened(slack, section("R&D <@U0DANA> a < b"), *named()["blocks"], title=plain("R&D"))
    slack.manners.set("echo", "escaped")
    await dana.fill({"Name": "R&D"})
    await dana.submit()
    view = bot.last["view"]
    assert view["blocks"][0]["text"] == {"type": "mrkdwn", "verbatim": False, "text": "R&amp;D <@U0DANA> a &lt; b"}
    assert view["title"] == {"type": "plain_text", "emoji": True, "text": "R&amp;D"}
    assert submitted(bot)["name"]["name"]["value"] == "R&D"


def test_what_is_escaped_already_is_not_escaped_again() -> None:
    assert echoed(section("R&amp;D"))["text"]["text"] == "R&amp;D"  # type: ignore[index]


@pytest.mark.parametrize(("habit", "comes"), [("as sent", "R&D"), ("escaped", "R&amp;D")])
async def test_private_metadata_may_come_back_escaped(
    slack: Slack, dana: PersonAtClient, bot: Scripted, habit: str, comes: str
) -> None:
    opened(slack, *named("x")["blocks"], private_metadata="R&D")
    slack.manners.set("metadata", habit)
    await dana.submit()
    assert bot.last["view"]["private_metadata"] == comes


async def test_texts_come_back_escaped_in_answers_of_the_web_api_and_in_events(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    slack.manners.set("echo", "escaped")
    headers, home = {"Authorization": f"Bearer {BOT_TOKEN}"}, {"type": "home", "blocks": [section("R&D")]}
    async with running(slack) as url, httpx.AsyncClient(base_url=f"{url}/api", headers=headers) as app:
        trigger = slack.views.new_trigger("U0DANA")
        opened = await app.post("/views.open", json={"trigger_id": trigger, "view": modal(section("R&D"))})
        published = await app.post("/views.publish", json={"user_id": "U0DANA", "view": home})
        posted = await app.post("/chat.postMessage", json={"channel": "U0DANA", "text": "R&D <@U0DANA>"})
    for answer in (opened, published):
        assert answer.json()["view"]["blocks"][0]["text"]["text"] == "R&amp;D"
    assert posted.json()["message"]["text"] == "R&amp;D <@U0DANA>"

    await dana.open_home()
    assert bot.last["event"]["view"]["blocks"][0]["text"]["text"] == "R&amp;D"
    assert dana.sees("R&D")


async def test_optional_fields_may_be_absent_or_null(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    opened(slack, *named("x")["blocks"])
    slack.manners.set("optional_fields", "absent")
    slack.manners.set("team", "null")
    await dana.submit()
    assert not bot.last.keys() & {"enterprise", "is_enterprise_install"}
    assert bot.last["team"] is None


async def test_a_browser_that_shows_the_new_value_submits_what_was_typed_before(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    view = opened(slack, *named()["blocks"])
    slack.manners.set("input", "sticks")
    slack.views.keep_state(view, {"name": {"name": {"type": "plain_text_input", "value": "typed"}}})
    slack.views.update(modal(section("Review")), view_id=view["id"])
    slack.views.update(named("new"), view_id=view["id"])
    async with running(slack) as url, httpx.AsyncClient(base_url=url, headers={"X-Sandbox": "1"}) as browser:
        shown = {"name": {"name": {"type": "plain_text_input", "value": "new"}}}
        await browser.post("/person/U0DANA/submit", json={"view_id": view["id"], "state": {"values": shown}})
    assert submitted(bot)["name"]["name"]["value"] == "typed"


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.takes_json])
async def test_a_method_that_takes_no_json_does_not_look_into_it(slack: Slack, method: str) -> None:
    args = {"user": "U0DANA", "channel": "C0APPROVE", "email": "dana@acme.example", "usergroup": PLATFORM_GROUP}
    args["message_ts"] = slack.workspace.post(slack.workspace.channels["C0APPROVE"], {"text": "x"})["ts"]
    headers = {"Authorization": f"Bearer {BOT_TOKEN}"}
    async with running(slack) as url, httpx.AsyncClient(base_url=f"{url}/api", headers=headers) as bot:
        as_form = (await bot.post(f"/{method}", data={**args, "include_users": "1"})).json()
        as_json = (await bot.post(f"/{method}", json={**args, "include_users": True})).json()
    assert as_form["ok"]
    assert as_json != as_form


@pytest.mark.parametrize(("habit", "body"), [("ok", "ok"), ("JSON", '{"ok":true}')])
async def test_a_response_url_answers_in_one_of_two_ways(slack: Slack, habit: str, body: str) -> None:
    slack.manners.set("response_url", habit)
    async with running(slack) as url, httpx.AsyncClient() as bot:
        assert url
        answer = await bot.post(slack.response_urls.new("U0DANA", "C0GENERAL"), json={"text": "hello"})
    assert answer.text == body


@pytest.mark.parametrize(("habit", "told"), [("there", True), ("absent", None)])
def test_conversations_info_may_not_say_whether_the_bot_is_a_member(slack: Slack, habit: str, told: object) -> None:
    slack.manners.set("is_member", habit)
    args = {"channel": "C0APPROVE"}
    answer = METHODS["conversations.info"].run(Call(args, slack.workspace, slack.views, slack.sockets))
    assert answer["channel"].get("is_member") == told


@pytest.mark.parametrize("said", [None, False, True])
def test_slack_may_not_say_whether_an_address_is_confirmed(slack: Slack, said: bool | None) -> None:  # noqa: FBT001 - a case of the table
    slack.workspace.people["U0DANA"] = replace(slack.workspace.people["U0DANA"], is_email_confirmed=said)
    answer = METHODS["users.info"].run(Call({"user": "U0DANA"}, slack.workspace, slack.views, slack.sockets))
    assert ("is_email_confirmed" in answer["user"], answer["user"].get("is_email_confirmed")) == (
        said is not None,
        said,
    )
