"""Looking whether a new key works: over the real store, with a data plane of our own."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bot.domain.catalog import Endpoints
from bot.domain.errors import Conflict
from bot.domain.keys import KeyId, Resource, Secret
from bot.domain.readiness import Answer, Probe, begin
from bot.domain.requests import Life, Ready, Request, Revealing
from bot.services.keys.probe import Probes, chance
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions, With
from bot.store import Store
from tests.support import build
from tests.support.build import KSQL
from tests.support.composed import a_store
from tests.support.fakes import TestClock

SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
SECOND = timedelta(seconds=1)
PRIVATE = Endpoints("pkc-1.example:9092", "", is_private=True)


@dataclass(slots=True)
class DataPlane:
    """Where keys are used: it answers what it was told to, and remembers what it was sent."""

    clock: TestClock
    answers: list[int] = field(default_factory=list[int])
    is_trusted: bool = True
    takes: timedelta = timedelta()
    seen: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    async def probe(self, resource: Resource, endpoints: Endpoints, key: KeyId, secret: Secret) -> Answer:
        self.seen.append((resource.id, key, secret.reveal()))
        self.clock.advance(self.takes)
        return Answer(self.answers.pop(0), "Unauthorized", "req-1")

    def can_probe(self, resource: Resource, endpoints: Endpoints) -> bool:
        return self.is_trusted and bool(endpoints.rest)


@dataclass(slots=True)
class Here:
    """One process with its store."""

    store: Store
    clock: TestClock
    plane: DataPlane
    probes: Probes
    rung: list[str]

    async def made(self, resource: Resource = build.CLUSTER, endpoints: Endpoints = build.ENDPOINTS) -> Stored[Request]:
        """A key that was made just now, its secret sealed."""
        probe = begin(resource.kind, build.NOW)
        ready = build.ready(ask=build.an_ask(resource=resource), endpoints=endpoints, life=Life(probe))
        extra = With(secret=Secret(SECRET), secret_until=ready.claim_by)
        stored, _ = await self.probes.transitions.commit(None, ready, *build.submitted(ready), extra=extra)
        self.rung.clear()
        return stored

    async def look(self) -> Probe:
        """One step of the request as it is stored; the probe that follows."""
        stored = await self.stored()
        await self.probes.probe(stored, _ready(stored))
        return _ready(await self.stored()).life.probe

    async def stored(self) -> Stored[Request]:
        stored = await self.store.requests.get(build.an_ask().id)
        assert stored is not None
        return stored


def _ready(stored: Stored[Request]) -> Ready:
    assert isinstance(stored.value, Ready)
    return stored.value


@pytest.fixture
async def here() -> AsyncGenerator[Here]:
    clock, rung = TestClock(), list[str]()
    async with FakeAsyncRedis(server=FakeServer()) as redis:
        store = a_store(redis, clock)
        plane = DataPlane(clock)
        transitions = Transitions(store.requests, store.audit, clock, lambda: rung.append("rung"))
        yield Here(store, clock, plane, Probes(transitions, store.requests, plane, lambda: 0.0), rung)


async def test_a_key_is_tried_with_its_own_secret_which_stays_sealed(here: Here) -> None:
    stored = await here.made()
    here.plane.answers = [401]
    here.clock.advance(20 * SECOND)

    probe = await here.look()

    assert here.plane.seen == [("lkc-dev001", _ready(stored).key.id, SECRET)]
    assert (probe.tries, probe.last, probe.reference) == (1, "HTTP 401, Unauthorized", "req-1")
    assert probe.next_at == here.clock() + 5 * SECOND
    assert await here.store.requests.secret(await here.stored()) == Secret(SECRET)
    assert here.rung == ["rung"]


async def test_nobody_looks_before_it_is_time_or_once_it_is_over(here: Here) -> None:
    stored = await here.made(KSQL)

    early = await here.look()
    here.clock.advance(5 * SECOND)
    here.plane.answers = [200]
    works = await here.look()
    again = await here.look()

    assert early == _ready(stored).life.probe
    assert (works.verdict, works.at) == ("works", here.clock())
    assert again == works
    assert len(here.plane.seen) == 1
    assert here.rung == ["rung"], "nothing was written where nothing was looked at"


async def test_the_verdict_is_of_the_moment_of_the_answer(here: Here) -> None:
    await here.made(KSQL)
    here.plane.takes = 9 * SECOND
    here.plane.answers = [200]
    here.clock.advance(5 * SECOND)

    assert (await here.look()).at == build.NOW + 14 * SECOND


async def test_ten_minutes_count_from_when_the_key_was_made(here: Here) -> None:
    await here.made()
    here.clock.advance(20 * SECOND)
    probe = _ready(await here.stored()).life.probe
    while probe.next_at is not None:
        here.clock.now = probe.next_at
        here.plane.answers = [401]
        probe = await here.look()

    assert (probe.verdict, probe.at) == ("gave-up", build.NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("endpoints", "is_trusted", "why"),
    [
        (PRIVATE, True, "its address is in a private network"),
        (replace(PRIVATE, rest="https://lkc.private.example"), False, "its address is in a private network"),
        (Endpoints("", ""), True, "Confluent gives no address for it"),
        (
            replace(build.ENDPOINTS, is_paused=True),
            False,
            "the cluster is paused until someone resumes it in Confluent Cloud",
        ),
        (build.ENDPOINTS, False, "Latchkey doesn't send secrets to its address"),
    ],
)
async def test_a_secret_is_sent_to_no_address_that_is_not_vouched_for(
    here: Here, endpoints: Endpoints, *, is_trusted: bool, why: str
) -> None:
    await here.made(endpoints=endpoints)
    here.plane.is_trusted = is_trusted
    here.clock.advance(20 * SECOND)

    probe = await here.look()

    assert (probe.verdict, probe.at, probe.next_at, probe.last) == ("unreachable", here.clock(), None, why)
    assert here.plane.seen == []


async def test_without_its_secret_there_is_nothing_left_to_try(here: Here) -> None:
    stored = await here.made()
    here.clock.advance(20 * SECOND)
    ready = _ready(stored)
    await here.probes.transitions.commit(stored, replace(ready, attempt=2))  # what is sealed is of another attempt

    probe = await here.look()

    assert (probe.verdict, probe.next_at, here.plane.seen) == ("", None, [])


async def test_a_click_that_was_quicker_wins(here: Here) -> None:
    stored = await here.made()
    ready = _ready(stored)
    here.clock.advance(20 * SECOND)
    shown = ready.then(Revealing, until=here.clock() + build.HOUR)
    revealing, secret = await here.probes.transitions.commit(stored, shown, extra=With(take_secret=True))

    with pytest.raises(Conflict):
        await here.probes.probe(stored, ready)

    assert secret == Secret(SECRET)
    assert here.plane.seen == [], "the secret is with its owner now, and Latchkey has none to send"
    assert await here.stored() == revealing


async def test_what_was_looked_at_is_in_no_log_and_no_audit_line(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await here.made()
    here.plane.answers = [200, 200]
    for _ in range(2):
        here.clock.advance(20 * SECOND)
        await here.look()

    lines: list[Any] = [line async for line in here.store.audit.read()]
    assert len(here.plane.seen) == 2
    assert "marker0secret" not in f"{caplog.text}{lines}{await here.stored()}"


def test_chance_is_a_share_either_way() -> None:
    drawn = [chance() for _ in range(1000)]

    assert -1 <= min(drawn) < -0.5 < 0.5 < max(drawn) <= 1
