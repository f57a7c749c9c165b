"""Metrics of a running bot: the same time series after a story as before it, which hold no names."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.cast import APPROVALS_CHANNEL
from tests.support.play import Play, play
from tests.support.processes import take_secret

Series = tuple[str, tuple[tuple[str, str], ...]]


@asynccontextmanager
async def bot(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[httpx.AsyncClient]:
    (port,) = (vars(record)["port"] for record in caplog.records if record.message == "ready")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def scraped(http: httpx.AsyncClient) -> dict[Series, float]:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: dict[Series, float], name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def by_label(samples: dict[Series, float], name: str) -> dict[str, float]:
    return {labels[0][1]: number for (found, labels), number in samples.items() if found == name and number}


async def a_story(it: Play) -> str:
    """A key that is handed over, one that is denied, and clicks that are refused; returns the first key."""
    await it.ask("first")
    await it.approve()
    key = await it.key_is_there()
    await take_secret(it)
    await it.dana.click("I saved it")
    await it.until(lambda: "saved" in str(it.dana.messages()), "the end of the first")
    await it.dana.command("/apikey whoami")
    await it.dana.see("Dana")
    await it.ask("second")
    await it.erin.click("Deny", in_channel=APPROVALS_CHANNEL)
    await it.erin.fill({"Reason": "not now, ada@acme.example"})
    await it.erin.submit()
    await it.card_says("Denied")
    return key


async def test_a_story_adds_no_time_series_and_its_numbers_add_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.metrics.FRESH_SECONDS", 0.0)
    caplog.set_level("INFO", "latchkey")
    async with play(tmp_path) as it, bot(caplog) as http:
        before = await scraped(http)
        key = await a_story(it)
        after = await scraped(http)
        lines = await it.audit()

    assert before.keys() == after.keys(), "what is counted was there from the start"
    labels = {text for _, pairs in after for _, text in pairs}
    requests = {str(line["request"]) for line in lines}
    assert not labels & {key, "U0DANA", "U0ERIN", *requests, *(str(line["hash"]) for line in lines)}
    assert len(after) < 2500

    events = by_label(after, "latchkey_events_total")
    assert events == {action: sum(line["action"] == action for line in lines) for action in events}
    assert sum(events.values()) == len(lines) == value(after, "latchkey_audit_head")
    assert by_label(after, "latchkey_requests") == {"confirmed": 1, "denied": 1}
    assert by_label(after, "latchkey_keys") == {"in_use": 1}
    assert value(after, "latchkey_clicks_total", deed="approve", outcome="done") == 1
    assert value(after, "latchkey_clicks_total", deed="deny", outcome="done") == 1
    assert value(after, "latchkey_ack_seconds_count", kind="command") >= 3
    assert value(after, "latchkey_slack_calls_total", method="response_url", outcome="ok") >= 1
    made = {"method": "POST", "endpoint": "iam/v2/api-keys", "outcome": "ok"}
    assert value(after, "latchkey_confluent_calls_total", **made) == 1
    assert (
        sum(n for (name, pairs), n in after.items() if "calls_total" in name and "other" in dict(pairs).values()) == 0
    )
    assert value(after, "latchkey_store_up") == 1
    assert value(after, "latchkey_policy_file_valid") == 1
    assert value(after, "latchkey_worker_last_look_timestamp_seconds") > 0
    assert value(after, "latchkey_catalog_timestamp_seconds") > 0
