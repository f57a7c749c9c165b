"""Labels for counting calls to Confluent's API: method, collection and outcome, but no IDs."""

from http import HTTPStatus

import httpx

from bot.confluent.failures import Outcome, refuses_our_key

OUTCOMES = ("ok", "refused", "unauthorized", "rate_limited", "error", "no_answer")
OTHER = "other"
_CHANGED = ("iam/v2/api-keys", "iam/v2/service-accounts")
"""Collections in which Latchkey creates, changes and deletes."""
_BINDINGS = "iam/v2/role-bindings"
"""Latchkey creates and deletes these."""
ENDPOINTS = (
    *_CHANGED,
    _BINDINGS,
    "iam/v2/users",
    "org/v2/environments",
    "org/v2/organizations",
    "cmk/v2/clusters",
    "srcm/v3/clusters",
    "ksqldbcm/v2/clusters",
    "fcpm/v2/compute-pools",
    "fcpm/v2/regions",
    "endpoint/v1/endpoints",
    "service-quota/v1/applied-quotas",
    OTHER,
)
"""The collections that Latchkey reads, as the beginnings of their paths."""
CALLS = (
    *(("GET", endpoint) for endpoint in ENDPOINTS),
    *((method, endpoint) for endpoint in _CHANGED for method in ("POST", "PATCH", "DELETE")),
    *((method, _BINDINGS) for method in ("POST", "DELETE")),
)
_PARTS = 3


def endpoint_of(path: str) -> str:
    """The collection that a path belongs to, or `OTHER`."""
    collection = "/".join(path.strip("/").split("/", _PARTS)[:_PARTS])
    return collection if collection in ENDPOINTS else OTHER


def outcome_of(outcome: Outcome) -> str:
    """The outcome as one of `OUTCOMES`."""
    if not isinstance(outcome, httpx.Response):
        return "no_answer"
    if outcome.is_success:
        return "ok"
    if outcome.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limited"
    if refuses_our_key(outcome):
        return "unauthorized"
    return "refused" if outcome.is_client_error else "error"
