"""What we send is what Confluent's published API description allows; fields it does not know it ignores silently."""

import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from bot.confluent.cloud import ConfluentCloud
from bot.domain.keys import KeyId, MyAccount, Owner, Principal
from bot.services.cloud import NewKey
from tests.confluent.fake import KEYS, FakeConfluent, api_key, sample
from tests.confluent.test_cloud import NEW, ORDERS, OWNER

SPECIFICATION = Path(__file__).parents[1] / "data" / "openapi" / "api-keys.yaml"


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


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("owner", [OWNER, MyAccount(Principal("u-abc123"))])
async def test_a_create_is_what_the_specification_allows(
    cloud: ConfluentCloud, fake: FakeConfluent, specification: dict[str, Any], owner: Owner
) -> None:
    await cloud.create_key(NewKey(owner, ORDERS, NEW.name, NEW.description))

    body = json.loads(fake.requests[0].content)
    post = "#/paths/~1iam~1v2~1api-keys/post/requestBody/content/application~1json/schema"
    validator = jsonschema.Draft202012Validator({**for_requests(specification), "$ref": post})
    assert [error.message for error in validator.iter_errors(body)] == []
    assert [*validator.iter_errors({"spec": {}})], "the check finds nothing"
    schemas = specification["components"]["schemas"]
    assert body.keys() <= schemas["iam.v2.ApiKey"]["properties"].keys()
    assert body["spec"].keys() <= schemas["iam.v2.ApiKeySpec"]["properties"].keys()
    assert fake.requests[0].headers["Content-Type"] == "application/json"


async def test_a_create_is_the_sample(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    await cloud.create_key(NEW)

    assert json.loads(fake.requests[0].content) == sample("api-keys/create-request-kafka")


async def test_lists_and_deletes_are_what_the_specification_knows(
    cloud: ConfluentCloud, fake: FakeConfluent, specification: dict[str, Any]
) -> None:
    fake.collections[KEYS] = [api_key("K1")]

    await cloud.keys(OWNER.id, ORDERS)
    await cloud.delete_key(KeyId("K1"), OWNER.id, ORDERS)

    listed, deleted = fake.requests
    known = {each["name"] for each in specification["paths"][KEYS]["get"]["parameters"]}
    assert set(httpx.QueryParams(listed.url.query)) <= known
    assert "delete" in specification["paths"][f"{KEYS}/{{id}}"]
    assert deleted.url.query == b""
