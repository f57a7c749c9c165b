from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.keys import SlackUserId
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Lease
from bot.store import Store, agenda
from bot.store.agenda import RedisAgenda
from bot.store.keyspace import Keyspace
from bot.store.moments import EPOCH, ceil_ms, floor_ms, from_ms, lifetime_ms
from tests.store.given import NOW, added, event, pending
from tests.support.build import HOUR
from tests.support.stored import next_due

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
A, B = Item(ItemKind.CLICK, "a"), Item(ItemKind.CLICK, "b")
ANN, BEN = SlackUserId("U01"), SlackUserId("U02")


async def items(store: Store, now: Any, limit: int = 10) -> list[str]:
    return [lease.item.id for lease in await store.agenda.take(now, MINUTE, limit)]


async def test_items_are_taken_when_they_are_due(store: Store) -> None:
    for name, hours in (("b", 2), ("a", 1), ("c", 3)):
        await store.agenda.put(Item(ItemKind.CLICK, name), NOW + hours * HOUR)

    assert await items(store, NOW) == []
    assert sorted(await items(store, NOW + 2 * HOUR + MINUTE)) == ["a", "b"]


async def test_no_more_are_taken_than_asked_for(store: Store) -> None:
    for name in "abc":
        await store.agenda.put(Item(ItemKind.CLICK, name), NOW)

    assert len(first := await items(store, NOW + HOUR, limit=2)) == 2
    assert sorted(first + await items(store, NOW + HOUR, limit=2)) == ["a", "b", "c"]


@pytest.mark.parametrize("room", [1, 4])
async def test_t9_what_is_due_now_does_not_wait_behind_any_number_of_items(
    store: Store, redis: Any, keys: Keyspace, room: int
) -> None:
    await redis.zadd(keys.agenda, {f"request:junk{n}": 0 for n in range(5_000)})
    await store.agenda.put(A, NOW)

    taken = [*await items(store, NOW + HOUR, room), *await items(store, NOW + HOUR, room)]

    assert "a" in taken
    assert "junk0" in taken


async def test_t9_a_value_of_another_type_in_the_place_of_leases_stops_nobody(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await redis.set(keys.leases, "planted", px=100_000)
    await store.agenda.put(A, NOW)

    assert await items(store, NOW + HOUR) == ["a"]


async def test_a_taken_item_is_nobody_elses_until_its_lease_ends(store: Store, other: Store) -> None:
    await store.agenda.put(A, NOW)

    (lease,) = await store.agenda.take(NOW + MICROSECOND * 1000, MINUTE, 1)

    assert await items(other, lease.until) == []
    assert await items(other, lease.until + timedelta(milliseconds=1)) == ["a"]


async def test_an_item_is_never_taken_before_it_is_due(store: Store) -> None:
    await store.agenda.put(A, NOW)

    assert await items(store, NOW) == []
    assert await items(store, NOW + timedelta(milliseconds=1)) == ["a"]


async def test_a_settled_item_is_gone_or_due_again(store: Store) -> None:
    for name in "ab":
        await store.agenda.put(Item(ItemKind.CLICK, name), NOW)
    gone, again = sorted(await store.agenda.take(NOW + MINUTE, MINUTE, 2), key=lambda lease: lease.item.id)

    await store.agenda.settle(gone, None)
    await store.agenda.settle(again, NOW + HOUR)

    assert await items(store, NOW + 2 * HOUR) == ["b"]
    assert await next_due(store) is not None


@pytest.mark.parametrize("due", [None, NOW + 5 * HOUR])
async def test_settling_leaves_a_rescheduled_item_alone(store: Store, due: Any) -> None:
    await store.agenda.put(A, NOW)
    (lease,) = await store.agenda.take(NOW + MINUTE, HOUR, 1)
    await store.agenda.put(A, NOW + MINUTE)

    await store.agenda.settle(lease, due)

    assert await items(store, NOW + 2 * MINUTE) == ["a"]


async def test_an_item_due_when_the_lease_ends_is_not_taken_for_the_lease(store: Store) -> None:
    await store.agenda.put(A, NOW)
    (lease,) = await store.agenda.take(NOW + MINUTE, MINUTE, 1)
    await store.agenda.put(A, lease.until)

    await store.agenda.settle(lease, None)

    assert await next_due(store) == lease.until


async def test_a_late_settle_does_not_touch_the_next_lease(store: Store, other: Store) -> None:
    await store.agenda.put(A, NOW)
    (late,) = await store.agenda.take(NOW + MINUTE, MINUTE, 1)
    (lease,) = await other.agenda.take(NOW + HOUR, MINUTE, 1)

    await store.agenda.settle(late, None)

    assert await next_due(store) == lease.until


async def test_t33_a_lease_for_days_that_somebody_planted_holds_no_item(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await store.agenda.put(A, NOW)
    await redis.hset(keys.leases, "a", f"{floor_ms(NOW + timedelta(days=9))}.1")

    assert await items(store, NOW + MINUTE) == ["a"]


async def test_settling_what_is_not_there_does_nothing(store: Store) -> None:
    await store.agenda.settle(Lease(A, NOW, "1"), NOW)

    assert await next_due(store) is None


async def test_put_never_puts_off(store: Store) -> None:
    await store.agenda.put(A, from_ms(floor_ms(NOW)))
    await store.agenda.put(A, NOW + HOUR)

    assert await next_due(store) == from_ms(floor_ms(NOW))


def test_moments_are_rounded_to_the_safe_side() -> None:
    assert (floor_ms(EPOCH + MICROSECOND), ceil_ms(EPOCH + MICROSECOND)) == (0, 1)
    assert floor_ms(from_ms(1)) == ceil_ms(from_ms(1)) == 1


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(days=-1), MICROSECOND])
def test_a_lifetime_is_positive(lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match="positive"):
        lifetime_ms(lifetime)


