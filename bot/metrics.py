"""The metrics of `/metrics`. They name no people, and no IDs of keys or requests: every label has only a few values.

All known series are exported as 0 from the start: a counter that appears with its first event hides that event from
`increase()`. docs/metrics.md lists all metrics.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any, Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as Process

from bot.domain.audit import Action, Event
from bot.domain.errors import LatchkeyError
from bot.domain.reports.census import KEY_STATES, REQUEST_STATES, UNDECIDED, Census
from bot.services.commands import Deed
from bot.services.surfaces import SurfaceKind

OTHER: str = "other"
MOST_CODES = 30
"""How many of Slack's error codes get a series of their own: Slack, or a proxy, may answer with any code."""
FRESH_SECONDS = 5.0
"""How many seconds a reading of the store is reused."""
READ_WITHIN = 1.0
"""Seconds for reading the store: if it hangs, it must not block the scrape."""
FINGERPRINT_DIGITS = 13
"""Hexadecimal digits of a hash: 52 bits, the most that a metric, a float, holds exactly."""
DEED_OUTCOMES = ("done", "refused", "retried", "failed")
_ACK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Histogram buckets. Slack waits for three seconds."""
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
_REFUSED_CODES = ("messages_tab_disabled", "channel_not_found", "not_in_channel", "is_archived", OTHER)
_STRAYS = ("denied", "seen", "unseen", "unknown")


def deeds() -> Sequence[str]:
    """The kinds of click that are carried out."""
    found = (field.default for deed in get_args(Deed) for field in fields(deed) if field.name == "kind")
    return sorted(str(kind) for kind in found)


def events_counter(registry: CollectorRegistry) -> Callable[[Sequence[Event]], None]:
    """`latchkey_events_total{action="key:created"}`."""
    counter = _counter(registry, "latchkey_events", "Audit events by action.", action=list(Action))

    def count(events: Sequence[Event]) -> None:
        for event in events:
            counter.labels(event.action).inc()

    return count


def refusals_counter(registry: CollectorRegistry) -> Callable[[str, str], None]:
    """`latchkey_messages_refused_total{surface="key",code="messages_tab_disabled"}`."""
    says = "Messages that Slack refused, by kind and by Slack's error code."
    surfaces = (*SurfaceKind, "review", "secret")
    counter = _counter(registry, "latchkey_messages_refused", says, surface=surfaces, code=_REFUSED_CODES)
    codes = set[str](_REFUSED_CODES)

    def count(surface: str, code: str) -> None:
        if len(codes) < MOST_CODES:
            codes.add(code)
        counter.labels(surface, code if code in codes else OTHER).inc()

    return count


def strays_counter(registry: CollectorRegistry) -> Callable[[str], None]:
    """`latchkey_keys_without_record_total{secret="unseen"}`."""
    says = "Keys with Latchkey's marker but no record, counted daily, by what is known of the secret."
    counter = _counter(registry, "latchkey_keys_without_record", says, secret=_STRAYS)
    return lambda secret: counter.labels(secret).inc()


def scans_counters(
    registry: CollectorRegistry, outcomes: Sequence[str], labels: Sequence[str]
) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """`latchkey_leak_webhook_reports_total{outcome="taken"}` and `latchkey_leak_webhook_matches_total{label}`."""
    says = "Reports of secret scanners by outcome."
    reports = _counter(registry, "latchkey_leak_webhook_reports", says, outcome=outcomes)
    says = "Entries in reports of secret scanners, by what Latchkey answered."
    found = _counter(registry, "latchkey_leak_webhook_matches", says, label=labels)
    return lambda outcome: reports.labels(outcome).inc(), lambda label: found.labels(label).inc()


def clicks_counter(registry: CollectorRegistry) -> Callable[[str, str], None]:
    """`latchkey_clicks_total{deed="approve",outcome="done"}`."""
    says = "Clicks carried out, by action and outcome. A retried click is counted again."
    counter = _counter(registry, "latchkey_clicks", says, deed=deeds(), outcome=DEED_OUTCOMES)
    return lambda deed, outcome: counter.labels(deed, outcome).inc()


def acks(registry: CollectorRegistry, kinds: Sequence[str]) -> Callable[[str, float, bool], None]:
    """`latchkey_ack_seconds{kind="button"}` and `latchkey_ack_failures_total{kind="button"}`."""
    says = "Seconds until a Slack event was acknowledged, by type. Slack gives up after three."
    seconds = Histogram("latchkey_ack_seconds", says, ["kind"], registry=registry, buckets=_ACK_SECONDS)
    says = "Slack events that Latchkey answered with an error, which Slack shows as a failure."
    failures = _counter(registry, "latchkey_ack_failures", says, kind=kinds)
    _begin(seconds, kind=kinds)

    def acked(kind: str, took: float, is_answer: bool) -> None:  # noqa: FBT001 - told by position
        seconds.labels(kind).observe(took)
        if not is_answer:
            failures.labels(kind).inc()

    return acked


class Calls:
    """Metrics of calls to Slack and Confluent Cloud, and of the rate limits that they ran into."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        says = "Calls that were rate-limited, by API."
        self._limited = _counter(registry, "latchkey_rate_limited", says, api=("slack", "confluent"))
        says = "Whether Confluent Cloud rejects Latchkey's own key, or its address (an IP filter)."
        self._refused = Gauge("latchkey_confluent_key_refused", says, registry=registry)

    def slack(self, methods: Sequence[str], outcomes: Sequence[str]) -> Callable[[str, str, float], None]:
        """`latchkey_slack_calls_total{method,outcome}` and `latchkey_slack_call_seconds{method}`."""
        says = "Calls to Slack by method and outcome; `response_url` is an answer to a click."
        counter = _counter(self._registry, "latchkey_slack_calls", says, method=methods, outcome=outcomes)
        says = "Seconds that calls to Slack took, by method."
        seconds = _seconds(self._registry, "latchkey_slack_call_seconds", says, method=methods)

        def answered(method: str, outcome: str, took: float) -> None:
            counter.labels(method, outcome).inc()
            seconds.labels(method).observe(took)
            if outcome == "rate_limited":
                self._limited.labels("slack").inc()

        return answered

    def confluent(
        self, calls: Sequence[tuple[str, str]], outcomes: Sequence[str]
    ) -> Callable[[str, str, str, float], None]:
        """`latchkey_confluent_calls_total{method,endpoint,outcome}`, `latchkey_confluent_call_seconds{endpoint}`.

        `calls` are the pairs of method and collection that are known.
        """
        says = "Calls to Confluent Cloud's API by method, collection and outcome. Each attempt counts."
        labels = ["method", "endpoint", "outcome"]
        counter = Counter("latchkey_confluent_calls", says, labels, registry=self._registry)
        for call in calls:
            for outcome in outcomes:
                counter.labels(*call, outcome)
        says = "Seconds that calls to Confluent Cloud's API took, by collection."
        endpoints = list(dict.fromkeys(endpoint for _, endpoint in calls))
        seconds = _seconds(self._registry, "latchkey_confluent_call_seconds", says, endpoint=endpoints)

        def answered(method: str, endpoint: str, outcome: str, took: float) -> None:
            counter.labels(method, endpoint, outcome).inc()
            seconds.labels(endpoint).observe(took)
            if outcome == "rate_limited":
                self._limited.labels("confluent").inc()
            if outcome in {"ok", "refused", "unauthorized"}:
                self._refused.set(outcome == "unauthorized")

        return answered


