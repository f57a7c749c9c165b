"""The services as a process has them, over a store and the fakes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from bot.assembly import Ports, Services, compose
from bot.background import Background
from bot.domain.keys import Person, SlackUserId
from bot.domain.policy import Policy
from bot.domain.requests import Request
from bot.services.browse.home import HomePage
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Change, Clock
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews
from bot.store import Store
from bot.store.sealing import Sealer
from handlers import ListenerContext
from tests.support import build
from tests.support.build import DANA, ERIN, FEMI, OTTO
from tests.support.fakes import FakeCloud, FakeProber, FakeSlack, TestClock

C = TypeVar("C", bound=FakeCloud)


def a_store(redis: Any, clock: Clock) -> Store:
    """The store as every process of a test opens it."""
    return Store.open(redis, Sealer([bytes(range(32))]), build.TEAM, clock)


async def keep(store: Store, request: Request) -> None:
    """Put a request into the store, with the line of the audit log that it begins with."""
    await store.requests.commit(Change(None, request, None, build.submitted(request)))


def a_cast(cloud: type[C]) -> tuple[TestClock, C, FakeSlack]:
    """A Confluent and a Slack that know Dana, who asks, Erin and Femi, who may approve, and Otto, who may not."""
    clock, people = TestClock(), [DANA, ERIN, FEMI, OTTO]
    confluent = cloud(clock, people=list(people))
    may_approve(confluent, ERIN, FEMI)
    return clock, confluent, FakeSlack(list(people))


def may_approve(cloud: FakeCloud, *people: Person) -> None:
    """Give these people the role over the environment of the usual request."""
    cloud.bindings |= {each.principal: [build.a_binding(each)] for each in people}


def ports(store: Store, cloud: Cloud, slack: FakeSlack, clock: Clock, policy: Callable[[], Policy]) -> Ports:
    """What the services reach; nobody has a Home, and probes are not jittered."""
    return Ports(
        requests=store.requests,
        audit=store.audit,
        agenda=store.agenda,
        inbox=store.inbox,
        drafts=store.drafts,
        posts=store.posts,
        keeps=store.keeps,
        tally=store.refusals,
        visitors=store.homes,
        cache=store.cache,
        cloud=cloud,
        prober=FakeProber(),
        people=slack,
        channels=slack,
        notifier=slack,
        show_home=_nowhere,
        tenant=build.TENANT,
        policy=policy,
        clock=clock,
        jitter=lambda: 0,
    )


def composed(
    store: Store, cloud: Cloud, slack: FakeSlack, clock: Clock, policy: Callable[[], Policy], **other: Any
) -> Services:
    """The services over these; `other` takes the place of some ports."""
    return compose(replace(ports(store, cloud, slack, clock, policy), **other))


def a_context(
    services: Services, cloud: Cloud, replies: Replies, views: AckedViews, work: Background
) -> ListenerContext:
    """What the listeners are given."""
    worker = services.worker
    return ListenerContext(
        inbox=worker.inbox,
        agenda=worker.agenda,
        requests=worker.requests,
        directory=services.directory,
        catalogs=services.catalog,
        cloud=cloud,
        replies=replies,
        clock=worker.clock,
        bell=worker.bell,
        work=work,
        key_views=services.key_views,
        key_lists=services.key_lists,
        homes=services.homes,
        views=views,
        drafts=services.forms.drafts,
        decisions=services.decisions,
        conversations=services.conversations,
        reviews=services.reviews,
        cache=services.reviews.cache,
    )


async def _nowhere(_user: SlackUserId, _page: HomePage) -> None:
    return
