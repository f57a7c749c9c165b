"""Rules about certain people's requests: who is in a group is read when it is needed, and not knowing refuses."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bot.domain.approvals import Terms, Ticket
from bot.domain.authority import Target
from bot.domain.errors import Refused, Throttled, Unavailable
from bot.domain.keys import KeyId, Operation, Principal, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Selector
from bot.domain.requests import Approved, Failed, Pending, Ready
from bot.domain.roles import Binding
from bot.services.commands import Approve, Delete, Send
from bot.services.form.fill import form
from bot.services.pages import FormPage
from tests.services.requests.test_submit import DRAFT, forms, is_stored, sent
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR
from tests.support.composed import may_approve
from tests.support.fakes import FakeCloud

TEAM, CONTRACTORS = "S07", "S09"
R1 = RequestId("R1")
ANYONE = build.a_rule(2, name="anyone")
ALONE = build.a_rule(0, Match(by=Selector.of(TEAM)), name="team")
NEVER = build.a_rule(1, Match(by=Selector.of(CONTRACTORS)), name="contractors", forbid="Not for contractors.")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        world.slack.groups = {TEAM: [DANA.slack], CONTRACTORS: [FEMI.slack]}
        world.policy = build.policy_of(NEVER, ALONE, ANYONE, digest="now")
        may_approve(world.cloud, DANA)
        yield world


async def test_a_member_is_under_the_rule_of_the_group_and_others_are_under_the_next(world: World) -> None:
    await sent(world)
    state = await world.state("D1")
    assert isinstance(state, Approved)
    assert state.terms.rule == "team"

    world.slack.groups[TEAM] = [ERIN.slack]
    await world.store.drafts.put("D2", DANA.slack, DRAFT)
    await forms(world).send(sending := Send("D2"), build.a_click(sending, anyway=True, at=world.clock()))
    state = await world.state("D2")
    assert isinstance(state, Pending)
    assert (state.terms.rule, state.terms.approvals) == ("anyone", 2)


async def test_a_rule_that_forbids_is_about_its_people_alone(world: World) -> None:
    world.slack.groups[CONTRACTORS] = [DANA.slack]

    with pytest.raises(Refused, match=r"Not for contractors\. \(rule: contractors\)"):
        await sent(world)
    assert not await is_stored(world)


@pytest.mark.parametrize("group", [TEAM, CONTRACTORS])
async def test_a_group_without_members_refuses_and_never_leads_to_the_next_rule(world: World, group: str) -> None:
    """Slack shows a group that someone disabled, or deleted, as none at all."""
    del world.slack.groups[group]

    with pytest.raises(Unavailable, match=f"the user group `{group}`.*Nothing changed"):
        await sent(world)
    assert not await is_stored(world)


async def test_a_group_that_slack_does_not_tell_refuses_at_the_click_and_the_request_waits(world: World) -> None:
    await world.seed(build.pending(terms=ANYONE.terms(world.policy.table)))
    del world.slack.groups[TEAM]
    await world.click(Approve(R1), by=ERIN)
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Pending)
    assert state.approvals == ()

    world.slack.groups[TEAM] = [FEMI.slack]
    await world.click(Approve(R1), by=ERIN)
    await world.work_now()
    state = await world.state()
    assert isinstance(state, Pending)
    assert len(state.approvals) == 1


async def test_who_left_the_group_before_the_approval_gets_the_stricter_rule_on_a_new_card(world: World) -> None:
    one = build.a_rule(1, Match(by=Selector.of(TEAM)), name="team", lifetime=90 * DAY)
    world.policy = build.policy_of(one, replace(ANYONE, lifetime=DAY), digest="now")
    await world.seed(build.pending(terms=one.terms(world.policy.table), policy="now"))
    world.slack.groups[TEAM] = [FEMI.slack]
    await world.click(Approve(R1), by=ERIN)
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Pending)
    assert (state.terms.rule, state.terms.approvals, state.drawn) == ("anyone", 2, 1)
    assert state.changed.startswith(
        "The requester's roles or user groups, or the environment's name, changed. Policy rule: team → anyone."
    )
    assert world.cloud.minted == {}

    for person in (ERIN, FEMI):
        await world.click(Approve(R1, 1), by=person)
        await world.work_now()
    assert isinstance(await world.state(), Ready)


async def test_who_left_the_group_before_the_effect_gets_no_key(world: World) -> None:
    terms: Terms = ALONE.terms(world.policy.table)
    await world.seed(build.approved(terms=terms, grant=replace(build.a_grant(), approvals=())))
    world.slack.groups[TEAM] = [FEMI.slack]
    await world.work_now()

    state = await world.state()
    assert isinstance(state, Failed)
    assert "a role, a user group, the environment's name or the policy changed" in state.happened
    assert world.cloud.minted == {}


async def test_what_was_allowed_waits_for_a_group_that_slack_does_not_tell(world: World) -> None:
    await world.seed(
        build.approved(terms=ALONE.terms(world.policy.table), grant=replace(build.a_grant(), approvals=()))
    )
    del world.slack.groups[CONTRACTORS]
    await world.work_now()
    assert isinstance(await world.state(), Approved)
    assert world.cloud.minted == {}

    world.slack.groups[CONTRACTORS] = [FEMI.slack]
    await world.settle(DAY / 12)
    assert isinstance(await world.state(), Ready)


class Hiding(FakeCloud):
    """A Confluent that shows a Latchkey with few rights all roles but Dana's."""

    hides = True

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        return () if self.hides and principal == DANA.principal else await super().role_bindings(principal)

    async def must_see_all(self) -> None:
        if self.hides:
            raise Throttled("Only a part is shown.", wait=HOUR / 60)


