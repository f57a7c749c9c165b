"""Who opened Home lately."""

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.keys import SlackUserId
from bot.store import Store, homes
from tests.store.given import NOW
from tests.support.build import HOUR

ANN, BEN = SlackUserId("U01"), SlackUserId("U02")


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
    monkeypatch.setattr(homes, "MOST", 3)
    for number in range(5):
        await store.homes.came(SlackUserId(f"U{number}"), NOW + number * HOUR)

    assert await store.homes.since(NOW) == {"U2", "U3", "U4"}


async def test_what_others_write_there_is_nobody(store: Store, redis: Any, keys: Any) -> None:
    await store.homes.came(ANN, NOW)
    await redis.zadd(keys.homes, {b"\xff\xfe": NOW.timestamp() * 1000})

    assert ANN in await store.homes.since(NOW)
