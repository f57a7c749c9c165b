"""T7: everything is sealed again under the newest master key, beside running bots, and history stays what it was."""

import asyncio
import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.audit import LEAP
from bot.domain.errors import Conflict, Tampered
from bot.domain.keys import KeyId, Principal, RequestId
from bot.domain.review import Attestation
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Click, Draft, ReplyTo, Show
from bot.services.ports.store import Post, Reviewed, ReviewPass
from bot.services.surfaces import Surface, SurfaceKind
from bot.store import Store
from bot.store.audit.chain import verify_lines
from bot.store.keyspace import Keyspace
from bot.store.sealing import Purpose, Sealer
from bot.store.seals import Seals
from tests.store.conftest import StoppedClock
from tests.store.given import ANN, NOW, RESPONSE_URL, SECRET, added, changed, event, pending, states
from tests.support.build import HOUR, TEAM
from tests.support.processes import everything_in

OLD, NEW = bytes(range(32)), b"\x07" * 32
R1, KEY, OWNER = RequestId("R1"), KeyId("K1"), Principal("sa-abc001")
CLICK = Click("C1", ANN.slack, TEAM, NOW, Show(R1, 1), ReplyTo(RESPONSE_URL, "C01"))
POST = Post(Surface(SurfaceKind.CARD), "C01", "1.0", "digest")
KEPT = Attestation(KEY, ANN.slack, "needed", NOW, NOW + HOUR)


@pytest.fixture
def both(redis: Any, clock: StoppedClock) -> Store:
    return Store.open(redis, Sealer([NEW, OLD]), TEAM, clock)


@pytest.fixture
def new(redis: Any, clock: StoppedClock) -> Store:
    """As it is opened once the old key is dropped."""
    return Store.open(redis, Sealer([NEW]), TEAM, clock)


async def fill(store: Store) -> None:
    """One value for each purpose."""
    await store.inbox.put(CLICK, NOW)
    await store.drafts.put("D1", ANN.slack, Draft(name="orders"))
    stored, _ = await store.requests.commit(added(states()["working"]))
    await store.requests.commit(replace(changed(stored, states()["ready"]), secret=SECRET, secret_until=NOW + HOUR))
    await store.posts.put(R1, POST)
    await store.posts.put(R1, replace(POST, ts="2.0"))
    await store.cache.put("name", "value", str, now=NOW, keep=HOUR)
    await store.refusals.count(Item(ItemKind.REFUSAL, "1"), event(), NOW)
    await store.keeps.keep(KEPT)
    await store.keeps.remember(OWNER, Reviewed(NOW))
    await store.keeps.remember_pass(ReviewPass(NOW))


async def lines_of(store: Store) -> list[dict[str, object]]:
    return [dict(line) async for line in store.audit.read()]


async def resealed(store: Store) -> list[tuple[int, int]]:
    return [step async for step in store.seals.renew()]


async def missing(store: Store) -> tuple[int, list[bytes]]:
    """How many values need keys that this store does not have, and the ids of those keys."""
    number, keys, _ = (await store.seals.count()).missing(store.seals.key_ids)
    return number, keys


def of(key: bytes) -> bytes:
    return Sealer([key]).key_ids[0]


async def test_t7_after_a_reseal_the_old_key_opens_nothing_and_is_needed_by_nothing(
    store: Store, both: Store, new: Store, redis: Any
) -> None:
    await fill(store)
    before = await lines_of(store)
    lifetimes = {key: await redis.pttl(key) async for key in redis.scan_iter()}
    count = await both.seals.count()
    assert (count.records[of(OLD)], count.copies[of(OLD)], count.lines[of(OLD)]) == (10, 2, 2)
    assert count.keys == {of(OLD)}
    assert count.records.total() + count.copies.total() > len(
        set(Purpose) - {Purpose.AUDIT_LINE, Purpose.AUDIT_BODY, Purpose.AUDIT_BASE}
    ), "fill() has one for each purpose; test_archive.py has the base"
    assert await missing(new) == (12, [of(OLD)]), "nobody misses a copy"

    steps = await resealed(both)

    assert steps[-1] == (14, 14)
    assert (await new.seals.count()).records == {of(NEW): 10}
    assert (await new.seals.count()).copies == {of(NEW): 2}
    assert await missing(new) == (0, [])
    everything = await everything_in(redis)
    assert of(OLD) not in everything
    assert of(OLD).hex().encode() not in everything
    after = await lines_of(new)
    assert verify_lines(after, Sealer([NEW])) is None
    assert [line | {"mac": ""} for line in after] == [line | {"mac": ""} for line in before], "hashes stay"
    assert {key: left - await redis.pttl(key) < 60_000 for key, left in lifetimes.items()} == dict.fromkeys(
        lifetimes, True
    )

    ready = await new.requests.get(R1)
    assert ready is not None
    assert (await new.requests.secret(ready)) == SECRET
    assert await new.inbox.get("C1") == CLICK
    assert await new.drafts.get("D1", ANN.slack) == Draft(name="orders")
    assert len(await new.posts.get(R1)) == 2
    assert await new.cache.get("name", str) == ("value", NOW)
    assert await new.keeps.kept([KEY]) == {KEY: KEPT}
    assert await new.keeps.reviewed(OWNER) == Reviewed(NOW)
    assert await new.keeps.review_pass() == ReviewPass(NOW)
    await new.audit.append(event())
    assert await resealed(both) == [], "there is nothing left to do"


