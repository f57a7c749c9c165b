"""A master with a replica, and three sentinels that watch them; all of them real processes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as ConnectionFailed

from bot.store import embedded
from bot.store.connection import Commands, connect
from tests.support.processes import SECONDS, OwnRedis

PASSWORD, WATCHING = "made-up", "also-made-up"
CONFIGURATION = """\
port {port}
bind 127.0.0.1
dir {folder}
requirepass {watching}
sentinel monitor main 127.0.0.1 {master} 2
sentinel auth-pass main {password}
sentinel sentinel-pass {watching}
sentinel down-after-milliseconds main 1500
sentinel failover-timeout main 5000
"""


@dataclass(slots=True)
class Watched:
    """Two servers of one service, of which the sentinels make one the master."""

    folder: Path
    free_port: Callable[[], int]
    servers: list[OwnRedis] = field(default_factory=list[OwnRedis], init=False)
    ports: list[int] = field(default_factory=list[int], init=False)

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/main/0?sentinel_password={WATCHING}"

    async def add(self, stack: AsyncExitStack, more: str = "") -> OwnRedis:
        """One more server, until the stack is left."""
        folder = self.folder / f"server-{len(self.servers)}"
        folder.mkdir(parents=True)
        server = OwnRedis(folder, self.free_port(), more, PASSWORD)
        stack.push_async_callback(server.kill)
        await server.start()
        self.servers.append(server)
        return server

    async def watch(self, stack: AsyncExitStack) -> None:
        """Start a sentinel."""
        port = self.free_port()
        folder = self.folder / f"sentinel-{port}"
        folder.mkdir()
        file = folder / "sentinel.conf"
        master = self.servers[0].port
        text = CONFIGURATION.format(port=port, folder=folder, master=master, password=PASSWORD, watching=WATCHING)
        file.write_text(text, "utf-8")
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(embedded._binary(), file, "--sentinel", stdin=null, stdout=null)

        async def end() -> None:
            process.kill()
            await process.wait()

        stack.push_async_callback(end)
        self.ports.append(port)

    async def ask(self, port: int, *words: str) -> Any:
        """One sentinel's answer."""
        async with connect(f"redis://:{WATCHING}@127.0.0.1:{port}") as client:
            commands: Commands = client
            return await commands.execute_command(*words)

    async def promoted(self, former: OwnRedis) -> OwnRedis:
        """Wait until all sentinels name another master than this one."""
        (other,) = (each for each in self.servers if each is not former)
        for port in self.ports:
            async with asyncio.timeout(SECONDS):
                while await self._named(port) != other.port:  # noqa: ASYNC110 -- a sentinel tells only its subscribers
                    await asyncio.sleep(0.05)
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
                _, copies = await connection.execute_command("WAITAOF", 1, 1, 500)


@asynccontextmanager
async def replicated(folder: Path, free_port: Callable[[], int]) -> AsyncGenerator[Watched]:
    """A master and its replica, which nobody watches yet."""
    here = Watched(folder, free_port)
    async with AsyncExitStack() as stack:
        master = await here.add(stack)
        await here.add(stack, f"--replicaof 127.0.0.1 {master.port}")
        await is_followed(master)
        yield here


@asynccontextmanager
async def watched(folder: Path, free_port: Callable[[], int]) -> AsyncGenerator[Watched]:
    """A master, its replica, and three sentinels that know both and each other."""
    async with replicated(folder, free_port) as here, AsyncExitStack() as stack:
        for _ in range(3):
            await here.watch(stack)
        async with asyncio.timeout(SECONDS):
            for port in here.ports:
                while not await _knows_all(here, port):  # noqa: ASYNC110 -- as above
                    await asyncio.sleep(0.05)
        yield here


async def _knows_all(here: Watched, port: int) -> bool:
    try:
        told: list[bytes] = await here.ask(port, "SENTINEL", "MASTER", "main")
    except ConnectionFailed:
        return False  # it is just starting
    found = dict(zip(told[::2], told[1::2], strict=True))
    return (found[b"num-other-sentinels"], found[b"num-slaves"]) == (b"2", b"1")
