"""Telling the people who could approve a request, once at first and then as reminders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.authority import Target
from bot.domain.decision import refusal
from bot.domain.errors import Refused
from bot.domain.keys import SlackUserId
from bot.domain.requests import Pending, Request, Terms
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions

MOST_TOLD = 50
"""How many people one round tells at most."""


@dataclass(frozen=True, slots=True)
class Reminders:
    """Sends the rounds of a request that waits, each to people who could approve it and have not."""

    transitions: Transitions
    directory: Directory
    candidates: Candidates

    async def tell(self, stored: Stored[Request], pending: Pending) -> None:
        """The round that is due: ask those who can decide and have not, each in a message of their own."""
        people = await (self._everyone(pending) if pending.rounds > 0 else self._notified(pending))
        told = tuple(f"{slack}:{pending.rounds}" for slack in people[:MOST_TOLD])
        rounds, due = self._next(pending)
        await self.transitions.commit(stored, replace(pending, told=pending.told + told, rounds=rounds, next_round=due))

    def _next(self, pending: Pending) -> tuple[int, datetime | None]:
        """The next round that is still to come: of those that we slept through, one was enough."""
        rounds = pending.rounds + 1
        while (due := next_round(pending.terms, pending.ask.asked_at, rounds)) and due <= self.transitions.clock():
            rounds += 1
        return rounds, due

    async def _everyone(self, pending: Pending) -> Sequence[SlackUserId]:
        """All who could approve and have not."""
        ask, decided = pending.ask, {approval.by.principal for approval in pending.approvals}
        able = await self.candidates.of(Target(ask.owner, ask.resource), ask.requester)
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


def first_round(terms: Terms) -> int:
    """0 tells those whom the rule names; from 1 on, each round reminds everybody who can decide."""
    return 0 if terms.notify else 1


def next_round(terms: Terms, asked_at: datetime, rounds: int) -> datetime | None:
    """When this round is due; None when there is no such round."""
    if rounds == 0:
        return asked_at
    return asked_at + terms.remind[rounds - 1] if rounds <= len(terms.remind) else None