class Load(Protocol):
    """The amount of work, as the store reports it."""

    @property
    def items(self) -> int:
        """How many items the agenda has, due or not."""
        ...

    @property
    def due(self) -> int:
        """How many items are due without a process working on them."""
        ...

    @property
    def lag(self) -> float:
        """How many seconds the oldest of these has been due."""
        ...

    @property
    def aside(self) -> int:
        """How many items have a kind that this version doesn't know."""
        ...

    @property
    def pending(self) -> int:
        """How many requests wait for approval."""
        ...

    @property
    def oldest(self) -> float:
        """How many seconds ago the oldest of these was sent."""
        ...

    @property
    def catalog_at(self) -> float:
        """When the catalog was read from Confluent, as a Unix time in seconds; 0 if never."""
        ...

    @property
    def seconds(self) -> float:
        """How many seconds the store took to answer."""
        ...


class StoreReadings:
    """Gauges that are read from the store, at most every `FRESH_SECONDS`.

    While the store doesn't answer, they keep their values, and `latchkey_store_up` is 0.
    """

    def __init__(self, registry: CollectorRegistry, load: Load, census: Census) -> None:
        """`load` has the values until the first reading."""
        self._load, self._census, self._turn = load, census, asyncio.Lock()
        self._read_at = float("-inf")
        says = "Seconds that the store took to answer, once for each reading of these metrics."
        self._trips = Histogram("latchkey_store_round_trip_seconds", says, registry=registry, buckets=_STORE_SECONDS)
        says = "Whether the store answered when it was last read for these metrics."
        self._up = Gauge("latchkey_store_up", says, registry=registry)
        for name, says, tell in self._gauges():
            gauge(registry, name, says, tell)
        self._count_states(registry)

    async def refresh(self, read: Callable[[], Awaitable[Load]]) -> None:
        """Read the store again if the last reading is too old. Never raises."""
        async with self._turn:
            if time.monotonic() - self._read_at < FRESH_SECONDS:
                return
            self._read_at = time.monotonic()
            try:
                async with asyncio.timeout(READ_WITHIN):
                    self._load = await read()
            except (LatchkeyError, TimeoutError):
                self._up.set(0)
            else:
                self._up.set(1)
                self._trips.observe(self._load.seconds)

    def _gauges(self) -> Iterable[tuple[str, str, Callable[[], float]]]:
        yield "latchkey_agenda_items", "Items of the agenda, due or not.", lambda: self._load.items
        says = "Agenda items that are due, and that no process is working on."
        yield "latchkey_agenda_due_items", says, lambda: self._load.due
        says = "Seconds that the oldest due item has waited for a worker; 0 while none is waiting."
        yield "latchkey_agenda_lag_seconds", says, lambda: self._load.lag
        says = "Items of kinds that only a newer version knows."
        yield "latchkey_agenda_aside_items", says, lambda: self._load.aside
        says = "Seconds since the oldest request that waits for approval was sent; 0 while none waits."
        yield "latchkey_oldest_pending_request_age_seconds", says, lambda: self._load.oldest
        says = "When the catalog of environments and clusters was read, in seconds since 1970; 0 for never."
        yield "latchkey_catalog_timestamp_seconds", says, lambda: self._load.catalog_at

    def _count_states(self, registry: CollectorRegistry) -> None:
        requests = Gauge("latchkey_requests", "Requests by state.", ["state"], registry=registry)
        keys = Gauge("latchkey_keys", "Keys that Latchkey created, by state.", ["state"], registry=registry)
        by_state: Mapping[str, Callable[[], float]] = {
            "pending": lambda: self._load.pending,
            # The log does not tell which approval was enough; the index of pending requests does.
            "approved": lambda: max(self._census.requests[UNDECIDED] - self._load.pending, 0),
        }
        for state, tell in by_state.items():
            requests.labels(state).set_function(tell)
        for state in REQUEST_STATES:
            requests.labels(state).set_function(partial(self._census.requests.__getitem__, state))
        for state in KEY_STATES:
            keys.labels(state).set_function(partial(self._census.keys.__getitem__, state))


