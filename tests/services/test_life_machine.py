"""Several keys live their lives in any order of things, under faults: each ends when it should, and none before.

Dana, who administers the environment, makes keys, takes their secrets, rotates, edits, extends and deletes them; Erin
approves. Calls fail, processes die, someone at Confluent's console deletes and renames keys. At every deletion the
machine asks who wanted it; at the end, long after every deadline, it looks at what is left.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bot.domain.deadlines import end_of_life
from bot.domain.keys import ApiKey, KeyId, Marker, Operation, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import without_a_file
from bot.domain.requests import (
    Confirmed,
    Decided,
    Done,
    Failed,
    Pending,
    Ready,
    Request,
    Retired,
    Shown,
    Undelivered,
    Withdrawn,
)
from bot.services.commands import (
    Approve,
    Delete,
    Draft,
    DropFormer,
    Edit,
    Extend,
    KeepFormer,
    Replace,
    Rotate,
    Saved,
    Send,
    Show,
    fingerprint,
)
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, HOUR
from tests.support.faults import Fault
from tests.support.processes import everything_in

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
FOREIGN = KeyId("KEY0000000000099")
"""A key that was made elsewhere; it is rotated, edited and deleted like the others."""
WHERE = ("cloud.create_key", "cloud.delete_key", "cloud.edit_key", "cloud.key", "cloud.keys", "cloud.role_bindings",
         "requests.commit", "requests.get", "notifier.hand_over", "notifier.publish", "notifier.say", "audit.append",
         "agenda.settle", "inbox.done", "prober.probe")  # fmt: skip
EFFECTS = ("cloud.create_key", "cloud.create_key", "cloud.delete_key", "cloud.edit_key", "notifier.hand_over")
LOST = (Fault.ERROR_AFTER, Fault.KILL_AFTER, Fault.KILL_BEFORE)
which = st.integers(0, 5)
how_far = st.sampled_from([2, 2, 2, 3, 1, 0])
"""0: asked, 1: approved, 2: shown, 3: saved."""
LATEST = 35 * DAY
"""After every end there can be: an extension of 10 days asked for by the end of 10 days, and an overlap of 7."""


class Broken(logging.Handler):
    """Listens for errors that nobody foresaw: the worker logs them and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.getMessage()}: {record.exc_info}")


