"""The three complete files of docs/policy.md decide what the page says they do."""

from datetime import timedelta

import pytest

from bot.domain.authority import Target
from bot.domain.keys import (
    Cluster,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Owner,
    Principal,
    Resource,
)
from bot.domain.kinds import Kind
from bot.domain.policy import Policy, Rule
from tests.policy.written import PAGE, examples, file
from tests.support.build import ACCOUNT

DEV, PROD = (Cluster(Kind.KAFKA, f"lkc-{name}", name, f"env-{name}", name) for name in ("dev001", "prod01"))
CLOUD = OrganizationScope(Kind.CLOUD)
MINE, NEW = MyAccount(Principal("u-dana")), NewServiceAccount("orders", "")
CREATE, EDIT, ROTATE, DELETE = Operation.CREATE, Operation.EDIT, Operation.ROTATE, Operation.DELETE
SMALL_TEAM, SELF_SERVICE, TWO_PEOPLE = 1, 2, 3
NO = "forbidden"


@pytest.mark.parametrize(
    ("number", "operation", "owner", "resource", "approvals"),
    [
        (SMALL_TEAM, CREATE, ACCOUNT, PROD, 1),
        (SMALL_TEAM, CREATE, ACCOUNT, CLOUD, NO),
        (SMALL_TEAM, DELETE, ACCOUNT, CLOUD, 0),
        (SELF_SERVICE, CREATE, MINE, DEV, 0),
        (SELF_SERVICE, CREATE, ACCOUNT, DEV, 1),
        (SELF_SERVICE, CREATE, MINE, PROD, NO),
        (SELF_SERVICE, DELETE, MINE, PROD, 1),
        (SELF_SERVICE, CREATE, NEW, PROD, 2),
        (SELF_SERVICE, ROTATE, ACCOUNT, PROD, 2),
        (SELF_SERVICE, EDIT, ACCOUNT, PROD, 0),
        (SELF_SERVICE, CREATE, ACCOUNT, CLOUD, 2),
        (TWO_PEOPLE, CREATE, ACCOUNT, DEV, 2),
        (TWO_PEOPLE, EDIT, ACCOUNT, DEV, 2),
        (TWO_PEOPLE, DELETE, ACCOUNT, PROD, 2),
        (TWO_PEOPLE, CREATE, ACCOUNT, CLOUD, 3),
        (TWO_PEOPLE, DELETE, ACCOUNT, CLOUD, 2),
    ],
)
def test_an_example_asks_for_what_the_page_says(
    number: int, operation: Operation, owner: Owner, resource: Resource, approvals: int | str
) -> None:
    rule = file(examples()[number], head="").policy.rule(operation, Target(owner, resource), None)

    assert rule is not None
    assert (NO if rule.forbid else rule.approvals) == approvals


@pytest.mark.parametrize("number", [SMALL_TEAM, SELF_SERVICE, TWO_PEOPLE])
def test_every_example_says_which_environment_is_production(number: int) -> None:
    """Nothing else marks one: no word in its name does."""
    policy = file(examples()[number], head="").policy

    risks = {each.environment: policy.rule(CREATE, Target(ACCOUNT, each), None) for each in (DEV, PROD)}

    assert {place: rule.risk for place, rule in risks.items() if rule} == {"env-dev001": "", "env-prod01": "high"}


def test_the_examples_use_what_the_page_is_about() -> None:
    """Each of them at a place where the page says what it is for."""
    small, service, two = (
        file(examples()[number], head="").policy for number in (SMALL_TEAM, SELF_SERVICE, TWO_PEOPLE)
    )
    production = Target(ACCOUNT, PROD)

    glass = rule_of(small, CREATE, production).break_glass
    assert glass is not None
    assert (glass.by.groups, glass.lifetime, glass.notify) == (frozenset({"S04"}), timedelta(hours=4), ("C03",))
    assert rule_of(small, DELETE, Target(ACCOUNT, DEV)).leaked == "delete"
    assert rule_of(small, CREATE, Target(ACCOUNT, DEV)).ticket is not None
    assert rule_of(service, CREATE, production).confirm == "resource"
    assert [each.name for each in service.offers] == ["Read topics", "Write topics", "Use a consumer group"]
    assert two.offers == ()
    assert [rule.forbid for rule in service.rules if rule.match.by] != []


def rule_of(policy: Policy, operation: Operation, target: Target) -> Rule:
    """The rule for people whom no rule names."""
    found = policy.rule(operation, target, None)
    assert found is not None
    return found


def test_two_people_for_everything_leaves_no_keys_of_ones_own() -> None:
    policy = file(examples()[TWO_PEOPLE], head="").policy

    assert {rule.user_keys for rule in policy.rules} == {False}


def test_the_page_names_the_built_in_rules() -> None:
    page = PAGE.read_text("utf-8")

    assert [rule.name for rule in file("").policy.rules if rule.name not in page] == []
