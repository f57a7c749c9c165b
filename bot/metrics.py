"""What `/metrics` counts: audit events, messages that Slack refused, where the audit log ends. No people, no keys."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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


class AuditLog(Collector):
    """`latchkey_audit_head{hash="…"}`, `latchkey_audit_trusted` and `latchkey_records_contradicted`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        head: Callable[[], tuple[int, str]],
        is_trusted: Callable[[], bool],
        contradicted: Callable[[], int],
    ) -> None:
        self._head, self._is_trusted, self._contradicted = head, is_trusted, contradicted
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Tell what this process knows now."""
        seq, found = self._head()
        head = GaugeMetricFamily("latchkey_audit_head", "Number and hash of the last audit line.", labels=["hash"])
        head.add_metric([found], seq)
        yield head
        says = "Whether the audit log continues what this process has seen of it."
        yield GaugeMetricFamily("latchkey_audit_trusted", says, value=self._is_trusted())
        says = "Records that the audit log contradicts, and that are left alone."
        yield GaugeMetricFamily("latchkey_records_contradicted", says, value=self._contradicted())


def strays_counter(registry: CollectorRegistry) -> Counter:
    """`latchkey_keys_without_record_total{secret="unseen"}`."""
    says = "Keys with Latchkey's marker and no record that knows them, counted daily, by what is known of the secret."
    return Counter("latchkey_keys_without_record", says, ["secret"], registry=registry)
