"""What ids and names mean: whose key it is, what it opens, and which of several things an engineer speaks of."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from bot.domain.catalog import Catalog, Environment, Region, User
from bot.domain.errors import NotFound
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    MyAccount,
    NewServiceAccount,
    Operation,
    OrganizationScope,
    Placed,
    Principal,
    ServiceAccount,
)
from bot.domain.kinds import CLOUDS, PLACED, Kind
from bot.services.catalog.index import (
    AT_ONCE,
    NOTHING,
    CatalogIndex,
    all_names,
    cloud_of,
    clouds,
    find_owner,
    find_resource,
    region_called,
    regions,
)
from bot.services.ports.cloud import Inventory
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, ERIN, FLINK, GLOBAL, KSQL, OTHER, REGISTRY

DEV, PROD = Environment("env-dev001", "dev"), Environment("env-prod01", "production")
ORDERS = Cluster(Kind.KAFKA, "lkc-prod01", CLUSTER.name, PROD.id, PROD.name)
IOWA, VIRGINIA = Region("gcp.us-central1", "GCP", "Iowa"), Region("aws.us-east-1", "AWS", "N. Virginia")
CATALOG = Catalog("o-1", (DEV, PROD), (ACCOUNT,), build.by_kind(CLUSTER, REGISTRY, KSQL, FLINK), (IOWA, VIRGINIA))
INDEX = CatalogIndex.of(CATALOG)


@dataclass(slots=True)
class Stock:
    """An `Inventory` with the same things each time; it counts how many lists are read at the same time."""

    things: Sequence[Placed] = (CLUSTER, ORDERS, REGISTRY, KSQL)
    environments_: Sequence[Environment] = (DEV, PROD)
    accounts: Sequence[ServiceAccount] = (ACCOUNT, OTHER)
    read: list[tuple[Kind, str]] = field(default_factory=list[tuple[Kind, str]])
    running: int = 0
    most: int = 0

    async def environments(self) -> Sequence[Environment]:
        return self.environments_

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.read.append((kind, environment.id))
        await asyncio.sleep(0)
        self.running -= 1
        return [each for each in self.things if (each.kind, each.environment) == (kind, environment.id)]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        return self.accounts

    async def users(self) -> Sequence[User]:
        return [User(each.principal, each.email, each.name) for each in (DANA, ERIN)]


def stock(**fields: object) -> Inventory:
    return cast("Inventory", Stock(**fields))  # type: ignore[arg-type]


# --- a key's ids ------------------------------------------------------------------------------------------------------


def test_a_key_opens_what_has_its_id_and_kind_and_is_its_owners() -> None:
    target = INDEX.target(build.a_key(kind=Kind.KAFKA))

    assert target is not None
    assert (target.owner, target.resource) == (ACCOUNT, CLUSTER)


def test_confluents_own_key_is_nobodys() -> None:
    assert INDEX.target(build.a_key(kind=Kind.KAFKA, owner=None)) is None


def test_a_key_of_a_kind_that_nobody_knows_counts_as_opening_everything() -> None:
    """Then who manages all keys sees it, and nobody else."""
    target = INDEX.target(build.a_key(kind=None))

    assert target is not None
    assert target.resource == GLOBAL


def test_an_id_of_another_kind_is_another_thing() -> None:
    found = INDEX.resource(build.a_key(kind=Kind.SCHEMA_REGISTRY, resource=CLUSTER.id, environment=DEV.id))

    assert found == Cluster(Kind.SCHEMA_REGISTRY, CLUSTER.id, CLUSTER.id, DEV.id, DEV.name)


def test_what_the_catalog_does_not_know_has_its_id_for_a_name_and_no_place_that_it_does_not_tell() -> None:
    key = build.a_key(kind=Kind.KAFKA, resource="lkc-2")

    assert INDEX.resource(key) == Cluster(Kind.KAFKA, "lkc-2", "lkc-2", "", "")
    assert INDEX.resource(replace(key, environment=PROD.id)) == Cluster(
        Kind.KAFKA, "lkc-2", "lkc-2", PROD.id, PROD.name
    )


def test_an_owner_whom_the_catalog_does_not_know_is_an_account_or_a_person() -> None:
    assert INDEX.owner(Principal("sa-2")) == ServiceAccount(Principal("sa-2"), "")
    assert INDEX.owner(Principal("u-2")) == MyAccount(Principal("u-2"))


# --- Flink's regions --------------------------------------------------------------------------------------------------


def test_regions_in_use_come_first_also_those_that_confluent_no_longer_offers() -> None:
    old = FlinkRegion("aws.eu-west-9", DEV.id, DEV.name)
    catalog = Catalog("o-1", (DEV,), (), build.by_kind(old), (IOWA, VIRGINIA))

    assert regions(catalog, DEV.id, "aws") == ([Region("aws.eu-west-9", "AWS", "")], [VIRGINIA])
    assert regions(catalog, PROD.id, "aws") == ([], [VIRGINIA]), "in use elsewhere is not in use here"
    assert regions(CATALOG, DEV.id, "aws") == ([VIRGINIA], [])


def test_clouds_in_use_come_first_and_without_a_list_there_are_those_that_are_known() -> None:
    assert clouds(Catalog("o-1", (DEV,), (), build.by_kind(FLINK), (IOWA,)), DEV.id) == (("aws", "gcp"), 1)
    assert clouds(CATALOG, PROD.id) == (("aws", "gcp"), 0)
    assert clouds(NOTHING, DEV.id) == (CLOUDS, 0)


def test_the_cloud_of_a_region_is_what_its_id_begins_with() -> None:
    assert [cloud_of(each) for each in ("aws.us-east-1", "lkc-1", "")] == ["aws", "", ""]
    assert region_called(CATALOG, "aws.us-east-1") == VIRGINIA
    assert region_called(CATALOG, "azure.x") == Region("azure.x", "AZURE", "")


# --- what an engineer types -------------------------------------------------------------------------------------------


async def test_a_resource_is_found_by_id_everywhere_and_by_a_name_that_only_one_has() -> None:
    assert await find_resource(stock(), Kind.KAFKA, ORDERS.id) == ORDERS
    assert await find_resource(stock(), Kind.KAFKA, CLUSTER.name, "dev") == CLUSTER
    with pytest.raises(NotFound, match=r"several things \(lkc-dev001 in env-dev001, lkc-prod01 in env-prod01\)"):
        await find_resource(stock(), Kind.KAFKA, CLUSTER.name)
    with pytest.raises(NotFound, match="no ksqldb resource lkc-dev001"):
        await find_resource(stock(), Kind.KSQLDB, CLUSTER.id)


async def test_a_region_that_nothing_runs_in_yet_is_found_where_its_environment_is_named() -> None:
    assert await find_resource(stock(), Kind.FLINK, FLINK.id, DEV.id) == FLINK
    for word, place in ((FLINK.id, ""), ("us-east-1", DEV.id), ("aws.US", DEV.id), ("ibm.us-1", DEV.id)):
        with pytest.raises(NotFound, match="There is no flink resource"):
            await find_resource(stock(), Kind.FLINK, word, place)
    with pytest.raises(NotFound, match="There is no kafka resource"):
        await find_resource(stock(), Kind.KAFKA, FLINK.id, DEV.id)


@pytest.mark.parametrize("kind", [each for each in Kind if each.row.is_wide])
async def test_a_kind_that_opens_no_single_resource_takes_no_word_but_its_own(kind: Kind) -> None:
    assert [await find_resource(stock(), kind, word) for word in ("", kind.value)] == [OrganizationScope(kind)] * 2
    with pytest.raises(NotFound, match="isn't for a single resource"):
        await find_resource(stock(), kind, CLUSTER.id)


async def test_what_is_missing_is_said_and_in_which_places_it_was_looked_for() -> None:
    for word, place, said in [
        ("", "", "Say which resource"),
        ("lkc-2", "", "no kafka resource lkc-2 in env-dev001, env-prod01"),
        ("lkc-2", "production", "no kafka resource lkc-2 in env-prod01"),
        (CLUSTER.id, "staging", "no environment staging"),
    ]:
        with pytest.raises(NotFound, match=said):
            await find_resource(stock(), Kind.KAFKA, word, place)
    with pytest.raises(NotFound, match="in no environment that Latchkey can see"):
        await find_resource(stock(environments_=()), Kind.KAFKA, "lkc-2")


async def test_an_account_is_looked_for_by_id_before_any_is_by_name() -> None:
    """Else who names an account after the id of another one has that one's keys explained as theirs."""
    imposter = ServiceAccount(Principal("sa-evil"), ACCOUNT.id)

    assert await find_owner(stock(accounts=(imposter, ACCOUNT)), ACCOUNT.id, DANA) == ACCOUNT
    assert await find_owner(stock(), OTHER.name, DANA) == OTHER


