"""`approvers` of a rule in the policy file: what it means, and which slips are told."""

from itertools import combinations, permutations, product

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from bot.domain.authority import Target
from bot.domain.conditions import Barred, Condition, Member, Party, counted
from bot.domain.keys import Operation
from bot.domain.policy import Policy
from bot.policyfile.conditions import lacks
from tests.policy.written import file, findings, problems
from tests.support.build import ACCOUNT, CLUSTER, DANA, holding

TEAMS = "teams: [{name: leads, members: [S7, U1]}, {name: ops, members: [S8]}]\n"


def rule(approvers: str, more: str = "") -> str:
    return f"{TEAMS}rules:\n- {{name: a, approvers: {approvers}{more}}}\n"


def test_words_stand_for_people_groups_and_teams() -> None:
    approvers = "{one_of: [team:leads, S9, U9], not: [same group, owner], distinct: yes}"
    policy = file(rule(approvers, ", approvals: 3")).policy

    assert policy.rules[0].approvers == Condition(
        (Party(("S7", "U1"), "leads"), Party(("S9",)), Party(("U9",))), ("owner", "same group"), is_distinct=True
    )
    assert policy.groups == policy.apart == {"S7", "S8", "S9"}
    assert policy.rules[1].approvers is None


@pytest.mark.parametrize(
    "more", ["", "\nroles: {mappings: [{group: S1, role: KsqlAdmin}]}", "\ndefaults: {notify: [S1]}"]
)
def test_a_group_counts_as_named_wherever_it_stands(more: str) -> None:
    found = file(f"{rule('{not: [same group]}')}{more}").policy

    assert found.apart == ({"S7", "S8", "S1"} if more else {"S7", "S8"})
    assert file(f"{rule('{not: [owner]}')}{more}").policy.apart == frozenset()


@pytest.mark.parametrize(
    ("approvers", "problem"),
    [
        ("{}", "says nothing: add `one_of` or `not`, or leave it out"),
        ("{distinct: true}", "has no effect without `one_of`: add it, or leave it out"),
        ("{not: [owner, owner]}", 'names "owner" twice: keep one'),
        ("{one_of: [team:ops, S9, team:ops]}", 'names "team:ops" twice: keep one'),
        ("{one_of: [team:nope]}", 'there is no team "nope": add it under `teams`, or use IDs'),
        ("{one_of: [U1, U2]}, approvals: 3", "can't give 3 approvals: it names only 2 people"),
        ("{one_of: [U1]}, approvals: 0, else: 2", "can't give 2 approvals: it names only 1 person"),
        (
            "{one_of: [team:leads], distinct: true}, approvals: 2",
            "can't give 2 approvals: it names only 1 entry, and `distinct` counts one approval for each",
        ),
    ],
)
def test_a_slip_is_told(approvers: str, problem: str) -> None:
    assert [each.partition(": ")[2].partition(": ")[2] for each in problems(rule(approvers))] == [problem]


@pytest.mark.parametrize(
    ("approvers", "words"),
    [
        ("{one_of: []}", "is empty"),
        ("{not: []}", "is empty"),
        ("{not: [requester]}", "isn't a valid value"),
        ("{one_of: [EnvironmentAdmin]}", "doesn't look right"),
        ("{anyof: [S1]}", "there's no such key in rules[0].approvers"),
        ("{only: [S1]}", "use one of one_of, not, distinct"),
    ],
)
def test_what_can_not_be_read_says_what_would_be_right(approvers: str, words: str) -> None:
    (line, *_) = problems(rule(approvers))
    assert words in line


def test_a_rule_that_forbids_and_defaults_take_none() -> None:
    (line,) = problems(rule("{not: [owner]}", ", forbid: Never."))
    assert "rules[0].approvers: has no effect in a rule that forbids" in line
    (line,) = problems("defaults: {approvers: {not: [owner]}}")
    assert "there's no such key in defaults" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n- {name: a, approvers: {one_of: [S7]}}", 'warning: rule "a": people read the ID S7 on the card'),
        (
            "rules:\n- {name: a, approvers: {not: [same group]}}",
            "`same group` has no effect: the file names no user group",
        ),
        (
            "rules:\n- {name: a, approvals: 0, unless_manager: forbid, approvers: {not: [owner]}}",
            "its approvers have no effect: no one approves anything under it",
        ),
    ],
)
def test_what_is_odd_is_found(text: str, said: str) -> None:
    (line,) = [each for each in findings(text) if "person alone" not in each]
    assert said in line


