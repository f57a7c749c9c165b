"""Who could approve a request, for pages and messages."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.domain.authority import Target
from bot.domain.keys import Person, Principal, SlackUserId
from bot.domain.policy import Policy
from bot.services.people.approvers import Approvers, by_basis
from bot.services.people.directory import DISPLAY
from bot.services.ports.store import Cache, Clock

MOST_MET = 30
"""How many holders of roles are looked up in Slack, which answers 50 such questions a minute."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could approve, and by what right, in words."""

    slack: SlackUserId | None
    """None for one of very many, who was not looked for in Slack."""
    principal: Principal
    basis: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Reads who could approve; the decision itself is made elsewhere, from fresh reads, when somebody clicks."""

    policy: Callable[[], Policy]
    cache: Cache
    clock: Clock
    approvers: Callable[[Policy], Approvers]

    async def of(self, target: Target, requester: Person, *, fresh: bool = False) -> Sequence[Candidate]:
        """Everybody but the requester who could approve now; unless `fresh`, as read within the last minute."""
        place = f"{target.resource.kind}:{target.resource.environment}:{target.resource.id}"
        name = f"approvers:{place}:{target.owner.id}:{requester.principal}:{_version(self.policy())}"
        cached = None if fresh else await self.cache.get(name, tuple[Candidate, ...])
        return cached[0] if cached else await self._read(target, requester, name)

    async def _read(self, target: Target, requester: Person, name: str) -> tuple[Candidate, ...]:
        approvers = self.approvers(self.policy())
        groups = by_basis(await approvers.of(target, requester, most=MOST_MET), target)
        found = tuple(
            Candidate(each.someone.slack, each.someone.person.principal, basis)
            for basis, people in groups.items()
            for each in people
        )
        await self.cache.put(name, found, tuple[Candidate, ...], now=self.clock(), keep=DISPLAY)
        return found


def _version(policy: Policy) -> str:
    """Changes with whatever the policy says about people and roles."""
    table = (policy.table.name, sorted(policy.table.creates_accounts), policy.table.people_only)
    said = (table, policy.mappings, sorted(policy.people.items()))
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]
