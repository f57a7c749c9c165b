"""Whether a Redis is fit for Latchkey, and what its errors mean to those who run it."""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as TimedOut

from bot.store.connection import ANSWER_SECONDS, Commands, NoCluster, SentinelsRefuse, is_of_cluster, translated
from bot.store.disk import is_unknown
from bot.store.keyspace import Keyspace


async def must_answer(redis: Commands) -> None:
    """Raise `Unavailable` if the server doesn't answer or let us log in. Needs no permission."""
    with translated():
        async with redis.client():
            pass


class Cause(NamedTuple):
    """What happened, for operators, and what they can do about it."""

    says: str
    do: str


class Problem(NamedTuple):
    """What is wrong with a server that answers."""

    says: str
    do: str
    is_fatal: bool = True
    """Whether this can lose something; otherwise it just could be better."""


def cause_of(error: BaseException) -> Cause:
    """Why the store failed, by the classes of the errors that led to this one: their texts differ between servers."""
    led = list(_led_to(error))
    for kinds, cause in _CAUSES:
        if any(isinstance(each, kinds) for each in led):
            return cause
    refusals = (each for each in led if isinstance(each, ResponseError))
    code = next((str(each).partition(" ")[0] for each in refusals), "")
    if re.fullmatch(r"[A-Z]+", code):  # the code is a field of the protocol, what follows is prose
        return _CODES.get(code, Cause(f"Redis refused a command ({code}).", "Check its log."))
    names = [type(each).__name__ for each in led if isinstance(each, (RedisError, OSError))]
    return Cause(f"Redis didn't answer ({names[-1] if names else error}).", _ADDRESS_ADVICE)


