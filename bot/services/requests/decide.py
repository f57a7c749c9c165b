"""Asking for a key and deciding about it: review, submit, approve, deny, cancel.

Every method acts for one person, proves who that is, and returns or raises a sentence for that person.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from bot.domain.asks import Approval, Ask
from bot.domain.audit import Action
from bot.domain.authority import HeldRoles, Target, bases
from bot.domain.deadlines import lifetime
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, counting, decide, refusal
from bot.domain.errors import Conflict, Refused, plain
from bot.domain.keys import Operation, Person, RequestId
from bot.domain.requests import Approved, Cancelled, Denied, Expired, Pending, Request
from bot.services.catalog.quota import must_have_room
from bot.services.commands import Approve, Cancel, Click, Deny, Draft
from bot.services.form.advise import lifetime_problem, warnings_about
from bot.services.form.validate import Checked, Validator
from bot.services.pages import FormPage, ReviewPage
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.people.granted_by import names_of, right
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Stored
from bot.services.requests.submit import SENT_ALREADY, Proposing, enough, follows, forbidden
from bot.services.requests.transitions import Transitions
from bot.services.text import decided, deciders, lifetime_of


@dataclass(frozen=True, slots=True)
class RequestService:
    """What people do with requests until they are decided."""

    transitions: Transitions
    directory: Directory
    validator: Validator
    candidates: Candidates
    proposing: Proposing
    cloud: Cloud

    def for_one_decision(self) -> "RequestService":
        """See `Directory.for_one_decision`."""
        return replace(self, directory=self.directory.for_one_decision())

    async def review(self, draft_id: str, draft: Draft, click: Click) -> ReviewPage | FormPage:
        """The review page of a form; or the form again, with what is wrong under each field.

        Raises `Refused` when the policy forbids it, nobody could approve it, or Confluent has no room for it.
        """
        person = await self.directory.identify(click.by, click.team, shown=True)
        checked = await self.validator.check(draft, person)
        if isinstance(checked, FormPage):
            return checked
        ask = self._ask(RequestId(draft_id), draft, checked, person)
        held_roles = await self.directory.glance(person)
        verdict = decide(self.directory.policy(), ask, held_roles)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        if problem := lifetime_problem(ask, verdict.terms):
            return await self.validator.form(draft, {"lifetime": problem})
        target = Target(checked.owner, checked.resource)
        candidates = await self.candidates.of(target, person) if isinstance(verdict, NeedsApproval) else ()
        enough(candidates, verdict)
        room = await must_have_room(self.cloud, ask)
        warnings = (*warnings_about(held_roles, target, verdict), *filter(None, [room.unchecked]))
        approvers = Counter(each.basis for each in candidates)
        lasts = lifetime(ask, verdict.terms)
        return ReviewPage(
            draft_id, draft, checked.owner, checked.resource, verdict.terms, approvers, warnings, lifetime=lasts
        )

    async def submit(self, draft_id: str, draft: Draft, click: Click) -> str | FormPage:
        """Send a reviewed form for approval; the form again, when what it names is gone or taken meanwhile.

        Sending the same draft twice makes one request. Raises `Refused` as `review` does.
        """
        if await self.transitions.find(RequestId(draft_id)) is not None:
            return SENT_ALREADY  # and what it asked for may exist by now: its new account, its key at the limit
        person = await self.directory.identify(click.by, click.team)
        checked = await self.validator.check(draft, person)
        if isinstance(checked, FormPage):
            return checked
        ask = self._ask(RequestId(draft_id), draft, checked, person)
        rule = self.directory.policy().rule(ask.operation, Target(ask.owner, ask.resource))
        if rule and (problem := lifetime_problem(ask, rule.terms(self.directory.policy().table))):
            return await self.validator.form(draft, {"lifetime": problem})
        try:
            await must_have_room(self.cloud, ask)
        except Refused as error:
            await self.transitions.record(Action.REFUSED, ask.id, click.by, reason=error.tell)
            raise
        request = await self.proposing.propose(ask, click)
        if request is None:
            return SENT_ALREADY
        if isinstance(request, Approved):
            return f"No approval is needed. {follows(ask, request.terms, 'you')}"
        return "Your request is on its way. Latchkey writes to you when it is decided."

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
            await self.transitions.record(Action.APPROVAL_REFUSED, deed.request, click.by, tried="cancel")
            raise Refused("Only the person who asked can cancel this request. Nothing was changed.")
        pending = stored.value
        if not isinstance(pending, Pending):
            raise Refused(f"{decided(pending)} It can no longer be cancelled.")
        await self._still_open(stored, pending)
        cancelled = pending.then(Cancelled, at=self.transitions.clock())
        await self.transitions.commit(
            stored, cancelled, self.transitions.event(Action.CANCELLED, deed.request, click.by)
        )
        return "Cancelled. Nothing was created."

    def _ask(self, request: RequestId, draft: Draft, checked: Checked, person: Person) -> Ask:
        return Ask(
            id=request,
            requester=person,
            operation=Operation.CREATE,
            owner=checked.owner,
            resource=checked.resource,
            name=draft.name.strip(),
            description=draft.description.strip(),
            reason=draft.reason,
            asked_at=self.transitions.clock(),
            lifetime=lifetime_of(draft.lifetime),
        )

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
            await self._refuse(request, click, error.tell)
        if (reason := refusal(pending.ask, held_roles)) is not None:
            await self._refuse(request, click, plain(reason))
        return stored, pending, held_roles

    async def _refuse(self, request: RequestId, click: Click, reason: str) -> NoReturn:
        await self.cloud.must_see_all()  # else roles may only not be shown to us
        await self.transitions.record(Action.APPROVAL_REFUSED, request, click.by, tried=click.deed.kind, reason=reason)
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
        # Who has approved already is not counted twice, but the policy may ask for fewer people than it did then.
        again = any(approval.by.principal == held_roles.person.principal for approval in pending.approvals)
        target = Target(ask.owner, ask.resource)
        basis = right(bases(held_roles, target), names_of(target))
        mine = [] if again else [(Approval(held_roles.person, basis, now, ask.digest()), held_roles)]
        given = [*await self.directory.held_by_approvers(pending.approvals), *mine]
        verdict = decide(self.directory.policy(), ask, await self._requester(pending, click), given)
        await self._still_open(stored, pending)  # the look at roles took its time
        approvals = counting(ask, given)  # those that lapsed are gone from the card, too
        used = self.directory.policy().digest
        event = self.transitions.event(Action.APPROVED, ask.id, held_roles.person.slack, basis=basis, policy=used)
        match verdict:
            case Forbidden():
                return await self._refuse(ask.id, click, forbidden(verdict))
            case NeedsApproval() if again:
                return "You have approved this already. Another person has to approve it too."
            case NeedsApproval(terms, missing):
                await self.transitions.commit(stored, replace(pending, terms=terms, approvals=approvals), event)
                return f"Your approval counts. {missing} more needed."
            case Allowed(terms):
                await self.transitions.commit(stored, Approved.first(ask, terms, approvals, now), event)
                return f"Approved. {follows(ask, terms, f'<@{ask.requester.slack}>')}"

    async def _requester(self, pending: Pending, click: Click) -> HeldRoles:
        """What the requester holds right now. Raises `Refused` to whoever clicked when there is no such person."""
        asker = pending.ask.requester
        try:
            person = await self.directory.identify(asker.slack, asker.team)
        except Refused as error:
            await self._refuse(pending.ask.id, click, f"The requester could not be confirmed: {error.tell}")
        return await self.directory.held_roles(person)
