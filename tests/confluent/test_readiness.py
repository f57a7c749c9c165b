"""Trying a new key: one request per kind, and never to a host that is not Confluent's."""

import asyncio
import base64
import gzip
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.confluent import readiness
from bot.confluent.readiness import ConfluentProber
from bot.domain.catalog import Endpoints
from bot.domain.keys import Cluster, FlinkRegion, KeyId, KsqlCluster, OrganizationScope, Resource, Secret
from bot.domain.kinds import Kind
from bot.domain.readiness import Answer
from bot.services.ports.cloud import Prober
from sandbox.serving import drop_connection, serve
from tests.confluent.fake import DATA, ENDPOINT, NEW_SECRET, ORGANIZATION, OWN_SECRET

KEY = KeyId("NEWKEY0000000000")
ENV = "env-abc123"
KAFKA = Cluster(Kind.KAFKA, "lkc-abc123", "orders", ENV, "dev")
REGISTRY = Cluster(Kind.SCHEMA_REGISTRY, "lsrc-abc123", "schemas", ENV, "dev")
KSQL = KsqlCluster("lksqlc-abc123", "enrichment", ENV, "dev", "lkc-abc123")
FLINK = FlinkRegion("aws.us-east-1", ENV, "dev")
CLOUD, TABLEFLOW, GLOBAL = (
    OrganizationScope(Kind.CLOUD),
    OrganizationScope(Kind.TABLEFLOW),
    OrganizationScope(Kind.GLOBAL),
)
HOST = "https://pkc-1.us-central1.gcp.confluent.cloud:443"
STATEMENTS = f"/sql/v1/organizations/{ORGANIZATION}/environments/{ENV}/statements?page_size=1"

Reply: TypeAlias = httpx.Response | Exception | Callable[[httpx.Request], Awaitable[httpx.Response]]


def at(rest: str, *, organization: str = ORGANIZATION) -> Endpoints:
    return Endpoints("", rest, organization=organization)


def on_the_wire(response: httpx.Response) -> httpx.Response:
    """The response as a transport gives it: not read yet."""

    async def body() -> AsyncIterator[bytes]:
        yield response.content

    if not response.is_stream_consumed:
        return response
    return httpx.Response(response.status_code, headers=response.headers, content=body())


class DataPlane:
    """A data plane behind `httpx.MockTransport`."""

    def __init__(self) -> None:
        self.reply: Reply = httpx.Response(200, json=[])
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.reply, Exception):
            raise self.reply
        return on_the_wire(self.reply) if isinstance(self.reply, httpx.Response) else await self.reply(request)


@pytest.fixture
def cluster() -> DataPlane:
    return DataPlane()


@pytest.fixture
async def prober(cluster: DataPlane) -> AsyncIterator[ConfluentProber]:
    async with ConfluentProber(ENDPOINT, version="1.2.3", transport=httpx.MockTransport(cluster)) as prober:
        yield prober


