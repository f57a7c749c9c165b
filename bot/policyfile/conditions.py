"""Checks and compares rules' conditions on approvers, as far as the file alone shows."""

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


def lacks(condition: Condition | None, other: Condition | None, approvals: int) -> tuple[str, ...]:
    """What `condition` lacks compared to a stricter one, in the words of the file, for this number of approvals.

    Also empty if neither is stricter: each lets someone approve whom the other one doesn't, or the file can't tell.
    """
    mine, theirs = condition or Condition(), other or Condition()
    return () if _lacks(theirs, mine, approvals) else _lacks(mine, theirs, approvals)


def _lacks(mine: Condition, theirs: Condition, approvals: int) -> tuple[str, ...]:
    """The parts of `theirs` that don't follow from `mine`."""
    found = ["one_of"] if theirs.one_of and not (mine.one_of and _ids(mine) <= _ids(theirs)) else []
    found += [f"not: {each}" for each in theirs.barred if each not in mine.barred]
    if approvals > 1 and theirs.is_distinct and not (mine.is_distinct and _parties(mine) <= _parties(theirs)):
        found.append("distinct")
    return tuple(found)


def _ids(condition: Condition) -> frozenset[str]:
    return frozenset[str]().union(*_parties(condition))


def _parties(condition: Condition) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(each.ids) for each in condition.one_of)


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
