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
from bot.domain.review import Attestation, Backlog, Digest, Finding, Listed
from bot.slack.blocks.text import Block
from bot.slack.messages import digest as digests
from bot.slack.payloads import ids
from sandbox.slack.limits import block_problems
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
def test_buttons_carry_the_owner_and_how_many_keys_and_nothing_else(digest: Digest) -> None:
    blocks, _ = digests.message(digest)

    values = [each["value"] for each in objects(blocks) if each.get("type") == "button"]
    assert len(values) == (2 if digest.keys and digest.owner else 0)
    for value in values:
        owner, _, number = value.rpartition("/")
        assert digest.owner is not None
        assert owner == str(digest.owner.id)
        assert 1 <= int(number) <= len(digest.keys)


def cells(blocks: list[Block]) -> list[list[str]]:
    """The rows of the message's table, below its head."""
    (table,) = (each for each in blocks if each["type"] == "table")
    return [[words([cell]) for cell in row] for row in table["rows"][1:]]


def a_digest(number: int, **fields: Any) -> Digest:
    keys = tuple(replace(LISTED, key=replace(KEY, id=KeyId(f"KEY{n:013}"))) for n in range(number))
    return replace(DIGEST, keys=keys, **fields)


def test_a_key_is_listed_with_what_it_is_its_age_and_why() -> None:
    blocks, _ = digests.message(DIGEST)

    why = "not created by Latchkey · over 90 days old"
    key = "orders · OLDKEY0000000001"
    assert cells(blocks) == [[key, "Kafka · orders-dev in dev", why, "100 days ago, never expires"]]
    assert "the service account orders-service (sa-abc001)" in words(blocks)
    assert digests.TIP in words(blocks)


def test_a_key_of_an_unknown_kind_without_a_name_whose_owner_is_gone_is_listed_with_what_is_known() -> None:
    nameless = replace(KEY, name="", created_at=None)
    listed = replace(LISTED, key=nameless, resource=None, findings=(Finding.ORPHANED,), ends_at=NOW)

    blocks, _ = digests.message(replace(DIGEST, keys=(listed,)))

    (row,) = cells(blocks)
    assert row[:3] == ["OLDKEY0000000001", "Unknown resource", "owner deleted"]
    assert row[3].startswith("unknown, expires ")
    assert [each["timestamp"] for each in objects(blocks) if each.get("type") == "date"] == [int(NOW.timestamp())]


def test_a_message_has_two_buttons_none_of_them_red_and_no_id_of_a_key_in_them() -> None:
    blocks, _ = digests.message(a_digest(3))

    found = [each for each in objects(blocks) if each.get("type") == "button"]
    assert buttons(blocks) == ["Review keys", "Keep all shown"]
    assert [each["action_id"] for each in found] == [ids.REVIEW_KEYS, ids.KEEP_SHOWN]
    assert [each["value"] for each in found] == [f"{ACCOUNT.id}/3"] * 2
    assert "danger" not in [each.get("style") for each in found]


def test_what_does_not_fit_is_counted_and_not_kept() -> None:
    blocks, text = digests.message(a_digest(40))

    shown = len(cells(blocks))
    assert 20 <= shown <= digests.SHOWN
    assert f"And {40 - shown} more. “Review keys” lists them all." in words(blocks)
    assert f'"{ACCOUNT.id}/{shown}"' in json.dumps(blocks)
    assert text == "40 API keys to review"
    assert "more" not in words(digests.message(DIGEST)[0])
    assert "lists the first 90" in words(digests.message(a_digest(91))[0])


