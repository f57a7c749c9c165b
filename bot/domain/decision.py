"""The decision: whether something can be done, how many still have to approve, or why not; always with the rule.

`decide` is the one function for the time of the request, of a click and of the effect. It's pure; its caller passes
what the people involved hold at that moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from bot.domain.access import WantedBinding
from bot.domain.approvals import Approval, Terms
from bot.domain.authority import (
    HeldRoles,
    Target,
    authority,
    beyond,
    extent,
    in_brief,
    lacks_only_the_account,
    owns_account,
)
from bot.domain.conditions import (
    Condition,
    Conditions,
    Member,
    as_read,
    counted,
    either,
    groups_of,
    needed,
    still_apart,
)
from bot.domain.errors import listed
from bot.domain.keys import MyAccount, NewServiceAccount, Operation, Owner, Principal
from bot.domain.policy import CHANGES, Policy, Rule, unknown_group
from bot.domain.requests import Ask

NO_LINE = "Only people listed under `people:` in the policy can approve, and you aren't listed."
NAMED = 5
"""How many of a person's roles a refusal names."""
NOT_IN_A_PAIR = (
    "The policy creates such keys only when their secret is viewed, and that works for one key at a time. "
    "Request the two keys separately."
)
_NAMELESS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Allowed:
    """It can be done now."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """`missing` more people have to approve."""

    terms: Terms
    missing: int


@dataclass(frozen=True, slots=True)
class Forbidden:
    """It can't be done. `reason` is a sentence for people."""

    rule: str
    reason: str


Verdict: TypeAlias = Allowed | NeedsApproval | Forbidden


def missing(verdict: Verdict) -> int:
    """How many more people have to approve."""
    return verdict.missing if isinstance(verdict, NeedsApproval) else 0


def decide(
    policy: Policy,
    ask: Ask,
    requester: HeldRoles,
    approvers: Sequence[tuple[Approval, HeldRoles]] = (),
    shown: Terms | None = None,
    *,
    is_sketch: bool = False,
) -> Verdict:
    """Decide about `ask`, from what its requester and its approvers hold now.

    Raises `Unavailable` if the decision depends on a user group of the requester, or on the name of an environment,
    that wasn't read.

    `shown` are the terms that people have read: the stricter of them and the policy's apply. If the two can't be
    compared (see `is_comparable`), the verdict has the policy's own, but requires at least one approval if those did.

    `is_sketch`: the ask has no texts yet, so its ticket isn't checked.

    A rule without approvals is for requesters with authority of their own, and for edits and deletions also for the
    key's owner. The rule says what it requires from everyone else: approvals, or nothing helps. The same people can
    delete a key that was reported as leaked without an approval, under every rule that doesn't forbid it.

    A pair of keys is decided by the rules of both: what either forbids is forbidden, the stricter terms apply, and
    approvers have to cover both.

    With `ask.break_glass`, the people whom the rule names for it need no approval; everyone else is refused.

    Of people whose approvals are counted, the user groups that `settled` terms name have to be looked up.
    """
    terms = settled(policy, ask, requester, shown, is_sketch=is_sketch)
    if isinstance(terms, Forbidden):
        return terms
    if ask.leaked and ask.operation is Operation.DELETE and _is_manager(ask, requester):
        return Allowed(replace(terms, approvals=0))
    return _count(terms, ask, approvers)


def settled(
    policy: Policy, ask: Ask, requester: HeldRoles, shown: Terms | None = None, *, is_sketch: bool = False
) -> Terms | Forbidden:
    """The terms on which approvals are counted: what `decide` finds before it counts. Raises as that does."""
    terms = _ruled(policy, ask, requester, is_sketch=is_sketch)
    if (other := ask.companion()) is not None and not isinstance(terms, Forbidden):
        second = _ruled(policy, other, requester, is_sketch=is_sketch)
        terms = second if isinstance(second, Forbidden) else terms.with_those_of(second)
        if not isinstance(terms, Forbidden) and terms.mint == "on_claim":
            terms = Forbidden(terms.rule, NOT_IN_A_PAIR)
    return terms if isinstance(terms, Forbidden) else _held_to(shown, terms, ask)


