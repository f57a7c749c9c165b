"""Who may approve, deny and cancel what, until when, and what one click more changes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import Refused, Throttled
from bot.domain.keys import Person, Principal, RequestId, TeamId
from bot.domain.requests import Approved, Cancelled, Denied, Expired, Pending, Request, approvals_of
from bot.domain.roles import Binding
from bot.services.commands import Approve, Cancel, CardAt, Deny
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DANA, DAY, ERIN, FEMI, NOW, OTTO
from tests.support.fakes import FakeCloud, TestClock

R1 = RequestId("R1")
MOMENT = timedelta(seconds=1)
ELSEWHERE = replace(DANA, team=TeamId("T99"))
Decision = type[Approve] | type[Deny] | type[Cancel]
DECIDING = (Approve, Deny)


@dataclass(slots=True)
class Slow(FakeCloud):
    """A Confluent that takes its time to say who holds which roles; Latchkey may lose its rights in that time."""

    takes: timedelta = timedelta()
    loses_rights: bool = False

    async def role_bindings(self, principal: Principal) -> Sequence[Binding]:
        assert isinstance(self.clock, TestClock)
        self.clock.advance(self.takes)
        self.is_partial |= self.loses_rights
        return await super(Slow, self).role_bindings(principal)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Dana's request waits for one approval."""
    async with a_world(cloud=Slow) as world:
        await world.seed(build.pending())
        yield world


async def decide(world: World, what: Decision, by: Person, **fields: Any) -> str | None:
    """What is said to the person who clicks."""
    deed = Deny(R1, "not now") if what is Deny else Approve(R1) if what is Approve else Cancel(R1)
    decisions, click = (
        world.start().services.decisions.for_one_decision(),
        build.a_click(deed, by, world.clock(), **fields),
    )
    match deed:
        case Approve():
            return await decisions.approve(deed, click)
        case Deny():
            return await decisions.deny(deed, click)
        case Cancel():
            return await decisions.cancel(deed, click)


async def refused(world: World, what: Decision, by: Person, said: str) -> Request:
    """The request after a click that was refused in these words."""
    with pytest.raises(Refused, match=said):
        await decide(world, what, by)
    return await world.state()


async def refusals(world: World) -> list[tuple[str, str]]:
    """Who was refused what, as the audit log has it."""
    lines: list[Any] = [line for line in await world.audit() if line["action"] == "approval:refused"]
    return [(line["actor"], line["details"]["tried"]) for line in lines]


async def approvers(world: World) -> list[Person]:
    state = await world.state()
    assert isinstance(state, Pending | Approved)
    given = state.approvals if isinstance(state, Pending) else state.grant.approvals
    return [each.by for each in given]


async def test_the_last_approval_needed_lets_the_key_be_made(world: World) -> None:
    assert str(await decide(world, Approve, ERIN)).startswith("Approved “orders producer”.")

    state = await world.state()
    assert isinstance(state, Approved)
    assert await approvers(world) == [ERIN]
    assert state.grant.fresh_until > NOW


async def test_two_approvals_come_from_two_people(world: World) -> None:
    world.policy = build.a_policy(2)

    assert (
        await decide(world, Approve, ERIN)
        == "Your approval of “orders producer” is recorded. 1 more needed. Approvals needed: 1 → 2."
    )
    assert "already" in str(await decide(world, Approve, ERIN))
    assert await approvers(world) == [ERIN]
    await decide(world, Approve, FEMI)
    assert isinstance(await world.state(), Approved)
    assert await approvers(world) == [ERIN, FEMI]


async def test_an_approval_of_somebody_who_lost_the_role_no_longer_counts(world: World) -> None:
    world.policy = build.a_policy(2)
    await decide(world, Approve, ERIN)
    world.cloud.bindings[ERIN.principal] = []

    assert await decide(world, Approve, FEMI) == "Your approval of “orders producer” is recorded. 1 more needed."
    assert await approvers(world) == [FEMI]


async def test_t25_two_that_the_card_asked_for_stay_two_under_a_policy_that_asks_for_fewer(world: World) -> None:
    world.policy = build.a_policy(2)
    await decide(world, Approve, ERIN)
    world.policy = build.a_policy(1)

    assert "already" in str(await decide(world, Approve, ERIN))
    assert await approvers(world) == [ERIN]
    assert str(await decide(world, Approve, FEMI)).startswith("Approved “orders producer”.")
    assert await approvers(world) == [ERIN, FEMI]


@pytest.mark.parametrize("what", DECIDING)
@pytest.mark.parametrize(("by", "said"), [(OTTO, "don't cover this key"), (DANA, "someone else has to approve it")])
async def test_a_decision_takes_authority_over_somebody_elses_request(
    world: World, what: Decision, by: Person, said: str
) -> None:
    world.cloud.bindings[DANA.principal] = [build.a_binding(DANA)]

    assert isinstance(await refused(world, what, by, said), Pending)
    assert await approvers(world) == []
    assert await refusals(world) == [(by.slack, "deny" if what is Deny else "approve")]


@pytest.mark.parametrize("what", DECIDING)
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_confluent_that_shows_a_part_refuses_nobody(world: World, what: Decision, *, meanwhile: bool) -> None:
    assert isinstance(world.cloud, Slow)
    world.cloud.is_partial, world.cloud.loses_rights = not meanwhile, meanwhile

    with pytest.raises(Throttled):
        await decide(world, what, ERIN)
    assert isinstance(await world.state(), Pending)
    assert await refusals(world) == []


async def test_a_policy_that_forbids_it_by_now_holds(world: World) -> None:
    rules = tuple(replace(rule, forbid="Use the shared key.") for rule in world.policy.rules)
    world.policy = replace(world.policy, rules=rules)

    assert isinstance(await refused(world, Approve, ERIN, "Use the shared key."), Pending)
    assert await refusals(world) == [(ERIN.slack, "approve")]


