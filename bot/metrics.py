"""What `/metrics` counts: audit events by action, and messages that Slack refused. Nothing about people or keys."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter

from bot.domain.audit import Event


def events_counter(registry: CollectorRegistry) -> Callable[[Sequence[Event]], None]:
    """`latchkey_events_total{action="key:created"}`."""
    counter = Counter("latchkey_events", "Audit events by action.", ["action"], registry=registry)

    def count(events: Sequence[Event]) -> None:
        for event in events:
            counter.labels(event.action).inc()

    return count


def refusals_counter(registry: CollectorRegistry) -> Counter:
    """`latchkey_messages_refused_total{surface="key",code="messages_tab_disabled"}`."""
    says = "Messages that Slack refused, by what they are and by Slack's code."
    return Counter("latchkey_messages_refused", says, ["surface", "code"], registry=registry)
