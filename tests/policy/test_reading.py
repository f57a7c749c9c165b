"""A policy file becomes what it says, or one line for each thing that is wrong with it."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from bot.domain.access import OFFERS, Offer
from bot.domain.approvals import NOBODY
from bot.domain.keys import Operation
from bot.domain.kinds import Kind
from bot.domain.policy import REMIND, BreakGlass, Match, Review, RoleMapping, Selector, built_in, without_a_file
from bot.domain.roles import TABLES
from bot.policyfile import PolicyError, parse, read
from bot.policyfile.tree import MOST_BYTES
from tests.policy.written import examples, file, problems

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_everything_that_a_file_can_say() -> None:
    policy = file(examples()[0], head="", default_channel="C09").policy

    production, no_global = policy.rules[:2]
    assert production.match == Match(
        frozenset({Operation.CREATE, Operation.ROTATE}), environments=frozenset({"env-prod01"})
    )
    assert (production.name, production.approvals, production.channel) == ("production", 2, "C03")
    assert (production.notify, production.lifetime) == (("S02",), 30 * DAY)
    assert (production.pending, production.claim, production.remind) == (DAY, DAY, (2 * HOUR, 8 * HOUR))
    assert (production.mint, production.user_keys, production.forbid) == ("on_approval", True, "")
    assert no_global.forbid == "Ask the platform team for a Kafka key instead."
    assert no_global.match == Match(kinds=frozenset({Kind.GLOBAL}))
    assert no_global.channel == "C02"
    assert policy.table == TABLES["documented"]
    assert policy.review == Review("C02", 7 * DAY, 90 * DAY)
    assert (production.overlap, no_global.overlap) == (7 * DAY, 7 * DAY)
    assert policy.mappings == (
        RoleMapping("S01", "OrganizationAdmin", ""),
        RoleMapping("U02", "CloudClusterAdmin", "environment=env-dev001/cloud-cluster=lkc-dev001", date(2030, 12, 31)),
        RoleMapping("S03", "CloudClusterAdmin", "environment=env-dev001/cloud-cluster=lkc-dev001"),
        RoleMapping("U04", "CloudClusterAdmin", "environment=env-dev001/cloud-cluster=lkc-dev001"),
    )
    assert policy.people == {"U07": "u-abc001"}


@pytest.mark.parametrize("written", ["true", "on"])
def test_t23_a_line_in_people_can_be_asked_for(written: str) -> None:
    assert file(f"roles: {{people_only: {written}}}\n").policy.table == replace(TABLES["documented"], people_only=True)


def test_built_in_rules_follow_those_of_the_file_with_its_defaults() -> None:
    found = file("defaults: {approvals: 3, lifetime: 30d, user_keys: off}\nrules: [{name: a, forbid: no way}]")

    assert found.rules == 1
    last = found.policy.rules[1:]
    assert [rule.approvals for rule in last] == [3, 3, 0]
    assert {(rule.lifetime, rule.user_keys, rule.channel) for rule in last} == {(30 * DAY, False, "C02")}
    assert last == built_in(last[1])


def test_a_rule_inherits_what_it_does_not_set() -> None:
    defaults = "defaults: {approvals: 2, pending: 8h, remind: [1h, 4h], lifetime: 90d, notify: [S01], mint: on_claim}\n"
    rules = "rules:\n- name: as is\n- {name: own, pending: 2h, lifetime: unlimited, notify: [], approvals: 0}\n"
    as_is, own = file(defaults + rules).policy.rules[:2]

    assert (as_is.approvals, as_is.pending, as_is.lifetime, as_is.mint) == (2, 8 * HOUR, 90 * DAY, "on_claim")
    assert (as_is.remind, as_is.notify) == ((HOUR, 4 * HOUR), ("S01",))
    assert (own.approvals, own.pending, own.lifetime, own.notify) == (0, 2 * HOUR, None, NOBODY)
    assert own.remind == (HOUR,), "an inherited reminder after the end is dropped"


@pytest.mark.parametrize(
    ("defaults", "rule", "otherwise"),
    [
        ("{}", "approvals: 0", 1),
        ("{approvals: 0}", "approvals: 0", 1),
        ("{approvals: 3}", "approvals: 0", 3),
        ("{approvals: 3}", "approvals: 0, else: 2", 2),
        ("{approvals: 0}", "else: 4", 4),
        ("{approvals: 3, else: 1}", "approvals: 0", 1),
        ("{}", "approvals: 0, unless_manager: forbid", None),
        ("{unless_manager: forbid}", "approvals: 0", None),
        ("{unless_manager: forbid}", "approvals: 0, else: 2", 2),
    ],
)
def test_a_rule_without_approvals_says_what_people_need_who_do_not_manage_the_key(
    defaults: str, rule: str, otherwise: int | None
) -> None:
    policy = file(f"defaults: {defaults}\nrules: [{{name: a, {rule}}}]").policy

    assert (policy.rules[0].approvals, policy.rules[0].otherwise) == (0, otherwise)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "rules: [{name: a, approvals: 2, else: 3}]",
            "3: rules[0].else: has no effect unless the rule's `approvals` is 0: leave it out",
        ),
        (
            "rules: [{name: a, unless_manager: forbid}]",
            "3: rules[0].unless_manager: has no effect unless the rule's `approvals` is 0: leave it out",
        ),
        (
            "defaults: {else: 2, unless_manager: forbid}",
            "3: defaults.else: and `unless_manager: forbid` can't be combined: keep one",
        ),
        ("rules: [{name: a, forbid: no way, else: 2}]", "3: rules[0].else: has no effect in a rule that forbids"),
        (
            "rules: [{name: a, approvals: 0, else: 0}]",
            "3: rules[0].else: 0 is too small. With `approvals: 0`, how many",
        ),
        ("rules: [{name: a, approvals: 0, unless_manager: 2}]", "3: rules[0].unless_manager: 2 isn't a valid value"),
        ("rules: [{name: a, otherwise: 2}]", "3: rules[0].otherwise: there's no such key in rules[0]: use one of"),
    ],
)
def test_what_others_need_is_refused_where_it_means_nothing(text: str, problem: str) -> None:
    (found,) = problems(text)

    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("defaults", "rule", "notify", "remind"),
    [
        ("{}", "", (), REMIND),
        ("{}", ", notify: closest", (), REMIND),
        ("{}", ", notify: none", NOBODY, ()),
        ("{}", ", notify: []", NOBODY, ()),
        ("{}", ", notify: none, remind: [1h]", NOBODY, (HOUR,)),
        ("{}", ", notify: [S01]", ("S01",), REMIND),
        ("{}", ", pending: 5h", (), REMIND[:1]),
        ("{notify: none}", "", NOBODY, ()),
        ("{notify: none}", ", notify: closest", (), REMIND),
        ("{notify: none, remind: [1h]}", "", NOBODY, (HOUR,)),
        ("{remind: []}", "", (), ()),
        ("{notify: [S01]}", ", notify: closest, remind: [2h]", (), (2 * HOUR,)),
    ],
)
def test_the_people_closest_to_the_resource_are_told_and_reminded_unless_the_file_says_otherwise(
    defaults: str, rule: str, notify: tuple[str, ...], remind: tuple[timedelta, ...]
) -> None:
    policy = file(f"defaults: {defaults}\nrules: [{{name: a{rule}}}]").policy

    assert (policy.rules[0].notify, policy.rules[0].remind) == (notify, remind)


@pytest.mark.parametrize(
    ("word", "meant"), [("30m", timedelta(minutes=30)), ("24h", DAY), ("90d", 90 * DAY), ("2w", 14 * DAY)]
)
def test_times(word: str, meant: timedelta) -> None:
    assert file(f"defaults: {{claim: {word}}}").policy.rules[0].claim == meant


@pytest.mark.parametrize(
    ("word", "meant"),
    [("on", True), ("off", False), ("true", True), ("no", False), ('"off"', False), ("'on'", True), ("Off", False)],
)
def test_switches_are_words_or_truth_values(word: str, *, meant: bool) -> None:
    assert file(f"defaults: {{user_keys: {word}}}").policy.rules[0].user_keys is meant


@pytest.mark.parametrize("word", ["2026", '"2026"'])
def test_the_table_needs_no_quotes(word: str) -> None:
    assert file(f"roles: {{table: {word}}}").policy.table is TABLES["2026"]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("env-dev001", "environment=env-dev001"),
        ("env-dev001/lkc-dev001", "environment=env-dev001/cloud-cluster=lkc-dev001"),
        ("environment=env-dev001/cloud-cluster=lkc-dev001", "environment=env-dev001/cloud-cluster=lkc-dev001"),
        ("env-1/lsrc-1", "environment=env-1/schema-registry=lsrc-1"),
        ("env-1/aws.us-east-1", "environment=env-1/flink-region=aws.us-east-1"),
        ("env-1/lkc-1/ksql=my%20joins", "environment=env-1/cloud-cluster=lkc-1/ksql=my%20joins"),
        ("env-1/lkc-1/lksqlc-1", "environment=env-1/cloud-cluster=lkc-1/ksql=lksqlc-1"),
        ("sa-orders", "service-account=sa-orders"),
        ('""', ""),
    ],
)
def test_scopes_become_paths_of_crns(scope: str, path: str) -> None:
    found = file(f"roles: {{mappings: [{{user: U1, role: ResourceOwner, scope: {scope}}}]}}")

    assert found.policy.mappings == (RoleMapping("U1", "ResourceOwner", path),)


@pytest.mark.parametrize(
    ("word", "meant"), [("0s", 0 * DAY), ("0d", 0 * DAY), ("0h", 0 * DAY), ("36h", 36 * HOUR), ("1w", 7 * DAY)]
)
def test_an_overlap_may_be_nothing_and_a_week_at_most(word: str, meant: timedelta) -> None:
    (rule, *_) = file(f"defaults: {{overlap: 3d}}\nrules: [{{name: a, overlap: {word}}}, {{name: b}}]").policy.rules

    assert rule.overlap == meant
    assert {each.overlap for each in file("defaults: {overlap: 3d}").policy.rules} == {3 * DAY}
    assert {each.overlap for each in file("").policy.rules} == {7 * DAY}


@pytest.mark.parametrize(
    ("text", "review"),
    [
        ("", Review("C02", 7 * DAY, 90 * DAY)),
        ("review: {}", Review("C02", 7 * DAY, 90 * DAY)),
        ("review: on", Review("C02", 7 * DAY, 90 * DAY)),
        ("review: {every: 2w}", Review("C02", 14 * DAY, 90 * DAY)),
        ("review: {older_than: 365d, channel: C07}", Review("C07", 7 * DAY, 365 * DAY)),
        ("review: off", None),
        ("review: 'off'", None),
    ],
)
def test_a_review_comes_each_week_unless_the_file_says_otherwise(text: str, review: Review | None) -> None:
    assert file(text).policy.review == review


def test_the_access_that_can_be_requested_is_what_the_file_lists_else_what_is_built_in() -> None:
    some = "grants: [{name: Write  topics, role: DeveloperWrite, on: topic, prefix: yes}, "
    listed = file(f"{some}{{name: Run, role: FlinkDeveloper, on: environment}}]").policy.offers

    assert listed == (
        Offer("Write topics", "DeveloperWrite", "topic", prefix=True),
        Offer("Run", "FlinkDeveloper", "environment"),
    )
    assert (file("").policy.offers, file("grants: off").policy.offers) == (OFFERS, ())


@pytest.mark.parametrize(("text", "most"), [("", 10), ("open_requests: 3", 3)])
def test_t18_ten_open_requests_a_person_unless_the_file_says_otherwise(text: str, most: int) -> None:
    assert file(text).policy.open_requests == most


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", 7 * DAY),
        ("orphaned_keys: on", 7 * DAY),
        ("orphaned_keys: {delete_after: 2w}", 14 * DAY),
        ("orphaned_keys: {delete_after: 24h}", DAY),
        ("orphaned_keys: off", None),
    ],
)
def test_t5_an_orphaned_key_lives_for_a_week_unless_the_file_says_otherwise(text: str, after: timedelta | None) -> None:
    assert file(text).policy.delete_orphans_after == after


def test_without_a_file_there_is_a_review_too() -> None:
    assert without_a_file("C09").review == Review("C09", 7 * DAY, 90 * DAY)


@pytest.mark.parametrize("table", ["documented", '"2026"'])
def test_the_roles_that_make_service_accounts_replace_those_of_the_table(table: str) -> None:
    usual = file(f"roles: {{table: {table}}}").policy.table
    own = file(f"roles: {{table: {table}, new_accounts: [EnvironmentAdmin, AccountAdmin]}}").policy.table

    assert usual.creates_accounts >= {"OrganizationAdmin", "AccountAdmin"}
    assert own.creates_accounts == {"EnvironmentAdmin", "AccountAdmin"}
    assert (own.name, own.rows, own.own_anywhere) == (usual.name, usual.rows, usual.own_anywhere)


def test_a_role_that_makes_service_accounts_can_be_given_here() -> None:
    given = file("roles: {mappings: [{user: U1, role: AccountAdmin}]}")

    assert given.policy.mappings == (RoleMapping("U1", "AccountAdmin", ""),)


def test_match_takes_words_and_lists() -> None:
    match = "{operation: create, kind: [kafka, schema-registry], cluster: [lkc-1, aws.us-east-1], owner: [me, sa-1]}"

    assert file(f"rules: [{{name: a, match: {match}}}]").policy.rules[0].match == Match(
        frozenset({Operation.CREATE}),
        frozenset({Kind.KAFKA, Kind.SCHEMA_REGISTRY}),
        frozenset(),
        frozenset({"lkc-1", "aws.us-east-1"}),
        frozenset({"me", "sa-1"}),
    )


def test_cards_go_to_the_given_channel_when_the_file_names_none() -> None:
    found = file("rules: [{name: a, channel: C03}, {name: b}]", head="version: 1\n", default_channel="C09")

    assert [rule.channel for rule in found.policy.rules[:3]] == ["C03", "C09", "C09"]
    assert problems("rules: []", head="version: 1\n") == [
        "1: no channel is named: add `channel: C…`, or set LATCHKEY_CHANNEL"
    ]


def test_the_digest_is_that_of_the_bytes() -> None:
    first, again, other = file(""), file(""), file("# a comment\n")

    assert first.policy.digest == again.policy.digest != other.policy.digest
    assert len(first.policy.digest) == 12


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("chanel: C1", "3: chanel: there's no such key in this file: did you mean `channel`?"),
        ("roles: {xyzzy: 1}", "3: roles.xyzzy: there's no such key in roles: use one of table, mappings"),
        ("rules:\n- name: a\n  match: {operaton: edit}", "5: rules[0].match.operaton: there's no such key"),
        ("rules:\n- approvals: 1", "4: rules[0]: `name` is missing. A unique name"),
        ("rules:\n- {name: a}\n- {name: a}", '5: rules[1].name: "a" is also the name of the rule in line 4: give each'),
        ("rules:\n- name: one approval for every new key", '4: rules[0].name: "one approval for every new key" is'),
        ("rules: [{name: ' '}]", '3: rules[0].name: "" is empty. A unique name'),
        ("rules: [{name: no}]", '3: rules[0].name: "no" isn\'t text (if you meant text, put it in quotes)'),
        ("rules: [{name: 7}]", "3: rules[0].name: 7 isn't text"),
        (f"rules: [{{name: {'a' * 81}}}]", '3: rules[0].name: "aaaa'),
        ("rules: [a]", '3: rules[0]: "a" isn\'t a mapping of keys to values'),
        ("rules: {name: a}", "3: rules: this isn't a list"),
        ("defaults: {approvals: 6}", "3: defaults.approvals: 6 is too large. How many other people must approve"),
        ("defaults: {approvals: -1}", "3: defaults.approvals: -1 is too small"),
        ("defaults: {approvals: two}", '3: defaults.approvals: "two" isn\'t a whole number'),
        ("defaults: {approvals: on}", '3: defaults.approvals: "on" isn\'t a whole number'),
        ("defaults: {approvals: 1.0}", '3: defaults.approvals: "1.0" isn\'t a whole number'),
        ("defaults: {pending: 0h}", "3: defaults.pending: 0h is nothing: more than 0, at most 365d"),
        ("defaults: {claim: 366d}", "3: defaults.claim: 366d is too long: more than 0, at most 365d"),
        ("defaults: {lifetime: 3 days}", '3: defaults.lifetime: "3 days" isn\'t a duration: write minutes, hours'),
        ("defaults: {pending: 24}", "3: defaults.pending: 24 isn't a duration"),
        ("defaults: {pending: -1h}", '3: defaults.pending: "-1h" isn\'t a duration'),
        ("defaults: {pending: unlimited}", '3: defaults.pending: "unlimited" isn\'t a duration'),
        ("defaults: {remind: 2h}", '3: defaults.remind: "2h" isn\'t a list'),
        ("defaults: {remind: [2h, 2h]}", "3: defaults.remind: the times must increase"),
        ("defaults: {remind: [1h, 24h]}", "3: defaults.remind: the last reminder must come before `pending` ends"),
        ("rules: [{name: a, pending: 1h, remind: [2h]}]", "3: rules[0].remind: the last reminder must come before"),
        ("defaults: {mint: on_demand}", '3: defaults.mint: "on_demand" isn\'t a valid value. on_approval, or on_c'),
        ("defaults: {user_keys: maybe}", '3: defaults.user_keys: "maybe" isn\'t on or off'),
        ("defaults: {notify: [C01]}", '3: defaults.notify[0]: "C01" doesn\'t look right'),
        ("defaults: {channel: C01}", "3: defaults.channel: there's no such key in defaults"),
        ("rules: [{name: a, channel: D01}]", '3: rules[0].channel: "D01" doesn\'t look right'),
        ("rules: [{name: a, match: {operation: []}}]", "3: rules[0].match.operation: this is empty"),
        ("rules: [{name: a, match: {operation: creat}}]", '3: rules[0].match.operation: "creat" isn\'t a valid'),
        ("rules: [{name: a, match: {operation: extend}}]", '3: rules[0].match.operation: "extend" isn\'t a valid'),
        ("defaults: {overlap: 8d}", "3: defaults.overlap: 8d is too long: at most 7d, and 0d for no overlap"),
        ("defaults: {overlap: 0}", "3: defaults.overlap: 0 isn't a duration"),
        ("rules: [{name: a, overlap: unlimited}]", '3: rules[0].overlap: "unlimited" isn\'t a duration'),
        ("rules: [{name: a, forbid: no way, overlap: 1d}]", "3: rules[0].overlap: has no effect in a rule that"),
        ("review: {evry: 7d}", "3: review.evry: there's no such key in review: did you mean `every`?"),
        ("review: {every: 0d}", "3: review.every: 0d is nothing: more than 0, at most 365d"),
        ("review: {older_than: 90}", "3: review.older_than: 90 isn't a duration"),
        ("review: {channel: U1}", '3: review.channel: "U1" doesn\'t look right. The ID of a Slack channel'),
        ("open_requests: 0", "3: open_requests: 0 is too small."),
        ("orphaned_keys: {delete_after: 23h}", "3: orphaned_keys.delete_after: is too short: they are reported"),
        ("open_requests: ten", '3: open_requests: "ten" isn\'t a whole number'),
        ("grants: []", "3: grants: this is empty. A list of the access that people can request"),
        ("grants: yes", '3: grants: "yes" isn\'t a list.'),
        ("grants: [{name: W, role: DeveloperWrite, on: group}]",
         "3: grants[0].role: \"DeveloperWrite\" can't be offered on group: DeveloperManage or DeveloperRead can"),
        ("grants: [{name: W, role: ResourceOwner, on: topic}]", "3: grants[0].role: \"ResourceOwner\" can't be"),
        ("grants: [{name: W, role: DeveloperWrite, on: topics}]", '3: grants[0].on: "topics" isn\'t a valid value'),
        ("grants: [{name: W, role: DeveloperWrite}]", "3: grants[0]: `on` is missing. What the role is granted on"),
        ("grants: [{name: W, role: FlinkDeveloper, on: environment, prefix: true}]",
         "3: grants[0].prefix: has no effect on environment, which takes no name: leave it out"),
        ("grants: [{name: W, role: DeveloperRead, on: topic}, {name: W, role: DeveloperRead, on: group}]",
         '3: grants[1].name: "W" is in line 3 already: rename one'),
        ("grants: [{name: W, role: DeveloperRead, on: topic, prefx: yes}]",
         "3: grants[0].prefx: there's no such key in grants[0]: did you mean"),
        ("review: weekly", '3: review: "weekly" isn\'t a mapping of keys to values. The regular review of old keys'),
        ("roles: {new_accounts: []}", "3: roles.new_accounts: this is empty. A list of roles that can create new"),
        ("roles: {new_accounts: AccountAdmin}", '3: roles.new_accounts: "AccountAdmin" isn\'t a list'),
        ("roles: {new_accounts: [AcountAdmin]}", '3: roles.new_accounts[0]: "AcountAdmin" is not in the role table '),
        ("roles: {new_accounts: [FlinkAdmin]}", '3: roles.new_accounts[0]: "FlinkAdmin" is not in the role table "doc'),
        ("roles: {new_accounts: [KsqlAdmin], mappings: [{user: U1, role: AccountAdmin}]}",
         '3: roles.mappings[0].role: "AccountAdmin" is not in the role table "documented"'),
        ("rules: [{name: a, match: {kind: [kafka, sr]}}]", '3: rules[0].match.kind[1]: "sr" isn\'t a valid value'),
        ("rules: [{name: a, match: {cluster: prod}}]", '3: rules[0].match.cluster: "prod" doesn\'t look right'),
        ("rules: [{name: a, match: {cluster: env-1}}]", '3: rules[0].match.cluster: "env-1" doesn\'t look right'),
        ("rules: [{name: a, match: {owner: u-abc}}]", '3: rules[0].match.owner: "u-abc" doesn\'t look right'),
        ("rules: [{name: a, forbid: no way, approvals: 1}]", "3: rules[0].approvals: has no effect in a rule that "),
        ("rules: [{name: a, forbid: no way, notify: []}]", "3: rules[0].notify: has no effect in a rule that forbids"),
        ("rules: [{name: a, forbid: ''}]", '3: rules[0].forbid: "" is empty'),
        ("roles: {table: 2027}", "3: roles.table: 2027 isn't a valid value (did you mean 2026?)"),
        ("roles: {mappings: [{role: Operator}]}", "3: roles.mappings[0]: give the role to one of these: a `user`"),
        ("roles: {mappings: [{role: Operator, user: U1, group: S1}]}", "3: roles.mappings[0]: give the role to one"),
        ("roles: {mappings: [{role: EnvAdmin, user: U1}]}", '3: roles.mappings[0].role: "EnvAdmin" is not in the ro'),
        ("roles: {mappings: [{role: FlinkAdmin, user: U1}]}", '3: roles.mappings[0].role: "FlinkAdmin" is not in th'),
        ("roles: {mappings: [{role: Operator, user: S1}]}", '3: roles.mappings[0].user: "S1" doesn\'t look right'),
        ("people: [{slack: S1, confluent: u-1}]", '3: people[0].slack: "S1" doesn\'t look right'),
        ("people: [{slack: U1, confluent: sa-1}]", '3: people[0].confluent: "sa-1" doesn\'t look right'),
        ("people:\n- {slack: U1, confluent: u-1}\n- {slack: U1, confluent: u-2}", "5: people[1]: U1 is in this list"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line_its_key_and_what_would_be_right(text: str, line: str) -> None:
    (found,) = problems(text)

    assert found.startswith(line)


def test_guesses_are_told() -> None:
    def guess(text: str) -> str:
        return problems(text)[0].rpartition(": ")[2]

    assert guess("rules: [{name: a, match: {operaton: edit}}]") == "did you mean `operation`?"
    assert "(did you mean schema-registry?)" in problems("rules: [{name: a, match: {kind: schema_registry}}]")[0]
    assert guess("roles: {mappings: [{role: EnvAdmin, user: U1}]}") == "did you mean EnvironmentAdmin?"
    assert guess("roles: {mappings: [{role: FlinkAdmin, user: U1}]}") == "set `table`, or use another role"


@pytest.mark.parametrize(
    "scope",
    ["lkc-1", "env-1/env-2", "env-*", "environment=*", "crn://confluent.cloud/organization=o/environment=env-1",
     "organization=o", "env-1/lkc-1/topic=orders", "env-1/lkc-1/ksql=%2A", "env-1//lkc-1", "/env-1", "env-1/", "prod"],
)  # fmt: skip
def test_a_scope_that_is_no_place_is_refused(scope: str) -> None:
    (found,) = problems(f"roles: {{mappings: [{{user: U1, role: Operator, scope: '{scope}'}}]}}")

    assert found.startswith("3: roles.mappings[0].scope: ")


@pytest.mark.parametrize("version", ["2", "1.0", "'1'", "on", "true"])
def test_no_other_version_is_read(version: str) -> None:
    (found,) = problems("", head=f"version: {version}\nchannel: C1\n")

    assert found.startswith("1: version: ")


def test_a_file_without_a_version_is_refused() -> None:
    assert problems("", head="channel: C1\n") == ["1: `version` is missing. The version of this format: 1."]


def test_all_mistakes_are_told_at_once_from_top_to_bottom() -> None:
    text = "defaults: {approvals: 9}\nrules:\n- {name: a, forbid: 3}\n- match: {kind: kafak}\n  nam: b\n"

    assert [line.partition(": ")[0] for line in problems(text)] == ["3", "5", "6", "6", "7"]
    assert (
        len(problems("rules:\n- {name: a}\n- {name: a, remind: [2h, 1h]}\n- {name: b, forbid: c, mint: on_claim}")) == 3
    )


def test_p10_mistakes_of_all_sorts_are_told_in_one_run() -> None:
    text = """\
