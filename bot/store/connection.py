"""The connection to Redis or Valkey, and what its errors become."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import TimeoutError as TimedOut

from bot import trouble
from bot.background import beside
from bot.domain.errors import ASK_ADMINISTRATOR, Unavailable
from bot.domain.keys import TeamId
from bot.store.keyspace import Keyspace

T = TypeVar("T")
Commands: TypeAlias = Any
"""redis-py's client. It types its commands as perhaps not awaitable, so each call here says what comes back."""

ANSWER_SECONDS = 2
CONNECTIONS = 64
REDIS_PORT, SENTINEL_PORT = 6379, 26379
SENTINEL_SECONDS = 1.0
CLOCKS_APART = 5.0
"""Seconds. Half a minute ahead, a replica would take a secret that is on its way for lost, and delete its key."""
MOVING_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6)
"""Pauses before a command is sent again while our slot moves. In all less than a click may wait to be stored."""
LOST_ANSWER = (ConnectionFailed, TimedOut)
"""Errors after which a command may or may not have been carried out."""
_DROPPED = (*LOST_ANSWER, ReadOnlyError)
"""Errors that end their connection. A replica may have been the master when we connected: ask for the name again."""

_ADDRESS = {"db", "username", "password"}
_SENTINELS = ("sentinel_username", "sentinel_password")
"""For the sentinels alone: those before the hosts are the master's."""
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_MALFORMED = "the Redis URL is malformed: redis+sentinel://host:port,host2:port/service/db"
_MALFORMED_CLUSTER = "the Redis URL is malformed: redis+cluster://host:port,host2:port"
_SCHEMES = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
_ONE_NODE = "REDIS_URL names one node of a Redis Cluster: begin it with redis+cluster://"
_WHY = 400
"""Characters: a pipeline names its command first, in a hundred of them."""
_KEYS_OF_AUDIT, _KEYS_OF_ALL = "lk:{*}:audit*", "lk:{*}:*"
_OF_TEAM = re.compile(r"lk:\{([A-Za-z0-9_-]+)\}:")
log = logging.getLogger(__name__)
_OPTIONS: dict[str, Any] = {
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": ANSWER_SECONDS,
    "health_check_interval": 15,
    # redis-py would send any command again after a lost answer, the writes too. We send again where that is safe.
    "retry": Retry(NoBackoff(), 0, supported_errors=_DROPPED),
    "protocol": 2,
}


