"""Protects the sandbox from other websites in the same browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SIGN = "X-Sandbox"


class Guard:
    """Refuses (403) requests that a page of another origin could send.

    A host name that isn't loopback is a rebound DNS name. Another Origin is another site. Requests below `/person` and
    `/control` need a header that a foreign page can't set without a preflight. Event streams don't need it, because
    EventSource can't set it, and a foreign page can't read the stream.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        reason = _refusal(scope) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await JSONResponse({"error": reason}, 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 4403, "reason": reason})


def _refusal(scope: Scope) -> str:
    connection = HTTPConnection(scope)
    headers, path = connection.headers, connection.url.path
    host = headers.get("Host", "")
    if _name(f"//{host}") not in LOOPBACK:
        return "The sandbox answers on loopback names only."
    if _is_foreign(headers, host):
        return "The sandbox does not answer other sites."
    is_person = path.startswith(("/person", "/control"))
    if is_person and not path.endswith("/events") and headers.get(SIGN) != "1":
        return f"This request needs the header {SIGN}: 1."
    return ""


def _is_foreign(headers: Headers, host: str) -> bool:
    origin = headers.get("Origin")
    is_link = headers.get("Sec-Fetch-Mode") == "navigate"
    crosses = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return (crosses and not is_link) or (origin is not None and urlsplit(origin).netloc != host)


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
