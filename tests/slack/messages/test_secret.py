"""The one message with the secret: what it holds for each kind of key, and that nothing in it is cut."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Endpoints
from bot.domain.keys import (
    Cluster,
    FlinkRegion,
    KsqlCluster,
    MyAccount,
    OrganizationScope,
    Principal,
    RequestId,
    Resource,
    Secret,
)
from bot.domain.kinds import Kind
from bot.domain.readiness import Probe
from bot.services.pages import Handover, SecondKey
from bot.slack.blocks.text import Block
from bot.slack.messages import secret as the_secret
from bot.slack.messages import snippets
from bot.slack.messages.card import SOON
from bot.slack.payloads import ids
from sandbox.slack.blocks import find_element, interactive, plain_words
from sandbox.slack.limits import block_problems
from tests.support import build
from tests.support import given as some

SECRET = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
AT = datetime(2026, 3, 4, 10, 42, tzinfo=UTC)
REST = Endpoints("", "https://rest.example:443", organization="o-1")
OWNER = "Owner:\nsa-abc001 (orders-service)"
HEAD = "=== Confluent Cloud API key ===\n\nAPI key:\nKEY0000000000001\n\nAPI secret:\nAPI_SECRET\n\n"


def a_handover(resource: Resource = build.CLUSTER, endpoints: Endpoints = build.ENDPOINTS) -> Handover:
    return Handover(
        RequestId("R1"), 1, build.a_key(), Secret(SECRET), build.ACCOUNT, resource, endpoints, build.NOW + build.DAY
    )


def file_of(handover: Handover) -> str:
    """The text file, which the menu of the message offers."""
    (text,) = [
        leaf["text"]
        for block in snippets.file(handover.key, handover.owner, handover.resource, handover.endpoints)
        for part in block["elements"]
        if part["type"] == "rich_text_preformatted"
        for leaf in part["elements"]
    ]
    return str(text)


def read(blocks: list[Block]) -> str:
    return "\n".join(plain_words(blocks))


API = {"API": "https://rest.example:443", "Organization": "o-1"}
EVERYTHING = "the resource management APIs, Kafka, Schema Registry, ksqlDB, Flink and Tableflow"


@pytest.mark.parametrize(
    ("resource", "endpoints", "places"),
    [
        (
            Cluster(Kind.KAFKA, "lkc-1", "orders", "env-1", "dev"),
            build.ENDPOINTS,
            {
                "Bootstrap server": "pkc-1.example:9092",
                "REST endpoint": "https://pkc-1.example:443",
                "Environment": "env-1",
            },
        ),
        (
            Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-1", "dev"),
            REST,
            {"Schema Registry endpoint": "https://rest.example:443", "Environment": "env-1"},
        ),
        (
            KsqlCluster("lksqlc-1", "app", "env-1", "dev", "lkc-1"),
            REST,
            {"ksqlDB endpoint": "https://rest.example:443", "Environment": "env-1"},
        ),
        (
            FlinkRegion("aws.us-east-1", "env-1", "dev"),
            REST,
            {
                "Flink endpoint": "https://rest.example:443",
                "Cloud": "aws",
                "Region": "us-east-1",
                "Environment": "env-1",
                "Organization": "o-1",
            },
        ),
        (OrganizationScope(Kind.CLOUD), REST, {"For": "the resource management APIs of the organization", **API}),
        (OrganizationScope(Kind.TABLEFLOW), REST, {"For": "Tableflow", **API}),
        (OrganizationScope(Kind.GLOBAL), REST, {"For": EVERYTHING, **API}),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_the_file_is_right_for_its_kind(resource: Resource, endpoints: Endpoints, places: dict[str, str]) -> None:
    rows = {"Resource": resource.id, **places}

    text = "".join(f"{label}:\n{value}\n\n" for label, value in rows.items())
    assert file_of(a_handover(resource, endpoints)) == f"{HEAD}{text}{OWNER}"


def test_the_file_leaves_out_what_confluent_did_not_name() -> None:
    text = file_of(a_handover(endpoints=Endpoints("", "")))

    assert text == f"{HEAD}Resource:\nlkc-dev001\n\nEnvironment:\nenv-dev001\n\n{OWNER}"


def test_the_file_says_whose_own_account_it_is() -> None:
    own = MyAccount(Principal("u-dana"))
    handover = replace(a_handover(), owner=own, key=replace(build.a_key(), owner=own.id))

    assert file_of(handover).endswith("Owner:\nu-dana (own account)")


@pytest.mark.parametrize(
    "resource",
    [
        build.CLUSTER,
        Cluster(Kind.SCHEMA_REGISTRY, "lsrc-1", "registry", "env-1", "dev"),
        KsqlCluster("lksqlc-1", "app", "env-1", "dev", "lkc-1"),
        FlinkRegion("aws.us-east-1", "env-1", "dev"),
        OrganizationScope(Kind.CLOUD),
        OrganizationScope(Kind.TABLEFLOW),
        OrganizationScope(Kind.GLOBAL),
    ],
    ids=lambda resource: resource.kind,
)
def test_configurations_of_its_kind_can_be_chosen(resource: Resource) -> None:
    chooser = find_element(the_secret.message(a_handover(resource)), "snippet:R1/1", ids.SNIPPET)

    assert chooser is not None
    offered = [snippets.FILE, *(each.value for each in resource.kind.row.snippets)]
    assert [option["value"] for option in chooser["options"]] == offered
    assert chooser["placeholder"]["text"] == "Client configuration…"


def test_its_buttons_carry_the_attempt() -> None:
    elements = [element for _, element in interactive(the_secret.message(a_handover()))]

    assert [(each["action_id"], each.get("value")) for each in elements] == [
        (ids.SAVED, "R1/1"),
        (ids.REPLACE, "R1/1"),
        (ids.SNIPPET, None),
    ]


def test_a_key_by_break_glass_is_not_offered_for_replacement_before_its_use_was_reviewed() -> None:
    message = the_secret.message(replace(a_handover(), replace_after_review=True))

    assert "Replace key" not in plain_words(message)
    assert "After the review, you can replace the key until" in " ".join(plain_words(message))
    assert "Replace key" in plain_words(the_secret.message(a_handover()))


def test_a_key_of_which_nothing_is_known_may_need_minutes() -> None:
    assert SOON in read(the_secret.message(a_handover()))


def test_a_key_that_works_already_is_not_said_to_need_minutes() -> None:
    text = read(the_secret.message(replace(a_handover(), probe=Probe("works", AT))))

    assert "Working since" in text
    assert SOON not in text


def test_what_keeps_a_key_from_working_is_said_with_it() -> None:
    text = read(the_secret.message(replace(a_handover(), probe=Probe("no-permission", AT, last="HTTP 403"))))

    assert "its owner has no permission yet" in text
    assert SOON in text


handovers = st.builds(
    Handover,
    request=some.ids,
    attempt=st.integers(1, 999_999),
    key=some.keys,
    secret=st.just(Secret(SECRET)),
    owner=some.owners,
    resource=some.resources,
    endpoints=st.builds(Endpoints, bootstrap=some.texts, rest=some.texts, organization=some.texts),
    replace_until=some.moments,
    probe=st.builds(
        Probe,
        verdict=st.sampled_from(["", "works", "no-permission", "unreachable", "gave-up"]),
        at=some.moments,
        last=some.texts,
    ),
)


@settings(max_examples=60)
@given(handovers)
def test_slack_takes_it_and_cuts_nothing_of_the_file(handover: Handover) -> None:
    handover = replace(handover, owner=some.everywhere(handover.owner, "n" * 6000))

    assert block_problems(the_secret.message(handover), "message") == []
    assert len(file_of(handover)) <= 3000
    assert SECRET not in file_of(handover)
    assert "\n\nOwner:\n" in file_of(handover)


@settings(max_examples=30)
@given(handovers)
def test_the_secret_is_in_one_piece_of_rich_text_and_nowhere_else(handover: Handover) -> None:
    blocks = the_secret.message(handover)

    assert f"{blocks}".count(SECRET) == 1
    assert SECRET not in the_secret.FALLBACK
    assert [f"{block}".count(SECRET) for block in blocks if block["type"] == "rich_text"][:2] == [0, 1]


# --- a pair -----------------------------------------------------------------------------------------------------------


def a_pair() -> Handover:
    key, secret = build.a_key("KEY0000000000002", "[lk:R1-2/1]"), Secret("cfltmarker0secret0002wrong0")
    second = SecondKey(key, secret, build.REGISTRY, Endpoints("", "https://psrc-1.example"))
    return replace(a_handover(), second=second)


def test_the_message_of_a_pair_has_both_keys_and_each_secret_once() -> None:
    pair = a_pair()
    blocks = the_secret.message(pair)
    text = read(blocks)

    assert pair.second
    for key, secret, kind in (
        (pair.key, pair.secret, "Kafka"),
        (pair.second.key, pair.second.secret, "Schema Registry"),
    ):
        assert f"{kind} API key: {key.id}" in text
        assert f"{kind} API secret: {secret.reveal()}" in text
        assert text.count(secret.reveal()) == 1
    assert "deletes both keys" in text
    assert len(blocks) <= 6


def test_whether_both_keys_of_a_pair_work_is_said_of_each() -> None:
    pair = replace(a_pair(), probe=Probe("works", AT))
    assert pair.second
    text = read(the_secret.message(pair))
    assert "Kafka: Working" in text
    assert SOON in text

    sure = replace(pair, second=replace(pair.second, probe=Probe("works", AT)))
    text = read(the_secret.message(sure))
    assert "Schema Registry: Working" in text
    assert SOON not in text


@pytest.mark.parametrize("value", ["both-java", "both-python"])
def test_a_configuration_of_a_pair_uses_both_keys_and_holds_no_secret(value: str) -> None:
    pair = a_pair()
    chooser = find_element(the_secret.message(pair), "snippet:R1/1", ids.SNIPPET)
    assert chooser
    assert value in [option["value"] for option in chooser["options"]]
    assert pair.second
    first = (pair.key.id, pair.resource, pair.endpoints)
    text = read(snippets.drawn_both(value, first, (pair.second.key.id, pair.second.resource, pair.second.endpoints)))

    assert pair.key.id in text
    assert "https://psrc-1.example" in text
    assert "pkc-1.example:9092" in text
    assert "basic.auth.user.info" in text
    assert f"{pair.second.key.id}:" in text
    assert "SCHEMA_REGISTRY_API_SECRET" in text
    assert "cflt" not in text
