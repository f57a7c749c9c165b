"""What a process exposes for metrics, over its store and with nobody else to ask."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from prometheus_client import CollectorRegistry

from bot.assembly import expose
from bot.connections import World
from bot.policyfile import PolicySource
from bot.services.agenda import Item, ItemKind
from bot.store import Store
from tests.support import build
from tests.support.composed import a_store, keep
from tests.support.fakes import TestClock


class Nobody:
    """Fails every question."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def a_world(store: Store, clock: TestClock) -> World:
    """A world in which only the store can be asked; of Confluent only what it has said before."""
    nobody: Any = Nobody()
    cloud: Any = SimpleNamespace(own_key_expires_at=clock() + timedelta(days=3))
    return World(nobody, nobody, nobody, nobody, store, nobody, cloud, clock, nobody)


async def test_a_scrape_asks_the_store_and_nobody_else_and_knows_what_other_processes_wrote(monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.metrics.FRESH_SECONDS", 0.0)
    server, clock, registry = FakeServer(), TestClock(), CollectorRegistry()
    worker: Any = SimpleNamespace(last_look=clock())
    ours, theirs = (a_store(FakeRedis(server=server), clock) for _ in range(2))
    refresh = expose(registry, a_world(ours, clock), worker, PolicySource.open(None, "C01"))
    request = build.pending()
    await keep(theirs, request)
    await theirs.agenda.put(Item(ItemKind.CATALOG), clock() - timedelta(seconds=90))

    await refresh()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert (value("latchkey_store_up"), value("latchkey_audit_head")) == (1, theirs.audit.head.seq)
    assert (value("latchkey_requests", state="pending"), value("latchkey_requests", state="approved")) == (1, 0)
    assert (value("latchkey_agenda_items"), round(value("latchkey_agenda_lag_seconds") or 0)) == (1, 90)
    assert value("latchkey_worker_last_look_timestamp_seconds") == clock().timestamp()
    left = (value("latchkey_confluent_key_expiry_timestamp_seconds") or 0) - clock().timestamp()
    assert timedelta(seconds=left) == timedelta(days=3)

    server.connected = False
    await refresh()

    assert (value("latchkey_store_up"), value("latchkey_agenda_items")) == (0, 1)


async def test_a_log_that_is_not_to_be_trusted_fails_no_scrape(monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.metrics.FRESH_SECONDS", 0.0)
    redis, clock, registry = FakeRedis(), TestClock(), CollectorRegistry()
    store = a_store(redis, clock)
    worker: Any = SimpleNamespace(last_look=None)
    refresh = expose(registry, a_world(store, clock), worker, PolicySource.open(None, "C01"))
    await keep(store, build.pending())

    await redis.delete(store.keys.audit)
    await refresh()

    assert registry.get_sample_value("latchkey_audit_trusted") == 0
    assert registry.get_sample_value("latchkey_store_up") == 1
