"""The quotas of the sandbox's Confluent Cloud, and an organization large enough to reach some."""

from typing import Any

import httpx
import pytest

from sandbox.cast import DEV, PROD
from sandbox.confluent import Faults, Organization, Size, add_crowd
from sandbox.confluent.faults import QUOTAS as SWITCHABLE
from tests.sandbox.confluent_client import ACCOUNTS, KEYS, QUOTAS, ask, items, names, sign_in

CLOUD_KEYS = "iam.max_cloud_api_keys.per_service_account"
CLUSTER_KEYS = "iam.max_cluster_api_keys.per_service_account"


async def quotas(api: httpx.AsyncClient, scope: str, **params: str) -> list[dict[str, Any]]:
    return await items(api, QUOTAS, scope=scope, **params)


async def test_limits_of_the_organization_say_how_much_is_used(api: httpx.AsyncClient) -> None:
    found = {each["id"]: (each["applied_limit"], each["usage"]) for each in await quotas(api, "ORGANIZATION")}

    assert found["iam.max_cloud_api_keys.per_org"] == (1000, 10)
    assert found["iam.max_service_accounts.per_org"] == (1000, 4)
    assert found["iam.max_environments.per_org"] == (25, 2)


async def test_limits_of_users_and_service_accounts_stand_beside_who_has_them(api: httpx.AsyncClient) -> None:
    users = {
        each["user"]["id"]: each for each in await quotas(api, "USER_ACCOUNT", id="iam.max_cluster_api_keys.per_user")
    }
    accounts = {(each["id"], each["user"]["id"]): each for each in await quotas(api, "SERVICE_ACCOUNT")}

    assert users["u-dana01"]["usage"] == 1
    assert users["u-olga01"]["usage"] == 0
    near = accounts[CLOUD_KEYS, "sa-etl001"]
    assert (near["applied_limit"], near["default_limit"], near["usage"]) == (10, 10, 9)
    assert accounts[CLOUD_KEYS, "sa-orders"]["applied_limit"] == 100


async def test_the_account_that_is_near_its_limit_gets_one_more_key(api: httpx.AsyncClient) -> None:
    answers = [await api.post(KEYS, json=ask("sa-etl001", {"id": "cloud"})) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 402]
    assert answers[1].json()["errors"][0]["detail"] == "This service account is currently limited to 10 API keys"


async def test_limits_of_clusters_and_environments_are_filtered(api: httpx.AsyncClient) -> None:
    clusters = await quotas(api, "KAFKA_CLUSTER", environment=PROD)
    (one,) = await quotas(api, "KAFKA_CLUSTER", environment=DEV, kafka_cluster="lkc-dev001")
    (production,) = await quotas(api, "ENVIRONMENT", environment=PROD)

    assert [each["kafka_cluster"]["id"] for each in clusters] == ["lkc-prod01", "lkc-prod02"]
    assert (one["id"], one["kafka_cluster"]["environment"], one["usage"]) == ("kafka.max_api_keys.per_cluster", DEV, 2)
    assert (production["environment"]["id"], production["usage"]) == (PROD, 2)


async def test_one_quota_can_be_read_by_its_code(api: httpx.AsyncClient) -> None:
    quota = (await api.get(f"{QUOTAS}/iam.max_cloud_api_keys.per_org")).json()
    cluster = await api.get(f"{QUOTAS}/kafka.max_api_keys.per_cluster", params={"kafka_cluster": "lkc-prod02"})

    assert (quota["applied_limit"], quota["usage"]) == (1000, 10)
    assert cluster.json()["kafka_cluster"]["id"] == "lkc-prod02"
    assert (await api.get(f"{QUOTAS}/no.such.quota")).status_code == 403