@pytest.mark.parametrize(("number", "button"), [(47, "Keep all for now"), (91, "Keep the first 90 for now")])
def test_the_first_review_offers_to_keep_what_was_there_before(number: int, button: str) -> None:
    blocks, text = digests.message(a_digest(number, is_baseline=True))

    assert f"{number} API keys for the service account orders-service (sa-abc001) existed before" in words(blocks)
    assert text == f"{number} API keys existed before Latchkey"
    assert buttons(blocks) == ["Review keys", button]
    assert f'"{ACCOUNT.id}/{min(number, 90)}"' in json.dumps(blocks)
    assert "If you keep a key, Latchkey asks about it again in 90 days" in words(blocks)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"audience": "owner", "owner": MyAccount(DANA.principal)}, "this personal API key?"),
        ({"audience": "account-owner"}, "You own this account."),
        ({"audience": "requester"}, "You requested it."),
        ({"audience": "channel"}, "Latchkey couldn't find or reach an owner in Slack."),
        (
            {"audience": "channel", "owners": ("Lena", "Otto")},
            "Lena and Otto own this account, but ResourceOwner doesn't cover this key.",
        ),
        (
            {"audience": "channel", "keys": (replace(LISTED, findings=(Finding.ORPHANED,)),)},
            "The account was deleted, so there is no owner to ask.",
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

    assert "Cloud API keys per user: 9 of 10 used (u-dana)" in words(blocks)
    assert text == "Near a Confluent Cloud quota"
    assert buttons(blocks) == []


def test_what_was_kept_is_told_with_by_whom_and_why() -> None:
    kept = Attestation(KEY.id, DANA.slack, "the billing job", NOW, NOW + 90 * DAY)

    blocks, text = digests.message(replace(DIGEST, keys=(), kept=(kept,), names={KEY.id: "orders"}))

    assert "Nothing to do until the next review." in words(blocks)
    assert "✅ API keys reviewed · orders-service" in words(blocks)
    assert "orders (OLDKEY0000000001) until" in words(blocks)
    assert "“the billing job”" in words(blocks)
    assert DANA.slack in json.dumps(blocks)
    assert buttons(blocks) == []
    assert text == "API keys reviewed"


@pytest.mark.parametrize(
    ("accounts", "said", "then"),
    [
        (1, "1 more account has API keys to review", "Latchkey will ask about it"),
        (2, "2 more accounts have API keys to review", "Latchkey will ask about them"),
        (4, "4 more accounts have API keys to review", "Latchkey will ask about the next 3"),
        (1200, "1,200 more accounts have API keys to review", "Latchkey will ask about the next 3"),
    ],
)
def test_a_backlog_says_how_many_accounts_wait_and_when_the_next_come(accounts: int, said: str, then: str) -> None:
    blocks, text = digests.backlog(Backlog(accounts, NOW + 7 * DAY))

    assert text == said
    assert f"{said.removesuffix(' to review')} for this channel to review." in words(blocks)
    assert then in words(blocks)
    assert "/apikey list" in words(blocks)
    assert int((NOW + 7 * DAY).timestamp()) in [each.get("timestamp") for each in objects(blocks)]
    assert block_problems(blocks, "message") == []


def test_names_stand_in_one_line() -> None:
    digest = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, name="a\nListed because it is mine.\u202eb")),))

    assert cells(digests.message(digest)[0])[0][0] == "a Listed because it is mine. b · OLDKEY0000000001"


@pytest.mark.parametrize("age", [timedelta(hours=2), DAY, 2 * DAY])
def test_ages_are_said_in_days(age: timedelta) -> None:
    said = {0: "less than a day ago", 1: "1 day ago", 2: "2 days ago"}[age.days]
    digest = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, created_at=NOW - age)),))

    assert said in words(digests.message(digest)[0])
    unknown = replace(DIGEST, keys=(replace(LISTED, key=replace(KEY, created_at=None)),))
    assert cells(digests.message(unknown)[0])[0][3] == "unknown, never expires"


@pytest.mark.parametrize(
    ("change", "said", "offered"),
    [
        ({}, "Is this API key for the service account", ["Review key", "Keep key"]),
        ({"is_baseline": True}, "Keep it for now, or review it.", ["Review key", "Keep for now"]),
    ],
)
def test_one_key_is_one_key(change: dict[str, Any], said: str, offered: list[str]) -> None:
    blocks, _ = digests.message(replace(DIGEST, **change))

    assert said in words(blocks)
    assert buttons(blocks) == offered
