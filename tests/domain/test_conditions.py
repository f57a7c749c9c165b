"""Conditions on who approves: they only narrow, count by matching, and hold whatever order they come in."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.approvals import Approval
from bot.domain.authority import HeldRoles
from bot.domain.conditions import (
    Condition,
    Conditions,
    Member,
    Party,
    adds,
    both,
    counted,
    groups_of,
    in_words,
    most,
    needed,
    open_to,
    still_apart,
)
from bot.domain.decision import Allowed, NeedsApproval, counting, decide, is_comparable, missing, refusal, unfit
from bot.domain.errors import Unavailable
from bot.domain.keys import Person
from tests.support import build
from tests.support.build import ACCOUNT, DANA, ERIN, FEMI, OTTO, a_binding, a_rule, an_approval, an_ask, crn

PAY, FRAUD, PLATFORM = Party(("S1",), "payments"), Party(("S2", "U9"), "fraud"), Party(("S3",), "platform")
DISTINCT = Condition((PAY, FRAUD), is_distinct=True)
PARTIES = st.lists(st.sampled_from([PAY, FRAUD, PLATFORM, Party(("UERIN",))]), max_size=3, unique=True)
GROUPS = st.frozensets(st.sampled_from(["S1", "S2", "S3"]))
CONDITION = st.builds(
    lambda parties, barred, is_distinct, apart: Condition(
        tuple(parties),
        tuple(sorted(barred)),
        is_distinct=is_distinct and bool(parties),
        apart=tuple(sorted(apart)) if "same group" in barred else (),
    ),
    PARTIES,
    st.frozensets(st.sampled_from(["owner", "same group"])),
    st.booleans(),
    GROUPS,
)
CONDITIONS = st.lists(CONDITION, max_size=2).map(lambda found: both(tuple(found), ()))
PEOPLE = (ERIN, FEMI, OTTO)


def someone(*groups: str, slack: str = "U1") -> Member:
    return Member(slack, frozenset(groups))


def held(person: Person, groups: frozenset[str] = frozenset(), *, owns: bool = False) -> HeldRoles:
    roles = [a_binding(person), *([a_binding(person, "ResourceOwner", crn("service-account=sa-abc001"))] * owns)]
    found = replace(build.holding(person), bindings=tuple(roles))
    return replace(found, groups=groups, looked_up=frozenset({"S1", "S2", "S3"}))


@pytest.mark.parametrize(
    ("members", "number"),
    [
        ([], 0),
        ([someone("S1"), someone("S1")], 1),
        ([someone("S1"), someone("S2")], 2),
        ([someone("S1", "S2"), someone("S1")], 2),  # the first one is for fraud then
        ([someone("S1", "S2"), someone("S1", "S2"), someone("S1", "S2")], 2),
        ([someone("S3"), someone(slack="U9")], 1),
    ],
)
def test_each_approval_is_for_another_party(members: list[Member], number: int) -> None:
    assert len(counted((DISTINCT,), members)) == most((DISTINCT,), members) == number


def test_what_is_missing_is_named_and_who_adds_nothing_is_known() -> None:
    flexible, pay = someone("S1", "S2"), someone("S1")

    assert open_to(DISTINCT, [pay]) == (FRAUD,)
    assert open_to(DISTINCT, [flexible]) == (PAY, FRAUD)
    assert not adds((DISTINCT,), [pay], pay)
    assert adds((DISTINCT,), [flexible], pay)
    assert needed((DISTINCT,), [], 1) == "1 approval from the payments team or the fraud team"
    assert needed((DISTINCT,), [], 2) == "1 approval from the payments team and 1 from the fraud team"
    assert needed((DISTINCT,), [pay], 1) == "1 more approval from the fraud team"
    assert (
        needed((replace(DISTINCT, is_distinct=False),), [pay], 2)
        == "2 more approvals from the payments team or the fraud team"
    )
    assert (
        needed((Condition((PAY,)), Condition((FRAUD,)), Condition((FRAUD,), ("owner",))), [], 1)
        == "1 approval from the payments team, and also from the fraud team"
    )
    assert needed((), [pay], 2) == "2 more approvals"
    assert needed((Condition(barred=("owner",)),), [], 1) == "1 approval"


def test_conditions_read_as_sentences() -> None:
    condition = Condition((PAY, FRAUD), ("owner", "same group"), is_distinct=True, apart=("S7",))

    assert in_words((condition, condition)) == (
        "Only the payments team or the fraud team can approve, at most one approval from each.",
        "Owners of the service account can't approve.",
        "People who share a user group with the requester can't approve.",
    )
    assert in_words((condition,), "review")[0] == "Only the payments team or the fraud team can review."
    assert in_words((Condition((Party(("S7",)), Party(("U7",)))),)) == (
        "Only user group S7 or Slack user U7 can approve.",
    )


@given(st.lists(GROUPS, max_size=4), PARTIES)
def test_as_many_count_as_any_choice_could_give(groups: list[frozenset[str]], parties: list[Party]) -> None:
    """By trying every assignment."""
    members = [Member("U1", each) for each in groups]
    condition = Condition(tuple(parties), is_distinct=True)
    best = max(
        size
        for size in range(len(parties) + 1)
        if size == 0
        or any(
            all(party.has(member) for party, member in zip(chosen, some, strict=True))
            for some in combinations(members, size)
            for chosen in permutations(parties, size)
        )
    )

    assert most((condition,), members) == len(counted((condition,), members)) == best


@given(CONDITIONS, st.lists(st.tuples(st.sampled_from(PEOPLE), GROUPS, st.booleans()), max_size=4), st.integers(1, 3))
def test_conditions_let_no_one_approve_who_could_not_without_them(
    conditions: Conditions, given_by: list[tuple[Person, frozenset[str], bool]], approvals: int
) -> None:
    ask = an_ask()
    given_ = [(an_approval(person, ask), held(person, groups, owns=owns)) for person, groups, owns in given_by]
    narrowed, all_of_them = counting(ask, given_, conditions), counting(ask, given_)

    assert set(narrowed) <= set(all_of_them)
    for approval in narrowed:
        who = [each for mine, each in given_ if mine is approval]
        assert any(refusal(ask, each) is None and unfit(ask.owner, each, conditions) is None for each in who)
    condition = conditions[0] if conditions else None
    with_one, without = (
        decide(build.policy_of(a_rule(approvals, approvers=each)), ask, _requester(), given_)
        for each in (condition, None)
    )
    assert isinstance(with_one, Allowed | NeedsApproval)
    assert missing(with_one) >= missing(without)


def _requester() -> HeldRoles:
    return replace(build.holding(DANA), looked_up=frozenset({"S1", "S2", "S3"}))


@given(CONDITIONS, CONDITIONS, CONDITIONS)
def test_conditions_of_several_rules_hold_together_in_any_order(
    one: Conditions, two: Conditions, three: Conditions
) -> None:
    assert both(one, two) == both(two, one)
    assert both(both(one, two), three) == both(one, both(two, three))
    assert both(one, one) == both(one, ()) == one
    assert groups_of(both(one, two)) == groups_of(one) | groups_of(two)


@given(CONDITIONS, CONDITIONS, st.tuples(GROUPS, st.booleans()))
def test_both_lets_only_those_whom_each_lets(
    one: Conditions, two: Conditions, in_and_owns: tuple[frozenset[str], bool]
) -> None:
    who = held(ERIN, in_and_owns[0], owns=in_and_owns[1])

    fits = [unfit(ACCOUNT, who, each) is None for each in (one, two, both(one, two))]
    assert fits[2] == (fits[0] and fits[1])


@given(CONDITIONS, st.lists(GROUPS, max_size=4), GROUPS)
def test_a_later_approval_takes_no_earlier_one_away(
    conditions: Conditions, groups: Sequence[frozenset[str]], last: frozenset[str]
) -> None:
    members = [Member("U1", each) for each in groups]

    assert set(counted(conditions, members)) <= set(counted(conditions, [*members, Member("U1", last)]))


def test_a_group_that_was_not_looked_up_is_never_a_no() -> None:
    with pytest.raises(Unavailable, match="S2"):
        unfit(ACCOUNT, replace(held(ERIN), looked_up=frozenset({"S1"})), (DISTINCT,))
    approval: tuple[Approval, HeldRoles] = an_approval(ERIN), replace(held(ERIN), looked_up=frozenset())
    with pytest.raises(Unavailable):
        counting(an_ask(), [approval], (DISTINCT,))


def test_leaving_a_group_lets_nobody_in_it_approve() -> None:
    now, earlier = Condition(barred=("same group",)), Condition(barred=("same group",), apart=("S1",))

    assert still_apart((now,), (earlier,)) == (earlier,)
    assert still_apart((Condition((PAY,)),), (earlier,)) == (Condition((PAY,)),)


def test_other_conditions_are_not_just_stricter_and_a_group_joined_since_is() -> None:
    plain = build.terms()
    barring = replace(plain, approvers=(Condition(barred=("same group",)),))
    joined = replace(plain, approvers=(Condition(barred=("same group",), apart=("S1",)),))

    assert is_comparable(an_ask(), barring, joined)
    assert barring.within(joined) == joined.within(barring) == joined
    assert not is_comparable(an_ask(), plain, barring)
    assert not is_comparable(an_ask(), barring, plain)
