"""Whatever fails, and wherever: one approved request leaves at most one live key, whose secret was shown once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Endpoints
from bot.domain.errors import CloudRefused, Conflict
from bot.domain.keys import ApiKey, KeyId, Operation, Principal, RequestId, Resource, Secret, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.policy import Mint
from bot.domain.requests import Approved, Confirmed, Denied, Failed, Keyed, Ready, Request, Retired, Shown, Undelivered
from bot.services import worker
from bot.services.agenda import Item, ItemKind
from bot.services.commands import Deed, Deny, Replace, ReplyTo, Saved, Show
from bot.services.ports.cloud import NewKey
from bot.services.ports.store import Change, Stored
from tests.services.world import PAUSE, Watched, World, a_world, check_at_rest
from tests.support import build
from tests.support.build import DANA, ERIN
from tests.support.fakes import FakeCloud
from tests.support.faults import FORGETTABLE, Fault, Plan

R1 = RequestId("R1")
SHOW, SAVED, REPLACE = "clicks Show secret", "clicks I saved it", "clicks Replace key"
TWICE, WAIT, LONG = "clicks Show secret twice at once", "waits a minute", "waits half a day"
STEPS = (SHOW, SAVED, REPLACE, TWICE, WAIT, LONG)
USUAL = (SHOW, SAVED)
CALLS = 90
"""How far faults are planned; a test of its own sees that the usual run makes no more calls."""
MINTS: tuple[Mint, ...] = ("on_approval", "on_claim")
WHERE = (
    "agenda.settle",
    "agenda.take",
    "audit.append",
    "cloud.create_key",
    "cloud.delete_key",
    "cloud.keys",
    "cloud.role_bindings",
    "inbox.done",
    "notifier.hand_over",
    "notifier.publish",
    "requests.commit",
    "requests.get",
)
Faults = Mapping[int | tuple[str, int], Fault]
ANYWHERE = st.dictionaries(st.integers(0, CALLS), st.sampled_from(Fault), max_size=3)
AT_CALLS = st.dictionaries(st.tuples(st.sampled_from(WHERE), st.integers(0, 3)), st.sampled_from(Fault), max_size=4)
LANDINGS = st.lists(st.sampled_from([0, 4, 20, 100, 170]), max_size=2)
"""Seconds until a new key shows in lists; less than the last look for a lost key waits."""


async def played(
    faults: Faults,
    script: Sequence[str] = USUAL,
    landing: Sequence[int] = (),
    mint: Mint = "on_approval",
    lifetime: timedelta | None = None,
    pause: timedelta = PAUSE,
) -> World:
    """An approved request; its requester does what the script says; then everything comes to rest, long after."""
    async with a_world(Plan(faults), pause=pause) as world:
        world.cloud.landing = [timedelta(seconds=late) for late in landing]
        await world.seed(build.approved(terms=build.terms(mint=mint, lifetime=lifetime)))
        world.start()
        await world.work_now()
        for step in script:
            await _step(world, step)
            await world.work_now()
        await world.settle()
        await check_at_rest(world)
        return world


async def _step(world: World, step: str) -> None:
    # The buttons stand under the secret, so who presses them has seen this very key's.
    state = await world.state()
    saw = isinstance(state, Keyed) and state.key.id in world.shown()
    attempt: int = getattr(state, "attempt", 1)
    deeds: dict[str, list[Deed]] = {
        SHOW: [Show(R1, attempt)],
        TWICE: [Show(R1, attempt), Show(R1, attempt)],
        SAVED: [Saved(R1, attempt)] if saw else [],
        REPLACE: [Replace(R1, attempt)] if saw else [],
    }
    for deed in deeds.get(step, []):
        await world.click(deed)
    if step in {WAIT, LONG}:
        world.clock.advance(timedelta(minutes=1) if step == WAIT else timedelta(hours=12))


async def test_the_usual_run_is_within_the_reach_of_the_planned_faults() -> None:
    world = await played({})

    assert isinstance(await world.state(), Confirmed)
    assert 60 < len(world.plan.calls) <= CALLS
    assert set(WHERE) - {"audit.append", "cloud.delete_key"} <= set(world.plan.calls)


@pytest.mark.search
@given(
    st.one_of(ANYWHERE, AT_CALLS),
    st.lists(st.sampled_from(STEPS), max_size=5),
    LANDINGS,
    st.sampled_from(MINTS),
    st.sampled_from([None, build.HOUR, 2 * build.DAY]),
)
@settings(max_examples=60)
def test_at_rest_there_is_one_key_that_was_shown_or_none_at_all(
    faults: Faults, script: list[str], landing: list[int], mint: Mint, lifetime: timedelta | None
) -> None:
    asyncio.run(played(faults, script, landing, mint, lifetime))


@pytest.mark.search
@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.ERROR_AFTER, Fault.FORGOTTEN])
def test_any_single_call_may_be_the_last_of_its_process_or_lose_its_answer(fault: Fault) -> None:
    for call in range(0, CALLS, 2):
        asyncio.run(played({call: fault}))


@pytest.mark.parametrize("nth", range(2))
def test_a_click_whose_process_dies_as_it_is_done_is_held_by_nobody(nth: int) -> None:
    asyncio.run(played({("inbox.done", nth): Fault.KILL_AFTER}))


@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize("write", sorted(FORGETTABLE))
def test_r1_any_write_that_waits_for_no_replica_may_be_lost_in_a_failover(write: str, nth: int) -> None:
    asyncio.run(played({(write, nth): Fault.FORGOTTEN}, (SHOW, SAVED)))


@pytest.mark.search
@given(st.dictionaries(st.integers(28, 70), st.sampled_from(Fault), min_size=1, max_size=2), st.sampled_from(MINTS))
@settings(max_examples=30)
def test_clicks_at_once_show_the_secret_once_whatever_fails_meanwhile(faults: Faults, mint: Mint) -> None:
    asyncio.run(played(faults, (TWICE, TWICE, WAIT, SHOW), mint=mint))


async def test_of_two_clicks_at_once_one_shows_the_secret_and_the_other_says_so() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()

        await world.click(Show(R1, 1))
        await world.click(Show(R1, 1))
        await world.work_now()

        assert len(world.slack.handed) == 1
        assert [text for _, text in world.slack.said if "this secret" in text] != []
        assert isinstance(await world.state(), Shown)


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
async def test_a_secret_that_slack_may_not_have_taken_costs_its_key_and_can_be_issued_again(fault: Fault) -> None:
    async with a_world(Plan({("notifier.hand_over", 0): fault})) as world:
        await world.seed(build.approved())
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()

        assert isinstance(await world.state(), Undelivered)
        assert world.cloud.live(R1) == []

        await world.click(Replace(R1, 1))
        await world.work_now()
        await world.click(Show(R1, 2))
        await world.work_now()

        assert isinstance(await world.state(), Shown)
        await world.settle()
        await check_at_rest(world)


async def test_a_click_that_waited_too_long_shows_nothing_and_says_so() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()

        await world.click(Show(R1, 1), at=world.clock() - timedelta(minutes=3))
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert world.slack.handed == []
        assert "again" in world.slack.said[-1][1]


async def test_a_click_that_nothing_can_answer_for_its_reader_alone_costs_no_key() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()

        in_a_modal = build.a_click(Show(R1, 1), build.DANA, world.clock(), reply=ReplyTo(channel="D01"))
        await world.store.inbox.put(in_a_modal, world.clock())
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert world.slack.handed == []
        assert "Run `/apikey requests` and select `Show secret`." in world.slack.said[-1][1]


async def test_nobody_but_the_requester_is_shown_the_secret() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()

        await world.click(Show(R1, 1), by=build.ERIN)
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert world.slack.handed == []
        assert world.slack.said[-1][0] == build.ERIN.slack
        assert (await world.audit())[-1]["action"] == "secret:show-refused"


@pytest.mark.parametrize("is_other_slack", [True, False])
async def test_nobody_is_shown_the_secret_who_is_the_requester_at_one_side_only(*, is_other_slack: bool) -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        if is_other_slack:  # with the same address, and so the same Confluent user
            impostor = replace(DANA, slack=SlackUserId("U9"))
            world.slack.people.append(impostor)
        else:  # in Dana's Slack account, whose address another Confluent user has already
            impostor = replace(DANA, principal=Principal("u-other"))
            world.cloud.people[:] = [impostor if each == DANA else each for each in world.cloud.people]

        await world.click(Show(R1, 1), by=impostor)
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert world.slack.handed == []
        assert "Only the person who requested this key" in world.slack.said[-1][1]
        assert (await world.audit())[-1]["action"] == "secret:show-refused"


async def test_a_sealed_secret_that_does_not_open_costs_its_key_and_says_so() -> None:
    async with a_world() as world:
        redis: Any = world.connections[0]
        await world.seed(build.approved())
        await world.work_now()
        await redis.set(b"lk:{T01}:secret:R1", b"damaged")

        await world.click(Show(R1, 1))
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Undelivered)
        assert state.why == "The stored secret couldn't be read."
        assert world.slack.handed == []
        assert world.cloud.live(R1) == []


async def test_who_says_that_it_is_saved_changes_neither_when_it_was_shown_nor_what_is_planned() -> None:
    async with a_world() as world:
        await world.seed(build.approved(terms=build.terms(lifetime=30 * build.DAY)))
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        shown = await world.state()
        assert isinstance(shown, Shown)
        world.clock.advance(build.HOUR)
        await world.click(Saved(R1, 1))
        await world.work_now()

        confirmed = await world.state()
        assert isinstance(confirmed, Confirmed)
        assert (confirmed.shown_at, confirmed.at) == (shown.at, shown.at + build.HOUR)
        assert confirmed.life == shown.life


async def test_what_is_known_of_a_key_stays_known_once_its_secret_is_shown() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.settle(timedelta(minutes=10))
        ready = await world.state()
        assert isinstance(ready, Ready)
        assert ready.life.probe.verdict
        await world.click(Show(R1, 1))
        await world.work_now()

        shown = await world.state()
        assert isinstance(shown, Shown)
        assert shown.life.endpoints == ready.endpoints == build.ENDPOINTS
        assert shown.life.probe == replace(ready.life.probe, next_at=None)


async def test_another_key_is_made_until_the_approval_ends_and_not_then() -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        shown = await world.state()
        assert isinstance(shown, Shown)

        world.clock.now = shown.grant.fresh_until
        await world.click(Replace(R1, 1))
        await world.work_now()

        assert "nothing changed" in world.slack.said[-1][1]
        assert world.cloud.live(R1) == [shown.key.id]


@pytest.mark.parametrize("nth", range(4, 12))
def test_a_slow_process_does_not_delete_the_key_that_a_faster_one_made(nth: int) -> None:
    asyncio.run(played({("requests.get", nth): Fault.PAUSE_AFTER}, (SHOW, REPLACE, SHOW, SAVED)))


@pytest.mark.parametrize("mint", MINTS)
def test_a_key_made_by_a_process_long_given_up_is_deleted_by_that_process(mint: Mint) -> None:
    asyncio.run(played({("cloud.create_key", 0): Fault.PAUSE_BEFORE}, mint=mint, pause=timedelta(minutes=6)))


@pytest.mark.search
@pytest.mark.parametrize("mint", MINTS)
@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize("call", [("cloud.delete_key", 0), ("audit.append", 1), ("audit.append", 2)])
def test_a_key_that_its_maker_could_not_delete_is_looked_for_once_more(
    call: tuple[str, int], fault: Fault, mint: Mint
) -> None:
    faults: Faults = {("cloud.create_key", 0): Fault.PAUSE_BEFORE, call: fault}

    world = asyncio.run(played(faults, mint=mint, pause=timedelta(minutes=6)))

    assert any(effect.what == "delete" for effect in world.effects)


async def test_a_key_is_not_deleted_because_its_requester_was_quicker_than_the_answer_to_its_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_world() as world:
        commit = Watched.commit

        async def answered_late(self: Watched, change: Change) -> tuple[Stored[Request], Secret | None]:
            """The write lands, its answer is lost, and it is sent again when others have gone on from it."""
            written = await commit(self, change)
            if isinstance(change.after, Ready):
                monkeypatch.undo()
                await world.click(Show(R1, 1))
                await world.work(world.start())
                raise Conflict("Somebody was faster.")
            return written

        monkeypatch.setattr(Watched, "commit", answered_late)
        await world.seed(build.approved())
        await world.work_now()

        assert isinstance(await world.state(), Shown)
        assert world.shown() == world.cloud.live(R1)


@dataclass(slots=True)
class Emptied(FakeCloud):
    """A Confluent that makes a key while the store forgets the request for it."""

    forget: Callable[[], Awaitable[Any]] | None = None

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        made = await FakeCloud.create_key(self, new)
        assert self.forget is not None
        await self.forget()
        return made


async def test_a_key_whose_request_the_store_has_forgotten_is_deleted() -> None:
    async with a_world(cloud=Emptied) as world:
        assert isinstance(world.cloud, Emptied)
        redis: Any = world.connections[0]
        world.cloud.forget = lambda: redis.delete(b"lk:{T01}:request:R1")
        await world.seed(build.approved())
        await world.work_now()

        assert [effect.what for effect in world.effects] == ["create", "delete"]
        assert world.cloud.live() == []


def test_every_lost_attempt_is_looked_for_once_more_after_it_was_given_up() -> None:
    # The second answer is lost so late that the last look for the first attempt is over before its key lands.
    slow: Faults = {("cloud.role_bindings", nth): Fault.ERROR_BEFORE for nth in (2, 3, 4, 5)}
    lost: Faults = {("cloud.create_key", nth): Fault.ERROR_AFTER for nth in (0, 1)}

    world = asyncio.run(played({**slow, **lost}, (), (0, 170)))

    assert [effect.what for effect in world.effects] == ["create", "delete", "create", "create", "delete", "delete"]


def test_a_request_whose_answers_are_always_lost_fails_and_leaves_nothing() -> None:
    async def run() -> Failed:
        async with a_world(Plan({("cloud.create_key", nth): Fault.ERROR_AFTER for nth in range(20)})) as world:
            await world.seed(build.approved())
            await world.settle()
            await check_at_rest(world)
            assert len(world.effects) == 10  # five keys made, five deleted
            state = await world.state()
            assert isinstance(state, Failed)
            return state

    assert "5 times" in asyncio.run(run()).happened


def test_a_key_that_shows_up_seconds_after_its_answer_was_lost_is_deleted_before_the_next_is_made() -> None:
    world = asyncio.run(played({("cloud.create_key", 0): Fault.ERROR_AFTER}, (WAIT, WAIT, WAIT, *USUAL), (4,)))

    assert [effect.what for effect in world.effects] == ["create", "delete", "create"]
    assert isinstance(world.history[-1].after, Confirmed)


async def test_the_audit_log_says_what_became_of_an_attempt_before_the_next_one_begins() -> None:
    async with a_world(Plan({("cloud.create_key", 0): Fault.KILL_BEFORE})) as world:
        await world.seed(build.approved())
        await world.settle(timedelta(minutes=2))

        lines = [
            (line["action"], line["details"].get("marker"), "found" in line["details"]) for line in await world.audit()
        ]
        assert lines[1:4] == [
            ("key:create-intended", "[lk:R1/1]", False),
            ("key:create-unknown", "[lk:R1/1]", True),
            ("key:create-intended", "[lk:R1/2]", False),
        ]


@pytest.mark.parametrize("mint", MINTS)
def test_what_may_not_be_forgotten_is_on_disk_before_it_has_an_effect(mint: Mint) -> None:
    world = asyncio.run(played({}, mint=mint))

    durable = {change.after.kind for change in world.history if change.durable}
    assert durable == {"working", "revealing"} | ({"ready"} if mint == "on_approval" else set())


async def test_t3_a_key_whose_intent_is_nowhere_safe_waits_and_says_so() -> None:
    async with a_world(Plan({("requests.commit", 0): Fault.ERROR_BEFORE})) as world:
        await world.seed(build.approved())
        await world.work()
        state = await world.state()
        assert isinstance(state, Approved)
        assert (bool(state.trouble), state.attempt, world.effects) == (True, 1, [])

        await world.settle(timedelta(minutes=1))

        ready = await world.state()
        assert isinstance(ready, Ready)
        assert (ready.attempt, [effect.what for effect in world.effects]) == (1, ["create"])


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
def test_a_key_is_deleted_after_its_intent_is_on_record_and_not_before(fault: Fault) -> None:
    asyncio.run(played({("audit.append", 0): fault, ("cloud.delete_key", 0): Fault.ERROR_BEFORE}, ()))


def test_a_key_is_deleted_when_its_life_is_over() -> None:
    world = asyncio.run(played({}, lifetime=2 * build.DAY))

    assert [effect.what for effect in world.effects] == ["create", "delete"]
    assert isinstance(world.history[-1].after, Retired)
    assert world.cloud.minted[world.effects[1].key.id].deleted_at == build.NOW + 2 * build.DAY


def test_a_key_whose_secret_nobody_takes_is_deleted_when_its_time_is_over() -> None:
    world = asyncio.run(played({}, ()))

    assert [effect.what for effect in world.effects] == ["create", "delete"]
    assert world.effects[-1].key.id == "KEY0000000000001"
    assert world.slack.handed == []


@dataclass(slots=True)
class Silent(FakeCloud):
    """A Confluent that never answers the first create, and makes no key then."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        if not self.asked.is_set():
            self.asked.set()
            await asyncio.Event().wait()
        return await FakeCloud.create_key(self, new)


