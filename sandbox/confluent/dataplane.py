"""The clusters themselves, as far as a probe with a new key can see, under `/dataplane/{resource}/…`.

Clusters in a private network aren't served: nobody outside it can reach them.
"""

from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.domain.kinds import Kind
from sandbox.confluent.faults import Faults
from sandbox.confluent.model import PLAIN, ApiKey, KeyResource
from sandbox.confluent.organization import Organization
from sandbox.confluent.wire import Call, NoAnswer

PREFIX = "/dataplane"
_HTML_401 = (
    "<html><head><title>Error 401 Unauthorized</title></head><body><h2>HTTP ERROR 401 Unauthorized</h2></body></html>"
)


def address(call: Call, resource_id: str) -> str:
    """The HTTP endpoint of a public resource: in the sandbox, at the address that the caller used."""
    return f"{call.own_address}{PREFIX}/{resource_id}"


def credentials(request: Request) -> tuple[str, str] | None:
    """The key ID and secret in the Basic header; None if there is none, or if it's malformed."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (name, secret) if colon else None


def known_key(organization: Organization, faults: Faults, request: Request) -> ApiKey | None:
    """The request's key, once it has propagated; None if it's unknown, wrong, too new, or deleted."""
    given = credentials(request)
    lingering = timedelta(seconds=faults.lingering)
    key = organization.key_that_opens(given[0], lingering=lingering) if given else None
    if given is None or key is None or not key.opened_by(given[1]):
        return None
    spread_at = key.created_at + timedelta(seconds=faults.propagation)
    return key if organization.clock() >= spread_at else None


def routes(organization: Organization, faults: Faults) -> list[Route]:
    """The probes of `facts/readiness.md`, one for each kind of cluster."""

    def probe(path: str, kind: Kind, refusal: Callable[[int], Response], ready: object) -> Route:
        async def answer(request: Request) -> Response:
            wanted = _resource(organization, request)
            if wanted is None or wanted.kind is not kind:
                return JSONResponse({"error_code": 404, "message": "Not Found"}, 404)
            if faults.data_plane == "unreachable" or not _is_up(organization, wanted):
                return NoAnswer()
            key = known_key(organization, faults, request)
            if key is None or not _opens(key, wanted):
                return refusal(401)
            return refusal(403) if faults.data_plane == "reject" else JSONResponse(ready)

        return Route(f"{PREFIX}/{{resource}}{path}", answer, methods=["GET"])

    topics = {"kind": "KafkaTopicList", "metadata": {"self": "", "next": None}, "data": []}
    statements = {"api_version": "sql/v1", "kind": "StatementList", "metadata": {}, "data": []}
    info = {
        "KsqlServerInfo": {"version": "0.30.0", "kafkaClusterId": "", "ksqlServiceId": "", "serverStatus": "RUNNING"}
    }
    flink = "/sql/v1/organizations/{organization}/environments/{environment}/statements"
    return [
        probe("/kafka/v3/clusters/{cluster}/topics", Kind.KAFKA, _kafka_refusal, topics),
        probe("/subjects", Kind.SCHEMA_REGISTRY, _coded_refusal, []),
        probe("/info", Kind.KSQLDB, _coded_refusal, info),
        probe(flink, Kind.FLINK, _listed_refusal, statements),
        *(
            probe(kind.row.probe.partition("?")[0].replace("{id}", "{cluster}"), kind, _coded_refusal, {})
            for kind in PLAIN
        ),
    ]


def _resource(organization: Organization, request: Request) -> KeyResource | None:
    names = request.path_params
    if "cluster" in names and names["cluster"] != names["resource"]:
        return None
    if names.get("organization", organization.id) != organization.id:
        return None
    try:
        return organization.resource(names["resource"], names.get("environment"))
    except KeyError:
        return None


def _is_up(organization: Organization, resource: KeyResource) -> bool:
    """Whether it can be reached from outside: it's neither private nor paused."""
    if ksql := organization.ksql_clusters.get(resource.id):
        return organization.kafka_clusters[ksql.kafka_cluster].is_public and not ksql.is_paused
    placed = organization.kafka_clusters.get(resource.id) or organization.schema_registries.get(resource.id)
    return placed is None or placed.is_public


def _opens(key: ApiKey, wanted: KeyResource) -> bool:
    return key.resource.kind is Kind.GLOBAL or key.resource.crn == wanted.crn


def _kafka_refusal(status: int) -> Response:
    if status == HTTPStatus.UNAUTHORIZED:
        return HTMLResponse(_HTML_401, status)
    return JSONResponse({"error_code": 40301, "message": "Not authorized"}, status)


def _coded_refusal(status: int) -> Response:
    return JSONResponse({"error_code": status * 100 + 1, "message": _REASONS[status]}, status)


def _listed_refusal(status: int) -> Response:
    return JSONResponse({"errors": [{"status": str(status), "detail": _REASONS[status]}]}, status)


_REASONS = {401: "Unauthorized", 403: "Forbidden"}
