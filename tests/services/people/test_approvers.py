"""Who is found to approve: by roles at Confluent and from the policy, wherever those are bound."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.domain.authority import Target
from bot.domain.keys import NewServiceAccount, Owner
from bot.domain.policy import RoleMapping
from bot.domain.roles import TABLES, Binding
from bot.services.people.approvers import Approver, Approvers
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DEV, ERIN, FEMI, HERE, OTTO
from tests.support.fakes import FakeCloud, FakeSlack, TestClock

NEW = NewServiceAccount("clicks-service", "reads clicks")
PROD = f"{HERE}/environment=env-prod01"
OVER_KEY = build.a_binding(ERIN, "ResourceKeyAdmin", DEV)
MAKER_ELSEWHERE = build.a_binding(ERIN, "EnvironmentAdmin", PROD)
MAKES_BOTH = build.a_binding(FEMI, "EnvironmentAdmin", DEV)


async def found(owner: Owner, *bindings: Binding, thorough: bool = False, mapped: str = "") -> Sequence[Approver]:
    people = [DANA, ERIN, FEMI, OTTO]
    cloud = FakeCloud(TestClock(), people=list(people))
    for binding in bindings:
        cloud.bindings.setdefault(binding.principal, []).append(binding)
    policy = replace(build.a_policy(), table=TABLES["2026"])
    if mapped:
        policy = replace(policy, mappings=(RoleMapping(mapped, "OrganizationAdmin"),))
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


async def test_somebody_with_several_roles_is_found_once() -> None:
    everywhere = build.a_binding(FEMI, "OrganizationAdmin", HERE)

    approvers = await found(ACCOUNT, MAKES_BOTH, everywhere, mapped=FEMI.slack)

    assert [each.someone.person for each in approvers] == [FEMI]
