"""`confirm: resource`: an approval counts only with the name of the resource, however the click reaches us."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.audit import Action
from bot.domain.errors import Refused
from bot.domain.keys import Cluster, OrganizationScope, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Rule
from bot.domain.requests import Approved, Pending, Ready, approvals_of
from bot.services.commands import Approve
from bot.services.text import is_confirmed, to_confirm
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import CLUSTER, DANA, ERIN, FEMI
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
RULE = build.a_rule(confirm="resource")
NAME = CLUSTER.name


def waiting(world: World, rule: Rule = RULE, **fields: Any) -> Pending:
    return build.pending(terms=rule.terms(world.policy.table), **fields)


async def approve(world: World, word: str = NAME, by: Any = ERIN, seen: int = 0, view: str = "V1") -> str:
    """Someone submits the modal; returns what they read."""
    before = len(world.slack.pages), len(world.slack.said)
    await world.click(Approve(R1, seen, word=word), by=by, view=view)
    await world.work_now()
    return str([*world.slack.pages[before[0] :], *world.slack.said[before[1] :]])


@pytest.mark.parametrize("word", ["", " ", "CONFIRM", NAME.upper(), f"{NAME}x", CLUSTER.id, f"x {NAME}"])
async def test_an_approval_without_the_name_is_refused_and_audited_and_changes_nothing(word: str) -> None:
    async with a_world() as world:
        world.policy = build.policy_of(RULE)
        await world.seed(waiting(world))
        said = await approve(world, word)

        state = await world.state()
        assert isinstance(state, Pending)
        assert state.approvals == ()
        assert "The policy asks you to type the name of the Kafka cluster first." in said
        refused = [line for line in await world.audit() if line["action"] == Action.APPROVAL_REFUSED]
        assert [(line["actor"], line["details"]["tried"]) for line in refused] == [(ERIN.slack, "approve")]


@pytest.mark.parametrize("word", [NAME, f"  {NAME} "])
async def test_an_approval_with_the_name_counts_once(word: str) -> None:
    async with a_world() as world:
        world.policy = build.policy_of(replace(RULE, approvals=2))
        await world.seed(waiting(world, replace(RULE, approvals=2)))
        assert "1 more needed" in await approve(world, word)
        assert "You already approved" in await approve(world, word, view="V2")
        await approve(world, "", FEMI)
        assert isinstance(await world.state(), Pending)

        await approve(world, word, FEMI)
        assert isinstance(await world.state(), Ready)
        assert len(world.cloud.minted) == 1


async def test_of_two_approvers_at_once_one_is_enough_and_one_key_is_made() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(RULE)
        await world.seed(waiting(world))
        for by in (ERIN, FEMI):
            await world.click(Approve(R1, word=NAME), by=by, view=f"V-{by.slack}")
        await world.work_now()

        assert isinstance(await world.state(), Ready)
        assert len(world.cloud.minted) == 1


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
@pytest.mark.parametrize("at", range(8))
async def test_an_approval_that_a_killed_process_had_begun_counts_with_its_name(fault: Fault, at: int) -> None:
    async with a_world(Plan({at: fault})) as world:
        world.policy = build.policy_of(RULE)
        await world.seed(waiting(world))
        await world.click(Approve(R1, word="wrong"), by=FEMI, view="V1")
        await world.click(Approve(R1, word=NAME), by=ERIN, view="V2")
        for _ in range(3):
            world.clock.advance(build.HOUR / 4)
            await world.work_now()

        state = await world.state()
        assert isinstance(state, Ready)
        assert [each.by.slack for each in state.grant.approvals] == [ERIN.slack]


async def test_a_policy_that_asks_for_the_name_since_then_draws_the_card_anew_and_earlier_approvals_are_gone() -> None:
    async with a_world() as world:
        before = replace(RULE, confirm="", approvals=2)
        world.policy = build.policy_of(before)
        await world.seed(waiting(world, before))
        assert "1 more needed" in await approve(world, "", FEMI)
        world.policy = build.policy_of(replace(before, confirm="resource"), digest="new")

        said = await approve(world, "")
        state = await world.state()
        assert "Approvers type: nothing → the name of the resource." in said
        assert isinstance(state, Pending)
        assert (state.terms.confirm, state.approvals, state.drawn) == ("resource", (), 1)
        assert "Nothing was approved" in await approve(world, NAME), "the modal was opened from the older card"
        await approve(world, NAME, seen=1, view="V3")
        assert [each.by for each in approvals_of(await world.state())] == [ERIN]


async def test_a_policy_that_asks_for_it_no_more_still_holds_the_card_to_what_it_showed() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(RULE)
        await world.seed(waiting(world))
        world.policy = build.policy_of(replace(RULE, confirm=""), digest="new")
        await approve(world, "")

        assert isinstance(await world.state(), Pending)
        await approve(world, NAME, view="V2")
        assert isinstance(await world.state(), Approved | Ready)


async def test_the_modal_opens_for_who_may_approve_the_request_as_it_is_now() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(RULE)
        await world.seed(waiting(world, drawn=1, changed="The policy changed."))
        decisions = world.start().services.decisions

        deed = Approve(R1, 1)
        assert (await decisions.approvable(deed, build.a_click(deed, ERIN))).ask.id == R1
        with pytest.raises(Refused, match="Nothing was approved"):
            await decisions.approvable(Approve(R1), build.a_click(Approve(R1), ERIN))
        with pytest.raises(Refused, match="your own request"):
            await decisions.approvable(deed, build.a_click(deed, DANA))


def test_what_is_typed_is_the_name_that_people_see_or_the_id_where_that_cannot_be_typed() -> None:
    def named(name: str) -> Cluster:
        return replace(CLUSTER, name=name)

    assert to_confirm(named("  orders\n dev ")) == "orders dev"
    assert to_confirm(named("")) == to_confirm(named("x" * 151)) == CLUSTER.id
    assert to_confirm(OrganizationScope(Kind.GLOBAL)) == Kind.GLOBAL.row.noun
    assert is_confirmed("cafe\u0301", named("caf\u00e9"))
    assert not is_confirmed("", named(""))
