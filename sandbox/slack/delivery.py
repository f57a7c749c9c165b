"""Delivers what a person does to the bot: one envelope, one answer within three seconds, by either transport."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias
from urllib.parse import urlencode

import httpx

from sandbox.slack.blocks import Json
from sandbox.slack.workspace import Clock, Workspace

SIGNING_SECRET = "sandbox-signing-secret"
ACK_SECONDS = 3.0
RETRY_SECONDS = (0.0, 60.0, 300.0)
Kind: TypeAlias = Literal["slash_commands", "interactive", "events_api"]


class NoAnswer(Exception):
    """The bot didn't answer in time, or without success. The text is the word that a person sees in Slack."""

    def __init__(self, word: str, *, may_retry: bool = True) -> None:
        super().__init__(word)
        self.word = word
        self.may_retry = may_retry


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery to the bot. For repeated events, `retry` counts from 1, and `retry_reason` says why."""

    kind: Kind
    payload: Json
    takes_answer: bool = False
    retry: int = 0
    retry_reason: str = ""


class Transport(Protocol):
    """A way to reach the bot."""

    async def carry(self, envelope: Envelope) -> Json:
        """The body of the bot's answer, empty if it has none. Raises `NoAnswer`."""
        ...


class Delivery:
    """Delivers envelopes to the bot, and repeats failed events, as the Events API does."""

    def __init__(
        self, workspace: Workspace, transport: Transport, retry_after: Sequence[float] = RETRY_SECONDS
    ) -> None:
        self._workspace = workspace
        self._retry_after = retry_after
        self._retries: set[asyncio.Task[None]] = set()
        self.transport = transport

    async def send(self, envelope: Envelope, audience: str) -> Json:
        """The bot's answer to something a person did. `audience` is who would see it. Raises `NoAnswer`."""
        payload = self._workspace.manners.sent_payload(envelope.payload)
        answer = await self.transport.carry(replace(envelope, payload=payload))
        if answer:
            self._workspace.record("ack", audience, answer)
        return answer

    async def send_event(self, payload: Json) -> None:
        """Deliver an event. If that fails, it's repeated in the background."""
        payload = self._workspace.manners.sent_payload(payload)
        try:
            await self.transport.carry(Envelope("events_api", payload))
        except NoAnswer as failure:
            if failure.may_retry:
                task = asyncio.create_task(self._retry(payload, failure))
                self._retries.add(task)
                task.add_done_callback(self._retries.discard)

    async def aclose(self) -> None:
        """Cancel the retries that are still to come."""
        for task in self._retries:
            task.cancel()
        await asyncio.gather(*self._retries, return_exceptions=True)

    async def _retry(self, payload: Json, failure: NoAnswer) -> None:
        for number, seconds in enumerate(self._retry_after, start=1):
            await asyncio.sleep(seconds)
            reason = "http_timeout" if failure.word == "operation_timeout" else "http_error"
            try:
                await self.transport.carry(Envelope("events_api", payload, retry=number, retry_reason=reason))
            except NoAnswer as again:
                if not again.may_retry:
                    return
                failure = again
            else:
                return


class RequestUrl:
    """HTTP delivery to the bot's request URL, signed as Slack signs."""

    def __init__(
        self, url: str, clock: Clock, *, secret: str = SIGNING_SECRET, client: httpx.AsyncClient | None = None
    ) -> None:
        self._url = url
        self._clock = clock
        self._secret = secret
        self._client = client or httpx.AsyncClient(trust_env=False)

    async def carry(self, envelope: Envelope) -> Json:
        """Post one envelope. Raises `NoAnswer`: `operation_timeout`, `dispatch_failed` or `http_error`."""
        if envelope.kind == "events_api":
            return await self._post(json.dumps(envelope.payload), "application/json", envelope)
        form = envelope.payload if envelope.kind == "slash_commands" else {"payload": json.dumps(envelope.payload)}
        return await self._post(urlencode(form), "application/x-www-form-urlencoded", envelope)

    async def verify(self) -> bool:
        """Whether the bot answers the challenge that Slack sends when the URL is configured."""
        challenge = secrets.token_hex(16)
        payload = {"type": "url_verification", "challenge": challenge, "token": "verification-token"}
        answer = await self.carry(Envelope("events_api", payload))
        return challenge in (answer.get("challenge"), answer.get("text"))

    async def aclose(self) -> None:
        """Close the connections to the bot."""
        await self._client.aclose()

    def _headers(self, body: str, content_type: str, envelope: Envelope) -> dict[str, str]:
        timestamp = str(int(self._clock().timestamp()))
        signed = hmac.new(self._secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={signed}",
        }
        if envelope.retry:
            headers |= {"X-Slack-Retry-Num": str(envelope.retry), "X-Slack-Retry-Reason": envelope.retry_reason}
        return headers

    async def _post(self, body: str, content_type: str, envelope: Envelope) -> Json:
        headers = self._headers(body, content_type, envelope)
        try:
            async with asyncio.timeout(ACK_SECONDS):
                answer = await self._client.post(self._url, content=body, headers=headers, timeout=None)
        except TimeoutError:
            raise NoAnswer("operation_timeout") from None
        except httpx.HTTPError:
            raise NoAnswer("dispatch_failed") from None
        if not answer.is_success:
            raise NoAnswer("http_error", may_retry=answer.headers.get("X-Slack-No-Retry") != "1")
        return _parsed(answer)


def _parsed(answer: httpx.Response) -> Json:
    if not answer.content:
        return {}
    try:
        parsed = answer.json()
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"text": answer.text}
