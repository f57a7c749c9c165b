"""`latchkey policy diff`: what changes, for whom; its exit codes; and that it decides as `explain` does."""

import json
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner, Result

from bot import settings
from bot.cli.main import app

HEAD = "version: 1\nchannel: C0APPROVE\n"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)


class Files:
    def __init__(self, folder: Path, org: Path) -> None:
        self.folder, self.org = folder, org

    def run(self, old: str, new: str, *words: str) -> Result:
        for name, text in (("old", old), ("new", new)):
            (self.folder / f"{name}.yml").write_text(HEAD + text)
        files = [str(self.folder / "old.yml"), str(self.folder / "new.yml")]
        return CliRunner().invoke(app, ["policy", "diff", *files, "--snapshot", str(self.org), *words])

    def explained(self, name: str, user: str, words: tuple[str, ...]) -> str:
        """The decision about creating a key, as `explain` has it."""
        files = ("--snapshot", str(self.org), "--policy", str(self.folder / f"{name}.yml"))
        asked = ["policy", "explain", "--user", f"u-{user}01", *words, *files]
        return CliRunner().invoke(app, asked).stdout.split("Decision: ")[1].splitlines()[0]

    def changes(self, old: str, new: str) -> list[dict[str, Any]]:
        result = self.run(old, new, "--json")
        assert result.stderr == ""
        found: list[dict[str, Any]] = json.loads(result.stdout)["changes"]
        assert result.exit_code == bool(found)
        return found


@pytest.fixture
def files(tmp_path: Path, org: Path) -> Files:
    return Files(tmp_path, org)


PROD = "rules: [{name: prod, match: {environment: env-prod01, operation: create}, approvals: 2, lifetime: 30d}]\n"
OWN = "rules: [{name: own dev keys, match: {environment: env-dev001, owner: me, operation: create}, approvals: 0}]\n"


def test_the_same_policy_in_other_words_changes_nothing(files: Files) -> None:
    renamed = PROD.replace("name: prod", "name: production").replace("operation: create", "operation: [create]")

    result = files.run(PROD, "open_requests: 3\n" + renamed)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "No decision changes.\n", "")


@pytest.mark.parametrize("name", ["production", "'prod*'", "[staging, production]"])
def test_an_environment_by_its_name_is_the_same_as_by_its_id(files: Files, name: str) -> None:
    result = files.run(PROD, PROD.replace("env-prod01", name))

    assert (result.exit_code, result.stdout, result.stderr) == (0, "No decision changes.\n", "")


def test_more_approvals_and_a_shorter_life_are_told_for_everyone(files: Files) -> None:
    result = files.run("", PROD)

    assert result.exit_code == 1
    assert result.stdout == snapshot("""\
needs 1 approval -> needs 2 approvals
  lifetime: unlimited -> 30 days
  who:  Chiyo Tanaka, Dana Okafor, Disha Rao, Erin Castellanos, Greta Holm, Ines Carvalho, Kim Aydın, Lena Ivers, Mona Fischer, Olga Lindqvist and 5 more
  what: create, extend; Flink, Kafka, Schema Registry, ksqlDB; in production (env-prod01); owner: any service account, their own account

needs 1 approval -> needs 2 approvals
  lifetime: unlimited -> 30 days
  who:  Chiyo Tanaka, Dana Okafor, Disha Rao, Erin Castellanos, Greta Holm, Kim Aydın, Lena Ivers, Mona Fischer, Omar Bello, Pavel Novák and 3 more
  what: create; Flink, Kafka, Schema Registry, ksqlDB; in production (env-prod01); owner: a new service account

needs 1 approval -> needs 2 approvals, and only 1 person could approve
  lifetime: unlimited -> 30 days
  who:  Ines Carvalho, Olga Lindqvist
  what: create; Flink, Kafka, Schema Registry, ksqlDB; in production (env-prod01); owner: a new service account
""")  # noqa: E501 -- as it is printed


