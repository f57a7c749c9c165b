"""What a developer, who writes to Redis, who edits in the Console, or bad luck must not do to keys that exist."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.background import background
from bot.domain.audit import Action
from bot.domain.deadlines import end_of_life
from bot.domain.errors import Unavailable
from bot.domain.keys import ApiKey, KeyId, NewServiceAccount, Operation, Principal, RequestId, Secret
from bot.domain.kinds import Kind
from bot.domain.requests import Approved, Done, Failed, Ready, ReplacedKey, Request, Shown
from bot.services.commands import (
    Approve,
    Cancel,
    CardAt,
    Deed,
    Delete,
    Deny,
    Edit,
    Extend,
    Keep,
    Replace,
    Rotate,
    Saved,
    Show,
    fingerprint,
)
from bot.services.ports.cloud import NewKey
from bot.services.worker import Bell
from handlers.context import KNOWN_WITHIN, STORED_WITHIN, ListenerContext
from tests.services.world import World, a_world, check_at_rest, check_audit
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, HERE, HOUR, OTTO
from tests.support.fakes import FakeCloud

R1 = RequestId("R1")
OLD = KeyId("KEY0000000000099")
NEW = NewServiceAccount("orders-new", "")


@asynccontextmanager
async def _writer(world: World) -> AsyncGenerator[Any]:
    """Someone else at the same Redis."""
    async with FakeAsyncRedis(server=world.redis) as redis:
        yield redis


async def a_key(world: World, lifetime: timedelta | None = None, most: timedelta | None = None) -> ApiKey:
    """A key that Latchkey made for Dana, who administers its environment; its secret was shown to her."""
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
    key = world.cloud.add(build.a_key(OLD, kind=Kind.KAFKA))
    ask = build.an_ask(lifetime=lifetime)
    await world.seed(build.shown(ask=ask, terms=build.terms(lifetime=most), key=key))
    await world.work_now()
    return key


# --- plans that outlive their record ---------------------------------------------------------------------------------


async def test_a_record_is_kept_until_its_key_has_ended_however_long_that_is() -> None:
    async with a_world() as world, _writer(world) as redis:
        await a_key(world, lifetime=3650 * DAY)
        state = await world.state()
        assert isinstance(state, Shown)

        kept = timedelta(milliseconds=await redis.pttl("lk:{T01}:request:R1"))

        end = end_of_life(state)
        assert end is not None
        assert world.clock() + kept > end


# --- new service accounts --------------------------------------------------------------------------------------------


async def test_a_key_of_a_new_account_can_be_replaced_after_its_secret_was_shown() -> None:
    async with a_world() as world:
        for person in (ERIN, FEMI):
            world.cloud.bindings[person.principal] = [build.a_binding(person, "OrganizationAdmin", HERE)]
        await world.seed(build.approved(ask=build.an_ask(owner=NEW)))
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()

        await world.click(Replace(R1, 1))
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Ready), state
        assert state.attempt == 2
        await world.click(Show(R1, 2))
        await world.settle()
        await check_at_rest(world)
        assert [each.description for each in world.cloud.accounts.values()] == [NEW.description]


async def test_a_new_account_is_not_left_behind_when_its_key_is_given_up_after_it_was_shown() -> None:
    async with a_world() as world:
        for person in (ERIN, FEMI):
            world.cloud.bindings[person.principal] = [build.a_binding(person, "OrganizationAdmin", HERE)]
        await world.seed(build.approved(ask=build.an_ask(owner=NEW)))
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        await world.click(Replace(R1, 1))
        await world.settle()

        await check_at_rest(world)
        assert world.cloud.accounts == {}


# --- extensions ------------------------------------------------------------------------------------------------------


async def test_an_extension_never_makes_a_key_end_earlier() -> None:
    async with a_world() as world:
        await a_key(world, lifetime=60 * DAY)
        request = RequestId(await world.click(Extend(OLD, "Only a day more, harmless", "1")))
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        await world.work_now()
        await world.settle(2 * DAY)

        assert OLD in world.cloud.live()


async def test_an_extension_that_was_put_back_into_the_store_extends_nothing_more() -> None:
    async with a_world() as world, _writer(world) as redis:
        await a_key(world, lifetime=2 * DAY)
        request = RequestId(await world.click(Extend(OLD, "Needed", "30")))
        await world.work_now()
        await world.click(Approve(request), by=ERIN)
        approved = await _at_work(world, redis, request)
        first = await world.state()
        world.clock.advance(20 * HOUR)
        await redis.hset(f"lk:{{T01}}:request:{request}", mapping=approved)
        await redis.zadd("lk:{T01}:agenda", {f"request:{request}": 0})
        await world.work_now()

        again = await world.state()
        assert isinstance(first, Shown)
        assert isinstance(again, Shown)
        assert end_of_life(again) == end_of_life(first)


async def _at_work(world: World, redis: Any, request: RequestId) -> dict[bytes, bytes]:
    """Work until the request is done; returns its record as it was when it was approved."""
    name, approved = f"lk:{{T01}}:request:{request}", dict[bytes, bytes]()
    while not isinstance(await world.state(request), Done):
        if isinstance(await world.state(request), Approved):
            approved = await redis.hgetall(name)
        assert await world.work()
    assert approved
    return approved


@pytest.mark.parametrize("said", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
async def test_a_time_of_creation_that_cannot_be_true_moves_no_end(said: datetime) -> None:
    class Elsewhen(FakeCloud):
        """Says of each new key that it was made at another time."""

        async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
            key, secret = await super().create_key(new)
            return replace(key, created_at=said), secret

    async with a_world(cloud=Elsewhen) as world:
        await world.seed(build.approved(ask=build.an_ask(lifetime=2 * DAY)))
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Shown), state
        end = end_of_life(state)
        assert end is not None
        assert build.NOW + 2 * DAY - HOUR <= end <= build.NOW + 2 * DAY


# --- records that cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.EDIT])
async def test_a_key_whose_own_record_cannot_be_read_is_changed_and_said_to_be(operation: Operation) -> None:
    async with a_world() as world, _writer(world) as redis:
        key = await a_key(world)
        await redis.hset("lk:{T01}:request:R1", "body", b"sealed with a key that is gone")
        seen = fingerprint(key.name, "reads orders")
        deeds: dict[Operation, Deed] = {
            Operation.DELETE: Delete(OLD, "CONFIRM", "It is no longer used"),
            Operation.EDIT: Edit(OLD, "another name", "reads orders", seen, "It has a new name"),
        }
        request = await world.click(deeds[operation])
        await world.work_now()
        await world.click(Approve(RequestId(request)), by=ERIN)
        await world.work_now()

        assert isinstance(await world.state(request), Done), await world.state(request)
        await check_audit(world)


async def test_a_replaced_key_whose_own_record_cannot_be_read_is_deleted_once_and_said_to_be() -> None:
    async with a_world() as world, _writer(world) as redis:
        await a_key(world)
        request = await rotated(world, overlap_days=1)
        await redis.hset("lk:{T01}:request:R1", "body", b"sealed with a key that is gone")
        await world.settle(2 * DAY)

        state = await world.state(request)
        assert isinstance(state, Shown)
        assert state.life.former is not None
        assert state.life.former.deleted_at is not None
        await check_audit(world)


async def rotated(world: World, overlap_days: int = 2, key: KeyId = OLD) -> RequestId:
    """Dana rotates a key, Erin approves, Dana takes the new secret."""
    request = RequestId(await world.click(Rotate(key, "orders 2", "", "It leaked", overlap_days)))
    await world.work_now()
    await world.click(Approve(request), by=ERIN)
    await world.work_now()
    await world.click(Show(request, 1))
    await world.work_now()
    assert isinstance(await world.state(request), Shown), (await world.state(request), world.slack.said)
    return request


# --- edits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", range(5))
async def test_an_edit_in_the_console_in_the_very_moment_of_ours_is_not_written_over(reads: int) -> None:
    class Edited(FakeCloud):
        """Someone edits the key in the Console just after it was read so often."""

        left = reads

        async def key(self, key: KeyId) -> ApiKey | None:
            found = await super().key(key)
            if Edited.left == 0:
                self.minted[key].key = replace(self.minted[key].key, name="named in the Console")
            Edited.left -= 1
            return found

    async with a_world(cloud=Edited) as world:
        key = await a_key(world)
        request = await world.click(
            Edit(OLD, "another name", "reads orders", fingerprint(key.name, "reads orders"), "It has a new name")
        )
        await world.work_now()

        stored = await world.store.requests.get(RequestId(request))
        assert stored is None or stored.value.ask.key == key


class _Terse(FakeCloud):
    """Answers to an edit with nothing but what was changed, and a time that is not the key's."""

    async def edit_key(self, key: KeyId, name: str, description: str) -> ApiKey:
        edited = await super().edit_key(key, name, description)
        return replace(edited, owner=None, resource="", created_at=edited.created_at and edited.created_at + 900 * DAY)


