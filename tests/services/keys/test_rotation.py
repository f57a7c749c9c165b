"""A new key in place of an old one: both are known at every moment, and the old one goes when its time is over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.domain.audit import Action
from bot.domain.keys import ApiKey, KeyId, Operation, Person, Principal, RequestId, Resource
from bot.domain.kinds import Kind
from bot.domain.requests import Confirmed, Pending, Request, Retired, Shown
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Approve, DropFormer, KeepFormer, Replace, Rotate, Saved, Show
from bot.services.ports.store import Post
from bot.services.surfaces import Surface
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.fakes import FakeCloud, FakeSlack
from tests.support.faults import Fault

OLD = KeyId("KEY0000000000099")
SECOND = timedelta(seconds=1)


async def ask(world: World, *, overlap_days: int = 2, made_for: Person | None = None) -> str:
    """Dana asks to rotate a key of the service account, which Latchkey made for someone; the id of her request."""
    old = _old(world)
    if made_for is not None:
        await world.seed(build.shown(ask=build.an_ask(requester=made_for), key=old))
    return await world.click(Rotate(old.id, "orders producer 2", "", "It leaked", overlap_days))


def _old(world: World) -> ApiKey:
    return world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))


async def rotated(world: World, *, overlap_days: int = 2, made_for: Person | None = DANA) -> RequestId:
    """As far as the new secret is shown; returns the id of the request."""
    world.cloud.bindings[build.DANA.principal] = [build.a_binding(build.DANA)]
    request = RequestId(await ask(world, overlap_days=overlap_days, made_for=made_for))
    await world.work_now()
    await world.click(Approve(request), by=ERIN)
    await world.work_now()
    await world.click(Show(request, 1))
    await world.work_now()
    assert isinstance(await world.state(request), Shown), (await world.state(request), world.slack.said)
    return request


async def test_a_rotation_is_asked_for_and_approved_as_a_new_key_is() -> None:
    async with a_world() as world:
        world.cloud.bindings[build.DANA.principal] = [build.a_binding(build.DANA)]

        request = await ask(world)
        await world.work_now()

        state = await world.state(request)
        assert isinstance(state, Pending)
        assert state.ask.operation is Operation.ROTATE
        assert state.ask.overlap == 2 * DAY
        assert world.cloud.live() == [OLD]


async def test_the_old_key_lives_for_the_overlap_and_everybody_concerned_is_told() -> None:
    async with a_world() as world:
        request = await rotated(world)
        assert len(world.cloud.live()) == 2

        await world.settle(2 * DAY - timedelta(minutes=1))
        assert len(world.cloud.live()) == 2
        await world.settle(timedelta(minutes=2))

        state, old = await world.state(request), await world.state()
        assert isinstance(state, Shown)
        assert world.cloud.live() == [state.key.id]
        assert state.life.former is not None
        assert state.life.former.deleted_at is not None
        assert isinstance(old, Retired)
        assert state.key.id in old.why
        told = [versions[0][0] for versions in world.slack.messages.values()]
        assert "replaced" in told
        assert "end" not in told  # the same person, who knows why
        await check_audit(world)


@pytest.mark.parametrize("overlap_days", [0, 2])
async def test_a_secret_that_is_issued_again_leaves_the_old_key_as_it_is(overlap_days: int) -> None:
    async with a_world() as world:
        request = await rotated(world, overlap_days=overlap_days)
        gone_at = world.cloud.minted[OLD].deleted_at
        world.clock.advance(HOUR)
        await world.click(Replace(request, 1))
        await world.work_now()
        await world.click(Show(request, 2))
        await world.work_now()
        await world.settle(3 * DAY)

        state = await world.state(request)
        assert isinstance(state, Shown)
        assert world.cloud.live() == [state.key.id]
        # It goes once: at once, or when the overlap is over, which begins with the secret that replaced the first.
        assert world.cloud.minted[OLD].deleted_at == (gone_at or build.NOW + HOUR + 2 * DAY)
        assert state.life.former is not None
        assert state.life.former.deleted_at == world.cloud.minted[OLD].deleted_at
        deleted = [line["details"]["key"] for line in await world.audit() if line["action"] == "key:deleted"]
        assert deleted.count(OLD) == 1


async def test_who_asked_for_a_key_hears_that_somebody_else_had_it_replaced() -> None:
    async with a_world() as world:
        await rotated(world, overlap_days=0, made_for=ERIN)
        await world.work_now()

        assert {"replaced", "end"} <= {versions[0][0] for versions in world.slack.messages.values()}


@pytest.mark.parametrize(("deed", "ends"), [(DropFormer, timedelta()), (KeepFormer, 3 * DAY)])
async def test_the_requester_ends_the_overlap_or_makes_it_longer(
    deed: type[DropFormer | KeepFormer], ends: timedelta
) -> None:
    async with a_world() as world:
        request = await rotated(world)

        await world.click(deed(request, 1))
        await world.work_now()
        await world.settle(max(ends - HOUR, timedelta()))
        alive = OLD in world.cloud.live()
        await world.settle(2 * HOUR)

        assert alive is (ends > timedelta())
        assert OLD not in world.cloud.live()
        assert world.cloud.minted[OLD].deleted_at == build.NOW + ends


async def test_the_overlap_never_grows_beyond_a_week() -> None:
    async with a_world() as world:
        request = await rotated(world, overlap_days=6)

        for _ in range(3):
            await world.click(KeepFormer(request, 1))
            await world.work_now()
        await world.settle(8 * DAY)

        assert world.cloud.minted[OLD].deleted_at == build.NOW + 7 * DAY
        assert "can't be kept longer" in world.slack.said[-1][1]


async def test_a_button_that_names_the_end_moves_that_end_once_however_often_it_is_pressed() -> None:
    async with a_world() as world:
        request = await rotated(world)
        seen = int((build.NOW + 2 * DAY).timestamp())

        for _ in range(2):
            await world.click(KeepFormer(request, 1, until=seen))
            await world.work_now()
        await world.settle(8 * DAY)

        assert world.cloud.minted[OLD].deleted_at == build.NOW + 3 * DAY
        answers = [text for _, text in world.slack.said[-2:]]
        assert ["already" in text for text in answers] == [False, True]


@pytest.mark.parametrize("deed", [DropFormer, KeepFormer])
async def test_where_there_is_no_old_key_any_more_it_is_said_that_nothing_was_changed(
    deed: type[DropFormer | KeepFormer],
) -> None:
    async with a_world() as world:
        request = await rotated(world)
        await world.click(deed(RequestId("R1"), 1))  # the request of the old key, which replaced none
        await world.work_now()
        assert "There's no old key left. Nothing changed." in world.slack.said[-1][1]

        await world.settle(3 * DAY)
        await world.click(deed(request, 1))
        await world.work_now()

        assert world.slack.said[-1][1].startswith(
            f"The old key `{OLD}` (replaced by “orders producer 2”) was deleted <!date^"
        )
        assert world.cloud.minted[OLD].deleted_at == build.NOW + 2 * DAY


async def test_nobody_but_the_requester_ends_the_overlap() -> None:
    async with a_world() as world:
        request = await rotated(world)

        await world.click(DropFormer(request, 1), by=ERIN)
        await world.work_now()

        assert OLD in world.cloud.live()
        assert world.slack.said[-1][0] == ERIN.slack


async def test_a_rotation_that_gives_no_key_leaves_the_old_one_alone() -> None:
    async with a_world() as world:
        world.cloud.bindings[build.DANA.principal] = [build.a_binding(build.DANA)]
        await ask(world)
        await world.work_now()

        await world.settle(10 * DAY)

        assert world.cloud.live() == [OLD]


async def test_an_old_key_that_somebody_deleted_elsewhere_ends_the_plan_without_an_error() -> None:
    async with a_world() as world:
        request = await rotated(world)
        world.cloud.minted[OLD].deleted_at = world.clock()

        await world.settle(3 * DAY)

        state = await world.state(request)
        assert isinstance(state, Shown)
        assert state.life.former is not None
        assert state.life.former.deleted_at is not None
        ends = [line["action"] for line in await world.audit() if dict(line["details"]).get("key") == OLD]
        assert "key:deleted" not in ends, "nobody deleted it here"
        assert "key:found-gone" in ends


async def test_a_key_that_two_rotations_replaced_is_said_to_be_deleted_once() -> None:
    async with a_world() as world:
        one, two = await rotated(world, overlap_days=1), await rotated(world, overlap_days=2, made_for=None)

        await world.settle(3 * DAY)

        lines = [line for line in await world.audit() if dict(line["details"]).get("key") == OLD]
        ends = [(line["request"], line["action"]) for line in lines]
        assert ends.count((one, "key:deleted")) == ends.count((two, "key:found-gone")) == 1
        assert [action for _, action in ends].count("key:deleted") == 1


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_BEFORE])
async def test_an_old_key_that_was_deleted_before_its_time_is_found_gone_whatever_a_try_came_to(fault: Fault) -> None:
    async with a_world() as world:
        await rotated(world)
        old = world.cloud.minted[OLD]
        old.deleted_at = world.clock()
        await world.start().services.origin.ended(old.key, "Dana deleted it.", DANA)
        world.plan.faults, world.plan.calls = {("cloud.delete_key", 0): fault}, []

        await world.settle(3 * DAY)

        assert world.plan.calls.count("cloud.delete_key") == 2
        ends = [line["action"] for line in await world.audit() if dict(line["details"]).get("key") == OLD]
        assert ends.count("key:found-gone") == 1
        assert "key:deleted" not in ends, "it was deleted a day before Latchkey tried"


@dataclass(slots=True)
class _Crossed(FakeCloud):
    """A Confluent at which something happens while the old key is found gone."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        found = await FakeCloud.delete_key(self, key, owner, resource)
        if key == OLD and not found and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


