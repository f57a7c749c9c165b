"""`latchkey policy explain` and `who-can-approve`: what they print, in words and as JSON, and their exit codes."""

import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner, Result

from bot.cli.main import app
from bot.domain.keys import Operation
from bot.domain.kinds import Kind
from sandbox.confluent.model import PLAIN
from tests.cli.given import acme
from tests.support.processes import latchkey

KAFKA = ("--user", "dana@acme.example", "--kind", "kafka", "--owner", "sa-orders", "--resource")
PROD, DEV = (*KAFKA, "lkc-prod01"), (*KAFKA, "lkc-dev001")
NEW = ("--user", "dana@acme.example", "--owner", "new")
MY_DEV = ("--user", "dana@acme.example", "--kind", "kafka", "--owner", "me", "--resource", "lkc-dev001")


def run(org: Path, command: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["policy", command, "--snapshot", str(org), *words])


def test_an_explanation_names_the_rule_each_role_and_everybody_who_could_approve(org: Path, policy: Path) -> None:
    result = run(org, "explain", *DEV, "--policy", str(policy))

    assert result.exit_code == 0
    assert result.stdout == snapshot("""\
Dana Okafor <dana@acme.example> (u-dana01, Slack U0DANA) wants to create a Kafka key
  for     orders-dev (lkc-dev001) in dev (env-dev001)
  owner   orders-service (sa-orders)

Decision: needs 1 approval
Rule:     "one approval for every new key"
          1 approval within 1 day, in C0APPROVE
          the people closest to the resource are notified, with reminders after 4 hours and 12 hours
          the key is created right after approval; its secret must be viewed within 1 day
          lifetime of the key: unlimited
          access that can be requested with it: Read topics, Write topics, Use consumer groups

The roles of Dana Okafor, by the role table "documented":
  DeveloperWrite on dev (env-dev001) / orders-dev (lkc-dev001) / topics starting with orders-
      doesn't count: this role manages only its holder's own keys
  DeveloperRead on production (env-prod01) / orders (lkc-prod01) / topic orders
      doesn't count: this role manages only its holder's own keys

Who could approve (5 people):
  Erin Castellanos <erin@acme.example> (u-erin01, Slack U0ERIN): EnvironmentAdmin on dev (env-dev001)
  Ines Carvalho <ines@acme.example> (u-ines01, Slack U0INES): OrganizationAdmin on the whole organization
  Olga Lindqvist <olga@acme.example> (u-olga01, Slack U0OLGA): OrganizationAdmin on the whole organization
  Ravi Menon <ravi@acme.example> (u-ravi01, Slack U0RAVI): ResourceKeyAdmin on the whole organization
  Sami Haddad <sami@acme.example> (u-sami01, Slack U0SAMI): ResourceOwner on orders-service (sa-orders)
People who have the role but can't approve:
  Gus Freelance <gus@contractor.example> (no Confluent user, Slack U0GUS): EnvironmentAdmin on dev (env-dev001) (from the policy, for U0GUS)
      Guests can't request or approve keys. Ask a member of this workspace to request one for you.
""")  # noqa: E501 -- as it is printed


def test_own_authority_and_terms_are_told(org: Path) -> None:
    asked = ("--user", "u-erin01", "--kind", "kafka", "--resource", "orders-dev", "--owner", "orders-service")

    text = run(org, "explain", *asked).stdout

    assert text == snapshot("""\
Erin Castellanos <erin@acme.example> (u-erin01, Slack U0ERIN) wants to create a Kafka key
  for     orders-dev (lkc-dev001) in dev (env-dev001)
  owner   orders-service (sa-orders)

Decision: needs 1 approval
Rule:     "one approval for every new key"
          1 approval within 1 day, in no channel
          the people closest to the resource are notified, with reminders after 4 hours and 12 hours
          the key is created right after approval; its secret must be viewed within 1 day
          lifetime of the key: unlimited
          access that can be requested with it: Read topics, Write topics, Use consumer groups

The roles of Erin Castellanos, by the role table "documented":
  EnvironmentAdmin on dev (env-dev001)
      counts: it covers the resource
Erin Castellanos manages this key, but the rule still requires someone else's approval.

Who could approve (4 people):
  Ines Carvalho <ines@acme.example> (u-ines01, Slack U0INES): OrganizationAdmin on the whole organization
  Olga Lindqvist <olga@acme.example> (u-olga01, Slack U0OLGA): OrganizationAdmin on the whole organization
  Ravi Menon <ravi@acme.example> (u-ravi01, Slack U0RAVI): ResourceKeyAdmin on the whole organization
  Sami Haddad <sami@acme.example> (u-sami01, Slack U0SAMI): ResourceOwner on orders-service (sa-orders)
""")


