"""Break-glass: a key at once for people whom the policy names, told to everyone who could approve, and its review."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.access import WantedBinding
from bot.domain.approvals import REVIEW_WITHIN, GlassUse, Judgment
from bot.domain.audit import Action
from bot.domain.authority import HeldRoles
from bot.domain.deadlines import glass_of, own_end
from bot.domain.decision import Allowed, Forbidden, decide
from bot.domain.errors import Refused, Unavailable
from bot.domain.keys import MyAccount, Operation, Person, RequestId
from bot.domain.policy import BreakGlass, Rule, Selector
from bot.domain.reports.ledger import Ledger
from bot.domain.reports.rows import key_row, request_row
from bot.domain.requests import Approved, Failed, Living, Ready, Retired, Unclaimed, Undelivered
from bot.services.commands import Check, Draft, Extend, Glass, Judge, Replace, ReplyTo, Show, UseGlass
from bot.services.pages import GlassPage, ReviewPage, TextPage
from bot.services.surfaces import SurfaceKind
from bot.slack.messages.card import card
from bot.slack.messages.key import key as key_message
from bot.slack.views.home import home
from bot.slack.views.pages import page as modal
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NEW, NOW, OTTO
from tests.support.faults import Fault, Plan

GLASS = BreakGlass(Selector.of(DANA.slack), 4 * HOUR, ("C09",))
RULE = build.a_rule(2, break_glass=GLASS)
R1 = RequestId("R1")
WHY = "Orders are down, and no approver answers."
DRAFT = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders", "", "to read the topic", account=ACCOUNT.id)


def policy(rule: Rule = RULE, **fields: Any) -> Any:
    return build.policy_of(rule, **fields)


async def use(world: World, draft: str = "R1", by: Person = DANA, why: str = WHY, **fields: Any) -> str:
    """Someone submits the page to use break-glass; returns what they read."""
    await world.store.drafts.put(draft, by.slack, replace(DRAFT, **fields))
    before = len(world.slack.pages), len(world.slack.said)
    await world.click(UseGlass(draft, why), by=by, view="V1")
    await world.work_now()
    return str([*world.slack.pages[before[0] :], *world.slack.said[before[1] :]])


async def judge(
    world: World, by: Person = ERIN, outcome: Any = "justified", note: str = "", request: str = "R1"
) -> str:
    before = len(world.slack.said)
    await world.click(Judge(RequestId(request), outcome, note), by=by)
    await world.work_now()
    return str(world.slack.said[before:])


async def glass(world: World, request: str = "R1") -> GlassUse:
    found = glass_of(await world.state(request))
    assert found is not None
    return found


async def actions(world: World) -> list[str]:
    return [str(line["action"]) for line in await world.audit()]


async def archive(world: World) -> None:
    """All lines so far are moved to a file."""
    store = world.store
    move = await store.archive.begin()
    lines = [line async for line in store.archive.lines(move)]
    assert store.archive.written(move, lines) is None
    await store.archive.finish(move)


def an_ask(**fields: Any) -> Any:
    return build.an_ask(break_glass=True, **fields)


async def test_who_the_rule_names_gets_the_key_at_once_and_everyone_who_could_approve_is_told() -> None:
    async with a_world() as world:
        world.policy = policy()
        said = await use(world)

        state = await world.state()
        assert isinstance(state, Ready)
        assert (state.grant.approvals, state.terms.approvals, state.ask.break_glass) == ((), 0, True)
        assert "Latchkey is creating the key" in said
        assert {reader for reader, _ in (await glass(world)).readers} == {"C09", ERIN.slack, FEMI.slack}
        copies = {post.channel for post in await world.store.posts.get(R1) if post.surface.kind is SurfaceKind.COPY}
        assert len(copies) == 3
        begun = ["request:submitted", "break-glass:used", "break-glass:told", "key:create-intended", "key:created"]
        assert (await actions(world))[:5] == begun, "people are told before there is a key"


async def test_the_review_page_offers_it_to_whom_the_rule_names_and_the_next_page_says_what_it_means() -> None:
    async with a_world() as world:
        world.policy = policy()
        forms = world.start().services.forms
        for by, expected in ((DANA, 4 * HOUR), (OTTO, None)):
            page = await forms._checked(forms.directory, DRAFT, build.a_click(Glass("D1"), by))
            assert isinstance(page, ReviewPage)
            assert page.break_glass == expected

        await world.store.drafts.put("D1", DANA.slack, DRAFT)
        deed = Glass("D1")
        means = await forms.glass(deed, build.a_click(deed, DANA))
        assert isinstance(means, GlassPage)
        assert (means.lifetime, means.told, means.approvers) == (4 * HOUR, 2, 2)
        await world.store.drafts.put("D1", OTTO.slack, DRAFT)
        with pytest.raises(Refused, match="doesn't list you"):
            await forms.glass(deed, build.a_click(deed, OTTO))


async def test_the_page_promises_to_tell_no_more_people_than_slack_is_asked_about() -> None:
    async with a_world() as world:
        world.policy = policy()
        for number in range(40):
            person = build.a_person(f"Person{number}")
            world.slack.people.append(person)
            world.cloud.people.append(person)
            world.cloud.bindings[person.principal] = [build.a_binding(person)]
        await world.store.drafts.put("D1", DANA.slack, DRAFT)
        means = await world.start().services.forms.glass(Glass("D1"), build.a_click(Glass("D1"), DANA))

        assert isinstance(means, GlassPage)
        assert (means.told, means.approvers) == (30, 42)
        assert "Latchkey notifies 30 of 42 approvers" in str(modal(means))


async def one_request(world: World) -> None:
    """As many open requests as Dana may have."""
    world.policy = policy(open_requests=1)
    await world.seed(build.pending(ask=build.an_ask(id=RequestId("R9"))))


async def one_approver(world: World) -> None:
    """One of the two approvers that are needed."""
    world.cloud.bindings[FEMI.principal] = []


async def no_approver(world: World) -> None:
    """No one to approve it, nor to review a use."""
    world.cloud.bindings[FEMI.principal] = world.cloud.bindings[ERIN.principal] = []


@pytest.mark.parametrize(
    ("way", "why", "by", "is_offered"),
    [
        (one_request, "1 open request, and the policy allows 1", DANA, True),
        (one_approver, "only 1 of the 2 needed could approve", DANA, True),
        (no_approver, "no one else can approve it", DANA, False),
        (one_approver, "only 1 of the 2 needed could approve", OTTO, False),
    ],
)
async def test_a_form_that_can_not_be_sent_for_approval_offers_break_glass_to_whom_the_rule_names(
    way: Callable[[World], Awaitable[None]], why: str, by: Person, *, is_offered: bool
) -> None:
    async with a_world() as world:
        world.policy = policy()
        await way(world)
        click = await world.click(Check(DRAFT), by=by, view="V1")
        await world.work_now()
        shown = world.slack.pages[-1]
        assert isinstance(shown, TextPage)
        assert why in shown.text
        assert shown.break_glass == (4 * HOUR if is_offered else None)
        assert ("Use break-glass" in str(modal(shown))) is is_offered
        if is_offered:  # and the way is open
            await world.click(Glass(click), by=by, view="V1")
            await world.click(UseGlass(click, WHY), by=by, view="V1")
            await world.work_now()
            assert isinstance(await world.state(click), Ready)


@pytest.mark.parametrize(
    ("rule", "fields", "why"),
    [
        (RULE, {"requester": OTTO}, "doesn't list you"),
        (build.a_rule(2), {}, "doesn't allow break-glass"),
        (build.a_rule(2, forbid="Not here."), {}, "Not here."),
        (RULE, {"owner": NEW}, "only for one key of an existing account"),
        (RULE, {"also": build.REGISTRY}, "only for one key of an existing account"),
        (RULE, {"bindings": (WantedBinding("DeveloperRead", f"{CLUSTER.id}/topic=a"),)}, "offer|only for one"),
        (replace(RULE, user_keys=False), {"owner": MyAccount(DANA.principal)}, "Personal keys are turned off"),
        (RULE, {"operation": Operation.ROTATE, "key": build.a_key()}, "doesn't allow break-glass"),
        (RULE, {"operation": Operation.DELETE, "key": build.a_key()}, "doesn't allow break-glass"),
        (RULE, {"operation": Operation.EXTEND, "key": build.a_key()}, "doesn't allow break-glass"),
    ],
)
def test_break_glass_lets_no_one_else_do_nothing_else(rule: Rule, fields: Any, why: str) -> None:
    ask = an_ask(**fields)
    verdict = decide(policy(rule), ask, build.holding(ask.requester, ("OrganizationAdmin", build.HERE)))
    assert isinstance(verdict, Forbidden)
    assert re.search(why, verdict.reason), verdict.reason


def test_where_only_listed_people_can_approve_only_they_can_use_it() -> None:
    def verdict(person: Person) -> Any:
        held: HeldRoles = build.holding(person, table=replace(build.DOCUMENTED, people_only=True))
        return decide(policy(), an_ask(requester=person), held)

    assert isinstance(verdict(DANA), Forbidden)
    assert isinstance(verdict(replace(DANA, named=True)), Allowed)


@pytest.mark.parametrize(("limit", "lasts"), [(None, 4 * HOUR), (90 * DAY, 4 * HOUR), (HOUR, HOUR)])
def test_the_key_lasts_as_long_as_the_shorter_of_both_lifetimes(limit: timedelta | None, lasts: timedelta) -> None:
    verdict = decide(policy(replace(RULE, lifetime=limit)), an_ask(lifetime=30 * DAY), build.holding(DANA))
    assert isinstance(verdict, Allowed)
    assert (verdict.terms.lifetime, verdict.terms.claim) == (lasts, lasts)


async def test_without_break_glass_the_same_request_needs_its_approvals() -> None:
    async with a_world() as world:
        world.policy = policy()
        verdict = decide(world.policy, build.an_ask(), build.holding(DANA))
        assert not isinstance(verdict, Allowed)


async def test_the_key_ends_when_it_was_said_to_whatever_happens_to_it() -> None:
    async with a_world() as world:
        world.policy = policy()
        world.cloud.expiry = "honored"
        await use(world)
        state = await world.state()
        assert isinstance(state, Ready)
        end = NOW + 4 * HOUR
        assert state.claim_by <= end
        assert state.key.expires_at == end + timedelta(minutes=10)
        await world.click(Show(R1, 1))
        await world.work_now()
        living = await world.state()
        assert isinstance(living, Living)
        assert own_end(living) == end
        assert own_end(replace(living, life=replace(living.life, endless=True))) == end
        assert own_end(replace(living, life=replace(living.life, ends_at=end + DAY))) == end

        deed = Extend(living.key.id, "more time", "30")
        await world.click(deed)
        await world.work_now()
        assert "can't be extended" in str(world.slack.said[-1])
        world.clock.now = end
        await world.work_now()
        assert isinstance(await world.state(), Retired)
        assert world.cloud.live(R1) == []


async def test_a_key_that_is_replaced_ends_when_the_first_one_would() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await world.click(Show(R1, 1))
        await world.work_now()
        world.clock.advance(3 * HOUR)
        await judge(world)
        await world.click(Replace(R1, 1))
        await world.work_now()
        state = await world.state()
        assert isinstance(state, Ready)
        assert (state.attempt, state.claim_by) == (2, NOW + 4 * HOUR)
        world.clock.now = NOW + 4 * HOUR
        await world.work_now()
        assert isinstance(await world.state(), Unclaimed)


async def test_there_is_no_second_use_before_the_review_and_then_there_is() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        assert "hasn't been reviewed yet" in await use(world, "R2", name="again")
        assert await world.store.requests.get(RequestId("R2")) is None
        refused = [line for line in await world.audit() if line["action"] == Action.REFUSED]
        assert len(refused) == 1

        assert "You reviewed" in await judge(world)
        assert (await glass(world)).review is not None
        await use(world, "R2", name="again")
        assert isinstance(await world.state("R2"), Ready)


@pytest.mark.parametrize("way", [None, one_approver])
async def test_before_the_review_no_page_offers_a_second_use(way: Callable[[World], Awaitable[None]] | None) -> None:
    async with a_world() as world:
        world.policy = policy()
        if way:
            await way(world)
        await use(world)
        for reviewed in (False, True):
            if reviewed:
                await judge(world)
            await world.click(Check(replace(DRAFT, name="again")), by=DANA, view="V1")
            await world.work_now()
            shown = world.slack.pages[-1]
            assert isinstance(shown, TextPage if way else ReviewPage)
            assert ("hasn't been reviewed yet" in str(modal(shown))) is not reviewed
            assert ("Use break-glass" in str(modal(shown))) is reviewed


async def test_two_processes_at_once_make_one_use() -> None:
    async with a_world() as world:
        world.policy = policy()
        for draft in ("R1", "R2", "R3"):
            await world.store.drafts.put(draft, DANA.slack, replace(DRAFT, name=draft))
        one, other = world.start(), world.start()

        async def by(process: Any, draft: str) -> Any:
            deed = UseGlass(draft, WHY)
            click = build.a_click(deed, at=world.clock(), id=draft, reply=ReplyTo(view="V1"))
            return await process.forms.use_glass(deed, click)

        found = await asyncio.gather(by(one, "R1"), by(one, "R2"), by(other, "R3"), return_exceptions=True)
        assert sum(isinstance(each, Refused) for each in found) == 2, found
        assert (await actions(world)).count("break-glass:used") == 1


async def test_a_double_click_is_one_use() -> None:
    async with a_world() as world:
        world.policy = policy()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        for _ in range(2):
            await world.click(UseGlass("R1", WHY), view="V1")
        await world.work_now()
        assert (await actions(world)).count("break-glass:used") == 1
        assert len(world.cloud.minted) == 1


async def test_a_use_that_came_to_nothing_needs_no_review() -> None:
    async with a_world() as world:
        world.policy = policy()
        process = world.start()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        deed = UseGlass("R1", WHY)
        await process.forms.use_glass(deed, build.a_click(deed, at=world.clock(), id="R1"))
        world.policy = policy(build.a_rule(2), digest="without")
        await world.work_now()

        failed = await world.state()
        assert isinstance(failed, Failed), "the policy changed between the click and the key"
        assert "doesn't allow break-glass" in failed.happened
        assert world.cloud.minted == {}
        world.policy = policy()
        await use(world, "R2", name="again")
        assert isinstance(await world.state("R2"), Ready)


async def fails_when_replaced(world: World, *, lost: Fault | None = None) -> None:
    """R1 is used; Slack doesn't take its secret, or Confluent's answer is lost; no other key follows."""
    world.policy = policy()
    if lost:
        world.plan.faults = {("cloud.create_key", 0): lost, ("cloud.create_key", 1): Fault.REFUSED_BEFORE}
        await use(world)
        await world.settle(HOUR)
    else:
        world.plan.faults = {("notifier.hand_over", 0): Fault.ERROR_BEFORE}
        await use(world)
        await world.click(Show(R1, 1))
        await world.work_now()
        assert isinstance(await world.state(), Undelivered)
        world.policy = policy(build.a_rule(2), digest="without")
        await world.click(Replace(R1, 1))
        await world.work_now()
    assert isinstance(await world.state(), Failed)
    world.policy = policy()


@pytest.mark.parametrize("lost", [None, Fault.ERROR_AFTER, Fault.ERROR_BEFORE])
async def test_a_use_that_may_have_made_a_key_is_reviewed_though_it_ended_without_one(lost: Fault | None) -> None:
    async with a_world() as world:
        await fails_when_replaced(world, lost=lost)
        assert world.cloud.live(R1) == []
        assert "hasn't been reviewed yet" in await use(world, "R2", name="again")
        assert await reported(world) == ("unreviewed", "no key")
        blocks, _ = card(await world.state())
        assert "Not justified" in str(blocks)

        await world.settle(REVIEW_WITHIN)
        assert (await actions(world)).count("break-glass:overdue") == 1
        assert "someone else has to review it" in await judge(world, DANA)
        assert "You reviewed" in await judge(world)
        assert "reviewed it" in await judge(world, FEMI)
        assert await reported(world) == ("justified", "no key")
        kinds = [post.surface.kind for post in await world.store.posts.get(R1)]
        assert kinds.count(SurfaceKind.REVIEWED) == 1
        await use(world, "R2", name="again")
        assert isinstance(await world.state("R2"), Ready)


async def test_the_block_of_a_use_that_failed_outlives_restarts_and_archives() -> None:
    async with a_world() as world:
        await fails_when_replaced(world)
        for step in (lambda _: asyncio.sleep(0), archive):
            await step(world)
            world.processes.clear()
            assert "hasn't been reviewed yet" in await use(world, "R2", name="again")
        await judge(world)
        world.processes.clear()
        await use(world, "R3", name="another")
        assert isinstance(await world.state("R3"), Ready)


async def test_a_use_that_was_refused_twice_for_its_own_end_needs_no_review() -> None:
    """Confluent said no to the key with an end, and then without one: nothing was ever created."""
    async with a_world() as world:
        world.policy = policy()
        world.cloud.expiry = "refused"
        world.plan.faults = {("cloud.create_key", 1): Fault.REFUSED_BEFORE}
        await use(world)
        assert isinstance(await world.state(), Failed)
        assert await reported(world) == ("failed", "no key")
        await use(world, "R2", name="again")
        assert isinstance(await world.state("R2"), Ready)


@pytest.mark.parametrize(("by", "why"), [(DANA, "someone else has to review it"), (OTTO, "don't cover this key")])
async def test_only_someone_else_who_could_have_approved_it_reviews_it(by: Person, why: str) -> None:
    async with a_world() as world:
        world.policy = policy()
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]
        await use(world)
        assert why in await judge(world, by)
        assert (await glass(world)).review is None
        refused = [line for line in await world.audit() if line["action"] == Action.APPROVAL_REFUSED]
        assert [(line["actor"], line["details"]["tried"]) for line in refused] == [(by.slack, "judge")]


async def test_the_first_review_counts_and_its_requester_is_told() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await judge(world, ERIN, "not justified", "The topic was readable all along.")
        assert f"<@{ERIN.slack}> reviewed it" in await judge(world, FEMI)
        assert "You reviewed it" in await judge(world, ERIN)
        review = (await glass(world)).review
        assert review is not None
        assert (review.by.slack, review.outcome) == (ERIN.slack, "not justified")
        kinds = [post.surface.kind for post in await world.store.posts.get(R1)]
        assert kinds.count(SurfaceKind.REVIEWED) == 1
        assert (await actions(world)).count("break-glass:reviewed") == 1


async def test_reminders_come_until_the_review_and_an_overdue_one_is_told_to_the_channels() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await world.settle(REVIEW_WITHIN - HOUR)
        assert "break-glass:overdue" not in await actions(world)
        assert {number for _, number in (await glass(world)).readers} == {0, 1, 2}
        await world.settle(2 * HOUR)
        assert (await actions(world)).count("break-glass:overdue") == 1
        late = {reader for reader, number in (await glass(world)).readers if number == 3}
        assert late == {"C01", "C09", ERIN.slack, FEMI.slack}
        await world.settle(8 * DAY)
        assert max(number for _, number in (await glass(world)).readers) == 4
        assert (await actions(world)).count("break-glass:overdue") == 1

        assert "hasn't been reviewed yet" in await use(world, "R2", name="again"), "the block stays"
        await judge(world)
        told = (await glass(world)).told
        await world.settle(30 * DAY)
        assert (await glass(world)).told == told


async def test_people_who_can_not_be_looked_up_are_told_later_and_the_key_does_not_wait() -> None:
    async with a_world() as world:
        world.policy = policy()
        process = world.start()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        deed = UseGlass("R1", WHY)
        await process.forms.use_glass(deed, build.a_click(deed, at=world.clock(), id="R1"))
        uses = process.services.steps.glass_uses

        def away(_: object) -> Any:
            raise Unavailable("Slack is away.")

        found = uses.candidates.remembered
        object.__setattr__(uses.candidates, "remembered", away)
        world.clock.advance(2 * timedelta(minutes=1))  # what was read for the form is outdated
        await world.work(process)
        while await world.work(process):
            pass
        assert isinstance(await world.state(), Ready)
        assert [reader for reader, _ in (await glass(world)).readers] == ["C09"]
        object.__setattr__(uses.candidates, "remembered", found)
        await world.settle(HOUR)
        assert ERIN.slack in [reader for reader, _ in (await glass(world)).readers]


@pytest.mark.search
@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize("at", range(24))
async def test_a_process_killed_at_any_step_loses_neither_the_telling_nor_the_review(fault: Fault, at: int) -> None:
    async with a_world(Plan({at: fault})) as world:
        world.policy = policy()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        await world.click(UseGlass("R1", WHY), view="V1")
        for _ in range(6):
            await world.work_now()
            world.clock.advance(timedelta(minutes=10))
        assert (await actions(world)).count("break-glass:used") == 1
        assert (await actions(world)).count("break-glass:told") == 1
        state = await world.state()
        assert isinstance(state, Ready)
        assert {reader for reader, _ in (await glass(world)).readers} == {"C09", ERIN.slack, FEMI.slack}
        found = await glass(world)
        assert found.next_round == found.at + DAY


async def test_the_review_is_still_there_when_the_record_is_gone_from_every_index() -> None:
    """Who deletes keys in Redis gets no second use: the audit log says that there was one."""
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        for key in await world.connections[0].keys("*"):
            if "audit" not in str(key):
                await world.connections[0].delete(key)
        assert "hasn't been reviewed yet" in await use(world, "R2", name="again")


async def test_two_slack_accounts_of_one_confluent_user_have_one_use_between_them() -> None:
    async with a_world() as world:
        world.policy = policy(replace(RULE, break_glass=replace(GLASS, by=Selector.of(DANA.slack, OTTO.slack))))
        world.policy = replace(world.policy, people={OTTO.slack: DANA.principal})
        await use(world)
        assert "hasn't been reviewed yet" in await use(world, "R2", by=OTTO, name="again")


async def test_archived_lines_still_hold_back_a_second_use_until_it_is_reviewed() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await archive(world)
        world.processes.clear()  # the next one begins with what the base says
        assert "hasn't been reviewed yet" in await use(world, "R2", name="again")
        await judge(world)
        await archive(world)
        world.processes.clear()
        await use(world, "R3", name="another")
        assert isinstance(await world.state("R3"), Ready)


async def test_a_use_is_reviewed_once_its_key_is_there() -> None:
    async with a_world() as world:
        world.policy = policy()
        process = world.start()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        deed = UseGlass("R1", WHY)
        await process.forms.use_glass(deed, build.a_click(deed, at=world.clock(), id="R1"))
        assert isinstance(await world.state(), Approved)
        with pytest.raises(Refused, match="nothing to review"):
            await process.services.decisions.judge(Judge(R1, "justified"), build.a_click(Judge(R1, "justified"), ERIN))
        await world.work_now()
        assert "You reviewed" in await judge(world)


@pytest.mark.parametrize("deed", [Judge(R1, "justified"), Judge(R1, "not justified", "x")])
async def test_a_request_that_was_approved_has_nothing_to_review(deed: Judge) -> None:
    async with a_world() as world:
        await world.seed(build.ready())
        await world.click(deed, by=ERIN)
        await world.work_now()
        assert "nothing to review" in str(world.slack.said)
        assert "break-glass:reviewed" not in await actions(world)


GROUP = replace(RULE, break_glass=replace(GLASS, by=Selector.of("S09")))


@pytest.mark.parametrize(("members", "is_used"), [((DANA, OTTO), True), ((OTTO,), False), ((), False)])
async def test_members_of_a_group_can_use_it_and_a_group_that_tells_no_members_refuses(
    members: tuple[Person, ...], *, is_used: bool
) -> None:
    async with a_world() as world:
        world.policy = policy(GROUP)
        world.slack.groups["S09"] = [each.slack for each in members]
        await use(world)
        assert (await world.store.requests.get(R1) is not None) is is_used


async def test_who_left_the_group_between_the_click_and_the_key_gets_none() -> None:
    async with a_world() as world:
        world.policy = policy(GROUP)
        world.slack.groups["S09"] = [DANA.slack]
        process = world.start()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        deed = UseGlass("R1", WHY)
        await process.forms.use_glass(deed, build.a_click(deed, at=world.clock(), id="R1"))
        world.slack.groups["S09"] = [OTTO.slack]
        await world.work_now()
        assert isinstance(await world.state(), Failed)
        assert world.cloud.minted == {}


async def test_a_group_that_can_not_be_read_leaves_the_review_page_without_the_offer() -> None:
    async with a_world() as world:
        world.policy = policy(GROUP)
        forms = world.start().services.forms
        page = await forms._checked(forms.directory, DRAFT, build.a_click(Glass("D1"), DANA))
        assert isinstance(page, ReviewPage)
        assert page.break_glass is None


async def test_the_messages_offer_a_replacement_once_the_use_was_reviewed() -> None:
    def offered(state: Any) -> bool:
        blocks, _ = key_message(state, 1)
        return "Replace key" in str(blocks)

    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await world.click(Show(R1, 1))
        await world.work_now()
        assert not offered(await world.state())
        await judge(world)
        assert offered(await world.state())


async def test_a_use_whose_secret_was_shown_is_reviewed_though_its_replacement_would_fail() -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        await world.click(Show(R1, 1))
        await world.work_now()
        world.policy = policy(build.a_rule(2), digest="without")
        await world.click(Replace(R1, 1))
        await world.work_now()
        assert isinstance(await world.state(), Living)
        world.policy = policy()
        assert "hasn't been reviewed yet" in await use(world, "R2", name="again")


async def test_home_lists_the_uses_that_wait_for_its_reader_and_their_own_one_that_holds_the_next_one_back() -> None:
    async def seen() -> list[tuple[list[str], bool]]:
        pages = [(await homes.page(each.slack)).uses for each in (DANA, ERIN, FEMI, OTTO)]
        return [([each.ask.id for each in uses.to_review], uses.mine is not None) for uses in pages]

    async with a_world() as world:
        world.policy = policy()
        homes = world.start().services.homes
        await world.store.homes.came(ERIN.slack, NOW)
        await use(world)
        assert await seen() == [([], True), (["R1"], False), (["R1"], False), ([], False)]
        drawn = str(home(await homes.page(ERIN.slack)))
        assert WHY in drawn
        assert drawn.index("Break-glass to review") < drawn.index("Waiting for your approval")
        assert "Ask an approver to review it" in str(home(await homes.page(DANA.slack)))

        world.cloud.bindings[ERIN.principal] = []
        world.clock.advance(2 * timedelta(minutes=1))
        assert (await seen())[1] == ([], False), "who lost the role can't review it"
        await judge(world, FEMI)
        assert await seen() == [([], False)] * 4


async def test_a_use_whose_key_is_not_there_yet_is_not_to_review_and_holds_the_next_one_back() -> None:
    async with a_world() as world:
        world.policy = policy()
        process = world.start()
        await world.store.drafts.put("R1", DANA.slack, DRAFT)
        deed = UseGlass("R1", WHY)
        await process.forms.use_glass(deed, build.a_click(deed, at=world.clock(), id="R1"))
        other = world.start().services.homes  # which has not read the log yet
        assert [(await other.page(each.slack)).uses.mine is None for each in (DANA, ERIN)] == [False, True]
        assert (await other.page(ERIN.slack)).uses.to_review == []


async def test_someone_who_could_review_a_use_sees_it_come_and_go_on_home() -> None:
    async with a_world() as world:
        world.policy = policy()
        homes = world.start().services.homes
        await use(world)
        for person in (DANA, ERIN, OTTO):
            await world.store.homes.came(person.slack, NOW)
        for reviewed in (False, True):
            if reviewed:
                await judge(world, FEMI)
            await homes.changed(await world.state())
            taken = await world.store.agenda.take(world.clock(), timedelta(minutes=1), 50)
            assert {str(each.item) for each in taken} >= {f"home:{DANA.slack}", f"home:{ERIN.slack}"}
            assert f"home:{OTTO.slack}" not in {str(each.item) for each in taken}
            for each in taken:
                await world.store.agenda.settle(each, None)


async def reported(world: World) -> object:
    """What both kinds of reports, of records and of the audit log alone, say of R1: the columns about break-glass."""
    record, ledger = await world.state(), Ledger(world.clock())
    async for line in world.store.audit.read():
        ledger.take(line)
    of_record = (request_row(record).break_glass, key.break_glass if (key := key_row(record, {})) else "no key")
    (row,) = [each for each in ledger.request_rows() if each.request == "R1"]
    keys = [each.break_glass for each in ledger.key_rows() if each.request == "R1"]
    assert (row.break_glass, keys[0] if keys else "no key") == of_record
    return of_record


@pytest.mark.parametrize("outcome", ["justified", "not justified"])
async def test_reports_say_that_a_key_is_by_break_glass_and_what_was_said_of_it(outcome: Judgment) -> None:
    async with a_world() as world:
        world.policy = policy()
        await use(world)
        assert await reported(world) == ("unreviewed", "unreviewed")
        await judge(world, outcome=outcome)
        assert await reported(world) == (outcome, outcome)


async def test_a_use_that_ended_without_a_key_is_reported_as_failed() -> None:
    async with a_world() as world:
        world.policy = policy()
        world.plan.faults = {("cloud.create_key", 0): Fault.REFUSED_BEFORE}
        await use(world)
        assert isinstance(await world.state(), Failed)
        assert await reported(world) == ("failed", "no key")