async def test_an_odd_answer_to_an_edit_moves_no_end() -> None:
    async with a_world(cloud=_Terse) as world:
        key = await a_key(world, lifetime=2 * DAY)
        request = await world.click(
            Edit(OLD, "another name", "reads orders", fingerprint(key.name, "reads orders"), "It has a new name")
        )
        await world.work_now()
        await world.click(Approve(RequestId(request)), by=ERIN)
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Shown)
        assert state.key.name == "another name"
        assert end_of_life(state) == build.NOW + 2 * DAY


# --- rotations -------------------------------------------------------------------------------------------------------


async def test_a_key_that_was_deleted_meanwhile_is_not_given_out_again_by_its_rotation() -> None:
    async with a_world() as world:
        key = await a_key(world)
        request = RequestId(await world.click(Rotate(OLD, "orders 2", "", "It leaked", 2)))
        await world.work_now()
        await world.cloud.delete_key(OLD, key.owner or build.ACCOUNT.id, build.CLUSTER)
        await world.click(Approve(request), by=ERIN)
        await world.work_now()

        state = await world.state(request)
        assert isinstance(state, Failed), state
        assert world.cloud.live() == []


async def test_a_rotation_whose_key_is_replaced_goes_on_though_the_old_key_is_gone_and_deletes_it_once() -> None:
    async with a_world() as world:
        await a_key(world)
        request = await rotated(world, overlap_days=0)
        world.clock.advance(HOUR)
        await world.click(Replace(request, 1))
        await world.work_now()
        await world.click(Show(request, 2))
        await world.settle(2 * DAY)

        state = await world.state(request)
        assert isinstance(state, Shown)
        assert world.cloud.live() == [state.key.id]
        assert state.life.former == ReplacedKey(build.NOW, deleted_at=build.NOW)
        deleted = [line for line in await world.audit() if line["action"] == Action.DELETED]
        assert [line["details"]["key"] for line in deleted].count(OLD) == 1


