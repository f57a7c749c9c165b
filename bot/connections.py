"""Connections to everything outside: opened together, checked once, closed together, last first."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import aiohttp
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot import installed, logs, metrics
from bot.confluent import calls as confluent_calls
from bot.confluent.client import ATTEMPTS, Client
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.readiness import ConfluentProber
from bot.domain.errors import KeyRefused, LatchkeyError, Throttled, TokenRefused, Unavailable, Undeliverable
from bot.domain.keys import Secret, TeamId
from bot.fitness import Problem, appendfsync, cause_of, flush_problem, missing_rights, server_problems
from bot.policyfile import PolicyError, PolicySource
from bot.services.ports.store import Clock
from bot.settings import CloudSettings, Settings, StartupError, StoreSettings, TryAgain
from bot.slack.api import calls as slack_calls
from bot.slack.api.calls import CountedClient, TimedApp
from bot.slack.api.client import Unreachable, routed
from bot.slack.api.socket_mode import Sockets
from bot.slack.api.workspace import Workspace, app_token_problem, introduce
from bot.store import Store
from bot.store.connection import connect, following, is_of_cluster, must_take_writes, teams
from bot.store.embedded import embedded
from bot.store.keyspace import Keyspace
from bot.store.moments import utc_now
from bot.store.sealing import Sealer, parse_master_keys

PATIENCE = timedelta(minutes=2)
"""How long a start waits for a Slack that answers 429 or 5xx."""
ASKED_AGAIN_SECONDS = 5.0
SLACK_SECONDS = 10.0
"""How long one call of Slack's Web API may take."""
IDLE_SECONDS = 2.0
"""How long a connection to Slack is kept for the next call. A server closes idle ones, after 5 seconds at the earliest
that we know of (uvicorn). A call that is sent at that moment fails, and a click can't be repeated for its person."""
_FOR_TRYING_OUT = Problem(
    "The embedded server is for trying Latchkey out: its data is only on this machine.",
    "For production, set REDIS_URL to a Redis or Valkey of your own.",
    is_fatal=False,
)
_KEY_REFUSED = (
    "Confluent Cloud rejects CONFLUENT_CLOUD_API_KEY with CONFLUENT_CLOUD_API_SECRET, or this address "
    "(an IP filter). Use a Cloud API key (not one of a cluster) that still exists, and check the IP filters."
)
LOOKS = 2
"""How many times a command tries to reach Confluent Cloud at the start."""
log = logging.getLogger("latchkey")


@dataclass(frozen=True, slots=True)
class World:
    """Connections to everything outside."""

    slack: CountedClient
    session: aiohttp.ClientSession
    workspace: Workspace
    redis: Redis
    store: Store
    client: Client
    cloud: ConfluentCloud
    clock: Clock
    prober: ConfluentProber


@asynccontextmanager
async def connected(
    settings: Settings, clock: Clock, stop: asyncio.Event | None = None, calls: metrics.Calls | None = None
) -> AsyncGenerator[World]:
    """Connections to everything outside, opened and checked. Raises `StartupError`: one line that says what to do.

    With `stop`, it waits for a busy Slack, up to `PATIENCE` and until that event is set. `calls` counts the calls.
    """
    calls = calls or metrics.Calls(CollectorRegistry())
    async with AsyncExitStack() as stack:
        session, slack = await opened_slack(stack, settings, calls)
        workspace = await _patiently_introduced(settings, slack, clock, stop)
        redis = await _checked_redis(stack, settings, Keyspace(workspace.team))
        sealer = Sealer(parse_master_keys(settings.latchkey_master_keys.get_secret_value()))
        client = await opened_confluent(stack, settings, calls)
        cloud = ConfluentCloud(client)
        prober = await stack.enter_async_context(
            ConfluentProber(settings.confluent_cloud_endpoint, version=installed.version())
        )
        await look_at_confluent(cloud)
        store = Store.open(redis, sealer, workspace.team, clock, replicas=settings.latchkey_redis_replicas)
        yield World(slack, session, workspace, redis, store, client, cloud, clock, prober)


@dataclass(frozen=True, slots=True)
class Clouds:
    """Slack and Confluent Cloud, for reading."""

    slack: CountedClient
    workspace: Workspace
    cloud: ConfluentCloud


@asynccontextmanager
async def opened_clouds(settings: CloudSettings) -> AsyncGenerator[Clouds]:
    """Slack and Confluent Cloud alone, once both have answered. Someone is waiting at a terminal, so it fails fast.

    Raises `StartupError` with one line.
    """
    async with AsyncExitStack() as stack:
        first, calls = (metrics.Calls(CollectorRegistry()) for _ in range(2))
        probe = ConfluentCloud(await opened_confluent(stack, settings, first, attempts=LOOKS))
        try:
            await probe.organization()
        except KeyRefused:
            raise StartupError(_KEY_REFUSED) from None
        except LatchkeyError as error:
            said = (error.happened, "Nothing was looked up.", error.advice, error.again)
            raise StartupError(unescape(" ".join(filter(None, said)))) from None
        _, slack = await opened_slack(stack, settings, calls)
        try:
            workspace = await introduced(slack)
        except Unreachable as error:
            raise StartupError(_unreachable(error)) from None
        except Unavailable as error:
            raise StartupError(f"Slack is rate-limiting Latchkey ({error}). Try again in a minute.") from None
        if problem := installation_problem(workspace):
            raise StartupError(problem)
        yield Clouds(slack, workspace, ConfluentCloud(await opened_confluent(stack, settings, calls)))