def audit_gauges(
    registry: CollectorRegistry,
    head: Callable[[], tuple[int, str]],
    is_trusted: Callable[[], bool],
    contradicted: Callable[[], int],
) -> None:
    """Where the audit log ends, and whether it and the records match.

    A label with the hash would create a new time series for every line. So the hash is a value: its first digits, as a
    number.
    """
    gauge(registry, "latchkey_audit_head", "Number of the last audit line.", lambda: head()[0])
    says = f"The first {FINGERPRINT_DIGITS} hexadecimal digits of the hash of the last audit line, as a number."
    gauge(registry, "latchkey_audit_head_fingerprint", says, lambda: int(head()[1][:FINGERPRINT_DIGITS], 16))
    says = "Whether the audit log continues what this process has seen of it."
    gauge(registry, "latchkey_audit_trusted", says, is_trusted)
    says = "Records that the audit log contradicts, and that are left alone."
    gauge(registry, "latchkey_records_contradicted", says, contradicted)


def break_glass_gauge(registry: CollectorRegistry, unreviewed: Callable[[], int]) -> None:
    """`latchkey_break_glass_unreviewed`."""
    says = "Uses of break-glass that no one has reviewed."
    gauge(registry, "latchkey_break_glass_unreviewed", says, unreviewed)