class Lives(RuleBasedStateMachine):
    """What people and the world do, one thing after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.world: World = self.run(self.stack.enter_async_context(a_world()))
        self.wanted_gone: set[KeyId] = set()
        """Keys whose deletion someone has asked for by name."""
        self.gone_elsewhere: set[KeyId] = set()
        self.made = 0
        self.lifetime: timedelta | None = None
        self.unwanted: list[str] = []
        self.broken = Broken()
        logging.getLogger("latchkey").addHandler(self.broken)
        self.world.cloud.watch = self.watched(self.world.cloud.watch)

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @initialize(days=st.sampled_from([2, 10, None]), approvals=st.integers(0, 1))
    def begin(self, days: int | None, approvals: int) -> None:
        """A policy; Dana has a key of Latchkey's already, and there is one that was made elsewhere."""
        usual = without_a_file("C01")
        self.lifetime = lifetime = timedelta(days=days) if days else None
        rules = [
            replace(each, approvals=approvals, lifetime=lifetime) if Operation.CREATE in each.match.operations else each
            for each in usual.rules
        ]
        self.world.policy = replace(usual, rules=tuple(rules))
        self.world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        self.world.cloud.add(build.a_key(FOREIGN, marker="", kind=Kind.KAFKA))
        self.create(2)

    # --- what people do --------------------------------------------------------------------------------------------

    @rule(far=how_far)
    def create(self, far: int) -> None:
        self.made += 1
        draft = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, f"key {self.made}", "", "It is needed")
        self.run(self.world.store.drafts.put(f"D{self.made}", DANA.slack, draft))
        self.click(Send(f"D{self.made}"), now=far > 0)
        self.go_on(RequestId(f"D{self.made}"), far)

    @rule(nth=which, days=st.sampled_from([0, 1, 2, 7]), far=how_far)
    def rotate(self, nth: int, days: int, far: int) -> None:
        if key := self.key(nth):
            self.click(Rotate(key.id, f"after {key.id}", "", "It is time", days), now=far > 0)
            self.go_on(RequestId(f"click-{self.world.clicks}"), far)

    def go_on(self, request: RequestId, far: int) -> None:
        """The request is approved, its secret taken, and saved: as `far` as that."""
        for step in (self.approve_it, self.show_it, self.save_it)[:far]:
            step(self.latest().get(request), now=True)

    def approve_it(self, request: Request | None, *, now: bool) -> None:
        if isinstance(request, Pending):
            self.click(Approve(request.ask.id), now=now, by=ERIN)

    def show_it(self, request: Request | None, *, now: bool) -> None:
        if isinstance(request, Ready):
            self.click(Show(request.ask.id, request.attempt), now=now)

    def save_it(self, request: Request | None, *, now: bool) -> None:
        if isinstance(request, Shown):
            self.click(Saved(request.ask.id, request.attempt), now=now)

    @rule(nth=which, now=st.booleans())
    def next_step(self, nth: int, *, now: bool) -> None:
        request = self.chosen(nth, Pending, Ready, Shown)
        for step in (self.approve_it, self.show_it, self.save_it):
            step(request, now=now)

    @rule(nth=which, now=st.booleans())
    def replaced(self, nth: int, *, now: bool) -> None:
        request = self.chosen(nth, Shown, Confirmed, Undelivered)
        if isinstance(request, Shown | Confirmed | Undelivered):
            self.wanted_gone.add(request.key.id)
            self.click(Replace(request.ask.id, request.attempt), now=now)

    @rule(nth=which, name=st.sampled_from(["one", "two"]), now=st.booleans())
    def edit(self, nth: int, name: str, *, now: bool) -> None:
        if key := self.key(nth):
            seen = fingerprint(key.name, Marker.without(key.description))
            self.click(Edit(key.id, name, "edited", seen, "It has a new name"), now=now)

    @rule(nth=which, now=st.booleans())
    def delete(self, nth: int, *, now: bool) -> None:
        if key := self.key(nth):
            self.wanted_gone.add(key.id)
            self.click(Delete(key.id, "CONFIRM", "It is no longer used"), now=now)

    @rule(nth=which, days=st.sampled_from(["", "1"]), now=st.booleans())
    def extend(self, nth: int, days: str, *, now: bool) -> None:
        if key := self.key(nth):
            self.click(Extend(key.id, "It goes on", days), now=now)
            self.go_on(RequestId(f"click-{self.world.clicks}"), int(now))

    @rule(nth=which, keep=st.booleans(), now=st.booleans())
    def about_the_old_key(self, nth: int, *, keep: bool, now: bool) -> None:
        request = self.chosen(nth, Shown, Confirmed, Retired, rotations=True)
        if isinstance(request, Shown | Confirmed | Retired):
            if not keep and request.ask.key:
                self.wanted_gone.add(request.ask.key.id)
            deed = KeepFormer if keep else DropFormer
            self.click(deed(request.ask.id, request.attempt), now=now)

    # --- what the world does ---------------------------------------------------------------------------------------

    @rule(nth=which)
    def deleted_elsewhere(self, nth: int) -> None:
        if key := self.key(nth):
            self.gone_elsewhere.add(key.id)
            self.world.cloud.minted[key.id].deleted_at = self.world.clock()

    @rule(nth=which)
    def renamed_elsewhere(self, nth: int) -> None:
        if key := self.key(nth):
            self.world.cloud.minted[key.id].key = replace(key, name="renamed in the console")

    @rule(after=st.sampled_from([MINUTE, HOUR, 12 * HOUR, DAY, 3 * DAY]))
    def time_passes(self, after: timedelta) -> None:
        self.run(self.world.settle(after))

    @rule(after=st.sampled_from([HOUR, 2 * DAY]))
    def everybody_sleeps(self, after: timedelta) -> None:
        """All processes were away for so long."""
        self.world.clock.advance(after)
        self.run(self.world.work_now())

    @rule(where=st.sampled_from(WHERE), soon=st.integers(0, 1), fault=st.sampled_from(Fault))
    def fault(self, where: str, soon: int, fault: Fault) -> None:
        """The next call of this kind goes wrong, or the one after it."""
        plan = self.world.plan
        assert isinstance(plan.faults, dict)
        plan.faults[where, plan.calls.count(where) + soon] = fault

    @rule(where=st.sampled_from(EFFECTS), fault=st.sampled_from(LOST))
    def lost(self, where: str, fault: Fault) -> None:
        """The next effect of this kind is one of which nobody hears."""
        self.fault(where, 0, fault)

    @rule(soon=st.integers(0, 20), fault=st.sampled_from([Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.ERROR_AFTER]))
    def fault_anywhere(self, soon: int, fault: Fault) -> None:
        plan = self.world.plan
        assert isinstance(plan.faults, dict)
        plan.faults[len(plan.calls) + soon] = fault

    # --- what must hold --------------------------------------------------------------------------------------------

    def watched(self, told: Any) -> Any:
        """Look at every effect at Confluent in its very moment."""

        def watch(what: str, key: ApiKey) -> None:
            told(what, key)
            if what == "delete" and not self.is_wanted(key):
                self.unwanted.append(f"{key.id} ({key.name}) was deleted at {self.world.clock()}")

        return watch

    def is_wanted(self, key: ApiKey) -> bool:
        """Whether someone asked for it, or it was never shown, or its time is over, or another replaced it."""
        if key.id in self.wanted_gone or (key.id != FOREIGN and key.id not in self.world.shown()):
            return True
        for request in self.latest().values():
            if isinstance(request, Withdrawn) and request.key.id == key.id:
                return not isinstance(request, Retired) or self.is_over(request)
        now = self.world.clock()
        return any(
            old is not None and old.id == key.id and former.until <= now
            for old, former in (
                (change.after.ask.key, change.after.life.former)
                for change in self.world.history
                if isinstance(change.after, Shown | Confirmed | Retired) and change.after.key.id in self.world.shown()
            )
            if former
        )

    def is_over(self, request: Retired) -> bool:
        """Whether a key that was given up had lived as long as it was to live."""
        before = [
            each.after
            for each in self.world.history
            if isinstance(each.after, Shown | Confirmed) and each.after.key.id == request.key.id
        ]
        end = end_of_life(before[-1]) if before else None
        return end is not None and end <= request.at

    def teardown(self) -> None:
        try:
            self.run(self.come_to_rest())
        finally:
            logging.getLogger("latchkey").removeHandler(self.broken)
            self.run(self.stack.aclose())
            self.loop.close()

    async def come_to_rest(self) -> None:
        world = self.world
        assert isinstance(world.plan.faults, dict)
        world.plan.faults.clear()
        for _ in range(7):
            await world.settle(LATEST / 7)
        assert self.unwanted == []
        assert self.broken.said == []
        assert len(world.shown()) == len(set(world.shown())), "a secret was handed over twice"
        live = world.cloud.live()
        for request in self.latest().values():
            self.check(request, live)
        known = {each.key.id for each in self.latest().values() if isinstance(each, Shown | Confirmed)}
        assert set(live) <= known | {FOREIGN}, "a key lives that nobody knows of"
        assert self.lifetime is None or set(live) <= {FOREIGN}, "a key outlived its end"
        assert known - self.gone_elsewhere <= set(live), "a key is gone that is on record as somebody's"
        await check_audit(world)
        await self.check_secrets()

    def check(self, request: Request, live: list[KeyId]) -> None:
        """One request, long after its deadlines."""
        assert isinstance(request, Decided | Shown | Confirmed | Withdrawn | Done | Failed), request
        ours = [key for key in live if self.request_of(key) == request.ask.id]
        assert len(ours) <= 1, f"{request.ask.id} left {ours}"
        assert set(ours) <= set(self.world.shown()), "a key lives whose secret was never shown"
        if isinstance(request, Withdrawn):
            assert request.deleted_at, request
            assert request.key.id not in live
        old = request.ask.key
        if request.ask.operation is Operation.ROTATE and self.took_its_place(request) and old:
            assert old.id not in live, f"{old.id} outlived its overlap: {request}"

    def took_its_place(self, request: Request) -> bool:
        """Whether the key of a rotation was shown, and not taken back since: the old one has to go."""
        return isinstance(request, Shown | Confirmed | Retired) and any(
            isinstance(each.after, Shown | Confirmed) and each.after.key.id == request.key.id
            for each in self.world.history
        )

    async def check_secrets(self) -> None:
        world = self.world
        async with FakeAsyncRedis(server=world.redis) as redis:
            stored = await everything_in(redis)
        said = repr((world.slack.said, world.slack.messages, world.slack.pages))
        for each in world.cloud.minted.values():
            assert each.secret.encode() not in stored
            assert each.secret not in said

    # --- the machine's own hands -----------------------------------------------------------------------------------

    def click(self, deed: Any, *, now: bool, by: Any = DANA) -> None:
        self.run(self.world.click(deed, by))
        if now:
            self.run(self.world.work_now())

    def latest(self) -> dict[RequestId, Request]:
        """Every request, as it was written last."""
        return {change.after.ask.id: change.after for change in self.world.history}

    def chosen(self, nth: int, *states: type[Request], rotations: bool = False) -> Any:
        found = [
            each
            for each in self.latest().values()
            if isinstance(each, states) and (not rotations or each.ask.operation is Operation.ROTATE)
        ]
        return found[-1 - nth % len(found)] if found else None

    def key(self, nth: int) -> ApiKey | None:
        """Some key that works now; the newest for 0."""
        live = self.world.cloud.live()
        return self.world.cloud.minted[live[-1 - nth % len(live)]].key if live else None

    def request_of(self, key: KeyId) -> RequestId | None:
        marker = Marker.find(self.world.cloud.minted[key].key.description)
        return marker.request if marker else None


TestLives = Lives.TestCase
pytestmark = pytest.mark.search
TestLives.settings = settings(max_examples=40, stateful_step_count=15)
