"""Sends things to Slack by Web API calls and response_urls, and translates Slack's errors in one place."""

import json
import re
import time
from asyncio import IncompleteReadError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Throttled, TokenRefused, Unavailable, Undeliverable
from bot.domain.keys import Secret, SlackUserId
from bot.services.commands import ReplyTo
from bot.slack.blocks import limits
from bot.slack.blocks.newer import plain
from bot.slack.blocks.text import Block, mrkdwn

_TOKEN = {
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_allowed_token_type",
    "not_authed",
    "token_expired",
    "token_revoked",
}
"""Codes that only installing the app again can fix, whichever method was called."""
_PASSING = {
    "accesslimited",
    "fatal_error",
    "internal_error",
    "org_login_required",
    "request_timeout",
    "service_unavailable",
    "team_access_not_granted",
    "team_added_to_org",
}
"""Codes that pass by themselves: Slack's own trouble, a workspace that joins an organization, or a network limit."""
RESPONSE_URL = "response_url"
"""The name under which posts to a response_url are counted, among the methods of the Web API."""
_AWAY, _UNCHANGED, _SOON = "Slack didn't answer.", "Nothing changed.", "Try again in a minute."
_UNREADABLE = "Slack's response can't be read"
_LONGEST = 1024 * 1024
"""Bytes that are read of an answer to a response_url."""
_CODE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+|ratelimited")
"""What Slack's error codes look like (`no_service`, `used_url`): nothing else that it says is one word like that."""
_CODE_FIRST = re.compile(rf"({_CODE.pattern})(?![A-Za-z0-9_])")
_NEVER_SLACK = {"image", "video", "audio"}
_KIND = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class Unreachable(Unavailable):
    """There was no answer at all: it's the network, not a busy Slack."""


class Answer(dict[str, Any]):
    """The answer of a Web API method. If it lacks something it should have, it's unreadable, which is `Unavailable`."""

    scopes: frozenset[str] | None = None
    """The scopes of the token; None if Slack doesn't say."""

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - Slack's JSON
        raise _away(f"{_UNREADABLE}: it has no {name}")


def _away(log: str, kind: type[Unavailable] = Unavailable) -> Unavailable:
    return kind(_AWAY, changed=_UNCHANGED, again=_SOON, log=log)


def translated(error: SlackApiError) -> LatchkeyError:
    """Latchkey's error for one of Slack. Its text has Slack's code, and nothing from the payload."""
    # If the body isn't JSON at all, this is aiohttp's response instead of the SDK's.
    response: Any = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    said: object = getattr(response, "data", None)
    code = cast("dict[str, object]", said).get("error") if isinstance(said, dict) else None
    if code in {"ratelimited", "rate_limited"} or status == HTTPStatus.TOO_MANY_REQUESTS:
        wait, log = timedelta(seconds=_seconds(response.headers)), str(code or f"http_{status}")
        return Throttled(_AWAY, changed=_UNCHANGED, again=_SOON, wait=wait, log=log)
    if not isinstance(code, str):
        # A web page of a proxy, nothing, half an answer: it says nothing about us, our token or our message.
        return _away(f"{_UNREADABLE} (HTTP {status})")
    if code in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _away(code)
    return TokenRefused(code) if code in _TOKEN else Undeliverable(code, lasting=True)


async def call(client: AsyncWebClient, method: str, body: Mapping[str, Any], *, form: bool = False) -> Answer:
    """Call a Web API method. Raises `Throttled`, `Unavailable` or `Undeliverable` in place of the SDK's errors.

    `form` is for the methods that take no JSON (`users.info` is one).
    """
    untyped: Any = client
    try:
        answer = await untyped.api_call(method, **{"data" if form else "json": dict(body)})
    except SlackApiError as error:
        raise translated(error) from None  # the SDK's error carries Slack's whole answer
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _away(f"{method}: {type(error).__name__}", Unreachable) from None
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        # The SDK expects an object, and fails on a list, a string or another encoding.
        raise _away(f"{method}: {_UNREADABLE} ({type(error).__name__})") from None
    said: object = answer.data
    if not isinstance(said, dict):
        raise _away(f"{method}: {_UNREADABLE}")
    found = Answer(cast("dict[str, Any]", said))
    scopes = {name.casefold(): value for name, value in answer.headers.items()}.get("x-oauth-scopes")
    if isinstance(scopes, str):
        found.scopes = frozenset(scope.strip() for scope in scopes.split(","))
    return found