@pytest.mark.parametrize("params", [{}, {"scope": "EVERYTHING"}])
async def test_the_scope_is_required(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get(QUOTAS, params=params)

    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": "scope"})


async def test_a_scope_may_have_no_quotas(api: httpx.AsyncClient) -> None:
    assert await quotas(api, "NETWORK") == []


async def test_a_caller_sees_the_quotas_of_what_they_see(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-sami01")

    assert {each["user"]["id"] for each in await quotas(api, "SERVICE_ACCOUNT")} == {"sa-orders"}


async def test_the_use_may_be_left_untold(api: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("quotas", "without their use")
    (anybody,) = await quotas(api, "SERVICE_ACCOUNT", id=CLUSTER_KEYS)
    (cluster,) = await quotas(api, "KAFKA_CLUSTER", kafka_cluster="lkc-dev001")

    assert anybody["applied_limit"] == 100
    assert not anybody.keys() & {"usage", "user"}
    assert cluster["kafka_cluster"]["id"] == "lkc-dev001"
    assert not any("usage" in each for each in [cluster, *await quotas(api, "ORGANIZATION")])


async def test_quotas_may_be_refused(api: httpx.AsyncClient, faults: Faults) -> None:
    faults.set("quotas", "refused")

    assert (await api.get(QUOTAS, params={"scope": "ORGANIZATION"})).status_code == 403
    assert (await api.get(f"{QUOTAS}/iam.max_cloud_api_keys.per_org")).status_code == 403


REACHED: dict[str, tuple[str, dict[str, Any]]] = {
    CLUSTER_KEYS: (KEYS, ask("sa-payments", {"id": "lkc-dev001"})),
    CLOUD_KEYS: (KEYS, ask("sa-payments", {"id": "cloud"})),
    "iam.max_cluster_api_keys.per_user": (KEYS, ask("u-olga01", {"id": "lkc-dev001"})),
    "iam.max_cloud_api_keys.per_user": (KEYS, ask("u-olga01", {"id": "cloud"})),
    "iam.max_cloud_api_keys.per_org": (KEYS, ask("sa-payments", None)),
    "kafka.max_api_keys.per_cluster": (KEYS, ask("sa-payments", {"id": "lkc-dev002"})),
    "iam.max_service_accounts.per_org": (ACCOUNTS, {"display_name": "one more"}),
}


@pytest.mark.parametrize("code", SWITCHABLE)
async def test_any_quota_can_be_set_low_and_back(api: httpx.AsyncClient, faults: Faults, code: str) -> None:
    path, body = REACHED[code]
    faults.set("low_quota", code)
    faults.set("low_quota_limit", 0)

    refused = await api.post(path, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (402, "quota_exceeded")
    assert (await api.get(f"{QUOTAS}/{code}")).json()["applied_limit"] == 0

    faults.set("low_quota", "none")
    assert (await api.post(path, json=body)).is_success


async def test_a_crowd_is_there_in_a_moment_and_every_list_shows_it(
    api: httpx.AsyncClient, organization: Organization
) -> None:
    before = len(organization.api_keys)
    size = Size(environments=5, clusters=40, ksql_clusters=3, accounts=20, users=7, keys=300)
    add_crowd(organization, size)

    environments = await names(api, "/org/v2/environments")
    assert environments[:3] == [DEV, PROD, "env-c00001"]
    assert len(environments) == 7
    counts = {
        path: len([each for environment in environments for each in await names(api, path, environment=environment)])
        for path in ("/cmk/v2/clusters", "/srcm/v3/clusters", "/ksqldbcm/v2/clusters", "/fcpm/v2/compute-pools")
    }
    assert list(counts.values()) == [5 + 40, 2 + 5, 3 + 3, 4 + 5]
    assert len(organization.api_keys) == before + 300
    assert len(await names(api, KEYS, **{"spec.owner": "sa-c00007"})) == 15
    assert (await names(api, ACCOUNTS, display_name="billing-service-3")) == ["sa-c00003"]
    assert (await api.get(f"{KEYS}/CROWD00000000300")).status_code == 200
    assert (await api.get("/org/v2/environments", auth=("CROWD00000000300", ""))).status_code == 401


def test_a_crowd_is_as_large_as_the_budgets_ask() -> None:
    size = Size()

    assert (size.environments, size.clusters, size.keys) == (500, 20_000, 100_000)
