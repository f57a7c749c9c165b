"""What tests of the sandbox's Confluent Cloud share: a clock to set, and the words of a create."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sandbox.confluent import Organization

KEYS = "/iam/v2/api-keys"
ACCOUNTS = "/iam/v2/service-accounts"
BINDINGS = "/iam/v2/role-bindings"
QUOTAS = "/service-quota/v1/applied-quotas"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def ask(owner: str, resource: dict[str, str] | None, **spec: object) -> dict[str, Any]:
    wanted = {"owner": {"id": owner}, **spec}
    return {"spec": wanted if resource is None else {**wanted, "resource": resource}}


def sign_in(api: httpx.AsyncClient, organization: Organization, principal: str, resource: str = "cloud") -> None:
    """From here on the client is this principal, with an old key for `resource`."""
    key_id = f"SIGNIN{principal.upper().replace('-', '')}"
    at = organization.clock() - timedelta(days=1)
    place = organization.resource(resource)
    _, secret = organization.add_key(key_id, place, principal, name="", description="", at=at)
    api.auth = httpx.BasicAuth(key_id, secret)


async def items(api: httpx.AsyncClient, path: str, **params: str) -> list[dict[str, Any]]:
    answer = await api.get(path, params={"page_size": "100", **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def names(api: httpx.AsyncClient, path: str, **params: str) -> list[str]:
    return [item["id"] for item in await items(api, path, **params)]
