"""A report of any past moment says what was true then: of any story of requests, from the audit log and its archives.

Three witnesses: the records at that moment, Confluent's own list of keys, and the machine's own book of who decided.
"""

import asyncio
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bot.cli.audit_formats import jsonl
from bot.cli.report import Report, What, _on_record, _told
from bot.domain.keys import ApiKey, Marker, Person, RequestId
from bot.domain.policy import without_a_file
from bot.domain.requests import Confirmed, Pending, Ready, Request, Shown, Undelivered
from bot.services.commands import (
    Approve,
    Cancel,
    Delete,
    Deny,
    Draft,
    DropFormer,
    Edit,
    Extend,
    Keep,
    Replace,
    Rotate,
    Saved,
    Send,
    Show,
    fingerprint,
)
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR

T = TypeVar("T")
MAKING = frozenset(build.MAKING)
which = st.integers(0, 4)
approvers = st.sampled_from([ERIN, FEMI])


@dataclass(frozen=True, slots=True)
class Moment:
    """What was true."""

    at: datetime
    keys: list[dict[str, Any]]
    requests: list[dict[str, Any]]


@dataclass(slots=True)
class Decided:
    """What the machine itself knows of one request."""

    approved_by: set[str] = field(default_factory=set[str])
    ended: tuple[str, str, str] | None = None
    """Its outcome, who ended it, and why."""


