"""The policy in use, and how it changes while the program runs: only by a new file without problems."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.policy import Policy, without_a_file
from bot.policyfile.document import PolicyError
from bot.policyfile.reading import content, digest_of, parse, read

log = logging.getLogger("latchkey")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class PolicySource:
    """Created by `open`. Without a path, the built-in policy applies forever."""

    path: Path | None
    default_channel: str
    policy: Policy
    """Everything that the file says, including what has ended."""
    clock: Callable[[], datetime] = _now
    every: float = 5.0
    """Seconds between two checks of the file."""
    settle: float = 1.0
    """Seconds that a changed file must stay the same. Half a list of rules may be valid, too, and allow more."""
    problem: str | None = field(default=None, init=False)
    """What is wrong with the current file, if the old policy still applies because of it; None if nothing is."""
    loaded_at: float = field(default_factory=time.time, init=False)
    """When the policy in use was loaded, in seconds since 1970."""
    taken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    """Set whenever another policy applies. The task that waits for it clears it."""
    _applied: str = field(default="", init=False)
    """The digest that applied when `taken` was last set."""
    _refused: str | None = field(default=None, init=False)
    """The problems that were logged last, so that they're logged once."""
    _rung: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @classmethod
    def open(cls, path: Path | None, default_channel: str, clock: Callable[[], datetime] = _now) -> "PolicySource":
        """Read the file for the first time. Raises `PolicyError`."""
        if path is None:
            return cls(None, default_channel, without_a_file(default_channel), clock)
        return cls(path, default_channel, read(path, default_channel=default_channel).policy, clock)

    def current(self) -> Policy:
        """The policy that applies now, without what has ended. Call this for every decision."""
        return self.policy.on(self.clock().astimezone(UTC).date())

    def ring(self) -> None:
        """Have `run` read the file now without waiting for it to settle, for a SIGHUP."""
        self._rung.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Check the file every `every` seconds until `stop` is set."""
        stopped = asyncio.create_task(stop.wait())
        self._applied = self.current().digest
        try:
            while not stop.is_set():
                self._end()
                rang = await self._wait(stopped, self.every)
                if rang or await self._has_settled(await self._look(), stopped):
                    await self.reload()
        finally:
            stopped.cancel()

    async def reload(self) -> bool:
        """Read the file and apply it if it's valid; otherwise the old policy remains.

        Returns whether the file applies.
        """
        if self.path is None:
            return True
        try:
            # In a thread: a large file takes a second, and clicks must not wait.
            policy = await asyncio.to_thread(self._read, self.path)
        except PolicyError as error:
            self._refuse(error)
            return False
        if policy is not None:
            self.policy, self.loaded_at = policy, time.time()
            self._applied = self.current().digest
            self.taken.set()
            log.info("policy reloaded", extra={"file": str(self.path), "digest": policy.digest})
        self.problem = self._refused = None
        return True

    def _end(self) -> None:
        """Set `taken` if rules or mappings have ended."""
        if (digest := self.current().digest) != self._applied:
            self._applied = digest
            self.taken.set()
            log.info("parts of the policy have ended", extra={"digest": digest})

    def _read(self, path: Path) -> Policy | None:
        """The policy in the file, or None if it already applies. Raises `PolicyError`."""
        data = content(path)
        if digest_of(data) == self.policy.digest:
            return None
        return parse(data, default_channel=self.default_channel, name=str(path)).policy

    def _refuse(self, error: PolicyError) -> None:
        more = len(error.problems) - 1
        self.problem = f"{error.problems[0]} (and {more} more)" if more else error.problems[0]
        if self._refused != str(error):
            log.error(
                "policy file not accepted, the old policy still applies", extra={"problems": list(error.problems)}
            )
        self._refused = str(error)

    async def _wait(self, stopped: asyncio.Task[bool], seconds: float) -> bool:
        """Wait until the time is over, the program stops, or `ring` was called. Returns whether it was called."""
        ringing = asyncio.create_task(self._rung.wait())
        await asyncio.wait({stopped, ringing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ringing.cancel()
        rang = self._rung.is_set()
        self._rung.clear()
        return rang

    async def _has_settled(self, seen: str, stopped: asyncio.Task[bool]) -> bool:
        """Whether the file has changed, and stayed the same for `settle` seconds or was rung for."""
        if seen == self.policy.digest and self.problem is None:
            return False
        log.debug("policy file changed")
        return await self._wait(stopped, self.settle) or seen == await self._look()

    async def _look(self) -> str:
        """The digest of the current file. Compares content because times miss links and quick writes."""
        return digest_of(await asyncio.to_thread(self._content)) if self.path is not None else self.policy.digest

    def _content(self) -> bytes:
        try:
            return content(self.path) if self.path is not None else b""
        except PolicyError as error:
            return str(error).encode()
