"""`latchkey doctor`: what it prints, for people and for programs, and its exit codes."""

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from bot.cli import main
from bot.diagnosis.findings import Finding, failed, ok, unknown, warning
from bot.settings import KNOWN, Settings
from bot.store.sealing import new_master_key

ENVIRONMENT = {
    "SLACK_BOT_TOKEN": "xoxb-made-up",
    "SLACK_SIGNING_SECRET": "made-up-signing",
    "CONFLUENT_CLOUD_API_KEY": "AAAABBBBCCCCDDDD",
    "CONFLUENT_CLOUD_API_SECRET": "made-up-secret",
    "LATCHKEY_MASTER_KEYS": new_master_key(),
    "LATCHKEY_CHANNEL": "C02ABC",
    "LATCHKEY_SECRETS_DIR": ".",
}
WELL = ok("Slack", "Acme (T01)")
ODD = warning("appendfsync", "appendfsync is everysec.", "Set it to always.")
ILL = failed("store", "Redis is full.", "Give it more memory.")
UNTOLD = unknown("signing secret", "Only Slack can tell.", "Type /apikey help.")
LATER = unknown("Confluent Cloud", "Confluent Cloud didn't answer.", "Try again in a minute.", may_pass=True)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def finding(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    async def examine(_: Settings) -> Sequence[Finding]:
        return findings

    monkeypatch.setattr("bot.diagnosis.examine.examine", examine)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([WELL], 0),
        ([WELL, ODD, UNTOLD], 0),
        ([WELL, ILL, ODD], 1),
        ([WELL, LATER], 75),
        ([LATER, ILL], 1),
    ],
)
def test_the_exit_code_says_whether_something_fails(
    findings: Sequence[Finding], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(monkeypatch, *findings)

    assert CliRunner().invoke(main.app, ["doctor"]).exit_code == code


def test_people_read_a_line_for_each_and_one_for_all_that_wait_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [unknown(name, "The store doesn't answer.") for name in ("disk", "clock")]
    finding(monkeypatch, WELL, ok("port"), ILL, *waiting, ODD)

    assert CliRunner().invoke(main.app, ["doctor"]).stdout.splitlines() == [
        "Slack: ok: Acme (T01)",
        "port: ok",
        "store: failed: Redis is full. Give it more memory.",
        "disk, clock: unknown: The store doesn't answer.",
        "appendfsync: warning: appendfsync is everysec. Set it to always.",
    ]


def test_programs_read_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, WELL, ILL, LATER)

    assert json.loads(CliRunner().invoke(main.app, ["doctor", "--json"]).stdout) == [
        {"check": "Slack", "state": "ok", "says": "Acme (T01)", "do": ""},
        {"check": "store", "state": "failed", "says": "Redis is full.", "do": "Give it more memory."},
        {
            "check": "Confluent Cloud",
            "state": "unknown",
            "says": "Confluent Cloud didn't answer.",
            "do": "Try again in a minute.",
        },
    ]


def test_settings_that_will_not_do_are_findings_and_exit_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.delenv("LATCHKEY_CHANNEL")
    monkeypatch.setenv("LATCHKEY_CHANEL", "C02ABC")

    ended = CliRunner().invoke(main.app, ["doctor", "--json"])

    found = [(each["state"], each["says"].partition(" ")[0]) for each in json.loads(ended.stdout)]
    assert ended.exit_code == 2
    assert sorted(found) == [("failed", "LATCHKEY_CHANNEL"), ("failed", "PORT"), ("warning", "LATCHKEY_CHANEL")]


def test_help_tells_the_exit_codes() -> None:
    text = " ".join(CliRunner().invoke(main.app, ["doctor", "--help"]).stdout.split())

    assert "Exit codes: 0 nothing failed" in text
    assert "75 a check couldn't run now" in text
