"""Uses of break-glass: who is told about one, and the review by someone else that it needs.

The people to tell are stored with the use, or their search is due at once: if the process dies right after it, neither
they nor the review are lost. The key waits for that search, but not if it fails: then it's repeated.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from bot.domain.approvals import OVERDUE, TELL_AGAIN, GlassReview, GlassUse, Terms
from bot.domain.audit import Action, Event
from bot.domain.authority import Target
from bot.domain.deadlines import glass_of, glass_round
from bot.domain.decision import refusal, unfit
from bot.domain.errors import CloudRefused, Refused, Throttled, Unavailable, plain
from bot.domain.keys import Person
from bot.domain.policy import BreakGlass
from bot.domain.requests import Approved, Ask, Failed, Granted, Keyed, Living, Ready, Request, Revealing
from bot.services.catalog.cache import CatalogCache
from bot.services.commands import Click, Judge
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.deciders import called
from bot.services.requests.refusals import Refusals
from bot.services.requests.transitions import Transitions, With
from bot.services.text import when

SEARCHED_WITHIN = 10.0
"""Seconds that a key waits for the search for people who could have approved it."""
Used: TypeAlias = Granted | Failed
"""The states that a use can be in."""
Reviewable: TypeAlias = Keyed | Failed
"""The states in which a use can be reviewed, if it has to be."""
log = logging.getLogger("latchkey.break-glass")


def is_channel(reader: str) -> bool:
    """Whether this Slack id is that of a channel."""
    return reader.startswith(("C", "G"))


def begun(ask: Ask, terms: Terms, glass: BreakGlass, why: str, now: datetime) -> Approved:
    """A use that starts now: people are told first, then its key is created."""
    lasts = min(each for each in (glass.lifetime, terms.lifetime) if each is not None)
    named = tuple(f"{each}:0" for each in glass.notify if not each.startswith("S"))
    use = GlassUse(why, now, now + lasts, glass.notify, told=named, next_round=now)
    approved = Approved.first(ask, terms, (), now)
    return replace(approved, grant=replace(approved.grant, glass=use))


@dataclass(frozen=True, slots=True)
class GlassUses:
    """The steps and the review of a use. May raise `Conflict` and `Unavailable`."""

    transitions: Transitions
    directory: Directory
    candidates: Candidates
    cloud: Cloud
    refusals: Refusals
    catalog: CatalogCache

    async def step(self, stored: Stored[Request]) -> bool:
        """Tell people, if a round is due, and return whether one was. The first one comes before the key is created."""
        request, due = stored.value, glass_round(stored.value)
        glass = glass_of(request)
        if due is None or due > self.transitions.clock() or glass is None or not isinstance(request, Used):
            return False
        await self._tell(stored, request, glass)
        return True

    async def _tell(self, stored: Stored[Request], request: Used, glass: GlassUse) -> None:
        """Tell everyone who could have approved, or remind them that a review is due."""
        now = self.transitions.clock()
        number = glass.rounds
        while glass.due(number + 1) <= now:  # of several that were missed, one is enough
            number += 1
        try:
            readers = await (self._readers(request, glass) if glass.rounds else self._everyone(request, glass))
        except (Unavailable, CloudRefused, TimeoutError) as error:
            why = str(error) or "it took too long"
            log.warning("couldn't look up the people to tell", extra={"request": request.ask.id, "why": why})
            wait = max(TELL_AGAIN, error.wait) if isinstance(error, Throttled) else TELL_AGAIN
            await self.transitions.commit(stored, _with(request, replace(glass, next_round=now + wait)))
            return
        is_overdue = glass.rounds <= OVERDUE <= number
        channels = (request.terms.channel, *filter(is_channel, glass.notify)) if number >= OVERDUE else ()
        told = tuple(f"{each}:{number}" for each in dict.fromkeys((*channels, *readers)))
        new = tuple(each for each in told if each not in glass.told)
        after = replace(glass, told=glass.told + new, rounds=number + 1, next_round=glass.due(number + 1))
        events = list[Event]()
        if not glass.rounds:
            people = " ".join(reader for reader, _ in after.readers)
            events.append(self.transitions.event(Action.GLASS_TOLD, request.ask.id, told=people))
        if is_overdue:
            by = glass.review_by.isoformat()
            events.append(self.transitions.event(Action.GLASS_OVERDUE, request.ask.id, review_by=by))
        await self.transitions.commit(stored, _with(request, after), *events)

    async def _everyone(self, request: Used, glass: GlassUse) -> Sequence[str]:
        """The people who could have approved, and those whom the rule names."""
        ask = request.ask
        async with asyncio.timeout(SEARCHED_WITHIN):
            target, conditions = Target(ask.owner, ask.resource, ask.bindings), request.terms.approvers
            able = await self.candidates.of(target, ask.requester, conditions)
            groups = [each for each in glass.notify if each.startswith("S")]
            members = [user for group in groups for user in await self.directory.members(group, shown=True)]
        people = [*(each.slack for each in able if each.slack), *members]
        return [each for each in dict.fromkeys(people) if each != ask.requester.slack]

    async def _readers(self, _: Used, glass: GlassUse) -> Sequence[str]:
        """The people who were told in earlier rounds."""
        return [reader for reader in dict.fromkeys(reader for reader, _ in glass.readers) if not is_channel(reader)]

    async def reviewable(self, deed: Judge, click: Click) -> Request:
        """The request, if this person may review its use now. Raises `Refused` with the reason otherwise."""
        return (await self._admit(deed, click))[1]

    async def review(self, deed: Judge, click: Click) -> str:
        """Record whether a use was justified. After that, its user can use break-glass again."""
        stored, request, glass, by = await self._admit(deed, click)
        given = GlassReview(deed.outcome, by, self.transitions.clock(), deed.note)
        event = self.transitions.event(
            Action.GLASS_REVIEWED, request.ask.id, click.by, outcome=deed.outcome, note=deed.note
        )
        reviewed = _with(request, replace(glass, review=given, next_round=None))
        await self.transitions.commit(stored, reviewed, event, extra=With(durable=True))
        who = f"<@{request.ask.requester.slack}>"
        expires = f" The key still expires {when(glass.ends_at)}." if isinstance(request, Ready | Living) else ""
        then = f"{who} can see this and can use break-glass again."
        return f"You reviewed {called(request)}: {deed.outcome}.{expires} {then}"

    async def _admit(self, deed: Judge, click: Click) -> tuple[Stored[Request], Reviewable, GlassUse, Person]:
        stored = await self.transitions.get(deed.request)
        request = stored.value
        glass = glass_of(request)
        if glass is None or not isinstance(request, Reviewable):
            raise Refused(f"{called(request)}: there's nothing to review. Nothing changed.")
        if glass.review:
            by = glass.review.by.slack
            who, more = (
                ("You", " more") if by == click.by else (f"<@{by}>", "")
            )  # a crash may have kept the answer back
            said = f"{who} reviewed it {when(glass.review.at)}: {glass.review.outcome}"
            raise Refused(f"{called(request)}: {said}. Nothing{more} changed.")
        if isinstance(request, Revealing):  # the outcome of showing it is stored first
            raise Refused(f"{called(request)}: the secret is being shown. Nothing changed. Try again in a minute.")
        try:
            held_roles = await self.directory.held_roles(await self.directory.identify(click.by, click.team))
        except Refused as error:
            await self._refuse(request, deed, click, error.tell)
            raise
        if held_roles.person.is_same_as(request.ask.requester):
            reason = "You used break-glass here, so someone else has to review it."
        else:
            reason = plain(refusal(request.ask, held_roles, await self.catalog.names()) or "")
        if not reason:
            held_roles = await self.directory.fitting(held_roles, request.terms.approvers)
            reason = plain(unfit(request.ask.owner, held_roles, request.terms.approvers) or "")
        if reason:
            await self._refuse(request, deed, click, reason)
            raise Refused(f"You can't review {called(request)}. {reason} Nothing changed.")
        return stored, request, glass, held_roles.person

    async def _refuse(self, request: Request, deed: Judge, click: Click, reason: str) -> None:
        """Record a refusal."""
        await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
        details = {"reason": reason, "rule": request.terms.rule, "policy": self.directory.policy().digest}
        await self.refusals.record(Action.APPROVAL_REFUSED, request.ask.id, click, tried=deed.kind, **details)


def _with(request: Used, glass: GlassUse) -> Used:
    if isinstance(request, Failed):
        return replace(request, glass=glass)
    return replace(request, grant=replace(request.grant, glass=glass))
