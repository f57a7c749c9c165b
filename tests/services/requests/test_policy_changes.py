"""A policy that changes while a request waits: what was shown is what is approved, and what is approved is made."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.approvals import Terms
from bot.domain.keys import Operation, RequestId
from bot.domain.policy import Policy, Rule
from bot.domain.requests import Failed, Offered, Pending, Ready
from bot.services.commands import Approve, Show
from bot.services.requests.policy_changes import difference, under
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import DAY, ERIN, FEMI, HOUR
from tests.support.faults import Fault, Plan

R1 = RequestId("R1")
RULE = build.a_rule(name="keys", lifetime=90 * DAY)


def policy(**changed: Any) -> Policy:
    return build.policy_of(replace(RULE, **changed), digest="new")


def waiting(rule: Rule = RULE, **fields: Any) -> Pending:
    return build.pending(terms=rule.terms(policy().table), **fields)


async def approve(world: World, by: Any = ERIN, seen: int = 0) -> str:
    """Someone approves on a card; returns what they read besides the card."""
    before = len(world.slack.said)
    await world.click(Approve(R1, seen) if seen else Approve(R1), by=by)
    await world.work_now()
    return " ".join(text for to, text in world.slack.said[before:] if to == by.slack)


async def terms(world: World) -> Terms:
    return (await world.state()).terms


async def test_t25_what_a_looser_policy_would_allow_is_not_made_of_an_approval_that_showed_less() -> None:
    async with a_world() as world:
        await world.seed(waiting())
        world.policy = policy(lifetime=None)

        await approve(world)

        assert isinstance(await world.state(), Ready)
        assert (await terms(world)).lifetime == 90 * DAY


async def test_t25_under_a_stricter_policy_an_approval_makes_what_that_allows_and_its_giver_reads_it() -> None:
    async with a_world() as world:
        await world.seed(waiting())
        world.policy = policy(lifetime=30 * DAY)

        said = await approve(world)

        assert "30 days" in said
        assert (await terms(world)).lifetime == 30 * DAY


@pytest.mark.parametrize(("shown", "now"), [(2, 1), (1, 2)])
async def test_t25_the_larger_number_of_approvals_holds(shown: int, now: int) -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, approvals=shown)))
        world.policy = policy(approvals=now)

        assert "1 more needed" in await approve(world, ERIN)
        assert isinstance(await world.state(), Pending)
        await approve(world, FEMI)

        assert isinstance(await world.state(), Ready)


@pytest.mark.parametrize("changed", [{"name": "other keys"}, {"mint": "on_claim"}])
async def test_t25_other_terms_than_the_card_showed_are_shown_before_anybody_approves_them(
    changed: dict[str, Any],
) -> None:
    async with a_world() as world:
        await world.seed(waiting())
        world.policy = policy(lifetime=None, **changed)

        said = await approve(world)

        state = await world.state()
        assert isinstance(state, Pending)
        assert state.approvals == ()
        assert "90 days" in said
        assert "never" in said
        assert world.cloud.minted == {}

        await approve(world)
        assert isinstance(await world.state(), Pending), "a card that nobody drew anew counts no more"
        await approve(world, seen=1)
        assert isinstance(await world.state(), Ready | Offered)
        assert (await terms(world)).lifetime is None


async def test_t25_an_approval_of_other_terms_does_not_count_for_these() -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, approvals=2)))
        world.policy = policy(approvals=2)
        await approve(world, ERIN)
        world.policy = policy(approvals=2, name="other keys", lifetime=None)

        await approve(world, FEMI)
        assert await approve(world, FEMI, seen=1) == "", "the card says it"
        assert isinstance(await world.state(), Pending)
        await approve(world, ERIN, seen=1)

        assert isinstance(await world.state(), Ready)


async def test_t25_an_approval_of_more_counts_for_less() -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, approvals=2)))
        world.policy = policy(approvals=2)
        await approve(world, ERIN)
        world.policy = policy(approvals=2, lifetime=30 * DAY)

        await approve(world, FEMI)

        assert isinstance(await world.state(), Ready)
        assert (await terms(world)).lifetime == 30 * DAY


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.DELETE])
async def test_t25_how_a_key_is_made_says_nothing_of_one_that_is_changed(operation: Operation) -> None:
    async with a_world() as world:
        await world.seed(waiting(ask=build.an_ask(operation=operation, key=build.a_key())))
        world.policy = policy(mint="on_claim", lifetime=None)

        await approve(world)

        assert not isinstance(await world.state(), Pending)


@pytest.mark.parametrize("mint", ["on_approval", "on_claim"])
async def test_t25_what_was_approved_is_made_no_looser_than_the_policy_of_the_moment_allows(mint: Any) -> None:
    async with a_world() as world:
        state = replace(build.approved(), terms=replace(RULE, mint=mint).terms(policy().table))
        await world.seed(state)
        world.policy = policy(mint=mint, lifetime=timedelta(days=7))

        await world.work_now()
        if mint == "on_claim":
            await claim(world)

        assert (await terms(world)).lifetime == timedelta(days=7)


async def claim(world: World) -> None:
    await world.click(Show(R1, 1))
    await world.work_now()


# --- when the policy changes, before anybody clicks -------------------------------------------------------------------


async def reload(world: World, new: Policy) -> None:
    """Another policy holds: the process looks at what waits, and shows what became of it."""
    world.policy = new
    process = world.start()
    assert not await process.services.policy_changes.apply()
    await world.work_now()


async def lines(world: World, action: str) -> list[Any]:
    return [line for line in await world.audit() if line["action"] == action]


FORBIDDEN = policy(forbid="Ask <the platform team>.")


@pytest.mark.parametrize(
    ("new", "operation"),
    [
        (FORBIDDEN, Operation.CREATE),
        (policy(approvals=0, otherwise=None), Operation.CREATE),
        (policy(approvals=3), Operation.CREATE),
        (FORBIDDEN, Operation.DELETE),
    ],
)
async def test_t27_what_nobody_can_approve_any_more_ends_and_its_requester_is_told(
    new: Policy, operation: Operation
) -> None:
    async with a_world() as world:
        makes_key = operation is Operation.CREATE
        await world.seed(waiting(ask=build.an_ask(operation=operation, key=None if makes_key else build.a_key())))
        await world.work_now()

        await reload(world, new)

        state = await world.state()
        assert isinstance(state, Failed)
        assert "The policy changed: " in state.happened
        assert "(rule: keys)" in state.happened
        assert state.changed == ("Nothing was created." if makes_key else "The key is unchanged.")
        drawn = {versions[-1][0]: versions[-1][1].kind for versions in world.slack.messages.values()}
        assert drawn == dict.fromkeys(["card", "asked", "outcome"], "failed")
        (line,) = await lines(world, "request:failed")
        assert (line["details"]["rule"], line["details"]["policy"]) == ("keys", "new")


async def test_what_waits_stays_valid_under_a_rule_without_approvals_for_people_who_manage_the_key() -> None:
    async with a_world() as world:
        await world.seed(waiting())
        await reload(world, policy(approvals=0))

        state = await world.state()
        assert isinstance(state, Pending)
        assert (state.terms.approvals, state.changed) == (1, "")
        await approve(world)
        assert isinstance(await world.state(), Ready)


async def test_t27_other_terms_are_shown_their_requester_is_told_and_approvals_begin_anew() -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, approvals=2)))
        world.policy = replace(policy(approvals=2), digest="old")
        await approve(world, ERIN)

        await reload(world, policy(name="other keys", lifetime=None))

        state = await world.state()
        assert isinstance(state, Pending)
        assert (state.approvals, state.drawn, state.terms.rule, state.terms.approvals) == ((), 1, "other keys", 1)
        assert state.changed == (
            "The policy changed. Policy rule: keys → other keys. Approvals needed: 2 → 1. "
            "Expires: after 90 days → never."
        )
        assert any(versions[0][0] == "changed" for versions in world.slack.messages.values())
        (line,) = await lines(world, "request:terms-changed")
        said = {"changed": state.changed, "rule": "other keys", "policy": "new", "approvals": ""}
        assert line["details"] == said
        assert "Nothing was approved." in await approve(world, FEMI)
        assert await approve(world, FEMI, seen=1) == ""
        assert not isinstance(await world.state(), Pending)


async def test_t27_stricter_terms_are_shown_and_a_click_on_the_former_card_counts_for_them() -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, approvals=2)))
        world.policy = replace(policy(approvals=2), digest="old")
        await approve(world, ERIN)

        await reload(world, policy(lifetime=30 * DAY))
        await approve(world, FEMI)

        assert isinstance(await world.state(), Ready)
        assert (await terms(world)).lifetime == 30 * DAY


@pytest.mark.parametrize(("pending", "left"), [(timedelta(hours=1), "expired"), (3 * DAY, "pending")])
async def test_t27_a_new_time_to_decide_and_new_reminders_apply(pending: timedelta, left: str) -> None:
    async with a_world() as world:
        await world.seed(waiting(replace(RULE, pending=DAY)))
        world.clock.advance(timedelta(hours=2))

        await reload(world, policy(pending=pending, remind=(timedelta(minutes=30),)))

        assert (await world.state()).kind == left
        if left == "pending":
            state = await world.state()
            assert isinstance(state, Pending)
            assert state.expires_at == build.NOW + 3 * DAY


async def test_t27_a_policy_that_changes_nothing_for_a_request_is_on_record_and_moves_nothing() -> None:
    async with a_world() as world:
        await world.seed(waiting())
        await world.work_now()
        shown = {place: len(versions) for place, versions in world.slack.messages.items()}

        await reload(world, policy(claim=2 * DAY))
        before = await world.store.requests.get(R1)
        await reload(world, policy(claim=2 * DAY))

        assert await world.store.requests.get(R1) == before
        state = await world.state()
        assert isinstance(state, Pending)
        assert (state.policy, state.changed, state.drawn, state.terms.claim) == ("new", "", 0, 2 * DAY)
        assert {place: len(versions) for place, versions in world.slack.messages.items()} == shown
        assert await lines(world, "request:terms-changed") == []


def test_t27_reminders_are_planned_anew_only_where_the_policy_changes_them() -> None:
    before = waiting(replace(RULE, remind=(2 * HOUR,)), rounds=2, next_round=build.NOW + 5 * HOUR)

    other = under(before, replace(before.terms, claim=2 * DAY), "new")
    earlier = under(before, replace(before.terms, remind=(HOUR, 3 * HOUR)), "new")

    assert other.next_round == build.NOW + 5 * HOUR
    assert earlier.next_round == build.NOW + 3 * HOUR


@pytest.mark.parametrize(
    ("operation", "read"),
    [(Operation.CREATE, "Expires: never → after 7 days."), (Operation.EXTEND, "Expires: never → after 7 days.")]
    + [(each, "") for each in (Operation.EDIT, Operation.DELETE)],
)
def test_t27_a_lifetime_is_told_where_a_key_begins_one(operation: Operation, read: str) -> None:
    before = RULE.terms(policy().table)

    ask = build.an_ask(operation=operation)

    assert difference(ask, replace(before, lifetime=None), replace(before, lifetime=7 * DAY)) == read


def test_t27_when_a_key_is_made_is_told_where_one_is_made() -> None:
    before = RULE.terms(policy().table)
    now = replace(before, mint="on_claim")

    assert difference(build.an_ask(), before, now) == "Created: on approval → when the requester views the secret."
    assert difference(build.an_ask(operation=Operation.DELETE), before, now) == ""


async def test_t27_what_cannot_be_looked_at_now_is_looked_at_again() -> None:
    plan = Plan({("cloud.users", 0): Fault.ERROR_BEFORE})
    async with a_world(plan) as world:
        await world.seed(waiting())
        world.policy = FORBIDDEN
        changes = world.start().services.policy_changes

        assert await changes.apply()
        assert isinstance(await world.state(), Pending)
        assert not await changes.apply()
        assert isinstance(await world.state(), Failed)


async def test_t27_refusals_name_the_rule_and_the_policy_that_refused() -> None:
    async with a_world() as world:
        await world.seed(waiting())
        await approve(world, build.OTTO)
        world.policy = FORBIDDEN
        await approve(world, ERIN)

        first, second = await lines(world, "approval:refused")
        assert (first["details"]["rule"], second["details"]["rule"]) == ("keys", "keys")
        assert (first["details"]["policy"], second["details"]["policy"]) == ("built-in", "new")
