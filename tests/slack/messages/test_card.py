"""What a card says about a key that exists: enough to decide, and by the name that it has now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.keys import FlinkRegion, Operation, OrganizationScope, Resource
from bot.domain.kinds import Kind
from bot.domain.requests import Shown
from bot.slack.blocks.text import Block
from bot.slack.messages import card
from bot.slack.messages import key as key_messages
from sandbox.slack.blocks import plain_words
from tests.support import build
from tests.support.build import DAY


def rows(blocks: Sequence[Block]) -> list[str]:
    """What stands there, line by line."""
    return [line for words in plain_words(list(blocks)) for line in words.splitlines()]


@pytest.mark.parametrize(
    ("asked", "most", "said"),
    [
        (7 * DAY, None, "New expiration: 7 days after approval"),
        (None, 30 * DAY, "New expiration: 30 days after approval"),
        (90 * DAY, 30 * DAY, "New expiration: 30 days after approval"),
        (None, None, "New expiration: never"),
    ],
)
def test_who_approves_an_extension_reads_how_long_it_is(
    asked: timedelta | None, most: timedelta | None, said: str
) -> None:
    request = build.pending(ask=build.a_change(Operation.EXTEND, lifetime=asked), terms=build.terms(lifetime=most))

    assert said in rows(card.card(request)[0])


def test_who_approves_a_new_key_reads_how_long_it_lives_where_the_rule_alone_says_so() -> None:
    limited = build.pending(terms=build.terms(lifetime=30 * DAY))

    assert "Expires: 30 days after creation" in rows(card.card(limited)[0])
    assert "Expires: never" in rows(card.card(build.pending())[0])


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.DELETE])
def test_what_changes_no_life_speaks_of_none(operation: Operation) -> None:
    request = build.pending(ask=build.a_change(operation), terms=build.terms(lifetime=30 * DAY))

    assert "Lives" not in str(card.card(request)[0])


def test_a_renamed_key_goes_by_its_new_name() -> None:
    shown = build.states()["shown"]
    assert isinstance(shown, Shown)
    renamed = replace(shown, key=replace(shown.key, name="orders,\nsecond"))

    said = " ".join(plain_words(key_messages.key(renamed, 1)[0]))

    assert "(orders, second)" in said
    assert "orders producer" not in said


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (FlinkRegion("aws.us-east-1", "env-dev001", "dev"), "Flink region: aws.us-east-1 in dev"),
        (build.CLUSTER, "Kafka cluster: orders-dev (lkc-dev001) in dev"),
        (OrganizationScope(Kind.CLOUD), "For: Cloud resource management, in the whole organization"),
    ],
)
def test_a_resource_is_named_once(resource: Resource, said: str) -> None:
    request = build.pending(ask=build.an_ask(resource=resource))

    assert said in rows(card.card(request)[0])


@pytest.mark.parametrize(("named", "said"), [(True, " (u-erin, says the policy file)"), (False, "")])
def test_t26_a_card_says_of_each_approver_whom_the_policy_file_makes_somebody(*, named: bool, said: str) -> None:
    given = build.an_approval(replace(build.ERIN, named=named))
    waits = build.pending(terms=build.terms(approvals=2), approvals=(given,))

    (line,) = (row for row in rows(card.card(waits)[0]) if row.startswith("Approved by "))
    assert line.startswith(f"Approved by <@U0ERIN>{said}, {given.basis}, ")