async def test_nothing_is_approved_for_somebody_who_left(world: World) -> None:
    world.cloud.people.remove(DANA)

    assert isinstance(await refused(world, Approve, ERIN, "couldn't be confirmed"), Pending)


async def test_a_denial_says_who_and_why(world: World) -> None:
    await decide(world, Deny, ERIN)

    state = await world.state()
    assert isinstance(state, Denied)
    assert (state.by, state.reason) == (ERIN, "not now")
    (line,) = [line for line in await world.audit() if line["action"] == "request:denied"]
    assert (line["actor"], line["details"]) == (ERIN.slack, {"reason": "not now"})


@pytest.mark.parametrize("by", [ERIN, ELSEWHERE])
async def test_only_the_requester_cancels(world: World, by: Person) -> None:
    assert isinstance(await refused(world, Cancel, by, "Only <@U0DANA> can cancel"), Pending)
    assert await refusals(world) == [(by.slack, "cancel")]

    assert await decide(world, Cancel, DANA) == "Cancelled “orders producer”. Nothing was created."
    assert isinstance(await world.state(), Cancelled)


@pytest.mark.parametrize(("what", "by"), [(Approve, ERIN), (Deny, ERIN), (Cancel, DANA)])
async def test_nothing_is_decided_once_the_time_is_over(world: World, what: Decision, by: Person) -> None:
    world.clock.now = NOW + DAY

    assert isinstance(await refused(world, what, by, "has expired"), Expired)


@pytest.mark.parametrize(("what", "by"), [(Approve, ERIN), (Deny, ERIN), (Cancel, DANA)])
async def test_it_can_be_decided_until_then(world: World, what: Decision, by: Person) -> None:
    world.clock.now = NOW + DAY - MOMENT

    await decide(world, what, by)
    assert isinstance(await world.state(), Approved | Denied | Cancelled)


@pytest.mark.parametrize("what", DECIDING)
async def test_a_decision_whose_time_ends_while_roles_are_read_is_none(world: World, what: Decision) -> None:
    assert isinstance(world.cloud, Slow)
    world.clock.now, world.cloud.takes = NOW + DAY - MOMENT, MOMENT

    assert isinstance(await refused(world, what, ERIN, "has expired"), Expired)


@pytest.mark.parametrize("what", DECIDING)
async def test_a_decision_stands_whoever_clicks_afterwards(world: World, what: Decision) -> None:
    await decide(world, Deny, ERIN)

    assert isinstance(await refused(world, what, FEMI, "Your click changed nothing\\.$"), Denied)
    assert isinstance(await refused(world, what, ERIN, "Your click changed nothing more\\.$"), Denied)
    assert isinstance(await refused(world, Cancel, DANA, "can no longer be cancelled"), Denied)


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "by"), [(Approve, ERIN), (Cancel, DANA)])
async def test_what_the_message_with_the_button_shows_is_not_said_again(
    world: World, what: Decision, by: Person
) -> None:
    """Five decisions in a row leave no pile of answers; a person who was told to wait reads how it ended."""
    assert await decide(world, what, by, card=CardAt("C01", "1.1")) is None


@pytest.mark.parametrize(("what", "by"), [(Approve, ERIN), (Cancel, DANA)])
async def test_who_was_told_to_wait_reads_how_it_ended(world: World, what: Decision, by: Person) -> None:
    assert "“orders producer”" in str(await decide(world, what, by, card=CardAt("C01", "1.1"), tries=1))


async def test_an_approval_that_is_not_the_last_one_is_shown_by_the_card_alone() -> None:
    """Its headline says how many more are needed: five such approvals leave no pile of answers, either."""
    async with a_world() as world:
        world.policy = build.a_policy(2)
        await world.seed(build.pending(terms=build.terms(approvals=2)))

        assert await decide(world, Approve, ERIN, card=CardAt("C01", "1.1")) is None
        assert await approvers(world) == [ERIN]


async def test_terms_that_became_stricter_are_said_below_the_card(world: World) -> None:
    world.policy = build.a_policy(2)

    said = await decide(world, Approve, ERIN, card=CardAt("C01", "1.1"))

    assert str(said).endswith("is recorded. 1 more needed. Approvals needed: 1 → 2.")


async def test_a_denial_is_refused_before_a_reason_is_written(world: World) -> None:
    decisions, deed = world.start().services.decisions, Deny(R1, "")

    with pytest.raises(Refused, match="You can't deny “orders producer”\\."):
        await decisions.deniable(deed, build.a_click(deed, OTTO, world.clock()))
    assert (await decisions.deniable(deed, build.a_click(deed, ERIN, world.clock()))).ask.name
    assert isinstance(await world.state(), Pending)


# --- what was approved before -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "by"), [(Deny, FEMI), (Cancel, DANA)])
async def test_what_was_approved_stays_on_record_when_the_request_ends(
    world: World, what: Decision, by: Person
) -> None:
    world.policy = build.a_policy(2)
    await decide(world, Approve, ERIN)

    await decide(world, what, by)

    ended = await world.state()
    assert isinstance(ended, Denied | Cancelled)
    assert [each.by for each in approvals_of(ended)] == [ERIN]


async def test_what_was_approved_stays_on_record_when_the_time_is_over(world: World) -> None:
    world.policy = build.a_policy(2)
    await decide(world, Approve, ERIN)
    world.clock.advance(2 * build.DAY)
    with pytest.raises(Refused):
        await decide(world, Approve, FEMI)

    assert [each.by for each in approvals_of(await world.state())] == [ERIN]
