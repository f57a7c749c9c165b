"""`mint: on_claim`: the key is made by the requester's own click, so that its secret is never stored anywhere."""

import logging
from pathlib import Path

import pytest

from bot.domain.keys import RequestId, TeamId
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from sandbox.cast import TEAM
from sandbox.gate import Gate
from tests.support.play import POLICY_FILE, Play, bot_of, play, policy_of
from tests.support.processes import LEASE, creates, crew, held, in_time, payloads_with, reached
from tests.support.wishes import IN_DEV, ask, buttons, later, new_policy, words_of

ON_CLAIM = "version: 1\ndefaults: {mint: on_claim}\n"
FORBIDDEN = f"{ON_CLAIM}rules: [{{name: closed, forbid: No keys this week.}}]\n"
OFFERED = "The key is created when you do."


async def offered(it: Play) -> None:
    """Dana asks, Erin approves, and the offer is there."""
    await ask(it, it.dana, IN_DEV)
    await it.approve()
    await it.dana.see(OFFERED)


async def take_secret(it: Play) -> str:
    """Dana clicks, and the key is made and its secret shown, in one message. Returns the key's id."""
    await it.dana.click("Show secret")
    await it.dana.see("You viewed the secret for key")
    (key,) = it.our_keys()
    secret = it.stage.organization.secrets_issued[key]
    assert sum(secret in str(each) for each in it.dana.ephemerals) == 1
    assert payloads_with(it.stage, secret) == 1
    return key


async def stored_secrets(it: Play) -> list[bytes]:
    """The keys in Redis that hold a secret, sealed or not."""
    async with connect(f"unix://{it.stage.folder}/data/valkey.sock") as redis:
        commands: Commands = redis
        pattern = Keyspace(TeamId(TEAM)).secret(RequestId("*"))
        return [name async for name in commands.scan_iter(match=pattern)]


