"""R14: one row of a list that cannot be read. People's lists skip it and say so; what decides by absence does not."""

from collections.abc import Awaitable, Callable

import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import COMPUTE_POOLS, ENVIRONMENTS
from bot.domain.catalog import Environment
from bot.domain.errors import Unavailable
from bot.domain.keys import Cluster, FlinkRegion, KeyId, OrganizationScope, Principal
from bot.domain.kinds import Kind
from tests.confluent.fake import (
    ACCOUNTS,
    BINDINGS,
    CLUSTERS,
    KEYS,
    KSQL_CLUSTERS,
    REGISTRIES,
    FakeConfluent,
    Json,
    api_key,
)

HERE = Environment("env-abc123", "dev")
OWNER = Principal("sa-abc123")
ORDERS = Cluster(Kind.KAFKA, "lkc-abc123", "orders", HERE.id, HERE.name)
UNREADABLE: Json = {"id": None, "spec": {"owner": {"id": OWNER}, "resource": {"id": ORDERS.id}}}


@pytest.fixture(autouse=True)
def rows(fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("KEY1"), UNREADABLE, api_key("KEY2")]


async def test_a_list_for_people_skips_it_and_tells_how_many(
    cloud: ConfluentCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, left_out = await cloud.keys_shown(OWNER)

    assert ([key.id for key in shown], left_out) == (["KEY1", "KEY2"], 1)
    assert "confluent.row_skipped" in capsys.readouterr().out
    page, _ = await cloud.key_page("")
    assert [key.id for key in page] == ["KEY1", "KEY2"]


STRICT: list[Callable[[ConfluentCloud], Awaitable[object]]] = [
    lambda cloud: cloud.keys_of(OWNER),
    lambda cloud: cloud.keys(OWNER, ORDERS),
    lambda cloud: cloud.delete_key(KeyId("GONE"), OWNER, ORDERS),
    lambda cloud: cloud.users(),
    lambda cloud: cloud.bindings_at("crn://confluent.cloud/organization=1"),
    lambda cloud: cloud.delete_account(OWNER),
    lambda cloud: cloud.accounts_named("orders"),
]


@pytest.mark.parametrize("read", STRICT)
async def test_what_decides_by_what_is_not_there_does_not_go_on_without_it(
    cloud: ConfluentCloud, fake: FakeConfluent, read: Callable[[ConfluentCloud], Awaitable[object]]
) -> None:
    fake.collections |= {path: [{"id": 7}] for path in ("/iam/v2/users", BINDINGS, ACCOUNTS)}

    with pytest.raises(Unavailable, match="can't read the response"):
        await read(cloud)


CATALOG: list[tuple[str, Callable[[ConfluentCloud], Awaitable[object]]]] = [
    (ENVIRONMENTS, lambda cloud: cloud.environments()),
    (CLUSTERS, lambda cloud: cloud.resources(Kind.KAFKA, HERE)),
    (REGISTRIES, lambda cloud: cloud.resources(Kind.SCHEMA_REGISTRY, HERE)),
    (KSQL_CLUSTERS, lambda cloud: cloud.resources(Kind.KSQLDB, HERE)),
    (COMPUTE_POOLS, lambda cloud: cloud.resources(Kind.FLINK, HERE)),
    (ACCOUNTS, lambda cloud: cloud.service_accounts()),
]


@pytest.mark.parametrize(("path", "read"), CATALOG)
async def test_what_people_choose_from_goes_on_without_it(
    cloud: ConfluentCloud, fake: FakeConfluent, path: str, read: Callable[[ConfluentCloud], Awaitable[object]]
) -> None:
    good = {"id": "good-1", "spec": {"cloud": "AWS", "region": "us-east-1", "environment": {"id": HERE.id}}}
    fake.collections[path] = [good, {"spec": "broken"}]

    found = await read(cloud)

    assert isinstance(found, tuple)
    assert len(found) == 1


def ours(id_: str, **spec: Json | None) -> Json:
    usual = {"owner": {"id": OWNER}, "resource": {"id": ORDERS.id}, "description": "reads orders [lk:R1/1]"}
    return {"id": id_, "spec": usual | spec}


ELSEWHERE = {"resource_name": f"crn://confluent.cloud/organization=1/environment={HERE.id}/cloud-cluster={ORDERS.id}"}


@pytest.mark.parametrize(
    "owner",
    [None, {}, {"id": None}, {"id": ""}, {"id": 7}, {"id": OWNER.upper()}, {"resource_name": f"crn://x/user={OWNER}"}],
)
async def test_a_key_of_ours_whose_owner_tells_nothing_is_not_taken_for_gone(
    cloud: ConfluentCloud, fake: FakeConfluent, owner: Json | None
) -> None:
    fake.ignores = {"spec.owner", "spec.resource"}
    broken = ours("KEY2", owner=owner)
    fake.collections[KEYS] = [api_key("KEY1"), broken]

    for read in STRICT[:2]:
        with pytest.raises(Unavailable, match="can't read the response"):
            await read(cloud)
    shown, left_out = await cloud.keys_shown(OWNER)
    assert ([key.id for key in shown], left_out) == (["KEY1"], 1)

    # Confluent's internal keys have neither an owner nor our marker.
    fake.collections[KEYS] = [api_key("KEY1"), {**broken, "spec": {**broken["spec"], "description": "internal"}}]
    assert [key.id for key in await cloud.keys_of(OWNER)] == ["KEY1"]
    assert [key.id for key in await cloud.keys(OWNER, ORDERS)] == ["KEY1"]


@pytest.mark.parametrize(
    "resource",
    [
        None,
        {},
        {"id": 7},
        {"id": ORDERS.id.upper()},
        {"id": ORDERS.id, "kind": "SchemaRegistry"},
        {"id": ORDERS.id, "api_version": "global/v1"},
        ELSEWHERE,
    ],
)
async def test_a_key_of_ours_whose_resource_tells_nothing_is_not_taken_for_gone(
    cloud: ConfluentCloud, fake: FakeConfluent, resource: Json | None
) -> None:
    fake.ignores = {"spec.resource"}
    fake.collections[KEYS] = [api_key("KEY1"), ours("KEY2", resource=resource)]

    with pytest.raises(Unavailable, match="can't read the response"):
        await cloud.keys(OWNER, ORDERS)
    assert [key.id for key in await cloud.keys_of(OWNER)] == ["KEY1", "KEY2"]


async def test_keys_of_ours_that_are_of_somebody_or_something_else_hinder_nobody(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.ignores = {"spec.owner", "spec.resource"}
    region = FlinkRegion("aws.us-east-1", HERE.id, HERE.name)
    theirs = {"id": region.id, "environment": "env-other1", "api_version": "fcpm/v2", "kind": "Region"}
    fake.collections[KEYS] = [
        ours("KEY1"),
        ours("KEY2", owner={"id": "sa-other1"}, resource=None),
        ours("KEY3", resource={"id": "lkc-other1"}),
        ours("KEY4", resource=theirs),
    ]

    assert [key.id for key in await cloud.keys(OWNER, ORDERS)] == ["KEY1"]
    # A Cloud key may name nothing; a list for Flink holds it, for its filter is ours.
    fake.collections[KEYS].append(ours("KEY5", resource=None))
    assert await cloud.keys(OWNER, region) == ()
    assert [key.id for key in await cloud.keys(OWNER, OrganizationScope(Kind.CLOUD))] == ["KEY5"]
