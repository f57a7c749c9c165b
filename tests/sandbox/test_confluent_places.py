"""Where the sandbox's Confluent Cloud says its clusters and regions are to be found."""

from collections import Counter
from typing import Any

import httpx
import pytest

from sandbox.cast import DEV, ORGANIZATION, PROD
from sandbox.confluent import Faults, Organization
from tests.sandbox.confluent_client import KEYS, items, names, sign_in

ENDPOINTS = "/endpoint/v1/endpoints"
DATA_PLANE = "http://confluent/dataplane"


async def spec(api: httpx.AsyncClient, path: str, environment: str = DEV) -> dict[str, Any]:
    answer = await api.get(path, params={"environment": environment})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["spec"]
    return found


async def test_a_public_cluster_is_found_right_here_and_its_bootstrap_looks_real(api: httpx.AsyncClient) -> None:
    cluster = await spec(api, "/cmk/v2/clusters/lkc-dev001")

    assert cluster["http_endpoint"] == f"{DATA_PLANE}/lkc-dev001"
    assert cluster["kafka_bootstrap_endpoint"] == "SASL_SSL://pkc-dev01.us-east-1.aws.confluent.cloud:9092"
    assert cluster["endpoints"] == {
        "PUBLIC": {
            "http_endpoint": f"{DATA_PLANE}/lkc-dev001",
            "kafka_bootstrap_endpoint": "pkc-dev01.us-east-1.aws.confluent.cloud:9092",
            "connection_type": "PUBLIC",
        }
    }


async def test_a_private_cluster_has_no_public_endpoint(api: httpx.AsyncClient) -> None:
    cluster = await spec(api, "/cmk/v2/clusters/lkc-dev003")

    assert list(cluster["endpoints"]) == ["PRIVATE_LINK"]
    (point,) = cluster["endpoints"].values()
    assert point["http_endpoint"] == "https://lkc-dev003.us-east-1.aws.private.confluent.cloud:443"
    assert point["connection_type"] == "PRIVATE_LINK"


async def test_a_schema_registry_is_public_or_private(api: httpx.AsyncClient, organization: Organization) -> None:
    public = await spec(api, "/srcm/v3/clusters/lsrc-dev01")
    private = organization.schema_registries["lsrc-dev01"]
    organization.schema_registries["lsrc-dev01"] = type(private)(
        private.id, private.name, private.environment, private.package, private.created_at, is_public=False
    )
    hidden = await spec(api, "/srcm/v3/clusters/lsrc-dev01")

    assert public["http_endpoint"] == f"{DATA_PLANE}/lsrc-dev01"
    assert not public["private_networking_config"]
    assert "http_endpoint" not in hidden
    host = "https://lsrc-dev01.us-east-1.aws.private.confluent.cloud"
    assert hidden["private_networking_config"] == {"regional_endpoints": {"us-east-1": host}}


async def test_one_ksqldb_cluster_is_paused(api: httpx.AsyncClient) -> None:
    found = await items(api, "/ksqldbcm/v2/clusters", environment=DEV)

    assert {each["id"]: each["status"]["is_paused"] for each in found} == {"lksqlc-dev01": False, "lksqlc-dev02": True}
    assert found[0]["status"]["http_endpoint"] == f"{DATA_PLANE}/lksqlc-dev01"


@pytest.mark.parametrize("environment", [DEV, PROD])
async def test_both_environments_have_resources_of_every_kind(api: httpx.AsyncClient, environment: str) -> None:
    for path in ("/cmk/v2/clusters", "/srcm/v3/clusters", "/ksqldbcm/v2/clusters", "/fcpm/v2/compute-pools"):
        assert await names(api, path, environment=environment), path


async def test_there_are_more_regions_than_those_in_use(api: httpx.AsyncClient) -> None:
    regions = await items(api, "/fcpm/v2/regions")
    pools = [
        pool["spec"] for each in (DEV, PROD) for pool in await items(api, "/fcpm/v2/compute-pools", environment=each)
    ]

    assert min(Counter(each["cloud"] for each in regions).values()) >= 3
    assert {each["cloud"] for each in regions} == {"AWS", "AZURE", "GCP"}
    in_use = {f"{pool['cloud'].lower()}.{pool['region']}" for pool in pools}
    assert in_use < {each["id"] for each in regions}
    (virginia,) = await items(api, "/fcpm/v2/regions", cloud="AWS", region_name="us-east-1")
    assert virginia["http_endpoint"] == f"{DATA_PLANE}/aws.us-east-1"
    assert virginia["private_http_endpoint"] == "https://flink.us-east-1.aws.private.confluent.cloud"


