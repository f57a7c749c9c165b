"""A forward proxy: CONNECT, and requests with a whole address. Every host that it is asked for is one port here."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.serving import serving


@dataclass(slots=True)
class ForwardProxy:
    """What it was asked for, as `METHOD host:port`; `port` is where it leads, 0 to refuse everything."""

    port: int
    url: str = ""
    asked: list[str] = field(default_factory=list[str])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, version = head.split("\r\n", 1)[0].split(" ")
        host = target if method == "CONNECT" else urlsplit(target).netloc
        self.asked.append(f"{method} {host}")
        if not self.port:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        there, away = await asyncio.open_connection("127.0.0.1", self.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.partition(host)[2] or "/"
            head = head.replace(f"Host: {host}", f"Host: 127.0.0.1:{self.port}")  # the sandbox takes no other name
            if "Upgrade" not in head:
                head = head.replace("\r\n", "\r\nConnection: close\r\n", 1)  # one request a connection
            away.write(f"{method} {path} {version}\r\n{head.split(chr(13) + chr(10), 1)[1]}".encode("latin-1"))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(reader, away))
                group.create_task(pump(there, writer))
        finally:
            away.close()


async def pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, changed: Callable[[bytes], bytes] = bytes
) -> None:
    """Pass on what comes, `changed`, until there was deleted."""
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(changed(data))
            await sink.drain()
    sink.close()


@asynccontextmanager
async def forward_proxy(port: int) -> AsyncGenerator[ForwardProxy]:
    """A proxy while inside."""
    proxy = ForwardProxy(port)
    async with serving(proxy.serve) as here:
        proxy.url = f"http://127.0.0.1:{here}"
        yield proxy
