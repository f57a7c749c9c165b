"""The HTTP side: what Slack may send, health, readiness, metrics; and the server around it."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier
from starlette.types import ASGIApp

from bot import server
from bot.health import DEAD_AFTER, Check, Health

ROOT = Path(__file__).parents[2]
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


def a_web(slack: AsyncApp | None = None, checks: Mapping[str, Check] | None = None) -> ASGIApp:
    registry = CollectorRegistry()
    return server.create(slack, Health(checks or {}, registry), registry)


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@pytest.fixture
async def http(slack: AsyncApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client(a_web(slack)) as it:
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
    latin = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return await http.post("/slack/events", content=body, headers=latin)


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
        signed(COMMAND) | {"x-slack-signature": "v0=\u00e9"},
        signed(COMMAND) | {"x-slack-signature": "\u00e9" * 67},
        signed(COMMAND) | {"x-slack-request-timestamp": "\u00b2"},
    ],
    ids=["another secret", "old", "no number", "empty", "endless", "no headers", "T21", "T21 long", "T21 time"],
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


async def test_reports_of_leaks_are_handed_on_as_they_came() -> None:
    came: list[tuple[str, bytes]] = []

    async def reports(headers: Mapping[str, str], body: bytes) -> tuple[int, object]:
        came.append((headers.get("github-public-key-identifier", ""), body))
        return 202, ["x"]

    registry = CollectorRegistry()
    async with client(server.create(None, Health({}, registry), registry, reports=reports)) as http:
        answer = await http.post(server.LEAKS, content=b" {}", headers={"Github-Public-Key-Identifier": "k"})
        too_large = await http.post(server.LEAKS, content=b"x" * (server.BODY_LIMIT + 1))

    assert (answer.status_code, answer.json(), came) == (202, ["x"], [("k", b" {}")])
    assert too_large.status_code == 413


async def test_without_a_scanner_there_is_nowhere_to_report(http: httpx.AsyncClient) -> None:
    assert (await http.post(server.LEAKS)).status_code == 404


async def test_socket_mode_has_no_slack_events() -> None:
    async with client(a_web()) as http:
        assert (await post(http, COMMAND, signed(COMMAND))).status_code == 404


async def test_readiness_and_health_are_the_verdict_of_the_checks() -> None:
    said, registry, now = dict[str, str | None](store=None, policy="line 2: a typo"), CollectorRegistry(), [0.0]
    checks = {name: lambda name=name: said[name] for name in said}
    health = Health(checks, registry, lambda: now[0])
    async with client(server.create(None, health, registry)) as http:
        ready = await http.get("/readyz")
        said["store"], now[0] = "full", 10.0
        not_ready = await http.get("/readyz")
        alive, now[0] = await http.get("/healthz"), now[0] + DEAD_AFTER
        dead, metrics = await http.get("/healthz"), await http.get("/metrics")

    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "checks": {"store": "ok", "policy": "line 2: a typo"}},
    )
    assert (not_ready.status_code, not_ready.json()["checks"]["store"]) == (503, "full")
    assert (alive.status_code, dead.status_code, dead.text) == (200, 503, "store: full\n")
    assert 'latchkey_check_failing{check="store"} 1.0' in metrics.text


async def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Counter("latchkey_clicks", "Clicks.", registry=registry).inc()
    async with client(server.create(None, Health({}, registry), registry)) as http:
        answer = await http.get("/metrics")

    assert "latchkey_clicks_total 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_serves_on_the_port_it_says_and_stops() -> None:
    app = a_web()
    async with server.serving(app, "127.0.0.1", 0) as port, httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).text == "ok\n"

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_leaves_the_signals_alone() -> None:
    app, before = a_web(), signal.getsignal(signal.SIGTERM)

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

    app = a_web(None, {"slow": slow})
    async with httpx.AsyncClient() as http, asyncio.TaskGroup() as group:
        async with server.serving(app, "127.0.0.1", 0) as port:
            asked = group.create_task(http.get(f"http://127.0.0.1:{port}/readyz"))
            await arrived.wait()
            group.create_task(let_go_during_shutdown(port))

        assert go_on.is_set()
        assert (await asked).status_code == 200


async def test_a_port_in_use_is_one_line() -> None:
    app = a_web()
    async with server.serving(app, "127.0.0.1", 0) as port:
        with pytest.raises(server.CannotListen) as raised:
            async with server.serving(app, "127.0.0.1", port):
                pass

    assert str(raised.value) == (
        f"Can't listen on 127.0.0.1, port {port}: Address already in use. Set HOST and PORT to a free address."
    )


async def test_a_host_that_is_not_ours_is_one_line() -> None:
    with pytest.raises(server.CannotListen, match=r"^Can't listen on 192\.0\.2\.1, port 0: "):
        async with server.serving(a_web(), "192.0.2.1", 0):
            pass


HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "
HALF_A_BODY = b"POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"
ASKED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
Wire: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def wires(port: int, many: int = 1, *, sent: bytes = b"") -> AsyncIterator[list[Wire]]:
    """Connections that have sent this much."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(many)]
    for _, writer in opened:
        writer.write(sent)
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def ended(wire: Wire) -> bytes:
    """What came until the server closed it."""
    try:
        return await wire[0].read()
    except ConnectionResetError:
        return b""