def _ruled(policy: Policy, ask: Ask, requester: HeldRoles, *, is_sketch: bool) -> Terms | Forbidden:
    """The terms of the rule for one key, with the number of approvals that it requires from this requester."""
    target = Target(ask.owner, ask.resource, ask.bindings)
    rule = policy.rule(ask.operation, target, requester)
    if rule is None:
        return Forbidden("no rule matches", "The policy has no rule that allows this.")
    reason = _never(rule, ask, requester) or _not_offered(policy, ask) or (None if is_sketch else _ticket(rule, ask))
    if reason is not None:
        return Forbidden(rule.name, reason)
    terms, is_manager = policy.terms_of(rule, requester), _is_manager(ask, requester)
    if ask.break_glass:
        return _broken_glass(rule, ask, requester, terms)
    if rule.approvals >= 1 or is_manager:
        return terms
    if rule.otherwise is None:
        return Forbidden(rule.name, _no_authority(requester, target))
    return replace(terms, approvals=max(rule.otherwise, 1))


def _is_manager(ask: Ask, requester: HeldRoles) -> bool:
    """Whether the requester can do this without the approvals that a rule requires from everyone else."""
    target = Target(ask.owner, ask.resource, ask.bindings)
    return manages(requester, target) or (ask.operation in CHANGES and _owns(requester, ask))


def _broken_glass(rule: Rule, ask: Ask, requester: HeldRoles, terms: Terms) -> Terms | Forbidden:
    """The terms on which this person can have the key without an approval, if they can."""
    glass = rule.break_glass
    if glass is None or ask.operation is not Operation.CREATE:
        return Forbidden(rule.name, "The policy doesn't allow break-glass for this.")
    if not glass.by.picks(requester, Target(ask.owner, ask.resource)):
        return Forbidden(rule.name, "The policy doesn't list you for break-glass.")
    if _lacks_line(requester):
        line = "Only people listed under `people:` in the policy can use break-glass, and you aren't listed."
        return Forbidden(rule.name, line)
    if isinstance(ask.owner, NewServiceAccount) or ask.bindings or ask.also:
        return Forbidden(rule.name, "Break-glass works only for one key of an existing account, without more access.")
    lasts = min(each for each in (terms.lifetime, glass.lifetime) if each is not None)
    return replace(terms, approvals=0, lifetime=lasts, claim=min(terms.claim, lasts))


def why_not_alone(policy: Policy, ask: Ask, requester: HeldRoles, verdict: Verdict) -> str | None:
    """Why this requester needs approvals if the rule requires none from people who manage the key; None otherwise."""
    if not isinstance(verdict, NeedsApproval):
        return None
    parts = Target(ask.owner, ask.resource, also=ask.also).parts
    rules = [policy.rule(ask.operation, part, requester) for part in parts]
    if any(rule is None or rule.approvals >= 1 for rule in rules):
        return None
    target = next((part for part in parts if not manages(requester, part)), parts[0])
    why = "none of your roles covers it"
    if authority(requester, target) is not None and (wanted := beyond(requester, ask.bindings)) is not None:
        why = f"your roles don't let you grant {in_words(wanted)}"
    elif authority(requester, target) is not None:
        why = "the policy doesn't list you under `people:`"
    elif lacks_only_the_account(requester, target):
        why = "your roles don't let you create its service account"
    return f"People who manage this key need no approval. You do, because {why}."


