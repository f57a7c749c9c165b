"""Who reads all of Redis, or its files, learns no secret."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.domain.keys import RequestId
from bot.services.commands import Click, ReplyTo, Show
from bot.store import Store
from tests.store.given import ANN, NOW, RESPONSE_URL, SECRET, added, changed, event, pending, states
from tests.support.build import HOUR, TEAM
from tests.support.processes import everything_in

MARKERS = (SECRET.reveal().encode(), RESPONSE_URL.reveal().encode(), b"marker0")


async def use_everything(store: Store) -> None:
    click = Click("C1", ANN.slack, TEAM, NOW, Show(RequestId("R1"), 1), ReplyTo(RESPONSE_URL, "C01"))
    await store.inbox.put(click, NOW)
    stored, _ = await store.requests.commit(added(states()["working"]))
    ready = replace(changed(stored, states()["ready"]), secret=SECRET, secret_until=NOW + HOUR)
    await store.requests.commit(ready)


async def test_no_key_holds_a_secret_in_the_clear(store: Store, redis: Any) -> None:
    await use_everything(store)

    dump = [key + (await redis.dump(key) or b"") async for key in redis.scan_iter()]
    dump += [await redis.hget("lk:{T01}:request:R1", "body"), *await redis.lrange("lk:{T01}:audit", 0, -1)]
    dump += [await redis.get(key) for key in ("lk:{T01}:click:C1", "lk:{T01}:secret:R1")]
    assert len(dump) > 8
    assert not any(marker in value for value in dump for marker in MARKERS)


async def test_t6_who_reads_all_of_redis_reads_no_reason_name_or_address(store: Store, redis: Any) -> None:
    ask = states()["ready"].ask
    told = {"reason": "ticket-4711", "email": "ann@example.com", "name": ask.name, "description": ask.description}
    await store.audit.append(replace(event(None), details=told))
    await use_everything(store)
    await store.requests.commit(added(pending("R2")))

    dump = await everything_in(redis)
    assert [word for word in (*told.values(), ask.reason, "request:submitted") if word.encode() in dump] == []
    lines = [line async for line in store.audit.read()]
    assert lines[0]["details"] == told, "who holds the keys reads it all"


async def test_no_file_holds_a_secret_in_the_clear(stored_here: Store, data_dir: Path) -> None:
    await use_everything(stored_here)

    files = contents(data_dir)
    written = b"".join(files.values())
    assert b"lk:{T01}:secret:R1" in written
    assert not any(marker in written for marker in MARKERS)
    assert any(name.endswith(".aof") for name in files)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