# --- marks of other requests -----------------------------------------------------------------------------------------


async def test_an_older_key_that_somebody_marked_in_the_console_is_not_deleted_for_a_request() -> None:
    async with a_world() as world:
        older = build.a_key("KEY0000000000042", marker="[lk:R1/1]", created_at=build.NOW - 30 * DAY)
        world.cloud.add(older)
        await world.seed(build.approved(attempt=2))
        await world.settle()

        assert older.id in world.cloud.live()


async def test_an_older_key_that_somebody_marked_stops_no_request() -> None:
    async with a_world() as world:
        older = build.a_key("KEY0000000000042", marker="[lk:R1/1]", created_at=build.NOW - 30 * DAY)
        world.cloud.add(older)
        await world.seed(build.approved())
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert older.id in world.cloud.live()


# --- messages of others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", [Cancel(R1), Show(R1, 1), Saved(R1, 1), Replace(R1, 1), Approve(R1), Deny(R1, "r")])
@pytest.mark.parametrize("is_decided", [False, True])
async def test_nobody_has_the_request_of_another_shown_in_their_own_messages(deed: Deed, *, is_decided: bool) -> None:
    """A forged value names another request than the message that the button stood on."""
    async with a_world() as world:
        await world.seed(build.ready() if is_decided else build.pending())
        await world.work_now()
        mine = CardAt("D0OTTO", "1.1")
        world.slack.messages[mine.channel, mine.ts].append(("asked", build.pending(ask=build.an_ask(requester=OTTO))))
        await world.store.inbox.put(build.a_click(deed, OTTO, id="forged", card=mine), world.clock())
        await world.work_now()

        assert len(world.slack.messages[mine.channel, mine.ts]) == 1
        assert OTTO.slack in {to for to, _ in world.slack.said}


