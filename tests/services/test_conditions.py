"""`approvers` in a rule: who approves besides having a role, at the click and again before the effect."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.audit import Action
from bot.domain.conditions import Condition, Party
from bot.domain.errors import Refused, Unavailable
from bot.domain.keys import Person, RequestId
from bot.domain.policy import Rule
from bot.domain.requests import Approved, Denied, Expired, Failed, Pending, Ready
from bot.services.browse.home import waiting_for
from bot.services.commands import Approve, Deny
from tests.services import test_break_glass as glass_cases
from tests.services.requests.test_submit import is_stored, sent
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, HOUR, OTTO, a_binding, crn
from tests.support.composed import may_approve
from tests.support.faults import Fault, Plan

PAYMENTS, FRAUD, SHARED = "S07", "S08", "S09"
R1 = RequestId("R1")
PAY, FRAUD_OPS = Party((PAYMENTS,), "payments-leads"), Party((FRAUD,), "fraud-ops")
ONE_OF = build.a_rule(approvers=Condition((PAY,)), name="leads")
DISTINCT = build.a_rule(2, approvers=Condition((PAY, FRAUD_OPS), is_distinct=True), name="both")
NOT_OWNER = build.a_rule(approvers=Condition(barred=("owner",)), name="not the owner")
APART = build.a_rule(approvers=Condition(barred=("same group",)), name="apart")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.slack.groups = {PAYMENTS: [FEMI.slack], FRAUD: [OTTO.slack], SHARED: [DANA.slack, ERIN.slack]}
        may_approve(world.cloud, ERIN, FEMI, OTTO)
        yield world


async def waiting(world: World, rule: Rule, apart: tuple[str, ...] = (), **fields: Any) -> None:
    """A request that waits under this rule."""
    world.policy = build.policy_of(rule, team_groups=frozenset({SHARED}), digest="now")
    await world.seed(build.pending(terms=rule.terms(world.policy.table, apart), policy="now", **fields))


async def approve(world: World, *people: Person, seen: int = 0) -> str:
    """These people approve, one after the other; returns what the last one reads."""
    before = len(world.slack.said)
    for each in people:
        before = len(world.slack.said)
        await world.click(Approve(R1, seen), by=each)
        await world.work_now()
    return str(world.slack.said[before:])


async def counted(world: World) -> list[str]:
    state = await world.state()
    assert isinstance(state, Pending)
    return [each.by.name for each in state.approvals]


# --- the click --------------------------------------------------------------------------------------------------------


async def test_who_is_in_none_of_one_of_is_refused_and_audited_and_changes_nothing(world: World) -> None:
    await waiting(world, ONE_OF)
    said = await approve(world, ERIN)

    assert "The policy accepts approvals only from the payments-leads team. Nothing changed." in said
    assert await counted(world) == []
    assert [line["actor"] for line in await world.audit() if line["action"] == Action.APPROVAL_REFUSED] == [ERIN.slack]

    await approve(world, FEMI)
    state = await world.state()
    assert isinstance(state, Ready)
    assert [each.groups for each in state.grant.approvals] == [(PAYMENTS,)]


async def test_a_group_is_no_way_around_authority(world: World) -> None:
    world.slack.groups[PAYMENTS] = [OTTO.slack]
    world.cloud.bindings[OTTO.principal] = []
    await waiting(world, ONE_OF)

    assert "Your Confluent roles don't cover this key" in await approve(world, OTTO)
    assert await counted(world) == []


async def test_conditions_bar_nobody_from_denying(world: World) -> None:
    await waiting(world, ONE_OF)
    await world.click(Deny(R1, "no"), by=ERIN)
    await world.work_now()

    assert isinstance(await world.state(), Denied)


async def test_an_owner_of_the_account_is_barred_however_else_they_could_approve(world: World) -> None:
    world.cloud.bindings[ERIN.principal].append(a_binding(ERIN, "ResourceOwner", crn("service-account=sa-abc001")))
    await waiting(world, NOT_OWNER)

    assert "The policy doesn't accept approvals from owners of the service account." in await approve(world, ERIN)
    await approve(world, FEMI)
    assert isinstance(await world.state(), Ready)


async def test_who_shares_a_named_group_with_the_requester_is_barred(world: World) -> None:
    await waiting(world, APART, apart=(SHARED,))

    assert f"who share a user group with the requester (`{SHARED}`)" in await approve(world, ERIN)
    await approve(world, FEMI)
    assert isinstance(await world.state(), Ready)


async def test_each_group_counts_once_and_who_is_in_two_counts_for_either(world: World) -> None:
    world.slack.groups = {PAYMENTS: [ERIN.slack, FEMI.slack], FRAUD: [OTTO.slack]}
    await waiting(world, DISTINCT)
    assert "1 more needed" in await approve(world, ERIN)
    said = await approve(world, FEMI)
    assert "counts one approval from each group, and yours already approved." in said
    assert "Still needed: 1 more approval from the fraud-ops team." in said
    assert await counted(world) == ["Erin"]

    world.slack.groups[FRAUD] = [ERIN.slack]  # so that Erin's is for fraud-ops now, and Femi's for payments-leads
    world.slack.groups[PAYMENTS] = [ERIN.slack, FEMI.slack]
    await approve(world, FEMI)
    assert isinstance(await world.state(), Ready)


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize("at", range(0, 8, 2))
async def test_of_two_clicks_at_once_no_group_counts_twice_whatever_is_killed(fault: Fault, at: int) -> None:
    async with a_world(Plan({at: fault})) as world:
        world.slack.groups = {PAYMENTS: [ERIN.slack, FEMI.slack], FRAUD: [OTTO.slack]}
        may_approve(world.cloud, ERIN, FEMI, OTTO)
        await waiting(world, DISTINCT)
        for by in (ERIN, FEMI):
            await world.click(Approve(R1), by=by)
        for _ in range(3):
            world.clock.advance(HOUR / 4)
            await world.work_now()

        assert len(await counted(world)) == 1
        assert world.cloud.minted == {}


# --- who moves between groups -----------------------------------------------------------------------------------------


async def test_a_requester_who_leaves_the_shared_group_gains_no_approver(world: World) -> None:
    world.policy = build.policy_of(APART, team_groups=frozenset({SHARED}), digest="now")
    await sent(world)
    state = await world.state("D1")
    assert isinstance(state, Pending)
    assert [each.apart for each in state.terms.approvers] == [(SHARED,)]

    world.slack.groups[SHARED] = [ERIN.slack]  # Dana takes herself out
    for by in (ERIN, FEMI):
        await world.click(Approve(RequestId("D1")), by=by)
        await world.work_now()
        is_barred = isinstance(await world.state("D1"), Pending)
        assert is_barred == (by is ERIN)


async def test_a_requester_who_leaves_for_the_effect_gains_nothing_either(world: World) -> None:
    world.policy = build.policy_of(APART, team_groups=frozenset({SHARED}))
    await world.seed(build.approved(terms=APART.terms(world.policy.table, (SHARED,))))
    world.slack.groups[SHARED] = [ERIN.slack]
    await world.work_now()

    assert isinstance(await world.state(), Failed)
    assert world.cloud.minted == {}


async def test_a_group_that_the_requester_joins_since_bars_its_members_and_needs_no_new_card(world: World) -> None:
    world.slack.groups[SHARED] = [ERIN.slack]
    await waiting(world, APART)
    world.slack.groups[SHARED] = [DANA.slack, ERIN.slack]

    assert "share a user group" in await approve(world, ERIN)
    await approve(world, FEMI)
    assert isinstance(await world.state(), Ready)


async def test_an_approver_who_leaves_the_group_before_the_effect_does_not_count(world: World) -> None:
    """As one who loses the role: what holds at the effect decides."""
    world.policy = build.policy_of(ONE_OF)
    await world.seed(build.approved(terms=ONE_OF.terms(world.policy.table), grant=build.a_grant(FEMI)))
    world.slack.groups[PAYMENTS] = [ERIN.slack]
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Failed)
    assert "has since lost the role, or no longer fits the policy" in state.happened
    assert world.cloud.minted == {}


async def test_an_approver_who_leaves_while_others_are_missing_is_gone_from_the_card(world: World) -> None:
    rule = replace(ONE_OF, approvals=2)
    world.slack.groups[PAYMENTS] = [ERIN.slack, FEMI.slack, OTTO.slack]
    await waiting(world, rule)
    await approve(world, ERIN)
    world.slack.groups[PAYMENTS] = [FEMI.slack, OTTO.slack]
    await approve(world, FEMI)

    assert await counted(world) == ["Femi"]
    await approve(world, OTTO)
    assert isinstance(await world.state(), Ready)


# --- groups that can't be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "group"), [(ONE_OF, PAYMENTS), (DISTINCT, FRAUD), (APART, SHARED)])
async def test_a_group_that_can_not_be_read_refuses_and_the_request_waits(world: World, rule: Rule, group: str) -> None:
    await waiting(world, replace(rule, approvals=2), apart=(SHARED,) if rule is APART else ())
    members = world.slack.groups.pop(group)

    assert f"the user group `{group}`" in await approve(world, FEMI)
    assert await counted(world) == []
    world.slack.groups[group] = members
    await approve(world, FEMI)
    assert await counted(world) == [FEMI.name]


@pytest.mark.parametrize(("rule", "group"), [(ONE_OF, PAYMENTS), (APART, SHARED)])
async def test_an_effect_waits_for_a_group_that_can_not_be_read(world: World, rule: Rule, group: str) -> None:
    world.policy = build.policy_of(rule, team_groups=frozenset({SHARED}))
    await world.seed(build.approved(terms=rule.terms(world.policy.table), grant=build.a_grant(FEMI)))
    members = world.slack.groups.pop(group)
    await world.work_now()
    assert isinstance(await world.state(), Approved)
    assert world.cloud.minted == {}

    world.slack.groups[group] = members
    await world.settle(DAY / 12)
    assert isinstance(await world.state(), Ready)


# --- before anything waits, and what people are told ------------------------------------------------------------------


async def test_a_request_that_nobody_fits_for_is_not_sent_and_says_who_is_missing(world: World) -> None:
    world.cloud.bindings[FEMI.principal] = []
    world.policy = build.policy_of(ONE_OF)
    with pytest.raises(Refused, match=r"no one else can approve it\. Only the payments-leads team can approve"):
        await sent(world)
    assert not await is_stored(world)

    world.slack.groups = {PAYMENTS: [ERIN.slack, OTTO.slack], FRAUD: [FEMI.slack]}
    world.policy = build.policy_of(DISTINCT)
    with pytest.raises(Refused, match="only 1 of the 2 needed could approve"):
        await sent(world, form="D2")


async def test_a_request_under_a_group_that_slack_does_not_tell_is_not_sent(world: World) -> None:
    world.policy = build.policy_of(APART, team_groups=frozenset({SHARED}))
    del world.slack.groups[SHARED]
    with pytest.raises(Unavailable, match=f"the user group `{SHARED}`"):
        await sent(world)


async def test_only_people_whose_approval_would_count_are_told_and_have_it_in_their_list(world: World) -> None:
    world.slack.groups = {PAYMENTS: [ERIN.slack, FEMI.slack], FRAUD: [OTTO.slack]}
    await waiting(world, replace(DISTINCT, notify=(ERIN.slack, FEMI.slack, OTTO.slack)), next_round=world.clock())
    await world.work_now()
    told = {each.partition(":")[0] for each in (await _pending(world)).told}
    assert told == {ERIN.slack, FEMI.slack, OTTO.slack}
    await approve(world, ERIN)

    services = world.start().services
    lists: dict[str, int] = {}
    for each in (FEMI, OTTO):
        held_roles = await services.directory.glance(each)
        lists[each.name] = len((await waiting_for(world.store.requests, held_roles, services.key_views))[0])
    assert lists == {"Femi": 0, "Otto": 1}


async def _pending(world: World) -> Pending:
    state = await world.state()
    assert isinstance(state, Pending)
    return state


async def test_a_policy_with_other_conditions_draws_the_card_anew_and_earlier_approvals_are_gone(world: World) -> None:
    before = build.a_rule(2, name="leads")
    await waiting(world, before)
    await approve(world, ERIN)
    world.policy = build.policy_of(replace(ONE_OF, approvals=1), digest="new")

    said = await approve(world, FEMI)
    assert "Conditions for approvers: none → Only the payments-leads team can approve." in said
    state = await _pending(world)
    assert (state.approvals, state.drawn) == ((), 1)
    await approve(world, FEMI, seen=1)
    assert isinstance(await world.state(), Ready)


async def test_the_page_to_confirm_opens_for_who_fits_alone(world: World) -> None:
    await waiting(world, replace(ONE_OF, confirm="resource"))
    decisions = world.start().services.decisions
    deed = Approve(R1)

    assert (await decisions.approvable(deed, build.a_click(deed, FEMI))).ask.id == R1
    with pytest.raises(Refused, match="only from the payments-leads team"):
        await decisions.approvable(deed, build.a_click(deed, ERIN))


async def test_a_request_that_waits_in_vain_expires_as_ever(world: World) -> None:
    await waiting(world, ONE_OF)
    await approve(world, ERIN)
    await world.settle(2 * DAY)

    assert isinstance(await world.state(), Expired)


async def test_under_break_glass_those_who_could_have_approved_are_told_and_review(world: World) -> None:
    rule = replace(ONE_OF, break_glass=glass_cases.GLASS)
    world.policy = glass_cases.policy(rule)
    await glass_cases.use(world)
    await world.work_now()

    told = {reader for reader, _ in (await glass_cases.glass(world)).readers}
    assert FEMI.slack in told
    assert not told & {ERIN.slack, OTTO.slack}
    assert "only from the payments-leads team" in await glass_cases.judge(world, ERIN)
    assert "You reviewed" in await glass_cases.judge(world, FEMI)


def test_a_pair_is_held_to_the_conditions_of_both_rules_in_either_order() -> None:
    table = build.policy_of(ONE_OF).table
    one, two = ONE_OF.terms(table), NOT_OWNER.terms(table)

    assert one.with_those_of(two).approvers == two.with_those_of(one).approvers
    assert set(one.with_those_of(two).approvers) == {ONE_OF.approvers, NOT_OWNER.approvers}