def test_a_day_is_a_day() -> None:
    assert lifetime_ms(timedelta(days=1)) == 86_400_000


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Item(ItemKind.REQUEST, "R1"), b"request:R1"),
        (Item(ItemKind.CLICK, "C1"), b"click:C1"),
        (Item(ItemKind.SWEEP, "R1", 2), b"sweep:R1/2"),
        (Item(ItemKind.ACCOUNT, "R1"), b"account:R1"),
        (Item(ItemKind.GONE, "R1"), b"gone:R1"),
        (Item(ItemKind.STRAY), b"stray:"),
        (Item(ItemKind.STRAY, "token"), b"stray:token"),
        (Item(ItemKind.HOME, "U0DANA"), b"home:U0DANA"),
        (Item(ItemKind.CATALOG), b"catalog"),
        (Item(ItemKind.REVIEW), b"review:"),
        (Item(ItemKind.REVIEW, "sa-1"), b"review:sa-1"),
        (Item(ItemKind.REVIEW, "="), b"review:="),
        (Item(ItemKind.REVIEW_PAGE), b"review:@"),
        (Item(ItemKind.REVIEW_PAGE, "token/2"), b"review:@token/2"),
        (Item(ItemKind.REVIEW_REDRAW, "sa-1"), b"review:~sa-1"),
        (Item(ItemKind.REVIEW_CHANNEL), b"review-channel"),
    ],
)
async def test_an_item_keeps_the_name_under_which_older_versions_stored_it(
    store: Store, redis: Any, item: Item, name: bytes
) -> None:
    await store.agenda.put(item, NOW)

    assert await redis.zrange("lk:{T01}:agenda", 0, -1) == [name]
    assert [lease.item for lease in await store.agenda.take(NOW + HOUR, MINUTE, 1)] == [item]


async def test_r1_an_item_whose_request_is_there_is_not_dropped_on_the_word_of_a_former_master(store: Store) -> None:
    await store.requests.commit(added(pending()))
    for item in (Item(ItemKind.ACCOUNT, "R1"), Item(ItemKind.ACCOUNT, "R2")):
        await store.agenda.put(item, NOW)

    for lease in await store.agenda.take(NOW + MINUTE, MINUTE, 9):
        await store.agenda.drop(lease, NOW + HOUR)

    assert await items(store, NOW + HOUR) == []
    due = await store.agenda.take(NOW + HOUR + MINUTE, MINUTE, 9)
    assert {str(lease.item) for lease in due} == {"account:R1", "request:R1"}


@pytest.mark.parametrize(
    "name",
    ["sweep:", "sweep:R1", "sweep:R1/01", "sweep:R1/-1", "sweep:R1/1/2"],
)
async def test_what_latchkey_did_not_write_is_no_item_and_can_be_dropped(store: Store, redis: Any, name: str) -> None:
    await redis.zadd("lk:{T01}:agenda", {name: 0})

    (lease,) = await store.agenda.take(NOW, MINUTE, 1)
    await store.agenda.settle(lease, None)

    assert lease.item.kind is ItemKind.UNKNOWN
    assert await redis.zcard("lk:{T01}:agenda") == 0


