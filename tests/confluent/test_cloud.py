from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.domain.catalog import Endpoints, Environment, User
from bot.domain.errors import CloudRefused, Unavailable, Unknown
from bot.domain.keys import KafkaCluster, KeyId, MyAccount, Principal, Secret, ServiceAccount
from bot.domain.roles import Binding
from bot.services.cloud import NewKey
from tests.confluent.fake import (
    CLUSTERS,
    KEYS,
    NEW_SECRET,
    ORGANIZATION,
    OWN_KEY,
    FakeConfluent,
    api_key,
    cluster,
    refusal,
    sample,
)

DEV = Environment("env-abc123", "dev")
ORDERS = KafkaCluster("lkc-abc123", "orders", "env-abc123", "dev")
OWNER = ServiceAccount(Principal("sa-abc123"), "orders-service")
NEW = NewKey(OWNER, ORDERS, "orders producer", "Asked for in Slack by u-abc123")
ACCOUNTS = "/iam/v2/service-accounts"


async def delete(cloud: ConfluentCloud, key: str) -> None:
    await cloud.delete_key(KeyId(key), OWNER.id, ORDERS)


# --------------------------------------------------------------------------------------------------------------- create


async def test_a_new_key_comes_with_its_secret(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    key, secret = await cloud.create_key(NEW)

    assert secret == Secret(NEW_SECRET)
    assert (key.owner, key.resource, key.name, key.description) == (OWNER.id, ORDERS.id, NEW.name, NEW.description)
    assert key.created_at == datetime(2026, 3, 23, 6, 49, 17, 727825, tzinfo=UTC)
    assert fake.calls == [f"POST {KEYS}"]


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_documented_success_of_a_create_is_one(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.script.append(httpx.Response(status, json={"id": "K1", "spec": {"secret": NEW_SECRET}}))

    key, secret = await cloud.create_key(NEW)

    assert secret.reveal() == NEW_SECRET
    assert (key.id, key.owner, key.resource, key.name) == ("K1", OWNER.id, ORDERS.id, NEW.name)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "K1"},
        {"id": "K1", "spec": {}},
        {"id": "K1", "spec": {"secret": ""}},
        {"id": "K1", "spec": {"secret": None}},
        {"id": "", "spec": {"secret": NEW_SECRET}},
        {"spec": {"secret": NEW_SECRET}},
        api_key("K1", owner="sa-other1", secret=NEW_SECRET),
        api_key("K1", resource="lkc-other1", secret=NEW_SECRET),
        api_key("K1", resource="cloud", secret=NEW_SECRET),
    ],
)
async def test_a_key_other_than_the_one_asked_for_is_not_handed_out(
    cloud: ConfluentCloud, fake: FakeConfluent, body: object
) -> None:
    fake.script.append(httpx.Response(202, json=body))

    with pytest.raises(Unknown):
        await cloud.create_key(NEW)


