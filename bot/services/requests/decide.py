"""Decisions about a request: approve, deny, cancel.

Every method acts for one person, whose identity it checks, and returns or raises a sentence for that person.
"""

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from bot.domain.approvals import Approval, Terms
from bot.domain.audit import Action
from bot.domain.authority import HeldRoles, Target, bases
from bot.domain.conditions import Conditions
from bot.domain.decision import (
    Allowed,
    Forbidden,
    NeedsApproval,
    already_given,
    counting,
    decide,
    missing,
    settled,
    unfit,
)
from bot.domain.errors import Refused, plain
from bot.domain.keys import Person, Resource
from bot.domain.requests import Approved, Cancelled, Denied, Pending, Request
from bot.services.commands import Approve, Cancel, Click, Deny, Judge
from bot.services.people.approvers import in_short, names_of, right
from bot.services.people.directory import Directory
from bot.services.ports.slack import Channels
from bot.services.ports.store import Stored
from bot.services.requests.audience import members
from bot.services.requests.deciders import Deciders, called
from bot.services.requests.glass import GlassUses
from bot.services.requests.policy_changes import approvers, difference, record, under
from bot.services.requests.refusals import Refusals
from bot.services.requests.submit import follows, forbidden
from bot.services.requests.transitions import Transitions
from bot.services.text import decided, is_confirmed


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people do with requests that wait for a decision."""

    transitions: Transitions
    directory: Directory
    refusals: Refusals
    deciders: Deciders
    channels: Channels
    glass_uses: GlassUses

    def for_one_decision(self) -> "Decisions":
        """See `Directory.for_one_decision`."""
        directory = self.directory.for_one_decision()
        return replace(self, directory=directory, deciders=replace(self.deciders, directory=directory))

    async def deniable(self, deed: Deny, click: Click) -> Pending:
        """The request, if this person may deny it now. Raises `Refused` with the reason otherwise."""
        return (await self.deciders.for_one_decision().admit(deed, click))[1]

    async def approvable(self, deed: Approve, click: Click) -> Pending:
        """Like `deniable`, for an approval that has to be confirmed. Raises `Refused` also if the terms changed."""
        deciders = self.deciders.for_one_decision()
        _, pending, held_roles = await deciders.admit(deed, click)
        if pending.drawn != deed.seen:
            raise Refused(_drawn_anew(pending))
        held_roles = await deciders.directory.fitting(held_roles, pending.terms.approvers)
        if reason := unfit(pending.ask.owner, held_roles, pending.terms.approvers):
            await deciders.refuse(deed, pending, click, plain(reason))
        return pending

    async def reviewable(self, deed: Judge, click: Click) -> Request:
        """A use of break-glass, if this person may review it now. Raises `Refused` with the reason otherwise."""
        return await self.glass_uses.reviewable(deed, click)

    async def judge(self, deed: Judge, click: Click) -> str:
        """Review a use of break-glass."""
        return await self.glass_uses.review(deed, click)

    async def deny(self, deed: Deny, click: Click) -> str:
        """Deny the request for good."""
        stored, pending, held_roles = await self.deciders.admit(deed, click)
        await self.deciders.still_open(stored, pending, deed)  # reading the roles took time
        now, given = self.transitions.clock(), pending.approvals
        denied = pending.then(Denied, by=held_roles.person, reason=deed.reason, at=now, approvals=given)
        event = self.transitions.event(Action.DENIED, deed.request, click.by, reason=deed.reason)
        await self.transitions.commit(stored, denied, event)
        return f"Denied {called(pending)}. <@{pending.ask.requester.slack}> can see your reason."

    async def cancel(self, deed: Cancel, click: Click) -> str | None:
        """Cancel a request before it's decided. Only its requester can."""
        stored = await self.transitions.get(deed.request)
        if click.by != stored.value.ask.requester.slack or click.team != stored.value.ask.requester.team:
            policy, rule = self.directory.policy().digest, stored.value.terms.rule
            await self.refusals.record(
                Action.APPROVAL_REFUSED, deed.request, click, tried="cancel", rule=rule, policy=policy
            )
            who = f"<@{stored.value.ask.requester.slack}>"
            raise Refused(f"Only {who} can cancel {called(stored.value)}. Nothing changed.")
        pending = stored.value
        if isinstance(pending, Cancelled):  # by them, perhaps by this very click, whose answer was lost
            return _cancelled(pending, click)
        if not isinstance(pending, Pending):
            raise Refused(f"{called(pending)}: {decided(pending)} It can no longer be cancelled.")
        await self.deciders.still_open(stored, pending, deed)
        cancelled = pending.then(Cancelled, at=self.transitions.clock(), approvals=pending.approvals)
        await self.transitions.commit(
            stored, cancelled, self.transitions.event(Action.CANCELLED, deed.request, click.by)
        )
        return _cancelled(cancelled, click)

    async def approve(self, deed: Approve, click: Click) -> str | None:
        """Add one approval. The last one needed starts the work. Call this on the result of `for_one_decision`.

        Returns a sentence, or None if the card that was clicked shows the outcome. Raises `Refused`.
        """
        stored, pending, held_roles = await self.deciders.admit(deed, click)
        ask, now, directory = pending.ask, self.transitions.clock(), self.directory
        # Nobody is counted twice, but some earlier approvals may no longer count.
        again = next((each.by for each in pending.approvals if each.by.principal == held_roles.person.principal), None)
        target = Target.of(ask)
        roles, names = bases(held_roles, target), names_of(target)
        basis, shown = right(roles, names), in_short(roles, names)
        told, requester = "" if again else await self._told(pending, click), await self._requester(pending, deed, click)
        conditions = _conditions(settled(directory.policy(), ask, requester, pending.terms))
        held_roles = await directory.fitting(held_roles, conditions)
        groups = tuple(sorted(held_roles.groups))
        mine = [] if again else [(Approval(held_roles.person, shown, now, ask.digest(), told, groups), held_roles)]
        given = [*await directory.held_by_approvers(pending.approvals, conditions), *mine]
        verdict = decide(directory.policy(), ask, requester, given, pending.terms)
        await self.deciders.still_open(stored, pending, deed)  # reading the roles took time
        approvals = counting(ask, given, conditions)  # those that lapsed are gone from the card, too
        if isinstance(verdict, Forbidden):
            return await self.deciders.refuse(deed, pending, click, forbidden(verdict), verdict.rule)
        now_shown = await self._as_shown(stored, pending, verdict.terms, deed)
        if mine and mine[0][0] not in approvals:
            reason = unfit(ask.owner, held_roles, conditions) or already_given(verdict.terms, approvals)
            await self.deciders.refuse(deed, pending, click, plain(reason), verdict.terms.rule)
        if now_shown.terms.confirm and not is_confirmed(deed.word, ask.resource):
            await self.deciders.refuse(deed, pending, click, _unconfirmed(ask.resource), verdict.terms.rule)
        by, used = held_roles.person.slack, {"rule": verdict.terms.rule, "policy": now_shown.policy}
        counted = {"missing": str(missing(verdict)), "approvals": approvers(approvals)}
        event = self.transitions.event(Action.APPROVED, ask.id, by, basis=basis, **used, **counted)
        stricter = difference(ask, pending.terms, verdict.terms)
        match verdict:
            case NeedsApproval(_, more) if again:
                people = "one more person" if more == 1 else f"{more} more people"
                return f"{_approved_by(again, held_roles.person, called(pending))}. It needs {people}."
            case NeedsApproval(terms, more):
                after: Request = replace(now_shown, approvals=approvals)
                said = f"Your approval of {called(pending)} is recorded. {more} more needed."
            case Allowed(terms):
                after = Approved.first(ask, terms, approvals, now)
                said = f"Approved {called(pending)}. {follows(ask, terms, f'<@{ask.requester.slack}>')}"
            case _:
                assert_never(verdict)
        await self.transitions.commit(stored, after, event)
        return None if _is_shown(click) and not stricter else f"{said} {stricter}".strip()

    async def _told(self, pending: Pending, click: Click) -> Literal["thread", "direct"]:
        """Where the approver is told if the request comes to nothing: see `Approval.told`."""
        if click.card is not None and click.card.channel == pending.terms.channel:
            return "thread"
        is_in = click.by in await members(self.channels, pending.terms.channel)
        return "thread" if is_in else "direct"

    async def _as_shown(self, stored: Stored[Request], pending: Pending, terms: Terms, deed: Approve) -> Pending:
        """The request under these terms. If the card showed others, stores these and raises `Refused`."""
        after = under(pending, terms, self.directory.policy().digest)
        if after.drawn == pending.drawn == deed.seen:
            return after
        if after.drawn != pending.drawn:
            event = self.transitions.event(Action.TERMS_CHANGED, pending.ask.id, **record(after))
            await self.transitions.commit(stored, after, event)
        raise Refused(_drawn_anew(after))

    async def _requester(self, pending: Pending, deed: Approve, click: Click) -> HeldRoles:
        """The roles that the requester holds now. Raises `Refused` if they can't be matched to one Confluent user."""
        asker = pending.ask.requester
        try:
            person = await self.directory.identify(asker.slack, asker.team)
        except Refused as error:
            await self.deciders.refuse(deed, pending, click, f"The requester couldn't be confirmed: {error.tell}")
        ask, held_roles = pending.ask, await self.directory.held_roles(person)
        return await self.directory.asking(held_roles, ask.operation, Target.of(ask))


def _conditions(terms: Terms | Forbidden) -> Conditions:
    return () if isinstance(terms, Forbidden) else terms.approvers


def _drawn_anew(pending: Pending) -> str:
    again = "Nothing was approved. Check the request again, then approve it on its card."
    return f"{called(pending)}: {pending.changed} {again}"


def _unconfirmed(resource: Resource) -> str:
    what = plain(resource.kind.row.noun)
    return f"The policy asks you to type the name of the {what} first. Select `Approve` on the card of the request."


def _approved_by(giver: Person, person: Person, request: str) -> str:
    """A sentence for someone whose approval counts already: two Slack accounts can be one Confluent user."""
    if giver.slack == person.slack:
        return f"You already approved {request}"
    user = plain(person.principal)
    return f"<@{giver.slack}> already approved {request}, and you count as the same Confluent user (`{user}`)"


def _cancelled(request: Cancelled, click: Click) -> str | None:
    if _is_shown(click):
        return None
    nothing = "Nothing was created." if request.ask.makes_key else "Nothing changed."
    return f"Cancelled {called(request)}. {nothing}"


def _is_shown(click: Click) -> bool:
    """Whether the message with the button shows what became of the click, and no answer was promised."""
    return click.card is not None and not click.tries
