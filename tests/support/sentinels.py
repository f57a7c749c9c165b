"""A master with a replica, and three sentinels that watch them; all of them real processes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import ResponseError

from bot.store.connection import Commands, connect
from sandbox.serving import free_port
from tests.support.processes import SECONDS, OwnRedis, Tls

PASSWORD, WATCHING = "made-up", "also-made-up"
POLLED = 0.2
"""Seconds between two questions to a sentinel: with TLS, each takes 40 ms of the loop in which the sandbox runs."""
CONFIGURATION = """\
{listens}
bind 127.0.0.1
dir {folder}
requirepass {watching}
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip {host}
sentinel monitor main {host} {master} 2
sentinel auth-pass main {password}
sentinel sentinel-pass {watching}
sentinel down-after-milliseconds main 1500
sentinel failover-timeout main 5000
"""


@dataclass(slots=True)
class Watched:
    """Two servers of one service, of which the sentinels make one the master."""

    folder: Path
    program: Path
    tls: Tls | None = None
    servers: list[OwnRedis] = field(default_factory=list[OwnRedis], init=False)
    ports: list[int] = field(default_factory=list[int], init=False)

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        hosts = ",".join(f"{self.host}:{port}" for port in self.ports)
        url = f"+sentinel://:{PASSWORD}@{hosts}/main/0?sentinel_password={WATCHING}"
        return f"rediss{url}&ssl_ca_certs={self.tls.trust}" if self.tls else f"redis{url}"

    @property
    def host(self) -> str:
        """The name of all servers and sentinels; a certificate is for a name."""
        return "localhost" if self.tls else "127.0.0.1"

    async def add(self, stack: AsyncExitStack, more: str = "") -> OwnRedis:
        """One more server, until the stack is left."""
        folder = self.folder / f"server-{len(self.servers)}"
        folder.mkdir(parents=True)
        server = OwnRedis(folder, free_port(), more, PASSWORD, self.program, self.tls)
        stack.push_async_callback(server.kill)
        await server.start()
        self.servers.append(server)
        return server

    async def watch(self, stack: AsyncExitStack) -> None:
        """Start a sentinel."""
        port = free_port()
        folder = self.folder / f"sentinel-{port}"
        folder.mkdir()
        file = folder / "sentinel.conf"
        master = self.servers[0].port
        tls = {"port": "0", "tls-port": str(port), **self.tls.options} if self.tls else {"port": str(port)}
        listens = "\n".join(f"{name} {value}" for name, value in tls.items())
        named = {"host": self.host, "master": master, "password": PASSWORD, "watching": WATCHING}
        file.write_text(CONFIGURATION.format(listens=listens, folder=folder, **named), "utf-8")
        null = asyncio.subprocess.DEVNULL
        own = self.program.with_name("redis-sentinel")  # a program of its own in Debian; the wheel has none
        words = (own, file) if own.exists() else (self.program, file, "--sentinel")
        process = await asyncio.create_subprocess_exec(*words, stdin=null, stdout=null)

        async def end() -> None:
            process.kill()
            await process.wait()

        stack.push_async_callback(end)
        self.ports.append(port)

    async def ask(self, port: int, *words: str) -> Any:
        """One sentinel's answer."""
        url = f"://:{WATCHING}@{self.host}:{port}"
        async with connect(f"rediss{url}?ssl_ca_certs={self.tls.trust}" if self.tls else f"redis{url}") as client:
            commands: Commands = client
            return await commands.execute_command(*words)

    async def named(self, port: int) -> int:
        """The port of the master that this sentinel names, once it answers."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return await self._named(port)
                except ConnectionFailed:  # it is just starting
                    await asyncio.sleep(0.05)

    async def visits(self, port: int) -> int:
        """How many connections were made to this sentinel, with the one that asks."""
        return int((await self.ask(port, "INFO", "stats"))["total_connections_received"])

    async def promoted(self, former: OwnRedis) -> OwnRedis:
        """Wait until all sentinels name another master than this one."""
        (other,) = (each for each in self.servers if each is not former)
        for port in self.ports:
            async with asyncio.timeout(SECONDS):
                while await self._named(port) != other.port:  # noqa: ASYNC110 -- a sentinel tells only its subscribers
                    await asyncio.sleep(POLLED)
        return other

    async def _named(self, port: int) -> int:
        _, named = await self.ask(port, "SENTINEL", "get-master-addr-by-name", "main")
        return int(named)


async def is_worked_on(server: OwnRedis) -> None:
    """Wait until a bot runs its scripts here: it asks the sentinels for the master each second."""
    async with connect(server.url) as client, asyncio.timeout(SECONDS):
        commands: Commands = client
        while "cmdstat_evalsha" not in await commands.info("commandstats"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


@asynccontextmanager
async def staying_master(server: OwnRedis) -> AsyncGenerator[None]:
    """Keep the sentinels from making a replica of this server, as they do about ten seconds after a failover."""
    async with connect(server.url) as client:
        commands: Commands = client
        await commands.execute_command("ACL", "SETUSER", "default", "-replicaof", "-slaveof")
        yield
        assert (await commands.info("replication"))["role"] == "master"
        await commands.execute_command("ACL", "SETUSER", "default", "+@all")


async def is_followed(server: OwnRedis) -> None:
    """Wait until a replica has on disk what this one writes, which takes seconds after its first copy."""
    async with connect(server.url) as client, asyncio.timeout(SECONDS):
        commands: Commands = client
        async with commands.client() as connection:
            copies = 0
            while not copies:
                await connection.set("made-up", b"", px=1)
                try:
                    _, copies = await connection.execute_command("WAITAOF", 1, 1, 500)
                except ResponseError:  # one before 7.2 knows only what replicas have in memory
                    copies = await connection.wait(1, 500)


@asynccontextmanager
async def replicated(folder: Path, program: Path, tls: Tls | None = None) -> AsyncGenerator[Watched]:
    """A master and its replica, which nobody watches yet."""
    here = Watched(folder, program, tls)
    async with AsyncExitStack() as stack:
        announced = f"--replica-announce-ip {here.host}"
        master = await here.add(stack, announced)
        await here.add(stack, f"{announced} --replicaof {here.host} {master.port}")
        await is_followed(master)
        yield here


@asynccontextmanager
async def watched(folder: Path, program: Path, tls: Tls | None = None) -> AsyncGenerator[Watched]:
    """A master, its replica, and three sentinels that know both and each other."""
    async with replicated(folder, program, tls) as here, AsyncExitStack() as stack:
        for _ in range(3):
            await here.watch(stack)
        async with asyncio.timeout(SECONDS):
            for port in here.ports:
                while not await _knows_all(here, port):  # noqa: ASYNC110 -- as above
                    await asyncio.sleep(POLLED)
        yield here


async def _knows_all(here: Watched, port: int) -> bool:
    try:
        told: list[bytes] = await here.ask(port, "SENTINEL", "MASTER", "main")
    except ConnectionFailed:
        return False  # it is just starting
    found = dict(zip(told[::2], told[1::2], strict=True))
    return (found[b"num-other-sentinels"], found[b"num-slaves"]) == (b"2", b"1")
