"""`latchkey rehearse` takes everything back: interrupted at any step, skipped, alone, with lost answers."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.kinds import Kind
from bot.rehearsal import slack as slack_steps
from bot.rehearsal.findings import LINES, NOT_SETTLED, Findings, shapes
from sandbox.cast import CAST
from sandbox.gate import Gate
from sandbox.report import foreign, read
from sandbox.slack.manners import Manners
from sandbox.stage import answers
from tests.support.rehearsal import nothing_is_left, operator

PROMPTS = (
    "/apikey",
    "First field",
    "Second field",
    "select Draw again",
    "Don't type anything",
    "[2/10]",
    "[3/10]",
    "In the window, select Submit",
    "[4/10]",
    "[5/10]",
    "Delete below",
    "dummy message gone",
    "[6/10]",
    "[7/10]",
    "[8/10]",
    "[9/10]",
    "[10/10]",
    "Create an API key",
    "is deleted",
)
SKIPPED = (
    "First field",
    "Second field",
    "select Draw again",
    "Don't type anything",
    "[3/10]",
    "In the window, select Submit",
    "[4/10]",
    "Delete below",
)
MARK = "MARKED-9f3c"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_an_interruption_at_any_step_leaves_nothing(tmp_path: Path, prompt: str, number: signal.Signals) -> None:
    async with operator(tmp_path) as it:

        async def interrupt() -> None:
            os.kill(os.getpid(), number)

        it.stops_at, it.instead = prompt, interrupt
        assert await it.rehearse() == 1
        assert it.read()["interrupted"] is True, it.screen.text()
        nothing_is_left(it)


@pytest.mark.parametrize(
    ("prompt", "method"),
    [
        ("/apikey", "views.open"),
        ("Second field", "views.update"),
        ("select Draw again", "views.update"),
        ("Don't type anything", "views.update"),
        ("[5/10]", "response_url"),
        ("Delete below", "response_url"),
        ("[6/10]", "users.info"),
        ("[7/10]", "conversations.info"),
    ],
)
async def test_what_slack_carries_out_after_an_interruption_is_taken_back_too(
    tmp_path: Path, prompt: str, method: str
) -> None:
    async with operator(tmp_path) as it:
        gate, holds = Gate(), it.stage.slack.faults.hold_before
        interrupting: list[asyncio.Task[None]] = []

        async def interrupt() -> None:
            await gate.reached.wait()
            del holds[method]  # what comes after the held call would overtake it
            os.kill(os.getpid(), signal.SIGINT)
            with suppress(TimeoutError):  # it waits for the held call, and so ends only after it
                await asyncio.wait_for(it.screen.see("Report:"), 0.7)
            gate.opened.set()

        async def hold() -> None:
            holds[method] = gate
            interrupting.append(asyncio.create_task(interrupt()))
            it.done -= 1

        it.stops_at, it.instead = prompt, hold
        assert await it.rehearse(grace=5) == 1
        await interrupting[0]
        await answers(it.stage.slack_url)  # a round trip, so that the held call was carried out
        nothing_is_left(it)


async def test_an_interruption_before_the_first_step_closes_everything(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        it.stage.faults.set("failing", "delete")
        await it.rehearse()
        it.stage.faults.set("failing", "none")

        async def interrupt() -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        it.stops_at, it.instead = "is left over from a rehearsal", interrupt
        assert await it.rehearse() == 1
        assert "Stopped before the first step. Nothing was created." in it.screen.text()
        assert await it.rehearse() == 0, it.screen.text()
        nothing_is_left(it)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_interruption_while_a_key_is_created_leaves_no_key(tmp_path: Path, when: str) -> None:
    async with operator(tmp_path) as it:
        gate = Gate()
        holds = it.stage.faults.hold_before if when == "before" else it.stage.faults.hold_after
        holds["create"] = gate

        async def interrupt() -> None:
            it.screen.typed.put_nowait("y")
            await gate.reached.wait()
            os.kill(os.getpid(), signal.SIGINT)
            gate.opened.set()

        it.stops_at, it.instead = "Create an API key", interrupt
        assert await it.rehearse() == 1
        assert "is deleted" in it.screen.text()
        nothing_is_left(it)


async def test_a_message_that_nobody_deletes_is_said_to_be_still_there(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:

        async def away() -> None:
            it.stops_at = "Delete below"

        it.stops_at, it.instead = "Delete below", away
        assert await it.rehearse(confluent="", seconds=2, grace=0.1) == 0
        assert "disappears when Slack reloads" in it.screen.text()


@pytest.mark.parametrize("prompt", SKIPPED)
async def test_a_step_that_is_skipped_leaves_the_others(tmp_path: Path, prompt: str) -> None:
    async with operator(tmp_path) as it:

        async def skip() -> None:
            it.screen.typed.put_nowait("s")

        it.stops_at, it.instead = prompt, skip
        assert await it.rehearse(confluent="", grace=5) == 0, it.screen.text()
        assert it.verdicts()["slack.email-confirmed"] == "TRUE"
        nothing_is_left(it)


async def test_an_operator_who_is_away_creates_nothing(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        it.stops_at, it.instead = "Rehearsal on", it.screen.typed.get  # type: ignore[assignment] # never returns
        assert await it.rehearse(seconds=0.1) == 0, it.screen.text()
        assert set(it.verdicts().values()) <= {"not seen", "TRUE", "FALSE"}
        assert it.verdicts()["confluent.keys-for-users"] == "not seen"
        nothing_is_left(it)


async def test_a_step_that_fails_in_an_unexpected_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise KeyError(MARK)

    monkeypatch.setattr(slack_steps.SlackSteps, "late_ack", broken)
    async with operator(tmp_path) as it:
        assert await it.rehearse() == 1
        assert it.read()["failed"] == ["KeyError"]
        assert it.verdicts()["confluent.gone-is-403"] == "TRUE"
        nothing_is_left(it)


@pytest.mark.parametrize(("expiry", "verdict"), [("honored", "TRUE"), ("ignored", "FALSE"), ("refused", "FALSE")])
async def test_what_confluent_does_with_the_end_of_a_key(tmp_path: Path, expiry: str, verdict: str) -> None:
    async with operator(tmp_path) as it:
        it.stage.faults.set("expires_at", expiry)
        assert await it.rehearse() == 0, it.screen.text()
        assert it.verdicts()["confluent.expires-at"] == verdict
        assert it.read()["seen"]["confluent.expires-at"]["answer"] == expiry
        nothing_is_left(it)


@pytest.mark.parametrize(
    "faults",
    [
        {"answer_lost": "next create"},
        {"request_lost": "next create"},
        {"failing": "create, after the effect"},
        {"answer_lost": "next delete"},
        {"user_keys": "refused"},
        {"create_refused": "402"},
    ],
    ids=str,
)
async def test_trouble_at_confluent_leaves_no_key(tmp_path: Path, faults: Mapping[str, str]) -> None:
    async with operator(tmp_path) as it:
        for name, value in faults.items():
            it.stage.faults.set(name, value)
        await it.rehearse()
        assert it.verdicts()["confluent.keys-for-users"] == {"refused": "FALSE"}.get(
            faults.get("user_keys", ""), it.verdicts()["confluent.keys-for-users"]
        )
        nothing_is_left(it)


async def test_a_create_that_nobody_knows_the_end_of_is_said(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        it.stage.faults.set("request_lost", "next create")
        assert await it.rehearse() == 1
        assert "no clear answer to the create, and lists no such key" in it.screen.text()


async def test_a_key_that_cannot_be_deleted_is_named_and_offered_by_the_next_run(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        it.stage.faults.set("failing", "delete")
        assert await it.rehearse() == 1
        (key,) = it.keys()
        assert f"couldn't be deleted: {key}" in it.screen.text()
        assert key not in it.report.read_text()

        it.stage.faults.set("failing", "none")
        assert await it.rehearse() == 0, it.screen.text()
        assert f"Key {key} is left over from a rehearsal" in it.screen.text()
        nothing_is_left(it)


async def test_a_key_that_only_looks_a_little_like_one_of_ours_is_not_offered(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        organization = it.stage.organization
        kafka = organization.resource("lkc-dev001", None)
        assert kafka.kind is Kind.KAFKA
        for description in ("[lk-rehearsal:0123456789abcdef] and more", "lk-rehearsal"):
            organization.create_key(kafka, "u-dana01", name="latchkey-rehearsal", description=description)
        assert await it.rehearse(confluent="") == 0
        assert "is left over from" not in it.screen.text()


async def test_other_people_are_told_to_come_later(tmp_path: Path) -> None:
    async with operator(tmp_path) as it:
        erin = it.stage.slack.person("U0ERIN")

        async def interfere() -> None:
            await erin.command("/apikey create")
            await erin.see("is being tested right now")
            it.done -= 1

        it.stops_at, it.instead = "/apikey", interfere
        assert await it.rehearse() == 0, it.screen.text()
        assert erin.modal is None


async def test_an_answer_that_lands_late_is_seen(tmp_path: Path) -> None:
    manners = Manners()
    manners.set("acks", "late")
    manners.next_acks = [(0, 0.0), (0, 0.2), (1, 30.0)]
    async with operator(tmp_path, manners) as it:
        assert await it.rehearse(confluent="") == 0, it.screen.text()
        assert (it.verdicts()["slack.acked-external-id"], it.verdicts()["slack.late-ack"]) == ("TRUE", "TRUE")
        nothing_is_left(it)


async def test_the_report_holds_words_of_ours_alone(tmp_path: Path) -> None:
    async with operator(tmp_path, Manners.unkind(1)) as it:
        people, organization = it.stage.slack.workspace.people, it.stage.organization
        people["U0DANA"] = replace(people["U0DANA"], name=MARK, title=MARK)
        clusters = organization.kafka_clusters
        clusters["lkc-dev001"] = replace(clusters["lkc-dev001"], name=MARK)
        await it.rehearse()
        report = it.report.read_text()
        private = [MARK, *it.stage.environment().values(), it.stage.slack_url, organization.id, "http", "lkc-", "env-"]
        private += [word for each in CAST for word in (each.slack, each.email, each.name, each.principal or MARK)]
        private += [it.code, "T0ACME", "lk-rehearsal"]
        assert [word for word in private if len(word) > 3 and word in report] == []
        ours = re.compile(
            r"TRUE|FALSE|not seen|absent|null|(empty )?string|number|object|boolean (true|false)|list of \d+"
            r"|whole|empty|stale|not always the same|a time|zero value"
            r"|honored|ignored|refused|ok|JSON ok (true|false)|other.*|application/json|text/plain|[A-Z][A-Za-z]+"
        )
        assert [word for word in _words(json.loads(report)["seen"]) if not ours.fullmatch(word)] == []
        assert foreign(read(it.report)) == []


def test_shapes_hold_no_value_and_no_name_that_was_not_asked_for() -> None:
    found: dict[str, object] = {MARK: MARK, "a": MARK, "b": {MARK: MARK}, "c": [MARK], "d": None, "e": False, "f": 7}
    assert shapes(found, "abcdefg") == {
        "a": "string",
        "b": "object",
        "c": "list of 1",
        "d": "null",
        "e": "boolean false",
        "f": "number",
        "g": "absent",
    }


def test_a_report_that_was_there_becomes_unreadable_for_others(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("before")
    file.chmod(0o644)
    Findings().write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["not_settled"] == dict(NOT_SETTLED)
    assert {each.entry for each in LINES} == json.loads(file.read_text())["verdicts"].keys()


def _words(part: object) -> list[str]:
    if isinstance(part, dict):
        return [word for each in part.values() for word in _words(each)]
    return [part] if isinstance(part, str) else []
