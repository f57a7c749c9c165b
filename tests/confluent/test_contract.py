"""What we send is what Confluent's published API description allows; fields it does not know it ignores silently."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from bot.confluent import wire
from bot.confluent.addresses import Listed
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.inventory import ENVIRONMENTS, KSQL_CLUSTERS, REGISTRIES
from bot.confluent.places import ENDPOINTS, FLINK_REGIONS
from bot.confluent.quotas import APPLIED_QUOTAS, AppliedQuota
from bot.domain.keys import KeyId, Kind, MyAccount, Owner, Principal
from bot.services.cloud import NewKey
from tests.confluent.fake import ACCOUNTS, CLUSTERS, KEYS, FakeConfluent, api_key, sample
from tests.confluent.test_cloud import NEW, ORDERS, OWNER
from tests.confluent.test_references import RESOURCES

SPECIFICATIONS = Path(__file__).parents[1] / "data" / "openapi"


@cache
def loaded(name: str) -> dict[str, Any]:
    specification: dict[str, Any] = yaml.load(
        (SPECIFICATIONS / f"{name}.yaml").read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return specification


def for_requests(schema: Any) -> Any:
    """The schema as it holds for a request: read-only fields are neither required nor allowed, nor are unknown ones."""
    if isinstance(schema, list):
        return [for_requests(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: for_requests(value) for name, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        read_only = {name for name, value in properties.items() if isinstance(value, dict) and value.get("readOnly")}
        result["properties"] |= dict.fromkeys(read_only, False)
        if "required" in result:
            result["required"] = [name for name in result["required"] if name not in read_only]
    return result


def problems(name: str, path: str, method: str, body: dict[str, Any]) -> list[str]:
    """What the specification has against a request's body; fields that it does not know are problems too."""
    specification = loaded(name)
    pointer = path.replace("/", "~1")
    schema = f"#/paths/{pointer}/{method}/requestBody/content/application~1json/schema"
    validator = jsonschema.Draft202012Validator({**for_requests(specification), "$ref": schema})
    return [error.message for error in validator.iter_errors(body)]


def known(name: str, path: str) -> set[str]:
    """The query parameters of a list."""
    return {each["name"] for each in loaded(name)["paths"][path]["get"]["parameters"]}


@pytest.mark.parametrize("owner", [OWNER, MyAccount(Principal("u-abc123"))])
@pytest.mark.parametrize("kind", RESOURCES)
async def test_a_create_is_what_the_specification_allows(
    cloud: ConfluentCloud, fake: FakeConfluent, owner: Owner, kind: str
) -> None:
    await cloud.create_key(NewKey(owner, RESOURCES[kind], NEW.name, NEW.description))

    body = json.loads(fake.requests[0].content)
    # The service takes these two, and needs them in part; the specification says that they are for reading.
    longer = {name: body["spec"]["resource"].pop(name, None) for name in ("kind", "api_version")}
    assert all(longer.values()) == (kind in {"flink", "tableflow", "global"})
    assert problems("api-keys", KEYS, "post", body) == []
    schemas = loaded("api-keys")["components"]["schemas"]
    assert body.keys() <= schemas["iam.v2.ApiKey"]["properties"].keys()
    assert body["spec"].keys() <= schemas["iam.v2.ApiKeySpec"]["properties"].keys()
    assert fake.requests[0].headers["Content-Type"] == "application/json"


def test_the_check_of_bodies_finds_something() -> None:
    assert problems("api-keys", KEYS, "post", {"spec": {}})
    assert problems("api-keys", f"{KEYS}/{{id}}", "patch", {"spec": {"secret": "x"}, "id": "K1"})
    assert problems("iam", ACCOUNTS, "post", {})
    assert problems("iam", f"{ACCOUNTS}/{{id}}", "patch", {"description": 7})


async def test_an_edit_is_what_the_specification_allows(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]

    await cloud.edit_key(KeyId("K1"), "name", "description")

    body = json.loads(fake.requests[0].content)
    assert problems("api-keys", f"{KEYS}/{{id}}", "patch", body) == []
    update = loaded("api-keys")["components"]["schemas"]["iam.v2.ApiKeySpecUpdate"]["properties"]
    assert body["spec"].keys() <= update.keys()


async def test_accounts_are_made_and_described_as_the_specification_allows(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    made = await cloud.create_account("orders", "why")
    await cloud.describe_account(made.id, "because")
    await cloud.delete_account(made.id)

    create, describe = (json.loads(request.content) for request in fake.requests[:2])
    assert problems("iam", ACCOUNTS, "post", create) == []
    assert problems("iam", f"{ACCOUNTS}/{{id}}", "patch", describe) == []
    for body in (create, describe):
        assert body.keys() <= loaded("iam")["components"]["schemas"]["iam.v2.ServiceAccount"]["properties"].keys()
    assert "delete" in loaded("iam")["paths"][f"{ACCOUNTS}/{{id}}"]


async def test_a_create_is_the_sample(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    await cloud.create_key(NEW)

    assert json.loads(fake.requests[0].content) == sample("api-keys/create-request-kafka")


async def test_lists_and_deletes_are_what_the_specification_knows(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]

    await cloud.keys(OWNER.id, ORDERS)
    await cloud.delete_key(KeyId("K1"), OWNER.id, ORDERS)

    listed, deleted = fake.requests
    assert set(httpx.QueryParams(listed.url.query)) <= known("api-keys", KEYS)
    assert "delete" in loaded("api-keys")["paths"][f"{KEYS}/{{id}}"]
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
        assert asked[path] <= known(name, path)
    scopes = {request.url.params["scope"] for request in fake.requests if request.url.path == APPLIED_QUOTAS}
    services = {request.url.params["service"] for request in fake.requests if request.url.path == ENDPOINTS}
    assert scopes <= extensible("service-quota", "service-quota.v1.AppliedQuota", "scope")
    assert services == extensible("endpoint", "endpoint.v1.Endpoint", "service")


def extensible(name: str, schema: str, field: str) -> set[str]:
    values: list[str] = loaded(name)["components"]["schemas"][schema]["properties"][field]["x-extensible-enum"]
    return set(values)


MODELS: list[tuple[str, str, type[wire.Wire], set[str]]] = [
    ("api-keys", "iam.v2.ApiKeySpec", wire.ApiKeySpec, set()),
    ("iam", "iam.v2.ServiceAccount", wire.ServiceAccount, set()),
    ("cmk-clusters", "cmk.v2.ClusterSpec", wire.ClusterSpec, {"connection_type"}),
    ("cmk-clusters", "cmk.v2.Endpoints", wire.AccessPoint, set()),
    ("srcm-clusters", "srcm.v3.ClusterSpec", wire.RegistrySpec, set()),
    ("ksqldbcm-clusters", "ksqldbcm.v2.ClusterStatus", wire.KsqlStatus, set()),
    ("fcpm", "fcpm.v2.Region", wire.FlinkRegion, set()),
    ("endpoint", "endpoint.v1.Endpoint", Listed, set()),
    ("service-quota", "service-quota.v1.AppliedQuota", AppliedQuota, {"service_account"}),
]


@pytest.mark.parametrize(("name", "schema", "model", "ours"), MODELS, ids=[each[1] for each in MODELS])
def test_every_field_that_is_read_is_one_that_the_specification_has(
    name: str, schema: str, model: type[wire.Wire], ours: set[str]
) -> None:
    described = loaded(name)["components"]["schemas"][schema]["properties"].keys()

    assert model.model_fields.keys() - described == ours
