"""What many keys cost the people who look at them: the list's first page, Home, and one pass of the review.

Two organizations, one with 1,000 keys and one with 100,000, each account with 50 of them; the places are the same. The
reader administers the organization and so sees every key; on Home, 50 requests wait and 50 keys are her own.
"""

from datetime import timedelta
from time import perf_counter, process_time

from benchmarks.crowd import KEYS_EACH, CrowdedCloud
from benchmarks.measured import Bench, Latencies, Line, bench
from bot.domain.audit import Action, Event
from bot.domain.keys import RequestId
from bot.domain.requests import Pending
from bot.services.browse.keys import PAGE
from bot.services.pages import EXPIRING, Filters
from bot.services.ports.store import Change
from bot.slack.views import pages
from tests.support import build
from tests.support.build import DANA, DAY, ERIN
from tests.support.fakes import TestClock

FEW, MANY, LOOKS = 1_000, 100_000, 60
A_LEASE = timedelta(seconds=60)
AT_ONCE = 16


async def measure() -> list[Line]:
    few, many = await _look(FEW), await _look(MANY)
    return [
        Line("first page of the list, 1,000 keys, p50", few.list.at(50), "ms"),
        Line("first page of the list, 100,000 keys, p50", many.list.at(50), "ms", round(2 * few.list.at(50), 1)),
        Line("the same by expiration, 1,000 keys, p50", few.ranked.at(50), "ms"),
        Line("the same by expiration, 100,000 keys, p50", many.ranked.at(50), "ms", round(2 * few.ranked.at(50), 1)),
        Line("calls to Confluent for it, 1,000 keys", few.calls, ""),
        Line("calls to Confluent for it, 100,000 keys", many.calls, "", few.calls),
        Line("Home, 1,000 keys, p50", few.home.at(50), "ms"),
        Line("Home, 100,000 keys, p50", many.home.at(50), "ms", round(2 * few.home.at(50), 1)),
        Line("one pass of the review, 1,000 keys of 20 accounts, CPU", few.review, "s"),
        Line("one pass of the review, 100,000 keys of 2,000 accounts, CPU", many.review, "s"),
    ]


class _Looked:
    """What was measured in one organization: milliseconds, calls, and seconds of CPU."""

    list: Latencies
    ranked: Latencies
    home: Latencies
    calls: float
    review: float


async def _look(keys: int) -> _Looked:
    clock, looked = TestClock(), _Looked()
    cloud = CrowdedCloud(clock, people=[DANA, ERIN])
    cloud.bindings[DANA.principal] = [build.a_binding(DANA, "OrganizationAdmin", build.HERE)]
    cloud.grow(keys)
    cloud.grow(KEYS_EACH, DANA.principal)
    async with bench(cloud, clock) as it:
        await it.worker.catalog.refresh()
        await _ask(it, clock)
        await _page(it)
        cloud.asked.clear()
        looked.list = Latencies([await _page(it) for _ in range(LOOKS)])
        looked.calls = cloud.asked.total() / LOOKS
        looked.ranked = Latencies([await _page(it, EXPIRING) for _ in range(LOOKS)])
        looked.home = Latencies([await _home(it) for _ in range(LOOKS)])
        looked.review = await _review(it, clock)
    return looked


async def _ask(it: Bench, clock: TestClock) -> None:
    """Dana and Erin have 25 requests each that wait; Erin's wait for Dana."""
    for number in range(50):
        ask = build.an_ask(id=RequestId(f"R{number}"), requester=(DANA, ERIN)[number % 2], asked_at=clock())
        pending = Pending(ask, build.terms(), approvals=(), expires_at=clock() + DAY)
        event = Event(clock(), ask.requester.slack, Action.SUBMITTED, ask.id)
        await it.store.requests.commit(Change(None, pending, clock() + DAY, (event,)))


async def _page(it: Bench, order: str = "") -> float:
    """What `/apikey list` does once its modal is open."""
    key_views, began = it.services.key_views, perf_counter()
    page = await it.services.key_lists.page(await key_views.reader(DANA.slack, DANA.team), Filters(order=order))
    assert len(page.views) == PAGE
    pages.page(page)
    return (perf_counter() - began) * 1e3


async def _home(it: Bench) -> float:
    began = perf_counter()
    await it.services.homes.publish(DANA.slack)
    return (await it.sent("views.publish") - began) * 1e3


async def _review(it: Bench, clock: TestClock) -> float:
    """One pass, as the worker takes its steps, until the channel knows how many accounts wait: its CPU seconds."""
    review, agenda, keeps = it.services.reviews, it.store.agenda, it.store.keeps
    began = process_time()
    await review.begin()
    clock.advance(7 * DAY)
    while not ((passed := await keeps.review_pass()) and passed.is_told):
        leases = await agenda.take(clock(), A_LEASE, AT_ONCE)
        for lease in leases:
            await agenda.settle(lease, await review.step(lease.item))
        if not leases:
            clock.advance(timedelta(minutes=1))
    return process_time() - began