async def test_a_key_whose_answer_was_lost_shows_in_the_list(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(fake.then_lost)

    with pytest.raises(Unknown):
        await cloud.create_key(NEW)

    [key] = await cloud.keys(OWNER.id, ORDERS)
    assert key.description == NEW.description
    assert fake.calls.count(f"POST {KEYS}") == 1


# ----------------------------------------------------------------------------------------------------------------- keys


async def test_keys_are_filtered_by_confluent_and_again_here(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.ignores = {"spec.owner", "spec.resource"}
    fake.collections[KEYS] = [
        api_key("MINE", display_name="", description="by hand"),
        api_key("OTHEROWNER", owner="sa-other1"),
        api_key("OTHERCLUSTER", resource="lkc-other1"),
        api_key("CLOUD", resource=None),
        api_key("INTERNAL", owner=None),
        api_key("MULTI", resource=None, resources=[{"id": "lkc-other1"}, {"id": "lkc-abc123"}]),
    ]

    keys = await cloud.keys(OWNER.id, ORDERS)

    assert [key.id for key in keys] == ["MINE", "MULTI"]
    assert dict(fake.requests[0].url.params) == {
        "page_size": "100",
        "spec.owner": "sa-abc123",
        "spec.resource": "lkc-abc123",
    }


async def test_the_samples_of_a_list_are_read_to_the_end(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [httpx.Response(200, json=sample(f"api-keys/list-page-{page}")) for page in ("1", "last")]

    [key] = await cloud.keys(OWNER.id, ORDERS)

    assert (key.id, key.name, key.owner) == ("EXAMPLEKEY000000", "orders producer", "sa-abc123")


async def test_a_deleted_key_is_gone(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1"), api_key("K2")]

    await delete(cloud, "K1")

    assert [row["id"] for row in fake.collections[KEYS]] == ["K2"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_was_gone_already_counts_as_deleted_once_a_list_says_so(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.collections[KEYS] = [api_key("K2")]
    fake.script.append(refusal(status))

    await delete(cloud, "K1")

    assert fake.calls == [f"DELETE {KEYS}/K1", f"GET {KEYS}"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_is_listed_still_was_not_deleted(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.collections[KEYS] = [api_key("K1")]
    fake.script.append(refusal(status))

    with pytest.raises(CloudRefused) as caught:
        await delete(cloud, "K1")

    assert (caught.value.status, caught.value.reference) == (status, "request-1")


async def test_a_403_proves_nothing_when_the_list_fails(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [refusal(403), *[httpx.Response(503)] * 9]

    with pytest.raises(Unavailable):
        await delete(cloud, "K1")


async def test_other_refusals_of_a_delete_stand(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(400))

    with pytest.raises(CloudRefused):
        await delete(cloud, "K1")

    assert len(fake.requests) == 1


async def test_a_delete_whose_answer_was_lost_is_repeated_and_done(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]
    fake.script.append(fake.then_lost)

    await delete(cloud, "K1")

    assert fake.collections[KEYS] == []
    assert fake.calls == [f"DELETE {KEYS}/K1", f"DELETE {KEYS}/K1", f"GET {KEYS}"]


async def test_our_own_key_being_refused_is_no_proof_of_absence(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(403, "errors/403-gateway-invalid-key"))

    with pytest.raises(Unavailable, match="DELETE"):
        await delete(cloud, "K1")

    assert len(fake.requests) == 1


@pytest.mark.parametrize("odd", ["", ".", ".."])
async def test_no_odd_id_deletes_something_else(cloud: ConfluentCloud, fake: FakeConfluent, odd: str) -> None:
    await delete(cloud, odd)

    assert fake.calls == [f"GET {KEYS}"]


# ------------------------------------------------------------------------------------------------------------- clusters


async def test_clusters_in_use_are_listed_by_name(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[CLUSTERS] = [
        cluster("lkc-1", "zebra"),
        cluster("lkc-2", "Ant"),
        cluster("lkc-3", ""),
        cluster("lkc-4", "failed", status={"phase": "FAILED"}),
        cluster("lkc-5", "deleted", metadata={"deleted_at": "2026-03-23T06:49:17Z"}),
        cluster("lkc-6", "elsewhere", environment="env-other1"),
        cluster("lkc-7", "bee", status={"phase": "A_NEW_PHASE"}),
        cluster("lkc-8", "cat", status=None),
    ]

    clusters = await cloud.kafka_clusters(DEV)

    assert [each.name for each in clusters] == ["Ant", "bee", "cat", "lkc-3", "zebra"]
    assert clusters[0] == KafkaCluster("lkc-2", "Ant", "env-abc123", "dev")
    assert fake.requests[0].url.params["environment"] == "env-abc123"


PUBLIC = {"kafka_bootstrap_endpoint": "SASL_SSL://pub:9092", "http_endpoint": "https://pub:443/"}
PRIVATE = {"kafka_bootstrap_endpoint": "priv:9092", "http_endpoint": "https://priv:443", "connection_type": "X"}
OLD = {"kafka_bootstrap_endpoint": "old:9092", "http_endpoint": "https://old:443"}


@pytest.mark.parametrize(
    ("spec", "endpoints"),
    [
        ({"endpoints": {"PRIVATE_LINK": PRIVATE, "PUBLIC": PUBLIC}, **OLD}, Endpoints("pub:9092", "https://pub:443")),
        ({"endpoints": {"ap1": PRIVATE}, **OLD}, Endpoints("old:9092", "https://old:443")),
        ({"endpoints": {"ap2": OLD, "ap1": PRIVATE}}, Endpoints("priv:9092", "https://priv:443")),
        ({"endpoints": {"PUBLIC": None}, **OLD}, Endpoints("old:9092", "https://old:443")),
        ({"endpoints": None, "kafka_bootstrap_endpoint": "sasl_ssl://old:9092"}, Endpoints("old:9092", "")),
        ({}, Endpoints("", "")),
    ],
)
async def test_the_public_address_comes_first(
    cloud: ConfluentCloud, fake: FakeConfluent, spec: Any, endpoints: Endpoints
) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders", spec=spec)]

    found = await cloud.kafka_cluster("env-abc123", "lkc-1")

    assert found == (KafkaCluster("lkc-1", "orders", "env-abc123", ""), endpoints)
    assert fake.requests[0].url.params["environment"] == "env-abc123"


@pytest.mark.parametrize(
    "row",
    [
        cluster("lkc-1", "moved", environment="env-other1"),
        cluster("lkc-1", "going", metadata={"deleted_at": "2026-03-23T06:49:17Z"}),
        cluster("lkc-1", "failed", status={"phase": "FAILED"}),
        cluster("lkc-9", "another"),
    ],
)
async def test_a_cluster_that_is_not_there_any_more_is_none(
    cloud: ConfluentCloud, fake: FakeConfluent, row: dict[str, Any]
) -> None:
    fake.collections[CLUSTERS] = [row]

    assert await cloud.kafka_cluster("env-abc123", "lkc-1") is None


async def test_one_403_does_not_make_a_cluster_disappear(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[CLUSTERS] = [cluster("lkc-1", "orders")]
    fake.script.append(refusal(403))

    found = await cloud.kafka_cluster("env-abc123", "lkc-1")

    assert found is not None
    assert fake.calls == [f"GET {CLUSTERS}/lkc-1", f"GET {CLUSTERS}"]


# ---------------------------------------------------------------------------------------------- organisation and people


async def test_the_organization_is_asked_for_once(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    assert [await cloud.organization(), await cloud.organization()] == [ORGANIZATION] * 2
    assert len(fake.requests) == 1


async def test_a_key_without_an_organization_is_for_operators(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections["/org/v2/organizations"] = []

    with pytest.raises(Unavailable) as caught:
        await cloud.organization()

    assert "Tell whoever runs Latchkey" in caught.value.tell


async def test_lists_of_names_are_sorted(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.page_length = 1
    named = [("3", "b"), ("1", "A"), ("2", "a"), ("4", "")]
    fake.collections |= {
        "/org/v2/environments": [{"id": f"env-{each}", "display_name": name} for each, name in named],
        ACCOUNTS: [{"id": f"sa-{each}", "display_name": name} for each, name in named],
    }

    assert [each.id for each in await cloud.environments()] == ["env-1", "env-2", "env-3", "env-4"]
    assert [each.name for each in await cloud.service_accounts()] == ["A", "a", "b", "sa-4"]


async def test_a_service_account_is_read_afresh(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [{"id": "sa-1", "display_name": "orders-service"}]

    assert await cloud.service_account(Principal("sa-1")) == ServiceAccount(Principal("sa-1"), "orders-service")
    assert await cloud.service_account(Principal("sa-2")) is None
    fake.script.append(refusal(404, "errors/404-service-account"))
    assert await cloud.service_account(Principal("sa-1")) is None
    fake.script.append(refusal(400))
    with pytest.raises(CloudRefused):
        await cloud.service_account(Principal("sa-1"))


async def test_users_have_normal_emails(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections["/iam/v2/users"] = [
        {"id": "u-2", "email": " Zoe@Example.COM ", "full_name": "Zoe", "auth_type": "AUTH_TYPE_NEW"},
        {"id": "u-1", "email": None},
    ]

    assert await cloud.users() == (User(Principal("u-1"), "", ""), User(Principal("u-2"), "zoe@example.com", "Zoe"))


async def test_role_bindings_are_those_here_and_below_of_that_principal_alone(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    here = f"crn://confluent.cloud/organization={ORGANIZATION}"
    below = f"{here}/environment=env-abc123/cloud-cluster=lkc-1/kafka=lkc-1/topic=orders%3A*"

    def row(id_: str, principal: str = "User:u-1", role: str = "Operator", crn: str = here) -> dict[str, str]:
        return {"id": id_, "principal": principal, "role_name": role, "crn_pattern": crn}

    pages = {
        here: [row("rb-1", role="OrganizationAdmin"), row("rb-2", principal="User:u-11")],
        f"{here}/*": [
            row("rb-1", role="OrganizationAdmin"),
            row("rb-3", role="DeveloperRead", crn=below),
            row("rb-4", principal="Group:u-1"),
            row("rb-5", role=""),
            row("rb-6", crn=""),
        ],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["principal"] == "User:u-1"
        return httpx.Response(200, json={"data": pages[request.url.params["crn_pattern"]]})

    await cloud.organization()
    fake.script += [answer, answer]

    assert await cloud.role_bindings(Principal("u-1")) == (
        Binding(Principal("u-1"), "OrganizationAdmin", here),
        Binding(Principal("u-1"), "DeveloperRead", below),
    )


async def test_half_of_the_role_bindings_is_an_error(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    await cloud.organization()
    fake.script += [httpx.Response(200, json={"data": []}), refusal(403)]

    with pytest.raises(CloudRefused):
        await cloud.role_bindings(Principal("u-1"))


async def test_a_user_key_is_asked_for_by_the_users_id(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    key, _ = await cloud.create_key(NewKey(MyAccount(Principal("u-abc123")), ORDERS, "mine", "for me"))

    assert key.owner == "u-abc123"


# ---------------------------------------------------------------------------------------------------------- our own key


async def test_the_owner_of_our_own_key_is_told(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key(OWN_KEY, owner="sa-latchk")]

    assert await cloud.own_account() == "sa-latchk"


async def test_not_knowing_whose_key_we_use_is_no_answer(cloud: ConfluentCloud) -> None:
    with pytest.raises(Unavailable, match="owner of CONFLUENT_CLOUD_API_KEY"):
        await cloud.own_account()
