"""Keys that attempts left behind: which are a request's own, and that none goes without an intent before it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.deadlines import CLOCKS_APART
from bot.domain.errors import Throttled
from bot.domain.keys import ApiKey, KeyId, NewServiceAccount, Principal
from bot.domain.kinds import Kind
from bot.domain.requests import Request
from bot.services.keys.reconcile import Orphans, attempt_of
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import NOW

WORKING = build.states()["working"]
MADE, OTHER = (build.a_key(f"KEY000000000000{number}", f"[lk:R1/{number}]", kind=Kind.KAFKA) for number in (1, 2))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


@pytest.fixture
def orphans(world: World) -> Orphans:
    return world.start().delivery.expiry.orphans


async def deletions(world: World) -> list[tuple[str, str]]:
    lines = [line for line in await world.audit() if str(line["action"]).startswith("key:delete")]
    return [(str(line["action"]), str(line["details"]["key"])) for line in lines]


def gone(*keys: ApiKey) -> list[tuple[str, str]]:
    """The lines of these deletions."""
    return [(action, key.id) for key in keys for action in ("key:delete-intended", "key:deleted")]


@pytest.mark.parametrize(
    ("fields", "is_its_own"),
    [
        ({}, True),
        ({"created_at": None}, True),
        ({"created_at": NOW - CLOCKS_APART}, True),
        ({"created_at": NOW - CLOCKS_APART - timedelta(seconds=1)}, False),
        ({"description": "reads orders [lk:R11/1]"}, False),
        ({"description": "reads orders"}, False),
        ({"owner": Principal("sa-other1")}, False),
        ({"resource": "lkc-other1"}, False),
    ],
)
async def test_a_key_is_a_requests_own_by_marker_owner_resource_and_age(
    world: World, orphans: Orphans, fields: dict[str, object], *, is_its_own: bool
) -> None:
    key = world.cloud.add(replace(MADE, **fields))  # type: ignore[arg-type]

    assert await orphans.of(WORKING) == ([key] if is_its_own else [])


async def test_a_request_whose_account_was_never_made_has_no_keys(world: World, orphans: Orphans) -> None:
    world.cloud.add(MADE)
    asked = build.an_ask(owner=NewServiceAccount("clicks-service", ""))

    assert await orphans.of(replace(WORKING, ask=asked)) == []


async def test_each_key_goes_with_its_intent_before_and_its_outcome_after(world: World, orphans: Orphans) -> None:
    for key in (MADE, OTHER):
        world.cloud.add(key)

    await orphans.delete(WORKING, MADE, OTHER)

    assert world.cloud.live() == []
    assert await deletions(world) == gone(MADE, OTHER)
    assert [effect.lines for effect in world.effects] == [1, 3], "the intent is there before the key goes"


async def test_a_deletion_that_cannot_be_seen_has_an_intent_and_no_outcome(world: World, orphans: Orphans) -> None:
    world.cloud.add(MADE)
    world.cloud.is_partial = True

    with pytest.raises(Throttled):
        await orphans.delete(WORKING, MADE)
    assert await deletions(world) == gone(MADE)[:1]


@pytest.mark.parametrize(
    ("stored", "stays"),
    [
        (None, False),
        (WORKING, False),
        (build.states()["failed"], False),
        (build.ready(), True),
        (build.states()["shown"], True),
        (replace(build.ready(), attempt=2, key=OTHER), False),
    ],
)
async def test_a_key_that_is_not_on_record_goes_and_one_that_is_stays(
    world: World, orphans: Orphans, stored: Request | None, *, stays: bool
) -> None:
    world.cloud.add(MADE)
    if stored is not None:
        await world.seed(stored)

    await orphans.disown(WORKING, MADE)

    assert world.cloud.live() == ([MADE.id] if stays else [])
    assert await deletions(world) == ([] if stays else gone(MADE))


def test_a_marker_says_which_attempt_made_a_key() -> None:
    assert attempt_of(OTHER) == 2
    assert attempt_of(build.a_key(KeyId("KEY0000000000003"), marker="")) == 0
