"""Requests that wait for approval while the policy changes.

Approvals are for the terms that a card showed. So new terms are recorded and shown before anyone can approve them. Only
if they are merely stricter do earlier approvals, and older cards, still count.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.domain.approvals import Approval, Terms
from bot.domain.audit import Action
from bot.domain.authority import Target
from bot.domain.conditions import in_words
from bot.domain.deadlines import lifetime
from bot.domain.decision import Forbidden, NeedsApproval, decide, is_comparable
from bot.domain.errors import LatchkeyError, Refused, plain
from bot.domain.keys import Operation, RequestId
from bot.domain.requests import Ask, Failed, Pending
from bot.services.people.candidates import Candidates
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Requests
from bot.services.requests.remind import next_round
from bot.services.requests.submit import forbidden, too_few
from bot.services.requests.transitions import Transitions, persistently
from bot.services.text import duration

_NO_NEW_FILE = "The requester's roles or user groups, or the environment's name, changed."
MOST = 10_000
"""How many waiting requests are checked."""
log = logging.getLogger("latchkey.policy")


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    """Checks waiting requests against this process's policy."""

    transitions: Transitions
    requests: Requests
    directory: Directory
    candidates: Candidates
    cloud: Cloud

    async def apply(self) -> bool:
        """Bring all waiting requests under the policy. Returns whether some have to be tried again.

        Raises no `LatchkeyError`: they are logged.
        """
        one_look = replace(self, directory=self.directory.for_one_decision())
        used, is_done = one_look.directory.policy().digest, True
        try:
            for stored in await self.requests.pending(MOST):
                if isinstance(stored.value, Pending) and stored.value.policy != used:
                    is_done = await one_look.tried(stored.value.ask.id) and is_done
        except LatchkeyError as error:
            log.warning("couldn't read the waiting requests", extra={"why": str(error)})
            return True
        return not is_done

    async def tried(self, request: RequestId) -> bool:
        """Bring one request under the policy. Returns False if it has to be tried again.

        An error that isn't a `LatchkeyError` is logged, and not tried again.
        """
        try:
            await persistently(lambda: self._one(request))
        except LatchkeyError as error:
            log.warning(
                "couldn't apply the new policy to a waiting request yet", extra={"request": request, "why": str(error)}
            )
            return False
        except Exception:
            log.exception("applying the new policy to a waiting request failed", extra={"request": request})
        return True

    async def _one(self, request: RequestId) -> None:
        stored, policy = await self.transitions.get(request), self.directory.policy()
        pending = stored.value
        if not isinstance(pending, Pending):
            return
        terms, ended = await self._terms(pending)
        if ended is None:
            after = under(pending, terms, policy.digest)
            event = self.transitions.event(Action.TERMS_CHANGED, request, **record(after))
            await self.transitions.commit(stored, after, *([event] if after.changed != pending.changed else []))
            return
        await self.cloud.must_see_all()  # otherwise, Confluent may only be hiding roles from us
        unchanged = "Nothing was created." if pending.ask.makes_key else "The key is unchanged."
        again = "Ask your Latchkey administrator, or request something else."
        now, happened = self.transitions.clock(), f"The policy changed: {ended}"
        given = pending.approvals
        failed = pending.then(
            Failed, happened=happened, changed=unchanged, next=again, reference=request, at=now, approvals=given
        )
        event = self.transitions.event(
            Action.FAILED, request, happened=happened, rule=terms.rule or "-", policy=policy.digest
        )
        await self.transitions.commit(stored, failed, event)

    async def _terms(self, pending: Pending) -> tuple[Terms, str | None]:
        """The terms under the present policy; and why the request ends, in mrkdwn, or None if it continues."""
        ask = pending.ask
        try:
            person = await self.directory.identify(ask.requester.slack, ask.requester.team)
        except Refused as error:
            return pending.terms, f"the requester couldn't be confirmed. {error.tell}"
        target, held_roles = Target.of(ask), await self.directory.held_roles(person)
        requester = await self.directory.asking(held_roles, ask.operation, target)
        verdict = decide(self.directory.policy(), ask, requester, (), pending.terms)
        if isinstance(verdict, Forbidden):
            return replace(pending.terms, rule=verdict.rule), forbidden(verdict)
        ended = None
        if isinstance(verdict, NeedsApproval):
            able = await self.candidates.of(target, ask.requester, verdict.terms.approvers, fresh=True)
            ended = too_few(able, verdict)
        return verdict.terms, ended and f"{ended} (rule: {plain(verdict.terms.rule)})."


def under(pending: Pending, terms: Terms, policy: str) -> Pending:
    """The request under these terms. Unless they are the same or only stricter, its approvals start over."""
    is_stricter = is_comparable(pending.ask, pending.terms, terms)
    remind = terms.remind != pending.terms.remind
    changed = difference(pending.ask, pending.terms, terms)
    is_other = policy != pending.policy
    why = "The policy changed." if is_other else _NO_NEW_FILE
    return replace(
        pending,
        terms=terms,
        policy=policy,
        approvals=pending.approvals if is_stricter else (),
        drawn=pending.drawn + (not is_stricter),
        changed=f"{why} {changed}" if changed else pending.changed,
        expires_at=pending.expires_at + (terms.pending - pending.terms.pending),
        next_round=next_round(terms, pending.ask.asked_at, pending.rounds) if remind else pending.next_round,
    )


def record(pending: Pending) -> dict[str, str]:
    """What changed, for the audit log."""
    counted = approvers(pending.approvals)
    return {"changed": pending.changed, "rule": pending.terms.rule, "policy": pending.policy, "approvals": counted}


def approvers(approvals: Sequence[Approval]) -> str:
    """Whose approvals count, for the audit log."""
    return " ".join(each.by.slack for each in approvals)


def difference(ask: Ask, before: Terms, now: Terms) -> str:
    """What people read about changed terms, in mrkdwn; "" if nothing changed that they were shown."""
    pairs = zip(_shown(ask, before), _shown(ask, now), strict=True)
    return " ".join(f"{what}: {old} → {new}." for (what, old), (_, new) in pairs if old != new)


def _shown(ask: Ask, terms: Terms) -> Iterator[tuple[str, str]]:
    """The terms that matter for this operation, in words."""
    is_made, lasts = ask.makes_key, lifetime(ask, terms)
    yield "Policy rule", plain(terms.rule)
    yield "Approvals needed", str(terms.approvals)
    yield "Conditions for approvers", plain(" ".join(in_words(terms.approvers)).removesuffix(".")) or "none"
    yield "Time to respond", duration(terms.pending)
    yield "Approvers type", "the name of the resource" if terms.confirm else "nothing"
    if is_made or ask.operation is Operation.EXTEND:
        yield "Expires", f"after {duration(lasts)}" if lasts else "never"
    if ask.operation is Operation.ROTATE:
        kept = min(ask.overlap, terms.overlap)
        yield "Old key kept for", duration(kept) if kept else "0 days"
    if is_made:
        yield "Created", "when the requester views the secret" if terms.mint == "on_claim" else "on approval"
