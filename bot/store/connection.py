"""Connects to Redis or Valkey, and translates its errors."""

import asyncio
import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, Connection, RedisSSLContext, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
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
from bot.domain.errors import ASK_ADMINISTRATOR, NOTHING_MORE, Unavailable
from bot.domain.keys import TeamId
from bot.store.keyspace import Keyspace

T = TypeVar("T")
Commands: TypeAlias = Any
"""redis-py's client. Its commands are typed as maybe not awaitable, so each call here states the type of its result."""

ANSWER_SECONDS = 2
CONNECTIONS = 64
REDIS_PORT, SENTINEL_PORT = 6379, 26379
SENTINEL_SECONDS = 1.0
CLOCKS_APART = 5.0
"""Seconds. A process half a minute ahead would take a secret that is being sent for lost, and delete its key."""
MOVING_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6)
"""Seconds between attempts while our slot moves; in total less than the time a click has to be stored."""
LOST_ANSWER = (ConnectionFailed, TimedOut)
"""Errors that leave open whether a command was carried out."""
_DROPPED = (*LOST_ANSWER, ReadOnlyError)
"""Errors that end their connection. The server may no longer be the master, so the next one looks it up again."""

_ADDRESS = {"db", "username", "password"}
_SENTINELS = ("sentinel_username", "sentinel_password")
"""Options of the sentinels. User name and password before the hosts are the master's."""
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_MALFORMED = "the Redis URL is malformed: redis+sentinel://host:port,host2:port/service/db"
_MALFORMED_CLUSTER = "the Redis URL is malformed: redis+cluster://host:port,host2:port"
_SCHEMES = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
_ONE_NODE = "REDIS_URL names one node of a Redis Cluster: begin it with redis+cluster://"
_WHY = 400
"""Characters of an error that are logged: a pipeline's error starts with its command, cut at 100."""
_KEYS_OF_AUDIT, _KEYS_OF_ALL = "lk:{*}:audit*", "lk:{*}:*"
_OF_TEAM = re.compile(r"lk:\{([A-Za-z0-9_-]+)\}:")
log = logging.getLogger(__name__)
_OPTIONS: dict[str, Any] = {
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": ANSWER_SECONDS,
    "health_check_interval": 15,
    # redis-py would repeat any command after a lost answer, even a write. We repeat only what is safe to repeat.
    "retry": Retry(NoBackoff(), 0, supported_errors=_DROPPED),
    "protocol": 2,
}
_LIMITS: Mapping[str, Any] = {"max_connections": CONNECTIONS, "timeout": ANSWER_SECONDS}


class _Pool(BlockingConnectionPool):
    """Distrusts the idle connections to a server once one connection to it had to be closed.

    Its connections share one SSL context. Making one reads all certificates of the system, 20 ms in which nothing else
    runs: with one for each connection, 64 clicks at once stopped the process for more than a second.
    """

    _tls: RedisSSLContext | None = None

    def make_connection(self) -> AbstractConnection:
        """Like `ConnectionPool.make_connection`."""
        make: Callable[[], AbstractConnection] = super().make_connection
        made = make()
        if isinstance(made, SSLConnection):
            self._tls = made.ssl_context = self._tls or made.ssl_context
        return made

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - its base's
        """Like `ConnectionPool.disconnect`, but it doesn't close idle connections that a command takes meanwhile."""
        idle, self._available_connections = self._available_connections, []
        try:
            await asyncio.gather(*(each.disconnect() for each in idle), return_exceptions=True)
        finally:
            self._available_connections += idle  # they reconnect when used
        if inuse_connections:
            await super().disconnect()

    async def release(self, connection: AbstractConnection) -> None:
        closed = not connection.is_connected
        await super().release(connection)
        if closed:
            await self.disconnect(inuse_connections=False)


class _SentinelPool(SentinelConnectionPool, _Pool):
    """Connections to the master that the sentinels name, never to a former one."""

    async def release(self, connection: AbstractConnection) -> None:
        to, pool = cast("tuple[Any, Any]", (connection, self))
        if (to.host, to.port) != pool.master_address:
            await connection.disconnect()
        await super().release(connection)


class _Lookup(ABC):
    """Finds the master that has our keys, once for all connections that ask at the same time.

    When a server fails, all of them ask at once, and each lookup opens connections of its own. A lookup is never
    cancelled, so that those are closed.
    """

    _asking: "asyncio.Task[tuple[str, int]] | None" = None

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the master of a service, or of that with the slot of a key. Raises `RedisError`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._master(service_name), name="master")
        return await asyncio.shield(self._asking)

    @abstractmethod
    async def _master(self, name: str) -> tuple[str, int]: ...


class SentinelsRefuse(ConnectionFailed):
    """No sentinel answers, and one of them doesn't let us log in."""