async def test_who_is_told_to_stop_leaves_what_takes_too_long_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "STOPS_WITHIN", 0.01)
    async with a_world(cloud=Silent) as world:
        assert isinstance(world.cloud, Silent)
        await world.seed(build.approved())
        first, stop = world.start(), asyncio.Event()
        running = asyncio.create_task(first.worker.run(stop))
        await world.cloud.asked.wait()

        stop.set()
        await asyncio.wait_for(running, 30)

        world.processes = [world.start()]
        await world.settle(timedelta(minutes=5))
        assert isinstance(await world.state(), Ready)
        assert [effect.what for effect in world.effects] == ["create"]


async def test_an_approval_withdrawn_before_the_effect_makes_no_key() -> None:
    async with a_world() as world:
        world.cloud.bindings.clear()
        await world.seed(build.approved())

        await world.settle()

        state = await world.state()
        assert isinstance(state, Failed)
        assert "lost the role" in state.happened
        assert world.effects == []


@dataclass(slots=True)
class Forbidding(FakeCloud):
    """A Confluent that does not let us look at the resource."""

    async def resource(self, kind: Kind, environment: str, id_: str) -> tuple[Resource, Endpoints] | None:
        raise CloudRefused(status=403, detail="not authorised", reference="R-9")


async def test_what_confluent_does_not_let_us_look_at_before_the_effect_ends_the_request() -> None:
    async with a_world(cloud=Forbidding) as world:
        await world.seed(build.approved())
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Failed)
        assert (state.happened, state.changed) == ("not authorised", "Nothing changed in Confluent Cloud.")
        assert state.reference == "R-9"
        assert world.effects == []


