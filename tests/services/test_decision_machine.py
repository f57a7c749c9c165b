"""Whatever happens in whatever order to a request: at most one key, made only while its quorum holds.

The machine keeps a book of its own about who said yes to what, and who holds which role at this moment. Confluent
asks that book at the instant of every create, without asking any code of Latchkey.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, TypeAlias, TypeVar

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.domain.deadlines import due
from bot.domain.errors import LatchkeyError
from bot.domain.keys import ApiKey, Person, Principal, RequestId, SlackUserId
from bot.domain.policy import Policy
from bot.domain.requests import Cancelled, Denied, Expired, Failed, Pending, Ready, Request, Unclaimed
from bot.domain.roles import Binding
from bot.services.commands import Approve, Cancel, Click, Deny, Draft, Send
from bot.services.requests.transitions import persistently
from bot.store import Store
from bot.store.sealing import Sealer
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, DEV, ERIN, FEMI, HERE, HOUR, OTTO, TEAM
from tests.support.composed import composed
from tests.support.fakes import FakeCloud, FakeSlack, TestClock
from tests.support.stored import audit_problem

DOUBLE = replace(ERIN, slack=SlackUserId("U0ERIN2"), email="erin.two@example.com")
"""Erin's second Slack account, which the policy says is her."""
APPROVERS = (ERIN, FEMI, OTTO, DOUBLE)
PEOPLE = (DANA, *APPROVERS)
PLACES = {DEV: True, HERE: True, f"{HERE}/environment=env-prod01": False}
"""Where someone is an admin, and whether that is enough for `CLUSTER`."""
PENDING = FRESH = DAY
"""How long people have to decide, and how long their decision holds, by the rules here."""

C = TypeVar("C")
T = TypeVar("T")
Deed: TypeAlias = tuple[str, Person]
DEEDS: list[Deed] = [
    *product(["approve"] * 2, [*APPROVERS, ERIN, FEMI]),
    *product(["work"] * 8, [DANA]),
    *product(["approve", "deny", "cancel"], [DANA, OTTO]),
    ("deny", FEMI),
]
KEY_PEOPLE = (DANA, ERIN, FEMI)
CHANGES: list[tuple[Any, ...]] = [
    *[("nothing",)] * 30,
    *product(["role"], [*KEY_PEOPLE, *PEOPLE], PLACES),
    *product(["away", "ambiguous"], [*KEY_PEOPLE, *PEOPLE]),
    *product(["policy"], range(4), ["", ""]),
    *[("policy applied",)] * 6,
    *[("policy", 1, "Not now.")] * 2,
    *product(["time"], [timedelta(minutes=1), HOUR, 12 * HOUR, 25 * HOUR] * 3),
]
requests = st.sampled_from([RequestId("R1"), RequestId("R1"), RequestId("R2")])
deeds, changes = st.sampled_from(DEEDS), st.sampled_from(CHANGES)


def the_policy(quorum: int, *, forbid: str = "") -> Policy:
    return build.policy_of(build.a_rule(quorum, forbid=forbid), people={DOUBLE.slack: DOUBLE.principal})


@dataclass(slots=True)
class Story:
    """One request, as the machine saw it happen."""

    asked_at: datetime
    said_yes: dict[SlackUserId, datetime] = field(default_factory=dict[SlackUserId, datetime])
    rules: dict[SlackUserId, str] = field(default_factory=dict[SlackUserId, str])
    """The rule that each of them read on the card."""
    on_the_way: Counter[SlackUserId] = field(default_factory=Counter[SlackUserId])
    """Who is approving in this very moment: it may be written, and acted upon, before they are answered."""
    is_over: bool = False
    created: int = 0


@dataclass(slots=True)
class Book:
    """What the machine itself knows: written when a click succeeded or the world changed, read at every effect."""

    clock: TestClock
    quorum: int
    forbids: bool = False
    admins: set[tuple[Principal, str]] = field(default_factory=set[tuple[Principal, str]])
    away: set[SlackUserId] = field(default_factory=set[SlackUserId])
    ambiguous: set[Principal] = field(default_factory=set[Principal])
    stories: dict[RequestId, Story] = field(default_factory=dict[RequestId, Story])
    wrong: list[str] = field(default_factory=list[str])

    def is_known(self, person: Person) -> bool:
        """Whether Slack shows this person, and Confluent has exactly one user for them."""
        is_named = person == DOUBLE  # by the policy, whatever e-mail addresses say
        return person.slack not in self.away and (is_named or person.principal not in self.ambiguous)

    def is_admin(self, person: Person) -> bool:
        return any((person.principal, place) in self.admins for place, enough in PLACES.items() if enough)

    def may_decide(self, person: Person) -> bool:
        return person != DANA and self.is_known(person) and self.is_admin(person)

    def allows(self, request: RequestId, what: str) -> None:
        """Note what is missing, should anything be, for a yes or a key of this very instant."""
        story = self.stories[request]
        yes = {each for each in PEOPLE if each.slack in {*story.said_yes, *+story.on_the_way}}
        voices = {(each.principal, story.rules[each.slack]) for each in yes if self.may_decide(each)}
        agreed = max(Counter(rule for _, rule in voices).values(), default=0)
        times = [story.asked_at, *story.said_yes.values(), *[self.clock() for _ in +story.on_the_way]]
        must_hold = {
            "its quorum, of people who read the same terms": agreed >= (self.quorum or not self.is_admin(DANA)),
            "a requester who is still here": self.is_known(DANA),
            "a policy that allows it": not self.forbids,
            "a request that goes on": not story.is_over,
            "a fresh approval": self.clock() < max(times) + FRESH,
        }
        self.wrong += [f"{request} was {what} without {each}" for each, holds in must_hold.items() if not holds]