class _Sentinel(Redis):
    """Remembers why it didn't answer, which redis-py drops."""

    trouble: Exception | None = None

    async def sentinel_masters(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        self.trouble = None
        try:
            return await cast("Any", super()).sentinel_masters(*args, **options)
        except LOST_ANSWER as error:
            self.trouble = error
            raise


class _Sentinels(_Lookup):
    """Asks the sentinels for the master of a service."""

    def __init__(self, hosts: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        manager: Any = Sentinel  # not typed
        self.manager = manager(())
        self.manager.sentinels = [_Sentinel.from_pool(_Pool(host=host, port=port, **options)) for host, port in hosts]

    async def _master(self, name: str) -> tuple[str, int]:
        try:
            return cast("tuple[str, int]", await self.manager.discover_master(name))
        except MasterNotFoundError:
            why = [each.trouble for each in cast("list[_Sentinel]", self.manager.sentinels)]
            if None in why:  # one answers, and knows no master
                raise
            refused = any(isinstance(each, AuthenticationError) for each in why)
            raise (SentinelsRefuse if refused else ConnectionFailed)("no sentinel answers") from why[0]

    async def aclose(self) -> None:
        """Close the connections to the sentinels, which redis-py 7.1's manager can't do itself."""
        await asyncio.gather(*(each.aclose() for each in self.manager.sentinels), return_exceptions=True)


class _Nodes(_Lookup):
    """Finds the cluster node that has our keys, as redis-py's `Sentinel` finds the master of a service.

    All keys of a workspace are in one slot, so one node has them all, and one pool connects to it.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self._given, self._seen = tuple(nodes), tuple[tuple[str, int], ...]()
        self._options = options

    async def _master(self, name: str) -> tuple[str, int]:
        async with self.all() as cluster:  # which fetches a list of all commands, too
            found = cluster.get_node_from_key(name)
            return found.host, found.port

    @asynccontextmanager
    async def all(self) -> AsyncGenerator[Commands]:
        """A client that knows all nodes. Raises `RedisError`."""
        nodes = [ClusterNode(host, port) for host, port in dict.fromkeys((*self._seen, *self._given))]
        ask: Any = RedisCluster
        try:
            async with ask(startup_nodes=nodes, require_full_coverage=False, **self._options) as cluster:
                self._seen = tuple((node.host, node.port) for node in cluster.get_nodes())
                yield cluster
        except RedisClusterException as error:  # it isn't a RedisError
            if isinstance(error.__cause__, RedisClusterException):  # a node did answer
                raise NoCluster("no node of a Redis Cluster, or CLUSTER SLOTS is not permitted") from error
            raise ConnectionFailed("no node of the cluster says which one has Latchkey's data") from error


class NoCluster(ResponseError):
    """A server answers, but doesn't say which nodes it forms a Redis Cluster with."""


class SlotMoving(ConnectionFailed):
    """The node gave our slot away, or is giving it away. Nothing was carried out."""


class _UntilMoved(Retry):
    """Retries while our slot moves. Moving a small store takes less time than people have to wait for an answer."""

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], *args: Any, **options: Any) -> T:  # noqa: ANN401 - passed on
        """Like `Retry.call_with_retry`."""
        for seconds in MOVING_SECONDS:
            try:
                return await super().call_with_retry(do, *args, **options)
            except SlotMoving:
                await asyncio.sleep(seconds)
        return await super().call_with_retry(do, *args, **options)


class _NodeConnection(SentinelManagedConnection):
    """Disconnects when its node gives our slot away, as its base does when its server is no longer the master."""

    async def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        try:
            return cast("Any", await super().read_response(*args, **options))
        except (MovedError, AskError, TryAgainError) as error:
            await self.disconnect()
            if isinstance(error, MovedError):  # connect there next: other nodes may not know it yet
                here, to = cast("tuple[Any, Any]", (self, error))
                here.host, here.port = to.host or here.host, to.port
            raise SlotMoving(type(error).__name__) from None


class _NodeSSLConnection(_NodeConnection, SSLConnection):
    pass


@asynccontextmanager
async def following(redis: Redis) -> AsyncGenerator[None]:
    """Ask the sentinels, if there are any, for the master each second until the context ends.

    After a failover, a former master accepts writes for ten seconds or more. A cluster node doesn't need this: it says
    itself that it no longer has the slot.
    """
    pool: Any = redis.connection_pool
    if not isinstance(pool, _SentinelPool) or is_of_cluster(redis):
        yield
        return
    sentinels: Any = pool.sentinel_manager
    try:
        async with beside(_ask_each_second(pool), name="sentinels"):
            yield
    finally:
        await sentinels.aclose()


async def _ask_each_second(pool: _SentinelPool) -> None:
    asked: Any = pool
    while True:
        await asyncio.sleep(SENTINEL_SECONDS)
        try:
            await asked.get_master_address()
        except (RedisError, OSError) as error:
            trouble.log.warning("the sentinels don't name a master", extra={"why": type(error).__name__})