async def test_me_is_who_asks_and_another_person_is_found_by_id_alone() -> None:
    assert [await find_owner(stock(), word, DANA) for word in ("me", "u-dana")] == [MyAccount(DANA.principal)] * 2
    assert await find_owner(stock(), "u-erin", DANA) == MyAccount(ERIN.principal)
    for word in ("Erin", "u-x", ""):
        with pytest.raises(NotFound, match="no service account"):
            await find_owner(stock(), word, DANA)


@pytest.mark.parametrize("operation", Operation)
async def test_only_what_is_created_has_an_account_that_does_not_exist_yet(operation: Operation) -> None:
    if operation is Operation.CREATE:
        assert await find_owner(stock(), "new", DANA, operation) == NewServiceAccount("new", "")
    else:
        with pytest.raises(NotFound, match=f"no key to {operation} yet"):
            await find_owner(stock(), "new", DANA, operation)


async def test_all_names_come_from_every_list_of_every_environment_a_few_at_a_time() -> None:
    inventory = Stock(environments_=[DEV, PROD, *(Environment(f"env-{number}", "") for number in range(20))])
    named = await all_names(cast("Inventory", inventory))

    found = (DEV, PROD, CLUSTER, ORDERS, REGISTRY, KSQL, ACCOUNT, OTHER)
    assert {id_: name for id_, name in named.items() if name} == {each.id: each.name for each in found}
    assert len(set(inventory.read)) == len(inventory.read) == len(PLACED) * 22
    assert inventory.most == AT_ONCE
