"""What the review asks its channel: a few accounts in a pass, in turn, whatever dies meanwhile."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from bot.domain.catalog import Quota
from bot.domain.errors import Undeliverable
from bot.domain.keys import KeyId, Principal
from bot.domain.kinds import Kind
from bot.domain.requests import Done
from bot.domain.review import Backlog
from bot.services.agenda import Item, ItemKind
from bot.services.commands import CardAt
from bot.services.ports.store import Reviewed, ReviewPass
from bot.services.review import run
from bot.services.review.run import in_turn
from bot.store.keeps import RedisKeeps
from tests.services.review.office import CHANNEL, OWNS, WEEK, Office, Slack, an_office, listed
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DAY, ERIN, FEMI, HOUR, NOW
from tests.support.stored import next_due


def shown(office: Office) -> list[Principal]:
    """The accounts that the channel was asked about, one for each message."""
    first = [versions[0] for place, versions in office.slack.digests.items() if place.channel == CHANNEL]
    return [digest.owner.id for digest in first if digest.owner is not None and digest.owner.id]


async def test_of_forty_accounts_without_an_owner_the_channel_is_asked_about_three_and_told_of_the_rest() -> None:
    async with an_office() as office:
        for number in range(40):
            office.account(number)

        await office.a_week()

        assert len(shown(office)) == len(set(shown(office))) == 3
        assert len(office.slack.digests) == 3
        assert office.slack.backlogs == [(CHANNEL, Backlog(37, NOW + 2 * WEEK))]


async def test_the_next_pass_shows_others_until_all_had_their_turn() -> None:
    async with an_office() as office:
        accounts = {office.account(number) for number in range(8)}

        for _ in range(3):
            await office.a_week()

        first = shown(office)
        assert set(first[:8]) == accounts
        assert first[8] == first[0], "whom the channel was asked about longest ago comes first again"
        assert [backlog.accounts for _, backlog in office.slack.backlogs] == [5, 5, 5]


async def test_accounts_with_the_most_keys_come_first_and_a_few_leave_no_backlog() -> None:
    async with an_office() as office:
        few, many, some = office.account(1), office.account(2, keys=9), office.account(3, keys=4)

        await office.a_week()

        assert shown(office) == [many, some, few]
        assert office.slack.backlogs == []


async def test_a_quota_of_the_organization_waits_for_no_turn() -> None:
    async with an_office() as office:
        for number in range(4):
            office.account(number)
        office.cloud.limits = [Quota("iam.max_cloud_api_keys.per_org", "Cloud API keys", 1000, 995)]

        await office.a_week()

        quotas = [each for (each, *_) in office.slack.digests.values() if each.owner is None]
        assert (len(quotas), len(shown(office))) == (1, 3)


def test_a_turn_goes_by_when_something_was_shown_and_then_by_how_much_waits() -> None:
    never, little, lately, long_ago, nothing = map(Principal, ("sa-1", "sa-2", "sa-3", "sa-4", "sa-5"))
    reviewed = {
        lately: Reviewed(NOW, waiting=9, shown_at=NOW - DAY),
        long_ago: Reviewed(NOW, waiting=1, shown_at=NOW - WEEK),
        little: Reviewed(NOW, waiting=2),
        never: Reviewed(NOW, waiting=3),
        nothing: Reviewed(NOW),
    }

    assert in_turn(reviewed) == (never, little, long_ago, lately)


# --- who can't be reached ---------------------------------------------------------------------------------------------


async def test_an_account_whose_owners_cannot_be_reached_has_one_message_with_each_key_once() -> None:
    async with an_office() as office:
        office.cloud.bindings[FEMI.principal] = [build.a_binding(FEMI, "ResourceOwner", OWNS)]
        gone = Undeliverable("messages_tab_disabled", lasting=True)
        office.slack.refusing = {ERIN.slack: gone, FEMI.slack: gone}
        office.add("ONE")
        office.add("TWO")
        office.add("CLOUD", kind=Kind.CLOUD, resource="cloud")

        await office.a_week()

        ((place, (digest,)),) = office.slack.digests.items()
        assert (place.channel, digest.audience, sorted(listed(digest))) == (CHANNEL, "channel", ["CLOUD", "ONE", "TWO"])
        assert sorted(await office.review.offered(ACCOUNT.id, place, ERIN.slack)) == ["CLOUD", "ONE", "TWO"]
        office.slack.refusing.clear()
        await office.keep("ONE", digest=place)
        assert sorted(listed(office.slack.newest()[CHANNEL])) == ["CLOUD", "TWO"]
        assert len(office.slack.digests) == 1


async def test_an_owner_who_can_be_reached_again_is_asked_and_the_channel_is_not() -> None:
    async with an_office() as office:
        office.slack.refusing = {ERIN.slack: Undeliverable("messages_tab_disabled", lasting=True)}
        office.add("ONE")
        await office.a_week()
        assert [place.channel for place in office.slack.digests] == [CHANNEL]

        office.slack.refusing.clear()
        await office.a_week()

        assert [place.channel for place in office.slack.digests] == [CHANNEL, f"D{ERIN.slack}"]


async def test_a_channel_that_is_gone_ends_the_pass_and_asks_about_the_same_accounts_later() -> None:
    async with an_office() as office:
        for number in range(5):
            office.account(number)
        office.slack.refusing = {CHANNEL: Undeliverable("channel_not_found", lasting=True)}
        await office.a_week()
        assert await next_due(office.store) == NOW + 2 * WEEK

        office.slack.refusing.clear()
        await office.a_week()

        assert len(shown(office)) == 3


# --- what stands in the channel ---------------------------------------------------------------------------------------


async def test_a_message_that_waits_for_its_next_turn_is_still_drawn_again_when_a_key_is_deleted() -> None:
    async with an_office() as office:
        first = office.account(0, keys=9)
        await office.a_week()
        for number in range(1, 6):
            office.account(number)
        await office.a_week()
        assert shown(office).count(first) == 1
        place = next(iter(office.slack.digests))

        await office.cloud.delete_key(KeyId("K0N0"), first, CLUSTER)
        asked = build.approved(ask=build.an_ask(owner=office.cloud.accounts[first]))
        await office.review.moved(Done(asked.ask, asked.terms, asked.grant, 1, at=office.clock()))
        await office.work()

        assert "K0N0" not in listed(office.slack.digests[place][-1])
        assert len(office.slack.digests[place]) == 2


async def test_what_was_there_before_latchkey_is_offered_to_be_kept_whenever_its_turn_comes() -> None:
    async with an_office() as office:
        for number in range(6):
            office.account(number)

        await office.a_week()
        await office.a_week()

        assert len(shown(office)) == 6
        assert all(versions[0].is_baseline for versions in office.slack.digests.values())


async def test_what_an_older_version_sent_to_the_channel_counts_as_shown_when_it_was_sent() -> None:
    async with an_office() as office:
        accounts = [office.account(number) for number in range(4)]
        asked = accounts[0]
        await office.store.keeps.remember(asked, Reviewed(NOW, ((CHANNEL, CardAt(CHANNEL, "0.1")),), complete=True))

        await office.a_week()

        assert shown(office) == accounts[1:]
        reviewed = await office.store.keeps.reviewed(asked)
        assert reviewed is not None
        assert (reviewed.shown_at, reviewed.waiting) == (NOW, 1)


# --- what dies meanwhile ----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.search
async def test_a_process_that_dies_anywhere_leaves_the_choice_as_it_was_and_one_message_twice_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before and after each write and each post of a pass with one owner and four accounts for the channel."""
    for step in range(1, 1000):
        async with an_office() as office:
            chosen = [office.account(number, keys=5 - number) for number in range(4)][:3]
            office.add("OWNED")
            with monkeypatch.context() as patch:
                deaths = deadly(patch, step)
                await a_week_with(office, deaths)
        assert set(shown(office)) == set(chosen), step
        assert {backlog.accounts for _, backlog in office.slack.backlogs} == {1}, step
        owned = sum(place.channel == f"D{ERIN.slack}" for place in office.slack.digests)
        posts = [*Counter(shown(office)).values(), owned, len(office.slack.backlogs)]
        assert set(posts) <= {1, 2}, step
        assert sum(posts) <= 5 + deaths.happened, f"more than one message came twice at {step}"
        if not deaths.happened:
            assert step > 20, "nobody died"
            return
    pytest.fail("somebody always died")


