"""T1, T3: each process follows the audit log, and touches no record that the log contradicts."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.audit import LEAP, Action
from bot.domain.errors import Conflict, Contradicted, Tampered
from bot.services.ports.store import Change, Stored
from bot.store import Store
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import ANN, NOW, added, changed, event, pending, states
from tests.support.build import TEAM
from tests.support.stored import audit_problem

R1 = pending().ask.id
DENIED = states()["denied"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["why"] for record in caplog.records if record.name == "latchkey.trouble"]


async def record(redis: Any, keys: Keyspace) -> Mapping[bytes, bytes]:
    found: Mapping[bytes, bytes] = await redis.hgetall(keys.request(R1))
    return found


async def put_back(redis: Any, keys: Keyspace, older: Mapping[bytes, bytes]) -> None:
    await redis.hset(keys.request(R1), mapping=older)


# --- one record ------------------------------------------------------------------------------------------------------


async def test_t1_an_older_record_is_not_read_by_any_process_and_comes_back_when_it_is_repaired(
    store: Store, other: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await record(redis, keys)
    second, _ = await store.requests.commit(changed(first, DENIED))
    newer = await record(redis, keys)

    await put_back(redis, keys, older)
    for process in (store, other) * 2:
        with pytest.raises(Contradicted, match=f"revision 1 is older than revision {LEAP}"):
            await process.requests.get(R1)
        assert await process.requests.of_requester(ANN.slack, 10) == await process.requests.pending(10) == []
        assert "request R1: revision 1 is older" in str(process.audit.doubts.problem)
    assert len(told(caplog)) == 1

    await put_back(redis, keys, newer)
    assert await store.requests.get(R1) == second
    assert store.audit.doubts.problem is None


async def test_t1_a_change_without_a_line_of_its_own_does_not_make_an_older_record_newer(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await record(redis, keys)
    held = await other.requests.get(R1)
    await store.requests.commit(changed(first, DENIED))
    await put_back(redis, keys, older)

    with pytest.raises(Contradicted):
        await other.requests.commit(Change(held, pending(), NOW))
    assert await record(redis, keys) == older


async def test_t1_who_was_only_slower_conflicts(store: Store, other: Store) -> None:
    first, _ = await store.requests.commit(added(pending()))
    await store.requests.commit(changed(first, DENIED))

    for process in (store, other):
        with pytest.raises(Conflict):
            await process.requests.commit(changed(first, DENIED))
        with pytest.raises(Conflict):
            await process.requests.commit(added(pending()))
    assert store.audit.doubts.problem is other.audit.doubts.problem is None


async def test_t1_a_request_that_was_deleted_cannot_be_opened_again(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.requests.commit(added(pending()))
    await redis.delete(keys.request(R1))

    assert await store.requests.get(R1) is None
    with pytest.raises(Contradicted):
        await store.requests.commit(added(pending()))


async def test_t1_nothing_is_written_about_an_older_record_either(store: Store, redis: Any, keys: Keyspace) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await record(redis, keys)
    await store.requests.commit(changed(first, DENIED))
    await put_back(redis, keys, older)

    with pytest.raises(Contradicted):
        await store.audit.append(event("R1", Action.DELETE_INTENDED))
    assert await audit_problem(store) is None


async def test_t1_what_cannot_follow_is_not_written_though_no_revision_is_known(
    store: Store, redis: Any, keys: Keyspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await record(redis, keys)
    await store.requests.commit(replace(changed(first, DENIED), events=(event("R1", Action.DENIED),)))
    await put_back(redis, keys, older)
    monkeypatch.setattr(store.audit._history, "_newest", {"R1": 0})  # as from lines of an earlier version

    with pytest.raises(Contradicted, match="request:approved after request:denied"):
        await store.requests.commit(changed(first, states()["approved"]))


async def test_t4_a_survey_finds_records_that_the_log_has_no_line_about(
    store: Store, other: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        await store.requests.commit(added(pending(f"R{number}")))
    await other.requests.survey()
    assert other.audit.doubts.problem is None

    await redis.delete(keys.audit, keys.audit_head)
    began = Store.open(redis, Sealer([bytes(range(32))]), TEAM)
    await began.requests.survey()

    assert len(began.audit.doubts) == 30
    assert str(began.audit.doubts.problem).startswith("30 records contradict the audit log")
    assert 0 < len(told(caplog)) < 30, "whoever writes to Redis cannot fill the log"


async def test_t4_a_number_that_no_record_has_ends_neither_a_survey_nor_an_append(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    for request in ("R1", "R2"):
        await store.requests.commit(added(pending(request)))
    await redis.hset(keys.request(R1), "rev", "9" * 5000)
    await redis.hset(keys.request(pending("R2").ask.id), "rev", "0")

    await store.requests.survey()
    with pytest.raises(Tampered):
        await store.requests.get(R1)
    with pytest.raises(Contradicted):
        await store.requests.commit(changed(Stored(pending(), 0), DENIED))
    await store.audit.append(event("R1"))

    assert await store.requests.pending(9) == []
    assert await audit_problem(store) is None


async def test_t4_a_survey_reads_no_bodies(stored_here: Store, real: Any) -> None:
    for number in range(100):
        await stored_here.requests.commit(added(pending(f"R{number}")))
    before = (await real.info("stats"))["total_net_output_bytes"]

    await stored_here.requests.survey()

    assert (await real.info("stats"))["total_net_output_bytes"] - before < 20_000


async def test_t4_every_process_learns_that_a_contradicted_record_was_deleted(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    for number in range(30):
        await store.requests.commit(added(pending(f"R{number}")))
    lines = await redis.lrange(keys.audit, 0, -1), await redis.get(keys.audit_head)
    await redis.delete(keys.audit, keys.audit_head)
    began = Store.open(redis, Sealer([bytes(range(32))]), TEAM)
    await began.requests.survey()
    assert str(await began.requests.problem()).startswith("30 records contradict")

    for number in range(29):
        await redis.delete(keys.request(pending(f"R{number}").ask.id))

    assert [await began.requests.problem() for _ in range(2)][-1] == (
        "1 record contradicts the audit log, and Latchkey leaves it alone: "
        "request R29: the audit log has no line about it"
    )
    await redis.rpush(keys.audit, *lines[0])
    await redis.set(keys.audit_head, lines[1])
    assert await began.requests.problem() is None


# --- the whole log ---------------------------------------------------------------------------------------------------


async def test_t3_another_end_of_the_same_length_is_noticed(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    await store.audit.append(event(None))
    head, line = await redis.get(keys.audit_head), await redis.lindex(keys.audit, 0)
    await store.audit.append(event(None, Action.REFUSED))
    await redis.delete(keys.audit)
    await redis.rpush(keys.audit, line)
    await redis.set(keys.audit_head, head)
    await other.audit.append(event(None))

    with pytest.raises(Tampered, match="another log has taken its place"):
        await store.audit.append(event(None))
    assert "another log" in str(store.audit.trouble)
    assert other.audit.trouble is None


async def test_t3_an_older_copy_is_read_no_more_by_who_saw_the_newer_one(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older, head = await record(redis, keys), await redis.get(keys.audit_head)
    await store.requests.commit(changed(first, DENIED))
    await put_back(redis, keys, older)
    await redis.rpop(keys.audit)
    await redis.set(keys.audit_head, head)

    with pytest.raises(Tampered, match="an older copy"):
        await store.requests.get(R1)


@pytest.mark.parametrize("lines", [1, 2, 3])
async def test_t37_a_process_that_begins_trusts_no_log_without_the_line_that_was_noted_elsewhere(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, lines: int
) -> None:
    await store.audit.append(event())
    line, head = await redis.lindex(keys.audit, 0), await redis.get(keys.audit_head)
    await store.audit.append(event())
    noted = store.audit.head
    await redis.delete(keys.audit)
    await redis.rpush(keys.audit, line)
    await redis.set(keys.audit_head, head)
    for _ in range(lines - 1):
        await Store.open(redis, sealer, TEAM).audit.append(event(None, Action.REFUSED))
    began = Store.open(redis, sealer, TEAM)
    began.audit.expect(noted.seq, noted.hash)

    for _ in range(2):
        with pytest.raises(Tampered, match="lacks line 2 of LATCHKEY_AUDIT_LOG"):
            await began.audit.append(event())
    assert "an older copy" in str(began.audit.trouble)
    assert await redis.llen(keys.audit) == lines


async def test_t37_a_log_with_the_line_that_was_noted_is_followed_to_its_end(
    store: Store, redis: Any, sealer: Sealer
) -> None:
    await store.audit.append(event())
    noted = store.audit.head
    await store.audit.append(event())
    began = Store.open(redis, sealer, TEAM)
    began.audit.expect(noted.seq, noted.hash)

    await began.audit.append(event())

    assert (began.audit.head.seq, began.audit.trouble) == (3, None)


async def test_t34_a_log_whose_end_was_cut_is_contradicted_by_every_record_that_came_with_it(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer
) -> None:
    untouched, _ = await store.requests.commit(added(pending("R2")))
    first, _ = await store.requests.commit(added(pending()))
    length, head = await redis.llen(keys.audit), await redis.get(keys.audit_head)
    denied, _ = await store.requests.commit(changed(first, DENIED))
    await redis.ltrim(keys.audit, 0, length - 1)
    await redis.set(keys.audit_head, head)
    began = Store.open(redis, sealer, TEAM)  # one that saw no newer log

    await began.requests.survey()

    assert await audit_problem(began) is None, "the chain holds"
    assert f"R1: revision {LEAP} is newer than the audit log" in str(began.audit.doubts.problem)
    with pytest.raises(Contradicted):
        await began.requests.commit(changed(denied, DENIED))
    with pytest.raises(Contradicted):
        await began.audit.append(event("R1", Action.APPROVAL_REFUSED))
    assert await began.requests.get(pending("R2").ask.id) == untouched


async def test_t34_who_has_not_followed_the_log_yet_appends_all_the_same(store: Store, other: Store) -> None:
    first, _ = await store.requests.commit(added(pending()))
    await store.requests.commit(changed(first, DENIED))

    await other.audit.append(event("R1", Action.APPROVAL_REFUSED))

    assert other.audit.doubts.problem is None


async def test_t1_only_new_lines_are_read(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.audit.append(*[event(None)] * 1200)
    await other.audit.follow()
    tail, asked = other.audit._tail, list[int]()

    async def watched(after: int) -> Any:
        asked.append(after)
        return await tail(after)

    monkeypatch.setattr(other.audit, "_tail", watched)
    for number in range(3):
        await store.requests.commit(added(pending(f"R{number}")))
        await asyncio.gather(*(other.requests.get(pending(f"R{number}").ask.id) for _ in range(5)))
    known = len(asked)
    await other.requests.get(R1)

    assert min(asked) == 1200
    assert known <= 6, "five readers at once read the same lines once"
    assert len(asked) == known, "nothing is read where nothing was written"


async def test_t31_a_revision_that_the_record_does_not_have_gets_into_no_line(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    await redis.hset(keys.request(R1), "rev", 10**17)
    await store.audit.append(event("R1", Action.APPROVAL_REFUSED))
    await redis.hset(keys.request(R1), "rev", first.rev)

    assert await store.requests.get(R1) == first, "for good, the log would say that it is older"
    assert [line["rev"] async for line in store.audit.read()] == [first.rev, None]
