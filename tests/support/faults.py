"""Faults at any call of a port: an error before or after the effect, a process that is killed or paused there.

`Faulty(port)` stands before a port and counts its calls; a plan says what happens at which. What is raised is what
the port may raise by its contract in `bot.services.ports.store`, so that nothing is tested that cannot happen.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from bot.domain.errors import CloudRefused, Conflict, LatchkeyError, Throttled, Unavailable, Undeliverable, Unknown
from bot.services.agenda import must_hold
from bot.services.ports.store import Change


class Killed(BaseException):
    """`kill -9` at this very instruction. Not an `Exception`: no code of the process sees it and goes on."""


class Fault(Enum):
    """What happens at one call."""

    ERROR_BEFORE = "the call fails and has no effect"
    REFUSED_BEFORE = "the other side says no, or asks to wait"
    ERROR_AFTER = "the answer is lost after the effect"
    KILL_BEFORE = "the process is killed before the effect"
    KILL_AFTER = "the process is killed after the effect"
    PAUSE_BEFORE = "the process stands still for minutes before the effect, while others work"
    PAUSE_AFTER = "the process stands still for minutes after the effect, while others work"
    FORGOTTEN = "the store takes the write, and loses it in a failover before the next call"


ERRORS = frozenset({Fault.ERROR_BEFORE, Fault.REFUSED_BEFORE, Fault.ERROR_AFTER})
KILLS = frozenset({Fault.KILL_BEFORE, Fault.KILL_AFTER})
PAUSES = frozenset({Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER})
FORGETTABLE = frozenset(
    {
        "agenda.put",
        "agenda.settle",
        "cache.change",
        "cache.put",
        "drafts.put",
        "inbox.done",
        "inbox.drop",
        "inbox.keep",
        "posts.put",
    }
)
"""Writes that wait for no replica, and return nothing: one that a failover loses looks as if it had never been."""

_AWAY = "It did not answer."


def error_before(port: str, method: str) -> LatchkeyError:
    """What a call without effect may raise."""
    if port == "cloud" and method in {"create_key", "create_account", "bind"}:
        return Unknown(_AWAY)  # a request that never arrived looks like one whose answer was lost
    if (port, method) in {("notifier", "hand_over"), ("notifier", "clear")}:
        return Undeliverable("timeout", lasting=False)
    return Unavailable(_AWAY)


def refused_before(port: str, method: str) -> LatchkeyError:
    """A clear no, by the contract of the port."""
    match port:
        case "requests" if method == "commit":
            return Conflict("Somebody was faster.")
        case "cloud" if method in {"create_key", "create_account", "edit_key", "bind"}:
            return CloudRefused(status=403, detail="not authorised", reference="req-1")
        case "cloud" | "people":
            return Throttled(_AWAY, wait=timedelta(seconds=40))
        case "notifier":
            return Undeliverable("channel_not_found", lasting=True)
        case _:
            return Unavailable(_AWAY)


def error_after(port: str, method: str) -> LatchkeyError:
    """What a call raises that had its effect, and whose answer was lost."""
    if port == "cloud" and method in {"delete_key", "edit_key", "describe_account", "delete_account", "unbind"}:
        return Unknown(_AWAY)
    return error_before(port, method)


Pause = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Plan:
    """What happens at which call: at the n-th of all calls, or at the n-th of one kind, each counted from 0.

    Calls count over all ports and processes of a test; `calls` is what was called so far.
    """

    faults: Mapping[int | tuple[str, int], Fault] = field(default_factory=dict[int | tuple[str, int], Fault])
    calls: list[str] = field(default_factory=list[str])

    def next(self, name: str) -> Fault | None:
        """Count a call of `port.method`."""
        nth = self.calls.count(name)
        self.calls.append(name)
        return self.faults.get((name, nth)) or self.faults.get(len(self.calls) - 1)


@dataclass(slots=True)
class Life:
    """One process: alive until it is killed, and then none of its calls reaches anything."""

    plan: Plan
    pause: Pause
    is_alive: bool = True

    def kill(self) -> Killed:
        self.is_alive = False
        return Killed()


EFFECTS = frozenset(
    {
        "cloud.create_key",
        "cloud.edit_key",
        "cloud.delete_key",
        "cloud.create_account",
        "cloud.describe_account",
        "cloud.delete_account",
        "cloud.bind",
        "cloud.unbind",
        "notifier.hand_over",
        "notifier.publish",
    }
)
"""What only the holder of a lease may do."""


class Faulty:
    """Stands before a port of one process."""

    def __init__(self, name: str, port: object, life: Life) -> None:
        self._name, self._port, self._life = name, port, life

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def called(*args: Any, **fields: Any) -> Any:
            # The store says that someone was faster only of a record that is there.
            is_new = method == "commit" and isinstance(args[0], Change) and args[0].before is None
            return await self._call(method, lambda: real(*args, **fields), is_new=is_new)

        return called

    async def _call(self, method: str, effect: Callable[[], Awaitable[Any]], *, is_new: bool) -> Any:
        life = self._life
        if not life.is_alive:
            raise Killed
        if f"{self._name}.{method}" in EFFECTS:
            await must_hold()  # as the adapters do; a pause comes after it, which nobody can rule out
        fault = life.plan.next(f"{self._name}.{method}")
        await self._before(None if is_new and fault is Fault.REFUSED_BEFORE else fault, method)
        is_lost = fault is Fault.FORGOTTEN and f"{self._name}.{method}" in FORGETTABLE
        result = None if is_lost else await effect()
        await self._after(fault, method)
        if not life.is_alive:
            raise Killed  # while we waited, another task of this process met its end
        return result

    async def _before(self, fault: Fault | None, method: str) -> None:
        match fault:
            case Fault.ERROR_BEFORE:
                raise error_before(self._name, method)
            case Fault.REFUSED_BEFORE:
                raise refused_before(self._name, method)
            case Fault.KILL_BEFORE:
                raise self._life.kill()
            case Fault.PAUSE_BEFORE:
                await self._life.pause()

    async def _after(self, fault: Fault | None, method: str) -> None:
        match fault:
            case Fault.ERROR_AFTER:
                raise error_after(self._name, method)
            case Fault.KILL_AFTER:
                raise self._life.kill()
            case Fault.PAUSE_AFTER:
                await self._life.pause()
