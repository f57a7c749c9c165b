"""Writes an explanation for people who run Confluent Cloud, as text and as JSON. The JSON keys never change."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from html import unescape
from typing import TypeAlias

from bot.domain.access import is_high_risk
from bot.domain.approvals import NOBODY
from bot.domain.authority import describe
from bot.domain.conditions import Condition, in_words
from bot.domain.decision import Allowed, Forbidden, NeedsApproval, Verdict
from bot.domain.errors import counted
from bot.domain.keys import MyAccount, NewServiceAccount, Operation, OrganizationScope, Owner, Resource
from bot.domain.policy import CHANGES, BreakGlass, Rule
from bot.domain.requests import Ask
from bot.domain.roles import Binding
from bot.services.people.approvers import Approver, Someone, right
from bot.services.people.explain import Explanation, Looked

Names: TypeAlias = Mapping[str, str]
_TOLD: Mapping[tuple[str, ...], str] = {(): "closest", NOBODY: "none"}


_WORDS = {Allowed: "allowed", NeedsApproval: "needs-approval", Forbidden: "forbidden"}


def as_text(explanation: Explanation, names: Names) -> str:
    """The whole explanation, in lines. `names` has names of environments, clusters and so on, by ID."""
    ask = explanation.ask
    return _clean(
        [
            f"{_who(explanation.requester)} wants to {ask.operation.value} {_keys(ask)}",
            *(f"  for     {_resource(each)}" for each in explanation.target.resources),
            f"  owner   {_owner(ask.owner)}",
            "",
            f"Decision: {_decision(explanation)}",
            *_rule(explanation),
            *_access(explanation),
            "",
            *_roles(explanation, names),
            *(["", *_approvers(explanation, names)] if _takes_others(explanation) else []),
        ]
    )


def approvers_as_text(explanation: Explanation, names: Names) -> str:
    """Only the people who could approve, one in each line."""
    return _clean(_approver(each, names) for each in explanation.able)


def notes(explanation: Explanation, names: Names) -> str:
    """The decision, and who can't approve although their role covers it: what the list of people doesn't show."""
    return _clean([f"Decision: {_decision(explanation)}", *_barred(explanation, names)])


def as_json(explanation: Explanation, names: Names) -> dict[str, object]:
    """The whole explanation as an object."""
    ask = explanation.ask
    return {
        **decided(explanation),
        "terms": terms_of(explanation.rule, explanation.approvals, ask) if explanation.rule else None,
        "table": explanation.table.name,
        "grants": list(explanation.offers),
        "requester": _person(explanation.requester),
        "operation": ask.operation.value,
        "break_glass": ask.break_glass,
        "resource": _opened(ask.resource),
        "also": _opened(ask.also) if ask.also else None,
        "owner": {"kind": ask.owner.kind, "id": ask.owner.id or None},
        "roles": [_role(each, names) for each in explanation.roles],
        "also_roles": [_role(each, names) for each in explanation.also_roles],
        **_able(explanation, names),
    }


def _opened(resource: Resource) -> dict[str, object]:
    return {
        "kind": resource.kind.value,
        "id": resource.id,
        "name": resource.name,
        "environment": resource.environment or None,
    }


def approvers_as_json(explanation: Explanation, names: Names) -> dict[str, object]:
    """The decision and the people, with the keys of `as_json`."""
    return {**decided(explanation), **_able(explanation, names)}


def decided(explanation: Explanation) -> dict[str, object]:
    """The decision, with the keys of `as_json`."""
    verdict = explanation.verdict
    return {
        "decision": _WORDS[type(verdict)],
        "possible": explanation.is_possible,
        "missing": verdict.missing if isinstance(verdict, NeedsApproval) else 0,
        "reason": unescape(verdict.reason) if isinstance(verdict, Forbidden) else "",
        "rule": explanation.rule.name if explanation.rule else None,
    }


def _able(explanation: Explanation, names: Names) -> dict[str, object]:
    return {
        "approvers": [_approver_as_json(each, names) for each in explanation.able],
        "barred": [
            {**_approver_as_json(each, names), "reason": unescape(each.someone.refusal)}
            for each in explanation.approvers
            if each.someone.refusal
        ],
    }


def _approver_as_json(approver: Approver, names: Names) -> dict[str, object]:
    """One person, with the role that lets them approve."""
    account = approver.account
    return {
        **_person(approver.someone),
        "basis": right(approver.bindings, names),
        **_binding(approver.basis, approver.via),
        "new_account": _binding(account, approver.account_via) if account else None,
    }


def _binding(binding: Binding, via: str) -> dict[str, object]:
    return {"role": binding.role, "crn": binding.crn, "source": binding.source, "mapping": via or None}


def _role(looked: Looked, names: Names) -> dict[str, object]:
    binding, weighed = looked.weighed.binding, looked.weighed
    return {
        "role": binding.role,
        "crn": binding.crn,
        "words": describe(binding, names),
        "source": binding.source,
        "mapping": looked.via or None,
        "counts": weighed.counts,
        "why": weighed.why,
    }


def _person(someone: Someone) -> dict[str, object]:
    person = someone.person
    return {
        "name": person.name,
        "email": person.email,
        "principal": someone.principal,
        "slack": someone.slack,
        "named_by_policy": person.named,
    }


def terms_of(rule: Rule, approvals: int, ask: Ask) -> dict[str, object]:
    """The terms that a rule sets for a request, with the keys of `as_json`; times are in seconds."""
    return {
        "approvals": approvals,
        "unless_manager": None if rule.approvals else rule.otherwise or "forbid",
        "channel": rule.channel or None,
        "notify": _TOLD.get(rule.notify) or list(rule.notify),
        "remind_seconds": [int(each.total_seconds()) for each in rule.remind],
        "pending_seconds": int(rule.pending.total_seconds()),
        "claim_seconds": int(rule.claim.total_seconds()),
        "lifetime_seconds": None if rule.lifetime is None else int(rule.lifetime.total_seconds()),
        "overlap_seconds": int(rule.overlap.total_seconds()),
        "mint": rule.mint,
        "user_keys": rule.user_keys,
        "risk": "high" if is_high_risk(rule.risk, ask.operation, ask.resource) else "normal",
        "leaked": rule.leaked,
        "ticket": asdict(rule.ticket) if rule.ticket else None,
        "confirm": rule.confirm or None,
        "break_glass": _break_glass(rule.break_glass) if rule.break_glass else None,
        "approvers": _conditions(rule.approvers) if rule.approvers else None,
    }


def _conditions(condition: Condition) -> dict[str, object]:
    """Further conditions on who approves, for JSON: each entry of `one_of` with its Slack IDs."""
    return {
        "one_of": [{"team": each.team or None, "ids": list(each.ids)} for each in condition.one_of],
        "not": list(condition.barred),
        "distinct": condition.is_distinct,
    }


def _break_glass(glass: BreakGlass) -> dict[str, object]:
    """Who can create a key without an approval, for JSON."""
    by = glass.by
    return {
        "by": sorted(by.users | by.groups | by.roles),
        "lifetime_seconds": int(glass.lifetime.total_seconds()),
        "notify": list(glass.notify),
    }


def _as_clause(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:].removesuffix('.')}"


def in_short(verdict: Verdict, able: int) -> str:
    """The decision in a few words. `able` is how many approvals people could give."""
    match verdict:
        case Allowed():
            return "allowed without approval"
        case Forbidden(reason=reason):
            return f"forbidden. {unescape(reason)}"
        case NeedsApproval(missing=missing):
            needs = f"needs {_approvals(missing)}"
            if able >= missing:
                return needs
            return f"{needs}, and {'no one' if not able else f'only {_people(able)}'} could approve"


def _decision(explanation: Explanation) -> str:
    said = in_short(explanation.verdict, explanation.most)
    return said if explanation.is_possible or not _is_allowed(explanation) else f"{said}, but no one could review it"


def _is_allowed(explanation: Explanation) -> bool:
    """Whether it's allowed without an approval."""
    return isinstance(explanation.verdict, Allowed)


