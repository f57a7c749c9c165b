"""What goes wrong: processes that are killed, stopped or asked to end, faults of Slack and Confluent, jumps in time."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from chaos.end import Seen
from chaos.stores import ChaosStore
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, NoAnswer, Transport
from sandbox.stage import BotProcess, Stage

SETTLED = 1.0
"""Seconds after which everything has arrived that was sent before a process was stopped, or that was delayed."""
REFUSED_START = 2
"""The exit code of a bot that couldn't start, for example because Redis was down."""
AT_CONFLUENT: Mapping[str, Mapping[str, str | float]] = {
    "slow": {"slow": 1.5},
    "429": {"rate_limited": 5},
    "500": {"failing": "all"},
    "500 after a create": {"failing": "create, after the effect"},
    "500 after a deletion": {"failing": "delete, after the effect"},
    "500 for edits": {"failing": "edit"},
    "500 for accounts": {"failing": "account, after the effect"},
    "create: answer lost": {"answer_lost": "every create"},
    "create: request lost": {"request_lost": "every create"},
    "edit: answer lost": {"answer_lost": "every edit"},
    "deletion: answer lost": {"answer_lost": "every delete"},
    "deletion: request lost": {"request_lost": "every delete"},
    "account: answer lost": {"answer_lost": "every account"},
    "account edit: answer lost": {"answer_lost": "every account edit"},
    "account deletion: answer lost": {"answer_lost": "every account delete"},
    "create: 403": {"create_refused": "403"},
    "create: 422": {"create_refused": "422"},
    "clusters away": {"data_plane": "unreachable"},
    "errors of another form": {"error_shape": "gzip", "rate_limited": 2},
    "lists expire": {"page_tokens": "expire once"},
}
AT_SLACK: Mapping[str, Mapping[str, str | float]] = {
    "slow": {"slow": 1},
    "429": {"rate_limited": 5},
    "500": {"failing": 10},
    "a web page": {"answers": "web page"},
    "nothing": {"answers": "nothing"},
    "broken JSON": {"answers": "broken JSON"},
    "hash_conflict": {"hash_conflict": "next"},
    "expired_trigger": {"expired_trigger": "next"},
    "direct messages refused": {"messages_refused": "direct messages"},
    "channel not found": {"channel_not_found": "on"},
    "response_url: 500": {"response_url": "500"},
    "response_url: dropped": {"response_url": "dropped"},
    "response_url: answer lost": {"response_url": "answer lost"},
    "connections dropped": {"connections": "drop now"},
    "no new connections": {"links": "too_many_websockets", "connections": "drop now"},
}


@dataclass(slots=True)
class Watched:
    """A transport that notes acks over three seconds, unless a process was stopped then, or we had no CPU."""

    inner: Transport
    faults: "Faults"
    longest: float = 0
    acks: int = 0

    async def carry(self, envelope: Envelope) -> Json:
        """As `Transport.carry`."""
        began = time.monotonic()
        try:
            answer = await self.inner.carry(envelope)
        except NoAnswer as failure:
            if failure.word == "operation_timeout" and not self.faults.excuses(began):
                kind = str(envelope.payload.get("type") or envelope.payload.get("command") or envelope.kind)
                self.faults.seen.late.append(
                    f"{kind} at {self.faults.stage.clock.now()}: {json.dumps(envelope.payload)[:600]}"
                )
            raise
        self.longest, self.acks = max(self.longest, time.monotonic() - began), self.acks + 1
        return answer


