import asyncio
from dataclasses import dataclass
from typing import Any

from bot.store import Store
from bot.store.cache import LARGE, REMEMBERED
from bot.store.sealing import Sealer
from tests.store.given import NOW
from tests.support.build import HOUR


async def put(store: Store, name: str, value: str) -> None:
    await store.cache.put(name, value, str, now=NOW, keep=HOUR)


async def test_what_another_process_put_since_counts(store: Store, other: Store) -> None:
    await put(store, "users", "old")
    assert await other.cache.get("users", str) == ("old", NOW)

    await put(other, "users", "new")

    assert await store.cache.get("users", str) == ("new", NOW)


async def test_a_large_copy_is_a_copy_too(store: Store, other: Store) -> None:
    await put(store, "catalog", "x" * LARGE)

    assert await other.cache.get("catalog", str) == ("x" * LARGE, NOW)


async def test_of_changes_at_once_each_sees_the_one_before(store: Store, other: Store) -> None:
    def one_more(number: int | None) -> int | None:
        return (number or 0) + 1 if (number or 0) < 10 else None

    async def count(at: Store) -> bool:
        return await at.cache.change("counted", int, one_more, now=NOW, keep=HOUR)

    made = await asyncio.gather(*(count(at) for at in (store, other) * 8))

    assert sorted(made) == [False] * 6 + [True] * 10
    assert await store.cache.get("counted", int) == (10, NOW)


async def test_a_change_takes_the_place_of_a_copy_that_does_not_open(store: Store, redis: Any) -> None:
    await redis.set(store.cache._keys.cache("counted"), b"someone else's")

    assert await store.cache.change("counted", int, lambda found: 1 if found is None else None, now=NOW, keep=HOUR)
    assert await store.cache.get("counted", int) == (1, NOW)


@dataclass
class Counting:
    """A sealer that counts what it opens."""

    sealer: Sealer
    opened: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sealer, name)

    def open(self, *sealed: Any) -> bytes:
        self.opened += 1
        return self.sealer.open(*sealed)


async def test_a_process_opens_again_only_what_it_has_not_had_for_the_longest_time(
    store: Store, sealer: Sealer
) -> None:
    counting = Counting(sealer)
    store.cache._sealer = counting  # type: ignore[assignment]
    for number in range(REMEMBERED):
        await put(store, f"copy {number}", "value")

    await put(store, "copy 0", "other")  # the oldest is now the newest
    await put(store, "one more", "value")
    for name in ("copy 0", "copy 2", "one more"):
        assert await store.cache.get(name, str)
    assert counting.opened == 0

    assert await store.cache.get("copy 1", str) == ("value", NOW)
    assert counting.opened == 1
