"""What it takes to verify, to export and to archive a long audit log: `python -m benchmarks.auditing [LINES]`.

The log is that of keys that were requested, approved, created and viewed, in the embedded server. Each command is a
process of its own, which reads all of it.
"""

import asyncio
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.audit import Action, Event
from bot.domain.keys import RequestId, TeamId
from bot.store import Store
from bot.store.connection import Commands, connect
from bot.store.embedded import embedded
from bot.store.sealing import Sealer, new_master_key, parse_master_keys

LIFE = (
    Action.SUBMITTED,
    Action.APPROVED,
    Action.CREATE_INTENDED,
    Action.CREATED,
    Action.SHOW_INTENDED,
    Action.SHOWN,
    Action.CONFIRMED,
)
DETAILS = {
    Action.SUBMITTED: {
        "operation": "create",
        "requester": "U0DANA0001",
        "principal": "u-dana001",
        "owner": "sa-orders1",
        "kind": "kafka",
        "resource": "lkc-dev001",
        "name": "orders producer",
        "description": "Writes orders from the web shop",
        "reason": "Local tests of the orders flow",
        "digest": "ab" * 32,
        "rule": "production",
        "policy": "cd" * 32,
    }
}
TOGETHER = 700
TODAY = ("--at", datetime.now(UTC).date().isoformat())


def event(number: int) -> Event:
    nth, step = divmod(number, len(LIFE))
    action = LIFE[step]
    details = DETAILS.get(action, {"key": f"KEY{nth:013d}", "rule": "production"})
    id_ = hashlib.sha256(str(nth).encode()).hexdigest()[:20]  # as random as the real ones: it is compressed
    return Event(datetime.now(UTC), "U0DANA0001", action, RequestId(id_), details)


async def fill(redis: Commands, store: Store, lines: int) -> float:
    """Write the log; returns bytes a line in Redis."""
    for first in range(0, lines, TOGETHER):
        await store.audit.append(*map(event, range(first, min(first + TOGETHER, lines))))
    used: int = await redis.memory_usage(store.keys.audit, samples=0)
    return used / lines


def command(environment: dict[str, str], *words: str) -> str:
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([sys.executable, "-m", "bot", *words], env=os.environ | environment, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
    cpu = used.ru_utime + used.ru_stime
    return f"{used.ru_maxrss / 1024:6.0f} MB at most, {cpu:5.1f} s of CPU, {time.monotonic() - begun:5.1f} s"


async def main(lines: int) -> None:
    key = new_master_key()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder)) as url, connect(url) as redis:
            store = Store.open(redis, Sealer(parse_master_keys(key)), TeamId("T0BENCH"))
            each = await fill(redis, store, lines)
            print(f"{lines} lines, {each:.0f} bytes each in Redis")
            environment = {"LATCHKEY_DATA_DIR": folder, "LATCHKEY_MASTER_KEYS": key}
            print("audit export             ", await asyncio.to_thread(command, environment, "audit", "export"))
            print("audit verify (live)      ", await asyncio.to_thread(command, environment, "audit", "verify"))
            for what in ("keys", "requests"):
                report = ("report", what, *TODAY)
                print(f"report {what:8} --at     ", await asyncio.to_thread(command, environment, *report))
            archive = ("audit", "archive", f"{folder}/archived.jsonl", "--until", str(lines))
            print("audit archive            ", await asyncio.to_thread(command, environment, *archive))
            commands: Commands = redis
            base: int = await commands.memory_usage(store.keys.audit_base, samples=0)
            print(f"{base * len(LIFE) / lines:.0f} bytes each request in the base")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
