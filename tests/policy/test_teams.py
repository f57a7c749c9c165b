"""Teams of a policy file: names for people and places, and what they stand for."""

import pytest

from bot.domain.policy import RoleMapping, Selector
from tests.policy.written import ROOT, file, findings, problems

TEAMS = """teams:
- {name: prod, scopes: [env-1, env-2]}
- {name: pay, members: [S1, U1], scopes: [env-1/lkc-1, env-3/lsrc-1, sa-1], role: CloudClusterAdmin, until: 2026-12-31}
"""


def test_a_name_stands_for_people_and_places() -> None:
    match_ = "{by: [team:pay, U9], environment: [team:prod, env-9], cluster: team:pay, owner: [me, team:pay]}"
    policy = file(f"{TEAMS}rules: [{{name: a, match: {match_}}}]").policy
    match = policy.rules[0].match

    assert match.by == Selector.of("S1", "U1", "U9")
    assert match.environments == {"env-1", "env-2", "env-9"}
    assert match.clusters == {"lkc-1", "lsrc-1"}
    assert match.owners == {"me", "sa-1"}


def test_a_team_has_environments_by_name_for_rules_alone() -> None:
    team = "{name: prod, members: [U1], scopes: [env-1], environments: [prod-*, env-2], role: EnvironmentAdmin}"
    policy = file(f"teams: [{team}]\nrules: [{{name: a, match: {{environment: [team:prod, dev]}}}}]").policy

    assert policy.rules[0].match.environments == {"env-1", "env-2", "prod-*", "dev"}
    assert [each.scope for each in policy.mappings] == ["environment=env-1"]


def test_members_have_the_role_at_each_scope() -> None:
    policy = file(TEAMS).policy

    assert {(each.subject, each.scope) for each in policy.mappings} == {
        (who, where)
        for who in ("S1", "U1")
        for where in (
            "environment=env-1/cloud-cluster=lkc-1",
            "environment=env-3/schema-registry=lsrc-1",
            "service-account=sa-1",
        )
    }
    assert {(each.role, str(each.until)) for each in policy.mappings} == {("CloudClusterAdmin", "2026-12-31")}
    assert all(isinstance(each, RoleMapping) for each in policy.mappings)


def test_members_are_notified_and_have_roles_of_mappings() -> None:
    policy = file(f"""{TEAMS}roles: {{mappings: [{{team: pay, role: Operator, scope: env-9, until: 2030-01-01}}]}}
defaults: {{notify: [team:pay, U9]}}
rules:
- {{name: a, notify: [U1, team:pay]}}
- {{name: b, match: {{kind: kafka}}, break_glass: {{by: [U9], lifetime: 1h, notify: [C1, team:pay]}}}}
""").policy
    glass = policy.rules[1].break_glass

    assert policy.rules[0].notify == ("U1", "S1")
    assert policy.rules[1].notify == ("S1", "U1", "U9")
    assert glass is not None
    assert glass.notify == ("C1", "S1", "U1")
    given = [(each.subject, each.scope, str(each.until)) for each in policy.mappings if each.role == "Operator"]
    assert given == [(who, "environment=env-9", "2030-01-01") for who in ("S1", "U1")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("defaults: {notify: [team:nope]}", 'there is no team "nope": add it under `teams`, or use IDs'),
        (
            "teams: [{name: a, scopes: [env-1]}]\nroles: {mappings: [{team: a, role: Operator}]}",
            'the team "a" has no members: add some, or use IDs',
        ),
        (
            f"teams: [{{name: a, members: {[f'U{n}' for n in range(20)]}}}]\ndefaults: {{notify: [team:a, U99]}}",
            "names 21 with the members of its teams: at most 20",
        ),
        (
            "roles: {mappings: [{team: a, user: U1, role: Operator}]}\nteams: [{name: a, members: [U1]}]",
            "give the role to one of these: a `user` (U…), a `group` (S…) or a `team`",
        ),
        ("rules: [{name: a, match: {by: team:nope}}]", 'there is no team "nope": add it under `teams`, or use IDs'),
        (
            "teams: [{name: a, scopes: [env-1]}]\nrules: [{name: a, match: {by: team:a}}]",
            'the team "a" has no members: add some, or use IDs',
        ),
        (
            "teams: [{name: a, scopes: [env-1/lkc-1]}]\nrules: [{name: a, match: {environment: team:a}}]",
            'the team "a" has no environments: add some, or use IDs',
        ),
        (
            "teams: [{name: a, scopes: [env-1/aws.us-east-1]}]\nrules: [{name: a, match: {cluster: team:a}}]",
            'the team "a" has Flink regions, which every environment has: use `environment`',
        ),
        (
            "teams: [{name: a, scopes: [env-1]}]\nrules: [{name: a, match: {owner: team:a}}]",
            'the team "a" has no service accounts among its scopes: add some, or use IDs',
        ),
        ("teams: [{name: a}, {name: a}]", '"a" is also the name of another team: rename one'),
        (
            "teams: [{name: a, role: Operator, members: [U1]}]",
            "has no effect without `scopes`: add them, or leave it out",
        ),
        ("teams: [{name: a, until: 2026-12-31}]", "has no effect without `role`: leave it out"),
        (
            "teams: [{name: a, members: [U1], scopes: [env-1], role: FlinkAdmin}]",
            '"FlinkAdmin" is not in the role table "documented": only in "2026": set `table`, or use another role',
        ),
    ],
)
def test_a_slip_is_told(text: str, problem: str) -> None:
    assert [each.partition(": ")[2].partition(": ")[2] for each in problems(text)] == [problem]


def test_a_team_that_nothing_uses_is_found_and_its_roles_are_told_at_its_line() -> None:
    text = """teams:
- {name: a, members: [S1]}
- {name: b, members: [S1], scopes: [env-1/lkc-1], role: KsqlAdmin}
roles: {mappings: [{group: S1, role: KsqlAdmin, scope: env-1}]}
"""
    assert findings(text) == [
        "4: warning: teams: no rule uses this team, and it gives no role",
        "5: role mapping of S1: line 6 already gives KsqlAdmin there",
    ]


def test_thirty_teams_and_four_environments_fit_into_sixty_lines() -> None:
    text = (ROOT / "tests" / "policy" / "cases" / "thirty-teams.policy.yml").read_text("utf-8")
    found = file(text, head="")

    assert len(text.splitlines()) <= 60
    assert findings(text.replace("version: 1\nchannel: C02\n", "")) == []
    assert len({each.subject for each in found.policy.mappings}) == 31  # one team has two
    environments = {each.scope.split("/")[0] for each in found.policy.mappings}
    assert len(environments) == 4


def test_more_groups_with_roles_than_slack_answers_for_are_a_warning() -> None:
    def text(number: int) -> str:
        lines = "".join(f"    - {{group: S{n}, role: KsqlAdmin, scope: env-{n}}}\n" for n in range(number))
        return f"roles:\n  mappings:\n{lines}"

    assert findings(text(10)) == []
    assert [each[:53] for each in findings(text(11))] == ["4: warning: roles: 11 user groups have roles here. Ea"]
