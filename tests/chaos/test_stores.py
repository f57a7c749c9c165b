"""What `make chaos` does to a store leaves it working, with what was written before on all of its copies."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from chaos.stores import HANGING_MASTER, HANGING_REPLICA, PROBE, opened, reading
from sandbox.stage import stage


class Drawn(Random):
    """Numbers of which the first decision is known."""

    def __init__(self, first: float) -> None:
        super().__init__(1)
        self.first = first

    def random(self) -> float:
        return self.first


@asynccontextmanager
async def time_as_it_is() -> AsyncGenerator[None]:
    yield


@pytest.mark.parametrize(
    ("kind", "drawn", "fault"),
    [
        ("server", 0.0, "Redis: kill -9"),
        ("server", 0.9, "Redis: SIGSTOP"),
        ("sentinel", 0.0, "Sentinel: planned failover"),
        ("sentinel", 0.4, "Sentinel: kill -9 of the master"),
        ("sentinel", 0.7, f"Sentinel: {HANGING_MASTER}"),
        ("sentinel", 0.9, f"Sentinel: {HANGING_REPLICA}"),
        ("cluster", 0.0, "Cluster: slot moved and back"),
        ("cluster", 0.4, "Cluster: kill -9 of the master"),
        ("cluster", 0.7, f"Cluster: {HANGING_MASTER}"),
        ("cluster", 0.9, f"Cluster: {HANGING_REPLICA}"),
    ],
)
async def test_a_harmed_store_works_again_and_has_lost_nothing(
    tmp_path: Path, kind: str, drawn: float, fault: str
) -> None:
    tally = Counter[str]()
    async with stage(tmp_path) as here, opened(kind, here) as store:
        async with reading(store) as commands:
            await commands.set(PROBE, "before")
            await commands.wait(store.replicas, 5000)
        await store.harm(Drawn(drawn), tally, time_as_it_is)
        async with reading(store) as commands:
            found = await commands.get(PROBE)
            await commands.set(PROBE, "after")

    assert (found, tally) == (b"before", Counter({fault: 1}))
