"""Builds the Slack sandbox: one ASGI app on one loopback port."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from sandbox.cast import CAST, Actor
from sandbox.serving import serve
from sandbox.slack.delivery import RETRY_SECONDS, Delivery, RequestUrl, Transport
from sandbox.slack.faults import Faults
from sandbox.slack.guard import Guard
from sandbox.slack.installed_app import InstalledApp
from sandbox.slack.interactions import Interactions
from sandbox.slack.manners import Manners
from sandbox.slack.person import PersonAtClient
from sandbox.slack.person_api import PersonApi
from sandbox.slack.response_urls import ResponseUrls
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.views import Views
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import Clock, Workspace

STATIC = Path(__file__).parent / "static"


class Slack:
    """One workspace with everything that belongs to it. It reaches the bot by Socket Mode until `use_request_url`."""

    def __init__(
        self,
        clock: Clock,
        *,
        people: Iterable[Actor] = CAST,
        app: InstalledApp | None = None,
        manners: Manners | None = None,
        retry_after: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.workspace = Workspace(clock, people=people, app=app, manners=manners)
        self.views = Views(self.workspace)
        self.response_urls = ResponseUrls(self.workspace)
        self.sockets = SocketMode(self.workspace)
        self.faults = Faults(drop=self.sockets.drop)
        self.sockets.refusal = lambda: None if self.faults.links == "work" else self.faults.links
        self.delivery = Delivery(self.workspace, self.sockets, retry_after)
        self.interactions = Interactions(self.workspace, self.views, self.response_urls, self.delivery)
        self.person_api = PersonApi(self.workspace, self.views, self.interactions)

    @property
    def manners(self) -> Manners:
        """Its habits."""
        return self.workspace.manners

    def use_request_url(self, transport: RequestUrl | Transport) -> None:
        """Deliver over HTTP from now on. The caller closes the transport."""
        self.delivery.transport = transport

    def person(self, user: str) -> PersonAtClient:
        """A new connected client of this person. Raises `SlackError` with `user_not_found`."""
        return PersonAtClient(self.workspace, self.views, self.interactions, self.workspace.person(user).slack)


def create_app(slack: Slack, *, extra: Sequence[BaseRoute] = ()) -> Starlette:
    """The sandbox as an app: the Web API, Socket Mode, response_urls, the person API, the page, and `extra` routes.

    `slack.workspace.base_url` has to be the address where it's served; `running` sets that.
    """
    api = WebApi(slack.workspace, slack.views, slack.sockets, slack.response_urls, slack.faults)
    routes: list[BaseRoute] = [
        Route("/api/{method}", api.call, methods=["GET", "POST"]),
        Route("/hooks/{rest:path}", api.respond, methods=["POST"]),
        Route("/archives/{channel}/p{ts:int}", _message, methods=["GET"]),
        WebSocketRoute("/link/", slack.sockets.accept),
        *slack.person_api.routes(),
        *extra,
        Mount("/", StaticFiles(directory=STATIC, html=True)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard)])


async def _message(request: Request) -> Response:
    """Redirect a permalink to the page, at that message."""
    seconds, micros = divmod(request.path_params["ts"], 1_000_000)
    return RedirectResponse(f"/#/{request.path_params['channel']}/{seconds}.{micros:06d}")


@asynccontextmanager
async def running(slack: Slack, *, port: int = 0, extra: Sequence[BaseRoute] = ()) -> AsyncGenerator[str, None]:
    """Serve the sandbox on loopback until the block ends. Yields its base URL, without `/api/`."""
    async with serve(create_app(slack, extra=extra), port=port) as base_url:
        slack.workspace.base_url = base_url
        try:
            yield base_url
        finally:
            slack.person_api.end_streams()
            slack.sockets.drop()
            await slack.delivery.aclose()
