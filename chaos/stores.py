"""Where the bots keep their state in a run, and what goes wrong there: one server, Sentinel, or a Redis Cluster.

A server that hangs until another one takes its place, and then continues as if it were still the master, is what a
network split looks like to clients.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from redis.exceptions import ResponseError

from bot.domain.keys import TeamId
from bot.store import Store
from bot.store.connection import Commands, connect, following
from bot.store.keyspace import Keyspace
from bot.store.sealing import Sealer, parse_master_keys
from sandbox.cast import TEAM
from sandbox.stage import MASTER_KEY, Stage
from tests.support.clusters import FAILED_OVER_MS, Cluster, cluster, move_slot
from tests.support.processes import SECONDS, OwnRedis, Tls, own_redis
from tests.support.sentinels import Watched, is_followed, watched

PROBE = Keyspace(TeamId(TEAM)).probe
KINDS = ("server", "sentinel", "cluster")
HANGING_MASTER, HANGING_REPLICA = "the master hangs until its replica is promoted", "the replica hangs"
HARM = {"kill -9 of the master": 3, HANGING_MASTER: 2, HANGING_REPLICA: 1}
"""What happens to a master and its replica, and how often."""
Delayed = Callable[[], AbstractAsyncContextManager[None]]
"""While inside this context, time doesn't jump."""


class ChaosStore(Protocol):
    """A store that can be harmed; when `harm` returns, it works again."""

    folder: Path
    """The folder of everything that its processes write."""
    replicas: int
    """For LATCHKEY_REDIS_REPLICAS."""

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        ...

    async def harm(self, numbers: Random, tally: Counter[str], delayed: Delayed) -> None:
        """Let one random thing go wrong, and count it."""
        ...


@asynccontextmanager
async def opened(kind: str, here: Stage, *, encrypted: bool = False) -> AsyncGenerator[ChaosStore]:
    """A store of this kind for the stage; it ends with the context. An `encrypted` one speaks nothing but TLS."""
    folder = here.folder / "redis"
    wanted = os.environ.get("TEST_REDIS_SERVER")
    program = Path(wanted) if wanted else OwnRedis(folder, 0).program
    tls = Tls.made(here.folder) if encrypted else None
    async with AsyncExitStack() as stack:
        if kind == "sentinel":
            service = await stack.enter_async_context(watched(folder, program, tls))
            yield BySentinel(folder, service)
        elif kind == "cluster":
            masters = cluster(folder, PROBE, program, tls, timeout_ms=FAILED_OVER_MS)
            nodes = await stack.enter_async_context(masters)
            yield OfCluster(folder, nodes, nodes.home_of(PROBE), nodes.replicas[0])
        else:
            yield OneServer(folder, await stack.enter_async_context(own_redis(here, program=program, tls=tls)))


@asynccontextmanager
async def reading(store: ChaosStore) -> AsyncGenerator[Commands]:
    """A client of the server that has our keys now."""
    async with connect(store.url, key=PROBE) as client, following(client):
        yield client


def store_of(client: Commands) -> Store:
    """The bots' store, over this client."""
    return Store.open(client, Sealer(parse_master_keys(MASTER_KEY)), TeamId(TEAM))


@dataclass(slots=True)
class OneServer:
    """One server, which is killed or stopped."""

    folder: Path
    redis: OwnRedis
    replicas: int = 0

    @property
    def url(self) -> str:
        """As `ChaosStore.url`."""
        return self.redis.url

    async def harm(self, numbers: Random, tally: Counter[str], delayed: Delayed) -> None:
        """As `ChaosStore.harm`."""
        if numbers.random() < 0.7:  # noqa: PLR2004 - more often than not
            tally["Redis: kill -9"] += 1
            await self.redis.kill()
            await asyncio.sleep(numbers.uniform(0, 3))
            await self.redis.start()
            return
        tally["Redis: SIGSTOP"] += 1
        async with delayed():
            await _hangs(self.redis, numbers)


