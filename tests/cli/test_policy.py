"""`latchkey policy check` and `schema`: what they print, and their exit codes."""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot import settings
from bot.cli import main
from bot.policyfile import schema
from sandbox.slack.workspace import PLATFORM_GROUP
from sandbox.stage import stage
from tests.policy.written import HEAD, ROOT

FINE = HEAD + "rules: [{name: a, approvals: 2}]\n"
SHADOWED = HEAD + "rules:\n- {name: a}\n- {name: b, forbid: no way}\n"
WARNED = HEAD + "rules: [{name: a, approvals: 0}]\n"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.yml"


def latchkey(*args: object) -> Result:
    return CliRunner().invoke(main.app, ["policy", *map(str, args)])


def test_a_file_that_is_fine_needs_no_settings_and_no_network(path: Path) -> None:
    path.write_text(FINE, "utf-8")

    result = latchkey("check", path)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{path}: valid (1 rule of its own, digest ")


def test_without_an_argument_it_is_the_file_of_the_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("version: 1\n", "utf-8")
    monkeypatch.setenv("LATCHKEY_POLICY", str(path))
    assert latchkey("check").exit_code == 1

    monkeypatch.setenv("LATCHKEY_CHANNEL", "C02")
    assert latchkey("check").exit_code == 0


def test_no_file_at_all_is_said() -> None:
    result = latchkey("check")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "No policy file given. Name one, or set LATCHKEY_POLICY.\n"


def test_findings_end_with_1(path: Path) -> None:
    path.write_text(SHADOWED, "utf-8")

    result = latchkey("check", path)

    assert result.exit_code == 1
    assert result.stdout == (
        f'{path}:5: rule "b": never decides: everything it matches is already matched by "a" above it\n'
    )


def test_warnings_alone_are_fine(path: Path) -> None:
    path.write_text(WARNED, "utf-8")

    result = latchkey("check", path)

    assert result.exit_code == 0
    assert result.stdout.startswith(f'{path}:3: warning: rule "a": ')


def test_a_file_that_is_not_there_cannot_be_checked(path: Path) -> None:
    result = latchkey("check", path)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{path}: can't be read: no such file\n"


@pytest.mark.parametrize(
    ("text", "code"), [(FINE, 0), (WARNED, 0), (SHADOWED, 1), (HEAD + "defaults: {approvals: 9}\n", 1)]
)
def test_json_has_the_same_lines_and_ends_alike(path: Path, text: str, code: int) -> None:
    path.write_text(text, "utf-8")

    told, found = latchkey("check", path), latchkey("check", path, "--json")
    answer = json.loads(found.stdout)

    assert (told.exit_code, found.exit_code, told.stderr, found.stderr) == (code, code, "", "")
    assert answer["valid"] is (code == 0)
    assert answer["problems"] == [line for line in told.stdout.splitlines() if ": valid (" not in line]


def test_a_file_can_come_from_standard_input() -> None:
    read = CliRunner().invoke(main.app, ["policy", "check", "-"], input=SHADOWED)

    assert read.exit_code == 1
    assert read.stdout.startswith('standard input:5: rule "b": never decides: ')


def test_a_file_that_does_not_read_well_ends_with_1(path: Path) -> None:
    path.write_text(HEAD + "defaults: {approvals: 9, claim: 0h}\n", "utf-8")

    result = latchkey("check", path)

    assert (result.exit_code, result.stderr) == (1, "")
    assert [line.split(": ")[:2] for line in result.stdout.splitlines()] == [
        [f"{path}:3", "defaults.approvals"],
        [f"{path}:3", "defaults.claim"],
    ]


def test_the_schema_is_printed_as_json() -> None:
    result = latchkey("schema")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema()


def test_online_without_settings_ends_with_2(path: Path) -> None:
    path.write_text(FINE, "utf-8")

    result = latchkey("check", path, "--online")

    assert result.exit_code == 2
    assert result.stderr.startswith("SLACK_BOT_TOKEN is not set.")


# --- online, against the sandbox --------------------------------------------------------------------------------------

KNOWN = f"""version: 1
channel: C0APPROVE
roles:
  mappings:
    - {{group: {PLATFORM_GROUP}, role: OrganizationAdmin}}
    - {{user: U0ERIN, role: CloudClusterAdmin, scope: env-dev001/lkc-dev001}}
    - {{user: U0SAMI, role: ResourceOwner, scope: sa-payments}}
people:
  - {{slack: U0DANA, confluent: u-dana01}}
defaults: {{notify: [{PLATFORM_GROUP}, U0ERIN]}}
rules:
  - {{name: a, match: {{environment: [env-dev001, production], cluster: [lkc-dev001, lsrc-prod01, aws.us-east-1]}}}}
  - {{name: b, match: {{cluster: lksqlc-dev01, owner: [sa-orders, me]}}}}
  - {{name: c, match: {{environment: [team:most, "prod*"]}}, approvals: 2}}
teams: [{{name: most, environments: [dev, "*"]}}]
"""
UNKNOWN = """version: 1
channel: C0NOWHERE
roles:
  mappings:
    - {group: S0NOBODY, role: OrganizationAdmin}
    - {user: U0LEFT, role: EnvironmentAdmin, scope: env-prod01/lkc-dev001}
people:
  - {slack: U0NONE, confluent: u-nobody}
defaults: {notify: [U0XAVI, U0GUS]}
review: {channel: C0GONE}
rules:
  - name: a
    channel: C0GENERAL
    match: {environment: env-gone, owner: sa-gone}
  - name: b
    channel: C0PARTNER
    match: {environment: env-dev001, cluster: lkc-prod01}
  - {name: c, match: {cluster: [lkc-gone, lsrc-gone, lksqlc-gone]}}
  - {name: d, match: {environment: [Production, stage-*, team:gone]}}
  - {name: e, match: {environment: prod*, cluster: lkc-dev002}}
teams:
  - {name: gone, environments: [nowhere, env-gone]}
"""


NOT_NEEDED = ("LATCHKEY_MASTER_KEYS", "REDIS_URL", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_MODE")
"""Settings of the bot that nobody needs who only looks something up."""


async def online(folder: Path, content: str, **changes: str) -> list[str]:
    """What `check --online` prints, from a process of its own, with a Slack and a Confluent Cloud and nothing else."""
    path = folder / "policy.yml"
    async with stage(folder) as here:
        here.slack.manners.set("is_member", "there")  # else nobody can tell that the bot is not in a channel
        path.write_text(content, "utf-8")
        environment = {**os.environ, **here.environment(), "LATCHKEY_POLICY": str(path), **changes}
        for name in NOT_NEEDED:
            environment.pop(name, None)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "policy", "check", "--online",
            cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
    lines = out.decode().replace(str(path), "policy.yml").splitlines()
    return [*lines, f"exit code {process.returncode}", *err.decode().splitlines()]


async def test_ids_that_are_known_are_fine(tmp_path: Path) -> None:
    lines = await online(tmp_path, KNOWN)

    assert lines[0].endswith("; its IDs exist in Slack and Confluent Cloud.")
    assert lines[1] == "exit code 0"


async def test_p12_a_confluent_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        lines = await online(tmp_path, KNOWN, CONFLUENT_CLOUD_ENDPOINT=f"http://127.0.0.1:{closed.getsockname()[1]}")

    assert lines == [
        "exit code 2",
        "Confluent Cloud didn't answer. Nothing was looked up. Try again in a minute.",
    ]


OTHERWISE = """version: 1
channel: C0APPROVE
people:
  - {slack: U0DANA, confluent: u-erin01}
"""


async def test_t26_a_line_that_makes_one_person_another_is_a_warning(tmp_path: Path) -> None:
    lines = await online(tmp_path, OTHERWISE)

    line = "policy.yml:4: warning: person U0DANA: "
    assert lines[:2] == [
        f"{line}the address dana@acme.example belongs to u-dana01, but this line matches U0DANA to u-erin01",
        f"{line}u-erin01 has the address of U0ERIN, so U0ERIN and U0DANA count as one person",
    ]
    assert lines[-1] == "exit code 0"


async def test_ids_that_are_not_there_or_not_fit_are_found(tmp_path: Path) -> None:
    lines = await online(tmp_path, UNKNOWN)

    assert [line.removeprefix("policy.yml:")[:84] for line in lines] == [
        "2: the file: Latchkey can't see the channel C0NOWHERE (channel_not_found): correct t",
        "5: role mapping of S0NOBODY: the user group S0NOBODY is empty, or Slack has no such ",
        "6: role mapping of U0LEFT: U0LEFT is deactivated, a bot or a guest, and can't use La",
        "6: role mapping of U0LEFT: lkc-dev001 is in env-dev001, not in env-prod01, so the ro",
        "8: person U0NONE: Latchkey can't find u-nobody in Confluent Cloud",
        "8: person U0NONE: Slack has no user U0NONE",
        "9: defaults: U0GUS is deactivated, a bot or a guest, and can't use Latchkey",
        "9: defaults: U0XAVI is in another workspace: only members of this one can use Latchk",
        "10: review: Latchkey can't see the channel C0GONE (channel_not_found): correct the I",
        '13: rule "a": Latchkey isn\'t in the channel C0GENERAL: invite it with /invite.',
        '14: rule "a": Latchkey can\'t find env-gone in Confluent Cloud',
        '14: rule "a": Latchkey can\'t find sa-gone in Confluent Cloud',
        '16: rule "b": The channel C0PARTNER is shared with another organization: choose one ',
        '17: rule "b": lkc-prod01 is in env-prod01, which the rule doesn\'t name, so it never ',
        '18: rule "c": Latchkey can\'t find lkc-gone in Confluent Cloud',
        '18: rule "c": Latchkey can\'t find lksqlc-gone in Confluent Cloud',
        '18: rule "c": Latchkey can\'t find lsrc-gone in Confluent Cloud',
        '19: rule "d": Latchkey can\'t find an environment called "Production" in Confluent Cl',
        '19: rule "d": Latchkey can\'t find an environment whose name matches "stage-*" in Con',
        '20: rule "e": lkc-dev002 is in env-dev001, which the rule doesn\'t name, so it never ',
        '22: team "gone": Latchkey can\'t find an environment called "nowhere" in Confluent Cl',
        '22: team "gone": Latchkey can\'t find env-gone in Confluent Cloud',
        "exit code 1",
    ]
    assert any(line.endswith(': "production" is written in another case') for line in lines)
