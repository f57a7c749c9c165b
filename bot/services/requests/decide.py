"""Deciding about a request: approve, deny, cancel.

Every method acts for one person, proves who that is, and returns or raises a sentence for that person.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from bot.domain.audit import Action
from bot.domain.authority import HeldRoles, Target, bases
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, counting, decide, refusal
from bot.domain.errors import Conflict, Refused, plain
from bot.domain.keys import Person, RequestId
from bot.domain.requests import Approval, Approved, Cancelled, Denied, Expired, Pending, Request, Terms
from bot.services.commands import Approve, Cancel, Click, Deny
from bot.services.people.approvers import names_of, right
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.policy_changes import difference, record, under
from bot.services.requests.refusals import Refusals
from bot.services.requests.submit import follows, forbidden
from bot.services.requests.transitions import Transitions
from bot.services.text import decided, deciders

CANCELLED = "Cancelled. Nothing was created."


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people do with requests that wait for a decision."""

    transitions: Transitions
    directory: Directory
    cloud: Cloud
    refusals: Refusals

    def for_one_decision(self) -> "Decisions":
        """See `Directory.for_one_decision`."""
        return replace(self, directory=self.directory.for_one_decision())

    async def deny(self, deed: Deny, click: Click) -> str:
        """Refuse the request for good."""
        stored, pending, held_roles = await self._deciding(deed.request, click)
        await self._still_open(stored, pending)  # the look at roles took its time
        denied = pending.then(Denied, by=held_roles.person, reason=deed.reason, at=self.transitions.clock())
        event = self.transitions.event(Action.DENIED, deed.request, click.by, reason=deed.reason)
        await self.transitions.commit(stored, denied, event)
        return f"Denied. <@{pending.ask.requester.slack}> reads your reason."

    async def cancel(self, deed: Cancel, click: Click) -> str:
        """Take a request back before it is decided; only the requester can."""
        stored = await self.transitions.get(deed.request)
        if click.by != stored.value.ask.requester.slack or click.team != stored.value.ask.requester.team:
            policy, rule = self.directory.policy().digest, stored.value.terms.rule
            await self.refusals.record(
                Action.APPROVAL_REFUSED, deed.request, click, tried="cancel", rule=rule, policy=policy
            )
            raise Refused("Only the person who asked can cancel this request. Nothing was changed.")
        pending = stored.value
        if isinstance(pending, Cancelled):  # by them, perhaps by this very click, whose answer was lost
            return CANCELLED
        if not isinstance(pending, Pending):
            raise Refused(f"{decided(pending)} It can no longer be cancelled.")
        await self._still_open(stored, pending)
        cancelled = pending.then(Cancelled, at=self.transitions.clock())
        await self.transitions.commit(
            stored, cancelled, self.transitions.event(Action.CANCELLED, deed.request, click.by)
        )
        return CANCELLED

    async def _deciding(self, request: RequestId, click: Click) -> tuple[Stored[Request], Pending, HeldRoles]:
        """The request and the standing of somebody who may decide about it now. Raises `Refused` otherwise."""
        stored = await self.transitions.get(request)
        pending = stored.value
        if not isinstance(pending, Pending):
            # Whose decision it was may be told of it by the same click, carried out once more after a crash.
            more = " more" if click.by in deciders(pending) else ""
            raise Refused(f"{decided(pending)} Your click changed nothing{more}.")
        await self._still_open(stored, pending)
        try:
            held_roles = await self.directory.held_roles(await self.directory.identify(click.by, click.team))
        except Refused as error:
            await self._refuse(pending, click, error.tell)
        if (reason := refusal(pending.ask, held_roles)) is not None:
            await self._refuse(pending, click, plain(reason))
        return stored, pending, held_roles

    async def _refuse(self, pending: Pending, click: Click, reason: str, rule: str = "") -> NoReturn:
        await self.cloud.must_see_all()  # else roles may only not be shown to us
        details = {"reason": reason, "rule": rule or pending.terms.rule, "policy": self.directory.policy().digest}
        await self.refusals.record(Action.APPROVAL_REFUSED, pending.ask.id, click, tried=click.deed.kind, **details)
        raise Refused(f"{reason} The request stays as it was.")

    async def _still_open(self, stored: Stored[Request], pending: Pending) -> None:
        """Raises `Refused` when the time to decide is over, whether or not the worker has seen that."""
        now = self.transitions.clock()
        if now < pending.expires_at:
            return
        expired = pending.then(Expired, at=now)
        with suppress(Conflict):  # somebody else ended it in the same instant, and says so on the card
            await self.transitions.commit(stored, expired, self.transitions.event(Action.EXPIRED, pending.ask.id))
        raise Refused("Nobody decided in time, so this request has expired. Your click changed nothing.")

    async def approve(self, deed: Approve, click: Click) -> str:
        """Add one approval; with the last one needed, the key is made. Only on a service `for_one_decision`."""
        stored, pending, held_roles = await self._deciding(deed.request, click)
        ask, now = pending.ask, self.transitions.clock()
        # Who has approved already is not counted twice, but some of the others may no longer count.
        again = next((each.by for each in pending.approvals if each.by.principal == held_roles.person.principal), None)
        target = Target(ask.owner, ask.resource)
        basis = right(bases(held_roles, target), names_of(target))
        mine = [] if again else [(Approval(held_roles.person, basis, now, ask.digest()), held_roles)]
        given = [*await self.directory.held_by_approvers(pending.approvals), *mine]
        verdict = decide(self.directory.policy(), ask, await self._requester(pending, click), given, pending.terms)
        await self._still_open(stored, pending)  # the look at roles took its time
        approvals = counting(ask, given)  # those that lapsed are gone from the card, too
        if isinstance(verdict, Forbidden):
            return await self._refuse(pending, click, forbidden(verdict), verdict.rule)
        now_shown = await self._as_shown(stored, pending, verdict.terms, deed)
        by, used = held_roles.person.slack, {"rule": verdict.terms.rule, "policy": now_shown.policy}
        event = self.transitions.event(Action.APPROVED, ask.id, by, basis=basis, **used)
        stricter = difference(ask, pending.terms, verdict.terms)
        match verdict:
            case NeedsApproval() if again:
                return f"{_approved_by(again, held_roles.person)}. Another person has to approve it too."
            case NeedsApproval(terms, missing):
                await self.transitions.commit(stored, replace(now_shown, approvals=approvals), event)
                return f"Your approval counts. {missing} more needed. {stricter}".strip()
            case Allowed(terms):
                await self.transitions.commit(stored, Approved.first(ask, terms, approvals, now), event)
                return f"Approved. {follows(ask, terms, f'<@{ask.requester.slack}>')} {stricter}".strip()

    async def _as_shown(self, stored: Stored[Request], pending: Pending, terms: Terms, deed: Approve) -> Pending:
        """The request on these terms. Raises `Refused`, once they are on record, where the clicked card had others."""
        after = under(pending, terms, self.directory.policy().digest)
        if after.drawn == pending.drawn == deed.seen:
            return after
        if after.drawn != pending.drawn:
            event = self.transitions.event(Action.TERMS_CHANGED, pending.ask.id, **record(after))
            await self.transitions.commit(stored, after, event)
        raise Refused(f"{after.changed} Nothing was approved. Check the request again, then approve it on its card.")

    async def _requester(self, pending: Pending, click: Click) -> HeldRoles:
        """What the requester holds right now. Raises `Refused` to whoever clicked when there is no such person."""
        asker = pending.ask.requester
        try:
            person = await self.directory.identify(asker.slack, asker.team)
        except Refused as error:
            await self._refuse(pending, click, f"The requester couldn't be confirmed: {error.tell}")
        return await self.directory.held_roles(person)


def _approved_by(giver: Person, person: Person) -> str:
    """Who has approved as this Confluent user: two Slack accounts can be one."""
    if giver.slack == person.slack:
        return "You have approved this already"
    user = plain(person.principal)
    return f"<@{giver.slack}> has approved this already, and you count as the same Confluent user (`{user}`)"
