"""What 1,000 pending requests cost a worker while none is due: CPU of one look at the agenda."""

from time import process_time

from benchmarks.measured import Bench, Line, bench
from bot.domain.audit import Action, Event
from bot.domain.keys import RequestId
from bot.domain.requests import Pending
from bot.services.ports.store import Change
from bot.store.moments import utc_now
from tests.support import build
from tests.support.build import DANA, DAY
from tests.support.fakes import FakeCloud

REQUESTS, LOOKS = 1_000, 500


async def measure() -> list[Line]:
    async with bench(FakeCloud(utc_now, people=[DANA])) as it:
        empty = await _look(it)
        for number in range(REQUESTS):
            now = utc_now()
            ask = build.an_ask(id=RequestId(f"R{number}"), asked_at=now)
            pending = Pending(ask, build.terms(), approvals=(), expires_at=now + DAY)
            event = Event(now, DANA.slack, Action.SUBMITTED, ask.id)
            await it.store.requests.commit(Change(None, pending, now + DAY, (event,)))
        full = await _look(it)
        return [
            Line("one look at the agenda of a worker, nothing pending, CPU", empty, "ms"),
            Line("one look at the agenda of a worker, 1,000 pending, CPU", full, "ms", 2 * empty),
        ]


async def _look(it: Bench) -> float:
    began = process_time()
    for _ in range(LOOKS):
        assert not await it.worker._round()  # noqa: SLF001 -- what the worker does once a second
    return (process_time() - began) / LOOKS * 1e3