async def probed(prober: Prober, resource: Resource = KAFKA, endpoints: Endpoints | None = None) -> Answer:
    return await prober.probe(resource, endpoints or at(HOST), KEY, Secret(NEW_SECRET))


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.mark.parametrize(
    ("resource", "rest", "asked"),
    [
        (KAFKA, HOST, f"{HOST}/kafka/v3/clusters/lkc-abc123/topics"),
        (REGISTRY, "https://psrc-1.confluent.cloud/", "https://psrc-1.confluent.cloud/subjects"),
        (KSQL, "https://pksqlc-1.confluent.cloud:443", "https://pksqlc-1.confluent.cloud:443/info"),
        (FLINK, "https://flink.confluent.cloud", f"https://flink.confluent.cloud{STATEMENTS}"),
        (CLOUD, ENDPOINT, f"{ENDPOINT}/org/v2/environments?page_size=1"),
        (GLOBAL, ENDPOINT, f"{ENDPOINT}/org/v2/environments?page_size=1"),
        (TABLEFLOW, ENDPOINT, f"{ENDPOINT}/tableflow/v1/regions?page_size=1"),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
async def test_one_get_with_the_new_key_for_every_kind(
    prober: ConfluentProber, cluster: DataPlane, resource: Resource, rest: str, asked: str
) -> None:
    assert prober.can_probe(resource, at(rest))

    assert await probed(prober, resource, at(rest)) == Answer(200)

    [request] = cluster.requests
    assert (request.method, request.url) == ("GET", httpx.URL(asked))
    assert request.headers["Authorization"] == httpx.BasicAuth(KEY, NEW_SECRET)._auth_header
    assert request.headers["User-Agent"] == "latchkey/1.2.3"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.content == b""


async def test_an_id_stays_one_segment_of_the_path(prober: ConfluentProber, cluster: DataPlane) -> None:
    await probed(prober, Cluster(Kind.KAFKA, "lkc-1/../../x?y#z", "odd", ENV, "dev"))

    assert cluster.requests[0].url.raw_path == b"/kafka/v3/clusters/lkc-1%2F..%2F..%2Fx%3Fy%23z/topics"


@pytest.mark.parametrize(
    ("resource", "endpoints"),
    [
        (FLINK, at(HOST, organization="")),
        (FlinkRegion("aws.us-east-1", "", ""), at(HOST)),
        (KSQL, Endpoints("", HOST, is_paused=True)),
        (KAFKA, Endpoints("pkc-1.confluent.cloud:9092", "")),
        (Cluster(Kind.KAFKA, "l" * 70_000, "long", ENV, "dev"), at(HOST)),
    ],
    ids=["no organization", "no environment", "paused", "no address", "too long"],
)
async def test_what_cannot_be_asked_is_not(
    prober: ConfluentProber, cluster: DataPlane, resource: Resource, endpoints: Endpoints
) -> None:
    assert not prober.can_probe(resource, endpoints)
    assert await probed(prober, resource, endpoints) == Answer(0, "no address to test it at")
    assert cluster.requests == []


# ------------------------------------------------------------------------------------------------- where a secret goes


@pytest.mark.parametrize(
    "rest",
    [
        "https://confluent.cloud",
        "https://pkc-1.us-central1.gcp.confluent.cloud:443",
        "https://PKC-1.US-Central1.GCP.Confluent.Cloud",
        "https://lkc-1.us-central1.gcp.private.confluent.cloud:443/",
        "https://pkc-1.us-gov-west-1.aws.confluentgov.com",
        "https://api.confluent.test",
        "https://api.confluent.test:443/dataplane/lkc-1",
    ],
)
async def test_confluents_hosts_and_our_own_get_the_secret(
    prober: ConfluentProber, cluster: DataPlane, rest: str
) -> None:
    assert prober.can_probe(KAFKA, at(rest))
    assert (await probed(prober, KAFKA, at(rest))).status == 200
    assert cluster.requests[0].url.host == httpx.URL(rest).host


ATTACKS = [
    "https://evil.example/.confluent.cloud",
    "https://evil.example",
    "https://confluent.cloud.evil.example",
    "https://evilconfluent.cloud",
    "https://evil-confluent.cloud",
    "https://confluent.cloud@evil.example",
    "https://confluent.cloud:443@evil.example",
    "https://confluent.cloud%40evil.example",
    "https://user@pkc-1.confluent.cloud",
    "https://user:password@pkc-1.confluent.cloud",
    "https://@pkc-1.confluent.cloud",
    "https://evil.example#.confluent.cloud",
    "https://evil.example?.confluent.cloud",
    "https://pkc-1.confluent.cloud?x=",
    "https://pkc-1.confluent.cloud#x",
    "https://evil.example\\.confluent.cloud",
    "https://evil.example%2f.confluent.cloud",
    "https://evil.example%23.confluent.cloud",
    "https://evil.example%00.confluent.cloud",
    "https://evil.example\r\n.confluent.cloud",
    "https://evil.example\t.confluent.cloud",
    "https://evil.example .confluent.cloud",
    "https://evil.example\uff0f.confluent.cloud",
    "https://evil.example\u2024confluent.cloud",
    "https://evil\u3002confluent.cloud",
    "https://pkc-1.confluent.clou\u0501",
    "https://pkc_1.confluent.cloud",
    "https://.confluent.cloud",
    "https://-.confluent.cloud",
    "https://a..confluent.cloud",
    "https://pkc-1.confluent.cloud.",
    "https://[::1].confluent.cloud",
    "https://[::1]",
    "https://127.0.0.1",
    "https://pkc-1.confluent.cloud:99999",
    "https://pkc-1.confluent.cloud:0",
    "https://pkc-1.confluent.cloud:-1",
    "https://pkc-1.confluent.cloud:443:1",
    "https://pkc-1.confluent.cloud:443@evil.example:443",
    "http://pkc-1.confluent.cloud",
    "http://pkc-1.confluent.cloud:443",
    "ftp://pkc-1.confluent.cloud",
    "file:///etc/passwd",
    "//pkc-1.confluent.cloud",
    "pkc-1.confluent.cloud",
    "pkc-1.confluent.cloud:443",
    "https:/pkc-1.confluent.cloud",
    "https:pkc-1.confluent.cloud",
    "https://",
    "",
    " https://pkc-1.confluent.cloud",
    # near our own
    "http://api.confluent.test",
    "https://api.confluent.test:8443",
    "https://api.confluent.test:0",
    "https://x.api.confluent.test",
    "https://api.confluent.test@evil.example",
    "https://me@api.confluent.test",
]


@pytest.mark.parametrize("rest", ATTACKS)
@pytest.mark.parametrize("resource", [KAFKA, FLINK, CLOUD], ids=["kafka", "flink", "cloud"])
async def test_no_other_host_gets_the_secret(
    prober: ConfluentProber, cluster: DataPlane, resource: Resource, rest: str
) -> None:
    assert not prober.can_probe(resource, at(rest))

    answer = await probed(prober, resource, at(rest))

    assert cluster.requests == []
    assert answer == Answer(0, "no address to test it at")


@pytest.mark.parametrize(
    ("endpoint", "rest", "expected"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/dataplane/lkc-1", True),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", True),
        ("http://127.0.0.1", "http://127.0.0.1:80/x", True),
        ("http://[::1]:8080", "http://[::1]:8080/x", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081/dataplane/lkc-1", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1", False),
        ("http://127.0.0.1:8080", "http://localhost:8080", False),
        ("http://127.0.0.1:8080", "https://127.0.0.1:8080", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080@evil.example", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:80800", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1.evil.example:8080", False),
        ("https://api.confluentgov.com", "https://api.confluentgov.com", True),
    ],
)
async def test_our_own_host_is_the_same_scheme_host_and_port(endpoint: str, rest: str, *, expected: bool) -> None:
    async with ConfluentProber(endpoint, version="0") as prober:
        assert prober.can_probe(KAFKA, at(rest)) is expected


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://evil.example/", f"{HOST}/elsewhere"])
async def test_a_redirect_is_an_answer_and_not_followed(
    prober: ConfluentProber, cluster: DataPlane, status: int, target: str
) -> None:
    cluster.reply = httpx.Response(status, headers={"Location": target})

    assert (await probed(prober)).status == status
    assert len(cluster.requests) == 1


async def test_no_cookie_goes_from_one_cluster_to_another(prober: ConfluentProber, cluster: DataPlane) -> None:
    cluster.reply = httpx.Response(200, headers={"Set-Cookie": "a=b; Domain=confluent.cloud; Path=/"})

    await probed(prober)
    await probed(prober, REGISTRY, at("https://psrc-1.us-central1.gcp.confluent.cloud"))

    assert [request.headers.get("Cookie") for request in cluster.requests] == [None, None]


# ------------------------------------------------------------------------------------------------------------- answers


def sent(name: str) -> bytes:
    return (DATA / "errors" / name).read_bytes()


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (httpx.Response(200, content=b"not json"), Answer(200)),
        (httpx.Response(200, json=["secret-topic"], headers={"X-Request-Id": "r-1"}), Answer(200, reference="r-1")),
        (httpx.Response(204), Answer(204)),
        (httpx.Response(401, content=sent("401-kafka-rest.html")), Answer(401, "401 Unauthorized")),
        (httpx.Response(401, content=sent("schema-registry-401.json")), Answer(401, "Unauthorized")),
        (
            httpx.Response(403, content=sent("403-observed.json"), headers={"X-Request-Id": "r-2"}),
            Answer(403, "Forbidden Access", "r-2"),
        ),
        (
            httpx.Response(503, json={"error_code": 50321, "message": "ACLs are wrong"}),
            Answer(503, "ACLs are wrong (50321)", code="50321"),
        ),
        (httpx.Response(404, content=b""), Answer(404, "404 Not Found")),
        (
            httpx.Response(429, headers={"Retry-After": "7"}),
            Answer(429, "429 Too Many Requests", wait=timedelta(seconds=7)),
        ),
        (
            httpx.Response(429, headers={"X-RateLimit-Reset": "9"}, content=gzip.compress(b'{"message": "slower"}')),
            Answer(429, "slower", wait=timedelta(seconds=9)),
        ),
        (
            httpx.Response(503, headers={"Retry-After": "3"}),
            Answer(503, "503 Service Unavailable", wait=timedelta(seconds=3)),
        ),
        (httpx.Response(503, headers={"Retry-After": "soon"}), Answer(503, "503 Service Unavailable")),
        (
            httpx.Response(429, headers={"Retry-After": "9" * 30}),
            Answer(429, "429 Too Many Requests", wait=timedelta(hours=1)),
        ),
        (httpx.Response(418, content=b"<html>" + b"x" * 1_000_000), Answer(418, "418 I'm a Teapot")),
        (httpx.Response(599), Answer(599, "599")),
    ],
    ids=str,
)
async def test_every_answer_is_given_as_it_came(
    prober: ConfluentProber, cluster: DataPlane, reply: httpx.Response, answer: Answer
) -> None:
    cluster.reply = reply

    assert await probed(prober) == answer