def refusal(ask: Ask, approver: HeldRoles, names: Mapping[str, str] = _NAMELESS) -> str | None:
    """Why this person can't approve or deny this ask: a sentence for that person; None if they can.

    `names` are the names of environments, clusters and accounts, by id, for the roles in the sentence.
    """
    if approver.person.is_same_as(ask.requester):
        return "This is your own request, so someone else has to approve it."
    target = Target(ask.owner, ask.resource, also=ask.also)
    if lacks_only_the_account(approver, target):
        takes = f"that needs {approver.table.account_makers()}, and you have {_held(approver, names)}"
        return f"Your Confluent roles cover this key, but don't let you create its service account ({takes})."
    if (lacking := next((each for each in target.parts if authority(approver, each) is None), None)) is not None:
        which = "this key" if ask.also is None else f"the {lacking.resource.kind.row.label} key of this request"
        takes = f"it needs {_roles_over(lacking, approver)}, and you have {_held(approver, names)}"
        return f"Your Confluent roles don't cover {which} ({takes})."
    if (wanted := beyond(approver, ask.bindings)) is not None:
        return f"Your Confluent roles don't let you grant {in_words(wanted)} (you have {_held(approver, names)})."
    return NO_LINE if _lacks_line(approver) else None


def unfit(owner: Owner, approver: HeldRoles, conditions: Conditions) -> str | None:
    """Why someone with authority over a key of this owner doesn't meet these conditions: a sentence, or None.

    Conditions bar nobody from denying. Raises `Unavailable` if it depends on a user group that wasn't looked up.
    """
    if unread := groups_of(conditions) - approver.looked_up:
        raise unknown_group(min(unread))
    found = (_unfit(each, owner, approver) for each in conditions)
    return next(filter(None, found), None)


def _unfit(condition: Condition, owner: Owner, approver: HeldRoles) -> str | None:
    if condition.one_of and not condition.parties(as_member(approver)):
        return f"The policy accepts approvals only from {either(each.name for each in condition.one_of)}."
    if "owner" in condition.barred and owns_account(approver, owner):
        return "The policy doesn't accept approvals from owners of the service account."
    if shared := approver.groups.intersection(condition.apart):
        groups = either(f"`{each}`" for each in sorted(shared))
        return f"The policy doesn't accept approvals from people who share a user group with the requester ({groups})."
    return None


def already_given(terms: Terms, given: Sequence[Approval]) -> str:
    """Why one more approval, by someone who meets the conditions, wouldn't count: a sentence for that person."""
    needs = needed(terms.approvers, [each.member for each in given], terms.approvals - len(given))
    return f"The policy counts one approval from each group, and yours already approved. Still needed: {needs}."


def as_member(held_roles: HeldRoles) -> Member:
    """The person, in the form that a rule's conditions check."""
    return Member(held_roles.person.slack, held_roles.groups)


def manages(held_roles: HeldRoles, target: Target) -> bool:
    """Whether this person manages the key, so that they can do alone what gives nobody more than they have."""
    return authority(held_roles, target) is not None and not _lacks_line(held_roles)


def _lacks_line(held_roles: HeldRoles) -> bool:
    return held_roles.table.people_only and not held_roles.person.named


def counting(
    ask: Ask, approvers: Sequence[tuple[Approval, HeldRoles]], conditions: Conditions = ()
) -> tuple[Approval, ...]:
    """The approvals that count now: of this very ask, by people who still can approve it, one per principal.

    Raises `Unavailable` as `unfit` does.
    """
    digest, found = ask.digest() if approvers else "", dict[Principal, tuple[Approval, Member]]()
    for approval, held_roles in approvers:
        person = held_roles.person
        is_theirs = approval.by.is_same_as(person) and approval.by.principal == person.principal
        if approval.digest != digest or not is_theirs or refusal(ask, held_roles) is not None:
            continue
        if unfit(ask.owner, held_roles, conditions) is None:
            found.setdefault(person.principal, (approval, as_member(held_roles)))
    given = tuple(found.values())
    return tuple(given[at][0] for at in counted(conditions, [member for _, member in given]))


def is_comparable(ask: Ask, shown: Terms, now: Terms) -> bool:
    """Whether one of these terms is merely stricter than the other.

    That is so for the same rule, with the key created at the same point, nothing to type that earlier approvers didn't
    type, and the same conditions on who approves, but for the groups that the requester is in.
    """
    is_typed = shown.confirm == now.confirm or not now.confirm
    is_theirs = as_read(shown.approvers) == as_read(now.approvers)
    is_made = shown.mint == now.mint or not ask.makes_key
    return shown.rule == now.rule and is_made and is_typed and is_theirs


