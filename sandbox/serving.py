"""Runs an ASGI app on a loopback port, in the caller's event loop.

Adds one thing to the ASGI scope: `drop_connection` can close a request's TCP connection without a response. This is the
only way to simulate a lost response, because uvicorn turns an app that returns silently into a 500.
"""

import asyncio
import contextlib
import errno
import itertools
import os
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_DROP = "sandbox.drop"
_GRACE_SECONDS = 1
_PORTS = range(10_000, 32_768)
"""Above what services usually have, and below what Linux gives to any connection: such a port may be taken by the time
a server that was told to use it has started."""
_APART = 199
"""How far apart processes with neighboring numbers begin to look for ports."""


@asynccontextmanager
async def serve(app: ASGIApp, *, port: int = 0, host: str = "127.0.0.1") -> AsyncGenerator[str, None]:
    """Serve `app` (HTTP and WebSocket) until the block ends. Yields its base URL, without a slash at the end.

    Port 0 uses a free one. Raises OSError if the port is in use. Requests that still run at the end get one second.
    """
    listener = socket.create_server((host, port), backlog=256)
    # Accepted connections inherit this. asyncio sets it only on sockets whose protocol number is TCP's, and these have
    # 0. Without it, a response in two packets waits 40 ms for the client's delayed acknowledgment.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _EmbeddedServer(_config(app))
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{listener.getsockname()[1]}")
    base_url = f"http://{host}:{listener.getsockname()[1]}"
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield base_url
    finally:
        ready.cancel()
        server.stop.set()
        await running
        listener.close()


def free_port() -> int:
    """A port of 127.0.0.1 for a server that is told its port before it starts. No two calls return the same soon.

    Raises OSError if none is free.
    """
    for _ in _PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port := next(_next_port))):
            return port
    raise OSError(errno.EADDRINUSE, "no port is free")


def _ports() -> Iterator[int]:
    for number in itertools.count(os.getpid() * _APART):
        yield _PORTS[number % len(_PORTS)]


_next_port = _ports()


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close this request's connection without a response. The app must not send anything afterward.

    Without `serve` (with an in-process transport) it raises ConnectionResetError, which is the closest to it.
    """
    drop = cast("Callable[[], None] | None", scope.get("extensions", {}).get(_DROP))
    if drop is None:
        raise ConnectionResetError
    drop()
    # uvicorn has to see the disconnect before the app returns, otherwise it tries to answer with a 500.
    while (await receive())["type"] != "http.disconnect":
        pass


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_DroppableProtocol,
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


class _EmbeddedServer(uvicorn.Server):
    """uvicorn inside another program: it leaves signals alone, and waits for events instead of polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def main_loop(self) -> None:
        self.ready.set()
        await self.stop.wait()


class _DroppableProtocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_drop(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_DROP] = transport.abort
            with contextlib.suppress(ClientDisconnect):  # for example a client that was killed
                await app(scope, receive, send)

        self.app = with_drop
