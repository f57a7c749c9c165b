"""T9: a value of another type that isn't evidence is removed by the first who meets it, and logged."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from bot.domain.errors import Unavailable
from bot.domain.keys import Principal, RequestId, SlackUserId
from bot.services.agenda import Item, ItemKind
from bot.store import Store
from bot.store.keyspace import Keyspace
from bot.store.scripts import Healer
from tests.store.given import ANN, NOW, added, event, pending
from tests.support.build import HOUR

R1, BOB, OWNER = RequestId("R1"), SlackUserId("U0BOB"), Principal("sa-1")
REFUSED = Item(ItemKind.REFUSAL, "r")
Where = Callable[[Keyspace], str]
Use = Callable[[Store], Awaitable[Any]]
READERS: dict[str, tuple[Where, Use, Any]] = {
    "cache": (lambda keys: keys.cache("roles"), lambda store: store.cache.get("roles", str), None),
    "pending": (lambda keys: keys.pending, lambda store: store.requests.pending(9), []),
    "requests-of": (
        lambda keys: keys.requests_of(ANN.slack), lambda store: store.requests.of_requester(ANN.slack, 9), [],
    ),
    "posts": (lambda keys: keys.posts(R1), lambda store: store.posts.get(R1), []),
    "homes": (lambda keys: keys.homes, lambda store: store.homes.since(NOW), frozenset()),
    "visit": (lambda keys: keys.homes, lambda store: store.homes.came(BOB, NOW), None),
    "digest": (lambda keys: keys.digest(OWNER), lambda store: store.keeps.reviewed(OWNER), None),
    "click": (lambda keys: keys.click("C1"), lambda store: store.inbox.get("C1"), None),
    "draft": (lambda keys: keys.draft("D1"), lambda store: store.drafts.get("D1", BOB), None),
    "refusal": (lambda keys: keys.refusal("r"), lambda store: store.refusals.counted(REFUSED, NOW), None),
    "review-pass": (lambda keys: keys.review_pass, lambda store: store.keeps.review_pass(), None),
}  # fmt: skip


@pytest.mark.parametrize(("where", "use", "nothing"), READERS.values(), ids=READERS)
async def test_t9_a_value_of_another_type_stops_no_reader(
    store: Store, redis: Any, keys: Keyspace, where: Where, use: Use, nothing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.sadd(where(keys), "planted")
    await redis.pexpire(where(keys), 100_000)

    assert [await use(store), await use(store)] == [nothing, nothing]

    assert caplog.messages == ["removed a value that Latchkey didn't write"]
    assert await redis.type(where(keys)) != b"set"


async def test_t9_lists_that_were_emptied_are_filled_by_the_next_write(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    for key in (keys.pending, keys.requests_of(ANN.slack), keys.secret(R1)):
        await redis.sadd(key, "planted")
        await redis.pexpire(key, 100_000)

    stored, _ = await store.requests.commit(added(pending()))

    assert list(await store.requests.pending(9)) == list(await store.requests.of_requester(ANN.slack, 9)) == [stored]


async def test_t9_a_refusal_is_counted_although_its_count_was_of_another_type(
    store: Store, redis: Any, keys: Keyspace
) -> None:
    await redis.sadd(keys.refusal("r"), "planted")

    assert [await store.refusals.count(REFUSED, event(), NOW + HOUR) for _ in range(2)] == [1, 2]
    assert await store.refusals.counted(REFUSED, NOW) == (event(), 1)


async def test_t9_a_record_of_another_type_hides_no_other(store: Store, redis: Any, keys: Keyspace) -> None:
    for request in ("R1", "R2"):
        await store.requests.commit(added(pending(request)))
    await redis.delete(keys.request(R1))
    await redis.set(keys.request(R1), "planted", px=100_000)

    assert [one.value.ask.id for one in await store.requests.pending(9)] == ["R2"]


async def test_t9_what_is_no_copy_is_not_removed(store: Store, redis: Any, keys: Keyspace) -> None:
    await redis.sadd(keys.agenda, "planted")

    with pytest.raises(Unavailable):
        await store.agenda.take(NOW + HOUR, HOUR, 1)

    assert await redis.type(keys.agenda) == b"set"


async def test_t9_an_error_that_no_other_type_explains_is_raised_and_removes_nothing(
    redis: Any, keys: Keyspace
) -> None:
    async def reading() -> object:
        raise ResponseError("READONLY")

    healer, key = Healer(redis), keys.cache("roles")
    await redis.set(key, "a copy", px=100_000)

    for place in (key, keys.cache("nothing")):
        with pytest.raises(ResponseError, match="READONLY"):
            await healer.read(place, "string", reading)
    assert await redis.get(key) == b"a copy"


async def test_t9_a_value_of_another_type_in_the_place_of_the_audit_log_is_an_error_that_callers_expect(
    store: Store, other: Store, redis: Any, keys: Keyspace
) -> None:
    await store.requests.commit(added(pending()))
    await redis.delete(keys.audit)
    await redis.set(keys.audit, "planted")

    for read in (other.requests.get(R1), other.requests.pending(9), other.requests.survey()):
        with pytest.raises(Unavailable):
            await read

    await redis.delete(keys.audit)