chanel: C1
defaults: {approvals: 9, remind: [2h, 1h]}
roles:
  mappings:
    - {user: U1, role: EnvAdmin}
    - {user: S1, role: Operator}
people: [{slack: U1, confluent: u-1}, {slack: U1, confluent: u-2}]
rules:
  - {name: a, match: {environment: [production, env-*]}, channel: !x C1}
  - {name: one approval for every new key}
  - {name: c, name: d, forbid: no}
  - {name: b, forbid: never, approvals: 1}
  - {name: b, remind:}
  - {approvals: 3, else: 2}
  - {name: 7}
"""

    assert [" ".join(line.split(" ")[:4]) for line in problems(text)] == snapshot(
        [
            "3: chanel: there's no",
            "4: defaults.approvals: 9 is",
            "4: defaults.remind: the times",
            '7: roles.mappings[0].role: "EnvAdmin" is',
            '8: roles.mappings[1].user: "S1" doesn\'t',
            "9: people[1]: U1 is",
            "11: rules[0].channel: tags (!x)",
            '11: rules[0].match.environment[1]: "env-*" isn\'t',
            '12: rules[1].name: "one approval',
            "13: rules[2].name: is given",
            '13: rules[2].forbid: "no" isn\'t',
            "14: rules[3].approvals: has no",
            "15: rules[4].remind: has no",
            "16: rules[5]: `name` is",
            "17: rules[6].name: 7 isn't",
        ]
    )


def test_p10_what_follows_from_another_mistake_is_not_told() -> None:
    assert len(problems("defaults: {pending: 3 days}\nrules: [{name: a, remind: [30h]}]")) == 1
    assert len(problems("roles: {table: 2027, mappings: [{user: U1, role: FlinkAdmin}]}")) == 1
    assert len(problems("rules: [{name: a, match: {kind: [kafak]}}]")) == 1
    assert len(problems("channel: '#ops'\n", head="version: 1\n")) == 1
    assert len(problems("rules: [{name:, approvals: 1}, {name: , approvals: 1}]")) == 2


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("rules: [{name: a, forbid: no}]", '"no" isn\'t text (if you meant text, put it in quotes).'),
        ("rules: [{name: a, match: {owner: requester}}]", "Did you mean me?"),
        ("rules: [{name: a, match: {owner: new_service_account}}]", "Did you mean new-service-account?"),
        ("rules: [{name: a, match: {cluster: lkc-*}}]", "Wildcards don't work here: list the IDs."),
        (
            "rules: [{name: a, match: {environment: env-*}}]",
            '"env-*" isn\'t an environment: an ID is in lower case and has no wildcards; for every environment',
        ),
        ("rules: [{name: a, match: {environment: ENV-1}}]", "an ID is in lower case and has no wildcards"),
        ("rules: [{name: a, match: {environment: [lkc-1]}}]", "it's the ID of a cluster, so use `cluster`"),
        ("rules: [{name: a, match: {environment: ' prod'}}]", "or a name, in which * can stand for any text"),
        ("teams: [{name: a, environments: [team:b]}]", '"team:b" isn\'t an environment: write an ID such as env-1'),
        ("rules: [{name: a, channel: '#ops'}]", "Names don't work here: use the ID."),
        ("rules:\n- name: a\n  channel: #ops", "In YAML, # starts a comment. Name channels by their IDs, C…"),
        ("defaults: {pending: yes}", "24h, 90d, 2w"),
        ("defaults: {notify: ['@olga']}", "Names don't work here: use the ID."),
    ],
)
def test_p10_words_are_quoted_as_written_and_come_with_a_hint(text: str, ends: str) -> None:
    (found,) = problems(text)

    assert ends in found
    assert "True" not in found
    assert "False" not in found


# --- what is no policy file at all ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1: the file is empty"),
        ("# nothing\n", "1: the file is empty"),
        ("- a", "1: this isn't a mapping of keys to values. The file begins with `version: 1`."),
        ("a: [", "1: isn't YAML"),
        ("version: 1\n\tchannel: C1", "2: isn't YAML"),
        ("version: 1\n---\nversion: 1", "2: isn't YAML"),
        ("version: 1\nrules:\nchannel: C1", "2: rules: has no value: add one, or remove the line"),
        ("version: 1\nversion: 1\nchannel: C1", "2: version: is given twice, first in line 1"),
        ("a: &x [1]\nb: *x", "2: isn't YAML: aliases (*name) aren't supported: write it out, or put a wildcard in"),
        ("a: &x [*x]", "1: isn't YAML: aliases"),
        ("version: !!python/object:os.system 1", "1: version: tags"),
        ("rules: !!set {a}", "1: rules: tags"),
        ("version: !one 1", "1: version: tags"),
        ("? [a]\n: b", "1: a key must be one word"),
        ("a: " + "[" * 50, "1: isn't YAML: it's nested too deeply"),
        ('a: "\\ud800"', "1: a: has invisible characters"),
        ('a: "\\u202Egnp"', "1: a: has invisible characters"),
    ],
)  # fmt: skip
def test_what_yaml_allows_and_we_do_not(text: str, line: str) -> None:
    assert problems(text, head="")[0].startswith(line)


@pytest.mark.parametrize("text", ['"\\UFFFFFFFF"', '"\\U00110000"', "\x07", "%YAML 1." + "1" * 5000 + "\n---\na"])
def test_what_makes_pyyaml_stumble(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^policy\.yml: isn't YAML: "):
        file(text, head="")


def test_a_small_file_stays_a_small_value() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))

    assert problems("l0: &l0 [a]\n" + levels, head="")[0].startswith("2: isn't YAML: aliases")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def why(path: Path) -> str:
        with pytest.raises(PolicyError) as raised:
            read(path, default_channel="C1")
        return str(raised.value).removeprefix(str(path))

    latin, large = tmp_path / "latin.yml", tmp_path / "large.yml"
    latin.write_bytes(b"version: 1\n# M\xfcller\n")
    large.write_bytes(b"#" * (MOST_BYTES + 1))

    assert why(tmp_path / "none.yml") == ": can't be read: no such file"
    assert why(tmp_path) == ": can't be read: it is not a file"
    assert why(Path("/dev/zero")) == ": can't be read: it is not a file"
    assert why(tmp_path / "\0") == ": can't be read: no such file"
    assert why(latin) == ":2: is not text in UTF-8: save it as UTF-8"
    assert why(large) == ": is larger than 256 kB: that's too large"


def test_a_file_of_the_largest_size_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yml"
    text = "\ufeffversion: 1\nchannel: C1\n".encode()
    path.write_bytes(text + b"#" * (MOST_BYTES - len(text)))

    assert read(path, default_channel="").policy.rules[0].channel == "C1"


@pytest.mark.parametrize(
    ("ticket", "said"),
    [
        ("{url: 'https://example.com/{ticket}'}", "`pattern` is missing. A regular expression that the whole ticket"),
        ("{pattern: '['}", '"[" isn\'t a regular expression that Latchkey can use'),
        ("{pattern: 'a)|(b'}", "isn't a regular expression that Latchkey can use"),
        ("{pattern: '(?=a)a'}", "look-around and backreferences aren't supported"),
        (r"{pattern: '(a)\1'}", "look-around and backreferences aren't supported"),
        ("{pattern: 'a{1000}{1000}{1000}'}", "isn't a regular expression that Latchkey can use"),
        ("{pattern: '[0-9]*'}", '"[0-9]*" matches an empty ticket: require at least one character'),
        (
            "{pattern: 'a', url: 'https://example.com/'}",
            "doesn't look right. The address of a ticket, such as https://",
        ),
        ("{pattern: '[A-Z]+-[0-9]+', example: ops}", '"ops" doesn\'t match `pattern`'),
        ("{pattern: 'a', requird: true}", "did you mean `required`?"),
        ("{pattern: 'a', required: maybe}", '"maybe" isn\'t on or off'),
    ],
)
def test_what_is_wrong_with_a_ticket_is_said_with_its_line(ticket: str, said: str) -> None:
    (problem,) = problems(f"rules:\n  - name: all\n    ticket: {ticket}")

    assert problem.startswith("5: rules[0].ticket")
    assert said in problem


def test_a_ticket_has_no_effect_in_a_rule_that_forbids() -> None:
    (problem,) = problems("rules: [{name: a, forbid: No., ticket: {pattern: a}}]")

    assert problem == "3: rules[0].ticket: has no effect in a rule that forbids: leave it out"


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        (r"[A-Z]+-\d+", "OPS-1", "xOPS-1"),
        ("a|bc", "bc", "abc"),
        ("^a$", "a", "a\n"),
        ("(?i)ops", "OPS", "ops "),
    ],
)
def test_a_ticket_matches_its_pattern_as_a_whole(pattern: str, fits: str, not_fits: str) -> None:
    rule = file(f"rules: [{{name: a, ticket: {{pattern: '{pattern}'}}}}]").policy.rules[0]

    assert rule.ticket
    assert (rule.fits(fits), rule.fits(not_fits), rule.fits("")) == (True, False, False)


def test_a_rule_can_ask_for_no_name_where_the_defaults_do() -> None:
    rules = file("defaults: {confirm: resource}\nrules: [{name: a}, {name: b, confirm: none}]").policy.rules

    assert [rule.confirm for rule in rules[:3]] == ["resource", "", "resource"]


def test_a_day_that_does_not_exist_is_no_end() -> None:
    assert problems("rules: [{name: a, until: 2026-02-30}]") == [
        '3: rules[0].until: "2026-02-30" isn\'t a day: write it like 2026-12-31'
    ]


GLASS = """
version: 1
channel: C01
rules:
  - name: production
    match: {environment: env-prod01, operation: create}
    break_glass: %s