async def test_what_an_earlier_attempt_left_goes_before_the_next_key_is_made() -> None:
    async with a_world() as world:
        left = world.cloud.add(build.a_key("KEY0000000000077", marker="[lk:R1/1]", kind=Kind.KAFKA))
        await world.seed(build.approved(attempt=2))
        await world.work_now()

        state = await world.state()
        assert isinstance(state, Ready)
        assert world.cloud.live(R1) == [state.key.id]
        assert [(effect.what, effect.key.id) for effect in world.effects] == [
            ("delete", left.id),
            ("create", state.key.id),
        ]


async def test_an_old_record_put_back_into_the_store_makes_no_second_key() -> None:
    async with a_world() as world:
        redis: Any = world.connections[0]
        await world.seed(build.approved())
        key = b"lk:{T01}:request:R1"
        old = await redis.hgetall(key)
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        assert len(world.cloud.live(R1)) == 1

        await redis.hset(key, mapping=old)
        await world.store.agenda.put(Item(ItemKind.REQUEST, "R1"), world.clock())
        await world.work_now()
        world.clock.advance(build.DAY)
        await world.work_now()

        assert len([effect for effect in world.effects if effect.what == "create"]) == 1


async def test_i_saved_it_under_an_older_secret_says_nothing_about_the_next_one() -> None:
    async with a_world(Plan({("notifier.hand_over", 1): Fault.KILL_BEFORE})) as world:
        await world.seed(build.approved())
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.work_now()
        await world.click(Replace(R1, 1))
        await world.work_now()

        await world.click(Show(R1, 2))  # the process dies before it shows anything
        await world.work_now()
        await world.click(Saved(R1, 1))  # on the message with the first secret
        await world.settle()

        await check_at_rest(world)


