"""T8: two versions at once, as in a rolling upgrade, and an older one alone, as after a downgrade."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from bot.domain.errors import Newer
from bot.domain.keys import Person, RequestId
from bot.domain.requests import Request, Shown
from bot.services.commands import Approve, Deed, Show
from bot.services.ports.store import Change, Stored
from bot.store.codec import REQUEST_JSON, Formatted
from bot.store.sealing import SealContext, Sealer
from tests.services.world import Process, World, a_world, check_at_rest
from tests.support import build
from tests.support.build import DANA, ERIN, HOUR

R1 = RequestId("R1")
FOREIGN = "later:R1"
"""An item of a kind that only the newer version knows."""


class Later(Formatted[Request]):
    """The records of a newer version: another format, and a field that is not known here."""

    def seal(self, sealer: Sealer, value: Request, place: SealContext) -> bytes:
        return sealer.seal(b'{"format":2,"later":1,%b' % REQUEST_JSON.dump_json(value)[1:], place)

    def _read(self, plain: bytes, place: SealContext) -> Request:
        return super()._read(plain.replace(b'{"format":2,"later":1,', b"{", 1), place)


@asynccontextmanager
async def two_versions(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[tuple[World, Process, Process]]:
    """A world with a process of this version and one of a newer one, which has written a request."""
    async with a_world() as world:
        old = world.start()
        with monkeypatch.context() as patch:
            patch.setattr("bot.store.requests.REQUEST", Later(REQUEST_JSON))
            new, world.store = world.start(), world.connect()
        await world.seed(build.pending())
        async with FakeAsyncRedis(server=world.redis) as redis:
            await redis.zadd("lk:{T01}:agenda", {FOREIGN: 0})
        yield world, old, new


async def stored(world: World) -> dict[bytes, bytes]:
    async with FakeAsyncRedis(server=world.redis) as redis:
        found: Any = await redis.hgetall("lk:{T01}:request:R1")
        return dict(found)


async def put_aside(world: World) -> list[Any]:
    async with FakeAsyncRedis(server=world.redis) as redis:
        return list(await redis.zrange("lk:{T01}:aside", 0, -1))


async def old_first(world: World, old: Process, new: Process, deed: Deed, by: Person) -> None:
    """Someone clicks; the older process meets the click first, the newer one when it comes back."""
    await world.click(deed, by)
    before = await stored(world)
    while await world.work(old):
        pass
    assert await stored(world) == before, "the older version wrote what it does not know"
    world.clock.advance(HOUR / 360)
    while await world.work(new):
        pass


async def test_t8_in_a_rolling_upgrade_the_newer_version_does_what_the_older_leaves_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_versions(monkeypatch) as (world, old, new):
        await old_first(world, old, new, Approve(R1), ERIN)
        await old_first(world, old, new, Show(R1, 1), DANA)

        assert isinstance(await world.state(), Shown)
        assert len(world.cloud.live(R1)) == len(world.shown()) == 1
        assert not any("upgrade" in said for _, said in world.slack.said)
        assert await put_aside(world) == [FOREIGN.encode()]
        assert "left an item to a newer version" in caplog.messages
        await check_at_rest(world)


async def test_t8_after_a_downgrade_what_the_newer_version_wrote_stays_and_people_read_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with two_versions(monkeypatch) as (world, old, new):
        new.life.is_alive = False
        before = await stored(world)
        await world.click(Approve(R1), ERIN)
        for _ in range(12):
            await world.work(old)
            world.clock.advance(HOUR / 360)
        await world.work(old)

        assert (await stored(world), world.cloud.minted) == (before, {})
        assert [said for _, said in world.slack.said if "upgrade" in said]
        assert await put_aside(world) == [FOREIGN.encode()]


async def test_t8_what_the_older_version_wrote_is_read_by_both_until_the_newer_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with two_versions(monkeypatch) as (world, old, new):
        second = build.pending(ask=build.an_ask(id=RequestId("R2")))
        world.store, newest = world.connect(), world.store
        await world.seed(second)
        world.store = newest

        first = Stored(second, 1)
        assert [await each.worker.requests.get(RequestId("R2")) for each in (old, new)] == [first, first]
        await new.worker.requests.commit(Change(first, second, world.clock()))

        with pytest.raises(Newer):
            await old.worker.requests.get(RequestId("R2"))
