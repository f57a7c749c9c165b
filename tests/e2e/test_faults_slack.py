"""Slack refuses, stumbles or loses its answer: retried or explained, no request lost, no secret shown in doubt."""

import re
from pathlib import Path
from typing import get_args

import httpx
import pytest

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.confluent import BOT_KEY
from sandbox.slack.faults import ResponseUrl
from tests.support.play import Play, play, send_anyway
from tests.support.processes import held, reached


async def test_a_card_that_slack_does_not_take_at_first_is_posted_later(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for number, fault in enumerate(("rate_limited", "failing"), start=1):
            faults = it.stage.slack.faults
            faults.method = "chat.postMessage"
            faults.set(fault, 3)
            await _send(it, name=fault)
            await it.until(lambda: it.card_reads("Approve"), "the card", step=2)
            await it.dana.wait_for(lambda: fault in str(it.dana.messages()), "her own copy")  # noqa: B023 - over before the next one
            assert len(it.cards()) == number
            await it.dana.click("Cancel request")
            await it.card_says("Cancelled by")
        assert it.dana.notices == it.erin.notices == []


async def test_a_card_that_slack_does_not_update_at_first_is_updated_later(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        faults = it.stage.slack.faults
        faults.method = "chat.update"
        for fault in ("rate_limited", "failing"):
            await it.ask(name=fault)
            faults.set(fault, 4)
            await it.approve()
            await it.until(lambda: it.card_reads("to view the secret"), "the card", step=2)
        assert len(it.cards()) == 2


@pytest.mark.parametrize("fault", ["rate_limited", "failing"])
async def test_a_page_that_slack_does_not_show_at_first_is_shown_later(tmp_path: Path, fault: str) -> None:
    async with play(tmp_path) as it:
        faults = it.stage.slack.faults
        await it.fill_in(name=fault)
        faults.method = "views.update"
        faults.set(fault, 1)
        await it.dana.submit()
        await it.until(lambda: it.dana.sees("Review your request"), "the review page", step=2)
        faults.set(fault, 1)
        await it.dana.submit()
        await it.until(lambda: it.dana.sees("Request sent."), "the end", step=2)
        await it.card_says(fault)
        assert len(it.cards()) == 1
        assert len(await it.audit("request:submitted")) == 1


async def test_a_modal_that_is_closed_while_it_is_loaded_is_no_error(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        async with held(it.stage.slack.faults.hold_before, "views.update") as gate:
            await it.dana.command("/apikey list")
            await reached(gate)
            await it.dana.close()
        await it.dana.command("/apikey list")

        await it.dana.see("DANASLAPTOP00001")
        assert (it.dana.ephemerals, it.dana.notices) == ([], [])


async def test_a_form_that_cannot_open_in_time_is_explained(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.faults.expired_trigger = "next"
        await it.dana.command("/apikey create")
        await it.dana.see("Slack timed out before the form could open. Nothing changed. Try again.")
        it.dana.reload()
        it.stage.slack.faults.expired_trigger = "next"
        await it.dana.shortcut("apikey:create")
        await it.dana.see("Slack timed out")
        await it.ask()

        it.stage.slack.faults.expired_trigger = "next"
        await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("Slack timed out")
        await it.approve()
        await it.key_is_there()


async def test_people_are_sent_to_the_administrator_while_slack_refuses_our_token(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        await it.key_is_there()
        it.stage.slack.faults.answers = "token revoked"
        for command in ("/apikey create", "/apikey list", "/apikey whoami"):
            it.dana.reload()
            await it.dana.command(command)
            await it.dana.see("Ask your Latchkey administrator to install the Slack app again.")
            assert "again in a minute" not in str(it.dana.ephemerals)
            assert "Please try again" not in str(it.dana.ephemerals)
        it.dana.reload()
        await it.dana.click("Show secret")
        await it.dana.see("Ask your Latchkey administrator to install the Slack app again.")
        it.stage.slack.faults.answers = "works"
        assert await it.audit("secret:show-intended") == []


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_nothing_that_anyone_may_ask_for_asks_slack_or_confluent(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.services.worker.AT_ONCE", 0)  # what is due anyway is not what is asked about
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path, mode=mode) as it, httpx.AsyncClient() as client:
        (port,) = (vars(record)["port"] for record in caplog.records if record.message == "ready")
        calls = it.stage.slack.workspace.outgoing
        assert {"auth.test", "conversations.info"} <= {call.kind for call in calls}  # what the start looked at
        journal = it.stage.organization.journal
        await it.until(lambda: BOT_KEY in str([call.path for call in journal]), "the last call of a start")
        known, asked = len(calls), list(journal)
        it.stage.slack.faults.answers = "token revoked"  # nor does an answer of Slack change the last verdict
        for _ in range(20):
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            assert (answer.status_code, answer.json()["checks"]["channels"]) == (200, "ok")
            assert answer.json()["checks"]["confluent"] == "ok"
            for path in ("/healthz", "/metrics"):
                assert (await client.get(f"http://127.0.0.1:{port}{path}")).is_success
            answer = await client.post(f"http://127.0.0.1:{port}/slack/events", data={"command": "/apikey"})
            assert answer.status_code == (401 if mode == "http" else 404)
        assert [call.kind for call in calls[known:]] == []
        assert list(journal) == asked


async def test_a_form_that_changed_meanwhile_is_drawn_all_the_same(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.faults.hash_conflict = "next"
        await it.dana.command("/apikey create")
        await it.dana.fill({"Account": "service-account"})
        await it.dana.fill({"Service account": "orders-service"})
        it.stage.slack.faults.hash_conflict = "next"
        await it.dana.fill({"Environment": "dev"})
        await it.dana.wait_for(lambda: "resource:kafka:env-dev001" in str(it.dana.modal), "the clusters")
        await it.dana.fill({"Kafka cluster": "orders-dev", "Name": "n", "Reason": "r"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        assert it.dana.ephemerals == []


async def test_of_two_choices_in_a_row_both_are_drawn(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        it.stage.slack.faults.slow = 0.2
        await it.dana.fill({"Account": "service-account", "Environment": "dev"})
        it.stage.slack.faults.slow = 0
        await it.dana.wait_for(lambda: "resource:kafka:env-dev001" in str(it.dana.modal), "the clusters")
        await it.dana.wait_for(lambda: "Service account" in str(it.dana.modal), "the account")
        assert it.dana.ephemerals == []


async def test_without_a_channel_for_the_card_the_requester_is_told_until_it_is_repaired(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.faults.channel_not_found = "on"
        await _send(it)
        await it.dana.see("The card for approvers couldn't be posted.")
        await it.dana.see("(channel_not_found)")
        assert it.cards() == []
        it.advance(minutes=6)
        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: "Needs 1 approval" in str(it.dana.ephemerals), "the list")

        it.stage.slack.faults.channel_not_found = "off"
        it.advance(minutes=6)
        await it.card_says("Approve")
        await it.dana.wait_for(lambda: "couldn't be posted" not in str(it.dana.messages()), "the note to go")
        await it.approve()
        await it.key_is_there()


async def test_without_messages_from_latchkey_the_secret_is_in_the_list_of_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it:
        faults = it.stage.slack.faults
        faults.messages_refused, faults.messages_refused_with = "direct messages", "messages_tab_disabled"
        await it.send()
        await it.approve()
        await it.until(it.our_keys, "the key")
        (key,) = it.our_keys()
        await it.dana.command(f"/apikey show {key}")
        await it.dana.see("To view it, run")
        await it.dana.close()
        await it.erin.command(f"/apikey show {key}")
        await it.erin.wait_for(lambda: key in str(it.erin.modal), "the page of the key")
        assert "To view its secret" not in str(it.erin.modal)
        await it.erin.close()
        assert it.dana.messages() == []

        await it.dana.command("/apikey requests")
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")
        assert len(await it.audit("secret:shown")) == 1
        await it.dana.click("Show secret")
        await it.dana.see("It can't be shown again.")

        faults.messages_refused = "none"
        it.advance(minutes=6)
        await it.dana.wait_for(lambda: key in str(it.dana.messages()), "the message about the key")
        assert "Show secret" not in str(it.dana.messages())
        assert it.our_keys() == [key]

        (port,) = (vars(record)["port"] for record in caplog.records if record.message == "ready")
        async with httpx.AsyncClient() as client:
            counted = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        refused = re.search(
            r'latchkey_messages_refused_total\{code="messages_tab_disabled",surface="key"\} (\S+)', counted
        )
        assert refused
        assert float(refused[1]) > 0
        assert 'latchkey_events_total{action="secret:shown"} 1.0' in counted


async def test_a_list_of_requests_that_came_as_a_message_stays_a_list(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        await it.key_is_there()
        known = len(it.dana.messages())
        it.stage.slack.faults.response_url = "404"
        await it.dana.command("/apikey requests")
        await it.dana.wait_for(lambda: len(it.dana.messages()) > known, "the list")
        it.stage.slack.faults.response_url = "works"
        await it.dana.click("Show secret", beside="Your requests")
        await it.dana.see("API secret:")
        await it.dana.wait_for(lambda: "You viewed the secret" in str(it.dana.messages()[:known]), "the key")
        assert "Your requests" in str(it.dana.messages()[known])


async def test_a_card_that_was_deleted_in_slack_does_not_hold_up_the_key(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        (card,) = it.cards()
        workspace = it.stage.slack.workspace
        workspace.delete(workspace.channels[APPROVALS_CHANNEL], card["ts"])
        await it.erin.command("/apikey requests", channel=APPROVALS_CHANNEL)
        await it.erin.click("Approve", beside="orders producer", in_channel=APPROVALS_CHANNEL)
        await it.key_is_there()
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")


async def test_a_secret_that_may_not_have_arrived_is_worthless_and_replaced_without_approval(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        for fault in get_args(ResponseUrl)[1:]:
            await _lose_the_secret(it, fault)
        assert len(await it.audit("request:approved")) == 4


async def test_a_key_that_never_arrived_is_replaced_only_while_the_approval_is_fresh(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        await it.approve()
        await it.key_is_there()
        it.stage.slack.faults.response_url = "500"
        await it.dana.click("Show secret")
        await it.dana.see("was deleted")
        it.advance(hours=25)

        it.stage.slack.faults.response_url = "works"
        await it.dana.click("Replace key")
        await it.dana.see("so no other key is created. Request a new one with `/apikey create`.")
        assert it.our_keys() == []
        assert await it.audit("key:replacement-asked") == []


async def test_an_answer_that_its_response_url_does_not_take_comes_another_way(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        pavel = it.person("U0PAVEL")
        for fault in ("500", "404", "dropped"):
            it.stage.slack.faults.set("response_url", fault)
            it.dana.reload()
            pavel.reload()
            await pavel.click("Approve", in_channel=APPROVALS_CHANNEL)
            await pavel.see("Your Confluent roles don't cover this key")
            known = len(it.dana.messages())
            await it.dana.command("/apikey whoami")
            await it.dana.wait_for(lambda: len(it.dana.messages()) > known, "an answer in the DM")  # noqa: B023 - over before the next one
            assert "u-dana01" in str(it.dana.messages()[-1])
            assert it.dana.notices == pavel.notices == []


async def test_people_whom_slack_does_not_tell_apart_right_now_decide_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask()
        faults = it.stage.slack.faults
        faults.method, faults.failing = "users.info", 1
        await it.approve()
        await it.erin.see("Slack can't look up people right now. Nothing changed. Latchkey will keep trying")
        assert it.our_keys() == []
        await it.approve()
        await it.key_is_there()


async def _lose_the_secret(it: Play, fault: ResponseUrl) -> None:
    """One request, whose first secret gets lost in this way."""
    issued, outgoing = it.stage.organization.secrets_issued, it.stage.slack.workspace.outgoing
    await it.ask(name=fault)
    await it.approve()
    first = await it.key_is_there()
    it.stage.slack.faults.response_url = fault
    await it.dana.click("Show secret")

    await it.dana.see("Slack didn't accept the message with the secret.")
    await it.dana.see("you can replace it without a new approval")
    await it.until(lambda: it.our_keys() == [], "the key to go")
    await it.card_says("was deleted")
    assert it.dana.sees(issued[first]) == (fault == "answer lost")
    assert sum(issued[first] in str(each.payload) for each in outgoing) == 1

    it.stage.slack.faults.response_url = "works"
    await it.dana.click("Replace key")
    second = await it.key_is_there()
    await it.dana.click("Show secret")
    await it.dana.see(issued[second])
    await it.dana.click("I saved it")
    await it.card_says("saved the secret")
    assert it.our_keys() == [second]
    del it.stage.organization.api_keys[second]


async def _send(it: Play, name: str = "orders producer") -> None:
    """Dana sends a request, whatever comes of its card."""
    await it.fill_in(name)
    await it.dana.submit()
    await it.dana.see("Review your request")
    await send_anyway(it.dana)
