"""T19, T29: the same refusal of the same person for the same request is one audit line a minute, with a count."""

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import Unavailable
from bot.domain.keys import RequestId
from bot.services.agenda import HOLDING, Item, ItemKind
from bot.services.commands import Approve, Cancel, Deny, Send
from bot.services.commands import Draft as Form
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, ERIN, OTTO
from tests.support.faults import Fault
from tests.support.stored import next_due

R1 = RequestId("R1")


async def refusals(world: World) -> list[tuple[str, dict[str, Any]]]:
    lines = [line for line in await world.audit() if str(line["action"]).endswith(":refused")]
    return [(str(line["actor"]), dict(line["details"])) for line in lines]


async def test_t19_clicks_that_are_refused_alike_are_one_line_a_minute_with_their_number() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        for _ in range(3):
            for _ in range(20):
                await world.click(Approve(R1), by=OTTO)
            await world.settle(timedelta(seconds=30))
            assert len(world.slack.said) % 20 == 0, "each click is answered"
        await world.settle(timedelta(minutes=10))

        lines = await refusals(world)
        assert [details.get("count") for _, details in lines] == [None, "39", "20"]
        assert len({(who, details["reason"]) for who, details in lines}) == 1


async def test_t19_another_person_another_request_and_another_refusal_have_lines_of_their_own() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        await world.seed(build.pending(ask=build.an_ask(id=RequestId("R2"))))
        for deed in (Approve(R1), Deny(R1, "no"), Cancel(R1), Approve(RequestId("R2"))):
            for _ in range(2):
                await world.click(deed, by=OTTO)
        await world.click(Approve(R1), by=DANA)
        await world.work_now()
        assert len(await refusals(world)) == 5

        await world.settle(timedelta(minutes=5))
        assert [details.get("count") for _, details in await refusals(world)] == [None] * 5 + ["1"] * 4


async def test_t19_forms_that_are_refused_alike_are_one_line_though_each_is_a_request_of_its_own() -> None:
    async with a_world() as world:
        world.policy = build.a_policy(0, otherwise=None)
        world.cloud.bindings[DANA.principal] = []
        for number in range(5):
            form = Form("me", CLUSTER.environment, CLUSTER.id, "n", "", f"why {number}")
            await world.store.drafts.put(f"D{number}", DANA.slack, form)
            await world.click(Send(f"D{number}"), view=f"V{number}")
        await world.settle(timedelta(minutes=5))

        assert [details.get("count") for _, details in await refusals(world)] == [None, "4"]


async def test_t19_nothing_is_kept_once_a_minute_passed_without_one() -> None:
    async with a_world() as world:
        await world.seed(build.pending(expires_at=world.clock() + timedelta(minutes=30)))
        await world.click(Approve(R1), by=OTTO)
        await world.settle(timedelta(hours=1))

        assert [key async for key in world.connections[0].scan_iter("*:refusal:*")] == []
        assert await next_due(world.store) is None


async def test_t19_a_number_that_could_not_be_written_is_written_later() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        for _ in range(4):
            await world.click(Approve(R1), by=OTTO)
        await world.work_now()
        world.plan.faults, world.plan.calls = {("audit.append", 0): Fault.ERROR_BEFORE}, []
        await world.settle(timedelta(minutes=5))

        assert [details.get("count") for _, details in await refusals(world)] == [None, "3"]
        assert ERIN.slack not in {who for who, _ in await refusals(world)}


async def test_t17_a_number_that_another_process_records_is_not_recorded_twice() -> None:
    async def is_lost() -> bool:
        return False

    async with a_world() as world:
        await world.seed(build.pending())
        for _ in range(3):
            await world.click(Approve(R1), by=OTTO)
        await world.work_now()
        (name,) = [key async for key in world.connections[0].scan_iter("*:refusal:*")]
        item = Item(ItemKind.REFUSAL, name.decode().rpartition(":")[2])
        HOLDING.set(is_lost)
        with pytest.raises(Unavailable):
            await world.start().worker.errands[ItemKind.REFUSAL](item)

        assert [details.get("count") for _, details in await refusals(world)] == [None]


async def test_t29_a_tally_put_back_later_writes_no_line_and_hides_none() -> None:
    async with a_world() as world:
        await world.seed(build.pending(expires_at=world.clock() + timedelta(days=9)))
        connection = world.connections[0]
        for _ in range(3):
            await world.click(Approve(R1), by=OTTO)
        await world.work_now()
        (tally,) = [key async for key in connection.scan_iter("*:refusal:*")]
        copy = await connection.dump(tally) or b""
        await world.settle(timedelta(minutes=5))
        assert [details.get("count") for _, details in await refusals(world)] == [None, "2"]

        world.clock.advance(timedelta(days=7))
        await connection.restore(tally, 0, copy)
        await connection.hset(tally, "n", 1000)
        await connection.zadd("lk:{T01}:agenda", {tally.decode().removeprefix("lk:{T01}:"): 0})
        await world.work_now()
        assert len(await refusals(world)) == 2, "a line about what did not happen"

        await world.click(Approve(R1), by=OTTO)
        await world.work_now()
        assert len(await refusals(world)) == 3


@pytest.mark.search
async def test_t29_refusals_that_go_on_for_hours_are_all_counted() -> None:
    async with a_world() as world:
        await world.seed(build.pending(expires_at=world.clock() + timedelta(days=9)))
        for _ in range(4 * 60 * 2):
            await world.click(Approve(R1), by=OTTO)
            await world.settle(timedelta(seconds=30))
        await world.settle(timedelta(minutes=5))

        assert sum(int(details.get("count", 1)) for _, details in await refusals(world)) == 480
