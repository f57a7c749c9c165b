"""An organization that is reviewed, with the real store, and what is around it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from fakeredis import FakeAsyncRedis

from bot.domain.catalog import Account
from bot.domain.errors import NotFound, Unavailable
from bot.domain.keys import ApiKey, KeyId, Person, Principal, RequestId
from bot.domain.kinds import Kind
from bot.domain.policy import Policy, Review
from bot.domain.requests import Retired
from bot.domain.review import Backlog, Digest
from bot.services.commands import CardAt, Keep, KeepShown
from bot.services.pages import TextPage
from bot.services.ports.slack import Profile
from bot.services.review.run import Reviews
from bot.store import Store
from tests.support import build
from tests.support.build import ACCOUNT, CLUSTER, DANA, DAY, ERIN, FEMI, HOUR, NOW, OTTO
from tests.support.composed import a_store, composed, keep
from tests.support.fakes import FakeCloud, FakeSlack, TestClock

WEEK, OLD = 7 * DAY, NOW - 100 * DAY
CHANNEL = "C01"
GONE, OWN = Principal("u-gone01"), Principal("sa-latchk")
OWNS = f"{build.HERE}/service-account={ACCOUNT.id}"


@dataclass(slots=True)
class Cloud(FakeCloud):
    """An organization whose keys come page by page. Tokens are where to go on."""

    page_length: int = 100
    expired: set[str] = field(default_factory=set[str])
    failing: set[str] = field(default_factory=set[str])
    pages: list[str] = field(default_factory=list[str])

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        self.pages.append(token)
        if token in self.failing:
            raise Unavailable("Confluent Cloud didn't answer.")
        if token in self.expired:
            raise NotFound("The token has expired.")
        start, keys = int(token or 0), list(self.minted.values())
        end = start + self.page_length
        return [each.key for each in keys[start:end]], str(end) if end < len(keys) else ""


@dataclass(slots=True)
class Slack(FakeSlack):
    """A Slack that remembers digests: every version, by its message."""

    digests: dict[CardAt, list[Digest]] = field(default_factory=dict[CardAt, list[Digest]])
    refusing: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """What happens to messages to a person or channel."""

    async def digest(self, to: str, digest: Digest, at: CardAt | None) -> CardAt:
        if to in self.refusing:
            raise self.refusing[to]
        place = at or CardAt(f"D{to}" if to.startswith("U") else to, f"{len(self.digests) + 1}.0")
        self.digests.setdefault(place, []).append(digest)
        return place

    async def backlog(self, to: str, backlog: Backlog) -> None:
        if to in self.refusing:
            raise self.refusing[to]
        await FakeSlack.backlog(self, to, backlog)

    async def by_email(self, email: str) -> Profile | None:
        if email in self.refusing:
            raise self.refusing[email]
        person = next((each for each in self.people if each.email == email), None)
        return await self.profile(person.slack) if person else None

    def newest(self) -> dict[str, Digest]:
        """What the newest message of each place says now."""
        return {place.channel: versions[-1] for place, versions in self.digests.items()}


@dataclass(slots=True)
class Office:
    """The review, with the real store, and what is around it."""

    clock: TestClock
    cloud: Cloud
    slack: Slack
    store: Store
    policy: Policy
    review: Reviews = field(init=False)

    def __post_init__(self) -> None:
        self.review = composed(self.store, self.cloud, self.slack, self.clock, lambda: self.policy).reviews

    def add(self, id_: str, owner: Principal = ACCOUNT.id, at: datetime | None = OLD, **fields: object) -> ApiKey:
        """A key for the Kafka cluster that was not made by Latchkey."""
        key = ApiKey(KeyId(id_), owner, CLUSTER.id, f"key {id_}", "", at, Kind.KAFKA)
        return self.cloud.add(replace(key, **fields))  # type: ignore[arg-type]

    async def made(self, id_: str, request: Retired | None = None, by: Person = DANA, **fields: object) -> ApiKey:
        """A key that Latchkey made, in the state of `request`."""
        key = self.add(id_, **{"description": f"orders [lk:{id_}/1]", **fields})  # type: ignore[arg-type]
        ask = build.an_ask(id=RequestId(id_), requester=by)
        shown = build.shown(ask=ask, key=key)
        state = replace(request, ask=ask, key=key) if request else shown
        await keep(self.store, state)
        return key

    async def work(self) -> None:
        """Carry out every item of the review that is due now."""
        while leases := await self.store.agenda.take(self.clock(), timedelta(minutes=1), 500):
            for lease in leases:
                due = await self.review.step(lease.item)
                await self.store.agenda.settle(lease, due)

    async def a_week(self) -> dict[str, Digest]:
        """One pass a week on, until everybody was asked; returns what stands in the newest message of each place."""
        await self.review.begin()
        self.clock.advance(WEEK)
        await self.work()
        for _ in range(3):  # accounts are asked about a second apart, and the channel when all were
            self.clock.advance(HOUR)
            await self.work()
        return self.slack.newest()

    def account(self, number: int, *, keys: int = 1) -> Principal:
        """A service account without an owner, and its keys."""
        made = Account(Principal(f"sa-{number:06}"), f"account {number}", "")
        self.cloud.accounts[made.id] = made
        for each in range(keys):
            self.add(f"K{number}N{each}", made.id)
        return made.id

    async def keep(self, key: str, by: Person = ERIN, reason: str = "billing needs it", **fields: object) -> TextPage:
        """Someone keeps a key."""
        deed = Keep(KeyId(key), reason, **{"digest": None, **fields})  # type: ignore[arg-type]
        page = await self.review.keep(deed, build.a_click(deed, by, self.clock()))
        await self.work()
        assert isinstance(page, TextPage)
        return page

    async def keep_shown(self, *keys: str, by: Person = ERIN, **fields: Any) -> TextPage:
        """Someone keeps these keys of the service account."""
        deed = KeepShown(ACCOUNT.id, tuple(map(KeyId, keys)), **{"reason": "billing needs them", **fields})
        page = await self.review.keep_shown(deed, build.a_click(deed, by, self.clock()))
        await self.work()
        assert isinstance(page, TextPage)
        return page

    async def actions(self) -> list[str]:
        return [str(line["action"]) async for line in self.store.audit.read()]


@asynccontextmanager
async def an_office() -> AsyncGenerator[Office]:
    """Dana, Erin, Femi and Otto; Erin owns the one service account and administers the environment."""
    clock, people = TestClock(), [DANA, ERIN, FEMI, OTTO]
    async with FakeAsyncRedis() as redis:
        cloud = Cloud(clock, people=list(people))
        cloud.bindings[ERIN.principal] = [build.a_binding(ERIN, "ResourceOwner", OWNS), build.a_binding(ERIN)]
        store = a_store(redis, clock)
        policy = replace(build.a_policy(), review=Review(CHANNEL))
        yield Office(clock, cloud, Slack(list(people)), store, policy)


def listed(digest: Digest) -> list[str]:
    return [each.key.id for each in digest.keys]
