import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.domain.audit import Action
from bot.domain.errors import Tampered, Unavailable
from bot.store import Store
from bot.store.audit.chain import hash_of, verify_lines
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import added, event, pending
from tests.support.build import TEAM
from tests.support.stored import audit_problem

SECOND = timedelta(seconds=1)
OTHER_KEY = b"\x07" * 32


async def lines_of(store: Store) -> list[Mapping[str, object]]:
    return [line async for line in store.audit.read()]


async def three(store: Store) -> list[Mapping[str, object]]:
    await store.audit.append(event(), event(None, Action.REFUSED), event())
    return await lines_of(store)


async def test_a_line_says_who_did_what_when(store: Store) -> None:
    await store.audit.append(replace(event(), details={"reason": "“why”\ud800"}))

    (line,) = await lines_of(store)
    assert {name: line[name] for name in ("seq", "at", "actor", "action", "request", "details", "prev")} == {
        "seq": 1,
        "at": "2026-03-04T05:06:07.123456+00:00",
        "actor": "U01",
        "action": "request:submitted",
        "request": "R1",
        "details": {"reason": "“why”\ud800"},
        "prev": "0" * 64,
    }
    assert await audit_problem(store) is None


async def test_the_log_of_the_process_is_told_ids_and_times_and_no_words_of_people(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey.audit")
    words = dict.fromkeys(("reason", "name", "description", "why", "happened"), "for ada@acme.example")
    first = replace(event(), details={**words, "operation": "create", "resource": "lkc-dev001", "requester": "U01"})
    second = replace(event(action=Action.APPROVED), at=first.at + 90 * SECOND, details={"rule": "production"})

    await store.audit.append(first, second)

    told, lines = [vars(record) for record in caplog.records], await lines_of(store)
    for line, found in zip(lines, told, strict=True):
        assert all(found[name] == line[name] for name in ("seq", "hash", "at", "action", "actor", "request", "rev"))
    assert [found["seconds"] for found in told] == [None, 90]
    assert (told[0]["operation"], told[0]["resource"], told[0]["requester"]) == ("create", "lkc-dev001", "U01")
    assert told[1]["rule"] == "production"
    assert "ada@acme.example" not in str(told)


async def test_what_another_process_wrote_tells_how_long_ago_it_was(
    store: Store, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "latchkey.audit")
    await store.audit.append(event())
    other = Store.open(redis, Sealer([bytes(range(32))]), TEAM)
    await other.audit.follow()

    await other.audit.append(replace(event(action=Action.APPROVED), at=event().at + 60 * SECOND))

    assert vars(caplog.records[-1])["seconds"] == 60


async def test_an_empty_log_is_well(store: Store) -> None:
    await store.audit.append()

    assert await lines_of(store) == []
    assert await audit_problem(store) is None


async def test_long_logs_are_read_in_pages(store: Store, sealer: Sealer) -> None:
    await store.audit.append(*[event()] * 1201)

    assert [line["seq"] for line in await lines_of(store)] == list(range(1, 1202))
    assert verify_lines(await lines_of(store), sealer) is None
    assert await audit_problem(store) is None


async def test_an_export_verifies_without_keys(store: Store, sealer: Sealer) -> None:
    lines = json.loads(json.dumps(await three(store)))

    assert verify_lines(lines) is None
    assert verify_lines(lines, sealer) is None


@pytest.mark.parametrize("field", ["seq", "at", "actor", "action", "request", "details", "prev", "hash"])
async def test_every_changed_field_is_found(store: Store, field: str) -> None:
    lines = await three(store)
    lines[1] = {**lines[1], field: "changed"}

    assert str(verify_lines(lines)).startswith("line 2: ")


async def test_a_missing_or_further_field_is_found(store: Store) -> None:
    lines = await three(store)

    assert str(verify_lines([lines[0], {**lines[1], "note": ""}])).startswith("line 2: ")
    assert str(verify_lines([{"seq": 1}])).startswith("line 1: ")


async def test_an_export_is_held_against_a_line_that_was_noted(store: Store) -> None:
    lines = await three(store)
    second, other = str(lines[1]["hash"]), str(lines[2]["hash"])

    assert verify_lines(lines, known=(2, second)) is None
    assert verify_lines(lines, known=(2, other)) == (
        "line 2: its hash is not the one that was noted, so the log was cut or replaced"
    )
    assert verify_lines(lines[:2], known=(3, other)) == "the log ends with line 2: lines 3 to 3 are missing"
    assert verify_lines([], known=(1, second)) == "the log ends with line 0: lines 1 to 1 are missing"


@pytest.mark.parametrize("order", [[1, 2], [0, 2], [1, 0, 2], [0, 0, 1]])
async def test_lines_left_out_moved_or_repeated_are_found(store: Store, order: list[int]) -> None:
    lines = await three(store)

    assert verify_lines([lines[position] for position in order]) is not None


async def test_a_chain_written_anew_does_not_have_our_macs(redis: Any, store: Store, sealer: Sealer) -> None:
    forged = await three(Store.open(redis, Sealer([OTHER_KEY]), TEAM))

    assert verify_lines(forged) is None
    assert verify_lines(forged, sealer) == "line 1: the master key that it was written with is not configured"
    mac = {**forged[0], "mac": sealer.mac(b"another line")}
    assert verify_lines([mac], sealer) == "line 1: it was not written with this master key"


async def test_the_log_goes_on_after_a_rotation(redis: Any, store: Store) -> None:
    await three(store)
    rotated = Store.open(redis, Sealer([OTHER_KEY, bytes(range(32))]), TEAM)

    await rotated.audit.append(event())

    assert await audit_problem(rotated) is None
    with pytest.raises(Tampered):
        await store.audit.append(event())


@pytest.mark.parametrize("cut", ["tail", "all", "head", "planted"])
async def test_a_log_that_was_cut_takes_no_more_lines(
    store: Store, other: Store, redis: Any, keys: Keyspace, cut: str
) -> None:
    await three(store)
    match cut:
        case "tail":
            await redis.rpop(keys.audit)
        case "all":
            await redis.delete(keys.audit)
        case "head":
            await redis.delete(keys.audit_head)
        case _:
            await redis.set(keys.audit_head, b"planted")

    for process in (store, other):
        with pytest.raises(Tampered):
            await process.audit.append(event())
        with pytest.raises(Tampered):
            await process.requests.commit(added(pending()))
        with pytest.raises(Tampered):
            await audit_problem(process)
    assert not await redis.exists(keys.request(pending().ask.id))


async def test_an_older_end_put_back_is_noticed_by_who_saw_the_newer_one(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    await store.audit.append(event())
    old = await redis.get(keys.audit_head)
    await store.audit.append(event())
    await redis.set(keys.audit_head, old)
    await redis.rpop(keys.audit)

    with pytest.raises(Tampered):
        await store.audit.append(event())
    assert await audit_problem(other) is None, "a process that starts now has seen nothing else"


async def test_a_replaced_end_is_found(store: Store, redis: Any, keys: Keyspace) -> None:
    await three(store)
    *_, last = await lines_of(store)
    await redis.lset(keys.audit, -1, json.dumps({**last, "actor": "U99"}))

    assert str(await audit_problem(store)).startswith("line 3: ")


async def test_a_sealed_line_opens_at_no_other_place(store: Store, redis: Any, keys: Keyspace) -> None:
    await three(store)
    await redis.lset(keys.audit, 1, await redis.lindex(keys.audit, 0))

    with pytest.raises(Tampered):
        await audit_problem(store)


@pytest.mark.parametrize("forged", ["line", "chain"])
async def test_lines_are_proven_by_the_head_that_was_seen(
    store: Store, redis: Any, keys: Keyspace, *, forged: str
) -> None:
    lines = await three(store)
    assert [line async for line in store.audit.proven()] == lines
    chain = [dict(line) for line in lines]
    chain[1]["details"] = {"reason": "forged"}
    for before, line in pairwise(chain if forged == "chain" else []):
        line["prev"] = before["hash"]
        line["hash"] = hash_of(str(line["prev"]), line)
    for at, line in enumerate(chain):
        await redis.lset(keys.audit, at, json.dumps(line))

    with pytest.raises(Tampered, match="doesn't match line"):
        [line async for line in store.audit.proven()]


async def test_a_line_that_is_no_json_is_tampering(store: Store, redis: Any, keys: Keyspace) -> None:
    await three(store)
    await redis.lset(keys.audit, 1, b"marker")

    with pytest.raises(Tampered) as raised:
        await audit_problem(store)

    assert "marker" not in f"{raised.value!r} {raised.value.tell}"


async def test_a_lost_answer_writes_no_line_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    append, losses = store.audit._append, [True]

    async def lossy(**sent: Any) -> object:
        reply = await append(**sent)
        if losses:
            losses.pop()
            raise ConnectionFailed
        return reply

    monkeypatch.setattr(store.audit, "_append", lossy)
    await store.audit.append(event())
    await store.audit.append(event())

    assert [line["seq"] for line in await lines_of(store)] == [1, 2]
    assert await audit_problem(store) is None


async def test_of_a_log_that_moved_on_the_scripts_say_no_more_than_that(store: Store, keys: Keyspace) -> None:
    await store.audit.append(event())

    reply = await store.audit._append(
        keys=[keys.audit, keys.audit_head, keys.audit_base], args=[b"", 0, b"", b"next", b"line"]
    )

    assert reply == [b"moved"]


async def test_a_log_that_moves_on_all_the_time_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def always_moved(**sent: Any) -> object:
        return [b"moved"]

    async def all_of_them_moved(**sent: Any) -> object:
        return [[b"moved"]]

    monkeypatch.setattr("bot.store.audit.log.TURN_SECONDS", 0.01)
    monkeypatch.setattr(store.audit, "_append", always_moved)
    monkeypatch.setattr(store.requests, "_script", all_of_them_moved)

    with pytest.raises(Unavailable):
        await store.audit.append(event())
    with pytest.raises(Unavailable):
        await store.requests.commit(added(pending()))


async def test_a_turn_that_does_not_come_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.audit.log.TURN_SECONDS", 0.01)

    async with store.audit.turn():
        with pytest.raises(Unavailable):
            await store.audit.append(event())

    assert await lines_of(store) == []
