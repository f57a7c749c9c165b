"""Limits that Confluent applies: `confluent-api.md` §16."""

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.confluent.quotas import APPLIED_QUOTAS
from bot.domain.catalog import Quota
from bot.domain.errors import Unavailable
from bot.domain.keys import MyAccount, NewServiceAccount, Owner, Principal, ServiceAccount
from tests.confluent.fake import FakeConfluent, Json, refusal

ME = MyAccount(Principal("u-1"))
SERVICE = ServiceAccount(Principal("sa-1"), "orders")
PER_USER, PER_ACCOUNT = "iam.max_cloud_api_keys.per_user", "iam.max_cloud_api_keys.per_service_account"
PER_CLUSTER, PER_ORG = "kafka.max_api_keys.per_cluster", "iam.max_cloud_api_keys.per_org"


def quota(code: str, scope: str, limit: object = 10, **more: object) -> Json:
    return {"id": code, "scope": scope, "display_name": f"Name of {code}", "applied_limit": limit, **more}


def of(**references: str) -> Json:
    return {name: {"id": id_} for name, id_ in references.items()}


async def test_the_organization_alone(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[APPLIED_QUOTAS] = [
        quota(PER_ORG, "ORGANIZATION", 1000, usage=997, **of(organization="o-1")),
        quota("iam.max_users.per_org", "ORGANIZATION", 1000),
        quota(PER_USER, "USER_ACCOUNT"),
    ]

    assert await cloud.quotas() == (
        Quota(PER_ORG, f"Name of {PER_ORG}", 1000, 997),
        Quota("iam.max_users.per_org", "Name of iam.max_users.per_org", 1000, None),
    )
    assert [dict(request.url.params) for request in fake.requests] == [{"page_size": "100", "scope": "ORGANIZATION"}]


@pytest.mark.parametrize(
    ("owner", "scope", "code"),
    [(ME, "USER_ACCOUNT", PER_USER), (SERVICE, "SERVICE_ACCOUNT", PER_ACCOUNT)],
    ids=["user", "service account"],
)
async def test_an_owners_limits_are_told_from_those_of_everybody_else(
    cloud: ConfluentCloud, fake: FakeConfluent, owner: Owner, scope: str, code: str
) -> None:
    """There is no filter for accounts, and the same code stands for each of them."""
    fake.page_length = 2
    fake.collections[APPLIED_QUOTAS] = [
        quota(code, scope, 10, usage=1, **of(user="u-other")),
        quota(code, scope, 10, usage=2, **of(user="sa-other")),
        quota(code, scope, 10, usage=3, **of(user=owner.id)),
        quota("iam.other", scope, 5, usage=None, user=None),
    ]

    assert await cloud.quotas(owner) == (
        Quota(code, f"Name of {code}", 10, 3, owner.id),
        Quota("iam.other", "Name of iam.other", 5, None, owner.id),
    )
    assert [request.url.params["scope"] for request in fake.requests] == ["ORGANIZATION", scope, scope]


async def test_a_service_account_may_be_named_by_a_field_of_its_own(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[APPLIED_QUOTAS] = [
        quota(PER_ACCOUNT, "SERVICE_ACCOUNT", usage=1, **of(service_account="sa-2")),
        quota(PER_ACCOUNT, "SERVICE_ACCOUNT", usage=2, **of(service_account="sa-1")),
    ]

    assert [each.usage for each in await cloud.quotas(SERVICE)] == [2]


async def test_an_account_that_is_still_to_be_made_is_at_no_limit_of_its_own(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.collections[APPLIED_QUOTAS] = []

    await cloud.quotas(NewServiceAccount("orders", ""))

    assert [request.url.params["scope"] for request in fake.requests] == ["ORGANIZATION"]


async def test_a_clusters_limits_are_asked_for_with_its_environment(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.ignores = {"kafka_cluster", "environment"}
    fake.collections[APPLIED_QUOTAS] = [
        quota(PER_CLUSTER, "KAFKA_CLUSTER", 2000, usage=7, **of(kafka_cluster="lkc-2")),
        quota(PER_CLUSTER, "KAFKA_CLUSTER", 2000, usage=8, **of(kafka_cluster="lkc-1")),
    ]

    found = await cloud.quotas(ME, "lkc-1", "env-1")

    assert found == (Quota(PER_CLUSTER, f"Name of {PER_CLUSTER}", 2000, 8, "lkc-1"),)
    assert dict(fake.requests[-1].url.params) == {
        "page_size": "100",
        "scope": "KAFKA_CLUSTER",
        "environment": "env-1",
        "kafka_cluster": "lkc-1",
    }


async def test_a_scope_that_confluent_ignores_gives_what_was_asked_for(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.ignores = {"scope"}
    fake.collections[APPLIED_QUOTAS] = [quota(PER_ORG, "ORGANIZATION"), quota(PER_USER, "USER_ACCOUNT")]

    assert [(each.code, each.of) for each in await cloud.quotas(ME)] == [(PER_ORG, ""), (PER_USER, "u-1")]


@pytest.mark.parametrize("odd", [{"applied_limit": None}, {"applied_limit": "many"}, {"applied_limit": True}], ids=str)
async def test_a_limit_that_is_not_told_is_none(cloud: ConfluentCloud, fake: FakeConfluent, odd: Json) -> None:
    fake.collections[APPLIED_QUOTAS] = [quota(PER_ORG, "ORGANIZATION") | odd, quota("b", "ORGANIZATION", usage="?")]

    assert [(each.code, each.usage) for each in await cloud.quotas()] == [("b", None)]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_scope_that_is_refused_is_left_out(cloud: ConfluentCloud, fake: FakeConfluent, status: int) -> None:
    fake.collections[APPLIED_QUOTAS] = [quota(PER_USER, "USER_ACCOUNT"), quota(PER_CLUSTER, "KAFKA_CLUSTER")]
    fake.script.append(refusal(status))

    assert [each.code for each in await cloud.quotas(ME, "lkc-1", "env-1")] == [PER_USER, PER_CLUSTER]


async def test_limits_that_cannot_be_read_are_an_error(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [httpx.Response(503)] * 9

    with pytest.raises(Unavailable):
        await cloud.quotas(ME)
