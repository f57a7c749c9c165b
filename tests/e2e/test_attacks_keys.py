"""Payloads that no honest client sends, about keys that exist: each is answered, and none changes anything."""

from pathlib import Path
from typing import Any

from bot.slack.payloads import ids
from sandbox.slack import payloads
from sandbox.slack.delivery import Envelope, NoAnswer
from tests.support.play import Play, play

NAMES = {name: value for name, value in vars(ids).items() if isinstance(value, str) and not name.startswith("_")}
ACTIONS = sorted({value for value in NAMES.values() if ":" in value and value != ids.SHORTCUT_CREATE})
VIEWS = sorted({*(value for name, value in NAMES.items() if ":" not in value and not name.endswith("_BLOCK")), "gone"})
VALUES = ["", "x" * 2000, "../api-keys", "R1/1/1", "[]", "null", '{"key": 1, "channel": "C"}', "DANASLAPTOP00001"]
DISHA = "U0DISHA"
"""She may have keys of her own in dev, has none, and sees nobody else's."""


async def test_a_button_with_any_value_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        before = dict(it.stage.organization.api_keys)
        forged = [(action, value) for action in ACTIONS for value in VALUES[::2]]
        missed = [each for each in forged if not await _answered(it, _pressed(it, *each))]

        assert missed == []
        assert it.stage.organization.api_keys == before


async def test_a_modal_with_any_content_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        before = dict(it.stage.organization.api_keys)
        forged = [(view, value) for view in VIEWS for value in VALUES]
        missed = [each for each in forged if not await _answered(it, _submitted(it, *each))]

        assert missed == []
        assert it.stage.organization.api_keys == before


async def _answered(it: Play, payload: Any) -> bool:
    try:
        await it.stage.slack.delivery.send(Envelope("interactive", payload, takes_answer=True), DISHA)
    except NoAnswer:
        return False
    return True


def _typed(text: str) -> dict[str, Any]:
    return {ids.FORM_TEXT: {"type": "plain_text_input", "value": text}}


def _view(callback: str, metadata: str) -> dict[str, Any]:
    return {
        "id": "V0FORGED",
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "hash": "1.1",
        "blocks": [],
        "state": {"values": {ids.REASON_BLOCK: _typed("r"), ids.WORD_BLOCK: _typed("CONFIRM")}},
        "previous_view_id": None,
        "root_view_id": "V0FORGED",
    }


def _submitted(it: Play, callback: str, metadata: str) -> Any:
    slack = it.stage.slack
    person = slack.workspace.people[DISHA]
    return payloads.view_submission(person, _view(callback, metadata), trigger=slack.views.new_trigger(DISHA))


def _pressed(it: Play, action: str, value: str) -> Any:
    slack = it.stage.slack
    person, trigger = slack.workspace.people[DISHA], slack.views.new_trigger(DISHA)
    button = {"action_id": action, "block_id": value[:200], "type": "button", "value": value}
    forged = {**button, "action_ts": slack.workspace.next_ts()}
    return payloads.view_action(person, _view(ids.LIST, value), forged, trigger=trigger)
