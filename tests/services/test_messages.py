"""Messages that Slack does not take: how often they are tried again, and what that means for the others."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from bot.domain.errors import Undeliverable
from bot.domain.keys import RequestId
from bot.domain.requests import Approved, Confirmed, Done, Request, Retired
from bot.services.messages import Publisher
from bot.services.ports.store import Post
from bot.services.surfaces import ASKED, CARD, END, OUTCOME, Surface
from tests.services.world import a_world
from tests.support import build
from tests.support.build import DAY, HOUR
from tests.support.fakes import FakeSlack, TestClock


@dataclass(slots=True)
class _Refusing(FakeSlack):
    """A Slack that takes no new messages of some surfaces, as where someone left or a channel is archived."""

    refused: frozenset[Surface] = frozenset()
    tries: list[Surface] = field(default_factory=list[Surface])

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        if surface.root is None or beside is None:  # what is refused as a reply is tried on its own at once
            self.tries.append(surface)
        if surface in self.refused:
            raise Undeliverable("is_archived", lasting=True)
        return await FakeSlack.publish(self, surface, request, post, note)


async def _tried(request: Request, surface: Surface, horizon: timedelta) -> int:
    """How often a message that nobody takes is tried within the horizon."""
    async with a_world() as world:
        slack, clock = _Refusing(refused=frozenset({surface})), TestClock()
        publisher = Publisher(world.store.posts, slack, slack, clock)
        while (again := await publisher.publish(request)) is not None and again < build.NOW + horizon:
            clock.now = again
        return slack.tries.count(surface)


@pytest.mark.parametrize(
    ("request_", "surface"),
    [
        (build.states()["done"], OUTCOME),
        (build.states()["confirmed"], CARD),
        (replace(build.ended(), by=None), END),
    ],
)
async def test_a_message_that_nobody_takes_is_tried_ever_less_often(request_: Request, surface: Surface) -> None:
    assert isinstance(request_, Done | Confirmed | Retired)
    assert await _tried(request_, surface, HOUR) >= 8
    assert await _tried(request_, surface, 400 * DAY) < 200


async def test_a_card_that_somebody_has_to_decide_on_is_tried_every_few_minutes() -> None:
    assert await _tried(build.pending(), CARD, DAY) > 200


async def test_a_copy_that_is_gone_does_not_keep_the_other_one_from_being_updated() -> None:
    async with a_world() as world:
        slack, posts = FakeSlack(), world.store.posts
        publisher = Publisher(posts, slack, slack, TestClock())
        await publisher.publish(build.pending())
        known = {post.ts: post for post in await posts.get(RequestId("R1")) if post.surface == CARD}
        await posts.put(RequestId("R1"), Post(CARD, "C01", "9.9", "", broken="message_not_found"))

        await publisher.publish(build.approved())

        (card,) = known.values()
        assert [type(each).__name__ for _, each in slack.messages[card.channel, card.ts]] == ["Pending", "Approved"]


@dataclass(slots=True)
class _Locked(FakeSlack):
    """A Slack that takes nothing while `reason` stands, as while Latchkey's token is changed."""

    reason: str = ""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        if self.reason:
            raise Undeliverable(self.reason, lasting=True)
        return await FakeSlack.publish(self, surface, request, post, note)


@pytest.mark.parametrize("reason", ["token_revoked", "invalid_auth", "missing_scope", "is_archived", "not_in_channel"])
async def test_a_message_outlives_what_somebody_repairs(reason: str) -> None:
    async with a_world() as world:
        slack, clock = _Locked(), TestClock()
        publisher = Publisher(world.store.posts, slack, slack, clock)
        await publisher.publish(build.pending())

        slack.reason = reason
        again = await publisher.publish(build.approved())
        assert again is not None
        slack.reason, clock.now = "", again

        assert await publisher.publish(build.approved()) is None
        assert all(isinstance(versions[-1][1], Approved) for versions in slack.messages.values())


async def test_a_message_that_is_gone_is_left_alone() -> None:
    async with a_world() as world:
        slack = FakeSlack()
        publisher = Publisher(world.store.posts, slack, slack, TestClock())
        await publisher.publish(build.pending())
        slack.messages.clear()

        assert await publisher.publish(build.approved()) is None
        assert slack.messages == {}


# --- how a request ended is a reply to its first message ------------------------------------------------------------


