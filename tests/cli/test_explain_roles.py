"""Each of the page's 11 roles, held by someone in the sandbox, is explained right, offline."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli.main import app

ORDERS = "kafka lkc-prod01"
DEV_ORDERS = "kafka lkc-dev001"
DEV_SUBJECTS = "schema-registry lsrc-dev01"
PROD_SUBJECTS = "schema-registry lsrc-prod01"
ENRICHMENT = "ksqldb lksqlc-dev01"
DEV_FLINK = "flink aws.us-east-1 env-dev001"
MAKES = "it covers the resource, and this role can create service accounts"
TAKES = "it covers the resource, but can't create service accounts: that takes AccountAdmin or OrganizationAdmin"
COVERS, INSIDE = "it covers the resource", "it covers part of the resource: enough for a personal key"
ELSEWHERE, OWN_ONLY = "it's bound to another resource", "this role manages only its holder's own keys"

# who, their role, what for, whose key, whether it counts, and why; from the page's table and the cast's bindings
ROLES = [
    ("olga", "OrganizationAdmin", ORDERS, "sa-orders", True, COVERS),
    ("olga", "OrganizationAdmin", "cloud", "new", True, MAKES),
    ("olga", "OrganizationAdmin", "tableflow", "sa-payments", True, COVERS),
    ("erin", "EnvironmentAdmin", DEV_ORDERS, "sa-orders", True, COVERS),
    ("erin", "EnvironmentAdmin", DEV_FLINK, "sa-orders", True, COVERS),
    ("erin", "EnvironmentAdmin", DEV_FLINK, "new", False, TAKES),
    ("erin", "EnvironmentAdmin", ORDERS, "sa-orders", False, ELSEWHERE),
    ("erin", "EnvironmentAdmin", "cloud", "sa-orders", False, "this role doesn't manage cloud keys"),
    ("chiyo", "CloudClusterAdmin", ORDERS, "sa-payments", True, COVERS),
    ("chiyo", "CloudClusterAdmin", "kafka lkc-prod02", "sa-payments", False, ELSEWHERE),
    ("chiyo", "CloudClusterAdmin", PROD_SUBJECTS, "me", False, "this role doesn't manage schema-registry keys"),
    ("kim", "KsqlAdmin", ENRICHMENT, "sa-etl001", True, COVERS),
    ("kim", "KsqlAdmin", DEV_ORDERS, "sa-etl001", False, "this role doesn't manage kafka keys"),
    ("ravi", "ResourceKeyAdmin", DEV_FLINK, "sa-orders", True, COVERS),
    ("ravi", "ResourceKeyAdmin", ORDERS, "me", False, "this role can't create keys for its own holder"),
    ("sami", "ResourceOwner", DEV_ORDERS, "sa-orders", True, "it owns the service account sa-orders"),
    ("sami", "ResourceOwner", DEV_ORDERS, "sa-payments", False, "it doesn't own the service account sa-payments"),
    ("sami", "ResourceOwner", ORDERS, "me", True, INSIDE),
    ("omar", "Operator", DEV_FLINK, "me", True, COVERS),
    ("omar", "Operator", DEV_ORDERS, "sa-orders", False, OWN_ONLY),
    ("mona", "DeveloperManage", DEV_ORDERS, "me", True, COVERS),
    ("mona", "DeveloperManage", DEV_FLINK, "me", False, "this role doesn't manage flink keys"),
    ("reed", "DeveloperRead", DEV_SUBJECTS, "me", True, INSIDE),
    ("reed", "DeveloperRead", DEV_SUBJECTS, "sa-orders", False, OWN_ONLY),
    ("dana", "DeveloperWrite", DEV_ORDERS, "me", True, INSIDE),
    ("dana", "DeveloperWrite", ORDERS, "me", False, ELSEWHERE),
    ("disha", "DataDiscovery", DEV_SUBJECTS, "me", True, COVERS),
    ("disha", "DataDiscovery", DEV_ORDERS, "me", False, "this role doesn't manage kafka keys"),
]  # fmt: skip


def explained(org: Path, user: str, what: str, owner: str, *more: str) -> dict[str, Any]:
    """The answer of `latchkey policy explain --json`."""
    kind, resource, environment = [*what.split(), "", ""][:3]
    asked = ["--user", f"{user}@acme.example", "--kind", kind, "--resource", resource, "--owner", owner]
    asked += ["--environment", environment, "--snapshot", str(org), "--json", *more]
    result = CliRunner().invoke(app, ["policy", "explain", *asked])
    assert result.exit_code in (0, 1), result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(("user", "role", "what", "owner", "counts", "why"), ROLES)
def test_a_role_counts_where_the_page_says_so(
    org: Path, user: str, role: str, what: str, owner: str, *, counts: bool, why: str
) -> None:
    held = [each for each in explained(org, user, what, owner)["roles"] if each["role"] == role]

    assert (counts, why) in {(each["counts"], each["why"]) for each in held}
    assert any(each["counts"] for each in held) is counts


def test_all_roles_of_the_page_are_there() -> None:
    assert len({role for _, role, *_ in ROLES}) == 11


@pytest.mark.parametrize(
    ("user", "what", "owner", "counts"), [(row[0], row[2], row[3], row[4]) for row in ROLES if row[3] != "me"]
)
def test_who_has_authority_is_offered_as_approver_to_somebody_else(
    org: Path, user: str, what: str, owner: str, *, counts: bool
) -> None:
    asks = "mona" if user != "mona" else "dana"

    approvers = explained(org, asks, what, owner)["approvers"]

    assert (f"{user}@acme.example" in {each["email"] for each in approvers}) is counts


def test_the_newest_table_is_explained_too(org: Path, tmp_path: Path) -> None:
    newest = tmp_path / "newest.yaml"
    newest.write_text('{version: 1, channel: C0APPROVE, roles: {table: "2026"}}')

    answer = explained(org, "dana", ORDERS, "me", "--policy", str(newest))

    assert answer["table"] == "2026"
    assert {each["why"] for each in answer["roles"]} == {"any role is enough for a personal key"}


def test_a_role_bound_by_a_pattern_counts_wherever_the_pattern_reaches(org: Path) -> None:
    for cluster in ("lkc-prod01", "lkc-prod02"):
        basis = {
            each["email"]: each["basis"]
            for each in explained(org, "mona", f"kafka {cluster}", "sa-etl001")["approvers"]
        }

        assert (
            basis["omar@acme.example"]
            == "CloudClusterAdmin on all environments / Kafka clusters starting with lkc-prod"
        )
    approvers = explained(org, "mona", DEV_ORDERS, "sa-etl001")["approvers"]
    assert "omar@acme.example" not in {each["email"] for each in approvers}


# --- a new service account: a role over the key, and one that makes accounts ----------------------------------------

POLICY = """\
version: 1
channel: C0APPROVE
roles:
  table: "TABLE"
  mappings:
    - {user: U0ERIN, role: AccountAdmin}
    - {user: U0REED, role: AccountAdmin}
    - {user: U0REED, role: KsqlAdmin, scope: env-dev001/lkc-dev001}
    - {group: S0PLATFORM, role: ResourceOwner, scope: sa-orders}
