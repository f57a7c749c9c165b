"""What a card says about a key that exists: enough to decide, and by the name that it has now."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from bot.domain.access import MOST, Access, WantedBinding
from bot.domain.approvals import Ticket
from bot.domain.keys import FlinkRegion, Operation, OrganizationScope, Resource
from bot.domain.kinds import Kind
from bot.domain.requests import Cancelled, Denied, Done, Expired, Failed, Shown, approvals_of
from bot.slack.blocks.limits import fits_a_message, message
from bot.slack.blocks.text import Block
from bot.slack.messages import answers, card, others
from bot.slack.messages import key as key_messages
from bot.slack.messages.state import state
from bot.slack.payloads import ids
from sandbox.slack.blocks import interactive, plain_words
from tests.support import build
from tests.support.build import DAY


def rows(blocks: Sequence[Block]) -> list[str]:
    """What stands there, line by line, without the marks of mrkdwn; a fact in one line with its label."""
    said = [re.sub(r"\A\*(.+)\*\n", r"\1: ", words) for words in plain_words(list(blocks))]
    return [re.sub("[*`]", "", line) for words in said for line in words.splitlines()]


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


def test_a_finished_extension_says_when_the_key_expires_and_a_denied_one_what_was_requested() -> None:
    ask = build.a_change(Operation.EXTEND, lifetime=7 * DAY)
    done = Done(ask, build.terms(), build.a_grant(), 1, at=build.NOW)
    denied = build.pending(ask=ask).then(Denied, by=build.ERIN, reason="no", at=build.NOW)

    assert any(each.startswith("Expires: ") and "2026-03-11" in each for each in rows(card.card(done)[0]))
    assert "Requested expiration: 7 days after approval" in rows(card.card(denied)[0])
    assert "New expiration" not in str([card.card(done), card.card(denied)])


def test_the_card_names_everyone_who_was_told_and_rings_only_for_members_of_the_channel() -> None:
    pending = build.pending(mentioned=(build.ERIN.slack,), told=(f"{build.FEMI.slack}:0", f"{build.ERIN.slack}:1"))
    blocks, rung = card.card(pending)

    assert f"Notified: <@{build.ERIN.slack}>" in rows(blocks)
    assert f"Notified in a direct message: <@{build.FEMI.slack}>" in rows(blocks)
    assert build.FEMI.slack not in str([each for each in blocks if each["type"] != "context"])
    assert rung.endswith(f"orders-dev <@{build.ERIN.slack}>")


def test_very_many_who_were_told_take_no_room_from_the_reason() -> None:
    ask = build.an_ask(reason="x" * 3000, description="y" * 3000)
    told = tuple(f"U{number:09}:0" for number in range(100))
    blocks, _ = card.card(build.pending(ask=ask, told=told))

    assert "U000000019> and 80 more" in " ".join(rows(blocks))
    assert message(blocks) == blocks


def test_who_approves_a_new_key_reads_how_long_it_lives_where_the_rule_alone_says_so() -> None:
    limited = build.pending(terms=build.terms(lifetime=30 * DAY))

    assert "Expires: 30 days after creation" in rows(card.card(limited)[0])
    assert "Expires: never" in rows(card.card(build.pending())[0])


@pytest.mark.parametrize("operation", list(Operation))
def test_a_ticket_is_a_link_on_the_card_and_in_lists_and_nothing_in_it_is(operation: Operation) -> None:
    ticket, odd = Ticket(".+", "https://tickets.example/?a=b&q={ticket}"), "*<!channel>*|https://evil.example/"
    for name, quoted in (("OPS-1", "OPS-1"), (odd, "%2A%3C%21channel%3E%2A%7Chttps%3A%2F%2Fevil.example%2F")):
        ask = build.an_ask(ticket=name) if operation is Operation.CREATE else build.a_change(operation, ticket=name)
        request = build.pending(ask=ask, terms=build.terms(ticket=ticket))
        url = f"https://tickets.example/?a=b&q={quoted}"
        for blocks in (card.card(request)[0], answers.requests_blocks([request], [request])):
            drawn = json.dumps(blocks, ensure_ascii=False)
            assert url in drawn or f"<{url.replace('&', '&amp;')}|{name}>" in drawn
            assert "<!channel>*|" not in re.sub(r'"text": "[*]<!channel>[*]\|https://evil.example/"', "", drawn)


def test_a_ticket_without_an_address_is_text() -> None:
    request = build.pending(ask=build.an_ask(ticket="OPS-1"), terms=build.terms(ticket=Ticket(".+")))

    assert "Ticket: OPS-1" in rows(card.card(request)[0])


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
        (FlinkRegion("aws.us-east-1", "env-dev001", "dev"), "Flink region: AWS us-east-1 (aws.us-east-1)"),
        (build.CLUSTER, "Kafka cluster: orders-dev (lkc-dev001)"),
        (OrganizationScope(Kind.CLOUD), "Scope: Cloud resource management, whole organization"),
    ],
)
def test_a_resource_is_named_once(resource: Resource, said: str) -> None:
    request = build.pending(ask=build.an_ask(resource=resource))

    assert said in rows(card.card(request)[0])


@pytest.mark.parametrize(("named", "said"), [(True, " (u-erin, per the policy file)"), (False, "")])
def test_t26_a_card_says_of_each_approver_whom_the_policy_file_makes_somebody(*, named: bool, said: str) -> None:
    given = build.an_approval(replace(build.ERIN, named=named))
    waits = build.pending(terms=build.terms(approvals=2), approvals=(given,))

    (line,) = (row for row in rows(card.card(waits)[0]) if row.startswith("Approved by "))
    assert line.startswith(f"Approved by <@U0ERIN>{said} ({given.basis}) ")


# --- at a glance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(build.states()))
def test_every_card_begins_with_its_state_and_name_and_ends_in_small_print(name: str) -> None:
    request = build.states()[name]

    first, *_, last = card.card(request)[0]

    assert first["type"] == "header"
    assert first["text"]["text"] == f"{state(request)} · {request.ask.name}"
    assert last["type"] == "context"
    assert f"Request ID: {request.ask.id}" in last["elements"][0]["text"]


@pytest.mark.parametrize("name", ["denied", "cancelled", "expired", "failed", "shown", "unclaimed", "ended"])
def test_approvals_stay_on_the_card_whatever_becomes_of_the_request(name: str) -> None:
    request = build.states()[name]
    if isinstance(request, Denied | Cancelled | Expired | Failed):
        request = replace(request, approvals=(build.an_approval(build.FEMI),))
    (given,) = approvals_of(request)

    assert any(
        row.startswith(f"Approved by <@{given.by.slack}> ({given.basis}) ") for row in rows(card.card(request)[0])
    )


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (None, "Latchkey couldn't look up the roles and API keys of orders-service."),
        (Access(None, 0, 3), "orders-service has: 3 API keys. Latchkey couldn't look up its roles."),
        (Access((), 0, None), "orders-service has: no roles. Latchkey couldn't look up its API keys."),
        (Access((), 0, 0), "orders-service has: no roles · 0 API keys"),
        (
            Access(("DeveloperRead on orders",), 3, 1_200),
            "orders-service has: DeveloperRead on orders; and 3 more · 1,200 API keys",
        ),
    ],
)
def test_approvers_read_what_the_account_can_do_already(access: Access | None, said: str) -> None:
    assert said in rows(card.card(build.pending(access=access))[0])


def test_only_who_can_still_decide_reads_of_access_and_risk() -> None:
    denied = replace(build.states()["denied"], ask=build.an_ask(resource=build.CLOUD))

    assert not [row for row in rows(card.card(denied)[0]) if " has: " in row or "High risk" in row]


@pytest.mark.parametrize(
    ("resource", "risk", "said"),
    [
        (build.CLOUD, "", "managing your whole Confluent Cloud organization, as far as the account's roles allow"),
        (build.GLOBAL, "", "all Confluent Cloud APIs and almost every resource that the account can use"),
        (build.CLUSTER, "high", "the Kafka cluster orders-dev in dev"),
        (build.CLUSTER, "", ""),
        (build.CLOUD, "normal", ""),
    ],
)
def test_a_risky_request_warns_and_asks_once_more(
    resource: Resource, risk: Literal["", "high", "normal"], said: str
) -> None:
    request = build.pending(ask=build.an_ask(resource=resource), terms=build.terms(risk=risk))

    blocks = card.card(request)[0]

    warned = [row for row in rows(blocks) if "High risk." in row]
    (approve,) = [each for _, each in interactive(blocks) if each["action_id"] == ids.APPROVE]
    if not said:
        assert (warned, "confirm" in approve) == ([], False)
        return
    assert warned == [f"⚠️ High risk. This gives orders-service a key for {said}."]
    assert approve["confirm"]["title"]["text"] == "Approve “orders producer”?"
    assert approve["confirm"]["text"]["text"] == f"This gives orders-service a key for {said}."


def test_the_first_of_two_who_approve_reads_that_one_more_is_needed() -> None:
    first = build.pending(ask=build.an_ask(resource=build.CLOUD), terms=build.terms(approvals=2))

    for request, said in ((first, True), (replace(first, approvals=build.a_grant().approvals), False)):
        (approve,) = [each for _, each in interactive(card.card(request)[0]) if each["action_id"] == ids.APPROVE]
        assert ("It needs 2 approvals." in approve["confirm"]["text"]["text"]) is said


@pytest.mark.parametrize(("approvals", "note", "said"), [
    (0, "", " deleted Kafka API key "),
    (0, "Someone else had already deleted it.", " requested to delete Kafka API key "),
    (1, "", " requested to delete Kafka API key "),
])  # fmt: skip
def test_a_change_that_needed_no_approval_was_made_and_not_requested(approvals: int, note: str, said: str) -> None:
    ask, rules = build.a_change(Operation.DELETE), build.terms(approvals=approvals)

    assert said in " ".join(rows(card.card(Done(ask, rules, build.a_grant(), 1, at=build.NOW, note=note))[0]))


@pytest.mark.parametrize("operation", Operation)
def test_a_reason_for_a_change_is_not_called_one_for_the_key(operation: Operation) -> None:
    ask = build.a_change(operation) if operation is not Operation.CREATE else build.an_ask()

    assert "Reason" in rows(card.card(build.pending(ask=ask))[0])
    assert "Reason for the key" in rows(card.card(build.broken_glass(build.ready()))[0])


PLACE = f"environment={build.CLUSTER.environment}/cloud-cluster={build.CLUSTER.id}/kafka={build.CLUSTER.id}"
ACCESS = (
    WantedBinding("DeveloperWrite", f"{PLACE}/topic=orders-*"),
    WantedBinding("DeveloperRead", f"{PLACE}/group=orders-ci"),
)


def test_who_approves_reads_which_access_that_grants_and_who_can_grant_it() -> None:
    blocks, _ = card.card(build.pending(ask=build.an_ask(bindings=ACCESS)))
    said = rows(blocks)

    assert said[said.index("Approving also grants:") + 1 :][:2] == [
        "• DeveloperWrite on topics starting with orders-",
        "• DeveloperRead on consumer group orders-ci",
    ]
    assert "who can also grant this access (CloudClusterAdmin, EnvironmentAdmin, OrganizationAdmin or Re" in str(blocks)
    assert "Approving also grants" not in str(card.card(build.pending())[0])


def test_access_to_everything_of_a_kind_is_warned_of_and_asked_about_once_more() -> None:
    every = WantedBinding("DeveloperWrite", f"{PLACE}/topic=*")
    blocks, _ = card.card(build.pending(ask=build.an_ask(bindings=(*ACCESS, every))))
    approve = next(each for _, each in interactive(blocks) if each["action_id"] == ids.APPROVE)

    assert "High risk." in str(blocks)
    assert approve["confirm"]["text"]["text"].endswith(", with access to all topics.")
    assert "DeveloperWrite on all topics" in " ".join(rows(blocks))
    assert "High risk." not in str(card.card(build.pending(ask=build.an_ask(bindings=ACCESS)))[0])


def test_the_longest_access_stands_whole_on_the_card() -> None:
    names = [f"{number}{'x' * 248}" for number in range(MOST)]
    wanted = tuple(WantedBinding("DeveloperWrite", f"{PLACE}/topic={each}*") for each in names)
    ask = build.an_ask(bindings=wanted, reason="r" * 3000, description="d" * 200, name="n" * 64)
    blocks = message(card.card(build.pending(ask=ask))[0])

    assert fits_a_message(blocks)
    assert [each for each in names if each not in str(blocks)] == []


def test_a_copy_of_the_card_says_from_the_second_on_that_it_is_a_reminder() -> None:
    pending = build.pending()
    blocks, said = card.card(pending)

    assert others.copy(pending, 0) == (blocks, said)
    reminder, its_said = others.copy(pending, 1)
    assert [each for each in reminder if each not in blocks] == [reminder[1]]
    assert "Reminder: this request has been waiting since" in " ".join(rows(reminder))
    assert its_said == f"Reminder: {said}"
    denied = build.states()["denied"]
    assert others.copy(denied, 1) == card.card(denied)
