"""Clicks, drafts, messages and cached copies."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.errors import Tampered, Unavailable
from bot.domain.keys import Principal, RequestId
from bot.domain.roles import Binding
from bot.services.commands import HELD, Approve, Click, Draft, ReplyTo
from bot.services.ports.store import Post
from bot.services.surfaces import APPROVERS, CARD, Surface, SurfaceKind, claim_of, key_of, lost_of, told_of
from bot.store import Store, disk, inbox
from bot.store.keyspace import Keyspace
from bot.store.sealing import Purpose, SealContext, Sealer
from tests.store.conftest import StoppedClock
from tests.store.given import ANN, BEN, NOW, RESPONSE_URL
from tests.support.build import HOUR, TEAM

R1 = RequestId("R1")
CLICK = Click("C1", ANN.slack, TEAM, NOW, Approve(R1), ReplyTo(RESPONSE_URL, "C01"))
FORM = Draft(owner="me", name="orders", reason="why")
POST = Post(CARD, "C01", "1700000000.000100", "digest")
BINDINGS = (Binding(Principal("u-ann001"), "Operator", "crn://confluent.cloud/organization=o-1"),)


async def test_a_click_is_stored_and_due_at_once(store: Store) -> None:
    assert await store.inbox.put(CLICK, NOW)

    assert await store.inbox.get("C1") == CLICK
    assert [str(lease.item) for lease in await store.agenda.take(NOW, HOUR, 9)] == ["click:C1"]


async def test_the_same_click_again_is_told(store: Store, other: Store) -> None:
    assert await store.inbox.put(CLICK, NOW)
    assert not await other.inbox.put(CLICK, NOW)

    await store.inbox.done("C1")

    assert not await other.inbox.put(CLICK, NOW)
    assert await store.inbox.get("C1") is None


async def test_a_click_whose_answer_was_lost_is_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = store.inbox._receive
    lost = [True]

    async def lossy(**sent: Any) -> object:
        reply = await receive(**sent)
        if lost.pop() if lost else False:
            raise ConnectionFailed
        return reply

    monkeypatch.setattr(store.inbox, "_receive", lossy)

    assert await store.inbox.put(CLICK, NOW)


async def test_clicks_that_come_together_are_each_stored_or_told(store: Store, redis: Any, keys: Keyspace) -> None:
    clicks = [replace(CLICK, id=f"C{number}") for number in range(9)]
    await store.inbox.put(clicks[3], NOW)
    await redis.hset(keys.click("C5"), "of another", "kind")
    await redis.pexpire(keys.click("C5"), 1000)

    stored = await asyncio.gather(*(store.inbox.put(each, NOW) for each in clicks), return_exceptions=True)

    assert [type(each) if isinstance(each, Exception) else each for each in stored] == [
        Tampered if number == 5 else number != 3 for number in range(9)
    ]
    due = {str(lease.item) for lease in await store.agenda.take(NOW, HOUR, 99)}
    assert due == {f"click:C{number}" for number in range(9) if number != 5}


async def test_clicks_that_come_together_wait_for_the_disk_once(stored_here: Store, real: Any) -> None:
    await stored_here.inbox.put(CLICK, NOW)
    before = (await real.info("commandstats"))["cmdstat_waitaof"]["calls"]

    await asyncio.gather(*(stored_here.inbox.put(replace(CLICK, id=f"D{number}"), NOW) for number in range(50)))

    assert (await real.info("commandstats"))["cmdstat_waitaof"]["calls"] - before == 1


@pytest.mark.parametrize("how", ["new", "sent twice", "delivered twice"])
async def test_a_click_that_is_not_on_disk_in_time_is_told(
    stored_here: Store, real: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(disk, "DISK_MS", 10)
    receive, lost = stored_here.inbox._receive, [how == "sent twice"]

    async def lossy(**sent: Any) -> object:
        client = sent.pop("client")
        if lost.pop() if lost else False:
            await receive(**sent)
            raise ConnectionFailed
        return await receive(**sent, client=client)

    monkeypatch.setattr(stored_here.inbox, "_receive", lossy)
    if how == "delivered twice":
        await stored_here.inbox.put(CLICK, NOW)
    await real.config_set("appendfsync", "no")
    try:
        with pytest.raises(Unavailable, match="not on disk"):
            await stored_here.inbox.put(CLICK, NOW)
    finally:
        await real.config_set("appendfsync", "always")


async def test_a_click_that_waits_is_written_down_again_unless_it_was_carried_out(store: Store, other: Store) -> None:
    assert await store.inbox.put(CLICK, NOW)
    again = replace(CLICK, tries=1)

    await store.inbox.keep(again, HOUR)
    assert await other.inbox.get("C1") == again

    await other.inbox.done("C1")
    await store.inbox.keep(again, HOUR)  # by a process that was slow

    assert await store.inbox.get("C1") is None
    assert not await store.inbox.put(CLICK, NOW)


async def test_r1_a_click_that_a_failover_lost_is_tried_again_by_whom_it_failed_for(store: Store, redis: Any) -> None:
    await store.inbox.put(CLICK, NOW)
    (lease,) = await store.agenda.take(NOW, HOUR, 9)
    await redis.flushall()  # the new master had neither the click nor its place on the agenda

    await store.inbox.keep(replace(CLICK, tries=1), HOUR, NOW + HOUR)
    await store.agenda.settle(lease, NOW + HOUR)

    assert await store.agenda.take(NOW, HOUR, 9) == []
    assert [each.item for each in await store.agenda.take(NOW + 2 * HOUR, HOUR, 9)] == [lease.item]


async def test_a_click_that_is_written_down_again_keeps_the_place_that_it_has(store: Store) -> None:
    await store.inbox.put(CLICK, NOW)
    (lease,) = await store.agenda.take(NOW, HOUR, 9)

    await store.inbox.keep(replace(CLICK, tries=1), HOUR, NOW)

    assert await store.agenda.take(NOW, HOUR, 9) == [], "it is held"
    await store.agenda.settle(lease, NOW + 2 * HOUR)
    assert await store.agenda.take(NOW + HOUR, HOUR, 9) == []
    assert [each.item for each in await store.agenda.take(NOW + 3 * HOUR, HOUR, 9)] == [lease.item]


async def test_r1_a_click_leaves_the_agenda_in_the_write_that_says_it_is_done(store: Store, redis: Any) -> None:
    await store.inbox.put(CLICK, NOW)
    (lease,) = await store.agenda.take(NOW, HOUR, 9)

    await store.inbox.done("C1")  # the last write that a failover left

    assert (await store.inbox.get("C1"), await redis.zcard(store.keys.agenda)) == (None, 0)
    assert not await redis.exists(store.keys.leases), "it is held by nobody, if its process ends here"
    await store.agenda.settle(lease, NOW)
    assert await store.agenda.take(NOW + 2 * HOUR, HOUR, 9) == []


async def test_r1_a_click_that_is_stored_keeps_its_place_though_someone_did_not_see_it(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await store.inbox.put(CLICK, NOW)

    await store.inbox.drop("C1")  # by who read it at the former master
    assert [str(lease.item) for lease in await store.agenda.take(NOW, HOUR, 9)] == ["click:C1"]

    await redis.delete(keys.click("C1"))
    await store.inbox.drop("C1")
    assert await store.agenda.take(NOW + 2 * HOUR, HOUR, 9) == []


async def test_clicks_that_lost_their_place_on_the_agenda_get_it_back(
    store: Store, redis: Any, keys: Keyspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SCANNED", 2)
    for number in range(5):
        await store.inbox.put(replace(CLICK, id=f"C{number}"), NOW)
    await store.inbox.keep(replace(CLICK, id=f"{HELD}C1"), HOUR)  # waits for a person
    await redis.hset(keys.click("C7"), "of another", "kind")
    await redis.pexpire(keys.click("C7"), 1000)
    await store.inbox.done("C0")
    await redis.zadd(keys.agenda, {"click:C1": 5})
    await redis.zrem(keys.agenda, "click:C2", "click:C3", "click:C4")

    assert [await store.inbox.put_back(NOW), await store.inbox.put_back(NOW)] == [3, 0]

    due = {str(lease.item) for lease in await store.agenda.take(NOW, HOUR, 9)}
    assert due == {f"click:C{number}" for number in (1, 2, 3, 4)}


async def test_a_form_that_waits_for_a_decision_is_kept_and_not_due(store: Store) -> None:
    await store.inbox.keep(CLICK, HOUR)

    assert await store.inbox.get("C1") == CLICK
    assert await store.agenda.take(NOW, HOUR, 9) == []


async def test_a_click_is_only_itself(store: Store, redis: Any, keys: Keyspace) -> None:
    for click in ("C1", "C2"):
        await store.inbox.put(replace(CLICK, id=click), NOW)
    await redis.copy(keys.click("C1"), keys.click("C2"), replace=True)

    with pytest.raises(Tampered):
        await store.inbox.get("C2")


async def test_clicks_and_drafts_are_forgotten_after_a_day(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.inbox.put(CLICK, NOW)
    await store.drafts.put("D1", ANN.slack, FORM)
    before = await redis.pttl(keys.click("C1"))
    await store.inbox.done("C1")

    assert 86_390_000 < before <= 86_400_000
    assert 86_390_000 < await redis.pttl(keys.click("C1")) <= 86_400_000
    assert 86_390_000 < await redis.pttl(keys.draft("D1")) <= 86_400_000


async def test_a_draft_is_its_writers_alone(store: Store) -> None:
    await store.drafts.put("D1", ANN.slack, FORM)

    assert await store.drafts.get("D1", ANN.slack) == FORM
    assert await store.drafts.get("D1", BEN.slack) is None
    assert await store.drafts.get("D2", ANN.slack) is None


async def test_a_message_has_one_record(store: Store) -> None:
    other = replace(POST, ts="1700000000.000200", broken="channel_not_found")
    for post in (POST, other, replace(POST, digest="newer")):
        await store.posts.put(R1, post)

    assert await store.posts.get(R1) == [replace(POST, digest="newer"), other]
    assert await store.posts.get(RequestId("R2")) == []


async def test_a_planted_message_is_left_out(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.posts.put(R1, POST)
    sealed = await redis.hget(keys.posts(R1), f"{POST.channel}|{POST.ts}")
    await redis.hset(keys.posts(R1), "C09|1", sealed)

    assert await store.posts.get(R1) == [POST]


@pytest.mark.parametrize(
    ("surface", "name"),
    [
        *((Surface(kind), kind.value) for kind in (SurfaceKind.CARD, SurfaceKind.ASKED, SurfaceKind.OUTCOME)),
        *((Surface(kind), kind.value) for kind in (SurfaceKind.REPLACED, SurfaceKind.END)),
        (Surface(SurfaceKind.COPY, ANN.slack, number=2), f"copy:{ANN.slack}:2"),
        (key_of(3), "key:3"),
        (claim_of(3), "claim:3"),
        (lost_of(3), "lost:3"),
        (told_of(ANN.slack), f"told:{ANN.slack}"),
        (APPROVERS, "approvers"),
        (Surface(SurfaceKind.APPROVERS, ANN.slack), f"approvers:{ANN.slack}"),
        (Surface(SurfaceKind.REMINDER, end=1_700_000_000, number=1), "reminder:1700000000:1"),
    ],
)
async def test_a_message_of_an_older_version_is_read_and_kept_so_that_it_can_read_it(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, surface: Surface, name: str
) -> None:
    place = SealContext(Purpose.POST, keys.posts(R1), "C01|1.0")
    written = f'{{"surface":"{name}","channel":"C01","ts":"1.0","digest":"d","broken":""'

    await store.posts.put(R1, Post(surface, "C01", "1.0", "d"))

    # It ignores the fields that came later.
    kept = f'[{written},"link":"","by":"","text":""}}]'.encode()
    assert sealer.open(await redis.hget(keys.posts(R1), "C01|1.0"), place) == kept
    await redis.hset(keys.posts(R1), "C01|1.0", sealer.seal(f"[{written}}}]".encode(), place))
    assert await store.posts.get(R1) == [Post(surface, "C01", "1.0", "d")]


@pytest.mark.parametrize("name", ["", "cards", "copy:U1", "key:", "key:one", "reminder:1", "card:1"])
async def test_a_message_of_no_known_surface_is_left_out(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, name: str
) -> None:
    await store.posts.put(R1, POST)
    place = SealContext(Purpose.POST, keys.posts(R1), "C01|1.0")
    body = f'[{{"surface":"{name}","channel":"C01","ts":"1.0","digest":"d","broken":""}}]'.encode()
    await redis.hset(keys.posts(R1), "C01|1.0", sealer.seal(body, place))

    assert await store.posts.get(R1) == [POST]


async def test_a_copy_is_kept_with_its_time(store: Store) -> None:
    await store.cache.put("roles", BINDINGS, tuple[Binding, ...], now=NOW, keep=HOUR)

    assert await store.cache.get("roles", tuple[Binding, ...]) == (BINDINGS, NOW)
    assert await store.cache.get("users", tuple[Binding, ...]) is None


async def test_a_copy_of_another_type_or_place_is_none(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.cache.put("roles", BINDINGS, tuple[Binding, ...], now=NOW, keep=HOUR)
    await redis.copy(keys.cache("roles"), keys.cache("elsewhere"))

    assert await store.cache.get("roles", Draft) is None
    assert await store.cache.get("elsewhere", tuple[Binding, ...]) is None


async def test_a_copy_that_was_kept_too_long_is_none(
    store: Store, redis: Any, keys: Keyspace, clock: StoppedClock
) -> None:
    await store.cache.put("roles", BINDINGS, tuple[Binding, ...], now=NOW, keep=HOUR)
    await redis.pexpire(keys.cache("roles"), timedelta(days=9))
    clock.now += HOUR

    assert await store.cache.get("roles", tuple[Binding, ...]) is None


@pytest.mark.parametrize("team", ["", "T}1", "T:1"])
def test_a_workspace_id_fits_a_hash_tag(team: str) -> None:
    with pytest.raises(ValueError, match="workspace id"):
        Keyspace(type(TEAM)(team))


async def test_every_error_of_redis_is_unavailable(store: Store, redis: Any, keys: Keyspace) -> None:
    await redis.sadd(keys.agenda, "of another kind")
    await redis.pexpire(keys.agenda, 1000)

    with pytest.raises(Unavailable) as raised:
        await store.agenda.take(NOW, HOUR, 1)

    assert raised.value.tell.startswith("Latchkey's store isn't accepting requests")
