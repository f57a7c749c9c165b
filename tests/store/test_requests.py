import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.audit import LEAP
from bot.domain.errors import Conflict, Tampered, Unavailable
from bot.domain.keys import RequestId
from bot.domain.requests import Ready, Request
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Change, Post, Stored
from bot.services.surfaces import CARD
from bot.store import Store, disk
from bot.store.keyspace import Keyspace
from tests.store.conftest import StoppedClock
from tests.store.given import ANN, BEN, NOW, SECRET, added, changed, event, pending, states
from tests.support.build import HOUR
from tests.support.stored import audit_problem, next_due, write_to_disk_again

R1 = RequestId("R1")


async def waiting(store: Store) -> Stored[Request]:
    """A request whose secret waits to be taken."""
    stored, _ = await store.requests.commit(added(states()["working"]))
    ready = replace(changed(stored, states()["ready"]), secret=SECRET, secret_until=NOW + HOUR)
    stored, _ = await store.requests.commit(ready)
    return stored


def taking(stored: Stored[Request]) -> Change:
    return replace(changed(stored, states()["revealing"]), take_secret=True, durable=True)


class Lossy:
    """A script whose answer is lost after it ran."""

    def __init__(self, script: Callable[..., Awaitable[object]], losses: int = 1) -> None:
        self._script = script
        self.losses = losses

    async def __call__(self, **sent: Any) -> object:
        reply = await self._script(**sent)
        if self.losses:
            self.losses -= 1
            raise ConnectionFailed
        return reply


@pytest.mark.parametrize("kind", sorted(states()))
async def test_every_state_is_kept(store: Store, kind: str) -> None:
    stored, secret = await store.requests.commit(added(states()[kind]))

    assert stored == Stored(states()[kind], 1)
    assert secret is None
    assert await store.requests.get(stored.value.ask.id) == stored


async def test_there_is_no_such_request(store: Store) -> None:
    assert await store.requests.get(R1) is None


async def test_a_request_is_added_once(store: Store) -> None:
    await store.requests.commit(added(pending()))

    with pytest.raises(Conflict):
        await store.requests.commit(added(pending()))


async def test_an_old_revision_loses(store: Store, other: Store) -> None:
    first, _ = await store.requests.commit(added(pending()))
    second, _ = await other.requests.commit(changed(first, states()["denied"]))

    with pytest.raises(Conflict):
        await store.requests.commit(changed(first, states()["cancelled"]))

    assert second.rev == LEAP
    assert await store.requests.get(R1) == second
    assert await lines_of(store) == ["request:submitted", "request:approved"]


async def test_of_many_at_once_one_wins(store: Store, other: Store) -> None:
    first, _ = await store.requests.commit(added(pending()))
    change = changed(first, states()["denied"])

    outcomes = await asyncio.gather(
        *(one.requests.commit(change) for one in (store, other) * 10), return_exceptions=True
    )

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes} == {tuple, Conflict}
    assert await audit_problem(store) is None


async def test_processes_share_one_audit_log(store: Store, other: Store) -> None:
    await asyncio.gather(
        *(one.requests.commit(added(pending(f"R{i}-{n}"))) for i, one in enumerate((store, other)) for n in range(20))
    )

    assert len(await lines_of(store)) == 40
    assert await audit_problem(other) is None


async def test_a_secret_is_taken_once(store: Store) -> None:
    stored = await waiting(store)

    shown, secret = await store.requests.commit(taking(stored))

    assert secret == SECRET
    with pytest.raises(Conflict):
        await store.requests.commit(taking(stored))
    _, nothing = await store.requests.commit(replace(changed(shown, states()["shown"]), take_secret=True))
    assert nothing is None