async def status_of(port: int, path: str) -> int:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"http://127.0.0.1:{port}{path}")).status_code


@pytest.mark.parametrize(
    ("sent", "limit"),
    [(b"", "HEADER_SECONDS"), (HALF_A_HEAD, "HEADER_SECONDS"), (HALF_A_BODY, "REQUEST_SECONDS")],
    ids=["nothing", "half a head", "half a body"],
)
async def test_t20_what_is_not_sent_in_time_is_not_waited_for(
    slack: AsyncApp, sent: bytes, limit: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, limit, 0.05)
    async with server.serving(a_web(slack), "127.0.0.1", 0) as port:
        async with wires(port, sent=sent) as (wire,):
            assert await ended(wire) == b""
        monkeypatch.undo()
        assert await status_of(port, "/healthz") == 200

    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_t20_a_connection_that_asks_for_nothing_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)  # within which a busy machine reads the question, too
    app = a_web()
    async with server.serving(app, "127.0.0.1", 0) as port, wires(port, sent=ASKED) as (wire,):
        assert (await ended(wire)).endswith(b"ok\n")


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD, HALF_A_BODY, ASKED], ids=["nothing", "head", "body", "asked"])
async def test_t20_in_a_full_house_who_waits_longest_makes_room(
    slack: AsyncApp, sent: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 4 + server.RESERVED)
    app = a_web(slack)
    async with server.serving(app, "127.0.0.1", 0) as port, wires(port, 30, sent=sent) as many:
        await asyncio.gather(*(ended(each) for each in many[:20]))
        assert await status_of(port, "/healthz") == 200

    assert caplog.messages.count("too many connections") == 1


async def test_t20_while_all_are_worked_for_only_health_is_answered(
    slack: AsyncApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2 + server.RESERVED)
    arrived, go_on = asyncio.Semaphore(0), asyncio.Event()

    @slack.command("/slow")
    async def slow(ack: AsyncAck) -> None:
        arrived.release()
        await go_on.wait()
        await ack("done")

    body = COMMAND.replace("apikey", "slow")
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(body).items())
    question = f"POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{head}\r\n{body}".encode()
    async with server.serving(a_web(slack), "127.0.0.1", 0) as port, wires(port, 2, sent=question) as busy:
        for _ in busy:
            await arrived.acquire()
        asked = ("/healthz", "/readyz", "/metrics", "/slack/events")
        assert [await status_of(port, path) for path in asked] == [200, 200, 200, 503]
        go_on.set()
        await asyncio.gather(*(each[0].readuntil(b"done") for each in busy))
        assert await status_of(port, "/slack/events") == 405


PROGRAM = """
import asyncio, logging, resource, sys
from prometheus_client import CollectorRegistry
from bot import server
from bot.health import Health

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    registry = CollectorRegistry()
    web = server.create(None, Health({}, registry), registry)
    async with server.serving(web, "127.0.0.1", 0) as port:
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_t20_four_hundred_connections_stop_no_process_with_256_descriptors() -> None:
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
    )
    try:
        assert other.stdout is not None
        port = int(await other.stdout.readline())
        async with wires(port, 400):
            assert await status_of(port, "/healthz") == 200
        said, _ = await other.communicate(b"")
    finally:
        if other.returncode is None:
            other.kill()
            await other.wait()

    assert other.returncode == 0
    assert len(said.splitlines()) == 1, said.decode()


@pytest.mark.parametrize("sent", [HALF_A_HEAD, HALF_A_BODY], ids=["half a head", "half a body"])
async def test_t21_half_sent_requests_at_the_end_are_one_line_at_most(
    slack: AsyncApp, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = a_web(slack)
    async with AsyncExitStack() as clients:
        async with server.serving(app, "127.0.0.1", 0) as port:
            many = await clients.enter_async_context(wires(port, 5, sent=sent))
            assert await status_of(port, "/healthz") == 200  # so what was sent before it is read
        assert set(await asyncio.gather(*(ended(each) for each in many))) == {b""}

    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) <= 1
    assert [record for record in warned if record.exc_info] == []
