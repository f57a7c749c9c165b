"""Writing a state: all of it in one write, and what follows the write only after it; and trying again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta

import pytest

from bot.domain.audit import SYSTEM, Action, Event
from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, NotFound, Refused, Throttled, Unavailable, Unknown
from bot.domain.keys import RequestId, Secret
from bot.domain.requests import Cancelled
from bot.services.agenda import Item, ItemKind
from bot.services.ports.store import Room
from bot.services.requests.transitions import (
    BACKOFF,
    REFUSED,
    ROUNDS,
    Transitions,
    With,
    backoff,
    persistently,
    summary,
)
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, HOUR, NOW
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
CANCELLED = Cancelled(build.an_ask(), build.terms(), at=NOW)
SAID = {**summary(build.an_ask()), "rule": "r", "policy": "p", "missing": "1"}
ASKED = Event(NOW, DANA.slack, Action.SUBMITTED, R1, SAID)


@dataclass(slots=True)
class Heard:
    """What was told of writes, and how many requests and audit lines there were at that moment."""

    world: World
    transitions: Transitions = field(init=False)
    told: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def __post_init__(self) -> None:
        usual = self.world.start().services.transitions
        self.transitions = replace(usual, wake=self.wake, written=self.written)

    def wake(self) -> None:
        self.told.append(("wake", len(self.world.history)))

    def written(self, events: Sequence[Event]) -> None:
        self.told += [(event.action, self.world._lines) for event in events]


async def test_a_state_is_written_then_its_events_are_counted_and_the_worker_is_woken() -> None:
    async with a_world() as world:
        heard = Heard(world)

        stored, _ = await heard.transitions.commit(None, build.pending(), ASKED)
        assert heard.told == [(Action.SUBMITTED, 1), ("wake", 1)]
        assert (await world.store.requests.get(R1), stored.rev) == (stored, 1)

        cancelled, _ = await heard.transitions.commit(stored, CANCELLED)
        assert (await world.store.requests.get(R1), cancelled.rev) == (cancelled, 2)
        assert [(change.due, change.durable) for change in world.history] == [(NOW, False)] * 2, "due at once"


@pytest.mark.parametrize("fault", [Fault.REFUSED_BEFORE, Fault.ERROR_BEFORE])
async def test_what_was_not_written_is_not_counted_and_wakes_nobody(fault: Fault) -> None:
    async with a_world(Plan({("requests.commit", 1): fault, ("audit.append", 0): Fault.ERROR_BEFORE})) as world:
        heard = Heard(world)
        stored, _ = await heard.transitions.commit(None, build.pending(), ASKED)
        before = (heard.told.copy(), world.history.copy(), await world.audit())

        with pytest.raises((Conflict, Unavailable)):
            await heard.transitions.commit(stored, CANCELLED)
        with pytest.raises(Unavailable):
            await heard.transitions.record(Action.REFUSED, R1)
        assert (heard.told, world.history, await world.audit()) == before


async def test_of_two_who_saw_the_same_record_the_second_changes_nothing() -> None:
    async with a_world() as world:
        await world.seed(build.pending())
        transitions = world.start().services.transitions
        seen = await transitions.get(R1)
        await transitions.commit(seen, replace(build.pending(), drawn=2))

        with pytest.raises(Conflict):
            await transitions.commit(seen, CANCELLED)
        assert (await world.state()).kind == "pending"


async def test_all_that_goes_with_a_state_is_in_its_one_write_and_the_secret_comes_out_once() -> None:
    also, secret = {Item(ItemKind.GONE, "R2"): NOW + HOUR}, Secret("cfltmarker0secret")
    extra = With(secret=secret, secret_until=NOW + HOUR, also=also, durable=True, room=Room(3, anyway=True))
    async with a_world() as world:
        transitions = world.start().services.transitions
        ready, taken = await transitions.commit(None, build.ready(), ASKED, extra=extra)
        assert taken is None

        taking = [await transitions.commit(ready, build.ready(), extra=With(take_secret=True))]
        taking.append(await transitions.commit(taking[0][0], build.ready(), extra=With(take_secret=True)))
        assert [taken and taken.reveal() for _, taken in taking] == [secret.reveal(), None]
        assert [change.take_secret for change in world.history] == [False, True, True]
        written = world.history[0]
        assert [getattr(written, each.name) for each in fields(extra)] == [
            getattr(extra, each.name) for each in fields(extra)
        ]


async def test_a_request_that_nobody_knows_is_said_to_be_none_and_found_to_be_none() -> None:
    async with a_world() as world:
        transitions = world.start().services.transitions

        assert await transitions.find(R1) is None
        with pytest.raises(NotFound, match="doesn't know this request"):
            await transitions.get(R1)


async def test_an_event_is_of_this_moment_and_of_the_system_unless_somebody_did_it() -> None:
    async with a_world() as world:
        transitions = world.start().services.transitions
        world.clock.advance(HOUR)

        assert transitions.event(Action.EXPIRED, R1) == Event(NOW + HOUR, SYSTEM, Action.EXPIRED, R1, {})
        said = {"reason": "no"}
        assert transitions.event(Action.REFUSED, None, DANA.slack, **said).actor == DANA.slack
        await transitions.record(Action.REFUSED, R1, DANA.slack, **said, rule="r", policy="p")
        (line,) = await world.audit()
        assert (line["actor"], line["request"], line["details"]) == (
            DANA.slack,
            R1,
            {**said, "rule": "r", "policy": "p"},
        )


@dataclass(slots=True)
class Step:
    """A step that others are quicker at so many times."""

    conflicts: int
    error: LatchkeyError = field(default_factory=lambda: Conflict("Somebody was faster."))
    taken: int = 0

    async def __call__(self) -> int:
        self.taken += 1
        if self.taken <= self.conflicts:
            raise self.error
        return self.taken


async def test_a_step_is_taken_again_while_others_are_quicker_and_not_for_ever() -> None:
    assert await persistently(Step(ROUNDS - 1)) == ROUNDS

    step = Step(ROUNDS)
    with pytest.raises(Refused, match="Nothing changed"):
        await persistently(step)
    assert step.taken == ROUNDS


@pytest.mark.parametrize("error", [Refused("No."), Unavailable("Away."), Unknown("Away.")])
async def test_a_step_that_fails_for_another_reason_is_not_taken_again(error: LatchkeyError) -> None:
    step = Step(1, error)

    with pytest.raises(type(error)):
        await persistently(step)
    assert step.taken == 1


def test_the_wait_grows_with_each_try_up_to_the_last_of_the_list() -> None:
    waits = [backoff(tries, Unavailable("Away.")) for tries in range(len(BACKOFF) + 2)]

    assert waits == [*BACKOFF, BACKOFF[-1], BACKOFF[-1]]
    assert waits == sorted(waits)
    assert backoff(0) == BACKOFF[0]


def test_who_says_how_long_to_wait_is_believed_and_a_refusal_waits_for_people() -> None:
    assert backoff(0, Throttled("Busy.", wait=HOUR)) == backoff(9, Throttled("Busy.", wait=HOUR)) == HOUR
    assert backoff(0, CloudRefused(status=403, detail="no", reference="r")) == REFUSED >= timedelta(minutes=1)
