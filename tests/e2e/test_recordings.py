"""Every payload that was recorded from the real Slack is answered by the real bot, whatever it lacks."""

import copy
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, TEAM
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, Kind, NoAnswer
from tests.support.play import Play, play
from tests.support.recordings import FRAMES, installed_team, kind_of, payload_of, recordings, replaced

KINDS: dict[str, Kind] = {"slash_command": "slash_commands", "event_callback": "events_api"}
DANA = "U0DANA"


@contextmanager
def nothing_logged_as_failure() -> Iterator[list[str]]:
    """Lists what the bot logs as an error."""
    failures: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            failures.append(record.getMessage())

    listening, logger = Listening(logging.ERROR), logging.getLogger("latchkey")
    logger.addHandler(listening)
    yield failures
    logger.removeHandler(listening)


def ours(on: Play, recorded: Json) -> Json:
    """The recorded shape with our ids: Dana's, the app's team, a live trigger and response_url."""
    slack = on.stage.slack
    payload = copy.deepcopy(payload_of(recorded))
    dm = slack.workspace.dm(DANA).id
    user = payload.get("user_id") or payload.get("event", {}).get("user") or payload.get("user", {}).get("id")
    channel = (
        payload.get("channel_id") or payload.get("event", {}).get("channel") or payload.get("channel", {}).get("id")
    )
    known = {str(user): DANA, str(channel): dm, installed_team(payload): TEAM}
    payload = {name: replaced(value, known) for name, value in payload.items()}
    if "trigger_id" in payload:
        payload["trigger_id"] = slack.views.new_trigger(DANA)
    if "response_url" in payload:
        payload["response_url"] = slack.response_urls.new(DANA, APPROVALS_CHANNEL)
    return payload


def sent(on: Play) -> list[str]:
    return [each.kind for each in on.stage.slack.workspace.outgoing]


async def deliver(on: Play, payload: Json, *, takes_answer: bool = False) -> Json:
    kind = KINDS.get(payload.get("type", "slash_command"), "interactive")
    return await on.stage.slack.delivery.transport.carry(Envelope(kind, payload, takes_answer=takes_answer))


async def leads_to(on: Play, payload: Json, method: str) -> None:
    """The payload makes the bot call this."""
    before = sent(on).count(method)
    await deliver(on, payload)
    await on.until(lambda: sent(on).count(method) > before, f"{method} after {kind_of(payload)}")


async def command(on: Play, payload: Json) -> None:
    await leads_to(on, payload | {"command": ids.COMMAND, "text": "create"}, "views.open")
    answer = await deliver(on, payload | {"command": ids.COMMAND, "text": "help"}, takes_answer=True)
    assert "/apikey create" in str(answer) or "response_url" in sent(on)


async def pressed(on: Play, payload: Json) -> None:
    action = payload["actions"][0] | {"action_id": ids.OPEN_FORM, "block_id": "b"}
    await leads_to(on, payload | {"actions": [action]}, "views.open")
    for unknown in (ids.SHOW, ids.APPROVE, "of:another-age"):
        assert await deliver(on, payload | {"actions": [action | {"action_id": unknown}]}) == {}


async def suggested(on: Play, payload: Json) -> None:
    typed = {"action_id": ids.FORM_ENVIRONMENT, "block_id": ids.ENVIRONMENT_BLOCK, "value": "dev"}
    assert "env-dev001" in str(await deliver(on, payload | typed, takes_answer=True))
    typed = {"action_id": ids.FORM_RESOURCE, "block_id": "resource:kafka:env-dev001", "value": "orders"}
    assert "lkc-dev001" in str(await deliver(on, payload | typed, takes_answer=True))


async def submitted(on: Play, payload: Json) -> None:
    for callback in (ids.FORM, ids.REVIEW, ids.DENY_REASON, "of-another-age"):
        view = payload["view"] | {"callback_id": callback}
        answer = await deliver(on, payload | {"view": view}, takes_answer=True)
        assert answer.get("response_action") in {"errors", "update", "push"}, callback


async def closed(on: Play, payload: Json) -> None:
    assert await deliver(on, payload) == {}


async def shortcut(on: Play, payload: Json) -> None:
    await leads_to(on, payload | {"callback_id": ids.SHORTCUT_CREATE}, "views.open")
    assert await deliver(on, payload | {"callback_id": "of:another-age"}) == {}


async def visited(on: Play, payload: Json) -> None:
    if payload["event"]["tab"] == "home":
        await leads_to(on, payload, "views.publish")
    else:
        assert await deliver(on, payload) == {}


ANSWERED: dict[str, Callable[[Play, Json], Awaitable[None]]] = {
    "slash_command": command,
    "block_actions": pressed,
    "block_suggestion": suggested,
    "view_submission": submitted,
    "view_closed": closed,
    "shortcut": shortcut,
    "message_action": shortcut,
    "app_home_opened": visited,
}


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_what_slack_was_recorded_to_send_is_answered(tmp_path: Path, mode: str) -> None:
    wrong: dict[str, str] = {}
    recorded = recordings()
    async with play(tmp_path, mode=mode) as on:
        await on.dana.command("/apikey create")
        await on.dana.options("Environment", "dev")
        for name, each in recorded.items():
            if each.get("type") in FRAMES:
                continue
            payload = ours(on, each)
            with nothing_logged_as_failure() as failures:
                try:
                    await ANSWERED.get(kind_of(payload), closed)(on, payload)
                except (AssertionError, NoAnswer, KeyError) as failure:
                    wrong[name] = repr(failure)[:400]
            if failures:
                wrong[name] = f"{wrong.get(name, '')} logged: {failures}"

    assert len(recorded) == 29
    assert wrong == {}
