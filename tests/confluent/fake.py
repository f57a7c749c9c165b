"""A small Confluent Cloud behind `httpx.MockTransport`: collections with paging, filters, and answers by script."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import httpx

DATA = Path(__file__).parents[1] / "data" / "confluent"
ENDPOINT = "https://api.confluent.test"
OWN_KEY = "LATCHKEYOWNKEY00"
OWN_SECRET = "cfltEXAMPLEonlyNOTaSECRETownxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxAAAAAA"  # with a wrong check value, as all here
NEW_SECRET = "cfltEXAMPLEonlyNOTaSECRETkafkaxxxxxxxxxxxxxxxxxxxxxxxxxxxxAAAAAA"
ORGANIZATION = "1111aaaa-11aa-11aa-11aa-111111aaaaaa"

KEYS = "/iam/v2/api-keys"
CLUSTERS = "/cmk/v2/clusters"
REGISTRIES = "/srcm/v3/clusters"
KSQL_CLUSTERS = "/ksqldbcm/v2/clusters"
ACCOUNTS = "/iam/v2/service-accounts"
ORGANIZATIONS = "/org/v2/organizations"
BINDINGS = "/iam/v2/role-bindings"
OWN_RIGHTS = [f"GET {KEYS}/{OWN_KEY}", f"GET {ORGANIZATIONS}", *[f"GET {BINDINGS}"] * 2]
"""The calls by which Latchkey sees that its own account is shown everything."""

Json: TypeAlias = dict[str, Any]
Scripted: TypeAlias = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def sample(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def refusal(status: int, name: str = "errors/403-observed", **headers: str) -> httpx.Response:
    return httpx.Response(status, json=sample(name), headers={"X-Request-Id": "request-1", **headers})


def api_key(id_: str, owner: str | None = "sa-abc123", resource: str | None = "lkc-abc123", **spec: object) -> Json:
    references = {"owner": owner, "resource": resource}
    return {"id": id_, "spec": {**{k: {"id": v} for k, v in references.items() if v}, **spec}}


def cluster(id_: str, name: str, environment: str = "env-abc123", **more: Any) -> Json:
    spec = {"display_name": name, "environment": {"id": environment}, **more.pop("spec", {})}
    return {"id": id_, "spec": spec, "status": {"phase": "PROVISIONED"}, **more}


class FakeConfluent:
    """Answers from `script` first, one per request; then from `collections`, path → items in order.

    `ignores` names query parameters that it does not know, as the real one ignores misspelt filters. `own_owner` is the
    owner of our own key, and `own_role` what it holds in the organization.
    """

    def __init__(self) -> None:
        self.own_owner, self.own_role = "sa-latchkey", "OrganizationAdmin"
        self.collections: dict[str, list[Json]] = {KEYS: [], ORGANIZATIONS: [{"id": ORGANIZATION}]}
        self.script: deque[Scripted] = deque()
        self.requests: list[httpx.Request] = []
        self.ignores: set[str] = set()
        self.page_length = 100

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.script:
            return self._answer(request)
        scripted = self.script.popleft()
        if isinstance(scripted, Exception):
            raise scripted
        return scripted if isinstance(scripted, httpx.Response) else scripted(request)

    def then_lost(self, request: httpx.Request) -> httpx.Response:
        """For `script`: do it, and lose the answer."""
        self._answer(request)
        raise httpx.ReadTimeout("", request=request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            body = json.loads(request.content)
            return self._create(body["spec"]) if path == KEYS else self._create_account(body)
        if path == f"{KEYS}/{OWN_KEY}" and self.own_owner:
            return httpx.Response(200, json=api_key(OWN_KEY, self.own_owner, None))
        if path == BINDINGS and path not in self.collections:
            return httpx.Response(200, json={"data": [self._own_binding()], "metadata": {}})
        if path in self.collections:
            return self._page(path, request.url.params)
        collection, _, id_ = path.rpartition("/")
        rows = self.collections.get(collection, [])
        found = next((row for row in rows if row["id"] == id_), None)
        if found is None:
            return refusal(403)
        if request.method == "DELETE":
            rows.remove(found)
            return httpx.Response(204)
        if request.method == "PATCH":
            _update(found, json.loads(request.content))
        return httpx.Response(200, json=found)

    def _own_binding(self) -> Json:
        crn = f"crn://confluent.cloud/organization={ORGANIZATION}"
        return {"id": "rb-own", "principal": f"User:{self.own_owner}", "role_name": self.own_role, "crn_pattern": crn}

    def _create(self, spec: Json) -> httpx.Response:
        made: Json = sample("api-keys/create-response-kafka")
        made["id"] = f"MADE{len(self.collections[KEYS]):012}"
        made["spec"] |= spec
        stored = {**made, "spec": {name: value for name, value in made["spec"].items() if name != "secret"}}
        self.collections[KEYS].append(stored)
        return httpx.Response(202, json=made)

    def _create_account(self, body: Json) -> httpx.Response:
        rows = self.collections.setdefault(ACCOUNTS, [])
        if any(row["display_name"] == body["display_name"] for row in rows):
            return refusal(409, "errors/409-service-name")
        rows.append({"id": f"sa-made{len(rows):02}", **body})
        return httpx.Response(201, json=rows[-1])

    def _page(self, path: str, params: Mapping[str, str]) -> httpx.Response:
        filters = {k: v for k, v in params.items() if k not in {"page_size", "page_token"} | self.ignores}
        rows = [row for row in self.collections[path] if all(_at(row, k) in {v, None} for k, v in filters.items())]
        start = int(params.get("page_token", "0"))
        end = start + self.page_length
        link = f"{ENDPOINT}{path}?page_token={end}" if end < len(rows) else ""
        return httpx.Response(200, json={"data": rows[start:end], "metadata": {"next": link}})


def _update(row: Json, change: Json) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            _update(row.setdefault(name, {}), value)
        else:
            row[name] = value


def _at(row: Json, dotted: str) -> str | None:
    """The value that a filter such as `spec.owner` or `environment` compares; None when this fake does not know it."""
    value: Any = row
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value = value.get("id")
    return "" if value is None and dotted.startswith("spec.") else value