async def test_an_old_key_is_found_gone_once_although_the_new_one_was_replaced_in_that_moment() -> None:
    async with a_world(cloud=_Crossed) as world:
        request = await rotated(world)
        state = await world.state(request)
        assert isinstance(state, Shown)
        assert isinstance(world.cloud, _Crossed)
        world.cloud.minted[OLD].deleted_at = world.clock()
        origin = world.start().services.origin
        world.cloud.meanwhile = lambda: origin.ended(state.key, "Another one replaced it.", DANA)

        await world.settle(3 * DAY)

        assert isinstance(await world.state(request), Retired)
        ends = [line["action"] for line in await world.audit() if dict(line["details"]).get("key") == OLD]
        assert ends.count("key:found-gone") == 1
        assert "key:deleted" not in ends, "nobody deleted it here"


async def test_what_is_to_be_deleted_is_on_disk_before_it_is() -> None:
    async with a_world() as world:
        await rotated(world)
        await world.seed(build.ready(ask=build.an_ask(id="R8")))

        await world.settle(3 * DAY)

        intents = [
            change for change in world.history if Action.DELETE_INTENDED in {each.action for each in change.events}
        ]
        assert {change.after.kind for change in intents} == {"shown", "unclaimed"}
        assert all(change.durable for change in intents)


