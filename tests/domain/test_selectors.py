"""Whom a selector picks, what has to be known for that, and rules that are about certain people's requests."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.authority import HeldRoles, Target
from bot.domain.catalog import is_called
from bot.domain.errors import Unavailable
from bot.domain.keys import Operation
from bot.domain.policy import Match, Policy, Rule, Selector, joined
from tests.support.build import ACCOUNT, CLOUD, CLUSTER, DANA, ERIN, PLACES, holding

KAFKA = Target(ACCOUNT, CLUSTER)
WORDS = ("U0DANA", "U0ERIN", "S1", "S2", "EnvironmentAdmin", "DeveloperRead")
SELECTORS = st.frozensets(st.sampled_from(WORDS), max_size=3).map(lambda words: Selector.of(*words))


def test_words_are_people_groups_and_roles() -> None:
    found = Selector.of("U1", "W2", "S3", "SecurityAdmin", "User")

    assert found == Selector(frozenset({"U1", "W2"}), frozenset({"S3"}), frozenset({"SecurityAdmin", "User"}))
    assert not Selector.of()


def test_a_person_is_picked_by_slack_id_or_group() -> None:
    dana = holding(DANA).with_group("S1", is_member=True).with_group("S2", is_member=False)

    assert Selector.of("U0DANA").picks(dana, KAFKA)
    assert Selector.of("U0ERIN", "S1").picks(dana, KAFKA)
    assert not Selector.of("U0ERIN", "S2").picks(dana, KAFKA)
    assert not Selector.of().picks(dana, KAFKA)


@pytest.mark.parametrize(
    ("place", "target", "picked"),
    [
        ("organization", KAFKA, True),
        ("environment", KAFKA, True),
        ("cluster", KAFKA, True),
        ("topic", KAFKA, True),
        ("account", KAFKA, True),
        ("other-environment", KAFKA, False),
        ("other-cluster", KAFKA, False),
        ("other-organization", KAFKA, False),
        ("organization", Target(ACCOUNT, CLOUD), True),
        ("environment", Target(ACCOUNT, CLOUD), False),
    ],
)
def test_a_role_counts_where_it_reaches_what_is_requested(place: str, target: Target, *, picked: bool) -> None:
    held_roles = holding(DANA, ("Operator", PLACES[place]))

    assert Selector.of("Operator").picks(held_roles, target) is picked
    assert not Selector.of("OrganizationAdmin").picks(held_roles, target)


def test_a_role_of_another_principal_is_not_theirs() -> None:
    theirs = holding(ERIN, ("Operator", PLACES["environment"]))

    assert not Selector.of("Operator").picks(HeldRoles(DANA, theirs.bindings, theirs.organization), KAFKA)


def test_a_group_that_was_not_read_is_never_a_no() -> None:
    dana = holding(DANA)

    with pytest.raises(Unavailable, match=r"`S1`.*Nothing changed"):
        Selector.of("S1").picks(dana, KAFKA)
    with pytest.raises(Unavailable, match="may have been disabled"):
        joined(dana, "S1", frozenset())
    assert Selector.of("S1", "U0DANA").picks(dana, KAFKA), "nobody has to know who is in the group"


def policy(*rules: tuple[str, Selector]) -> Policy:
    return Policy(tuple(Rule(name, Match(by=by), "C1") for name, by in rules))


def test_a_rule_about_certain_people_is_nobodys_where_no_one_asks() -> None:
    found = policy(("hers", Selector.of("U0DANA", "S1")), ("all", Selector())).rule(Operation.DELETE, KAFKA, None)

    assert found is not None
    assert found.name == "all"


def test_only_groups_on_which_the_rule_hangs_are_read() -> None:
    others = Match(environments=frozenset({"env-other"}), by=Selector.of("S9"))
    rules = policy(("hers", Selector.of("U0DANA")), ("team", Selector.of("S1")), ("all", Selector())).rules
    found = Policy((Rule("elsewhere", others, "C1"), *rules))

    assert found.unread(Operation.CREATE, KAFKA, holding(DANA)) is None
    assert found.unread(Operation.CREATE, KAFKA, holding(ERIN)) == "S1"
    known = holding(ERIN).with_group("S1", is_member=False)
    assert found.unread(Operation.CREATE, KAFKA, known) is None


# --- the order of rules -----------------------------------------------------------------------------------------------

PEOPLE = st.builds(
    lambda person, groups, roles: HeldRoles(
        person, holding(person, *[(role, PLACES["environment"]) for role in roles]).bindings, "o-1", groups=groups,
        looked_up=frozenset({"S1", "S2"}),
    ),
    st.sampled_from((DANA, ERIN)),
    st.frozensets(st.sampled_from(("S1", "S2"))),
    st.frozensets(st.sampled_from(("EnvironmentAdmin", "DeveloperRead"))),
)  # fmt: skip
MATCHES = st.builds(
    Match,
    st.frozensets(st.sampled_from((Operation.CREATE, Operation.DELETE)), max_size=1),
    environments=st.frozensets(st.sampled_from(("env-dev001", "env-2")), max_size=1),
    by=SELECTORS,
)
RULES = st.lists(MATCHES, max_size=6).map(
    lambda matches: tuple(Rule(str(index), match, "C1") for index, match in enumerate(matches))
)


def fits(rule: Rule, person: HeldRoles) -> bool:
    by = rule.match.by
    return rule.match.speaks_of(Operation.CREATE, KAFKA) is True and (not by or by.picks(person, KAFKA))


@given(RULES, PEOPLE)
def test_the_first_rule_that_fits_decides_and_the_others_make_no_difference(
    rules: tuple[Rule, ...], person: HeldRoles
) -> None:
    found = Policy(rules).rule(Operation.CREATE, KAFKA, person)
    fitting = [rule for rule in rules if fits(rule, person)]

    assert found == next(iter(fitting), None)
    assert found == Policy(tuple(fitting)).rule(Operation.CREATE, KAFKA, person)


@given(RULES, PEOPLE, MATCHES, st.integers(0, 6))
def test_a_rule_about_something_else_changes_nothing_wherever_it_stands(
    rules: tuple[Rule, ...], person: HeldRoles, match: Match, place: int
) -> None:
    other = Rule("other", match, "C1")
    with_it = (*rules[:place], other, *rules[place:])
    before, after = (Policy(each).rule(Operation.CREATE, KAFKA, person) for each in (rules, with_it))

    assert after == before or (after == other and fits(other, person))


@given(RULES, PEOPLE, st.data())
def test_rules_of_which_one_at_most_fits_can_stand_in_any_order(
    rules: tuple[Rule, ...], person: HeldRoles, data: st.DataObject
) -> None:
    if sum(fits(rule, person) for rule in rules) > 1:
        rules = tuple(rule for rule in rules if not fits(rule, person))
    shuffled = tuple(data.draw(st.permutations(rules)))

    before, after = (Policy(each).rule(Operation.CREATE, KAFKA, person) for each in (rules, shuffled))
    assert before == after


@given(RULES, PEOPLE)
def test_what_is_said_to_be_read_is_enough_to_decide(rules: tuple[Rule, ...], person: HeldRoles) -> None:
    known, groups = HeldRoles(person.person, person.bindings, person.organization), person.groups
    while group := Policy(rules).unread(Operation.CREATE, KAFKA, known):
        assert group not in known.looked_up
        known = known.with_group(group, is_member=group in groups)

    whole = Policy(rules).rule(Operation.CREATE, KAFKA, person)
    assert Policy(rules).rule(Operation.CREATE, KAFKA, known) == whole


# --- environments by name ---------------------------------------------------------------------------------------------

HERE = KAFKA.resource.environment
BY_NAME = st.lists(
    st.builds(
        Match,
        st.frozensets(st.sampled_from((Operation.CREATE, Operation.DELETE)), max_size=1),
        environments=st.frozensets(st.sampled_from((HERE, "env-2", "prod", "prod-*", "*-eu", "*")), max_size=2),
    ),
    max_size=5,
).map(lambda matches: Policy(tuple(Rule(str(index), match, "C1") for index, match in enumerate(matches))))


@given(BY_NAME, st.sampled_from(("prod", "prod-eu", "dev-eu", "dev", "Prod", HERE)))
def test_a_name_that_is_not_known_leads_past_no_rule_that_it_might_fit(policy: Policy, name: str) -> None:
    """What is decided without the name is decided so whatever the environment is called."""
    with suppress(Unavailable):
        found = policy.rule(Operation.CREATE, KAFKA, None, {"env-2": name})

        assert policy.rule(Operation.CREATE, KAFKA, None, {HERE: name}) is found


@given(BY_NAME, st.sampled_from(("prod", "prod-eu", "dev")), st.sampled_from(("prod", "prod-eu", "dev")))
def test_a_rename_makes_a_difference_only_where_rules_tell_the_names_apart(policy: Policy, old: str, new: str) -> None:
    words = frozenset[str]().union(*(rule.match.named for rule in policy.rules))
    if {word for word in words if is_called(old, word)} == {word for word in words if is_called(new, word)}:
        one, other = (policy.rule(Operation.CREATE, KAFKA, None, {HERE: name}) for name in (old, new))

        assert one is other
