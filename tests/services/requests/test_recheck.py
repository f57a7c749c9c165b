"""An approval counts when the key is created, if it would still be given then."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.errors import Refused, Unavailable
from bot.domain.keys import Operation, ServiceAccount
from bot.domain.requests import Approved
from bot.services.requests.recheck import Permission
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, NOW


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def refusal(world: World, granted: Approved) -> str:
    """Why it may not be done now; "" when it may."""
    permission = Permission(world.start().services.directory, world.cloud, world.clock, world.store.requests)
    try:
        await permission.renew(granted)
    except Refused as error:
        return error.tell
    return ""


async def test_what_still_holds_may_be_done(world: World) -> None:
    assert await refusal(world, build.approved()) == ""


async def test_an_approval_has_an_end(world: World) -> None:
    world.clock.now = NOW + DAY

    assert "The approval expired" in await refusal(world, build.approved())


async def test_an_approver_who_lost_the_role_no_longer_counts(world: World) -> None:
    world.cloud.bindings[ERIN.principal] = []

    assert "lost the role" in await refusal(world, build.approved())


async def test_to_a_latchkey_that_lost_its_rights_nobody_has_lost_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(_: object) -> None:
        raise Unavailable("Confluent Cloud shows Latchkey nothing.")

    monkeypatch.setattr(type(world.cloud), "must_see_all", blind)
    assert await refusal(world, build.approved()) == "", "what is seen is there"

    world.cloud.bindings[ERIN.principal] = []
    with pytest.raises(Unavailable):
        await refusal(world, build.approved())


async def test_another_approver_counts_for_one_who_lost_the_role(world: World) -> None:
    world.cloud.bindings[ERIN.principal] = []

    assert await refusal(world, build.approved(grant=build.a_grant(ERIN, FEMI))) == ""


async def test_a_policy_that_asks_for_more_by_now_holds(world: World) -> None:
    world.policy = build.a_policy(2)

    assert "more approvals" in await refusal(world, build.approved())


async def test_what_needed_no_approval_and_needs_one_now_is_told_so(world: World) -> None:
    nobody = replace(build.a_grant(), approvals=())

    assert "needs one now" in await refusal(world, build.approved(grant=nobody))


async def test_a_policy_that_forbids_it_by_now_holds(world: World) -> None:
    rules = tuple(replace(rule, forbid="Use the shared key.") for rule in world.policy.rules)
    world.policy = replace(world.policy, rules=rules)

    assert "Use the shared key." in await refusal(world, build.approved())


async def test_a_requester_who_left_gets_nothing(world: World) -> None:
    world.cloud.people.remove(DANA)

    assert "couldn't be confirmed" in await refusal(world, build.approved())


async def test_nobody_gets_a_key_of_latchkeys_own_account(world: World) -> None:
    ask = build.an_ask(owner=ServiceAccount(await world.cloud.own_account(), "latchkey"))

    assert "Latchkey" in await refusal(world, build.approved(ask=ask))


async def test_a_rotation_of_a_key_that_is_gone_creates_nothing(world: World) -> None:
    ask = build.a_change(Operation.ROTATE)

    assert "was deleted in the meantime" in await refusal(world, build.approved(ask=ask))
    assert await refusal(world, build.approved(ask=ask, attempt=2)) == "", "its first new key may have taken its place"
    deletion = build.approved(ask=build.a_change(Operation.DELETE))
    assert await refusal(world, deletion) == "", "that it is gone already is found out later"
