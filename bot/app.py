"""The composition root: the only module that knows every concrete class. It closes what it opened, last first."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from prometheus_client import CollectorRegistry

import handlers
from bot import installed, logs, metrics, server
from bot.assembly import Parts, Services, assemble, expose
from bot.background import Background, background, beside
from bot.confluent.cloud import ConfluentCloud
from bot.connections import World, bolt, connected, opened_store, policy_source, socket_mode
from bot.diagnosis.records import audit_problem, format_problem, hold_to_feed, keys_problem, values
from bot.diagnosis.records import records_problem as records_contradicted
from bot.domain.errors import LatchkeyError, Unavailable
from bot.domain.policy import Policy
from bot.fitness import cause_of
from bot.health import Check, Health, watched
from bot.policyfile import PolicySource
from bot.scanning import webhook
from bot.scanning.keys import signing_keys
from bot.services.agenda import Item, ItemKind
from bot.services.catalog.cache import KEPT as CATALOG_KEPT
from bot.services.ports.store import Clock
from bot.services.requests.policy_changes import PolicyChanges
from bot.services.worker import CATALOG_EVERY, Worker
from bot.settings import Settings, StartupError, StoreSettings
from bot.slack.api.calls import KINDS, TimedApp
from bot.slack.api.socket_mode import Sockets
from bot.slack.api.workspace import Watch, channel_problem
from bot.store import Store
from bot.store.audit.base import Base, Summary
from bot.store.codec import FORMAT
from bot.store.connection import clock_problem, must_take_writes
from bot.store.keyspace import REQUEST_KEPT
from bot.store.moments import utc_now

GRACE = 20.0
"""Seconds that running work has when the process is asked to stop, the worker's included. Before that, clients have
LATCHKEY_DRAIN and five more seconds to get their answers: with the default, orchestrators should wait 30."""
CATALOG_SECONDS = 0.5
"""How long a start waits for the first catalog, which takes minutes to read in a large organization."""
SURVEY_SECONDS = 3600.0
"""Between two checks of all records."""
REVISIT_AGAIN = 30.0
"""Seconds until waiting requests are checked once more under a new policy."""
TURNED_WITHIN = 10.0
"""Seconds since the worker's last round after which this process isn't ready."""
LATE = 60.0
"""How many seconds late the agenda, which all processes share, may be."""
FOLLOW_SECONDS = 1.0
"""Between two checks for new audit lines."""
_SHOWN = 100
"""Characters of a Redis key that are shown: anyone who can write there chooses its name."""
log = logging.getLogger("latchkey")


async def run(
    settings: Settings, stop: asyncio.Event, *, clock: Clock = utc_now, catalog_seconds: float = CATALOG_SECONDS
) -> None:
    """Run until `stop`; then take no more work, finish what was started, and close. Raises `StartupError`.

    `catalog_seconds` is how long the first person who opens the form may wait for something to choose.
    """
    registry = CollectorRegistry()
    async with connected(settings, clock, stop, metrics.Calls(registry)) as world, AsyncExitStack() as stack:
        if problem := installed.problem():
            log.warning(problem)
        source = policy_source(settings, world.clock)
        parts = assemble(settings, world, registry, source.current)
        worker = parts.services.worker
        await _must_have_all_keys(world.store)
        hold_to_feed(settings.latchkey_audit_log, world.store)
        first = _first_catalog(worker, catalog_seconds)
        await asyncio.gather(_followed(world.store), first, sign_format(world.store, world.clock))
        ending = await stack.enter_async_context(_working(worker, stop))
        await stack.enter_async_context(_reloading(source))
        await stack.enter_async_context(_surveyed(world.store, world.cloud, parts.services))
        await stack.enter_async_context(_following(source, parts.services.policy_changes))
        watch = Watch(world.slack, lambda: _channel_problems(world, source.current()), world.clock)
        await stack.enter_async_context(_watching(watch))
        work = await stack.enter_async_context(background(grace=GRACE))
        app = _bolt(settings, world, parts, work)
        app.acked = metrics.acks(registry, KINDS)
        socket = None
        if settings.slack_mode == "socket":
            socket = await stack.enter_async_context(socket_mode(settings, world, app))
        reports, readable = await stack.enter_async_context(_scanner(settings, parts.services, registry))
        health = Health({**_checks(source, world, worker, socket, watch), **readable}, registry)
        await stack.enter_async_context(watched(health))
        refresh = expose(registry, world, worker, source)
        web = server.create(None if socket else app, health, registry, refresh=refresh, reports=reports)
        port = await stack.enter_async_context(server.serving(web, settings.host, settings.port))
        log.info("ready", extra={"team": world.workspace.team, "mode": settings.slack_mode, "port": port})
        await stop.wait()
        log.info("stopping")
        health.is_stopping = True
        if socket is None:  # proxies have to notice first
            await asyncio.sleep(settings.latchkey_drain)
        ending()


async def audit_lines(
    settings: StoreSettings, team: str = "", after: int | None = None, *, until: asyncio.Event | None = None
) -> AsyncIterator[Mapping[str, object]]:
    """The audit log of the store that the settings name, oldest line first, starting after line number `after`.

    Without `after`, everything that the store has. With `until`, it continues with new lines, and waits while the store
    is away, until that event is set. Raises `StartupError`, and `Archived` if lines were moved to a file before they
    were read.
    """
    async with opened_store(settings, team) as store:
        while True:
            try:
                after = (await store.audit.begins()).seq if after is None else after
                async for line in store.audit.read(after):
                    after += 1
                    yield line
            except Unavailable as error:
                if until is None:
                    raise
                log.warning("couldn't read the audit log; will try again", extra={"why": str(error)})
            if until is None or until.is_set():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_SECONDS):
                    await until.wait()


async def audit_begins(settings: StoreSettings, team: str = "") -> tuple[Base, Summary]:
    """Where the audit log of this store begins, and what the archived lines before that said. Raises `StartupError`."""
    async with opened_store(settings, team) as store:
        return await store.audit.bases.read()


async def records_problem(settings: StoreSettings, team: str = "") -> str | None:
    """Which records of this store contradict its audit log: a sentence, None for none. Raises `StartupError`."""
    async with opened_store(settings, team) as store:
        return await audit_problem(store) or await records_contradicted(store)


async def reseal(settings: StoreSettings, team: str = "") -> int:
    """Seal everything again with the first master key, and print the progress. Returns the exit code.

    Raises `StartupError` and `LatchkeyError`.
    """
    async with opened_store(settings, team) as store:
        seals = store.seals
        async for done, total in seals.renew():
            print(f"{done} of {total} values are now sealed with the first key.")  # noqa: T201 - progress is what the command prints
        left = seals.left
        for name in seals.unreadable:
            print(f"Can't be opened, so it was left unchanged: {name}")  # noqa: T201 - part of what the command prints
        if left == 0:
            end = "Everything is sealed with the first master key. Once every process has it first, remove the others."
        elif seals.unreadable:
            end = f"{values(left)} left. Find out why these can't be opened before you remove a master key."
        else:
            end = f"{values(left)} left: another process has another first key. Give all the same, then run this again."
        print(end)  # noqa: T201 - the command ends with it
        return 1 if left else 0


async def _must_have_all_keys(store: Store) -> None:
    """Refuse to start without a master key that records need: otherwise, they would fail to open, one by one."""
    if problem := keys_problem(await store.seals.count(), store.seals.key_ids):
        raise StartupError(problem)


async def sign_format(store: Store, clock: Clock) -> None:
    """Record the format that this version writes, for older versions, and log it if a newer one is recorded."""
    try:
        if problem := await format_problem(store):
            log.warning("a newer version of Latchkey uses this store", extra={"why": problem})
        else:
            await store.cache.put("format", FORMAT, int, now=clock(), keep=REQUEST_KEPT)
    except LatchkeyError as error:
        log.warning("couldn't read which version wrote the records", extra={"why": str(error)})


async def _followed(store: Store) -> None:
    """Read the audit log before the first step. Problems with it are logged elsewhere, for as long as they last."""
    try:
        problem = await audit_problem(store)
    except LatchkeyError as error:
        problem = str(error)
    head = store.audit.head
    log.info("audit log read", extra={"seq": head.seq, "hash": head.hash, "problem": problem})


async def _begun(services: Services) -> None:
    """Put recurring items on the agenda, unless they are there already."""
    await services.reviews.begin()
    await services.strays.begin()
    await services.worker.agenda.put(Item(ItemKind.CATALOG), services.worker.clock() + CATALOG_EVERY)


@asynccontextmanager
async def _surveyed(store: Store, cloud: ConfluentCloud, services: Services) -> AsyncGenerator[None]:
    """Check all records now and every hour, beside everything else, until the context is left.

    A record that the audit log contradicts is logged and never touched. What lost its place on the agenda gets it back.
    """

    async def survey() -> None:
        while True:
            try:
                await _begun(services)
                await services.repair.look()
                await records_contradicted(store)
            except LatchkeyError as error:
                log.warning(
                    "the hourly check of all records failed; will try again in an hour", extra={"why": str(error)}
                )
            try:
                await cloud.own_account()  # for the metric that says when our own key expires
            except LatchkeyError as error:
                says = "couldn't read when Latchkey's own key expires; will try again in an hour"
                log.warning(says, extra={"why": str(error)})
            await asyncio.sleep(SURVEY_SECONDS)

    async with beside(survey(), name="survey"):
        yield


@asynccontextmanager
async def _reloading(source: PolicySource) -> AsyncGenerator[None]:
    """Reload the policy file whenever it changes, until the context is left. SIGHUP also reopens the audit feed."""
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def rung() -> None:
        logs.reopen()
        source.ring()

    task = asyncio.create_task(source.run(done), name="policy")
    loop.add_signal_handler(signal.SIGHUP, rung)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        done.set()
        await task


@asynccontextmanager
async def _following(source: PolicySource, changes: PolicyChanges) -> AsyncGenerator[None]:
    """Bring waiting requests under the policy, now and whenever it changes, until the context is left."""

    async def follow() -> None:
        again = True  # for requests sent under the former policy, here or by another process
        while True:
            again = await changes.apply() or again
            with suppress(TimeoutError):
                async with asyncio.timeout(REVISIT_AGAIN if again else None):
                    await source.taken.wait()
            again = source.taken.is_set()
            source.taken.clear()

    async with beside(follow(), name="policy changes"):
        yield


@asynccontextmanager
async def _watching(watch: Watch) -> AsyncGenerator[None]:
    """Check the token and the channels until the context is left."""
    await watch.look()
    async with beside(watch.run(), name="watch"):
        yield


async def _channel_problems(world: World, policy: Policy) -> str | None:
    """What keeps cards and reviews out of the channels that the policy names: a sentence, None for nothing."""
    problems = [await channel_problem(world.slack, channel) for channel in policy.channels]
    return " ".join(filter(None, problems)) or None


async def _first_catalog(worker: Worker, seconds: float) -> None:
    """Read a catalog before the first person opens the form, but start without one rather than wait too long."""
    next_due = worker.clock()
    if await worker.catalog.current() is None:
        try:
            async with asyncio.timeout(seconds):
                await worker.catalog.refresh()
            next_due += CATALOG_EVERY  # it takes several calls for each environment, and Confluent counts them
        except TimeoutError:
            log.info("starting without a catalog; it's being loaded in the background")
        except LatchkeyError as error:
            log.warning("starting without a catalog: %s", error)
    await worker.agenda.put(Item(ItemKind.CATALOG), next_due)


@asynccontextmanager
async def _working(worker: Worker, stop: asyncio.Event) -> AsyncGenerator[Callable[[], None]]:
    """Run the worker until the yielded function is called. If it ever fails, the process is asked to stop."""
    ending = asyncio.Event()
    task = asyncio.create_task(worker.run(ending), name="worker")
    task.add_done_callback(lambda _: stop.set())

    def end() -> None:
        ending.set()
        worker.bell.ring()

    try:
        yield end
    finally:
        end()
        await task


def _bolt(settings: Settings, world: World, parts: Parts, work: Background) -> TimedApp:
    app = bolt(settings, world, process_before_response=True)
    services, worker = parts.services, parts.services.worker
    context = handlers.ListenerContext(
        inbox=worker.inbox,
        agenda=worker.agenda,
        requests=worker.requests,
        directory=services.directory,
        catalogs=services.catalog,
        cloud=world.cloud,
        replies=parts.replies,
        clock=world.clock,
        bell=worker.bell,
        work=work,
        key_views=services.key_views,
        key_lists=services.key_lists,
        homes=services.homes,
        views=parts.views,
        drafts=services.forms.drafts,
        decisions=services.decisions,
        conversations=services.conversations,
        reviews=services.reviews,
        cache=services.reviews.cache,
    )
    handlers.register(app, context)
    return app


def _checks(
    source: PolicySource, world: World, worker: Worker, socket: Sockets | None, watch: Watch
) -> Mapping[str, Check]:
    """The checks behind `/readyz`. None of them calls Slack or Confluent, because anyone may call `/readyz`."""

    def turning() -> str | None:
        seen = worker.turned_at
        return "the worker has stopped" if seen is None or time.monotonic() - seen > TURNED_WITHIN else None

    return {
        "store": lambda: _explained(must_take_writes(world.redis, world.store.keys)),
        "audit": lambda: _explained(audit_problem(world.store)),
        "worker": turning,
        "agenda": lambda: _explained(_agenda_problem(world)),
        "disk": lambda: _explained(world.store.disk.problem(world.redis)),
        "replicas": lambda: _explained(world.store.disk.replicas_problem(world.redis)),
        "clock": lambda: _explained(clock_problem(world.redis)),
        "records": world.store.requests.problem,
        "format": lambda: format_problem(world.store),
        "feed": logs.feed_problem,
        "slack": socket.problem if socket else lambda: None,
        "token": lambda: watch.aged(watch.token),
        "channels": lambda: watch.aged(watch.channels),
        "confluent": lambda: world.client.trouble,
        "policy": lambda: (
            source.problem and f"the policy file isn't valid, so the old policy still applies: {source.problem}"
        ),
    }


async def _explained(check: Awaitable[str | None]) -> str | None:
    """What a check of the store finds; or what the error that ends it means. Redis's own words are in the log."""
    try:
        return await check
    except Unavailable as error:
        if error.__cause__ is None:
            raise
        return cause_of(error).says


@asynccontextmanager
async def _scanner(
    settings: Settings, services: Services, registry: CollectorRegistry
) -> AsyncGenerator[tuple[server.Reports | None, Mapping[str, Check]]]:
    """The handler for reports of a secret scanner, and the check of its public keys; None and no check if it's off."""
    counters = metrics.scans_counters(registry, webhook.OUTCOMES, webhook.LABELS)
    source = settings.latchkey_leak_webhook
    if not source:
        yield None, {}
        return
    async with signing_keys(source, installed.version()) as keys:
        reports = webhook.Webhook(keys, services.scans, webhook.named(source), *counters)
        yield reports, {"leak webhook": lambda: keys.problem}


async def _agenda_problem(world: World) -> str | None:
    """A sentence if work is due that no process takes, else None. Raises `Unavailable`."""
    load = await world.store.load.read(world.clock(), CATALOG_KEPT)
    return f"work has been due for {load.lag:.0f} s: the processes can't keep up" if load.lag > LATE else None
