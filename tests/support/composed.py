"""The services as a process has them, over a store and the fakes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bot.assembly import Ports, Services, compose
from bot.background import Background
from bot.domain.keys import Person, SlackUserId
from bot.domain.policy import Policy
from bot.services.browse.home import HomePage
from bot.services.ports.store import Clock
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews
from bot.store import Store
from bot.store.sealing import Sealer
from handlers import ListenerContext
from tests.support import build
from tests.support.fakes import FakeCloud, FakeProber, FakeSlack


def a_store(redis: Any, clock: Clock) -> Store:
    """The store as every process of a test opens it."""
    return Store.open(redis, Sealer([bytes(range(32))]), build.TEAM, clock)


def may_approve(cloud: FakeCloud, *people: Person) -> None:
    """Give these people the role over the environment of the usual request."""
    cloud.bindings |= {each.principal: [build.a_binding(each)] for each in people}


def ports(store: Store, cloud: FakeCloud, slack: FakeSlack, clock: Clock, policy: Callable[[], Policy]) -> Ports:
    """What the services reach; nobody has a Home, and probes are not jittered."""
    return Ports(
        requests=store.requests,
        audit=store.audit,
        agenda=store.agenda,
        inbox=store.inbox,
        drafts=store.drafts,
        posts=store.posts,
        keeps=store.keeps,
        visitors=store.homes,
        cache=store.cache,
        cloud=cloud,
        prober=FakeProber(),
        people=slack,
        notifier=slack,
        show_home=_nowhere,
        tenant=build.TENANT,
        policy=policy,
        clock=clock,
        jitter=lambda: 0,
    )


def composed(
    store: Store, cloud: FakeCloud, slack: FakeSlack, clock: Clock, policy: Callable[[], Policy], **other: Any
) -> Services:
    """The services over these; `other` takes the place of some ports."""
    return compose(replace(ports(store, cloud, slack, clock, policy), **other))


def a_context(
    services: Services, cloud: FakeCloud, replies: Replies, views: AckedViews, work: Background
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
        viewing=services.viewing,
        listing=services.listing,
        homes=services.homes,
        views=views,
    )


async def _nowhere(_user: SlackUserId, _page: HomePage) -> None:
    return