def ephemeral(text: str, blocks: Sequence[Block]) -> Mapping[str, Any]:
    """What a response_url accepts as a new message that only the person who clicked sees."""
    return {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": blocks}


@dataclass(frozen=True, slots=True)
class Replies:
    """Answers clicks and commands. A response_url may only point at one of `hosts`.

    `answered` is called after each post to one, with `RESPONSE_URL`, the outcome and seconds, as in `CountedClient`.
    """

    client: AsyncWebClient
    session: aiohttp.ClientSession
    hosts: frozenset[str]
    answered: Callable[[str, str, float], None] = lambda _method, _outcome, _seconds: None

    async def send(self, to: SlackUserId, reply: ReplyTo, text: str, blocks: Sequence[Block] = ()) -> None:
        """Say something that only `to` sees: by response_url, else in the channel, else in the DM with Latchkey.

        The answer of a response_url doesn't say for certain which block was refused, so newer blocks have their plain
        form. Raises as `call` does if even the DM fails.
        """
        shown = limits.message(plain({"blocks": blocks})["blocks"]) or [mrkdwn(text)]
        if reply.response_url is not None:
            try:
                await self.post(reply.response_url, ephemeral(text, shown))
            except LatchkeyError:
                pass  # used up, too old, or Slack is in trouble: there are two more ways
            else:
                return
        if reply.channel is not None:
            try:
                body = {"channel": reply.channel, "user": to, "text": text, "blocks": shown}
                await call(self.client, "chat.postEphemeral", body)
            except Undeliverable:
                pass  # the bot or the person is not in that channel
            else:
                return
        await call(self.client, "chat.postMessage", {"channel": to, "text": text, "blocks": shown})

    async def post(self, url: Secret, body: Mapping[str, Any]) -> None:
        """Post to a response_url once, without a retry. Raises `Undeliverable` on a `refusal`."""
        answer = await self.exchange(url, body)
        if answer.refusal is not None:
            passing = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS
            raise Undeliverable(answer.refusal, lasting=not passing)

    async def exchange(self, url: Secret, body: Mapping[str, Any]) -> "UrlAnswer":
        """Post to a response_url once, and return its answer. Raises `Undeliverable` if there is none."""
        address = url.reveal()
        parts = urlsplit(address)
        if parts.netloc not in self.hosts:
            raise Undeliverable("foreign_response_url", lasting=True)
        # Slack's own API is always encrypted: a SLACK_API_URL that is not is the sandbox's.
        is_sandbox = urlsplit(self.client.base_url).scheme == "http"
        if parts.scheme != "https" and not is_loopback(parts.hostname or "") and not is_sandbox:
            raise Undeliverable("cleartext_response_url", lasting=True)
        outcome, begun = "no_answer", time.monotonic()
        try:
            way = proxy_for(address)
            async with self.session.post(address, json=body, allow_redirects=False, proxy=way) as answer:
                said = UrlAnswer(answer.status, answer.content_type, await _head(answer))
                outcome = said.outcome
                return said
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Undeliverable(type(error).__name__, lasting=False) from None
        finally:
            self.answered(RESPONSE_URL, outcome, time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class UrlAnswer:
    """The answer of a response_url."""

    status: int
    content_type: str
    body: bytes

    @property
    def outcome(self) -> str:
        """How the post ended, for metrics."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return "rate_limited"
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "error"
        return "ok" if self.refusal is None else "refused"

    @property
    def refusal(self) -> str | None:
        """Why a response_url didn't accept the post; None if it did.

        Slack documents neither `ok` nor JSON for this answer, and nobody has recorded one. An acceptance taken for a
        refusal would show the secret twice, or delete its key. So plain text is an acceptance unless it begins with an
        error code, and so is an object with `ok: true` or nothing in it. Other objects, lists, web pages and pictures
        don't come from Slack, or aren't an acceptance.
        """
        if not HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return f"response_url_{self.status}"
        text = self.body.decode("utf-8-sig", "replace").strip()
        if self.content_type in {"text/html", "application/xhtml+xml"} or text.startswith("<"):
            return "response_url_web_page"
        if self.content_type.partition("/")[0] in _NEVER_SLACK:
            return _named(None)
        try:
            said: object = json.loads(text)
        except (ValueError, RecursionError):
            if text.startswith(("{", "[")):
                return _named(None)
            said = text
        if isinstance(said, dict):
            found = cast("dict[str, object]", said)
            return None if not found or found.get("ok") is True else _named(found.get("error"))
        if isinstance(said, str):
            begun = _CODE_FIRST.match(said)
            return begun[1] if begun else None
        return _named(None) if isinstance(said, list) or said is False else None


async def unreachable(session: aiohttp.ClientSession, bases: Sequence[str]) -> str | None:
    """A sentence about why answers to clicks, and so secrets, don't reach Slack; None if they do. Changes nothing."""
    for base in bases:
        way = proxy_for(base)
        through = " through the proxy from the environment" if way else ""
        try:
            async with session.get(base, allow_redirects=False, proxy=way) as answer:
                refused = answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = type(error).__name__
        else:
            if not refused:
                continue
            why = "the proxy requires a password"
        return (
            f"{urlsplit(base).netloc} doesn't answer{through} ({why}), so `Show secret` can't work: "
            "open the firewall or the proxy for it, or correct HTTPS_PROXY and NO_PROXY."
        )
    return None


async def _head(answer: aiohttp.ClientResponse) -> bytes:
    """The body, at most `_LONGEST` bytes of it."""
    try:
        return await answer.content.readexactly(_LONGEST)
    except IncompleteReadError as all_of_it:
        return all_of_it.partial


def _named(error: object) -> str:
    """Slack's error code, and nothing else that an answer may contain."""
    return error if isinstance(error, str) and _CODE.fullmatch(error) else "response_url_refused"


def _seconds(headers: Mapping[str, str]) -> int:
    value = next((value for name, value in headers.items() if name.casefold() == "retry-after"), "")
    return min(int(value), 300) if value.isdigit() else 30


def proxy_for(url: str) -> str | None:
    """The proxy for this URL, by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; None to go there directly.

    Neither aiohttp nor Slack's SDK does all of this: aiohttp knows no proxy for `wss`, and the SDK no NO_PROXY. The
    variables are read as by httpx, which calls Confluent: a proxy may be written without a scheme.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    found = getproxies_environment()
    proxy = found.get(_KIND.get(parts.scheme, "")) or found.get("all")
    return (proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def is_loopback(host: str) -> bool:
    """Whether this is our own machine, which no proxy reaches."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def routed(client: AsyncWebClient) -> AsyncWebClient:
    """The client, with the proxy that its address needs in place of the one that the SDK took."""
    client.proxy = proxy_for(client.base_url)
    return client
