"""Break-glass in any order of things, under faults: what made a key is reviewed by someone else, or overdue.

Dana and Otto use it, take, replace and lose their keys; Erin, Femi, Dana and Dana's second Slack account try to review.
The machine asks Confluent, not Latchkey, whether a use made a key: it looks at each create in its very moment.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bot.domain.approvals import REVIEW_WITHIN, GlassUse
from bot.domain.audit import Action
from bot.domain.deadlines import glass_of, own_end
from bot.domain.keys import ApiKey, Marker, Person, Principal, RequestId, SlackUserId
from bot.domain.policy import BreakGlass, Policy, Selector
from bot.domain.requests import Keyed, Offered, Ready, Request, Shown, Undelivered
from bot.services.commands import Draft, Judge, Replace, Saved, Show, UseGlass
from tests.services.world import World, a_world, check_audit
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, OTTO
from tests.support.faults import Fault

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
LASTS = 4 * HOUR
DOUBLE = replace(DANA, slack=SlackUserId("U0DANA2"), email="dana.two@example.com")
"""Dana's second Slack account, which the policy says is her."""
USERS = (DANA, OTTO, DOUBLE)
GLASS = BreakGlass(Selector.of(*(each.slack for each in USERS)), LASTS, ("C09",))
WHERE = ("cloud.create_key", "cloud.delete_key", "cloud.keys", "cloud.role_bindings", "requests.commit", "requests.get",
         "notifier.hand_over", "notifier.publish", "agenda.settle", "inbox.done")  # fmt: skip
EFFECTS = ("cloud.create_key", "cloud.create_key", "notifier.hand_over", "notifier.hand_over", "cloud.delete_key")
LOST = (Fault.ERROR_AFTER, Fault.KILL_AFTER, Fault.KILL_BEFORE)
which = st.integers(0, 3)
fates = st.sampled_from(["clicked", "created", "shown", "lost", "lost, then replaced", "lost, then refused", "unclear",
                         "unclear, then refused"])  # fmt: skip


def policy(name: str, mint: Any = "on_approval") -> Policy:
    """With break-glass, without it, or with a shorter life."""
    lifetime = HOUR if name == "shorter" else None
    made = build.a_rule(2, mint=mint, lifetime=lifetime, break_glass=None if name == "without" else GLASS)
    return build.policy_of(made, digest=name, people={DOUBLE.slack: DANA.principal})


def a_draft(name: str) -> Draft:
    return Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, name, "", "to read the topic", account=ACCOUNT.id)


