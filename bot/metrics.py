"""What `/metrics` counts: audit events by action, and messages that Slack refused. Nothing about people or keys."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

from bot.domain.audit import Event
from bot.domain.keys import RequestId, Secret, SlackUserId
from bot.domain.requests import Request
from bot.services.ports.store import Audit, Change, Requests, Stored


def events_counter(registry: CollectorRegistry) -> Counter:
    """`latchkey_events_total{action="key:created"}`."""
    return Counter("latchkey_events", "Audit events by action.", ["action"], registry=registry)


def refusals_counter(registry: CollectorRegistry) -> Counter:
    """`latchkey_messages_refused_total{surface="key",code="messages_tab_disabled"}`."""
    says = "Messages that Slack refused, by what they are and by Slack's code."
    return Counter("latchkey_messages_refused", says, ["surface", "code"], registry=registry)


@dataclass(frozen=True, slots=True)
class CountedRequests:
    """`Requests` that counts the events of every change."""

    inner: Requests
    events: Counter

    async def get(self, request: RequestId) -> Stored[Request] | None:
        """See `Requests.get`."""
        return await self.inner.get(request)

    async def commit(self, change: Change) -> tuple[Stored[Request], Secret | None]:
        """See `Requests.commit`."""
        written = await self.inner.commit(change)
        _count(self.events, change.events)
        return written

    async def secret(self, stored: Stored[Request]) -> Secret | None:
        """See `Requests.secret`."""
        return await self.inner.secret(stored)

    async def of_requester(self, requester: SlackUserId, limit: int) -> Sequence[Stored[Request]]:
        """See `Requests.of_requester`."""
        return await self.inner.of_requester(requester, limit)

    async def pending(self, limit: int) -> Sequence[Stored[Request]]:
        """See `Requests.pending`."""
        return await self.inner.pending(limit)


@dataclass(frozen=True, slots=True)
class CountedAudit:
    """`Audit` that counts its events."""

    inner: Audit
    events: Counter

    async def append(self, *events: Event) -> None:
        """See `Audit.append`."""
        await self.inner.append(*events)
        _count(self.events, events)

    def read(self) -> AsyncIterator[Mapping[str, object]]:
        """See `Audit.read`."""
        return self.inner.read()


def _count(counter: Counter, events: Sequence[Event]) -> None:
    for event in events:
        counter.labels(event.action).inc()
