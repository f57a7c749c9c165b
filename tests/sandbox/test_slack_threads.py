"""Threads, permalinks and bells: where a reply hangs, what an address leads to, and whose Slack rings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.errors import NotPossible
from sandbox.slack.person import PersonAtClient
from sandbox.slack.server import Slack, running
from sandbox.slack.workspace import PLATFORM_GROUP
from tests.sandbox.scripted import Scripted, workspace_of
from tests.sandbox.slack_bot import actions, api_client, button, plain, section


@pytest.fixture
def bot() -> Scripted:
    return Scripted()


@pytest.fixture
def slack(bot: Scripted) -> Slack:
    return workspace_of(bot)


@pytest.fixture
async def url(slack: Slack) -> AsyncIterator[str]:
    async with running(slack) as base:
        yield base


@pytest.fixture
def client(url: str) -> AsyncWebClient:
    return api_client(url)


@pytest.fixture
def dana(slack: Slack) -> PersonAtClient:
    return slack.person("U0DANA")


@pytest.fixture
def erin(slack: Slack) -> PersonAtClient:
    return slack.person("U0ERIN")


async def posted(client: AsyncWebClient, text: str = "A request", **more: Any) -> str:
    """A message of the bot in #key-approvals; its ts."""
    answer = await client.chat_postMessage(channel=APPROVALS_CHANNEL, text=text, **more)
    return str(answer["ts"])


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as raised:
        await call
    error: str = raised.value.response["error"]
    return error


def rung(person: PersonAtClient) -> list[str]:
    return [each["text"] for each in person.bells]


# ------------------------------------------------------------------------------------------------------------- threads


async def test_a_reply_hangs_on_its_message_which_counts_it(slack: Slack, client: AsyncWebClient) -> None:
    root = await posted(client)
    reply = await posted(client, "A question", thread_ts=root)

    card, said = slack.workspace.thread(APPROVALS_CHANNEL, root)
    assert (said["ts"], said["thread_ts"], "subtype" in said) == (reply, root, False)
    assert (card["reply_count"], card["latest_reply"], card["thread_ts"]) == (1, reply, root)

    await client.chat_delete(channel=APPROVALS_CHANNEL, ts=reply)
    [card] = slack.workspace.thread(APPROVALS_CHANNEL, root)
    assert card.keys().isdisjoint({"reply_count", "thread_ts"})


async def test_a_reply_may_stand_in_the_channel_as_well(slack: Slack, client: AsyncWebClient) -> None:
    root = await posted(client)
    reply = await posted(client, "Deleted", thread_ts=root, reply_broadcast=True)

    assert slack.workspace.message(APPROVALS_CHANNEL, reply)["subtype"] == "thread_broadcast"


@pytest.mark.parametrize("ts", ["0", "1602251441.0017", "no time at all"])
async def test_what_is_no_ts_is_no_thread(client: AsyncWebClient, ts: str) -> None:
    assert await refusal(posted(client, thread_ts=ts)) == "invalid_thread_ts"


async def test_a_reply_takes_no_replies(client: AsyncWebClient) -> None:
    reply = await posted(client, thread_ts=await posted(client))

    assert await refusal(posted(client, thread_ts=reply)) == "cannot_reply_to_message"


async def test_a_reply_to_nothing_is_refused_or_seen_by_nobody_or_everyone(
    slack: Slack, client: AsyncWebClient
) -> None:
    assert await refusal(posted(client, thread_ts="1602251441.001700")) == "thread_not_found"

    slack.manners.set("lost_thread", "posted unseen")
    ts = await posted(client, thread_ts="1602251441.001700")
    assert slack.workspace.message(APPROVALS_CHANNEL, ts)["thread_ts"] == "1602251441.001700"

    slack.manners.set("lost_thread", "posted in the channel")
    ts = await posted(client, thread_ts="1602251441.001700")
    assert "thread_ts" not in slack.workspace.message(APPROVALS_CHANNEL, ts)


async def test_a_deleted_message_with_replies_leaves_a_stub(slack: Slack, client: AsyncWebClient) -> None:
    root = await posted(client, blocks=[section("A request")])
    await posted(client, "A question", thread_ts=root)
    await client.chat_delete(channel=APPROVALS_CHANNEL, ts=root)

    stub, said = slack.workspace.thread(APPROVALS_CHANNEL, root)
    assert (stub["subtype"], "blocks" in stub, said["text"]) == ("tombstone", False, "A question")
    update = client.chat_update(channel=APPROVALS_CHANNEL, ts=root, text="again")
    assert await refusal(update) == "cant_update_message"


async def test_a_click_in_a_thread_says_in_which(client: AsyncWebClient, bot: Scripted, erin: PersonAtClient) -> None:
    root = await posted(client, blocks=[actions(button("Approve", "approve"))])
    await erin.click("Approve")
    assert "thread_ts" not in bot.last["container"]

    reply = await posted(client, thread_ts=root, blocks=[actions(button("Reply", "reply"))])
    await erin.click("Reply")
    assert (bot.last["container"]["thread_ts"], bot.last["message"]["ts"]) == (root, reply)


