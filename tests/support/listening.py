"""A small ASGI app: one function answers every request."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST"]


def app_of(answer: Callable[[Request], Awaitable[Response]]) -> Starlette:
    """An app in which `answer` has the word on every path."""

    async def endpoint(request: Request) -> Response:
        return await answer(request)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=METHODS)])