"""


def test_break_glass_is_read_as_it_is_written() -> None:
    by = Selector.of("U07", "S09", "EnvironmentAdmin")
    written = GLASS % "{by: [U07, S09, EnvironmentAdmin], lifetime: 4h, notify: [C09, S01, U02]}"
    rule = parse(written.encode(), default_channel="")
    assert rule.policy.rules[0].break_glass == BreakGlass(by, timedelta(hours=4), ("C09", "S01", "U02"))
    assert rule.policy.channels == ("C01", "C09")


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("{lifetime: 4h}", "`by` is missing"),
        ("{by: [U07]}", "`lifetime` is missing"),
        ("{by: [], lifetime: 4h}", "is empty"),
        ("{by: [C09], lifetime: 4h}", "doesn't look right"),
        ("{by: [U07], lifetime: 25h}", "at most 24h"),
        ("{by: [U07], lifetime: 0h}", "is nothing"),
        ("{by: [U07], lifetime: unlimited}", "isn't a duration"),
        ("{by: [U07], lifetime: 4h, notify: closest}", "isn't a list"),
        ("{by: [U07], lifetime: 4h, for: [U08]}", "for"),
    ],
)
def test_a_mistake_in_break_glass_is_named(written: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(complaint)):
        parse((GLASS % written).encode(), default_channel="")
