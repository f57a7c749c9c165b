"""What we send is what Confluent's published API description allows; fields it does not know it ignores silently."""

import json
from typing import Any

import httpx
import pytest

from bot.confluent import wire
from bot.confluent.addresses import Listed
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import ENVIRONMENTS
from bot.confluent.places import ENDPOINTS, FLINK_REGIONS
from bot.confluent.quotas import APPLIED_QUOTAS, AppliedQuota
from bot.domain.keys import KeyId, MyAccount, Owner, Principal
from bot.domain.kinds import Kind
from bot.services.ports.cloud import NewKey
from tests.confluent.fake import ACCOUNTS, CLUSTERS, KEYS, KSQL_CLUSTERS, REGISTRIES, FakeConfluent, api_key, sample
from tests.confluent.test_cloud import NEW, ORDERS, OWNER
from tests.confluent.test_references import RESOURCES
from tests.support.contract import answered, body, loaded, problems, query
from tools.contract import Table

CREATE_KEY = body("api-keys", f"POST {KEYS}")
EDIT_KEY = body("api-keys", f"PATCH {KEYS}/{{id}}")
CREATE_ACCOUNT = body("iam", f"POST {ACCOUNTS}")
DESCRIBE_ACCOUNT = body("iam", f"PATCH {ACCOUNTS}/{{id}}")


@pytest.mark.parametrize("owner", [OWNER, MyAccount(Principal("u-abc123"))])
@pytest.mark.parametrize("kind", RESOURCES)
async def test_a_create_is_what_the_specification_allows(
    cloud: ConfluentCloud, fake: FakeConfluent, owner: Owner, kind: str
) -> None:
    await cloud.create_key(NewKey(owner, RESOURCES[kind], NEW.name, NEW.description))

    sent = json.loads(fake.requests[0].content)
    # The service takes these two, and needs them in part; the specification says that they are for reading.
    longer = {name: sent["spec"]["resource"].pop(name, None) for name in ("kind", "api_version")}
    assert all(longer.values()) == (kind in {"flink", "tableflow", "global"})
    assert problems(CREATE_KEY, sent) == []
    assert fake.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        (CREATE_KEY, {}),
        (CREATE_KEY, {"spec": {}}),
        (CREATE_KEY, {"spec": {"owner": {}}}),
        (CREATE_KEY, {"spec": {"owner": {"id": ""}}}),
        (CREATE_KEY, {"spec": {"owner": {"id": "u-abc123", "kind": "User"}}}),
        (CREATE_KEY, {"spec": {"owner": {"id": "u-abc123"}, "resource": {"id": 7}}}),
        (CREATE_KEY, {"spec": {"owner": {"id": "u-abc123"}, "expiry": "tomorrow"}}),
        (EDIT_KEY, {"spec": {"secret": "x"}}),
        (EDIT_KEY, {"id": "K1"}),
        (CREATE_ACCOUNT, {}),
        (DESCRIBE_ACCOUNT, {"description": 7}),
    ],
)
def test_the_check_of_bodies_finds_something(table: Table, wrong: dict[str, Any]) -> None:
    assert len(problems(table, wrong)) == 1


async def test_an_edit_is_what_the_specification_allows(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]

    await cloud.edit_key(KeyId("K1"), "name", "description")

    assert problems(EDIT_KEY, json.loads(fake.requests[0].content)) == []