async def test_a_response_url_can_answer_in_the_thread(
    slack: Slack, client: AsyncWebClient, bot: Scripted, erin: PersonAtClient
) -> None:
    root = await posted(client, blocks=[actions(button("Approve", "approve"))])
    await erin.click("Approve")
    answer = {"text": "Seen", "response_type": "in_channel", "replace_original": False}
    async with httpx.AsyncClient() as http:
        wrong = await http.post(bot.last["response_url"], json={**answer, "thread_ts": "0"})
        right = await http.post(bot.last["response_url"], json={**answer, "thread_ts": root})

    assert (wrong.json()["error"], right.status_code) == ("invalid_thread_ts", 200)
    assert [each["text"] for each in slack.workspace.thread(APPROVALS_CHANNEL, root)] == ["A request", "Seen"]


async def test_people_reply_too_while_the_message_is_there(slack: Slack, client: AsyncWebClient) -> None:
    root = await posted(client)
    slack.interactions.message("U0ERIN", APPROVALS_CHANNEL, "For how long?", root)
    assert slack.workspace.thread(APPROVALS_CHANNEL, root)[-1]["user"] == "U0ERIN"

    with pytest.raises(NotPossible):
        slack.interactions.message("U0ERIN", APPROVALS_CHANNEL, "Hello?", "1602251441.001700")


async def test_an_ephemeral_reply_is_for_those_who_follow_the_thread(
    slack: Slack, client: AsyncWebClient, erin: PersonAtClient
) -> None:
    root = await posted(client)
    post = partial(client.chat_postEphemeral, channel=APPROVALS_CHANNEL, user="U0ERIN", thread_ts=root)
    await post(text="Lost")
    slack.interactions.message("U0ERIN", APPROVALS_CHANNEL, "For how long?", root)
    await post(text="Seen")

    assert [(each["text"], each["thread_ts"]) for each in erin.ephemerals] == [("Seen", root)]


# ---------------------------------------------------------------------------------------------------------- permalinks


async def test_a_permalink_leads_to_the_page_at_the_message(url: str, client: AsyncWebClient) -> None:
    root = await posted(client)
    reply = await posted(client, thread_ts=root)
    link = str((await client.chat_getPermalink(channel=APPROVALS_CHANNEL, message_ts=root))["permalink"])
    to_reply = str((await client.chat_getPermalink(channel=APPROVALS_CHANNEL, message_ts=reply))["permalink"])

    assert link == f"{url}/archives/{APPROVALS_CHANNEL}/p{root.replace('.', '')}"
    assert to_reply.endswith(f"/p{reply.replace('.', '')}?thread_ts={root}&cid={APPROVALS_CHANNEL}")
    async with httpx.AsyncClient() as http:
        assert (await http.get(link)).headers["location"] == f"/#/{APPROVALS_CHANNEL}/{root}"


async def test_there_is_no_permalink_to_what_is_not_there(slack: Slack, client: AsyncWebClient) -> None:
    get = client.chat_getPermalink
    assert await refusal(get(channel="C0NONE", message_ts="1.0")) == "channel_not_found"
    assert await refusal(get(channel=APPROVALS_CHANNEL, message_ts="1.0")) == "message_not_found"

    ts = slack.workspace.show_ephemeral("U0ERIN", APPROVALS_CHANNEL, {"text": "x"})
    assert await refusal(get(channel=APPROVALS_CHANNEL, message_ts=ts)) == "message_not_found"


# --------------------------------------------------------------------------------------------------------------- bells


async def test_direct_messages_and_mentions_ring_and_edits_do_not(
    client: AsyncWebClient, dana: PersonAtClient, erin: PersonAtClient
) -> None:
    await client.chat_postMessage(channel="U0DANA", text="Ready")
    root = await posted(client, "A request of <@U0DANA>", blocks=[section("For <@U0ERIN> to approve")])
    await client.chat_update(channel=APPROVALS_CHANNEL, ts=root, text="<@U0ERIN>: changed")

    assert rung(dana) == ["Ready"]  # the text beside blocks is for the notification of those who are told
    assert rung(erin) == ["A request of <@U0DANA>"]


@pytest.mark.parametrize(
    ("block", "rings"),
    [
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "<@U0OLGA>"}]}, True),
        (section(f"<!subteam^{PLATFORM_GROUP}|@platform>"), True),
        (section("<!here>"), True),
        ({"type": "context", "elements": [{"type": "mrkdwn", "text": "<@U0OLGA>"}]}, False),
        ({"type": "section", "text": plain("<@U0OLGA>")}, False),
        (section("&lt;@U0OLGA&gt;"), False),
    ],
)
async def test_what_counts_as_a_mention(
    slack: Slack, client: AsyncWebClient, block: dict[str, Any], *, rings: bool
) -> None:
    olga = slack.person("U0OLGA")
    await posted(client, blocks=[block])

    assert (rung(olga) == ["A request"]) is rings