# --- who opened Home lately ---


async def test_those_who_came_since_are_known_to_every_process(store: Store, other: Store) -> None:
    await store.homes.came(ANN, NOW)
    await store.homes.came(BEN, NOW - 3 * HOUR)

    assert await other.homes.since(NOW - HOUR) == {ANN}
    assert await other.homes.since(NOW - 3 * HOUR) == {ANN, BEN}


async def test_a_later_visit_counts(store: Store) -> None:
    await store.homes.came(ANN, NOW - 3 * HOUR)
    await store.homes.came(ANN, NOW)

    assert await store.homes.since(NOW) == {ANN}


async def test_a_visit_of_long_ago_is_forgotten_with_the_next_one(store: Store) -> None:
    await store.homes.came(ANN, NOW)
    await store.homes.came(BEN, NOW + timedelta(days=3))

    assert await store.homes.since(NOW - HOUR) == {BEN}


async def test_of_very_many_the_latest_are_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agenda, "MOST_VISITORS", 3)
    for number in range(5):
        await store.homes.came(SlackUserId(f"U{number}"), NOW + number * HOUR)

    assert await store.homes.since(NOW) == {"U2", "U3", "U4"}


async def test_what_others_write_there_is_nobody(store: Store, redis: Any, keys: Any) -> None:
    await store.homes.came(ANN, NOW)
    await redis.zadd(keys.homes, {b"\xff\xfe": NOW.timestamp() * 1000})

    assert ANN in await store.homes.since(NOW)


@pytest.mark.parametrize("name", ["", ":", "a", "a:b", "catalog:", "catalogs", "later:R1", "sweep", "later"])
async def test_t8_an_item_of_an_unknown_kind_is_left_to_who_knows_it(
    store: Store, redis: Any, keys: Keyspace, name: str
) -> None:
    newer = RedisAgenda(redis, keys, (*filter(None, ItemKind), "later:", "later"))
    await redis.zadd(keys.agenda, {name: 0})
    await store.agenda.put(A, NOW)

    assert await items(store, NOW + HOUR) == await items(store, NOW + HOUR + 2 * MINUTE) == ["a"]
    found = [lease.item for lease in await newer.take(NOW + 2 * HOUR, MINUTE, 9)]

    assert sorted(map(str, found)) == sorted({"click:a"} | ({name} & {"later:R1", "later"}))
    assert await redis.zcard(keys.aside) == 2 - len(found)