def test_who_needs_no_approval_any_longer_is_told_by_name(files: Files) -> None:
    result = files.run("", OWN)

    assert result.stdout == snapshot("""\
needs 1 approval -> allowed without approval
  who:  Dana Okafor, Erin Castellanos, Ines Carvalho, Mona Fischer, Olga Lindqvist, Omar Bello
  what: create, extend; Kafka; in lkc-dev001 in dev (env-dev001); owner: their own account

needs 1 approval -> allowed without approval
  who:  Disha Rao, Erin Castellanos, Ines Carvalho, Olga Lindqvist, Omar Bello, Reed Walsh
  what: create, extend; Schema Registry; in dev (env-dev001); owner: their own account

needs 1 approval -> allowed without approval
  who:  Erin Castellanos, Ines Carvalho, Kim Aydın, Mona Fischer, Olga Lindqvist, Omar Bello
  what: create, extend; ksqlDB; in lksqlc-dev01 in dev (env-dev001); owner: their own account

needs 1 approval -> allowed without approval
  who:  Erin Castellanos, Greta Holm, Ines Carvalho, Olga Lindqvist, Omar Bello
  what: create, extend; Kafka; in lkc-dev002 in dev (env-dev001); owner: their own account

needs 1 approval -> allowed without approval
  who:  Erin Castellanos, Ines Carvalho, Olga Lindqvist, Omar Bello
  what: create, extend; Kafka; in lkc-dev003 in dev (env-dev001); owner: their own account
  what: create, extend; ksqlDB; in lksqlc-dev02 in dev (env-dev001); owner: their own account
  what: create, extend; Flink; in dev (env-dev001); owner: their own account
""")


def test_a_mapping_tells_who_can_approve_now_and_what_needs_nobody(files: Files) -> None:
    given = "roles: {mappings: [{user: U0DANA, role: EnvironmentAdmin, scope: env-dev001}]}\n"

    first, last = files.run("", given).stdout.split("\n\n")[0], files.run(given, "").stdout.split("\n\n")[-1]

    assert first == snapshot("""\
needs 1 approval
  can approve now: Dana Okafor
  who:  Chiyo Tanaka, Disha Rao, Erin Castellanos, Greta Holm, Ines Carvalho, Kim Aydın, Lena Ivers, Mona Fischer, Olga Lindqvist, Omar Bello and 4 more
  what: create, extend, rotate; Flink, Kafka, Schema Registry, ksqlDB; in dev (env-dev001); owner: any service account, their own account\
""")  # noqa: E501 -- as it is printed
    assert last == snapshot("""\
allowed without approval -> needs 1 approval
  who:  Dana Okafor
  what: delete, edit; Flink, Kafka, Schema Registry, ksqlDB; in dev (env-dev001); owner: another person, any service account
""")  # noqa: E501 -- as it is printed


def test_a_people_line_lets_somebody_in(files: Files) -> None:
    found = files.changes("", "people: [{slack: U0VERA, confluent: u-vera01}]\n")

    assert {person["principal"] for each in found for person in each["people"]} == {"u-vera01"}
    assert {each["before"][:44] for each in found} == {"forbidden. Slack has no confirmed email addr"}
    assert {"needs 1 approval", "needs 2 approvals", "allowed without approval"} < {each["after"] for each in found}


def test_a_rule_about_certain_people_changes_theirs_alone(files: Files) -> None:
    def policy(by: str, sets: str) -> str:
        return f"rules: [{{name: a, match: {{environment: env-dev001, operation: create, by: {by}}}, {sets}}}]"

    found = files.changes("", policy("[S0PLATFORM, U0DANA]", "approvals: 2"))

    assert {person["principal"] for each in found for person in each["people"]} == {"u-olga01", "u-ravi01", "u-dana01"}
    assert {each["before"] for each in found} == {"needs 1 approval"}
    found = files.changes("", policy("OrganizationAdmin", "forbid: No."))
    assert {person["principal"] for each in found for person in each["people"]} == {"u-olga01", "u-ines01"}


