"""Tests whether a new key works yet, with one request to the place where it will be used.

This sends a new secret to a host named in a response, so only Confluent's own hosts get it, and the host that
Latchkey's own key goes to. Redirects aren't followed. This module has none of the bot's own credentials.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self
from urllib.parse import quote

import httpx
import structlog

from bot.confluent.failures import asked_to_wait, coded_words, own_code, reference
from bot.domain.catalog import Endpoints
from bot.domain.keys import KeyId, Resource, Secret
from bot.domain.readiness import Answer

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
"""Seconds for a whole probe. The timeouts of httpx are for each read, so a slow trickle would reset them."""
_DOMAINS = ("confluent.cloud", "confluentgov.com")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_PORTS = {"https": 443, "http": 80}
_LAST_PORT = 65_535
_LONGEST_BODY = 64 * 1024

_log = structlog.stdlib.get_logger(__name__)


class ConfluentProber:
    """Implements `bot.services.ports.cloud.Prober` over HTTP. Use it as an async context manager."""

    def __init__(self, endpoint: str, *, version: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`endpoint` is the configured base URL of Confluent's API; `version` is Latchkey's, for the User-Agent."""
        self._own = _origin(httpx.URL(endpoint))
        self._http = httpx.AsyncClient(
            headers={"User-Agent": f"latchkey/{version}", "Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            # Several brokers share one address, so two successes over one connection would count as one.
            limits=httpx.Limits(max_keepalive_connections=0),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            # Plain HTTP is for the sandbox on this machine. A proxy from the environment would see the secret.
            mounts={"http://": None},
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def can_probe(self, resource: Resource, endpoints: Endpoints) -> bool:
        """Whether there is an address that a secret may be sent to, and it isn't paused."""
        return not endpoints.is_paused and self._target(resource, endpoints) is not None

    async def probe(self, resource: Resource, endpoints: Endpoints, key: KeyId, secret: Secret) -> Answer:
        """Use the key once, as its owner would. Never raises: a failure is an answer, too."""
        target = self._target(resource, endpoints)
        if target is None or endpoints.is_paused:
            return Answer(0, "no address to test it at")
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._ask(target, key, secret)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            answer = Answer(0, _in_words(error))
        _log.debug("confluent.probe", key=key, host=target.host, status=answer.status, reference=answer.reference)
        return answer

    async def _ask(self, target: httpx.URL, key: KeyId, secret: Secret) -> Answer:
        auth = httpx.BasicAuth(key, secret.reveal())
        async with self._http.stream("GET", target, auth=auth) as response:
            # The body of a success isn't read: the data that the key opens, such as topic names, isn't ours to see.
            body = b"" if response.is_success else await _beginning(response)
        read = httpx.Response(response.status_code, headers=_told(response.headers), content=body)
        wait = asked_to_wait(read)
        return Answer(
            read.status_code,
            "" if read.is_success else coded_words(read),
            reference(read),
            None if wait is None else timedelta(seconds=wait),
            own_code(read),
        )

    def _target(self, resource: Resource, endpoints: Endpoints) -> httpx.URL | None:
        """The URL to use the key at; None if there is none, or if a secret must not be sent there."""
        path = _path(resource, endpoints)
        if path is None or not self._is_trusted(endpoints.rest):
            return None
        try:
            return httpx.URL(f"{endpoints.rest.rstrip('/')}{path}")
        except httpx.InvalidURL:  # too long
            return None

    def _is_trusted(self, base: str) -> bool:
        """Whether a secret may be sent there. httpx parses the URL, because httpx will send it.

        Both must see one host.
        """
        if any(character in base for character in "@\\?#") or not base.isascii() or not base.isprintable():
            return False
        try:
            url = httpx.URL(base)
        except httpx.InvalidURL:
            return False
        if url.port is not None and not 0 < url.port <= _LAST_PORT:
            return False
        if _origin(url) == self._own:
            return True
        ends_well = any(url.host == domain or url.host.endswith(f".{domain}") for domain in _DOMAINS)
        return url.scheme == "https" and ends_well and _HOST.fullmatch(url.host) is not None


def _path(resource: Resource, endpoints: Endpoints) -> str | None:
    """The path to request for this kind; None if something that it needs isn't known."""
    path = resource.kind.row.probe
    names = {"id": resource.id, "environment": resource.environment, "organization": endpoints.organization}
    if any(not name and f"{{{field}}}" in path for field, name in names.items()):
        return None
    return path.format(**{field: quote(name, safe="") for field, name in names.items()}, size=1)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port or _PORTS.get(url.scheme))


async def _beginning(response: httpx.Response) -> bytes:
    """As much of the raw body as an error needs. `words` unpacks it itself, up to a limited size."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= _LONGEST_BODY:
            break
    return body[:_LONGEST_BODY]


def _told(headers: httpx.Headers) -> dict[str, str]:
    """The headers that matter. Others might say that the body is compressed, and nothing would unpack it then."""
    return {name: headers[name] for name in ("X-Request-Id", "Retry-After", "X-RateLimit-Reset") if name in headers}


def _in_words(error: Exception) -> str:
    """What went wrong, for people, without any part of the request."""
    for cause in _causes(error):
        match cause:
            case socket.gaierror():
                return "no such host"
            case ssl.SSLError():
                return (
                    "its certificate isn't trusted" if isinstance(cause, ssl.SSLCertVerificationError) else "TLS failed"
                )
            case httpx.ConnectTimeout():
                return f"no connection in {CONNECT_SECONDS:.0f} s"
            case TimeoutError() | httpx.TimeoutException():
                return f"no answer in {TOTAL_SECONDS:.0f} s"
            case _:
                pass
    return "no connection" if isinstance(error, httpx.ConnectError) else "the connection broke"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and the errors that led to it."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