def _replied(slack: FakeSlack) -> tuple[str, bool]:
    """Where the outcome was posted below: the first message or nothing; and whether it was posted."""
    root, told = slack.beside["outcome"], {versions[0][0] for versions in slack.messages.values()}
    return str(root.surface) if root else "", "outcome" in told


async def test_how_a_request_ended_is_told_in_the_thread_of_its_first_message() -> None:
    async with a_world() as world:
        slack = FakeSlack()
        publisher = Publisher(world.store.posts, slack, slack, TestClock())
        await publisher.publish(build.pending())
        assert await publisher.publish(build.states()["denied"]) is None
        assert _replied(slack) == ("asked", True)


async def test_it_is_told_on_its_own_where_the_first_message_is_gone() -> None:
    async with a_world() as world:
        slack = FakeSlack()
        publisher = Publisher(world.store.posts, slack, slack, TestClock())
        await publisher.publish(build.pending())
        for place in [each for each in slack.messages if each[0].startswith("asked")]:
            del slack.messages[place]  # as where the workspace keeps messages for a day
        assert await publisher.publish(build.states()["denied"]) is None
        assert _replied(slack) == ("", True)


@dataclass(slots=True)
class _WithoutThreads(FakeSlack):
    """A Slack that takes no replies."""

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        if surface.root and beside is not None and post is None:
            raise Undeliverable("thread_not_found", lasting=True)
        return await FakeSlack.publish(self, surface, request, post, note, beside)


async def test_it_is_told_on_its_own_where_slack_takes_no_reply() -> None:
    async with a_world() as world:
        slack = _WithoutThreads()
        publisher = Publisher(world.store.posts, slack, slack, TestClock())
        await publisher.publish(build.pending())
        assert await publisher.publish(build.states()["denied"]) is None
        assert _replied(slack) == ("", True)


@dataclass(slots=True)
class _Breaking(FakeSlack):
    """A Slack at which whatever is told breaks, in a way that nobody thought of."""

    error: type[Exception] = AttributeError

    async def publish(
        self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
    ) -> Post:
        raise self.error("'str' object has no attribute 'get'")


@pytest.mark.parametrize("error", [AttributeError, KeyError, RecursionError])
async def test_a_deadline_is_kept_whatever_goes_wrong_in_telling_people(error: type[Exception]) -> None:
    async with a_world() as world:
        await world.seed(build.approved())
        process = world.start()
        await world.work_now()
        assert len(world.cloud.live(RequestId("R1"))) == 1
        breaking = _Breaking(people=world.slack.people, error=error)
        process.worker.publisher = replace(process.worker.publisher, notifier=breaking)
        world.clock.advance(2 * DAY)
        await world.work_now()
        assert world.cloud.live(RequestId("R1")) == []
        assert (await world.state()).kind == "unclaimed"


async def test_a_deadline_is_kept_whatever_befalls_those_who_watch_requests_and_the_record_of_the_messages() -> None:
    async def broken(*_: object) -> None:
        raise AttributeError

    async with a_world() as world:
        await world.seed(build.approved())
        process = world.start()
        await world.work_now()
        process.worker.moved = broken
        posts = type("Broken", (), {"get": broken, "put": broken})()
        process.worker.publisher = replace(process.worker.publisher, posts=posts)
        world.clock.advance(2 * DAY)
        await world.work_now()
        assert world.cloud.live(RequestId("R1")) == []


async def test_one_message_that_breaks_keeps_no_other_back() -> None:
    @dataclass(slots=True)
    class Half(FakeSlack):
        async def publish(
            self, surface: Surface, request: Request, post: Post | None, note: str = "", beside: Post | None = None
        ) -> Post:
            if surface == CARD:
                raise AttributeError
            return await FakeSlack.publish(self, surface, request, post, note)

    async with a_world() as world:
        slack, clock = Half(), TestClock()
        again = await Publisher(world.store.posts, slack, slack, clock).publish(build.states()["done"])
        told = {versions[0][0] for versions in slack.messages.values()}
        assert {"asked", "outcome"} <= told
        assert again is not None


async def test_a_message_that_slack_refuses_is_logged_with_its_surface_and_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_world() as world:
        slack = _Refusing(refused=frozenset({ASKED}))
        await Publisher(world.store.posts, slack, slack, TestClock()).publish(build.states()["done"])
    (record,) = [each for each in caplog.records if each.message == "Slack refused a message"]
    assert (record.levelname, vars(record)["surface"], vars(record)["code"]) == ("WARNING", "asked", "is_archived")
