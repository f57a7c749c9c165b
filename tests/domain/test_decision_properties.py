"""What holds for every decision, whatever the policy, the roles, the key and the approvals are."""

from dataclasses import replace
from itertools import product
from typing import TypeAlias

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bot.domain.approvals import Approval, Terms
from bot.domain.authority import HeldRoles, Target, authority, bases, weigh_all
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide, refusal
from bot.domain.keys import (
    MyAccount,
    NewServiceAccount,
    Operation,
    Owner,
    Person,
    Principal,
    RequestId,
    Resource,
    ServiceAccount,
    SlackUserId,
)
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Policy, Rule
from bot.domain.requests import Ask, Pending
from bot.domain.roles import TABLES, Binding, Scope, Table
from bot.store.codec import REQUEST_JSON
from tests.support.build import (
    ACCOUNT,
    CHANGING,
    CLOUD,
    CLUSTER,
    DANA,
    DAY,
    DOCUMENTED,
    ERIN,
    FEMI,
    GLOBAL,
    HERS,
    LENGTHENING,
    MAKING,
    NEW,
    NEWEST,
    NOW,
    ORGANIZATION,
    OTHER,
    OTTO,
    PLACES,
    REGISTRY,
    RESOURCES,
    a_rule,
    an_approval,
    an_ask,
    crn,
    terms,
)

pytestmark = pytest.mark.search

ROLES = sorted({*DOCUMENTED.rows, *NEWEST.rows, "AccountAdmin", "MetricsViewer"})
WILD = (
    "environment=*",
    "environment=env-*/cloud-cluster=*",
    "environment=env-dev001/cloud-cluster=lkc-*/kafka=lkc-dev001/topic=orders-*",
    "environment=env-dev001/cloud-cluster=lkc-dev001/ksql=lksqlc-1",
    "service-account=*",
    "service-account=sa-other",
)
CRNS = (*PLACES.values(), *map(crn, WILD), "crn://nonsense", f"{crn()}/environment")
DOUBLE = replace(ERIN, slack=SlackUserId("U0ERIN2"), email="erin.two@example.com")
"""Erin's second Slack account: the same Confluent user."""
APPROVERS = (ERIN, FEMI, OTTO, DOUBLE)
PEOPLE = (DANA, *APPROVERS)
MINE = MyAccount(DANA.principal)

Case: TypeAlias = tuple[Policy, Ask, HeldRoles, list[tuple[Approval, HeldRoles]]]
"""A decision's four facts: the policy, what is asked, who asks, and who approved."""

EVERYBODYS: tuple[Owner, ...] = (ACCOUNT, OTHER, NEW, MINE, HERS)

# Few draws from long lists: hypothesis then finds more of what matters in the same time.
HOLDINGS = (
    *product(ROLES, CRNS),
    *60 * (("OrganizationAdmin", crn()), ("EnvironmentAdmin", crn("environment=env-dev001"))),
    *20 * (("ResourceOwner", crn("service-account=sa-abc001")), ("ResourceKeyAdmin", crn())),
)
MATCHES = (
    *(Match(operations=frozenset({each})) for each in Operation),
    *(Match(kinds=frozenset({each})) for each in Kind),
    *(Match(owners=frozenset({each})) for each in ("me", "service-account", "new-service-account", "sa-abc001")),
    Match(environments=frozenset({"env-dev001"})),
    Match(environments=frozenset({"env-2"})),
    Match(clusters=frozenset({"lkc-dev001", "lsrc-1"})),
    Match(frozenset(MAKING), frozenset({Kind.KAFKA, Kind.CLOUD}), owners=frozenset({"me", "service-account"})),
)
ASKS = [
    an_ask(operation=operation, owner=owner, resource=resource)
    for operation, owner, resource in product(Operation, (ACCOUNT, OTHER, NEW, MINE, HERS), RESOURCES)
]

tables = st.sampled_from(sorted(TABLES.values(), key=lambda table: table.name))
held = st.one_of(st.lists(st.sampled_from(HOLDINGS), max_size=3), st.just([("OrganizationAdmin", crn())]))
asks, resources, owners = st.sampled_from(ASKS), st.sampled_from(RESOURCES), st.sampled_from(EVERYBODYS)
matches = st.sampled_from(MATCHES)
some_rules = st.builds(
    a_rule,
    st.sampled_from((0, 1, 1, 2, 2, 3, 5)),
    matches,
    forbid=st.sampled_from((*5 * ("",), "Not here.")),
    otherwise=st.sampled_from((1, 2, 3, None)),
    user_keys=st.sampled_from((True, True, False)),
)
policies = st.builds(
    lambda first, last: Policy((*first, a_rule(last))), st.lists(some_rules, max_size=2), st.integers(0, 3)
)


