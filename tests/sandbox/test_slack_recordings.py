"""The sandbox's Slack sends no field that was never recorded from the real one, and leaves out what recordings lack."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from bot.slack.payloads import ids
from sandbox.cast import CAST, GENERAL_CHANNEL
from sandbox.slack import payloads
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, Transport
from sandbox.slack.manners import HABITS, Manners
from sandbox.slack.optional import ABSENT_OR_EMPTY, OPTIONAL, thinned
from sandbox.slack.workspace import Channel
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
OF_THEMSELVES = {
    # Absent or null for a reason that the sandbox has as well: where the click was, or who installed the app and how.
    "block_actions": {
        *("actions[].style", "channel", "container.channel_id", "container.is_ephemeral", "container.message_ts"),
        *("container.view_id", "message", "response_url", "trigger_id", "view", "view.close", "view.submit"),
        "view.previous_view_id",
    },
    "block_suggestion": {"container.view_id", "view", "view.previous_view_id"},
    "app_home_opened": {"authorizations[].team_id", "event.view"},
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
    async with play(tmp_path, manners=Manners()) as on:  # a kind Slack leaves nothing out
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
        on.stage.slack.interactions.message(on.dana.user, GENERAL_CHANNEL, "a key")
        (said,) = on.dana.messages(GENERAL_CHANNEL)
        await on.dana.message_shortcut(ids.SHORTCUT_LEAKED, GENERAL_CHANNEL, said["ts"])
        yield noting.carried


def extra(sent: Mapping[str, Mapping[str, set[str]]], recorded: Mapping[str, Mapping[str, set[str]]]) -> list[str]:
    return [
        f"{shape}: {path}"
        for shape, paths in sent.items()
        for path in sorted(paths.keys() - recorded[shape].keys() - DOCUMENTED.get(shape, set()))
    ]


def recorded() -> list[Json]:
    return [payload_of(each) for each in recordings().values() if each.get("type") not in {"hello", "disconnect"}]


def lack(payloads: list[Json]) -> dict[str, set[str]]:
    """By shape: what some payload has and another lacks that has its parent, or has as null."""
    has: dict[str, list[dict[str, set[str]]]] = {}
    for payload in payloads:
        for shape, paths in known([payload]).items():
            has.setdefault(shape, []).append(paths)
    return {
        shape: {
            path
            for path in {*OPTIONAL.get(shape, ()), *(path for each in of_shape for path in each)}
            for each in of_shape
            if "null" in each.get(path, ()) or (path not in each and _is_there(_parent(path), each))
        }
        for shape, of_shape in has.items()
    }


def _is_there(path: str, paths: Mapping[str, set[str]]) -> bool:
    return not path or paths.get(path, {"null"}) != {"null"}


def _parent(path: str) -> str:
    return path.rpartition(".")[0].removesuffix("[]")


async def test_the_sandbox_sends_no_field_that_was_never_recorded(carried: list[Json]) -> None:
    sent = known(carried)

    assert {*sent} == {
        "app_home_opened",
        "block_actions",
        "block_suggestion",
        "message_action",
        "shortcut",
        "slash_command",
        "view_submission",
    }
    assert extra(sent, known(recorded())) == []


def droppable(shape: str) -> set[str]:
    return {*OPTIONAL.get(shape, ()), *ABSENT_OR_EMPTY.get(shape, ())}


@pytest.mark.parametrize("shape", sorted(OPTIONAL.keys() | ABSENT_OR_EMPTY))
def test_whatever_the_sandbox_leaves_out_some_recording_lacks(shape: str) -> None:
    assert droppable(shape) - lack(recorded())[shape] == set()


async def test_whatever_recordings_lack_the_sandbox_can_leave_out(carried: list[Json]) -> None:
    missing = lack(recorded())
    kept = {
        f"{shape}: {path}"
        for shape, paths in known(carried).items()
        for path in paths.keys() & missing[shape] - droppable(shape) - OF_THEMSELVES.get(shape, set())
    }
    by_habit = {f"{shape}: team" for shape in missing} if "null" in HABITS["team"]["choices"] else set()
    assert kept - by_habit == set()


def test_what_may_be_absent_is_left_out() -> None:
    person, channel, view = CAST[0], Channel("C1", "general"), {"id": "V1", "hash": "1.a", "private_metadata": "{}"}
    submitted = payloads.view_submission(person, view, trigger="1.2.3")
    thin = thinned(submitted, lambda *_: True)
    assert submitted.keys() - thin.keys() == {"enterprise", "is_enterprise_install", "response_urls"}
    assert thin["view"] == {"id": "V1", "private_metadata": "{}"}
    assert thinned(submitted, lambda *_: False) == submitted

    clicked = payloads.ephemeral_action(person, channel, "1.2", {}, {"values": {}}, trigger="1.2.3", url="https://a")
    assert "state" not in thinned(clicked, lambda *_: True)
    clicked["state"]["values"] = {"block": {"field": {"value": "typed"}}}
    assert thinned(clicked, lambda *_: True)["state"] == clicked["state"]
