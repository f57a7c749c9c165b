"""A Redis Cluster of three masters, and a replica of the one that has our keys; all of them real processes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from bot.store.connection import Commands, connect
from sandbox.serving import free_port
from tests.support.processes import SECONDS, OwnRedis, Tls

SLOTS = 16_384
THIRDS = (0, SLOTS // 3, 2 * SLOTS // 3, SLOTS)
PASSWORD = "made-up"
NODE_TIMEOUT_MS = 15_000
"""Redis's own. A node that has no CPU for that long counts as failed, and no node takes a write then."""
FAILED_OVER_MS = 3000
"""For those who wait for a failover."""


@dataclass(slots=True)
class Cluster:
    """Three masters with a third of the slots each, and one replica."""

    program: Path
    tls: Tls | None = None
    masters: list[OwnRedis] = field(default_factory=list[OwnRedis])
    replicas: list[OwnRedis] = field(default_factory=list[OwnRedis])

    @property
    def url(self) -> str:
        """For REDIS_URL, without the replica: clients have to find that by themselves."""
        return self.url_of(*(each.port for each in self.masters))

    def url_of(self, *ports: int) -> str:
        """The same, with the nodes at these ports alone."""
        url = f"+cluster://:{PASSWORD}@{','.join(f'127.0.0.1:{port}' for port in ports)}"
        return f"rediss{url}?ssl_ca_certs={self.tls.trust}" if self.tls else f"redis{url}"

    def home_of(self, key: str) -> OwnRedis:
        """The master that had the slot of this key when the cluster was made."""
        slot = key_slot(key.encode())
        return next(each for each, end in zip(self.masters, THIRDS[1:], strict=True) if slot < end)

    async def promoted(self, replica: OwnRedis, key: str, *, without: OwnRedis | None = None) -> None:
        """Wait until all masters that live say that this one has the slot of this key, `without` one that hangs."""
        slot = key_slot(key.encode())
        for each in (*self.masters, replica):
            if each is without or each.process is None or each.process.returncode is not None:
                continue
            async with asyncio.timeout(SECONDS):
                while await _master_of(each, slot) != replica.port:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.05)


async def _master_of(server: OwnRedis, slot: int) -> int:
    return next(int(each[2][1]) for each in await ask(server, "CLUSTER", "SLOTS") if each[0] <= slot <= each[1])


async def ask(server: OwnRedis, *words: object) -> Any:
    """One node's answer."""
    async with connect(server.url) as client:
        commands: Commands = client
        return await commands.execute_command(*words)


async def move_slot(key: str, start: OwnRedis, end: OwnRedis) -> None:
    """Give the slot of this key, with all that is in it, to another master, as `redis-cli --cluster reshard` does."""
    await begin_move(key, start, end)
    await move_keys(key, start, end)
    await end_move(key, start, end)


async def begin_move(key: str, start: OwnRedis, end: OwnRedis) -> None:
    """From now on, the one node answers for keys that are there, and for those only, and the other for no others."""
    slot = key_slot(key.encode())
    await ask(end, "CLUSTER", "SETSLOT", slot, "IMPORTING", await id_of(start))
    await ask(start, "CLUSTER", "SETSLOT", slot, "MIGRATING", await id_of(end))


async def move_keys(key: str, start: OwnRedis, end: OwnRedis) -> None:
    """Copy what is in the slot, and delete it here."""
    slot = key_slot(key.encode())
    while keys := await ask(start, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        await ask(start, "MIGRATE", "127.0.0.1", end.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)


async def end_move(key: str, start: OwnRedis, end: OwnRedis) -> None:
    """Have both say that the slot has moved; they tell the others."""
    for each in (end, start):
        await ask(each, "CLUSTER", "SETSLOT", key_slot(key.encode()), "NODE", await id_of(end))


async def id_of(node: OwnRedis) -> str:
    """What the nodes call one of them."""
    found: bytes = await ask(node, "CLUSTER", "MYID")
    return found.decode()


async def has_refused(node: OwnRedis) -> None:
    """Wait until a node has sent someone elsewhere."""
    async with connect(node.url) as client, asyncio.timeout(SECONDS):
        commands: Commands = client
        while not {"errorstat_ASK", "errorstat_TRYAGAIN"} & (await commands.info("errorstats")).keys():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


@asynccontextmanager
async def cluster(
    folder: Path,
    key: str,
    program: Path,
    tls: Tls | None = None,
    *,
    timeout_ms: int = NODE_TIMEOUT_MS,
) -> AsyncGenerator[Cluster]:
    """A cluster that answers for all slots, with a replica of the master that has `key`."""
    here = Cluster(program, tls)
    async with AsyncExitStack() as stack:

        async def node() -> OwnRedis:
            port = free_port()
            place = folder / f"node-{port}"
            place.mkdir(parents=True)
            more = f"--cluster-enabled yes --cluster-port {free_port()} --cluster-node-timeout {timeout_ms}"
            more += " --cluster-replica-validity-factor 0"
            if tls:
                more += " --tls-cluster yes"
            server = OwnRedis(place, port, more, PASSWORD, program, tls)
            stack.push_async_callback(server.kill)
            try:
                await server.start()
            except ChildProcessError:  # someone else took a port that was free a moment ago
                return await node()
            return server

        for start, end in pairwise(THIRDS):
            here.masters.append(server := await node())
            await ask(server, "CLUSTER", "ADDSLOTSRANGE", start, end - 1)
        here.replicas.append(await node())
        first, *others = (*here.masters, *here.replicas)
        for each in others:
            bus = int(each.more.split()[3])
            await ask(first, "CLUSTER", "MEET", "127.0.0.1", each.port, bus)
        for each in (first, *others):
            await until_it_says(each, "cluster_state", "ok")
            await until_it_says(each, "cluster_known_nodes", "4")
        home = (await ask(here.home_of(key), "CLUSTER", "MYID")).decode()
        await ask(here.replicas[0], "CLUSTER", "REPLICATE", home)
        await until_followed(here, key)
        yield here


async def until_it_says(server: OwnRedis, name: str, value: str) -> None:
    """Wait until `CLUSTER INFO` of a node says so."""
    async with asyncio.timeout(SECONDS):
        while f"{name}:{value}\r\n".encode() not in bytes(await ask(server, "CLUSTER", "INFO")):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def until_followed(here: Cluster, key: str) -> None:
    """Wait until the replica has what its master has, and all nodes know of it."""
    async with asyncio.timeout(SECONDS):
        for each in (*here.masters, *here.replicas):
            while True:
                ranges = await ask(each, "CLUSTER", "SLOTS")
                if any(len(found) > 3 for found in ranges):
                    break
                await asyncio.sleep(0.05)
        while True:
            async with connect(here.replicas[0].url) as client:
                commands: Commands = client
                found = await commands.info("replication")
            if found["master_link_status"] == "up":
                return
            await asyncio.sleep(0.05)
