"""What becomes of a due item when its work fails: it comes back, waits as told, or is dropped, and is never lost."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.errors import CloudRefused, Conflict, NotFound, Tampered, Throttled, Unavailable, Undeliverable
from bot.domain.keys import RequestId
from bot.services.agenda import Item, ItemKind, must_hold
from bot.services.commands import Approve, Click
from bot.services.requests.transitions import REFUSED
from bot.services.worker import (
    AGAIN,
    AT_ONCE,
    HELD_BACK,
    LEASE,
    MARGIN,
    RENEWED,
    RUSH,
    UNREADABLE,
    Bell,
    Errand,
    Worker,
)
from bot.store import Store
from bot.store.agenda import RedisAgenda
from tests.support import build
from tests.support.composed import a_store, keep
from tests.support.fakes import TestClock
from tests.support.stored import next_due

NOBODY: Any = None
CLICK = build.a_click(Approve(RequestId("R1")))
UNKNOWN = Item.parse("sweep:R1")
HOME = Item(ItemKind.HOME, "U1")


@dataclass(slots=True)
class Dispatching:
    """A dispatcher that fails as told."""

    fails: list[Exception] = field(default_factory=list[Exception])
    clicks: list[Click] = field(default_factory=list[Click])

    again: list[datetime] = field(default_factory=list[datetime])

    async def carry_out(self, click: Click) -> datetime | None:
        self.clicks.append(click)
        if self.fails:
            raise self.fails.pop(0)
        return self.again.pop(0) if self.again else None


@dataclass(slots=True)
class Shop:
    """One worker before a real agenda and inbox."""

    redis: FakeAsyncRedis
    store: Store
    clock: TestClock
    dispatcher: Dispatching
    worker: Worker

    async def work(self) -> None:
        """One round, to its end."""
        await self.worker._round()
        await asyncio.gather(*self.worker._running)

    async def click(self) -> None:
        await self.store.inbox.put(CLICK, self.clock())

    async def due_in(self) -> timedelta | None:
        due = await next_due(self.store)
        return due - self.clock() if due else None


@pytest.fixture
def shop() -> Shop:
    return a_shop({})


def a_shop(errands: Mapping[ItemKind, Errand]) -> Shop:
    clock, dispatcher, redis = TestClock(), Dispatching(), FakeAsyncRedis()
    store = a_store(redis, clock)
    carry: Any = dispatcher
    worker = Worker(
        store.agenda, store.inbox, store.requests, NOBODY, NOBODY, carry, NOBODY, clock, Bell(), errands=errands
    )
    return Shop(redis, store, clock, dispatcher, worker)


async def test_a_click_is_carried_out_once_and_forgotten(shop: Shop) -> None:
    await shop.click()

    await shop.work()
    await shop.work()

    assert shop.dispatcher.clicks == [CLICK]
    assert await shop.store.inbox.get(CLICK.name) is None
    assert await shop.due_in() is None


async def test_a_click_that_was_carried_out_already_is_done(shop: Shop) -> None:
    await shop.click()
    await shop.store.inbox.done(CLICK.name)

    await shop.work()

    assert (shop.dispatcher.clicks, await shop.due_in()) == ([], None)


async def test_t9_a_click_whose_place_something_else_took_is_dropped_and_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.click()
    key = shop.store.keys.click(CLICK.name)
    await shop.redis.delete(key)
    await shop.redis.hset(key, "planted", "value")

    await shop.work()

    assert (shop.dispatcher.clicks, await shop.due_in()) == ([], None)
    assert caplog.messages == ["removed a value that Latchkey didn't write"]


async def test_r1_a_click_of_which_a_failover_lost_that_it_is_done_is_carried_out_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.click()

    async def forgotten(_: str) -> None:
        """The former master took it, and the new one never heard of it."""

    with monkeypatch.context() as failover:
        failover.setattr(shop.store.inbox, "done", forgotten)
        await shop.work()
    assert await shop.due_in() == timedelta()
    await shop.work()

    assert shop.dispatcher.clicks == [CLICK, CLICK]
    assert (await shop.store.inbox.get(CLICK.name), await shop.due_in()) == (None, None)


async def test_r1_a_click_that_a_former_master_does_not_know_is_carried_out_by_the_new_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.click()

    async def unknown(_: str) -> None:
        """What the former master says."""

    with monkeypatch.context() as failover:
        failover.setattr(shop.store.inbox, "get", unknown)
        await shop.work()
    assert (shop.dispatcher.clicks, await shop.due_in()) == ([], timedelta())
    await shop.work()

    assert (shop.dispatcher.clicks, await shop.due_in()) == ([CLICK], None)


async def test_an_answer_that_slack_does_not_take_for_a_moment_is_given_again(shop: Shop) -> None:
    await shop.click()
    shop.dispatcher.fails = [Undeliverable("internal_error", lasting=False)]

    await shop.work()
    assert await shop.due_in() == AGAIN
    shop.clock.advance(AGAIN)
    await shop.work()

    assert shop.dispatcher.clicks == [CLICK, CLICK]
    assert await shop.due_in() is None


async def test_a_click_that_is_to_be_tried_again_is_kept_until_then(shop: Shop) -> None:
    await shop.click()
    shop.dispatcher.again = [shop.clock() + AGAIN]

    await shop.work()
    assert (await shop.store.inbox.get(CLICK.name), await shop.due_in()) == (CLICK, AGAIN)

    shop.clock.advance(AGAIN)
    await shop.work()
    assert (await shop.store.inbox.get(CLICK.name), await shop.due_in()) == (None, None)


async def test_nothing_is_begun_while_very_many_clicks_arrive_but_for_two_seconds_at_most(shop: Shop) -> None:
    await shop.work()
    await shop.click()
    with ExitStack() as arriving:
        for _ in range(RUSH):
            arriving.enter_context(shop.worker.bell.arriving())
        await shop.work()
        assert shop.dispatcher.clicks == []

        shop.clock.advance(HELD_BACK)
        await shop.work()
        assert shop.dispatcher.clicks == [CLICK]

        await shop.store.inbox.put(replace(CLICK, id="C2"), shop.clock())
        await shop.work()
        assert len(shop.dispatcher.clicks) == 1

    await shop.work()
    assert len(shop.dispatcher.clicks) == 2


async def test_a_few_clicks_that_arrive_hold_nobody_back(shop: Shop) -> None:
    await shop.work()
    await shop.click()
    with ExitStack() as arriving:
        for _ in range(RUSH - 1):
            arriving.enter_context(shop.worker.bell.arriving())
        await shop.work()

    assert shop.dispatcher.clicks == [CLICK]


FAILURES = [
    (Conflict("Somebody was faster."), timedelta()),
    (Unavailable("Slack did not answer."), AGAIN),
    (Throttled("Slack asks to wait.", wait=timedelta(seconds=40)), timedelta(seconds=40)),
    (CloudRefused(status=403, detail="no", reference="req-1"), REFUSED),
    (Tampered("It does not open."), UNREADABLE),
    (TimeoutError(), AGAIN),
    (KeyError("a bug"), AGAIN),
    (NotFound("no such request"), None),
]


@pytest.mark.parametrize(("error", "after"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
async def test_an_item_that_failed_comes_back_when_its_failure_says(
    shop: Shop, error: Exception, after: timedelta | None
) -> None:
    await shop.click()
    shop.dispatcher.fails = [error]

    await shop.work()

    assert await shop.due_in() == after


async def test_an_item_of_no_known_kind_is_logged_and_dropped(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    await shop.store.agenda.put(UNKNOWN, shop.clock())

    await shop.work()

    assert caplog.messages == ["dropped an item"]
    assert await shop.due_in() is None


async def test_r1_the_account_of_a_request_is_looked_at_again_if_a_former_master_does_not_know_the_request() -> None:
    async def unknown(_: Item) -> datetime | None:
        raise NotFound("no such request")

    shop = a_shop({ItemKind.ACCOUNT: unknown})
    await keep(shop.store, build.pending())
    await shop.store.agenda.put(Item(ItemKind.ACCOUNT, "R1"), shop.clock())

    await shop.work()

    assert await shop.due_in() == AGAIN


async def test_t9_any_number_of_items_that_are_dropped_is_one_line_a_minute(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(AT_ONCE):
        await shop.store.agenda.put(Item(ItemKind.REQUEST, f"junk{number}"), shop.clock())

    await shop.work()

    assert caplog.messages == ["dropped an item"]
    assert await shop.due_in() is None


async def test_an_item_of_another_kind_goes_to_who_does_it_and_comes_back_when_they_say() -> None:
    done: list[object] = []

    async def errand(item: Item) -> datetime | None:
        done.append(item)
        return build.NOW + timedelta(days=1)

    shop = a_shop({ItemKind.HOME: errand})
    await shop.store.agenda.put(HOME, shop.clock())

    await shop.work()

    assert done == [HOME]
    assert await shop.due_in() == timedelta(days=1)


async def test_a_worker_that_has_no_room_still_turns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.worker.AT_ONCE", 0)
    assert shop.worker.turned_at is None

    assert not await shop.worker._round()

    assert (shop.worker.last_look, shop.worker.turned_at is None) == (None, False)


async def test_an_agenda_that_cannot_be_read_is_read_again(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("Redis did not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(type(shop.store.agenda), "take", away)
        assert not await shop.worker._round()
    assert caplog.messages == ["couldn't read the agenda"]
    assert shop.worker.last_look is None
    await shop.click()

    await shop.work()

    assert shop.dispatcher.clicks == [CLICK]


async def test_no_more_than_so_many_items_run_at_once_and_nobody_else_takes_them() -> None:
    gate, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def errand(_: Item) -> None:
        begun.release()
        await gate.wait()

    shop = a_shop({ItemKind.HOME: errand})
    for number in range(AT_ONCE + 1):
        await shop.store.agenda.put(Item(ItemKind.HOME, f"U{number}"), shop.clock())

    assert await shop.worker._round()
    for _ in range(AT_ONCE):
        await begun.acquire()

    assert not await shop.worker._round()
    assert len(await shop.store.agenda.take(shop.clock(), LEASE, AT_ONCE)) == 1
    gate.set()
    await asyncio.gather(*shop.worker._running)


async def test_who_is_asked_to_stop_finishes_what_was_begun() -> None:
    gate, begun, stop, done = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[object]()

    async def errand(item: Item) -> None:
        begun.set()
        await gate.wait()
        done.append(item)

    shop = a_shop({ItemKind.HOME: errand})
    await shop.store.agenda.put(HOME, shop.clock())
    running = asyncio.create_task(shop.worker.run(stop))
    await begun.wait()
    stop.set()
    shop.worker.bell.ring()
    gate.set()
    await running

    assert (done, await shop.due_in()) == ([HOME], None)


async def test_what_is_not_done_in_time_is_left_to_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stop = asyncio.Event(), asyncio.Event()

    async def errand(_: Item) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("bot.services.worker.STOPS_WITHIN", 0.01)
    shop = a_shop({ItemKind.HOME: errand})
    await shop.store.agenda.put(HOME, shop.clock())
    running = asyncio.create_task(shop.worker.run(stop))
    await begun.wait()
    stop.set()
    shop.worker.bell.ring()
    await running

    assert caplog.messages == ["stopped before an item was done; another process will do it"]
    assert await shop.due_in() == LEASE


# --- T17: leases are short, and the living renew them ---


@dataclass(slots=True)
class Pair:
    """Two processes with one store: the first is at work, and has its effect when the gate opens."""

    first: Shop
    other: Shop
    gate: asyncio.Event
    done: list[str]

    async def finish(self) -> None:
        """Let the first one go on, to its end."""
        self.gate.set()
        await asyncio.gather(*self.first.worker._running, return_exceptions=True)


@pytest.fixture
async def pair() -> AsyncGenerator[Pair]:
    gate, begun, done = asyncio.Event(), asyncio.Event(), list[str]()

    async def waits(_: Item) -> None:
        begun.set()
        await gate.wait()
        await must_hold()
        done.append("the first")

    async def at_once(_: Item) -> None:
        await must_hold()
        done.append("the other")

    first, other = a_shop({ItemKind.HOME: waits}), a_shop({ItemKind.HOME: at_once})
    other.worker.agenda, other.worker.clock, other.clock = (
        a_store(first.redis, first.clock).agenda,
        first.clock,
        first.clock,
    )
    await first.store.agenda.put(HOME, first.clock())
    assert await first.worker._round()
    await begun.wait()
    yield Pair(first, other, gate, done)
    for task in first.worker._running:
        task.cancel()


async def test_t17_work_that_takes_longer_than_its_lease_stays_with_the_living(pair: Pair) -> None:
    for _ in range(20):
        pair.first.clock.advance(RENEWED)
        await pair.first.worker._round()
        await pair.other.work()
    await pair.finish()

    assert (pair.done, await pair.first.due_in()) == (["the first"], None)


async def test_t17_the_work_of_the_dead_is_taken_after_fifteen_seconds(pair: Pair) -> None:
    assert timedelta(seconds=15) >= LEASE
    pair.first.clock.advance(LEASE)
    await pair.other.work()
    assert pair.done == []
    pair.first.clock.advance(timedelta(milliseconds=1))
    await pair.other.work()

    assert pair.done == ["the other"]


@pytest.mark.parametrize("looks_first", [True, False])
async def test_t17_who_was_paused_notices_before_any_effect_that_the_lease_is_lost(
    pair: Pair, caplog: pytest.LogCaptureFixture, *, looks_first: bool
) -> None:
    pair.first.clock.advance(LEASE + timedelta(milliseconds=1))
    await pair.other.work()
    if looks_first:
        await pair.first.worker._round()
    await pair.finish()

    assert (pair.done, await pair.first.due_in()) == (["the other"], None)
    assert "another process took over an item" in caplog.messages


@pytest.mark.parametrize("by", [LEASE - MARGIN, LEASE, timedelta(hours=30), -timedelta(hours=1)])
async def test_t17_who_was_paused_goes_on_where_nobody_took_the_work(pair: Pair, by: timedelta) -> None:
    """As when the clock jumps, also back: the lease is renewed before the effect."""
    pair.first.clock.advance(by)
    await pair.finish()

    assert (pair.done, await pair.first.due_in()) == (["the first"], None)


async def test_t17_a_clock_that_is_set_back_ends_no_lease_of_the_living(pair: Pair) -> None:
    pair.first.clock.advance(-timedelta(hours=1))
    await pair.first.worker._round()
    pair.first.clock.advance(LEASE + timedelta(milliseconds=1))
    await pair.other.work()

    assert pair.done == ["the other"]


async def test_t17_a_lease_that_cannot_be_renewed_ends_before_others_may_take_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("Redis did not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(type(pair.first.store.agenda), "renew", away)
        for _ in range(3):
            pair.first.clock.advance(RENEWED)
            await pair.first.worker._round()
        await pair.finish()

    assert pair.done == []
    failed, left = "item failed temporarily; will try again", "couldn't settle an item; its lease will expire"
    assert caplog.messages == ["couldn't renew leases", failed, left]
    assert await pair.first.due_in() is not None


async def test_t17_a_renewal_whose_answer_was_lost_ends_no_work(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    renew = RedisAgenda.renew

    async def loses_its_answer(agenda: RedisAgenda, *args: Any) -> None:
        await renew(agenda, *args)
        raise Unavailable("Redis did not answer.")

    pair.first.clock.advance(RENEWED)
    with monkeypatch.context() as broken:
        broken.setattr(RedisAgenda, "renew", loses_its_answer)
        await pair.first.worker._round()
    pair.first.clock.advance(RENEWED)
    await pair.first.worker._round()
    await pair.finish()

    assert (pair.done, await pair.first.due_in()) == (["the first"], None)


async def test_t17_what_a_process_takes_again_after_a_pause_it_does_once(pair: Pair) -> None:
    """Its former try has lost the lease to its own next one."""
    pair.first.clock.advance(LEASE + timedelta(milliseconds=1))
    former = set(pair.first.worker._running)
    leases = await pair.first.worker.agenda.take(pair.first.clock(), LEASE, 1)
    pair.gate.set()
    await asyncio.gather(*former, return_exceptions=True)

    assert (pair.done, len(leases)) == ([], 1)
    await pair.first.worker.agenda.settle(leases[0], None)
    assert await pair.first.due_in() is None