@st.composite
def holdings(draw: st.DrawFn, person: Person, table: Table) -> HeldRoles:
    bindings = tuple(Binding(person.principal, role, place) for role, place in draw(held))
    return HeldRoles(person, bindings, ORGANIZATION, table)


@st.composite
def approvals_of(draw: st.DrawFn, ask: Ask, table: Table) -> list[tuple[Approval, HeldRoles]]:
    """Approvals by anybody, of this ask or another, some by people who hold nothing anymore."""
    other = replace(ask, reason="something else")
    people = draw(st.lists(st.sampled_from((*PEOPLE, *APPROVERS)), max_size=4))
    of = st.sampled_from((ask, ask, ask, other))
    return [(an_approval(person, draw(of)), draw(holdings(person, table))) for person in people]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Everything that a decision is made of."""
    table, ask = draw(tables), draw(asks)
    return draw(policies), ask, draw(holdings(DANA, table)), draw(approvals_of(ask, table))


def how_good(verdict: Verdict) -> int:
    """Worse verdicts are smaller."""
    match verdict:
        case Forbidden():
            return -100
        case NeedsApproval(_, missing):
            return -missing
        case Allowed():
            return 0


def target(ask: Ask) -> Target:
    return Target(ask.owner, ask.resource)


# --- two keys in one request -----------------------------------------------------------------------------------------


@given(cases(), owners)
def test_a_pair_is_decided_no_more_easily_than_either_of_its_keys(case: Case, owner: Owner) -> None:
    policy, ask, requester, given_by = case
    ask = replace(ask, operation=Operation.CREATE, owner=owner, resource=CLUSTER, also=REGISTRY)
    alone = (replace(ask, also=None), replace(ask, resource=REGISTRY, also=None))

    def by_the_same(of: Ask) -> list[tuple[Approval, HeldRoles]]:
        return [(replace(each, digest=of.digest()), held_roles) for each, held_roles in given_by]

    both = decide(policy, ask, requester, by_the_same(ask))
    verdicts = [decide(policy, each, requester, by_the_same(each)) for each in alone]

    assert how_good(both) <= min(map(how_good, verdicts))
    if any(isinstance(each, Forbidden) for each in verdicts):
        assert isinstance(both, Forbidden)
    for _, held_roles in given_by:
        if any(refusal(each, held_roles) for each in alone):
            assert refusal(ask, held_roles)
    event(type(both).__name__)


# --- one decision at three times --------------------------------------------------------------------------------------


@given(cases())
def test_who_looks_later_at_the_same_facts_decides_the_same(case: Case) -> None:
    """At the effect the record comes from the store, and the roles from another reading, in another order."""
    rules, ask, requester, given_by = case
    at_the_click = decide(rules, ask, requester, given_by)

    stored = Pending(ask, terms(), approvals=tuple(approval for approval, _ in given_by), expires_at=NOW + DAY)
    read = REQUEST_JSON.validate_json(REQUEST_JSON.dump_json(stored))
    assert isinstance(read, Pending)
    again = list(zip(read.approvals, (read_again(each) for _, each in given_by), strict=True))

    assert decide(rules, read.ask, read_again(requester), again[::-1]) == at_the_click
    event(type(at_the_click).__name__)


def read_again(found: HeldRoles) -> HeldRoles:
    """The same bindings from another call: in another order, and one of them twice."""
    return replace(found, bindings=(*found.bindings[::-1], *found.bindings[:1]))


@given(cases(), st.data())
def test_who_is_not_refused_at_the_click_is_counted_at_the_effect(case: Case, data: st.DataObject) -> None:
    rules, ask, requester, given_by = case
    newcomer = data.draw(holdings(data.draw(st.sampled_from(PEOPLE)), requester.table))
    counted_before = {each.person.principal for _, each in given_by}
    if newcomer.person.principal in counted_before:
        return  # a second voice of the same person has a test of its own
    before = decide(rules, ask, requester, given_by)
    after = decide(rules, ask, requester, [*given_by, (an_approval(newcomer.person, ask), newcomer)])

    if isinstance(before, NeedsApproval):
        counts = refusal(ask, newcomer) is None
        assert how_good(after) == how_good(before) + counts
        event(f"newcomer counts: {counts}")
    else:
        assert after == before


@given(cases())
def test_a_request_that_needs_people_has_exactly_its_rules_quorum_when_it_is_allowed(case: Case) -> None:
    """Counted once more, by hand: different people, this very ask, and what each holds now."""
    rules, ask, requester, given_by = case
    rule = rules.rule(ask.operation, target(ask), requester)
    verdict = decide(rules, ask, requester, given_by)
    good = {
        each.person.principal
        for approval, each in given_by
        if approval.digest == ask.digest()
        and each.person.principal != DANA.principal
        and any(weighed.counts for weighed in weigh_all(each, target(ask)))
    }

    if isinstance(verdict, Allowed) and rule is not None and rule.approvals:
        assert len(good) >= rule.approvals
    if isinstance(verdict, NeedsApproval):
        assert rule is not None
        wanted = rule.approvals or rule.otherwise  # who does not manage a key needs some, where others need none
        assert wanted is not None
        assert verdict.missing == wanted - len(good) > 0
        assert verdict.terms.approvals == wanted
    event(type(verdict).__name__)


# --- what never gives more --------------------------------------------------------------------------------------------


@given(cases(), matches)
def test_forbidding_something_first_never_allows_more(case: Case, match: Match) -> None:
    rules, ask, requester, given_by = case
    stricter = replace(rules, rules=(Rule("never", match, "C01", 0, forbid="Not here."), *rules.rules))

    assert how_good(decide(stricter, ask, requester, given_by)) <= how_good(decide(rules, ask, requester, given_by))


@given(cases(), st.data())
def test_one_more_approval_never_makes_it_worse(case: Case, data: st.DataObject) -> None:
    rules, ask, requester, given_by = case
    more = [*given_by, *data.draw(approvals_of(ask, requester.table))]

    assert how_good(decide(rules, ask, requester, more)) >= how_good(decide(rules, ask, requester, given_by))


@given(cases())
def test_approvals_of_another_request_change_nothing(case: Case) -> None:
    rules, ask, requester, given_by = case
    other = replace(ask, id=RequestId("R2"))
    foreign = [(replace(approval, digest=other.digest()), each) for approval, each in given_by]

    assert decide(rules, ask, requester, foreign) == decide(rules, ask, requester)


@given(cases(), st.sampled_from(APPROVERS), st.integers(2, 5))
def test_one_confluent_user_is_one_approval_under_however_many_slack_ids(
    case: Case, person: Person, accounts: int
) -> None:
    rules, ask, requester, _ = case
    admin = (Binding(person.principal, "OrganizationAdmin", crn()),)
    doubles = [replace(person, slack=SlackUserId(f"U{n}"), email=f"{n}@example.com") for n in range(accounts)]
    given_by = [(an_approval(each, ask), HeldRoles(each, admin, ORGANIZATION, requester.table)) for each in doubles]

    assert decide(rules, ask, requester, given_by) == decide(rules, ask, requester, given_by[:1])


# --- who has authority ------------------------------------------------------------------------------------------------


def has(bindings: tuple[Binding, ...], wanted: Target, table: Table) -> bool:
    return authority(HeldRoles(DANA, bindings, ORGANIZATION, table), wanted) is not None


@given(st.lists(st.sampled_from(HOLDINGS), min_size=2, max_size=5), owners, resources, tables)
def test_one_binding_is_enough_wherever_it_stands_among_others(
    roles: list[tuple[str, str]], owner: Owner, resource: Resource, table: Table
) -> None:
    bindings = tuple(Binding(DANA.principal, role, place) for role, place in roles)
    wanted = Target(owner, resource)
    most = 2 if isinstance(owner, NewServiceAccount) else 1  # the key, and the account that is made for it
    alone = any(has(few, wanted, table) for few in product(bindings, repeat=most))

    assert has(bindings, wanted, table) == has(bindings[::-1], wanted, table) == alone
    event(f"authority: {alone}")


@given(st.lists(st.sampled_from(HOLDINGS), max_size=5), owners, resources, tables)
def test_what_is_told_of_bindings_and_what_they_give_is_the_same(
    roles: list[tuple[str, str]], owner: Owner, resource: Resource, table: Table
) -> None:
    holder = HeldRoles(DANA, tuple(Binding(DANA.principal, *each) for each in roles), ORGANIZATION, table)
    wanted = Target(owner, resource)
    counting = [each.binding for each in weigh_all(holder, wanted) if each.counts]
    found = bases(holder, wanted)

    assert set(found) <= set(counting)
    assert bool(found) is bool(counting)
    assert found == () or has(found, wanted, table)
    assert len(found) <= 1 or isinstance(owner, NewServiceAccount)
    event(f"bindings that give authority: {len(found)}")


@given(held, resources, tables)
def test_a_new_service_account_never_takes_less_than_one_that_exists(
    roles: list[tuple[str, str]], resource: Resource, table: Table
) -> None:
    bindings = tuple(Binding(DANA.principal, *each) for each in roles)
    strangers = ServiceAccount(Principal("sa-stranger"), "nobody's")

    assert has(bindings, Target(NEW, resource), table) <= has(bindings, Target(strangers, resource), table)


def wider(place: str) -> list[str]:
    """The places around a place, up to the organization."""
    scope = Scope.parse(place)
    elements = [f"{key}={value}" for key, value in scope.path] if scope.organization else []
    return [crn("/".join(elements[:length]), scope.organization) for length in range(len(elements))]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_binding_a_role_higher_up_never_takes_authority_away(table: Table, role: str) -> None:
    """But for one: owning an account is no small form of owning all, so who is bound above it owns none."""
    narrow = [(place, around) for place in CRNS for around in wider(place)]
    for (place, around), owner, resource in product(narrow, EVERYBODYS, RESOURCES):
        is_ownership = role == "ResourceOwner" and "/service-account=" in place and isinstance(owner, ServiceAccount)
        wanted = Target(owner, resource)
        before = has((Binding(DANA.principal, role, place),), wanted, table)
        after = has((Binding(DANA.principal, role, around),), wanted, table)
        assert after >= (before and not is_ownership), (place, around, wanted)


@given(held, st.sampled_from((ACCOUNT, OTHER, NEW)), st.sampled_from((CLOUD, GLOBAL)))
def test_in_2026_only_organization_admins_and_owners_manage_the_widest_keys_of_service_accounts(
    roles: list[tuple[str, str]], owner: Owner, resource: Resource
) -> None:
    bindings = tuple(Binding(DANA.principal, role, place) for role, place in roles)
    holding = HeldRoles(DANA, bindings, ORGANIZATION, NEWEST)

    for weighed in weigh_all(holding, Target(owner, resource)):
        role, place = weighed.binding.role, Scope.parse(weighed.binding.crn)
        is_admin = role == "OrganizationAdmin" and place.path == ()
        is_owner = role == "ResourceOwner" and place.path[:1] in {
            (("service-account", owner.id),),
            (("service-account", "*"),),
        }
        in_ours = place.organization == ORGANIZATION
        assert weighed.counts == (in_ours and (is_admin or (is_owner and isinstance(owner, ServiceAccount))))


# --- what no policy can do --------------------------------------------------------------------------------------------


@given(cases())
def test_no_policy_lets_a_requester_decide_alone_on_a_key_they_have_no_authority_over(case: Case) -> None:
    rules, ask, requester, _ = case
    own_voice = [
        (an_approval(requester.person, ask), requester),
        (an_approval(replace(DANA, slack=SlackUserId("U0DANA2")), ask), requester),
    ]
    if isinstance(decide(rules, ask, requester, own_voice), Allowed):
        is_own_change = ask.owner == MINE and ask.operation in CHANGING
        assert authority(requester, target(ask)) is not None or is_own_change
        event(f"allowed alone, {'as the owner' if is_own_change else 'by a role'}")


@given(cases(), st.integers(-3, 0))
def test_no_number_of_approvals_below_one_lets_anybody_in(case: Case, approvals: int) -> None:
    _, ask, requester, given_by = case
    lax = Policy((Rule("lax", Match(), "C01", approvals, approvals),))
    strict = Policy((Rule("lax", Match(), "C01", 0),))

    assert how_good(decide(lax, ask, requester, given_by)) == how_good(decide(strict, ask, requester, given_by))
    if authority(requester, target(ask)) is None and ask.operation not in CHANGING:
        assert not isinstance(decide(lax, ask, requester), Allowed)


@given(cases(), st.sampled_from((1, 2, 5, None)))
def test_a_rule_without_approvals_is_two_rules_one_for_managers_and_one_for_everyone_else(
    case: Case, otherwise: int | None
) -> None:
    """Managers, and owners who change their keys, need nobody; everyone else finds a rule of `otherwise` approvals."""
    _, ask, requester, given_by = case
    alone = Rule("rule", Match(), "C01", 0, otherwise)
    theirs = Rule("rule", Match(), "C01", otherwise or 0, forbid="" if otherwise else "Only for managers.")
    manages = authority(requester, target(ask)) is not None or (ask.owner == MINE and ask.operation in CHANGING)

    verdict = decide(Policy((alone,)), ask, requester, given_by)

    if manages:
        never = ask.owner.kind == "user" and ask.owner.id != DANA.principal and ask.operation not in CHANGING
        assert isinstance(verdict, Forbidden if never else Allowed)
    else:
        assert how_good(verdict) == how_good(decide(Policy((theirs,)), ask, requester, given_by))
        assert isinstance(verdict, Forbidden) or verdict.terms.approvals == otherwise
    event(f"manages: {manages}")


@given(policies, st.data(), tables, resources, st.sampled_from(LENGTHENING), st.sampled_from(PEOPLE))
def test_nobody_ever_makes_a_key_that_another_person_owns(
    rules: Policy, data: st.DataObject, table: Table, resource: Resource, operation: Operation, asker: Person
) -> None:
    somebody = data.draw(st.sampled_from([each.principal for each in PEOPLE if each.principal != asker.principal]))
    ask = an_ask(requester=asker, operation=operation, owner=MyAccount(somebody), resource=resource)
    requester = data.draw(holdings(asker, table))

    assert isinstance(decide(rules, ask, requester, data.draw(approvals_of(ask, table))), Forbidden)


@given(cases(), st.sampled_from(("u-new", ERIN.principal)))
def test_a_request_dies_with_the_match_of_who_asked(case: Case, principal: str) -> None:
    rules, ask, requester, given_by = case
    rematched = replace(requester, person=replace(requester.person, principal=Principal(principal)))

    assert isinstance(decide(rules, ask, rematched, given_by), Forbidden)


def pinned(held_roles: HeldRoles, lines: frozenset[Person]) -> HeldRoles:
    """The same person under `people_only`, with a line in `people` or without."""
    person = replace(held_roles.person, named=held_roles.person in lines)
    return replace(held_roles, person=person, table=replace(held_roles.table, people_only=True))


@given(cases(), st.frozensets(st.sampled_from(PEOPLE)))
def test_t23_where_the_policy_asks_for_a_line_in_people_nobody_without_one_counts(
    case: Case, lines: frozenset[Person]
) -> None:
    rules, ask, requester, given_by = case
    mine = requester if DANA in lines else replace(requester, bindings=())
    theirs = [(approval, held) for approval, held in given_by if held.person in lines]

    strict = decide(rules, ask, pinned(requester, lines), [(each, pinned(held, lines)) for each, held in given_by])

    assert how_good(strict) == how_good(decide(rules, ask, mine, theirs))
    assert all((refusal(ask, pinned(held, lines)) is None) <= (held.person in lines) for _, held in given_by)


shown_terms = st.builds(
    lambda approvals, days, mint, rule: terms(
        rule=rule, approvals=approvals, lifetime=days and days * DAY, mint=mint, overlap=days * DAY if days else 7 * DAY
    ),
    st.integers(0, 3),
    st.sampled_from((None, 1, 30, 90)),
    st.sampled_from(("on_approval", "on_claim")),
    st.sampled_from(("keys", "rule", "other")),
)


@given(shown_terms, shown_terms)
def test_t25_the_stricter_of_two_terms_is_as_strict_as_either(one: Terms, other: Terms) -> None:
    both, ends = one.within(other), [each.lifetime for each in (one, other) if each.lifetime]

    assert (both.approvals, both.overlap) == (max(one.approvals, other.approvals), min(one.overlap, other.overlap))
    assert both.lifetime == min(ends, default=None)
    assert (both.rule, both.mint, both.within(one)) == (one.rule, one.mint, both)


@given(cases(), shown_terms)
def test_t25_a_verdict_on_shown_terms_is_no_looser_than_the_policy(case: Case, shown: Terms) -> None:
    rules, ask, requester, given_by = case

    now, held_to = decide(*case), decide(rules, ask, requester, given_by, shown)

    assert how_good(held_to) <= how_good(now)
    if not isinstance(now, Forbidden) and not isinstance(held_to, Forbidden):
        same = replace(shown, rule=now.terms.rule, mint=now.terms.mint)
        strict = decide(rules, ask, requester, given_by, same)
        assert not isinstance(strict, Forbidden)
        assert strict.terms == now.terms.within(same)
