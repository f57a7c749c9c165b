"""Whose Home is drawn again when, and what stands on it when something cannot be read."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bot.domain.catalog import User
from bot.domain.errors import LatchkeyError, Throttled, Unavailable, Undeliverable
from bot.domain.keys import ApiKey, Principal, RequestId, SlackUserId
from bot.domain.kinds import Kind
from bot.domain.requests import Denied, Request, Shown
from bot.domain.roles import Binding
from bot.services.agenda import Item, ItemKind
from bot.services.browse.home import KEYS, LOOKED_AT, RECENT, REDRAW, SAID_FOR, HomePage, Homes
from bot.slack.messages import answers
from bot.store import Store
from bot.store.connection import unconfirmed
from tests.support import build
from tests.support.build import DANA, ERIN, NOW, OTTO, a_key, an_ask, pending, terms
from tests.support.composed import a_cast, a_store, composed, keep
from tests.support.fakes import FakeCloud, TestClock

_Request = TypeVar("_Request", bound=Request)
AWAY = Unavailable("Confluent Cloud didn't answer. Nothing changed. Try again in a minute.")
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Cloud(FakeCloud):
    """A Confluent Cloud that may be away."""

    trouble: LatchkeyError | None = None
    waits: asyncio.Event | None = None
    """Nobody is told any keys before this."""
    hangs: bool = False
    """Whether nobody is ever told who holds which role."""

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        if self.trouble:
            raise self.trouble
        if self.waits:
            await self.waits.wait()
        return [each for each in self._shown() if each.owner == owner]

    async def users(self) -> Sequence[User]:
        if self.trouble:
            raise self.trouble
        return [User(each.principal, each.email, each.name) for each in self.people]

    async def bindings_at(self, crn: str) -> Sequence[Binding]:
        if self.trouble:
            raise self.trouble
        if self.hangs:
            await asyncio.Event().wait()
        return [each for held in self.bindings.values() for each in held if each.crn == crn]


@dataclass(slots=True)
class House:
    """Homes over a store of their own; `drawn` is what Slack was told, `refusal` what it answers instead."""

    store: Store
    cloud: Cloud
    clock: TestClock
    drawn: list[tuple[SlackUserId, HomePage]] = field(default_factory=list[tuple[SlackUserId, HomePage]])
    refusal: LatchkeyError | None = None
    rings: int = 0
    homes: Homes = field(init=False)

    async def show(self, user: SlackUserId, page: HomePage) -> None:
        if self.refusal:
            raise self.refusal
        self.drawn.append((user, page))

    def ring(self) -> None:
        self.rings += 1

    async def due(self) -> set[str]:
        """The agenda items that are due now."""
        return {str(lease.item) for lease in await self.store.agenda.take(self.clock(), MINUTE, 100)}

    async def keep(self, request: _Request) -> _Request:
        await keep(self.store, request)
        return request


@asynccontextmanager
async def a_house() -> AsyncGenerator[House]:
    clock, cloud, slack = a_cast(Cloud)
    redis = FakeAsyncRedis(server=FakeServer())
    store = a_store(redis, clock)
    policy, house = build.a_policy(), House(store, cloud, clock)
    services = composed(store, cloud, slack, clock, lambda: policy, show_home=house.show)
    house.homes = replace(services.homes, wake=house.ring)
    try:
        yield house
    finally:
        await redis.aclose()


def living(request: str = "R1", key: str = "KEY0000000000001", **fields: Any) -> Shown:
    ask = an_ask(id=RequestId(request))
    made = a_key(key, marker=f"[lk:{request}/1]", kind=Kind.KAFKA, **fields)
    return build.shown(ask=ask, key=made)


# --- whose --------------------------------------------------------------------------------------------------------


async def test_a_request_that_begins_to_wait_is_drawn_for_its_requester_and_for_who_can_decide() -> None:
    async with a_house() as house:
        for person in (DANA, ERIN, OTTO):
            await house.store.homes.came(person.slack, NOW)

        await house.homes.changed(pending())

        assert await house.due() == {"home:U0DANA", "home:U0ERIN"}
        assert house.rings == 1


async def test_one_that_ends_is_drawn_for_them_too_and_a_step_between_only_for_its_requester() -> None:
    async with a_house() as house:
        for person in (DANA, ERIN):
            await house.store.homes.came(person.slack, NOW)
        await house.homes.changed(Denied(an_ask(), terms(), by=ERIN, reason="no", at=NOW))
        assert await house.due() == {"home:U0DANA", "home:U0ERIN"}

    async with a_house() as house:
        for person in (DANA, ERIN):
            await house.store.homes.came(person.slack, NOW)
        await house.homes.changed(living())
        assert await house.due() == {"home:U0DANA"}


async def test_who_opened_home_long_ago_is_left_alone() -> None:
    async with a_house() as house:
        await house.store.homes.came(DANA.slack, NOW)
        house.clock.advance(RECENT + MINUTE)

        await house.homes.changed(pending())

        assert (await house.due(), house.rings) == (set(), 0)


async def test_while_nobody_knows_who_can_decide_all_who_look_are_drawn() -> None:
    async with a_house() as house:
        for person in (ERIN, OTTO):
            await house.store.homes.came(person.slack, NOW)
        house.cloud.trouble = AWAY
        await house.homes.changed(pending())

        assert await house.due() == {"home:U0ERIN", "home:U0OTTO"}


async def test_a_request_does_not_wait_for_who_can_decide_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.browse.home.KNOWN_WITHIN", 0.01)
    async with a_house() as house, asyncio.timeout(30):
        for person in (ERIN, OTTO):
            await house.store.homes.came(person.slack, NOW)
        house.cloud.hangs = True
        await house.homes.changed(pending())

        assert await house.due() == {"home:U0ERIN", "home:U0OTTO"}


async def test_a_store_that_is_away_stops_no_request() -> None:
    class Away:
        async def came(self, user: SlackUserId, at: Any) -> None:
            raise AWAY

        async def since(self, moment: Any) -> frozenset[SlackUserId]:
            raise AWAY

    async with a_house() as house:
        homes = replace(house.homes, visitors=Away())
        await homes.changed(pending())
        await homes.visited(DANA.slack)

        assert [user for user, _ in house.drawn] == [DANA.slack]


@pytest.mark.parametrize(
    ("refusal", "again"),
    [
        (None, None),
        (Throttled("Slack asks to wait.", wait=timedelta(seconds=7)), timedelta(seconds=7)),
        (AWAY, REDRAW),
        (Undeliverable("user_not_found", lasting=True), None),
    ],
)
async def test_a_home_that_slack_does_not_take_is_drawn_later_or_never(
    refusal: LatchkeyError | None, again: timedelta | None
) -> None:
    async with a_house() as house:
        house.refusal = refusal

        due = await house.homes.errand(Item(ItemKind.HOME, "U0DANA"))

        assert due == (NOW + again if again else None)


# --- what ---------------------------------------------------------------------------------------------------------


async def test_home_has_keys_of_ones_own_account_and_those_asked_for_and_no_others() -> None:
    async with a_house() as house:
        mine, others = a_key("KEY0000000000002", marker="", owner=DANA.principal, name="laptop", kind=Kind.KAFKA), "U"
        house.cloud.add(mine)
        house.cloud.add(a_key("KEY0000000000003", marker="", owner=OTTO.principal, name=others, kind=Kind.KAFKA))
        house.cloud.add((await house.keep(living())).key)

        page = await house.homes.page(DANA.slack)

        assert [view.key.id for view in page.keys] == ["KEY0000000000002", "KEY0000000000001"]
        assert [view.is_own for view in page.keys] == [True, False]
        assert page.keys[1].key.description == "reads orders"
        assert (page.notes, page.more_keys) == ((), 0)


@pytest.mark.parametrize("owner", [build.ACCOUNT.id, DANA.principal])
async def test_a_key_that_somebody_deleted_in_the_console_is_not_on_home(owner: Principal) -> None:
    async with a_house() as house:
        kept = await house.keep(living("R1", "KEY0000000000001", owner=owner))
        await house.keep(living("R2", "KEY0000000000002", owner=owner))
        house.cloud.add(kept.key)

        assert [view.key.id for view in (await house.homes.page(DANA.slack)).keys] == ["KEY0000000000001"]


async def test_a_key_that_confluent_does_not_show_for_want_of_rights_stays_on_home() -> None:
    async with a_house() as house:
        await house.keep(living("R1", "KEY0000000000001", owner=build.ACCOUNT.id))
        house.cloud.is_partial = True

        assert [view.key.id for view in (await house.homes.page(DANA.slack)).keys] == ["KEY0000000000001"]


async def test_what_waits_for_me_is_what_i_may_decide() -> None:
    async with a_house() as house:
        await house.keep(pending())

        assert [len((await house.homes.page(each.slack)).waiting) for each in (ERIN, OTTO, DANA)] == [1, 0, 0]
        assert len((await house.homes.page(DANA.slack)).requests) == 1


async def test_of_many_keys_the_first_are_shown_and_the_rest_counted() -> None:
    async with a_house() as house:
        for number in range(KEYS + 3):
            key = a_key(f"KEY{number:013}", marker="", owner=DANA.principal, name=f"{number:02}", kind=Kind.KAFKA)
            house.cloud.add(key)

        page = await house.homes.page(DANA.slack)

        assert [view.key.name for view in page.keys] == [f"{number:02}" for number in range(KEYS)]
        assert page.more_keys == 3


async def test_a_confluent_that_is_away_is_said_and_what_is_on_record_is_shown() -> None:
    async with a_house() as house:
        await house.keep(living())
        house.cloud.trouble = AWAY

        page = await house.homes.page(DANA.slack)

        assert [view.key.id for view in page.keys] == ["KEY0000000000001"]
        assert "didn't answer" in page.notes[0]
        assert "Showing only what Latchkey knows" in page.notes[0]
        assert page.trouble


async def test_a_store_that_is_away_makes_no_list_empty() -> None:
    class Away:
        async def of_requester(self, user: SlackUserId, most: int) -> Any:
            raise unconfirmed("TimeoutError")

    async with a_house() as house:
        page = await replace(house.homes, requests=cast("Any", Away())).page(DANA.slack)

    assert page.is_unread
    assert page.notes == ("Latchkey's store didn't answer. Try again in a minute.",)  # opening it changes nothing


async def test_own_keys_that_cannot_be_read_hide_nothing_else() -> None:
    async with a_house() as house:
        await house.keep(living())
        await house.homes.page(DANA.slack)  # who is who is read, and good for a minute
        house.cloud.trouble = AWAY

        page = await house.homes.page(DANA.slack)

        assert [view.key.id for view in page.keys] == ["KEY0000000000001"]
        assert "Showing only what Latchkey knows" in page.notes[0]
        assert page.trouble == ""


async def test_a_home_that_is_opened_over_and_over_is_drawn_once_at_a_time_and_once_more_after_that() -> None:
    async with a_house() as house:
        go_on = asyncio.Event()
        house.cloud.waits = go_on

        visits = [asyncio.create_task(house.homes.visited(DANA.slack)) for _ in range(20)]
        await asyncio.wait(visits, return_when=asyncio.FIRST_COMPLETED)
        go_on.set()
        await asyncio.gather(*visits)

        assert len(house.drawn) == 1
        assert await house.due() == {"home:U0DANA"}


@pytest.mark.parametrize(("others", "is_said"), [(LOOKED_AT - 2, False), (LOOKED_AT - 1, True), (LOOKED_AT, True)])
async def test_a_flood_of_requests_hides_no_other_one_without_a_word(others: int, *, is_said: bool) -> None:
    elsewhere = replace(build.CLUSTER, id="lkc-prod01", environment="env-prod01")
    async with a_house() as house:
        await house.keep(pending())
        for number in range(others):
            asked_at = NOW + timedelta(seconds=number + 1)
            ask = an_ask(id=RequestId(f"F{number}"), resource=elsewhere, asked_at=asked_at)
            await house.keep(pending(ask=ask))

        page = await house.homes.page(ERIN.slack)

        assert [each.ask.id for each in page.waiting] == ["R1"]
        shown = str(answers.waiting_blocks(page.waiting, page.trouble))
        assert ("See the approvals channel" in shown) is is_said


async def test_the_answer_to_a_click_on_home_stays_through_the_next_drawings_and_goes_after_a_minute() -> None:
    async with a_house() as house:
        await house.homes.say(DANA.slack, "Cancelled.")
        assert await house.due() == {"home:U0DANA"}

        for _ in range(2):
            assert (await house.homes.page(DANA.slack)).said == "Cancelled."
        assert (await house.homes.page(ERIN.slack)).said == ""
        house.clock.advance(SAID_FOR)
        assert (await house.homes.page(DANA.slack)).said == ""


async def test_a_click_on_home_without_an_answer_draws_it_again() -> None:
    async with a_house() as house:
        await house.homes.say(DANA.slack, "")

        assert (await house.due(), house.rings) == ({"home:U0DANA"}, 1)
        assert (await house.homes.page(DANA.slack)).said == ""


async def test_what_its_reader_has_approved_waits_for_others_alone() -> None:
    approved = pending(approvals=(build.an_approval(ERIN),), terms=terms(approvals=2))
    async with a_house() as house:
        await house.keep(approved)

        assert (await house.homes.page(ERIN.slack)).waiting == []
        assert (await house.homes.page(build.FEMI.slack)).waiting == [approved]


async def test_home_of_a_person_who_cannot_use_latchkey_says_why_and_lists_no_approvals() -> None:
    async with a_house() as house:
        await house.keep(living())
        page = await house.homes.page(SlackUserId("U0NOBODY"))
        assert (page.shut, page.trouble, page.notes) == ("Slack doesn't show your account to Latchkey.", "", ())