async def test_nothing_is_made_before_the_click_and_its_secret_is_stored_nowhere(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        await it.card_says("The key is created when they do.")
        assert creates(it.stage) == 0

        async with held(it.stage.slack.faults.hold_before, "response_url") as gate:
            await it.dana.click("Show secret")
            await reached(gate)
            (key,) = it.our_keys()
            assert await stored_secrets(it) == []
        secret = it.stage.organization.secrets_issued[key]
        await it.dana.see(secret)
        await it.dana.see("You viewed the secret for key")
        assert payloads_with(it.stage, secret) == 1
        assert not it.erin.sees(secret)
        assert await stored_secrets(it) == []

        await it.dana.click("I saved it")
        await it.dana.see("you saved the secret for key")
        actions = [line["action"] for line in await it.audit()]
        assert actions[-5:] == [
            "key:create-intended",
            "key:created",
            "secret:show-intended",
            "secret:shown",
            "secret:confirmed",
        ]


async def test_a_second_click_while_the_key_is_made_makes_no_second_key(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        gate = it.stage.faults.hold_before_create = Gate()
        await offered(it)
        offer = it.dana.messages()[-1]
        await it.press("U0DANA", it.dana.dm, offer, "Show secret")
        await reached(gate)
        await it.press("U0DANA", it.dana.dm, offer, "Show secret")
        await it.dana.wait_for(lambda: it.dana.ephemerals, "an answer to the second click")
        assert "API secret:" not in str(it.dana.ephemerals)
        gate.opened.set()

        await it.dana.see("API secret:")
        await it.dana.see("You viewed the secret for key")
        assert creates(it.stage) == 1
        (key,) = it.our_keys()
        assert payloads_with(it.stage, it.stage.organization.secrets_issued[key]) == 1


async def test_a_lost_answer_leaves_no_orphan_and_the_next_click_works(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        before = set(it.stage.organization.secrets_issued)
        it.stage.faults.answer_lost = "next create"
        await it.dana.click("Show secret")
        await it.dana.see("The key couldn't be created. See the message about it for details.")
        (orphan,) = set(it.stage.organization.secrets_issued) - before
        await it.until(lambda: buttons(*it.dana.messages()) == [], "the offer to wait")
        await it.until(lambda: buttons(*it.dana.messages()) == ["Show secret"], "a new offer", step=6)
        assert it.our_keys() == []

        assert await take_secret(it) != orphan
        assert payloads_with(it.stage, it.stage.organization.secrets_issued[orphan]) == 0


async def test_a_create_that_arrives_after_it_was_given_up_leaves_no_second_key(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        gate = it.stage.faults.hold_before_create = Gate()
        await offered(it)
        await it.press("U0DANA", it.dana.dm, it.dana.messages()[-1], "Show secret")
        await reached(gate)
        it.stage.faults.hold_before_create = None
        await it.until(lambda: it.dana.sees("See the latest message."), "a new offer", step=6)
        assert it.our_keys() == []

        gate.opened.set()  # the click is still there, but it was for the offer that was given up
        await it.dana.see("This button is for an earlier key.")
        await it.dana.click("Show secret")
        await it.dana.see("You viewed the secret for key")
        await it.until(lambda: creates(it.stage) == 2 and len(it.our_keys()) == 1, "the late key to go")
        (key,) = it.our_keys()
        assert it.dana.sees(it.stage.organization.secrets_issued[key])


async def test_a_create_that_arrives_when_nobody_waits_for_it_any_more_is_deleted_at_once(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        gate = it.stage.faults.hold_before_create = Gate()
        await offered(it)
        await it.press("U0DANA", it.dana.dm, it.dana.messages()[-1], "Show secret")
        await reached(gate)
        it.stage.faults.hold_before_create = None
        await it.until(lambda: it.dana.sees("See the latest message."), "a new offer", step=6)
        it.advance(minutes=2)

        gate.opened.set()
        await it.dana.see("This button is for an earlier key.")
        await it.until(lambda: creates(it.stage) == 1 and it.our_keys() == [], "the late key to go")
        assert len(await it.audit("key:deleted")) == 1


async def test_killed_between_the_create_and_the_showing_the_orphan_is_deleted_and_the_key_offered_again(
    tmp_path: Path,
) -> None:
    (tmp_path / POLICY_FILE).write_text(ON_CLAIM)
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_after_create = Gate()
        victim = await bots.start(**policy_of(it.stage))
        await offered(it)
        await it.dana.click("Show secret")
        await reached(gate)
        (orphan,) = it.our_keys()
        await bots.kill(victim)
        it.stage.faults.hold_after_create = None
        gate.opened.set()

        async with bot_of(it.stage):
            it.advance(seconds=LEASE)
            await in_time(it, it.dana, "See the latest message.")
            await it.until(lambda: buttons(*it.dana.messages()) == ["Show secret"], "a new offer", step=6)
            assert it.our_keys() == []
            assert await take_secret(it) != orphan


async def test_an_offer_that_nobody_takes_ends_without_a_key(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        offer = it.dana.messages()[-1]
        await later(it, hours=25)
        await it.card_says("The secret wasn't viewed in time.")
        await it.dana.wait_for(lambda: buttons(*it.dana.messages()) == ["Request again"], "the button to go")
        await it.dana.see("no key for orders-dev (orders producer) was created. See the latest message.")
        assert "deleted" not in words_of(*it.dana.messages())

        await it.press("U0DANA", it.dana.dm, offer, "Show secret")
        await it.dana.see("This request failed")
        assert creates(it.stage) == 0


async def test_a_click_after_the_deadline_counts_by_the_clock(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        offer = it.dana.messages()[-1]
        await later(it, hours=24)
        await it.press("U0DANA", it.dana.dm, offer, "Show secret")
        await it.dana.wait_for(lambda: it.dana.ephemerals, "an answer")
        await it.card_says("The secret wasn't viewed in time.")
        assert creates(it.stage) == 0


async def test_a_role_lost_before_the_click_ends_it_with_words(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        bindings = it.stage.organization.role_bindings
        for held_ in [each for each in bindings.values() if each.principal == "u-erin01"]:
            del bindings[held_.id]
        await it.dana.click("Show secret")
        await it.dana.see(
            "An approval no longer counts: the approver has since lost the role. Nothing changed in Confluent Cloud."
        )
        await it.card_says("Failed")
        await it.dana.wait_for(lambda: buttons(*it.dana.messages()) == ["Request again"], "the button to go")
        assert creates(it.stage) == 0


async def test_a_rule_that_forbids_meanwhile_ends_it_with_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "latchkey")
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        await new_policy(it, FORBIDDEN, caplog.records)
        await it.dana.click("Show secret")
        await it.dana.see("No keys this week. (rule: closed) Nothing changed in Confluent Cloud.")
        await it.card_says("No keys this week. (rule: closed)")
        assert creates(it.stage) == 0


async def test_while_confluent_is_away_the_offer_stays_and_the_person_is_told(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        it.stage.faults.failing = "all"
        await it.dana.click("Show secret")
        await it.dana.wait_for(lambda: it.dana.ephemerals, "an answer")
        assert "Confluent" in words_of(*it.dana.ephemerals)
        assert "Nothing changed" in words_of(*it.dana.ephemerals)
        it.stage.faults.reset()
        assert buttons(*it.dana.messages()) == ["Show secret"]
        await take_secret(it)


async def test_a_create_that_confluent_refuses_ends_it_and_says_why(tmp_path: Path) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        it.stage.faults.create_refused = "403"
        await it.dana.click("Show secret")
        await it.dana.see("The key couldn't be created. See the message about it for details.")
        await it.card_says("Confluent Cloud refused to create the key")
        await it.dana.wait_for(lambda: buttons(*it.dana.messages()) == ["Request again"], "the button to go")
        assert it.our_keys() == []


async def test_a_secret_that_slack_did_not_take_is_lost_with_its_key_and_can_be_asked_for_again(
    tmp_path: Path,
) -> None:
    async with play(tmp_path, policy=ON_CLAIM) as it:
        await offered(it)
        before = set(it.stage.organization.secrets_issued)
        it.stage.slack.faults.response_url = "500"
        await it.dana.click("Show secret")
        await it.dana.see("Slack didn't accept the message with the secret.")
        (lost,) = set(it.stage.organization.secrets_issued) - before
        await it.until(lambda: it.our_keys() == [], "the key to go")
        it.stage.slack.faults.reset()

        await it.dana.click("Replace key", in_channel=it.dana.dm)
        await it.until(lambda: "Show secret" in buttons(*it.dana.messages()), "a new offer")
        assert it.our_keys() == []
        assert await take_secret(it) != lost
        assert payloads_with(it.stage, it.stage.organization.secrets_issued[lost]) == 1