def test_a_rule_that_asks_for_a_ticket_is_told(org: Path, tmp_path: Path) -> None:
    policy, ticket = tmp_path / "policy.yml", "{pattern: '[A-Z]+-[0-9]+', url: 'https://example.com/{ticket}'}"
    policy.write_text(f"version: 1\nchannel: C02\nrules: [{{name: all, confirm: resource, ticket: {ticket}}}]")
    asked = ("--policy", str(policy), "--user", "u-erin01", "--kind", "kafka", "--resource", "orders-dev")

    text = run(org, "explain", *asked, "--owner", "orders-service").stdout
    answer = json.loads(run(org, "explain", *asked, "--owner", "orders-service", "--json").stdout)

    assert "          the request can name a ticket that matches [A-Z]+-[0-9]+\n" in text
    assert "          approvers type the name of the resource before they approve\n" in text
    assert answer["terms"]["confirm"] == "resource"
    assert answer["terms"]["ticket"] == {
        "pattern": "[A-Z]+-[0-9]+",
        "url": "https://example.com/{ticket}",
        "required": False,
        "example": "",
    }


def test_the_list_of_approvers_is_a_line_each(org: Path, policy: Path) -> None:
    result = run(org, "who-can-approve", *PROD, "--policy", str(policy))

    assert result.exit_code == 0
    assert result.stdout == snapshot("""\
Chiyo Tanaka <chiyo@acme.example> (u-chiyo1, Slack U0CHIYO): CloudClusterAdmin on production (env-prod01) / orders (lkc-prod01)
Ines Carvalho <ines@acme.example> (u-ines01, Slack U0INES): OrganizationAdmin on the whole organization
Olga Lindqvist <olga@acme.example> (u-olga01, Slack U0OLGA): OrganizationAdmin on the whole organization
Omar Bello <omar@acme.example> (u-omar01, Slack U0OMAR): CloudClusterAdmin on all environments / Kafka clusters starting with lkc-prod
Pavel Novák <pavel@acme.example> (u-pavel1, Slack U0PAVEL): EnvironmentAdmin on production (env-prod01)
Ravi Menon <ravi@acme.example> (u-ravi01, Slack U0RAVI): ResourceKeyAdmin on the whole organization
Sami Haddad <sami@acme.example> (u-sami01, Slack U0SAMI): ResourceOwner on orders-service (sa-orders)
""")  # noqa: E501 -- as it is printed
    assert result.stderr == "Decision: needs 2 approvals\n"


def test_json_has_these_keys(org: Path, policy: Path) -> None:
    answer = json.loads(run(org, "explain", *DEV, "--policy", str(policy), "--json").stdout)
    listed = json.loads(run(org, "who-can-approve", *DEV, "--policy", str(policy), "--json").stdout)

    assert {name: type(value).__name__ for name, value in answer.items()} == snapshot(
        {
            "decision": "str",
            "grants": "list",
            "possible": "bool",
            "missing": "int",
            "reason": "str",
            "rule": "str",
            "terms": "dict",
            "table": "str",
            "requester": "dict",
            "operation": "str",
            "break_glass": "bool",
            "resource": "dict",
            "also": "NoneType",
            "owner": "dict",
            "roles": "list",
            "also_roles": "list",
            "approvers": "list",
            "barred": "list",
        }
    )
    assert list(answer["requester"]) == ["name", "email", "principal", "slack", "named_by_policy"]
    assert answer["roles"][0] == snapshot(
        {
            "role": "DeveloperWrite",
            "crn": "crn://confluent.cloud/organization=9f1c7a52-5c0e-4a8e-9d3b-2b6f4f1d7e01/environment=env-dev001/cloud-cluster=lkc-dev001/kafka=lkc-dev001/topic=orders-*",
            "words": "DeveloperWrite on dev (env-dev001) / orders-dev (lkc-dev001) / topics starting with orders-",
            "source": "binding",
            "mapping": None,
            "counts": False,
            "why": "this role manages only its holder's own keys",
        }
    )
    assert answer["approvers"][0] == snapshot(
        {
            "name": "Erin Castellanos",
            "email": "erin@acme.example",
            "principal": "u-erin01",
            "slack": "U0ERIN",
            "named_by_policy": False,
            "basis": "EnvironmentAdmin on dev (env-dev001)",
            "role": "EnvironmentAdmin",
            "crn": "crn://confluent.cloud/organization=9f1c7a52-5c0e-4a8e-9d3b-2b6f4f1d7e01/environment=env-dev001",
            "source": "binding",
            "mapping": None,
            "new_account": None,
        }
    )
    assert answer["terms"] == snapshot(
        {
            "approvals": 1,
            "channel": "C0APPROVE",
            "unless_manager": None,
            "notify": "closest",
            "remind_seconds": [14400, 43200],
            "pending_seconds": 86400,
            "claim_seconds": 86400,
            "lifetime_seconds": None,
            "overlap_seconds": 604800,
            "mint": "on_approval",
            "user_keys": True,
            "risk": "normal",
            "leaked": "ask",
            "ticket": None,
            "confirm": None,
            "break_glass": None,
            "approvers": None,
        }
    )
    assert answer["barred"] == snapshot(
        [
            {
                "name": "Gus Freelance",
                "email": "gus@contractor.example",
                "principal": None,
                "slack": "U0GUS",
                "named_by_policy": False,
                "basis": "EnvironmentAdmin on dev (env-dev001)",
                "role": "EnvironmentAdmin",
                "crn": "crn://confluent.cloud/organization=9f1c7a52-5c0e-4a8e-9d3b-2b6f4f1d7e01/environment=env-dev001",
                "source": "mapping",
                "mapping": "U0GUS",
                "new_account": None,
                "reason": "Guests can't request or approve keys. "
                "Ask a member of this workspace to request one for you.",
            }
        ]
    )
    keys = ("decision", "possible", "missing", "reason", "rule", "approvers", "barred")
    assert listed == {key: answer[key] for key in keys}


