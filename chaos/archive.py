"""Moves the oldest audit lines to files while everything breaks, and often kills `latchkey audit archive` itself.

What an archive leaves behind is handled as docs/audit.md says, so that the files that are kept and the log are one
chain at the end.
"""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bot.domain.errors import LatchkeyError
from chaos.stores import ChaosStore, reading, store_of
from tests.support.processes import latchkey

APART = (4, 15)
"""Seconds between two archives, at least and at most."""
KILLED = 0.4
"""The share of archives that are killed halfway."""
LASTS = 2.0
"""Seconds that an archive takes at most; most of that is its start."""
TRIES = 60
_BEGINS = re.compile(r"It begins after line (\d+)")


@dataclass(slots=True)
class Archivist:
    """Moves lines to files in `folder`; `kept` are the files whose lines the store no longer has."""

    store: ChaosStore
    environment: Mapping[str, str]
    folder: Path
    numbers: Random
    tally: Counter[str]
    kept: list[Path] = field(default_factory=list[Path])
    _tries: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Archive again and again until `stop` is set."""
        self.folder.mkdir()
        while not stop.is_set():
            await asyncio.sleep(self.numbers.uniform(*APART))
            await self._archive()

    async def _archive(self) -> None:
        """Archive once, and handle what that leaves behind."""
        try:
            until = await self._until()
        except LatchkeyError:
            return
        if until is None:
            return
        self._tries += 1
        file = self.folder / f"{self._tries:04}.jsonl"
        went = await self._tried(file, until)
        if lines := _left(file):
            if went == "done" or await self._begins() == lines[-1]["seq"]:
                self.kept.append(file)
            else:
                went += ", nothing moved"
        self.tally[f"archive: {went}"] += 1

    async def _until(self) -> int | None:
        """The number of a random line in Redis; None if it has too few."""
        async with reading(self.store) as commands:
            store = store_of(commands)
            move = await store.archive.begin()
        first, last = move.base.seq + 1, store.audit.head.seq
        return self.numbers.randint(first, last) if last > first else None

    async def _tried(self, file: Path, until: int) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "audit", "archive", file, "--until", str(until)),
            env={"PATH": os.environ["PATH"], **self.environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        waited = asyncio.create_task(process.wait())
        try:
            is_killed = self.numbers.random() < KILLED
            await asyncio.wait({waited}, timeout=self.numbers.uniform(0, LASTS) if is_killed else None)
            if waited.done():
                return "done" if not process.returncode else f"exit code {process.returncode}"
            return "kill -9"
        finally:
            if not waited.done():
                process.kill()
            await waited

    async def _begins(self) -> int:
        """After which line the log in the store begins, as `latchkey audit verify` says once the store answers."""
        said = ""
        for _ in range(TRIES):
            ended = await latchkey("audit", "verify", **self.environment)
            said = ended.out + ended.err
            if ended.code == 0:
                found = _BEGINS.search(said)
                return int(found[1]) if found else 0
            await asyncio.sleep(0.5)
        raise AssertionError(f"audit verify says against the log: {said}")


def _left(file: Path) -> list[Mapping[str, object]]:
    """The lines of the file that an archive left behind; none if it left a part of one, which is deleted."""
    Path(f"{file}.part").unlink(missing_ok=True)
    return lines_of((file,)) if file.exists() else []


def lines_of(files: Sequence[Path]) -> list[Mapping[str, object]]:
    """The lines of these archives, in order."""
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
