"""The HTTP side: Slack's requests in HTTP mode, health, readiness, metrics."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bot.domain.errors import LatchkeyError

BODY_LIMIT = 1024 * 1024  # bytes; the largest view Slack sends is 250 kB
CHECK_SECONDS = 2.0
SHUTDOWN_SECONDS = 5
_TIMESTAMP = re.compile(r"[0-9]{1,12}")

Check: TypeAlias = Callable[[], Awaitable[str | None] | str | None]
"""Looks at one thing that we need: None when it is well, else the reason in a few words that hold no secret."""


class CannotListen(Exception):
    """The address cannot be bound. `str` is one line that says which setting to change."""


def create(
    slack: AsyncApp | None,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    *,
    warnings: frozenset[str] = frozenset(),
) -> Starlette:
    """The app: `/healthz`, `/readyz`, `/metrics`, and `/slack/events` if `slack` is given (HTTP mode).

    Checks among `warnings` are shown by `/readyz`, and leave it ready.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reasons = await asyncio.gather(*(_reason(check) for check in checks.values()))
        ready = not any(reason for name, reason in zip(checks, reasons, strict=True) if name not in warnings)
        said = {name: reason or "ok" for name, reason in zip(checks, reasons, strict=True)}
        return JSONResponse({"ready": ready, "checks": said}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if slack is not None:
        routes.append(Route("/slack/events", _slack_events(slack), methods=["POST"]))
    return Starlette(routes=routes)


async def _reason(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found = check()
            return (await found if isinstance(found, Awaitable) else found) or ""
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except LatchkeyError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a check that fails in any way is a check that failed
        return type(error).__name__


def _slack_events(slack: AsyncApp) -> Callable[[Request], Awaitable[Response]]:
    """What stands before Bolt: it limits no body, and answers 500 to a timestamp or a body that it cannot read."""

    async def slack_events(request: Request) -> Response:
        if not _TIMESTAMP.fullmatch(request.headers.get("x-slack-request-timestamp", "0")):
            return PlainTextResponse("bad timestamp\n", status_code=401)
        try:
            body = await _read(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        if body is None:
            return PlainTextResponse("too large\n", status_code=413, headers={"Connection": "close"})
        try:
            asked = to_async_bolt_request(request, body)
        except Exception:  # noqa: BLE001 - anybody may send anything: Bolt parses before it looks at the signature
            return PlainTextResponse("unreadable\n", status_code=400)
        return to_starlette_response(await slack.async_dispatch(asked))

    return slack_events


async def _read(request: Request) -> bytes | None:
    """The body; None as soon as it is known to be over the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to the program it is part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncGenerator[int]:
    """Serve `app` on `host` while inside; gives the port, which the system chose if `port` is 0.

    On leaving, running requests have `SHUTDOWN_SECONDS` to finish. Raises `CannotListen`.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,  # bot.logs has set up logging
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        why = (error.strerror or type(error).__name__).partition(" (")[0]  # what follows is the address once more
        raise CannotListen(f"Cannot listen on {host}, port {port}: {why}. Set HOST and PORT to what is free.") from None
    # Accepted connections inherit it; asyncio itself passes over sockets that were made without naming TCP. Without it,
    # each answer waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