class Stories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.world: World = self.run(self.stack.enter_async_context(a_world()))
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.moments = list[Moment]()
        self.book = dict[str, Decided]()
        self.files = list[Path]()
        self.made = 0

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @initialize(approvals=st.integers(0, 2), days=st.sampled_from([2, 10, None]))
    def begin(self, approvals: int, days: int | None) -> None:
        self.world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        self.lifetime = timedelta(days=days) if days else None
        self.policy_says(approvals, "")
        self.create(erin=True, femi=True)

    def policy_says(self, approvals: int, name: str) -> None:
        usual = without_a_file("C01")
        rules = [replace(each, approvals=approvals, lifetime=self.lifetime, name=f"{each.name}{name}")
                 for each in usual.rules]  # fmt: skip
        self.world.policy = replace(usual, rules=tuple(rules), digest=f"{approvals}{name}")

    # --- what people do ----------------------------------------------------------------------------------------------

    @rule(erin=st.booleans(), femi=st.booleans())
    def create(self, *, erin: bool, femi: bool) -> None:
        self.made += 1
        draft = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, f"key {self.made}", "", f"=needed({self.made})")
        self.run(self.world.store.drafts.put(f"D{self.made}", DANA.slack, draft))
        self.click(Send(f"D{self.made}"))
        self.go_on(RequestId(f"D{self.made}"), erin=erin, femi=femi)

    def go_on(self, request: RequestId, *, erin: bool, femi: bool) -> None:
        for by in [ERIN] * erin + [FEMI] * femi:
            if isinstance(self.latest().get(request), Pending):
                self.approve(self.latest()[request], by)

    def approve(self, request: Request, by: Person) -> None:
        pending = self.latest()[request.ask.id]
        assert isinstance(pending, Pending)
        self.book.setdefault(request.ask.id, Decided()).approved_by.add(by.slack)
        self.click(Approve(request.ask.id, pending.drawn), by)

    @rule(nth=which, by=approvers)
    def approve_one(self, nth: int, by: Person) -> None:
        if request := self.chosen(nth, Pending):
            self.approve(request, by)

    @rule(nth=which, by=approvers)
    def deny(self, nth: int, by: Person) -> None:
        if request := self.chosen(nth, Pending):
            why = "Not <now> & never"
            self.book.setdefault(request.ask.id, Decided()).ended = ("denied", by.slack, why)
            self.click(Deny(request.ask.id, why), by)

    @rule(nth=which)
    def cancel(self, nth: int) -> None:
        if request := self.chosen(nth, Pending):
            self.book.setdefault(request.ask.id, Decided()).ended = ("cancelled", DANA.slack, "None")
            self.click(Cancel(request.ask.id))

    @rule(nth=which, saved=st.booleans())
    def show(self, nth: int, *, saved: bool) -> None:
        if isinstance(request := self.chosen(nth, Ready), Ready):
            self.click(Show(request.ask.id, request.attempt))
            if saved:
                self.click(Saved(request.ask.id, request.attempt))

    @rule(nth=which)
    def replaced(self, nth: int) -> None:
        if isinstance(request := self.chosen(nth, Shown, Confirmed, Undelivered), Shown | Confirmed | Undelivered):
            self.click(Replace(request.ask.id, request.attempt))

    @rule(nth=which, days=st.sampled_from([0, 2]), erin=st.booleans(), femi=st.booleans())
    def rotate(self, nth: int, days: int, *, erin: bool, femi: bool) -> None:
        if key := self.key(nth):
            self.click(Rotate(key.id, f"after {key.id}", "", "It is time", days))
            self.go_on(RequestId(f"click-{self.world.clicks}"), erin=erin, femi=femi)

    @rule(nth=which)
    def drop_the_old_key(self, nth: int) -> None:
        found = [each for each in self.latest().values() if isinstance(each, Shown | Confirmed) and each.life.former]
        if found:
            request = found[nth % len(found)]
            assert isinstance(request, Shown | Confirmed)
            self.click(DropFormer(request.ask.id, request.attempt))

    @rule(nth=which, name=st.sampled_from(["one", "two"]))
    def edit(self, nth: int, name: str) -> None:
        """Only a key that is in use: the record of another one keeps the name that it was made with."""
        if isinstance(request := self.chosen(nth, Shown, Confirmed), Shown | Confirmed):
            key = self.world.cloud.minted[request.key.id].key
            seen = fingerprint(key.name, Marker.without(key.description))
            self.click(Edit(key.id, name, "edited", seen, "It has a new name"))
            self.go_on(RequestId(f"click-{self.world.clicks}"), erin=True, femi=True)

    @rule(nth=which)
    def delete(self, nth: int) -> None:
        if key := self.key(nth):
            self.click(Delete(key.id, "CONFIRM", "It is no longer used"))
            self.go_on(RequestId(f"click-{self.world.clicks}"), erin=True, femi=True)

    @rule(nth=which, days=st.sampled_from(["", "1"]))
    def extend(self, nth: int, days: str) -> None:
        if key := self.key(nth):
            self.click(Extend(key.id, "It goes on", days))
            self.go_on(RequestId(f"click-{self.world.clicks}"), erin=True, femi=True)

    @rule(nth=which)
    def keep(self, nth: int) -> None:
        if key := self.key(nth):
            self.click(Keep(key.id, "It is still needed"))

    # --- what the world does -----------------------------------------------------------------------------------------

    @rule(after=st.sampled_from([HOUR, 12 * HOUR, DAY, 3 * DAY]))
    def time_passes(self, after: timedelta) -> None:
        self.run(self.world.settle(after))
        self.look()

    @rule(approvals=st.integers(0, 2), name=st.sampled_from(["", " again"]))
    def the_policy_changes(self, approvals: int, name: str) -> None:
        before = {id_: each for id_, each in self.latest().items() if isinstance(each, Pending)}
        self.policy_says(approvals, name)
        process = self.world.start()
        assert not self.run(process.services.policy_changes.apply())
        self.run(self.world.work_now())
        for id_, was in before.items():
            after = self.latest()[id_]
            if isinstance(after, Pending) and after.drawn != was.drawn:
                self.book.pop(id_, None)
        self.look()

    @rule(leave=st.integers(0, 3))
    def archive(self, leave: int) -> None:
        """The oldest lines are moved to a file."""
        self.run(self.moved(leave))
        self.look()

    async def moved(self, leave: int) -> None:
        archive = self.world.store.archive
        move = await archive.begin()
        until = self.world.store.audit.head.seq - leave
        if until <= move.base.seq:
            return
        lines = [jsonl(line) async for line in archive.lines(move, until=until)]
        await archive.finish(move)
        file = self.folder / f"{len(self.files)}.jsonl"
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        self.files.append(file)

    # --- what must hold ----------------------------------------------------------------------------------------------

    def click(self, deed: Any, by: Person = DANA) -> None:
        self.run(self.world.click(deed, by))
        self.run(self.world.work_now())
        self.look()

    def look(self) -> None:
        """Note what is true now, and let a while go by."""
        at = self.world.clock()
        now = Moment(at, self.run(self.on_record("keys")), self.run(self.on_record("requests")))
        self.must_be_what_confluent_has(now)
        self.must_be_what_was_decided(now)
        self.moments.append(now)
        self.world.clock.advance(timedelta(seconds=2))

    async def on_record(self, what: What) -> list[dict[str, Any]]:
        rows = [row async for row in _on_record(self.world.store, what)]
        return [asdict(row) for row in rows if row is not None]

    def must_be_what_confluent_has(self, now: Moment) -> None:
        assert {row["key"] for row in now.keys} == set(self.world.cloud.live())

    def must_be_what_was_decided(self, now: Moment) -> None:
        rows = {row["request"]: row for row in now.requests}
        for id_, decided in self.book.items():
            row = rows[id_]
            assert decided.approved_by == set(row["approved_by"]), row
            if decided.ended:
                assert (row["outcome"], row["ended_by"], str(row["ended_why"])) == decided.ended

    def teardown(self) -> None:
        try:
            for moment in self.moments:
                self.run(self.must_be_told(moment))
        finally:
            self.run(self.stack.aclose())
            self.loop.close()

    async def must_be_told(self, moment: Moment) -> None:
        """The log alone says the same of that moment."""
        files = tuple(self.files)
        told = await _told(self.world.store, Report("keys", moment.at, files, "csv"), moment.at)
        assert different([asdict(row) for row in told.key_rows()], moment.keys) == []
        told = await _told(self.world.store, Report("requests", moment.at, files, "csv"), moment.at)
        assert different([asdict(row) for row in told.request_rows()], moment.requests) == []

    # --- the machine's own hands ------------------------------------------------------------------------------------

    def latest(self) -> dict[RequestId, Request]:
        return {change.after.ask.id: change.after for change in self.world.history}

    def chosen(self, nth: int, *states: type[Request]) -> Request | None:
        found = [each for each in self.latest().values() if isinstance(each, states)]
        return found[-1 - nth % len(found)] if found else None

    def key(self, nth: int) -> ApiKey | None:
        live = self.world.cloud.live()
        return self.world.cloud.minted[live[-1 - nth % len(live)]].key if live else None


def different(told: Sequence[Mapping[str, Any]], true: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Which rows and cells are not the same: as told, and in truth."""
    nothing: Mapping[str, Any] = {}
    pairs = zip_longest(told, true, fillvalue=nothing)
    return [
        (one.get("request"), name, one.get(name), other.get(name))
        for one, other in pairs
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]


TestStories = Stories.TestCase
pytestmark = pytest.mark.search
TestStories.settings = settings(max_examples=25, stateful_step_count=15)
