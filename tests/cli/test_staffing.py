"""`latchkey policy check --online`: rules that too few people could approve, and mappings that add nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.cli.snapshot import SnapshotCloud, SnapshotPeople, read
from bot.cli.staffing import check_people
from bot.policyfile import PolicyFile
from tests.policy.written import HEAD, file, findings


async def found(org: Path, text: str) -> list[str]:
    """What is said of a policy in the sandbox's organization, where Olga and Ines are its OrganizationAdmins."""
    snapshot = read(org)
    policy: PolicyFile = file(text, head=HEAD)
    cloud, people = SnapshotCloud(snapshot), SnapshotPeople(snapshot.slack)
    said = await check_people(cloud, people, snapshot.slack.tenant, policy, datetime.now(UTC))
    return [each.written("f").removeprefix("f:") for each in said]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("{name: a, match: {kind: cloud}, approvals: 2}", None),
        ("{name: a, match: {kind: cloud}, approvals: 0, else: 2}", None),
        ("{name: a, match: {kind: cloud}, approvals: 0, unless_manager: forbid}", None),
        ("{name: a, match: {kind: cloud}, forbid: no way}", None),
        (
            "{name: a, match: {kind: cloud}, approvals: 5}",
            '3: rule "a": needs 5 approvals, but only 2 people could approve any request under it',
        ),
        (
            "{name: a, match: {kind: global}, approvals: 0, else: 3}",
            '3: rule "a": needs 3 approvals, but only 2 people could approve any request under it',
        ),
        (
            "{name: a, match: {kind: kafka, operation: create}, approvals: 4}",
            (
                '3: warning: rule "a": needs 4 approvals, but only 2 people could approve a Kafka key of a new service '
                "account in env-dev001"
            ),
        ),
    ],
)
async def test_a_rule_that_too_few_people_could_approve_is_found(org: Path, rule: str, text: str | None) -> None:
    lines = await found(org, f"rules: [{rule}]")

    assert [line for line in lines if '"a"' in line] == ([text] if text else [])


@pytest.mark.parametrize(
    ("approvers", "text"),
    [
        ("{one_of: [team:platform]}", "needs 2 approvals, but only 1 person could approve any request under it"),
        ("{one_of: [U0INES, S0PLATFORM], distinct: true}", None),
        (
            "{one_of: [U0INES, U0ERIN], distinct: true}",
            "needs 2 approvals, but only 1 person could approve any request",
        ),
    ],
)
async def test_only_people_who_fit_the_conditions_count(org: Path, approvers: str, text: str | None) -> None:
    rule = f"rules: [{{name: a, match: {{kind: cloud}}, approvals: 2, approvers: {approvers}}}]"
    lines = await found(org, f"teams: [{{name: platform, members: [S0PLATFORM]}}]\n{rule}")

    said = [line for line in lines if '"a"' in line]
    assert len(said) == bool(text)
    assert all(text and text in line for line in said)


@pytest.mark.parametrize("by", ["S0PLATFORM", "U0DANA", "Operator"])
async def test_a_rule_about_certain_people_is_looked_at_as_one_of_them(org: Path, by: str) -> None:
    anyone = "{name: b, match: {kind: cloud}}"
    lines = await found(org, f"rules: [{{name: a, match: {{kind: cloud, by: {by}}}, approvals: 5}}, {anyone}]")

    text = 'rule "a": needs 5 approvals, but only 2 people could approve any request under it'
    assert [line for line in lines if '"a"' in line or '"b"' in line] == [f"3: {text}"]


async def test_a_rule_that_has_ended_is_not_looked_at_and_takes_nothing_from_the_next(org: Path) -> None:
    ended = "{name: a, match: {kind: cloud}, approvals: 5, until: 2020-12-31}"
    lines = await found(org, f"rules: [{ended}, {{name: b, match: {{kind: cloud}}, approvals: 5}}]")

    assert [line.split(",")[0] for line in lines if '"a"' in line or '"b"' in line] == [
        '3: rule "b": needs 5 approvals'
    ]


async def test_built_in_rules_that_too_few_people_could_approve_are_a_warning(org: Path) -> None:
    lines = await found(org, "defaults: {approvals: 5}")

    assert all(": warning: rule " in line and "needs 5 approvals, but only " in line for line in lines)
    assert len(lines) == 3


async def test_who_has_no_line_in_people_does_not_count_where_the_policy_asks_for_it(org: Path) -> None:
    head = "roles: {people_only: true}\npeople: [{slack: U0OLGA, confluent: u-olga01}]\n"

    (line,) = [
        each
        for each in await found(org, head + "rules: [{name: a, approvals: 2, match: {kind: cloud}}]")
        if '"a"' in each
    ]

    assert "but only 1 person could approve" in line


MAPPINGS = """roles:
  mappings:
    - {user: U0ERIN, role: EnvironmentAdmin, scope: env-dev001}
    - {user: U0ERIN, role: EnvironmentAdmin, scope: env-dev001/lkc-dev001}
    - {user: U0ERIN, role: EnvironmentAdmin, scope: env-prod01}
    - {user: U0OLGA, role: EnvironmentAdmin}
    - {user: U0GUS, role: EnvironmentAdmin}
    - {group: S0PLATFORM, role: KsqlAdmin, scope: env-dev001/lkc-dev001}
"""


async def test_mappings_of_roles_that_people_have_already_are_a_warning(org: Path) -> None:
    lines = [line for line in await found(org, MAPPINGS) if "mapping" in line]

    has = "u-erin01 already has EnvironmentAdmin there, by a role binding in Confluent Cloud"
    assert lines == [f"{n}: warning: role mapping of U0ERIN: {has}" for n in (5, 6)]


@pytest.mark.parametrize(
    ("mapping", "kinds"),
    [
        ("{user: U1, role: KsqlAdmin, scope: env-1/lsrc-1}", "ksqlDB"),
        ("{user: U1, role: CloudClusterAdmin, scope: env-1/aws.us-east-1}", "Kafka"),
        ("{user: U1, role: DataDiscovery, scope: env-1/lkc-1}", "Schema Registry"),
        ("{user: U1, role: KsqlAdmin, scope: env-1/lkc-1}", ""),
        ("{user: U1, role: KsqlAdmin, scope: env-1}", ""),
        ("{user: U1, role: EnvironmentAdmin, scope: env-1/lsrc-1}", ""),
        ("{user: U1, role: OrganizationAdmin}", ""),
        ("{user: U1, role: AccountAdmin}", ""),
    ],
)
def test_a_role_for_other_kinds_of_key_than_its_scope_has_is_found(mapping: str, kinds: str) -> None:
    lines = findings(f"roles:\n  mappings:\n  - {mapping}\n")

    role = mapping.split("role: ")[1].split(",", maxsplit=1)[0].removesuffix("}")
    expected = f"5: role mapping of U1: {role} has no effect there: it's for {kinds} keys"
    assert lines == ([expected] if kinds else [])
