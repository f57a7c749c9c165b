"""What `latchkey policy check` finds in a file that reads well."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.authority import Target
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KsqlCluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Principal,
    Resource,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import Kind
from bot.domain.policy import RULED, Match, Policy, Rule, Selector
from bot.domain.roles import TABLES, Table
from bot.policyfile import check, without_break_glass
from bot.policyfile.reach import Reach
from tests.policy.written import examples, file, findings
from tests.support.build import a_person, crn, holding


@pytest.mark.parametrize("number", range(4))
def test_the_examples_of_the_page_are_fine(number: int) -> None:
    assert check(file(examples()[number], head="")) == []


def rules(*matches: str) -> str:
    """Rules named a, b, c…, one a line from line 4 on."""
    lines = (f"- {{name: {name}, match: {match}}}\n" for name, match in zip("abcdef", matches, strict=False))
    return "rules:\n" + "".join(lines)


@pytest.mark.parametrize(
    ("matches", "names"),
    [
        (["{}", "{kind: kafka}"], '"a"'),
        (["{kind: [kafka, flink]}", "{kind: kafka, environment: env-1}"], '"a"'),
        (["{owner: service-account}", "{owner: sa-orders}"], '"a"'),
        (["{kind: kafka}", "{kind: flink}", "{kind: [kafka, flink]}"], '"a" and "b"'),
        (["{operation: [create, rotate]}", "{operation: edit}", "{operation: delete}", "{}"], '"a" and "b" and "c"'),
        (["{owner: me}", "{owner: [service-account, new-service-account]}", "{kind: cloud}"], '"a" and "b"'),
        (["{cluster: lkc-1}", "{environment: env-1}", "{cluster: lkc-1, environment: env-1}"], '"a"'),
        (["{owner: [me, service-account]}", "{operation: delete}"], '"a"'),  # nothing new is deleted
    ],
)
def test_a_rule_behind_rules_that_take_everything_never_decides(matches: list[str], names: str) -> None:
    (line,) = findings(rules(*matches))

    where = f'{3 + len(matches)}: rule "{"abcdef"[len(matches) - 1]}"'
    assert line == f"{where}: never decides: everything it matches is already matched by {names} above it"


@pytest.mark.parametrize(
    "matches",
    [
        ["{kind: kafka}", "{}"],
        ["{owner: sa-orders}", "{owner: service-account}"],
        ["{environment: env-1}", "{environment: [env-1, env-2]}"],
        ["{environment: env-1}", "{kind: kafka}"],
        ["{kind: kafka}", "{kind: flink}", "{environment: env-1}"],
        ["{owner: [me, service-account]}", "{kind: cloud}"],  # new service accounts are left
    ],
)
def test_a_rule_that_something_is_left_for_is_fine(matches: list[str]) -> None:
    assert findings(rules(*matches)) == []


@pytest.mark.parametrize(
    "match",
    [
        "{kind: global, environment: env-1}",
        "{kind: [cloud, tableflow], cluster: lkc-1}",
        "{kind: kafka, cluster: lsrc-1}",
        "{kind: ksqldb, cluster: [lkc-1, aws.us-east-1]}",
        "{owner: new-service-account, operation: [rotate, delete]}",
    ],
)
def test_a_match_that_fits_no_key_is_found(match: str) -> None:
    (line,) = findings(rules(match))

    assert line.startswith('4: rule "a": can never match: ')


def test_a_kind_that_a_match_names_in_vain_is_found() -> None:
    text = "rules:\n- name: a\n  match:\n    environment: env-1\n    kind: [kafka, cloud]\n  forbid: no\n"

    (line,) = findings(text.replace("forbid: no", "forbid: no way"))

    assert line.startswith('7: rule "a": its `match` includes the kind cloud, but it can never match such a key: ')


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [
        ("{name: a, approvals: 0}", "cloud and global"),
        ("{name: a, approvals: 0, match: {kind: global, operation: rotate}}", "global"),
        ("{name: a, approvals: 0, match: {owner: me}}", "cloud and global"),
    ],
)
def test_keys_that_open_the_organization_without_approval_are_a_warning(rule: str, kinds: str) -> None:
    assert findings(f"rules: [{rule}]") == [
        f'3: warning: rule "a": one person alone can create {kinds} keys, which open the whole organization'
    ]


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{name: a, approvals: 0, match: {kind: kafka}}]",
        "rules: [{name: a, approvals: 0, match: {environment: env-1}}]",
        "rules: [{name: a, approvals: 0, match: {operation: [edit, delete]}}]",
        "defaults: {approvals: 0}\nrules: [{name: a, match: {kind: [cloud, global]}, forbid: no way}, {name: b}]",
    ],
)
def test_no_approval_for_anything_less_is_fine(text: str) -> None:
    assert findings(text) == []


def test_rules_that_nobody_could_approve_by_the_table_are_found() -> None:
    read = file("rules:\n- {name: b, match: {kind: kafka}}\n- {name: a, match: {kind: [kafka, flink]}}\n")
    rows = {name: row for name, row in TABLES["2026"].rows.items() if Kind.FLINK not in row.kinds}
    poor = replace(read, policy=replace(read.policy, table=Table("poor", rows, own_anywhere=False)))

    assert check(read) == []
    assert [each.written("f") for each in check(poor)] == [
        'f:5: rule "a": no one could approve a flink key: no role of the table "poor" covers it'
    ]


def test_mappings_that_add_nothing_are_found() -> None:
    head = "roles:\n  mappings:\n"
    lines = [
        "{group: S1, role: EnvironmentAdmin, scope: env-1}",
        "{group: S1, role: EnvironmentAdmin, scope: env-10}",
        "{group: S1, role: EnvironmentAdmin, scope: env-1}",
        "{group: S1, role: EnvironmentAdmin, scope: env-1/lkc-1}",
        "{group: S2, role: EnvironmentAdmin, scope: env-1}",
        "{user: U1, role: OrganizationAdmin}",
        "{user: U1, role: OrganizationAdmin, scope: env-1}",
        "{user: U1, role: Operator, scope: sa-orders}",
        "{user: U1, role: ResourceOwner, scope: sa-orders}",
    ]

    assert findings(head + "".join(f"    - {line}\n" for line in lines)) == [
        "7: role mapping of S1: line 5 already gives EnvironmentAdmin there",
        "8: role mapping of S1: line 5 already gives EnvironmentAdmin there",
        "11: role mapping of U1: line 10 already gives OrganizationAdmin there",
        "12: role mapping of U1: Operator has no effect on a service account: only ResourceOwner does",
    ]


def test_an_account_admin_of_less_than_the_organization_is_found() -> None:
    mappings = "[{user: U1, role: AccountAdmin}, {user: U2, role: AccountAdmin, scope: env-1}]"

    assert findings(f"roles: {{mappings: {mappings}}}") == [
        "3: role mapping of U2: AccountAdmin applies only to the whole organization: leave `scope` out"
    ]


@pytest.mark.parametrize("match", ["{operation: [create, delete]}", "{owner: new-service-account}"])
def test_an_overlap_where_nothing_is_rotated_is_found(match: str) -> None:
    rule = f"- name: a\n  match: {match}\n  overlap: 1d\n"

    assert findings(f"defaults: {{overlap: 2d}}\nrules:\n{rule}") == [
        '7: rule "a": its overlap has no effect: the rule doesn\'t match rotations'
    ]
    assert findings("defaults: {overlap: 2d}\nrules:\n- {name: a, overlap: 1d, match: {operation: rotate}}\n") == []


@pytest.mark.parametrize("match", ["{operation: [create, edit]}", "{owner: new-service-account}"])
def test_a_rule_that_deletes_leaked_keys_and_matches_no_deletion_is_found(match: str) -> None:
    rule = f"- name: a\n  match: {match}\n  leaked: delete\n"

    assert findings(f"rules:\n{rule}") == ['6: rule "a": its leaked has no effect: the rule doesn\'t match deletions']
    assert findings("rules:\n- {name: a, match: {operation: delete}, leaked: delete}\n") == []
    assert findings("rules:\n- {name: a, match: {operation: create}, leaked: ask}\n") == []


@pytest.mark.parametrize(("every", "is_found"), [("59m", True), ("1h", False), ("1d", False)])
def test_a_review_that_nobody_could_keep_up_with_is_found(every: str, *, is_found: bool) -> None:
    found = findings(f"review:\n  older_than: 30d\n  every: {every}\n")

    assert [line.partition(" more than")[0] for line in found] == (["5: review: that's"] if is_found else [])


def test_two_slack_users_who_are_one_confluent_user_are_a_warning() -> None:
    people = "people:\n- {slack: U1, confluent: u-1}\n- {slack: U2, confluent: u-2}\n- {slack: U3, confluent: u-1}\n"

    assert [line.partition(",")[0] for line in findings(people)] == [
        "4: warning: U1: u-1 is several Slack users here: Latchkey treats them as one person",
        "6: warning: U3: u-1 is several Slack users here: Latchkey treats them as one person",
    ]


def test_t23_a_policy_that_lets_fewer_people_approve_than_it_asks_for_is_found() -> None:
    policy = """roles:
  people_only: true
  mappings: [{user: U1, role: EnvironmentAdmin}, {user: U2, role: EnvironmentAdmin}, {group: S1, role: KsqlAdmin}]