class Uses(RuleBasedStateMachine):
    """What people and the world do, one thing after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.world: World = self.run(self.stack.enter_async_context(a_world()))
        self.used = dict[RequestId, Principal]()
        """Whose use each is, as it was clicked."""
        self.made = dict[RequestId, int]()
        """How many keys came of each, by what Confluent did."""
        self.wrong = list[str]()
        self.mint = "on_approval"
        self.world.slack.people.append(DOUBLE)
        self.world.cloud.watch = self.watched(self.world.cloud.watch)

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @initialize(mint=st.sampled_from(["on_approval", "on_approval", "on_claim"]), fate=fates)
    def begin(self, mint: str, fate: str) -> None:
        self.mint = mint
        self.world.policy = policy("with", mint)
        self.world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        self.use(DANA, fate)

    # --- what people do --------------------------------------------------------------------------------------------

    @rule(by=st.sampled_from(USERS), fate=fates)
    def use(self, by: Person, fate: str) -> None:
        """Someone uses it, and takes the secret, if that is its fate; or Confluent's answer, or the secret, is lost."""
        id_ = RequestId(f"R{len(self.used) + 1}")
        self.used[id_] = by.principal
        if fate in {"unclear", "unclear, then refused"}:
            self.fault("cloud.create_key", 0, Fault.ERROR_AFTER)
        if fate == "unclear, then refused":
            self.fault("cloud.create_key", 1, Fault.REFUSED_BEFORE)
        self.run(self.world.store.drafts.put(id_, by.slack, a_draft(id_)))
        self.click(UseGlass(id_, "Orders are down."), by=by, now=fate != "clicked")
        if fate.startswith("lost"):
            self.fault("notifier.hand_over", 0, Fault.ERROR_BEFORE)
        if fate.startswith(("shown", "lost")):
            self.next_step(0, now=True)
        if fate == "lost, then refused":
            self.fault("cloud.create_key", 0, Fault.REFUSED_BEFORE)
        if fate.startswith("lost, "):
            self.replace(0, now=True)

    @rule(nth=which, now=st.booleans())
    def next_step(self, nth: int, *, now: bool) -> None:
        """The secret is shown, or saved."""
        request = self.chosen(nth, Ready, Offered, Shown)
        if request:
            deed = Saved if isinstance(request, Shown) else Show
            self.click(deed(request.ask.id, request.attempt), by=request.ask.requester, now=now)

    @rule(nth=which, now=st.booleans())
    def replace(self, nth: int, *, now: bool) -> None:
        if request := self.chosen(nth, Undelivered, Shown):
            self.click(Replace(request.ask.id, request.attempt), by=request.ask.requester, now=now)

    @rule(nth=which, by=st.sampled_from([ERIN, FEMI, DANA, DOUBLE, OTTO]), now=st.booleans())
    def review(self, nth: int, by: Person, *, now: bool) -> None:
        if self.used:
            self.click(Judge(list(self.used)[-1 - nth % len(self.used)], "justified"), by=by, now=now)

    @rule(nth=which)
    def two_review_at_once(self, nth: int) -> None:
        """And what the requester does goes on at the same time, in two processes."""
        self.review(nth, ERIN, now=False)
        self.review(nth, FEMI, now=False)
        self.run(self.two_at_work())

    async def two_at_work(self) -> None:
        await asyncio.gather(*(self.world.work(self.world.start()) for _ in range(2)))

    # --- what the world does ---------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["with", "with", "without", "shorter"]))
    def policy_changes(self, name: str) -> None:
        self.world.policy = policy(name, self.mint)

    @rule(by=st.sampled_from([ERIN, FEMI]), has=st.booleans())
    def role_changes(self, by: Person, *, has: bool) -> None:
        self.world.cloud.bindings[by.principal] = [build.a_binding(by)] if has else []

    @rule(nth=which)
    def deleted_elsewhere(self, nth: int) -> None:
        live = self.world.cloud.live()
        if live:
            self.world.cloud.minted[live[-1 - nth % len(live)]].deleted_at = self.world.clock()

    @rule(after=st.sampled_from([MINUTE, HOUR, 5 * HOUR, DAY]))
    def time_passes(self, after: timedelta) -> None:
        self.run(self.world.settle(after))

    @rule(after=st.sampled_from([HOUR, 2 * DAY]))
    def everybody_sleeps(self, after: timedelta) -> None:
        self.world.clock.advance(after)
        self.run(self.world.work_now())

    @rule(where=st.sampled_from(WHERE), soon=st.integers(0, 1), fault=st.sampled_from(Fault))
    def fault(self, where: str, soon: int, fault: Fault) -> None:
        plan = self.world.plan
        assert isinstance(plan.faults, dict)
        plan.faults[where, plan.calls.count(where) + soon] = fault

    @rule(where=st.sampled_from(EFFECTS), fault=st.sampled_from(LOST))
    def lost(self, where: str, fault: Fault) -> None:
        """The next effect of this kind is one of which nobody hears."""
        self.fault(where, 0, fault)

    @rule(soon=st.integers(0, 20), fault=st.sampled_from(LOST))
    def fault_anywhere(self, soon: int, fault: Fault) -> None:
        plan = self.world.plan
        assert isinstance(plan.faults, dict)
        plan.faults[len(plan.calls) + soon] = fault

    # --- what must hold --------------------------------------------------------------------------------------------

    def watched(self, told: Any) -> Any:
        """Look at every key in the moment of its creation."""

        def watch(what: str, key: ApiKey) -> None:
            told(what, key)
            marker = Marker.find(key.description)
            if what != "create" or marker is None:
                return
            self.made[marker.request] = self.made.get(marker.request, 0) + 1
            mine = self.used[marker.request]
            before = [each for each in self.made if self.used[each] == mine and each != marker.request]
            unreviewed = [each for each in before if (use := self.glass(each)) is None or use.review is None]
            if unreviewed:
                self.wrong.append(f"{marker.request} made a key while {unreviewed} had no review")

        return watch

    def teardown(self) -> None:
        try:
            self.run(self.come_to_rest())
        finally:
            self.run(self.stack.aclose())
            self.loop.close()

    async def come_to_rest(self) -> None:
        world = self.world
        assert isinstance(world.plan.faults, dict)
        world.plan.faults.clear()
        await world.settle(REVIEW_WITHIN + HOUR)
        assert self.wrong == []
        for change in world.history:
            self.check_life(change.after)
        assert world.cloud.live() == [], "a key outlived its end"
        await self.check_reviews()
        await check_audit(world)
        await self.all_reviewed()

    def check_life(self, request: Request) -> None:
        """Whatever is written, the key ends when it was said to."""
        use, first = glass_of(request), self.first(request.ask.id)
        if isinstance(request, Keyed):
            assert use is not None
            end = own_end(request)
            assert end is not None
            assert end <= first.at + LASTS
        if use:
            assert (use.at, use.ends_at) == (first.at, first.ends_at)

    async def check_reviews(self) -> None:
        """A use that made a key is reviewed once, by someone else, or overdue and on the list of those who can."""
        lines = await self.world.audit()
        open_ = {stored.value.ask.id for stored in await self.world.store.requests.unreviewed(50)}
        for id_ in self.made:
            use, said = self.glass(id_), [line["action"] for line in lines if line["request"] == id_]
            assert use is not None, f"{id_} made a key, and nothing says that it was used"
            assert said.count(Action.GLASS_USED) == 1
            assert said.count(Action.GLASS_REVIEWED) == (1 if use.review else 0)
            assert use.review is None or use.review.by.principal != self.used[id_]
            assert (id_ in open_) is (use.review is None)
            assert use.review or Action.GLASS_OVERDUE in said
            event(f"{self.latest()[id_].kind}, {'reviewed' if use.review else 'overdue'}")
        unsure = {line["request"] for line in lines if line["action"] == Action.CREATE_UNKNOWN}
        assert open_ - self.made.keys() <= unsure, "a use that surely made no key waits for a review"

    async def all_reviewed(self) -> None:
        """Then everybody can use it again: no block is for ever."""
        world = self.world
        world.policy = policy("with")
        world.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI)]
        world.clock.advance(2 * MINUTE)
        for id_ in self.made:
            await world.click(Judge(id_, "not justified", "It could wait."), by=FEMI)
        await world.settle(MINUTE)
        assert await world.store.requests.unreviewed(50) == []
        for by in (DANA, OTTO):
            id_ = RequestId(f"again-{by.slack}")
            self.used[id_] = by.principal
            await world.store.drafts.put(id_, by.slack, a_draft(id_))
            await world.click(UseGlass(id_, "Orders are down."), by=by)
            await world.settle(MINUTE)
            assert isinstance(await world.state(id_), Ready | Offered), await world.state(id_)

    # --- the machine's own hands -----------------------------------------------------------------------------------

    def click(self, deed: Any, *, now: bool, by: Person) -> None:
        self.run(self.world.click(deed, by))
        if now:
            self.run(self.world.work_now())

    def first(self, request: RequestId) -> GlassUse:
        """The use as it was written first."""
        use = next(glass_of(each.after) for each in self.world.history if each.after.ask.id == request)
        assert use is not None
        return use

    def glass(self, request: RequestId) -> GlassUse | None:
        """The use as it was written last."""
        return glass_of(self.latest()[request])

    def latest(self) -> dict[RequestId, Request]:
        return {change.after.ask.id: change.after for change in self.world.history}

    def chosen(self, nth: int, *states: type[Request]) -> Any:
        found = [each for each in self.latest().values() if isinstance(each, states)]
        return found[-1 - nth % len(found)] if found else None


TestUses = Uses.TestCase
pytestmark = pytest.mark.search
TestUses.settings = settings(max_examples=16, stateful_step_count=10)
