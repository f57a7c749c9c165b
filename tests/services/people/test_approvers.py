"""Who is found to approve: by roles at Confluent and from the policy, wherever those are bound."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.domain.authority import Target, describe
from bot.domain.catalog import User
from bot.domain.keys import NewServiceAccount, Owner
from bot.domain.policy import RoleMapping
from bot.domain.roles import TABLES, Binding
from bot.services.people.approvers import Approver, Approvers, in_short, names_of
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DEV, ERIN, FEMI, HERE, OTTO, PLACES
from tests.support.fakes import FakeCloud, FakeSlack, TestClock

NEW = NewServiceAccount("clicks-service", "reads clicks")
PROD = f"{HERE}/environment=env-prod01"
OVER_KEY = build.a_binding(ERIN, "ResourceKeyAdmin", DEV)
MAKER_ELSEWHERE = build.a_binding(ERIN, "EnvironmentAdmin", PROD)
MAKES_BOTH = build.a_binding(FEMI, "EnvironmentAdmin", DEV)


async def found(
    owner: Owner, *bindings: Binding, thorough: bool = False, mapped: str = "", role: str = "OrganizationAdmin"
) -> Sequence[Approver]:
    people = [DANA, ERIN, FEMI, OTTO]
    cloud = FakeCloud(TestClock(), people=list(people))
    for binding in bindings:
        cloud.bindings.setdefault(binding.principal, []).append(binding)
    policy = replace(build.a_policy(), table=TABLES["2026"])
    if mapped:
        policy = replace(policy, mappings=(RoleMapping(mapped, role),))
    approvers = Approvers(cloud, FakeSlack(list(people)), build.TENANT, policy)
    return await approvers.of(Target(owner, CLUSTER), DANA, thorough=thorough)


def names(approvers: Sequence[Approver]) -> set[str]:
    return {each.someone.person.name for each in approvers}


@pytest.mark.parametrize("thorough", [False, True])
async def test_a_role_that_makes_the_new_account_is_found_wherever_it_is_bound(*, thorough: bool) -> None:
    approvers = await found(NEW, OVER_KEY, MAKER_ELSEWHERE, MAKES_BOTH, thorough=thorough)

    assert names(approvers) == {"Erin", "Femi"}
    erin = next(each for each in approvers if each.someone.person == ERIN)
    assert (erin.basis, erin.account) == (OVER_KEY, MAKER_ELSEWHERE)


async def test_a_role_over_the_key_alone_makes_no_new_account() -> None:
    assert names(await found(NEW, OVER_KEY)) == set()
    assert names(await found(NEW, MAKER_ELSEWHERE)) == set()
    assert names(await found(ACCOUNT, OVER_KEY)) == {"Erin"}


async def test_who_asks_is_no_approver_of_the_own_request() -> None:
    theirs = build.a_binding(DANA, "OrganizationAdmin", HERE)

    assert names(await found(ACCOUNT, theirs, MAKES_BOTH)) == {"Femi"}
    assert names(await found(ACCOUNT, mapped=DANA.slack)) == set()
    assert names(await found(ACCOUNT, mapped=OTTO.slack)) == {"Otto"}


async def test_each_half_of_an_authority_says_whom_the_policy_names_for_it() -> None:
    (erin,) = await found(NEW, OVER_KEY, mapped=ERIN.slack, role="AccountAdmin")
    (femi,) = await found(NEW, MAKES_BOTH)

    assert (erin.basis, erin.via, erin.account_via) == (OVER_KEY, "", ERIN.slack)
    assert erin.account is not None
    assert (femi.via, femi.account, femi.account_via) == ("", None, "")


async def test_somebody_with_several_roles_is_found_once() -> None:
    everywhere = build.a_binding(FEMI, "OrganizationAdmin", HERE)

    approvers = await found(ACCOUNT, MAKES_BOTH, everywhere, mapped=FEMI.slack)

    assert [each.someone.person for each in approvers] == [FEMI]


async def test_who_is_somebody_else_by_the_policy_cannot_use_the_role_of_a_confluent_user() -> None:
    """Erin's e-mail address leads to her Slack account, which the policy gives to Femi's user."""
    policy = replace(build.a_policy(), people={ERIN.slack: FEMI.principal})
    users = [User(each.principal, each.email, each.name) for each in (ERIN, FEMI)]
    cloud, slack = FakeCloud(TestClock(), people=[ERIN, FEMI]), FakeSlack([ERIN, FEMI])
    approvers = Approvers(cloud, slack, build.TENANT, policy)

    erins, femis = [await approvers.meet(user, users) for user in users]

    assert (erins.person.principal, erins.slack) == (ERIN.principal, ERIN.slack)
    assert erins.refusal == f"The policy matches this Slack account to {FEMI.principal}."
    assert (femis.person.principal, femis.slack, femis.refusal) == (FEMI.principal, ERIN.slack, "")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (HERE, "A on the whole organization"),
        (PLACES["cluster"], "A on dev (env-dev001) / orders-dev (lkc-dev001)"),
        (PLACES["other-environment"], "A on env-2"),
        (PLACES["account"], "A on orders-service (sa-abc001)"),
        (PLACES["topic"], "A on dev (env-dev001) / orders-dev (lkc-dev001) / topic orders"),
        (f"{HERE}/environment=*", "A on all environments"),
        (f"{HERE}/service-account=*", "A on all service accounts"),
    ],
)
def test_a_role_is_told_by_the_names_of_where_it_is_bound(place: str, words: str) -> None:
    names = names_of(Target(ACCOUNT, CLUSTER))

    assert describe(build.a_binding(ERIN, "A", place), names) == words


async def test_what_gives_somebody_the_right_is_said_in_short_and_how_far_it_is_from_the_key() -> None:
    everywhere = build.a_binding(OTTO, "OrganizationAdmin", HERE)
    approvers = await found(NEW, OVER_KEY, MAKER_ELSEWHERE, MAKES_BOTH, everywhere, thorough=True)
    names = names_of(Target(NEW, CLUSTER))

    assert {each.someone.person.name: (in_short(each.bindings, names), each.distance) for each in approvers} == {
        "Erin": ("ResourceKeyAdmin on dev and EnvironmentAdmin on environment env-prod01", 2),
        "Femi": ("EnvironmentAdmin on dev", 2),
        "Otto": ("OrganizationAdmin", 3),
    }