people: [{slack: U1, confluent: u-1}]
rules: [{name: a, approvals: 3}, {name: b, match: {kind: flink}, forbid: Not here.}]
"""

    assert [line for line in findings(policy) if "people" in line] == [
        '4: roles.people_only: rule "a" needs 3 approvals, but `people` names 1 Confluent user',
        "5: warning: role mapping of U2: U2 has no line in `people`, so they can't approve as EnvironmentAdmin",
    ]


# --- reach, against every ask there is --------------------------------------------------------------------------------

ENVIRONMENTS, OWNERS = ("env-1", "env-2", "env-other"), ("me", "service-account", "new-service-account", "sa-1")


def resources() -> list[Resource]:
    """One of everything in each environment, and clusters with and without a name in the rules."""
    found: list[Resource] = [OrganizationScope(kind) for kind in (Kind.CLOUD, Kind.TABLEFLOW, Kind.GLOBAL)]
    for place in ENVIRONMENTS:
        found += [Cluster(Kind.KAFKA, id_, id_, place, place) for id_ in ("lkc-1", "lkc-other")]
        found += [Cluster(Kind.SCHEMA_REGISTRY, id_, id_, place, place) for id_ in ("lsrc-1", "lsrc-other")]
        found += [KsqlCluster(id_, id_, place, place, "lkc-1") for id_ in ("lksqlc-1", "lksqlc-other")]
        found += [FlinkRegion(id_, place, place) for id_ in ("aws.us-east-1", "gcp.europe-west1")]
    return found


def asks() -> list[tuple[Operation, Target]]:
    owners: list[Owner] = [MyAccount(Principal("u-1")), NewServiceAccount("new", "")]
    owners += [ServiceAccount(Principal(id_), id_) for id_ in ("sa-1", "sa-other")]
    return [
        (operation, Target(owner, resource))
        for operation in Operation
        for owner in owners
        for resource in resources()
        if operation is Operation.CREATE or not isinstance(owner, NewServiceAccount)
    ]


EVERY_ASK = asks()


def some_of(*words: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(words), max_size=3)


MATCHES = st.builds(
    Match,
    st.frozensets(st.sampled_from(RULED), max_size=3),
    st.frozensets(st.sampled_from(Kind), max_size=4),
    some_of("env-1", "env-2"),
    some_of("lkc-1", "lsrc-1", "lksqlc-1", "aws.us-east-1"),
    some_of(*OWNERS),
)


@given(st.lists(MATCHES, min_size=1, max_size=6))
def test_a_rule_is_said_to_decide_exactly_when_some_ask_is_decided_by_it(matches: list[Match]) -> None:
    policy = Policy(tuple(Rule(str(index), match, "C1") for index, match in enumerate(matches)))
    deciding = {rule.name for operation, target in EVERY_ASK if (rule := policy.rule(operation, target, None))}
    reach = Reach(policy)

    assert {str(index) for index in range(len(matches)) if reach.decides(index)} == deciding


NAMES = ("other", "prod", "prod-eu", "prod-us", "dev-eu")
MATCHES_BY_NAME = st.builds(
    Match,
    st.frozensets(st.sampled_from((Operation.CREATE, Operation.DELETE)), max_size=1),
    environments=some_of("env-1", "env-2", "prod", "prod-eu", "prod-*", "*-eu", "*"),
)
ONE_EACH = [(operation, target) for operation, target in EVERY_ASK if target.resource.id in {"lkc-other", "cloud"}]


@given(st.lists(MATCHES_BY_NAME, min_size=1, max_size=6))
def test_a_rule_by_names_and_wildcards_is_said_to_decide_exactly_when_it_does(matches: list[Match]) -> None:
    """Where any environment may be called anything."""
    policy = Policy(tuple(Rule(str(index), match, "C1") for index, match in enumerate(matches)))
    deciding = {
        rule.name
        for name in NAMES
        for ask in ONE_EACH
        if (rule := policy.rule(*ask, None, dict.fromkeys(ENVIRONMENTS, name)))
    }
    reach = Reach(policy)

    assert {str(index) for index in range(len(matches)) if reach.decides(index)} == deciding


@pytest.mark.parametrize(
    ("matches", "is_found"),
    [
        (["{environment: prod-*}", "{environment: prod-eu}"], True),
        (["{environment: '*'}", "{environment: env-1, kind: kafka}"], True),
        (["{environment: [prod, prod-*]}", "{environment: [prod, prod-eu-*]}"], True),
        (["{environment: prod-*}", "{environment: prod}"], False),
        (["{environment: prod-*}", "{environment: Prod-eu}"], False),
        (["{environment: prod-*}", "{environment: '*-eu'}"], False),
        (["{environment: prod}", "{environment: env-1}"], False),
        (["{environment: '*'}", "{kind: cloud}"], False),
    ],
)
def test_a_rule_behind_wildcards_that_take_everything_never_decides(matches: list[str], *, is_found: bool) -> None:
    assert bool([line for line in findings(rules(*matches)) if "never decides" in line]) is is_found


@given(MATCHES)
def test_a_match_is_said_to_be_possible_exactly_when_it_fits_some_ask(match: Match) -> None:
    reach = Reach(Policy((Rule("a", match, "C1"),)))

    assert bool(reach.possible(0)) == any(match.speaks_of(*ask) for ask in EVERY_ASK)


# --- and against everyone who may ask ---------------------------------------------------------------------------------

SOME_ASKS = [
    (operation, target)
    for operation, target in EVERY_ASK
    if (target.owner.id, target.resource.id) in {("sa-other", "lkc-other"), ("sa-other", "")}
]
ASKERS = [
    replace(
        holding(a_person(slack=SlackUserId(user)), *[("Operator", crn())] * has_role),
        groups=frozenset(groups),
        looked_up=frozenset({"S1", "S2"}),
    )
    for user in ("U1", "U2", "U3")
    for has_role in (False, True)
    for groups in (set[str](), {"S1"}, {"S2"}, {"S1", "S2"})
]
"""With a role that reaches everything: to `check`, a role is had or not, wherever it is bound."""
MATCHES_BY = st.builds(
    Match,
    st.frozensets(st.sampled_from((Operation.CREATE, Operation.DELETE)), max_size=1),
    environments=some_of("env-1"),
    by=st.lists(st.sampled_from(("U1", "U2", "S1", "S2", "Operator")), max_size=3).map(
        lambda words: Selector.of(*words)
    ),
)


@given(st.lists(MATCHES_BY, min_size=1, max_size=6))
def test_a_rule_about_certain_people_is_said_to_decide_exactly_when_it_does(matches: list[Match]) -> None:
    policy = Policy(tuple(Rule(str(index), match, "C1") for index, match in enumerate(matches)))
    deciding = {rule.name for ask in SOME_ASKS for asker in ASKERS if (rule := policy.rule(*ask, asker))}
    reach = Reach(policy)

    assert {str(index) for index in range(len(matches)) if reach.decides(index)} == deciding


BY = """rules:
- {name: a, match: {by: [S1, U1]}}
- {name: b, match: {by: U1, kind: kafka}, approvals: 2}
- {name: c, match: {by: [S2, EnvironmentAdmin], operation: create}, approvals: 3}
- {name: d, match: {environment: env-1}, forbid: No.}
- {name: e, match: {environment: env-1, by: S9}, approvals: 0}
"""


def test_a_rule_about_people_whom_earlier_rules_take_is_found() -> None:
    assert [line for line in findings(BY) if "never decides" in line] == [
        '5: rule "b": never decides: everything it matches is already matched by "a" above it',
        '8: rule "e": never decides: everything it matches is already matched by "d" above it',
    ]


UNTIL = """roles:
  mappings:
  - {user: U1, role: KsqlAdmin, scope: env-1, until: 2026-11-30}
  - {user: U1, role: KsqlAdmin, scope: env-1/lkc-1}
  - {user: U2, role: KsqlAdmin, scope: env-1, until: 2026-12-09}
  - {user: U2, role: KsqlAdmin, scope: env-1/lkc-1, until: 2026-12-08}
