"""One run: start everything, let people work and things go wrong for a while, come to rest, and check the end."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from chaos import end
from chaos.archive import Archivist
from chaos.faults import Faults, Watched
from chaos.invariants import Broken, End, check
from chaos.people import APPROVERS, REQUESTERS, Approver, Requester
from chaos.stores import ChaosStore, opened
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.stage import BotProcess, Stage, stage
from tests.support.play import POLICY_FILE
from tests.support.processes import bots_of

GLASS = f"{{by: [U0DANA, U0OMAR, U0MONA, U0REED], lifetime: 4h, notify: [{APPROVALS_CHANNEL}]}}"
POLICY = f"""\
version: 1
channel: {APPROVALS_CHANNEL}
open_requests: 40
defaults: {{approvals: 1, pending: 12h, claim: 6h, lifetime: 2d, overlap: 1d, remind: [1h]}}
review: {{every: 12h, older_than: 1d}}
rules:
  - name: two in production
    match: {{environment: env-prod01, operation: [create, rotate]}}
    approvals: 2
    break_glass: {GLASS}
  - name: on claim
    match: {{kind: [flink, tableflow], operation: [create, rotate]}}
    mint: on_claim
    break_glass: {GLASS}
  - {{name: own keys live for hours, match: {{owner: me, operation: [create, rotate]}}, lifetime: 8h}}
  - {{name: nobody has to approve, match: {{owner: me, operation: [edit, delete]}}, approvals: 0, leaked: delete}}
  - name: the rest
    match: {{operation: [create, rotate, edit, delete]}}
    break_glass: {GLASS}
"""
BOTS = 2
RESTS_WITHIN = 180.0
"""Seconds of real time for everything to come to rest."""
STEP = timedelta(seconds=15)
"""How far the sandbox's clock moves between two checks of whether everything is at rest."""


@dataclass(slots=True)
class Run:
    """One run: what was done, what went wrong on purpose, and what is broken."""

    seed: int
    seconds: float
    folder: Path
    store: str = "server"
    encrypted: bool = False
    done: Counter[str] = field(default_factory=Counter[str])
    deeds: set[str] = field(default_factory=set[str])
    """The names of everything that people do, with which the entries of `done` begin."""
    faults: Counter[str] = field(default_factory=Counter[str])
    acks: int = 0
    longest: float = 0
    recorded: End | None = None
    broken: list[Broken] = field(default_factory=list[Broken])

    async def play(self) -> None:
        """Run from the first click to the last check. Leaves no process behind."""
        (self.folder / POLICY_FILE).write_text(POLICY)
        async with (
            stage(self.folder) as here,
            opened(self.store, here, encrypted=self.encrypted) as store,
            bots_of(here) as crew,
        ):
            seen = end.Seen(frozenset(here.organization.secrets_issued))
            environment = here.environment(redis_url=store.url) | {
                "LATCHKEY_POLICY": str(self.folder / POLICY_FILE),
                "LATCHKEY_REDIS_REPLICAS": str(store.replicas),
            }
            for nth in range(BOTS):
                crew.running.append(BotProcess(environment, self.folder / "clock", self.folder / f"bot-{nth}.log"))
            faults = Faults(here, crew.running, store, self._numbers("faults"), self.faults, seen)
            watched = Watched(here.slack.delivery.transport, faults)
            here.slack.use_request_url(watched)
            numbers = self._numbers("archives")
            archivist = Archivist(store, environment, self.folder / "archives", numbers, self.faults)
            await self._chaos(here, faults, archivist)
            await self._rest(here, store, faults)
            self.acks, self.longest = watched.acks, watched.longest
            logs = {bot.log.name: bot.log for bot in crew.running}
            self.recorded = await end.read(here, store, environment, seen, logs, archivist.kept)
        self.broken = check(self.recorded)

    async def _chaos(self, here: Stage, faults: Faults, archivist: Archivist) -> None:
        for bot in faults.bots:
            await faults.start(bot)
        await here.slack.sockets.wait_connected(BOTS)
        stop = asyncio.Event()
        for user in REQUESTERS:  # they know the channel from hearsay, and need not read all that is said there
            here.slack.workspace.channels[APPROVALS_CHANNEL].members.discard(user)
        people = [Requester(here, user, self._numbers(user), self.done) for user in REQUESTERS]
        deciders = [Approver(here, user, self._numbers(user), self.done) for user in APPROVERS]
        self.deeds = {name for each in (*people, *deciders) for name in each.deeds()}
        async with asyncio.TaskGroup() as group:
            for each in (*people, *deciders):
                group.create_task(each.live(stop))
            group.create_task(faults.run(stop))
            group.create_task(archivist.run(stop))
            await asyncio.sleep(self.seconds)
            stop.set()

    async def _rest(self, here: Stage, store: ChaosStore, faults: Faults) -> None:
        """Without faults, let time pass until all is done; then let hours pass in which deadlines end, and again.

        The last hours make the review of a use of break-glass overdue.
        """
        await here.slack.sockets.wait_connected(BOTS)
        for hours in (0, 13, 13, 50):
            here.clock.advance(timedelta(hours=hours))
            await self._at_rest(here, store, faults)

    async def _at_rest(self, here: Stage, store: ChaosStore, faults: Faults) -> None:
        began = time.monotonic()
        moving = "?"
        while moving and time.monotonic() - began < RESTS_WITHIN:
            here.clock.advance(STEP)
            await asyncio.sleep(0.5)
            moving = await end.motion(store, here.clock.now())
        if moving:
            faults.seen.fallen.append(f"after {RESTS_WITHIN:.0f} s and no more faults, still in motion: {moving[:600]}")

    def _numbers(self, stream: str) -> Random:
        return Random(f"{self.seed} {stream}")  # noqa: S311 - no secret