@pytest.mark.parametrize(
    "piece", [{"type": "user", "user_id": "U0OLGA"}, {"type": "usergroup", "usergroup_id": PLATFORM_GROUP}]
)
async def test_rich_text_mentions_in_every_part(slack: Slack, client: AsyncWebClient, piece: dict[str, Any]) -> None:
    olga = slack.person("U0OLGA")
    line = {"type": "rich_text_section", "elements": [piece]}
    await posted(client, blocks=[{"type": "rich_text", "elements": [{**LIST, "elements": [line]}]}])

    assert rung(olga) == ["A request"]


LIST = {"type": "rich_text_list", "style": "bullet"}


async def test_only_members_of_the_channel_and_of_groups_in_use_are_told(slack: Slack, client: AsyncWebClient) -> None:
    olga = slack.person("U0OLGA")
    slack.workspace.channels[APPROVALS_CHANNEL].members.discard("U0OLGA")
    await posted(client, "<@U0OLGA>")
    slack.workspace.channels[APPROVALS_CHANNEL].members.add("U0OLGA")
    group = slack.workspace.groups[PLATFORM_GROUP]
    slack.workspace.groups[PLATFORM_GROUP] = replace(group, is_disabled=True)
    await posted(client, f"<!subteam^{PLATFORM_GROUP}>")

    assert rung(olga) == []


async def test_a_reply_rings_for_those_who_follow_the_thread(
    slack: Slack, client: AsyncWebClient, erin: PersonAtClient
) -> None:
    olga = slack.person("U0OLGA")
    root = await posted(client, "A request for <@U0OLGA>")
    slack.interactions.message("U0ERIN", APPROVALS_CHANNEL, "For how long?", root)
    await posted(client, "7 days", thread_ts=root)

    assert rung(olga) == ["A request for <@U0OLGA>", "For how long?", "7 days"]
    assert rung(erin) == ["7 days"]
    assert slack.workspace.bells("U0ERIN", APPROVALS_CHANNEL) == [erin.bells[0]["ts"]]


async def test_a_reply_in_a_direct_message_rings_for_a_mention_or_in_a_thread_that_is_followed(
    slack: Slack, client: AsyncWebClient, dana: PersonAtClient
) -> None:
    answer = await client.chat_postMessage(channel="U0DANA", text="Sent")
    root, dm = str(answer["ts"]), str(answer["channel"])
    await client.chat_postMessage(channel=dm, text="Missed", thread_ts=root)
    await client.chat_postMessage(channel=dm, text="<@U0DANA> Denied", thread_ts=root)
    await client.chat_postMessage(channel=dm, text="Again", thread_ts=root)

    assert rung(dana) == ["Sent", "<@U0DANA> Denied", "Again"]


# -------------------------------------------------------------------------------------------------------------- clicks


TRASH = {"type": "icon_button", "icon": "trash", "text": plain("Delete"), "action_id": "delete", "value": "k1"}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "helped",
    "positive_button": {"text": plain("Yes"), "value": "yes"},
    "negative_button": {"text": plain("No"), "value": "no"},
}
SURE = {"title": plain("Sure?"), "text": plain("It is gone then."), "confirm": plain("Delete"), "deny": plain("Keep")}


async def test_buttons_below_a_message_are_clicked(client: AsyncWebClient, bot: Scripted, erin: PersonAtClient) -> None:
    await posted(client, blocks=[{"type": "context_actions", "block_id": "below", "elements": [TRASH, FEEDBACK]}])
    await erin.click("Delete")
    [action] = bot.last["actions"]
    assert (action["type"], action["block_id"], action["value"]) == ("icon_button", "below", "k1")

    message = erin.messages(APPROVALS_CHANNEL)[-1]
    helped = {"type": "feedback_buttons", "action_id": "helped", "block_id": "below"}
    await erin._does.act_in_message("U0ERIN", APPROVALS_CHANNEL, message["ts"], {**helped, "value": "no"})
    [action] = bot.last["actions"]
    assert (action["value"], action["text"]["text"]) == ("no", "No")
    with pytest.raises(NotPossible):
        await erin._does.act_in_message("U0ERIN", APPROVALS_CHANNEL, message["ts"], {**helped, "value": "maybe"})


async def test_a_person_is_asked_before_the_bot_is_told(
    client: AsyncWebClient, bot: Scripted, erin: PersonAtClient
) -> None:
    options = [{"text": plain("Rotate"), "value": "rotate"}, {"text": plain("Delete"), "value": "delete"}]
    await posted(
        client, blocks=[actions({"type": "overflow", "action_id": "more", "options": options, "confirm": SURE})]
    )
    await erin.click("Delete")

    assert erin.confirms == [SURE]
    assert bot.last["actions"][0]["selected_option"]["value"] == "delete"
    assert "confirm" not in bot.last["actions"][0]
