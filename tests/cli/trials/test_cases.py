"""`latchkey policy test`: what it prints, its exit codes; and cases for the policy files that docs/policy.md shows."""

import asyncio
import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner, Result

from bot import settings
from bot.cli.main import app
from tests.cli.given import acme
from tests.policy.written import ROOT, examples
from tests.policy.written import cases as shown_cases
from tests.support.processes import latchkey

CASES = ROOT / "tests" / "policy" / "cases"
PROD = "{user: dana@acme.example, kind: kafka, resource: lkc-prod01, owner: sa-orders"
HEAD = "version: 1\ncases:\n"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    return tmp_path / "cases.yml"


def run(org: Path, policy: Path, cases: Path, *words: str) -> Result:
    return CliRunner().invoke(
        app, ["policy", "test", str(cases), "--policy", str(policy), "--snapshot", str(org), *words]
    )


@pytest.mark.parametrize(("number", "name"), [(1, "small-team"), (2, "self-service"), (3, "two-people")])
def test_the_complete_files_of_the_page_decide_as_their_cases_say(
    org: Path, tmp_path: Path, number: int, name: str
) -> None:
    here = json.loads(org.read_text("utf-8"))
    here["slack"]["groups"] |= {"S01": ["U0PAVEL"], "S04": ["U0PAVEL"], "S05": ["U0OLGA"], "S09": ["U0GRETA"]}
    here["users"].append({**here["users"][0], "id": "u-newt01", "name": "Newt", "email": "newt@acme.example"})
    here["slack"]["people"].append({**here["slack"]["people"][0], "id": "U0NEWT", "email": "newt@acme.example"})
    (tmp_path / "org.json").write_text(json.dumps(here), "utf-8")
    (tmp_path / "policy.yml").write_text(examples()[number], "utf-8")

    result = run(tmp_path / "org.json", tmp_path / "policy.yml", CASES / f"{name}.yml")

    assert (result.exit_code, result.stderr) == (0, ""), result.stdout
    assert result.stdout.endswith(" cases: all as expected.\n")


def test_a_company_with_thirty_teams_decides_as_its_cases_say(org: Path, tmp_path: Path) -> None:
    here = json.loads(org.read_text("utf-8"))
    here["slack"]["groups"]["S90"] = ["U0REED"]
    here["slack"]["asked"] += [f"U0LEAD{n:02}" for n in range(3, 31)]
    (tmp_path / "org.json").write_text(json.dumps(here), "utf-8")

    result = run(tmp_path / "org.json", CASES / "thirty-teams.policy.yml", CASES / "thirty-teams.yml")

    assert (result.exit_code, result.stderr) == (0, ""), result.stdout
    assert result.stdout == "5 cases: all as expected.\n"


def test_the_cases_that_the_page_shows_hold_for_the_file_before_them(org: Path, tmp_path: Path, cases: Path) -> None:
    here = json.loads(org.read_text("utf-8"))
    here["slack"]["groups"]["S09"] = ["U0GRETA"]
    org = tmp_path / "org.json"
    org.write_text(json.dumps(here), "utf-8")
    (tmp_path / "policy.yml").write_text(examples()[2], "utf-8")
    cases.write_text(shown_cases().replace("example.com", "acme.example"), "utf-8")

    result = run(org, tmp_path / "policy.yml", cases)

    assert result.stdout == "5 cases: all as expected.\n"


def test_what_is_not_as_expected_is_told_with_its_line(org: Path, policy: Path, cases: Path) -> None:
    cases.write_text(
        HEAD
        + f"  - {PROD}, expect: 2}}\n"
        + f"  - {PROD}, expect: allowed, name: dana alone, rule: own dev keys}}\n"
        + f"  - {PROD}, expect: 2, approvers: [gus@contractor.example, olga@acme.example], not_approvers: u-sami01}}\n"
        + "  - {user: dana@acme.example, kind: cloud, owner: new, expect: 5}\n"
        + "  - {user: dana@acme.example, kind: cloud, owner: new, expect: impossible}\n"
        + "  - {user: u-nobody, kind: cloud, owner: new, expect: 1}\n"
    )

    result = run(org, policy, cases)

    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.replace(str(cases), "cases.yml") == snapshot("""\
cases.yml:4: dana alone: expected allowed, found: needs 2 approvals
cases.yml:4: dana alone: expected the rule "own dev keys", but "production" decides
cases.yml:5: dana@acme.example, create kafka lkc-prod01, owner sa-orders: gus@contractor.example can't approve it
cases.yml:5: dana@acme.example, create kafka lkc-prod01, owner sa-orders: u-sami01 can approve it
cases.yml:6: dana@acme.example, create cloud, owner new: expected 5 approvals, found: needs 5 approvals, and only 2 people could approve
cases.yml:8: u-nobody, create cloud, owner new: No one has the email address or ID u-nobody.
6 cases: 4 not as expected.
""")  # noqa: E501 -- as it is printed


