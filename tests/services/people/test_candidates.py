"""Who could approve: as read within the last minute, and anew where that may not do."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.access import WantedBinding
from bot.domain.authority import Target
from bot.domain.keys import Person
from bot.domain.policy import RoleMapping
from bot.services.people.candidates import Candidates
from bot.services.people.directory import DISPLAY
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FEMI, OTTO

TARGET = Target(ACCOUNT, CLUSTER)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


@pytest.fixture
def candidates(world: World) -> Candidates:
    return world.start().services.forms.candidates


async def able(candidates: Candidates, requester: Person = DANA, *, fresh: bool = False) -> set[str]:
    found = candidates.of(TARGET, requester, fresh=True) if fresh else candidates.of(TARGET, requester)
    return {str(each.slack) for each in await found}


async def test_who_lost_the_role_is_shown_for_a_minute_and_never_to_a_fresh_look(
    world: World, candidates: Candidates
) -> None:
    assert await able(candidates) == {ERIN.slack, FEMI.slack}
    world.cloud.bindings[FEMI.principal] = []

    assert await able(candidates) == {ERIN.slack, FEMI.slack}
    assert await able(candidates, fresh=True) == {ERIN.slack}
    assert await able(candidates) == {ERIN.slack}, "a fresh look is kept for the others"

    world.cloud.bindings[ERIN.principal] = []
    world.clock.now += DISPLAY
    assert await able(candidates) == set()


async def test_another_requester_and_another_policy_have_candidates_of_their_own(
    world: World, candidates: Candidates
) -> None:
    assert await able(candidates) == {ERIN.slack, FEMI.slack}
    assert await able(candidates, ERIN) == {FEMI.slack}

    world.policy = replace(world.policy, mappings=(RoleMapping(OTTO.slack, "OrganizationAdmin", ""),))
    assert await able(candidates) == {ERIN.slack, FEMI.slack, OTTO.slack}


async def test_who_could_grant_the_access_that_is_requested_is_looked_up_apart(
    world: World, candidates: Candidates
) -> None:
    world.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, "ResourceKeyAdmin")]
    wanted = WantedBinding(
        "DeveloperWrite", "environment=env-dev001/cloud-cluster=lkc-dev001/kafka=lkc-dev001/topic=a*"
    )
    with_access = replace(TARGET, bindings=(wanted,))
    assert await able(candidates) == {ERIN.slack, FEMI.slack}

    assert {each.slack for each in await candidates.of(with_access, DANA)} == {ERIN.slack}
    assert await able(candidates) == {ERIN.slack, FEMI.slack}