def _led_to(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


_ADDRESS_ADVICE = "Start it, or correct REDIS_URL. A server with TLS needs rediss://."
_NODES = Cause(
    "REDIS_URL names one node of a Redis Cluster, and another node has Latchkey's data.",
    "Start REDIS_URL with redis+cluster:// (rediss+cluster:// for TLS).",
)
_CAUSES: Sequence[tuple[type[BaseException], Cause]] = (
    (
        ssl.SSLCertVerificationError,
        Cause(
            "Redis's certificate isn't trusted, or is for another host name.",
            "Name its CA with ?ssl_ca_certs=FILE in REDIS_URL, and use a host name from the certificate.",
        ),
    ),
    (
        ssl.SSLError,
        Cause(
            "The TLS handshake with Redis failed.",
            "Use redis:// if the server has no TLS, and ssl_certfile and ssl_keyfile if it needs a client certificate.",
        ),
    ),
    (
        socket.gaierror,
        Cause("The host name in REDIS_URL doesn't resolve.", "Correct it, or check this machine's DNS."),
    ),
    (
        ConnectionRefusedError,
        Cause("Redis didn't answer: nothing is listening at this address.", "Start it, or correct REDIS_URL."),
    ),
    (FileNotFoundError, Cause("Redis didn't answer: there's no such socket.", "Start it, or correct REDIS_URL.")),
    (PermissionError, Cause("Latchkey isn't allowed to open Redis's socket.", "Change the permissions of the socket.")),
    (
        SentinelsRefuse,
        Cause(
            "The sentinels reject the user name or password in REDIS_URL, or require one.",
            "Correct ?sentinel_password=… (and sentinel_username) in REDIS_URL.",
        ),
    ),
    (
        AuthenticationError,
        Cause("Redis rejects the user name or password in REDIS_URL, or requires one.", "Correct REDIS_URL."),
    ),
    (
        NoPermissionError,
        Cause(
            "The user in REDIS_URL isn't allowed to run a command that Latchkey needs.",
            "Run `latchkey doctor`, which names it. docs/redis.md lists all rights.",
        ),
    ),
    (
        ReadOnlyError,
        Cause("REDIS_URL points to a replica, which accepts no writes.", "Name the master, or use Sentinel."),
    ),
    (
        OutOfMemoryError,
        Cause("Redis is full: it has reached maxmemory.", "Give it more memory. Leave maxmemory-policy at noeviction."),
    ),
    (BusyLoadingError, Cause("Redis is still loading its data.", "Try again in a minute.")),
    (MovedError, _NODES),
    (
        NoCluster,
        Cause(
            "The server in REDIS_URL isn't part of a Redis Cluster, or doesn't let Latchkey run CLUSTER SLOTS.",
            "Start REDIS_URL with redis:// or rediss:// if it's a single server.",
        ),
    ),
    (ClusterDownError, Cause("The Redis Cluster has no master for Latchkey's data.", "Check its nodes.")),
    (
        MasterNotFoundError,
        Cause("The sentinels don't know a master.", "Check the service name in REDIS_URL, and the sentinels."),
    ),
    (
        TimedOut,
        Cause(f"Redis didn't answer within {ANSWER_SECONDS} seconds.", "Check the network and firewalls in between."),
    ),
)
"""The first match counts."""
_CODES: Mapping[str, Cause] = {
    "MISCONF": Cause("Redis accepts no writes, because it can't write to its disk.", "Check its log and its disk."),
    "NOREPLICAS": Cause("Redis accepts no writes, because it has too few replicas.", "Start the replicas again."),
}
_KEYED: Sequence[tuple[str | int, ...]] = (
    ("SET", "", "PX", 1000),
    ("GET",),
    ("GETRANGE", 0, 0),
    ("MGET",),
    ("EXISTS",),
    ("TYPE",),
    ("PTTL",),
    ("PEXPIRE", 1000),
    ("HGET", "a"),
    ("HMGET", "a"),
    ("HGETALL",),
    ("HVALS",),
    ("HSET", "a", ""),
    ("HSETNX", "a", ""),
    ("HINCRBY", "a", 1),
    ("HDEL", "a"),
    ("LLEN",),
    ("LINDEX", 0),
    ("LRANGE", 0, 0),
    ("LSET", 0, ""),
    ("LTRIM", 0, 0),
    ("RPUSH", ""),
    ("ZADD", 1, "a"),
    ("ZREM", "a"),
    ("ZSCORE", "a"),
    ("ZCARD",),
    ("ZCOUNT", 0, 0),
    ("ZMSCORE", "a"),
    ("ZRANGE", 0, 0),
    ("ZREVRANGE", 0, 0),
    ("ZRANGEBYLEX", "-", "+"),
    ("ZRANGEBYSCORE", 0, 0),
    ("ZREVRANGEBYSCORE", 0, 0),
    ("ZREMRANGEBYRANK", 0, 0),
    ("ZREMRANGEBYSCORE", 0, 0),
    ("DEL",),
)
"""Every command that we or our scripts use on keys, and its arguments after the key."""
_KEYLESS: Sequence[tuple[str | int, ...]] = (
    ("PING",),
    ("TIME",),
    ("INFO", "replication"),
    ("SCAN", 0),
    ("SCRIPT", "LOAD", "return 1"),
    ("EVALSHA", "0" * 40, 0),
    ("WAIT", 0, 1),
    ("WAITAOF", 0, 0, 1),
    ("MULTI",),
    ("EXEC",),
)


COMMANDS = tuple("SCRIPT|LOAD" if name == "SCRIPT" else str(name) for name, *_ in (*_KEYED, *_KEYLESS))
"""All our commands, as an ACL names them."""


async def missing_rights(redis: Commands, keys: Keyspace) -> Cause | None:
    """The commands that the server refuses to this user, found by trying each; None if it refuses none.

    The key is a string by the time the other commands run, so they change nothing. Raises `Unavailable`.
    """
    commands = [(name, keys.probe, *rest) for name, *rest in _KEYED] + [*_KEYLESS]
    with translated():
        async with redis.client() as connection:
            pipeline = connection.pipeline(transaction=False)
            for each in commands:
                pipeline.execute_command(*each)
            answers: list[object] = await pipeline.execute(raise_on_error=False)
            await connection.connection.disconnect()  # it may have begun a transaction that it may not end
    refused = [each for each, answer in zip(commands, answers, strict=True) if isinstance(answer, NoPermissionError)]
    if not refused:
        return None
    do = "Give it what docs/redis.md lists."
    if len([each for each in refused if len(each) > 1 and each[1] == keys.probe]) == len(_KEYED):
        return Cause(f"The user in REDIS_URL isn't allowed to use keys such as {keys.every}.", do)
    names = ", ".join("SCRIPT LOAD" if each[0] == "SCRIPT" else str(each[0]) for each in refused)
    return Cause(f"The user in REDIS_URL isn't allowed to run {names}.", do)


async def server_problems(redis: Commands, replicas: int = 0) -> list[Problem]:
    """What is wrong with this server for our purpose. Raises `Unavailable`.

    `replicas`: how many of its replicas effects wait for.
    """
    with translated():
        memory: dict[str, object] = await redis.info("memory")
        persistence: dict[str, object] = await redis.info("persistence")
        replication: dict[str, object] = await redis.info("replication")
        cluster: dict[str, object] = await redis.info("cluster")
    problems: list[Problem] = []
    if cluster.get("cluster_enabled") and not is_of_cluster(redis):
        says = "REDIS_URL names one node of a Redis Cluster, and Latchkey's data may be on another node."
        problems.append(Problem(says, _NODES.do))
    if (policy := memory.get("maxmemory_policy")) != "noeviction":
        problems.append(Problem(f"maxmemory-policy is {policy}: Redis may drop requests.", "Set it to noeviction."))
    if not persistence.get("aof_enabled"):
        says = "The append-only file is off: a restart of Redis loses requests."
        problems.append(Problem(says, "Set appendonly to yes."))
    if not replicas and (found := replication.get("connected_slaves")):
        says = f"Replicas: {found}, but nothing waits for them, so a failover can lose what was done."
        problems.append(Problem(says, "Set LATCHKEY_REDIS_REPLICAS."))
    # The server counts good replicas only where it asks for some.
    if replication.get("connected_slaves") and "min_slaves_good_slaves" not in replication:
        says = "min-replicas-to-write is 0: a master that is cut off keeps accepting clicks, which are then lost."
        problems.append(Problem(says, "Set it to 1."))
    return problems


async def flush_problem(redis: Commands, fsync: str | None) -> Problem | None:
    """What is wrong with how often the server flushes its file. Raises `Unavailable`."""
    if fsync in {None, "always"}:
        return None
    if not await _knows_waitaof(redis):
        lost = "the steps that aren't written to disk yet" if fsync == "no" else "about a second of steps"
        says = f"appendfsync is {fsync}, and this Redis has no WAITAOF, so no step waits for the disk: a crash of its"
        return Problem(f"{says} machine loses {lost}.", "Set appendfsync to always, or use Redis 7.2 or newer.")
    says = f"appendfsync is {fsync}: each step waits up to a second for the disk."
    if fsync == "no":
        says = "appendfsync is no: each step waits until the operating system writes to disk."
    return Problem(says, "Set it to always.", is_fatal=False)


async def _knows_waitaof(redis: Commands) -> bool:
    """Whether steps can wait for the disk; a server that only refuses for now can."""
    with translated():
        async with redis.client() as connection:
            try:
                await connection.execute_command("WAITAOF", 0, 0, 1)
            except ResponseError as error:
                return not is_unknown(error)
    return True


async def appendfsync(redis: Commands) -> str | None:
    """How often the server flushes its file; None if it doesn't say. Raises `Unavailable`."""
    with translated():
        try:
            found: dict[str | bytes, object] = await redis.config_get("appendfsync")
        except ResponseError:
            return None
    value = next(iter(found.values()), None)
    return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else None