class _Pool(BlockingConnectionPool):
    """Where one connection had to be closed, the idle ones to the same server are not to be trusted either."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - its base's
        """As `ConnectionPool.disconnect`, which would close idle ones that a command has taken in the meantime."""
        idle, self._available_connections = self._available_connections, []
        try:
            await asyncio.gather(*(each.disconnect() for each in idle), return_exceptions=True)
        finally:
            self._available_connections += idle  # they connect anew
        if inuse_connections:
            await super().disconnect()

    async def release(self, connection: AbstractConnection) -> None:
        closed = not connection.is_connected
        await super().release(connection)
        if closed:
            await self.disconnect(inuse_connections=False)


class _SentinelPool(SentinelConnectionPool, _Pool):
    """Connections to the master that the sentinels name, and to no former one."""

    async def release(self, connection: AbstractConnection) -> None:
        to, pool = cast("tuple[Any, Any]", (connection, self))
        if (to.host, to.port) != pool.master_address:
            await connection.disconnect()
        await super().release(connection)


class _Nodes:
    """Finds the node of a cluster that has our keys: what redis-py's `Sentinel` is for a service.

    All keys of a workspace are in one slot, so that one node has them all, and one pool leads to it.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self._given, self._seen = tuple(nodes), tuple[tuple[str, int], ...]()
        self._options = options
        self._asking: asyncio.Task[tuple[str, int]] | None = None

    async def discover_master(self, key: str) -> tuple[str, int]:
        """Host and port of the master that has the slot of `key`. Raises `RedisError`.

        When a node is lost all connections ask at once. One answer is for all of them: each costs new connections and
        a list of all commands. It is waited for to its end, so that its connections are closed.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._master(key), name="cluster")
        return await asyncio.shield(self._asking)

    async def _master(self, key: str) -> tuple[str, int]:
        async with self.all() as cluster:
            found = cluster.get_node_from_key(key)
            return found.host, found.port

    @asynccontextmanager
    async def all(self) -> AsyncGenerator[Commands]:
        """A client that knows all nodes, and asks the one that it takes. Raises `RedisError`."""
        nodes = [ClusterNode(host, port) for host, port in dict.fromkeys((*self._seen, *self._given))]
        ask: Any = RedisCluster
        try:
            async with ask(startup_nodes=nodes, require_full_coverage=False, **self._options) as cluster:
                self._seen = tuple((node.host, node.port) for node in cluster.get_nodes())
                yield cluster
        except RedisClusterException as error:  # which is no RedisError
            if isinstance(error.__cause__, RedisClusterException):  # a node that did answer
                raise ResponseError("no node of a Redis Cluster, or CLUSTER SLOTS is not permitted") from error
            raise ConnectionFailed("no node of the cluster says which one has Latchkey's data") from error


class SlotMoving(ConnectionFailed):
    """A node that gave our slot away, or is giving it away. Nothing was carried out."""


class _UntilMoved(Retry):
    """Asks again while our slot moves: the move of a small store is over sooner than people get an answer."""

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], *args: Any, **options: Any) -> T:  # noqa: ANN401 - passed on
        """As `Retry.call_with_retry`."""
        for seconds in MOVING_SECONDS:
            try:
                return await super().call_with_retry(do, *args, **options)
            except SlotMoving:
                await asyncio.sleep(seconds)
        return await super().call_with_retry(do, *args, **options)


class _NodeConnection(SentinelManagedConnection):
    """Ends where its node gives our slot away, as its base does at a former master."""

    async def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        try:
            return cast("Any", await super().read_response(*args, **options))
        except (MovedError, AskError, TryAgainError) as error:
            await self.disconnect()
            if isinstance(error, MovedError):  # connect there next: other nodes may not have heard of it yet
                here, to = cast("tuple[Any, Any]", (self, error))
                here.host, here.port = to.host or here.host, to.port
            raise SlotMoving(type(error).__name__) from None


class _NodeSSLConnection(_NodeConnection, SSLConnection):
    pass


@asynccontextmanager
async def following(redis: Redis) -> AsyncGenerator[None]:
    """Have the sentinels, where there are any, asked for the master each second until we leave.

    In a failover a former master takes writes for ten seconds and more. A node of a cluster says itself that it is
    none anymore.
    """
    pool: Any = redis.connection_pool
    if not isinstance(pool, _SentinelPool) or is_of_cluster(redis):
        yield
        return
    manager: Any = pool.sentinel_manager
    try:
        async with beside(_ask_each_second(pool), name="sentinels"):
            yield
    finally:
        await manager.aclose()


async def _ask_each_second(pool: _SentinelPool) -> None:
    asked: Any = pool
    while True:
        await asyncio.sleep(SENTINEL_SECONDS)
        try:
            await asked.get_master_address()
        except (RedisError, OSError) as error:
            trouble.log.warning("the sentinels don't name a master", extra={"why": type(error).__name__})


def connect(url: str, *, insecure: bool = False, key: str = "") -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`, or one that is led to a master by others.

    These are `redis+sentinel://host:port,host2:port/service/db`, and `redis+cluster://host:port,host2:port` for the
    master that has `key`. `rediss+sentinel://` and `rediss+cluster://` are the same with TLS everywhere.

    Connects with the first command. `insecure` lets the URL turn off checks of the server's certificate. Raises
    ValueError, which never quotes the URL: it may hold a password.
    """
    scheme = url.partition("://")[0]
    if scheme in {"redis+sentinel", "rediss+sentinel"}:
        return _through_sentinel(url, insecure)
    if scheme in {"redis+cluster", "rediss+cluster"}:
        return _to_cluster(url, insecure, key)
    if scheme not in {"redis", "rediss", "unix"}:
        raise ValueError(f"a Redis URL begins with {_SCHEMES}")
    return Redis.from_pool(_Pool(max_connections=CONNECTIONS, timeout=ANSWER_SECONDS, **_from_url(url, insecure)))


