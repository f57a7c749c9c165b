"""How the sandbox serves."""

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serving import free_port, serve


async def test_a_client_that_is_gone_before_it_has_sent_everything_is_nothing_to_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def reads(request: Request) -> Response:
        begun.set()
        try:
            return Response(await request.body())
        finally:
            ended.set()

    async with serve(Starlette(routes=[Route("/", reads, methods=["POST"])])) as base_url:
        url = httpx.URL(base_url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf")
        await begun.wait()
        writer.close()
        await ended.wait()

    assert caplog.messages == []


def test_a_free_port_is_no_others_and_none_that_linux_gives_to_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [free_port() for _ in range(5)]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768

    monkeypatch.setattr("sandbox.serving._next_port", iter(ports))
    with socket.create_server(("127.0.0.1", ports[0])):
        assert free_port() == ports[1]
