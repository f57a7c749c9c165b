"""The services, put together over the adapters: what the listeners and the worker of one process use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from bot.connections import World
from bot.domain.policy import Policy
from bot.domain.requests import Request
from bot.metrics import CountedAudit, CountedRequests, events_counter, refusals_counter
from bot.services.agenda import REVIEW_ITEMS, ItemKind
from bot.services.browse.home import Drawn, Homes, Visitors
from bot.services.browse.key import Viewing
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.refresh import Cataloguing
from bot.services.dispatch import Dispatcher, table
from bot.services.form.validate import Validator
from bot.services.keys.drift import Drift
from bot.services.keys.mint import Minting
from bot.services.keys.probe import Probing, chance
from bot.services.keys.reveal import Delivery
from bot.services.keys.steps import Execution
from bot.services.messages import Publishing
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.people.identity import Tenant
from bot.services.ports.clock import Clock
from bot.services.ports.cloud import Cloud, Prober
from bot.services.ports.slack import Notifier, People
from bot.services.ports.store import Agenda, Audit, Cache, Drafts, Inbox, Keeps, Posts, Requests
from bot.services.requests.change import Managing
from bot.services.requests.decide import RequestService
from bot.services.requests.submit import Proposing
from bot.services.requests.transitions import Transitions
from bot.services.review.run import Reviewing
from bot.services.worker import Bell, Worker
from bot.settings import Settings
from bot.slack.api.acked_views import AckedViews
from bot.slack.api.client import Replies
from bot.slack.api.homes import SlackHomes
from bot.slack.api.notifier import SlackNotifier
from bot.slack.api.people import SlackPeople

SLACKS = {"slack.com", "slack-gov.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the services reach of the outside: the adapters of a process, the fakes of a test."""

    requests: Requests
    audit: Audit
    agenda: Agenda
    inbox: Inbox
    drafts: Drafts
    posts: Posts
    keeps: Keeps
    visitors: Visitors
    cache: Cache
    cloud: Cloud
    prober: Prober
    people: People
    notifier: Notifier
    show_home: Drawn
    tenant: Tenant
    policy: Callable[[], Policy]
    """Tells the policy as it is at that moment."""
    clock: Clock
    jitter: Callable[[], float] = chance


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process."""

    transitions: Transitions
    directory: Directory
    catalog: CatalogCache
    request_service: RequestService
    execution: Execution
    delivery: Delivery
    viewing: Viewing
    homes: Homes
    reviewing: Reviewing
    drift: Drift
    worker: Worker


@dataclass(frozen=True, slots=True)
class Parts:
    """What the listeners and the worker share."""

    services: Services
    replies: Replies
    views: AckedViews


def compose(ports: Ports) -> Services:
    """Builds every service, once."""
    requests, cache, cloud, clock, bell = ports.requests, ports.cache, ports.cloud, ports.clock, Bell()
    transitions = Transitions(requests, ports.audit, clock, bell.ring)
    directory = Directory(cloud, ports.people, cache, clock, ports.tenant, ports.policy)
    catalog = CatalogCache(Cataloguing(cloud), cache, clock)
    viewing = Viewing(directory, catalog, requests, clock)
    request_service = RequestService(transitions, directory, Validator(directory, catalog))
    execution = Execution(transitions, request_service, Probing(transitions, ports.prober, ports.jitter))
    publishing = Publishing(ports.posts, ports.notifier, clock)
    delivery = Delivery(transitions, directory, execution, Minting(execution), ports.notifier)
    managing = Managing(Proposing(transitions, directory), viewing, catalog)
    reviewing = Reviewing(transitions, directory, catalog, ports.agenda, ports.keeps, ports.notifier, viewing.key_view)
    rows = table(request_service, ports.drafts, delivery, managing, reviewing.keep)
    dispatcher = Dispatcher(rows, transitions, ports.notifier, publishing)
    homes = Homes(viewing, ports.visitors, ports.agenda, Candidates(directory), ports.show_home, bell.ring)
    drift = Drift(transitions, cloud)

    async def moved(request: Request) -> None:
        await homes.changed(request)
        await reviewing.moved(request)

    worker = Worker(
        ports.agenda,
        ports.inbox,
        requests,
        execution,
        publishing,
        dispatcher,
        catalog,
        clock,
        bell,
        errands={
            ItemKind.HOME: homes.errand,
            ItemKind.GONE: drift.look,
            **dict.fromkeys(REVIEW_ITEMS, reviewing.step),
        },
        moved=moved,
    )
    return Services(
        transitions, directory, catalog, request_service, execution, delivery, viewing, homes, reviewing, drift, worker
    )


def assemble(settings: Settings, world: World, registry: CollectorRegistry, policy: Callable[[], Policy]) -> Parts:
    """Puts one process together over its connections. `policy` tells the policy as it is at that moment."""
    store, counter = world.store, events_counter(registry)
    hosts = frozenset(urlsplit(base).netloc for base in response_url_bases(settings))
    replies, views = Replies(world.slack, world.session, hosts), AckedViews(world.slack)
    refusals = refusals_counter(registry)
    ports = Ports(
        requests=CountedRequests(store.requests, counter),
        audit=CountedAudit(store.audit, counter),
        agenda=store.agenda,
        inbox=store.inbox,
        drafts=store.drafts,
        posts=store.posts,
        keeps=store.keeps,
        visitors=store.homes,
        cache=store.cache,
        cloud=world.cloud,
        prober=world.prober,
        people=SlackPeople(world.slack),
        notifier=SlackNotifier(replies, views, refused=lambda surface, code: refusals.labels(surface, code).inc()),
        show_home=SlackHomes(replies).show,
        tenant=world.workspace.tenant,
        policy=policy,
        clock=world.clock,
    )
    return Parts(compose(ports), replies, views)


def response_url_bases(settings: Settings) -> Sequence[str]:
    """Where answers to clicks may go: to the Slack that we talk to."""
    slack = urlsplit(settings.slack_api_url)
    return [f"{slack.scheme}://{f'hooks.{slack.netloc}' if slack.netloc in SLACKS else slack.netloc}/"]
