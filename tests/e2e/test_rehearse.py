"""`latchkey rehearse` against the sandbox, in every mood: the verdicts follow what it does, and nothing is left."""

from pathlib import Path

import pytest

from bot.rehearsal.findings import LINES, NOT_SETTLED, STEPS
from sandbox.slack.manners import Manners
from tests.support.rehearsal import nothing_is_left, operator
from tools.evidence import entries

KIND = {
    "slack.suggestion-state": "FALSE",
    "slack.block-id-echo": "TRUE",
    "slack.untouched-menu": "FALSE",
    "slack.echo-escaped": "FALSE",
    "slack.metadata-unescaped": "TRUE",
    "slack.state-of-the-page-before": "FALSE",
    "slack.redrawn-input": "FALSE",
    "slack.new-ids-are-fresh": "TRUE",
    "slack.acked-external-id": "TRUE",
    "slack.late-ack": "FALSE",
    "slack.response-url-answer": "TRUE",
    "slack.response-url-html": "not seen",
    "slack.delete-ephemeral": "TRUE",
    "slack.grid-user": "FALSE",
    "slack.grid-ids": "TRUE",
    "slack.email-confirmed": "TRUE",
    "slack.link-disabled": "not seen",
    "slack.newer-blocks": "not seen",
    "slack.ephemeral-by-click": "not seen",
    "slack.reply-rings": "not seen",
    "slack.context-mention": "not seen",
    "slack.used-address": "not seen",
    "slack.org-wide": "not seen",
    "slack.is-member": "FALSE",
    "confluent.own-account": "TRUE",
    "confluent.bindings-below": "FALSE",
    "confluent.keys-for-users": "TRUE",
    "confluent.key-reads-back": "TRUE",
    "confluent.expires-at": "FALSE",
    "confluent.expiry-rounded": "not seen",
    "confluent.expired-key-is-gone": "not seen",
    "confluent.gone-is-403": "TRUE",
    "confluent.forbidden-is-not-pending": "not seen",
    "slack.ends-after-hello": "not seen",
    "confluent.marked-keys-have-owners": "not seen",
    "confluent.cloud-key-without-resource": "not seen",
    "confluent.zero-expiry": "FALSE",
    "confluent.ip-filter": "not seen",
    "confluent.renamed-by-admins": "not seen",
    "confluent.cluster-listed-when": "not seen",
    "around.github-token-hash": "not seen",
    "around.github-repeats": "not seen",
    "around.github-confluent-keys": "not seen",
}


def moody(habit: str, value: str) -> Manners:
    manners = Manners()
    manners.set(habit, value)
    return manners


def test_each_unknown_of_the_evidence_has_a_step_or_a_reason() -> None:
    unknown = {(each["id"], each["settled_by"]) for each in entries() if each["verdict"] == "UNKNOWN"}
    assert unknown - {(line.entry, line.step) for line in LINES} == set()
    assert [entry for entry, step in unknown if step not in STEPS and entry not in NOT_SETTLED] == []


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_kind_slack(tmp_path: Path, mode: str) -> None:
    async with operator(tmp_path) as it:
        assert await it.rehearse(mode=mode) == 0, it.screen.text()
        assert it.verdicts() == KIND, it.screen.text()
        assert it.report.stat().st_mode & 0o777 == 0o600
        nothing_is_left(it)


@pytest.mark.parametrize(
    ("habit", "value", "entry", "verdict"),
    [
        ("suggestion_state", "empty", "slack.suggestion-state", "TRUE"),
        ("suggestion_state", "stale", "slack.suggestion-state", "TRUE"),
        ("acked_external_id", "ignored", "slack.acked-external-id", "FALSE"),
        ("input", "sticks", "slack.redrawn-input", "TRUE"),
        ("untouched_menu", "absent", "slack.untouched-menu", "TRUE"),
        ("echo", "escaped", "slack.echo-escaped", "TRUE"),
        ("metadata", "escaped", "slack.metadata-unescaped", "FALSE"),
        ("is_member", "absent", "slack.is-member", "TRUE"),
        ("response_url", "JSON", "slack.response-url-answer", "TRUE"),
    ],
)
async def test_each_habit_of_slack_changes_its_verdict_alone(
    tmp_path: Path, habit: str, value: str, entry: str, verdict: str
) -> None:
    async with operator(tmp_path, moody(habit, value)) as it:
        assert await it.rehearse(confluent="") == 0, it.screen.text()
        expected = KIND | {each: "not seen" for each in KIND if each.startswith("confluent.")} | {entry: verdict}
        assert it.verdicts() == expected, it.screen.text()
        nothing_is_left(it)
