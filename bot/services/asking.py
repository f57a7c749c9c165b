"""Whom to ask: the people who could approve a request, and telling them, once at first and then as reminders."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.asks import Terms
from bot.domain.authority import Target
from bot.domain.decision import refusal
from bot.domain.errors import Refused
from bot.domain.keys import Person, Principal, SlackUserId
from bot.domain.policy import Policy
from bot.domain.requests import Pending, Request
from bot.services.basis import by_basis
from bot.services.directory import DISPLAY, Directory
from bot.services.explaining import Explaining
from bot.services.ledger import Ledger
from bot.services.ports import Stored

MOST_MET = 30
"""How many holders of roles are looked up in Slack, which answers 50 such questions a minute."""
MOST_TOLD = 50
"""How many people one round tells at most."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could approve, and by what right, in words."""

    slack: SlackUserId | None
    """None for one of very many, who was not looked for in Slack."""
    principal: Principal
    basis: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Reads who could approve; the decision itself is made elsewhere, from fresh reads, when somebody clicks."""

    ledger: Ledger
    directory: Directory

    async def candidates(self, target: Target, requester: Person) -> Sequence[Candidate]:
        """Everybody but the requester who could approve now, as read within the last minute."""
        place = f"{target.resource.kind}:{target.resource.environment}:{target.resource.id}"
        name = f"approvers:{place}:{target.owner.id}:{requester.principal}:{_version(self.directory.policy())}"
        cached = await self.directory.cache.get(name, tuple[Candidate, ...])
        return cached[0] if cached else await self._read(target, requester, name)

    async def tell(self, stored: Stored[Request], pending: Pending) -> None:
        """The round that is due: ask those who can decide and have not, each in a message of their own."""
        people = await (self._everyone(pending) if pending.rounds > 0 else self._notified(pending))
        told = tuple(f"{slack}:{pending.rounds}" for slack in people[:MOST_TOLD])
        rounds, due = self._next(pending)
        await self.ledger.move(stored, replace(pending, told=pending.told + told, rounds=rounds, next_round=due))

    def _next(self, pending: Pending) -> tuple[int, datetime | None]:
        """The next round that is still to come: of those that we slept through, one was enough."""
        rounds = pending.rounds + 1
        while (due := next_round(pending.terms, pending.ask.asked_at, rounds)) and due <= self.ledger.clock():
            rounds += 1
        return rounds, due

    async def _read(self, target: Target, requester: Person, name: str) -> tuple[Candidate, ...]:
        directory = self.directory
        explaining = Explaining(directory.cloud, directory.people, directory.tenant, directory.policy())
        groups = by_basis(await explaining.approvers(target, requester, most=MOST_MET), target)
        found = tuple(
            Candidate(each.someone.slack, each.someone.person.principal, basis)
            for basis, people in groups.items()
            for each in people
        )
        await directory.cache.put(name, found, tuple[Candidate, ...], now=directory.clock(), keep=DISPLAY)
        return found

    async def _everyone(self, pending: Pending) -> Sequence[SlackUserId]:
        """All who could approve and have not."""
        ask, decided = pending.ask, {approval.by.principal for approval in pending.approvals}
        able = await self.candidates(Target(ask.owner, ask.resource), ask.requester)
        return [each.slack for each in able if each.slack and each.principal not in decided]

    async def _notified(self, pending: Pending) -> Sequence[SlackUserId]:
        """Those whom the rule names, as far as they can decide."""
        named: list[SlackUserId] = []
        for subject in pending.terms.notify:
            is_group = subject.startswith("S")
            named += await self.directory.members(subject, shown=True) if is_group else [SlackUserId(subject)]
        return [slack for slack in dict.fromkeys(named) if await self._can_decide(slack, pending)]

    async def _can_decide(self, slack: SlackUserId, pending: Pending) -> bool:
        """Whether somebody can approve, and has not."""
        try:
            person = await self.directory.identify(slack, self.directory.team, shown=True)
        except Refused:
            return False
        if any(approval.by.is_same_as(person) for approval in pending.approvals):
            return False
        return refusal(pending.ask, await self.directory.glance(person)) is None


def _version(policy: Policy) -> str:
    """Changes with whatever the policy says about people and roles."""
    table = (policy.table.name, sorted(policy.table.creates_accounts))
    said = (table, policy.mappings, sorted(policy.people.items()))
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def first_round(terms: Terms) -> int:
    """0 tells those whom the rule names; from 1 on, each round reminds everybody who can decide."""
    return 0 if terms.notify else 1


def next_round(terms: Terms, asked_at: datetime, rounds: int) -> datetime | None:
    """When this round is due; None when there is no such round."""
    if rounds == 0:
        return asked_at
    return asked_at + terms.remind[rounds - 1] if rounds <= len(terms.remind) else None