@dataclass(slots=True)
class BySentinel:
    """A master and its replica, which swap roles: the master fails, or a sentinel is asked for a failover."""

    folder: Path
    service: Watched
    master: int = 0
    replicas: int = 1

    @property
    def url(self) -> str:
        """As `ChaosStore.url`."""
        return self.service.url

    async def harm(self, numbers: Random, tally: Counter[str], delayed: Delayed) -> None:
        """As `ChaosStore.harm`."""
        former, replica = self.service.servers[self.master], self.service.servers[1 - self.master]
        (fault,) = numbers.choices(("planned failover", *HARM), (2, *HARM.values()))
        async with delayed():
            if fault == HANGING_REPLICA:
                await _hangs(replica, numbers)
                await is_followed(former)
            elif not await self._failed_over(fault, former, numbers):
                fault = "planned failover refused"
        tally[f"Sentinel: {fault}"] += 1

    async def _failed_over(self, fault: str, former: OwnRedis, numbers: Random) -> bool:
        """Have the replica promoted, and the former master follow it. Returns False if the sentinels refuse."""
        if fault == "planned failover":
            try:
                await self.service.ask(self.service.ports[0], "SENTINEL", "failover", "main")
            except ResponseError:  # the one before is hardly over
                return False
            promoted = await self.service.promoted(former)
        else:
            async with _away(former, fault, numbers):
                promoted = await self.service.promoted(former)
        await is_followed(promoted)
        self.master = 1 - self.master
        return True


@dataclass(slots=True)
class OfCluster:
    """The node with our slot fails, and its replica is promoted; or the slot moves to another node and back."""

    folder: Path
    nodes: Cluster
    home: OwnRedis
    replica: OwnRedis
    replicas: int = 1

    @property
    def url(self) -> str:
        """As `ChaosStore.url`."""
        return self.nodes.url

    async def harm(self, numbers: Random, tally: Counter[str], delayed: Delayed) -> None:
        """As `ChaosStore.harm`."""
        (fault,) = numbers.choices(("slot moved and back", *HARM), (2, *HARM.values()))
        async with delayed():
            if fault == HANGING_REPLICA:
                await _hangs(self.replica, numbers)
            elif fault in HARM:
                async with _away(self.home, fault, numbers):
                    await self.nodes.promoted(self.replica, PROBE, without=self.home)
                self.home, self.replica = self.replica, self.home
            else:
                away = next(each for each in self.nodes.masters if each not in (self.home, self.replica))
                await move_slot(PROBE, self.home, away)
                await asyncio.sleep(numbers.uniform(0, 2))  # no replica is there, so no step is taken
                await move_slot(PROBE, away, self.home)
            await _follows(self.replica, self.home)
        tally[f"Cluster: {fault}"] += 1


@asynccontextmanager
async def _away(server: OwnRedis, fault: str, numbers: Random) -> AsyncGenerator[None]:
    """Kill this server, or let it hang, until the context ends and a while longer; then let it run again."""
    if fault == HANGING_MASTER:
        server.signal(signal.SIGSTOP)
    else:
        await server.kill()
    try:
        yield
        await asyncio.sleep(numbers.uniform(0, 3))
    finally:
        if fault == HANGING_MASTER:
            server.signal(signal.SIGCONT)
    if fault != HANGING_MASTER:
        await server.start()


async def _hangs(server: OwnRedis, numbers: Random) -> None:
    server.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(numbers.uniform(0.5, 4))
    finally:
        server.signal(signal.SIGCONT)


async def _follows(replica: OwnRedis, master: OwnRedis) -> None:
    """Wait until the replica follows this master."""
    async with connect(replica.url) as client, asyncio.timeout(SECONDS):
        commands: Commands = client
        while True:
            found = await commands.info("replication")
            if (found.get("master_port"), found.get("master_link_status")) == (master.port, "up"):
                return
            await asyncio.sleep(0.05)