@dataclass(slots=True)
class Meeting(FakeCloud):
    """A Confluent that answers the first create once its key is being deleted, and that delete once `recorded` is."""

    made: asyncio.Event = field(default_factory=asyncio.Event)
    deleting: asyncio.Event = field(default_factory=asyncio.Event)
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def create_key(self, new: NewKey) -> tuple[ApiKey, Secret]:
        made = await FakeCloud.create_key(self, new)
        if len(self.minted) == 1:
            self.made.set()
            await self.deleting.wait()
        return made

    async def delete_key(self, key: KeyId, owner: Principal, resource: Resource) -> bool:
        was_there = await FakeCloud.delete_key(self, key, owner, resource)
        if not self.deleting.is_set():
            self.deleting.set()
            await self.recorded.wait()
        return was_there


async def test_a_slow_maker_records_no_key_that_is_being_deleted() -> None:
    async with a_world(cloud=Meeting) as world:
        cloud = world.cloud
        assert isinstance(cloud, Meeting)
        await world.seed(build.approved())
        slow, fast = world.start(), world.start()

        making = asyncio.create_task(world.work(slow))
        await cloud.made.wait()
        world.clock.advance(timedelta(seconds=61))
        finding = asyncio.create_task(world.work(fast))
        await making
        cloud.recorded.set()
        await finding
        await world.work_now()
        await world.click(Show(R1, 1))
        await world.settle()

        await check_at_rest(world)