async def test_every_public_endpoint_answers_with_a_new_key(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    faults.propagation = 0
    key, secret = organization.create_key(organization.resource("global"), "sa-orders")
    (region,) = await items(api, "/fcpm/v2/regions", cloud="AZURE", region_name="westeurope")
    (ksql,) = (await items(api, "/ksqldbcm/v2/clusters", environment=PROD))[:1]
    probes = [
        (await spec(api, "/cmk/v2/clusters/lkc-prod01", PROD))["http_endpoint"]
        + "/kafka/v3/clusters/lkc-prod01/topics",
        (await spec(api, "/srcm/v3/clusters/lsrc-prod01", PROD))["http_endpoint"] + "/subjects",
        ksql["status"]["http_endpoint"] + "/info",
        region["http_endpoint"] + f"/sql/v1/organizations/{ORGANIZATION}/environments/{DEV}/statements?page_size=1",
    ]

    assert [(await api.get(url, auth=(key.id, secret))).status_code for url in probes] == [200] * 4


async def test_endpoints_of_a_cluster_are_listed_with_their_type(api: httpx.AsyncClient) -> None:
    found = await items(api, ENDPOINTS, service="KAFKA", environment=DEV, resource="lkc-dev001")

    assert [(each["endpoint_type"], each["endpoint"]) for each in found] == [
        ("REST", f"{DATA_PLANE}/lkc-dev001"),
        ("BOOTSTRAP", "pkc-dev01.us-east-1.aws.confluent.cloud:9092"),
    ]
    assert {each["resource"]["id"] for each in found} == {"lkc-dev001"}
    assert {(each["is_private"], each["connection_type"]) for each in found} == {(False, "PUBLIC")}


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"service": "KAFKA"}, 6),
        ({"service": "KAFKA", "is_private": "true"}, 2),
        ({"service": "KAFKA", "is_private": "false"}, 4),
        ({"service": "KAFKA", "resource": "lkc-prod01"}, 0),
        ({"service": "KAFKA", "cloud": "GCP"}, 0),
        ({"service": "SCHEMA_REGISTRY"}, 1),
        ({"service": "FLINK", "region": "westeurope"}, 3),
        ({"service": "FLINK", "region": "westeurope", "is_private": "true"}, 1),
        ({"service": "FLINK", "cloud": "AZURE"}, 9),
    ],
)
async def test_endpoints_are_filtered(api: httpx.AsyncClient, filters: dict[str, str], count: int) -> None:
    found = await items(api, ENDPOINTS, environment=DEV, **filters)

    assert len(found) == count
    assert len({each["id"] for each in found}) == count


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"service": "KAFKA"}, 400),
        ({"environment": DEV}, 400),
        ({"service": "NETWORK", "environment": DEV}, 400),
        ({"service": "KAFKA", "environment": "env-nosuch"}, 403),
        ({"service": "KAFKA", "environment": DEV, "page_size": "1001"}, 400),
        ({"service": "KAFKA", "environment": DEV, "page_size": "1000"}, 200),
    ],
)
async def test_endpoints_need_their_service_and_environment(
    api: httpx.AsyncClient, params: dict[str, str], status: int
) -> None:
    assert (await api.get(ENDPOINTS, params=params)).status_code == status


async def test_endpoints_are_those_the_caller_sees(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-chiyo1")

    found = await items(api, ENDPOINTS, service="KAFKA", environment=PROD)
    assert {each["resource"]["id"] for each in found} == {"lkc-prod01"}


async def test_an_old_cloud_key_says_no_resource_and_both_forms_of_flink_are_there(api: httpx.AsyncClient) -> None:
    found = {each["id"]: each["spec"].get("resource", {}) for each in await items(api, KEYS)}

    assert found["NIGHTLYETLCLOUD1"] == {}
    assert found["NIGHTLYETLCLOUD2"]["id"] == "cloud"
    assert (found["NIGHTLYETLFLINK1"]["id"], found["NIGHTLYETLFLINK1"]["environment"]) == ("aws.us-east-1", PROD)
    assert found["ORDERSFLINK00001"]["id"] == f"{DEV}.aws.us-east-1"
    assert "environment" not in found["ORDERSFLINK00001"]


async def test_one_key_has_an_owner_that_is_in_no_list(api: httpx.AsyncClient) -> None:
    (key,) = [each for each in await items(api, KEYS) if each["id"] == "BILLINGPROD00001"]
    known = await names(api, "/iam/v2/users") + await names(api, "/iam/v2/service-accounts")

    assert key["spec"]["owner"]["id"] not in known