@pytest.mark.parametrize("pack", [lambda body: body, gzip.compress], ids=["plain", "gzip"])
async def test_a_packed_error_has_its_words(
    prober: ConfluentProber, cluster: DataPlane, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(json.dumps({"message": "Not yet"}).encode())
    headers = {"Content-Encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {}

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    cluster.reply = httpx.Response(403, content=chunks(), headers=headers)

    assert (await probed(prober)).detail == "Not yet"


async def test_of_an_endless_error_the_beginning_is_read(prober: ConfluentProber, cluster: DataPlane) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1024

    cluster.reply = httpx.Response(403, content=endless())

    assert await probed(prober) == Answer(403, "403 Forbidden")
    assert read == 64


async def test_what_a_working_key_shows_is_not_read(prober: ConfluentProber, cluster: DataPlane) -> None:
    was_read = False

    async def topics() -> AsyncIterator[bytes]:
        nonlocal was_read
        was_read = True
        yield b"{}"

    cluster.reply = httpx.Response(200, content=topics())

    assert await probed(prober) == Answer(200)
    assert not was_read


def chained(error: Exception, *causes: Exception) -> Exception:
    """As httpx raises: its own error, httpcore's, and the one of the system."""
    last: BaseException = error
    for cause in causes:
        last.__cause__ = cause
        last = cause
    return error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (chained(httpx.ConnectError(""), OSError(), socket.gaierror(-2, "x")), "no such host"),
        (chained(httpx.ConnectError(""), ssl.SSLCertVerificationError()), "its certificate isn't trusted"),
        (chained(httpx.ConnectError(""), ssl.SSLEOFError()), "TLS failed"),
        (chained(httpx.ConnectError(""), ConnectionRefusedError()), "no connection"),
        (httpx.ConnectError("boom"), "no connection"),
        (chained(httpx.ConnectTimeout(""), TimeoutError()), "no connection in 3 s"),
        (chained(httpx.ReadTimeout(""), TimeoutError()), "no answer in 10 s"),
        (httpx.PoolTimeout(""), "no answer in 10 s"),
        (httpx.ReadError(""), "the connection broke"),
        (httpx.RemoteProtocolError("odd"), "the connection broke"),
        (httpx.ProxyError(""), "the connection broke"),
        (httpx.InvalidURL("odd"), "the connection broke"),
        (UnicodeError("odd"), "the connection broke"),
        (OSError(), "the connection broke"),
    ],
    ids=str,
)
async def test_no_answer_is_an_answer_too(
    prober: ConfluentProber, cluster: DataPlane, error: Exception, detail: str
) -> None:
    cluster.reply = error

    assert await probed(prober) == Answer(0, detail)