rules:
- {name: freeze, match: {operation: create}, forbid: Not this year., until: 2026-12-31}
- {name: later, match: {operation: create}, approvals: 2}
- {name: sooner, match: {operation: create}, until: 2026-12-14}
"""


def test_what_has_ended_or_ends_soon_is_found() -> None:
    found = [each.written("p") for each in check(file(UNTIL), date(2026, 12, 1))]

    assert found == [
        "p:5: warning: role mapping of U1: it ended with 2026-11-30 (UTC): remove it, or change `until`",
        "p:7: warning: role mapping of U2: it ends with 2026-12-09 (UTC)",
        "p:8: warning: role mapping of U2: it ends with 2026-12-08 (UTC)",
        "p:8: role mapping of U2: line 7 already gives KsqlAdmin there",
        'p:12: rule "sooner": never decides: everything it matches is already matched by "freeze" above it',
        'p:12: warning: rule "sooner": it ends with 2026-12-14 (UTC)',
    ]  # of "later" nothing is said: it decides once the freeze is over


def test_an_example_says_who_asks() -> None:
    (found,) = [line for line in findings(BY) if 'rule "c"' in line]

    assert "by someone in S1 and S2 who" in found or "by U1 in S2 who" in found or "EnvironmentAdmin" in found


def test_thirty_teams_are_checked_in_a_moment() -> None:
    rules = [
        Rule(str(n), Match(environments=frozenset({f"env-{n % 4}"}), by=Selector.of(f"S{n}", f"U{n}")), "C1", n % 3)
        for n in range(60)
    ]
    reach = Reach(Policy((*rules, Rule("all", Match(), "C1"))))

    assert all(reach.decides(index) for index in range(61))


def test_a_name_that_no_one_has_to_type_has_no_effect() -> None:
    found = findings("rules: [{name: a, approvals: 0, unless_manager: forbid, confirm: resource}]")

    assert any("its confirm has no effect: no one approves anything under it" in each for each in found)
    assert not any("confirm" in each for each in findings("rules: [{name: a, approvals: 0, confirm: resource}]"))


def test_an_entry_that_offers_what_another_one_does_is_found() -> None:
    text = """grants:
