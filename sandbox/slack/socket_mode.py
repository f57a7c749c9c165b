"""Simulates Socket Mode: tickets, up to ten connections, each envelope to one of them, acks by envelope_id."""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sandbox import cast
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import ACK_SECONDS, Envelope, NoAnswer
from sandbox.slack.workspace import Workspace

MOST_CONNECTIONS = 10
HOST = "sandbox"
HANDSHAKE_FAILS = "handshake fails"
GREETED_THEN = "greeted, then "
CLOSED = "closed"
LATE = "late"


class SocketMode:
    """The bot's open connections."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tickets: set[str] = set()
        self._open: dict[WebSocket, asyncio.Task[None]] = {}
        self._turn = itertools.count()
        self._waiting: dict[str, tuple[WebSocket, asyncio.Future[Json]]] = {}
        self._changed = asyncio.Condition()
        self.refusal: Callable[[], str | None] = lambda: None
        """Returns why new connections are refused now, or None."""
        self.sent_away = 0
        self.refused_tickets = 0
        """How often a bot used an address again."""

    @property
    def connections(self) -> int:
        """How many connections the bot has open."""
        return len(self._open)

    async def wait_connected(self, count: int = 1, seconds: float = 120.0) -> None:
        """Wait until at least `count` connections are open. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self.connections >= count)

    async def wait_disconnected(self, seconds: float = 30.0) -> None:
        """Wait until no connection is open. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: not self._open)

    def new_url(self) -> str:
        """A WebSocket URL for one connection."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"{self._workspace.base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={cast.APP_ID}"

    async def accept(self, socket: WebSocket) -> None:
        """Serve one connection until either side ends it."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            self.refused_tickets += 1
            await socket.close(4401)
            return
        self._tickets.discard(ticket)
        if self.refusal() == HANDSHAKE_FAILS:
            self.sent_away += 1
            await socket.close()
            return
        await socket.accept()
        full = "too_many_websockets" if self.connections >= MOST_CONNECTIONS else None
        if reason := self.refusal() or full:
            await self._send_away(socket, reason)
            return
        reader = self._open[socket] = asyncio.create_task(self._read(socket))
        try:
            await socket.send_json(self._hello())
            await self._note_change()
            await asyncio.wait({reader})
        finally:
            reader.cancel()
            await self._lost(socket)
        if reader.cancelled() and socket.application_state is WebSocketState.CONNECTED:
            await socket.close(1011)

    async def _send_away(self, socket: WebSocket, reason: str) -> None:
        self.sent_away += 1
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            if reason.startswith(GREETED_THEN):
                await socket.send_json(self._hello())
            if (why := reason.removeprefix(GREETED_THEN)) != CLOSED:
                await socket.send_json(_goodbye(why))
            await socket.close()

    async def carry(self, envelope: Envelope) -> Json:
        """Send an envelope over one connection, and wait for its ack.

        Raises `NoAnswer`: `dispatch_failed` if nothing is connected or the connection ends, `operation_timeout`.
        """
        if not self._open:
            raise NoAnswer("dispatch_failed")
        socket = list(self._open)[next(self._turn) % len(self._open)]
        envelope_id = secrets.token_hex(16)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = (socket, answer)
        try:
            async with asyncio.timeout(ACK_SECONDS):
                await socket.send_json(_frame(envelope_id, envelope))
                return await answer
        except TimeoutError:
            raise NoAnswer("operation_timeout") from None
        except (RuntimeError, WebSocketDisconnect):
            raise NoAnswer("dispatch_failed") from None
        finally:
            del self._waiting[envelope_id]

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask each connection to reconnect, as Slack does every few hours, and close it."""
        for socket in list(self._open):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_json(_goodbye(reason))
                await socket.close()

    def drop(self) -> None:
        """Close the connections without a message."""
        for reader in self._open.values():
            reader.cancel()

    async def _read(self, socket: WebSocket) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while socket.application_state is WebSocketState.CONNECTED:
                self._acknowledged(await socket.receive_json())

    def _acknowledged(self, frame: Json) -> None:
        _, answer = self._waiting.get(frame.get("envelope_id", ""), (None, None))
        payload = frame.get("payload") or {}
        if answer is not None and not answer.done():
            answer.set_result(payload)
        elif payload:
            self._workspace.record("ack", LATE, payload)

    def _hello(self) -> Json:
        about = {"host": HOST, "build_number": 1, "approximate_connection_time": 18060}
        return {
            "type": "hello",
            "num_connections": self.connections,
            "debug_info": about,
            "connection_info": {"app_id": cast.APP_ID},
        }

    async def _lost(self, socket: WebSocket) -> None:
        del self._open[socket]
        for carrier, answer in self._waiting.values():
            if carrier is socket and not answer.done():
                answer.set_exception(NoAnswer("dispatch_failed"))
        await self._note_change()

    async def _note_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _frame(envelope_id: str, envelope: Envelope) -> Json:
    retry = {"retry_attempt": envelope.retry, "retry_reason": envelope.retry_reason} if envelope.retry else {}
    return {
        "envelope_id": envelope_id,
        "type": envelope.kind,
        "payload": envelope.payload,
        "accepts_response_payload": envelope.takes_answer,
        **retry,
    }


def _goodbye(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": HOST}}
