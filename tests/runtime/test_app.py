import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.app import CATALOG_SECONDS, _first_catalog, _surveyed, sign_format
from bot.diagnosis.records import format_problem
from bot.domain.catalog import Catalog
from bot.domain.errors import Unavailable
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.cache import CatalogCache
from bot.store.codec import FORMAT
from tests.services.world import a_world
from tests.support.composed import a_store
from tests.support.fakes import TestClock


async def test_a_start_does_not_wait_for_a_catalog_that_takes_long_and_leaves_it_to_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_world() as world:
        worker = world.start().worker

        async def read(_: CatalogCache, _known: Catalog | None) -> Catalog:
            """What 20,000 clusters take."""
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(CatalogCache, "read", read)
        async with asyncio.timeout(60):
            await _first_catalog(worker, 0.05)

        due = await world.store.agenda.take(world.clock(), timedelta(seconds=1), 9)
    assert [each.item for each in due] == [Item(ItemKind.CATALOG)]
    assert CATALOG_SECONDS <= 0.5, "of the two seconds within which a process is ready"


async def test_a_confluent_that_is_away_is_no_failed_check_of_the_records(caplog: pytest.LogCaptureFixture) -> None:
    class Away:
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def own_account(self) -> str:
            self.asked.set()
            raise Unavailable("no answer")

    cloud: Any = Away()
    async with a_world() as world, _surveyed(world.store, cloud, world.start().services), asyncio.timeout(10):
        await cloud.asked.wait()

    assert caplog.messages == ["couldn't read when Latchkey's own key expires; will try again in an hour"]


@pytest.mark.parametrize("ahead", [0, 1])
async def test_t8_a_start_beside_a_newer_version_says_so(ahead: int, caplog: pytest.LogCaptureFixture) -> None:
    clock = TestClock()
    store = a_store(FakeAsyncRedis(), clock)
    await sign_format(store, clock)
    await store.cache.put("format", FORMAT + ahead, int, now=clock(), keep=timedelta(days=400))

    await sign_format(store, clock)

    assert caplog.messages == ["a newer version of Latchkey uses this store"] * ahead
    assert ("newer version" in (await format_problem(store) or "")) == bool(ahead)
