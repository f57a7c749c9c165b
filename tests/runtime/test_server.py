"""The HTTP side: what Slack may send, health, readiness, metrics; and the server around it."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier
from starlette.types import ASGIApp

from bot import server

SIGNING_SECRET = "made-up-signing-secret"
COMMAND = urlencode({"command": "/apikey", "text": "help", "team_id": "T01", "user_id": "U01", "trigger_id": "1.2.3"})


@pytest.fixture
def slack() -> AsyncApp:
    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T01", bot_token="xoxb-0", bot_id="B01", bot_user_id="U0B")

    app = AsyncApp(signing_secret=SIGNING_SECRET, authorize=authorize, process_before_response=True)

    @app.command("/apikey")
    async def apikey(ack: AsyncAck) -> None:
        await ack("hello")

    return app


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@pytest.fixture
async def http(slack: AsyncApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client(server.create(slack, {}, CollectorRegistry())) as it:
        yield it


def signed(body: str | bytes, *, secret: str = SIGNING_SECRET, timestamp: str | None = None) -> dict[str, str]:
    at = str(int(time.time())) if timestamp is None else timestamp
    signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": at,
        "x-slack-signature": signature or "",
    }


async def post(http: httpx.AsyncClient, body: str | bytes, headers: Mapping[str, str]) -> httpx.Response:
    return await http.post("/slack/events", content=body, headers=dict(headers))


async def test_a_signed_command_reaches_its_listener(http: httpx.AsyncClient) -> None:
    answer = await post(http, COMMAND, signed(COMMAND))

    assert (answer.status_code, answer.text) == (200, "hello")


@pytest.mark.parametrize(
    "headers",
    [
        signed(COMMAND, secret="another"),
        signed(COMMAND, timestamp="1"),
        signed(COMMAND) | {"x-slack-request-timestamp": "soon"},
        signed(COMMAND) | {"x-slack-request-timestamp": ""},
        signed(COMMAND) | {"x-slack-request-timestamp": "9" * 5000},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
    ids=["another secret", "old", "no number", "empty", "endless", "no headers"],
)
async def test_what_is_not_signed_is_401(http: httpx.AsyncClient, headers: Mapping[str, str]) -> None:
    assert (await post(http, COMMAND, headers)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"payload=\xff", b"{", b'{"a": 1}]', b"payload=[]", b"payload=%7B", b"{" * 500_000, b"payload=" + b"[" * 99_999],
)
async def test_what_cannot_be_read_is_400(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await post(http, body, {"content-type": "application/x-www-form-urlencoded"})).status_code == 400


async def test_a_body_over_the_limit_is_413_and_not_read_to_its_end(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 65536

    answer = await http.post("/slack/events", content=endless(), headers=signed(""))

    assert answer.status_code == 413
    assert sent * 65536 <= server.BODY_LIMIT + 2 * 65536


async def test_a_body_at_the_limit_is_read(http: httpx.AsyncClient) -> None:
    body = (COMMAND + "&x=").ljust(server.BODY_LIMIT, "x")

    assert (await post(http, body, signed(body))).status_code == 200


async def test_slack_events_are_posted(http: httpx.AsyncClient) -> None:
    assert (await http.get("/slack/events")).status_code == 405


async def test_socket_mode_has_no_slack_events() -> None:
    async with client(server.create(None, {}, CollectorRegistry())) as http:
        assert (await post(http, COMMAND, signed(COMMAND))).status_code == 404


async def well() -> None:
    return None


async def unwell() -> str:
    return "Redis does not answer"


async def broken() -> None:
    raise ConnectionError("redis://u:password@cache")


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_ready_when_every_check_is_well() -> None:
    async with client(server.create(None, {"redis": well, "slack": well}, CollectorRegistry())) as http:
        answer = await http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": {"redis": "ok", "slack": "ok"}}


async def test_not_ready_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CHECK_SECONDS", 0.0)
    checks = {"slack": well, "redis": unwell, "audit": broken, "confluent": hanging}
    async with client(server.create(None, checks, CollectorRegistry())) as http:
        answer = await http.get("/readyz")
        alive = await http.get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": {
            "slack": "ok",
            "redis": "Redis does not answer",
            "audit": "ConnectionError",
            "confluent": "no answer within 0 s",
        },
    }
    assert alive.status_code == 200


async def test_a_warning_is_said_and_leaves_it_ready() -> None:
    async def archived() -> str:
        return "The channel C01 is archived: choose another one. (looked at 12 s ago)"

    checks, warnings = {"redis": well, "channels": archived}, frozenset({"channels"})
    async with client(server.create(None, checks, CollectorRegistry(), warnings=warnings)) as http:
        ready = await http.get("/readyz")
    async with client(server.create(None, checks | {"redis": unwell}, CollectorRegistry(), warnings=warnings)) as http:
        not_ready = await http.get("/readyz")

    assert (ready.status_code, not_ready.status_code) == (200, 503)
    assert ready.json() == {"ready": True, "checks": {"redis": "ok", "channels": await archived()}}
    assert not_ready.json()["checks"] == {"redis": await unwell(), "channels": await archived()}


async def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Counter("latchkey_clicks", "Clicks.", registry=registry).inc()
    async with client(server.create(None, {}, registry)) as http:
        answer = await http.get("/metrics")

    assert "latchkey_clicks_total 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_serves_on_the_port_it_says_and_stops() -> None:
    app = server.create(None, {}, CollectorRegistry())
    async with server.serving(app, "127.0.0.1", 0) as port, httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).text == "ok\n"

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_leaves_the_signals_alone() -> None:
    app, before = server.create(None, {}, CollectorRegistry()), signal.getsignal(signal.SIGTERM)

    async with server.serving(app, "127.0.0.1", 0) as port, httpx.AsyncClient() as http:
        await http.get(f"http://127.0.0.1:{port}/healthz")
        assert signal.getsignal(signal.SIGTERM) is before


async def nobody_listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return
        writer.close()


async def test_a_request_that_runs_is_finished_before_the_end() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        arrived.set()
        await go_on.wait()

    async def let_go_during_shutdown(port: int) -> None:
        await nobody_listens(port)
        go_on.set()

    app = server.create(None, {"slow": slow}, CollectorRegistry())
    async with httpx.AsyncClient() as http, asyncio.TaskGroup() as group:
        async with server.serving(app, "127.0.0.1", 0) as port:
            asked = group.create_task(http.get(f"http://127.0.0.1:{port}/readyz"))
            await arrived.wait()
            group.create_task(let_go_during_shutdown(port))

        assert go_on.is_set()
        assert (await asked).status_code == 200


async def test_a_port_in_use_is_one_line() -> None:
    app = server.create(None, {}, CollectorRegistry())
    async with server.serving(app, "127.0.0.1", 0) as port:
        with pytest.raises(server.CannotListen) as raised:
            async with server.serving(app, "127.0.0.1", port):
                pass

    assert str(raised.value) == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Set HOST and PORT to what is free."
    )


async def test_a_host_that_is_not_ours_is_one_line() -> None:
    with pytest.raises(server.CannotListen, match=r"^Cannot listen on 192\.0\.2\.1, port 0: "):
        async with server.serving(server.create(None, {}, CollectorRegistry()), "192.0.2.1", 0):
            pass
