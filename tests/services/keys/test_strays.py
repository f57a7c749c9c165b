"""T5: keys whose record was lost or expired are found, and reported with what is known of their secrets."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.errors import CloudRefused, Tampered, Unavailable
from bot.domain.keys import ApiKey, RequestId
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.index import CatalogIndex
from bot.services.commands import Approve, Show
from bot.services.keys.strays import EVERY, LATE, SWEPT, Strays
from bot.store.audit.log import RedisAudit
from bot.store.moments import from_ms
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ERIN
from tests.support.fakes import FakeCloud
from tests.support.lines import wrong

R1 = RequestId("R1")
FIRST = Item(ItemKind.STRAY)
AUDIT = "lk:{T01}:audit"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        await world.seed(build.pending())
        await world.click(Approve(R1), ERIN)
        await world.work_now()
        yield world


async def reported(world: World, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The keys that one look reports, and what it says of their secrets."""
    strays: Strays = world.start().services.strays
    caplog.clear()
    assert await strays.look(FIRST) == world.clock() + EVERY
    found: list[Any] = [record for record in caplog.records if record.message == "a key has no record"]
    return [(each.key, each.secret) for each in found]


async def lose(world: World, *names: str) -> None:
    async with FakeAsyncRedis(server=world.redis) as redis:
        await redis.delete(*(f"lk:{{T01}}:{name}" for name in names))


