"""Where every change of the organization passes, so that each can fail, be lost or be held on either side of it."""

from collections.abc import Callable
from typing import TypeVar

from sandbox.confluent.faults import Change, Faults
from sandbox.confluent.wire import Disconnected, Problem

T = TypeVar("T")


async def carry_out(faults: Faults, change: Change, do: Callable[[], T]) -> T:
    """Do it, with what is to go wrong before and after it; returns what `do` returns.

    `do` looks everything up itself: what was there before a gate may be gone behind it. Raises Problem and
    Disconnected.
    """
    if faults.failing == change:
        raise server_error()
    if faults.take_lost_request(change):
        raise Disconnected
    if gate := faults.hold_before.get(change):
        await gate.pass_through()
    done = do()
    if gate := faults.hold_after.get(change):
        await gate.pass_through()
    if faults.failing == f"{change}, after the effect":
        raise server_error()
    if faults.take_lost_answer(change):
        raise Disconnected
    return done


def server_error() -> Problem:
    """The answer of a server that broke."""
    return Problem(500, "internal_server_error", "Internal Server Error", "Oops, something went wrong!")
