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
from bot.services.browse.home import Homes
from bot.services.browse.key import Viewing
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.refresh import Cataloguing
from bot.services.dispatch import Dispatcher, table
from bot.services.form.validate import Validator
from bot.services.keys.drift import Drift
from bot.services.keys.mint import Minting
from bot.services.keys.probe import Probing
from bot.services.keys.reveal import Delivery
from bot.services.keys.steps import Execution
from bot.services.messages import Publishing
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
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


@dataclass(frozen=True, slots=True)
class Parts:
    """What the listeners and the worker share."""

    worker: Worker
    directory: Directory
    replies: Replies
    views: AckedViews
    viewing: Viewing
    homes: Homes
    reviewing: Reviewing


def assemble(settings: Settings, world: World, registry: CollectorRegistry, policy: Callable[[], Policy]) -> Parts:
    """Put one process's services together. `policy` tells the policy as it is at that moment."""
    store, clock, bell = world.store, world.clock, Bell()
    counter = events_counter(registry)
    requests, audit = CountedRequests(store.requests, counter), CountedAudit(store.audit, counter)
    hosts = frozenset(urlsplit(base).netloc for base in response_url_bases(settings))
    replies, views = Replies(world.slack, world.session, hosts), AckedViews(world.slack)
    refusals = refusals_counter(registry)
    notifier = SlackNotifier(replies, views, refused=lambda surface, code: refusals.labels(surface, code).inc())
    transitions = Transitions(requests, audit, clock, bell.ring)
    directory = Directory(world.cloud, SlackPeople(world.slack), store.cache, clock, world.workspace.tenant, policy)
    catalog = CatalogCache(Cataloguing(world.cloud), store.cache, clock)
    viewing = Viewing(directory, catalog, requests, clock)
    request_service = RequestService(transitions, directory, Validator(directory, catalog))
    execution = Execution(transitions, request_service, Probing(transitions, world.prober))
    publishing = Publishing(store.posts, notifier, clock)
    delivery = Delivery(transitions, directory, execution, Minting(execution), notifier)
    managing = Managing(Proposing(transitions, directory), viewing, catalog)
    reviewing = Reviewing(transitions, directory, catalog, store.agenda, store.keeps, notifier, viewing.key_view)
    rows = table(request_service, store.drafts, delivery, managing, reviewing.keep)
    dispatcher = Dispatcher(rows, transitions, notifier, publishing)
    candidates, draw = Candidates(directory), SlackHomes(replies).show
    homes = Homes(viewing, store.homes, store.agenda, candidates, draw, bell.ring)

    async def moved(request: Request) -> None:
        await homes.changed(request)
        await reviewing.moved(request)

    worker = Worker(
        store.agenda,
        store.inbox,
        requests,
        execution,
        publishing,
        dispatcher,
        catalog,
        clock,
        bell,
        errands={
            ItemKind.HOME: homes.errand,
            ItemKind.GONE: Drift(transitions, world.cloud).look,
            **dict.fromkeys(REVIEW_ITEMS, reviewing.step),
        },
        moved=moved,
    )
    return Parts(worker, directory, replies, views, viewing, homes, reviewing)


def response_url_bases(settings: Settings) -> Sequence[str]:
    """Where answers to clicks may go: to the Slack that we talk to."""
    slack = urlsplit(settings.slack_api_url)
    return [f"{slack.scheme}://{f'hooks.{slack.netloc}' if slack.netloc in SLACKS else slack.netloc}/"]