def test_teams_without_another_use_tell_who_is_in_the_same_group() -> None:
    assert findings(f"{TEAMS}rules: [{{name: a, approvers: {{not: [same group]}}}}]") == []
    many = ", ".join(f"{{name: t{n}, members: [S{n}]}}" for n in range(11))
    (line,) = findings(f"teams: [{many}]\nrules: [{{name: a, approvers: {{not: [same group]}}}}]")
    assert "the file names 11 user groups. `same group` reads all of them for each decision" in line


def test_the_order_of_rules_about_other_things_changes_no_condition() -> None:
    texts = [
        "- {name: dev, match: {environment: env-dev001}, approvers: {one_of: [team:leads]}}",
        "- {name: prod, match: {environment: env-prod01}, approvers: {not: [same group]}}",
        "- {name: flink, match: {kind: flink, environment: env-x}, approvers: {one_of: [S9]}}",
    ]
    found: set[object] = set()
    for order in permutations(texts):
        policy: Policy = file("\n".join([f"{TEAMS}rules:", *order])).policy
        terms = policy.terms(Operation.CREATE, Target(ACCOUNT, CLUSTER), holding(DANA))
        assert terms is not None
        found.add((terms.rule, terms.approvers))
    assert found == {("dev", (Condition((Party(("S7", "U1"), "leads"),)),))}


BARRED: tuple[tuple[Barred, ...], ...] = ((), ("owner",), ("same group",), ("owner", "same group"))
GROUPS = (frozenset[str](), frozenset({"S1"}), frozenset({"S2"}), frozenset({"S1", "S2"}))
EVERYONE = tuple(
    (Member(slack, groups), why)
    for slack, groups, why in product(("U1", "U8", "U9"), GROUPS, ("", "owner", "same group"))
)
"""People, and why they may be barred."""
CONDITIONS = st.builds(
    lambda ids, barred, is_distinct: Condition(
        tuple(Party((each,)) for each in ids), barred, is_distinct=is_distinct and bool(ids)
    ),
    st.lists(st.sampled_from(("S1", "S2", "U1")), unique=True),
    st.sampled_from(BARRED),
    st.booleans(),
)


def accepted(condition: Condition, approvals: int) -> set[tuple[int, ...]]:
    """All ways in which so many people approve together, each as their indexes in `EVERYONE`."""

    def is_enough(at: tuple[int, ...]) -> bool:
        people = [EVERYONE[each] for each in at]
        members = [member for member, _ in people]
        return (
            len({each.slack for each in members}) == approvals
            and all(condition.parties(each) or not condition.one_of for each in members)
            and all(why not in condition.barred for _, why in people)
            and len(counted((condition,), members)) == approvals
        )

    return set(filter(is_enough, combinations(range(len(EVERYONE)), approvals)))


@given(CONDITIONS, CONDITIONS, st.sampled_from((1, 2)))
def test_conditions_lack_something_exactly_when_they_accept_more(
    upper: Condition, lower: Condition, number: int
) -> None:
    """Without teams, whose members may overlap so that the file alone doesn't show it."""
    more, fewer = accepted(upper, number), accepted(lower, number)
    assume(more and fewer)

    lacking = lacks(upper, lower, number)

    assert bool(lacking) == (fewer < more)
    event(f"lacks: {', '.join(lacking)}")


@pytest.mark.parametrize(
    ("upper", "lower", "lacking"),
    [
        (None, Condition((Party(("S1",)),), ("owner",)), ("one_of", "not: owner")),
        (Condition(barred=("owner",)), Condition(barred=("owner", "same group")), ("not: same group",)),
        (Condition((Party(("S1", "S2"), "a"),)), Condition((Party(("S1",), "b"),)), ("one_of",)),
        (Condition((Party(("S1",)),)), Condition(barred=("owner",)), ()),
        (Condition((Party(("S1", "S2"), "a"),)), Condition((Party(("S1",)), Party(("S2",)))), ()),
        (
            Condition((Party(("S1", "S2"), "a"), Party(("S3",))), is_distinct=True),
            Condition((Party(("S1",)), Party(("S2", "S3"), "b")), is_distinct=True),
            (),
        ),
    ],
)
def test_what_conditions_lack_is_named_unless_they_require_something_else(
    upper: Condition | None, lower: Condition, lacking: tuple[str, ...]
) -> None:
    assert lacks(upper, lower, 2) == lacking
    assert lacks(lower, upper, 2) == ()