@pytest.mark.parametrize(
    ("code", "decision", "asked"),
    [
        (0, "allowed without approval", MY_DEV),
        (0, "needs 2 approvals", PROD),
        (1, "forbidden. Ask the platform team for a Kafka key instead.", (*NEW, "--kind", "global")),
        (1, "needs 5 approvals, and only 2 people could approve", (*NEW, "--kind", "cloud")),
        (1, "needs 5 approvals, and only 1 person could approve",
         (*NEW, "--kind", "cloud", "--user", "olga@acme.example")),
        (1, "forbidden. Keys for another person's account can't be created.", (*MY_DEV, "--owner", "u-mona01")),
        (1, "forbidden. Keys for another person's account can't be created.",
         (*MY_DEV, "--owner", "u-mona01", "--operation", "rotate")),
        (1, "forbidden. Keys for another person's account can't be created or extended.",
         (*MY_DEV, "--owner", "u-mona01", "--operation", "extend")),
        (0, "needs 2 approvals", (*PROD, "--operation", "rotate")),
        (0, "needs 2 approvals", (*PROD, "--operation", "extend")),
        (0, "needs 1 approval", (*PROD, "--operation", "edit")),
        (0, "needs 1 approval", (*PROD, "--operation", "delete")),
        (0, "allowed without approval", (*PROD, "--operation", "delete", "--user", "pavel@acme.example")),
        (0, "allowed without approval", (*MY_DEV, "--operation", "delete", "--user", "pavel@acme.example")),
        (0, "needs 1 approval", (*MY_DEV, "--user", "pavel@acme.example")),
        (1, "forbidden. Two Confluent Cloud users (u-tess01, u-tess02) have the email tess@acme.example",
         (*DEV, "--user", "Tess@acme.example")),
        (1, "forbidden. No one in this Slack workspace has this Confluent user's email address.",
         (*DEV, "--user", "lee@acme.example")),
        (1, "forbidden. Guests can't request or approve keys", (*DEV, "--user", "gus@contractor.example")),
    ],
)  # fmt: skip
def test_the_decision_and_its_exit_code(
    org: Path, policy: Path, code: int, decision: str, asked: tuple[str, ...]
) -> None:
    result = run(org, "explain", *asked, "--policy", str(policy))

    assert f"Decision: {decision}" in result.stdout
    assert result.exit_code == code


RESOURCES: dict[str, tuple[str, ...]] = {
    **{kind.value: (f"{kind.row.prefix}dev01",) for kind in PLAIN},
    "kafka": ("lkc-dev001",),
    "schema-registry": ("lsrc-dev01",),
    "ksqldb": ("lksqlc-dev01",),
    "flink": ("aws.us-east-1", "--environment", "env-dev001"),
    "cloud": ("",),
    "tableflow": ("",),
    "global": ("",),
}


FAR_REACHING = {Kind.CLOUD, Kind.GLOBAL}
"""Without a policy file, two people approve such a key."""


