"""Reporting a leaked key: what may be a secret is neither kept nor repeated."""

from typing import Any

import pytest

from bot.domain.leaks.report import MOST_AT_ONCE
from bot.slack.payloads import ids
from tests.handlers.lobby import CHANNEL, a_lobby, submitted, typed_command
from tests.handlers.test_acks import KEY, heard
from tests.support.build import DANA

SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
OLDER = "Marker0Secret" * 4


@pytest.mark.parametrize(("words", "filled_in"), [(f"leaked {KEY}", KEY), ("leaked", ""), ("leaked of course", "")])
async def test_the_command_opens_the_report_with_the_ids_that_were_typed(words: str, filled_in: str) -> None:
    async with a_lobby() as it:
        await heard(it, "command", ids.COMMAND, typed_command(words))

    (view,) = it.views()
    (field,) = [each for each in view["blocks"] if each["type"] == "input"]
    assert view["title"]["text"] == "Report a leaked API key"
    assert field["element"].get("initial_value", "") == filled_in


@pytest.mark.parametrize("secret", [SECRET, OLDER, f"{KEY}:{SECRET}", f"{KEY} {SECRET}", SECRET[:40]])
async def test_a_secret_behind_the_command_goes_no_further(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with a_lobby() as it:
        await heard(it, "command", ids.COMMAND, typed_command(f"leaked {secret}"))

    assert "what looks like a secret" in str(it.views())
    assert not any(part.casefold() in f"{it.client.calls}{caplog.text}".casefold() for part in (SECRET[:40], OLDER))


@pytest.mark.parametrize("secret", [SECRET, OLDER, f"{KEY}:{SECRET}"])
async def test_a_secret_in_the_field_is_refused_and_nothing_is_stored(
    secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with a_lobby() as it:
        answer = await heard(it, "view", ids.LEAK, submitted(ids.LEAK, leaked=secret))
        assert await it.clicks() == []
        stored = str([await it.store.requests.pending(1)])

    assert "That looks like a secret." in str(answer)
    assert secret not in f"{answer}{stored}{it.client.calls}{caplog.text}"


def a_message(text: str, **more: Any) -> dict[str, Any]:
    """The shortcut of a message, as Slack sends it."""
    return {
        "type": "message_action",
        "team": {"id": "T01", "domain": "acme"},
        "user": {"id": DANA.slack, "name": "dana"},
        "channel": {"id": CHANNEL, "name": "general"},
        "callback_id": ids.SHORTCUT_LEAKED,
        "trigger_id": "T1",
        "message_ts": "1.0",
        "message": {"type": "message", "user": DANA.slack, "ts": "1.0", "text": text, **more},
        "response_url": "https://hooks.slack.com/app/T01/1/x",
    }


async def opened(body: dict[str, Any]) -> tuple[str, str]:
    """What the shortcut opens: the ids in the field, and all that the modal says."""
    async with a_lobby() as it:
        await heard(it, "shortcut", ids.SHORTCUT_LEAKED, body)
        assert await it.clicks() == []
    (view,) = it.views()
    (field,) = [each for each in view["blocks"] if each["type"] == "input"]
    return field["element"].get("initial_value", ""), str(view)


RICH: dict[str, Any] = {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": []}]}


@pytest.mark.parametrize(
    ("body", "filled_in", "says"),
    [
        (a_message(f"user {KEY} pass {SECRET}"), KEY, "Delete the message, or ask its author to."),
        (a_message(f"{KEY} and WXYZ1234WXYZ1234"), f"{KEY} WXYZ1234WXYZ1234", "Latchkey notifies"),
        (a_message(f"pass {SECRET}"), "", "can't tell whose secret it is"),
        (a_message("hello"), "", "found no key ID in this message"),
        (a_message("", attachments=[{"fields": [{"title": "key", "value": KEY}]}]), KEY, "Latchkey notifies"),
        (a_message("", blocks=[{**RICH, "elements": [{"type": "text", "text": KEY}]}]), KEY, "Latchkey notifies"),
        ({**a_message(""), "message": None}, "", "found no key ID"),
    ],
)
async def test_the_shortcut_of_a_message_finds_ids_and_says_what_else_is_in_it(
    body: dict[str, Any], filled_in: str, says: str
) -> None:
    field, view = await opened(body)

    assert (field, says in view) == (filled_in, True)


async def test_many_ids_fill_the_field_as_far_as_one_report_goes() -> None:
    field, _ = await opened(a_message(" ".join(f"KEY{number:013}" for number in range(30))))

    assert len(field.split()) == MOST_AT_ONCE


@pytest.mark.parametrize("text", [SECRET, f"{KEY}:{SECRET}", f"`{SECRET}`", f"{KEY}/{SECRET}"])
async def test_the_secret_of_a_message_goes_nowhere(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with a_lobby() as it:
        await heard(it, "shortcut", ids.SHORTCUT_LEAKED, a_message(text))
        it.client.fails = True
        await heard(it, "shortcut", ids.SHORTCUT_LEAKED, a_message(text))
        redis = it.store.cache._redis
        stored = [await redis.dump(name) for name in await redis.keys("*")]

    assert SECRET not in f"{it.client.calls}{caplog.text}{stored}"
