"""Bots in processes of their own, a Redis of one's own, and what to look at after one of them was killed."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import httpx
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.app import audit_lines
from bot.store import embedded
from bot.store.audit.chain import verify_lines
from bot.store.connection import Commands, connect
from bot.store.sealing import Sealer, parse_master_keys
from sandbox.cast import TEAM
from sandbox.gate import Gate
from sandbox.serving import free_port
from sandbox.slack.person import PersonAtClient
from sandbox.stage import MASTER_KEY, BotProcess, Stage, fresh, stage
from tests.support.forked import forked
from tests.support.forward_proxy import pump
from tests.support.play import Play, settings_from
from tests.support.tls import authority

NameT = TypeVar("NameT", bound=str)
SECONDS = 60.0
LEASE = 31
"""Seconds after which another process takes over what a dead one held, and looks for what it sent."""
PRODUCT = ("-m", "bot", "run")


async def until(predicate: Callable[[], object], what: str) -> None:
    """Wait for something that tells nobody when it changes: a file, or the state of another system."""
    try:
        async with asyncio.timeout(SECONDS):
            while not predicate():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def has_read(bot: BotProcess) -> None:
    """Wait until this process, the first on its store, has something to offer in the form."""
    await until(lambda: "catalog loaded" in bot.log.read_text(), "the catalog")


@dataclass(slots=True)
class Bots:
    """The bots of one stage, each in a process of its own, all with one store."""

    stage: Stage
    running: list[BotProcess] = field(default_factory=list[BotProcess], init=False)

    async def start(self, *, program: Sequence[str] = ("-m", "sandbox.bot"), **changes: str) -> BotProcess:
        """Start one more and wait until Slack reaches it, in the mode that its settings name."""
        folder, sockets = self.stage.folder, self.stage.slack.sockets
        settings = self.stage.environment() | changes
        launch = fresh if program == PRODUCT else forked
        bot = BotProcess(settings, folder / "clock", folder / f"bot-{len(self.running)}.log", program, launch)
        self.running.append(bot)
        await bot.start()
        try:
            if settings["SLACK_MODE"] == "http":
                await self.stage.deliver_by_http(int(settings["PORT"]))
            else:
                await sockets.wait_connected(sum(each.is_alive for each in self.running))
        except TimeoutError:
            raise AssertionError(f"the bot did not come up:\n{bot.log.read_text()}") from None
        return bot

    async def kill(self, bot: BotProcess) -> None:
        """`kill -9`, and wait until Slack has noticed."""
        left = sum(each.is_alive for each in self.running) - 1
        await bot.kill()
        await until(lambda: self.stage.slack.sockets.connections <= left, "Slack to notice")


@asynccontextmanager
async def bots_of(here: Stage) -> AsyncGenerator[Bots]:
    """Processes to start; none is left at the end."""
    bots = Bots(here)
    try:
        yield bots
    finally:
        for bot in bots.running:
            await bot.kill()


@asynccontextmanager
async def crew(folder: Path) -> AsyncGenerator[tuple[Play, Bots]]:
    """A stage without a bot, Dana and Erin at their clients, and bots to start."""
    async with stage(folder) as here, bots_of(here) as bots:
        yield Play(here, here.slack.person("U0DANA"), here.slack.person("U0ERIN")), bots


@asynccontextmanager
async def held(gates: dict[NameT, Gate], name: NameT) -> AsyncGenerator[Gate]:
    """Hold the calls of this name, as long as the gate stands among `gates`; at the end all of them go on."""
    gate = gates[name] = Gate()
    try:
        yield gate
    finally:
        gates.pop(name, None)
        gate.opened.set()


async def reached(gate: Gate) -> None:
    """Wait until someone is held at the gate."""
    async with asyncio.timeout(SECONDS):
        await gate.reached.wait()


async def in_time(it: Play, person: PersonAtClient, text: str) -> None:
    """Let time pass, a few seconds at once, until this person sees this text."""

    def look() -> bool:
        it.advance(seconds=0.5)
        return person.sees(text)

    try:
        await until(look, repr(text))
    except AssertionError as error:
        raise AssertionError(f"{error}; {person.user} sees:\n{person.describe()}") from None


async def take_secret(it: Play) -> str:
    """Dana clicks `Show secret` and sees the secret of our only key, in one message. Returns the secret."""
    await it.dana.click("Show secret")
    (key,) = it.our_keys()
    secret = it.stage.organization.secrets_issued[key]
    await it.dana.see(secret)
    assert payloads_with(it.stage, secret) == 1
    return secret


def payloads_with(here: Stage, text: str) -> int:
    """How many of the things that the bots sent to Slack hold this text."""
    return sum(text in json.dumps(sent.payload, ensure_ascii=False) for sent in here.slack.workspace.outgoing)


def creates(here: Stage) -> int:
    """How many requests to make a key Confluent has answered."""
    return sum((call.method, call.path) == ("POST", "/iam/v2/api-keys") for call in here.organization.journal)


def newest_card(it: Play) -> str:
    """The newest card in the approvals channel, as text."""
    return json.dumps(it.cards()[-1], ensure_ascii=False)


async def audit_of(here: Stage, **changes: str) -> list[Mapping[str, Any]]:
    """The audit log of the stage's store. Its chain and its MACs hold, or this fails."""
    lines = [line async for line in audit_lines(settings_from(here.environment() | changes), TEAM)]
    assert lines
    assert verify_lines(lines, Sealer(parse_master_keys(MASTER_KEY))) is None
    return lines