def decided(kind: Kind, operation: Operation, owner: str) -> str:
    """What is decided without a policy file about a key of this owner, asked for by someone without authority."""
    if operation in {Operation.EDIT, Operation.DELETE}:
        return "allowed without approval" if owner == "me" else "needs 1 approval"
    if owner == "u-mona01":
        lengthened = " or extended" if operation is Operation.EXTEND else ""
        return f"forbidden. Keys for another person's account can't be created{lengthened}."
    return "needs 2 approvals" if kind in FAR_REACHING else "needs 1 approval"


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("kind", Kind)
def test_every_operation_on_every_kind_of_key_of_every_owner_is_decided(
    org: Path, kind: Kind, operation: Operation
) -> None:
    owners = ["me", "sa-orders", "orders-service", "u-mona01", *(["new"] if operation is Operation.CREATE else [])]
    for owner in owners:
        asked = ("--user", "dana@acme.example", "--operation", operation, "--kind", kind, "--owner", owner)
        result = run(org, "explain", *asked, "--resource", *RESOURCES[kind])

        decision = decided(kind, operation, owner)
        assert f"\nDecision: {decision}\n" in result.stdout, result.output
        assert result.exit_code == (1 if decision.startswith("forbidden") else 0)
        assert f") wants to {operation} a {kind.row.label} key\n" in result.stdout


def test_a_flink_region_where_nothing_runs_yet_is_answered_where_its_environment_is_named(org: Path) -> None:
    asked = ("--user", "dana@acme.example", "--kind", "flink", "--owner", "sa-orders", "--resource")

    result = run(org, "explain", *asked, "gcp.europe-west1", "--environment", "dev")

    assert result.exit_code == 0
    assert "for     gcp.europe-west1 in dev (env-dev001)" in result.stdout


def test_a_deletion_by_somebody_who_does_not_manage_the_key_is_explained(org: Path, policy: Path) -> None:
    text = run(org, "explain", *PROD, "--operation", "delete", "--policy", str(policy)).stdout

    assert text.partition("\n\nThe roles")[0] == snapshot("""\
Dana Okafor <dana@acme.example> (u-dana01, Slack U0DANA) wants to delete a Kafka key
  for     orders (lkc-prod01) in production (env-prod01)
  owner   orders-service (sa-orders)

Decision: needs 1 approval
Rule:     "people who manage a key can edit and delete it"
          1 approval within 1 day, in C0APPROVE
          the people closest to the resource are notified, with reminders after 4 hours and 12 hours
          (none for people who manage such a key or own it)\
""")


