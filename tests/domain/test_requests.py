"""The states of a request, and the way from one to the next."""

import inspect
from dataclasses import replace
from typing import get_args

import pytest

from bot.domain.access import WantedBinding
from bot.domain.requests import (
    Approved,
    Confirmed,
    Granted,
    InFlight,
    Offered,
    Request,
    Revealing,
    Shown,
    Undelivered,
    Working,
)
from tests.support import build
from tests.support.build import DAY, HOUR, NOW

CARRIED = ["ask", "terms", "grant", "attempt", "key"]


@pytest.mark.parametrize("state", get_args(Request))
def test_a_state_takes_its_own_fields_by_keyword_only(state: type[Request]) -> None:
    parameters = inspect.signature(state).parameters.values()
    positional = [each.name for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]

    assert positional == CARRIED[: len(positional)]


def test_the_next_state_of_an_attempt_carries_request_grant_and_attempt() -> None:
    approved = replace(build.approved(), attempt=3, trouble="Confluent Cloud didn't answer.", without_end=True)

    working = approved.then(Working, sent_at=NOW, look_at=NOW + HOUR)

    assert working == Working(approved.ask, approved.terms, approved.grant, 3, sent_at=NOW, look_at=NOW + HOUR)


def test_the_next_state_of_a_key_carries_the_key_but_nothing_that_may_have_changed() -> None:
    ready = build.ready(attempt=2)
    carried = (ready.ask, ready.terms, ready.grant, 2, ready.key)

    shown = ready.then(Revealing, until=NOW).then(Shown, at=NOW)

    assert shown == Shown(*carried, at=NOW)
    assert shown.then(Confirmed, shown_at=NOW, at=NOW + HOUR) == Confirmed(*carried, shown_at=NOW, at=NOW + HOUR)


def test_the_next_attempt_is_under_the_same_grant_and_begins_at_once() -> None:
    ready = build.ready(attempt=2)
    lost = ready.then(Undelivered, why="Slack did not take the message.", at=NOW, tries=4)

    assert lost.next_attempt(NOW) == Approved(ready.ask, ready.terms, ready.grant, 3, not_before=NOW)
    assert lost.next_attempt(NOW, without_end=True).without_end


def test_the_first_attempt_stays_fresh_as_long_as_the_terms_say() -> None:
    approvals = (build.an_approval(),)

    approved = Approved.first(build.an_ask(), build.terms(claim=2 * DAY), approvals, NOW)

    assert (approved.attempt, approved.not_before) == (1, NOW)
    assert (approved.grant.approvals, approved.grant.fresh_until) == (approvals, NOW + 2 * DAY)


def test_a_failure_without_a_reference_has_the_id_of_its_request() -> None:
    offered = build.approved().then(Offered, claim_by=NOW)

    failed = offered.fail(NOW, "Nobody asked.", "Nothing changed.", "Ask again.")

    assert (failed.happened, failed.changed, failed.next) == ("Nobody asked.", "Nothing changed.", "Ask again.")
    assert (failed.reference, failed.at, failed.ask) == ("R1", NOW, offered.ask)
    assert offered.fail(NOW, "", "", "", "req-1").reference == "req-1"


@pytest.mark.parametrize("state", build.states().values(), ids=build.states())
def test_each_state_is_in_the_unions_that_its_fields_say(state: Request) -> None:
    assert isinstance(state, Granted) == hasattr(state, "attempt")
    assert isinstance(state, InFlight) != hasattr(state, "at")


def test_requests_that_differ_in_their_access_are_not_alike() -> None:
    reads, writes = (
        WantedBinding(role, "environment=env-1/topic=orders-*") for role in ("DeveloperRead", "DeveloperWrite")
    )
    alike = {build.an_ask(bindings=each).likeness() for each in ((), (reads,), (writes,), (reads, writes))}

    assert len(alike) == 4
    assert build.an_ask(bindings=(reads, writes)).likeness() == build.an_ask(bindings=(writes, reads)).likeness()