async def test_t9_any_number_of_items_of_unknown_kinds_is_put_aside_and_told_once(
    store: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.zadd(keys.agenda, {f"junk{n}": n for n in range(5_000)})
    await store.agenda.put(A, NOW)

    assert [await items(store, NOW + HOUR) for _ in range(4)] == [["a"], [], [], []]

    assert await redis.zcard(keys.agenda) == 1
    assert caplog.messages == ["left items to a newer version"]


async def test_what_is_written_of_a_tally_that_expired_meanwhile_leaves_nothing_behind(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    refused = Item(ItemKind.REFUSAL, "1")
    await store.refusals.count(refused, event(), NOW)
    await store.refusals.count(refused, event(), NOW)
    assert await store.refusals.counted(refused, NOW) == (event(), 1)
    await redis.delete(keys.refusal(refused.id))

    assert not await store.refusals.told(refused, 1, event())
    assert await redis.exists(keys.refusal(refused.id)) == 0


# --- T17: leases are short, and the living renew them ---


WHOLE = from_ms(ceil_ms(NOW))


async def test_t17_a_lease_that_is_renewed_is_nobody_elses(store: Store, other: Store) -> None:
    await store.agenda.put(A, WHOLE)
    (lease,) = await store.agenda.take(WHOLE, MINUTE, 1)

    (again,) = await store.agenda.renew([lease], WHOLE + MINUTE / 2, MINUTE)

    assert again == Lease(A, WHOLE + MINUTE / 2 + MINUTE, lease.token)
    assert await items(other, WHOLE + MINUTE) == []
    await store.agenda.settle(again, WHOLE + HOUR)
    assert await items(other, WHOLE + HOUR) == ["a"]


async def test_t17_a_lease_that_somebody_else_took_is_lost(store: Store, other: Store) -> None:
    await store.agenda.put(A, WHOLE)
    await store.agenda.put(B, WHOLE)
    lease, kept = sorted(await store.agenda.take(WHOLE, MINUTE, 2), key=str)
    (kept,) = await store.agenda.renew([kept], WHOLE + MINUTE, MINUTE)
    (theirs,) = await other.agenda.take(WHOLE + MINUTE * 2 - MINUTE / 2, MINUTE, 2)

    assert [each.item for each in await store.agenda.renew([lease, kept], theirs.until - MINUTE, MINUTE)] == [B]
    assert await other.agenda.renew([theirs], WHOLE + MINUTE * 2, MINUTE) != []
    await store.agenda.settle(lease, None)
    assert await items(other, WHOLE + HOUR) == ["a", "b"]


async def test_t17_a_lease_is_settled_also_after_a_renewal_whose_answer_was_lost(store: Store, other: Store) -> None:
    await store.agenda.put(A, WHOLE)
    (lease,) = await store.agenda.take(WHOLE, MINUTE, 1)
    await store.agenda.renew([lease], WHOLE + MINUTE / 2, MINUTE)

    await store.agenda.settle(lease, None)

    assert await next_due(store) is None
    assert await other.agenda.renew([lease], WHOLE, MINUTE) == []


async def test_t17_what_is_rescheduled_while_its_lease_is_renewed_is_due_as_soon_as_that_ends(store: Store) -> None:
    await store.agenda.put(A, WHOLE)
    (lease,) = await store.agenda.take(WHOLE, MINUTE, 1)
    await store.agenda.put(A, WHOLE)  # earlier than the end of the lease

    (again,) = await store.agenda.renew([lease], WHOLE, MINUTE)
    assert await items(store, WHOLE) == []
    await store.agenda.settle(again, None)

    assert await items(store, WHOLE) == ["a"]


async def test_a_lease_that_an_older_version_took_without_a_token_holds_to_its_end(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await redis.hset(keys.leases, str(A), ceil_ms(WHOLE + MINUTE))
    await redis.pexpire(keys.leases, 100_000)
    await store.agenda.put(A, WHOLE)

    assert await items(store, WHOLE + MINUTE / 2) == []
    assert await items(store, WHOLE + MINUTE) == ["a"]


async def test_a_backlog_is_looked_at_only_until_there_is_no_room(stored_here: Store, real: Any) -> None:
    for number in range(300):
        await stored_here.agenda.put(Item(ItemKind.CLICK, f"C{number}"), NOW - HOUR)
    await real.config_resetstat()

    assert len(await stored_here.agenda.take(NOW, HOUR, 4)) == 4

    assert (await real.info("commandstats"))["cmdstat_zscore"]["calls"] <= 8


# ------------------------------------------------------------------------------------------------------------- the load


async def test_the_load_tells_what_waits_and_for_how_long(store: Store, redis: Any, keys: Keyspace) -> None:
    for name, due in (("a", NOW), ("b", NOW + MINUTE), ("c", NOW + HOUR)):
        await store.agenda.put(Item(ItemKind.CLICK, name), due)
    await redis.zadd(keys.pending, {"r1": ceil_ms(NOW - HOUR), "r2": ceil_ms(NOW)})
    await redis.zadd(keys.aside, {"newer:x": 0})
    for index in (keys.pending, keys.aside):
        await redis.pexpire(index, lifetime_ms(HOUR))
    await redis.set(keys.cache("catalog"), b"", px=lifetime_ms(23 * HOUR))

    load = await store.load.read(NOW + 2 * MINUTE, 24 * HOUR)

    assert (load.items, load.due, round(load.lag)) == (3, 2, 120)
    assert (load.pending, round(load.oldest), load.aside) == (2, 3600 + 120, 1)
    read_at = (NOW + 2 * MINUTE - HOUR).timestamp()
    assert read_at - 60 < load.catalog_at <= read_at, "within the minute that this test may take"


async def test_an_empty_store_and_a_plan_for_later_are_no_load(store: Store) -> None:
    assert replace(await store.load.read(NOW, 24 * HOUR), seconds=0) == agenda.Load()

    await store.agenda.put(A, NOW + HOUR)

    assert (await store.load.read(NOW, 24 * HOUR)).lag == 0


async def test_what_is_worked_on_is_due_when_its_lease_ends(store: Store) -> None:
    await store.agenda.put(A, NOW)
    (lease,) = await store.agenda.take(NOW + MINUTE, MINUTE, 1)

    assert (await store.load.read(NOW + MINUTE, 24 * HOUR)).due == 0
    assert round((await store.load.read(lease.until + MINUTE, 24 * HOUR)).lag) == 60