def test_a_rotation_and_an_extension_say_what_becomes_of_the_keys(org: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"

    def told(operation: str, defaults: str) -> str:
        policy.write_text(f"{{version: 1, channel: C0APPROVE, defaults: {{lifetime: 90d, {defaults}}}}}")
        text = run(org, "explain", *DEV, "--operation", operation, "--policy", str(policy)).stdout
        return text.partition("Rule: ")[2].partition("\n\nThe roles")[0]

    assert told("rotate", "overlap: 2d") == snapshot("""\
    "one approval for every new key"
          1 approval within 1 day, in C0APPROVE
          the people closest to the resource are notified, with reminders after 4 hours and 12 hours
          the key is created right after approval; its secret must be viewed within 1 day
          lifetime of the key: at most 90 days
          the old key can be kept for at most 2 days\
""")
    assert told("rotate", "overlap: 0d").splitlines()[-1] == snapshot(
        "          the old key is deleted once the new secret has been viewed"
    )
    assert told("extend", "overlap: 2d") == snapshot("""\
    "one approval for every new key"
          1 approval within 1 day, in C0APPROVE
          the people closest to the resource are notified, with reminders after 4 hours and 12 hours
          new lifetime, counted from approval: at most 90 days\
""")


def test_the_owner_of_a_key_is_told_that_no_role_is_needed(org: Path, policy: Path) -> None:
    asked = (*MY_DEV, "--user", "pavel@acme.example", "--operation", "edit", "--policy", str(policy))

    assert "Pavel Novák owns this key and needs no role to edit or delete it." in run(org, "explain", *asked).stdout


def test_a_new_service_account_is_explained_with_both_halves(org: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("{version: 1, channel: C0APPROVE, roles: {mappings: [{user: U0ERIN, role: AccountAdmin}]}}")
    asked = (*NEW, "--kind", "kafka", "--resource", "lkc-dev001", "--policy", str(policy))

    erins = run(org, "explain", *asked, "--user", "erin@acme.example").stdout
    listed = run(org, "who-can-approve", *asked)

    assert erins.partition("The roles of Erin")[2].partition("\n\nWho")[0] == snapshot("""\
 Castellanos, by the role table "documented":
  EnvironmentAdmin on dev (env-dev001)
      counts: it covers the resource; another role can create the service account
  AccountAdmin on the whole organization (from the policy, for U0ERIN)
      counts: it can create the service account; another role covers the key
Erin Castellanos manages this key, but the rule still requires someone else's approval.\
""")
    assert listed.stdout == snapshot("""\
Erin Castellanos <erin@acme.example> (u-erin01, Slack U0ERIN): EnvironmentAdmin on dev (env-dev001) and AccountAdmin on the whole organization (from the policy, for U0ERIN)
Ines Carvalho <ines@acme.example> (u-ines01, Slack U0INES): OrganizationAdmin on the whole organization
Olga Lindqvist <olga@acme.example> (u-olga01, Slack U0OLGA): OrganizationAdmin on the whole organization
""")  # noqa: E501 -- as it is printed


@pytest.mark.parametrize("asked", [MY_DEV, PROD, (*NEW, "--kind", "cloud"), (*NEW, "--kind", "global")])
def test_the_list_of_approvers_ends_and_decides_as_explain_does(
    org: Path, policy: Path, asked: tuple[str, ...]
) -> None:
    told, listed = (
        run(org, command, *asked, "--policy", str(policy), "--json") for command in ("explain", "who-can-approve")
    )

    assert listed.exit_code == told.exit_code
    assert json.loads(listed.stdout).items() <= json.loads(told.stdout).items()


def test_nobody_to_approve_is_1_and_nobody_printed(org: Path, policy: Path) -> None:
    result = run(org, "who-can-approve", *NEW, "--kind", "global", "--policy", str(policy))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Ask the platform team" in result.stderr


def test_who_has_the_role_and_still_cannot_approve_is_told_apart(org: Path, policy: Path) -> None:
    listed = run(org, "who-can-approve", *DEV, "--policy", str(policy))

    assert "Gus" not in listed.stdout
    assert "Gus Freelance" in listed.stderr
    assert (
        "Guests can't request or approve keys. Ask a member of this workspace to request one for you." in listed.stderr
    )


def test_members_of_a_mapped_group_can_approve(org: Path, policy: Path) -> None:
    asked = ("--user", "dana@acme.example", "--kind", "ksqldb", "--resource", "enrichment", "--owner", "sa-orders")

    given = json.loads(run(org, "explain", *asked, "--policy", str(policy), "--json").stdout)
    ravis = json.loads(run(org, "explain", *asked, "--policy", str(policy), "--json", "--user", "u-ravi01").stdout)

    assert {"u-ravi01", "u-olga01", "u-kim001"} <= {each["principal"] for each in given["approvers"]}
    assert ("KsqlAdmin", "mapping", "S0PLATFORM") in {
        (each["role"], each["source"], each["mapping"]) for each in ravis["roles"]
    }


@pytest.mark.parametrize(
    ("complaint", "asked"),
    [
        ("The snapshot doesn't say who no@acme.example is in Slack.", (*DEV, "--user", "no@acme.example")),
        ("There is no kafka resource lkc-nosuch in env-dev001, env-prod01.", (*KAFKA, "lkc-nosuch")),
        ("There is no kafka resource lkc-dev001 in env-prod01.", (*DEV, "--environment", "env-prod01")),
        ("There's no environment env-nosuch", (*DEV, "--environment", "env-nosuch")),
        ("There's no service account sa-nosuch.", (*DEV, "--owner", "sa-nosuch")),
        ("Say which resource the kafka key is for.", KAFKA[:-1]),
        ("isn't for a single resource", (*DEV, "--kind", "cloud")),
        ("aws.us-east-1 in env-dev001, aws.us-east-1 in env-prod01", (*KAFKA, "aws.us-east-1", "--kind", "flink")),
        ("A new service account has no key to rotate yet.", (*DEV, "--owner", "new", "--operation", "rotate")),
        ("There is no flink resource nowhere in env-dev001.",
         (*KAFKA, "nowhere", "--kind", "flink", "--environment", "env-dev001")),
        ("'flag' is not one of 'kafka'", (*DEV, "--kind", "flag")),
        ("no such file", (*DEV, "--policy", "no-such-policy.yaml")),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_2_and_one_complaint(org: Path, complaint: str, asked: tuple[str, ...]) -> None:
    for command in ("explain", "who-can-approve"):
        result = run(org, command, *asked)

        assert (result.exit_code, result.stdout) == (2, "")
        assert complaint in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a snapshot"),
        ("{}", "not a snapshot"),
        ('{"version": 2}', "version"),
        (None, "can't be read"),
    ],
)
def test_a_file_that_is_no_snapshot_is_2(tmp_path: Path, text: str | None, complaint: str) -> None:
    file = tmp_path / "org.json"
    if text is not None:
        file.write_text(text)

    result = run(file, "explain", *DEV)

    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert str(file) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_group_that_the_snapshot_does_not_hold_is_2_and_never_an_empty_group(org: Path, tmp_path: Path) -> None:
    other = tmp_path / "policy.yaml"
    other.write_text("{version: 1, channel: C0APPROVE, roles: {mappings: [{group: S0OTHER, role: OrganizationAdmin}]}}")

    result = run(org, "explain", *DEV, "--policy", str(other))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "doesn't say who is in the user group S0OTHER" in result.stderr


def test_a_name_cannot_move_the_cursor_of_a_terminal(org: Path, tmp_path: Path) -> None:
    evil = tmp_path / "org.json"
    evil.write_text(org.read_text().replace("Dana Okafor", "Dana\\u001b[2J\\nDecision: allowed"))

    text = run(evil, "explain", *DEV).stdout

    assert "\x1b" not in text
    assert text.startswith("Dana\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}Decision: allowed <dana@")


async def test_without_a_snapshot_it_asks_slack_and_confluent(org: Path, policy: Path, tmp_path: Path) -> None:
    offline = await latchkey("policy", "explain", *DEV, "--snapshot", str(org), LATCHKEY_POLICY=str(policy))
    async with acme(tmp_path) as (_, environment):
        live = await latchkey("policy", "explain", *DEV, LATCHKEY_POLICY=str(policy), **environment)
        nobody = await latchkey("policy", "explain", *DEV, "--user", "nora@acme.example", **environment)

    assert (live.code, live.out, live.err) == (0, offline.out, "")
    assert nobody.code == 1
    assert "No Confluent Cloud user has your Slack email (nora@acme.example)" in nobody.out


async def test_a_slack_that_does_not_answer_is_2(tmp_path: Path) -> None:
    async with acme(tmp_path) as (here, environment):
        here.slack.faults.method, here.slack.faults.failing = "users.lookupByEmail", -1

        ended = await latchkey("policy", "explain", *DEV, **environment)

    assert (ended.code, ended.out) == (2, "")
    assert "Nothing changed." in ended.err


def test_a_key_of_latchkeys_own_account_is_forbidden_whoever_asks(org: Path, policy: Path) -> None:
    asked = ("--user", "dana@acme.example", "--kind", "kafka", "--resource", "lkc-dev001", "--owner", "sa-latchk")

    result = run(org, "explain", *asked, "--policy", str(policy))

    assert result.exit_code == 1
    assert "Keys for Latchkey's own account can't be requested." in result.stdout


def test_t26_who_is_somebody_by_the_policy_is_said_to_be(org: Path, tmp_path: Path) -> None:
    policy = tmp_path / "named.yaml"
    policy.write_text("version: 1\nchannel: C01\npeople: [{slack: U0GUS, confluent: u-erin01}]\n", "utf-8")
    asked = (*DEV, "--policy", str(policy))

    listed = run(org, "who-can-approve", *asked).stdout
    (erin,) = [
        each
        for each in json.loads(run(org, "explain", *asked, "--json").stdout)["barred"]
        if each["email"] == "erin@acme.example"
    ]

    assert "erin@acme.example" not in listed
    assert erin["slack"] == "U0GUS"


def test_t23_who_has_no_line_in_people_cannot_approve(org: Path, tmp_path: Path) -> None:
    policy = tmp_path / "pinned.yaml"
    lines = "people: [{slack: U0OLGA, confluent: u-olga01}]"
    policy.write_text(f"version: 1\nchannel: C01\nroles: {{people_only: true}}\n{lines}\n", "utf-8")

    result = run(org, "who-can-approve", *DEV, "--policy", str(policy))

    assert result.stdout == (
        "Olga Lindqvist <olga@acme.example> (u-olga01, per the policy file, Slack U0OLGA): "
        "OrganizationAdmin on the whole organization\n"
    )
    assert "and this person isn't listed." in result.stderr


def test_a_rule_about_certain_people_says_whom(org: Path, tmp_path: Path) -> None:
    file = tmp_path / "by.yml"
    rule = "{name: platform, match: {by: [U0DANA, S0PLATFORM, OrganizationAdmin]}, approvals: 2}"
    file.write_text(f"version: 1\nchannel: C1\nrules: [{rule}]\n")
    asked = ("--kind", "kafka", "--resource", "orders-dev", "--owner", "orders-service", "--policy", str(file))

    mine, theirs = (run(org, "explain", "--user", user, *asked).stdout for user in ("u-ravi01", "u-erin01"))

    assert 'Rule:     "platform", for requests by U0DANA or members of S0PLATFORM or people with Organ' in mine
    assert 'Rule:     "one approval for every new key"\n' in theirs


def test_conditions_say_who_approves_and_who_of_those_with_a_role_does_not(org: Path, tmp_path: Path) -> None:
    file = tmp_path / "approvers.yml"
    teams = "teams: [{name: platform, members: [S0PLATFORM]}, {name: admins, members: [U0INES]}]"
    rule = (
        "{name: dev, match: {environment: env-dev001}, approvals: 2, approvers: {one_of: [team:platform, team:admins]"
    )
    file.write_text(f"version: 1\nchannel: C1\n{teams}\nrules: [{rule}, not: [same group], distinct: true}}}}]\n")
    asked = ("--kind", "kafka", "--resource", "orders-dev", "--owner", "orders-service", "--policy", str(file))

    mine, theirs = (run(org, "explain", "--user", user, *asked) for user in ("u-dana01", "u-ravi01"))

    assert mine.exit_code == 0
    assert (
        "          only the platform team or the admins team can approve, at most one approval from each\n"
        in mine.stdout
    )
    assert "          people who share a user group with the requester can't approve\n" in mine.stdout
    able = mine.stdout.partition("Who could approve")[2].partition("People who have")[0]
    assert [name for name in ("Olga", "Ravi", "Ines", "Erin") if name in able] == ["Olga", "Ravi", "Ines"]
    assert "The policy accepts approvals only from the platform team or the admins team." in mine.stdout
    assert theirs.exit_code == 1
    assert "Decision: needs 2 approvals, and only 1 person could approve" in theirs.stdout
    assert "who share a user group with the requester (`S0PLATFORM`)" in theirs.stdout
    assert json.loads(run(org, "explain", "--user", "u-dana01", *asked, "--json").stdout)["terms"]["approvers"] == {
        "one_of": [{"team": "platform", "ids": ["S0PLATFORM"]}, {"team": "admins", "ids": ["U0INES"]}],
        "not": ["same group"],
        "distinct": True,
    }


ORDERS_KEY_ADMIN = "Ravi Menon"
"""ResourceKeyAdmin of the organization: approves keys there, and can grant no role."""


def test_access_is_weighed_as_in_the_form_and_who_cannot_grant_it_cannot_approve(org: Path, policy: Path) -> None:
    words = (*DEV, "--policy", str(policy))
    without = run(org, "who-can-approve", *words)
    result = run(
        org, "explain", *words, "--access", "Write topics=clicks-, audit-", "--access", "Use consumer groups=c"
    )
    able = result.stdout.partition("Who could approve")[2].partition("People who have")[0]

    assert ORDERS_KEY_ADMIN in without.stdout
    assert result.exit_code == 0
    assert "          grants DeveloperWrite on topic clicks-*: approvers have to be able to grant it" in result.stdout
    assert result.stdout.count("          grants ") == 3
    assert "Erin Castellanos" in able
    assert ORDERS_KEY_ADMIN not in able


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*DEV, "--access", "Fly"), "no “Fly” can be requested. It can be Read topics, Write topics"),
        ((*DEV, "--access", "Write topics"), "Enter a name prefix."),
        ((*DEV, "--access", "Write topics=a b/c"), "Use only a–z, A–Z, 0–9"),
        ((*MY_DEV, "--access", "Write topics=a"), "There is none for this request."),
        ((*DEV, "--operation", "rotate", "--access", "Write topics=a"), "There is none for this request."),
    ],
)
def test_access_that_cannot_be_requested_ends_with_2(
    org: Path, policy: Path, words: tuple[str, ...], says: str
) -> None:
    result = run(org, "explain", *words, "--policy", str(policy))

    assert result.exit_code == 2
    assert says in result.stderr