def connect(url: str, *, insecure: bool = False, key: str = "") -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`, or one that looks up its master.

    The latter are `redis+sentinel://host:port,host2:port/service/db`, and `redis+cluster://host:port,host2:port` for
    the master that has `key`. `rediss+sentinel://` and `rediss+cluster://` are the same with TLS everywhere.

    It connects with the first command. `insecure` lets the URL turn off checks of the server's certificate. Raises
    ValueError, which never quotes the URL because it may contain a password.
    """
    scheme = url.partition("://")[0]
    if scheme in {"redis+sentinel", "rediss+sentinel"}:
        return _through_sentinel(url, insecure)
    if scheme in {"redis+cluster", "rediss+cluster"}:
        return _to_cluster(url, insecure, key)
    if scheme not in {"redis", "rediss", "unix"}:
        raise ValueError(f"a Redis URL begins with {_SCHEMES}")
    return Redis.from_pool(_Pool(**_LIMITS, **_from_url(url, insecure)))


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
            "and only rediss:// (rediss+sentinel://, rediss+cluster://) can have "
            f"?{'=…&'.join(_TLS)}=…"
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
    # The master gets the same options as in a plain URL; its address comes from the sentinels.
    options, tls = _for_master(parts, f"/{db}", rest, insecure)
    named = {name: value for name, value in options.items() if name.startswith("ssl_")}
    link = SSLConnection if tls else Connection
    manager = _Sentinels(hosts, {**_OPTIONS, **named, **own, **_LIMITS, "connection_class": link})
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
    """The URL's parts, and the host and port of each of its hosts. Raises ValueError."""
    parts = urlsplit(url)
    return parts, [_host_and_port(host, port) for host in parts.netloc.rpartition("@")[2].split(",")]


def _for_master(parts: SplitResult, path: str, query: str, insecure: bool) -> tuple[dict[str, Any], bool]:  # noqa: FBT001 - passed on
    """The options for connecting to a master, without its address, and whether to use TLS. Raises ValueError."""
    credentials, at, _ = parts.netloc.rpartition("@")
    scheme, _, _ = parts.scheme.partition("+")
    options = _from_url(urlunsplit((scheme, f"{credentials}{at}master", path, query, parts.fragment)), insecure)
    del options["host"]
    return options, options.pop("connection_class", None) is not None


def _following(service: str, manager: object, kind: type[AbstractConnection], options: Mapping[str, Any]) -> Redis:
    pool: Any = _SentinelPool
    return Redis.from_pool(pool(service, manager, connection_class=kind, **_LIMITS, **options))


def is_of_cluster(redis: Redis) -> bool:
    """Whether this client connects to the cluster node that has our keys."""
    pool: Any = redis.connection_pool
    return isinstance(pool, _SentinelPool) and isinstance(cast("Any", pool).sentinel_manager, _Nodes)


def _host_and_port(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or port


@contextmanager
def translated() -> Generator[None]:
    """Turn every error of Redis into `Unavailable`.

    Errors that Redis itself answers with are also logged for operators.
    """
    try:
        yield
    except MovedError as error:
        raise Unavailable(
            "Latchkey's store isn't accepting requests.",
            changed=NOTHING_MORE,
            advice=ASK_ADMINISTRATOR,
            log=f"store: {_ONE_NODE}",
        ) from error
    except ClusterDownError as error:  # it's electing a master
        raise unconfirmed(type(error).__name__) from error
    except ResponseError as error:
        cause = type(error).__name__
        trouble.log.error("the store refused a command", extra={"cause": cause, "why": str(error)[:_WHY]})
        raise Unavailable(
            "Latchkey's store isn't accepting requests.",
            changed=NOTHING_MORE,
            advice=ASK_ADMINISTRATOR,
            log=f"store: {cause}: {error}",
        ) from error
    except (RedisError, OSError) as error:
        raise unconfirmed(type(error).__name__) from error


def unconfirmed(why: str) -> Unavailable:
    """The error for a store that didn't answer, or answered unexpectedly."""
    return Unavailable(
        "Latchkey's store didn't answer.",
        changed=NOTHING_MORE,
        again="Try again in a minute.",
        log=f"store: {why}",
    )


async def twice(send: Callable[[], Awaitable[T]]) -> T:
    """Send once more after a lost answer, or to the new master. Only for scripts that recognize their own write."""
    try:
        return await send()
    except _DROPPED:
        return await send()


async def teams(redis: Commands) -> Sequence[TeamId]:
    """The workspaces that have an audit log in this store, sorted; if there is none, those that have any key.

    Raises `Unavailable`.
    """
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
    """A client for all masters, if there are several: other nodes of a cluster have the keys of other workspaces."""
    if not is_of_cluster(redis):
        yield redis
        return
    async with redis.connection_pool.sentinel_manager.all() as everywhere:
        yield everywhere


async def must_take_writes(redis: Commands, keys: Keyspace) -> None:
    """Raise `Unavailable` if this server takes no writes: it's down, a replica, or out of memory."""
    with translated():
        async with redis.pipeline(transaction=True) as together:
            together.set(keys.probe, b"")
            together.delete(keys.probe)
            await together.execute()


async def clock_problem(redis: Commands) -> str | None:
    """A sentence if this machine's clock differs so much from Redis's that processes would disagree about deadlines.

    Raises `Unavailable`.
    """
    with translated():
        now: tuple[int, int] = await redis.time()
    apart = abs(time.time() - now[0] - now[1] / 1e6)
    if apart <= CLOCKS_APART:
        return None
    return f"this clock and Redis's are {apart:.0f} s apart: sync both with NTP"