async def test_only_one_of_two_clicks_gets_the_secret(store: Store, other: Store) -> None:
    stored = await waiting(store)

    outcomes = await asyncio.gather(
        *(one.requests.commit(taking(stored)) for one in (store, other)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "tuple"]


async def test_a_secret_of_another_attempt_does_not_open(store: Store) -> None:
    stored = await waiting(store)
    assert isinstance(stored.value, Ready)
    later, _ = await store.requests.commit(changed(stored, replace(stored.value, attempt=2)))

    _, secret = await store.requests.commit(taking(later))

    assert secret is None


async def test_a_secret_is_read_without_being_taken(store: Store, other: Store) -> None:
    stored = await waiting(store)

    assert [await one.requests.secret(stored) for one in (store, other, store)] == [SECRET] * 3
    _, taken = await store.requests.commit(taking(stored))
    assert taken == SECRET


async def test_a_secret_that_was_taken_is_not_read_any_more(store: Store) -> None:
    stored = await waiting(store)
    revealing, _ = await store.requests.commit(taking(stored))

    assert await store.requests.secret(stored) is None, "by a process that has not heard of it"
    assert await store.requests.secret(revealing) is None


@pytest.mark.parametrize("kind", sorted(states().keys() - {"ready", "pair", "beside"}))
async def test_only_a_ready_request_has_a_secret_to_read(store: Store, kind: str) -> None:
    stored = await waiting(store)

    assert await store.requests.secret(Stored(states()[kind], stored.rev)) is None


async def test_a_secret_of_another_attempt_is_not_read(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    stored = await waiting(store)
    assert isinstance(stored.value, Ready)

    assert await store.requests.secret(Stored(replace(stored.value, attempt=2), stored.rev)) is None
    assert "couldn't open a sealed secret" in caplog.text
    assert SECRET.reveal() not in caplog.text


@pytest.mark.parametrize("planted", [b"", b"planted", b"cfltof0another0writer" + b"0" * 43])
async def test_a_planted_secret_is_not_read(
    store: Store, redis: Any, keys: Keyspace, planted: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await waiting(store)
    await redis.set(keys.secret(R1), planted, px=100_000)

    assert await store.requests.secret(stored) is None
    assert "another0writer" not in caplog.text


async def test_another_requests_secret_is_not_read(store: Store, redis: Any, keys: Keyspace) -> None:
    stored = await waiting(store)
    await redis.set(keys.secret(RequestId("R2")), await redis.get(keys.secret(R1)), px=100_000)
    other_ask = replace(stored.value.ask, id=RequestId("R2"))

    assert await store.requests.secret(Stored(replace(stored.value, ask=other_ask), 1)) is None


async def test_reading_a_secret_of_a_store_that_is_away_is_unavailable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await waiting(store)

    async def gone(*_: object) -> bytes:
        raise ConnectionFailed

    with monkeypatch.context() as patched:
        patched.setattr(store.requests._redis, "get", gone)
        with pytest.raises(Unavailable):
            await store.requests.secret(stored)


async def test_a_secret_outlives_its_deadline_by_a_day_and_no_more(store: Store, redis: Any, keys: Keyspace) -> None:
    await waiting(store)

    left = timedelta(milliseconds=await redis.pttl(keys.secret(R1)))

    assert HOUR + timedelta(hours=23) < left <= HOUR + timedelta(days=1)


async def test_a_secret_needs_a_deadline(store: Store) -> None:
    with pytest.raises(ValueError, match="until"):
        await store.requests.commit(replace(added(states()["ready"]), secret=SECRET))


async def test_a_change_sets_when_the_request_is_due(store: Store) -> None:
    stored, _ = await store.requests.commit(added(pending()))
    due = [str(lease.item) for lease in await store.agenda.take(NOW + 2 * HOUR, HOUR, 10)]
    await store.requests.commit(replace(changed(stored, states()["denied"]), due=None))

    assert due == ["request:R1"]
    assert await next_due(store) is None


async def test_further_items_are_never_put_off(store: Store) -> None:
    await store.agenda.put(Item(ItemKind.CATALOG), NOW + HOUR)
    names = {"sweep:R1/2": NOW + 2 * HOUR, "catalog": NOW + 3 * HOUR, "click:C1": NOW}
    also = {Item.parse(name): due for name, due in names.items()}
    await store.agenda.put(Item.parse("click:C1"), NOW + HOUR)

    await store.requests.commit(replace(added(pending()), due=None, also=also))

    later = NOW + timedelta(seconds=1)
    taken = [await store.agenda.take(later + hours * HOUR, 24 * HOUR, 10) for hours in (0, 1, 2)]
    assert [[str(lease.item) for lease in leases] for leases in taken] == [["click:C1"], ["catalog"], ["sweep:R1/2"]]


async def test_lists_are_in_order_and_hold_what_they_should(store: Store) -> None:
    for number, by in enumerate((ANN, BEN, ANN, ANN)):
        await store.requests.commit(added(pending(f"R{number}", by, NOW + number * HOUR)))
    stored = await store.requests.get(RequestId("R2"))
    assert stored is not None
    decided = replace(states()["cancelled"], ask=stored.value.ask)
    await store.requests.commit(changed(stored, decided))

    assert [one.value.ask.id for one in await store.requests.of_requester(ANN.slack, 2)] == ["R3", "R2"]
    assert [one.value.ask.id for one in await store.requests.pending(2)] == ["R0", "R1"]
    assert [one.value.ask.id for one in await store.requests.pending(9)] == ["R0", "R1", "R3"]


async def test_the_oldest_of_very_many_requests_leave_the_list(
    store: Store, redis: Any, keys: Keyspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.requests.MOST_OF_ONE", 2)
    for number in (1, 2, 3):
        await store.requests.commit(added(pending(f"R{number}", at=NOW + timedelta(days=401 * number))))

    assert await redis.zrange(keys.requests_of(ANN.slack), 0, -1) == [b"R2", b"R3"]


async def test_messages_are_remembered_as_long_as_their_request_is_looked_at(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await store.posts.put(R1, Post(CARD, "C01", "1.0", "digest"))
    await redis.pexpire(keys.posts(R1), 1000)

    (post,) = await store.posts.get(R1)

    assert post.ts == "1.0"
    assert await redis.pttl(keys.posts(R1)) > timedelta(days=399) / timedelta(milliseconds=1)
    assert await store.posts.get(RequestId("R9")) == []


async def test_a_planted_index_entry_shows_nobody_elses_request(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.requests.commit(added(pending("R1", BEN)))
    await redis.zadd(keys.requests_of(ANN.slack), {"R1": 1, "R9": 2})
    await redis.pexpire(keys.requests_of(ANN.slack), 1000)

    assert await store.requests.of_requester(ANN.slack, 9) == []


async def test_one_bad_record_does_not_hide_the_others(store: Store, redis: Any, keys: Keyspace) -> None:
    for request in ("R1", "R2"):
        await store.requests.commit(added(pending(request)))
    await redis.hset(keys.request(R1), "body", b"planted")

    assert [one.value.ask.id for one in await store.requests.pending(9)] == ["R2"]


@pytest.mark.parametrize(
    "planted", [{"body": b"planted"}, {"rev": b"2"}, {"rev": b""}, {"rev": b"\xff"}, {"rev": b"01"}]
)
async def test_a_changed_record_does_not_open(
    store: Store, redis: Any, keys: Keyspace, planted: dict[str, bytes]
) -> None:
    await store.requests.commit(added(pending()))
    await redis.hset(keys.request(R1), mapping=planted)

    with pytest.raises(Tampered):
        await store.requests.get(R1)


async def test_t9_a_secret_that_was_replaced_is_lost_and_keeps_no_key_alive(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    ready = await waiting(store)
    await redis.delete(keys.secret(R1))
    await redis.sadd(keys.secret(R1), "planted")
    await redis.pexpire(keys.secret(R1), 100_000)

    assert await store.requests.secret(ready) is None


async def test_two_swapped_records_do_not_open(store: Store, redis: Any, keys: Keyspace) -> None:
    ids = [RequestId("R1"), RequestId("R2")]
    for request in ids:
        await store.requests.commit(added(pending(request)))
    one, two = [await redis.hgetall(keys.request(request)) for request in ids]
    await redis.hset(keys.request(ids[0]), mapping=two)
    await redis.hset(keys.request(ids[1]), mapping=one)

    for request in ids:
        with pytest.raises(Tampered):
            await store.requests.get(request)


@pytest.mark.parametrize("position", range(4))
async def test_a_planted_key_of_another_kind_stops_the_whole_change(
    store: Store, redis: Any, keys: Keyspace, position: int
) -> None:
    planted = [keys.request(R1), keys.agenda, keys.audit, keys.audit_head][position]
    await redis.sadd(planted, "planted")
    await redis.pexpire(planted, 100_000)

    with pytest.raises(Tampered):
        await store.requests.commit(added(pending()))

    assert await redis.keys() == [planted.encode()]


async def test_a_lost_answer_is_not_a_conflict(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.requests, "_script", Lossy(store.requests._script))

    stored, _ = await store.requests.commit(replace(added(pending()), durable=True))

    assert await store.requests.get(R1) == stored
    assert await lines_of(store) == ["request:submitted"]
    await store.requests.commit(changed(stored, states()["denied"]))
    assert await audit_problem(store) is None


async def test_a_secret_whose_answer_was_lost_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await waiting(store)
    monkeypatch.setattr(store.requests, "_script", Lossy(store.requests._script))

    revealing, secret = await store.requests.commit(taking(stored))

    assert (revealing.rev, secret) == (2 * LEAP, None)


async def test_an_answer_lost_twice_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.requests, "_script", Lossy(store.requests._script, losses=2))

    with pytest.raises(Unavailable):
        await store.requests.commit(added(pending()))

    assert await store.requests.get(R1) == Stored(pending(), 1)


async def test_a_change_without_events_leaves_the_audit_log_alone(store: Store) -> None:
    await store.requests.commit(replace(added(pending()), events=()))

    assert await lines_of(store) == []


async def test_several_events_go_with_one_change(store: Store) -> None:
    await store.requests.commit(added(pending(), event(), event(), event()))

    assert len(await lines_of(store)) == 3
    assert await audit_problem(store) is None


async def test_a_durable_write_is_waited_for(stored_here: Store, real: Any) -> None:
    await stored_here.requests.commit(replace(added(pending()), durable=True))

    assert (await real.info("commandstats"))["cmdstat_waitaof"]["calls"] >= 1


async def test_a_durable_write_that_is_not_on_disk_in_time_is_told(
    stored_here: Store, real: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "DISK_MS", 10)
    await real.config_set("appendfsync", "no")
    try:
        with pytest.raises(Unavailable, match="not on disk"):
            await stored_here.requests.commit(replace(added(pending()), durable=True))
    finally:
        await real.config_set("appendfsync", "always")

    assert await stored_here.requests.get(R1) == Stored(pending(), 1)


async def waits(real: Any) -> int:
    """How often the disk was waited for, refusals included."""
    asked = (await real.info("commandstats")).get("cmdstat_waitaof", {"calls": 0, "rejected_calls": 0})
    return int(asked["calls"] + asked["rejected_calls"])


async def test_t12_r11_a_refused_wait_for_the_disk_is_asked_again_after_a_minute(
    stored_here: Store, real: Any, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def intend(number: int) -> int:
        before = await waits(real)
        await stored_here.requests.commit(replace(added(pending(f"R{number}")), durable=True))
        return await waits(real) - before

    assert await stored_here.disk.problem(real) is None
    await real.config_set("appendonly", "no")
    try:
        assert [await intend(1), await intend(2)] == [1, 0]
        assert caplog.messages == ["steps don't wait for the disk"]
        assert "appendonly is disabled" in str(await stored_here.disk.problem(real))
    finally:
        await write_to_disk_again(real)

    assert await intend(3) == 0
    clock.now += timedelta(minutes=1)
    assert [await intend(4), await intend(5)] == [1, 1]
    assert await stored_here.disk.problem(real) is None


async def test_t12_who_asks_about_the_disk_learns_at_once_that_it_is_waited_for_again(
    stored_here: Store, real: Any
) -> None:
    await real.config_set("appendonly", "no")
    try:
        await stored_here.requests.commit(replace(added(pending()), durable=True))
    finally:
        await write_to_disk_again(real)

    assert await stored_here.disk.problem(real) is None


async def test_t12_a_master_that_became_a_replica_before_the_wait_has_no_effect(
    stored_here: Store, real: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = stored_here.requests._script

    async def demoted(**words: Any) -> object:
        reply = await script(**words)
        await real.replicaof("127.0.0.1", 1)
        return reply

    monkeypatch.setattr(stored_here.requests, "_script", demoted)
    try:
        with pytest.raises(Unavailable, match="replica"):
            await stored_here.requests.commit(replace(added(pending()), durable=True))
    finally:
        await real.replicaof("NO", "ONE")


async def test_t12_a_server_without_that_command_is_asked_once(store: Store, redis: Any, server: str | None) -> None:
    if server:
        assert await store.disk.problem(redis) is None
    else:
        assert "7.2" in str(await store.disk.problem(redis))
        assert store.disk._ask_at is None


async def lines_of(store: Store) -> list[object]:
    return [line["action"] async for line in store.audit.read()]