@pytest.mark.parametrize("first", ["reseal", "process"])
async def test_t7_nothing_that_a_running_process_writes_meanwhile_is_lost(
    store: Store, both: Store, new: Store, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A process that still seals with the old key writes to everything between the look and the write of a reseal."""
    await fill(store)
    put, began = both.seals._put, list[object]()

    async def interleaved(**sent: Any) -> object:
        writes = not began
        began.append(sent)
        reply = await put(**sent) if first == "reseal" else 0
        if writes:
            ready = await store.requests.get(R1)
            assert ready is not None
            await store.requests.commit(changed(ready, states()["shown"]))
            await store.posts.put(R1, replace(POST, digest="newer"))
            await store.inbox.done("C1")
            await store.audit.append(event())
        return reply if first == "reseal" else await put(**sent)

    monkeypatch.setattr(both.seals, "_put", interleaved)
    await resealed(both)

    shown = await new.requests.get(R1)
    assert shown is not None
    assert (shown.value, shown.rev) == (states()["shown"], 2 * LEAP)
    assert replace(POST, digest="newer") in await new.posts.get(R1)
    assert await new.inbox.get("C1") is None
    assert len(await lines_of(new)) == 4
    assert verify_lines(await lines_of(new), Sealer([NEW])) is None
    assert await missing(new) == (0, [])
    assert (await new.seals.count()).keys == {of(NEW)}


async def test_t7_a_process_that_still_seals_with_the_old_key_goes_on_after_a_reseal(redis: Any, both: Store) -> None:
    running = Store.open(redis, Sealer([OLD, NEW]), TEAM, StoppedClock())
    first, _ = await running.requests.commit(added(pending()))
    await resealed(both)

    await running.requests.commit(changed(first, states()["denied"]))
    with pytest.raises(Conflict):
        await running.requests.commit(changed(first, states()["denied"]))

    assert await both.seals.older() == 3, "record, line and head"
    await resealed(both)
    assert await both.seals.older() == 0
    assert verify_lines(await lines_of(running), Sealer([NEW])) is None


async def test_t6_lines_from_before_they_were_sealed_are_read_and_sealed_by_a_reseal(
    store: Store, both: Store, new: Store, redis: Any, keys: Keyspace
) -> None:
    await fill(store)
    before = await lines_of(store)
    for place, line in enumerate(before):
        await redis.lset(keys.audit, place, json.dumps(line, sort_keys=True, separators=(",", ":")))
    await store.audit.append(event())
    assert (await both.seals.count()).lines == {of(OLD): 3}
    assert (await lines_of(store))[:2] == before
    assert verify_lines(await lines_of(store), Sealer([OLD])) is None

    await resealed(both)

    assert (await both.seals.count()).lines == {of(NEW): 3}
    assert ANN.slack.encode() not in b"".join(await redis.lrange(keys.audit, 0, -1))
    assert verify_lines(await lines_of(new), Sealer([NEW])) is None


@pytest.mark.parametrize("forgery", ["changed", "foreign", "cut"])
async def test_t7_a_reseal_signs_no_line_that_was_not_ours(
    store: Store, both: Store, redis: Any, keys: Keyspace, forgery: str
) -> None:
    await store.audit.append(event(), event(), event())
    second = (await lines_of(store))[1]
    match forgery:
        case "changed":
            await redis.lset(keys.audit, 1, json.dumps({**second, "actor": "U99"}))
        case "foreign":  # a chain that holds, with the MACs of another key; the head is the same
            await redis.lset(keys.audit, 1, json.dumps({**second, "mac": Sealer([bytes(32)]).mac(b"")}))
        case _:
            await redis.rpop(keys.audit)
    before = await redis.lrange(keys.audit, 0, -1)

    with pytest.raises(Tampered):
        await resealed(both)

    assert await redis.lrange(keys.audit, 0, -1) == before


async def test_t7_what_does_not_open_is_named_and_stays(store: Store, both: Store, redis: Any, keys: Keyspace) -> None:
    await fill(store)
    await redis.hset(keys.request(RequestId("R9")), mapping=await redis.hgetall(keys.request(R1)))
    await redis.expire(keys.request(RequestId("R9")), 60)
    await redis.set(keys.cache("else"), await redis.get(keys.cache("name")), ex=60)
    await redis.lpush(keys.cache("list"), "of another kind")
    await redis.expire(keys.cache("list"), 60)
    copied = await redis.get(keys.cache("else"))

    await resealed(both)

    assert sorted(both.seals.unreadable) == [keys.cache("else"), keys.request(RequestId("R9"))]
    assert await both.seals.older() == 2
    assert await redis.get(keys.cache("else")) == copied


async def test_t7_only_what_latchkey_needs_refuses_a_start_and_a_reseal_tells_what_it_cannot_read_from_what_it_left(
    store: Store, both: Store, new: Store, redis: Any, keys: Keyspace
) -> None:
    await store.cache.put("name", "value", str, now=NOW, keep=HOUR)
    junk = b"\x01" + b"unknown0" + bytes(40)
    await redis.set(keys.cache("junk"), junk, ex=60)
    await redis.set(keys.request(R1).replace("request", "later"), junk, ex=60)
    for other_type in (keys.click("C9"), keys.audit_head + "s", keys.requests_of(ANN.slack), keys.cache("hash")):
        await redis.hset(other_type, "field", junk)
        await redis.expire(other_type, 60)
    assert await missing(new) == (0, [])

    await resealed(both)
    assert (both.seals.left, both.seals.unreadable) == (1, [keys.cache("junk")])

    for request in ("R1", "R2", "R3"):
        await redis.hset(keys.request(RequestId(request)), "body", junk)
        await redis.expire(keys.request(RequestId(request)), 60)
    number, ids, places = (await new.seals.count()).missing(new.seals.key_ids)
    assert (number, ids) == (3, [b"unknown0"])
    assert 0 < len(set(places)) <= 2
    assert set(places) < {keys.request(RequestId(request)) for request in ("R1", "R2", "R3")}


async def test_t7_a_reseal_counts_once_before_and_once_after(
    store: Store, both: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    count, counts = both.seals.count, list[Seals]()

    async def watched() -> Seals:
        counts.append(await count())
        return counts[-1]

    monkeypatch.setattr(both.seals, "count", watched)
    await resealed(both)

    assert (len(counts), both.seals.left) == (2, 0)


async def test_t7_killed_in_the_middle_a_reseal_goes_on_where_it_was(
    stored_here: Store, real: Any, server_url: str
) -> None:
    for number in range(60):
        await stored_here.requests.commit(added(pending(f"R{number}"), *[event(f"R{number}")] * 50))
    both = Store.open(real, Sealer([NEW, OLD]), TEAM, StoppedClock())
    total = await both.seals.older()
    program = (
        "import asyncio, sys; from bot.store import Store; from bot.store.connection import connect;"
        "from bot.store.sealing import Sealer\n"
        "async def main():\n"
        "    store = Store.open(connect(sys.argv[1]), Sealer([b'\\x07' * 32, bytes(range(32))]), 'T01')\n"
        "    async for step in store.seals.renew(): print(*step, flush=True); sys.stdin.readline()\n"
        "asyncio.run(main())"
    )
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, server_url, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()

    left = await both.seals.older()
    assert 0 < left < total
    assert verify_lines(await lines_of(both), Sealer([NEW, OLD])) is None
    assert (await resealed(both))[-1] == (left, left)
    alone = Store.open(real, Sealer([NEW]), TEAM, StoppedClock())
    assert verify_lines(await lines_of(alone), Sealer([NEW])) is None
    assert await missing(alone) == (0, [])
    assert len(await alone.requests.pending(100)) == 60