def _unreachable(error: Unreachable) -> str:
    return f"Slack didn't answer ({error}). Check the network, HTTPS_PROXY, and SLACK_API_URL if it is set."


@asynccontextmanager
async def opened_store(settings: StoreSettings, team: str = "") -> AsyncGenerator[Store]:
    """The store alone, of workspace `team`, or of its only workspace.

    Raises `StartupError`; `TryAgain`, which says why, if the store doesn't answer, also later; and `LatchkeyError`.
    """
    try:
        async with AsyncExitStack() as stack:
            redis = await opened_redis(stack, settings, probe=f"lk:{{{team}}}:probe" if team else "")
            try:
                keys = Keyspace(TeamId(team)) if team else await _only_keyspace(redis)
                if not team and is_of_cluster(redis):  # and now for the node that has them
                    redis = await opened_redis(stack, settings, probe=keys.probe)
            except ValueError as error:
                raise StartupError(f"--team: {error}") from None
            sealer = Sealer(parse_master_keys(settings.latchkey_master_keys.get_secret_value()))
            yield Store.open(redis, sealer, keys.team, replicas=settings.latchkey_redis_replicas)
    except Unavailable as error:
        if error.__cause__ is None:
            raise
        raise TryAgain(" ".join(cause_of(error))) from None


async def _only_keyspace(redis: Redis) -> Keyspace:
    found = await teams(redis)
    if len(found) == 1:
        return Keyspace(found[0])
    if not found:
        raise StartupError("This store has no Latchkey data. Check REDIS_URL and the database number in it.")
    raise StartupError(f"This store holds the audit logs of {', '.join(found)}. Choose one with --team.")


async def opened_slack(
    stack: AsyncExitStack, settings: CloudSettings, calls: metrics.Calls
) -> tuple[aiohttp.ClientSession, CountedClient]:
    """The Slack client, closed with the stack. Sends nothing yet."""
    timeout = aiohttp.ClientTimeout(total=SLACK_SECONDS)
    kept = aiohttp.TCPConnector(keepalive_timeout=IDLE_SECONDS)
    session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=kept))
    token = settings.slack_bot_token.get_secret_value()
    slack = CountedClient(token=token, base_url=settings.slack_api_url, session=session)
    slack.answered = calls.slack(slack_calls.METHODS, slack_calls.OUTCOMES)
    routed(slack)
    slack.retry_handlers.clear()  # a repeated post is a second post; what may be repeated, the worker repeats
    return session, slack


async def opened_confluent(
    stack: AsyncExitStack, settings: CloudSettings, calls: metrics.Calls, attempts: int = ATTEMPTS
) -> Client:
    """The Confluent Cloud client, closed with the stack. Sends nothing yet."""
    return await stack.enter_async_context(
        Client(
            settings.confluent_cloud_endpoint,
            settings.confluent_cloud_api_key,
            Secret(settings.confluent_cloud_api_secret.get_secret_value()),
            version=installed.version(),
            answered=calls.confluent(confluent_calls.CALLS, confluent_calls.OUTCOMES),
            attempts=attempts,
        )
    )


def bolt(settings: Settings, world: World, *, process_before_response: bool = False) -> TimedApp:
    """A Bolt app for this workspace, without listeners."""
    workspace = world.workspace
    known = AuthorizeResult(
        enterprise_id=workspace.enterprise or None,
        team_id=workspace.team,
        bot_user_id=workspace.bot_user,
        bot_id=workspace.bot_id,
        bot_token=settings.slack_bot_token.get_secret_value(),
    )

    async def authorize() -> AuthorizeResult:
        return known  # looked up once at the start, so that no answer waits for Slack

    secret = settings.slack_signing_secret
    return TimedApp(
        name="bolt",  # or Bolt names it for this file, which it finds by looking through all modules: 0.1 s
        # Without a token of its own: `authorize` gives it, and Bolt warns about a second one.
        client=AsyncWebClient(base_url=settings.slack_api_url, session=world.session),
        signing_secret=secret.get_secret_value() if secret else None,
        authorize=authorize,
        process_before_response=process_before_response,
        logger=logs.bolt_logger(),
    )


@asynccontextmanager
async def socket_mode(settings: Settings, world: World, app: AsyncApp) -> AsyncGenerator[Sockets]:
    """Receive Slack's payloads over Socket Mode until the context is left."""
    token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
    sockets = Sockets(app, token, world.slack, logs.bolt_logger())
    try:
        await sockets.connect()
        yield sockets
    finally:
        await sockets.close()


