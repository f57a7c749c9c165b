"""What an account can do already, as approvers read it: unknown where it can't be read, and never waited for."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from bot.domain.access import MOST_ROLES, Access
from bot.domain.errors import Unavailable
from bot.domain.keys import ApiKey, Operation, Principal
from bot.domain.requests import Pending
from bot.domain.roles import Binding
from bot.services.commands import Send
from bot.services.requests.access import access_of
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, NEW
from tests.support.fakes import FakeCloud


@dataclass(slots=True)
class Away(FakeCloud):
    """A Confluent that tells nothing of accounts."""

    is_away: bool = False

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        if self.is_away:
            raise Unavailable("Confluent Cloud is away.")
        return await super(Away, self).role_bindings(principal)

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        if self.is_away:
            raise Unavailable("Confluent Cloud is away.")
        return await super(Away, self).keys_of(owner)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world(cloud=Away) as world:
        yield world


async def names() -> dict[str, str]:
    return {"env-2": "staging"}


def give(world: World, *places: str) -> None:
    world.cloud.bindings[ACCOUNT.id] = [Binding(ACCOUNT.id, "DeveloperRead", build.PLACES[each]) for each in places]


async def test_the_roles_and_keys_of_the_account_are_read(world: World) -> None:
    give(world, "topic")
    world.cloud.add(build.a_key("KEY0000000000007"))

    found = await access_of(world.cloud, build.an_ask(), names)

    role = "DeveloperRead on topic orders in orders-dev (dev)"
    assert found == Access((role,), 0, 1)


async def test_a_role_outside_the_wanted_environment_is_told_by_the_names_of_the_catalog(world: World) -> None:
    give(world, "other-environment")

    found = await access_of(world.cloud, build.an_ask(), names)

    assert found == Access(("DeveloperRead on staging",), 0, 0)


async def test_a_catalog_that_cannot_be_read_leaves_the_ids(world: World) -> None:
    give(world, "other-environment")

    async def away() -> dict[str, str]:
        raise Unavailable("The store is away.")

    found = await access_of(world.cloud, build.an_ask(), away)

    assert found == Access(("DeveloperRead on environment env-2",), 0, 0)


async def test_of_many_roles_a_few_are_named(world: World) -> None:
    give(world, *list(build.PLACES)[: MOST_ROLES + 2])

    found = await access_of(world.cloud, build.an_ask(), names)

    assert found is not None
    assert (len(found.roles or ()), found.more) == (MOST_ROLES, 2)


async def test_what_cannot_be_read_is_unknown(world: World) -> None:
    assert isinstance(world.cloud, Away)
    world.cloud.is_away = True

    assert await access_of(world.cloud, build.an_ask(), names) == Access()


async def test_roles_that_may_only_not_be_shown_to_us_are_unknown(world: World) -> None:
    world.cloud.is_partial = True

    found = await access_of(world.cloud, build.an_ask(), names)

    assert found is not None
    assert found.roles is None


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.DELETE])
async def test_nothing_is_read_where_approving_gives_nothing(world: World, operation: Operation) -> None:
    assert await access_of(world.cloud, build.a_change(operation), names) is None
    assert await access_of(world.cloud, build.an_ask(owner=NEW), names) is None


async def test_a_request_keeps_what_was_read_when_it_was_sent(world: World) -> None:
    give(world, "topic")
    ask, click = build.an_ask(), build.a_click(Send("D1"), at=world.clock())
    request = await world.start().forms.proposals.propose(ask, click)

    assert isinstance(request, Pending)
    assert request.access is not None
    assert len(request.access.roles or ()) == 1