@dataclass(slots=True)
class Deaths:
    """Dies once, at the call with this number; odd ones before what the call does, even ones after it."""

    at: int
    seen: int = 0
    happened: bool = False

    def point(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.happened = True
            raise Killed


def deadly(patch: pytest.MonkeyPatch, at: int) -> Deaths:
    deaths = Deaths(at)
    places: list[tuple[type, str]] = [
        (RedisKeeps, "remember"), (RedisKeeps, "remember_pass"), (Slack, "digest"), (Slack, "backlog"),
    ]  # fmt: skip
    for owner, name in places:
        patch.setattr(owner, name, dying(getattr(owner, name), deaths))
    return deaths


def dying(call: Callable[..., Awaitable[Any]], deaths: Deaths) -> Callable[..., Awaitable[Any]]:
    async def called(*args: Any) -> Any:
        deaths.point()
        result = await call(*args)
        deaths.point()
        return result

    return called


async def a_week_with(office: Office, deaths: Deaths) -> None:
    """A pass; who dies leaves what it held until its leases are over."""
    while True:
        try:
            await office.review.begin()
        except Killed:
            continue
        break
    office.clock.advance(WEEK)
    for _ in range(12):
        try:
            await office.work()
        except Killed:
            assert deaths.happened
        office.clock.advance(timedelta(minutes=2))


async def test_an_account_that_confluent_never_shows_holds_the_channel_up_for_an_hour_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with an_office() as office:
        first, second = office.account(1), office.account(2)
        passed = ReviewPass(NOW, (first, second), is_read=True)
        await office.store.keeps.remember_pass(passed)
        await office.review.step(Item(ItemKind.REVIEW, first))
        item = Item(ItemKind.REVIEW_CHANNEL)

        assert await office.review.step(item) == NOW + run.SETTLES
        assert shown(office) == []
        office.clock.advance(run.LATE + 2 * run.APART)
        assert await office.review.step(item) == office.clock() + run.SETTLES
        office.clock.advance(run.APART)
        assert await office.review.step(item) is None

        assert shown(office) == [first]


async def test_the_channel_is_asked_only_when_all_keys_were_read() -> None:
    async with an_office() as office:
        first = office.account(1)
        await office.store.keeps.remember_pass(ReviewPass(NOW, (first,)))
        await office.review.step(Item(ItemKind.REVIEW, first))
        office.clock.advance(DAY)

        assert await office.review.step(Item(ItemKind.REVIEW_CHANNEL)) == office.clock() + run.SETTLES
        assert shown(office) == []


async def test_clocks_that_differ_by_seconds_make_no_other_pass() -> None:
    async with an_office() as office:
        office.account(1)
        await office.review.begin()
        office.clock.advance(WEEK)
        await office.review.step(Item(ItemKind.REVIEW))
        office.clock.advance(-timedelta(seconds=20))
        await office.review.step(Item(ItemKind.REVIEW_PAGE))
        office.clock.advance(timedelta(seconds=20))
        for _ in range(3):
            await office.work()
            office.clock.advance(HOUR)

        assert len(shown(office)) == 1


async def test_whichever_item_of_a_pass_a_failover_loses_the_pass_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "PAGES", 1)
    usual = await a_pass_without(None)
    for step in count():
        lost: list[Item] = []
        assert await a_pass_without(step, lost) == usual, lost
        if not lost:
            assert step > 8
            return


async def a_pass_without(step: int | None, lost: list[Item] | None = None) -> object:
    """What a pass says to whom where this step's item is lost before it is carried out, as with a failover."""
    async with an_office() as office:
        office.cloud.page_length = 2
        office.add("ERINS", Principal("sa-111111"))
        for number in range(5):
            office.account(number)
        office.cloud.limits = [Quota("iam.max_cloud_api_keys.per_org", "Cloud API keys", 1000, 995)]
        await office.review.begin()
        office.clock.advance(WEEK)
        steps = count()
        for _ in range(12):
            while leases := await office.store.agenda.take(office.clock(), timedelta(minutes=1), 500):
                for lease in leases:
                    is_lost = next(steps) == step
                    if is_lost and lost is not None:
                        lost.append(lease.item)
                    due = None if is_lost else await office.review.step(lease.item)
                    await office.store.agenda.settle(lease, due)
            office.clock.advance(timedelta(minutes=10))
            await office.review.begin()  # which happens each hour
        said = sorted((place.channel, sorted(listed(each[0]))) for place, each in office.slack.digests.items())
        return said, [backlog.accounts for _, backlog in office.slack.backlogs]
