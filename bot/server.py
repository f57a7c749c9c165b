"""The HTTP side: Slack's requests in HTTP mode, health, readiness, metrics."""

import asyncio
import logging
import re
import resource
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias, cast

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from bot.health import Health

BODY_LIMIT = 1024 * 1024  # bytes; the largest view Slack sends is 250 kB
LEAKS = "/leaks/github"
"""The path where secret scanners report keys, in GitHub's format."""
HEADER_SECONDS = 10.0
"""How long a connection may take to send all headers of its next request."""
REQUEST_SECONDS = 20.0
"""How long a request may take until its answer is sent. Slack sends at once and waits for three seconds."""
MOST_CONNECTIONS = 2_000
BACKLOG = 2048
AT_ONCE = 16
"""How many connections are accepted in one go, so the limit may be exceeded by this many for a moment."""
RESERVED = 16
"""How many connections beyond the limit still get health checks, and 503 for everything else."""
OURS = ("/healthz", "/readyz", "/metrics")
FULL_AGAIN = 60.0
"""Seconds between log lines that say that there are too many connections."""
SHUTDOWN_SECONDS = 5
log = logging.getLogger(__name__)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


Reports: TypeAlias = Callable[[Mapping[str, str], bytes], Awaitable[tuple[int, object]]]
"""Takes headers, with lower-case names, and a body. Returns an HTTP status and the value of the JSON answer."""


class CannotListen(Exception):
    """The address can't be bound. `str` is one line that says which setting to change."""


def create(
    slack: AsyncApp | None,
    health: Health,
    registry: CollectorRegistry,
    *,
    refresh: Callable[[], Awaitable[None]] | None = None,
    reports: Reports | None = None,
) -> ASGIApp:
    """The app: `/healthz`, `/readyz`, `/metrics`, and `/slack/events` if `slack` is given (HTTP mode).

    `refresh` updates the metrics, and `reports` handles what is posted to `LEAKS`.
    """

    async def healthz(_: Request) -> Response:
        why = health.dead()
        return PlainTextResponse("ok\n") if why is None else PlainTextResponse(f"{why}\n", status_code=503)

    async def readyz(_: Request) -> Response:
        found = await health.verdict()
        status = 200 if found.is_ready else 503
        return JSONResponse({"ready": found.is_ready, "checks": found.checks}, status_code=status)

    async def metrics(_: Request) -> Response:
        if refresh is not None:
            await refresh()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if slack is not None:
        routes.append(Route("/slack/events", _slack_events(slack), methods=["POST"]))
    if reports is not None:
        routes.append(Route(LEAKS, _reports(reports), methods=["POST"]))
    return _closing(Starlette(routes=routes), health)


def _closing(app: ASGIApp, health: Health) -> ASGIApp:
    """Tell clients to close their connections once we stop.

    A kept-alive one would still lead here, even if a proxy knows that we're leaving.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start" and health.is_stopping:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, receive, last)

    return answer


def _slack_events(slack: AsyncApp) -> Callable[[Request], Awaitable[Response]]:
    """Checks requests before Bolt, which doesn't limit bodies and answers 500 to a malformed timestamp or body."""

    async def slack_events(request: Request) -> Response:
        headers = request.headers
        if not _TIMESTAMP.fullmatch(headers.get("x-slack-request-timestamp", "0")):
            return PlainTextResponse("bad timestamp\n", status_code=401)
        if not headers.get("x-slack-signature", "").isascii():  # comparing it would raise
            return PlainTextResponse("bad signature\n", status_code=401)
        body = await _read(request)
        if isinstance(body, Response):
            return body
        try:
            asked = to_async_bolt_request(request, body)
        except Exception:  # noqa: BLE001 - anybody may send anything: Bolt parses before it looks at the signature
            return PlainTextResponse("unreadable\n", status_code=400)
        return to_starlette_response(await slack.async_dispatch(asked))

    return slack_events


def _reports(take: Reports) -> Callable[[Request], Awaitable[Response]]:
    async def leaks(request: Request) -> Response:
        body = await _read(request)
        if isinstance(body, Response):
            return body
        status, answer = await take(request.headers, body)
        return JSONResponse(answer, status_code=status)

    return leaks


async def _read(request: Request) -> bytes | Response:
    """The body, or an error response as soon as the body exceeds the limit or the client is gone."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                return PlainTextResponse("too large\n", status_code=413, headers={"Connection": "close"})
    except ClientDisconnect:
        return Response(status_code=400)
    return bytes(body)


class _House:
    """The open connections and their limit: half of our file descriptors, so that some are left for the store."""

    def __init__(self) -> None:
        self.room = max(min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2) - RESERVED, 1)
        self._told_at = float("-inf")

    def full(self) -> None:
        """Log that the limit is reached, but not for every connection."""
        if time.monotonic() - self._told_at >= FULL_AGAIN:
            self._told_at = time.monotonic()
            log.warning("too many connections", extra={"room": self.room})


class _Protocol(H11Protocol):
    """Uvicorn's protocol with the timeouts that it lacks and a limit for connections.

    At the limit, the connection that has waited longest for its client is closed. If none waits, up to
    `RESERVED` more get only health checks, and any further one is closed.
    """

    house: _House
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._within(HEADER_SECONDS)
        if len(self.connections) <= self.house.room:
            return
        self.house.full()
        waiting = [each for each in self.connections if isinstance(each, _Protocol) and each.waits and each is not self]
        if waiting or len(self.connections) > self.house.room + RESERVED:
            leaves = min(waiting, key=lambda each: each.since, default=self)
            self.connections.discard(leaves)  # now: it is closed later, and others come meanwhile
            leaves.transport.abort()
        else:
            self.app = _only_health(self.app)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._within(REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        self._within(HEADER_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn types it without None
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            self.transport.abort()  # half a request: nothing was begun
        else:
            super().shutdown()

    @property
    def waits(self) -> bool:
        """Whether it's waiting for its client to send something."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn types it without None
        return cycle is None or cycle.response_complete or cycle.more_body

    def _within(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self.since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self.transport.abort)


def _only_health(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        busy = PlainTextResponse("busy\n", status_code=503, headers={"Connection": "close"})
        await (app if scope["path"] in OURS else busy)(scope, receive, send)

    return answer


class _Server(uvicorn.Server):
    """A Uvicorn that leaves signals to the program that runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)  # asyncio has one number for what waits in the kernel and what it accepts at once


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncGenerator[int]:
    """Serve `app` on `host` during the `async with`. Yields the port, chosen by the system if `port` is 0.

    At the end, running requests have `SHUTDOWN_SECONDS` to finish. Raises `CannotListen`.
    """
    listener = listen(host, port)
    protocol = type("Protocol", (_Protocol,), {"house": _House()})
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol,
            backlog=AT_ONCE,
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


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at this address. Raises `CannotListen`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        why = (error.strerror or type(error).__name__).partition(" (")[0]  # what follows is the address once more
        raise CannotListen(
            f"Can't listen on {host}, port {port}: {why}. Set HOST and PORT to a free address."
        ) from None
    # Accepted connections inherit it; asyncio itself passes over sockets that were made without naming TCP. Without it,
    # each answer waits 40 ms for the client's delayed acknowledgment.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
