"""A small load balancer: it asks each backend whether it is ready, and sends each request to one that is."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bot.background import beside
from tests.support.serving import serving

POLLED = 0.2
"""Seconds between two questions to a backend."""
_NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BROKEN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Balancer:
    """Ports on this machine, and which of them are ready. It repeats nothing: a request that fails is lost."""

    backends: Sequence[int]
    port: int = 0
    ready: list[int] = field(default_factory=list[int])
    """In their order of turn."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: dict[int, int] = field(default_factory=dict[int, int])

    async def until(self, *ports: int) -> None:
        """Wait until these, and no others, are ready."""
        while set(self.ready) != set(ports):
            self.changed.clear()
            await self.changed.wait()

    async def poll(self, port: int) -> None:
        """Ask one backend, until cancelled."""
        while True:
            status = await _exchanged(port, b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            is_ready = status.startswith(b"HTTP/1.1 200 ")
            if is_ready is not (port in self.ready):
                (self.ready.append if is_ready else self.ready.remove)(port)
                self.changed.set()
            await asyncio.sleep(POLLED)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, which has one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if not self.ready:
            writer.write(_NOBODY)
            return
        port = self.ready.pop(0)
        self.ready.append(port)
        head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        answer = await _exchanged(port, head + body)
        if answer.startswith(b"HTTP/1.1 200 "):
            self.answered[port] = self.answered.get(port, 0) + 1
        writer.write(answer or _BROKEN)
        await writer.drain()


async def _exchanged(port: int, request: bytes) -> bytes:
    """What a backend answers; nothing where it does not."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    try:
        writer.write(request)
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


@asynccontextmanager
async def balancer(*backends: int) -> AsyncGenerator[Balancer]:
    """A load balancer while inside."""
    here = Balancer(backends)
    async with AsyncExitStack() as stack:
        here.port = await stack.enter_async_context(serving(here.serve))
        for port in backends:
            await stack.enter_async_context(beside(here.poll(port), name=f"poll {port}"))
        yield here
