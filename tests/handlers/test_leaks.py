"""Reporting a leaked key: what may be a secret is neither kept nor repeated."""

import pytest

from bot.slack.payloads import ids
from tests.handlers.lobby import a_lobby, submitted, typed_command
from tests.handlers.test_acks import KEY, heard

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
