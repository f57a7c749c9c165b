"""Resources read afresh, and the addresses where their keys work: `readiness.md` §6."""

from typing import Any

import httpx
import pytest

from bot.confluent.addresses import Listed
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import ENVIRONMENTS
from bot.confluent.places import ENDPOINTS, FLINK_REGIONS
from bot.domain.catalog import Endpoints, Region
from bot.domain.errors import Unavailable
from bot.domain.keys import Cluster, FlinkRegion, KsqlCluster, OrganizationScope
from bot.domain.kinds import Kind
from tests.confluent.fake import (
    CLUSTERS,
    ENDPOINT,
    KSQL_CLUSTERS,
    ORGANIZATION,
    REGISTRIES,
    FakeConfluent,
    Json,
    cluster,
    refusal,
)

ENV = "env-abc123"
PUBLIC = {"kafka_bootstrap_endpoint": "SASL_SSL://pub:9092", "http_endpoint": "https://pub:443/"}
PRIVATE = {
    "kafka_bootstrap_endpoint": "priv:9092",
    "http_endpoint": "https://priv:443",
    "connection_type": "PRIVATE_LINK",
}
OLD = {"kafka_bootstrap_endpoint": "old:9092", "http_endpoint": "https://old:443"}


def listed(endpoint: str, endpoint_type: str = "REST", service: str = "KAFKA", **more: object) -> Json:
    return {
        "id": f"e-{endpoint}",
        "service": service,
        "endpoint": endpoint,
        "endpoint_type": endpoint_type,
        "is_private": False,
        "environment": {"id": ENV},
        **more,
    }


def row(id_: str, environment: str = ENV, **spec: object) -> Json:
    return {"id": id_, "spec": {"environment": {"id": environment}, **spec}, "status": {"phase": "PROVISIONED"}}


async def endpoints(cloud: ConfluentCloud, kind: Kind, id_: str) -> Endpoints:
    found = await cloud.resource(kind, ENV, id_)
    assert found is not None
    return found[1]


# ---------------------------------------------------------------------------------------------------------------- Kafka


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"endpoints": {"PRIVATE_LINK": PRIVATE, "PUBLIC": PUBLIC}, **OLD}, Endpoints("pub:9092", "https://pub:443")),
        ({"endpoints": {"ap1": {**PUBLIC, "connection_type": "PUBLIC"}}}, Endpoints("pub:9092", "https://pub:443")),
        ({"endpoints": {"ap1": PRIVATE}, **OLD}, Endpoints("old:9092", "https://old:443", is_private=True)),
        (
            {"endpoints": {"PUBLIC": {**PUBLIC, "connection_type": "PRIVATELINK"}}, **OLD},
            Endpoints("old:9092", "https://old:443", is_private=True),
        ),
        ({"endpoints": {"PUBLIC": None}, **OLD}, Endpoints("old:9092", "https://old:443")),
        (
            {"endpoints": {"PUBLIC": {}, "ap1": PRIVATE}, **OLD, "network": {"id": "n-1"}},
            Endpoints("old:9092", "https://old:443"),
        ),
        (OLD, Endpoints("old:9092", "https://old:443")),
        ({**OLD, "network": {"id": "n-1"}}, Endpoints("old:9092", "https://old:443")),
        (
            {"http_endpoint": "https://lkc-1.us-central1.gcp.private.confluent.cloud:443"},
            Endpoints("", "https://lkc-1.us-central1.gcp.private.confluent.cloud:443", is_private=True),
        ),
        (
            {"http_endpoint": "https://lkc-1-ap12.us-west-2.aws.accesspoint.confluent.cloud:443"},
            Endpoints("", "https://lkc-1-ap12.us-west-2.aws.accesspoint.confluent.cloud:443", is_private=True),
        ),
        (
            {"http_endpoint": "https://lkc-1-1.us-central1.gcp.glb.confluent.cloud"},
            Endpoints("", "https://lkc-1-1.us-central1.gcp.glb.confluent.cloud", is_private=True),
        ),
        (
            {"http_endpoint": "https://pkc-1.ap-southeast-2.aws.confluent.cloud:443"},
            Endpoints("", "https://pkc-1.ap-southeast-2.aws.confluent.cloud:443"),
        ),
        (
            {
                "endpoints": {"PUBLIC": {"http_endpoint": "https://x.glb.confluent.cloud"}},
                "kafka_bootstrap_endpoint": "sasl_ssl://old:9092",
            },
            Endpoints("old:9092", "https://x.glb.confluent.cloud"),
        ),
    ],
    ids=str,
)
async def test_the_public_address_comes_first_and_then_the_old_one(
    cloud: ConfluentCloud, fake: FakeConfluent, spec: Any, expected: Endpoints
) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders", spec=spec)]

    found = await cloud.resource(Kind.KAFKA, ENV, "lkc-1")

    assert found == (Cluster(Kind.KAFKA, "lkc-1", "orders", ENV, ""), expected)
    assert fake.calls == [f"GET {CLUSTERS}/lkc-1"]
    assert fake.requests[0].url.params["environment"] == ENV