def worker_gauge(registry: CollectorRegistry, last_look: Callable[[], datetime | None]) -> None:
    """`latchkey_worker_last_look_timestamp_seconds`."""
    says = "When the worker of this process last read its agenda, in seconds since 1970; 0 for never."
    gauge(registry, "latchkey_worker_last_look_timestamp_seconds", says, lambda: _timestamp(last_look(), 0.0))


def policy_gauges(registry: CollectorRegistry, loaded_at: Callable[[], float], holds: Callable[[], bool]) -> None:
    """`latchkey_policy_loaded_timestamp_seconds` and `latchkey_policy_file_valid`."""
    says = "When this process loaded the current policy, in seconds since 1970."
    gauge(registry, "latchkey_policy_loaded_timestamp_seconds", says, loaded_at)
    says = "Whether the policy file is valid; while it isn't, the old policy applies."
    gauge(registry, "latchkey_policy_file_valid", says, holds)


def own_key_gauge(registry: CollectorRegistry, expires_at: Callable[[], datetime | None]) -> None:
    """`latchkey_confluent_key_expiry_timestamp_seconds`. Infinity, for never or unknown, triggers no alert."""
    says = "When Latchkey's own key expires at Confluent, in seconds since 1970; +Inf for never, or not known."
    name = "latchkey_confluent_key_expiry_timestamp_seconds"
    gauge(registry, name, says, lambda: _timestamp(expires_at(), float("inf")))


def process_metrics(registry: CollectorRegistry, version: str) -> None:
    """`latchkey_build_info{version}`, and Prometheus' own metrics of a process and of Python."""
    Gauge("latchkey_build_info", "The version that is running.", ["version"], registry=registry).labels(version).set(1)
    Process(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


def gauge(registry: CollectorRegistry, name: str, says: str, tell: Callable[[], float]) -> None:
    """A gauge without labels whose value is what `tell` returns at each scrape.

    `tell` must be quick and never raise.
    """
    Gauge(name, says, registry=registry).set_function(tell)


def _timestamp(at: datetime | None, without: float) -> float:
    return without if at is None else at.timestamp()


def _counter(registry: CollectorRegistry, name: str, says: str, **labels: Sequence[str]) -> Counter:
    counter = Counter(name, says, list(labels), registry=registry)
    _begin(counter, **labels)
    return counter


def _seconds(registry: CollectorRegistry, name: str, says: str, **labels: Sequence[str]) -> Histogram:
    histogram = Histogram(name, says, list(labels), registry=registry, buckets=_CALL_SECONDS)
    _begin(histogram, **labels)
    return histogram


def _begin(metric: Any, **labels: Sequence[str]) -> None:  # noqa: ANN401 - a counter or a histogram
    """Export all known values as 0."""
    chosen: list[tuple[str, ...]] = [()]
    for values in labels.values():
        chosen = [(*former, value) for former in chosen for value in values]
    for each in chosen:
        metric.labels(*each)