"""
ADMINS = dict.fromkeys(("u-olga01", "u-ines01"), "OrganizationAdmin on the whole organization")


def by_name(found: list[dict[str, Any]]) -> dict[str, str]:
    return {each["principal"]: each["basis"] for each in found}


@pytest.mark.parametrize(
    ("table", "what", "approvers"),
    [
        ("documented", DEV_FLINK, {
            **ADMINS,
            "u-erin01": "EnvironmentAdmin on dev (env-dev001) and AccountAdmin on the whole organization",
        }),
        ("documented", ENRICHMENT, {
            **ADMINS,
            "u-erin01": "EnvironmentAdmin on dev (env-dev001) and AccountAdmin on the whole organization",
            "u-reed01": "KsqlAdmin on dev (env-dev001) / orders-dev (lkc-dev001) "
            "and AccountAdmin on the whole organization",
        }),
        ("documented", "cloud", ADMINS),
        ("2026", "tableflow", {
            **ADMINS,
            "u-ravi01": "ResourceKeyAdmin on the whole organization and ResourceOwner on orders-service (sa-orders)",
        }),
        ("2026", DEV_SUBJECTS, {
            **ADMINS,
            "u-erin01": "EnvironmentAdmin on dev (env-dev001)",
            "u-ravi01": "ResourceKeyAdmin on the whole organization and ResourceOwner on orders-service (sa-orders)",
        }),
    ],
)  # fmt: skip
def test_two_roles_of_one_person_approve_a_new_service_account_together(
    org: Path, tmp_path: Path, table: str, what: str, approvers: dict[str, str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("TABLE", table))

    answer = explained(org, "mona", what, "new", "--policy", str(policy))

    assert by_name(answer["approvers"]) == approvers
    for each in answer["approvers"]:
        assert bool(each["new_account"]) is (" and " in each["basis"])


def test_the_policy_names_the_roles_that_make_service_accounts(org: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("{version: 1, channel: C0APPROVE, roles: {new_accounts: [EnvironmentAdmin]}}")

    answer = explained(org, "erin", DEV_FLINK, "new", "--policy", str(policy))
    olgas = explained(org, "olga", DEV_FLINK, "new", "--policy", str(policy))

    assert (answer["roles"][0]["counts"], answer["roles"][0]["why"]) == (True, MAKES)
    assert answer["approvers"] == []
    assert by_name(olgas["approvers"]) == {"u-erin01": "EnvironmentAdmin on dev (env-dev001)"}
    assert olgas["roles"][0]["why"] == (
        "it covers the resource, but can't create service accounts: that takes EnvironmentAdmin"
    )