def test_json_has_a_row_for_each_case(org: Path, policy: Path, cases: Path) -> None:
    cases.write_text(HEAD + f"  - {PROD}, expect: 2}}\n  - {PROD}, expect: forbidden, name: closed}}\n")

    result = run(org, policy, cases, "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [answer["passed"], len(answer["problems"])] == [False, 1]
    assert answer["cases"] == snapshot(
        [
            {
                "name": "dana@acme.example, create kafka lkc-prod01, owner sa-orders",
                "line": 3,
                "passed": True,
                "expected": 2,
                "problems": [],
                "decision": "needs-approval",
                "possible": True,
                "missing": 2,
                "reason": "",
                "rule": "production",
            },
            {
                "name": "closed",
                "line": 4,
                "passed": False,
                "expected": "forbidden",
                "problems": ["expected forbidden, found: needs 2 approvals"],
                "decision": "needs-approval",
                "possible": True,
                "missing": 2,
                "reason": "",
                "rule": "production",
            },
        ]
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cases.yml:1: the file is empty"),
        ("cases: []\n", "cases.yml:1: `version` is missing. The version of this format: 1."),
        (HEAD + "  - {user: a, kind: kafka, owner: me}\n", "cases.yml:3: cases[0]: `expect` is missing. allowed, "),
        (HEAD + f"  - {PROD}, expect: 6}}\n", "cases.yml:3: cases[0].expect: 6 isn't a decision: write allowed, "),
        (HEAD + f"  - {PROD}, expect: yes}}\n", "cases.yml:3: cases[0].expect: "),
        (
            HEAD + f"  - {PROD}, expect: 1, rules: a}}\n",
            "cases.yml:3: cases[0].rules: there's no such key in cases[0]: did",
        ),
        (HEAD + f"  - {PROD}, expect: 1, kind: mq}}\n", "cases.yml:3: cases[0].kind: is given twice"),
    ],
)
def test_a_file_that_is_wrong_ends_with_1(org: Path, policy: Path, cases: Path, text: str, complaint: str) -> None:
    cases.write_text(text)

    result = run(org, policy, cases)
    answer = json.loads(run(org, policy, cases, "--json").stdout)

    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.replace(str(cases), "cases.yml").startswith(complaint)
    assert "\n".join(answer["problems"]) == result.stdout.rstrip("\n")
    assert (answer["passed"], answer["cases"]) == (False, [])


def test_a_policy_that_is_wrong_ends_with_1(org: Path, tmp_path: Path, cases: Path) -> None:
    cases.write_text(HEAD + f"  - {PROD}, expect: 2}}\n")
    policy = tmp_path / "policy.yml"
    policy.write_text("version: 1\nchannel: C02\ndefaults: {approvals: 9}\n")

    result = run(org, policy, cases)

    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith(f"{policy}:3: defaults.approvals: 9 is too large.")


@pytest.mark.parametrize("missing", ["org", "policy", "cases", "group"])
def test_what_cannot_be_looked_at_ends_with_2(
    org: Path, policy: Path, cases: Path, tmp_path: Path, missing: str
) -> None:
    cases.write_text(HEAD + f"  - {PROD}, expect: 2}}\n")
    other = tmp_path / "other.yml"
    other.write_text("{version: 1, channel: C02, roles: {mappings: [{group: S0OTHER, role: OrganizationAdmin}]}}")
    files = {"org": org, "policy": policy, "cases": cases} | {"group": tmp_path / "x"}
    gone = tmp_path / "gone"
    used = {name: gone if name == missing else file for name, file in files.items()}
    if missing == "group":
        used["policy"] = other

    result = run(used["org"], used["policy"], used["cases"])

    said = "user group S0OTHER" if missing == "group" else "can't be read: "
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_without_a_snapshot_slack_and_confluent_are_asked_once(tmp_path: Path, cases: Path) -> None:
    await asyncio.to_thread(cases.write_text, HEAD + 8 * f"  - {PROD}, expect: 1, approvers: u-olga01}}\n")
    async with acme(tmp_path) as (here, environment):
        ended = await latchkey("policy", "test", str(cases), **environment)
        lists = sum(call.path == "/iam/v2/users" for call in here.organization.journal)

    assert (ended.code, ended.out) == (0, "8 cases: all as expected.\n"), ended.err
    assert lists <= 2
