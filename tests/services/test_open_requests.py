"""T18, T30: a person has so many open requests at most, and a second one for the same only when they say so."""

import asyncio
from dataclasses import replace

import pytest

from bot.domain.keys import RequestId
from bot.domain.requests import Approved, Pending
from bot.services.commands import Anyway, Cancel, Deed, Delete, Draft, Send
from bot.services.pages import TextPage
from tests.services.keys.test_change import KEY, a_key
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, ERIN, HERE, OTTO

MANY = 25


async def sends(world: World, number: int, *, same: bool) -> list[str]:
    """Dana sends so many forms at once; returns the ids of the clicks."""
    world.cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, "OrganizationAdmin", HERE)]
    for each in range(number):
        account = "orders" if same else f"orders-{each}"
        draft = Draft("new", CLUSTER.environment, CLUSTER.id, "n", "", f"why {each}", account_name=account)
        await world.store.drafts.put(f"D{each}", DANA.slack, draft)
    return [await world.click(Send(f"D{each}"), view=f"V{each}") for each in range(number)]


async def waiting(world: World) -> int:
    return len(await world.store.requests.pending(1000))


def pages(world: World) -> list[TextPage]:
    return [each for each in world.slack.pages if isinstance(each, TextPage)]


@pytest.mark.parametrize("most", [10, 3])
async def test_t18_of_25_submits_in_flight_at_once_so_many_are_requests_as_the_policy_allows(most: int) -> None:
    async with a_world() as world:
        world.policy = replace(world.policy, open_requests=most)
        await sends(world, MANY, same=False)
        one, two = world.start(), world.start()
        while any(await asyncio.gather(world.work(one), world.work(two))):
            pass

        assert await waiting(world) == most
        refused = [page for page in pages(world) if page.title == "Couldn't do that"]
        assert len(refused) == MANY - most
        assert refused[0].text.startswith(f"You have {most} open requests, and the policy allows {most}.")

        first = (await world.store.requests.of_requester(DANA.slack, 1))[0].value.ask.id
        await world.click(Cancel(first))
        await world.work_now()
        await sends(world, most + 1, same=False)
        await world.work_now()
        assert await waiting(world) == most, "one was cancelled, so there is room for one"


async def test_t18_an_open_request_for_the_same_is_shown_in_place_of_a_second_one() -> None:
    async with a_world() as world:
        await sends(world, MANY, same=True)
        await world.work_now()

        assert await waiting(world) == 1
        shown = [page for page in pages(world) if page.anyway]
        assert len(shown) == MANY - 1
        assert (shown[0].title, "waiting for approval" in shown[0].text) == ("Already requested", True)


async def test_t18_a_double_click_on_request_another_anyway_makes_one() -> None:
    async with a_world() as world:
        await sends(world, 2, same=True)
        await world.work_now()
        (page,) = (each for each in pages(world) if each.anyway)

        await world.click(Anyway(page.anyway), OTTO, view="V9")
        await world.work_now()
        assert await waiting(world) == 1, "it is the button of whoever asked"

        for _ in range(2):
            await world.click(Anyway(page.anyway), view="V1")
        await world.work_now()
        assert await waiting(world) == 2


@pytest.mark.parametrize("same", [True, False])
async def test_t18_a_second_deletion_of_a_key_is_the_same_and_no_other_operation_is(*, same: bool) -> None:
    async with a_world() as world:
        await a_key(world)
        deeds: list[Deed] = [
            Delete(KEY, "CONFIRM", "It is no longer used"),
            Delete(KEY, "CONFIRM", "It is no longer used"),
        ]
        other = build.an_ask(id=RequestId("R7"), owner=build.an_ask().owner)
        if not same:
            await world.seed(build.pending(ask=other))
            deeds = deeds[:1]
        for deed in deeds:
            await world.click(deed, view="V1")
        started = world.start()
        await world.work(started)

        assert bool([page for page in pages(world) if page.anyway]) == same


async def test_t18_a_lost_record_takes_no_room() -> None:
    async with a_world() as world:
        world.policy = replace(world.policy, open_requests=1)
        await world.seed(build.pending())
        connection = world.connections[0]
        await connection.delete(f"lk:{{{build.TEAM}}}:request:R1")
        await sends(world, 1, same=False)
        await world.work_now()

        (request,) = [each.value for each in await world.store.requests.of_requester(DANA.slack, 9)]
        assert isinstance(request, Pending | Approved)


@pytest.mark.parametrize("most", [1, 10])
async def test_t30_a_request_of_somebody_else_put_into_the_index_takes_no_room_and_is_not_shown(most: int) -> None:
    async with a_world() as world:
        world.policy = replace(world.policy, open_requests=most)
        await sends(world, 1, same=False)
        await world.work_now()
        (mine,) = await world.store.requests.of_requester(DANA.slack, 9)
        await world.click(Cancel(mine.value.ask.id))
        await world.seed(
            build.pending(ask=build.an_ask(id=RequestId("R7"), requester=ERIN, name="none of her business"))
        )
        await world.work_now()
        await world.connections[0].hset("lk:{T01}:open-of:" + DANA.slack, "R7", mine.value.ask.likeness())

        await world.store.drafts.put("D9", DANA.slack, await _draft(world))
        await world.click(Send("D9"), view="V9")
        await world.work_now()

        assert not any("none of her business" in page.text or page.anyway for page in pages(world))
        assert await waiting(world) == 2


async def _draft(world: World) -> Draft:
    form = await world.store.drafts.get("D0", DANA.slack)
    assert form is not None
    return form