def actions(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the lines of an audit log are about, in order."""
    return [line["action"] for line in lines]


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: its exit code, and all that it wrote."""

    code: int
    out: str
    err: str


async def latchkey(*words: str, **environment: str) -> Ended:
    """Run `latchkey` in this environment alone, to its end."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = await forked(("-m", "bot", *words), kept | environment, out, err)
        try:
            async with asyncio.timeout(SECONDS * 2):
                code = await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        return Ended(code, *(file.read_text("utf-8") for file in (out, err)))


@dataclass(frozen=True, slots=True)
class Tls:
    """For servers that speak nothing but TLS: whom to trust, and what they show."""

    trust: Path
    served: Path

    @property
    def options(self) -> Mapping[str, str]:
        """What a server, or a sentinel, has to be told."""
        ours = {"tls-cert-file": self.served, "tls-key-file": self.served, "tls-ca-cert-file": self.trust}
        return {name: str(file) for name, file in ours.items()} | {"tls-replication": "yes", "tls-auth-clients": "no"}

    @classmethod
    def made(cls, folder: Path) -> "Tls":
        """A throwaway authority's; its files are in the folder."""
        trust, _ = authority(folder, ["localhost", "127.0.0.1"])
        return cls(trust, folder / "served.pem")


@dataclass(slots=True)
class OwnRedis:
    """A server that we run ourselves, on a loopback port, with an append-only file: Valkey, or another `program`."""

    folder: Path
    port: int
    more: str = ""
    password: str = ""
    program: Path = field(default_factory=embedded._binary)
    tls: Tls | None = None
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        secret = f":{self.password}@" if self.password else ""
        if self.tls:
            return f"rediss://{secret}localhost:{self.port}/0?ssl_ca_certs={self.tls.trust}"
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, and wait until it answers. Raises `ChildProcessError` if it ends, as on a port that is taken."""
        port = f"--port 0 --tls-port {self.port}" if self.tls else f"--port {self.port}"
        for name, value in (self.tls.options if self.tls else {}).items():
            port += f" --{name} {value}"
        options = f"{port} --bind 127.0.0.1 --dir {self.folder} --appendonly yes --appendfsync always"
        options += f" --repl-diskless-sync-delay 0 {self.more}"
        if self.password:
            options += f" --requirepass {self.password} --masterauth {self.password}"
        self.process = await asyncio.create_subprocess_exec(
            self.program,
            *options.split(),
            "--save",
            "",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(SECONDS):
            while not await self._answers():
                if self.process.returncode is not None:
                    raise ChildProcessError(f"{self.program.name} on port {self.port} ended")
                await asyncio.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, whatever state it is in."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _answers(self) -> bool:
        async with connect(self.url) as client:
            commands: Commands = client
            with suppress(ConnectionFailed):
                return bool(await commands.ping())
        return False


@dataclass(slots=True)
class MovingName:
    """An address that leads to one server, then to another; connections that were made before stay where they are."""

    port: int
    to: OwnRedis

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        secret = f":{self.to.password}@" if self.to.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    async def fail_over(self, after: OwnRedis) -> None:
        """Make the second server the master and the first its replica, and let the name lead to the new master."""
        async with connect(self.to.url) as one, connect(after.url) as two:
            first: Commands = one
            second: Commands = two
            await second.replicaof("127.0.0.1", self.to.port)
            async with asyncio.timeout(SECONDS):
                while (await second.info("replication"))["master_link_status"] != "up":  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
                while not await first.wait(1, 100):
                    pass
            await second.replicaof("NO", "ONE")
            await first.replicaof("127.0.0.1", after.port)
        self.to = after

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        there, away = await asyncio.open_connection("127.0.0.1", self.to.port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(reader, away))
                group.create_task(pump(there, writer))
        finally:
            away.close()
            writer.close()


@asynccontextmanager
async def moving_name(to: OwnRedis) -> AsyncGenerator[MovingName]:
    """A name for this server, which may lead to another one later."""
    name = MovingName(0, to)
    async with await asyncio.start_server(name.lead, "127.0.0.1", 0) as server:
        name.port = server.sockets[0].getsockname()[1]
        yield name


async def readiness(port: int, when: Callable[[httpx.Response], bool]) -> httpx.Response:
    """What `/readyz` of a bot answers once it is so: for a second, it gives the answer before."""
    said = "none at all"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    with suppress(httpx.ConnectError):  # it is just starting
                        answer = await client.get("/readyz")
                        if when(answer):
                            return answer
                        said = answer.text
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"waited in vain for another readiness than {said}") from None


@asynccontextmanager
async def own_redis(
    here: Stage, name: str = "redis", program: Path | None = None, tls: Tls | None = None
) -> AsyncGenerator[OwnRedis]:
    """A Redis of our own beside the stage: Valkey, or another `program`."""
    folder = here.folder / name
    folder.mkdir()
    port = free_port()
    redis = OwnRedis(folder, port, program=program, tls=tls) if program else OwnRedis(folder, port)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.kill()


async def everything_in(redis: Redis) -> bytes:
    """Every key and every value of a server, one after the other."""
    commands: Commands = redis
    parts: list[bytes] = []
    async for key in commands.scan_iter():
        match (await commands.type(key)).decode():
            case "string":
                found: object = [await commands.get(key)]
            case "hash":
                found = [each for pair in (await commands.hgetall(key)).items() for each in pair]
            case "list":
                found = await commands.lrange(key, 0, -1)
            case "zset":
                found = await commands.zrange(key, 0, -1)
            case "none":
                continue  # its time was over between the two looks
            case kind:
                raise AssertionError(f"Latchkey keeps no {kind}")
        parts += [key, *cast("list[bytes]", found)]
    return b"\n".join(parts)
