"""What there is at Confluent Cloud, and who holds what where."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import COMPUTE_POOLS, ROLE_BINDINGS
from bot.domain.catalog import Environment
from bot.domain.errors import CloudRefused, Unavailable
from bot.domain.keys import Cluster, FlinkRegion, KsqlCluster, Principal, Secret
from bot.domain.kinds import Kind
from bot.domain.roles import Binding
from sandbox.cast import DEV, ORG_CRN, PROD
from sandbox.confluent import BOT_KEY, Faults, Organization, acme, create_app
from sandbox.serving import serve
from tests.confluent.fake import KSQL_CLUSTERS, ORGANIZATION, REGISTRIES, FakeConfluent, Json, refusal

HERE = f"crn://confluent.cloud/organization={ORGANIZATION}"
ENVIRONMENT = Environment("env-abc123", "dev")


def placed(id_: str, environment: str = "env-abc123", *, phase: str = "PROVISIONED", **spec: object) -> Json:
    return {"id": id_, "spec": {"environment": {"id": environment}, **spec}, "status": {"phase": phase}}


def bound(id_: str, crn: str, who: str = "User:u-1", role: str = "Operator") -> Json:
    return {"id": id_, "principal": who, "role_name": role, "crn_pattern": crn}


async def test_schema_registries_in_use_with_their_names(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[REGISTRIES] = [
        placed("lsrc-1", display_name="Stream Governance Package"),
        placed("lsrc-2"),
        placed("lsrc-3", phase="DEPROVISIONING"),
        placed("lsrc-4", "env-other"),
    ]
    fake.ignores.add("environment")

    assert await cloud.resources(Kind.SCHEMA_REGISTRY, ENVIRONMENT) == (
        Cluster(Kind.SCHEMA_REGISTRY, "lsrc-2", "lsrc-2", "env-abc123", "dev"),
        Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "Stream Governance Package", "env-abc123", "dev"),
    )


async def test_ksql_clusters_in_use_know_the_kafka_cluster_below(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KSQL_CLUSTERS] = [
        placed("lksqlc-1", display_name="enrichment", kafka_cluster={"id": "lkc-1"}),
        placed("lksqlc-2", display_name="bare", kafka_cluster=None),
        placed("lksqlc-3", display_name="gone", kafka_cluster={"id": "lkc-1"}, phase="FAILED"),
        placed("lksqlc-4", "env-other", display_name="elsewhere", kafka_cluster={"id": "lkc-1"}),
    ]
    fake.ignores.add("environment")

    assert await cloud.resources(Kind.KSQLDB, ENVIRONMENT) == (
        KsqlCluster("lksqlc-2", "bare", "env-abc123", "dev", ""),
        KsqlCluster("lksqlc-1", "enrichment", "env-abc123", "dev", "lkc-1"),
    )


async def test_flink_regions_are_those_with_a_compute_pool_each_once(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.collections[COMPUTE_POOLS] = [
        placed("lfcp-1", cloud="AWS", region="us-east-1"),
        placed("lfcp-2", cloud="aws", region="us-east-1"),
        placed("lfcp-3", cloud="GCP", region="europe-west3"),
        placed("lfcp-4", cloud="AZURE"),
        placed("lfcp-5", cloud="AWS", region="us-west-2", phase="DELETING"),
        placed("lfcp-6", "env-other", cloud="AWS", region="eu-west-1"),
    ]
    fake.ignores.add("environment")

    assert await cloud.resources(Kind.FLINK, ENVIRONMENT) == (
        FlinkRegion("aws.us-east-1", "env-abc123", "dev"),
        FlinkRegion("gcp.europe-west3", "env-abc123", "dev"),
    )


async def test_bindings_at_a_place_are_everybodys_at_exactly_that_place(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    place = f"{HERE}/environment=env-abc123"
    fake.collections[ROLE_BINDINGS] = [
        bound("rb-1", place),
        bound("rb-2", place, "User:sa-1", "EnvironmentAdmin"),
        bound("rb-3", f"{place}/cloud-cluster=lkc-1"),
        bound("rb-4", HERE),
        bound("rb-5", place, "Group:u-1"),
        bound("rb-6", f"{HERE}/environment=*"),
    ]

    found = await cloud.bindings_at(place)

    assert found == (
        Binding(Principal("u-1"), "Operator", place),
        Binding(Principal("sa-1"), "EnvironmentAdmin", place),
    )
    assert dict(fake.requests[-1].url.params) == {"page_size": "100", "crn_pattern": place}


async def test_bindings_under_a_place_are_everybodys_below_it_on_all_pages(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    place = f"{HERE}/environment=env-abc123"
    below = [f"{place}/cloud-cluster=lkc-{number}" for number in range(5)]
    rows = [bound(f"rb-{number}", crn) for number, crn in enumerate(below)]
    rows += [bound("rb-a", place), bound("rb-b", HERE), bound("rb-c", f"{HERE}/environment=env-abc1234/x=y")]
    pages = [rows[:4], rows[4:]]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["crn_pattern"] == f"{place}/*"
        page = pages[int(request.url.params.get("page_token", "0"))]
        link = "https://elsewhere.example/x?page_token=1" if page is pages[0] else ""
        return httpx.Response(200, json={"data": page, "metadata": {"next": link}})

    fake.script += [answer, answer]

    assert [each.crn for each in await cloud.bindings_under(place)] == below


async def test_bindings_that_cannot_be_read_are_an_error_and_not_nobodys(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.script += [refusal(403), httpx.Response(200, json={"metadata": {}})]

    with pytest.raises(CloudRefused):
        await cloud.bindings_at(HERE)
    with pytest.raises(Unavailable):
        await cloud.bindings_under(HERE)


# --- the sandbox --------------------------------------------------------------------------------------------------


def now() -> datetime:
    return datetime(2026, 3, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def organization() -> Organization:
    return acme(now)


@pytest.fixture(params=["exact, or below", "with all below"])
async def sandbox_cloud(organization: Organization, request: pytest.FixtureRequest) -> AsyncIterator[ConfluentCloud]:
    secret = Secret(organization.secrets_issued[BOT_KEY])
    app = create_app(organization, Faults(crn_patterns=request.param), clock=now)
    async with serve(app) as endpoint, Client(endpoint, BOT_KEY, secret, version="0") as client:
        yield ConfluentCloud(client)


async def test_the_sandbox_has_every_kind(sandbox_cloud: ConfluentCloud) -> None:
    dev, production = Environment(DEV, "dev"), Environment(PROD, "production")

    assert "lsrc-dev01" in [each.id for each in await sandbox_cloud.resources(Kind.SCHEMA_REGISTRY, dev)]
    enrichment = KsqlCluster("lksqlc-dev01", "enrichment", DEV, "dev", "lkc-dev001")
    assert enrichment in await sandbox_cloud.resources(Kind.KSQLDB, dev)
    assert enrichment.id not in [each.id for each in await sandbox_cloud.resources(Kind.KSQLDB, production)]
    assert {"aws.eu-central-1", "aws.us-east-1"} <= {
        each.id for each in await sandbox_cloud.resources(Kind.FLINK, production)
    }


async def test_at_and_under_the_organization_is_everybody(
    sandbox_cloud: ConfluentCloud, organization: Organization
) -> None:
    at, under = await sandbox_cloud.bindings_at(ORG_CRN), await sandbox_cloud.bindings_under(ORG_CRN)

    assert sorted((each.principal, each.role, each.crn) for each in (*at, *under)) == sorted(
        (each.principal, each.role, each.crn_pattern) for each in organization.role_bindings.values()
    )


async def test_everything_bound_to_somebody_is_found_once(
    sandbox_cloud: ConfluentCloud, organization: Organization
) -> None:
    for who in {each.principal for each in organization.role_bindings.values()}:
        held = await sandbox_cloud.role_bindings(Principal(who))

        assert sorted((each.role, each.crn) for each in held) == sorted(
            (each.role, each.crn_pattern) for each in organization.role_bindings.values() if each.principal == who
        )