- {name: a, role: DeveloperRead, on: topic, prefix: true}
- {name: b, role: DeveloperRead, on: topic}
- {name: c, role: DeveloperRead, on: topic, prefix: true}
"""

    assert [each.written("p") for each in check(file(text))] == [
        'p:6: grant "c": offers the same as line 4: DeveloperRead on topic'
    ]


GLASS = "rules:\n- {name: a, match: %s, approvals: %s, break_glass: {by: [U01], lifetime: 4h}}\n"


@pytest.mark.parametrize(
    ("match", "approvals", "says"),
    [
        ("{operation: rotate}", "2", "its break_glass has no effect: the rule doesn't match `create`"),
        ("{}", "0, unless_manager: forbid", "its break_glass has no effect: nothing under it needs an approval"),
    ],
)
def test_break_glass_without_effect_is_found(match: str, approvals: str, says: str) -> None:
    assert [line for line in findings(GLASS % (match, approvals)) if "break_glass" in line] == [f'4: rule "a": {says}']


def test_a_file_without_break_glass_is_warned_of_only_when_asked() -> None:
    without, having = file("rules: []\n"), file(GLASS % ("{}", "2"))
    assert check(without) == check(having) == []
    assert [each.is_warning for each in without_break_glass(without)] == [True]
    assert without_break_glass(having) == []