def _takes_others(explanation: Explanation) -> bool:
    """Whether other people are needed, to approve it or to review a use of break-glass."""
    is_glass = explanation.ask.break_glass and _is_allowed(explanation)
    return is_glass or isinstance(explanation.verdict, NeedsApproval)


def _keys(ask: Ask) -> str:
    """What is requested, in words."""
    second = f" and a {ask.also.kind.row.label} key" if ask.also else ""
    return f"a {ask.resource.kind.row.label} key{second}{', with break-glass' if ask.break_glass else ''}"


def _whom(rule: Rule) -> str:
    by = f", for requests by {rule.match.by.in_words}" if rule.match.by else ""
    return f"{by}{f', until {rule.until} (UTC)' if rule.until else ''}"


def _rule(explanation: Explanation) -> Iterator[str]:
    rule = explanation.rule
    if rule is None:
        yield "Rule:     none matches, so it's forbidden"
        return
    for each, resource in zip(explanation.rules, explanation.target.resources, strict=True):
        of = f", of the {resource.kind.row.label} key" if len(explanation.rules) > 1 else ""
        yield f'Rule:     "{each.name}"{_whom(each)}{of}'
    if isinstance(explanation.verdict, Forbidden):
        return
    yield from _needed(explanation, rule)
    yield from _asked(rule, is_used=explanation.ask.break_glass)
    terms = explanation.verdict.terms
    most = f"at most {long(terms.lifetime)}" if terms.lifetime else "unlimited"
    match explanation.ask.operation:
        case Operation.CREATE | Operation.ROTATE as operation:
            made = "when the requester selects Show secret" if rule.mint == "on_claim" else "right after approval"
            yield f"          the key is created {made}; its secret must be viewed within {long(terms.claim)}"
            yield f"          lifetime of the key: {most}"
            if operation is Operation.ROTATE:
                yield f"          {_overlap(rule)}"
        case Operation.EXTEND:
            yield f"          new lifetime, counted from approval: {most}"
        case Operation.EDIT | Operation.DELETE as operation:
            at_once = operation is Operation.DELETE and rule.leaked == "delete"
            yield from ["          a key that is reported as leaked is deleted at once"] if at_once else []