def _from_url(url: str, insecure: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
    try:
        options: dict[str, Any] = dict(parse_url(url))
        parts = urlsplit(url)
        asked = parse_qs(parts.query, keep_blank_values=True).keys()
    except ValueError:
        raise ValueError("the Redis URL is malformed") from None
    known = {*_ADDRESS, *_TLS} if parts.scheme == "rediss" else _ADDRESS
    is_db = parts.scheme == "unix" or re.fullmatch(r"/?[0-9]*", parts.path)
    if not asked <= known or not is_db or parts.fragment:
        raise ValueError(
            "the Redis URL has parts that Latchkey doesn't recognize: the path is the number of a database, "
            f"and only rediss:// can have ?{'=…&'.join(_TLS)}=…"
        )
    if options.get("ssl_cert_reqs", "required") != "required" or not options.get("ssl_check_hostname", True):
        if not insecure:
            raise ValueError(
                "the Redis URL turns off checks of the server's certificate: remove ssl_cert_reqs and "
                "ssl_check_hostname and name the CA with ssl_ca_certs, or set LATCHKEY_REDIS_INSECURE=1"
            )
        log.warning("LATCHKEY_REDIS_INSECURE is set, so Redis's certificate is not fully checked")
    return options | _OPTIONS


def _through_sentinel(url: str, insecure: bool) -> Redis:  # noqa: FBT001 - passed on
    try:
        parts, hosts = _several(url, SENTINEL_PORT)
        asked = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError(_MALFORMED) from None
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError(_MALFORMED)
    own = {name.removeprefix("sentinel_"): value for name, value in asked if name in _SENTINELS}
    rest = urlencode([pair for pair in asked if pair[0] not in _SENTINELS])
    # The same for the master as in a URL of its own; its address comes from the sentinels.
    options, tls = _for_master(parts, f"/{db}", rest, insecure)
    named = {name: value for name, value in options.items() if name.startswith("ssl_")}
    sentinel: Any = Sentinel  # not typed
    manager = sentinel(hosts, sentinel_kwargs={**_OPTIONS, **named, **own, "ssl": tls})
    kind = SentinelManagedSSLConnection if tls else SentinelManagedConnection
    return _following(service, manager, kind, options)


def _to_cluster(url: str, insecure: bool, key: str) -> Redis:  # noqa: FBT001 - passed on
    try:
        parts, hosts = _several(url, REDIS_PORT)
    except ValueError:
        raise ValueError(_MALFORMED_CLUSTER) from None
    if parts.path not in {"", "/", "/0"}:
        raise ValueError("the Redis URL of a cluster must not name a database: leave out the path")
    options, tls = _for_master(parts, "", parts.query, insecure)
    options.pop("db", None)
    again = _UntilMoved(NoBackoff(), 0, supported_errors=_DROPPED)
    kind = _NodeSSLConnection if tls else _NodeConnection
    return _following(key, _Nodes(hosts, {**options, "ssl": tls}), kind, {**options, "retry": again})


def _several(url: str, port: int) -> tuple[SplitResult, list[tuple[str, int]]]:
    """The URL's parts, and each of its hosts with its port. Raises ValueError."""
    parts = urlsplit(url)
    return parts, [_host_and_port(host, port) for host in parts.netloc.rpartition("@")[2].split(",")]


def _for_master(parts: SplitResult, path: str, query: str, insecure: bool) -> tuple[dict[str, Any], bool]:  # noqa: FBT001 - passed on
    """What to connect to a master with whose address others know, and whether over TLS. Raises ValueError."""
    credentials, at, _ = parts.netloc.rpartition("@")
    scheme, _, _ = parts.scheme.partition("+")
    options = _from_url(urlunsplit((scheme, f"{credentials}{at}master", path, query, parts.fragment)), insecure)
    del options["host"]
    return options, options.pop("connection_class", None) is not None


def _following(service: str, manager: object, kind: type[AbstractConnection], options: Mapping[str, Any]) -> Redis:
    pool: Any = _SentinelPool
    limits = {"max_connections": CONNECTIONS, "timeout": ANSWER_SECONDS}
    return Redis.from_pool(pool(service, manager, connection_class=kind, **limits, **options))


def is_of_cluster(redis: Redis) -> bool:
    """Whether this client is led to the node of a cluster that has our keys."""
    pool: Any = redis.connection_pool
    return isinstance(pool, _SentinelPool) and isinstance(cast("Any", pool).sentinel_manager, _Nodes)


def _host_and_port(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or port


@contextmanager
def translated() -> Generator[None]:
    """Every error of Redis becomes `Unavailable`; the operator is told of those that Redis itself answers with."""
    try:
        yield
    except MovedError as error:
        raise Unavailable(
            "Latchkey's store isn't accepting requests, so nothing more was done.",
            advice=ASK_ADMINISTRATOR,
            log=f"store: {_ONE_NODE}",
        ) from error
    except ClusterDownError as error:  # one that is electing
        raise unconfirmed(type(error).__name__) from error
    except ResponseError as error:
        cause = type(error).__name__
        trouble.log.error("the store refused a command", extra={"cause": cause, "why": str(error)[:_WHY]})
        raise Unavailable(
            "Latchkey's store isn't accepting requests, so nothing more was done.",
            advice=ASK_ADMINISTRATOR,
            log=f"store: {cause}: {error}",
        ) from error
    except (RedisError, OSError) as error:
        raise unconfirmed(type(error).__name__) from error


def unconfirmed(why: str) -> Unavailable:
    """The error for a store that did not answer, or not as it should."""
    return Unavailable(
        "Latchkey's store didn't answer, so nothing more was done.",
        again="Try again in a minute.",
        log=f"store: {why}",
    )


async def twice(send: Callable[[], Awaitable[T]]) -> T:
    """Send once more after a lost answer, or to the master: only for scripts that know their own write again."""
    try:
        return await send()
    except _DROPPED:
        return await send()


async def teams(redis: Commands) -> Sequence[TeamId]:
    """The workspaces that this store has an audit log of; without any, those that it has any key of. Sorted."""
    for pattern in (_KEYS_OF_AUDIT, _KEYS_OF_ALL):
        with translated():
            async with _every_node(redis) as everywhere:
                scan = everywhere.scan_iter(match=pattern, count=1000)
                names = [name.decode(errors="replace") async for name in scan]
        if found := {each[1] for each in map(_OF_TEAM.match, names) if each}:
            return sorted(map(TeamId, found))
    return []


@asynccontextmanager
async def _every_node(redis: Commands) -> AsyncGenerator[Commands]:
    """What asks all masters, where there are several: those of a cluster have the keys of other workspaces."""
    if not is_of_cluster(redis):
        yield redis
        return
    async with redis.connection_pool.sentinel_manager.all() as everywhere:
        yield everywhere


async def must_take_writes(redis: Commands, keys: Keyspace) -> None:
    """Raise `Unavailable` where this server takes no write: it is away, became a replica, or its memory is full."""
    with translated():
        async with redis.pipeline(transaction=True) as together:
            together.set(keys.probe, b"")
            together.delete(keys.probe)
            await together.execute()


async def clock_problem(redis: Commands) -> str | None:
    """Whether this machine's clock is so far from Redis's that replicas would disagree about deadlines.

    Raises `Unavailable`.
    """
    with translated():
        now: tuple[int, int] = await redis.time()
    apart = abs(time.time() - now[0] - now[1] / 1e6)
    if apart <= CLOCKS_APART:
        return None
    return f"this clock and Redis's are {apart:.0f} s apart: sync both with NTP"