# --- who stands still for longer than a lease says nothing that another process says --------------------------------


@pytest.mark.parametrize("at", ["inbox.get", "cloud.role_bindings", "requests.commit"])
async def test_t17_who_clicked_has_one_answer_where_its_process_was_paused(at: str) -> None:
    async with a_world(Plan({(at, 0): Fault.PAUSE_AFTER})) as world:
        await world.seed(build.pending())
        world.start()
        await world.work_now()
        await world.click(Deny(R1, "Not this week."), ERIN)
        await world.work_now()

        assert isinstance(await world.state(), Denied)
        assert len(world.slack.said) == 1, world.slack.said


async def test_t17_who_was_paused_does_not_promise_to_go_on_with_what_another_process_did() -> None:
    away: Faults = {("cloud.users", 0): Fault.PAUSE_BEFORE, ("cloud.role_bindings", 1): Fault.ERROR_BEFORE}
    async with a_world(Plan(away)) as world:
        await world.seed(build.pending())
        world.start()
        await world.work_now()
        await world.click(Deny(R1, "Not this week."), ERIN)
        await world.work_now()

        assert len(world.slack.said) == 1, world.slack.said


@pytest.mark.parametrize("at", ["posts.get", "posts.put"])
async def test_t17_each_message_is_sent_once_where_its_process_was_paused(at: str) -> None:
    async with a_world(Plan({(at, 0): Fault.PAUSE_AFTER})) as world:
        await world.seed(build.pending())
        world.start()
        await world.work_now()

        sent = [versions[0][0] for versions in world.slack.messages.values()]
        assert sorted(sent) == ["asked", "card"]


@pytest.mark.parametrize("nth", [0, 1])
async def test_t17_what_a_paused_process_showed_too_late_is_drawn_again(nth: int) -> None:
    async with a_world(Plan({("notifier.publish", nth): Fault.PAUSE_BEFORE})) as world:
        ask = build.an_ask(operation=Operation.DELETE, key=build.a_key(marker=""))
        await world.seed(build.approved(ask=ask))
        world.start()
        await world.settle(timedelta(minutes=5))

        assert {versions[-1][1].kind for versions in world.slack.messages.values()} == {"done"}
