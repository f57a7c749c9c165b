"""The catalog: what fails is as it was known, what there was no time for comes first, and how long it is good for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.errors import CloudRefused, LatchkeyError, Unavailable
from bot.domain.keys import Cluster, OrganizationScope, Placed, Principal, ServiceAccount, unnamed
from bot.domain.kinds import PLACED, Kind
from bot.services.catalog import cache
from bot.services.catalog.cache import AT_ONCE, KEPT, MEMO, STALE, CatalogCache
from bot.services.catalog.index import NOTHING
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Cache
from bot.store import Store
from tests.support import build
from tests.support.composed import a_store
from tests.support.fakes import TestClock

ENVIRONMENTS = (Environment("env-2", "beta"), Environment("env-1", "Alpha"))
ENOUGH = 0.5
"""Seconds for all that hangs nowhere."""
PARTS = (*(kind.row.plural for kind in PLACED), "service_accounts", "regions")


@dataclass(slots=True)
class Wide:
    """A Confluent with a little of everything in each environment; `failing` are methods that raise."""

    environments_: Sequence[Environment] = ENVIRONMENTS
    failing: dict[str, LatchkeyError] = field(default_factory=dict[str, LatchkeyError])
    hanging: str = ""
    called: list[str] = field(default_factory=list[str])
    running: int = 0
    most: int = 0

    async def _answer(self, method: str, place: str = "") -> None:
        self.called.append(f"{method} {place}".strip())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if self.hanging == method:
                await asyncio.Event().wait()
            if error := self.failing.get(method) or self.failing.get(f"{method} {place}"):
                raise error
        finally:
            self.running -= 1

    async def organization(self) -> str:
        return "o-1"

    async def environments(self) -> Sequence[Environment]:
        await self._answer("environments")
        return self.environments_

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        await self._answer(kind.row.plural, environment.id)
        id_ = "aws.us-east-1" if kind.row.is_regional else f"{kind.row.prefix}{environment.id}"
        found = unnamed(kind, id_, environment.id, environment.name)
        assert not isinstance(found, OrganizationScope)
        return [found]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        await self._answer("service_accounts")
        return [ServiceAccount(Principal("sa-2"), "zoo"), ServiceAccount(Principal("sa-1"), "Ant")]

    async def regions(self) -> Sequence[Region]:
        await self._answer("regions")
        return [Region("gcp.us-central1", "GCP", "Iowa"), Region("aws.us-east-1", "AWS", "N. Virginia")]


def reader(cloud: Wide) -> CatalogCache:
    return CatalogCache(cast("Cloud", cloud), cast("Cache", None), TestClock())


async def test_a_reading_holds_everything_that_the_form_offers_sorted_by_name() -> None:
    found = await reader(Wide()).read(None)

    assert [each.name for each in found.environments] == ["Alpha", "beta"]
    assert [each.id for each in found.resources[Kind.KAFKA]] == ["lkc-env-1", "lkc-env-2"]
    assert [each.id for each in found.resources[Kind.SCHEMA_REGISTRY]] == ["lsrc-env-1", "lsrc-env-2"]
    assert [each.id for each in found.resources[Kind.KSQLDB]] == ["lksqlc-env-1", "lksqlc-env-2"]
    assert {each.environment for each in found.resources[Kind.FLINK]} == {"env-1", "env-2"}
    assert [each.name for each in found.service_accounts] == ["Ant", "zoo"]
    assert [each.id for each in found.regions] == ["aws.us-east-1", "gcp.us-central1"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("error", [Unavailable("away"), CloudRefused(status=403, detail="no", reference="r")])
async def test_a_part_that_fails_is_as_it_was_known_and_the_others_are_read(part: str, error: LatchkeyError) -> None:
    known = await reader(Wide()).read(None)

    assert await reader(Wide(failing={part: error})).read(known) == known
    nothing_known = await reader(Wide(failing={part: error})).read(None)
    lost = [kind.row.plural for kind, items in nothing_known.resources.items() if not items]
    lost += [name for name in ("service_accounts", "regions") if not getattr(nothing_known, name)]
    assert lost == [part]


async def test_one_environment_that_fails_keeps_what_was_known_of_it_alone() -> None:
    known = Catalog("o-1", (), (), build.by_kind(Cluster(Kind.KAFKA, "lkc-old", "old", "env-2", "beta")))
    cloud = Wide(failing={"kafka_clusters env-2": Unavailable("away")})

    assert [each.id for each in (await reader(cloud).read(known)).resources[Kind.KAFKA]] == ["lkc-env-1", "lkc-old"]


async def test_without_environments_there_is_no_reading() -> None:
    with pytest.raises(Unavailable):
        await reader(Wide(failing={"environments": Unavailable("away")})).read(None)


async def test_confluent_is_asked_for_a_few_lists_at_a_time() -> None:
    many = [Environment(f"env-{number}", "") for number in range(50)]
    cloud = Wide(many)
    await reader(cloud).read(None)

    assert len(cloud.called) == 3 + len(PLACED) * 50
    assert AT_ONCE <= cloud.most <= AT_ONCE + 2


async def test_a_list_that_hangs_costs_no_more_than_the_time_for_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "READ_FOR", ENOUGH)
    found = await reader(Wide(hanging="regions")).read(None)

    assert found.regions == ()
    assert len(found.resources[Kind.KAFKA]) == 2


async def test_what_there_was_no_time_for_is_read_first_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Wide(hanging="ksql_clusters")
    again = reader(cloud)
    monkeypatch.setattr(cache, "AT_ONCE", 1)
    monkeypatch.setattr(cache, "READ_FOR", ENOUGH)
    known = await again.read(None)
    assert [len(items) for items in known.resources.values()] == [2, 2, *[0] * (len(PLACED) - 2)]

    cloud.hanging, cloud.called[:] = "", []
    found = await again.read(known)
    assert found == await reader(Wide()).read(None)
    assert next(call for call in cloud.called if " " in call) == "ksql_clusters env-1"


# --- what is kept -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Office:
    """Processes that share one store, each with its own memory."""

    store: Store
    clock: TestClock
    cloud: Wide

    def process(self) -> CatalogCache:
        return CatalogCache(cast("Cloud", self.cloud), self.store.cache, self.clock)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    clock, redis = TestClock(), FakeAsyncRedis(server=FakeServer())
    yield Office(a_store(redis, clock), clock, Wide())
    await redis.aclose()


async def test_nobody_waits_for_confluent_where_another_process_has_read_it(office: Office) -> None:
    assert await office.process().current() is None
    read = await office.process().refresh()
    office.cloud.called.clear()

    other = office.process()
    assert await other.current() == read
    assert dict(await other.names())["lkc-env-1"] == "lkc-env-1"
    assert (await other.names())["sa-1"] == "Ant"
    assert (await other.names())["env-2"] == "beta"
    assert (await other.index()).accounts["sa-1"].name == "Ant"
    assert office.cloud.called == []


async def test_what_another_process_has_read_since_is_seen_a_moment_later(office: Office) -> None:
    one, other = office.process(), office.process()
    first = await one.refresh()
    office.cloud.environments_ = ENVIRONMENTS[:1]
    await other.refresh()

    office.clock.advance(MEMO - timedelta(seconds=1))
    assert await one.current() is first
    office.clock.advance(timedelta(seconds=1))
    assert [each.id for each in (await one.current() or NOTHING).environments] == ["env-2"]


async def test_a_clock_that_went_back_does_not_keep_an_old_catalog_for_long(office: Office) -> None:
    one, other = office.process(), office.process()
    await one.refresh()
    office.clock.advance(timedelta(minutes=-10))
    office.cloud.environments_ = ENVIRONMENTS[:1]
    await other.refresh()

    assert len((await one.current() or NOTHING).environments) == 1


@pytest.mark.parametrize(("environments", "after"), [(2, STALE), (60, STALE), (100, timedelta(seconds=100))])
async def test_a_catalog_is_stale_after_a_minute_and_later_where_reading_takes_longer(
    office: Office, environments: int, after: timedelta
) -> None:
    cache = office.process()
    assert cache.is_stale()
    office.cloud.environments_ = [Environment(f"env-{number}", "") for number in range(environments)]
    await cache.refresh()
    assert not cache.is_stale()

    office.clock.advance(after)
    assert not cache.is_stale()
    office.clock.advance(timedelta(seconds=1))
    assert cache.is_stale()


async def test_a_catalog_that_was_only_fetched_is_as_old_as_its_reading(office: Office) -> None:
    await office.process().refresh()
    office.clock.advance(STALE + timedelta(seconds=1))

    other = office.process()
    fetched = await other.current()
    assert other.is_stale()

    await office.process().refresh()
    assert await other.current() is fetched, "good for a moment from when it was fetched"


async def test_what_fails_is_as_any_process_knew_it(office: Office) -> None:
    await office.process().refresh()
    office.cloud.failing = {"service_accounts": Unavailable("away")}

    assert [each.name for each in (await office.process().refresh()).service_accounts] == ["Ant", "zoo"]


async def test_a_catalog_is_kept_for_a_day_and_not_for_ever(office: Office) -> None:
    await office.process().refresh()
    for after, is_kept in ((KEPT - timedelta(seconds=1), True), (timedelta(seconds=2), False)):
        office.clock.advance(after)
        assert (await office.process().current() is not None) is is_kept


async def test_a_catalog_is_indexed_once_and_again_when_it_was_read_again(office: Office) -> None:
    cache = office.process()
    index = await cache.index()
    assert len(office.cloud.called) == 3 + len(PLACED) * 2, "read first, as there was none"
    assert await cache.index() is index

    await cache.refresh()
    assert await cache.index() is not index