async def test_what_was_planned_outlives_the_word_that_it_is_saved() -> None:
    async with a_world() as world:
        request = await rotated(world)
        await world.click(KeepFormer(request, 1))
        await world.work_now()
        world.clock.advance(HOUR)
        await world.click(Saved(request, 1))
        await world.work_now()
        assert isinstance(await world.state(request), Confirmed)

        await world.settle(4 * DAY)

        assert world.cloud.minted[OLD].deleted_at == build.NOW + 3 * DAY


@dataclass(slots=True)
class _Slow(FakeSlack):
    """A Slack in which something happens while a message is written."""

    world: World | None = None

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        if self.world is not None:
            world, self.world = self.world, None
            await world.click(KeepFormer(request.ask.id, 1))
            await world.work(world.start())
            world.clock.advance(2 * SECOND)
        return await FakeSlack.publish(self, surface, request, post, note)


async def test_an_old_key_that_was_kept_a_day_longer_in_the_last_second_is_not_deleted() -> None:
    async with a_world() as world:
        request = await rotated(world)
        world.clock.now = build.NOW + 2 * DAY - SECOND
        slow = _Slow(world.slack.people, world.slack.messages, world=world)
        world.slack = slow
        await world.store.agenda.put(Item(ItemKind.REQUEST, request), world.clock())

        await world.work(world.start())
        await world.work_now()

        assert "kept until" in slow.said[-1][1]
        assert OLD in world.cloud.live()
        await world.settle(DAY)
        assert OLD not in world.cloud.live()