def test_a_rule_with_break_glass_says_who_can_use_it(org: Path, tmp_path: Path) -> None:
    policy, glass = tmp_path / "policy.yml", "{by: [U0RAVI, EnvironmentAdmin], lifetime: 4h, notify: [C09]}"
    policy.write_text(f"version: 1\nchannel: C02\nrules: [{{name: all, approvals: 1, break_glass: {glass}}}]")
    asked = ("--policy", str(policy), "--user", "u-erin01", "--kind", "kafka", "--resource", "orders-dev")

    text = run(org, "explain", *asked, "--owner", "orders-service").stdout
    answer = json.loads(run(org, "explain", *asked, "--owner", "orders-service", "--json").stdout)

    said = "U0RAVI or people with EnvironmentAdmin can create a key without approval, for 4 hours"
    assert f"          in an emergency, {said}\n" in text
    assert answer["terms"]["break_glass"] == {
        "by": ["EnvironmentAdmin", "U0RAVI"],
        "lifetime_seconds": 14400,
        "notify": ["C09"],
    }


def test_an_environment_is_known_by_its_name_and_one_without_refuses(org: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(
        'version: 1\nchannel: C1\nrules: [{name: by name, match: {environment: "prod*"}, approvals: 2}]'
    )
    asked = ("explain", *PROD, "--policy", str(tmp_path / "policy.yml"))
    assert 'Rule:     "by name"' in run(org, *asked).stdout

    here = json.loads(org.read_text("utf-8"))
    here["environments"] = [{**each, "name": each["id"]} for each in here["environments"]]
    (tmp_path / "org.json").write_text(json.dumps(here), "utf-8")
    result = run(tmp_path / "org.json", *asked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "couldn't read what `env-prod01` is called" in result.stderr


PAIR = """version: 1
channel: C1
rules:
- {name: registry, match: {kind: schema-registry}, approvals: 2, lifetime: 7d}
- {name: kafka, match: {kind: kafka}, approvals: 0, lifetime: 30d, break_glass: {by: [U0DANA], lifetime: 4h}}
"""


def test_a_pair_is_under_both_rules_and_takes_people_who_cover_both(org: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(PAIR)
    asked = (*PROD, "--also", "lsrc-prod01", "--policy", str(tmp_path / "policy.yml"))
    text, answer = run(org, "explain", *asked).stdout, json.loads(run(org, "explain", *asked, "--json").stdout)

    assert "wants to create a Kafka key and a Schema Registry key\n" in text
    assert 'Rule:     "kafka", of the Kafka key\nRule:     "registry", of the Schema Registry key\n' in text
    assert "          lifetime of the key: at most 7 days\n" in text
    assert (answer["missing"], answer["rule"], answer["also"]["id"]) == (2, "kafka + registry", "lsrc-prod01")
    able = {each["principal"] for each in answer["approvers"]}
    assert "u-olga01" in able
    assert "u-chiyo1" not in able, "she administers the Kafka cluster alone"
    assert answer["approvers"] == json.loads(run(org, "who-can-approve", *asked, "--json").stdout)["approvers"]

    text = run(org, "explain", *asked, "--access", "Write topics=o-", "--access", "Write subjects=orders-").stdout
    assert text.count("          grants DeveloperWrite on ") == 2
    result = run(org, "explain", *PROD, "--access", "Write subjects=orders-", "--policy", str(tmp_path / "policy.yml"))
    assert (result.exit_code, result.stdout) == (2, "")

    for words in (("--also", "lsrc-dev01"), ("--also", "lsrc-prod01", "--operation", "rotate")):
        result = run(org, "explain", *PROD, *words, "--policy", str(tmp_path / "policy.yml"))
        assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(("user", "decision"), [("u-dana01", "allowed without approval"), ("u-erin01", "forbidden")])
def test_break_glass_says_who_could_review_it(org: Path, tmp_path: Path, user: str, decision: str) -> None:
    (tmp_path / "policy.yml").write_text(PAIR.replace("approvals: 0", "approvals: 1"))
    asked = ("--kind", "kafka", "--resource", "lkc-prod01", "--owner", "sa-orders", "--break-glass")
    result = run(org, "explain", "--user", user, *asked, "--policy", str(tmp_path / "policy.yml"))

    assert f"Decision: {decision}" in result.stdout
    assert ("          lifetime of the key: at most 4 hours\n" in result.stdout) is (user == "u-dana01")
    assert ("\nWho could review (" in result.stdout) is (user == "u-dana01")
    assert result.exit_code == (0 if user == "u-dana01" else 1)


def test_break_glass_that_no_one_could_review_is_not_possible(org: Path, tmp_path: Path) -> None:
    here = json.loads(org.read_text("utf-8"))
    (tmp_path / "org.json").write_text(json.dumps({**here, "role_bindings": []}), "utf-8")
    (tmp_path / "policy.yml").write_text(PAIR.replace("approvals: 0", "approvals: 1"))
    result = run(tmp_path / "org.json", "explain", *PROD, "--break-glass", "--policy", str(tmp_path / "policy.yml"))

    assert "Decision: allowed without approval, but no one could review it\n" in result.stdout
    assert result.exit_code == 1