async def test_accounts_are_made_and_described_as_the_specification_allows(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    made = await cloud.create_account("orders", "why")
    await cloud.describe_account(made.id, "because")
    await cloud.delete_account(made.id)

    create, describe = (json.loads(request.content) for request in fake.requests[:2])
    assert problems(CREATE_ACCOUNT, create) == []
    assert problems(DESCRIBE_ACCOUNT, describe) == []
    assert f"DELETE {ACCOUNTS}/{{id}}" in loaded("iam")


async def test_a_create_is_the_sample(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    await cloud.create_key(NEW)

    assert json.loads(fake.requests[0].content) == sample("api-keys/create-request-kafka")


async def test_lists_and_deletes_are_what_the_specification_knows(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]

    await cloud.keys(OWNER.id, ORDERS)
    await cloud.delete_key(KeyId("K1"), OWNER.id, ORDERS)

    listed, deleted = fake.requests
    assert set(httpx.QueryParams(listed.url.query)) <= query("api-keys", KEYS).keys()
    assert f"DELETE {KEYS}/{{id}}" in loaded("api-keys")
    assert deleted.url.query == b""


DESCRIBED = {
    KEYS: "api-keys",
    ACCOUNTS: "iam",
    CLUSTERS: "cmk-clusters",
    REGISTRIES: "srcm-clusters",
    KSQL_CLUSTERS: "ksqldbcm-clusters",
    FLINK_REGIONS: "fcpm",
    ENDPOINTS: "endpoint",
    APPLIED_QUOTAS: "service-quota",
}


async def test_every_filter_is_one_that_the_specification_knows(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    """A filter that Confluent does not know it ignores silently."""
    fake.collections |= {path: [] for path in DESCRIBED}
    fake.collections[ENVIRONMENTS] = [{"id": "env-abc123"}]
    fake.collections[FLINK_REGIONS] = [{"id": "aws.us-east-1", "cloud": "AWS", "region_name": "us-east-1"}]
    for path in (CLUSTERS, REGISTRIES):
        fake.collections[path] = [{"id": "x", "spec": {}, "status": {}}]

    for kind in Kind:
        await cloud.resource(kind, "env-abc123", "aws.us-east-1" if kind is Kind.FLINK else "x")
        await cloud.keys(OWNER.id, RESOURCES[kind.value])
    await cloud.regions()
    await cloud.accounts_named("orders")
    await cloud.quotas(OWNER, "lkc-abc123", "env-abc123")
    await cloud.quotas(MyAccount(Principal("u-abc123")))

    asked: dict[str, set[str]] = {path: set() for path in DESCRIBED}
    for request in fake.requests:
        path = request.url.path if request.url.path in asked else request.url.path.rpartition("/")[0]
        asked.setdefault(path, set()).update(request.url.params)
    for path, name in DESCRIBED.items():
        assert asked[path], path
        assert asked[path] <= query(name, path).keys()
    scopes = {request.url.params["scope"] for request in fake.requests if request.url.path == APPLIED_QUOTAS}
    services = {request.url.params["service"] for request in fake.requests if request.url.path == ENDPOINTS}
    assert scopes <= {*answered("service-quota", APPLIED_QUOTAS, "data[]")["scope"]["known"]}
    assert services == {*answered("endpoint", ENDPOINTS, "data[]")["service"]["known"]}


MODELS: list[tuple[str, str, type[wire.Wire], set[str]]] = [
    (KEYS, "data[].spec", wire.ApiKeySpec, {"expires_at"}),
    (ACCOUNTS, "data[]", wire.ServiceAccount, set()),
    (CLUSTERS, "data[].spec", wire.ClusterSpec, {"connection_type"}),
    (CLUSTERS, "data[].spec.endpoints{}", wire.AccessPoint, set()),
    (REGISTRIES, "data[].spec", wire.RegistrySpec, set()),
    (KSQL_CLUSTERS, "data[].status", wire.KsqlStatus, set()),
    (FLINK_REGIONS, "data[]", wire.FlinkRegion, set()),
    (ENDPOINTS, "data[]", Listed, set()),
    (APPLIED_QUOTAS, "data[]", AppliedQuota, {"service_account"}),
]


@pytest.mark.parametrize(("path", "field", "model", "ours"), MODELS, ids=[each[2].__name__ for each in MODELS])
def test_every_field_that_is_read_is_one_that_the_specification_has(
    path: str, field: str, model: type[wire.Wire], ours: set[str]
) -> None:
    assert model.model_fields.keys() - answered(DESCRIBED[path], path, field).keys() == ours
