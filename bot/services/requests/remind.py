"""Messages to the people who could approve a request: the first ones, if they didn't go out with it, then reminders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.approvals import NOBODY, Terms
from bot.domain.authority import Target
from bot.domain.conditions import adds
from bot.domain.decision import as_member, refusal, unfit
from bot.domain.errors import Refused
from bot.domain.keys import SlackUserId
from bot.domain.requests import Pending, Request
from bot.services.people.candidates import MOST_TOLD, Candidates, closest
from bot.services.people.directory import Directory
from bot.services.ports.store import Stored
from bot.services.requests.transitions import Transitions

MOST_NAMED = 50
"""How many of the people whom a rule names are told at most."""


@dataclass(frozen=True, slots=True)
class Reminders:
    """Sends the rounds of a request that waits, each to people who could approve it and have not."""

    transitions: Transitions
    directory: Directory
    candidates: Candidates

    async def tell(self, stored: Stored[Request], pending: Pending) -> None:
        """Have the round that is due sent: a message to each person who can approve and hasn't."""
        is_named = pending.rounds == 0 and pending.terms.notify
        people = await (self._named(pending) if is_named else self._closest(pending))
        told = tuple(f"{slack}:{pending.rounds}" for slack in people)
        rounds, due = self._next(pending)
        await self.transitions.commit(stored, replace(pending, told=pending.told + told, rounds=rounds, next_round=due))

    def _next(self, pending: Pending) -> tuple[int, datetime | None]:
        """The next round that is still to come. Of those that were missed, one is enough."""
        rounds = pending.rounds + 1
        while (due := next_round(pending.terms, pending.ask.asked_at, rounds)) and due <= self.transitions.clock():
            rounds += 1
        return rounds, due

    async def _closest(self, pending: Pending) -> Sequence[SlackUserId]:
        """The people closest to the key who could approve and have not; each reminder reaches as many more."""
        ask, decided = pending.ask, {approval.by.principal for approval in pending.approvals}
        conditions, given = pending.terms.approvers, [each.member for each in pending.approvals]
        able = await self.candidates.of(Target.of(ask), ask.requester, conditions)
        open_to = [each for each in able if each.principal not in decided and adds(conditions, given, each.member)]
        people = closest(open_to, ask.id, MOST_TOLD * (pending.rounds + 1))
        return list(dict.fromkeys(each.slack for each in people if each.slack))

    async def _named(self, pending: Pending) -> Sequence[SlackUserId]:
        """The people named by the rule who can decide."""
        named: list[SlackUserId] = []
        for subject in pending.terms.notify if pending.terms.notify != NOBODY else ():
            is_group = subject.startswith("S")
            named += await self.directory.members(subject, shown=True) if is_group else [SlackUserId(subject)]
        able = [slack for slack in dict.fromkeys(named) if await self._can_decide(slack, pending)]
        return able[:MOST_NAMED]

    async def _can_decide(self, slack: SlackUserId, pending: Pending) -> bool:
        """Whether someone can approve, and has not."""
        try:
            person = await self.directory.identify(slack, self.directory.team, shown=True)
        except Refused:
            return False
        if any(approval.by.is_same_as(person) for approval in pending.approvals):
            return False
        held_roles, conditions = await self.directory.glance(person), pending.terms.approvers
        if refusal(pending.ask, held_roles) is not None:
            return False
        held_roles = await self.directory.fitting(held_roles, conditions, shown=True)
        given = [each.member for each in pending.approvals]
        return unfit(pending.ask.owner, held_roles, conditions) is None and adds(
            conditions, given, as_member(held_roles)
        )


def first_round(terms: Terms, *, is_told: bool) -> int:
    """The number of the round to start with.

    Round 0 tells the people whom the rule names, or those closest to the key unless they are told already. From 1 on,
    each round is a reminder.
    """
    if not terms.notify:
        return 1 if is_told else 0
    return 1 if terms.notify == NOBODY else 0


def next_round(terms: Terms, asked_at: datetime, rounds: int) -> datetime | None:
    """When this round is due; None when there is no such round."""
    if rounds == 0:
        return asked_at
    return asked_at + terms.remind[rounds - 1] if rounds <= len(terms.remind) else None