def _held_to(shown: Terms | None, now: Terms, ask: Ask) -> Terms:
    if shown is None:
        return now
    if is_comparable(ask, shown, now):
        return now.within(shown)
    least = max(now.approvals, min(shown.approvals, 1))
    return replace(now, approvals=least, approvers=still_apart(now.approvers, shown.approvers))


def _roles_over(target: Target, approver: HeldRoles) -> str:
    """The roles that cover a key, and where."""
    roles = listed(approver.table.roles_over(target.resource.kind), "or")
    return f"{roles} on this resource" if target.resource.environment else roles


def _held(held_roles: HeldRoles, names: Mapping[str, str]) -> str:
    """The roles of a person in words, as many as fit in a sentence."""
    bindings = held_roles.bindings
    named = ", ".join(sorted({in_brief(binding, names) for binding in bindings[:NAMED]})) or "no role"
    return f"{named}, and {len(bindings) - NAMED} more" if len(bindings) > NAMED else named


def _never(rule: Rule, ask: Ask, requester: HeldRoles) -> str | None:
    """Why no approval would help; None if one might."""
    person = requester.person
    if rule.forbid:
        return rule.forbid
    if not person.is_same_as(ask.requester) or person.principal != ask.requester.principal:
        return "The requester is now matched to a different Confluent user."
    if isinstance(ask.owner, MyAccount):
        if ask.operation in CHANGES:  # existing keys can be edited and deleted even where new ones can't be created
            return None
        if ask.owner.id != person.principal:
            more = " or extended" if ask.operation is Operation.EXTEND else ""
            return f"Keys for another person's account can't be created{more}."
        if not rule.user_keys:
            return "Personal keys are turned off here. Use a service account."
    return None


def _not_offered(policy: Policy, ask: Ask) -> str | None:
    """Why requested role bindings can never be granted under this policy; None if they can."""
    if not ask.bindings:
        return None
    if isinstance(ask.owner, MyAccount) or ask.operation is not Operation.CREATE:
        return "Access can be requested only with a new key of a service account."
    opened = Target.of(ask).resources
    for each in ask.bindings:
        if not any(offer.offers(each, opened) for offer in policy.offers):
            return f"The policy doesn't offer {in_words(each)}."
    return None


def _ticket(rule: Rule, ask: Ask) -> str | None:
    """Why a request can't be approved with its ticket, or without one; None if it can."""
    if ask.leaked or rule.ticket is None or not rule.ticket.required or rule.fits(ask.ticket):
        return None  # a leaked key waits for no ticket
    if not ask.ticket:
        return "The policy requires a ticket, and this request has none."
    return f"The policy requires a ticket, and “{ask.ticket}” doesn't match its pattern."


def in_words(wanted: WantedBinding) -> str:
    """A role binding in words for people: "DeveloperWrite on topics starting with `orders-`"."""
    what, name = extent(wanted.on, wanted.name)
    return f"{wanted.role} on {what} `{name}`" if name else f"{wanted.role} on {what}"


def _owns(requester: HeldRoles, ask: Ask) -> bool:
    return isinstance(ask.owner, MyAccount) and ask.owner.id == requester.person.principal


def _no_authority(requester: HeldRoles, target: Target) -> str:
    """Why the requester alone isn't enough."""
    if authority(requester, target) is not None:
        return f"This rule needs no approval, but it isn't for everyone. {NO_LINE}"
    if (wanted := beyond(requester, target.bindings)) is not None:
        return f"This rule needs no approval, but only for people who can also grant {in_words(wanted)}."
    if lacks_only_the_account(requester, target):
        who = requester.table.account_makers()
        return f"This rule needs no approval, but only for people who can also create service accounts: {who}."
    return "This rule needs no approval, but only for people who manage such keys."


def _count(terms: Terms, ask: Ask, approvers: Sequence[tuple[Approval, HeldRoles]]) -> Verdict:
    more = terms.approvals - len(counting(ask, approvers, terms.approvers))
    return NeedsApproval(terms, more) if more > 0 else Allowed(terms)
