"""What the review remembers: keys that are kept, and the messages that asked about them."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.keys import KeyId, Principal
from bot.domain.review import Attestation
from bot.services.commands import CardAt
from bot.services.ports.store import Reviewed, ReviewPass
from bot.store import Store
from bot.store.codec import DIGEST
from bot.store.keyspace import Keyspace
from bot.store.sealing import Purpose, SealContext, Sealer
from tests.store.conftest import StoppedClock
from tests.store.given import ANN, BEN, NOW
from tests.support.build import HOUR

K1, K2, K3 = KeyId("KEY1"), KeyId("KEY2"), KeyId("KEY3")
KEPT = Attestation(K1, ANN.slack, "the billing job needs it: “until May”", NOW, NOW + 24 * HOUR)
OWNER = Principal("sa-abc001")
REVIEWED = Reviewed(NOW, (("U01", CardAt("D01", "1700000000.000100")), ("C01", CardAt("C01", "1.2"))), complete=True)


async def test_a_kept_key_is_known_until_the_keep_ends(
    store: Store, other: Store, redis: Any, keys: Keyspace, clock: StoppedClock
) -> None:
    await store.keeps.keep(KEPT)
    await redis.pexpire(keys.keep(K1), timedelta(days=9))  # as who writes to Redis may do

    assert await other.keeps.kept([K2, K1]) == {K1: KEPT}
    clock.now = KEPT.until
    assert await other.keeps.kept([K1]) == {}


async def test_the_record_of_a_keep_goes_with_it(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.keeps.keep(KEPT)

    assert 0 < await redis.pttl(keys.keep(K1)) <= 24 * 3_600_000


async def test_of_two_keeps_the_last_word_counts(store: Store) -> None:
    later = replace(KEPT, by=BEN.slack, reason="mine", at=NOW + HOUR)
    await store.keeps.keep(KEPT)
    await store.keeps.keep(later)

    assert await store.keeps.kept([K1]) == {K1: later}


async def test_a_keep_of_another_key_is_left_out(
    store: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    await store.keeps.keep(KEPT)
    await store.keeps.keep(replace(KEPT, key=K2))
    await redis.copy(keys.keep(K1), keys.keep(K3))

    with caplog.at_level(logging.WARNING):
        assert set(await store.keeps.kept([K1, K2, K3])) == {K1, K2}
    assert "lk:{T01}:keep:KEY3" in caplog.text


async def test_nothing_is_kept_of_nothing(store: Store) -> None:
    assert await store.keeps.kept([]) == {}


async def test_the_last_review_of_an_owner_is_on_record(store: Store, other: Store) -> None:
    assert await store.keeps.reviewed(OWNER) is None

    await store.keeps.remember(OWNER, replace(REVIEWED, complete=False))
    await store.keeps.remember(OWNER, REVIEWED)

    assert await other.keeps.reviewed(OWNER) == REVIEWED


async def test_the_last_reviews_of_many_owners_are_read_together(
    store: Store, other: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben, nobody = Principal("u-ann001"), Principal("u-ben001"), Principal("u-nobody")
    later = Reviewed(NOW, waiting=7, shown_at=NOW - HOUR)
    await store.keeps.remember(OWNER, REVIEWED)
    await store.keeps.remember(ann, later)
    await redis.copy(keys.digest(OWNER), keys.digest(ben))

    with caplog.at_level(logging.WARNING):
        assert await other.keeps.all_reviewed([OWNER, ann, ben, nobody]) == {OWNER: REVIEWED, ann: later}
    assert "so it counts as not done" in caplog.text
    assert await other.keeps.all_reviewed([]) == {}


def test_a_review_that_an_older_version_wrote_still_opens() -> None:
    """As it was stored before accounts waited for their turn in the channel. Never edit it."""
    written = (
        b'[{"at":"2026-03-04T05:06:07Z","sent":[["C01",{"channel":"C01","ts":"1.2"}]],"complete":true,'
        b'"beginning":null}]'
    )
    place, sealer = SealContext(Purpose.DIGEST, "lk:{T01}:digest:sa-abc001"), Sealer([b"k" * 32])

    (opened,) = DIGEST.open(sealer, sealer.seal(written, place), place)

    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert opened == Reviewed(at, (("C01", CardAt("C01", "1.2")),), complete=True, waiting=0, shown_at=None)


async def test_how_far_a_pass_is_is_on_record(store: Store, other: Store, redis: Any, keys: Keyspace) -> None:
    assert await store.keeps.review_pass() is None
    passed = ReviewPass(NOW, (OWNER,), is_read=True, chosen=(OWNER,), left=4)

    await store.keeps.remember_pass(ReviewPass(NOW))
    await store.keeps.remember_pass(passed)

    assert await other.keeps.review_pass() == passed
    assert b"sa-abc001" not in await redis.get(keys.review_pass)
    assert await redis.pttl(keys.review_pass) > 0


async def test_a_pass_that_does_not_open_counts_as_not_begun(
    store: Store, redis: Any, keys: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    await store.keeps.remember(OWNER, REVIEWED)
    await redis.copy(keys.digest(OWNER), keys.review_pass)

    with caplog.at_level(logging.WARNING):
        assert await store.keeps.review_pass() is None
    assert "so it counts as not begun" in caplog.text


async def test_a_record_of_another_owner_counts_as_none(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.keeps.remember(OWNER, REVIEWED)
    await redis.copy(keys.digest(OWNER), keys.digest(Principal("u-ann001")))

    assert await store.keeps.reviewed(Principal("u-ann001")) is None


async def test_reasons_are_sealed(store: Store, redis: Any, keys: Keyspace) -> None:
    await store.keeps.keep(KEPT)

    assert b"billing" not in await redis.get(keys.keep(K1))
