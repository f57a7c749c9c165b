"""How much Redis a key needs: `python -m benchmarks.room 200`, the figures of docs/sizing.md.

This many keys are requested, approved, created, shown and saved, on a real server; then what is stored is weighed.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from bot.domain.keys import RequestId
from bot.services.commands import Approve, Saved, Show
from bot.store.connection import connect
from bot.store.embedded import embedded
from bot.store.keyspace import Keyspace
from tests.services import world as worlds
from tests.support import build
from tests.support.build import DANA, ERIN, TEAM


async def live(world: worlds.World, request: RequestId) -> None:
    """From the request to the click on `I saved it`."""
    asked = build.pending()
    await world.seed(replace(asked, ask=replace(asked.ask, id=request)))
    await world.work_now()
    for deed, by in ((Approve(request), ERIN), (Show(request, 1), DANA), (Saved(request, 1), DANA)):
        await world.click(deed, by=by)
        await world.work_now()
    assert (await world.state(request)).kind == "confirmed"


async def weighed(redis: Any, keys: Keyspace) -> Counter[str]:  # noqa: ANN401 - redis-py does not type its answers
    """Bytes in memory by kind of key."""
    found = Counter[str]()
    async for key in redis.scan_iter(keys.every, count=1000):
        found[keys.kind(key.decode())] += await redis.memory_usage(key, samples=0) or 0
    return found


async def _rewritten(server: Any) -> int:  # noqa: ANN401 - as above
    """Bytes of the append-only file after a rewrite."""
    await server.bgrewriteaof()
    while (found := await server.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - a server tells nobody
        await asyncio.sleep(0.05)
    return int(found["aof_current_size"])


async def measure(number: int) -> None:
    """Print bytes for each key, in memory and in the append-only file."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder)) as url, connect(url) as redis:
            server: Any = redis
            before = (await server.info("memory"))["used_memory"]
            with mock.patch.object(worlds, "FakeAsyncRedis", return_value=connect(url)):
                async with worlds.a_world() as world:
                    for nth in range(number):
                        await live(world, RequestId(f"R{nth:011}"))
            used = (await server.info("memory"))["used_memory"] - before
            on_disk = (await server.info("persistence"))["aof_current_size"]
            rewritten = await _rewritten(server)
            lines = await server.llen(Keyspace(TEAM).audit)
            print(f"{'memory':<12} {used / number:>8.0f} bytes a key")
            print(f"{'appended':<12} {on_disk / number:>8.0f} bytes a key, before any rewrite")
            print(f"{'rewritten':<12} {rewritten / number:>8.0f} bytes a key")
            print(f"{'audit lines':<12} {lines / number:>8.0f} a key")
            for kind, size in (await weighed(server, Keyspace(TEAM))).most_common():
                print(f"  {kind:<10} {size / number:>8.0f} bytes a key")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1])))