def _needed(explanation: Explanation, rule: Rule) -> Iterator[str]:
    """How many people have to approve it, by when, and whether the risk is high."""
    if explanation.approvals:
        place = rule.channel or "no channel"
        yield f"          {_approvals(explanation.approvals)} within {long(rule.pending)}, in {place}"
        yield f"          {_told(rule)}"
    if explanation.ask.break_glass:
        yield "          someone who could have approved it has three days to review it"
    elif explanation.approvals > rule.approvals:
        owners = " or own it" if explanation.ask.operation in CHANGES else ""
        fewer = _approvals(rule.approvals) if rule.approvals else "none"
        yield f"          ({fewer} for people who manage such a key{owners})"
    if is_high_risk(rule.risk, explanation.ask.operation, explanation.ask.resource):
        yield "          high risk: the card and the review page show a warning, and Approve requires confirmation"


def _asked(rule: Rule, *, is_used: bool) -> Iterator[str]:
    """What the rule requires of approvers and of the requester; `is_used`: for a use of break-glass."""
    if rule.confirm and rule.most_approvals and not is_used:
        yield "          approvers type the name of the resource before they approve"
    if rule.approvers and (rule.most_approvals or is_used):
        words = in_words((rule.approvers,), "review" if is_used else "approve")
        yield from (f"          {_as_clause(each)}" for each in words)
    if (glass := rule.break_glass) and not is_used:
        who, lasts = glass.by.in_words, long(glass.lifetime)
        yield f"          in an emergency, {who} can create a key without approval, for {lasts}"
    if rule.ticket:
        must = "must" if rule.ticket.required else "can"
        yield f"          the request {must} name a ticket that matches {rule.ticket.pattern}"


def _access(explanation: Explanation) -> Iterator[str]:
    for each in explanation.ask.bindings:
        yield f"          grants {each.role} on {each.on} {each.name}: approvers have to be able to grant it"
    if explanation.ask.bindings:
        return
    if explanation.offers and not isinstance(explanation.verdict, Forbidden):
        yield f"          access that can be requested with it: {', '.join(explanation.offers)}"


def _told(rule: Rule) -> str:
    """Who is notified right away, and when reminders are sent."""
    whom: Mapping[tuple[str, ...], str] = {
        (): "the people closest to the resource are notified",
        NOBODY: "no one is notified",
    }
    at_once = whom.get(rule.notify) or f"{' and '.join(rule.notify)} are notified, if they can approve"
    after = " and ".join(map(long, rule.remind))
    return f"{at_once}, {f'with reminders after {after}' if after else 'without reminders'}"


