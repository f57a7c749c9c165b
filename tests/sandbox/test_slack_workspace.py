"""The Slack sandbox under a bot on the real slack-bolt, over Socket Mode and over HTTP."""

import asyncio
import stat
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from slack_sdk.errors import SlackApiError

from sandbox import cast
from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL, PARTNER_CHANNEL
from sandbox.slack.delivery import Envelope, NoAnswer, RequestUrl
from sandbox.slack.errors import NotPossible
from sandbox.slack.server import Slack, running
from sandbox.slack.web_api import APP_TOKEN, BOT_TOKEN
from tests.sandbox.slack_bot import SECRET, Bot, Mode, actions, api_client, button, form, listening, modal, section


class Clock:
    """Real time, moved forward by hand."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Slack:
    return Slack(clock, retry_after=(0, 0, 0))


@pytest.fixture
async def url(slack: Slack) -> AsyncGenerator[str]:
    async with running(slack) as base_url:
        yield base_url


@pytest.fixture(params=["socket", "http"])
async def bot(slack: Slack, url: str, request: pytest.FixtureRequest) -> AsyncGenerator[Bot]:
    mode: Mode = request.param
    async with listening(slack, url, mode) as bot:
        yield bot


@pytest.fixture
async def socket_bot(slack: Slack, url: str) -> AsyncGenerator[Bot]:
    async with listening(slack, url) as bot:
        yield bot


async def told(call: Any) -> dict[str, Any]:
    data: dict[str, Any] = (await call).data
    return data


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as refusal:
        await call
    error: str = refusal.value.response["error"]
    return error


async def test_from_command_to_secret(slack: Slack, bot: Bot) -> None:
    dana, erin = slack.person("U0DANA"), slack.person("U0ERIN")
    await dana.command("/apikey create")
    await dana.fill({"Name": "orders", "Environment": "development"})
    await dana.see("in development")
    assert await dana.submit() == {}
    assert dana.modal is None

    await erin.click("Approve", in_channel=APPROVALS_CHANNEL)
    await erin.see("Approved by <@U0ERIN>")
    assert not dana.messages(APPROVALS_CHANNEL), "Dana is not in that channel"

    await dana.click("Show secret", in_channel=dana.dm)
    await dana.see(SECRET)
    sent = [each for each in slack.workspace.outgoing if SECRET in str(each.payload)]
    assert [(each.kind, each.audience) for each in sent] == [("response_url", "U0DANA")]
    assert not erin.sees(SECRET)

    await dana.click("I saved it")
    await dana.wait_for(lambda: not dana.ephemerals)
    assert dana.messages()[-1]["text"] == "Your key is ready"


async def test_what_was_sent_is_noted_for_its_owner_alone(slack: Slack, tmp_path: Path) -> None:
    slack.workspace.written_to = tmp_path / "sent.jsonl"

    slack.workspace.record("chat.postMessage", "U0DANA", {"text": SECRET})

    assert SECRET in slack.workspace.written_to.read_text("utf-8")
    assert stat.S_IMODE(slack.workspace.written_to.stat().st_mode) == 0o600


async def test_payloads_have_slacks_shape(slack: Slack, bot: Bot) -> None:
    dana, erin = slack.person("U0DANA"), slack.person("U0ERIN")
    await dana.command("/apikey create")
    command = bot.received[-1]
    assert (command["text"], command["channel_name"]) == ("create", "general")
    await dana.fill({"Name": "orders", "Environment": "dev"})
    chosen = bot.last("block_actions")
    assert chosen["view"]["state"]["values"]["name"]["name"]["value"] == "orders"
    assert "response_url" not in chosen
    assert chosen["actions"][0]["selected_option"]["value"] == "development"
    await dana.submit()
    assert {"hash", "state", "callback_id", "root_view_id"} <= bot.last("view_submission")["view"].keys()
    await erin.click("Approve")
    click = bot.last("block_actions")
    assert click["container"] == {
        "type": "message",
        "message_ts": click["message"]["ts"],
        "channel_id": APPROVALS_CHANNEL,
        "is_ephemeral": False,
    }
    assert click["channel"]["name"] == "privategroup"
    await dana.click("Show secret")
    await dana.click("I saved it")
    ephemeral = bot.last("block_actions")
    assert ephemeral["container"]["is_ephemeral"] is True
    assert "message" not in ephemeral


async def test_an_ephemeral_message_is_gone_after_a_reload(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey help")
    await dana.see("Try `/apikey create`.")
    ts = dana.ephemerals[0]["ts"]
    dana.reload()
    assert not dana.sees("Try")
    with pytest.raises(NotPossible, match="gone"):
        await slack.interactions.act_in_ephemeral("U0DANA", GENERAL_CHANNEL, ts, {"type": "button"})


async def test_an_ephemeral_message_for_nobody_at_a_client_is_lost(slack: Slack, url: str) -> None:
    dana = slack.person("U0DANA")
    slack.workspace.channels[GENERAL_CHANNEL].members.add(cast.BOT_USER)
    dana.leave()
    client = api_client(url)
    assert (await told(client.chat_postEphemeral(channel=GENERAL_CHANNEL, user="U0DANA", text="psst")))["ok"]
    dana.reload()
    assert not dana.sees("psst")


async def test_a_click_on_anothers_ephemeral_message_is_not_possible(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey help")
    await dana.see("Try")
    slack.person("U0ERIN")
    with pytest.raises(NotPossible):
        await slack.interactions.act_in_ephemeral(
            "U0ERIN", GENERAL_CHANNEL, dana.ephemerals[0]["ts"], {"type": "button"}
        )


async def test_an_answer_without_replace_original_overwrites_the_card(slack: Slack, socket_bot: Bot) -> None:
    erin = slack.person("U0ERIN")
    blocks = [section("A request"), actions(button("Overwrite", "overwrite"))]
    await socket_bot.client.chat_postMessage(channel=APPROVALS_CHANNEL, text="A request", blocks=blocks)
    await erin.click("Overwrite")
    await erin.see("oops")
    assert [each["text"] for each in erin.messages(APPROVALS_CHANNEL)] == ["oops"]
    assert slack.workspace.outgoing[-1].audience == APPROVALS_CHANNEL


async def test_required_and_too_short_fields_do_not_reach_the_bot(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey create")
    await dana.fill({"Name": "ab"})
    assert await dana.submit() == {
        "name": "Please enter at least 3 characters.",
        "environment": "Please complete this required field.",
    }
    assert all(each.get("type") != "view_submission" for each in bot.received)


async def test_errors_of_the_bot_stand_under_their_field(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey create")
    await dana.fill({"Name": "taken", "Environment": "production"})
    assert await dana.submit() == {"name": "This name is taken."}
    assert dana.modal is not None


async def test_closing_a_modal_tells_the_bot_when_it_asked(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey create")
    await dana.close()
    assert dana.modal is None
    assert bot.last("view_closed")["is_cleared"] is False


async def test_the_home_tab_is_published_on_a_visit(slack: Slack, bot: Bot) -> None:
    dana = slack.person("U0DANA")
    await dana.open_home()
    await dana.see("Your keys")
    await dana.open_home()
    await dana.wait_for(lambda: "view" in bot.last("event_callback")["event"])


async def test_a_trigger_opens_one_view_within_three_seconds(slack: Slack, clock: Clock, url: str) -> None:
    client = api_client(url)
    trigger = slack.views.new_trigger("U0DANA")
    assert await refused(client.views_open(trigger_id="1.2.3", view=form())) == "invalid_trigger_id"
    await client.views_open(trigger_id=trigger, view=form())
    assert await refused(client.views_open(trigger_id=trigger, view=form())) == "exchanged_trigger_id"
    late = slack.views.new_trigger("U0DANA")
    clock.offset += timedelta(seconds=4)
    assert await refused(client.views_open(trigger_id=late, view=form())) == "expired_trigger_id"


async def test_views_guard_their_hash_and_their_depth(slack: Slack, url: str) -> None:
    client, dana = api_client(url), slack.person("U0DANA")
    opened = (await told(client.views_open(trigger_id=slack.views.new_trigger("U0DANA"), view=form())))["view"]
    updated = await told(client.views_update(view_id=opened["id"], hash=opened["hash"], view=form()))
    assert updated["view"]["hash"] != opened["hash"]
    stale = client.views_update(view_id=opened["id"], hash=opened["hash"], view=form())
    assert await refused(stale) == "hash_conflict"
    for _ in range(2):
        await client.views_push(trigger_id=slack.views.new_trigger("U0DANA"), view=form())
    fourth = client.views_push(trigger_id=slack.views.new_trigger("U0DANA"), view=form())
    assert await refused(fourth) == "push_limit_reached"
    await dana.close(everything=True)
    assert await refused(client.views_update(view_id=opened["id"], view=form())) == "not_found"


async def test_typed_text_survives_an_update_that_keeps_its_ids(slack: Slack, url: str) -> None:
    client, dana = api_client(url), slack.person("U0DANA")
    opened = await told(client.views_open(trigger_id=slack.views.new_trigger("U0DANA"), view=form()))
    await dana.fill({"Name": "orders"})
    with pytest.raises(NotPossible):
        await slack.interactions.act_in_view("U0DANA", opened["view"]["id"], {"action_id": "none", "block_id": "none"})
    await client.views_update(view_id=opened["view"]["id"], view=form(section("more")))
    errors = await dana.submit()
    assert errors == {"environment": "Please complete this required field."}
    assert dana.modal is not None
    assert dana.modal["state"]["values"]["name"]["name"]["value"] == "orders"
    await client.views_update(view_id=opened["view"]["id"], view=modal(section("nothing to fill in")))
    await client.views_update(view_id=opened["view"]["id"], view=form())
    assert (await dana.submit())["name"] == "Please complete this required field."


@pytest.mark.parametrize(("token", "error"), [("xoxb-wrong", "invalid_auth"), (APP_TOKEN, "not_allowed_token_type")])
async def test_a_wrong_token_is_refused(url: str, token: str, error: str) -> None:
    assert await refused(api_client(url, token).auth_test()) == error


async def test_tokens_and_scopes_are_checked(slack: Slack, url: str) -> None:
    client = api_client(url)
    assert await refused(client.apps_connections_open(app_token=BOT_TOKEN)) == "not_allowed_token_type"
    assert await refused(client.api_call("no.such")) == "unknown_method"
    with pytest.raises(SlackApiError) as refusal:
        await client.team_info()
    assert refusal.value.response["error"] == "missing_scope"
    assert refusal.value.response["needed"] == "team:read"
    async with aiohttp.ClientSession() as session, session.post(f"{url}/api/auth.test") as answer:
        assert (await answer.json())["error"] == "not_authed"
    assert "chat:write" in (await client.auth_test()).headers["x-oauth-scopes"]


async def test_a_post_needs_membership(slack: Slack, url: str) -> None:
    client = api_client(url)
    assert await refused(client.chat_postMessage(channel=GENERAL_CHANNEL, text="hi")) == "not_in_channel"
    assert await refused(client.chat_postMessage(channel="C0NONE", text="hi")) == "channel_not_found"
    posted = await told(client.chat_postMessage(channel="U0DANA", text="hi"))
    assert posted["channel"] == slack.person("U0DANA").dm
    outsider = client.chat_postEphemeral(channel=APPROVALS_CHANNEL, user="U0DANA", text="hi")
    assert await refused(outsider) == "user_not_in_channel"


async def test_only_own_messages_change(slack: Slack, url: str) -> None:
    client = api_client(url)
    slack.interactions.message("U0ERIN", APPROVALS_CHANNEL, "mine")
    ts = slack.workspace.messages(APPROVALS_CHANNEL)[0]["ts"]
    assert await refused(client.chat_update(channel=APPROVALS_CHANNEL, ts=ts, text="x")) == "cant_update_message"
    assert await refused(client.chat_delete(channel=APPROVALS_CHANNEL, ts=ts)) == "cant_delete_message"
    own = await told(client.chat_postMessage(channel=APPROVALS_CHANNEL, text="a"))
    where = {"channel": APPROVALS_CHANNEL, "ts": own["ts"]}
    assert await refused(client.chat_update(**where, text="x" * 4001)) == "msg_too_long"
    await client.chat_delete(**where)
    assert await refused(client.chat_update(**where, text="x")) == "message_not_found"


async def test_people_and_groups_are_found(slack: Slack, url: str) -> None:
    client = api_client(url)
    found = (await told(client.users_lookupByEmail(email="ERIN@acme.example")))["user"]
    assert (found["id"], found["profile"]["email"]) == ("U0ERIN", "Erin@Acme.example")
    outsider = (await told(client.users_info(user="U0XAVI")))["user"]
    assert outsider["team_id"] == cast.PARTNER_TEAM
    assert "email" not in outsider["profile"]
    group = (await told(client.usergroups_list(include_users=True)))["usergroups"][0]
    members = await told(client.usergroups_users_list(usergroup=group["id"]))
    assert members["users"] == group["users"]
    assert await refused(client.usergroups_users_list(usergroup="S0NONE")) == "no_such_subteam"
    page = await told(client.conversations_members(channel=APPROVALS_CHANNEL, limit=2))
    assert len(page["members"]) == 2
    assert page["response_metadata"]["next_cursor"]
    info = (await told(client.conversations_info(channel=PARTNER_CHANNEL)))["channel"]
    assert info["is_ext_shared"]
    assert await refused(client.conversations_open(users="U0LEFT")) == "user_disabled"
    assert await refused(client.chat_postMessage(channel="U0LEFT", text="hi")) == "channel_not_found"


async def test_an_outsider_clicks_with_their_own_team(slack: Slack, socket_bot: Bot) -> None:
    xavi = slack.person("U0XAVI")
    blocks = [section("A request"), actions(button("Approve", "approve", "U0DANA"))]
    await socket_bot.client.chat_postMessage(channel=PARTNER_CHANNEL, text="A request", blocks=blocks)
    await xavi.click("Approve")
    assert socket_bot.last("block_actions")["user"]["team_id"] == cast.PARTNER_TEAM
    await xavi.command("/apikey create")
    assert xavi.notices == ["/apikey is not a valid command."]


async def test_a_response_url_is_good_for_five_posts(slack: Slack, url: str) -> None:
    target = slack.response_urls.new("U0DANA", GENERAL_CHANNEL)
    async with httpx.AsyncClient(trust_env=False) as http:
        answers = [await http.post(target, json={"text": "hi"}) for _ in range(6)]
    assert [each.text for each in answers[:5]] == ["ok"] * 5
    assert (answers[5].status_code, answers[5].json()["error"]) == (404, "used_url")


async def test_a_response_url_ends_after_half_an_hour(slack: Slack, clock: Clock, url: str) -> None:
    target = slack.response_urls.new("U0DANA", GENERAL_CHANNEL)
    clock.offset += timedelta(minutes=31)
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(target, json={"text": "hi"})
    assert (answer.status_code, answer.json()["error"]) == (404, "expired_url")


async def test_a_response_url_takes_valid_content_only(slack: Slack, url: str) -> None:
    target = slack.response_urls.new("U0DANA", GENERAL_CHANNEL)
    async with httpx.AsyncClient(trust_env=False) as http:
        bodies: list[Any] = [{}, {"blocks": [{"type": "nonsense"}]}, []]
        answers = [(await http.post(target, json=body)) for body in bodies]
    assert [each.json()["error"] for each in answers] == ["no_text", "invalid_blocks", "invalid_payload"]


@pytest.mark.parametrize("fault", ["500", "404", "dropped", "answer lost"])
async def test_a_response_url_can_fail(slack: Slack, url: str, fault: str) -> None:
    dana = slack.person("U0DANA")
    slack.faults.set("response_url", fault)
    async with httpx.AsyncClient(trust_env=False) as http:
        call = http.post(slack.response_urls.new("U0DANA", GENERAL_CHANNEL), json={"text": "hi"})
        if fault.isdigit():
            assert (await call).status_code == int(fault)
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await call
    assert dana.sees("hi") is (fault == "answer lost")
    assert slack.workspace.outgoing[-1].payload == {"text": "hi"}


async def test_faults_of_the_web_api(slack: Slack, url: str) -> None:
    client = api_client(url)
    slack.faults.set("method", "auth.test")
    slack.faults.set("rate_limited", 1)
    await client.users_info(user="U0DANA")
    with pytest.raises(SlackApiError) as refusal:
        await client.auth_test()
    assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (429, "1")
    await client.auth_test()
    slack.faults.set("expired_trigger", "next")
    expired = client.views_open(trigger_id=slack.views.new_trigger("U0DANA"), view=form())
    assert await refused(expired) == "expired_trigger_id"
    slack.faults.set("channel_not_found", "on")
    assert await refused(client.chat_postMessage(channel=APPROVALS_CHANNEL, text="x")) == "channel_not_found"
    await client.chat_postMessage(channel="U0DANA", text="x")
    assert {each["name"] for each in slack.faults.describe()} >= {"response_url", "connections"}
    with pytest.raises(ValueError, match="response_url"):
        slack.faults.set("response_url", "418")
    with pytest.raises(ValueError, match="nonsense"):
        slack.faults.set("nonsense", 1)
    slack.faults.reset()
    await client.chat_postMessage(channel=APPROVALS_CHANNEL, text="x")


async def test_faults_that_strike_every_call_or_once(slack: Slack, url: str) -> None:
    client = api_client(url)
    slack.faults.set("failing", "-1")
    for _ in range(2):
        with pytest.raises(SlackApiError) as failure:
            await client.users_info(user="U0DANA")
        assert failure.value.response.status_code == 500
    slack.faults.set("failing", 0)
    view = {"type": "home", "blocks": [section("x")]}
    published = (await told(client.views_publish(user_id="U0DANA", view=view)))["view"]
    slack.faults.set("hash_conflict", "next")
    await client.views_publish(user_id="U0DANA", view=view)
    latest = (await told(client.views_publish(user_id="U0DANA", view=view)))["view"]
    again = {"user_id": "U0DANA", "view": view, "hash": latest["hash"]}
    assert await refused(client.views_publish(**again)) == "hash_conflict"
    assert (await told(client.views_publish(**again)))["view"]["id"] == published["id"]
    with pytest.raises(ValueError, match="slow"):
        slack.faults.set("slow", 31)


async def test_without_a_bot_a_command_fails_before_the_person(slack: Slack, url: str) -> None:
    dana = slack.person("U0DANA")
    await dana.command("/apikey create")
    assert dana.notices == ["Slack: /apikey failed because the app did not respond (dispatch_failed)"]


async def test_a_bot_that_does_not_ack_times_out(slack: Slack, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.slack.socket_mode.ACK_SECONDS", 0.05)
    dana = slack.person("U0DANA")
    async with aiohttp.ClientSession() as session, session.ws_connect(slack.sockets.new_url()) as link:
        assert (await link.receive_json())["num_connections"] == 1
        await dana.command("/apikey create")
        envelope = await link.receive_json()
        await link.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "late"}})
        await link.ping()
        await dana.command("/apikey create")
    assert dana.notices[0].endswith("(operation_timeout)")
    assert slack.workspace.outgoing[0].audience == "late"


async def test_a_ticket_is_good_once_and_ten_connections_are_the_most(slack: Slack, url: str) -> None:
    async with aiohttp.ClientSession() as session:
        links = [await session.ws_connect(slack.sockets.new_url()) for _ in range(10)]
        await slack.sockets.wait_connected(10)
        eleventh = await session.ws_connect(slack.sockets.new_url())
        assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
        await eleventh.close()
        for link in links:
            await link.close()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{url}/link/?ticket=used")


async def test_envelopes_go_to_connected_replicas_in_turn(slack: Slack, url: str) -> None:
    async with listening(slack, url) as first, listening(slack, url) as second:
        await slack.sockets.wait_connected(2)
        dana = slack.person("U0DANA")
        await dana.command("/apikey help")
        await dana.command("/apikey help")
        assert (len(first.received), len(second.received)) == (1, 1)


async def test_a_dropped_bot_comes_back(slack: Slack, socket_bot: Bot) -> None:
    slack.faults.set("connections", "drop now")
    await slack.sockets.wait_disconnected()
    await slack.sockets.wait_connected()
    dana = slack.person("U0DANA")
    await dana.command("/apikey help")
    await dana.see("Try")


async def test_bolt_refuses_a_wrong_signature(slack: Slack, url: str) -> None:
    async with listening(slack, url, "http"):
        transport = slack.delivery.transport
        assert isinstance(transport, RequestUrl)
        assert await transport.verify()
        transport._secret = "another"
        dana = slack.person("U0DANA")
        await dana.command("/apikey create")
        assert dana.notices == ["Slack: /apikey failed because the app did not respond (http_error)"]


async def test_failed_events_come_three_times_more(slack: Slack, url: str) -> None:
    seen: list[Envelope] = []
    done = asyncio.Event()

    class Failing:
        async def carry(self, envelope: Envelope) -> dict[str, Any]:
            seen.append(envelope)
            if len(seen) == 4:
                done.set()
            raise NoAnswer("operation_timeout")

    slack.use_request_url(Failing())
    await slack.person("U0DANA").open_home()
    await asyncio.wait_for(done.wait(), 30)
    assert [each.retry for each in seen] == [0, 1, 2, 3]
    assert len({each.payload["event_id"] for each in seen}) == 1
    assert seen[1].retry_reason == "http_timeout"
