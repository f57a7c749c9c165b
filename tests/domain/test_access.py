"""Role bindings that can be asked for with a key: which places they name, and who can grant them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.access import OFFERS, ROLES_ON, Offer, WantedBinding, is_high_risk
from bot.domain.authority import Target, authority, bases, beyond
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, decide, refusal, why_not_alone
from bot.domain.keys import MyAccount, Operation, Resource
from bot.domain.kinds import Kind
from bot.domain.policy import Policy, without_a_file
from bot.domain.roles import GRANTERS, Scope
from tests.support.build import (
    ACCOUNT,
    CLUSTER,
    DANA,
    ERIN,
    FLINK,
    NEW,
    ORGANIZATION,
    REGISTRY,
    RESOURCES,
    a_rule,
    an_approval,
    an_ask,
    crn,
    holding,
    policy_of,
)

PLACE = "environment=env-dev001/cloud-cluster=lkc-dev001"
TOPICS = f"{PLACE}/kafka=lkc-dev001/topic="
WRITE = WantedBinding("DeveloperWrite", f"{TOPICS}orders-*")
EVERY = WantedBinding("DeveloperWrite", f"{TOPICS}*")
SUBJECT = WantedBinding("DeveloperRead", "environment=env-dev001/schema-registry=lsrc-1/subject=orders-*")
BY_NAME = {each.name: each for each in OFFERS}
ADMIN = ("OrganizationAdmin", crn())
ONE = without_a_file("C01")


@pytest.mark.parametrize(
    ("offer", "resource", "typed", "scope"),
    [
        ("Write topics", CLUSTER, "orders-", f"{TOPICS}orders-*"),
        ("Read topics", CLUSTER, "orders-*", f"{TOPICS}orders-*"),
        ("Read topics", CLUSTER, "*", f"{TOPICS}*"),
        ("Use consumer groups", CLUSTER, "orders.ci_1", f"{PLACE}/kafka=lkc-dev001/group=orders.ci_1*"),
        ("Write subjects", REGISTRY, "orders-", "environment=env-dev001/schema-registry=lsrc-1/subject=orders-*"),
        ("Run Flink statements", FLINK, "", "environment=env-dev001"),
    ],
)
def test_an_entry_of_the_list_is_a_role_at_a_place(offer: str, resource: Resource, typed: str, scope: str) -> None:
    wanted = BY_NAME[offer].wanted(resource, typed)

    assert wanted == WantedBinding(BY_NAME[offer].role, scope)
    assert BY_NAME[offer].offers(wanted, [resource])
    assert Scope.parse(wanted.crn(ORGANIZATION)).path == wanted.path


NASTY = (
    *("", " ", "or*ders", "orders/topic=x", "orders=x", "or ders", "<!channel>", "`x`", "**", "orders-**", "a" * 250),
    *("日本", "%2A", "../x", "orders\n", "@here"),
)


@pytest.mark.parametrize("typed", NASTY)
def test_a_name_with_anything_in_it_that_could_mean_another_place_or_a_link_is_refused(typed: str) -> None:
    for offer in OFFERS[:5]:
        resource = CLUSTER if offer.kind is Kind.KAFKA else REGISTRY
        with pytest.raises(ValueError, match="Use only a–z"):
            offer.wanted(resource, typed)


def test_an_entry_for_whole_names_takes_no_pattern() -> None:
    whole = Offer("Write one topic", "DeveloperWrite", "topic")

    assert whole.wanted(CLUSTER, "orders").scope == f"{TOPICS}orders"
    with pytest.raises(ValueError, match="whole names"):
        whole.wanted(CLUSTER, "orders-*")
    assert not whole.offers(WRITE, [CLUSTER])
    assert not whole.offers(EVERY, [CLUSTER])


@given(st.text(max_size=20))
def test_what_is_wanted_stays_inside_its_resource_whatever_is_typed(typed: str) -> None:
    try:
        wanted = BY_NAME["Write topics"].wanted(CLUSTER, typed)
    except ValueError:
        return
    path = Scope.parse(wanted.crn(ORGANIZATION)).path
    assert path[:2] == CLUSTER.paths()[0]
    assert [key for key, _ in path[2:]] == ["topic"]


def test_no_role_can_be_offered_that_lets_its_holder_grant_roles() -> None:
    assert not GRANTERS & {role for roles in ROLES_ON.values() for role in roles}
    assert all(each.role in ROLES_ON[each.on] for each in OFFERS)


@pytest.mark.parametrize(
    ("role", "place", "can"),
    [
        ("OrganizationAdmin", "", True),
        ("EnvironmentAdmin", "environment=env-dev001", True),
        ("EnvironmentAdmin", "environment=env-2", False),
        ("CloudClusterAdmin", PLACE, True),
        ("ResourceOwner", f"{TOPICS}orders-*", True),
        ("ResourceOwner", f"{TOPICS}*", True),
        ("ResourceOwner", f"{TOPICS}orders-eu-*", False),
        ("ResourceOwner", f"{TOPICS}orders", False),
        ("ResourceOwner", f"{TOPICS}orders-", False),
        ("ResourceOwner", "service-account=sa-abc001", False),
        ("ResourceKeyAdmin", "", False),
        ("AccountAdmin", "", False),
        ("DeveloperManage", f"{TOPICS}*", False),
        ("DeveloperWrite", f"{TOPICS}orders-*", False),
        ("Operator", "", False),
    ],
)
def test_who_can_grant_a_role_on_topics(role: str, place: str, *, can: bool) -> None:
    held_roles = holding(ERIN, (role, crn(place)))

    assert (beyond(held_roles, [WRITE]) is None) is can


def test_who_administers_a_cluster_grants_nothing_in_the_schema_registry() -> None:
    assert beyond(holding(ERIN, ("CloudClusterAdmin", crn(PLACE))), [WRITE, SUBJECT]) == SUBJECT


def test_nobody_grants_with_a_role_of_another_organization_or_of_someone_else() -> None:
    assert beyond(holding(ERIN, ("OrganizationAdmin", crn(organization="o-2"))), [WRITE]) == WRITE
    theirs = holding(DANA, ADMIN).bindings
    held_roles = holding(ERIN)
    assert beyond(type(held_roles)(ERIN, theirs, ORGANIZATION), [WRITE]) == WRITE


def test_authority_over_a_key_with_access_takes_the_right_to_grant_it() -> None:
    key_admin = holding(ERIN, ("ResourceKeyAdmin", crn()))

    assert bases(key_admin, Target(ACCOUNT, CLUSTER))
    assert not bases(key_admin, Target(ACCOUNT, CLUSTER, (WRITE,)))
    both = holding(ERIN, ("ResourceKeyAdmin", crn()), ("ResourceOwner", crn(f"{TOPICS}orders-*")))
    assert authority(both, Target(ACCOUNT, CLUSTER, (WRITE,)))


def test_an_approver_who_cannot_grant_the_access_is_refused_with_the_role_and_the_place() -> None:
    ask = an_ask(bindings=(WRITE,))
    key_admin = holding(ERIN, ("ResourceKeyAdmin", crn()))

    said = refusal(ask, key_admin)

    assert said is not None
    assert "don't let you grant DeveloperWrite on topics starting with `orders-`" in said
    verdict = decide(ONE, ask, holding(DANA), [(an_approval(ERIN, ask), key_admin)])
    assert isinstance(verdict, NeedsApproval)
    assert refusal(ask, holding(ERIN, ADMIN)) is None
    assert isinstance(decide(ONE, ask, holding(DANA), [(an_approval(ERIN, ask), holding(ERIN, ADMIN))]), Allowed)


def test_a_pair_can_come_with_access_to_both_resources_which_its_approvers_can_grant() -> None:
    pair = an_ask(also=REGISTRY, bindings=(WRITE, SUBJECT))
    key_admin = holding(ERIN, ("ResourceKeyAdmin", crn()), ("CloudClusterAdmin", crn(PLACE)))

    assert isinstance(decide(ONE, pair, holding(DANA)), NeedsApproval)
    assert refusal(pair, holding(ERIN, ADMIN)) is None
    assert "don't let you grant DeveloperRead on subject" in (refusal(pair, key_admin) or "")
    assert isinstance(decide(ONE, pair, holding(DANA), [(an_approval(ERIN, pair), key_admin)]), NeedsApproval)
    for other in (an_ask(bindings=(SUBJECT,)), replace(pair, also=replace(REGISTRY, id="lsrc-2"))):
        assert isinstance(decide(ONE, other, holding(DANA)), Forbidden)


def test_an_approval_is_for_the_access_that_was_on_the_card_and_for_no_other() -> None:
    ask = an_ask(bindings=(WRITE,))
    given = an_approval(ERIN, ask)

    for other in ((), (EVERY,), (WRITE, EVERY)):
        changed = an_ask(bindings=other)
        assert changed.digest() != ask.digest()
        verdict = decide(ONE, changed, holding(DANA), [(given, holding(ERIN, ADMIN))])
        assert isinstance(verdict, NeedsApproval)


def test_an_approval_of_before_there_was_access_still_counts() -> None:
    assert an_ask(bindings=()).digest() == an_ask().digest()


def test_who_needs_no_approval_for_the_key_still_has_to_be_able_to_grant_the_access() -> None:
    policy = policy_of(a_rule(approvals=0))
    ask = an_ask(bindings=(WRITE,))
    key_admin = ("ResourceKeyAdmin", crn())

    verdict = decide(policy, ask, holding(DANA, key_admin))

    assert isinstance(verdict, NeedsApproval)
    assert "don't let you grant DeveloperWrite on topics starting with `orders-`" in (
        why_not_alone(policy, ask, holding(DANA, key_admin), verdict) or ""
    )
    refused = decide(policy_of(a_rule(approvals=0, otherwise=None)), ask, holding(DANA, key_admin))
    assert isinstance(refused, Forbidden)
    assert "can also grant DeveloperWrite on topics starting with `orders-`" in refused.reason
    assert isinstance(decide(policy, ask, holding(DANA, ADMIN)), Allowed)
    assert isinstance(decide(policy, an_ask(), holding(DANA, key_admin)), Allowed)


@pytest.mark.parametrize(
    "wanted",
    [
        WantedBinding("ResourceOwner", f"{TOPICS}orders-*"),
        WantedBinding("OrganizationAdmin", "environment=env-dev001"),
        WantedBinding("DeveloperWrite", "environment=env-dev001/cloud-cluster=lkc-2/kafka=lkc-2/topic=orders-*"),
        WantedBinding("DeveloperWrite", f"{TOPICS}or*ders*"),
        WantedBinding("DeveloperWrite", f"{TOPICS}orders"),
        SUBJECT,
    ],
    ids=str,
)
def test_access_that_the_policy_does_not_offer_for_this_key_is_forbidden(wanted: WantedBinding) -> None:
    verdict = decide(ONE, an_ask(bindings=(wanted,)), holding(DANA), ())

    assert isinstance(verdict, Forbidden)
    assert "The policy doesn't offer" in verdict.reason


def test_access_that_the_policy_offers_no_longer_is_forbidden_at_the_effect_too() -> None:
    ask = an_ask(bindings=(WRITE,))
    policy = Policy(ONE.rules, offers=())

    assert isinstance(decide(policy, ask, holding(DANA), [(an_approval(ERIN, ask), holding(ERIN, ADMIN))]), Forbidden)


def test_access_goes_with_a_new_key_of_a_service_account_alone() -> None:
    mine = an_ask(owner=MyAccount(DANA.principal), bindings=(WRITE,))
    rotation = an_ask(operation=Operation.ROTATE, bindings=(WRITE,))

    for ask in (mine, rotation):
        verdict = decide(ONE, ask, holding(DANA, ADMIN))
        assert isinstance(verdict, Forbidden)
        assert "new key of a service account" in verdict.reason
    assert not isinstance(decide(ONE, an_ask(owner=NEW, bindings=(WRITE,)), holding(DANA)), Forbidden)


@pytest.mark.parametrize("said", ["", "normal", "high"])
def test_access_to_everything_is_high_risk_whatever_the_rule_says(said: str) -> None:
    assert is_high_risk(said, Operation.CREATE, CLUSTER, (WRITE, EVERY))
    assert is_high_risk(said, Operation.CREATE, CLUSTER, (WRITE,)) is (said == "high")


def test_every_kind_with_resources_of_its_own_but_ksqldb_has_an_entry() -> None:
    kinds = {each.kind for each in OFFERS}

    assert kinds == {each.kind for each in RESOURCES} - {Kind.KSQLDB, Kind.CLOUD, Kind.TABLEFLOW, Kind.GLOBAL}
