"""The last look for keys of attempts that were given up: whose they are, which of them go, and what is said of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.access import GivenBinding, WantedBinding
from bot.domain.errors import Unavailable
from bot.domain.keys import ApiKey, KeyId, Principal, RequestId, Resource
from bot.domain.kinds import Kind
from bot.domain.policy import Mint
from bot.domain.requests import Failed, Ready, Request, Working
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Replace, Show
from bot.services.keys.reconcile import ATTEMPTS
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DAY, HOUR, NOW
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault
from tests.support.stored import next_due

FIRST, PRESENT, LATER = (KeyId(f"KEY000000000000{attempt}") for attempt in (1, 2, 3))
SWEEP = Item(ItemKind.SWEEP, "R1", 1)
MADE: tuple[Any, ...] = (build.an_ask(), build.terms(), build.a_grant(), 2)
BEING_MADE = Working(*MADE, sent_at=NOW, look_at=NOW + HOUR)


def of_attempt(number: int, id_: KeyId) -> ApiKey:
    return build.a_key(id_, marker=f"[lk:R1/{number}]", kind=Kind.KAFKA)


def with_key(state: Request) -> Request:
    """The same request, whose second attempt made its key."""
    fields: dict[str, Any] = {"attempt": 2, "key": of_attempt(2, PRESENT)}
    return replace(state, **fields)


async def swept(world: World, request: Request) -> list[KeyId]:
    """What is left at Confluent of three attempts, once the first has been looked for."""
    for number, id_ in enumerate((FIRST, PRESENT, LATER), start=1):
        world.cloud.add(of_attempt(number, id_))
    await world.seed(request)
    await world.store.agenda.put(SWEEP, world.clock())
    await world.work_now()
    return world.cloud.live(RequestId("R1"))


@pytest.mark.parametrize(
    "request_",
    [BEING_MADE, with_key(build.states()["shown"]), with_key(build.states()["confirmed"])],
    ids=["being made", "shown", "confirmed"],
)
async def test_a_sweep_deletes_what_was_given_up_and_neither_the_present_key_nor_a_later_one(request_: Request) -> None:
    async with a_world() as world:
        assert await swept(world, request_) == [PRESENT, LATER]

        lines = [(line["action"], line["details"]) for line in await world.audit()]
        assert ("key:deleted", {"key": FIRST}) in lines
        assert ("key:create-unknown", {"marker": "[lk:R1/1]", "found": "nothing is left of it"}) in lines


class Lagging(FakeCloud):
    """A Confluent whose lists still have the first attempt's key after it was deleted."""

    async def keys(self, owner: Principal, resource: Resource) -> Sequence[ApiKey]:
        return [of_attempt(1, FIRST), *(each for each in await super().keys(owner, resource) if each.id != FIRST)]


async def test_a_key_that_lists_still_have_after_its_deletion_is_said_to_be_deleted_once() -> None:
    async with a_world(cloud=Lagging) as world:
        await swept(world, BEING_MADE)
        await world.store.agenda.put(SWEEP, world.clock())
        await world.work_now()

        said = [line["action"] for line in await world.audit() if line["details"].get("key") == FIRST]
        assert said == ["key:delete-intended", "key:deleted", "key:delete-intended", "key:found-gone"]


async def test_a_sweep_deletes_no_key_in_use_whatever_its_description_says_by_now() -> None:
    async with a_world() as world:
        await swept(world, with_key(build.states()["shown"]))
        world.cloud.minted[PRESENT].key = of_attempt(1, PRESENT)
        await world.store.agenda.put(SWEEP, world.clock())
        await world.work_now()

        assert world.cloud.live() == [PRESENT, LATER]


async def test_of_a_request_that_ended_without_a_key_a_sweep_leaves_none() -> None:
    async with a_world() as world:
        assert await swept(world, build.states()["failed"]) == []


async def test_a_sweep_that_is_shown_a_part_says_nothing_and_comes_again() -> None:
    async with a_world() as world:
        world.cloud.is_partial = True
        await swept(world, BEING_MADE)

        assert "key:create-unknown" not in [line["action"] for line in await world.audit()]
        assert await next_due(world.store) is not None, "it looks again"


