"""The decision: what a rule asks for, who can give it, and which approvals count."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.approvals import Approval, Ticket
from bot.domain.authority import HeldRoles, Target, bases, weigh_all
from bot.domain.decision import (
    NOT_IN_A_PAIR,
    Allowed,
    Forbidden,
    NeedsApproval,
    Verdict,
    decide,
    refusal,
    why_not_alone,
)
from bot.domain.keys import MyAccount, Operation, Owner, Person, Principal, Resource, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Mint, Policy, Rule, without_a_file
from bot.domain.requests import Ask
from bot.domain.roles import Table
from tests.support.build import (
    ACCOUNT,
    CHANGING,
    CLOUD,
    CLUSTER,
    DANA,
    DOCUMENTED,
    ERIN,
    FEMI,
    FLINK,
    GLOBAL,
    HERS,
    KSQL,
    LENGTHENING,
    NEW,
    NEWEST,
    ORGANIZATION,
    OTHER,
    OTTO,
    PLACES,
    REGISTRY,
    RESOURCES,
    TABLEFLOW,
    a_key,
    a_person,
    a_rule,
    an_approval,
    an_ask,
    crn,
    holding,
    policy_of,
    terms,
)

ORG_ADMIN = ("OrganizationAdmin", crn())
ENV_ADMIN = ("EnvironmentAdmin", crn("environment=env-dev001"))
KEY_ADMIN = ("ResourceKeyAdmin", crn())
NOBODY = holding(DANA)
MINE = MyAccount(DANA.principal)


def ask_for(owner: Owner = ACCOUNT, resource: Resource = CLUSTER, **fields: Any) -> Ask:
    return an_ask(owner=owner, resource=resource, **fields)


def yes(ask: Ask, person: Person, *held: tuple[str, str]) -> tuple[Approval, HeldRoles]:
    """An approval, and what its giver holds now."""
    return an_approval(person, ask), holding(person, *held)


def missing(verdict: Verdict) -> int:
    """How many more have to approve; 0 where it is allowed."""
    assert not isinstance(verdict, Forbidden)
    return verdict.missing if isinstance(verdict, NeedsApproval) else 0


def said_by(verdict: Verdict) -> str:
    """The rule that decided."""
    return verdict.rule if isinstance(verdict, Forbidden) else verdict.terms.rule


# --- what the rule asks for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approvals", [1, 2, 5])
def test_a_rule_asks_for_its_number_of_approvals_and_names_itself(approvals: int) -> None:
    rule = a_rule(approvals)
    verdict = decide(policy_of(rule), ask_for(), NOBODY)

    assert missing(verdict) == approvals
    assert said_by(verdict) == rule.name


def test_the_first_matching_rule_decides_and_no_other() -> None:
    kafka = Match(kinds=frozenset({Kind.KAFKA}))
    rules = policy_of(a_rule(3, kafka), a_rule(2, kafka), a_rule(1))

    assert missing(decide(rules, ask_for(resource=CLUSTER), NOBODY)) == 3
    assert missing(decide(rules, ask_for(resource=REGISTRY), NOBODY)) == 1


@pytest.mark.parametrize(("shown", "now"), [("on_approval", "on_claim"), ("on_claim", "on_approval")])
def test_what_people_have_read_counts_where_the_key_is_made_at_the_same_point(shown: Mint, now: Mint) -> None:
    rule = a_rule(1, mint=now)

    def asked(mint: Mint, ask: Ask) -> int:
        return missing(decide(policy_of(rule), ask, NOBODY, shown=terms(rule=rule.name, mint=mint, approvals=3)))

    assert asked(now, ask_for()) == 3
    assert asked(shown, ask_for()) == 1, "the policy's own"
    change = ask_for(operation=Operation.DELETE, key=a_key())
    rule = a_rule(1, Match(operations=frozenset({Operation.DELETE})), mint=now)
    assert asked(shown, change) == 3, "no key is made"


def test_what_no_rule_speaks_of_is_forbidden() -> None:
    rules = policy_of(a_rule(0, Match(kinds=frozenset({Kind.FLINK}))))

    assert isinstance(decide(rules, ask_for(), holding(DANA, ORG_ADMIN)), Forbidden)
    assert isinstance(decide(policy_of(), ask_for(), holding(DANA, ORG_ADMIN)), Forbidden)


def test_a_rule_that_forbids_says_its_own_sentence_to_everybody() -> None:
    rule = a_rule(0, forbid="Ask the platform team for a Kafka key instead.")
    ask = ask_for()
    verdict = decide(policy_of(rule), ask, holding(DANA, ORG_ADMIN), [yes(ask, ERIN, ORG_ADMIN)])

    assert verdict == Forbidden(rule.name, "Ask the platform team for a Kafka key instead.")


@pytest.mark.parametrize("approvals", [0, -1])
def test_without_approvals_people_without_authority_need_the_number_for_everyone_else(approvals: int) -> None:
    ask, erin, femi = ask_for(), yes(ask_for(), ERIN, ORG_ADMIN), yes(ask_for(), FEMI, ORG_ADMIN)
    one, two = policy_of(a_rule(approvals)), policy_of(a_rule(approvals, otherwise=2))

    assert isinstance(decide(two, ask, holding(DANA, ENV_ADMIN)), Allowed)
    assert [missing(decide(one, ask, NOBODY, given)) for given in ([], [erin])] == [1, 0]
    assert [missing(decide(two, ask, NOBODY, given)) for given in ([], [erin], [erin, femi])] == [2, 1, 0]


@pytest.mark.parametrize("operation", Operation)
def test_a_rule_for_managers_alone_refuses_everyone_else(operation: Operation) -> None:
    rules, ask = policy_of(a_rule(0, otherwise=None)), ask_for(operation=operation)

    assert isinstance(decide(rules, ask, holding(DANA, ENV_ADMIN)), Allowed)
    assert isinstance(decide(rules, ask, NOBODY, [yes(ask, ERIN, ORG_ADMIN)]), Forbidden)


def test_a_request_under_a_rule_without_approvals_keeps_the_number_that_its_card_showed() -> None:
    rule, ask = a_rule(0), ask_for()
    shown = terms(rule=rule.name, approvals=2)

    for requester in (NOBODY, holding(DANA, ENV_ADMIN)):
        assert missing(decide(policy_of(rule), ask, requester, shown=shown)) == 2


@pytest.mark.parametrize(
    ("owner", "held", "people_only", "why"),
    [
        (ACCOUNT, (), False, "none of your roles covers it"),
        (NEW, (ENV_ADMIN,), False, "your roles don't let you create its service account"),
        (ACCOUNT, (ENV_ADMIN,), True, "the policy doesn't list you under `people:`"),
        (ACCOUNT, (ENV_ADMIN,), False, None),
    ],
)
def test_people_are_told_why_they_need_approvals_where_others_need_none(
    owner: Owner, held: tuple[tuple[str, str], ...], why: str | None, *, people_only: bool
) -> None:
    requester = holding(DANA, *held, table=replace(DOCUMENTED, people_only=people_only))
    alone, two = policy_of(a_rule(0)), policy_of(a_rule(2))
    ask = ask_for(owner)

    said = why_not_alone(alone, ask, requester, decide(alone, ask, requester))

    assert said == (why and f"People who manage this key need no approval. You do, because {why}.")
    assert why_not_alone(two, ask, requester, decide(two, ask, requester)) is None


def test_a_role_of_the_requester_replaces_no_approval() -> None:
    assert missing(decide(policy_of(a_rule(2)), ask_for(), holding(DANA, ORG_ADMIN))) == 2


@pytest.mark.parametrize(
    ("operation", "resource", "asked"),
    [
        (Operation.CREATE, CLUSTER, 1),
        (Operation.CREATE, REGISTRY, 1),
        (Operation.CREATE, KSQL, 1),
        (Operation.CREATE, FLINK, 1),
        (Operation.CREATE, TABLEFLOW, 1),
        (Operation.CREATE, CLOUD, 2),
        (Operation.CREATE, GLOBAL, 2),
        (Operation.ROTATE, CLUSTER, 1),
        (Operation.ROTATE, CLOUD, 2),
        (Operation.EXTEND, CLUSTER, 1),
        (Operation.EXTEND, GLOBAL, 2),
        (Operation.EDIT, CLUSTER, 0),
        (Operation.EDIT, CLOUD, 0),
        (Operation.DELETE, CLUSTER, 0),
        (Operation.DELETE, GLOBAL, 0),
    ],
)
def test_without_a_file_every_new_key_needs_one_approval_and_the_widest_need_two(
    operation: Operation, resource: Resource, asked: int
) -> None:
    ask = ask_for(resource=resource, operation=operation)

    assert missing(decide(without_a_file("C01"), ask, holding(DANA, ORG_ADMIN))) == asked


@pytest.mark.parametrize("operation", CHANGING)
def test_without_a_file_who_has_no_authority_over_a_key_needs_one_approval_to_change_it(operation: Operation) -> None:
    rules, ask = without_a_file("C01"), ask_for(operation=operation)
    verdict = decide(rules, ask, NOBODY)

    assert isinstance(verdict, NeedsApproval)
    assert (verdict.missing, verdict.terms.approvals) == (1, 1)
    assert missing(decide(rules, ask, NOBODY, [yes(ask, ERIN)])) == 1
    assert missing(decide(rules, ask, NOBODY, [yes(ask, ERIN, ENV_ADMIN)])) == 0


@pytest.mark.parametrize("operation", CHANGING)
@pytest.mark.parametrize("user_keys", [True, False])
def test_the_owner_of_a_key_edits_and_deletes_it_without_any_role(operation: Operation, *, user_keys: bool) -> None:
    rules, ask = policy_of(a_rule(0, user_keys=user_keys)), ask_for(MINE, operation=operation)

    assert isinstance(decide(rules, ask, NOBODY), Allowed)
    assert isinstance(decide(rules, ask, holding(DANA, KEY_ADMIN)), Allowed)
    assert missing(decide(rules, ask_for(HERS, operation=operation), NOBODY)) == 1


@pytest.mark.parametrize("operation", CHANGING)
def test_a_rule_that_wants_approvals_wants_them_of_the_owner_of_the_key_too(operation: Operation) -> None:
    assert missing(decide(policy_of(a_rule(2)), ask_for(MINE, operation=operation), NOBODY)) == 2


def test_an_approval_that_a_change_needed_is_no_longer_needed_by_who_got_the_role_meanwhile() -> None:
    ask = ask_for(operation=Operation.DELETE)
    verdict = decide(policy_of(a_rule(0)), ask, holding(DANA, ENV_ADMIN))

    assert isinstance(verdict, Allowed)
    assert verdict.terms.approvals == 0


def test_the_rule_about_making_a_key_decides_about_extending_it() -> None:
    create = a_rule(3, Match(operations=frozenset({Operation.CREATE})))
    ask = ask_for(operation=Operation.EXTEND)

    assert (
        missing(decide(policy_of(a_rule(1, Match(operations=frozenset(CHANGING))), create, a_rule(2)), ask, NOBODY))
        == 3
    )
    rotate = a_rule(1, Match(operations=frozenset({Operation.ROTATE})))
    assert isinstance(decide(policy_of(rotate), ask, NOBODY), Forbidden)


def test_the_terms_say_how_long_a_rotated_key_may_live_on() -> None:
    rule = replace(a_rule(1), overlap=timedelta(days=2))
    verdict = decide(policy_of(rule), ask_for(operation=Operation.ROTATE), NOBODY)

    assert isinstance(verdict, NeedsApproval)
    assert verdict.terms.overlap == timedelta(days=2)


# --- keys of people ---------------------------------------------------------------------------------------------------

ROLES = sorted({*DOCUMENTED.rows, *NEWEST.rows})


@pytest.mark.parametrize("table", [DOCUMENTED, NEWEST], ids=lambda table: table.name)
@pytest.mark.parametrize("role", ROLES)
def test_nobody_makes_a_key_for_another_person_whatever_their_role(role: str, table: Table) -> None:
    requester = holding(DANA, *((role, place) for place in PLACES.values()), table=table)
    for operation in LENGTHENING:
        for resource in RESOURCES:
            ask = ask_for(HERS, resource, operation=operation)
            for approvals in (0, 1):
                helpers = [yes(ask, person, ORG_ADMIN) for person in (ERIN, FEMI)]
                verdict = decide(policy_of(a_rule(approvals)), ask, requester, helpers)
                assert isinstance(verdict, Forbidden)
                assert verdict.reason.startswith("Keys for another person's account can't be created")


@pytest.mark.parametrize("operation", CHANGING)
def test_an_admin_may_edit_and_delete_the_key_of_another_person(operation: Operation) -> None:
    ask = ask_for(HERS, operation=operation)
    alone = policy_of(a_rule(0))

    assert isinstance(decide(alone, ask, holding(DANA, ENV_ADMIN)), Allowed)
    assert isinstance(decide(alone, ask, holding(DANA, KEY_ADMIN)), Allowed)
    assert missing(decide(alone, ask, holding(DANA, ("Operator", crn())))) == 1


def test_who_owns_the_key_may_approve_that_another_person_deletes_it_only_with_a_role() -> None:
    ask = ask_for(HERS, operation=Operation.DELETE)

    assert missing(decide(policy_of(a_rule()), ask, NOBODY, [yes(ask, ERIN)])) == 1
    assert missing(decide(policy_of(a_rule()), ask, NOBODY, [yes(ask, ERIN, ("DeveloperRead", crn()))])) == 0


@pytest.mark.parametrize("operation", LENGTHENING)
def test_where_user_keys_are_off_nobody_gets_one(operation: Operation) -> None:
    verdict = decide(policy_of(a_rule(user_keys=False)), ask_for(MINE, operation=operation), holding(DANA, ORG_ADMIN))

    assert isinstance(verdict, Forbidden)
    assert "Use a service account" in verdict.reason


@pytest.mark.parametrize("operation", CHANGING)
@pytest.mark.parametrize("owner", [MINE, HERS])
def test_where_user_keys_are_off_those_that_exist_can_still_be_deleted(operation: Operation, owner: Owner) -> None:
    ask = ask_for(owner, operation=operation)

    assert isinstance(decide(policy_of(a_rule(0, user_keys=False)), ask, holding(DANA, ORG_ADMIN)), Allowed)


@pytest.mark.parametrize("owner", [ACCOUNT, OTHER, NEW])
def test_where_user_keys_are_off_service_accounts_have_theirs(owner: Owner) -> None:
    assert missing(decide(policy_of(a_rule(user_keys=False)), ask_for(owner), NOBODY)) == 1


def test_a_resource_key_admin_makes_keys_for_others_and_none_for_itself() -> None:
    alone, holder = policy_of(a_rule(0)), holding(DANA, KEY_ADMIN)

    assert isinstance(decide(alone, ask_for(ACCOUNT), holder), Allowed)
    assert missing(decide(alone, ask_for(MINE), holder)) == 1


@pytest.mark.parametrize("table", [DOCUMENTED, NEWEST], ids=lambda table: table.name)
def test_what_another_role_gives_a_resource_key_admin_it_does_not_take_away(table: Table) -> None:
    both = holding(DANA, KEY_ADMIN, ("DeveloperRead", crn("environment=env-dev001")), table=table)

    assert isinstance(decide(policy_of(a_rule(0)), ask_for(MINE), both), Allowed)


def test_the_table_that_the_policy_chose_decides() -> None:
    ask, alone = ask_for(resource=KSQL), policy_of(a_rule(0))
    held = ("CloudClusterAdmin", crn("environment=env-dev001/cloud-cluster=lkc-dev001"))

    assert isinstance(decide(alone, ask, holding(DANA, held, table=DOCUMENTED)), NeedsApproval)
    assert isinstance(decide(alone, ask, holding(DANA, held, table=NEWEST)), Allowed)


# --- which approvals count --------------------------------------------------------------------------------------------


def test_each_person_with_authority_counts_once() -> None:
    ask, two = ask_for(), policy_of(a_rule(2))
    erin, femi = yes(ask, ERIN, ENV_ADMIN), yes(ask, FEMI, ORG_ADMIN)

    assert missing(decide(two, ask, NOBODY)) == 2
    assert missing(decide(two, ask, NOBODY, [erin])) == 1
    assert missing(decide(two, ask, NOBODY, [erin, erin])) == 1
    assert missing(decide(two, ask, NOBODY, [erin, femi])) == 0
    assert missing(decide(two, ask, NOBODY, [erin, femi, yes(ask, OTTO, ORG_ADMIN)])) == 0


def test_one_confluent_user_under_two_slack_ids_is_one_person() -> None:
    ask = ask_for()
    again = replace(ERIN, slack=SlackUserId("U0ERIN2"), email="erin.two@example.com")
    both = [yes(ask, ERIN, ENV_ADMIN), yes(ask, again, ENV_ADMIN)]

    assert missing(decide(policy_of(a_rule(2)), ask, NOBODY, both)) == 1


def test_t26_who_is_somebody_by_the_policy_and_who_is_by_the_address_never_both_count() -> None:
    ask = ask_for()
    by_policy = replace(FEMI, principal=ERIN.principal, named=True)
    both = [yes(ask, by_policy, ENV_ADMIN), yes(ask, ERIN, ENV_ADMIN)]

    assert missing(decide(policy_of(a_rule(2)), ask, NOBODY, both)) == 1
    mine = replace(ask, requester=by_policy)
    assert refusal(mine, holding(ERIN, ENV_ADMIN)) == "This is your own request, so someone else has to approve it."


def test_t26_how_its_requester_was_matched_makes_no_other_request() -> None:
    ask = ask_for()

    assert replace(ask, requester=replace(DANA, named=True)).digest() == ask.digest()


@pytest.mark.parametrize(
    "shared",
    [{"slack": DANA.slack}, {"principal": DANA.principal}, {"email": DANA.email}],
    ids=["slack id", "principal", "e-mail"],
)
def test_who_shares_anything_with_the_requester_approves_nothing(shared: dict[str, Any]) -> None:
    ask, double = ask_for(), replace(ERIN, **shared)

    assert missing(decide(policy_of(a_rule()), ask, NOBODY, [yes(ask, double, ORG_ADMIN)])) == 1
    assert refusal(ask, holding(double, ORG_ADMIN)) == "This is your own request, so someone else has to approve it."


def test_an_address_that_slack_does_not_tell_makes_nobody_the_same_person() -> None:
    nameless, other = a_person("Nora", email=""), a_person("Otis", email="")
    ask = ask_for(requester=nameless)

    assert missing(decide(policy_of(a_rule()), ask, holding(nameless), [yes(ask, other, ENV_ADMIN)])) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": OTHER},
        {"resource": REGISTRY},
        {"operation": Operation.ROTATE},
        {"name": "another name"},
        {"description": "another description"},
        {"reason": "another reason"},
        {"id": "R2"},
        {"requester": FEMI},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_approval_of_anything_else_does_not_count(changed: dict[str, Any]) -> None:
    ask = ask_for()
    other = replace(ask, **changed)

    assert (
        missing(decide(policy_of(a_rule()), ask, NOBODY, [(an_approval(ERIN, other), holding(ERIN, ORG_ADMIN))])) == 1
    )


def test_an_approval_counts_for_what_its_giver_holds_now() -> None:
    ask, one = ask_for(), policy_of(a_rule())

    assert missing(decide(one, ask, NOBODY, [yes(ask, ERIN, ENV_ADMIN)])) == 0
    assert missing(decide(one, ask, NOBODY, [yes(ask, ERIN)])) == 1
    assert missing(decide(one, ask, NOBODY, [yes(ask, ERIN, ("EnvironmentAdmin", crn("environment=env-2")))])) == 1


def test_an_approval_of_somebody_who_is_another_confluent_user_by_now_does_not_count() -> None:
    ask = ask_for()
    rematched = replace(ERIN, principal=Principal("u-new"))

    found = [(an_approval(ERIN, ask), holding(rematched, ORG_ADMIN))]

    assert missing(decide(policy_of(a_rule()), ask, NOBODY, found)) == 1


@pytest.mark.parametrize(
    "requester", [replace(DANA, principal=Principal("u-new")), ERIN], ids=["rematched", "somebody else"]
)
def test_a_request_ends_with_the_person_who_asked(requester: Person) -> None:
    ask = ask_for()
    verdict = decide(policy_of(a_rule()), ask, holding(requester, ORG_ADMIN), [yes(ask, FEMI, ORG_ADMIN)])

    assert isinstance(verdict, Forbidden)
    assert verdict.reason == "The requester is now matched to a different Confluent user."


# --- what a person is told --------------------------------------------------------------------------------------------


def test_who_may_decide_is_refused_nothing() -> None:
    assert refusal(ask_for(), holding(ERIN, ENV_ADMIN)) is None
    assert refusal(ask_for(), holding(ERIN, ("ResourceOwner", crn("service-account=sa-abc001")))) is None


NOT_COVERED = (
    "Your Confluent roles don't cover this key "
    "(it needs CloudClusterAdmin, EnvironmentAdmin, OrganizationAdmin or ResourceKeyAdmin on this resource, and "
)


def test_a_refusal_names_the_roles_that_do_not_reach() -> None:
    assert refusal(ask_for(), holding(ERIN)) == f"{NOT_COVERED}you have no role)."
    held = (("Operator", crn()), ("EnvironmentAdmin", crn("environment=env-2")))
    assert refusal(ask_for(), holding(ERIN, *held)) == (
        f"{NOT_COVERED}you have EnvironmentAdmin on environment env-2, Operator on the whole organization)."
    )
    assert refusal(ask_for(), holding(ERIN, *held), {"env-2": "production"}) == (
        f"{NOT_COVERED}you have EnvironmentAdmin on production, Operator on the whole organization)."
    )


def test_a_refusal_about_a_new_service_account_says_which_half_is_missing() -> None:
    ask, account_admin = ask_for(NEW), ("AccountAdmin", crn())

    assert refusal(ask, holding(ERIN, ENV_ADMIN)) == (
        "Your Confluent roles cover this key, but don't let you create its service account "
        "(that needs AccountAdmin or OrganizationAdmin, and you have EnvironmentAdmin on environment env-dev001)."
    )
    assert refusal(ask, holding(ERIN, account_admin)) == (
        f"{NOT_COVERED}you have AccountAdmin on the whole organization)."
    )
    assert refusal(ask, holding(ERIN, ENV_ADMIN, account_admin)) is None


def test_who_would_need_no_approval_is_told_which_role_makes_the_service_account() -> None:
    verdict = decide(policy_of(a_rule(0, otherwise=None)), ask_for(NEW), holding(DANA, ENV_ADMIN))

    assert isinstance(verdict, Forbidden)
    assert "create service accounts: AccountAdmin or OrganizationAdmin." in verdict.reason


def test_the_policy_says_which_roles_make_service_accounts() -> None:
    ask, own = ask_for(NEW), replace(DOCUMENTED, creates_accounts=frozenset({"EnvironmentAdmin"}))

    assert refusal(ask, holding(ERIN, ENV_ADMIN, table=own)) is None
    assert refusal(ask, holding(ERIN, ENV_ADMIN, table=replace(own, creates_accounts=frozenset()))) == (
        "Your Confluent roles cover this key, but don't let you create its service account "
        "(that needs no role, and you have EnvironmentAdmin on environment env-dev001)."
    )
    told = refusal(ask, holding(ERIN, ORG_ADMIN, table=own))
    assert told is not None
    assert "that needs EnvironmentAdmin, and" in told


def test_each_of_two_bindings_says_what_it_adds() -> None:
    env, account = holding(DANA, ENV_ADMIN), holding(DANA, ("AccountAdmin", crn()))
    both = holding(DANA, ENV_ADMIN, ("AccountAdmin", crn()), ("Operator", crn()))
    whole = holding(DANA, ORG_ADMIN, ("AccountAdmin", crn()), ENV_ADMIN)

    def said(of: HeldRoles) -> list[tuple[bool, str]]:
        return [(each.counts, each.why) for each in weigh_all(of, Target(NEW, CLUSTER))]

    takes = "that takes AccountAdmin or OrganizationAdmin"
    assert said(env) == [(False, f"it covers the resource, but can't create service accounts: {takes}")]
    assert said(account) == [(False, "it can create service accounts, but this role doesn't manage API keys")]
    assert said(both) == [
        (True, "it covers the resource; another role can create the service account"),
        (True, "it can create the service account; another role covers the key"),
        (False, "this role manages only its holder's own keys"),
    ]
    assert said(whole) == [
        (True, "it covers the resource, and this role can create service accounts"),
        (False, "it can create service accounts, but this role doesn't manage API keys"),
        (True, "it covers the resource; another role can create the service account"),
    ]
    assert [each.role for each in bases(both, Target(NEW, CLUSTER))] == ["EnvironmentAdmin", "AccountAdmin"]
    assert [each.role for each in bases(whole, Target(NEW, CLUSTER))] == ["OrganizationAdmin"]


def test_a_refusal_stays_a_sentence_for_who_holds_a_thousand_roles() -> None:
    held = [("EnvironmentAdmin", crn(f"environment=env-{number}")) for number in range(100, 1100)]

    told = refusal(ask_for(), holding(ERIN, *held))

    assert told is not None
    assert len(told) < 400
    assert "EnvironmentAdmin on environment env-100" in told
    assert told.endswith("and 995 more).")


def test_a_policy_of_many_rules_names_the_one_that_decided() -> None:
    rules = tuple(
        Rule(f"rule {number}", Match(clusters=frozenset({f"lkc-{number}"})), "C01", number) for number in range(6)
    )
    verdict = decide(Policy(rules), ask_for(resource=replace(CLUSTER, id="lkc-4")), NOBODY)

    assert missing(verdict) == 4
    assert said_by(verdict) == "rule 4"


def test_a_standing_in_an_organization_that_is_not_ours_is_none() -> None:
    elsewhere = holding(DANA, ORG_ADMIN, organization="o-2")

    assert elsewhere.organization != ORGANIZATION
    assert isinstance(decide(policy_of(a_rule(0, otherwise=None)), ask_for(), elsewhere), Forbidden)


# --- a Kafka key with its Schema Registry's ---------------------------------------------------------------------------

ON_CLUSTER, ON_REGISTRY = Match(kinds=frozenset({Kind.KAFKA})), Match(kinds=frozenset({Kind.SCHEMA_REGISTRY}))
PAIR = an_ask(also=REGISTRY)


def test_a_pair_is_decided_by_the_stricter_terms_of_both_rules() -> None:
    ticket = Ticket("OPS-[0-9]+")
    kafka = a_rule(1, ON_CLUSTER, name="kafka", lifetime=timedelta(days=90), notify=("S01",), claim=timedelta(hours=9))
    registry = a_rule(
        2,
        ON_REGISTRY,
        name="registry",
        channel="C02",
        lifetime=timedelta(days=30),
        notify=("S02",),
        pending=timedelta(hours=1),
        ticket=ticket,
        confirm="resource",
        risk="high",
    )

    verdict = decide(policy_of(kafka, registry), PAIR, NOBODY)

    assert isinstance(verdict, NeedsApproval)
    assert verdict == NeedsApproval(
        terms(
            rule="kafka + registry",
            approvals=2,
            channel="C01",
            pending=timedelta(hours=1),
            claim=timedelta(hours=9),
            remind=kafka.remind,
            notify=("S01", "S02"),
            lifetime=timedelta(days=30),
            risk="high",
            ticket=ticket,
            confirm="resource",
        ),
        2,
    )
    again = decide(policy_of(kafka, registry), PAIR, NOBODY, (), verdict.terms)
    assert again == verdict


def test_a_pair_under_one_rule_has_its_terms() -> None:
    rule = a_rule(1)

    assert decide(policy_of(rule), PAIR, NOBODY) == NeedsApproval(rule.terms(DOCUMENTED), 1)


@pytest.mark.parametrize("forbidding", [ON_CLUSTER, ON_REGISTRY])
def test_a_rule_that_forbids_either_key_forbids_both(forbidding: Match) -> None:
    rules = policy_of(a_rule(1, forbidding, name="no", forbid="Not here."), a_rule(1))

    assert decide(rules, PAIR, NOBODY) == Forbidden("no", "Not here.")


def test_a_ticket_that_either_rule_requires_is_required() -> None:
    rules = policy_of(a_rule(1, ON_REGISTRY, ticket=Ticket(".+", required=True), fits=bool), a_rule(1))

    assert isinstance(decide(rules, PAIR, NOBODY), Forbidden)
    assert isinstance(decide(rules, replace(PAIR, ticket="OPS-1"), NOBODY), NeedsApproval)


def test_keys_that_are_created_when_they_are_viewed_make_no_pair() -> None:
    rules = policy_of(a_rule(1, ON_REGISTRY, name="late", mint="on_claim"), a_rule(1, name="usual"))

    assert decide(rules, PAIR, NOBODY) == Forbidden("usual + late", NOT_IN_A_PAIR)


@pytest.mark.parametrize("approvals", [0, 1])
def test_who_manages_only_one_of_the_keys_needs_an_approval_for_both(approvals: int) -> None:
    rules = policy_of(a_rule(approvals, ON_CLUSTER), a_rule(0))
    requester = holding(DANA, ("CloudClusterAdmin", PLACES["cluster"]))
    verdict = decide(rules, PAIR, requester)

    assert missing(verdict) == 1
    why = "People who manage this key need no approval. You do, because none of your roles covers it."
    assert why_not_alone(rules, PAIR, requester, verdict) == (None if approvals else why)
    assert isinstance(decide(policy_of(a_rule(0)), PAIR, holding(DANA, ENV_ADMIN)), Allowed)


@pytest.mark.parametrize(
    ("held", "which"),
    [
        (("CloudClusterAdmin", PLACES["cluster"]), "Schema Registry"),
        (("ResourceKeyAdmin", PLACES["registry"]), "Kafka"),
    ],
)
def test_who_covers_only_one_of_the_keys_can_t_approve_and_reads_which(held: tuple[str, str], which: str) -> None:
    erin = holding(ERIN, held)

    said = refusal(PAIR, erin)

    assert said is not None
    assert f"don't cover the {which} key of this request" in said
    assert missing(decide(policy_of(a_rule(1)), PAIR, NOBODY, [(an_approval(ERIN, PAIR), erin)])) == 1


def test_roles_that_cover_both_keys_may_be_two_and_a_new_account_takes_a_third() -> None:
    two = (("CloudClusterAdmin", PLACES["cluster"]), ("ResourceKeyAdmin", PLACES["registry"]))
    new = replace(PAIR, owner=NEW)

    assert refusal(PAIR, holding(ERIN, *two)) is None
    assert "don't let you create its service account" in (refusal(new, holding(ERIN, *two)) or "")
    assert refusal(new, holding(ERIN, *two, ("AccountAdmin", crn()))) is None
    assert [each.role for each in bases(holding(ERIN, *two), Target.of(PAIR))] == [role for role, _ in two]
