"""T38 to T47: old audit lines are moved to a file, and all that compares with them goes on as if they were there."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.audit import LEAP, Action
from bot.domain.errors import Archived, Conflict, Contradicted, LatchkeyError, Tampered, Unavailable
from bot.domain.keys import RequestId
from bot.domain.requests import Request
from bot.services.ports.store import Change, Stored
from bot.store import Store
from bot.store.audit import base
from bot.store.audit.archive import Move
from bot.store.audit.base import FORMAT, Base, Summary
from bot.store.audit.chain import Verification, verify_lines
from bot.store.keyspace import Keyspace
from bot.store.scripts import Argument
from bot.store.sealing import Purpose, SealContext, Sealer
from tests.store.given import NOW, added, changed, event, pending, states
from tests.support.build import HOUR, TEAM
from tests.support.stored import audit_problem

R1 = pending().ask.id
DENIED = states()["denied"]
Lines = list[Mapping[str, object]]


async def lines_of(store: Store, after: int | None = None) -> Lines:
    return [line async for line in store.audit.read(after)]


async def taken(store: Store, until: int | None = None, before: datetime | None = None) -> tuple[Move, Lines]:
    """An archive until all lines are in its file."""
    move = await store.archive.begin()
    return move, [line async for line in store.archive.lines(move, before=before, until=until)]


async def archived(store: Store, until: int | None = None, before: datetime | None = None) -> Lines:
    move, lines = await taken(store, until, before)
    assert store.archive.written(move, json.loads(json.dumps(lines))) is None
    await store.archive.finish(move)
    return lines


def opened(redis: Any, sealer: Sealer) -> Store:
    """A process that begins."""
    return Store.open(redis, sealer, TEAM)


async def copy(redis: Any, *keys: str) -> dict[str, bytes | None]:
    return {key: await redis.dump(key) for key in keys}


async def put_back(redis: Any, copied: Mapping[str, bytes | None]) -> None:
    for key, dump in copied.items():
        await redis.delete(key)
        if dump:
            ttl = 0 if "audit" in key else 1_000_000
            await redis.restore(key, ttl, dump)


def log_of(keys: Keyspace) -> tuple[str, str, str]:
    return keys.audit, keys.audit_head, keys.audit_base


async def denied(store: Store, request: str = "R1") -> None:
    await deny(store, (await store.requests.commit(added(pending(request))))[0])


async def deny(store: Store, first: Stored[Request] | None) -> None:
    assert first is not None
    after, told = replace(DENIED, ask=first.value.ask), event(first.value.ask.id, Action.DENIED)
    await store.requests.commit(Change(first, after, NOW + HOUR, (told,)))


# --- what is moved, and what stays ------------------------------------------------------------------------------------


async def test_files_and_the_live_log_are_one_chain(store: Store, other: Store, redis: Any, sealer: Sealer) -> None:
    whole = Lines()
    for request in ("R1", "R2", "R3"):
        await denied(store, request)
    whole += await archived(other, until=2)
    await denied(store, "R4")
    whole += await archived(store, until=5)
    await other.audit.append(event(None, Action.REFUSED))

    assert [line["seq"] for line in whole] == [1, 2, 3, 4, 5]
    assert verify_lines([*whole, *await lines_of(store)], sealer) is None
    for lines, process in enumerate((store, other, opened(redis, sealer)), 9):
        await process.audit.follow()
        assert process.audit.head.seq == lines
        await process.audit.append(event(None, Action.REFUSED))
        assert process.audit.trouble is None
        for request in ("R1", "R4"):
            assert await process.requests.get(RequestId(request)) is not None
        await process.requests.survey()
        assert process.audit.doubts.problem is None
    assert verify_lines([*whole, *await lines_of(store)], sealer) is None


async def test_lines_are_moved_by_their_age_up_to_the_first_that_is_younger(store: Store) -> None:
    for hours in (0, 1, 5, 2):
        await store.audit.append(replace(event(None), at=NOW + hours * HOUR))

    assert [line["seq"] for line in await archived(store, before=NOW + 3 * HOUR)] == [1, 2]
    assert (await taken(store, before=NOW + 5 * HOUR))[1] == []
    assert [line["seq"] for line in await archived(store, before=NOW + 6 * HOUR, until=9)] == [3, 4]
    assert (await taken(store, until=9))[1] == await lines_of(store) == []


async def test_after_everything_was_moved_the_log_goes_on(
    store: Store, other: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    await other.requests.commit(added(pending("R2")))
    await denied(store)
    whole = await archived(store)
    assert not await redis.exists(keys.audit)

    for process in (store, other, opened(redis, sealer)):
        await process.audit.follow()
        assert process.audit.head.seq == 3
        assert [line async for line in process.audit.proven()] == []
    await deny(other, await other.requests.get(RequestId("R2")))

    assert verify_lines([*whole, *await lines_of(store)], sealer) is None


async def test_what_is_counted_stays_as_it_was(store: Store, redis: Any, sealer: Sealer) -> None:
    await denied(store)
    told = [
        (Action.SUBMITTED, "R2", {"operation": "create"}),
        (Action.CREATED, "R2", {"key": "K2"}),
        (Action.SHOWN, "R2", {"key": "K2"}),
        (Action.SUBMITTED, "R3", {"operation": "delete"}),
        (Action.FOUND_ORPHANED, None, {"key": "K9"}),
        (Action.FOUND_ORPHANED, None, {"key": "K8"}),
        (Action.DELETED, None, {"key": "K8"}),
    ]
    for action, request, details in told:
        await store.audit.append(replace(event(request, action), details=details))
    whole = opened(redis, sealer)
    await whole.audit.follow()
    begun = whole
    for until in (4, 6, 9):
        await archived(store, until=until)

        begun = opened(redis, sealer)
        await begun.audit.follow()
        assert counts(begun) == counts(store) == counts(whole)
        assert sorted(begun.audit._history.items()) == sorted(whole.audit._history.items())

    for process in (store, whole, begun):
        await process.audit.follow()
    await store.audit.append(replace(event("R3", Action.DELETED), details={"key": "K2"}))
    for process in (whole, begun):
        await process.audit.follow()
        assert counts(process) == counts(store)
    assert counts(begun) == ({"denied": 1, "shown": 1, "done": 1}, {"deleted": 2, "orphaned": 1})


def counts(store: Store) -> tuple[dict[str, int], dict[str, int]]:
    requests, keys = (
        {state: n for state, n in counter.items() if n and state}
        for counter in (store.audit.census.requests, store.audit.census.keys)
    )
    return requests, keys


async def test_nothing_readable_of_what_was_moved_stays_in_redis(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.audit.append(replace(event("R-readable"), details={"reason": "ticket-4711", "key": "KEY4711"}))
    await archived(store)

    entries = b"".join(await redis.lrange(keys.audit_base, 0, -1))
    assert not [word for word in (b"R-readable", b"ticket", b"KEY4711", b"submitted") if word in entries]


async def test_the_parts_of_a_base_are_bounded_and_all_are_read(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_PART", 3)
    monkeypatch.setattr(base, "_PRINTS", 4)
    monkeypatch.setattr(base, "_PARTS", 2)
    for number in range(10):
        await store.audit.append(replace(event(f"R{number}"), details={"operation": "create"}))
    lines = await archived(store)

    assert await redis.llen(keys.audit_base) == 1 + 4 + 3 + 1
    found, told = await opened(redis, sealer).audit.bases.read()
    assert (found.seq, found.parts) == (10, 8)
    assert all(told.has(seq, str(line["hash"])) for seq, line in enumerate(lines, 1))
    assert not told.has(9, str(lines[9]["hash"]))
    assert {id_ for id_, _, _ in told.history.items()} == {f"R{number}" for number in range(10)}


# --- T38: older records put back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ["archiver", "running", "behind", "new"])
async def test_t38_a_record_older_than_lines_that_were_moved_is_left_alone(
    store: Store, other: Store, redis: Any, keys: Keyspace, sealer: Sealer, process: str
) -> None:
    behind = opened(redis, sealer)
    first, _ = await store.requests.commit(added(pending()))
    older = await copy(redis, keys.request(R1))
    await behind.audit.follow()
    await store.requests.commit(changed(first, DENIED))
    await other.audit.follow()
    await archived(store)
    await put_back(redis, older)
    here = {"archiver": store, "running": other, "behind": behind, "new": opened(redis, sealer)}[process]

    with pytest.raises(Contradicted, match=f"revision 1 is older than revision {LEAP}"):
        await here.requests.get(R1)
    with pytest.raises((Contradicted, Conflict)):
        await here.requests.commit(changed(first, states()["approved"]))
    await here.requests.survey()
    assert len(here.audit.doubts) == 1


async def test_t38_what_ended_begins_no_more_though_its_record_and_its_lines_are_gone(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    await denied(store)
    await archived(store)
    await redis.delete(keys.request(R1))
    begun = opened(redis, sealer)

    with pytest.raises(Contradicted):
        await begun.requests.commit(added(pending()))
    with pytest.raises(Contradicted, match="key:created after request:denied"):
        await begun.audit.append(event("R1", Action.CREATED))


async def test_t38_a_record_newer_than_a_log_that_was_cut_behind_its_base_is_left_alone(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    await archived(store)
    head = await copy(redis, keys.audit, keys.audit_head)
    await store.requests.commit(changed(first, DENIED))
    await put_back(redis, head)

    begun = opened(redis, sealer)
    with pytest.raises(Contradicted, match="is newer than the audit log"):
        await begun.requests.get(R1)
    with pytest.raises(Tampered, match="an older copy"):
        await store.audit.follow()


# --- T39: another base, or none ---------------------------------------------------------------------------------------

BROKEN = ("none", "planted", "earlier", "of another workspace", "by another key", "a part less", "parts swapped",
          "a part of an earlier one", "no part", "longer")  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
async def test_t39_without_its_own_base_no_log_is_trusted(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, how: str
) -> None:
    theirs = Store.open(redis, sealer, "T02")  # type: ignore[arg-type]
    key = keys.audit_base
    for each in (store, theirs):
        await each.audit.append(*[event()] * 4)
    await archived(theirs, until=2)
    await archived(store, until=1)
    earlier = await redis.lrange(key, 0, -1)
    await archived(store, until=2)
    now = await redis.lrange(key, 0, -1)
    place = SealContext(Purpose.AUDIT_BASE, key)
    first = json.loads(sealer.open(now[0], place))
    planted = {
        "none": [],
        "planted": [b"planted"],
        "earlier": earlier,
        "of another workspace": await redis.lrange(theirs.keys.audit_base, 0, -1),
        "by another key": [Sealer([b"\x07" * 32]).seal(json.dumps(first).encode(), place), *now[1:]],
        "a part less": now[:-1],
        "parts swapped": [now[0], now[2], now[1], *now[3:]],
        "a part of an earlier one": [now[0], earlier[1], *now[2:]],
        "no part": now[:1],
        "longer": [sealer.seal(json.dumps(first | {"format": FORMAT + 1}).encode(), place), *now[1:]],
    }[how]
    for name in (key, theirs.keys.audit, theirs.keys.audit_head, theirs.keys.audit_base):
        await redis.delete(name)
    if planted:
        await redis.rpush(key, *planted)
    before = await redis.lrange(keys.audit, 0, -1), await redis.get(keys.audit_head)

    begun = opened(redis, sealer)
    for attempt in (begun.audit.append(event()), begun.requests.commit(added(pending("R7")))):
        with pytest.raises(Tampered):
            await attempt
    with pytest.raises(Tampered):
        await archived(begun)
    if "part" not in how:  # what a process knows of the parts, it does not read again
        with pytest.raises(Tampered):
            await store.audit.append(event())
    assert (await redis.lrange(keys.audit, 0, -1), await redis.get(keys.audit_head)) == before
    assert not await redis.exists(keys.request(RequestId("R7")))


async def test_t39_a_value_of_another_type_in_the_place_of_the_base_is_an_error_that_callers_expect(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await denied(store)
    await archived(store)
    await redis.delete(keys.audit_base)
    await redis.set(keys.audit_base, "planted")

    for attempt in (store.audit.append(event()), store.requests.get(R1), store.audit.follow()):
        with pytest.raises((Unavailable, Tampered)):
            await attempt
    await redis.delete(keys.audit_base)


# --- T40: an earlier base with its lines ------------------------------------------------------------------------------


async def test_t40_lines_that_were_put_back_before_their_base_say_what_the_base_said(
    store: Store, other: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    """As after a failover that forgets the archive: no line is missing, and so nothing is refused."""
    await denied(store)
    await other.audit.follow()
    await archived(store, until=1)
    before = await copy(redis, keys.audit, keys.audit_base)
    await archived(store, until=2)
    await put_back(redis, before)

    for process in (store, other, opened(redis, sealer)):
        await process.audit.append(event(None, Action.REFUSED))
        assert await process.requests.get(R1) is not None
    assert verify_lines(await lines_of(store, 1), sealer) is not None, "they begin behind line 1"
    assert [line["seq"] for line in await lines_of(store)] == [2, 3, 4, 5]
    assert [line["seq"] for line in await archived(other)] == [2, 3, 4, 5]


@pytest.mark.parametrize("seen", [1, 2, 3, 4])
async def test_t40_a_whole_older_copy_is_refused_by_who_saw_more_and_by_the_last_line_that_was_told(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, seen: int
) -> None:
    await denied(store)
    await archived(store, until=1)
    copied = await copy(redis, *log_of(keys))
    await store.audit.append(event(None, Action.REFUSED), event(None, Action.REFUSED))
    whole = await lines_of(store)
    noted = (await store.audit.bases.read())[0].end if seen == 1 else None
    hash_ = noted.hash if noted else str(whole[seen - 2]["hash"])
    await archived(store, until=3)
    begun = opened(redis, sealer)
    begun.audit.expect(seen, hash_)
    await begun.audit.follow()
    await put_back(redis, copied)

    with pytest.raises(Tampered, match="an older copy"):
        await store.audit.follow()
    begun = opened(redis, sealer)
    begun.audit.expect(seen, hash_)
    if seen <= 2:
        await begun.audit.follow()
    else:
        with pytest.raises(Tampered, match=f"lacks line {seen} of LATCHKEY_AUDIT_LOG"):
            await begun.audit.follow()


# --- T42: a log that took another way ---------------------------------------------------------------------------------


async def test_t42_a_base_of_another_end_is_refused_by_who_saw_this_one(
    store: Store, other: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    """As after a failover that lost a line, when others wrote on and archived before this process looked again."""
    await denied(store)
    copied = await copy(redis, *log_of(keys))
    await store.audit.append(event(None, Action.REFUSED))
    seen = store.audit.head
    await put_back(redis, copied)
    await other.audit.append(event(None, Action.SUBMITTED), event(None), event(None))
    await archived(other, until=4)

    with pytest.raises(Tampered, match="lacks line 3 of this process"):
        await store.audit.append(event(None))
    begun = opened(redis, sealer)
    begun.audit.expect(seen.seq, seen.hash)
    for _ in range(2):
        with pytest.raises(Tampered, match="lacks line 3 of LATCHKEY_AUDIT_LOG"):
            await begun.audit.follow()
    assert store.audit.trouble
    assert other.audit.trouble is None

    found, told = await other.audit.bases.read()
    for known, wrong in (((3, seen.hash[:13]), True), ((2, "0" * 13), True), ((4, found.hash), False)):
        walk = Verification(sealer, known)
        assert bool(walk.begin(found.end, told.history, told.has)) is wrong, known


# --- T43: at the same time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "two"), [(2, 2), (2, 3), (3, 2)])
async def test_t43_of_two_archives_at_once_one_moves_lines(
    store: Store, other: Store, redis: Any, sealer: Sealer, one: int, two: int
) -> None:
    await store.audit.append(*[event()] * 4)
    first, lines = await taken(store, until=one)
    second, _ = await taken(other, until=two)
    await store.archive.finish(first)

    with pytest.raises(Conflict, match=f"moved the lines up to {one}"):
        await other.archive.finish(second)

    assert verify_lines([*lines, *await lines_of(store)], sealer) is None
    assert await audit_of_a_new_process(redis, sealer) == 4


async def test_t43_an_archive_that_is_outrun_while_it_reads_says_so(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.audit.log._PAGE", 2)
    await store.audit.append(*[event()] * 6)
    move = await store.archive.begin()
    lines = store.archive.lines(move)
    await anext(lines)
    await archived(other, until=4)

    with pytest.raises(Conflict, match="another archive"):
        [line async for line in lines]


async def test_t43_an_answer_that_was_lost_is_no_other_archive(
    store: Store, redis: Any, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.audit.append(*[event()] * 4)
    script, losses = store.archive._script, [True]

    async def lossy(**sent: Any) -> object:
        reply = await script(**sent)
        if losses:
            losses.pop()
            raise ConnectionFailed
        return reply

    monkeypatch.setattr(store.archive, "_script", lossy)
    lines = await archived(store, until=3)

    assert verify_lines([*lines, *await lines_of(store)], sealer) is None
    assert await audit_of_a_new_process(redis, sealer) == 4


async def test_t43_bots_and_a_reseal_at_the_same_time_lose_nothing(
    store: Store, redis: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Sealer([b"\x07" * 32, bytes(range(32))])
    both = Store.open(redis, new, TEAM, clock)
    await denied(store)
    await archived(store, until=1)
    await denied(store, "R2")
    ends_of, times = store.audit.ends_of, count()

    async def interleaved(*given: Any) -> Any:
        found = await ends_of(*given)
        if next(times) == 0:
            await store.requests.commit(added(pending("R3")))
            assert [step async for step in both.seals.renew()]
        return found

    monkeypatch.setattr(store.audit, "ends_of", interleaved)
    monkeypatch.setattr(store.audit, "_sealer", new)
    monkeypatch.setattr(store.audit.bases, "_sealer", new)
    lines = await archived(store, until=3)

    assert [line["seq"] for line in lines] == [2, 3]
    assert next(times) == 2, "the first try saw other seals"
    assert await audit_of_a_new_process(redis, new) == 5


async def audit_of_a_new_process(redis: Any, sealer: Sealer) -> int:
    begun = opened(redis, sealer)
    await begun.audit.follow()
    return begun.audit.head.seq


@pytest.mark.parametrize("forged", ["changed", "foreign", "cut", "head"])
async def test_t44_a_log_that_does_not_verify_is_not_moved(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, forged: str
) -> None:
    await store.audit.append(*[event()] * 4)
    lines = await lines_of(store)
    match forged:
        case "changed":
            await redis.lset(keys.audit, 1, json.dumps({**lines[1], "actor": "U99"}))
        case "foreign":
            await redis.lset(keys.audit, 1, json.dumps({**lines[1], "mac": Sealer([bytes(32)]).mac(b"")}))
        case "cut":
            await redis.rpop(keys.audit)
        case _:
            await redis.delete(keys.audit_head)
    before = await redis.lrange(keys.audit, 0, -1)

    for process in (store, opened(redis, sealer)):
        with pytest.raises(Tampered):
            await archived(process, until=3)
    assert await redis.lrange(keys.audit, 0, -1) == before
    assert not await redis.exists(keys.audit_base)


async def test_t44_lines_that_were_changed_since_they_were_read_are_not_moved(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await store.audit.append(*[event()] * 4)
    move, _ = await taken(store, until=3)
    await redis.lset(keys.audit, 2, await redis.lindex(keys.audit, 1))

    with pytest.raises(Tampered):
        await store.archive.finish(move)
    assert not await redis.exists(keys.audit_base)


async def test_t44_a_file_without_all_lines_is_none(store: Store) -> None:
    await store.audit.append(*[event()] * 4)
    move, lines = await taken(store, until=3)

    assert store.archive.written(move, lines) is None
    for wrong in (lines[:2], [*lines, lines[2]], lines[1:], [lines[0], {**lines[1], "actor": "U99"}, lines[2]], []):
        assert store.archive.written(move, wrong)


# --- T45: what a running process sees ---------------------------------------------------------------------------------


async def test_t39_scripts_write_nothing_behind_another_base(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.requests.commit(added(pending()))
    await archived(store)
    await redis.lset(keys.audit_base, 0, b"another")
    head = store.audit.head
    log = [keys.audit, keys.audit_head, keys.audit_base]
    ours: list[Argument] = [head.stored, 0, store.audit.seen.base, b"next", b"line"]

    assert await store.audit._append(keys=log, args=ours) == [b"moved"]
    assert await store.archive._script(keys=log, args=[ours[2], 1, b"line", b"line", b"base"]) == [b"moved"]
    with pytest.raises(Tampered):
        await store.requests.commit(added(pending("R2")))
    assert (await redis.lrange(keys.audit, 0, -1), await redis.get(keys.audit_head)) == ([], head.stored)


@pytest.mark.parametrize("other", ["base", "first", "last", "number", "head", None])
async def test_t44_the_script_moves_nothing_but_what_was_verified(
    store: Store, redis: Any, keys: Keyspace, other: str | None
) -> None:
    await store.audit.append(*[event()] * 5)
    await archived(store, until=1)
    move, _ = await taken(store, until=4)
    ends = await store.audit.ends_of(move.base, move.end)
    assert ends is not None
    base, first, last = ends
    if other == "head":
        await redis.delete(keys.audit_head)
    seen: dict[str, Argument] = {"base": base.stored, "number": 3, "first": first, "last": last}
    args = [*(seen | ({other: 2 if other == "number" else b"other"} if other in seen else {})).values(), b"new base"]
    before = [await redis.lrange(key, 0, -1) for key in (keys.audit, keys.audit_base)]

    reply = await store.archive._script(keys=[keys.audit, keys.audit_head, keys.audit_base], args=args)

    after = [await redis.lrange(key, 0, -1) for key in (keys.audit, keys.audit_base)]
    assert (reply, after) == ([b"moved"], before) if other else ([b"ok"], [before[0][3:], [b"new base"]])


async def test_t45_as_many_lines_moved_as_written_hide_none_from_a_running_process(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await copy(redis, keys.request(R1))
    await other.requests.get(R1)
    await store.requests.commit(changed(first, DENIED))
    await archived(store, until=1)
    assert await redis.llen(keys.audit) == 1 == other.audit.head.seq

    now = await other.requests.get(R1)
    assert now is not None
    assert now.rev == LEAP, "and no doubt about it"
    await put_back(redis, older)
    with pytest.raises(Contradicted):
        await other.requests.get(R1)


async def test_t45_a_running_process_reads_no_base_for_lines_that_it_has_seen(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.audit.append(*[event()] * 4)
    await other.audit.follow()
    await archived(store, until=3)
    reads = list[object]()

    async def watched() -> tuple[Base, Summary]:
        reads.append("read")
        return Base(), Summary()

    monkeypatch.setattr(other.audit.bases, "read", watched)
    await other.audit.append(event())
    await other.audit.follow()

    assert (reads, other.audit.head.seq) == ([], 5)


async def test_t45_a_process_that_lags_behind_goes_on_from_the_base(store: Store, other: Store) -> None:
    await store.audit.append(*[event()] * 3)
    await other.audit.follow()
    await denied(store, "R2")
    await archived(store, until=4)

    await other.audit.append(event("R2", Action.APPROVAL_REFUSED))

    assert other.audit.head.seq == 6
    assert sorted(other.audit._history.items()) == [("R1", "", 0), ("R2", "request:denied", LEAP)]


async def test_t45_what_is_read_page_by_page_says_what_it_missed(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.audit.log._PAGE", 2)
    await store.audit.append(*[event()] * 6)
    exported, proven = store.audit.read(), store.audit.proven()
    assert [(await anext(exported))["seq"], (await anext(proven))["seq"]] == [1, 1]
    await archived(other, until=5)

    with pytest.raises(Archived, match="Lines 3 to 5 of the audit log were moved"):
        [line async for line in exported]
    with pytest.raises(Unavailable):
        [line async for line in proven]
    with pytest.raises(Archived, match="Lines 1 to 5"):
        await lines_of(store, 0)
    assert [line["seq"] for line in await lines_of(store, 5)] == [6]
    assert [line["seq"] async for line in store.audit.proven()] == [6]


async def test_t47_a_version_that_knows_no_base_finds_another_number_of_lines_than_the_head_says(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    """What versions without this feature compare, before each look, and in each script."""
    await store.audit.append(*[event()] * 4)
    for until in (1, 3, 4):
        await archived(store, until=until)
        head = json.loads(
            sealer.open(await redis.get(keys.audit_head), SealContext(Purpose.AUDIT_HEAD, keys.audit_head))
        )
        assert await redis.llen(keys.audit) != head["seq"] == 4


# --- T41: another master key ------------------------------------------------------------------------------------------


async def test_t41_the_base_is_sealed_again_with_the_newest_master_key_and_counted(
    store: Store, redis: Any, keys: Keyspace, clock: Any
) -> None:
    new = Sealer([b"\x07" * 32])
    both = Store.open(redis, Sealer([b"\x07" * 32, bytes(range(32))]), TEAM, clock)
    await denied(store)
    await archived(store, until=1)
    entries = await redis.llen(keys.audit_base)
    assert (await store.seals.count()).records[store.seals.key_ids[0]] == entries + 2, "record and head"
    running = Store.open(redis, Sealer([bytes(range(32)), b"\x07" * 32]), TEAM, clock)
    await running.audit.follow()

    assert [step async for step in both.seals.renew()][-1] == (entries + 3, entries + 3)

    assert (await both.seals.count()).keys == {new.key_ids[0]}
    alone = Store.open(redis, new, TEAM, clock)
    await alone.audit.follow()
    assert await alone.requests.get(R1) is not None
    await running.audit.append(event(None, Action.REFUSED))
    assert running.audit.trouble is None
    assert [step async for step in both.seals.renew()][-1] == (2, 2)
    with pytest.raises(Tampered, match="not configured"):
        await opened(redis, Sealer([bytes(range(32))])).audit.follow()


async def test_t41_a_base_that_does_not_open_ends_a_reseal(
    store: Store, redis: Any, keys: Keyspace, clock: Any
) -> None:
    both = Store.open(redis, Sealer([b"\x07" * 32, bytes(range(32))]), TEAM, clock)
    await denied(store)
    await archived(store, until=1)
    part = await redis.lindex(keys.audit_base, 1)
    await redis.lset(keys.audit_base, 1, part[:-1] + bytes([part[-1] ^ 1]))

    with pytest.raises(LatchkeyError):
        [step async for step in both.seals.renew()]


async def test_an_archive_of_a_log_that_is_not_there_moves_nothing(store: Store) -> None:
    assert await lines_of(store) == (await taken(store))[1] == []
    assert await audit_problem(store) is None
