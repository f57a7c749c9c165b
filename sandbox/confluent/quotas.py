"""`/service-quota/v1`: the limits of the organization, and of each user, service account, cluster and environment."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from sandbox.confluent import usage, wire
from sandbox.confluent.model import Quota
from sandbox.confluent.places import sees_environment
from sandbox.confluent.wire import Call, Json, Problem, forbidden

_LARGEST_PAGE = 200
_SCOPES = (
    "ORGANIZATION",
    "ENVIRONMENT",
    "NETWORK",
    "KAFKA_CLUSTER",
    "SERVICE_ACCOUNT",
    "USER_ACCOUNT",
    "IDENTITY_PROVIDER",
    "CERTIFICATE_AUTHORITY",
)


@dataclass(frozen=True, slots=True)
class _Applied:
    """A quota as applied to one holder; "" is the organization, or everyone. `used` is None if it isn't shown."""

    quota: Quota
    holder: str
    limit: int
    used: int | None


async def list_applied_quotas(call: Call) -> Response:
    """The limits of one scope, for each holder that the caller sees; filtered by code, environment or cluster."""
    scope, code = call.required("scope"), call.parameter("id")
    if scope not in _SCOPES:
        detail = f"scope must be one of {', '.join(_SCOPES)}"
        raise Problem(400, "invalid_filter", "Invalid Filter", detail, parameter="scope")
    _check_told(call)
    quotas = [each for each in call.organization.quotas.values() if each.scope == scope and code in (None, each.code)]
    found = [row for quota in quotas for row in _rows(call, quota)]
    kind = "AppliedQuotaList"
    return wire.page(call, "service-quota/v1", kind, found, lambda each: _render(call, each), largest=_LARGEST_PAGE)


async def get_applied_quota(call: Call) -> Response:
    """One limit by its code; if there are many, for the environment or Kafka cluster in the query."""
    _check_told(call)
    quota = call.organization.quotas.get(call.id)
    if quota is None or not (found := _rows(call, quota)):
        raise forbidden()
    return wire.one(call, _render(call, found[0]))


def _check_told(call: Call) -> None:
    if call.faults.quotas == "refused":
        raise forbidden()


def _rows(call: Call, quota: Quota) -> list[_Applied]:
    is_told = call.faults.quotas == "with their use"
    used = usage.of(call.organization, quota.code)
    holders = _holders(call, quota.scope) if is_told or quota.scope in {"KAFKA_CLUSTER", "ENVIRONMENT"} else [""]
    return [
        _Applied(quota, holder, call.faults.limit_for(quota, holder), used[holder] if is_told else None)
        for holder in holders
    ]


def _holders(call: Call, scope: str) -> Iterable[str]:
    organization = call.organization
    environment, cluster = call.parameter("environment"), call.parameter("kafka_cluster")
    match scope:
        case "USER_ACCOUNT" | "SERVICE_ACCOUNT":
            everybody = organization.users if scope == "USER_ACCOUNT" else organization.service_accounts
            return [id_ for id_ in everybody if call.caller.sees_principal(id_, organization.principal_crn(id_))]
        case "KAFKA_CLUSTER":
            return [
                each.id
                for each in organization.kafka_clusters.values()
                if environment in (None, each.environment)
                and cluster in (None, each.id)
                and call.caller.sees_place(organization.cluster_crn(each))
            ]
        case "ENVIRONMENT":
            seen = (id_ for id_ in organization.environments if sees_environment(call, id_))
            return [id_ for id_ in seen if environment in (None, id_)]
        case _:
            return [""]


def _render(call: Call, row: _Applied) -> Json:
    organization, quota = call.organization, row.quota
    path = f"/org/v2/organizations/{organization.id}"
    applied: Json = {
        "api_version": "service-quota/v1",
        "kind": "AppliedQuota",
        "id": quota.code,
        "metadata": {"self": f"{wire.PUBLIC_URL}/service-quota/v1/applied-quotas/{quota.code}"},
        "scope": quota.scope,
        "display_name": quota.name,
        "default_limit": quota.default,
        "applied_limit": row.limit,
        "organization": wire.reference(organization.id, path, organization.crn),
    }
    if row.used is not None:
        applied["usage"] = row.used
    return applied | (_reference(call, row) if row.holder else {})


def _reference(call: Call, row: _Applied) -> Json:
    organization, id_ = call.organization, row.holder
    match row.quota.scope:
        case "USER_ACCOUNT":
            return {"user": wire.reference(id_, f"/iam/v2/users/{id_}", organization.principal_crn(id_))}
        case "SERVICE_ACCOUNT":
            # The published schema has no field for service accounts. Confluent's quotas treat them as users.
            return {"user": wire.reference(id_, f"/iam/v2/service-accounts/{id_}", organization.principal_crn(id_))}
        case "KAFKA_CLUSTER":
            cluster = organization.kafka_clusters[id_]
            path, crn = f"/cmk/v2/clusters/{id_}", organization.cluster_crn(cluster)
            return {"kafka_cluster": wire.reference(id_, path, crn, environment=cluster.environment)}
        case _:
            path, crn = f"/org/v2/environments/{id_}", organization.place(f"environment={id_}")
            return {"environment": wire.reference(id_, path, crn)}
