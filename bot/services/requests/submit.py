"""From what somebody asks to a request in the store: decided at once, waiting for approval, or refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.asks import Ask, Terms
from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict, decide
from bot.domain.errors import Conflict, Refused, plain
from bot.domain.keys import NewServiceAccount, Operation, OrganizationScope
from bot.domain.requests import Approved, Pending
from bot.services.commands import Click, Draft
from bot.services.people.candidates import Candidate, Candidates
from bot.services.people.directory import Directory
from bot.services.requests.remind import first_round, next_round
from bot.services.requests.transitions import Transitions

SENT_ALREADY = "This request was sent already. You find it in your messages from Latchkey."


@dataclass(frozen=True, slots=True)
class Proposing:
    """Opens requests. The policy decides, on roles that are read afresh."""

    transitions: Transitions
    directory: Directory
    candidates: Candidates

    async def propose(self, ask: Ask, click: Click) -> Approved | Pending | None:
        """Open the request, and return it; None when the same click opened it before.

        Raises `Refused` when the policy forbids it, or when nobody could approve it.
        """
        verdict = decide(self.directory.policy(), ask, await self.directory.held_roles(ask.requester))
        if isinstance(verdict, Forbidden):
            await self.transitions.record(Action.REFUSED, ask.id, click.by, reason=verdict.reason)
            raise Refused(f"{forbidden(verdict)} Nothing was sent.")
        target = Target(ask.owner, ask.resource)
        if isinstance(verdict, NeedsApproval):
            enough(await self.candidates.of(target, ask.requester), verdict)
        request = self._opened(ask, verdict)
        used = self.directory.policy().digest
        event = self.transitions.event(
            Action.SUBMITTED, ask.id, click.by, **summary(ask), rule=request.terms.rule, policy=used
        )
        try:
            await self.transitions.commit(None, request, event)
        except Conflict:
            return None
        return request

    def _opened(self, ask: Ask, verdict: Allowed | NeedsApproval) -> Pending | Approved:
        now, terms = self.transitions.clock(), verdict.terms
        if isinstance(verdict, Allowed):
            return Approved.first(ask, terms, (), now)
        rounds = first_round(terms)
        due = next_round(terms, now, rounds)
        return Pending(ask, terms, approvals=(), expires_at=now + terms.pending, rounds=rounds, next_round=due)


def summary(ask: Ask) -> dict[str, str]:
    """What was asked, for the audit log."""
    said: dict[str, str] = {
        "operation": ask.operation,
        "requester": ask.requester.slack,
        "principal": ask.requester.principal,
        "owner": ask.owner.id or ask.owner.kind,
        "kind": ask.resource.kind,
        "resource": ask.resource.id,
        "name": ask.name,
        "description": ask.description,
        "reason": ask.reason,
        "digest": ask.digest(),
    }
    if ask.key is not None:
        said["key"] = ask.key.id
    if ask.lifetime is not None:
        said["lifetime"] = str(ask.lifetime)
    return said


def enough(candidates: Sequence[Candidate], verdict: Verdict) -> None:
    """Raises `Refused` when too few people could approve: better now than after a day of waiting."""
    able = len({each.principal for each in candidates})
    if not isinstance(verdict, NeedsApproval) or able >= verdict.missing:
        return
    who = "nobody else could approve it" if able == 0 else f"only {able} of the {verdict.missing} needed could approve"
    raise Refused(
        f"Nothing was sent, because {who}. Ask an OrganizationAdmin to give somebody a role over this resource, "
        f"or choose another account or resource. (Rule: {plain(verdict.terms.rule)}.)"
    )


def forbidden(verdict: Forbidden) -> str:
    """Why not, in mrkdwn: both parts are somebody's own words."""
    return f"{plain(verdict.reason)} (rule: {plain(verdict.rule)})"


def follows(ask: Ask, terms: Terms, who: str) -> str:
    """What comes after the last approval; `who` is the requester."""
    if not ask.makes_key:
        doing = {Operation.EDIT: "changes", Operation.DELETE: "deletes"}.get(ask.operation, "extends the life of")
        return f"Latchkey {doing} the key now, and writes to {who}."
    if terms.mint == "on_claim":
        return f"The key is made when {who} {'ask' if who == 'you' else 'asks'} for its secret."
    then = "writes to you." if who == "you" else f"{who} takes it from there."
    return f"Latchkey makes the key now, and {then}"


def draft_again(ask: Ask, *, other_account: bool) -> Draft:
    """The form as it was filled in for this ask; with `other_account`, on a service account that is still to choose."""
    owner = {"user": "me", "new-service-account": "new"}.get(ask.owner.kind, ask.owner.id)
    made = ask.owner if isinstance(ask.owner, NewServiceAccount) else NewServiceAccount("", "")
    resource, lifetime = ask.resource, ask.lifetime
    return Draft(
        owner=ANY_ACCOUNT if other_account else owner,
        environment=resource.environment,
        cluster="" if isinstance(resource, OrganizationScope) else resource.id,
        name=ask.name,
        description=ask.description,
        reason=ask.reason,
        kind=resource.kind,
        cloud=resource.id.partition(".")[0] if resource.kind.row.is_regional else "",
        account_name=made.name,
        account_description=made.description,
        lifetime=str(lifetime.days) if lifetime else "",
    )


ANY_ACCOUNT = "service-account"
"""Stands in a draft's `owner` for a service account that is not chosen yet."""
