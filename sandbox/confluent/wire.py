"""What all responses of the API have in common: error bodies, pages, times, and the current request."""

import base64
import binascii
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.confluent.authority import Caller
from sandbox.confluent.faults import ErrorShape, Faults
from sandbox.confluent.optional import thinned
from sandbox.confluent.organization import Organization
from sandbox.serving import drop_connection

PUBLIC_URL = "https://api.confluent.cloud"
_DEFAULT_PAGE = 10
_MAX_PAGE = 100

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request; `body` is {} if there is none."""

    request: Request
    body: Json
    caller: Caller
    organization: Organization
    faults: Faults
    request_id: str

    @property
    def own_address(self) -> str:
        """The address that the caller used, without a slash at the end: `http://127.0.0.1:8091`."""
        return str(self.request.base_url).rstrip("/")

    @property
    def id(self) -> str:
        """The ID in the path."""
        return str(self.request.path_params["id"])

    def parameter(self, name: str) -> str | None:
        """A query parameter; an empty one counts as missing."""
        return self.request.query_params.get(name) or None

    def required(self, name: str) -> str:
        """A query parameter that is required. Raises `Problem`."""
        value = self.parameter(name)
        if value is None:
            raise Problem(400, "invalid_filter", "Invalid Filter", f"{name} is required", parameter=name)
        return value


Handler = Callable[[Call], Awaitable[Response]]


class Problem(Exception):
    """An error response. `pointer` names the wrong field in the body, `parameter` the wrong query parameter."""

    def __init__(
        self,
        status: int,
        code: str | None,
        title: str | None,
        detail: str,
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.source = {k: v for k, v in (("pointer", pointer), ("parameter", parameter)) if v is not None}
        self.headers = dict(headers or {})


class Disconnected(Exception):
    """The connection ends here, without a response."""


class NoAnswer(Response):
    """A response that closes the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as every response has it
        """Close the connection without sending anything."""
        await drop_connection(scope, receive)


def forbidden() -> Problem:
    """Confluent's refusal for a missing permission, and for something deleted or that never existed."""
    return Problem(403, "forbidden_access", None, "Forbidden Access")


def invalid(pointer: str, detail: str, status: int = 422) -> Problem:
    """The refusal of an invalid field in the body."""
    return Problem(status, "invalid_configuration", "Validation Failed", detail, pointer=pointer)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def metadata(path: str, resource_name: str, created_at: datetime, updated_at: datetime | None = None) -> Json:
    """The `metadata` of an object; `path` is its address in the API."""
    return {
        "self": f"{PUBLIC_URL}{path}",
        "resource_name": resource_name,
        "created_at": timestamp(created_at),
        "updated_at": timestamp(updated_at or created_at),
    }


def reference(id_: str, path: str, resource_name: str, **more: str) -> Json:
    """A reference to another object."""
    return {"id": id_, "related": f"{PUBLIC_URL}{path}", "resource_name": resource_name, **more}


def text_field(holder: Json, name: str, pointer: str, *, longest: int | None = None) -> str | None:
    """A text in the body; None if it's missing or null. Raises `Problem` for another type or a text that's too long."""
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(f"{pointer}/{name}", f"The property {name} must be a string", 400)
    if longest is not None and len(value) > longest:
        raise invalid(f"{pointer}/{name}", f"The property {name} must have at most {longest} characters")
    return value


def one(call: Call, item: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The response with one rendered object."""
    return JSONResponse(thinned(call.faults, item), status, headers)


def page(
    call: Call,
    api_version: str,
    kind: str,
    items: Iterable[T],
    render: Callable[[T], Json],
    *,
    usual: int = _DEFAULT_PAGE,
    largest: int = _MAX_PAGE,
) -> Response:
    """One page of a list, rendered; `items` is the whole list in order."""
    everything: Sequence[T] = items if isinstance(items, Sequence) else list(items)
    size, start, lead_in = _position(call, usual, largest)
    end = start if lead_in else start + size
    meta: Json = {"first": f"{PUBLIC_URL}{call.request.url.path}"}
    if end < len(everything):
        query = [(k, v) for k, v in call.request.query_params.multi_items() if k not in {"page_size", "page_token"}]
        query += [("page_size", str(size)), ("page_token", _token(size, end))]
        meta["next"] = f"{PUBLIC_URL}{call.request.url.path}?{urlencode(query)}"
    elif call.faults.paging == "ends with an empty string":
        meta["next"] = ""
    elif call.faults.paging == "ends with null":
        meta["next"] = None
    elif start == 0:
        meta = {}
    data = [thinned(call.faults, render(item)) for item in everything[start:end]]
    return JSONResponse({"api_version": api_version, "kind": kind, "metadata": meta, "data": data})


def _position(call: Call, usual: int, largest: int) -> tuple[int, int, bool]:
    """Page size, offset, and whether this is the empty page that some lists start with."""
    if token := call.parameter("page_token"):
        size, start = _read_token(token)
        if call.faults.take_expired_token():
            raise _bad_token("page_token has expired")
        return size, start, False
    raw = call.parameter("page_size") or str(usual)
    if not raw.isdecimal() or not 1 <= int(raw) <= largest:
        detail = f"page_size must be between 1 and {largest}"
        raise Problem(400, "invalid_filter", "Invalid Filter", detail, parameter="page_size")
    return int(raw), 0, call.faults.paging == "starts with an empty page"


def _token(size: int, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([size, start]).encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, int]:
    try:
        size, start = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(size), int(start)
    except (binascii.Error, ValueError, TypeError):
        raise _bad_token("page_token is not valid") from None


def _bad_token(detail: str) -> Problem:
    return Problem(400, "invalid_filter", "Invalid Filter", detail, parameter="page_token")


def problem_response(problem: Problem, shape: ErrorShape, request_id: str, path: str, at: datetime) -> Response:
    """The response for a problem, in one of the formats that Confluent sends."""
    body: Json
    match shape:
        case "documented" | "no code" | "gzip":
            body = {"errors": [_documented(problem, request_id, coded=shape != "no code")]}
        case "gateway":
            body = {"error": {"code": problem.status, "message": problem.detail}}
        case "message":
            body = {"message": problem.detail}
        case "error_code":
            body = {"error_code": problem.status * 100 + 1, "message": problem.detail}
        case "2026":
            body = _prose_form(problem, request_id, path, at)
        case "empty":
            return Response(status_code=problem.status, headers=problem.headers)
    content = json.dumps(body).encode()
    if shape == "gzip":
        # As recorded: compressed bytes without a Content-Encoding header.
        content = gzip.compress(content)
    return Response(content, problem.status, problem.headers, media_type="application/json")


def _documented(problem: Problem, request_id: str, *, coded: bool) -> Json:
    error: Json = {"id": request_id, "status": str(problem.status)}
    if coded and problem.code is not None:
        error["code"] = problem.code
    if coded and problem.title is not None:
        error["title"] = problem.title
    return {**error, "detail": problem.detail, "source": problem.source}


def _prose_form(problem: Problem, request_id: str, path: str, at: datetime) -> Json:
    return {
        "status": problem.status,
        "error": {
            "code": (problem.code or "unknown").upper(),
            "message": problem.detail,
            "details": "",
            "timestamp": timestamp(at),
            "path": path,
            "suggestion": "",
        },
        "requestId": request_id,
        "doc_url": "https://docs.confluent.io/cloud/current/api.html",
    }
