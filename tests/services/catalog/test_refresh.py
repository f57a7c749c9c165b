"""Reading the catalog: what fails is as it was known, and what there was no time for comes first the next time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from bot.domain.catalog import Catalog, Environment, Region
from bot.domain.errors import CloudRefused, LatchkeyError, Unavailable
from bot.domain.keys import FlinkRegion, KafkaCluster, KsqlCluster, Principal, SchemaRegistry, ServiceAccount
from bot.services.catalog import refresh
from bot.services.catalog.refresh import AT_ONCE, Cataloguing
from bot.services.ports.cloud import Cloud

ENVIRONMENTS = (Environment("env-2", "beta"), Environment("env-1", "Alpha"))
PARTS = ("kafka_clusters", "schema_registries", "ksql_clusters", "flink_regions", "service_accounts", "regions")
FIELDS = ("clusters", "registries", "ksql_clusters", "flink_regions", "service_accounts", "regions")


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

    async def kafka_clusters(self, environment: Environment) -> Sequence[KafkaCluster]:
        await self._answer("kafka_clusters", environment.id)
        return [KafkaCluster(f"lkc-{environment.id}", "orders", environment.id, environment.name)]

    async def schema_registries(self, environment: Environment) -> Sequence[SchemaRegistry]:
        await self._answer("schema_registries", environment.id)
        return [SchemaRegistry(f"lsrc-{environment.id}", "registry", environment.id, environment.name)]

    async def ksql_clusters(self, environment: Environment) -> Sequence[KsqlCluster]:
        await self._answer("ksql_clusters", environment.id)
        return [KsqlCluster(f"lksqlc-{environment.id}", "app", environment.id, environment.name, "lkc-1")]

    async def flink_regions(self, environment: Environment) -> Sequence[FlinkRegion]:
        await self._answer("flink_regions", environment.id)
        return [FlinkRegion("aws.us-east-1", environment.id, environment.name)]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        await self._answer("service_accounts")
        return [ServiceAccount(Principal("sa-2"), "zoo"), ServiceAccount(Principal("sa-1"), "Ant")]

    async def regions(self) -> Sequence[Region]:
        await self._answer("regions")
        return [Region("gcp.us-central1", "GCP", "Iowa"), Region("aws.us-east-1", "AWS", "N. Virginia")]


def reader(cloud: Wide) -> Cataloguing:
    return Cataloguing(cast("Cloud", cloud))


async def test_a_reading_holds_everything_that_the_form_offers_sorted_by_name() -> None:
    found = await reader(Wide()).read(None)

    assert [each.name for each in found.environments] == ["Alpha", "beta"]
    assert [each.id for each in found.clusters] == ["lkc-env-1", "lkc-env-2"]
    assert [each.id for each in found.registries] == ["lsrc-env-1", "lsrc-env-2"]
    assert [each.id for each in found.ksql_clusters] == ["lksqlc-env-1", "lksqlc-env-2"]
    assert {each.environment for each in found.flink_regions} == {"env-1", "env-2"}
    assert [each.name for each in found.service_accounts] == ["Ant", "zoo"]
    assert [each.id for each in found.regions] == ["aws.us-east-1", "gcp.us-central1"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("error", [Unavailable("away"), CloudRefused(status=403, detail="no", reference="r")])
async def test_a_part_that_fails_is_as_it_was_known_and_the_others_are_read(part: str, error: LatchkeyError) -> None:
    known = await reader(Wide()).read(None)

    assert await reader(Wide(failing={part: error})).read(known) == known
    nothing_known = await reader(Wide(failing={part: error})).read(None)
    lost = [name for name in FIELDS if not getattr(nothing_known, name)]
    assert lost == [FIELDS[PARTS.index(part)]]


async def test_one_environment_that_fails_keeps_what_was_known_of_it_alone() -> None:
    known = Catalog("o-1", (), (KafkaCluster("lkc-old", "old", "env-2", "beta"),), ())
    cloud = Wide(failing={"kafka_clusters env-2": Unavailable("away")})

    assert [each.id for each in (await reader(cloud).read(known)).clusters] == ["lkc-old", "lkc-env-1"]


async def test_without_environments_there_is_no_reading() -> None:
    with pytest.raises(Unavailable):
        await reader(Wide(failing={"environments": Unavailable("away")})).read(None)


async def test_confluent_is_asked_for_a_few_lists_at_a_time() -> None:
    many = [Environment(f"env-{number}", "") for number in range(50)]
    cloud = Wide(many)
    await reader(cloud).read(None)

    assert len(cloud.called) == 3 + 4 * 50
    assert AT_ONCE <= cloud.most <= AT_ONCE + 2


async def test_a_list_that_hangs_costs_no_more_than_the_time_for_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "READ_FOR", 0.05)
    found = await reader(Wide(hanging="regions")).read(None)

    assert found.regions == ()
    assert len(found.clusters) == 2


async def test_what_there_was_no_time_for_is_read_first_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Wide(hanging="ksql_clusters")
    again = reader(cloud)
    monkeypatch.setattr(refresh, "AT_ONCE", 1)
    monkeypatch.setattr(refresh, "READ_FOR", 0.05)
    known = await again.read(None)
    assert (len(known.clusters), len(known.registries), known.ksql_clusters, known.flink_regions) == (2, 2, (), ())

    cloud.hanging, cloud.called[:] = "", []
    found = await again.read(known)
    assert found == await reader(Wide()).read(None)
    assert next(call for call in cloud.called if " " in call) == "ksql_clusters env-1"
