"""The sandbox's Slack sends no field that was never recorded from the real one."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from bot.slack import ids
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, Transport
from tests.support.play import play
from tests.support.recordings import fields, kind_of, payload_of, recordings

DOCUMENTED = {
    # Slack's reference has these, and no recording of this type happens to.
    "block_actions": {"actions[].placeholder", "actions[].selected_option"},
    "block_suggestion": {"enterprise", "is_enterprise_install"},
    "slash_command": {"is_enterprise_install"},
    "view_closed": {"is_cleared"},
    "app_home_opened": {"authorizations[].enterprise_id"},
}


class Noting:
    """A transport that keeps what it carries."""

    def __init__(self, carrier: Transport) -> None:
        self._carrier = carrier
        self.carried: list[Json] = []

    async def carry(self, envelope: Envelope) -> Json:
        self.carried.append(envelope.payload)
        return await self._carrier.carry(envelope)


def known(payloads: list[Json]) -> dict[str, dict[str, set[str]]]:
    """By shape and field: what was seen there."""
    found: dict[str, dict[str, set[str]]] = {}
    for payload in payloads:
        of_shape = found.setdefault(kind_of(payload), {})
        for path, what in fields(payload):
            of_shape.setdefault(path, set()).add(what)
    return found


@pytest.fixture
async def carried(tmp_path: Path) -> AsyncIterator[list[Json]]:
    """What the sandbox sent while Dana asked for a key and Erin approved it, and while Dana looked around."""
    async with play(tmp_path) as on:
        delivery = on.stage.slack.delivery
        delivery.transport = noting = Noting(delivery.transport)
        await on.ask()
        await on.approve()
        await on.key_is_there()
        await on.dana.click("Show secret")
        await on.dana.click("I saved it")
        await on.dana.open_home()
        await on.dana.wait_for(lambda: "Create API key" in str(on.dana.home), "her Home")
        await on.dana.open_home()
        await on.dana.open_home("messages")
        await on.dana.click("Create API key")
        await on.dana.see("Resource scope")
        await on.dana.close()
        await on.dana.shortcut(ids.SHORTCUT_CREATE)
        yield noting.carried


def extra(sent: Mapping[str, Mapping[str, set[str]]], recorded: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
    return [
        f"{shape}: {path}"
        for shape, paths in sent.items()
        for path in sorted(paths.keys() - recorded[shape].keys() - DOCUMENTED.get(shape, set()))
    ]


async def test_the_sandbox_sends_no_field_that_was_never_recorded(carried: list[Json]) -> None:
    recorded = known(
        [payload_of(each) for each in recordings().values() if each.get("type") not in {"hello", "disconnect"}]
    )
    sent = known(carried)

    assert {*sent} == {
        "app_home_opened",
        "block_actions",
        "block_suggestion",
        "shortcut",
        "slash_command",
        "view_submission",
    }
    assert extra(sent, recorded) == []