def _overlap(rule: Rule) -> str:
    if not rule.overlap:
        return "the old key is deleted once the new secret has been viewed"
    return f"the old key can be kept for at most {long(rule.overlap)}"


def _roles(explanation: Explanation, names: Names) -> Iterator[str]:
    who = explanation.requester.person.name or "the requester"
    if explanation.roles:
        yield f'The roles of {who}, by the role table "{explanation.table.name}":'
    else:
        yield f"{who} has no roles, in Confluent Cloud or from the policy."
    yield from _weighed(explanation.roles, names)
    if explanation.also_roles:
        yield "And for the second key:"
        yield from _weighed(explanation.also_roles, names)
    if explanation.is_by_ownership:
        yield f"{who} owns this key and needs no role to edit or delete it."
    manages = all(any(each.weighed.counts for each in roles) for roles in explanation.roles_of_keys)
    if isinstance(explanation.verdict, NeedsApproval) and manages:
        yield f"{who} manages this key, but the rule still requires someone else's approval."


def _weighed(roles: Iterable[Looked], names: Names) -> Iterator[str]:
    for each in roles:
        counts = "counts" if each.weighed.counts else "doesn't count"
        yield f"  {describe(each.weighed.binding, names)}{_via(each.via)}"
        yield f"      {counts}: {each.weighed.why}"


def _approvers(explanation: Explanation, names: Names) -> Iterator[str]:
    what = "review" if explanation.ask.break_glass else "approve"
    if explanation.able:
        yield f"Who could {what} ({_people(len(explanation.able))}):"
        yield from (f"  {_approver(each, names)}" for each in explanation.able)
    else:
        yield f"No one could {what} it."
    yield from _barred(explanation, names)


def _barred(explanation: Explanation, names: Names) -> Iterator[str]:
    barred = [each for each in explanation.approvers if each.someone.refusal]
    if barred:
        yield "People who have the role but can't approve:"
        for each in barred:
            yield f"  {_approver(each, names)}"
            yield f"      {unescape(each.someone.refusal)}"


def _approver(approver: Approver, names: Names) -> str:
    roles = [f"{describe(approver.basis, names)}{_via(approver.via)}"]
    if approver.account:
        roles.append(f"{describe(approver.account, names)}{_via(approver.account_via)}")
    return f"{_who(approver.someone)}: {' and '.join(roles)}"


def _via(subject: str) -> str:
    if not subject:
        return ""
    return f" (from the policy, for {'the user group ' if subject.startswith('S') else ''}{subject})"


def _who(someone: Someone) -> str:
    slack = f"Slack {someone.slack}" if someone.slack else "not in Slack"
    address = f" <{someone.person.email}>" if someone.person.email else ""
    named = ", per the policy file" if someone.person.named else ""
    return f"{someone.person.name}{address} ({someone.principal or 'no Confluent user'}{named}, {slack})"


def _resource(resource: Resource) -> str:
    if isinstance(resource, OrganizationScope):
        return f"the organization ({resource.name})"
    environment = f"{resource.environment_name} ({resource.environment})"
    named = resource.id if resource.name == resource.id else f"{resource.name} ({resource.id})"
    return f"{named} in {environment}"


def _owner(owner: Owner) -> str:
    match owner:
        case MyAccount():
            return f"{owner.id}, a person's own account"
        case NewServiceAccount():
            return "a new service account"
        case _:
            return f"{owner.name} ({owner.id})"


def _approvals(number: int) -> str:
    return {0: "no approval", 1: "1 approval"}.get(number, f"{number} approvals")


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def long(span: timedelta) -> str:
    """A time in its largest whole unit: "2 days"."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        number, rest = divmod(span, size)
        if number and not rest:
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return counted(round(span.total_seconds()), "second")


def _clean(lines: Iterable[str]) -> str:
    """Lines for a terminal, in which names that other people chose can't move the cursor."""
    return "\n".join(map(cleaned, lines))


def cleaned(line: str) -> str:
    """A line without characters that a terminal may act on."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
