from datetime import timedelta

import pytest
from fakeredis import FakeAsyncRedis

from bot.app import sign_format
from bot.diagnosis.records import format_problem
from bot.store.codec import FORMAT
from tests.support.composed import a_store
from tests.support.fakes import TestClock


@pytest.mark.parametrize("ahead", [0, 1])
async def test_t8_a_start_beside_a_newer_version_says_so(ahead: int, caplog: pytest.LogCaptureFixture) -> None:
    clock = TestClock()
    store = a_store(FakeAsyncRedis(), clock)
    await sign_format(store, clock)
    await store.cache.put("format", FORMAT + ahead, int, now=clock(), keep=timedelta(days=400))

    await sign_format(store, clock)

    assert caplog.messages == ["a newer version is here"] * ahead
    assert ("newer version" in (await format_problem(store) or "")) == bool(ahead)
