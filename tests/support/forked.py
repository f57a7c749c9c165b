"""Programs of ours in processes of their own, forked from one that has imported everything: a start takes no second.

What forks is multiprocessing's fork server, one for each pytest worker. It is fresh, not a fork of pytest: no event
loop, thread, socket or lock of a test gets into a program. That gets what `subprocess` would give it: a process id, an
environment and files of its own, and an end by any signal. It only misses the start of Python itself, and shares the
seed of hashes with its siblings: what is about a start takes `sandbox.stage.fresh`.
"""

import asyncio
import gc
import os
import runpy
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

from sandbox.stage import Running, fresh

_SERVER = get_context("forkserver") if sys.platform == "linux" else None  # macOS's own libraries do not
_ready, _starting = threading.Event(), threading.Lock()
_HEEDED_AT_IMPORT = {"SSL_CERT_FILE", "SSL_CERT_DIR"}
"""What aiohttp makes its TLS context of, once."""


class Forked:
    """Such a process, with the methods of asyncio's; belongs to the loop that started it."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
        """Start it; blocks for as long as a fork takes. `_make_ready` comes before the first one."""
        assert _SERVER is not None
        self._process = _SERVER.Process(target=_become, args=(program, environment, Path.cwd(), out, err), daemon=True)
        self._process.start()
        self.pid: int = self._process.pid or 0
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._process.sentinel, self._note_end)

    def _note_end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._ended.set_result(self._process.exitcode or 0)

    @property
    def returncode(self) -> int | None:
        """Its exit code once it has ended: minus the number of the signal that ended it, as with asyncio's."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal. Raises ProcessLookupError once it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Until it has ended; returns its exit code."""
        return await asyncio.shield(self._ended)


async def forked(program: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> Running:
    """Start what `python PROGRAM` runs, like `fresh`; `program` is `-m`, a module and its words.

    It is `fresh` where libraries look at the environment while they are imported, and on macOS.
    """
    if _SERVER is None or environment.keys() & _HEEDED_AT_IMPORT:
        return await fresh(program, environment, out, err)
    if not _ready.is_set():
        await asyncio.to_thread(_make_ready)  # a bot in this loop goes on answering
    return Forked(program, environment, out, err)


def _make_ready() -> None:
    """Have what forks import everything: 3.5 seconds, and more than a click may take on a busy machine."""
    assert _SERVER is not None
    with _starting:
        if not _ready.is_set():
            _SERVER.set_forkserver_preload(["tests.support.preloaded"])
            first = _SERVER.Process(target=int, daemon=True)
            first.start()
            first.join()
            _ready.set()


def _become(program: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, err: Path) -> NoReturn:
    gc.freeze()  # what was imported stays
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, file in enumerate((Path(os.devnull), out, err)):
        with file.open("ab" if number else "rb") as opened:
            os.dup2(opened.fileno(), number)
    dash, module, *words = program
    assert dash == "-m"
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()
