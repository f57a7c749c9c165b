"""When a new key works: what one test means, and when to test again.

Confluent's data planes learn about a new key within seconds to minutes. Until then they reject it, with the same codes
as a wrong key or an owner without permission. Only time tells these apart.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal, TypeAlias

from bot.domain.catalog import Endpoints
from bot.domain.keys import ApiKey
from bot.domain.kinds import Kind

STEPS = tuple(timedelta(seconds=each) for each in (5, 10, 15, 20, 30))
"""How long to wait after the first test, the second and so on; the last one repeats."""
JITTER = 0.2
"""How far a step varies at random in either direction, as a share of it."""
KAFKA_APART = timedelta(seconds=20)
"""Several brokers share one address, so Kafka has to accept a key twice in a row, this far apart."""
SPREADING = timedelta(minutes=2)
"""While a key is younger than this, a 403 may only mean that it hasn't spread."""
MOST_FORBIDDEN = 3
MOST_UNREACHABLE = 2
LONGEST = timedelta(minutes=10)
"""A rejection that lasts longer has another cause."""
LEAST_TRIES = 3
"""Tests before time alone ends it: a Latchkey that was down for ten minutes still tests properly."""
DETAIL = 200
"""Characters of the other side's words that are kept."""
ProbeVerdict: TypeAlias = Literal["", "works", "no-permission", "unreachable", "gave-up"]
"""`works`: accepted. `no-permission`: rejected with 403, because its owner has no permission yet, or an IP filter keeps
Latchkey out; no source says whether the two answers differ. `unreachable`: can't be tested from here, as in a private
network. `gave-up`: still rejected after ten minutes. "": not known yet, or no longer tested."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one test. `status` is HTTP's; 0 if nothing answered: no such host, no connection, no TLS."""

    status: int
    detail: str = ""
    """Confluent's own words, or the name of the failure: for people, and for operators."""
    reference: str = ""
    """Confluent's X-Request-Id."""
    wait: timedelta | None = None
    """What `Retry-After` asks for."""
    code: str = ""
    """The data plane's own code of an error."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How far the tests of a new key are. `next_at` None: there are no more."""

    verdict: ProbeVerdict = ""
    at: datetime | None = None
    """When the verdict was reached."""
    next_at: datetime | None = None
    tries: int = 0
    passed_at: datetime | None = None
    """The first success, if one isn't enough."""
    forbidden: int = 0
    unreachable: int = 0
    """How many tests in a row reached nothing."""
    last: str = ""
    """The last answer, in words for people."""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class OtherKey:
    """What the leading request of a pair knows about the second key: as its record had it before both were shown."""

    key: ApiKey
    endpoints: Endpoints
    probe: Probe = field(default=Probe())


def begin(kind: Kind, created_at: datetime) -> Probe:
    """The plan for a key that was just created."""
    return Probe(next_at=created_at + kind.row.readiness.first)


def after(kind: Kind, probe: Probe, answer: Answer, created_at: datetime, now: datetime, jitter: float) -> Probe:
    """The plan after a test with this answer at `now`; `jitter` is random, from -1 to 1.

    A verdict ends the tests. There is one at the latest when the key is older than `LONGEST` and was tested
    `LEAST_TRIES` times, unless Kafka has just accepted it once: then the next test decides.
    """
    seen = _counted(kind, probe, answer, now, created_at)
    if answer.status == HTTPStatus.OK:
        if not kind.row.readiness.is_twice or (seen.passed_at and now - seen.passed_at >= KAFKA_APART):
            return _over(seen, "works", now)
        first = seen.passed_at or now
        return replace(seen, passed_at=first, next_at=max(first + KAFKA_APART, now + _step(seen, jitter)))
    seen = replace(seen, passed_at=None)
    is_late = now - created_at >= LONGEST and seen.tries >= LEAST_TRIES
    if seen.forbidden >= MOST_FORBIDDEN or (is_late and answer.status == HTTPStatus.FORBIDDEN):
        return _over(seen, "no-permission", now)
    if seen.unreachable >= MOST_UNREACHABLE:
        return _over(seen, "unreachable", now)
    if is_late or not _is_pending(kind, answer):
        return _over(seen, "gave-up", now)
    soon = now + _step(seen, jitter)
    if now < created_at + LONGEST < soon:
        soon = created_at + LONGEST  # the last test comes when it was promised
    return replace(seen, next_at=max(soon, now + (answer.wait or timedelta())))


def unreachable(probe: Probe, now: datetime, why: str) -> Probe:
    """The plan if there is no address to test; `why` in words for people."""
    return _over(replace(probe, last=why), "unreachable", now)


def abandoned(probe: Probe) -> Probe:
    """The plan once the secret is gone and nobody can test: what is known is kept."""
    return replace(probe, next_at=None)


def met(kind: Kind, answer: Answer) -> str:
    """The answer in words for people, without a period; at most `DETAIL` characters of the other side's."""
    said = " ".join(answer.detail.split()).removesuffix(".")
    said = said if len(said) <= DETAIL else f"{said[:DETAIL]}…"
    if _is_cluster_in_trouble(kind, answer):
        return f"{kind.row.readiness.trouble_means} ({said})"
    if not answer.status:
        return f"nothing answered ({said})" if said else "nothing answered"
    if not said.startswith(str(answer.status)):  # if the other side says nothing, there is only its status
        said = f"{answer.status}, {said}" if said else str(answer.status)
    return f"HTTP {said}"


def _counted(kind: Kind, probe: Probe, answer: Answer, now: datetime, created_at: datetime) -> Probe:
    """What was seen so far, including this answer."""
    is_forbidden = answer.status == HTTPStatus.FORBIDDEN and now - created_at >= SPREADING
    return replace(
        probe,
        tries=probe.tries + 1,
        forbidden=probe.forbidden + is_forbidden,
        unreachable=0 if answer.status else probe.unreachable + 1,
        last=met(kind, answer),
        reference=answer.reference,
    )


def _is_pending(kind: Kind, answer: Answer) -> bool:
    """Whether a later answer may be different."""
    match answer.status:
        case 0 | HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.TOO_MANY_REQUESTS:
            return True
        case status:
            if status in kind.row.readiness.not_yet:
                return True
            is_server = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
            return is_server and not _is_cluster_in_trouble(kind, answer)


def _is_cluster_in_trouble(kind: Kind, answer: Answer) -> bool:
    trouble = kind.row.readiness.trouble
    return bool(trouble) and (answer.status, answer.code) == (HTTPStatus.SERVICE_UNAVAILABLE, trouble)


def _step(seen: Probe, jitter: float) -> timedelta:
    return STEPS[min(seen.tries, len(STEPS)) - 1] * (1 + JITTER * jitter)


def _over(seen: Probe, verdict: ProbeVerdict, now: datetime) -> Probe:
    return replace(seen, verdict=verdict, at=now, next_at=None)