@pytest.mark.parametrize(
    ("spec", "rows", "expected"),
    [
        ({}, [listed("https://listed:443")], Endpoints("", "https://listed:443")),
        (
            {},
            [listed("https://p:443", is_private=True), listed("https://listed:443/"), listed("b:9092", "BOOTSTRAP")],
            Endpoints("b:9092", "https://listed:443"),
        ),
        ({"endpoints": {"ap1": PRIVATE}}, [listed("https://l:443")], Endpoints("priv:9092", "https://l:443")),
        (
            {"endpoints": {"ap1": PRIVATE}},
            [listed("https://l:443", is_private=True)],
            Endpoints("priv:9092", "https://l:443", is_private=True),
        ),
        (
            {"kafka_bootstrap_endpoint": "old:9092"},
            [listed("https://l:443", is_private=None, connection_type="TRANSIT_GATEWAY")],
            Endpoints("old:9092", "https://l:443", is_private=True),
        ),
        (
            {},
            [listed("https://l.private.confluent.cloud", is_private=None)],
            Endpoints("", "https://l.private.confluent.cloud", is_private=True),
        ),
        ({"endpoints": {"ap2": OLD, "ap1": PRIVATE}}, [], Endpoints("priv:9092", "https://priv:443", is_private=True)),
        ({"kafka_bootstrap_endpoint": "old:9092"}, [], Endpoints("old:9092", "")),
        ({"network": {"id": "n-1"}}, [], Endpoints("", "", is_private=True)),
        ({}, [], Endpoints("", "")),
    ],
    ids=str,
)
async def test_without_these_the_list_of_endpoints_is_asked_and_last_come_private_ones(
    cloud: ConfluentCloud, fake: FakeConfluent, spec: Any, rows: list[Json], expected: Endpoints
) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders", spec=spec)]
    fake.collections[ENDPOINTS] = rows

    assert await endpoints(cloud, Kind.KAFKA, "lkc-1") == expected
    assert dict(fake.requests[1].url.params) == {
        "page_size": "100",
        "service": "KAFKA",
        "environment": ENV,
        "resource": "lkc-1",
    }