def test_conditions_on_approvers_are_a_change_of_terms_and_of_who_can_approve(files: Files) -> None:
    rule = "rules: [{name: dev, match: {environment: env-dev001, kind: kafka, operation: create}"
    before, after = f"{rule}}}]", f"{rule}, approvers: {{one_of: [S0PLATFORM], not: [same group]}}}}]"

    found = files.changes(before, after)

    assert all(each["terms"]["approvers"]["before"] is None for each in found)
    lost = {person for each in found for person in each["approvers_lost"]}
    assert {"u-erin01", "u-ines01"} <= lost
    own = [each for each in found if {person["principal"] for person in each["people"]} & {"u-ravi01", "u-olga01"}]
    assert {each["after"] for each in own} == {"needs 1 approval, and no one could approve"}
    assert files.changes(after, after) == []


def test_a_group_that_the_snapshot_does_not_know_decides_nothing(files: Files) -> None:
    result = files.run("", "rules: [{name: a, match: {by: S0OTHER}, approvals: 2}]")

    assert result.exit_code == 2
    assert "doesn't say who is in the user group S0OTHER. Take one with this policy." in result.stderr


def test_json_has_these_keys(files: Files) -> None:
    (first, *_) = files.changes("", PROD)

    assert [person["principal"] for person in first.pop("people")][:2] == ["u-chiyo1", "u-dana01"]
    assert first == {
        "before": "needs 1 approval",
        "after": "needs 2 approvals",
        "terms": {"lifetime_seconds": {"before": None, "after": 2592000}},
        "approvers_gained": [],
        "approvers_lost": [],
        "requests": [
            {
                "operations": ["create", "extend"],
                "kinds": ["Flink", "Kafka", "Schema Registry", "ksqlDB"],
                "places": ["production (env-prod01)"],
                "owners": ["any service account", "their own account"],
            }
        ],
    }


def test_what_nobody_could_approve_is_told(files: Files) -> None:
    found = files.changes("", "rules: [{name: five, match: {kind: cloud, owner: new-service-account}, approvals: 5}]\n")

    assert {each["after"] for each in found} == snapshot(
        {"needs 5 approvals, and only 1 person could approve", "needs 5 approvals, and only 2 people could approve"}
    )


@pytest.mark.parametrize("broken", ["old", "new", "snapshot", "missing"])
def test_what_cannot_be_read_ends_with_2(files: Files, broken: str) -> None:
    if broken == "snapshot":
        files.org = files.folder / "empty.json"
        files.org.write_text("{}")
    if broken == "missing":
        files.org = files.folder / "gone.json"
    wrong = "defaults: {approvals: 9}\n"

    result = files.run(wrong if broken == "old" else "", wrong if broken == "new" else PROD)

    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


OLD = """\
roles: {mappings: [{user: U0MONA, role: CloudClusterAdmin, scope: env-dev001/lkc-dev001}]}
rules:
  - {name: own dev keys, match: {environment: env-dev001, owner: me}, approvals: 0}
  - {name: no global keys, match: {kind: global}, forbid: Ask the platform team for a Kafka key instead.}
"""
NEW = """\
roles: {table: "2026", mappings: [{user: U0REED, role: EnvironmentAdmin, scope: env-prod01}]}
people: [{slack: U0VERA, confluent: u-vera01}]
rules:
  - {name: orders, match: {owner: sa-orders, kind: kafka}, approvals: 3}
  - {name: a cluster, match: {cluster: lkc-dev001}, approvals: 0, else: 2}
  - {name: own dev keys, match: {environment: env-dev001, owner: me}, approvals: 1}
"""


ASKED = (
    ("--kind", "kafka", "--resource", "lkc-dev001", "--owner", "me"),
    ("--kind", "kafka", "--resource", "lkc-dev001", "--owner", "sa-orders"),
    ("--kind", "kafka", "--resource", "lkc-prod01", "--owner", "sa-orders"),
    ("--kind", "kafka", "--resource", "lkc-prod01", "--owner", "new"),
    ("--kind", "global", "--owner", "sa-orders"),
)