async def test_a_key_of_another_request_or_older_than_this_one_is_none_of_its_own() -> None:
    async with a_world() as world:
        for id_, fields in (
            (KeyId("KEY0000000000004"), {"marker": "[lk:R9/1]"}),
            (KeyId("KEY0000000000005"), {"marker": "[lk:R1/1]", "created_at": NOW - DAY}),
            (KeyId("KEY0000000000006"), {"marker": ""}),
        ):
            world.cloud.add(build.a_key(id_, kind=Kind.KAFKA, **fields))
        await swept(world, build.states()["failed"])

        assert set(world.cloud.live()) == {f"KEY000000000000{number}" for number in (4, 5, 6)}


async def test_two_lists_without_the_key_begin_the_next_attempt_and_one_does_not() -> None:
    async with a_world() as world:
        working = replace(BEING_MADE, attempt=1, look_at=NOW)
        await world.seed(working)
        await world.work_now()
        once = await world.state()
        assert isinstance(once, Working)
        assert (once.attempt, once.clean, once.look_at) == (1, 1, NOW + timedelta(seconds=5))

        world.clock.advance(timedelta(seconds=5))
        await world.work_now()
        assert getattr(await world.state(), "attempt", 0) == 2
        found = [line["details"] for line in await world.audit() if line["action"] == "key:create-unknown"]
        assert found == [{"marker": "[lk:R1/1]", "found": "nothing is left of it"}]


async def test_a_list_that_cannot_be_read_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_world() as world:
        await world.seed(replace(BEING_MADE, look_at=NOW, clean=1))

        async def away() -> None:
            raise Unavailable("Confluent Cloud didn't answer.")

        monkeypatch.setattr(type(world.cloud), "must_see_all", lambda _: away())
        await world.work_now()

        waiting = await world.state()
        assert isinstance(waiting, Working)
        assert (waiting.attempt, waiting.clean) == (2, 0)


async def test_t15_replacements_are_not_counted_as_lost_answers() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        for attempt in range(1, 7):
            await world.settle(timedelta(minutes=1))
            await world.click(Show(RequestId("R1"), attempt))
            await world.work_now()
            await world.click(Replace(RequestId("R1"), attempt))
        world.plan.faults, world.plan.calls = {("cloud.create_key", 0): Fault.ERROR_AFTER}, []
        await world.settle(timedelta(hours=1))

        ready = await world.state()
        assert isinstance(ready, Ready), "one lost answer is looked into, and the next attempt makes the key"
        assert ready.attempt == 8


@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
async def test_t15_lost_answers_are_counted_until_a_key_is_made_and_said_by_their_number(mint: Mint) -> None:
    async with a_world() as world:
        await world.seed(replace(build.approved(), attempt=4, terms=build.terms(mint=mint)))
        world.plan.faults = {("cloud.create_key", number): Fault.ERROR_AFTER for number in range(ATTEMPTS)}
        for attempt in range(4, 4 + ATTEMPTS):
            await world.work_now()
            await world.click(Show(RequestId("R1"), attempt))
            await world.settle(timedelta(minutes=10))

        failed = await world.state()
        assert isinstance(failed, Failed)
        assert failed.happened == (
            f"Latchkey tried {ATTEMPTS} times to create the key and got no clear answer from Confluent Cloud."
        )
        assert world.cloud.live() == []


ACCESS = GivenBinding(WantedBinding("DeveloperRead", "environment=env-dev001/cloud-cluster=lkc-dev001"), "given")


@pytest.mark.parametrize(
    ("ask", "bindings", "changed"),
    [
        ({}, (), "No key is left behind."),
        ({"owner": build.NEW}, (), "No key is left behind. If the new service account was created, Latchkey will"),
        ({}, (ACCESS,), "Latchkey will remove the access that it granted."),
        ({"also": build.REGISTRY}, (), "No Kafka key was created. If a Schema Registry key was, Latchkey will delete"),
    ],
    ids=["one key", "new account", "access", "pair"],
)
async def test_the_last_lost_answer_tells_what_may_be_left(
    ask: dict[str, Any], bindings: tuple[GivenBinding, ...], changed: str
) -> None:
    async with a_world() as world:
        grant = replace(build.a_grant(), bindings=bindings)
        made = replace(BEING_MADE, ask=build.an_ask(**ask), grant=grant, attempt=1)
        await world.seed(replace(made, look_at=NOW, clean=1, lost_answers=ATTEMPTS - 1))
        await world.work_now()

        failed = await world.state()
        assert isinstance(failed, Failed)
        assert changed in failed.changed
