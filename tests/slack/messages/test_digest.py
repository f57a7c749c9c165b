"""What the review asks, whatever the keys are called: within Slack's limits, pinging nobody, with the right buttons."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Quota
from bot.domain.keys import ApiKey, KeyId, MyAccount, Principal
from bot.domain.kinds import Kind
from bot.domain.review import Attestation, Digest, Finding, Listed
from bot.services.commands import CardAt
from bot.slack.blocks.text import Block
from bot.slack.messages import digest as digests
from bot.slack.payloads import ids
from sandbox.slack.limits import block_problems, check_view
from tests.support import given as some
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, NOW

few = settings(max_examples=30)
KEY = ApiKey(KeyId("OLDKEY0000000001"), ACCOUNT.id, CLUSTER.id, "orders", "", NOW - 100 * DAY, Kind.KAFKA)
LISTED = Listed(KEY, CLUSTER, (Finding.FOREIGN, Finding.OLD))
DIGEST = Digest(ACCOUNT, "account-owner", NOW, 90 * DAY, keys=(LISTED,))

listed = st.builds(
    Listed,
    key=some.keys.map(lambda key: replace(key, owner=Principal("u-1"))),
    resource=st.none() | some.resources,
    findings=st.lists(st.sampled_from(Finding), min_size=1, max_size=3, unique=True).map(tuple),
)
drawn = st.builds(
    Digest,
    owner=st.none() | some.owners,
    audience=st.sampled_from(["owner", "account-owner", "requester", "channel"]),
    at=some.moments,
    older_than=some.spans,
    owner_name=some.texts,
    keys=st.lists(listed, max_size=40).map(tuple),
    kept=st.lists(
        st.builds(
            Attestation, key=some.ids, by=some.people_ids, reason=some.texts, at=some.moments, until=some.moments
        ),
        max_size=40,
    ).map(tuple),
    quotas=st.lists(
        st.builds(
            Quota,
            code=some.ids,
            name=some.texts,
            limit=st.integers(0, 10**9),
            usage=st.none() | st.integers(0, 10**9),
            of=st.just("") | some.ids,
        ),
        max_size=30,
    ).map(tuple),
)


def objects(of: object) -> Iterator[dict[str, Any]]:
    """Every JSON object inside, itself included."""
    if isinstance(of, dict):
        yield of
    for each in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from objects(each)


def words(blocks: list[Block]) -> str:
    """All text, in order."""
    texts = (each["text"] for each in objects(blocks) if isinstance(each.get("text"), str))
    return "".join(texts)


def buttons(blocks: list[Block]) -> list[str]:
    return [each["text"]["text"] for each in objects(blocks) if each.get("type") == "button"]


@pytest.mark.search
@few
@given(drawn)
def test_slack_takes_every_digest(digest: Digest) -> None:
    blocks, text = digests.message(digest)

    assert block_problems(blocks, "message") == []
    assert 1 <= len(text) <= 100


@pytest.mark.search
@few
@given(drawn)
def test_foreign_text_pings_and_links_nothing(digest: Digest) -> None:
    blocks, text = digests.message(replace(some.everywhere(digest, some.PINGS), owner_name=some.PINGS))
    marked_up = [each["text"] for each in objects(blocks) if each.get("type") == "mrkdwn"]
    leaves = [leaf for each in objects(blocks) if str(each.get("type")) == "rich_text_section"
              for leaf in each["elements"]]  # fmt: skip

    assert some.PINGS not in "\n".join([text, *marked_up])
    assert {leaf["type"] for leaf in leaves} <= {"text", "user", "date"}
    assert {leaf["user_id"] for leaf in leaves if leaf["type"] == "user"} <= {each.by for each in digest.kept}


@few
@given(drawn)
def test_buttons_carry_the_id_of_a_listed_key_and_nothing_else(digest: Digest) -> None:
    blocks, _ = digests.message(digest)

    values = [each["value"] for each in objects(blocks) if each.get("type") == "button"]
    shown = list(dict.fromkeys(values))
    assert len(set(values)) <= digests.SHOWN
    assert set(shown) <= {each.key.id for each in digest.keys}
    assert bool(shown) == bool(digest.keys)


def test_a_key_is_listed_with_what_it_is_its_age_and_why() -> None:
    text = words(digests.message(DIGEST)[0])

    assert "orders  OLDKEY0000000001" in text
    assert "Kafka API key for orders-dev in dev, made " in text
    assert "100 days ago" in text
    assert "Listed because it was not made by Latchkey and it is older than 90 days." in text
    assert "the service account orders-service (sa-abc001)" in text
    assert digests.TIP in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["Keep", "Rotate", "Delete API key"]),
        ({"findings": (Finding.ORPHANED,)}, ["Keep", "Delete API key"]),
        ({"resource": None}, ["Keep"]),
    ],
)
def test_a_key_has_the_buttons_that_can_do_something(change: dict[str, Any], expected: list[str]) -> None:
    digest = replace(DIGEST, keys=(replace(LISTED, **change),))

    assert buttons(digests.message(digest)[0]) == expected


def test_the_buttons_are_those_that_the_pages_of_keys_listen_to() -> None:
    actions = [each["action_id"] for each in objects(digests.message(DIGEST)[0]) if each.get("type") == "button"]

    assert actions == [ids.KEY_KEEP, ids.KEY_ROTATE, ids.KEY_DELETE]


def test_what_does_not_fit_is_counted() -> None:
    many = replace(DIGEST, keys=tuple(replace(LISTED, key=replace(KEY, id=KeyId(f"K{n}"))) for n in range(20)))

    blocks, text = digests.message(many)

    shown = buttons(blocks).count("Keep")
    assert 8 <= shown <= 15
    assert f"And {20 - shown} more: see /apikey list." in words(blocks)
    assert text == "20 API keys to review"
    assert "more" not in words(digests.message(DIGEST)[0]).replace("no longer", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"audience": "owner", "owner": MyAccount(DANA.principal)}, "of your own account?"),
        ({"audience": "account-owner"}, "You own this account."),
        ({"audience": "requester"}, "You asked for them."),
        ({"audience": "channel"}, "Latchkey found nobody in Slack who answers for them."),
        (
            {"audience": "channel", "keys": (replace(LISTED, findings=(Finding.ORPHANED,)),)},
            "The account no longer exists, so there is no owner to ask.",
        ),
        ({"audience": "channel", "owner": MyAccount(DANA.principal), "owner_name": "Dana"}, "Dana (u-dana)"),
    ],
)
def test_readers_are_told_why_they_are_asked(change: dict[str, Any], said: str) -> None:
    assert said in words(digests.message(replace(DIGEST, **change))[0])


def test_limits_are_told_with_their_use() -> None:
    near = Quota("iam.max_cloud_api_keys.per_user", "Cloud API keys per user", 10, 9, DANA.principal)
    digest = Digest(MyAccount(DANA.principal), "owner", NOW, 90 * DAY, quotas=(near,))

    blocks, text = digests.message(digest)

    assert "Cloud API keys per user of u-dana: 9 of 10 used" in words(blocks)
    assert text == "Limits of Confluent Cloud are nearly reached"
    assert buttons(blocks) == []


def test_what_was_kept_is_told_with_by_whom_and_why() -> None:
    kept = Attestation(KEY.id, DANA.slack, "the billing job", NOW, NOW + 90 * DAY)

    blocks, text = digests.message(replace(DIGEST, keys=(), kept=(kept,)))

    assert "Nothing is left to do here" in words(blocks)
    assert "OLDKEY0000000001 stays until" in words(blocks)
    assert "the billing job" in words(blocks)
    assert DANA.slack in json.dumps(blocks)
    assert buttons(blocks) == []
    assert text == "API keys: all done"


def test_names_stand_in_one_line() -> None:
    digest = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, name="a\nListed because it is mine.\u202eb")),))

    assert "a Listed because it is mine. b  OLDKEY0000000001\n" in words(digests.message(digest)[0])


@pytest.mark.parametrize("age", [timedelta(hours=2), DAY, 2 * DAY])
def test_ages_are_said_in_days(age: timedelta) -> None:
    said = {0: "less than a day ago", 1: "1 day ago", 2: "2 days ago"}[age.days]
    digest = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, created_at=NOW - age)),))

    assert said in words(digests.message(digest)[0])
    unknown = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, created_at=None)),))
    assert "Confluent does not say when it was made" in words(digests.message(unknown)[0])


@few
@given(some.texts, st.none() | st.builds(CardAt, some.ids, some.ids))
def test_the_reason_is_asked_for_in_a_modal_that_knows_the_key_and_the_message(key: str, at: CardAt | None) -> None:
    view = digests.keep_form(KeyId(key[:64]), at)

    check_view(view, "modal")
    assert digests.kept_key(view["private_metadata"]) == (key[:64], at)