async def test_listed_endpoints_of_others_are_not_taken(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders")]
    fake.ignores = {"service", "environment", "resource"}
    fake.collections[ENDPOINTS] = [
        listed("https://a:443", service="FLINK"),
        listed("https://b:443", environment={"id": "env-other1"}),
        listed("https://c:443", resource={"id": "lkc-2"}),
        listed("https://d:443", "LANGUAGE_SERVICE"),
        listed("https://mine:443", resource={"id": "lkc-1"}),
    ]

    assert await endpoints(cloud, Kind.KAFKA, "lkc-1") == Endpoints("", "https://mine:443")


@pytest.mark.parametrize(
    "answer",
    [refusal(403), refusal(400), httpx.Response(503), httpx.ConnectError(""), httpx.Response(200, json={"data": [7]})],
    ids=str,
)
async def test_a_list_of_endpoints_that_fails_costs_the_address_alone(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response | Exception
) -> None:
    found = httpx.Response(200, json=cluster("lkc-1", "orders"))
    fake.script += [found, *[answer] * 9]

    assert await cloud.resource(Kind.KAFKA, ENV, "lkc-1") == (
        Cluster(Kind.KAFKA, "lkc-1", "orders", ENV, ""),
        Endpoints("", ""),
    )


def test_endpoints_without_ids_are_still_several() -> None:
    rows = [Listed(endpoint="https://a"), Listed(endpoint="https://b"), Listed(endpoint="https://a")]

    assert len({each.identity for each in rows}) == 2


@pytest.mark.parametrize(
    "found",
    [
        cluster("lkc-1", "moved", environment="env-other1"),
        cluster("lkc-1", "going", metadata={"deleted_at": "2026-03-23T06:49:17Z"}),
        cluster("lkc-1", "failed", status={"phase": "FAILED"}),
        cluster("lkc-9", "another"),
    ],
    ids=lambda each: each["spec"]["display_name"],
)
@pytest.mark.parametrize(
    ("kind", "collection"),
    [(Kind.KAFKA, CLUSTERS), (Kind.SCHEMA_REGISTRY, REGISTRIES), (Kind.KSQLDB, KSQL_CLUSTERS)],
)
async def test_a_cluster_that_is_not_there_any_more_is_none(
    cloud: ConfluentCloud, fake: FakeConfluent, kind: Kind, collection: str, found: Json
) -> None:
    fake.collections[collection] = [found]

    assert await cloud.resource(kind, ENV, "lkc-1") is None


async def test_one_403_does_not_make_a_cluster_disappear(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders", spec=OLD)]
    fake.script.append(refusal(403))

    assert await cloud.resource(Kind.KAFKA, ENV, "lkc-1") is not None
    assert fake.calls == [f"GET {CLUSTERS}/lkc-1", f"GET {CLUSTERS}"]


async def test_a_cluster_that_cannot_be_read_is_an_error(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [httpx.Response(503)] * 9

    with pytest.raises(Unavailable):
        await cloud.resource(Kind.KAFKA, ENV, "lkc-1")


# ------------------------------------------------------------------------------------------- Schema Registry and ksqlDB

REGIONAL = {"us-west-2": "https://west.private", "us-east-1": "https://east.private"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"http_endpoint": "https://psrc-1/", "private_http_endpoint": "https://old.private"},
            Endpoints("", "https://psrc-1"),
        ),
        (
            {
                "region": "us-west-2",
                "private_networking_config": {"regional_endpoints": REGIONAL},
                "private_http_endpoint": "https://old.private",
            },
            Endpoints("", "https://west.private", is_private=True),
        ),
        (
            {"private_networking_config": {"regional_endpoints": REGIONAL}},
            Endpoints("", "https://east.private", is_private=True),
        ),
        (
            {"private_networking_config": None, "private_http_endpoint": "https://old.private"},
            Endpoints("", "https://old.private", is_private=True),
        ),
        (
            {
                "private_networking_config": {"regional_endpoints": {"us-west-2": None}},
                "private_http_endpoint": "https://old.private",
            },
            Endpoints("", "https://old.private", is_private=True),
        ),
    ],
    ids=str,
)
async def test_a_schema_registry_has_a_public_address_or_private_ones(
    cloud: ConfluentCloud, fake: FakeConfluent, spec: Any, expected: Endpoints
) -> None:
    fake.collections[REGISTRIES] = [row("lsrc-1", display_name="schemas", **spec)]

    found = await cloud.resource(Kind.SCHEMA_REGISTRY, ENV, "lsrc-1")

    assert found == (Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "schemas", ENV, ""), expected)
    assert fake.calls == [f"GET {REGISTRIES}/lsrc-1"]


@pytest.mark.parametrize("is_private", [True, False])
async def test_a_schema_registry_without_any_is_looked_up(
    cloud: ConfluentCloud, fake: FakeConfluent, *, is_private: bool
) -> None:
    fake.collections[REGISTRIES] = [row("lsrc-1")]
    fake.collections[ENDPOINTS] = [listed("https://l", service="SCHEMA_REGISTRY", is_private=is_private)]

    assert await endpoints(cloud, Kind.SCHEMA_REGISTRY, "lsrc-1") == Endpoints("", "https://l", is_private=is_private)
    assert fake.requests[1].url.params["service"] == "SCHEMA_REGISTRY"
    assert fake.requests[1].url.params["resource"] == "lsrc-1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"http_endpoint": "https://pksqlc-1:443/"}, Endpoints("", "https://pksqlc-1:443")),
        ({"http_endpoint": "https://pksqlc-1", "is_paused": True}, Endpoints("", "https://pksqlc-1", is_paused=True)),
        ({"http_endpoint": "https://pksqlc-1", "is_paused": "no"}, Endpoints("", "https://pksqlc-1")),
        ({}, Endpoints("", "")),
    ],
    ids=str,
)
async def test_a_ksql_cluster_says_where_it_is_in_its_status(
    cloud: ConfluentCloud, fake: FakeConfluent, status: Any, expected: Endpoints
) -> None:
    found = row("lksqlc-1", display_name="enrichment", kafka_cluster={"id": "lkc-1"})
    fake.collections[KSQL_CLUSTERS] = [{**found, "status": status}]

    assert await cloud.resource(Kind.KSQLDB, ENV, "lksqlc-1") == (
        KsqlCluster("lksqlc-1", "enrichment", ENV, "", "lkc-1"),
        expected,
    )
    assert fake.calls == [f"GET {KSQL_CLUSTERS}/lksqlc-1"]


# ---------------------------------------------------------------------------------------------------------------- Flink


