"""T11: what an operator has to repair is one line a minute with its cause, however many clicks meet it."""

import logging
from typing import Any

import pytest

from bot import trouble
from bot.domain.errors import LatchkeyError
from bot.store import Store
from bot.store.connection import must_take_writes
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer
from tests.store.given import added, changed, pending, states
from tests.support.build import TEAM

DENIED = states()["denied"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["why"] for record in caplog.records if record.name == "latchkey.trouble"]


@pytest.mark.parametrize("cause", ["head", "key", "kind"])
async def test_t11_each_cause_is_one_line_a_minute_and_people_are_sent_to_an_administrator(
    store: Store, redis: Any, keys: Keyspace, cause: str, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first, _ = await store.requests.commit(added(pending()))
    match cause:
        case "head":
            await redis.delete(keys.audit_head)
        case "key":
            store = Store.open(redis, Sealer([b"\x07" * 32]), TEAM)
        case _:
            await redis.delete(keys.audit)
            await redis.set(keys.audit, "of another kind")
    now = [0.0]
    monkeypatch.setattr("bot.trouble.time.monotonic", lambda: now[0])

    def heard() -> int:
        return len([record for record in caplog.records if record.levelno == logging.ERROR])

    for minute in (1, 2):
        for _ in range(20):
            with pytest.raises(LatchkeyError) as raised:
                await store.requests.commit(changed(first, DENIED))
            assert "Ask your Latchkey administrator" in raised.value.tell
        assert heard() == minute
        now[0] += trouble.MINUTE

    if cause == "kind":
        await redis.delete(keys.audit)


async def test_t11_a_store_that_takes_no_writes_is_one_line_a_minute(
    stored_here: Store, real: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = await stored_here.requests.commit(added(pending()))
    await real.replicaof("127.0.0.1", "1")
    try:
        for _ in range(5):
            with pytest.raises(LatchkeyError) as raised:
                await stored_here.requests.commit(changed(first, DENIED))
            assert "Ask your Latchkey administrator" in raised.value.tell
            with pytest.raises(LatchkeyError, match="read only"):
                await must_take_writes(real, Keyspace(TEAM))
    finally:
        await real.replicaof("NO", "ONE")

    (why,) = told(caplog)
    assert "read only" in why.lower()