def test_it_decides_as_explain_does(files: Files) -> None:
    changes = files.changes(OLD, NEW)

    for user in ("dana", "olga", "sami", "mona", "vera"):
        mine = [each for each in changes if f"u-{user}01" in (person["principal"] for person in each["people"])]
        for words in ASKED:
            told = {
                (each["before"], each["after"]) for each in mine if any(fits(box, words) for box in each["requests"])
            }
            before, after = (files.explained(name, user, words) for name in ("old", "new"))
            assert told - {(before, before)} == ({(before, after)} if before != after else set()), (user, words)


def fits(box: dict[str, list[str]], words: tuple[str, ...]) -> bool:
    """Whether the box of a change has this request, which creates a key."""
    said = dict(zip(words[::2], words[1::2], strict=True))
    place, owner = said.get("--resource", "the organization"), said["--owner"]
    around = {"lkc-dev001": "dev (env-dev001)", "lkc-prod01": "production (env-prod01)"}.get(place, place)
    owners = {"me": "their own account", "new": "a new service account"}.get(owner, "any service account")
    return (
        "create" in box["operations"]
        and said["--kind"] in map(str.lower, box["kinds"])
        and any(each == around or each.startswith(place) for each in box["places"])
        and any(each == owners or each.startswith(owner) for each in box["owners"])
    )


def test_a_rule_that_requires_a_ticket_is_compared_like_any_other(files: Files) -> None:
    """What is compared has no texts, so no ticket either: that made it forbidden, whatever else changed."""
    ticketed = PROD.replace("lifetime: 30d", "ticket: {pattern: 'OPS-[0-9]+', required: true}")

    result = files.run(PROD.replace(", lifetime: 30d", ""), ticketed)
    assert "needs 2 approvals\n  ticket: none -> required OPS-[0-9]+\n" in result.stdout
    assert "forbidden" not in result.stdout
    assert files.changes(ticketed, ticketed.replace("approvals: 2", "approvals: 1"))


@pytest.mark.parametrize("term", ["remind: [1h]", "notify: [U0GRETA]", "ticket: {pattern: 'OPS-[0-9]+'}"])
def test_terms_that_are_lists_are_compared(files: Files, term: str) -> None:
    changes = files.changes(PROD, PROD.replace("lifetime: 30d", f"lifetime: 30d, {term}"))

    assert {name.removesuffix("_seconds") for each in changes for name in each["terms"]} == {term.partition(":")[0]}


def test_every_term_of_a_rule_has_words_in_the_order_of_explain(files: Files) -> None:
    rule = "rules: [{name: dev, match: {environment: env-dev001, kind: kafka, operation: create}"
    times = "remind: [1h], pending: 2h, claim: 3h, lifetime: 4d, ticket: {pattern: 'OPS-[0-9]+'}, confirm: resource"
    glass = "break_glass: {by: [S0PLATFORM, OrganizationAdmin], lifetime: 4h, notify: [S0PLATFORM]}"
    conditions = "approvers: {one_of: [S0PLATFORM, U0ERIN], not: [owner, same group], distinct: true}"

    result = files.run(f"{rule}}}]", f"{rule}, {conditions}, {glass}, {times}}}]")

    assert result.exit_code == 1, result.exception
    terms = dict.fromkeys(line.strip() for line in result.stdout.splitlines() if line.startswith("  "))
    assert [each for each in terms if not each.startswith(("can ", "who:", "what:"))] == [
        "remind: 4 hours, 12 hours -> 1 hour",
        "pending: 1 day -> 2 hours",
        "claim: 1 day -> 3 hours",
        "lifetime: unlimited -> 4 days",
        "ticket: none -> optional OPS-[0-9]+",
        "confirm: none -> resource",
        "break glass: none -> OrganizationAdmin, S0PLATFORM, 4 hours, notifies S0PLATFORM",
        "approvers: none -> only S0PLATFORM or U0ERIN, each approval from a different one; not owner; not same group",
    ]