def region(cloud: str = "AWS", name: str = "us-east-1", **more: object) -> Json:
    return {"id": f"{cloud.lower()}.{name}", "cloud": cloud, "region_name": name, **more}


HOST = "https://flink.us-east-1.aws.confluent.cloud"
PRIVATE_HOST = "https://flink.us-east-1.aws.private.confluent.cloud"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"http_endpoint": HOST, "private_http_endpoint": PRIVATE_HOST}, Endpoints("", HOST)),
        ({"private_http_endpoint": PRIVATE_HOST}, Endpoints("", PRIVATE_HOST, is_private=True)),
    ],
)
@pytest.mark.parametrize("id_", ["aws.us-east-1", "AWS.us-east-1", "env-abc123.aws.us-east-1"])
async def test_a_flink_region_is_there_while_confluent_offers_it(
    cloud: ConfluentCloud, fake: FakeConfluent, id_: str, more: Any, expected: Endpoints
) -> None:
    fake.ignores = {"cloud", "region_name"}
    fake.collections[ENVIRONMENTS] = [{"id": ENV}]
    fake.collections[FLINK_REGIONS] = [region("GCP"), region(name="us-east-2"), region(**more)]

    found = await cloud.resource(Kind.FLINK, ENV, id_)

    assert found is not None
    assert found[0] == FlinkRegion("aws.us-east-1", ENV, "")
    assert (found[1].rest, found[1].is_private) == (expected.rest, expected.is_private)
    assert found[1].organization == ORGANIZATION
    assert dict(fake.requests[0].url.params) == {"page_size": "100", "cloud": "AWS", "region_name": "us-east-1"}


@pytest.mark.parametrize("environment", ["", ".", "env-gone", ENV.upper(), f"{ENV} ", f"x/../{ENV}"])
async def test_a_flink_region_is_in_no_environment_that_is_not_there(
    cloud: ConfluentCloud, fake: FakeConfluent, environment: str
) -> None:
    """Regions are offered everywhere: for an id made up, the policy's rule about the true one would not hold."""
    fake.collections[ENVIRONMENTS] = [{"id": ENV}]
    fake.collections[FLINK_REGIONS] = [region()]

    assert await cloud.resource(Kind.FLINK, environment, "aws.us-east-1") is None


@pytest.mark.parametrize("id_", ["aws.eu-north-9", "us-east-1", "", "aws", "lkc-1"])
async def test_a_flink_region_that_is_not_offered_is_none(cloud: ConfluentCloud, fake: FakeConfluent, id_: str) -> None:
    fake.collections[FLINK_REGIONS] = [region()]

    assert await cloud.resource(Kind.FLINK, ENV, id_) is None


async def test_a_flink_region_without_an_address_is_looked_up(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ENVIRONMENTS] = [{"id": ENV}]
    fake.collections[FLINK_REGIONS] = [region()]
    here = {"service": "FLINK", "cloud": "AWS", "region": "us-east-1"}
    fake.ignores = {"region"}
    fake.collections[ENDPOINTS] = [
        listed("https://ls", "LANGUAGE_SERVICE", **here),
        listed("https://elsewhere", service="FLINK", cloud="AWS", region="us-east-2"),
        listed("https://here", **here),
    ]

    assert (await endpoints(cloud, Kind.FLINK, "aws.us-east-1")).rest == "https://here"
    assert fake.requests[1].url.params["cloud"] == "AWS"
    assert fake.requests[1].url.params["region"] == "us-east-1"
    assert "resource" not in fake.requests[1].url.params


async def test_all_regions_are_listed_by_id_each_once(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.page_length = 2
    fake.collections[FLINK_REGIONS] = [
        region("GCP", "us-central1", display_name="Iowa (us-central1)"),
        region("AWS", "us-east-1"),
        region("aws", "us-east-1") | {"id": "twice"},
        {"id": "azure.eastus"},
        {"id": "nonsense"},
    ]

    assert await cloud.regions() == (
        Region("aws.us-east-1", "AWS", "us-east-1"),
        Region("azure.eastus", "AZURE", "eastus"),
        Region("gcp.us-central1", "GCP", "Iowa (us-central1)"),
    )


# ----------------------------------------------------------------------------------------------------------- everywhere


@pytest.mark.parametrize("kind", [Kind.CLOUD, Kind.TABLEFLOW, Kind.GLOBAL])
async def test_what_is_everywhere_is_at_the_configured_address(cloud: ConfluentCloud, kind: Kind) -> None:
    assert await cloud.resource(kind, "", "") == (
        OrganizationScope(kind),  # all three
        Endpoints("", ENDPOINT, organization=ORGANIZATION),
    )
