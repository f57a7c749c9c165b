"""What the requester reads about whether a new key works."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Endpoints
from bot.domain.keys import OrganizationScope, Resource
from bot.domain.kinds import Kind
from bot.domain.readiness import Probe
from bot.slack.blocks.text import Code, Row, lines
from bot.slack.messages.readiness import readiness_rows
from sandbox.slack.limits import block_problems
from tests.support import given as some
from tests.support.build import CLUSTER as KAFKA
from tests.support.build import FLINK, KSQL

AT = datetime(2026, 3, 4, 10, 42, tzinfo=UTC)
KEY = "KEY0000000000001"
PUBLIC = Endpoints("pkc-1.example:9092", "https://pkc-1.example:443", organization="o-1")
INSIDE = replace(PUBLIC, rest="https://lkc-1.private.example:443", is_private=True)
WORKS = Probe("works", AT, last="HTTP 200")

probes = st.builds(
    Probe,
    verdict=st.sampled_from(["", "works", "no-permission", "unreachable", "gave-up"]),
    at=st.none() | some.moments,
    next_at=st.none() | some.moments,
    last=some.texts,
    reference=some.texts,
)


def read(rows: list[Row]) -> list[str]:
    """The rows as someone reads them."""
    return ["".join(_words(piece) for piece in row) for row in rows]


def _words(piece: object) -> str:
    match piece:
        case datetime():
            return f"{piece:%H:%M}"
        case Code(text):
            return f"`{text}`"
        case _:
            return str(piece)


def told(probe: Probe, resource: Resource = KAFKA, endpoints: Endpoints = PUBLIC) -> list[str]:
    return read(readiness_rows(resource, probe, endpoints, KEY))


def test_a_key_works_since() -> None:
    assert told(WORKS) == ["Working since 10:42."]


def test_a_global_key_was_tried_in_one_place_only() -> None:
    (row,) = told(WORKS, OrganizationScope(Kind.GLOBAL))

    assert row.startswith("Working with the Confluent API since 10:42. Kafka, ")
    assert "a few more minutes" in row


@pytest.mark.parametrize(("resource", "usual"), [(KAFKA, "a few minutes"), (KSQL, "five minutes")])
def test_before_the_first_verdict_somebody_is_looking(resource: Resource, usual: str) -> None:
    first = told(Probe(next_at=AT), resource)
    later = told(Probe(next_at=AT + timedelta(minutes=3), tries=7, last="HTTP 401", passed_at=AT), resource)

    testing = "Latchkey is testing this one and will update this message when it works."
    assert first == [f"New keys can be rejected for {usual}. {testing}"]
    assert later == first, "a message that said how often it looked would be written anew each time"


def test_where_nobody_looks_nothing_is_promised() -> None:
    assert told(Probe()) == []
    assert told(Probe(tries=3, last="HTTP 401")) == []


def test_a_key_without_permission_says_what_to_do() -> None:
    first, second = told(Probe("no-permission", AT, last="HTTP 403, Not authorized", reference="req-9"))

    assert (
        first
        == "Rejected when Latchkey tested it 10:42: its owner has no permission yet, or an IP filter blocks Latchkey."
    )
    assert second.startswith(
        "Give its owner a role on this resource. If the owner has one, try the key from where your clients run."
    )
    assert second.endswith("HTTP 403, Not authorized (reference `req-9`).")


def test_a_private_network_gets_a_command_to_run_inside_it() -> None:
    first, second = told(Probe("unreachable", AT, last="nothing answered (no such host)"), endpoints=INSIDE)

    assert first.startswith("Latchkey can't test this key from here (private network).")
    assert second == (
        "To test it, run this inside that network (it prompts for the secret): "
        f'`curl --user "{KEY}" "https://lkc-1.private.example:443/kafka/v3/clusters/lkc-dev001/topics"`'
    )


def test_what_does_not_answer_elsewhere_is_named() -> None:
    first, second = told(Probe("unreachable", AT, last="nothing answered (TLS failed)"), FLINK)

    assert first == (
        "Latchkey can't test this key from here: nothing answered (TLS failed). Allow a few minutes before you use it."
    )
    assert second.startswith("To test it, run this where your clients run (it prompts")
    assert "/organizations/o-1/environments/env-dev001/statements" in second


@pytest.mark.parametrize("endpoints", [Endpoints("", ""), Endpoints("lkc.private.example:9092", "", is_private=True)])
def test_without_an_address_there_is_no_command(endpoints: Endpoints) -> None:
    rows = told(Probe("unreachable", AT, last="Confluent gives no address for it"), KSQL, endpoints)

    assert "Allow five minutes" in rows[0]
    assert rows[1] == "Try it from where your clients run."


def test_a_paused_cluster_is_not_to_be_tried_at_all() -> None:
    rows = told(Probe("unreachable", AT, last="the cluster is paused"), KSQL, replace(PUBLIC, is_paused=True))

    assert rows == [
        "Latchkey can't test this key from here: the cluster is paused. Allow five minutes before you use it."
    ]


def test_what_was_given_up_tells_the_last_answer() -> None:
    first, second = told(Probe("gave-up", AT, last="HTTP 401, Unauthorized", reference="req-9"))

    assert first == (
        "Still rejected when Latchkey stopped testing it 10:42. "
        "Last response: HTTP 401, Unauthorized (reference `req-9`)."
    )
    assert "IP filter" in second


@settings(max_examples=100)
@given(some.resources, probes, some.endpoints, some.ids)
def test_slack_takes_every_row(resource: Resource, probe: Probe, endpoints: Endpoints, key: str) -> None:
    rows = readiness_rows(resource, probe, endpoints, key)

    assert len(rows) <= 2
    assert block_problems([lines(*rows)] if rows else [], "message") == []
