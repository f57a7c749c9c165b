"""`kill -9` at the worst moments: another process finishes or undoes what the dead one began."""

import os
import signal
from pathlib import Path

import pytest

from bot.services import worker
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.gate import Gate
from sandbox.slack.blocks import Json, interactive
from tests.support.play import bot_of
from tests.support.processes import (
    LEASE,
    actions,
    audit_of,
    creates,
    crew,
    held,
    in_time,
    payloads_with,
    reached,
    take_secret,
    until,
)

MANY = 1000


@pytest.fixture(autouse=True)
def successor_looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of these tests runs fast, so the process that takes over has to look more often than each second."""
    monkeypatch.setattr(worker, "POLL", 0.05)


async def test_t17_who_was_paused_in_a_create_undoes_it_where_another_one_took_the_work(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_before_create = Gate()
        paused = await bots.start()
        await it.ask()
        await it.approve()
        await reached(gate)
        assert paused.pid is not None
        os.kill(paused.pid, signal.SIGSTOP)
        it.stage.faults.hold_before_create = None

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "is ready.")
            (key,) = it.our_keys()

            gate.opened.set()
            await until(lambda: len(it.our_keys()) == 2, "the late key")
            os.kill(paused.pid, signal.SIGCONT)
            await until(lambda: it.our_keys() == [key], "the end of the late key, by its maker")
            await take_secret(it)
            lines = await audit_of(it.stage)

    assert [line["details"]["key"] for line in lines if line["action"] == "key:created"] == [key]


async def test_killed_before_the_create_another_process_makes_the_one_key(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_before_create = Gate()
        victim = await bots.start()
        await it.ask()
        await it.approve()
        await reached(gate)
        await bots.kill(victim)
        it.stage.faults.hold_before_create = None

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.erin, "Latchkey is checking whether a key was created")
            await in_time(it, it.dana, "is ready.")
            (key,) = it.our_keys()
            assert creates(it.stage) == 1

            # Only now does what the dead process had sent arrive.
            gate.opened.set()
            await until(lambda: len(it.our_keys()) == 2, "the late key")
            it.advance(minutes=3)
            await until(lambda: it.our_keys() == [key], "the end of the late key")

            secret = await take_secret(it)
            lines = await audit_of(it.stage)

    assert secret == it.stage.organization.secrets_issued[key]
    told = actions(lines)
    assert told.index("key:create-intended") < told.index("key:created")
    assert (told.count("key:create-intended"), told.count("key:created")) == (2, 1)
    assert told.index("key:delete-intended") < told.index("key:deleted")
    assert told[-2:] == ["secret:show-intended", "secret:shown"]


async def test_killed_after_the_create_its_key_is_deleted_and_another_made(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_after_create = Gate()
        victim = await bots.start()
        await it.ask()
        await it.approve()
        await reached(gate)
        (orphan,) = it.our_keys()
        await bots.kill(victim)
        it.stage.faults.hold_after_create = None
        gate.opened.set()

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "is ready.")
            (key,) = it.our_keys()
            await take_secret(it)
            lines = await audit_of(it.stage)

    assert key != orphan
    assert payloads_with(it.stage, it.stage.organization.secrets_issued[orphan]) == 0
    deleted = [line["details"]["key"] for line in lines if line["action"] in {"key:delete-intended", "key:deleted"}]
    assert deleted == [orphan, orphan]
    assert [line["details"]["key"] for line in lines if line["action"] == "key:created"] == [key]


@pytest.mark.parametrize("moment", ["before Slack had it", "after Slack had it"])
async def test_killed_while_the_secret_was_on_its_way_the_key_is_deleted_and_can_be_issued_again(
    tmp_path: Path, moment: str
) -> None:
    async with crew(tmp_path) as (it, bots):
        victim = await bots.start()
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        (lost,) = it.our_keys()
        faults = it.stage.slack.faults
        async with held(faults.hold_before if "before" in moment else faults.hold_after, "response_url") as gate:
            await it.dana.click("Show secret")
            await reached(gate)
            await bots.kill(victim)
        sent = it.stage.organization.secrets_issued[lost]

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "can't tell whether you saw it.")
            await in_time(it, it.dana, f"Your key {lost} for orders-dev (orders producer) was deleted")
            assert it.our_keys() == []

            await it.dana.click("Replace key", in_channel=it.dana.dm)
            await in_time(it, it.dana, "is ready.")
            shown = await take_secret(it)
            lines = await audit_of(it.stage)

    assert shown != sent
    assert payloads_with(it.stage, sent) == 1
    told = actions(lines)
    assert told.count("request:approved") == 1
    assert told.count("secret:show-intended") == 2
    assert told.index("secret:show-intended") < told.index("secret:undelivered") < told.index("key:deleted")
    assert told[-1] == "secret:shown"


async def test_a_click_that_was_answered_outlives_the_process_that_answered_it(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        victim = await bots.start()
        await it.ask()
        async with held(it.stage.slack.faults.hold_before, "users.info") as gate:
            await it.approve()
            await reached(gate)
            await bots.kill(victim)
        assert it.erin.notices == []  # Slack had its answer

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "is ready.")
            await it.card_says("Approved by")
            await take_secret(it)
            lines = await audit_of(it.stage)

    assert creates(it.stage) == 1
    assert actions(lines).count("request:approved") == 1


async def test_t10_an_approval_that_nobody_could_be_told_of_outlives_kill_9_and_is_carried_out_once(
    tmp_path: Path,
) -> None:
    async with crew(tmp_path) as (it, bots):
        faults = it.stage.slack.faults
        victim = await bots.start()
        await it.ask()
        # Slack's Web API and the response_url fail together.
        faults.failing, faults.response_url = MANY, "500"
        await it.approve()
        await until(lambda: faults.failing <= MANY - 2, "the first try, and that its end cannot be told")
        await bots.kill(victim)
        faults.reset()

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "is ready.")
            await it.card_says("Approved by")
            lines = await audit_of(it.stage)

    assert creates(it.stage) == 1
    assert actions(lines).count("request:approved") == 1


async def test_a_click_to_show_the_secret_that_waited_too_long_shows_nothing(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        victim = await bots.start()
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        async with held(it.stage.slack.faults.hold_before, "users.info") as gate:
            await it.dana.click("Show secret")
            await reached(gate)
            await bots.kill(victim)
        it.advance(minutes=5)

        async with bot_of(it.stage):
            await it.dana.see("Latchkey was restarting when you clicked.")
            await take_secret(it)


async def test_a_card_that_nobody_remembers_posting_is_kept_true_once_it_is_clicked(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        victim = await bots.start()
        async with held(it.stage.slack.faults.hold_after, "chat.postMessage") as gate:
            await it.send()
            await reached(gate)
            await bots.kill(victim)
        (forgotten,) = it.cards()

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await it.erin.wait_for(lambda: len(it.cards()) == 2, "the card of the process that took over")
            await it.stage.slack.interactions.act_in_message(
                "U0ERIN", APPROVALS_CHANNEL, str(forgotten["ts"]), approve_button(forgotten)
            )
            await it.dana.see("is ready.")
            await it.erin.wait_for(
                lambda: all(
                    "to view the secret" in str(card) and "Approve" not in buttons(card) for card in it.cards()
                ),
                "both cards to tell",
            )
            await take_secret(it)
            await it.card_says(" viewed ")

    assert creates(it.stage) == 1


def approve_button(card: Json) -> Json:
    """The button `Approve` of a card, as Slack's client names it."""
    block, button = next(pair for pair in interactive(card["blocks"]) if pair[1]["text"]["text"] == "Approve")
    return {"block_id": block["block_id"], "action_id": button["action_id"]}


def buttons(card: Json) -> list[str]:
    """The words on the buttons of a card."""
    return [button["text"]["text"] for _, button in interactive(card["blocks"])]
