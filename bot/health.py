"""This process's health checks, shared by all callers, and what follows from them.

Only what this process itself needs to accept a click takes it out of rotation. A problem that all processes have at
once, such as a slow Slack or a typo in the policy file, is a warning: otherwise it would take all of them out.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Gauge

from bot.background import beside
from bot.domain.errors import LatchkeyError

NEEDED = frozenset({"store", "audit", "worker"})
"""Checks that make this process not ready if they fail; all others only warn."""
NEEDED_ONCE = frozenset({"slack"})
"""Checks that must pass once before it's ready, and then only warn: Slack may disconnect all processes at once."""
VITAL = frozenset({"store", "worker"})
DEAD_AFTER = 180.0
"""How many seconds one of these may fail before a supervisor should restart the process."""
CHECK_SECONDS = 2.0
FRESH = 1.0
"""How many seconds a result is reused."""
EVERY = 5.0
"""Seconds between checks while nobody asks."""
TOLD_AFTER = 4.0
"""How many seconds a check fails before that is logged, so that a short failure isn't."""
log = logging.getLogger("latchkey.health")

Check: TypeAlias = Callable[[], Awaitable[str | None] | str | None]
"""Checks one thing. Returns None if it works, or else the reason in a few words without secrets."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether this process should get clicks, and the result of each check: "ok", or the reason."""

    is_ready: bool
    checks: Mapping[str, str]


class Health:
    """Runs all checks at the same time, at most once a second, and remembers since when each one fails."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_stopping = False
        """Whether this process was asked to stop: then it still answers, but isn't ready."""
        self._checks = checks
        self._now = now
        self._looked_at = float("-inf")
        self._reasons = dict.fromkeys(checks, "")
        self._since = dict[str, float]()
        self._told = set[str]()
        self._were_well = set[str]()
        self._turn = asyncio.Lock()
        self._failing = Gauge(
            "latchkey_check_failing", "Whether a check of /readyz fails.", ["check"], registry=registry
        )
        for name in checks:
            self._failing.labels(name).set(0)

    async def verdict(self) -> Verdict:
        """The result of the checks, up to `FRESH` seconds old."""
        async with self._turn:
            if self._now() - self._looked_at >= FRESH:
                reasons = await asyncio.gather(*map(_reason, self._checks.values()))
                self._note(dict(zip(self._checks, reasons, strict=True)))
                self._looked_at = self._now()
        said = {name: reason or "ok" for name, reason in self._reasons.items()}
        if self.is_stopping:
            said["stopping"] = "this process was asked to stop"
        failing = any(reason and self._is_needed(name) for name, reason in self._reasons.items())
        return Verdict(not failing and not self.is_stopping, said)

    def dead(self) -> str | None:
        """Why a supervisor should restart this process; None while it may recover. Runs no checks itself."""
        for name in sorted(VITAL & self._since.keys()):
            if self._now() - self._since[name] >= DEAD_AFTER:
                return f"{name}: {self._reasons[name]}"
        return None

    async def run(self) -> None:
        """Run the checks every `EVERY` seconds until canceled, even if nobody asks."""
        while True:
            await self.verdict()
            await asyncio.sleep(EVERY)

    def _note(self, reasons: dict[str, str]) -> None:
        self._reasons = reasons
        for name, reason in reasons.items():
            self._failing.labels(name).set(bool(reason))
            if reason:
                self._since.setdefault(name, self._now())
                self._tell(name, reason)
                continue
            self._since.pop(name, None)
            self._were_well.add(name)
            if name in self._told:
                self._told.discard(name)
                log.info("a check passes again", extra={"check": name})

    def _tell(self, name: str, reason: str) -> None:
        if name in self._told or self._now() - self._since[name] < TOLD_AFTER:
            return
        self._told.add(name)
        level = logging.ERROR if self._is_needed(name) else logging.WARNING
        log.log(level, "a check fails", extra={"check": name, "why": reason})

    def _is_needed(self, name: str) -> bool:
        return name in NEEDED or (name in NEEDED_ONCE and name not in self._were_well)


@asynccontextmanager
async def watched(health: Health) -> AsyncGenerator[None]:
    """Run `Health.run` during the `async with`."""
    async with beside(health.run(), name="health"):
        yield


async def _reason(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found = check()
            return (await found if isinstance(found, Awaitable) else found) or ""
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except LatchkeyError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a check that fails in any way is a check that failed
        return type(error).__name__
