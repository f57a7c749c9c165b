"""Testing whether a new key works, while its secret is sealed. Each test is one step; no showing waits for it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain.catalog import Endpoints
from bot.domain.deadlines import to_claim
from bot.domain.readiness import Probe, abandoned, after, unreachable
from bot.domain.requests import Ready, Request
from bot.services.ports.cloud import Prober
from bot.services.ports.store import Requests, Stored
from bot.services.requests.transitions import Transitions

NO_ADDRESS = "Confluent gives no address for it"
PRIVATE = "its address is in a private network"
PAUSED = "the cluster is paused until someone resumes it in Confluent Cloud"
FOREIGN = "Latchkey doesn't send secrets to its address"


def chance() -> float:
    """A number from -1 to 1, so that keys created together aren't tested together."""
    return random.uniform(-1, 1)  # noqa: S311 -- it keeps nothing secret


@dataclass(frozen=True, slots=True)
class Probes:
    """Tests a key that Latchkey created, where it will be used, and records the result."""

    transitions: Transitions
    requests: Requests
    prober: Prober
    jitter: Callable[[], float] = chance

    async def probe(self, stored: Stored[Request], ready: Ready) -> None:
        """Test the key once, if that is due; else do nothing. Raises `Conflict` if the request changed meanwhile.

        The secret is read and stays where it is. It's sent only to addresses that the prober vouches for.
        """
        planned = ready.life.probe
        if planned.next_at is None or self.transitions.clock() < planned.next_at:
            return
        probe = await self._looked(stored, ready)
        await self.transitions.commit(stored, replace(ready, life=replace(ready.life, probe=probe)))

    async def _looked(self, stored: Stored[Request], ready: Ready) -> Probe:
        resource, planned = ready.ask.resource, ready.life.probe
        if not self.prober.can_probe(resource, ready.endpoints):
            return unreachable(planned, self.transitions.clock(), _why_not(ready.endpoints))
        secret = await self.requests.secret(stored)
        if secret is None:
            return abandoned(planned)
        answer = await self.prober.probe(resource, ready.endpoints, ready.key.id, secret)
        # By our own clock: the key was made when the time to claim it began.
        made_at, now = ready.claim_by - to_claim(ready.ask, ready.terms), self.transitions.clock()
        return after(resource.kind, planned, answer, made_at, now, self.jitter())


def _why_not(endpoints: Endpoints) -> str:
    if endpoints.is_paused:
        return PAUSED
    if endpoints.is_private:
        return PRIVATE
    return FOREIGN if endpoints.rest else NO_ADDRESS
