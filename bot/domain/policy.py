"""The decision: may this key be made, who still has to approve, or why not. Always naming the rule that said so.

`decide` is the one function that request time, click time and effect time use. It is pure; its caller brings what
the people involved hold at that very moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from bot.domain.authority import Standing, Target, authority, describe
from bot.domain.keys import Kind, MyAccount, Operation
from bot.domain.requests import Approval, Ask, Terms


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it matches (empty matches everything) and how many people must approve."""

    name: str
    approvals: int
    operations: frozenset[Operation] = frozenset()
    kinds: frozenset[Kind] = frozenset()

    def matches(self, operation: Operation, kind: Kind) -> bool:
        """Whether this rule speaks about such a request."""
        return (not self.operations or operation in self.operations) and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, the first match wins; and what holds for all of them."""

    channel: str
    rules: tuple[Rule, ...]
    pending: timedelta = timedelta(hours=24)
    claim: timedelta = timedelta(hours=24)

    def terms(self, operation: Operation, target: Target) -> Terms | None:
        """What the first matching rule says; None when no rule matches, which means no."""
        kind = target.resource.kind
        rule = next((rule for rule in self.rules if rule.matches(operation, kind)), None)
        if rule is None:
            return None
        return Terms(rule.name, rule.approvals, self.channel, self.pending, self.claim)


def without_a_file(channel: str) -> Policy:
    """The policy of a Latchkey that was given no policy file."""
    makes = frozenset({Operation.CREATE, Operation.ROTATE})
    return Policy(
        channel,
        (
            Rule("two approvals for keys without a cluster", 2, makes, frozenset({Kind.CLOUD, Kind.GLOBAL})),
            Rule("one approval for every new key", 1, makes),
        ),
    )


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done now."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """`missing` more people have to approve."""

    terms: Terms
    missing: int


@dataclass(frozen=True, slots=True)
class Forbidden:
    """It may not be done. `reason` is a sentence for people."""

    rule: str
    reason: str


Verdict: TypeAlias = Allowed | NeedsApproval | Forbidden


def decide(
    policy: Policy,
    ask: Ask,
    requester: Standing,
    approvers: Sequence[tuple[Approval, Standing]] = (),
) -> Verdict:
    """Decide about `ask`, from what its requester and its approvers hold right now."""
    target = Target(ask.owner, ask.resource)
    terms = policy.terms(ask.operation, target)
    if terms is None:
        return Forbidden("no rule matches", "No rule of the policy allows such a key.")
    if not requester.person.is_same_as(ask.requester) or requester.person.principal != ask.requester.principal:
        return Forbidden(terms.rule, "The requester is now matched to another Confluent user.")
    if isinstance(ask.owner, MyAccount) and ask.owner.id != requester.person.principal:
        return Forbidden(terms.rule, "Nobody makes keys for another person's account.")
    if terms.approvals == 0 and authority(requester, target) is None:
        return Forbidden(terms.rule, "This rule needs no approval, but only from someone who manages such keys.")
    return _count(terms, ask, approvers)


def refusal(ask: Ask, approver: Standing) -> str | None:
    """Why this person may not approve or deny this ask: a sentence for that person; None when they may."""
    if approver.person.is_same_as(ask.requester):
        return "You asked for this key, so someone else has to decide."
    if authority(approver, Target(ask.owner, ask.resource)) is None:
        held = ", ".join(sorted({describe(b) for b in approver.bindings})) or "no role"
        return f"Your Confluent roles do not cover this key (you hold {held})."
    return None


def _count(terms: Terms, ask: Ask, approvers: Sequence[tuple[Approval, Standing]]) -> Verdict:
    digest = ask.digest()
    valid = {
        standing.person.principal
        for approval, standing in approvers
        if approval.digest == digest
        and approval.by.is_same_as(standing.person)
        and approval.by.principal == standing.person.principal
        and refusal(ask, standing) is None
    }
    missing = terms.approvals - len(valid)
    return NeedsApproval(terms, missing) if missing > 0 else Allowed(terms)
