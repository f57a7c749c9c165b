"""How the sandbox serves."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serving import serve


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
