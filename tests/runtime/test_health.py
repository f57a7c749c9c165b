"""Health: what makes a process unready, what only warns, and when a supervisor should start it anew."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from bot import health
from bot.domain.errors import Unavailable
from bot.health import DEAD_AFTER, EVERY, FRESH, Health


@dataclass
class Room:
    """Checks that say what they are told to, at a time that only moves when told."""

    said: dict[str, str | None]
    now: float = 0.0
    looks: int = 0
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.health = Health({name: self.check(name) for name in self.said}, self.registry, lambda: self.now)

    def check(self, name: str) -> Callable[[], str | None]:
        def look() -> str | None:
            self.looks += 1
            return self.said[name]

        return look

    async def ready(self, **said: str | None) -> bool:
        """Whether it is, a while later, when the checks say so."""
        self.said |= said
        self.now += EVERY
        return (await self.health.verdict()).is_ready

    def failing(self, name: str) -> float | None:
        return self.registry.get_sample_value("latchkey_check_failing", {"check": name})


def all_well(*names: str) -> Room:
    return Room(dict.fromkeys(names))


@pytest.mark.parametrize("name", ["store", "audit", "worker"])
async def test_what_this_process_needs_makes_it_unready(name: str) -> None:
    room = all_well("store", "audit", "worker", "policy")

    assert await room.ready()
    assert not await room.ready(**{name: "gone"})
    assert (await room.health.verdict()).checks == {"store": "ok", "audit": "ok", "worker": "ok", "policy": "ok"} | {
        name: "gone"
    }
    assert (room.failing(name), room.failing("policy")) == (1, 0)
    assert await room.ready(**{name: None})
    assert room.failing(name) == 0


@pytest.mark.parametrize("name", ["policy", "channels", "token", "confluent", "disk", "replicas", "clock", "agenda"])
async def test_what_all_processes_meet_at_once_warns(name: str) -> None:
    room = all_well("store", name)

    assert await room.ready(**{name: "wrong"})
    assert (await room.health.verdict()).checks == {"store": "ok", name: "wrong"}
    assert room.failing(name) == 1


async def test_slack_is_waited_for_once_and_only_warns_when_it_goes() -> None:
    room = Room({"slack": "Slack hasn't accepted this connection yet"})

    assert not await room.ready()
    assert await room.ready(slack=None)
    assert await room.ready(slack="Slack closed the connection")
    assert room.failing("slack") == 1


async def test_however_many_ask_it_looks_once_a_second() -> None:
    room = all_well("store", "audit")
    await asyncio.gather(*(room.health.verdict() for _ in range(50)))
    assert room.looks == 2

    room.now += FRESH / 2
    await room.health.verdict()
    assert room.looks == 2
    room.now += FRESH / 2
    await room.health.verdict()
    assert room.looks == 4


async def test_it_looks_while_nobody_asks() -> None:
    room = all_well("store")
    async with health.watched(room.health):
        while not room.looks:  # noqa: ASYNC110 - a look tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["store", "worker"])
async def test_a_store_or_worker_that_is_dead_for_minutes_is_for_a_supervisor(name: str) -> None:
    room = all_well("store", "worker")
    await room.ready(**{name: "gone"})
    room.now += DEAD_AFTER - 1
    assert room.health.dead() is None

    room.now += 1
    assert room.health.dead() == f"{name}: gone"
    await room.ready(**{name: None})
    assert room.health.dead() is None

    await room.ready(**{name: "gone"})
    room.now += DEAD_AFTER - 1
    assert room.health.dead() is None, "it counts from the last time that it was well"


async def test_what_a_supervisor_cannot_mend_leaves_it_alive() -> None:
    room = all_well("store", "audit", "policy", "slack")
    await room.ready(audit="another log", policy="a typo", slack="gone")
    room.now += DEAD_AFTER * 10

    assert room.health.dead() is None


async def test_the_log_says_once_what_fails_and_that_it_is_well_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "latchkey")
    room = all_well("store", "policy")
    for said in ("a typo", None, "a typo", "a typo (checked 5 s ago)", "a typo (checked 10 s ago)", None, None):
        await room.ready(policy=said)
    for said in ("full", "full", "full"):
        await room.ready(store=said)

    assert [(each.levelname, each.message, vars(each)["check"]) for each in caplog.records] == [
        ("WARNING", "a check fails", "policy"),
        ("INFO", "a check passes again", "policy"),
        ("ERROR", "a check fails", "store"),
    ]


async def test_a_process_that_was_asked_to_stop_is_not_ready() -> None:
    room = all_well("store")
    room.health.is_stopping = True

    found = await room.health.verdict()

    assert (found.is_ready, found.checks["stopping"]) == (False, "this process was asked to stop")
    assert room.health.dead() is None


async def broken() -> None:
    raise ConnectionError("redis://u:password@cache")


async def away() -> None:
    raise Unavailable("Latchkey's store didn't answer.", log="store: TimeoutError")


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_a_check_that_fails_in_any_way_says_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.0)
    checks: dict[str, health.Check] = {"audit": broken, "store": away, "confluent": hanging}

    found = await Health(checks, CollectorRegistry()).verdict()

    assert found.checks == {
        "audit": "ConnectionError",
        "store": "store: TimeoutError",
        "confluent": "no answer within 0 s",
    }