@dataclass(slots=True)
class Faults:
    """Everything that goes wrong; `tally` counts it. Once `run` has returned, everything is running again."""

    stage: Stage
    bots: list[BotProcess]
    store: ChaosStore
    numbers: Random
    tally: Counter[str]
    seen: Seen
    _unsettled: int = 0
    """How much is stopped or delayed: time must not jump then, because no call to Confluent takes hours."""
    _stopped: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    _logged: dict[str, int] = field(default_factory=dict[str, int])
    """The size of each bot's log when it was last started."""

    async def run(self, stop: asyncio.Event) -> None:
        """Let things go wrong until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            for bot in self.bots:
                group.create_task(self._supervise(bot, stop))
            group.create_task(self._again(stop, (10, 35), self._at_redis))
            group.create_task(self._again(stop, (2, 8), self._at_confluent))
            group.create_task(self._again(stop, (3, 10), self._at_slack))
            group.create_task(self._again(stop, (3, 8), self._time))
            group.create_task(self._watch_ourselves(stop))

    def excuses(self, began: float) -> bool:
        """Whether an ack may be late whose click was sent at this time, by the monotonic clock."""
        return any(start < time.monotonic() and end > began for start, end in self._stopped)

    async def _again(self, stop: asyncio.Event, apart: tuple[float, float], do: Callable[[], Awaitable[None]]) -> None:
        while not await _waited(stop, self.numbers.uniform(*apart)):
            await do()

    async def _supervise(self, bot: BotProcess, stop: asyncio.Event) -> None:
        """Kill, stop or end this bot again and again, and restart it, also if it ended by itself."""
        while not stop.is_set():
            if not bot.is_alive:
                await self.start(bot)
            ended = asyncio.create_task(bot.wait())
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), self.numbers.uniform(5, 25))
            if ended.done():
                self._fell(bot, ended.result())
                await asyncio.sleep(0.5)
                continue
            fault = self.numbers.choices(("kill -9", "SIGSTOP", "SIGTERM"), (5, 2, 1))[0]
            self.tally[f"bot: {fault}"] += 1
            await self._harm(bot, fault)
            ended.cancel()
        if not bot.is_alive:
            await self.start(bot)

    async def start(self, bot: BotProcess) -> None:
        """Start a bot that isn't running."""
        self._logged[bot.log.name] = bot.log.stat().st_size if bot.log.exists() else 0
        await bot.start()

    def is_ready(self, bot: BotProcess) -> bool:
        """Whether it has become ready since its last start."""
        with bot.log.open("rb") as log:
            log.seek(self._logged[bot.log.name])
            return b'"event": "ready"' in log.read()

    async def _harm(self, bot: BotProcess, fault: str) -> None:
        match fault:
            case "SIGSTOP":
                assert bot.pid  # noqa: S101 - it was alive a moment ago
                async with self.stopped():
                    os.kill(bot.pid, signal.SIGSTOP)
                    try:
                        await asyncio.sleep(self.numbers.uniform(0.5, 6))
                    finally:
                        os.kill(bot.pid, signal.SIGCONT)
            case "SIGTERM":
                was_ready = self.is_ready(bot)
                code = await bot.stop()
                if code and was_ready:
                    self.seen.fallen.append(f"{bot.log.name}: SIGTERM ended it with {code}")
            case _:
                await bot.kill()
                await asyncio.sleep(self.numbers.uniform(0, 3))

    def _fell(self, bot: BotProcess, code: int) -> None:
        if code == REFUSED_START and not self.is_ready(bot):
            self.tally["bot: a start refused"] += 1
        else:
            self.seen.fallen.append(f"{bot.log.name}: ended by itself with {code}")

    async def _at_redis(self) -> None:
        await self.store.harm(self.numbers, self.tally, self._delayed)

    async def _at_confluent(self) -> None:
        if self.numbers.random() < 0.5:  # noqa: PLR2004 - half of the time all is well
            return
        name = self.numbers.choice(list(AT_CONFLUENT))
        self.tally[f"Confluent: {name}"] += 1
        async with self._delayed():
            for switch, value in AT_CONFLUENT[name].items():
                self.stage.faults.set(switch, value)
            try:
                await asyncio.sleep(self.numbers.uniform(0.5, 4))
            finally:
                self.stage.faults.reset()

    async def _at_slack(self) -> None:
        if self.numbers.random() < 0.5:  # noqa: PLR2004 - as above
            return
        name = self.numbers.choice(list(AT_SLACK))
        self.tally[f"Slack: {name}"] += 1
        for switch, value in AT_SLACK[name].items():
            self.stage.slack.faults.set(switch, value)
        try:
            await asyncio.sleep(self.numbers.uniform(0.5, 3))
        finally:
            self.stage.slack.faults.reset()

    async def _time(self) -> None:
        """Let seconds pass; if nothing is stopped or delayed, sometimes minutes, hours or a day."""
        longest = self.numbers.choices((45, 1800, 4 * 3600, 26 * 3600), (60, 20, 12, 2))[0]
        by = self.numbers.uniform(5, 45 if self._unsettled else longest)
        self.tally["time: seconds" if by <= 60 else "time: minutes and more"] += 1  # noqa: PLR2004 - a minute
        self.stage.clock.advance(timedelta(seconds=by))

    async def _watch_ourselves(self, stop: asyncio.Event) -> None:
        """Note when this process, which is also Slack and Confluent, got no CPU."""
        while not stop.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.1)
            if time.monotonic() - began > SETTLED:
                self.tally["the machine: this process stood still"] += 1
                self._stopped.append((began - 2, time.monotonic() + 2))

    @asynccontextmanager
    async def stopped(self) -> AsyncGenerator[None]:
        """While inside, a bot is stopped, so its answers are late."""
        began = time.monotonic()
        self._stopped.append((began, float("inf")))
        try:
            async with self._delayed():
                yield
        finally:
            self._stopped.remove((began, float("inf")))
            self._stopped.append((began, time.monotonic()))

    @asynccontextmanager
    async def _delayed(self) -> AsyncGenerator[None]:
        self._unsettled += 1
        try:
            yield
            await asyncio.sleep(SETTLED)
        finally:
            self._unsettled -= 1


async def _waited(stop: asyncio.Event, seconds: float) -> bool:
    """Whether `stop` was set within this many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
