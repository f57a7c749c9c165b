"""What `/metrics` tells: named as Prometheus wants it, there from the start, and with few values a label."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from bot import metrics
from bot.confluent import calls as confluent_calls
from bot.domain.audit import Action, Event
from bot.domain.errors import Unavailable
from bot.domain.reports.census import KEY_STATES, REQUEST_STATES, Census
from bot.health import Health
from bot.scanning import webhook
from bot.slack.api import calls as slack_calls
from bot.store.agenda import Load

DOCUMENTED = re.compile(r"^\| `(latchkey_\w+)(?:\{([\w,]*)\})?` \| (\w+) \|", re.MULTILINE)


@dataclass
class Exposed:
    """All metrics of a process, and the functions that count."""

    registry: CollectorRegistry

    def __post_init__(self) -> None:
        registry = self.registry
        calls = metrics.Calls(registry)
        self.slack = calls.slack(slack_calls.METHODS, slack_calls.OUTCOMES)
        self.confluent = calls.confluent(confluent_calls.CALLS, confluent_calls.OUTCOMES)
        self.acked = metrics.acks(registry, slack_calls.KINDS)
        self.events = metrics.events_counter(registry)
        self.refused = metrics.refusals_counter(registry)
        self.stray = metrics.strays_counter(registry)
        self.clicked = metrics.clicks_counter(registry)
        self.scanned, self.matched = metrics.scans_counters(registry, webhook.OUTCOMES, webhook.LABELS)
        self.census = Census()
        self.readings = metrics.StoreReadings(registry, Load(), self.census)
        self.last_look: datetime | None = None
        self.expires_at: datetime | None = None
        Health({"store": lambda: None}, registry)
        metrics.process_metrics(registry, "1.2.3")
        metrics.audit_gauges(registry, lambda: (7, "f" * 64), lambda: True, lambda: 2)
        metrics.break_glass_gauge(registry, lambda: 1)
        metrics.worker_gauge(registry, lambda: self.last_look)
        metrics.policy_gauges(registry, lambda: 1700000000.0, lambda: False)
        metrics.own_key_gauge(registry, lambda: self.expires_at)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def ours(self) -> list[Metric]:
        return [each for each in self.registry.collect() if each.name.startswith("latchkey_")]


@pytest.fixture
def exposed() -> Exposed:
    return Exposed(CollectorRegistry())


def test_everything_known_is_there_from_the_start(exposed: Exposed) -> None:
    assert [exposed.value("latchkey_events_total", action=action) for action in Action] == [0.0] * len(Action)
    assert exposed.value("latchkey_clicks_total", deed="approve", outcome="failed") == 0
    assert exposed.value("latchkey_ack_seconds_count", kind="submit") == 0
    assert exposed.value("latchkey_ack_failures_total", kind="submit") == 0
    assert exposed.value("latchkey_slack_calls_total", method="views.open", outcome="rate_limited") == 0
    one = {"method": "POST", "endpoint": "iam/v2/api-keys"}
    assert exposed.value("latchkey_confluent_calls_total", **one, outcome="no_answer") == 0
    assert exposed.value("latchkey_confluent_call_seconds_count", endpoint="iam/v2/users") == 0
    assert exposed.value("latchkey_rate_limited_total", api="confluent") == 0
    assert exposed.value("latchkey_messages_refused_total", surface="key", code="messages_tab_disabled") == 0
    assert exposed.value("latchkey_keys_without_record_total", secret="unseen") == 0
    assert exposed.value("latchkey_leak_webhook_reports_total", outcome="unsigned") == 0
    assert exposed.value("latchkey_leak_webhook_matches_total", label="secret_without_id") == 0
    assert [exposed.value("latchkey_requests", state=state) for state in ("pending", *REQUEST_STATES)] == [0.0] * 14
    assert [exposed.value("latchkey_keys", state=state) for state in KEY_STATES] == [0.0] * 5
    assert exposed.value("latchkey_build_info", version="1.2.3") == 1


def test_names_are_as_prometheus_wants_them(exposed: Exposed) -> None:
    for metric in exposed.ours():
        assert re.fullmatch(r"latchkey_[a-z_]+", metric.name)
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket")), "the exposition adds these"
        assert metric.documentation.endswith("."), metric.name
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")
        assert not re.search(r"_(ms|minutes|hours|millis\w*)(_|$)", metric.name)


@pytest.mark.parametrize(
    "name",
    [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    ],
)
def test_the_process_tells_what_prometheus_wants_to_know_of_each(exposed: Exposed, name: str) -> None:
    assert (exposed.value(name) or 0) > 0


def test_what_is_counted_is_shown(exposed: Exposed) -> None:
    exposed.events([Event(datetime.now(UTC), "U01", Action.SHOWN)])
    exposed.slack("views.open", "rate_limited", 0.2)
    exposed.confluent("GET", "iam/v2/users", "unauthorized", 0.2)
    for is_answer in (True, False):
        exposed.acked("button", 0.02, is_answer)
    exposed.clicked("approve", "failed")
    exposed.stray("unseen")

    assert exposed.value("latchkey_events_total", action="secret:shown") == 1
    assert exposed.value("latchkey_slack_calls_total", method="views.open", outcome="rate_limited") == 1
    assert exposed.value("latchkey_rate_limited_total", api="slack") == 1
    assert exposed.value("latchkey_confluent_key_refused") == 1
    assert exposed.value("latchkey_ack_seconds_count", kind="button") == 2
    assert exposed.value("latchkey_ack_failures_total", kind="button") == 1
    assert exposed.value("latchkey_clicks_total", deed="approve", outcome="failed") == 1
    assert exposed.value("latchkey_keys_without_record_total", secret="unseen") == 1
    assert exposed.value("latchkey_policy_file_valid") == 0
    assert exposed.value("latchkey_records_contradicted") == 2


@pytest.mark.parametrize(("outcome", "refused"), [("ok", 0), ("refused", 0), ("error", 1), ("no_answer", 1)])
def test_only_an_answer_to_who_we_are_says_that_confluent_takes_our_key_again(
    exposed: Exposed, outcome: str, refused: int
) -> None:
    exposed.confluent("GET", "iam/v2/users", "unauthorized", 0.2)

    exposed.confluent("GET", "iam/v2/users", outcome, 0.2)

    assert exposed.value("latchkey_confluent_key_refused") == refused


def test_codes_that_slack_never_had_before_do_not_grow_without_end(exposed: Exposed) -> None:
    for number in range(500):
        exposed.refused("key", f"code_{number}")

    (refused,) = (each for each in exposed.ours() if each.name == "latchkey_messages_refused")
    codes = {sample.labels["code"] for sample in refused.samples}
    assert len(codes) == metrics.MOST_CODES
    assert exposed.value("latchkey_messages_refused_total", surface="key", code="other") == 500 - (len(codes) - 5)


def test_the_head_is_two_numbers_that_hold_all_their_digits(exposed: Exposed) -> None:
    assert exposed.value("latchkey_audit_head") == 7
    assert f"{int(exposed.value('latchkey_audit_head_fingerprint') or 0):013x}" == "f" * 13


def test_what_is_not_known_raises_no_alarm(exposed: Exposed) -> None:
    assert exposed.value("latchkey_confluent_key_expiry_timestamp_seconds") == float("inf")
    assert exposed.value("latchkey_worker_last_look_timestamp_seconds") == 0

    exposed.expires_at = exposed.last_look = datetime(2026, 1, 1, tzinfo=UTC)

    assert exposed.value("latchkey_confluent_key_expiry_timestamp_seconds") == 1767225600
    assert exposed.value("latchkey_worker_last_look_timestamp_seconds") == 1767225600


# ------------------------------------------------------------------------------------------------ readings of the store


async def test_a_reading_of_the_store_is_for_all_who_scrape_within_some_seconds(exposed: Exposed) -> None:
    asked = 0

    async def read() -> Load:
        nonlocal asked
        asked += 1
        return Load(items=5, due=2, lag=1.5, aside=1, pending=3, oldest=60.0, catalog_at=1.0, seconds=0.002)

    await asyncio.gather(*(exposed.readings.refresh(read) for _ in range(20)))

    assert asked == 1
    assert exposed.value("latchkey_agenda_items") == 5
    assert exposed.value("latchkey_agenda_due_items") == 2
    assert exposed.value("latchkey_agenda_lag_seconds") == 1.5
    assert exposed.value("latchkey_agenda_aside_items") == 1
    assert exposed.value("latchkey_requests", state="pending") == 3
    assert exposed.value("latchkey_oldest_pending_request_age_seconds") == 60
    assert exposed.value("latchkey_catalog_timestamp_seconds") == 1
    assert exposed.value("latchkey_store_up") == 1
    assert exposed.value("latchkey_store_round_trip_seconds_count") == 1


async def test_a_store_that_is_away_or_hangs_fails_no_scrape_and_leaves_what_was_read(
    exposed: Exposed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read() -> Load:
        return Load(items=5)

    async def away() -> Load:
        raise Unavailable("Latchkey's store didn't answer.")

    async def hanging() -> Load:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "READ_WITHIN", 0.01)
    for reading, up in ((read, 1), (away, 0), (read, 1), (hanging, 0)):
        await exposed.readings.refresh(reading)
        assert (exposed.value("latchkey_store_up"), exposed.value("latchkey_agenda_items")) == (up, 5)


async def test_requests_that_wait_for_approval_are_told_from_approved_ones_by_the_index(exposed: Exposed) -> None:
    for seq, request in enumerate(("a", "b", "c"), 1):
        exposed.census.take(seq, Action.SUBMITTED, request, {"operation": "create"})

    async def read() -> Load:
        return Load(pending=2)

    await exposed.readings.refresh(read)

    assert exposed.value("latchkey_requests", state="pending") == 2
    assert exposed.value("latchkey_requests", state="approved") == 1


# --------------------------------------------------------------------------------------------------- docs/metrics.md


def test_all_of_it_is_documented_and_nothing_else(exposed: Exposed, request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "metrics.md").read_text("utf-8")
    documented = {name: (kind, labels) for name, labels, kind in DOCUMENTED.findall(text)}

    def exported(metric: Metric) -> tuple[str, tuple[str, str]]:
        own = {label: None for sample in metric.samples for label in sample.labels if label != "le"}
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        return name, (metric.type, ",".join(own))

    assert dict(map(exported, exposed.ours())) == documented
