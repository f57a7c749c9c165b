"""The organization's API as an ASGI app, with authentication, faults and headers around every handler."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.domain.kinds import Kind
from sandbox.confluent import catalog, dataplane, endpoints, iam, keys, quotas, regions
from sandbox.confluent.changes import server_error
from sandbox.confluent.faults import Faults
from sandbox.confluent.model import PLAIN
from sandbox.confluent.organization import AnsweredCall, Organization
from sandbox.confluent.wire import Call, Disconnected, Handler, Json, NoAnswer, Problem, problem_response

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/org/v2/organizations", catalog.list_organizations),
    ("GET", "/org/v2/environments", catalog.list_environments),
    ("GET", "/org/v2/environments/{id}", catalog.get_environment),
    ("GET", "/cmk/v2/clusters", catalog.list_kafka_clusters),
    ("GET", "/cmk/v2/clusters/{id}", catalog.get_kafka_cluster),
    ("GET", "/srcm/v3/clusters", catalog.list_schema_registries),
    ("GET", "/srcm/v3/clusters/{id}", catalog.get_schema_registry),
    ("GET", "/ksqldbcm/v2/clusters", catalog.list_ksql_clusters),
    ("GET", "/ksqldbcm/v2/clusters/{id}", catalog.get_ksql_cluster),
    *(
        ("GET", f"{kind.row.api.collection}{below}", handler)
        for kind in PLAIN
        for below, handler in zip(("", "/{id}"), catalog.plain_clusters(kind), strict=True)
    ),
    ("GET", "/fcpm/v2/regions", regions.list_flink_regions),
    ("GET", "/fcpm/v2/compute-pools", regions.list_compute_pools),
    ("GET", "/endpoint/v1/endpoints", endpoints.list_endpoints),
    ("GET", "/tableflow/v1/regions", regions.list_tableflow_regions),
    ("GET", "/service-quota/v1/applied-quotas", quotas.list_applied_quotas),
    ("GET", "/service-quota/v1/applied-quotas/{id}", quotas.get_applied_quota),
    ("GET", "/iam/v2/users", iam.list_users),
    ("GET", "/iam/v2/users/{id}", iam.get_user),
    ("DELETE", "/iam/v2/users/{id}", iam.delete_user),
    ("GET", "/iam/v2/service-accounts", iam.list_service_accounts),
    ("POST", "/iam/v2/service-accounts", iam.create_service_account),
    ("GET", "/iam/v2/service-accounts/{id}", iam.get_service_account),
    ("PATCH", "/iam/v2/service-accounts/{id}", iam.edit_service_account),
    ("DELETE", "/iam/v2/service-accounts/{id}", iam.delete_service_account),
    ("GET", "/iam/v2/role-bindings", iam.list_role_bindings),
    ("POST", "/iam/v2/role-bindings", iam.create_role_binding),
    ("GET", "/iam/v2/role-bindings/{id}", iam.get_role_binding),
    ("DELETE", "/iam/v2/role-bindings/{id}", iam.delete_role_binding),
    ("GET", "/iam/v2/invitations", iam.list_invitations),
    ("GET", "/iam/v2/api-keys", keys.list_keys),
    ("POST", "/iam/v2/api-keys", keys.create_key),
    ("GET", "/iam/v2/api-keys/{id}", keys.get_key),
    ("PATCH", "/iam/v2/api-keys/{id}", keys.edit_key),
    ("DELETE", "/iam/v2/api-keys/{id}", keys.delete_key),
)
_OPENS_THE_API = frozenset({Kind.CLOUD, Kind.GLOBAL})
_RATE_LIMIT = 1200


def create_app(organization: Organization, faults: Faults, *, clock: Callable[[], datetime]) -> Starlette:
    """The app of one organization. `clock` returns times with time zone UTC, and should be the organization's own."""
    gate = _Gate(organization, faults, clock)
    return Starlette(
        routes=[
            *(Route(path, gate.endpoint(handler), methods=[method]) for method, path, handler in _ROUTES),
            *dataplane.routes(organization, faults),
        ],
        exception_handlers={404: gate.unknown, 405: gate.unknown},
    )


class _Gate:
    """Wraps every handler, before and after."""

    def __init__(self, organization: Organization, faults: Faults, clock: Callable[[], datetime]) -> None:
        self._organization = organization
        self._faults = faults
        self._clock = clock

    def endpoint(self, handler: Handler) -> Callable[[Request], object]:
        """A Starlette endpoint around `handler`."""

        async def answer(request: Request) -> Response:
            request_id = uuid.uuid4().hex
            principal: str | None = None
            try:
                await self._suffer()
                principal = self._authenticate(request)
                response = await handler(await self._call(request, principal, request_id))
            except Problem as problem:
                response = self._problem(problem, request, request_id)
            except Disconnected:
                response = NoAnswer()
            return self._finish(response, request, request_id, principal)

        return answer

    async def unknown(self, request: Request, exc: Exception) -> Response:
        """The response for an unknown path or method."""
        status = cast("HTTPException", exc).status_code
        request_id = uuid.uuid4().hex
        problem = Problem(status, "resource_not_found", "Not Found", cast("HTTPException", exc).detail)
        return self._finish(self._problem(problem, request, request_id), request, request_id, None)

    async def _suffer(self) -> None:
        faults = self._faults
        if faults.slow:
            await asyncio.sleep(faults.slow)
        if faults.take_rate_limit():
            raise Problem(
                429, "rate_limit_exceeded", "Too Many Requests", "Too many requests", headers={"Retry-After": "1"}
            )
        if faults.failing == "all":
            raise server_error()

    def _authenticate(self, request: Request) -> str:
        """The caller's principal. Raises `Problem`."""
        key = dataplane.known_key(self._organization, self._faults, request)
        accepted = _OPENS_THE_API
        if request.url.path.startswith("/tableflow/"):
            accepted |= {Kind.TABLEFLOW}
        if key is None or key.owner is None or key.resource.kind not in accepted:
            description = 'Basic error="invalid_key", error_description="The API key is not valid here"'
            raise Problem(401, None, None, "Unauthorized", headers={"WWW-Authenticate": description})
        return key.owner

    async def _call(self, request: Request, principal: str, request_id: str) -> Call:
        caller = self._organization.caller(principal, self._faults.without_roles)
        return Call(request, await _body(request), caller, self._organization, self._faults, request_id)

    def _problem(self, problem: Problem, request: Request, request_id: str) -> Response:
        return problem_response(problem, self._faults.error_shape, request_id, request.url.path, self._clock())

    def _finish(self, response: Response, request: Request, request_id: str, principal: str | None) -> Response:
        response.headers["X-Request-Id"] = request_id
        limited = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        if limited or response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            response.headers["X-RateLimit-Limit"] = str(_RATE_LIMIT)
            response.headers["X-RateLimit-Remaining"] = "0" if limited else str(_RATE_LIMIT - 1)
            response.headers["X-RateLimit-Reset"] = "1"
        status = None if isinstance(response, NoAnswer) else response.status_code
        answered = AnsweredCall(
            self._clock(), request_id, request.method, request.url.path, request.url.query, principal, status
        )
        self._organization.journal.append(answered)
        return response


async def _body(request: Request) -> Json:
    """The JSON object in the body; {} without a body. Raises `Problem`."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Problem(400, "invalid_body", "Bad Request", "The body must be a JSON object")
    return body