async def test_t5_a_key_whose_record_was_lost_is_reported(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (key,) = world.cloud.live(R1)
    assert await reported(world, caplog) == []

    await lose(world, "request:R1")

    assert await reported(world, caplog) == [(key, "unseen")]
    assert world.cloud.live(R1) == [key]


async def test_t5_a_key_whose_secret_was_shown_may_be_in_use(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.click(Show(R1, 1))
    await world.work_now()

    await lose(world, "request:R1")

    assert [secret for _, secret in await reported(world, caplog)] == ["seen"]


async def test_t5_without_the_audit_log_nothing_is_known_of_a_secret(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await lose(world, "request:R1", "audit", "audit-head")

    assert [secret for _, secret in await reported(world, caplog)] == ["unknown"]


async def archived(world: World, until: int) -> None:
    archive = world.connect().archive
    move = await archive.begin()
    assert [line async for line in archive.lines(move, until=until)]
    await archive.finish(move)


@pytest.mark.parametrize("shown", [True, False])
async def test_t46_a_key_whose_first_lines_were_archived_is_never_taken_for_one_that_nobody_saw(
    world: World, caplog: pytest.LogCaptureFixture, *, shown: bool
) -> None:
    if shown:
        await world.click(Show(R1, 1))
        await world.work_now()
    (key,) = world.cloud.live(R1)
    await archived(world, until=len(await world.audit()) if shown else 1)
    await lose(world, "request:R1")

    assert await reported(world, caplog) == [(key, "unknown")]
    await looks(world, days=30)
    assert world.cloud.live(R1) == [key]


async def test_t46_a_showing_that_is_still_in_the_log_counts(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await archived(world, until=1)
    await world.click(Show(R1, 1))
    await world.work_now()
    await lose(world, "request:R1")

    assert [secret for _, secret in await reported(world, caplog)] == ["seen"]


async def test_t5_a_marker_that_somebody_wrote_into_another_key_says_nothing_of_its_secret(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    other = world.cloud.add(build.a_key("KEYOTHER00000001", "[lk:R1/1]"))

    await lose(world, "request:R1")

    assert dict(await reported(world, caplog))[other.id] == "unknown"


async def found_orphaned(world: World) -> list[str]:
    """What the audit log says of the key since it was found without a record."""
    actions = [line["action"] for line in await world.audit()]
    return actions[actions.index("key:found-orphaned") :]


async def looks(world: World, *, days: int) -> None:
    """Days go by, each with its look."""
    for _ in range(days):
        world.clock.advance(EVERY)
        await world.start().services.strays.look(FIRST)


async def test_t5_a_key_whose_secret_nobody_saw_is_deleted_after_a_week_of_reports(world: World) -> None:
    (key,) = world.cloud.live(R1)
    await lose(world, "request:R1")

    await looks(world, days=7)
    assert (world.cloud.live(R1), await found_orphaned(world)) == ([key], ["key:found-orphaned"])

    await looks(world, days=1)
    assert world.cloud.live(R1) == []
    assert await found_orphaned(world) == ["key:found-orphaned", "key:delete-intended", "key:deleted"]
    assert [problem for line in await world.audit() for problem in wrong(line)] == []


async def test_t5_how_long_it_is_only_reported_is_up_to_the_policy(world: World) -> None:
    await lose(world, "request:R1")
    world.policy = replace(world.policy, delete_orphans_after=None)
    await looks(world, days=30)
    assert world.cloud.live(R1)

    world.policy = replace(world.policy, delete_orphans_after=timedelta(days=40))
    await looks(world, days=10)
    assert world.cloud.live(R1)
    await looks(world, days=1)
    assert world.cloud.live(R1) == []


async def test_t5_a_key_that_somebody_may_have_is_never_deleted(world: World) -> None:
    other = world.cloud.add(build.a_key("KEYOTHER00000001", "[lk:R1/1]"))
    await world.click(Show(R1, 1))
    await world.work_now()
    await lose(world, "request:R1")

    await looks(world, days=30)

    assert len(world.cloud.live(R1)) == 2
    assert other.id in world.cloud.live(R1)
    assert "key:found-orphaned" not in [line["action"] for line in await world.audit()]


async def test_t5_a_record_that_is_restored_keeps_its_key(world: World) -> None:
    (key,) = world.cloud.live(R1)
    async with FakeAsyncRedis(server=world.redis) as redis:
        kept = await redis.dump("lk:{T01}:request:R1")
        assert kept
        await lose(world, "request:R1")
        await looks(world, days=7)
        await redis.restore("lk:{T01}:request:R1", 0, kept)

    await looks(world, days=7)

    assert world.cloud.live(R1) == [key]


async def test_t5_a_record_that_is_restored_just_before_the_deletion_keeps_its_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = world.cloud.live(R1)
    read = CatalogCache.index
    async with FakeAsyncRedis(server=world.redis) as redis:
        kept = await redis.dump("lk:{T01}:request:R1")
        assert kept
        await lose(world, "request:R1")
        await looks(world, days=7)

        async def restored(catalog: CatalogCache) -> CatalogIndex:
            await redis.restore("lk:{T01}:request:R1", 0, kept)
            return await read(catalog)

        monkeypatch.setattr(CatalogCache, "index", restored)
        await looks(world, days=1)

    assert world.cloud.live(R1) == [key]
    assert await world.store.requests.get(R1) is not None


async def test_t5_a_key_that_confluent_does_not_let_go_is_tried_again_with_one_intent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> bool:
        raise CloudRefused(status=403, detail="Forbidden", reference="R-1")

    await lose(world, "request:R1")
    await looks(world, days=7)
    with monkeypatch.context() as refusing:
        refusing.setattr(FakeCloud, "delete_key", refused)
        await looks(world, days=2)
    assert world.cloud.live(R1)

    await looks(world, days=1)

    assert world.cloud.live(R1) == []
    assert await found_orphaned(world) == ["key:found-orphaned", "key:delete-intended", "key:deleted"]


@pytest.mark.parametrize(("age", "is_told"), [(SWEPT, False), (SWEPT + timedelta(seconds=1), True)])
async def test_r1_a_key_whose_record_denies_it_is_told_and_stays(
    world: World, caplog: pytest.LogCaptureFixture, *, age: timedelta, is_told: bool
) -> None:
    await world.seed(build.pending(ask=build.an_ask(id=RequestId("R2"), name="second")))
    denied = world.cloud.add(build.a_key("KEYDENIED0000001", "[lk:R2/1]", created_at=world.clock()))
    world.clock.advance(age)

    assert await reported(world, caplog) == []

    told = [vars(each) for each in caplog.records if each.message == "a key's record says nothing of this key"]
    assert [(each["key"], each["state"]) for each in told] == ([(denied.id, "pending")] if is_told else [])
    assert denied.id in world.cloud.live()


async def test_r1_a_key_of_a_request_that_has_it_or_is_making_one_is_not_denied(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.seed(build.approved(ask=build.an_ask(id=RequestId("R2"), name="second")))
    world.cloud.add(build.a_key("KEYDENIED0000001", "[lk:R2/1]", created_at=world.clock()))
    world.clock.advance(2 * SWEPT)

    await reported(world, caplog)

    assert "a key's record says nothing of this key" not in caplog.messages


async def test_t5_a_record_that_cannot_be_read_is_not_lost(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeAsyncRedis(server=world.redis) as redis:
        await redis.hset("lk:{T01}:request:R1", "body", b"planted")

    assert await reported(world, caplog) == []


async def test_t5_the_look_comes_every_day(world: World) -> None:
    strays = world.start().services.strays
    await strays.begin()
    await strays.begin()

    assert await next_look(world) == world.clock() + EVERY


def nobody_looks(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.messages.count("the daily check for keys without a record is overdue")


async def test_t36_a_daily_look_that_somebody_takes_away_is_not_put_off(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    strays = world.start().services.strays
    await strays.begin()
    due = world.clock() + EVERY
    for _ in range(30):
        await lose(world, "agenda")
        await strays.begin()
        assert await next_look(world) == max(due, world.clock())
        world.clock.advance(EVERY / 24)
    assert nobody_looks(caplog) == 3, "in each hour once it is two hours late"

    await world.work_now()
    await strays.begin()
    assert (nobody_looks(caplog), await next_look(world)) == (3, world.clock() + EVERY)


async def test_t36_a_step_that_somebody_planted_is_no_whole_look(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(cloud: FakeCloud, token: str) -> tuple[Sequence[ApiKey], str]:
        return cloud._shown(), "" if token else "last"

    monkeypatch.setattr(FakeCloud, "key_page", page)
    monkeypatch.setattr("bot.services.keys.strays.SECONDS", 0)
    strays = world.start().services.strays
    await strays.begin()
    world.clock.advance(EVERY + LATE + SWEPT)

    await strays.look(Item(ItemKind.STRAY, "last"))
    await strays.begin()
    assert nobody_looks(caplog) == 1

    await world.work_now()  # from the first page on to the last
    await strays.begin()
    assert nobody_looks(caplog) == 1


async def test_t36_a_record_that_was_hidden_from_every_other_look_is_worked_on_where_its_key_is_found(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    record, process = "lk:{T01}:request:R1", world.start()
    async with FakeAsyncRedis(server=world.redis) as redis:
        await redis.rename(record, "hidden")
        await lose(world, "agenda")
        world.clock.advance(2 * EVERY)
        assert await process.services.repair.look() == 0
        await redis.rename("hidden", record)

        await process.services.strays.look(FIRST)
        await process.services.strays.look(FIRST)
        await world.work_now()

    assert world.cloud.live(R1) == []
    assert caplog.messages.count("a key's request is overdue; put it back on the agenda") == 2
    caplog.clear()
    await process.services.strays.look(FIRST)
    assert caplog.messages == []


async def next_look(world: World) -> datetime:
    async with FakeAsyncRedis(server=world.redis) as redis:
        return from_ms(await redis.zscore("lk:{T01}:agenda", "stray:") or 0)


async def test_t5_a_log_that_cannot_be_read_in_time_keeps_no_later_page_from_being_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: RedisAudit, after: int) -> AsyncIterator[Mapping[str, object]]:
        raise Unavailable("no answer in time")

    async def first_page(cloud: FakeCloud, _: str) -> tuple[Sequence[ApiKey], str]:
        return cloud._shown(), "second"

    monkeypatch.setattr(RedisAudit, "read", slow)
    monkeypatch.setattr(FakeCloud, "key_page", first_page)
    monkeypatch.setattr("bot.services.keys.strays.SECONDS", 0)
    await lose(world, "request:R1")
    strays = world.start().services.strays

    with pytest.raises(Unavailable):
        await strays.look(FIRST)

    async with FakeAsyncRedis(server=world.redis) as redis:
        assert await redis.zscore("lk:{T01}:agenda", "stray:second") == world.clock().timestamp() * 1000


@pytest.mark.parametrize("last", ["", "second"], ids=["ends", "comes again"])
async def test_t5_one_look_goes_through_all_pages_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, last: str
) -> None:
    asked = list[str]()

    async def page(cloud: FakeCloud, token: str) -> tuple[Sequence[ApiKey], str]:
        asked.append(token)
        return ([], "second") if not token else (cloud._shown(), last)

    monkeypatch.setattr(FakeCloud, "key_page", page)
    (key,) = world.cloud.live(R1)
    await lose(world, "request:R1")

    assert await reported(world, caplog) == [(key, "unseen")]
    assert await world.start().services.strays.look(Item(ItemKind.STRAY, "second")) is None
    assert asked == ["", "second", "second"]
    async with FakeAsyncRedis(server=world.redis) as redis:
        agenda: list[Any] = await redis.zrange("lk:{T01}:agenda", 0, -1)
    assert [each for each in agenda if each.startswith(b"stray:")] == [], "nobody has to go on with either look"


async def test_a_key_in_use_outlives_lines_that_somebody_wrote_into_the_log(world: World) -> None:
    """A line in the clear, as they were before they were sealed, is nobody's word until the chain proves it."""
    (key,) = world.cloud.live(R1)
    await world.click(Show(R1, 1))
    await world.work_now()
    strays: Strays = world.start().services.strays
    await strays.look(FIRST)  # this process knows the log
    details = {"key": key, "marker": "[lk:R1/1]"}
    found = {"action": "key:found-orphaned", "at": "2020-01-01T00:00:00+00:00", "request": R1, "details": details}
    after_creation = [line["action"] for line in await world.audit()].index("key:created") + 1
    async with FakeAsyncRedis(server=world.redis) as redis:
        log: list[Any] = await redis.lrange(AUDIT, 0, -1)
        for at in range(after_creation, len(log)):
            await redis.lset(AUDIT, at, json.dumps(found))
        await lose(world, "request:R1")

        with suppress(Tampered):
            await strays.look(FIRST)

        for at, line in enumerate(log):  # as nobody would notice
            await redis.lset(AUDIT, at, line)
    assert world.cloud.live(R1) == [key]
    assert "key:delete-intended" not in [line["action"] for line in await world.audit()]