class Interleaving(RuleBasedStateMachine):
    @initialize(quorum=st.sampled_from([1, 2]), owners=st.tuples(st.booleans(), st.booleans()))
    def begin(self, quorum: int, owners: tuple[bool, bool]) -> None:
        self.loop = asyncio.Runner()
        self.clock = TestClock()
        self.book = Book(self.clock, quorum, admins={(each.principal, DEV) for each in (ERIN, FEMI)})
        self.policy = the_policy(quorum)
        self.slack = FakeSlack(people=list(PEOPLE))
        self.cloud = FakeCloud(self.clock, people=list(PEOPLE[:-1]), watch=self.effect)
        self.redis = FakeAsyncRedis(server=FakeServer())
        self.store = Store.open(self.redis, Sealer([bytes(32)]), TEAM, self.clock)
        services = composed(self.store, self.cloud, self.slack, self.clock, lambda: self.policy)
        self.forms, self.decisions, self.steps = services.forms, services.decisions, services.steps
        self.policy_changes = services.policy_changes
        self.clicks = 0
        self.roles_changed()
        for number, mine in enumerate(owners, start=1):
            self.ask(RequestId(f"R{number}"), mine=mine)

    def ask(self, request: RequestId, *, mine: bool) -> None:
        form = Draft(
            "me" if mine else ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders producer", "", "Local tests"
        )
        sending = Send(request)
        self.loop.run(self.store.drafts.put(request, DANA.slack, form))
        self.together([self.told(self.forms.send(sending, self.click(sending, DANA)))])
        if self.state(request) is not None:
            self.book.stories[request] = Story(self.clock())

    def effect(self, what: str, key: ApiKey) -> None:
        """Confluent makes or deletes a key at this very instant."""
        if what == "create":
            event("a key was made")
            request = RequestId(key.description.split("[lk:")[1].split("/")[0])
            self.book.stories[request].created += 1
            self.book.allows(request, "made")

    @rule(change=changes, request=requests, first=deeds, more=st.lists(deeds, max_size=2))
    def the_world_changes_and_then_people_act_at_the_same_time(
        self, change: tuple[Any, ...], request: RequestId, first: Deed, more: list[Deed]
    ) -> None:
        # One rule does it all: hypothesis likes to leave rules out, and then hardly any key is ever made.
        self.happens(*change)
        if request in self.book.stories:
            self.together([self.deed(what, request, person) for what, person in (first, *more)])

    def happens(self, what: str, *details: Any) -> None:
        match what, *details:
            case "role", person, place:  # given to who has it not, taken from who has it
                self.book.admins ^= {(person.principal, place)}
                self.roles_changed()
            case "away", person:
                self.book.away ^= {person.slack}
                self.slack.people = [each for each in PEOPLE if each.slack not in self.book.away]
            case "ambiguous", person:  # two Confluent users with one e-mail address
                self.book.ambiguous ^= {person.principal}
                doubles = [each for each in PEOPLE[:-1] if each.principal in self.book.ambiguous]
                self.cloud.people = [*PEOPLE[:-1], *[replace(each, principal=Principal("u-2")) for each in doubles]]
            case "policy", quorum, forbid:
                self.book.quorum, self.book.forbids = quorum, bool(forbid)
                self.policy = the_policy(quorum, forbid=forbid)
            case "policy applied", *_:
                assert not self.loop.run(self.policy_changes.apply())
            case "time", by:
                self.clock.advance(by)

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def no_key_was_made_without_a_right_to_it_nor_twice(self) -> None:
        assert self.book.wrong == []
        assert all(story.created <= 1 for story in self.book.stories.values())

    @invariant()
    def the_record_tells_what_is_at_confluent_and_counts_each_person_once(self) -> None:
        for request, story in self.book.stories.items():
            state, live = self.state(request), self.cloud.live(request)
            event(f"seen: {state.kind if state else None}")
            match state:
                case Pending(approvals=approvals):
                    voices = [each.by.principal for each in approvals]
                    assert len({*voices, DANA.principal}) == len(voices) + 1
                    assert live == []
                case Ready(key=key):
                    assert live == [key.id]
                case Denied() | Cancelled() | Expired() | Failed():
                    assert story.created == 0
                case Unclaimed(deleted_at=datetime()):
                    assert live == []

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            assert self.loop.run(audit_problem(self.store)) is None
            self.loop.run(self.redis.aclose())
            self.loop.close()

    # --- how it is done -----------------------------------------------------------------------------------------------

    def state(self, request: RequestId) -> Request | None:
        stored = self.loop.run(self.store.requests.get(request))
        return stored.value if stored else None

    def click(self, deed: Any, by: Person) -> Click:
        self.clicks += 1
        return Click(f"click-{self.clicks}", by.slack, by.team, self.clock(), deed)

    def answer(self, run: Callable[[C, Click], Awaitable[T]], command: C, by: Person) -> Awaitable[T]:
        """What the dispatcher does: carry it out, again while others are quicker."""
        click = self.click(command, by)
        return persistently(lambda: run(command, click))

    def roles_changed(self) -> None:
        self.cloud.bindings = {}
        for principal, place in sorted(self.book.admins):
            role = "OrganizationAdmin" if place == HERE else "EnvironmentAdmin"
            self.cloud.bindings.setdefault(principal, []).append(Binding(principal, role, place))

    def deed(self, what: str, request: RequestId, person: Person) -> Awaitable[None]:
        """One thing that someone does, with the book following what they are told."""
        match what:
            case "approve":
                return self.approving(request, person)
            case "deny":
                doing: Awaitable[object] = self.answer(self.decisions.deny, Deny(request, "no"), person)
                return self.ending(request, doing, is_right=self.book.may_decide(person))
            case "cancel":
                doing = self.answer(self.decisions.cancel, Cancel(request), person)
                return self.ending(request, doing, is_right=person == DANA)
            case _:
                return self.advance(request)

    async def approving(self, request: RequestId, person: Person) -> None:
        story = self.book.stories.get(request, Story(self.clock()))
        stored = await self.store.requests.get(request)
        shown = stored.value if stored else None
        seen = shown.drawn if isinstance(shown, Pending) else 0
        before, read = story.rules.get(person.slack, ""), shown.terms.rule if shown else ""
        story.rules[person.slack] = read
        story.on_the_way[person.slack] += 1
        try:
            answer = await self.answer(
                lambda deed, click: self.decisions.for_one_decision().approve(deed, click),
                Approve(request, seen),
                person,
            )
            said = str(answer)
            if "already" not in said:
                story.said_yes[person.slack], story.rules[person.slack] = self.clock(), read
                self.in_time(request)
                if said.startswith("Approved"):
                    self.book.allows(request, "approved")
                if not self.book.may_decide(person):
                    self.book.wrong.append(f"{request} was approved by somebody who may not")
        except LatchkeyError:
            if story.on_the_way[person.slack] == 1 and person.slack not in story.said_yes:  # else another click counts
                story.rules[person.slack] = before
            raise
        finally:
            story.on_the_way[person.slack] -= 1

    async def ending(self, request: RequestId, doing: Awaitable[object], *, is_right: bool) -> None:
        await doing
        if not is_right:
            self.book.wrong.append(f"{request} was ended by somebody who may not")
        if not self.book.stories[request].is_over:  # else it was cancelled in time, and they are told so once more
            self.in_time(request)
        self.book.stories[request].is_over = True

    def in_time(self, request: RequestId) -> None:
        if self.clock() >= self.book.stories[request].asked_at + PENDING:
            self.book.wrong.append(f"{request} was decided after its time")

    async def advance(self, request: RequestId) -> None:
        """What a worker does: the steps that are due."""
        for _ in range(4):
            stored = await self.store.requests.get(request)
            at = due(stored.value) if stored else None
            if stored is None or at is None or at > self.clock():
                return
            await self.steps.advance(stored)

    def together(self, doings: list[Awaitable[None]]) -> None:
        async def all_of_them() -> list[BaseException | None]:
            return await asyncio.gather(*doings, return_exceptions=True)

        for outcome in self.loop.run(all_of_them()):
            if outcome is not None and not isinstance(outcome, LatchkeyError):
                raise outcome

    async def told(self, doing: Awaitable[object]) -> None:
        await doing


TestInterleaving = Interleaving.TestCase
pytestmark = pytest.mark.search
TestInterleaving.settings = settings(max_examples=80, stateful_step_count=12)