async def test_a_trickle_ends_after_the_time_of_one_probe(
    prober: ConfluentProber, cluster: DataPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    cluster.reply = never
    monkeypatch.setattr(readiness, "TOTAL_SECONDS", 0.001)

    assert (await probed(prober)).status == 0


async def test_a_probe_can_be_cancelled(prober: ConfluentProber, cluster: DataPlane) -> None:
    asked = asyncio.Event()

    async def never(request: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    cluster.reply = never
    task = asyncio.create_task(probed(prober))
    await asked.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


# --------------------------------------------------------------------------------------------------------- over a wire


@pytest.fixture
async def over_a_wire() -> AsyncIterator[tuple[str, list[tuple[str, int]]]]:
    """An address, and the client's side of every connection that brought a request."""
    peers: list[tuple[str, int]] = []

    async def topics(request: Request) -> Response:
        assert request.client is not None
        peers.append((request.client.host, request.client.port))
        return JSONResponse({"message": "not yet"}, 401, {"X-Request-Id": "r-1"})

    async def lost(request: Request) -> Response:
        await drop_connection(request.scope, request.receive)
        return Response()

    routes = [Route("/kafka/v3/clusters/lkc-abc123/topics", topics), Route("/subjects", lost)]
    async with serve(Starlette(routes=routes)) as url:
        yield url, peers


async def test_each_probe_makes_a_connection_of_its_own(over_a_wire: tuple[str, list[tuple[str, int]]]) -> None:
    """Several brokers sit behind one address: two successes over one connection would be one broker's."""
    url, peers = over_a_wire
    async with ConfluentProber(url, version="0") as prober:
        answers = [await probed(prober, KAFKA, at(url)) for _ in range(2)]

    assert answers == [Answer(401, "not yet", "r-1")] * 2
    assert len(set(peers)) == 2


async def test_a_connection_that_is_dropped_or_refused(over_a_wire: tuple[str, list[tuple[str, int]]]) -> None:
    url, _ = over_a_wire
    async with ConfluentProber(url, version="0") as prober:
        assert await probed(prober, REGISTRY, at(url)) == Answer(0, "the connection broke")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    async with ConfluentProber(nobody, version="0") as prober:
        assert await probed(prober, KAFKA, at(nobody)) == Answer(0, "no connection")


async def test_a_host_that_speaks_no_tls() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        here = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with ConfluentProber(here, version="0") as prober:
            assert await probed(prober, KAFKA, at(here)) == Answer(0, "TLS failed")


async def test_plain_http_goes_through_no_proxy(
    over_a_wire: tuple[str, list[tuple[str, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = over_a_wire
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")

    async with ConfluentProber(url, version="0") as prober:
        assert (await probed(prober, KAFKA, at(url))).status == 401


# ------------------------------------------------------------------------------------------------------------- secrecy

FORMS = (NEW_SECRET, base64.b64encode(f"{KEY}:{NEW_SECRET}".encode()).decode(), NEW_SECRET[4:40])


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """An address that says everything that it was told, at every path."""

    async def answer(request: Request) -> Response:
        header = request.headers["Authorization"]
        said = base64.b64decode(header.removeprefix("Basic ")).decode()
        return JSONResponse({"message": f"{header} is {said}"}, 401, {"X-Request-Id": "r-1"})

    async with serve(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        yield url


async def test_the_secret_is_in_no_log_and_no_answer(
    echo: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    secret = Secret(NEW_SECRET)

    with structlog.testing.capture_logs() as events:
        async with ConfluentProber(echo, version="0") as prober:
            answers = [
                await prober.probe(resource, at(rest), KEY, secret)
                for resource in (KAFKA, REGISTRY, KSQL, FLINK, CLOUD)
                for rest in (echo, "https://evil.example", f"https://{NEW_SECRET}@evil.example")
            ]
            told = [repr(prober), repr(vars(prober)), repr(answers), repr(events), caplog.text]

    told += capsys.readouterr()
    assert {answer.status for answer in answers} == {0, 401}
    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    assert [event["event"] for event in events] == ["confluent.probe"] * 5
    for text in told:
        for form in (*FORMS, OWN_SECRET):
            assert form not in text


@pytest.mark.parametrize("error", [httpx.ConnectError(NEW_SECRET), httpx.InvalidURL(NEW_SECRET), OSError(NEW_SECRET)])
async def test_no_words_of_an_error_are_repeated(prober: ConfluentProber, cluster: DataPlane, error: Exception) -> None:
    cluster.reply = error

    assert NEW_SECRET not in (await probed(prober)).detail
