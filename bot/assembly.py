"""The services, built over the adapters: what the listeners and the worker of one process use."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from bot import installed, metrics
from bot.connections import World
from bot.domain.audit import Event
from bot.domain.errors import Tampered
from bot.domain.policy import Policy
from bot.domain.requests import Request
from bot.policyfile import PolicySource
from bot.services.agenda import REVIEW_ITEMS, ItemKind
from bot.services.browse.home import Drawn, Homes, Visitors
from bot.services.browse.key import KeyViews
from bot.services.browse.keys import KeyLists
from bot.services.browse.leaks import Leaks
from bot.services.catalog.cache import KEPT as CATALOG_KEPT
from bot.services.catalog.cache import CatalogCache
from bot.services.dispatch import Dispatcher, table
from bot.services.form.validate import Validator
from bot.services.keys.change import KeyChanges
from bot.services.keys.create import Creation
from bot.services.keys.expiry import Backstop, Expiry
from bot.services.keys.lifecycle import Lifecycle
from bot.services.keys.origin import Origin
from bot.services.keys.pairs import Pairs
from bot.services.keys.probe import Probes, chance
from bot.services.keys.reconcile import Orphans, Reconciliation
from bot.services.keys.removal import Removal
from bot.services.keys.reveal import Delivery
from bot.services.keys.role_bindings import RoleBindings
from bot.services.keys.service_accounts import Accounts
from bot.services.keys.steps import Steps
from bot.services.keys.strays import Strays
from bot.services.leaks.notify import LeakNotices
from bot.services.leaks.report import LeakReports
from bot.services.leaks.scans import Scans
from bot.services.messages import Publisher
from bot.services.people.approvers import Approvers
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory, Tenant
from bot.services.people.remembered import RememberedChannels, RememberedPeople
from bot.services.ports.cloud import Cloud, Prober
from bot.services.ports.slack import Channels, Notifier, People
from bot.services.ports.store import Agenda, Audit, Cache, Clock, Drafts, Inbox, Keeps, Posts, Requests, Tally
from bot.services.requests.audience import Notices
from bot.services.requests.change import KeyRequests
from bot.services.requests.conversation import Conversations
from bot.services.requests.decide import Decisions
from bot.services.requests.deciders import Deciders
from bot.services.requests.glass import GlassUses
from bot.services.requests.policy_changes import PolicyChanges
from bot.services.requests.recheck import Permission
from bot.services.requests.refusals import Refusals
from bot.services.requests.remind import Reminders
from bot.services.requests.repair import AgendaRepair
from bot.services.requests.submit import Forms, Proposals
from bot.services.requests.transitions import Transitions
from bot.services.review.audience import Recipients
from bot.services.review.digest import Digests
from bot.services.review.run import Reviews
from bot.services.worker import Bell, Worker
from bot.settings import SLACKS, Settings
from bot.slack.api.client import Replies
from bot.slack.api.notifier import AckedViews, SlackNotifier
from bot.slack.api.people import SlackPeople
from bot.store.agenda import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the services need from outside: the adapters of a process, or the fakes of a test."""

    requests: Requests
    audit: Audit
    agenda: Agenda
    inbox: Inbox
    drafts: Drafts
    posts: Posts
    keeps: Keeps
    tally: Tally
    visitors: Visitors
    cache: Cache
    cloud: Cloud
    prober: Prober
    people: People
    channels: Channels
    notifier: Notifier
    show_home: Drawn
    tenant: Tenant
    policy: Callable[[], Policy]
    """Returns the policy that applies now."""
    clock: Clock
    jitter: Callable[[], float] = chance
    events_written: Callable[[Sequence[Event]], None] = lambda _: None
    stray_found: Callable[[str], None] = lambda _: None
    click_ended: Callable[[str, str], None] = lambda _deed, _outcome: None


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process."""

    transitions: Transitions
    directory: Directory
    catalog: CatalogCache
    forms: Forms
    decisions: Decisions
    conversations: Conversations
    steps: Steps
    delivery: Delivery
    key_views: KeyViews
    key_lists: KeyLists
    homes: Homes
    reviews: Reviews
    leak_reports: LeakReports
    leak_notices: LeakNotices
    scans: Scans
    strays: Strays
    origin: Origin
    policy_changes: PolicyChanges
    repair: AgendaRepair
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
    transitions = Transitions(requests, ports.audit, clock, bell.ring, ports.events_written)
    directory = Directory(cloud, ports.people, cache, clock, ports.tenant, ports.policy)
    catalog = CatalogCache(cloud, cache, clock)
    remembered = RememberedPeople(ports.people, cache, clock)
    candidates = Candidates(
        ports.policy,
        cache,
        clock,
        partial(Approvers, cloud, ports.people, ports.tenant),
        partial(Approvers, cloud, remembered, ports.tenant),
    )

    leaks = Leaks(cache, clock)
    key_views = KeyViews(directory, catalog, cloud, requests, clock, candidates, leaks)
    key_lists = KeyLists(key_views, catalog, cloud, requests)
    homes = Homes(
        key_views,
        catalog,
        cloud,
        requests,
        clock,
        ports.visitors,
        ports.agenda,
        cache,
        candidates,
        ports.show_home,
        bell.ring,
    )

    validator = Validator(directory, catalog, cloud)
    refusals, channels = Refusals(transitions, ports.tally), RememberedChannels(ports.channels, cache, clock)
    recipients = Recipients(directory, cloud, ports.people)
    notices = Notices(candidates, channels, recipients.owners_of)
    proposals = Proposals(transitions, directory, notices, refusals, cloud, catalog.names)
    forms = Forms(
        transitions, directory, validator, candidates, proposals, cloud, ports.drafts, refusals, ports.posts, requests
    )
    glass_uses = GlassUses(transitions, directory, candidates, cloud, refusals, catalog)
    deciders = Deciders(transitions, directory, cloud, refusals, catalog)
    conversations = Conversations(transitions, deciders, ports.posts, channels)
    decisions = Decisions(transitions, directory, refusals, deciders, channels, glass_uses)
    policy_changes = PolicyChanges(transitions, requests, directory, candidates, cloud)
    key_requests = KeyRequests(proposals, key_views, directory, catalog, cloud, clock)
    permission = Permission(directory, cloud, clock, requests)

    accounts, origin = Accounts(transitions, cloud), Origin(transitions, requests, cloud)
    orphans, backstop = Orphans(transitions, cloud, accounts, ports.agenda), Backstop(cache, clock)
    reconciliation, expiry = Reconciliation(transitions, orphans, cloud), Expiry(transitions, orphans)
    lifecycle, pairs = Lifecycle(transitions, expiry, orphans, origin), Pairs(transitions, expiry)
    role_bindings = RoleBindings(transitions, accounts, cloud)
    creation = Creation(transitions, permission, accounts, role_bindings, orphans, backstop, cloud, ports.policy, pairs)
    steps = Steps(
        transitions,
        Reminders(transitions, directory, candidates),
        conversations,
        creation,
        reconciliation,
        KeyChanges(transitions, permission, origin, cloud),
        expiry,
        lifecycle,
        Probes(transitions, requests, ports.prober, ports.jitter),
        pairs,
        glass_uses,
    )
    removal = Removal(transitions, directory, refusals)
    delivery = Delivery(transitions, directory, expiry, lifecycle, creation, ports.notifier, refusals, removal, pairs)

    digests = Digests(directory, catalog, cloud, cache, requests, ports.keeps, recipients, clock)
    agenda, keeps, notifier = ports.agenda, ports.keeps, ports.notifier
    sees, some, maker = key_views.key_view, key_views.some, key_views.maker
    reviews = Reviews(transitions, directory, cloud, recipients, digests, agenda, keeps, cache, notifier, sees, some)

    leak_reports = LeakReports(transitions, directory, cloud, leaks, agenda, cache, maker)
    leak_notices = LeakNotices(
        directory,
        catalog,
        cloud,
        leaks,
        cache,
        agenda,
        recipients,
        candidates,
        notifier,
        maker,
        transitions,
        origin,
        ports.audit,
    )

    publisher = Publisher(ports.posts, ports.notifier, channels, clock)
    rows = table(decisions, conversations, forms, delivery, key_requests, reviews, leak_reports)
    dispatcher = Dispatcher(
        rows, transitions, ports.notifier, publisher, ports.inbox, cache, homes.say, ports.click_ended
    )

    async def moved(request: Request) -> None:
        await pairs.follow(request)
        await homes.changed(request)
        await reviews.moved(request)
        await leak_notices.moved(request)

    found, audit = ports.stray_found, ports.audit
    strays = Strays(transitions, cloud, catalog, audit, ports.agenda, ports.policy, found, cache)
    worker = Worker(
        ports.agenda,
        ports.inbox,
        requests,
        steps,
        publisher,
        dispatcher,
        catalog,
        clock,
        bell,
        errands={
            ItemKind.HOME: homes.errand,
            ItemKind.GONE: origin.look,
            ItemKind.REFUSAL: refusals.step,
            ItemKind.SWEEP: reconciliation.sweep,
            ItemKind.STRAY: strays.look,
            ItemKind.LEAK: leak_notices.step,
            ItemKind.ACCOUNT: accounts.settle,
            ItemKind.BINDINGS: role_bindings.settle,
            **dict.fromkeys(REVIEW_ITEMS, reviews.step),
        },
        moved=moved,
    )
    return Services(
        transitions,
        directory,
        catalog,
        forms,
        decisions,
        conversations,
        steps,
        delivery,
        key_views,
        key_lists,
        homes,
        reviews,
        leak_reports,
        leak_notices,
        Scans(ports.inbox, cache, cloud, clock, ports.tenant.team, bell.ring),
        strays,
        origin,
        policy_changes,
        AgendaRepair(requests, ports.inbox, agenda, clock),
        worker,
    )


def assemble(settings: Settings, world: World, registry: CollectorRegistry, policy: Callable[[], Policy]) -> Parts:
    """Build one process over its connections. `policy` returns the policy that applies now."""
    store = world.store
    hosts = frozenset(urlsplit(base).netloc for base in response_url_bases(settings))
    replies, views = Replies(world.slack, world.session, hosts, world.slack.answered), AckedViews(world.slack)
    notifier = SlackNotifier(replies, views, refused=metrics.refusals_counter(registry))
    ports = Ports(
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
        cloud=world.cloud,
        prober=world.prober,
        people=SlackPeople(world.slack),
        channels=SlackPeople(world.slack),
        notifier=notifier,
        show_home=notifier.show_home,
        tenant=world.workspace.tenant,
        policy=policy,
        clock=world.clock,
        events_written=metrics.events_counter(registry),
        stray_found=metrics.strays_counter(registry),
        click_ended=metrics.clicks_counter(registry),
    )
    return Parts(compose(ports), replies, views)


def expose(
    registry: CollectorRegistry, world: World, worker: Worker, source: PolicySource
) -> Callable[[], Awaitable[None]]:
    """Export the metrics of this process and its store. Returns a function that refreshes the store's before a scrape.

    None of it calls Slack or Confluent Cloud.
    """
    store, cloud = world.store, world.cloud
    metrics.process_metrics(registry, installed.version())
    metrics.audit_gauges(
        registry,
        lambda: (store.audit.counted.seq, store.audit.counted.hash),
        lambda: store.audit.trouble is None,
        lambda: len(store.audit.doubts),
    )
    metrics.worker_gauge(registry, lambda: worker.last_look)
    metrics.policy_gauges(registry, lambda: source.loaded_at, lambda: source.problem is None)
    metrics.own_key_gauge(registry, lambda: cloud.own_key_expires_at)
    metrics.break_glass_gauge(registry, lambda: len(store.audit.open_uses))
    readings = metrics.StoreReadings(registry, Load(), store.audit.census)

    async def read() -> Load:
        load = await store.load.read(world.clock(), CATALOG_KEPT)
        with suppress(Tampered):  # which `latchkey_audit_trusted` tells
            await store.audit.follow()
        return load

    return partial(readings.refresh, read)


def response_url_bases(settings: Settings) -> Sequence[str]:
    """The base URLs that answers to clicks may be sent to: the configured Slack's."""
    slack = urlsplit(settings.slack_api_url)
    return [f"{slack.scheme}://{f'hooks.{slack.netloc}' if slack.netloc in SLACKS else slack.netloc}/"]