async def test_an_account_that_latchkey_was_given_lately_is_its_own_too() -> None:
    class Moved(FakeCloud):
        """Latchkey is given a key of another account."""

        own = Principal("sa-latchk")

        async def own_account(self) -> Principal:
            return Moved.own

    async with a_world(cloud=Moved) as world:
        await a_key(world)
        await world.click(Delete(OLD, "another word"))
        await world.click(Edit(OLD, "another name", "reads orders", "looked at"))
        await world.work_now()
        Moved.own = build.ACCOUNT.id
        world.clock.advance(timedelta(minutes=11))
        request = await world.click(Delete(OLD, "CONFIRM", "It is no longer used"), by=ERIN)
        await world.work_now()

        assert await world.store.requests.get(RequestId(request)) is None
        assert "Latchkey's own account" in world.slack.said[-1][1]


# --- what only shows something must not keep a key alive --------------------------------------------------------------


async def test_somebody_who_watches_requests_and_fails_stops_no_deadline() -> None:
    async def broken(_: Request) -> None:
        raise Unavailable("A key of another kind stands there.")

    async with a_world() as world:
        await world.seed(build.approved())
        world.start().worker.moved = broken
        await world.work_now()
        assert isinstance(await world.state(), Ready)
        world.clock.advance(DAY)
        await world.work_now()

        assert world.cloud.live() == []


async def test_a_store_that_hangs_leaves_time_to_answer_a_submitted_form(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KNOWN_WITHIN + STORED_WITHIN < 3, "Slack waits so many seconds"
    monkeypatch.setattr("handlers.context.KNOWN_WITHIN", 0.01)
    monkeypatch.setattr("handlers.context.STORED_WITHIN", 0.01)

    class Hanging:
        """A store that takes questions, and answers none."""

        tenant = build.TENANT

        async def current(self) -> None:
            await asyncio.Event().wait()

        async def put(self, *_: object) -> None:
            await asyncio.Event().wait()

    hanging: Any = Hanging()
    async with a_world() as world, background(grace=1) as work:
        rest: Any = None
        context = ListenerContext(
            inbox=hanging,
            agenda=rest,
            requests=rest,
            directory=hanging,
            catalogs=hanging,
            cloud=rest,
            replies=rest,
            clock=world.clock,
            bell=Bell(),
            work=work,
            key_views=rest,
            key_lists=rest,
            homes=rest,
            views=rest,
            drafts=rest,
            decisions=rest,
            conversations=rest,
            reviews=rest,
            cache=rest,
        )
        answers: list[dict[str, Any]] = []

        async def ack(**answer: Any) -> None:
            answers.append(answer)

        acknowledge: Any = ack
        async with asyncio.timeout(30):  # for ever, without the limits above
            assert await context.catalog() is None
            await context.submit(acknowledge, SUBMITTED, Keep(OLD, "r"), {}, field="reason")

        assert list(answers[0]["errors"]) == ["reason"]


SUBMITTED = {
    "user": {"id": DANA.slack, "team_id": DANA.team},
    "trigger_id": "1.2",
    "view": {"id": "V1", "blocks": [{"block_id": "reason"}]},
}
