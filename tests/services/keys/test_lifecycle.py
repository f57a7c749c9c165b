"""Lives of keys that take an unusual turn: a rotation's plan outlives its key, and others delete keys meanwhile."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.domain.keys import ApiKey, KeyId, RequestId
from bot.domain.kinds import Kind
from bot.domain.requests import Done, Failed, Ready, Request, Retired, Shown, Unclaimed
from bot.services.commands import (
    Approve,
    CardAt,
    Deed,
    Delete,
    DropFormer,
    Edit,
    Extend,
    KeepFormer,
    Replace,
    Rotate,
    Show,
    fingerprint,
)
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, HOUR
from tests.support.fakes import FakeCloud
from tests.support.faults import Fault, Plan

OLD = KeyId("KEY0000000000099")
MINUTE = timedelta(minutes=1)


async def a_key(world: World, lifetime: timedelta | None = None) -> ApiKey:
    """A key that Latchkey made for Dana, who administers its environment; its secret was shown to her."""
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))
    await world.seed(build.shown(terms=build.terms(lifetime=lifetime), key=key))
    await world.work_now()
    return key


async def rotated(world: World, key: KeyId = OLD, overlap_days: int = 2, *, lifetime: str = "") -> Shown:
    """Dana rotates a key, Erin approves, Dana takes the new secret."""
    request = RequestId(await world.click(Rotate(key, "orders 2", "", "It leaked", overlap_days, lifetime)))
    await world.work_now()
    await world.click(Approve(request), by=ERIN)
    await world.work_now()
    await world.click(Show(request, 1))
    await world.work_now()
    state = await world.state(request)
    assert isinstance(state, Shown), (state, world.slack.said)
    return state


async def after(world: World, deed: Deed) -> Request | None:
    """Click, have Erin approve what needs it, work; returns the request that came of it, if one did."""
    request = RequestId(await world.click(deed))
    await world.work_now()
    await world.click(Approve(request), by=ERIN)
    await world.work_now()
    stored = await world.store.requests.get(request)
    return stored.value if stored else None


@pytest.mark.parametrize("lifetime", [None, 30 * DAY])
async def test_a_card_that_a_crash_kept_us_from_remembering_shows_what_became_of_its_key_once_it_is_clicked(
    lifetime: timedelta | None,
) -> None:
    async with a_world() as world:
        await a_key(world, lifetime)
        card = CardAt(build.terms().channel, "99.0")
        world.slack.messages[card.channel, card.ts].append(("card", build.pending()))

        late = build.a_click(Approve(RequestId("R1")), ERIN, world.clock(), id="late", card=card)
        await world.store.inbox.put(late, world.clock())
        await world.work_now()

        assert [state.kind for _, state in world.slack.messages[card.channel, card.ts]] == ["pending", "shown"]


# --- the key that was replaced goes, whatever becomes of the one that replaced it ------------------------------------


async def test_the_old_key_goes_though_its_deletion_fails_at_the_very_end_of_the_new_one() -> None:
    async with a_world(Plan({("cloud.delete_key", 0): Fault.ERROR_BEFORE})) as world:
        await a_key(world)
        state = await rotated(world, overlap_days=1, lifetime="1")

        await world.settle(2 * DAY)

        assert world.cloud.live() == []
        ended = await world.state(state.ask.id)
        assert isinstance(ended, Retired)
        assert ended.life.former is not None
        assert ended.life.former.deleted_at is not None
        await check_audit(world)


async def test_an_old_key_that_could_not_be_deleted_is_tried_again_a_little_later() -> None:
    async with a_world(Plan({("cloud.delete_key", 0): Fault.ERROR_BEFORE})) as world:
        await a_key(world)

        former = (await rotated(world, overlap_days=0)).life.former
        assert former is not None
        assert (former.tries, former.deleted_at) == (1, None)
        assert former.retry_at is not None
        assert former.retry_at > world.clock()
        assert OLD in world.cloud.live()

        await world.settle(HOUR)
        assert OLD not in world.cloud.live()


async def test_a_deletion_that_takes_many_tries_is_in_the_audit_log_once() -> None:
    vain = Plan({("cloud.delete_key", nth): Fault.ERROR_BEFORE for nth in range(40) if nth != 20})
    async with a_world(vain) as world:
        await a_key(world)
        await rotated(world, overlap_days=0, lifetime="1")
        await world.settle(3 * DAY)

        assert world.cloud.live() == []
        assert world.plan.calls.count("cloud.delete_key") == 41  # twenty in vain for each
        lines = [(line["action"], line["details"]["key"]) for line in await world.audit() if "delet" in line["action"]]
        assert len(lines) == len(set(lines)) == 6  # intent, first failure and outcome of either key
        await check_audit(world)


async def test_of_two_rotations_in_a_row_the_first_key_goes_when_it_was_to_go() -> None:
    async with a_world() as world:
        await a_key(world)
        second = await rotated(world, overlap_days=7)
        third = await rotated(world, second.key.id, overlap_days=0)
        assert set(world.cloud.live()) == {OLD, third.key.id}

        await world.settle(7 * DAY - MINUTE)
        assert OLD in world.cloud.live()
        await world.settle(2 * MINUTE)

        assert world.cloud.live() == [third.key.id]
        first = await world.state()
        assert isinstance(first, Retired)
        assert first.deleted_at is not None
        await check_audit(world)


async def test_who_deletes_the_new_key_can_still_decide_about_the_old_one() -> None:
    async with a_world() as world:
        await a_key(world)
        state = await rotated(world, overlap_days=2)
        assert isinstance(await after(world, Delete(state.key.id, "CONFIRM", "It is no longer used")), Done)
        assert isinstance(await world.state(state.ask.id), Retired)
        assert world.cloud.live() == [OLD]

        await world.click(KeepFormer(state.ask.id, 1))
        await world.work_now()
        await world.settle(2 * DAY + HOUR)
        assert world.cloud.live() == [OLD]
        await world.click(DropFormer(state.ask.id, 1))
        await world.work_now()

        assert world.cloud.live() == []
        await check_audit(world)


# --- someone deletes a key at Confluent, behind Latchkey's back -----------------------------------------------------


def delete_elsewhere(world: World, key: KeyId = OLD) -> None:
    world.cloud.minted[key].deleted_at = world.clock()


async def test_a_key_that_nobody_took_and_that_is_gone_ends_as_any_other() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        ready = await world.state()
        assert isinstance(ready, Ready)
        delete_elsewhere(world, ready.key.id)

        await world.settle(2 * DAY)

        state = await world.state()
        assert isinstance(state, Unclaimed)
        assert state.deleted_at is not None
        assert [effect.what for effect in world.effects] == ["create"]
        await check_audit(world)


async def test_a_key_that_is_gone_before_its_secret_was_taken_can_be_replaced() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        ready = await world.state()
        assert isinstance(ready, Ready)
        delete_elsewhere(world, ready.key.id)
        await world.click(Show(RequestId("R1"), 1))
        await world.work_now()

        await world.click(Replace(RequestId("R1"), 1))
        await world.work_now()
        await world.click(Show(RequestId("R1"), 2))
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Shown)
        assert world.cloud.live() == [state.key.id] != [ready.key.id]
        await check_audit(world)


async def test_a_key_that_is_gone_at_its_end_is_no_error() -> None:
    async with a_world() as world:
        await a_key(world, 2 * DAY)
        delete_elsewhere(world)

        await world.settle(3 * DAY)

        state = await world.state()
        assert isinstance(state, Retired)
        assert state.tries == 0
        assert state.deleted_at == build.NOW + 2 * DAY


@pytest.mark.parametrize(
    "deed",
    [
        Edit(OLD, "orders v2", "", fingerprint("orders producer", "reads orders"), "It has a new name"),
        Extend(OLD, "It goes on", "30"),
    ],
)
async def test_of_a_key_that_went_while_approvers_thought_it_is_said_that_it_is_gone(deed: Deed) -> None:
    async with a_world() as world:
        await a_key(world, 10 * DAY)
        request = RequestId(await world.click(deed))
        await world.work_now()
        delete_elsewhere(world)

        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        state, made = await world.state(request), await world.state()
        assert isinstance(state, Failed)
        assert f"The key `{OLD}` no longer exists" in state.happened
        assert isinstance(made, Retired)
        assert "outside Latchkey" in made.why
        assert made.by is None
        assert "end" in {versions[0][0] for versions in world.slack.messages.values()}
        await check_audit(world)


@dataclass(slots=True)
class Quick(FakeCloud):
    """A Confluent where someone deletes the key just before it is edited."""

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        self.minted[key].deleted_at = self.clock()
        return await FakeCloud.edit_key(self, key, name, description)


async def test_of_an_edit_that_confluent_refuses_because_the_key_just_went_it_is_said_that_it_is_gone() -> None:
    async with a_world(cloud=Quick) as world:
        key = await a_key(world)

        state = await after(
            world, Edit(OLD, "orders v2", "", fingerprint(key.name, "reads orders"), "It has a new name")
        )

        assert isinstance(state, Failed)
        assert "no longer exists" in state.happened


async def test_who_deletes_a_key_that_went_meanwhile_is_not_named_as_who_deleted_it() -> None:
    async with a_world() as world:
        await a_key(world)
        request = RequestId(await world.click(Delete(OLD, "CONFIRM", "It is no longer used")))
        await world.work_now()
        delete_elsewhere(world)
        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        made = await world.state()
        assert isinstance(made, Retired)
        assert made.by is None
        assert [line["action"] for line in await world.audit()].count("key:found-gone") == 1


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER])
async def test_a_deletion_that_nobody_heard_of_is_not_said_to_be_somebody_elses(fault: Fault) -> None:
    async with a_world(Plan({("cloud.delete_key", 0): fault})) as world:
        await a_key(world)

        state = await after(world, Delete(OLD, "CONFIRM", "It is no longer used"))
        assert state is not None
        await world.settle(5 * MINUTE)

        done, made = await world.state(state.ask.id), await world.state()
        assert isinstance(done, Done)
        assert done.note == ""
        assert isinstance(made, Retired)
        assert made.by == DANA
        assert "key:found-gone" not in [line["action"] for line in await world.audit()]
        await check_audit(world)


# --- ends and deadlines that meet ------------------------------------------------------------------------------------


async def test_a_key_whose_secret_nobody_takes_does_not_outlive_its_lifetime() -> None:
    async with a_world() as world:
        await world.seed(build.approved(terms=build.terms(lifetime=4 * HOUR, claim=DAY)))

        await world.settle(4 * HOUR)

        assert len(world.effects) == 2
        assert world.cloud.live() == []
        assert isinstance(await world.state(), Unclaimed)


async def test_an_edit_that_nobody_heard_of_is_not_said_to_have_changed_nothing() -> None:
    async with a_world(Plan({("cloud.edit_key", 0): Fault.KILL_AFTER})) as world:
        key = await a_key(world)
        request = RequestId(
            await world.click(Edit(OLD, "orders v2", "", fingerprint(key.name, "reads orders"), "It has a new name"))
        )
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        await world.work_now()
        assert world.cloud.minted[OLD].key.name == "orders v2"
        delete_elsewhere(world)

        await world.settle(5 * MINUTE)

        state = await world.state(request)
        assert isinstance(state, Failed)
        assert "couldn't confirm" in state.changed
        await check_audit(world)
