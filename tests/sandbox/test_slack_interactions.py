"""What answers of a bot do before a person's eyes, with a bot made of scripted answers."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.cast import APPROVALS_CHANNEL, GENERAL_CHANNEL
from sandbox.slack.delivery import Envelope, NoAnswer, RequestUrl
from sandbox.slack.errors import NotPossible, SlackError
from sandbox.slack.person import PersonAtClient
from sandbox.slack.server import Slack
from tests.sandbox.scripted import Scripted, workspace_of
from tests.sandbox.slack_bot import actions, button, form, modal, plain, section, text_input


@pytest.fixture
def bot() -> Scripted:
    return Scripted()


@pytest.fixture
def slack(bot: Scripted) -> Slack:
    return workspace_of(bot)


@pytest.fixture
def dana(slack: Slack) -> PersonAtClient:
    return slack.person("U0DANA")


def opened(slack: Slack, view: dict[str, Any]) -> dict[str, Any]:
    return slack.views.open(slack.views.new_trigger("U0DANA"), view)


def named(name: str = "Name", **more: Any) -> dict[str, Any]:
    return modal(text_input(name), **more)


async def test_an_empty_answer_closes_the_view_on_top(slack: Slack, dana: PersonAtClient) -> None:
    root = opened(slack, named())
    slack.views.push(slack.views.new_trigger("U0DANA"), named())
    await dana.fill({"Name": "x"})
    await dana.submit()
    assert dana.modal == root


@pytest.mark.parametrize(("action", "depth"), [("update", 1), ("push", 2)])
async def test_a_submit_can_be_answered_with_a_view(
    slack: Slack, dana: PersonAtClient, bot: Scripted, action: str, depth: int
) -> None:
    opened(slack, named())
    bot.answer = {"response_action": action, "view": modal(section("Review"), callback_id="review")}
    await dana.fill({"Name": "x"})
    await dana.submit()
    assert dana.sees("Review")
    assert len(slack.views.stack("U0DANA")) == depth


async def test_clear_closes_the_whole_stack(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    opened(slack, named())
    slack.views.push(slack.views.new_trigger("U0DANA"), modal(section("x")))
    bot.answer = {"response_action": "clear"}
    await dana.submit()
    assert dana.modal is None


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"no_input": "x"}},
        {"response_action": "errors", "errors": {}},
        {"response_action": "errors", "errors": {"text": "x"}},
        {"response_action": "update", "view": {"type": "modal"}},
        {"response_action": "nonsense"},
        {"text": "not an answer to a view"},
        NoAnswer("operation_timeout"),
    ],
)
async def test_an_answer_slack_cannot_use_is_a_failure(
    slack: Slack, dana: PersonAtClient, bot: Scripted, answer: dict[str, Any] | NoAnswer
) -> None:
    before = opened(slack, modal(text_input("Name"), {**section("x"), "block_id": "text"}))
    bot.answer = answer
    await dana.fill({"Name": "x"})
    assert await dana.submit() == {}
    assert dana.modal == before
    assert dana.notices[0].startswith("Slack: We had some trouble connecting. Try again?")


async def test_the_x_closes_everything_and_tells_about_the_root(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    opened(slack, named(callback_id="root"))
    slack.views.push(slack.views.new_trigger("U0DANA"), named(callback_id="top"))
    await dana.close(everything=True)
    assert dana.modal is None
    [told] = bot.received
    assert (told.payload["is_cleared"], told.payload["view"]["callback_id"]) == (True, "root")


async def test_cancel_closes_everything_where_the_view_says_so(slack: Slack, dana: PersonAtClient) -> None:
    opened(slack, named())
    slack.views.push(slack.views.new_trigger("U0DANA"), named(clear_on_close=True, notify_on_close=False))
    await dana.close()
    assert dana.modal is None


async def test_a_view_that_did_not_ask_is_closed_silently(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    opened(slack, named(notify_on_close=False))
    await dana.close()
    assert bot.received == []


@pytest.mark.parametrize("answer", [NoAnswer("dispatch_failed"), {}, {"options": [{"text": "x"}]}])
async def test_options_that_do_not_come_leave_the_menu_empty(
    slack: Slack, dana: PersonAtClient, bot: Scripted, answer: dict[str, Any] | NoAnswer
) -> None:
    opened(slack, form())
    bot.answer = answer
    assert await dana.options("Environment") == []
    assert dana.notices[0].startswith("Slack: The options did not load")


async def test_a_command_answered_in_the_channel_is_for_all(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    erin = slack.person("U0ERIN")
    bot.answer = {"response_type": "in_channel", "text": "hello all"}
    await dana.command("/apikey help")
    assert erin.sees("hello all")
    bot.answer = {"blocks": [{"type": "nonsense"}]}
    await dana.command("/apikey help")
    assert "invalid_blocks" in dana.notices[0]


async def test_unknown_commands_and_shortcuts_do_not_reach_the_bot(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    await dana.command("/nonsense create")
    assert dana.notices == ["/nonsense is not a valid command."]
    with pytest.raises(NotPossible):
        await dana.command("/apikey create", channel=APPROVALS_CHANNEL)
    with pytest.raises(NotPossible):
        await dana.shortcut("nonsense")
    assert bot.received == []
    await dana.shortcut("apikey:create")
    assert bot.received[0].payload["type"] == "shortcut"
    assert not bot.received[0].payload.keys() & {"channel", "response_url"}


async def test_a_button_is_found_beside_its_words(slack: Slack, dana: PersonAtClient, bot: Scripted) -> None:
    overflow = {"type": "overflow", "action_id": "more", "options": [{"text": plain("Rotate"), "value": "rotate"}]}
    blocks = [
        section("first"),
        actions(button("Edit", "edit", "1"), block_id="one"),
        section("second"),
        actions(button("Edit", "edit", "2"), overflow, block_id="two"),
    ]
    slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "keys", "blocks": blocks})
    await dana.click("Edit", beside="first")
    await dana.click("Edit", beside="second", in_channel=dana.dm)
    await dana.choose("more", "Rotate", place="message")
    chosen = [each.payload["actions"][0] for each in bot.received]
    assert [each.get("value") for each in chosen] == ["1", "2", None]
    assert chosen[2]["selected_option"]["value"] == "rotate"


async def test_what_a_client_says_about_a_button_is_not_believed(
    slack: Slack, dana: PersonAtClient, bot: Scripted
) -> None:
    blocks = [actions(button("Approve", "approve", "request-1"), block_id="b")]
    message = slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "x", "blocks": blocks})
    forged = {"action_id": "approve", "block_id": "b", "value": "request-2", "type": "button"}
    await slack.interactions.act_in_message("U0DANA", dana.dm, message["ts"], forged)
    assert bot.received[0].payload["actions"][0]["value"] == "request-1"
    with pytest.raises(NotPossible):
        await slack.interactions.act_in_message("U0DANA", dana.dm, "1.2", forged)


async def test_what_never_shows_up_fails_with_what_the_person_sees(
    slack: Slack, dana: PersonAtClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.slack.sight.SECONDS", 0.01)
    slack.workspace.post(slack.workspace.dm("U0DANA"), {"text": "only this"})
    with pytest.raises(AssertionError, match="'Approve'; they see:\nonly this"):
        await dana.click("Approve")
    with pytest.raises(AssertionError, match="no modal open"):
        await dana.submit()


def test_an_external_id_is_taken_once(slack: Slack) -> None:
    first = opened(slack, named(external_id="mine"))
    with pytest.raises(SlackError, match="duplicate_external_id"):
        slack.views.push(slack.views.new_trigger("U0DANA"), named(external_id="mine"))
    assert slack.views.update(named(external_id="mine"), external_id="mine")["id"] == first["id"]


def test_a_home_tab_guards_its_hash(slack: Slack) -> None:
    home = {"type": "home", "blocks": [section("x")]}
    first = slack.views.publish("U0DANA", home)
    second = slack.views.publish("U0DANA", home, first["hash"])
    assert second["id"] == first["id"]
    with pytest.raises(SlackError, match="hash_conflict"):
        slack.views.publish("U0DANA", home, first["hash"])


def test_an_edited_message_without_blocks_says_so(slack: Slack) -> None:
    channel = slack.workspace.channels[GENERAL_CHANNEL]
    message = slack.workspace.post(channel, {"text": "x", "blocks": [section("x")]})
    changed = slack.workspace.change(channel, message["ts"], {"text": "y"})
    assert "edited" in changed
    assert "blocks" not in changed


def over_http(answer: httpx.Response | Exception) -> RequestUrl:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return RequestUrl("http://127.0.0.1/slack/events", lambda: datetime.now(UTC), client=client)


@pytest.mark.parametrize(
    ("answer", "word", "may_retry"),
    [
        (httpx.Response(500), "http_error", True),
        (httpx.Response(500, headers={"X-Slack-No-Retry": "1"}), "http_error", False),
        (httpx.ConnectError("refused"), "dispatch_failed", True),
    ],
)
async def test_a_request_url_that_fails(answer: httpx.Response | Exception, word: str, *, may_retry: bool) -> None:
    url = over_http(answer)
    with pytest.raises(NoAnswer) as failure:
        await url.carry(Envelope("events_api", {}, retry=1, retry_reason="http_error"))
    assert (failure.value.word, failure.value.may_retry) == (word, may_retry)
    await url.aclose()


async def test_an_answer_in_plain_text_is_a_message() -> None:
    url = over_http(httpx.Response(200, text="hello"))
    assert await url.carry(Envelope("slash_commands", {"text": "help"})) == {"text": "hello"}
    await url.aclose()
