"""Socket Mode: the SDK's client, made patient, and honest about whether Slack has greeted it."""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.client import proxy_for

PING_SECONDS = 10
FIRST_WAIT = 2.0
"""Seconds before reconnecting after Slack rejected a connection; doubled after each further one."""
LONGEST_WAIT = 120.0
GAP = 1.0
"""The fewest seconds between two tries, times a random factor of up to one and a half."""
LIVED = 10.0
"""Seconds after its greeting until a connection counts as one that worked. Slack keeps one for hours."""
REFRESHES = {"warning", "refresh_requested"}
"""Why Slack asks for a new connection in the ordinary course of things."""
ADVICE = {
    "too_many_websockets": "the Slack app has ten connections already: stop other processes that use its token",
    "link_disabled": "Socket Mode is turned off in the settings of the Slack app",
}
log = logging.getLogger("latchkey.slack")


class PatientClient(SocketModeClient):
    """Waits longer each time before it reconnects, if Slack closed the connection before `hello` or soon after.

    The SDK's own client reconnects at once, hundreds of times a second. This one does so only if Slack asks for a
    refresh of a connection that had worked. `trouble` says why there is no connection.
    """

    def __init__(
        self,
        token: str,
        web_client: AsyncWebClient,
        logger: logging.Logger,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(
            app_token=token,
            web_client=web_client,
            logger=logger,
            ping_interval=PING_SECONDS,
            on_message_listeners=[self._heard],
        )
        self.aiohttp_client_session = cast("aiohttp.ClientSession", _OneTry(self, self.aiohttp_client_session))
        self.trouble: str | None = "Slack hasn't accepted this connection yet"
        self._draw = draw
        self._greeted: ClientWebSocketResponse | None = None
        self._greeted_at = 0.0
        self._blamed: ClientWebSocketResponse | None = None
        self._refreshed: ClientWebSocketResponse | None = None
        self._one_at_a_time = asyncio.Lock()
        self._in_a_row = 0
        self._not_before = 0.0

    async def is_ready(self) -> bool:
        """Whether Slack has greeted the present connection, and it's up."""
        return await self.is_connected() and self._is_greeted()

    async def issue_new_wss_url(self) -> str:
        """A new address, after a wait if the last connection failed. Also sets the proxy for its host."""
        await self._rest()
        self._not_before = _now() + GAP * self._draw(1.0, 1.5)
        url = await super().issue_new_wss_url()
        self.proxy = proxy_for(url)
        return url

    async def connect_to_new_endpoint(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - as the SDK has it
        """Connect again, after a wait if the last connection failed."""
        before = self.current_session
        if before is None or before is not self._refreshed:
            self._blame(
                "the connection ended" if self._is_greeted() else "the connection ended before Slack accepted it"
            )
        async with self._one_at_a_time:
            await self._rest()
            if before is self.current_session and not self.closed:  # otherwise, another task has connected
                await super().connect_to_new_endpoint(force)

    async def _heard(self, message: WSMessage) -> None:
        if message.type is not WSMsgType.TEXT:
            return
        kind, reason = _read(message.data)
        if kind == "hello":
            self._greeted, self._greeted_at, self.trouble = self.current_session, _now(), None
        elif kind == "disconnect" and reason in REFRESHES and self._has_lived():
            self._refreshed, self._in_a_row = self.current_session, 0
        elif kind == "disconnect":
            self._blame(f"Slack closed the connection ({reason})", ADVICE.get(reason, ""))
            self._greeted = None

    def _blame(self, why: str, advice: str = "") -> None:
        """Make the next connection wait, once for each one that ended; longer each time, unless this one had worked."""
        if self._blamed is not None and self._blamed is self.current_session:
            return
        self._blamed = self.current_session
        if self._has_lived() and not advice:
            self._in_a_row = 0
        self.wait_longer(why, advice)

    def wait_longer(self, why: str, advice: str = "") -> None:
        """Make the next connection wait, longer than the last one had to."""
        wait = min(FIRST_WAIT * 2**self._in_a_row, LONGEST_WAIT) * self._draw(0.5, 1.5)
        self._in_a_row = min(self._in_a_row + 1, 10)
        self._not_before = max(self._not_before, _now() + wait)
        self.trouble = f"{why}: {advice}" if advice else why
        log.warning("not connected to Slack", extra={"why": self.trouble, "again_in": round(wait, 1)})

    async def _rest(self) -> None:
        await asyncio.sleep(max(self._not_before - _now(), 0))

    def _is_greeted(self) -> bool:
        return self._greeted is not None and self._greeted is self.current_session

    def _has_lived(self) -> bool:
        return self._is_greeted() and _now() - self._greeted_at >= LIVED


@dataclass(frozen=True, slots=True)
class _OneTry:
    """The SDK's HTTP session, which makes its client take a new address for each try.

    Slack accepts an address once, and after a failed handshake, the SDK's loop would try the same one forever.
    """

    client: PatientClient
    session: aiohttp.ClientSession

    @property
    def closed(self) -> bool:
        return self.session.closed

    async def close(self) -> None:
        await self.session.close()

    async def ws_connect(self, url: str, **options: Any) -> ClientWebSocketResponse:  # noqa: ANN401 - the SDK's
        self.client.wss_uri = None
        session: Any = self.session
        try:
            return cast("ClientWebSocketResponse", await session.ws_connect(url, **options))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.client.wait_longer(f"the connection to Slack failed ({type(error).__name__})")
            raise


class Sockets(AsyncSocketModeHandler):
    """Bolt's handler on a patient client."""

    def __init__(self, app: AsyncApp, token: str, web_client: AsyncWebClient, logger: logging.Logger) -> None:
        # Not the parent's: it would make a client of its own, with a session that nobody closes.
        self.app = app
        self.app_token = token
        self.client = self._patient = PatientClient(token, web_client, logger)
        listeners: list[Any] = self.client.socket_mode_request_listeners
        listeners.append(self.handle)

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:  # noqa: ARG002 - ours
        """Handle what Slack sent, and answer. If the connection has ended, logs one line: Slack sends it again."""
        try:
            await super().handle(self.client, req)
        except ConnectionError as error:
            log.warning("couldn't answer Slack: the connection had ended", extra={"type": req.type, "why": str(error)})

    async def connect(self) -> None:
        """Connect for the first time; after that, the client reconnects by itself."""
        untyped: Any = self
        await untyped.connect_async()

    async def close(self) -> None:
        """Disconnect for good."""
        untyped: Any = self
        await untyped.close_async()

    async def problem(self) -> str | None:
        """A sentence about why clicks don't reach Latchkey; None if they do."""
        if await self._patient.is_ready():
            return None
        return self._patient.trouble or "no connection to Slack"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _read(text: str) -> tuple[str, str]:
    """The type of a message, and its reason."""
    try:
        said: object = json.loads(text)
    except ValueError:
        return "", ""
    found = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    return str(found.get("type")), str(found.get("reason"))
