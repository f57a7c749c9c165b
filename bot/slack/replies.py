"""Saying something to Slack: Web API calls and response_urls, with Slack's errors translated once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import LatchkeyError, Throttled, Unavailable, Undeliverable
from bot.domain.keys import Secret, SlackUserId
from bot.services.clicks import ReplyTo
from bot.slack import fitting
from bot.slack.kit import Block, mrkdwn

_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_AWAY = "Slack did not answer. Nothing was changed. Try again in a minute."
_OK = 200
_SERVER = 500


def translated(error: SlackApiError) -> LatchkeyError:
    """One of ours for Slack's error; its text names Slack's code and nothing of the payload."""
    response: Any = error.response
    said: Any = response.data
    # A failing Slack may answer with a web page in place of JSON.
    code = f"http_{response.status_code}" if isinstance(said, str | bytes) else str(said.get("error"))
    if code in {"ratelimited", "rate_limited"} or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(_AWAY, wait=timedelta(seconds=_seconds(response.headers)), log=code)
    if code in _PASSING or response.status_code >= _SERVER:
        return Unavailable(_AWAY, log=code)
    return Undeliverable(code, lasting=True)


async def call(client: AsyncWebClient, method: str, body: Mapping[str, Any], *, form: bool = False) -> dict[str, Any]:
    """Call a Web API method. Raises `Throttled`, `Unavailable` or `Undeliverable` in place of the SDK's errors.

    `form` is for the methods that take no JSON (`users.info` is one).
    """
    untyped: Any = client
    try:
        answer = await untyped.api_call(method, **{"data" if form else "json": dict(body)})
    except SlackApiError as error:
        raise translated(error) from None  # the SDK's error carries Slack's whole answer
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(_AWAY, log=f"{method}: {type(error).__name__}") from None
    data: dict[str, Any] = answer.data
    return data


@dataclass(frozen=True, slots=True)
class Replies:
    """Answers to clicks and commands. `hosts` are those that a response_url may point at."""

    client: AsyncWebClient
    session: aiohttp.ClientSession
    hosts: frozenset[str]

    async def send(self, to: SlackUserId, reply: ReplyTo, text: str, blocks: Sequence[Block] = ()) -> None:
        """Say something that only `to` sees: by response_url, else in the channel, else in the DM with Latchkey."""
        shown = fitting.message(blocks) or [mrkdwn(text)]
        body = {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": shown}
        if reply.response_url is not None:
            try:
                await self.post(reply.response_url, body)
            except LatchkeyError:
                pass  # used up, too old, or Slack is in trouble: there are two more ways
            else:
                return
        if reply.channel is not None:
            try:
                ephemeral = {"channel": reply.channel, "user": to, "text": text, "blocks": shown}
                await call(self.client, "chat.postEphemeral", ephemeral)
            except Undeliverable:
                pass  # the bot or the person is not in that channel
            else:
                return
        await call(self.client, "chat.postMessage", {"channel": to, "text": text, "blocks": shown})

    async def post(self, url: Secret, body: Mapping[str, Any]) -> None:
        """Post to a response_url once, with no retry. Raises `Undeliverable` unless Slack says `ok`."""
        address = url.reveal()
        if urlsplit(address).netloc not in self.hosts:
            raise Undeliverable("foreign_response_url", lasting=True)
        try:
            async with self.session.post(address, json=body, allow_redirects=False) as answer:
                said = (await answer.text())[:100].strip()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Undeliverable(type(error).__name__, lasting=False) from None
        if status != _OK or said != "ok":
            raise Undeliverable(f"response_url_{status}", lasting=status < _SERVER)


def _seconds(headers: Mapping[str, str]) -> int:
    value = next((value for name, value in headers.items() if name.casefold() == "retry-after"), "")
    return min(int(value), 300) if value.isdigit() else 30
