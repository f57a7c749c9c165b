"""Every change of the organization goes through here, so that it can fail, get lost or be held before or after."""

from collections.abc import Callable
from typing import TypeVar

from sandbox.confluent.faults import Change, Faults
from sandbox.confluent.wire import Disconnected, Problem

T = TypeVar("T")


async def carry_out(faults: Faults, change: Change, do: Callable[[], T]) -> T:
    """Run `do`, with the faults that are set for before and after it. Returns what `do` returns.

    `do` has to look everything up itself, because it may change while a gate is closed. Raises `Problem` and
    `Disconnected`.
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
    """The response of a broken server."""
    return Problem(500, "internal_server_error", "Internal Server Error", "Oops, something went wrong!")
