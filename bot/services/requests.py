"""Asking for a key and deciding about it: review, submit, approve, deny, cancel.

Every method acts for one person, proves who that is, and returns or raises a sentence for that person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from bot.domain.audit import Action
from bot.domain.authority import Standing, Target, authority, describe, reaches
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide, refusal
from bot.domain.errors import Conflict, Refused, plain
from bot.domain.keys import MyAccount, Operation, Person, RequestId
from bot.domain.requests import (
    Approval,
    Approved,
    Ask,
    Cancelled,
    Denied,
    Expired,
    Grant,
    Pending,
    Request,
)
from bot.services.checking import Checked, check
from bot.services.clicks import Click, Draft
from bot.services.directory import Directory
from bot.services.ledger import Ledger, persistently
from bot.services.pages import FormPage, ReviewPage
from bot.services.ports import Stored
from bot.services.words import decided


@dataclass(frozen=True, slots=True)
class Desk:
    """What people do with requests until they are decided."""

    ledger: Ledger
    directory: Directory

    async def review(self, draft_id: str, draft: Draft, click: Click) -> ReviewPage | FormPage:
        """The review page of a form; or the form again, with what is wrong under each field."""
        person = await self.directory.identify(click.by, click.team, shown=True)
        checked = await check(draft, person, self.directory)
        if isinstance(checked, FormPage):
            return checked
        ask = self._ask(RequestId(draft_id), draft, checked, person)
        standing = await self.directory.glance(person)
        verdict = decide(self.directory.policy(), ask, standing)
        if isinstance(verdict, Forbidden):
            raise Refused(f"{verdict.reason} (rule: {verdict.rule}) Nothing was sent.")
        return ReviewPage(
            draft_id,
            draft,
            checked.owner,
            checked.resource,
            verdict.terms,
            self.directory.policy().table.roles_over(checked.resource.kind),
            _warnings(standing, Target(checked.owner, checked.resource)),
        )

    async def submit(self, draft_id: str, draft: Draft, click: Click) -> str:
        """Send a reviewed form for approval. Sending the same draft twice makes one request."""
        person = await self.directory.identify(click.by, click.team)
        checked = await check(draft, person, self.directory)
        if isinstance(checked, FormPage):
            raise Refused(f"{' '.join(checked.problems.values())} Nothing was sent. Start again with `/apikey create`.")
        ask = self._ask(RequestId(draft_id), draft, checked, person)
        verdict = decide(self.directory.policy(), ask, await self.directory.standing(person))
        request = self._opened(ask, verdict)
        if isinstance(verdict, Forbidden) or request is None:
            reason = verdict.reason if isinstance(verdict, Forbidden) else "This request cannot be made."
            await self.ledger.record(Action.REFUSED, ask.id, click.by, reason=reason)
            raise Refused(f"{reason} Nothing was sent.")
        event = self.ledger.event(Action.SUBMITTED, ask.id, click.by, **summary(ask), rule=request.terms.rule)
        try:
            await self.ledger.move(None, request, event)
        except Conflict:
            return "This request was sent already. You find it in your messages from Latchkey."
        return "Your request is on its way. Latchkey writes to you when it is decided."

    async def approve(self, request: RequestId, click: Click) -> str:
        """Add one approval; with the last one needed, the key is made."""
        return await persistently(lambda: self._approve(request, click))

    async def deny(self, request: RequestId, reason: str, click: Click) -> str:
        """Refuse the request for good."""
        return await persistently(lambda: self._deny(request, reason, click))

    async def cancel(self, request: RequestId, click: Click) -> str:
        """Take a request back before it is decided; only the requester can."""
        return await persistently(lambda: self._cancel(request, click))

    async def _deny(self, request: RequestId, reason: str, click: Click) -> str:
        stored, pending, standing = await self._deciding(request, click)
        denied = Denied(pending.ask, pending.terms, standing.person, reason, self.ledger.clock())
        await self.ledger.move(stored, denied, self.ledger.event(Action.DENIED, request, click.by, reason=reason))
        return f"Denied. <@{pending.ask.requester.slack}> reads your reason."

    async def _cancel(self, request: RequestId, click: Click) -> str:
        stored = await self.ledger.get(request)
        if click.by != stored.value.ask.requester.slack or click.team != stored.value.ask.requester.team:
            await self.ledger.record(Action.APPROVAL_REFUSED, request, click.by, tried="cancel")
            raise Refused("Only the person who asked can cancel this request. Nothing was changed.")
        if not isinstance(stored.value, Pending):
            raise Refused(f"{decided(stored.value)} It can no longer be cancelled.")
        cancelled = Cancelled(stored.value.ask, stored.value.terms, self.ledger.clock())
        await self.ledger.move(stored, cancelled, self.ledger.event(Action.CANCELLED, request, click.by))
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
            asked_at=self.ledger.clock(),
        )

    def _opened(self, ask: Ask, verdict: Verdict) -> Pending | Approved | None:
        now = self.ledger.clock()
        match verdict:
            case Forbidden():
                return None
            case Allowed(terms):
                return Approved(ask, terms, Grant((), now, now + terms.claim), 1, now)
            case NeedsApproval(terms, _):
                return Pending(ask, terms, (), now + terms.pending)

    async def _deciding(self, request: RequestId, click: Click) -> tuple[Stored[Request], Pending, Standing]:
        """The request and the standing of somebody who may decide about it now. Raises `Refused` otherwise."""
        stored = await self.ledger.get(request)
        pending = stored.value
        if not isinstance(pending, Pending):
            raise Refused(f"{decided(pending)} Your click changed nothing.")
        if self.ledger.clock() >= pending.expires_at:
            await self._expire(stored, pending)
            raise Refused("Nobody decided in time, so this request has expired. Your click changed nothing.")
        try:
            standing = await self.directory.standing(await self.directory.identify(click.by, click.team))
        except Refused as error:
            await self._refuse(request, click, error.tell)
        if (reason := refusal(pending.ask, standing)) is not None:
            await self._refuse(request, click, plain(reason))
        return stored, pending, standing

    async def _refuse(self, request: RequestId, click: Click, reason: str) -> NoReturn:
        await self.ledger.record(Action.APPROVAL_REFUSED, request, click.by, tried=click.deed.kind, reason=reason)
        raise Refused(f"{reason} The request stays as it was.")

    async def _expire(self, stored: Stored[Request], pending: Pending) -> None:
        now = self.ledger.clock()
        expired = Expired(pending.ask, pending.terms, now)
        try:
            await self.ledger.move(stored, expired, self.ledger.event(Action.EXPIRED, pending.ask.id))
        except Conflict:
            return  # somebody else ended it in the same instant, and says so on the card

    async def _approve(self, request: RequestId, click: Click) -> str:
        stored, pending, standing = await self._deciding(request, click)
        if any(approval.by.is_same_as(standing.person) for approval in pending.approvals):
            return "You have approved this already. Another person has to approve it too."
        now = self.ledger.clock()
        binding = authority(standing, Target(pending.ask.owner, pending.ask.resource))
        basis = describe(binding) if binding else ""
        mine = Approval(standing.person, basis, now, pending.ask.digest())
        approvals = (*pending.approvals, mine)
        others = await self.standings(pending.approvals)
        asker = pending.ask.requester
        requester = await self.directory.standing(await self.directory.identify(asker.slack, asker.team))
        verdict = decide(self.directory.policy(), pending.ask, requester, [*others, (mine, standing)])
        event = self.ledger.event(Action.APPROVED, pending.ask.id, standing.person.slack, basis=basis)
        match verdict:
            case Forbidden(rule, reason):
                raise Refused(f"{reason} (rule: {rule}) The request stays as it was.")
            case NeedsApproval(_, missing):
                await self.ledger.move(stored, replace(pending, approvals=approvals), event)
                return f"Your approval counts. {missing} more needed."
            case Allowed(terms):
                grant = Grant(approvals, now, now + terms.claim)
                await self.ledger.move(stored, Approved(pending.ask, terms, grant, 1, now), event)
                return f"Approved. Latchkey makes the key now, and <@{asker.slack}> takes it from there."

    async def standings(self, approvals: Sequence[Approval]) -> list[tuple[Approval, Standing]]:
        """What those who approved hold right now; who can no longer be matched is left out, and does not count."""
        found: list[tuple[Approval, Standing]] = []
        for approval in approvals:
            try:
                person = await self.directory.identify(approval.by.slack, approval.by.team)
            except Refused:
                continue
            found.append((approval, await self.directory.standing(person)))
        return found


def summary(ask: Ask) -> Mapping[str, str]:
    """What was asked, for the audit log."""
    return {
        "operation": ask.operation,
        "requester": ask.requester.slack,
        "principal": ask.requester.principal,
        "owner": ask.owner.id,
        "resource": ask.resource.id,
        "name": ask.name,
        "reason": ask.reason,
        "digest": ask.digest(),
    }


def _warnings(standing: Standing, target: Target) -> tuple[str, ...]:
    if isinstance(target.owner, MyAccount):
        advice = "Keys of your own account are for development and testing; production uses a service account."
        if not reaches(standing, target):
            return (advice, "You hold no role that reaches this cluster, so the key may open nothing there.")
        return (advice,)
    return ()
