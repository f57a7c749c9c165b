"""1,000 clicks in flight at once: each on a connection of its own, signed, over HTTP, while the worker is busy.

Next to it a bare Bolt app, which stores nothing, behind the same server, with the same clicks, alternating with ours.
Each is paused while the other one is measured: what our worker does meanwhile would count against both.
"""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, time
from typing import cast
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from benchmarks.acks import button
from benchmarks.measured import SIGNING_SECRET, Latencies, Line

IN_FLIGHT, ROUNDS = 1_000, 3
SLOWEST, P99, SHARE = 3_000.0, 1_500.0, 0.6


@dataclass(slots=True)
class App:
    """An app that is served in a process of its own, and how it did."""

    process: Process
    port: int
    rates: list[float] = field(default_factory=list[float])
    taken: list[float] = field(default_factory=list[float])

    async def burst(self, first: int, many: int) -> None:
        """So many clicks at once, counted from `first`."""
        clicks = [_click(number) for number in range(first, first + many)]
        self.process.send_signal(signal.SIGCONT)
        began = perf_counter()
        taken = await asyncio.gather(*(_answered(self.port, each) for each in clicks))
        self.rates.append(many / (perf_counter() - began))
        self.taken += taken
        self.process.send_signal(signal.SIGSTOP)


async def measure() -> list[Line]:
    async with served("bare", 0) as bare, served("latchkey", IN_FLIGHT * ROUNDS) as ours:
        for nth in range(ROUNDS):
            for app in (bare, ours):
                await app.burst(nth * IN_FLIGHT, IN_FLIGHT)
    share = median(one / other for one, other in zip(ours.rates, bare.rates, strict=True))
    plain, stored = Latencies(bare.taken), Latencies(ours.taken)
    return [
        Line(
            f"{IN_FLIGHT} clicks at once, a bare Bolt app that stores nothing: acks each second", median(bare.rates), ""
        ),
        Line(f"{IN_FLIGHT} clicks at once, a bare Bolt app that stores nothing, p99", plain.at(99), "ms"),
        Line(f"{IN_FLIGHT} stored clicks at once: acks each second", median(ours.rates), ""),
        Line(f"{IN_FLIGHT} stored clicks at once: share of the bare app's rate", share, "", SHARE, at_least=True),
        *stored.lines(f"{IN_FLIGHT} stored clicks at once", P99),
        Line(f"{IN_FLIGHT} stored clicks at once, slowest", stored.at(100), "ms", SLOWEST),
    ]


@asynccontextmanager
async def served(which: str, requests: int) -> AsyncGenerator[App]:
    """One of `benchmarks.served`, standing still."""
    words = (sys.executable, "-m", "benchmarks.served", which, str(requests))
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    assert process.stdin
    assert process.stdout
    try:
        app = App(process, int(await process.stdout.readline()))
        process.send_signal(signal.SIGSTOP)
        yield app
    finally:
        process.stdin.close()
        process.send_signal(signal.SIGCONT)
        await process.wait()


async def _answered(port: int, click: bytes) -> float:
    """Milliseconds from the connection to the answer, which has to be a success."""
    loop, began = asyncio.get_running_loop(), perf_counter()
    done: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Sender(click, done), "127.0.0.1", port)
    assert (await done).startswith(b"HTTP/1.1 200 ")
    transport.close()
    return (perf_counter() - began) * 1e3


class _Sender(asyncio.Protocol):
    """Sends a click as soon as it is connected: a client with headers and pools would take a core of its own."""

    def __init__(self, click: bytes, done: "asyncio.Future[bytes]") -> None:
        self._click, self._done = click, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._click)

    def data_received(self, data: bytes) -> None:
        if not self._done.done():
            self._done.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed without an answer"))


def _click(number: int) -> bytes:
    """Erin approves a request of her own, as Slack posts it."""
    body = urlencode({"payload": json.dumps(button(f"R{number}", number))})
    at = str(int(time()))
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=at, body=body)
    lines = (
        "POST /slack/events HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/x-www-form-urlencoded",
        f"X-Slack-Request-Timestamp: {at}",
        f"X-Slack-Signature: {signature}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", body)).encode()


if __name__ == "__main__":
    for line in asyncio.run(measure()):
        print(line)