async def test_a_role_that_confluent_may_only_not_show_leads_to_no_other_rule() -> None:
    async with a_world(cloud=Hiding) as world:
        never = build.a_rule(1, Match(by=Selector.of("Operator")), name="operators", forbid="Not for operators.")
        world.policy = build.policy_of(never, build.a_rule(1, name="anyone"))
        world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, "Operator")]
        await world.seed(build.approved(terms=world.policy.rules[1].terms(world.policy.table)))
        await world.settle(HOUR)
        assert isinstance(await world.state(), Approved)
        assert world.cloud.minted == {}

        assert isinstance(world.cloud, Hiding)
        world.cloud.hides = False
        await world.settle(HOUR)
        state = await world.state()
        assert isinstance(state, Failed)
        assert "Not for operators." in state.happened


@pytest.mark.parametrize("roles", [("Operator",), ("EnvironmentAdmin",)])
async def test_only_who_lacks_a_role_that_a_rule_names_has_all_roles_looked_for(
    world: World, roles: tuple[str, ...]
) -> None:
    world.policy = build.policy_of(build.a_rule(2, Match(by=Selector.of("Operator")), name="operators"), ANYONE)
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA, role) for role in roles]
    requester = await world.start().services.directory.held_roles(DANA)
    world.cloud.is_partial = True
    asking = world.start().services.directory.asking(requester, Operation.CREATE, Target(ACCOUNT, CLUSTER))

    if roles == ("Operator",):
        assert (await asking).bindings == requester.bindings
    else:
        with pytest.raises(Throttled):
            await asking


async def test_a_change_of_a_key_goes_by_its_requesters_groups_too(world: World) -> None:
    deleting = Match(frozenset({Operation.DELETE}), by=Selector.of(CONTRACTORS))
    world.policy = build.policy_of(replace(NEVER, match=deleting), build.a_rule(0, name="others"))
    key = world.cloud.add(build.a_key(KeyId("KEY0000000000001"), kind=Kind.KAFKA))
    await world.seed(build.shown(key=key))
    await world.work_now()
    world.slack.groups[CONTRACTORS] = [DANA.slack]
    await world.click(Delete(key.id, "CONFIRM", "It is no longer used"))
    await world.work_now()

    assert world.cloud.minted[key.id].deleted_at is None
    assert "Not for contractors." in world.slack.said[-1][1]

    world.slack.groups[CONTRACTORS] = [FEMI.slack]
    await world.click(Delete(key.id, "CONFIRM", "It is no longer used"))
    await world.work_now()
    assert world.cloud.minted[key.id].deleted_at is not None


async def test_a_key_is_shown_with_all_its_buttons_where_a_group_can_not_be_read(world: World) -> None:
    key = world.cloud.add(build.a_key(KeyId("KEY0000000000001"), kind=Kind.KAFKA))
    await world.seed(build.shown(key=key))
    del world.slack.groups[CONTRACTORS]
    key_views = world.start().services.key_views

    view = await key_views.key_view(key.id, await key_views.visitor(DANA.slack))
    assert Operation.DELETE in view.may
    with pytest.raises(Unavailable, match=CONTRACTORS):
        await key_views.delete_page(key.id, await key_views.visitor(DANA.slack))


async def test_a_group_that_makes_no_difference_is_not_read(world: World) -> None:
    """Neither of the two exists, which would refuse."""
    elsewhere = build.a_rule(1, Match(environments=frozenset({"env-other"}), by=Selector.of("S01")), name="elsewhere")
    world.policy = build.policy_of(elsewhere, ANYONE, build.a_rule(1, Match(by=Selector.of("S02")), name="too late"))

    await sent(world)

    assert isinstance(await world.state("D1"), Pending)


# --- the form, which does not know yet who asks -----------------------------------------------------------------------


async def test_the_form_offers_what_any_rule_that_may_decide_allows(world: World) -> None:
    ticket = Ticket("[0-9]+", "", required=True)
    short = build.a_rule(1, Match(by=Selector.of(TEAM)), name="team", lifetime=DAY, ticket=ticket)
    page = form(DRAFT, None, build.policy_of(NEVER, short, replace(ANYONE, lifetime=7 * DAY)))
    assert (page.limit, page.ticket) == (7 * DAY, replace(ticket, required=False))

    page = form(DRAFT, None, build.policy_of(short, replace(ANYONE, ticket=ticket)))
    assert (page.limit, page.ticket) == (None, ticket)


async def test_a_ticket_that_only_the_group_needs_is_missed_under_its_field(world: World) -> None:
    rule = build.a_rule(1, Match(by=Selector.of(TEAM)), name="team", ticket=Ticket("[0-9]+", "", required=True))
    world.policy = build.policy_of(rule, ANYONE)
    page = await sent(world)
    assert isinstance(page, FormPage)
    assert "Enter a ticket" in page.problems["ticket"]
    assert page.ticket is not None

    world.slack.groups[TEAM] = [ERIN.slack]
    world.clock.advance(HOUR)
    await sent(world, form="D2")
    assert isinstance(await world.state("D2"), Pending)
