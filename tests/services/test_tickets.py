"""Tickets: asked for where the rule that decides says so, bound to the request, and checked again until the effect."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.approvals import Ticket
from bot.domain.audit import Action
from bot.domain.decision import Forbidden, decide
from bot.domain.keys import Operation, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Match, Rule
from bot.domain.requests import Approved, Failed, Pending, Ready
from bot.policyfile.words import ticket_pattern
from bot.services.commands import Approve, Delete, Draft, Extend, ReplyTo, ReportLeak, Send
from bot.services.form.validate import TICKET, ticket_problem
from bot.services.pages import FormPage
from bot.slack.views.ticket import ticket_field
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN
from tests.support.composed import may_approve

PATTERN = "[A-Z]+-[0-9]+"
NEEDED = Ticket(PATTERN, "https://tickets.example/browse/{ticket}", required=True)
DRAFT = Draft(ACCOUNT.id, CLUSTER.environment, CLUSTER.id, "orders", "", "for tests", Kind.KAFKA, account=ACCOUNT.id)


def a_rule(ticket: Ticket | None = NEEDED, approvals: int = 1, **fields: Any) -> Rule:
    fits = ticket_pattern(ticket.pattern).isinstance_python if ticket else (lambda _: True)
    return build.a_rule(approvals, ticket=ticket, fits=fits, **fields)


async def sent(world: World, draft: Draft) -> str | FormPage | None:
    """Dana sends a form that she reviewed before."""
    await world.store.drafts.put("D1", DANA.slack, draft)
    deed = Send("D1")
    return await world.start().forms.send(deed, build.a_click(deed, at=world.clock(), reply=ReplyTo(view="V1")))


@pytest.mark.parametrize(
    ("ticket", "typed", "is_wrong"),
    [
        (None, "anything", False),
        (NEEDED, " OPS-12 ", False),
        (NEEDED, "", True),
        (NEEDED, "  ", True),
        (NEEDED, "see OPS-12", True),
        (NEEDED, "OPS-12 ", False),
        (NEEDED, "OPS-12\nOPS-13", True),
        (NEEDED, f"OPS-{'1' * TICKET}", True),
        (replace(NEEDED, required=False), "", False),
        (replace(NEEDED, required=False), "nonsense", True),
        (replace(NEEDED, pattern=".+"), "a\u202eb", True),
        (replace(NEEDED, pattern=".+"), f"cflt{'x' * 60}", True),
    ],
)
def test_a_ticket_matches_as_a_whole(ticket: Ticket | None, typed: str, *, is_wrong: bool) -> None:
    assert bool(ticket_problem(a_rule(ticket), typed)) is is_wrong


def test_people_read_the_example_of_a_ticket_instead_of_its_pattern() -> None:
    rule = a_rule(replace(NEEDED, example="OPS-123"))
    (field,) = ticket_field(rule.ticket)

    assert ticket_problem(rule, "") == "Enter a ticket, such as OPS-123."
    assert ticket_problem(rule, "nonsense") == "This isn't a ticket like OPS-123. Check it and try again."
    assert field["hint"]["text"] == "For example: OPS-123. Approvers will see this."


def test_no_pattern_takes_longer_than_its_text_is_long() -> None:
    slow = a_rule(replace(NEEDED, pattern="((a+)+)+b"))

    assert not slow.fits("a" * 100_000)  # with an engine that goes back, this would outlast the universe


def test_the_name_of_a_ticket_is_quoted_in_its_address() -> None:
    assert NEEDED.link("../?a=b&<x> 1") == "https://tickets.example/browse/..%2F%3Fa%3Db%26%3Cx%3E%201"
    assert Ticket(PATTERN).link("OPS-1") == ""


async def test_a_form_without_its_ticket_is_not_sent() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(a_rule())
        page = await sent(world, DRAFT)

        assert isinstance(page, FormPage)
        assert page.ticket == NEEDED
        assert page.problems == {"ticket": f"Enter a ticket that matches {PATTERN}."}
        assert world.history == []


async def test_the_ticket_is_part_of_what_is_approved_and_of_the_audit_line() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(a_rule())
        assert str(await sent(world, replace(DRAFT, ticket=" OPS-12 "))).startswith("Request sent.")

        state = await world.state("D1")
        assert isinstance(state, Pending)
        assert (state.ask.ticket, state.terms.ticket) == ("OPS-12", NEEDED)
        assert replace(state.ask, ticket="OPS-13").digest() != state.ask.digest()
        (line,) = await world.audit()
        assert line["details"]["ticket"] == "OPS-12"


async def test_what_was_typed_where_the_rule_asks_for_no_ticket_is_left_out() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(a_rule(None))
        await sent(world, replace(DRAFT, ticket="OPS-12"))

        assert (await world.state("D1")).ask.ticket == ""


@pytest.mark.parametrize("ticket", ["", "12"])
async def test_a_request_without_the_ticket_that_a_new_policy_requires_ends_at_the_click(ticket: str) -> None:
    async with a_world() as world:
        before = build.a_rule()
        await world.seed(build.pending(ask=build.an_ask(ticket=ticket), terms=before.terms(world.policy.table)))
        world.policy = build.policy_of(a_rule(name=before.name), digest="new")

        await world.click(Approve(RequestId("R1")), by=ERIN)
        await world.work_now()

        assert not isinstance(await world.state(), Approved | Ready)
        assert world.cloud.minted == {}
        said = " ".join(text for to, text in world.slack.said if to == ERIN.slack)
        assert "The policy requires a ticket" in said


async def test_a_request_that_waits_without_its_ticket_ends_when_the_policy_changes_and_says_why() -> None:
    async with a_world() as world:
        before = build.a_rule()
        await world.seed(build.pending(terms=before.terms(world.policy.table)))
        world.policy = build.policy_of(a_rule(name=before.name), digest="new")

        assert await world.start().services.policy_changes.apply() is False
        state = await world.state()

        assert isinstance(state, Failed)
        assert "The policy requires a ticket, and this request has none." in state.happened


async def test_what_was_approved_without_a_ticket_is_not_carried_out_once_one_is_required() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(a_rule(), digest="new")
        await world.seed(build.approved())
        await world.settle()

        assert isinstance(await world.state(), Failed)
        assert world.cloud.minted == {}


async def test_another_address_for_tickets_is_drawn_on_the_card_and_approvals_go_on_counting() -> None:
    async with a_world() as world:
        before = a_rule()
        await world.seed(build.pending(ask=build.an_ask(ticket="OPS-1"), terms=before.terms(world.policy.table)))
        world.policy = build.policy_of(replace(before, ticket=replace(NEEDED, url="https://new.example/{ticket}")))

        await world.click(Approve(RequestId("R1")), by=ERIN)
        await world.work_now()

        assert isinstance(await world.state(), Ready)


def test_an_ask_without_texts_is_decided_as_if_it_had_its_ticket() -> None:
    policy, ask, held = build.policy_of(a_rule()), build.an_ask(), build.holding(DANA)

    assert isinstance(decide(policy, ask, held), Forbidden)
    assert not isinstance(decide(policy, ask, held, is_sketch=True), Forbidden)


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.EXTEND])
async def test_a_change_of_a_key_needs_the_ticket_of_its_own_rule(operation: Operation) -> None:
    async with a_world() as world:
        may_approve(world.cloud, DANA)
        key = world.cloud.add(build.a_key(kind=Kind.KAFKA))
        await world.seed(build.shown(terms=build.terms(lifetime=30 * DAY), key=key))
        creates = build.a_rule(name="creates", match=Match(frozenset({Operation.ROTATE})))
        world.policy = build.policy_of(creates, a_rule(name="the rest"))
        deeds: dict[Operation, Delete | Extend] = {
            Operation.DELETE: Delete(key.id, "CONFIRM", "unused"),
            Operation.EXTEND: Extend(key.id, "longer"),
        }

        await world.click(deeds[operation], view="V1")
        await world.work_now()
        assert f"Enter a ticket that matches {PATTERN}. Nothing was sent." in str(world.slack.pages)

        world.clock.advance(DAY)
        click = await world.click(replace(deeds[operation], ticket="OPS-7"), view="V2")
        await world.work_now()
        assert (await world.state(click)).ask.ticket == "OPS-7"
        submitted = [line for line in await world.audit() if line["action"] == Action.SUBMITTED]
        assert submitted[-1]["details"]["ticket"] == "OPS-7"


async def test_a_leaked_key_waits_for_no_ticket() -> None:
    async with a_world() as world:
        world.policy = build.policy_of(a_rule(approvals=1))
        shown = build.shown(key=build.a_key(kind=Kind.KAFKA))
        await world.seed(shown)
        world.cloud.add(shown.key)
        await world.click(Delete(shown.key.id, "CONFIRM", "leaked"), ERIN)
        await world.work_now()
        assert "ticket" in world.slack.said[-1][1]
        assert world.cloud.live() == [shown.key.id]

        await world.click(ReportLeak((shown.key.id,)), DANA)
        await world.work_now()
        await world.click(Delete(shown.key.id, "CONFIRM", "leaked"), ERIN)
        await world.settle(DAY)
        assert world.cloud.live() == []