def policy_source(settings: Settings, clock: Clock = utc_now) -> PolicySource:
    """The policy that the settings name. Raises `StartupError`."""
    try:
        return PolicySource.open(settings.latchkey_policy, settings.latchkey_channel, clock)
    except PolicyError as error:
        raise StartupError(f"The policy file isn't valid:\n{error}") from None


async def _patiently_introduced(
    settings: Settings, slack: AsyncWebClient, clock: Clock, stop: asyncio.Event | None
) -> Workspace:
    end = clock() + PATIENCE
    while True:
        try:
            return await _introduced(settings, slack)
        except Unreachable as error:
            raise StartupError(_unreachable(error)) from None
        except Unavailable as error:
            seconds = error.wait.total_seconds() if isinstance(error, Throttled) else ASKED_AGAIN_SECONDS
            left = (end - clock()).total_seconds()
            if stop is None or stop.is_set() or left <= 0:
                raise TryAgain(f"Slack is rate-limiting Latchkey ({error}). Start it again in a minute.") from None
            log.warning(
                "Slack is rate-limiting Latchkey; will try again", extra={"why": str(error), "seconds": seconds}
            )
            await _pause(min(seconds, left), stop)


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _introduced(settings: Settings, slack: AsyncWebClient) -> Workspace:
    workspace = await introduced(slack)
    if settings.slack_mode == "socket" and settings.slack_app_token is not None:
        reason = await app_token_problem(slack, settings.slack_app_token.get_secret_value())
        if reason is not None:
            raise StartupError(f"Slack doesn't accept SLACK_APP_TOKEN ({reason}). Copy it again from the Slack app.")
    if problem := installation_problem(workspace):
        raise StartupError(problem)
    return workspace


async def introduced(slack: AsyncWebClient) -> Workspace:
    """The workspace of the bot token. Raises `StartupError` if Slack refuses the token, else `Unavailable`."""
    try:
        return await introduce(slack)
    except TokenRefused as error:
        raise StartupError(
            f"Slack doesn't accept SLACK_BOT_TOKEN ({error.reason}). Copy it again from the Slack app."
        ) from None
    except Undeliverable as error:
        raise StartupError(
            f"Slack refuses Latchkey ({error.reason}). Ask an administrator of the Slack workspace."
        ) from None


def installation_problem(workspace: Workspace) -> str | None:
    """Why Latchkey can't serve this installation of its app: a sentence, None if it can."""
    if not workspace.is_whole_organization:
        return None
    return (
        "SLACK_BOT_TOKEN belongs to an app installed for a whole Enterprise Grid organization, which Latchkey doesn't "
        "support yet: install the app in one workspace of the Grid, and use that installation's bot token."
    )


async def opened_redis(stack: AsyncExitStack, settings: StoreSettings, *, probe: str) -> Redis:
    """The store's client, closed with the stack. Raises `StartupError` for a setting that can't work.

    `probe` is one of our keys; it says which node of a cluster to talk to.
    """
    try:
        if settings.redis_url is not None:
            url = settings.redis_url.get_secret_value()
        else:
            url = await stack.enter_async_context(embedded(settings.latchkey_data_dir))
        redis = connect(url, insecure=settings.latchkey_redis_insecure, key=probe)
    except ValueError as error:
        name = "REDIS_URL" if settings.redis_url is not None else "LATCHKEY_DATA_DIR"
        raise StartupError(f"{name} can't be used: {error}") from None
    stack.push_async_callback(redis.aclose)
    await stack.enter_async_context(following(redis))
    return redis


def embedded_problem(settings: Settings) -> Problem | None:
    """What is wrong with the embedded server where people work with it: None in the sandbox and with another server."""
    return _FOR_TRYING_OUT if settings.redis_url is None and settings.is_real_slack else None


async def _checked_redis(stack: AsyncExitStack, settings: Settings, keys: Keyspace) -> Redis:
    try:
        redis = await opened_redis(stack, settings, probe=keys.probe)
        if problem := embedded_problem(settings):
            log.warning("%s %s", problem.says, problem.do)
        if missing := await missing_rights(redis, keys):
            raise StartupError(f"{missing.says} {missing.do}")
        await must_take_writes(redis, keys)
        for problem in await server_problems(redis, settings.latchkey_redis_replicas):
            log.warning("store: %s %s", problem.says, problem.do)
        if (unsaved := await flush_problem(redis, await appendfsync(redis))) and unsaved.is_fatal:
            log.warning("store: %s %s", unsaved.says, unsaved.do)
    except LatchkeyError as error:
        cause = cause_of(error)
        raise StartupError(f"{cause.says} {cause.do}") from None
    return redis


async def look_at_confluent(cloud: ConfluentCloud) -> None:
    """Check Confluent Cloud: if it refuses our key, the start fails; if it's away, the start continues."""
    try:
        await cloud.organization()
    except KeyRefused:
        raise StartupError(_KEY_REFUSED) from None
    except LatchkeyError as error:
        log.warning("Confluent Cloud didn't answer when Latchkey started: %s", error)
