"""Checks a rule's conditions on approvers, as far as the file alone shows."""

from bot.domain.conditions import Condition, Member, most
from bot.domain.policy import Rule

MANY = 5
"""How many members to assume for each user group: as many as a rule can need approvals."""


def too_many(rule: Rule) -> str:
    """A problem if a rule needs more approvals than its `one_of` could give even with large user groups; else ""."""
    condition, needed = rule.approvers, rule.most_approvals
    if condition is None or not condition.one_of or not all(each.ids for each in condition.one_of):
        return ""
    able = most((condition,), _people(condition))
    if able >= needed:
        return ""
    entries = f"{able} {'entry' if able == 1 else 'entries'}, and `distinct` counts one approval for each"
    names = entries if condition.is_distinct else f"{able} {'person' if able == 1 else 'people'}"
    return f"can't give {needed} approvals: it names only {names}"


def _people(condition: Condition) -> list[Member]:
    """Everyone whom it names, with `MANY` stand-ins for each user group."""
    ids = dict.fromkeys(each for party in condition.one_of for each in party.ids)
    return [
        Member(f"?{each}{number}", frozenset({each})) if each.startswith("S") else Member(each)
        for each in ids
        for number in range(MANY if each.startswith("S") else 1)
    ]


def bare_ids(rule: Rule) -> tuple[str, ...]:
    """The entries of `one_of` that people would see as IDs."""
    return tuple(each.ids[0] for each in rule.approvers.one_of if not each.team) if rule.approvers else ()
